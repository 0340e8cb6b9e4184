/**
 * Regions by hand: drawn, selected, dragged, resized and turned with mouse, fingers and keys, on the canvas of the stage, whose own gestures get what is not
 * meant for a region.
 */
import type { RegionShape, RegionShapeType } from "cubelink";
import { byId, type Root } from "./dom";
import { RegionMarks, type RegionFacts } from "./region-marks";
import * as shapes from "./region-shapes";
import type { Handle, Point } from "./region-shapes";
import type { Region, Regions } from "./regions";
import { Signal } from "./signal";
import type { Stage } from "./stage";
import type { ViewState } from "./state/view-state";
import type { View } from "./view";

/** Screen pixels from what is meant; fingers are wider. */
const REACH = { mouse: 8, touch: 18 };
const HANDLE = 1.5;
/** A pointer that has moved less was held still. */
const STILL = 4;
/** Clicks that make a double click lie closer together. */
const DOUBLE_MS = 700;
const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const TURNS: Record<string, number> = { "[": 1, "]": -1, "{": 15, "}": -15 };

interface Drag {
  pointer: number;
  from: Point;
  /** On the screen. */
  pressed: { x: number; y: number };
  still: boolean;
  /** What it makes of the place that the pointer has come to. */
  move(to: Point, event: PointerEvent): void;
  end(to: Point, event: PointerEvent, still: boolean): void;
}

export class RegionEditor {
  /** What is being drawn, or is to be drawn next. */
  readonly tool = new Signal<RegionShapeType | null>(null);

  private readonly canvas: HTMLCanvasElement;
  private readonly marks: RegionMarks;
  private readonly listening = new AbortController();
  private drag: Drag | null = null;
  /** Of what is being drawn: the points that are fixed already, and where the next one would be. */
  private placed: Point[] = [];
  private next: Point | null = null;
  private ended = -Infinity;
  private pressed: { x: number; y: number; pointer: number } | null = null;
  private readonly stop: (() => void)[];

  constructor(
    root: Root,
    private readonly stage: Stage,
    private readonly state: ViewState,
    private readonly regions: Regions,
    facts: RegionFacts,
    private readonly isOpen: () => boolean,
    private readonly onError: (error: unknown) => void,
  ) {
    this.canvas = byId<HTMLCanvasElement>(root, "canvas");
    this.marks = new RegionMarks(byId<SVGSVGElement>(root, "overlay"), facts);
    stage.layers.push((view) => this.draw(view));
    this.stop = [state.selected.watch(() => stage.redraw()), this.tool.watch((tool) => this.canvas.classList.toggle("drawing", tool !== null))];
    // Ahead of the stage's own, which see what is let through.
    const wrap = byId(root, "canvas-wrap");
    const listen = <K extends "pointerdown" | "pointermove" | "pointerup" | "pointercancel" | "dblclick" | "keydown">(name: K, work: (event: HTMLElementEventMap[K]) => boolean | void) =>
      wrap.addEventListener(
        name,
        (event) => {
          if (event.target !== this.canvas || !this.isOpen() || !work(event as HTMLElementEventMap[K])) return;
          event.stopPropagation();
          event.preventDefault();
        },
        { capture: true, signal: this.listening.signal },
      );
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.moved(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.cancelled(event));
    listen("dblclick", (event) => this.twice(event));
    listen("keydown", (event) => this.key(event));
  }

  /** The next region that is drawn is of this type; null: none is to be drawn. */
  use(tool: RegionShapeType | null): void {
    this.placed = [];
    this.next = null;
    this.tool.set(tool);
    this.stage.redraw();
  }

  destroy(): void {
    this.listening.abort();
    this.stop.forEach((stop) => stop());
  }

  private draw(view: View): void {
    const regions = this.isOpen() ? this.state.regions.value : [];
    this.marks.draw(view, regions, this.state.selected.value, this.draft());
  }

  /** The region as it would be if the drawing ended here. */
  private draft(): RegionShape | null {
    const tool = this.tool.value;
    if (!tool || this.placed.length === 0) return null;
    const points = [...this.placed, ...(this.next ? [this.next] : [])];
    if (!shapes.hasVertices(tool)) return shapes.drawn(tool === "ANNTEXT" ? "ANNRECTANGLE" : tool, points[0]!, points[1] ?? points[0]!, false);
    // Until it has three, a polygon is a line.
    return { type: shapes.geometryOf(tool) === "polygon" && points.length < 3 ? "ANNPOLYLINE" : tool, points };
  }

  private screen(event: MouseEvent): { x: number; y: number } {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private image(event: MouseEvent): Point {
    const { x, y } = this.screen(event);
    const at = this.stage.view.toImage(x, y);
    return [at.x, at.y];
  }

  private reach(event: PointerEvent | MouseEvent): number {
    const coarse = "pointerType" in event && event.pointerType !== "mouse";
    return REACH[coarse ? "touch" : "mouse"] / this.stage.view.scale;
  }

  private down(event: PointerEvent): boolean {
    if (this.drag) return true;
    if (event.button !== 0) return false;
    this.pressed = { ...this.screen(event), pointer: event.pointerId };
    const drag = this.tool.value ? this.dragOfTool(this.tool.value, event) : this.dragOfRegion(event);
    if (!drag) return false;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { pointer: event.pointerId, from: this.image(event), pressed: this.screen(event), still: true, ...drag };
    return true;
  }

  private moved(event: PointerEvent): boolean {
    const { drag } = this;
    if (!drag) {
      this.hover(event);
      return false;
    }
    if (drag.pointer !== event.pointerId) return true;
    const now = this.screen(event);
    drag.still &&= Math.hypot(now.x - drag.pressed.x, now.y - drag.pressed.y) < STILL;
    if (!drag.still) drag.move(this.image(event), event);
    return true;
  }

  private up(event: PointerEvent): boolean {
    const { drag, pressed } = this;
    this.pressed = null;
    if (drag) {
      if (drag.pointer !== event.pointerId) return true;
      this.drag = null;
      drag.end(this.image(event), event, drag.still);
      return true;
    }
    const now = this.screen(event);
    if (pressed?.pointer !== event.pointerId || event.button !== 0 || Math.hypot(now.x - pressed.x, now.y - pressed.y) >= STILL) return false;
    if (this.tool.value) {
      this.place(this.image(event), this.reach(event));
      if (this.tool.value === null) this.ended = event.timeStamp;
    } else this.regions.select(this.under(this.image(event), this.reach(event))?.id ?? null);
    return false; // the stage is to know that the button is up
  }

  private cancelled(event: PointerEvent): boolean {
    if (this.drag?.pointer !== event.pointerId) return false;
    this.drag = null;
    return true;
  }

  /** Shapes that are drawn by pressing, pulling and letting go; vertices are placed by clicks, between which the view can be moved. */
  private dragOfTool(tool: RegionShapeType, event: PointerEvent): Pick<Drag, "move" | "end"> | null {
    if (shapes.hasVertices(tool) || shapes.geometryOf(tool) === "point" || this.placed.length > 0) return null;
    const from = this.image(event);
    return {
      move: (to, { shiftKey }) => {
        this.placed = [from];
        this.next = this.even(tool, from, to, shiftKey);
        this.stage.redraw();
      },
      end: (to, { shiftKey }, still) => {
        // Without pulling it is the first of two clicks.
        if (still) this.place(from, this.reach(event));
        else this.finish(shapes.drawn(tool, from, to, shiftKey));
      },
    };
  }

  private even(tool: RegionShapeType, from: Point, to: Point, even: boolean): Point {
    if (!even || !shapes.isFramed(tool)) return to;
    const size = Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    return [from[0] + Math.sign(to[0] - from[0]) * size, from[1] + Math.sign(to[1] - from[1]) * size];
  }

  private dragOfRegion(event: PointerEvent): Pick<Drag, "move" | "end"> | null {
    const at = this.image(event);
    const reach = this.reach(event);
    const selected = this.selected();
    const handle = selected && this.handleAt(selected, at, reach);
    const manner = (e: PointerEvent) => ({ even: e.shiftKey, aboutMiddle: e.altKey || e.ctrlKey });
    if (selected && handle) {
      return { move: (to, e) => this.regions.change(selected.id, shapes.tidy(shapes.pulled(selected, handle, to, manner(e)))), end: () => undefined };
    }
    const region = selected && this.over(selected, at, reach) ? selected : this.outlineAt(at, reach);
    if (!region) return null;
    this.regions.select(region.id);
    return { move: (to) => this.regions.change(region.id, shapes.tidy(shapes.moved(region, [to[0] - at[0], to[1] - at[1]]))), end: () => undefined };
  }

  private selected(): Region | undefined {
    const id = this.regions.selected;
    const region = id === null ? undefined : this.regions.get(id);
    return region?.hidden ? undefined : region;
  }

  private handleAt(region: Region, at: Point, reach: number): Handle | undefined {
    const all = shapes.handlesOf(region, 1 / this.stage.view.scale).map((handle) => ({ handle, away: Math.hypot(handle.at[0] - at[0], handle.at[1] - at[1]) }));
    // Wider than a line: targets of 24 pixels.
    const near = all.filter(({ away, handle }) => away <= (handle.kind === "middle" ? reach : HANDLE * reach)).sort((a, b) => a.away - b.away);
    // A small region's handles cover it: it must be possible to move it, too.
    const small = shapes.isFramed(region.type) && shapes.contains(region, at) && Math.min(...region.points[1]!) < 2 * reach;
    return small ? near.filter(({ away }) => away <= reach / 3)[0]?.handle : near[0]?.handle;
  }

  /** On its line or, of a closed one, inside. */
  private over(region: Region, at: Point, reach: number): boolean {
    return shapes.contains(region, at) || shapes.distance(region, at).distance <= reach;
  }

  /** The uppermost of those whose line is there. */
  private outlineAt(at: Point, reach: number): Region | undefined {
    return this.regions.list().reverse().find((region) => !region.hidden && shapes.distance(region, at).distance <= reach);
  }

  private under(at: Point, reach: number): Region | undefined {
    const inside = this.regions.list().reverse().filter((region) => !region.hidden && this.over(region, at, reach));
    return this.outlineAt(at, reach) ?? inside[0];
  }

  private hover(event: PointerEvent): void {
    const at = this.image(event);
    if (this.tool.value) {
      if (this.placed.length === 0) return;
      this.next = at;
      this.stage.redraw();
      return;
    }
    const selected = this.selected();
    const handle = selected && this.handleAt(selected, at, this.reach(event));
    const over = (selected && this.over(selected, at, this.reach(event))) || this.outlineAt(at, this.reach(event));
    this.canvas.dataset["grab"] = handle ? (handle.kind === "rotate" ? "turn" : "handle") : over ? "move" : "";
  }

  /** A click, or Enter, with a tool. */
  private place(at: Point, reach: number): void {
    const tool = this.tool.value!;
    const [first] = this.placed;
    const last = this.placed.at(-1);
    const close = (p: Point | undefined) => p !== undefined && Math.hypot(p[0] - at[0], p[1] - at[1]) <= reach;
    if (shapes.geometryOf(tool) === "point") return this.finish({ type: tool, points: [tool === "POINT" ? [Math.round(at[0]), Math.round(at[1])] : at] });
    if (shapes.hasVertices(tool)) {
      const enough = this.placed.length >= shapes.leastVertices(tool);
      if (enough && (close(last) || (shapes.geometryOf(tool) === "polygon" && close(first)))) return this.finish({ type: tool, points: this.placed });
      if (!close(last)) this.placed.push(at);
    } else if (first) {
      if (!close(first)) return this.finish(shapes.drawn(tool, first, at, false));
    } else this.placed = [at];
    this.next = null;
    this.stage.redraw();
  }

  private finish(shape: RegionShape): void {
    this.use(null);
    const tidy = shapes.tidy(shape);
    if (!shapes.isValid(tidy)) return;
    const entry = tidy.type === "ANNTEXT" ? { ...tidy, text: "Text" } : tidy;
    this.regions.set(entry).then((id) => this.regions.select(id), this.onError);
  }

  private twice(event: MouseEvent): boolean {
    // Its two clicks have been heard already, and may have ended a drawing.
    if (this.tool.value || event.timeStamp - this.ended < DOUBLE_MS) return true;
    const at = this.image(event);
    const region = this.selected();
    if (!region) return false;
    const handle = this.handleAt(region, at, this.reach(event));
    if (handle?.kind === "vertex" && shapes.hasVertices(region.type)) this.removeVertex(region, handle.index);
    return handle !== undefined || this.over(region, at, this.reach(event));
  }

  private removeVertex(region: Region, index: number): void {
    if (region.points.length > shapes.leastVertices(region.type)) this.regions.change(region.id, { points: region.points.filter((_, i) => i !== index) });
  }

  private key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey) return false;
    if (this.tool.value && this.keyOfTool(event.key)) return true;
    const region = this.selected();
    if (event.key === "r" || event.key === "R") return this.step(event.key === "r" ? 1 : -1);
    if (!region) return false;
    if (event.altKey && event.key in ARROWS) {
      const step = Math.max(1, Math.round(1 / this.stage.view.scale));
      const by = ARROWS[event.key]!.map((d) => d * step) as Point;
      this.regions.change(region.id, shapes.tidy(event.shiftKey ? shapes.grown(region, by) : shapes.moved(region, by)));
    } else if (event.key in TURNS) this.regions.change(region.id, shapes.tidy(shapes.turned(region, TURNS[event.key]!)));
    else if (event.key === "Delete" || event.key === "Backspace") void this.regions.remove(region.id).catch(this.onError);
    else if (event.key === "Escape") this.regions.select(null);
    else return false;
    return true;
  }

  private keyOfTool(key: string): boolean {
    if (key === "Escape") this.use(null);
    else if (key === "Enter") {
      const cursor = this.state.cursor.value;
      if (cursor) this.place([cursor.x, cursor.y], 0.01);
    } else if (key === "Backspace" && this.placed.length > 0) {
      this.placed.pop();
      this.stage.redraw();
    } else return false;
    return true;
  }

  private step(by: number): boolean {
    const all = this.regions.list().filter((region) => !region.hidden);
    if (all.length === 0) return false;
    const index = all.findIndex(({ id }) => id === this.regions.selected);
    this.regions.select(all[index < 0 ? (by > 0 ? 0 : all.length - 1) : (index + by + all.length) % all.length]!.id);
    return true;
  }
}
