/** The selected region in numbers and words: everything that a hand does on the picture can be typed here. */
import { h } from "../dom";
import * as format from "../format";
import { geometryOf, hasVertices, isFramed, isValid, type Point } from "../region-shapes";
import type { Region, Regions } from "../regions";
import { WIDEST_LINE, isColour } from "../state/regions";
import { TypedField } from "./typed-field";

/** Of the style sheet, for fields that must have one. */
const DEFAULT = { colour: "#54e08a", lineWidth: 1.5 };
const SIZES: Record<string, [string, string]> = { rectangle: ["Width", "Height"], ellipse: ["Semi-axis y", "Semi-axis x"], compass: ["Length", ""] };

export class RegionFields {
  readonly element = h("div", { class: "region-fields" });
  private shown = "";
  private fill: (region: Region) => void = () => {};

  constructor(private readonly regions: Regions) {}

  show(region: Region | undefined): void {
    this.element.hidden = region === undefined;
    if (!region) {
      this.shown = "";
      return;
    }
    const kind = `${region.id} ${region.type}`;
    if (kind !== this.shown) this.build(region);
    this.shown = kind;
    this.fill(region);
  }

  private build({ id, type }: Region): void {
    const fills: ((region: Region) => void)[] = [];
    const change = (part: Partial<Region>): void => {
      const region = this.regions.get(id);
      if (region) this.regions.change(id, part);
    };
    /** `read`: what is changed by this text; undefined: it is none. */
    const field = (label: string, input: HTMLInputElement | HTMLTextAreaElement, write: (region: Region) => string, read: (text: string, region: Region) => Partial<Region> | undefined) => {
      const value = (): string => {
        const region = this.regions.get(id);
        return region ? write(region) : "";
      };
      const typed = new TypedField(input, value, (text) => {
        const region = this.regions.get(id);
        const part = region && read(text, region);
        const good = part !== undefined && isValid({ ...region!, ...part });
        if (good) change(part);
        return good;
      });
      fills.push(() => typed.show());
      return h("label", {}, h("span", {}, label), input);
    };
    const number = (label: string, write: (region: Region) => number, read: (v: number, region: Region) => Partial<Region>) =>
      field(
        label,
        h("input", { type: "text", inputMode: "decimal" }),
        (region) => format.plain(write(region)),
        (text, region) => (text !== "" && Number.isFinite(Number(text)) ? read(Number(text), region) : undefined),
      );
    const coordinate = (label: string, index: number, axis: 0 | 1) =>
      number(
        label,
        ({ points }) => points[index]![axis],
        (v, { points }) => ({ points: points.map((p, i): Point => (i === index ? (axis === 0 ? [v, p[1]] : [p[0], v]) : p)) }),
      );
    const rows: HTMLElement[] = [field("Name", h("input", { type: "text", maxLength: 200 }), ({ name = "" }) => name, (name) => ({ name }))];
    if (type === "ANNTEXT") rows.push(field("Text", h("input", { type: "text", maxLength: 200 }), ({ text = "" }) => text, (text) => ({ text })));
    const geometry = geometryOf(type);
    if (hasVertices(type)) {
      const area = h("textarea", { rows: 3, spellcheck: false });
      const write = ({ points }: Region) => points.map((p) => p.map(format.plain).join(", ")).join("\n");
      rows.push(field("Vertices", area, write, vertices));
    } else {
      rows.push(coordinate("x", 0, 0), coordinate("y", 0, 1));
      if (geometry === "line") rows.push(coordinate("to x", 1, 0), coordinate("to y", 1, 1));
      else if (geometry === "compass") rows.push(number("Length", ({ points }) => points[1]![0], (v, { points }) => ({ points: [points[0]!, [v, v]] })));
      else if (geometry !== "point") rows.push(coordinate(SIZES[geometry]![0], 1, 0), coordinate(SIZES[geometry]![1], 1, 1));
      if (isFramed(type)) rows.push(number("Rotation, °", ({ rotation = 0 }) => rotation, (rotation) => ({ rotation })));
    }
    const colour = h("input", { type: "color" });
    // While the chooser is open, the region already has the colour.
    colour.addEventListener("input", () => isColour(colour.value) && change({ colour: colour.value }));
    fills.push((region) => (colour.value = hex(region.colour ?? DEFAULT.colour)));
    rows.push(
      h("label", {}, h("span", {}, "Colour"), colour),
      field(
        "Line width",
        h("input", { type: "text", inputMode: "decimal" }),
        ({ lineWidth = DEFAULT.lineWidth }) => String(lineWidth),
        (text) => (Number(text) > 0 && Number(text) <= WIDEST_LINE ? { lineWidth: Number(text) } : undefined),
      ),
    );
    this.fill = (region) => fills.forEach((fill) => fill(region));
    this.element.replaceChildren(...rows);
  }
}

/** "1, 2", one in each line or with semicolons between. */
function vertices(text: string): Partial<Region> | undefined {
  const points = text
    .split(/[\n;]/)
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/[\s,]+/).map(Number));
  return points.every((p) => p.length === 2) ? { points: points as Point[] } : undefined;
}

/** Fields for colours know no names. */
function hex(colour: string): string {
  if (/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  const context = document.createElement("canvas").getContext("2d")!;
  context.fillStyle = colour;
  return /^#[0-9a-f]{6}/i.exec(context.fillStyle)?.[0] ?? DEFAULT.colour;
}
