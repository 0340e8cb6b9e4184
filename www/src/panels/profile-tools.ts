/** Under each profile: the statistics of a range that is dragged over or typed, and the profile as CSV. */
import { h } from "../dom";
import { csv, download, fileStem } from "../download";
import * as format from "../format";
import type { OpenImage } from "../open-image";
import type { Plot, Plots } from "../plots";
import { Pump } from "../pump";
import type { RegionAnalysis } from "../region-analysis";
import type { ProfileRange } from "../state/analysis-state";
import type { Leaf } from "../state/tree";
import type { ViewState } from "../state/view-state";
import { unitOf, type RegionResults } from "./region-results";
import { TypedField } from "./typed-field";

/** Values at pixels or channels that are a step apart. */
interface Values {
  first: number;
  values: ArrayLike<number>;
}

interface Source {
  /** In names of files: "x". */
  name: string;
  /** Of what is counted: "Channel". */
  counted: string;
  /** The whole profile, or a range of it, as exact as it is. Null if there is none. */
  read(range: ProfileRange | null): Promise<Values | null>;
  /** Of the values, with their unit. */
  heading(): string;
  /** Where the points lie on the axis that is shown, by pixel or channel; null: where they are counted. */
  axis(): { heading: string; values: ArrayLike<number> } | null;
  /** Calls `changed` when there are other values; returns what stops it. */
  watch(changed: () => void): () => void;
}

export interface RangeStatistics {
  count: number;
  mean: number;
  rms: number;
  sigma: number;
  min: number;
  max: number;
  sum: number;
}

const LABELS: [keyof RangeStatistics, string][] = [["mean", "Mean"], ["rms", "RMS"], ["sigma", "σ"], ["min", "Min"], ["max", "Max"], ["sum", "Sum"], ["count", "N"]]; // prettier-ignore

/** Of the finite values; null if there are none. The deviation is the sample's. */
export function rangeStatistics(values: ArrayLike<number>): RangeStatistics | null {
  const good = Array.from(values).filter(Number.isFinite);
  const count = good.length;
  if (count === 0) return null;
  const sum = good.reduce((a, b) => a + b, 0);
  const mean = sum / count;
  const squares = good.reduce((a, b) => a + b * b, 0);
  const spread = good.reduce((a, b) => a + (b - mean) ** 2, 0);
  const [min, max] = good.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  return { count, mean, sum, min, max, rms: Math.sqrt(squares / count), sigma: count > 1 ? Math.sqrt(spread / (count - 1)) : NaN };
}

class Tools {
  /** What is told, for tests. */
  statistics: RangeStatistics | null = null;
  private readonly toggle = h("button", { type: "button", class: "icon-button small", title: "Statistics of a range" }, "Σ");
  private readonly from = this.endField("from");
  private readonly to = this.endField("to");
  private readonly list = h("dl", { class: "range-statistics", role: "status" });
  private readonly row: HTMLElement;
  private readonly pump: Pump<void>;
  private readonly stop: (() => void)[];
  private stopSource: () => void = () => {};
  private open: OpenImage | null = null;
  private shown = false;

  constructor(
    private readonly plot: Plot,
    private readonly leaf: Leaf<ProfileRange | null>,
    private readonly source: Source,
    onError: (error: unknown) => void,
  ) {
    const { name, counted } = source;
    const press = (label: string, text: string, work: () => Promise<void>) =>
      h("button", { type: "button", class: "icon-button small", "aria-label": label, title: label, onclick: () => void work().catch(onError) }, text);
    this.toggle.setAttribute("aria-label", `Statistics of a range of the profile: ${name}`);
    this.toggle.addEventListener("click", () => {
      this.shown = !this.shown;
      if (!this.shown) leaf.set(null);
      this.changed();
    });
    this.row = h(
      "div",
      { class: "range-row", hidden: true },
      h("div", { class: "range-ends" }, h("span", {}, counted), this.from.element, h("span", {}, "to"), this.to.element, press(`Statistics of the range as CSV: ${name}`, "↓", () => this.saveStatistics())),
      this.list,
    );
    plot.element.querySelector("figcaption")!.append(this.toggle, press(`Profile as CSV: ${name}`, "↓", () => this.saveProfile()));
    // Below: what is dragged over must not move away.
    plot.element.append(this.row);
    plot.onRange = (a, b) => this.dragged(a, b);
    this.pump = new Pump(() => this.compute(), onError);
    this.stop = [leaf.watch(() => this.changed())];
  }

  show(open: OpenImage | null): void {
    this.stopSource();
    this.open = open;
    this.stopSource = open ? this.source.watch(() => this.changed()) : () => {};
    if (!open) this.plot.markRange(null);
    this.changed();
  }

  destroy(): void {
    this.show(null);
    this.stop.forEach((stop) => stop());
  }

  /** Of positions on the plot's axis, the pixels or channels in between. */
  private dragged(a: number, b: number): void {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const axis = this.source.axis()?.values;
    if (!axis) return this.leaf.set({ from: Math.ceil(low), to: Math.max(Math.ceil(low), Math.floor(high)) });
    const inside = Array.from(axis, (v, i) => (v >= low && v <= high ? i : -1)).filter((i) => i >= 0);
    if (inside.length > 0) this.leaf.set({ from: inside[0]!, to: inside.at(-1)! });
  }

  private endField(which: keyof ProfileRange): TypedField {
    const input = h("input", { type: "number", step: "1", "aria-label": `Range ${which} ${this.source.counted.toLowerCase()}` });
    return new TypedField(input, () => String(this.leaf.value?.[which] ?? ""), () => this.takeRange());
  }

  /** Both ends together: one alone waits for the other. */
  private takeRange(): boolean {
    const [from, to] = [this.from, this.to].map(({ element: { value } }) => (value.trim() === "" ? NaN : Math.round(Number(value)))) as [number, number];
    const good = Number.isFinite(from) && Number.isFinite(to) && from <= to;
    if (good) this.leaf.set({ from, to });
    return good;
  }

  private changed(): void {
    const range = this.open ? this.leaf.value : null;
    if (range) this.shown = true;
    this.row.hidden = !this.shown;
    this.toggle.setAttribute("aria-expanded", String(this.shown));
    this.from.show();
    this.to.show();
    if (!range) {
      this.statistics = null;
      this.list.replaceChildren(h("div", {}, h("dd", {}, "Drag over the profile, or type a range.")));
      this.plot.markRange(null);
      return;
    }
    const axis = this.source.axis()?.values;
    const at = (i: number) => (axis ? (axis[Math.min(axis.length - 1, Math.max(0, i))] ?? i) : i);
    this.plot.markRange([at(range.from), at(range.to)]);
    this.pump.push();
  }

  private async compute(): Promise<void> {
    const { open } = this;
    const range = this.leaf.value;
    if (!open || !range) return;
    const profile = await this.source.read(range);
    if (this.open !== open || this.leaf.value !== range) return;
    this.statistics = profile ? rangeStatistics(within(profile, range)) : null;
    const { statistics } = this;
    this.list.replaceChildren(
      ...(statistics
        ? LABELS.map(([key, label]) => h("div", {}, h("dt", {}, label), h("dd", { "data-range": key }, key === "count" ? String(statistics.count) : format.value(statistics[key]))))
        : [h("div", {}, h("dd", {}, "No values here."))]),
    );
  }

  private async saveProfile(): Promise<void> {
    const profile = await this.source.read(null);
    if (!profile || !this.open) throw new Error("There is no profile to be saved yet.");
    const axis = this.source.axis();
    const rows: (string | number)[][] = [[this.source.counted, ...(axis ? [axis.heading] : []), this.source.heading()]];
    for (let i = 0; i < profile.values.length; i++) {
      const at = profile.first + i;
      rows.push([at, ...(axis ? [axis.values[at] ?? NaN] : []), profile.values[i]!]);
    }
    download(`${fileStem(this.open.image.info.name)}_${this.source.name}.csv`, csv(rows), "text/csv");
  }

  private async saveStatistics(): Promise<void> {
    const range = this.leaf.value;
    if (!range || !this.statistics || !this.open) throw new Error("Choose a range first.");
    const head = [`${this.source.counted} from`, "to", ...LABELS.map(([key]) => (key === "count" ? "N" : `${key} of ${this.source.heading()}`))];
    download(`${fileStem(this.open.image.info.name)}_${this.source.name}_range.csv`, csv([head, [range.from, range.to, ...LABELS.map(([key]) => this.statistics![key])]]), "text/csv");
  }
}

function within({ first, values }: Values, { from, to }: ProfileRange): number[] {
  const out: number[] = [];
  for (let i = Math.max(0, from - first); i < values.length && first + i <= to; i++) out.push(values[i]!);
  return out;
}

export class ProfileTools {
  private readonly all: Record<"x" | "y" | "spectrum" | "region", Tools>;
  private open: OpenImage | null = null;

  constructor(plots: Plots, results: RegionResults, analysis: RegionAnalysis, state: ViewState, onError: (error: unknown) => void) {
    this.all = {
      x: new Tools(plots.x, state.ranges.x, this.spatial("x"), onError),
      y: new Tools(plots.y, state.ranges.y, this.spatial("y"), onError),
      spectrum: new Tools(plots.z, state.ranges.spectrum, this.ofCursor(), onError),
      region: new Tools(results.spectrum, state.ranges.spectrum, this.ofRegion(analysis), onError),
    };
  }

  show(open: OpenImage | null): void {
    this.open = open;
    for (const tools of Object.values(this.all)) tools.show(open);
  }

  destroy(): void {
    for (const tools of Object.values(this.all)) tools.destroy();
  }

  /** For tests. */
  get statistics() {
    return Object.fromEntries(Object.entries(this.all).map(([name, tools]) => [name, tools.statistics]));
  }

  private get unit(): string {
    return String(this.open?.image.card("BUNIT") ?? "").trim();
  }

  private spatial(name: "x" | "y"): Source {
    return {
      name,
      counted: name,
      heading: () => ["Value", this.unit].filter(Boolean).join(", "),
      axis: () => null,
      watch: (changed) => this.open!.cursor.watch(changed),
      read: async (range) => {
        const { open } = this;
        const cursor = open?.cursor.value;
        const profile = cursor?.profiles[name];
        if (!open || !cursor || !profile || profile.values.length === 0) return null;
        const { positions, values } = profile;
        const size = name === "x" ? open.image.info.width : open.image.info.height;
        const wanted = range ? { from: Math.max(0, range.from), to: Math.min(size - 1, range.to) } : { from: 0, to: size - 1 };
        if (wanted.from > wanted.to) return null;
        const thinned = positions.length > 1 && positions[1]! - positions[0]! > 1;
        const there = !thinned && positions[0]! <= wanted.from && positions.at(-1)! >= wanted.to;
        if (there) return { first: positions[0]!, values };
        if (cursor.stokes >= open.image.info.stokes) {
          // Of a computed polarization there are only the values on show.
          if (thinned) throw new Error("The profile of a computed polarization is decimated at this zoom: zoom in for its statistics.");
          return { first: positions[0]!, values };
        }
        const span: [number, number] = [wanted.from, wanted.to + 1];
        const box = name === "x" ? { x: span, y: cursor.y } : { x: cursor.x, y: span };
        const { data } = await open.image.readBlock({ ...box, channel: cursor.channel, stokes: cursor.stokes });
        return { first: wanted.from, values: Array.from(data as ArrayLike<number>, Number) };
      },
    };
  }

  private channelAxis(): ReturnType<Source["axis"]> {
    const axis = this.open?.axis.value;
    return axis && axis.kind !== "" ? { heading: [axis.label, axis.unit].filter(Boolean).join(", "), values: axis.values } : null;
  }

  private ofCursor(): Source {
    return {
      name: "spectrum",
      counted: "Channel",
      heading: () => ["Value", this.unit].filter(Boolean).join(", "),
      axis: () => this.channelAxis(),
      watch: (changed) => both(this.open!.spectrum.watch(changed), this.open!.axis.watch(changed)),
      read: async () => {
        const spectrum = this.open?.spectrum.value;
        return spectrum ? { first: 0, values: spectrum.values } : null;
      },
    };
  }

  private ofRegion(analysis: RegionAnalysis): Source {
    const statistic = () => String(analysis.spectrum.value?.statistic ?? "Mean") as Parameters<typeof unitOf>[0];
    return {
      name: "region_spectrum",
      counted: "Channel",
      heading: () => [statistic(), unitOf(statistic(), this.unit)].filter(Boolean).join(", "),
      axis: () => this.channelAxis(),
      watch: (changed) => both(analysis.spectrum.watch(changed), this.open!.axis.watch(changed)),
      read: async () => {
        const spectrum = analysis.spectrum.value;
        return spectrum ? { first: 0, values: spectrum.values } : null;
      },
    };
  }
}

const both = (...stops: (() => void)[]) => () => stops.forEach((stop) => stop());
