/** The regions over the picture. */
import type { RegionShape } from "cubelink";
import type { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";

export class RegionMarks {
  private readonly group = document.createElementNS(SVG, "g");

  constructor(overlay: SVGSVGElement) {
    this.group.setAttribute("class", "regions");
    overlay.append(this.group);
  }

  draw(view: View, regions: readonly RegionShape[]): void {
    this.group.replaceChildren(...regions.map((region) => mark(view, region)));
  }
}

function mark(view: View, { type, points, rotation = 0 }: RegionShape): SVGElement {
  const make = (tag: string, attributes: Record<string, string | number>) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, typeof value === "number" ? value.toFixed(2) : value);
    return element;
  };
  const at = points.map(([x, y]) => view.toScreen(x, y));
  const [first] = at as [{ x: number; y: number }];
  const [a, b] = (points[1] ?? [0, 0]).map((length) => length * view.scale) as [number, number];
  // Counter-clockwise on the sky's picture is negative on the screen, whose y goes downwards.
  const turned = { transform: `rotate(${(-rotation).toFixed(3)} ${first.x.toFixed(2)} ${first.y.toFixed(2)})` };
  switch (type) {
    case "POINT":
      return make("circle", { cx: first.x, cy: first.y, r: 4 });
    case "RECTANGLE":
      return make("rect", { x: first.x - a / 2, y: first.y - b / 2, width: Math.max(0, a), height: Math.max(0, b), ...turned });
    case "ELLIPSE":
      // The first semi-axis lies along y.
      return make("ellipse", { cx: first.x, cy: first.y, rx: Math.max(0, b), ry: Math.max(0, a), ...turned });
    default:
      return make(type === "POLYGON" ? "polygon" : "polyline", { points: at.map(({ x, y }) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ") });
  }
}
