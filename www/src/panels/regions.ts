/** Regions: tools to draw them, a list, the selected one's fields and results, import and export. */
import type { Client, CoordinateType, FileType, RegionShapeType } from "cubelink";
import { byId, h, perFrame, type Root } from "../dom";
import { csv, download, fileStem } from "../download";
import type { OpenImage } from "../open-image";
import { STATISTICS, type RegionAnalysis } from "../region-analysis";
import type { RegionEditor } from "../region-editor";
import { SHAPES, TYPES, hasInside } from "../region-shapes";
import type { Region, Regions } from "../regions";
import type { ViewState } from "../state/view-state";
import { RegionFields } from "./region-fields";
import { RegionFilesDialog } from "./region-files";
import { LABELS, RegionResults, unitOf } from "./region-results";

/** Of 16 × 16. */
const ICONS: Partial<Record<RegionShapeType, string>> = {
  POINT: "M8 6a2 2 0 1 1 0 4a2 2 0 1 1 0-4",
  LINE: "M2 14L14 2",
  POLYLINE: "M2 13L6 5L10 10L14 3",
  RECTANGLE: "M2 4h12v8h-12z",
  ELLIPSE: "M8 4a6 4 0 1 1 0 8a6 4 0 1 1 0-8",
  POLYGON: "M8 2L14 7L11 14H4L2 6z",
};
const MENU = TYPES.filter((type) => !(type in ICONS));
const LARGEST_FILE = 32 << 20;

const FORMATS: Record<string, { type: FileType; ending: string; label: string }> = {
  crtf: { type: "CRTF", ending: "crtf", label: "CRTF" },
  ds9: { type: "DS9_REG", ending: "reg", label: "DS9" },
};

export class RegionsPanel {
  readonly results: RegionResults;
  private readonly panel: HTMLDetailsElement;
  private readonly summary = h("summary", {}, "Regions");
  private readonly list = h("ul", { class: "region-list", "aria-label": "Regions" });
  private readonly empty = h("p", { class: "hint" }, "No regions yet: choose a shape above and drag on the image, or import a file.");
  private readonly hint = h("p", { class: "hint", role: "status" });
  private readonly fields: RegionFields;
  private readonly tools = new Map<RegionShapeType, HTMLButtonElement>();
  private readonly menu = h("select", { "aria-label": "Draw an annotation" });
  private readonly format = h("select", { "aria-label": "Format of the file" });
  private readonly coordinates = h("select", { "aria-label": "Coordinates in the file" });
  private readonly file = h("input", { type: "file", hidden: true, accept: ".crtf,.reg,.txt,text/plain", "aria-label": "File of regions" });
  private readonly saving: HTMLButtonElement[];
  private readonly files: RegionFilesDialog;
  private readonly draw = perFrame(() => this.drawNow());
  private readonly stop: (() => void)[];
  private open: OpenImage | null = null;
  private listed = "";

  constructor(
    root: Root,
    private readonly client: Client,
    private readonly state: ViewState,
    private readonly regions: Regions,
    private readonly editor: RegionEditor,
    private readonly analysis: RegionAnalysis,
    private readonly tell: { report(error: unknown): void; show(severity: "info" | "warning", text: string): void },
  ) {
    this.panel = byId<HTMLDetailsElement>(root, "regions-panel");
    this.fields = new RegionFields(regions);
    this.results = new RegionResults(root, analysis, state);
    const press = (label: string, work: () => Promise<void> | void) => h("button", { type: "button", class: "tool", onclick: () => void Promise.resolve(work()).catch(tell.report) }, label);
    for (const [key, { label }] of Object.entries(FORMATS)) this.format.append(h("option", { value: key }, label));
    for (const [value, label] of [["WORLD", "Sky"], ["PIXEL", "Pixels"]]) this.coordinates.append(h("option", { value: value! }, label!)); // prettier-ignore
    this.saving = [press("Export", () => this.export()), press("CSV", () => this.saveStatistics()), press("Save on server …", () => this.files.saveAs(this.folder, `${fileStem(this.open!.image.info.name)}.${FORMATS[this.format.value]!.ending}`))];
    this.saving[0]!.title = "Download as a region file";
    this.saving[1]!.setAttribute("aria-label", "Statistics of all regions as CSV");
    this.saving[1]!.title = "Statistics of all regions as CSV";
    this.files = new RegionFilesDialog(root, client, {
      importFile: async (directory, file) => this.imported(await regions.importFile(directory, file)),
      importFromHere: () => {
        this.files.close();
        this.file.click();
      },
      save: (directory, file, overwrite) => this.saveOnServer(directory, file, overwrite),
    });
    this.file.addEventListener("change", () => void this.import().catch(tell.report));
    this.panel.replaceChildren(
      this.summary,
      h("div", { class: "region-tools", role: "toolbar", "aria-label": "Draw a region" }, ...this.toolbar()),
      this.hint,
      this.list,
      this.empty,
      this.results.numbers,
      this.fields.element,
      this.results.element,
      h("div", { class: "tool-row" }, this.file, press("Import …", () => this.files.pick(this.folder)), this.saving[0], this.format, this.coordinates, this.saving[1], this.saving[2]),
    );
    this.panel.addEventListener("toggle", () => state.regionPanel.open.set(this.panel.open));
    this.stop = [
      state.regionPanel.open.watch((open) => (this.panel.open = open)),
      ...[state.regions, state.selected, state.regionPanel.open, state.regionPanel.spectrum].map((leaf) => leaf.watch(() => this.changed())),
      editor.tool.watch((tool) => this.showTool(tool)),
    ];
  }

  show(open: OpenImage | null): void {
    this.open = open;
    this.panel.hidden = !open;
    this.editor.use(null);
    this.analysis.again();
    const sky = open ? open.image.info.header.some(({ name, value }) => /^CTYPE[12]/.test(name) && /^(RA|DEC|.LON|.LAT)/.test(value.trim())) : false;
    this.coordinates.value = sky ? "WORLD" : "PIXEL";
    this.changed();
  }

  redraw(): void {
    this.results.redraw();
  }

  destroy(): void {
    this.stop.forEach((stop) => stop());
    this.results.destroy();
  }

  private toolbar(): HTMLElement[] {
    const buttons = (Object.entries(ICONS) as [RegionShapeType, string][]).map(([type, path]) => {
      const button = h("button", { type: "button", class: "icon-button tool", "aria-pressed": "false", "aria-label": `Draw a region: ${SHAPES[type].label.toLowerCase()}`, title: SHAPES[type].label });
      button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${path}" /></svg>`;
      button.addEventListener("click", () => this.editor.use(this.editor.tool.value === type ? null : type));
      this.tools.set(type, button);
      return button;
    });
    this.menu.append(h("option", { value: "" }, "Annotate …"), ...MENU.map((type) => h("option", { value: type }, SHAPES[type].label)));
    this.menu.addEventListener("change", () => this.editor.use((this.menu.value || null) as RegionShapeType | null));
    return [...buttons, this.menu];
  }

  private showTool(tool: RegionShapeType | null): void {
    for (const [type, button] of this.tools) button.setAttribute("aria-pressed", String(type === tool));
    this.menu.value = tool && MENU.includes(tool) ? tool : "";
    this.hint.hidden = tool === null;
    if (tool === null) this.hint.textContent = "";
    else if (SHAPES[tool].geometry === "point") this.hint.textContent = "Click on the image, or press Enter there for the cursor’s place. Escape cancels.";
    else if (["polyline", "polygon"].includes(SHAPES[tool].geometry)) this.hint.textContent = "Click or press Enter for each vertex; a double click or a second Enter ends. Backspace takes one back.";
    else this.hint.textContent = "Drag on the image, or click (or press Enter at the cursor) for either end. Escape cancels.";
  }

  private changed(): void {
    const id = this.state.regionPanel.open.value && this.open ? this.regions.selected : null;
    const region = id === null ? undefined : this.regions.get(id);
    this.analysis.want(region ? { id: region.id, type: region.type, spectrum: this.state.regionPanel.spectrum.value } : null);
    this.draw();
  }

  private drawNow(): void {
    const all = this.open ? this.regions.list() : [];
    this.summary.textContent = all.length > 0 ? `Regions (${all.length})` : "Regions";
    for (const button of this.saving) button.disabled = all.length === 0;
    this.saving[2]!.hidden = this.client.readOnly;
    if (!this.panel.open) return;
    this.empty.hidden = all.length > 0;
    const { selected } = this.regions;
    const region = selected === null ? undefined : this.regions.get(selected);
    this.drawList(all, selected);
    this.fields.show(region);
    this.results.show(this.open, region);
  }

  /** Only when something in it is another: while a region is dragged, whoever is in the list stays where they are. */
  private drawList(all: Region[], selected: number | null): void {
    const listed = JSON.stringify([selected, all.map(({ id, type, name, hidden, colour }) => [id, type, name, hidden, colour])]);
    if (listed === this.listed) return;
    this.listed = listed;
    const focused = (this.list.getRootNode() as ShadowRoot).activeElement?.getAttribute("data-focus");
    this.list.replaceChildren(...all.map((region) => this.row(region, region.id === selected)));
    if (focused) this.list.querySelector<HTMLElement>(`[data-focus="${focused}"]`)?.focus();
  }

  private row({ id, type, name, hidden, colour }: Region, selected: boolean): HTMLElement {
    const title = name ?? `${SHAPES[type].label.split(",")[0]} ${id}`;
    const shown = h("input", { type: "checkbox", checked: !hidden, "aria-label": `Show ${title}`, "data-focus": `show ${id}` });
    shown.addEventListener("change", () => this.regions.change(id, { hidden: !shown.checked }));
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    if (colour) swatch.style.background = colour;
    const remove = () => void this.regions.remove(id).catch(this.tell.report);
    return h(
      "li",
      { class: selected ? "region-row current" : "region-row" },
      h("label", { class: "check" }, shown),
      h(
        "button",
        { type: "button", class: "region-name", "aria-pressed": String(selected), "data-focus": `name ${id}`, onclick: () => this.regions.select(selected ? null : id) },
        swatch,
        h("span", { class: "name-start" }, title),
        h("span", { class: "file-detail" }, name ? SHAPES[type].label : ""),
      ),
      h("button", { type: "button", class: "icon-button small", "aria-label": `Remove ${title}`, "data-focus": `remove ${id}`, onclick: remove }, "×"),
    );
  }

  private async import(): Promise<void> {
    const file = this.file.files?.[0];
    this.file.value = "";
    if (!file) return;
    if (file.size > LARGEST_FILE) throw new Error(`${file.name} is larger than ${LARGEST_FILE >> 20} MiB: it is no file of regions`);
    this.imported(await this.regions.import(await file.text(), /\.reg$/i.test(file.name) ? "DS9_REG" : "CRTF"));
  }

  private imported({ ids, message }: { ids: number[]; message: string }): void {
    if (message !== "") this.tell.show("warning", message);
    this.tell.show("info", ids.length === 1 ? "One region was imported." : `${ids.length} regions were imported.`);
    if (ids.length > 0) this.regions.select(ids[0]!);
  }

  private async export(): Promise<void> {
    const { type, ending } = FORMATS[this.format.value]!;
    const { text, message } = await this.regions.export(type, this.coordinates.value as CoordinateType);
    if (message !== "") this.tell.show("warning", message);
    download(`${fileStem(this.open!.image.info.name)}.${ending}`, text);
  }

  /** Where the image is. */
  private get folder(): string {
    const { value } = this.state.file;
    return value.slice(0, Math.max(0, value.lastIndexOf("/")));
  }

  private async saveOnServer(directory: string, file: string, overwrite: boolean): Promise<boolean> {
    const { exists, message } = await this.regions.exportFile(FORMATS[this.format.value]!.type, this.coordinates.value as CoordinateType, directory, file, overwrite);
    if (exists) return true;
    if (message !== "") this.tell.show("warning", message);
    this.tell.show("info", `The regions are in ${directory === "" ? file : `${directory}/${file}`}.`);
    return false;
  }

  /** Of all that have an inside, in the plane on show. */
  private async saveStatistics(): Promise<void> {
    const { image, loader } = this.open!;
    const unit = String(image.card("BUNIT") ?? "").trim();
    const { channel, stokes } = loader.shown.value;
    const regions = this.regions.list().filter(({ type }) => hasInside(type));
    if (regions.length === 0) throw new Error("Only rectangles, ellipses and polygons have statistics.");
    const heading = STATISTICS.map((name) => [LABELS[name], unitOf(name, unit)].filter(Boolean).join(", "));
    const rows: (string | number)[][] = [["Region", "Name", "Type", "Channel", "Stokes", ...heading]];
    for (const { id, type, name = "" } of regions) {
      const { statistics } = await image.statistics({ region: id, types: [...STATISTICS], channels: channel, stokes });
      rows.push([id, name, type, channel, stokes, ...STATISTICS.map((key) => (statistics[key] as number | null) ?? NaN)]);
    }
    download(`${fileStem(image.info.name)}_regions.csv`, csv(rows), "text/csv");
  }
}
