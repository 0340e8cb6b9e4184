/** Contours over the picture of an image: its own, or those of another image, by the sky. */
import type { Image } from "cubelink";
import { piecesOf, type ContourPiece } from "./contour-pieces";
import { ContourLayer } from "./contour-layer";
import type { ContourLevel, Contours } from "./contours";
import { Warp } from "./compare/warp";
import type { ViewState } from "./state/view-state";
import type { View } from "./view";

/** Whose contours they are, and what is seen of that image. */
export interface ContourOrigin {
  image: Image;
  area: View;
}

export class ContourOverlay {
  private readonly layer: ContourLayer;
  private readonly stop: () => void;
  private warp: Warp | null = null;
  private levels: readonly ContourLevel[] = [];
  /** Which contours `levels` are of. */
  private made = "";
  private parts = 0;
  private moved = new WeakMap<ContourPiece, ContourPiece[]>();
  private movedBy = -1;

  constructor(
    canvas: HTMLCanvasElement,
    state: ViewState,
    private readonly contours: Contours,
    private readonly redraw: () => void,
  ) {
    this.layer = new ContourLayer(canvas, state, () => this.levels, redraw);
    this.stop = contours.shown.watch(() => {
      this.parts += 1;
      redraw();
    });
  }

  destroy(): void {
    this.stop();
    this.layer.destroy();
  }

  /** `area`: what of `image` is seen, upright, where `view` is turned. */
  draw(view: View, image: Image | null, origin: ContourOrigin | null, area = view): void {
    this.use(image, origin);
    this.layer.draw(view, area);
  }

  /** As it was drawn last, `factor` times as large. */
  paint(context: CanvasRenderingContext2D, view: View, factor: number, area = view): void {
    this.layer.paint(context, view, factor, area);
  }

  private use(image: Image | null, origin: ContourOrigin | null): void {
    const shown = this.contours.shown.value;
    if (!image || !origin || shown.length === 0) return this.set([], "");
    if (origin.image === image) {
      this.warp = null;
      return this.set(shown, `own ${image.fileId} ${this.parts}`);
    }
    if (this.warp?.from !== origin.image || this.warp.to !== image) {
      this.warp = new Warp(origin.image, image, this.redraw);
      this.movedBy = -1;
    }
    const { warp } = this;
    warp.ask(origin.area);
    const made = `${origin.image.fileId} ${image.fileId} ${warp.version} ${this.parts}`;
    if (made === this.made) return;
    if (this.movedBy !== warp.version) [this.moved, this.movedBy] = [new WeakMap(), warp.version];
    this.set(warp.ready ? shown.map((level) => ({ ...level, pieces: level.pieces.flatMap((piece) => this.piecesOf(piece, warp)) })) : [], made);
  }

  private set(levels: readonly ContourLevel[], made: string): void {
    if (made === this.made) return;
    [this.levels, this.made] = [levels, made];
    this.layer.changed();
  }

  private piecesOf(piece: ContourPiece, warp: Warp): ContourPiece[] {
    const known = this.moved.get(piece);
    if (known) return known;
    const made = moved(piece, warp);
    this.moved.set(piece, made);
    return made;
  }
}

/** Lines end where the other image has no such place. */
function moved({ vertices, starts }: ContourPiece, warp: Warp): ContourPiece[] {
  const into = new Float32Array(vertices.length);
  const lines: number[] = [];
  let count = 0;
  for (let line = 0; line < starts.length; line++) {
    const end = line + 1 < starts.length ? starts[line + 1]! : vertices.length / 2;
    let begun = false;
    for (let i = starts[line]!; i < end; i++) {
      const [x, y] = warp.map(vertices[2 * i]!, vertices[2 * i + 1]!);
      if (!Number.isFinite(x + y)) {
        begun = false;
        continue;
      }
      if (!begun) lines.push(count);
      begun = true;
      into[2 * count] = x;
      into[2 * count + 1] = y;
      count += 1;
    }
  }
  return count === 0 ? [] : piecesOf(into.subarray(0, 2 * count), Int32Array.from(lines));
}
