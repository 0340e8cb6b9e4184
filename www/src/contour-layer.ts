/** Contours over the picture, on a canvas of their own. */
import { pathOf } from "./contour-pieces";
import type { ContourLevel } from "./contours";
import type { ViewState } from "./state/view-state";
import { watchTree } from "./state/tree";
import { View } from "./view";

/** More than these are moved as a picture while the view moves, and drawn when it rests: browsers draw later than they are told to, so that no clock shows it. */
const QUICK_VERTICES = 60_000;
const REST_MS = 120;
/** Lines by the hundred thousand are drawn far faster in memory than by what browsers make of them for graphics cards. */
export const IN_MEMORY: CanvasRenderingContext2DSettings = { willReadFrequently: true };

export class ContourLayer {
  private readonly stop: () => void;
  private painted: { centreX: number; centreY: number; scale: number; turn: string } | null = null;
  /** Vertices that were drawn last. */
  private drawn = 0;
  private timer = 0;
  private dirty = true;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly state: ViewState,
    /** In pixels of the image that lies under them. */
    private readonly levels: () => readonly ContourLevel[],
    redraw: () => void,
  ) {
    const { colour, lineWidth } = state.contours;
    this.stop = watchTree({ colour, lineWidth }, () => {
      this.changed();
      redraw();
    });
  }

  /** The levels have: to be drawn anew. */
  changed(): void {
    this.dirty = true;
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.stop();
  }

  /** `area`: what of the image is seen, upright, where `view` is turned. */
  draw(view: View, area = view): void {
    const empty = this.levels().length === 0;
    this.canvas.hidden = empty;
    if (empty) {
      this.painted = null;
      return;
    }
    const [width, height] = [Math.round(view.width * devicePixelRatio), Math.round(view.height * devicePixelRatio)];
    const resized = this.canvas.width !== width || this.canvas.height !== height;
    const turn = turnOf(view);
    const painted = this.painted?.turn === turn ? this.painted : null;
    if (!resized && !this.dirty && painted && painted.scale === view.scale && painted.centreX === view.centreX && painted.centreY === view.centreY) {
      this.canvas.style.transform = "";
      return;
    }
    if (resized || !painted || this.drawn < QUICK_VERTICES) {
      if (resized) Object.assign(this.canvas, { width, height });
      this.paintNow(view, area);
      return;
    }
    const rests = painted.scale === view.scale && painted.centreX === view.centreX && painted.centreY === view.centreY;
    if (rests && this.timer !== 0) return;
    const ratio = view.scale / painted.scale;
    const middle = view.toScreen(painted.centreX, painted.centreY);
    this.canvas.style.transform = `translate(${middle.x - (ratio * view.width) / 2}px, ${middle.y - (ratio * view.height) / 2}px) scale(${ratio})`;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.paintNow(view, area), REST_MS);
  }

  /** `factor` times as large as on the screen. How many vertices that were. */
  paint(context: CanvasRenderingContext2D, view: View, factor: number, area = view): number {
    const { colour, lineWidth } = this.state.contours;
    const scale = view.scale * factor;
    const [halfWidth, halfHeight] = [area.width / 2 / area.scale, area.height / 2 / area.scale];
    const [left, right] = [area.centreX - halfWidth, area.centreX + halfWidth];
    const [bottom, top] = [area.centreY - halfHeight, area.centreY + halfHeight];
    // Half a pixel of the picture, or all there is.
    const tolerance = scale < 2 ? 2 ** Math.floor(Math.log2(0.75 / scale)) : 0;
    let count = 0;
    context.save();
    // Image pixels, y upwards.
    const [a, b, c, d, e, f] = view.matrix().map((v) => v * factor) as [number, number, number, number, number, number];
    context.transform(a, b, c, d, e, f);
    context.strokeStyle = colour.value;
    context.lineWidth = (lineWidth.value * factor) / scale;
    context.lineJoin = "round";
    for (const { level, pieces } of this.levels()) {
      // Below zero dashed, as is the custom.
      context.setLineDash(level < 0 ? [(5 * factor) / scale, (4 * factor) / scale] : []);
      for (const piece of pieces) {
        if (piece.x1 < left || piece.x0 > right || piece.y1 < bottom || piece.y0 > top) continue;
        const { path, vertices } = pathOf(piece, tolerance);
        context.stroke(path);
        count += vertices;
      }
    }
    context.restore();
    return count;
  }

  private paintNow(view: View, area: View): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const context = this.canvas.getContext("2d", IN_MEMORY)!;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawn = this.paint(context, view, devicePixelRatio, area);
    this.canvas.style.transform = "";
    this.dirty = false;
    this.painted = { centreX: view.centreX, centreY: view.centreY, scale: view.scale, turn: turnOf(view) };
  }
}

/** How the picture lies, without its place and scale. */
function turnOf(view: View): string {
  return view.matrix().slice(0, 4).map((v) => (v / view.scale).toFixed(5)).join(" "); // prettier-ignore
}
