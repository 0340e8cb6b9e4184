/** Colour map, stretch and clip limits, over the image's histogram. */
import type { Histogram } from "cubelink";
import { COLORMAPS, colormap } from "../colormaps";
import { foldButton } from "./fold";
import { byId, css, h, perFrame, type Root } from "../dom";
import * as format from "../format";
import type { Look } from "../renderer";
import { shaded } from "../shades";
import type { Signal } from "../signal";
import { ShadesRow } from "./shades";
import { TypedField } from "./typed-field";
import { DEFAULT_PERCENTILE, PERCENTILES, type ViewState } from "../state/view-state";
import { STRETCHES, automaticStretch, percentileLimits, stretched, type Limits, type Stretch } from "../stretch";

export class DisplayPanel {
  onChange: () => void = () => {};

  /** What the percentile gives for the plane on show. */
  private computed: Limits = { low: NaN, high: NaN };
  private histogram: Histogram | null = null;
  /** Of a sample of the plane's pixels, as long as that of all has not come. */
  private sample: Histogram | null = null;
  private unit = "";
  private readonly bars = h("canvas", { class: "histogram", "aria-label": "Histogram of the image with the clip limits", role: "img" });
  private readonly strip = h("canvas", { class: "strip", "aria-hidden": "true" });
  private readonly low = this.limitField("low", "Lower clip limit");
  private readonly high = this.limitField("high", "Upper clip limit");
  private readonly choice = h("select", { id: "limits-choice" });
  private readonly maps = h("select", { id: "colormap-choice" });
  private readonly stretches = h("div", { class: "segmented", role: "radiogroup", "aria-label": "Stretch" });
  private readonly invert = h("input", { type: "checkbox", id: "invert" });
  private readonly sampleNote = h("span", { class: "hint", id: "sample-note", hidden: true, title: "Computed from a sample of the pixels until all have been read" }, "sample");
  private readonly paint = perFrame(() => this.drawCanvases());

  private readonly fixed = h("input", { type: "checkbox", id: "fixed-limits" });
  private readonly shades: ShadesRow;
  private readonly sizes: ResizeObserver;
  private readonly stop: (() => void)[];

  constructor(
    private readonly root: Root,
    private readonly state: ViewState,
  ) {
    const { colours, clip } = state;
    for (const p of PERCENTILES) this.choice.append(h("option", { value: String(p) }, p === 100 ? "Minimum to maximum" : `${p} %`));
    this.choice.append(h("option", { value: "" }, "Custom"));
    for (const name of Object.keys(COLORMAPS)) this.maps.append(h("option", { value: name }, name));
    for (const stretch of ["auto", ...STRETCHES] as const) {
      const input = h("input", { type: "radio", name: "stretch", value: stretch, id: `stretch-${stretch}` });
      input.addEventListener("change", () => colours.stretch.set(stretch));
      this.stretches.append(input, h("label", { for: `stretch-${stretch}` }, stretch));
    }
    this.maps.addEventListener("change", () => colours.map.set(this.maps.value));
    this.invert.addEventListener("change", () => colours.inverted.set(this.invert.checked));
    this.choice.addEventListener("change", () => {
      if (this.choice.value === "") this.setLimits(this.look.limits);
      else this.usePercentile(Number(this.choice.value));
    });
    this.fixed.addEventListener("change", () => clip.fixed.set(this.fixed.checked));
    this.dragLimits();
    this.shades = new ShadesRow(state);
    const section = byId(this.root, "display");
    const fold = foldButton("Display", state.panels.display, (folded) => section.classList.toggle("folded", folded));
    section.append(
      h("div", { class: "section-head" }, h("h2", {}, fold.button), this.sampleNote),
      this.bars,
      this.strip,
      h("div", { class: "limits" }, this.low.element, this.high.element),
      h("div", { class: "field" }, h("label", { for: "limits-choice" }, "Limits"), this.choice, h("label", { class: "check", title: "The same limits in all channels" }, this.fixed, "Fixed")),
      h("div", { class: "field" }, h("span", { class: "field-label" }, "Stretch"), this.stretches),
      h("div", { class: "field" }, h("label", { for: "colormap-choice" }, "Colour map"), this.maps, h("label", { class: "check" }, this.invert, "Invert")),
      this.shades.element,
    );
    this.sizes = new ResizeObserver(() => this.paint());
    this.sizes.observe(this.bars);
    const changed = () => this.changed();
    this.stop = [colours.map, colours.inverted, colours.stretch, clip.stretch, clip.limits, state.shades.contrast, state.shades.bias].map((leaf) => (leaf as Signal<unknown>).watch(changed));
    this.stop.push(
      fold.stop,
      clip.percentile.watch(() => this.applyPercentile()),
      clip.fixed.watch((fixed) => {
        if (clip.percentile.value !== null) clip.limits.set(fixed && !this.sample && Number.isFinite(this.look.limits.low) ? this.look.limits : null);
        this.changed();
      }),
    );
  }

  destroy(): void {
    this.sizes.disconnect();
    this.shades.destroy();
    this.stop.forEach((stop) => stop());
  }

  get look(): Look {
    const { colours, clip, shades } = this.state;
    const stretch = colours.stretch.value === "auto" ? (clip.stretch.value ?? this.sampleStretch) : colours.stretch.value;
    return { colormap: colours.map.value, inverted: colours.inverted.value, stretch, limits: clip.limits.value ?? this.computed, contrast: shades.contrast.value, bias: shades.bias.value };
  }

  /** For another image: the histogram was that of the one before. */
  newImage(unit: string): void {
    this.unit = unit;
    this.histogram = this.sample = null;
    this.computed = { low: NaN, high: NaN };
    this.changed();
  }

  /** `final`: it is of the plane that is wanted, not of one on show until that comes. */
  setHistogram(histogram: Histogram, final: boolean): void {
    this.histogram = histogram;
    const limits = percentileLimits(histogram, DEFAULT_PERCENTILE);
    if (final && limits && this.state.clip.stretch.value === null) this.state.clip.stretch.set(automaticStretch(histogram, limits));
    this.applyPercentile();
  }

  /** What serves until the histogram of all pixels comes; null: that is there. */
  setSample(sample: Histogram | null): void {
    if (sample === this.sample) return;
    this.sample = sample;
    this.applyPercentile();
  }

  private get sampleStretch(): Stretch {
    const limits = this.sample ? percentileLimits(this.sample, DEFAULT_PERCENTILE) : undefined;
    return limits ? automaticStretch(this.sample!, limits) : "linear";
  }

  setLimits(limits: Limits): void {
    if (!Number.isFinite(limits.low) || !Number.isFinite(limits.high)) return this.drawControls();
    this.state.clip.limits.set(limits);
    this.state.clip.percentile.set(null);
  }

  private limitField(which: keyof Limits, label: string): TypedField {
    return new TypedField(h("input", { type: "text", inputMode: "decimal", "aria-label": label }), () => format.plain(this.look.limits[which]), () => this.takeLimits());
  }

  /** Both together: a lower one that is too high for the upper one waits until that is typed, too. */
  private takeLimits(): boolean {
    const typed = ({ element: { value } }: TypedField, was: number): number => {
      // What was not typed keeps the digits that its field has no room for.
      if (value === format.plain(was)) return was;
      return value.trim() === "" ? NaN : Number(value.trim().replace("−", "-"));
    };
    const limits = { low: typed(this.low, this.look.limits.low), high: typed(this.high, this.look.limits.high) };
    const good = Number.isFinite(limits.low) && Number.isFinite(limits.high) && limits.low < limits.high;
    if (good) this.setLimits(limits);
    return good;
  }

  private usePercentile(percentile: number): void {
    const { clip } = this.state;
    clip.percentile.set(percentile);
    clip.limits.reset();
    this.applyPercentile();
  }

  private applyPercentile(): void {
    const { percentile, fixed, limits } = this.state.clip;
    const histogram = this.sample ?? this.histogram;
    if (percentile.value !== null && histogram) {
      // One value everywhere, or none (NaN) where all is blank.
      const { mean } = histogram;
      this.computed = percentileLimits(histogram, percentile.value) ?? { low: mean, high: mean };
      if (!this.sample && fixed.value && limits.value === null && Number.isFinite(this.computed.low)) limits.set(this.computed);
    }
    this.changed();
  }

  redraw(): void {
    this.paint();
  }

  private changed(): void {
    this.drawControls();
    this.onChange();
  }

  private drawControls(): void {
    const { colormap, inverted, stretch: used } = this.look;
    const stretch = this.state.colours.stretch.value;
    this.maps.value = colormap;
    this.invert.checked = inverted;
    this.stretches.querySelector<HTMLInputElement>(`#stretch-${stretch}`)!.checked = true;
    this.stretches.title = stretch === "auto" ? `Chosen automatically: ${used}` : "";
    const percentile = this.state.clip.percentile.value;
    this.choice.value = percentile === null ? "" : String(percentile);
    this.sampleNote.hidden = this.sample === null;
    this.fixed.checked = this.state.clip.fixed.value;
    this.low.show();
    this.high.show();
    this.paint();
  }

  /** What the histogram shows: all bins, or, if the limits are a small part of that, a little more than the limits. */
  private window(): Limits | null {
    const hist = this.sample ?? this.histogram;
    if (!hist || !(hist.bin_width > 0)) return null;
    const min = hist.first_bin_center - hist.bin_width / 2;
    const max = min + hist.bin_width * hist.bins.length;
    const { low, high } = this.look.limits;
    const margin = 0.25 * (high - low) || hist.bin_width;
    return { low: Math.max(min, low - margin), high: Math.max(Math.min(max, high + margin), low - margin + hist.bin_width) };
  }

  private drawCanvases(): void {
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.bars.clientWidth * ratio), Math.round(this.bars.clientHeight * ratio)];
    if (width === 0 || height === 0) return;
    Object.assign(this.bars, { width, height });
    Object.assign(this.strip, { width, height: Math.round(this.strip.clientHeight * ratio) });
    const context = this.bars.getContext("2d")!;
    const { stretch, contrast, bias, colormap: map, inverted, limits: { low, high } } = this.look; // prettier-ignore
    const colours = colormap(map, inverted);
    const window = this.window();
    const colour = (t: number) => `rgb(${colours[Math.round(255 * t)]!.join(" ")})`;
    const strip = this.strip.getContext("2d")!;
    for (let x = 0; x < width; x++) {
      const v = window ? window.low + ((x + 0.5) / width) * (window.high - window.low) : low + ((x + 0.5) / width) * (high - low);
      strip.fillStyle = colour(shaded(high > low ? stretched(v, low, high, stretch) : (x + 0.5) / width, contrast, bias));
      strip.fillRect(x, 0, 1, this.strip.height);
    }
    const histogram = this.sample ?? this.histogram;
    if (!window || !histogram) return;
    const { bins, first_bin_center, bin_width } = histogram;
    const start = first_bin_center - bin_width / 2;
    // The most populated of the bins behind each column of the picture, on a logarithmic scale.
    const counts = Array.from({ length: width }, (_, x) => {
      const edge = (at: number) => Math.floor((window.low + (at / width) * (window.high - window.low) - start) / bin_width);
      let most = 0;
      for (let i = Math.max(0, edge(x)); i <= Math.min(bins.length - 1, edge(x + 1)); i++) most = Math.max(most, bins[i]!);
      return Math.log1p(most);
    });
    const top = counts.reduce((a, b) => Math.max(a, b), 1e-9);
    context.fillStyle = css(this.root, "--bars");
    counts.forEach((count, x) => context.fillRect(x, height - (count / top) * (height - 4), 1, height));
    context.fillStyle = css(this.root, "--warm");
    for (const limit of [low, high]) {
      const x = Math.round(((limit - window.low) / (window.high - window.low)) * (width - ratio));
      context.fillRect(Math.min(width - 1.5 * ratio, Math.max(0, x)), 0, 1.5 * ratio, height);
    }
    this.bars.title = `Values from ${format.value(window.low)} to ${format.value(window.high)} ${this.unit}${this.sample ? ", of a sample of the pixels" : ""}; drag the orange lines to set the limits`;
  }

  /** The orange lines can be taken with the mouse. */
  private dragLimits(): void {
    let which: keyof Limits | null = null;
    let window: Limits | null = null;
    const valueAt = (event: PointerEvent) => {
      const box = this.bars.getBoundingClientRect();
      return window!.low + ((event.clientX - box.left) / box.width) * (window!.high - window!.low);
    };
    this.bars.addEventListener("pointerdown", (event) => {
      window = this.window();
      if (!window) return;
      const v = valueAt(event);
      const { low, high } = this.look.limits;
      which = Math.abs(v - low) < Math.abs(v - high) ? "low" : "high";
      this.bars.setPointerCapture(event.pointerId);
    });
    this.bars.addEventListener("pointermove", (event) => {
      if (!which || !window) return;
      const limits = { ...this.look.limits, [which]: valueAt(event) };
      if (limits.low < limits.high) this.setLimits(limits);
    });
    for (const end of ["pointerup", "pointercancel"] as const) this.bars.addEventListener(end, () => (which = null));
  }
}
