/** Contours: which levels, of what smoothing, in which colour. */
import type { Histogram } from "cubelink";
import { automaticLevels, type ContourSource, type Contours } from "../contours";
import { byId, h, perFrame, type Root } from "../dom";
import * as format from "../format";
import { MOST_LEVELS, SMOOTHINGS, WIDEST_CONTOUR } from "../state/analysis-state";
import { readName, type ImageName } from "../state/image-name";
import { watchTree } from "../state/tree";
import type { ViewState } from "../state/view-state";
import { TypedField } from "./typed-field";

const LABELS: Record<(typeof SMOOTHINGS)[number], string> = { NoSmoothing: "None", GaussianBlur: "Gaussian", BlockAverage: "Block average" };
const DEFAULT_COUNT = 5;

export class ContoursPanel {
  private readonly panel: HTMLDetailsElement;
  private readonly on = h("input", { type: "checkbox" });
  private readonly count = h("input", { type: "number", min: "1", max: "50", step: "1", value: String(DEFAULT_COUNT), "aria-label": "How many levels" });
  private readonly levels = h("textarea", { rows: 2, spellcheck: false, id: "contour-levels" });
  private readonly smoothing = h("select", { id: "contour-smoothing" });
  private readonly factor = h("input", { type: "number", min: "2", step: "1", "aria-label": "Width of the smoothing in pixels" });
  private readonly colour = h("input", { type: "color", id: "contour-colour" });
  private readonly width = h("input", { type: "number", min: "0.5", max: String(WIDEST_CONTOUR), step: "0.5", "aria-label": "Line width" });
  private readonly told = h("p", { class: "hint", role: "status" });
  private readonly tell = perFrame(() => this.tellNow());
  private readonly stop: (() => void)[];
  private readonly of = h("select", { id: "contour-of" });
  private readonly ofRow = h("div", { class: "field" }, h("label", { for: "contour-of" }, "Image"), this.of);
  private open: ContourSource | null = null;
  private waiting: (() => void) | null = null;

  constructor(
    root: Root,
    private readonly state: ViewState,
    private readonly contours: Contours,
  ) {
    this.panel = byId<HTMLDetailsElement>(root, "contours-panel");
    const settings = state.contours;
    for (const mode of SMOOTHINGS) this.smoothing.append(h("option", { value: mode }, LABELS[mode]));
    const automatic = h("button", { type: "button", class: "tool", onclick: () => this.chooseLevels() }, "Automatic");
    automatic.title = "Levels from the histogram: the lowest has 20 % of the pixels above it, the highest 0.1 %";
    this.panel.replaceChildren(
      h("summary", {}, "Contours"),
      h("div", { class: "tool-row" }, h("label", { class: "check" }, this.on, "Show contours")),
      this.ofRow,
      h("div", { class: "tool-row" }, automatic, this.count, h("span", {}, "levels")),
      h("label", { class: "wide-label", for: "contour-levels" }, "Levels"),
      this.levels,
      h("div", { class: "field" }, h("label", { for: "contour-smoothing" }, "Smoothing"), this.smoothing, this.factor),
      h("div", { class: "field" }, h("label", { for: "contour-colour" }, "Colour"), this.colour, this.width, h("span", {}, "px wide")),
      this.told,
    );
    this.on.addEventListener("change", () => {
      settings.on.set(this.on.checked);
      if (this.on.checked && settings.levels.value.length === 0) this.chooseLevels();
    });
    this.of.addEventListener("change", () => {
      settings.levels.set([]);
      settings.of.set(this.of.value === "" ? null : (readName(JSON.parse(this.of.value)) ?? null));
    });
    const levels = new TypedField(this.levels, () => settings.levels.value.map(String).join(" "), (text) => {
      const typed = text === "" ? [] : text.split(/[\s,;]+/).filter(Boolean).map(Number);
      const good = typed.every(Number.isFinite) && typed.length <= MOST_LEVELS;
      if (good) settings.levels.set([...new Set(typed)].sort((a, b) => a - b));
      return good;
    });
    this.smoothing.addEventListener("change", () => settings.smoothing.set(this.smoothing.value as (typeof SMOOTHINGS)[number]));
    const [factor, width] = ([[this.factor, settings.factor], [this.width, settings.lineWidth]] as const).map(([input, leaf]) => new TypedField(input, () => String(leaf.value), (text) => leaf.readText(text))) as [TypedField, TypedField]; // prettier-ignore
    this.colour.addEventListener("input", () => settings.colour.set(this.colour.value));
    this.panel.addEventListener("toggle", () => settings.panel.set(this.panel.open));
    this.stop = [
      settings.panel.watch((open) => (this.panel.open = open)),
      watchTree({ file: state.file, hdu: state.hdu, images: state.compare.images, of: settings.of }, () => this.drawImages()),
      settings.on.watch((on) => {
        this.on.checked = on;
        this.tell();
      }),
      settings.levels.watch(() => {
        levels.show();
        this.tell();
      }),
      settings.smoothing.watch((mode) => {
        this.smoothing.value = mode;
        this.factor.disabled = mode === "NoSmoothing";
      }),
      settings.factor.watch(() => factor.show()),
      settings.colour.watch((colour) => (this.colour.value = colour)),
      settings.lineWidth.watch(() => width.show()),
      contours.shown.watch(() => this.tell()),
    ];
  }

  show(open: ContourSource | null): void {
    if (open === this.open) return;
    this.open = open;
    this.panel.hidden = !open;
    this.waiting?.();
    this.waiting = null;
    if (open && this.state.contours.on.value && this.state.contours.levels.value.length === 0) this.chooseLevels();
  }

  destroy(): void {
    this.show(null);
    this.stop.forEach((stop) => stop());
  }

  /** Which of the open images: only where there are several. */
  private drawImages(): void {
    const { file, hdu, compare, contours } = this.state;
    const all = [{ file: file.value, hdu: hdu.value }, ...compare.images.value.map(({ file, hdu }) => ({ file, hdu }))];
    const short = ({ file, hdu }: ImageName) => file.slice(file.lastIndexOf("/") + 1) + (hdu === "" ? "" : ` [${hdu}]`);
    this.ofRow.hidden = compare.images.value.length === 0;
    this.of.replaceChildren(h("option", { value: "" }, "The active image"), ...all.map((name) => h("option", { value: JSON.stringify(name) }, short(name))));
    this.of.value = contours.of.value === null ? "" : JSON.stringify(contours.of.value);
    if (this.of.selectedIndex < 0) this.of.value = "";
  }

  /** From the histogram of the plane on show, or from the first one that comes. */
  private chooseLevels(): void {
    const { open } = this;
    const count = Math.min(50, Math.max(1, Math.round(this.count.valueAsNumber) || DEFAULT_COUNT));
    const use = (histogram: Histogram) => this.state.contours.levels.set(automaticLevels(histogram, count));
    if (!open) return;
    if (open.histogram.value) return use(open.histogram.value);
    this.waiting?.();
    this.waiting = open.histogram.watch((histogram) => {
      if (!histogram) return;
      this.waiting?.();
      this.waiting = null;
      use(histogram);
    });
  }

  private tellNow(): void {
    const { on, levels } = this.state.contours;
    const shown = this.contours.shown.value;
    if (!this.open || !on.value) this.told.textContent = "";
    else if (levels.value.length === 0) this.told.textContent = "There are no levels.";
    else {
      const progress = levels.value.reduce((sum, level, i) => sum + (shown[i]?.level === level ? shown[i]!.progress : 0), 0) / levels.value.length;
      const vertices = shown.reduce((sum, level) => sum + level.vertices, 0);
      const unit = String(this.open.image.card("BUNIT") ?? "").trim();
      const range = `${format.value(levels.value[0]!)} to ${format.value(levels.value.at(-1)!)} ${unit}`.trim();
      this.told.textContent = progress < 1 ? `Contours ${Math.floor(100 * progress)} %` : `${levels.value.length} levels, ${range}: ${vertices.toLocaleString("en")} vertices`;
    }
  }
}
