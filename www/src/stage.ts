/** The canvas with the image: draws it, and turns mouse, touch and keys into views and cursor positions. */
import { BeamMark } from "./beam";
import { GridMarks } from "./grid-marks";
import { dragShades, resetShades, stepShades } from "./shades";
import { SkyMarks } from "./sky-marks";
import { byId, perFrame, type Root } from "./dom";
import * as format from "./format";
import { UPRIGHT } from "./compare/turned-view";
import type { PicturePane } from "./picture";
import type { Look, Renderer } from "./renderer";
import type { TileCache } from "./tile-cache";
import { cachedTiles, tilesOfView } from "./tile-plan";
import type { OpenImage } from "./open-image";
import type { Signal } from "./signal";
import type { ViewState } from "./state/view-state";
import { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";

/** To the right and upwards. */
const ARROWS: Record<string, [x: number, y: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Stage {
  readonly view = new View();
  /** Called when another part of the image is visible. */
  onView: () => void = () => {};
  /** Called for pointer positions in image pixels. */
  onPoint: (x: number, y: number) => void = () => {};
  onHelp: () => void = () => {};
  onPlay: () => void = () => {};
  onNext: () => void = () => {};
  onBlink: () => void = () => {};
  onStep: (channels: number) => void = () => {};
  /** What draws over the picture, each time that it is drawn. */
  readonly layers: ((view: View) => void)[] = [];

  /** @internal What was drawn last: layers of tiles (-1: the preview), and the lowest quality among the tiles. */
  drawn: { plane: string; layers: number[]; quality: number } = { plane: "", layers: [], quality: 0 };
  private open: OpenImage | null = null;
  private stopWatching: () => void = () => {};
  private readonly canvas = byId<HTMLCanvasElement>(this.root, "canvas");
  private readonly wrap = byId(this.root, "canvas-wrap");
  private readonly readingNote = byId(this.root, "reading");
  private readonly overlay = byId<SVGSVGElement>(this.root, "overlay");
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private readonly grid = new GridMarks(this.overlay, () => this.redraw());
  private readonly cross = this.overlay.appendChild(document.createElementNS(SVG, "g"));
  private readonly crosshair: SVGElement[];
  private readonly skyMarks = new SkyMarks(this.overlay, () => this.redraw());
  private readonly beam = new BeamMark(this.overlay);
  private readonly sizes: ResizeObserver;
  private readonly stopState: (() => void)[];
  private stopRatio: () => void = () => {};
  private lastPoint: { x: number; y: number } | null = null;

  readonly redraw = perFrame(() => this.draw());
  private readonly viewChanged = perFrame(() => this.afterView());

  constructor(
    private readonly root: Root,
    private readonly state: ViewState,
    private readonly renderer: Renderer,
    private readonly cache: TileCache,
    private readonly look: () => Look,
    /** The state's view is that of another image, still to be opened. */
    private readonly pending: () => boolean,
  ) {
    this.crosshair = ["line", "line", "circle"].map((tag) => this.cross.appendChild(document.createElementNS(SVG, tag)));
    this.crosshair[2]!.setAttribute("r", "9");
    this.cross.classList.add("cross");
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.wrap);
    this.watchPixelRatio();
    this.resized();
    this.listen();
    this.stopState = [
      dragShades(this.wrap, state.shades),
      ...[...Object.values(state.marks), ...Object.values(state.sky)].map((leaf) => (leaf as Signal<unknown>).watch(() => this.redraw())),
      state.view.watch(() => this.follow()), state.held.watch(() => this.drawCrosshair())];
  }

  show(open: OpenImage | null): void {
    this.stopWatching();
    this.open = open;
    byId(this.root, "welcome").hidden = open !== null;
    if (open) {
      const { width, height } = open.image.info;
      const bytes = (width * height * Math.abs(Number(open.image.card("BITPIX") ?? 32))) / 8;
      this.readingNote.textContent = `Reading the image, ${format.bytes(bytes)} …`;
      this.view.setImage(open.image.info.width, open.image.info.height);
      this.follow();
      this.stopWatching = open.cursor.watch(() => this.drawCrosshair());
    }
    this.changed();
    this.drawCrosshair();
  }

  /** The view was changed from outside. */
  changed(): void {
    this.viewChanged();
    this.redraw();
  }

  zoom(factor: number): void {
    this.view.zoomAbout(this.view.width / 2, this.view.height / 2, factor);
    this.changed();
  }

  fit(): void {
    this.view.fit();
    this.changed();
  }

  oneToOne(): void {
    this.zoom(1 / devicePixelRatio / this.view.scale);
  }

  /** For a picture of what is seen; null: no image is open. */
  pane(layers: PicturePane["layers"]): PicturePane | null {
    const { open, wrap, view, canvas, renderer, cache, overlay } = this;
    const label = byId(this.root, "main-name");
    return open && { left: wrap.offsetLeft, top: wrap.offsetTop, view, area: view, turn: UPRIGHT, loader: open.loader, canvas, renderer, cache, look: this.look(), overlay, layers, label: label.hidden ? null : label, cross: null, redraw: this.redraw, restore: () => this.changed() };
  }

  destroy(): void {
    this.show(null);
    this.sizes.disconnect();
    this.stopRatio();
    this.stopState.forEach((stop) => stop());
  }

  /** The state says what is to be seen. */
  private follow(): void {
    const wanted = this.state.view.value;
    const { centreX, centreY, scale, fitted } = this.view;
    if (!this.open || this.pending() || (wanted === null ? fitted : wanted.x === centreX && wanted.y === centreY && wanted.scale === scale)) return;
    if (wanted === null) this.view.fit();
    else this.view.set(wanted.x, wanted.y, wanted.scale);
    this.changed();
  }

  private resized(): void {
    const { clientWidth, clientHeight } = this.wrap;
    if (clientWidth === 0 || clientHeight === 0) return;
    const { fitted } = this.view;
    this.view.width = clientWidth;
    this.view.height = clientHeight;
    if (fitted) this.view.fit();
    this.renderer.resize(clientWidth, clientHeight, devicePixelRatio);
    // At once, not in the next frame: a resized canvas is empty, and would flash.
    this.draw();
    this.viewChanged();
  }

  /** It changes when the window goes to another screen, or the page is zoomed: then with no change of size, perhaps. */
  private watchPixelRatio(): void {
    const changed = () => {
      this.resized();
      this.watchPixelRatio();
    };
    const media = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    media.addEventListener("change", changed, { once: true });
    this.stopRatio = () => media.removeEventListener("change", changed);
  }

  tellState(): void {
    const { centreX, centreY, scale, fitted } = this.view;
    if (!this.pending()) this.state.view.set(fitted ? null : { x: centreX, y: centreY, scale });
  }

  private afterView(): void {
    if (this.open) {
      this.open.loader.need(tilesOfView(this.view, devicePixelRatio));
      this.tellState();
    }
    this.drawCrosshair();
    this.onView();
  }

  private draw(): void {
    const { open } = this;
    const tiles = open ? cachedTiles(this.cache, open.loader.key(open.loader.shown.value), this.view, devicePixelRatio) : [];
    this.renderer.draw(this.view, tiles, this.look());
    this.drawn = { plane: open ? open.loader.key(open.loader.shown.value) : "", layers: tiles.map(({ tile }) => tile.layer), quality: Math.min(...tiles.filter(({ tile }) => tile.layer >= 0).map(({ tile }) => tile.quality)) };
    this.readingNote.hidden = !this.open || tiles.length > 0;
    for (const draw of this.layers) draw(this.view);
    const { grid, beam, scale, compass } = this.state.marks;
    this.grid.draw(this.view, grid.value ? (this.open?.image ?? null) : null, this.state.sky.frame.value, this.state.sky.format.value);
    this.skyMarks.draw(this.view, this.open?.image ?? null, { scale: scale.value, compass: compass.value, grid: grid.value, frame: this.state.sky.frame.value });
    this.beam.draw(this.view, beam.value ? (this.open?.image ?? null) : null, this.open?.loader.shown.value ?? null);
  }

  private drawCrosshair(): void {
    const cursor = this.open?.cursor.value;
    this.cross.toggleAttribute("hidden", !cursor);
    this.cross.classList.toggle("held", this.state.held.value);
    if (!cursor) return;
    const at = this.view.toScreen(cursor.x, cursor.y);
    const [horizontal, vertical, circle] = this.crosshair;
    const set = (element: SVGElement, attributes: Record<string, number>) =>
      Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value.toFixed(1)));
    set(horizontal!, { x1: 0, x2: this.view.width, y1: at.y, y2: at.y });
    set(vertical!, { x1: at.x, x2: at.x, y1: 0, y2: this.view.height });
    set(circle!, { cx: at.x, cy: at.y });
  }

  private local(event: MouseEvent): { x: number; y: number } {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private point(at: { x: number; y: number }): void {
    this.lastPoint = at;
    if (this.state.held.value || !this.open) return;
    const { x, y } = this.view.toImage(at.x, at.y);
    this.onPoint(x, y);
  }

  private listen(): void {
    const canvas = this.canvas;
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { x, y } = this.local(event);
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
        this.view.zoomAbout(x, y, Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0022));
        this.changed();
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 && event.pointerType === "mouse") return;
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.local(event));
      if (event.pointerType !== "mouse") this.point(this.local(event));
    });
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(end, (event) => {
        this.pointers.delete(event.pointerId);
        canvas.classList.toggle("dragging", this.pointers.size > 0);
      });
    }
    canvas.addEventListener("dblclick", (event) => {
      const { x, y } = this.local(event);
      this.view.zoomAbout(x, y, 2);
      this.changed();
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  private moved(event: PointerEvent): void {
    const now = this.local(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.point(now);
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    this.pointers.set(event.pointerId, now);
    this.canvas.classList.add("dragging");
    if (others.length > 0) {
      // Two fingers: the other one stays where it is, the distance scales.
      const still = others[0]!;
      const [was, is] = [Math.hypot(before.x - still.x, before.y - still.y), Math.hypot(now.x - still.x, now.y - still.y)];
      if (was > 8 && is > 8) this.view.zoomAbout(still.x, still.y, is / was);
    } else {
      this.view.panBy(now.x - before.x, now.y - before.y);
    }
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.shiftKey && event.key in ARROWS) {
      event.preventDefault();
      this.moveCursor(ARROWS[event.key]!);
      return;
    }
    const pan = 60;
    const actions: Record<string, () => void> = {
      ...Object.fromEntries(Object.entries(ARROWS).map(([arrow, [x, y]]) => [arrow, () => this.view.panBy(-x * pan, y * pan)])),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      "0": () => this.fit(),
      "1": () => this.oneToOne(),
      ",": () => this.onStep(-1),
      ".": () => this.onStep(1),
      " ": () => this.onPlay(),
      n: () => this.onNext(),
      k: () => this.onBlink(),
      "?": () => this.onHelp(),
      f: () => this.hold(!this.state.held.value),
      c: () => stepShades(this.state.shades, "contrast", true),
      C: () => stepShades(this.state.shades, "contrast", false),
      b: () => stepShades(this.state.shades, "bias", true),
      B: () => stepShades(this.state.shades, "bias", false),
      x: () => resetShades(this.state.shades),
      g: () => this.state.marks.grid.set(!this.state.marks.grid.value),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
    this.changed();
  }

  /** By a pixel of the image, or of the screen where that is more. */
  private moveCursor([x, y]: [number, number]): void {
    const cursor = this.open?.cursor.value;
    const step = Math.max(1, Math.round(1 / this.view.scale));
    if (cursor) this.onPoint(cursor.x + x * step, cursor.y + y * step);
  }

  /** A held cursor stays where it is while the pointer goes elsewhere. */
  private hold(held: boolean): void {
    this.state.held.set(held);
    if (!held && this.lastPoint) this.point(this.lastPoint);
  }
}
