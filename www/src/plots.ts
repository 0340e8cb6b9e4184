/** The three profiles at the cursor. */
import uPlot from "uplot";
import { byId, css, h, type Root } from "./dom";
import * as format from "./format";
import type { OpenImage, Profile } from "./open-image";
import { foldButton, type Fold } from "./panels/fold";
import { RestFrequency } from "./panels/rest-frequency";
import { SpectralFrameChoice } from "./panels/spectral-frame";
import type { Signal } from "./signal";
import type { Stage } from "./stage";
import type { Leaf } from "./state/tree";
import type { ViewState } from "./state/view-state";

const FONT = "11px system-ui, sans-serif";
const GUTTER = { least: 40, beside: 12 };

/** So few are shown one by one: a line through a single one would not be seen. */
const FEW_POINTS = 32;

interface Marker {
  at: number | null;
}

export class Plot {
  readonly element: HTMLElement;
  private readonly plot: uPlot;
  private readonly marker: Marker;
  private readonly heading: HTMLElement;
  /** With the heading's text. */
  private named: HTMLElement;
  private fold: Fold | null = null;
  private readonly note: HTMLElement;
  private readonly sizes: ResizeObserver;
  private range: [number, number] | null = null;
  /** What uPlot draws is divided by this: it knows no steps below 1e-16, which fluxes in W or erg are. */
  private unit = 1;
  points: { xs: number[]; ys: (number | null)[] } = { xs: [], ys: [] };
  /** A range of positions was dragged over. */
  onRange: ((from: number, to: number) => void) | null = null;
  private band: [from: number, to: number] | null = null;

  constructor(
    private readonly root: Root,
    title: string,
    colour: string,
    onClick?: (x: number) => void,
  ) {
    this.marker = { at: null };
    this.heading = this.named = h("h3", {}, title);
    this.note = h("span", { class: "note" });
    const grid = { stroke: () => css(root, "--grid"), width: 1 };
    const axis = { stroke: () => css(root, "--muted"), grid, ticks: { ...grid, size: 4 }, font: FONT };
    const body = h("div", { class: "plot-body" });
    this.element = h("figure", { class: "plot", "aria-label": `${title} plot` }, h("figcaption", {}, this.heading, this.note), body);
    this.plot = new uPlot(
      {
        width: 300,
        height: 120,
        legend: { show: false },
        padding: [6, 10, 0, 0],
        cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
        scales: { x: { time: false, range: (_u, min, max) => this.range ?? (min === max ? [min - 1, max + 1] : [min, max]) } },
        axes: [
          { ...axis, size: 26, gap: 3, space: 60, values: (_u, ticks) => this.texts(ticks, 1) },
          // As wide as its numbers are.
          { ...axis, size: (u, texts) => gutter(u, texts), gap: 3, space: 26, values: (_u, ticks) => this.texts(ticks, this.unit) },
        ],
        series: [{}, { stroke: () => css(root, colour), width: 1.25, points: { show: (_u, _series, first, last) => last - first < FEW_POINTS, size: 4 }, spanGaps: false }],
        hooks: {
          drawAxes: [(u) => this.drawBand(u)],
          draw: [(u) => this.drawMarker(u)],
          setCursor: [(u) => this.showPoint(u)],
          ready: [
            (u) =>
              onClick &&
              u.over.addEventListener("click", (event) => onClick(u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x"))),
            (u) => dragRange(u, (from, to) => this.onRange?.(from, to)),
          ],
        },
      },
      [[], []],
      body,
    );
    this.sizes = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = body;
      if (clientWidth > 0 && clientHeight > 0) this.plot.setSize({ width: clientWidth, height: clientHeight });
    });
    this.sizes.observe(body);
  }

  /** Its heading folds it. */
  foldBy(leaf: Leaf<boolean | null>, otherwise: () => boolean): void {
    this.fold = foldButton(this.heading.textContent ?? "", leaf, (folded) => this.element.classList.toggle("folded", folded), otherwise);
    this.named = this.fold.text;
    this.heading.replaceChildren(this.fold.button);
  }

  updateFold(): void {
    this.fold?.update();
  }

  destroy(): void {
    this.fold?.stop();
    this.sizes.disconnect();
    this.plot.destroy();
  }

  redraw(): void {
    this.plot.redraw(false, true);
  }

  /** Without anything to show there is nothing to number. */
  private texts(ticks: (number | null)[], unit: number): string[] {
    return this.points.xs.length === 0 ? ticks.map(() => "") : tickTexts(ticks, unit);
  }

  title(text: string): void {
    this.named.textContent = this.heading.title = text;
  }

  /** uPlot wants positions that rise; velocities often fall. Blanks are gaps. */
  set(positions: ArrayLike<number>, values: ArrayLike<number>, marker: number | null, range: [number, number] | null = null): void {
    const falling = positions.length > 1 && positions[0]! > positions[positions.length - 1]!;
    const xs = Array.from(positions);
    const ys = Array.from(values, (v) => (Number.isFinite(v) ? v : null));
    if (falling) {
      xs.reverse();
      ys.reverse();
    }
    this.points = { xs, ys };
    this.marker.at = marker;
    this.range = range;
    this.unit = unitFor(ys);
    this.plot.setData([xs, this.unit === 1 ? ys : ys.map((v) => (v === null ? null : v / this.unit))]);
  }

  mark(at: number | null): void {
    this.marker.at = at;
    this.plot.redraw(false, false);
  }

  /** Marks a range of positions. */
  markRange(band: [from: number, to: number] | null): void {
    this.band = band;
    this.plot.redraw(false, false);
  }

  progress(fraction: number): void {
    this.element.classList.toggle("loading", fraction < 1);
    if (fraction < 1) this.note.textContent = `${Math.round(fraction * 100)} %`;
  }

  private showPoint(u: uPlot): void {
    const i = u.cursor.idx;
    const y = i === null || i === undefined ? undefined : this.points.ys[i];
    this.note.textContent = i === null || i === undefined ? "" : `${format.plain(this.points.xs[i]!)}: ${y === null || y === undefined ? "blank" : format.value(y)}`;
  }

  private drawBand(u: uPlot): void {
    if (!this.band || this.points.xs.length === 0) return;
    const { left, top, width, height } = u.bbox;
    const [from, to] = this.band.map((at) => Math.min(left + width, Math.max(left, u.valToPos(at, "x", true)))).sort((a, b) => a - b) as [number, number];
    u.ctx.save();
    u.ctx.globalAlpha = 0.5;
    u.ctx.fillStyle = css(this.root, "--chosen");
    u.ctx.fillRect(from, top, Math.max(devicePixelRatio, to - from), height);
    u.ctx.restore();
  }

  private drawMarker(u: uPlot): void {
    if (this.marker.at === null) return;
    const x = Math.round(u.valToPos(this.marker.at, "x", true)) + 0.5;
    const { left, top, width, height } = u.bbox;
    if (x < left || x > left + width) return;
    const context = u.ctx;
    context.save();
    context.strokeStyle = css(this.root, "--warm");
    context.lineWidth = devicePixelRatio;
    context.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, top + height);
    context.stroke();
    context.restore();
  }
}

/** Mouse and fingers alike; a click that ends a drag is none. */
function dragRange(u: uPlot, onRange: (from: number, to: number) => void): void {
  const still = 4;
  let from: number | null = null;
  let dragged = false;
  const at = (event: PointerEvent) => Math.min(u.over.clientWidth, Math.max(0, event.clientX - u.over.getBoundingClientRect().left));
  u.over.style.touchAction = "pan-y";
  u.over.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = at(event);
    dragged = false;
    u.over.setPointerCapture(event.pointerId);
  });
  u.over.addEventListener("pointermove", (event) => {
    if (from === null) return;
    dragged ||= Math.abs(at(event) - from) >= still;
    if (dragged) onRange(u.posToVal(from, "x"), u.posToVal(at(event), "x"));
  });
  for (const end of ["pointerup", "pointercancel"] as const) u.over.addEventListener(end, () => (from = null));
  u.over.addEventListener("click", (event) => dragged && event.stopImmediatePropagation(), { capture: true });
}

/** A power of ten where values are very small or very large, else 1. */
function unitFor(ys: (number | null)[]): number {
  const largest = ys.reduce<number>((most, v) => Math.max(most, Math.abs(v ?? 0)), 0);
  return largest > 0 && (largest < 1e-9 || largest > 1e15) ? 10 ** Math.floor(Math.log10(largest)) : 1;
}

function gutter(u: uPlot, texts: string[] | null): number {
  u.ctx.save();
  u.ctx.font = FONT;
  const widest = (texts ?? []).reduce((most, text) => Math.max(most, u.ctx.measureText(text).width), 0);
  u.ctx.restore();
  return Math.max(GUTTER.least, Math.ceil(widest) + GUTTER.beside);
}

/** All of an axis in the same manner. */
function tickTexts(splits: (number | null)[], unit: number): string[] {
  const ticks = splits.map((v) => (v === null ? null : v * unit));
  const largest = Math.max(...ticks.map((v) => Math.abs(v ?? 0)));
  const exponent = largest !== 0 && (largest < 1e-3 || largest >= 1e5);
  return ticks.map((v) => (v === null ? "" : v === 0 ? "0" : exponent ? String(Number(v.toPrecision(3)).toExponential()) : String(Number(v.toPrecision(5)))).replaceAll("-", "−"));
}

export class Plots {
  readonly x = new Plot(this.root, "Along x", "--plot-x");
  readonly y = new Plot(this.root, "Along y", "--plot-y");
  readonly z: Plot;
  private readonly axisChoice = h("select", { "aria-label": "Axis of the spectrum", class: "axis-choice" });
  private readonly rest: RestFrequency;
  private readonly frame: SpectralFrameChoice;
  private open: OpenImage | null = null;
  private stop: (() => void)[] = [];
  private readonly stopState: (() => void)[];

  constructor(
    private readonly root: Root,
    private readonly state: ViewState,
    private readonly stage: Stage,
    private readonly onError: (error: unknown) => void,
  ) {
    this.z = new Plot(this.root, "Spectrum", "--plot-z", (at) => this.pickChannel(at));
    this.z.element.querySelector("figcaption")!.append(this.axisChoice);
    this.axisChoice.addEventListener("change", () => state.spectrum.axis.set(this.axisChoice.value as ViewState["spectrum"]["axis"]["value"]));
    this.rest = new RestFrequency(state);
    this.frame = new SpectralFrameChoice(state);
    this.z.element.querySelector("figcaption")!.after(this.frame.element, this.rest.element);
    const { axis, rest, frame } = state.spectrum;
    this.stopState = [axis, rest, frame].map((leaf) => (leaf as Signal<unknown>).watch(() => this.useAxis(onError)));
    const { panels, regionPanel } = state;
    this.x.foldBy(panels.x, () => !regionPanel.open.value);
    this.y.foldBy(panels.y, () => !regionPanel.open.value);
    this.z.foldBy(panels.spectrum, () => true);
    this.stopState.push(regionPanel.open.watch(() => [this.x, this.y].forEach((plot) => plot.updateFold())));
    byId(this.root, "plots").append(this.x.element, this.y.element, this.z.element);
    this.show(null);
  }

  /** What is drawn, for tests: positions and values, null where blank. */
  get points() {
    return { x: this.x.points, y: this.y.points, spectrum: this.z.points };
  }

  show(open: OpenImage | null): void {
    this.stop.forEach((stop) => stop());
    this.open = open;
    this.rest.show(open?.image ?? null);
    this.frame.show(open);
    for (const plot of [this.x, this.y, this.z]) plot.set([], [], null);
    for (const plot of [this.x, this.y]) plot.element.hidden = !open;
    this.z.element.hidden = !open || open.image.info.depth < 2;
    if (!open) return;
    this.axisChoice.replaceChildren(h("option", { value: "" }, "Channel"));
    if (open.image.info.axes?.spectral) {
      for (const [kind, label] of SPECTRAL_KINDS) this.axisChoice.append(h("option", { value: kind }, label));
    }
    const unit = String(open.image.card("BUNIT") ?? "").trim();
    const inUnit = unit === "" ? "" : `, ${unit}`;
    this.x.title(`Along x${inUnit}`);
    this.y.title(`Along y${inUnit}`);
    this.stop = [
      open.cursor.watch(() => this.drawSpatial()),
      open.spectrum.watch(() => this.drawSpectrum()),
      open.axis.watch((axis) => {
        this.axisChoice.value = axis.kind;
        this.z.title(`Spectrum${inUnit}${axis.unit === "" ? "" : ` over ${axis.unit}${axis.frame === "" ? "" : `, ${axis.frame}`}`}`);
        this.drawSpectrum();
      }),
      open.loader.shown.watch(() => this.z.mark(this.channelPosition())),
    ];
    this.useAxis(this.onError);
  }

  destroy(): void {
    this.show(null);
    this.stopState.forEach((stop) => stop());
    this.rest.destroy();
    this.frame.destroy();
    for (const plot of [this.x, this.y, this.z]) plot.destroy();
  }

  private useAxis(onError: (error: unknown) => void): void {
    const open = this.open;
    const { axis, rest, frame } = this.state.spectrum;
    if (!open) return;
    open.useAxis(axis.value, rest.value, frame.value).catch((error: unknown) => {
      if (this.open !== open) return;
      // Of the two wishes the one that others may share goes last.
      if (frame.value !== "") frame.reset();
      else this.state.spectrum.axis.reset();
      this.axisChoice.value = open.axis.value.kind;
      onError(error);
    });
  }

  redraw(): void {
    for (const plot of [this.x, this.y, this.z]) plot.redraw();
  }

  viewChanged(): void {
    this.drawSpatial();
  }

  private drawSpatial(): void {
    const cursor = this.open?.cursor.value;
    if (!cursor) return;
    const { x0, y0, x1, y1 } = this.stage.view.bounds();
    const draw = (plot: Plot, profile: Profile | undefined, marker: number, range: [number, number]) =>
      profile && plot.set(profile.positions, profile.values, marker, range);
    draw(this.x, cursor.profiles.x, cursor.x, [x0, Math.max(x0 + 1, x1 - 1)]);
    draw(this.y, cursor.profiles.y, cursor.y, [y0, Math.max(y0 + 1, y1 - 1)]);
  }

  private drawSpectrum(): void {
    const spectrum = this.open?.spectrum.value;
    if (!this.open || !spectrum) return;
    const axis = this.open.axis.value.values;
    if (axis.length === spectrum.values.length) this.z.set(axis, spectrum.values, this.channelPosition());
    this.z.progress(spectrum.progress);
  }

  private channelPosition(): number | null {
    if (!this.open) return null;
    return this.open.axis.value.values[this.open.loader.shown.value.channel] ?? null;
  }

  private pickChannel(at: number): void {
    if (!this.open) return;
    const { values } = this.open.axis.value;
    let nearest = 0;
    for (let i = 1; i < values.length; i++) if (Math.abs(values[i]! - at) < Math.abs(values[nearest]! - at)) nearest = i;
    this.open.setPlane({ ...this.open.loader.wanted.value, channel: nearest });
  }
}

const SPECTRAL_KINDS: [kind: string, label: string][] = [
  ["frequency", "Frequency"],
  ["velocity_radio", "Velocity (radio)"],
  ["velocity_optical", "Velocity (optical)"],
  ["velocity_relativistic", "Velocity (relativistic)"],
  ["wavelength", "Wavelength"],
  ["air_wavelength", "Wavelength in air"],
];
