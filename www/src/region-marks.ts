/** The regions over the picture, and the handles of the one that is selected. */
import type { RegionShape } from "cubelink";
import { geometryOf, handlesOf, outlineOf, type Handle, type Point } from "./region-shapes";
import type { RegionEntry } from "./state/regions";
import type { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";
const ARROW = 11;

/** What is told of regions beyond their shape: the lengths of rulers, and where north and east are, by compass. */
export interface RegionFacts {
  length(region: RegionShape): string;
  /** Unit vectors in image pixels, y upwards. */
  directions(region: RegionShape): [north: Point, east: Point];
}

export class RegionMarks {
  private readonly group = document.createElementNS(SVG, "g");
  private readonly handles = document.createElementNS(SVG, "g");

  constructor(
    overlay: SVGSVGElement,
    private readonly facts: RegionFacts,
  ) {
    this.group.setAttribute("class", "regions");
    this.handles.setAttribute("class", "region-handles");
    overlay.append(this.group, this.handles);
  }

  /** `draft` is one that is still being drawn. */
  draw(view: View, regions: readonly RegionEntry[], selected: number | null, draft: RegionShape | null): void {
    const shown = regions.map((region, i) => ({ region, chosen: i === selected })).filter(({ region }) => !region.hidden);
    const marks = shown.map(({ region, chosen }) => {
      const element = mark(view, region, this.facts);
      element.classList.toggle("selected", chosen);
      if (region.colour) {
        element.style.color = region.colour;
        if (element.tagName !== "text") element.style.stroke = region.colour;
      }
      if (region.lineWidth) element.style.strokeWidth = String(region.lineWidth);
      return element;
    });
    if (draft) {
      const element = mark(view, draft, this.facts);
      element.classList.add("draft");
      marks.push(element);
    }
    this.group.replaceChildren(...marks);
    const chosen = selected === null ? undefined : regions[selected];
    this.handles.replaceChildren(...(chosen && !chosen.hidden && !draft ? handlesOf(chosen, 1 / view.scale).map((handle) => knob(view, handle)) : []));
  }
}

function make(tag: string, attributes: Record<string, string | number>, ...children: (SVGElement | string)[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, typeof value === "number" ? value.toFixed(2) : value);
  element.append(...children);
  return element;
}

function knob(view: View, { kind, at }: Handle): SVGElement {
  const { x, y } = view.toScreen(...at);
  const size = kind === "middle" ? 5 : 9;
  if (kind === "rotate") return make("circle", { cx: x, cy: y, r: 5, class: kind });
  return make("rect", { x: x - size / 2, y: y - size / 2, width: size, height: size, class: kind });
}

const joined = (points: readonly { x: number; y: number }[]) => points.map(({ x, y }) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");

/** One element for each region. */
function mark(view: View, region: RegionEntry, facts: RegionFacts): SVGElement {
  const { type, points, rotation = 0 } = region;
  const at = points.map(([x, y]) => view.toScreen(x, y));
  const [first] = at as [{ x: number; y: number }];
  const [a, b] = (points[1] ?? [0, 0]).map((length) => length * view.scale) as [number, number];
  // Counter-clockwise on the sky's picture is negative on the screen, whose y goes downwards.
  const turned = { transform: `rotate(${(-rotation).toFixed(3)} ${first.x.toFixed(2)} ${first.y.toFixed(2)})` };
  switch (type) {
    case "ANNTEXT":
      return make("text", { x: first.x, y: first.y, ...turned }, region.text ?? "");
    case "ANNVECTOR":
      return make("g", {}, make("polyline", { points: joined(at) }), make("polyline", { points: joined(head(first, at[1] ?? first)) }));
    case "ANNRULER": {
      const [from, to] = [first, at[1] ?? first];
      const label = make("text", { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 - 6 }, facts.length(region));
      return make("g", {}, make("polyline", { points: joined([from, to]) }), ...[from, to].map((end) => make("circle", { cx: end.x, cy: end.y, r: 2 })), label);
    }
    case "ANNCOMPASS":
      return make(
        "g",
        {},
        ...facts.directions(region).flatMap(([dx, dy], i) => {
          const end = { x: first.x + a * dx, y: first.y - a * dy };
          const label = make("text", { x: end.x + 10 * dx, y: end.y - 10 * dy + 4 }, "NE"[i]!);
          return [make("polyline", { points: joined([first, end]) }), make("polyline", { points: joined(head(first, end)) }), label];
        }),
      );
  }
  switch (geometryOf(type)) {
    case "point":
      return make("circle", { cx: first.x, cy: first.y, r: 4 });
    case "rectangle":
      return make("rect", { x: first.x - a / 2, y: first.y - b / 2, width: Math.max(0, a), height: Math.max(0, b), ...turned });
    case "ellipse":
      // The first semi-axis lies along y.
      return make("ellipse", { cx: first.x, cy: first.y, rx: Math.max(0, b), ry: Math.max(0, a), ...turned });
    default: {
      const { points: line, closed } = outlineOf(region);
      return make(closed ? "polygon" : "polyline", { points: joined(line.map(([x, y]) => view.toScreen(x, y))) });
    }
  }
}

/** Of an arrow, on the screen. */
function head(from: { x: number; y: number }, to: { x: number; y: number }): { x: number; y: number }[] {
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const wing = (by: number) => ({ x: to.x - ARROW * Math.cos(angle + by), y: to.y - ARROW * Math.sin(angle + by) });
  return [wing(0.4), to, wing(-0.4)];
}
