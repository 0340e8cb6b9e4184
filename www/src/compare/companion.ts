/** Another image beside the one on show, or in turn with it: at the same place of the sky and in the same channel, if that is wished. */
import type { Histogram, Image } from "cubelink";
import { h, perFrame } from "../dom";
import type { OpenImage } from "../open-image";
import { Pump } from "../pump";
import { Renderer, type Look } from "../renderer";
import type { PicturePane } from "../picture";
import { automaticStretch, percentileLimits } from "../stretch";
import type { ImageName } from "../state/image-name";
import { DEFAULT_PERCENTILE, type ViewState } from "../state/view-state";
import { TileCache } from "../tile-cache";
import { TileLoader } from "../tile-loader";
import { cachedTiles, tilesOfView } from "../tile-plan";
import { View } from "../view";
import type { Contours } from "../contours";
import type { ContourOrigin } from "../contour-overlay";
import { Signal } from "../signal";
import { byShape, bySky, channelMap, follow, apply, inverse, largestError, type Affine } from "./matching";
import { Overlays } from "./overlays";
import { TurnedView, UPRIGHT, turnOf } from "./turned-view";

const TILE_BUDGET = 96 << 20;
/** Screen pixels at the picture's edge by which matching may be off without being told. */
const TOLERATED = 2;

export class Companion {
  /** Turned as the image on show lies. */
  readonly view = new TurnedView();
  /** What of the image is drawn, before it is turned: at least what is seen. */
  readonly area = new View();
  readonly histogram = new Signal<Histogram | null>(null);
  readonly element: HTMLElement;
  readonly loader: TileLoader;
  private readonly canvas = h("canvas", { class: "pane-canvas", "aria-hidden": "true" });
  private readonly cross = h("span", { class: "pane-cross", "aria-hidden": "true", hidden: true });
  private readonly label = h("span", { class: "pane-name" });
  private readonly cache: TileCache;
  private readonly renderer: Renderer;
  private readonly sizes: ResizeObserver;
  readonly redraw = perFrame(() => this.draw());
  private readonly overlays: Overlays;
  private main: { open: OpenImage; view: View } | null = null;
  private affine: Affine | null = null;
  private matchedAt = "";
  /** What the label says beside the name. */
  private remark = "";
  private channels: { of: Image; map: Int32Array } | null = null;
  private readonly matchPump: Pump<void>;
  closed = false;

  constructor(
    readonly image: Image,
    readonly name: ImageName,
    private readonly state: ViewState,
    contours: Contours,
    /** Whose contours are on show. */
    private readonly origin: () => ContourOrigin | null,
    onError: (error: unknown) => void,
  ) {
    this.element = h("div", { class: "pane" }, this.canvas);
    this.overlays = new Overlays(this.element, image, state, contours, this.redraw);
    this.element.append(this.cross, this.label);
    this.label.textContent = image.info.name;
    this.renderer = new Renderer(this.canvas, () => {
      this.cache.forgetTextures();
      this.redraw();
    });
    this.cache = new TileCache(TILE_BUDGET, (cached) => this.renderer.release(cached));
    this.loader = new TileLoader(image, this.cache, this.redraw, onError);
    this.view.setImage(image.info.width, image.info.height);
    this.matchPump = new Pump(() => this.match(), onError);
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.element);
    this.loader.shown.watch(() => this.redraw());
  }

  /** What it goes along with. */
  attach(open: OpenImage | null, view: View): void {
    if (open !== this.main?.open) [this.affine, this.matchedAt] = [null, ""];
    this.main = open ? { open, view } : null;
    this.update();
  }

  /** The view, the channel or the cursor of the image on show has changed. */
  update(): void {
    const { main } = this;
    if (!main || this.closed) return;
    if (this.state.compare.matched.value) {
      this.place();
      this.matchPump.push();
    } else if (!this.view.fitted || this.view.turn !== UPRIGHT) {
      this.view.turn = UPRIGHT;
      this.view.fit();
      this.tell("");
      this.matchedAt = "";
      this.changed();
    }
    this.redraw();
  }

  /** The image point of the image on show that lies under a point of this picture. */
  toMain(screenX: number, screenY: number): [number, number] {
    const { x, y } = this.view.toImage(screenX, screenY);
    return apply(inverse(this.affine ?? byShape(this.main!.open.image, this.image)), [x, y]);
  }

  takeHistogram(histogram: Histogram, channel: number): void {
    if (channel !== this.loader.wanted.value.channel && this.histogram.value) return;
    this.histogram.set(histogram);
    this.redraw();
  }

  look(main: Look): Look {
    const { clip, colours } = this.state;
    const histogram = this.histogram.value;
    const byImage = histogram ? percentileLimits(histogram, DEFAULT_PERCENTILE) : undefined;
    const own = histogram ? (percentileLimits(histogram, clip.percentile.value ?? DEFAULT_PERCENTILE) ?? { low: histogram.mean, high: histogram.mean }) : { low: NaN, high: NaN };
    const stretch = colours.stretch.value !== "auto" ? colours.stretch.value : histogram && byImage ? automaticStretch(histogram, byImage) : main.stretch;
    // Limits that were chosen are for all, so that images can be held against each other.
    return { ...main, stretch, limits: clip.percentile.value === null ? main.limits : own };
  }

  /** For a picture of all images. */
  pane(): PicturePane {
    const { view, area, loader, canvas, renderer, cache, overlays, label } = this;
    const cursor = this.main?.open.cursor.value;
    return {
      left: this.element.offsetLeft,
      top: this.element.offsetTop,
      view,
      area,
      turn: view.turn,
      loader,
      canvas,
      renderer,
      cache,
      look: this.look(this.lookOf()),
      overlay: overlays.svg,
      layers: [(context, factor) => overlays.paintContours(context, factor, { view, area })],
      label,
      cross: cursor && this.affine ? view.toScreen(...apply(this.affine, [cursor.x, cursor.y])) : null,
      redraw: this.redraw,
      restore: () => this.changed(),
    };
  }

  lookOf: () => Look = () => ({ colormap: "Grey", inverted: false, stretch: "linear", limits: { low: NaN, high: NaN }, contrast: 1, bias: 0.5 });

  close(): void {
    this.closed = true;
    this.sizes.disconnect();
    this.matchPump.clear();
    this.overlays.destroy();
    this.loader.close();
    this.cache.clear();
    this.element.remove();
    this.image.close().catch(() => undefined);
  }

  /** At once, by what is known of the places so far. */
  private place(): void {
    const { open, view } = this.main!;
    const affine = this.affine ?? byShape(open.image, this.image);
    const { centreX, centreY, scale } = this.view;
    const before = JSON.stringify(this.view.turn);
    follow(view, this.view, affine);
    this.view.turn = turnOf(affine);
    if (centreX !== this.view.centreX || centreY !== this.view.centreY || scale !== this.view.scale || before !== JSON.stringify(this.view.turn)) this.changed();
    const cursor = open.cursor.value;
    this.cross.hidden = !cursor;
    if (!cursor) return;
    const at = this.view.toScreen(...apply(affine, [cursor.x, cursor.y]));
    this.cross.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px)`;
  }

  /** Exactly for where the view is by now, and its channel. */
  private async match(): Promise<void> {
    const { main } = this;
    if (!main || this.closed || this.image.client.state !== "connected") return;
    const { image } = main.open;
    const at: [number, number] = [main.view.centreX, main.view.centreY];
    const reach = Math.max(1, main.view.width / main.view.scale / 4);
    const matchedAt = [...at, main.view.scale, main.view.width, main.view.height].join();
    if (this.matchedAt !== matchedAt) {
      this.matchedAt = matchedAt;
      const affine = await bySky(image, this.image, at, reach).catch(() => undefined);
      if (this.main !== main) return;
      // Where a sky ends the last place that was found serves on.
      this.affine = affine ?? this.affine ?? byShape(image, this.image);
      const error = affine ? await largestError(image, this.image, affine, main.view).catch(() => 0) : 0;
      if (this.main !== main || !this.state.compare.matched.value) return;
      const off = error * this.view.scale;
      this.tell(affine === null ? "another part of the sky" : affine === undefined ? "not matched: no common sky coordinates" : off > TOLERATED ? `approximate: up to ${off < 100 ? Math.ceil(off) : "100 and more"} px off at the edges` : "");
    }
    if (image.info.depth > 1 && this.channels?.of !== image) this.channels = { of: image, map: await channelMap(image, this.image) };
    if (this.main !== main || this.closed || !this.state.compare.matched.value) return;
    this.place();
    // Beside an image without channels, a cube keeps its own.
    if (this.channels?.of !== image) return;
    const channel = this.channels.map[main.open.loader.wanted.value.channel] ?? 0;
    if (channel !== this.loader.wanted.value.channel) this.loader.setPlane({ channel, stokes: this.loader.wanted.value.stokes });
  }

  private tell(remark: string): void {
    if (remark === this.remark) return;
    this.remark = remark;
    this.label.textContent = this.image.info.name + (remark === "" ? "" : ` (${remark})`);
  }

  private changed(): void {
    this.frame();
    if (this.view.width > 1) this.loader.need(tilesOfView(this.area, devicePixelRatio));
    this.redraw();
  }

  /** The canvas is as large as the picture must be for its turned part to fill the pane. */
  private frame(): void {
    const { width, height, turn } = this.view;
    const before = this.area.width * 1e6 + this.area.height;
    this.view.upright(this.area);
    const { style } = this.canvas;
    style.width = `${this.area.width}px`;
    style.height = `${this.area.height}px`;
    const { xx, xy, yx, yy } = turn;
    const transform = turn === UPRIGHT ? "" : `translate(${(width - this.area.width) / 2}px, ${(height - this.area.height) / 2}px) matrix(${xx}, ${yx}, ${xy}, ${yy}, 0, 0)`;
    if (style.transform !== transform) style.transform = transform;
    if (before === this.area.width * 1e6 + this.area.height) return;
    this.renderer.resize(this.area.width, this.area.height, devicePixelRatio);
    this.draw();
  }

  private resized(): void {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === 0 || clientHeight === 0) return;
    const { fitted } = this.view;
    Object.assign(this.view, { width: clientWidth, height: clientHeight });
    if (fitted) this.view.fit();
    this.changed();
    this.renderer.resize(this.area.width, this.area.height, devicePixelRatio);
    this.draw();
    this.update();
  }

  private draw(): void {
    if (this.closed) return;
    this.renderer.draw(this.area, cachedTiles(this.cache, this.loader.key(this.loader.shown.value), this.area, devicePixelRatio), this.look(this.lookOf()));
    const { view, area, main } = this;
    this.overlays.draw({ view, area, plane: this.loader.shown.value, main: main && { image: main.open.image, view: main.view }, contours: this.origin() });
  }
}
