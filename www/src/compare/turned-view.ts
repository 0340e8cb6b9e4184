/** A view whose picture is turned, mirrored or sheared about its middle, so that it lies as another image's picture does. */
import { View } from "../view";
import type { Affine } from "./matching";

/** Screen offsets from the middle, y downwards: x' = xx · x + xy · y, y' = yx · x + yy · y. Its determinant is 1 or -1. */
export interface Turn {
  xx: number;
  xy: number;
  yx: number;
  yy: number;
}

export const UPRIGHT: Turn = { xx: 1, xy: 0, yx: 0, yy: 1 };
/** Of the pane's longer side: pictures that are squeezed further are cut. */
const LARGEST_AREA = 3;

/** What brings the second image's picture, drawn at the scale that follow() gives it, to how the first one lies. */
export function turnOf({ x, y }: Affine): Turn {
  const size = x[0] * y[1] - x[1] * y[0];
  const factor = Math.sqrt(Math.abs(size)) / size;
  const tidy = (v: number) => (Math.abs(v) < 1e-4 ? 0 : Math.abs(Math.abs(v) - 1) < 1e-6 ? Math.sign(v) : v);
  const turn = { xx: tidy(factor * y[1]), xy: tidy(factor * y[0]), yx: tidy(factor * x[1]), yy: tidy(factor * x[0]) };
  return Object.values(turn).every(Number.isFinite) ? turn : UPRIGHT;
}

export class TurnedView extends View {
  turn: Turn = UPRIGHT;

  override toImage(screenX: number, screenY: number): { x: number; y: number } {
    const { xx, xy, yx, yy } = this.turn;
    const size = xx * yy - xy * yx;
    const [dx, dy] = [screenX - this.width / 2, screenY - this.height / 2];
    return super.toImage(this.width / 2 + (yy * dx - xy * dy) / size, this.height / 2 + (xx * dy - yx * dx) / size);
  }

  override toScreen(x: number, y: number): { x: number; y: number } {
    const { xx, xy, yx, yy } = this.turn;
    const at = super.toScreen(x, y);
    const [dx, dy] = [at.x - this.width / 2, at.y - this.height / 2];
    return { x: this.width / 2 + xx * dx + xy * dy, y: this.height / 2 + yx * dx + yy * dy };
  }

  override matrix(x0 = 0, y0 = 0): [number, number, number, number, number, number] {
    const { xx, xy, yx, yy } = this.turn;
    const { x, y } = this.toScreen(x0, y0);
    return [this.scale * xx, this.scale * yx, -this.scale * xy, -this.scale * yy, x, y];
  }

  /** The same place and scale, not turned, and so large that its picture, turned, fills this one. */
  upright(into: View): View {
    const { xx, xy, yx, yy } = this.turn;
    const most = LARGEST_AREA * Math.max(this.width, this.height);
    const [width, height] = [Math.abs(yy) * this.width + Math.abs(xy) * this.height, Math.abs(yx) * this.width + Math.abs(xx) * this.height];
    const { centreX, centreY, scale, imageWidth, imageHeight } = this;
    return Object.assign(into, { centreX, centreY, scale, imageWidth, imageHeight, width: Math.ceil(Math.min(most, width)), height: Math.ceil(Math.min(most, height)) });
  }
}
