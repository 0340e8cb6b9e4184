/** Statistics, histogram and spectrum of the selected region, or the profile along a line. */
import type { Histogram } from "cubelink";
import { h, type Root } from "../dom";
import * as format from "../format";
import type { OpenImage } from "../open-image";
import { Plot } from "../plots";
import { STATISTICS, kindsOf, type RegionAnalysis, type Statistic } from "../region-analysis";
import type { Region } from "../regions";
import { SPECTRUM_STATISTICS } from "../state/analysis-state";
import type { ViewState } from "../state/view-state";

export const LABELS: Record<Statistic, string> = {
  NumPixels: "Pixels",
  Sum: "Sum",
  FluxDensity: "Flux density",
  Mean: "Mean",
  RMS: "RMS",
  Sigma: "Standard deviation",
  SumSq: "Sum of squares",
  Min: "Minimum",
  Max: "Maximum",
  Extrema: "Extreme",
};

/** Of a statistic of values in `unit`. */
export function unitOf(statistic: Statistic, unit: string): string {
  if (statistic === "NumPixels" || unit === "") return "";
  if (statistic === "SumSq") return `(${unit})²`;
  return statistic === "FluxDensity" ? "Jy" : unit;
}

export class RegionResults {
  /** The statistics; the plots are in `element`. */
  readonly numbers: HTMLElement;
  readonly element: HTMLElement;
  /** Of the spectrum, to which other tools belong. */
  readonly spectrum: Plot;
  private readonly histogram: Plot;
  private readonly line: Plot;
  private readonly table = h("dl", { class: "region-statistics", "aria-label": "Statistics of the region" });
  private readonly none = h("p", { class: "empty" });
  private readonly statistic = h("select", { class: "axis-choice", "aria-label": "Statistic of the spectrum" });
  private open: OpenImage | null = null;
  private region: Region | undefined;
  private stop: (() => void)[] = [];
  private readonly stopAlways: (() => void)[];

  constructor(
    root: Root,
    private readonly analysis: RegionAnalysis,
    state: ViewState,
  ) {
    this.histogram = new Plot(root, "Histogram", "--plot-x");
    this.line = new Plot(root, "Along the line", "--plot-y");
    this.spectrum = new Plot(root, "Spectrum of the region", "--plot-z");
    for (const name of SPECTRUM_STATISTICS) this.statistic.append(h("option", { value: name }, LABELS[name]));
    this.statistic.addEventListener("change", () => state.regionPanel.spectrum.set(this.statistic.value as (typeof SPECTRUM_STATISTICS)[number]));
    this.spectrum.element.querySelector("figcaption")!.append(this.statistic);
    this.numbers = h("div", { class: "region-results" }, this.none, this.table);
    this.element = h("div", { class: "region-results" }, this.histogram.element, this.line.element, this.spectrum.element);
    this.stopAlways = [
      state.regionPanel.spectrum.watch((name) => (this.statistic.value = name)),
      analysis.statistics.watch(() => this.drawStatistics()),
      analysis.histogram.watch((histogram) => this.drawHistogram(histogram)),
      analysis.spectrum.watch(() => this.drawSpectrum()),
      analysis.line.watch((line) => {
        this.line.set(line?.positions ?? [], line?.values ?? [], null);
        this.line.title(`Along the line${line?.unit ? `, over ${line.unit === "milliarcsec" ? "mas" : line.unit}` : ""}`);
      }),
    ];
  }

  show(open: OpenImage | null, region: Region | undefined): void {
    this.region = region;
    if (open !== this.open) {
      this.stop.forEach((stop) => stop());
      this.open = open;
      this.stop = open ? [open.axis.watch(() => this.drawSpectrum()), open.loader.shown.watch(() => this.spectrum.mark(this.channelPosition()))] : [];
    }
    this.element.hidden = this.numbers.hidden = !open || !region;
    if (!open || !region) return;
    const kinds = kindsOf(region.type, open.image.info.depth);
    this.table.hidden = this.histogram.element.hidden = !kinds.inside;
    this.line.element.hidden = !kinds.line;
    this.spectrum.element.hidden = kinds.spectrum === "";
    this.statistic.hidden = region.type === "POINT";
    const some = kinds.inside || kinds.line || kinds.spectrum !== "";
    this.none.hidden = some;
    this.none.textContent = region.type === "POINT" ? "An image without channels has no spectrum here." : "Annotations are drawn, not analysed.";
    this.drawStatistics();
  }

  redraw(): void {
    for (const plot of [this.histogram, this.line, this.spectrum]) plot.redraw();
  }

  destroy(): void {
    this.show(null, undefined);
    this.stopAlways.forEach((stop) => stop());
    for (const plot of [this.histogram, this.line, this.spectrum]) plot.destroy();
  }

  /** What is drawn, for tests. */
  get points() {
    return { histogram: this.histogram.points, spectrum: this.spectrum.points, line: this.line.points };
  }

  private get unit(): string {
    return String(this.open?.image.card("BUNIT") ?? "").trim();
  }

  private drawStatistics(): void {
    const found = this.analysis.statistics.value;
    const rows = STATISTICS.filter((name) => name !== "FluxDensity" || Number.isFinite(found?.[name] ?? NaN)).map((name) => {
      const v = found?.[name];
      const text = v === undefined ? "…" : name === "NumPixels" ? String(v) : format.value(v);
      return h("div", {}, h("dt", {}, LABELS[name]), h("dd", { "data-statistic": name }, `${text} ${v === undefined ? "" : unitOf(name, this.unit)}`.trim()));
    });
    this.table.replaceChildren(...rows);
  }

  private drawHistogram(histogram: Histogram | null): void {
    const { bins = [], first_bin_center = 0, bin_width = 1 } = histogram ?? {};
    this.histogram.set(bins.map((_, i) => first_bin_center + i * bin_width), bins, null);
    this.histogram.title(`Histogram${this.unit === "" ? "" : `, over ${this.unit}`}`);
  }

  private drawSpectrum(): void {
    const spectrum = this.analysis.spectrum.value;
    const axis = this.open?.axis.value;
    if (!spectrum || !axis || spectrum.values.length !== axis.values.length) return this.spectrum.set([], [], null);
    this.spectrum.set(axis.values, spectrum.values, this.channelPosition());
    this.spectrum.progress(spectrum.progress);
    const unit = this.region?.type === "POINT" ? this.unit : unitOf(spectrum.statistic as Statistic, this.unit);
    this.spectrum.title(`Spectrum of the region${unit === "" ? "" : `, ${unit}`}${axis.unit === "" ? "" : ` over ${axis.unit}`}`);
  }

  private channelPosition(): number | null {
    return this.open ? (this.open.axis.value.values[this.open.loader.shown.value.channel] ?? null) : null;
  }
}
