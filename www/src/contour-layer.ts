/** Contours over the picture, on a canvas of their own. */
import { byId, type Root } from "./dom";
import type { Contours } from "./contours";
import type { ViewState } from "./state/view-state";
import { watchTree } from "./state/tree";
import { View } from "./view";

/** Lines that take longer to draw are moved as a picture while the view moves, and drawn when it rests. */
const QUICK_MS = 10;
const REST_MS = 120;

export class ContourLayer {
  private readonly canvas: HTMLCanvasElement;
  private readonly stop: (() => void)[];
  private painted: { centreX: number; centreY: number; scale: number } | null = null;
  private cost = 0;
  private timer = 0;
  private dirty = true;

  constructor(
    root: Root,
    private readonly state: ViewState,
    private readonly contours: Contours,
    private readonly redraw: () => void,
  ) {
    this.canvas = byId<HTMLCanvasElement>(root, "contours");
    const again = () => {
      this.dirty = true;
      this.redraw();
    };
    const { colour, lineWidth } = state.contours;
    this.stop = [contours.shown.watch(again), watchTree({ colour, lineWidth }, again)];
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.stop.forEach((stop) => stop());
  }

  draw(view: View): void {
    const empty = this.contours.shown.value.length === 0;
    this.canvas.hidden = empty;
    if (empty) {
      this.painted = null;
      return;
    }
    const [width, height] = [Math.round(view.width * devicePixelRatio), Math.round(view.height * devicePixelRatio)];
    const resized = this.canvas.width !== width || this.canvas.height !== height;
    const { painted } = this;
    if (!resized && !this.dirty && painted && painted.scale === view.scale && painted.centreX === view.centreX && painted.centreY === view.centreY) {
      this.canvas.style.transform = "";
      return;
    }
    if (resized || !painted || this.cost < QUICK_MS) {
      if (resized) Object.assign(this.canvas, { width, height });
      this.paintNow(view);
      return;
    }
    const rests = painted.scale === view.scale && painted.centreX === view.centreX && painted.centreY === view.centreY;
    if (rests && this.timer !== 0) return;
    const ratio = view.scale / painted.scale;
    const middle = view.toScreen(painted.centreX, painted.centreY);
    this.canvas.style.transform = `translate(${middle.x - (ratio * view.width) / 2}px, ${middle.y - (ratio * view.height) / 2}px) scale(${ratio})`;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.paintNow(view), REST_MS);
  }

  /** `factor` times as large as on the screen. */
  paint(context: CanvasRenderingContext2D, view: View, factor: number): void {
    const { colour, lineWidth } = this.state.contours;
    const scale = view.scale * factor;
    const [halfWidth, halfHeight] = [view.width / 2 / view.scale, view.height / 2 / view.scale];
    const [left, right] = [view.centreX - halfWidth, view.centreX + halfWidth];
    const [bottom, top] = [view.centreY - halfHeight, view.centreY + halfHeight];
    context.save();
    // Image pixels, y upwards.
    context.setTransform(scale, 0, 0, -scale, (view.width / 2) * factor - view.centreX * scale, (view.height / 2) * factor + view.centreY * scale);
    context.strokeStyle = colour.value;
    context.lineWidth = (lineWidth.value * factor) / scale;
    context.lineJoin = "round";
    for (const { level, pieces } of this.contours.shown.value) {
      // Below zero dashed, as is the custom.
      context.setLineDash(level < 0 ? [(5 * factor) / scale, (4 * factor) / scale] : []);
      for (const { path, x0, y0, x1, y1 } of pieces) if (x1 >= left && x0 <= right && y1 >= bottom && y0 <= top) context.stroke(path);
    }
    context.restore();
  }

  private paintNow(view: View): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const start = performance.now();
    const context = this.canvas.getContext("2d")!;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.paint(context, view, devicePixelRatio);
    this.canvas.style.transform = "";
    this.cost = performance.now() - start;
    this.dirty = false;
    this.painted = { centreX: view.centreX, centreY: view.centreY, scale: view.scale };
  }
}
