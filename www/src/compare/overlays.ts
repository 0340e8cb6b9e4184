/** What lies over the picture of another image: the regions of the image on show where they are on the sky, contours, and its own beam and coordinate grid. */
import type { Image } from "cubelink";
import type { Contours } from "../contours";
import { ContourOverlay, type ContourOrigin } from "../contour-overlay";
import { h } from "../dom";
import { GridMarks } from "../grid-marks";
import { SHAPES, outlineOf, type Point } from "../region-shapes";
import type { RegionEntry } from "../state/regions";
import { BeamMark } from "../beam";
import type { Plane } from "../tile-loader";
import type { ViewState } from "../state/view-state";
import type { View } from "../view";
import { Warp } from "./warp";

const SVG = "http://www.w3.org/2000/svg";
/** A straight side may be bent in the other image's projection: it is drawn through so many points. */
const POINTS_OF_SIDE = 12;

export interface Shown {
  view: View;
  /** What of the image is seen, upright. */
  area: View;
  plane: Plane;
  main: { image: Image; view: View } | null;
  contours: ContourOrigin | null;
}

export class Overlays {
  readonly svg = document.createElementNS(SVG, "svg");
  private readonly regions = document.createElementNS(SVG, "g");
  private readonly canvas = h("canvas", { class: "overlay", "aria-hidden": "true", hidden: true });
  private readonly grid: GridMarks;
  private readonly contours: ContourOverlay;
  private readonly beam: BeamMark;
  private warp: Warp | null = null;

  constructor(
    pane: HTMLElement,
    private readonly image: Image,
    private readonly state: ViewState,
    contours: Contours,
    private readonly redraw: () => void,
  ) {
    this.svg.setAttribute("class", "overlay");
    this.svg.setAttribute("aria-hidden", "true");
    this.grid = new GridMarks(this.svg, redraw);
    this.regions.setAttribute("class", "regions");
    this.svg.append(this.regions);
    this.beam = new BeamMark(this.svg);
    pane.append(this.canvas, this.svg);
    this.contours = new ContourOverlay(this.canvas, state, contours, redraw);
  }

  destroy(): void {
    this.contours.destroy();
  }

  draw({ view, area, plane, main, contours }: Shown): void {
    const { marks, sky } = this.state;
    this.grid.draw(view, marks.grid.value ? this.image : null, sky.frame.value, sky.format.value, area);
    this.contours.draw(view, this.image, contours, area);
    this.drawRegions(view, main);
    this.beam.draw(view, marks.beam.value ? this.image : null, plane);
  }

  /** The contours as they were drawn last, `factor` times as large. */
  paintContours(context: CanvasRenderingContext2D, factor: number, { view, area }: Pick<Shown, "view" | "area">): void {
    this.contours.paint(context, view, factor, area);
  }

  private drawRegions(view: View, main: Shown["main"]): void {
    const entries = main ? this.state.regions.value : [];
    if (!main || entries.length === 0) {
      this.regions.replaceChildren();
      return;
    }
    if (this.warp?.from !== main.image) this.warp = new Warp(main.image, this.image, this.redraw);
    const { warp } = this;
    warp.ask(main.view);
    const { value: selected } = this.state.selected;
    this.regions.replaceChildren(...entries.flatMap((entry, i) => (entry.hidden ? [] : mark(entry, i === selected, view, warp))));
  }
}

function mark(entry: RegionEntry, selected: boolean, view: View, warp: Warp): SVGElement[] {
  const { points, closed } = outlineOf(entry);
  const at = (closed ? [...points, points[0]!] : points).flatMap((point, i, all) => (i === 0 ? [point] : between(all[i - 1]!, point))).map(([x, y]) => warp.map(x, y));
  if (!at.every((p) => Number.isFinite(p[0] + p[1]))) return [];
  const screen = at.map(([x, y]) => view.toScreen(x, y));
  const [first] = screen as [{ x: number; y: number }];
  const make = (tag: string, attributes: Record<string, string | number>) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, typeof value === "number" ? value.toFixed(2) : value);
    return element;
  };
  const element =
    entry.type === "ANNTEXT" ? make("text", first) : SHAPES[entry.type].geometry === "point" ? make("circle", { cx: first.x, cy: first.y, r: 4 }) : make(closed ? "polygon" : "polyline", { points: screen.map(({ x, y }) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ") });
  if (entry.type === "ANNTEXT") element.textContent = entry.text ?? "";
  element.classList.toggle("selected", selected);
  if (entry.colour) {
    element.style.color = entry.colour;
    if (entry.type !== "ANNTEXT") element.style.stroke = entry.colour;
  }
  if (entry.lineWidth) element.style.strokeWidth = String(entry.lineWidth);
  return [element];
}

/** The end included. Ellipses have many short sides, which are straight enough. */
function between([ax, ay]: Point, [bx, by]: Point): Point[] {
  const count = Math.hypot(bx - ax, by - ay) < 2 ? 1 : POINTS_OF_SIDE;
  return Array.from({ length: count }, (_, i): Point => [ax + ((bx - ax) * (i + 1)) / count, ay + ((by - ay) * (i + 1)) / count]);
}
