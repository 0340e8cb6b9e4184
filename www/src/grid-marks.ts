/** The coordinate grid over the picture, with labels where its lines meet the edges of what is seen of the image. */
import type { Coordinates, Image } from "cubelink";
import type { SkyFormat } from "./format";
import { Pump } from "./pump";
import { BUTTONS } from "./sky-marks";
import { gridLines, latticeOf, latticePoints, serves, type Lattice, type Line } from "./sky-grid";
import type { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";
/** Labels nearer than this to another one are left out, CSS pixels. */
const APART = { x: 72, y: 15 };
const INSIDE = 5;

interface Answer {
  image: Image;
  frame: string;
  lattice: Lattice;
  world: Coordinates;
}

type Side = "bottom" | "left" | "top" | "right";

export class GridMarks {
  private readonly group = document.createElementNS(SVG, "g");
  private readonly path = this.group.appendChild(document.createElementNS(SVG, "path"));
  private readonly labels = this.group.appendChild(document.createElementNS(SVG, "g"));
  private readonly pump: Pump<{ image: Image; frame: string; lattice: Lattice }>;
  private answer: Answer | null = null;
  private asked = "";
  /** Has no coordinates, or none in the frame. */
  private without: { image: Image; frame: string } | null = null;
  private lines: Line[] = [];
  private drawn: { answer: Answer; notation: SkyFormat } | null = null;

  constructor(overlay: SVGSVGElement, redraw: () => void) {
    this.group.setAttribute("class", "sky-grid");
    this.group.setAttribute("hidden", "");
    overlay.append(this.group);
    this.pump = new Pump(
      async ({ image, frame, lattice }) => {
        try {
          const points = latticePoints(lattice);
          this.answer = { image, frame, lattice, world: await (frame === "" ? image.toWorld(points) : image.toWorld(points, frame)) };
        } catch {
          this.asked = "";
          if (image.client.state === "connected") this.without = { image, frame };
        }
        redraw();
      },
      () => undefined,
    );
  }

  /** Nothing without an image. `area`: what of the image is seen, upright, where `view` is turned. */
  draw(view: View, image: Image | null, frame: string, notation: SkyFormat, area = view): void {
    if (image && !(this.without?.image === image && this.without.frame === frame)) this.ask(area, image, frame);
    const { answer } = this;
    const shows = image !== null && answer?.image === image && answer.frame === frame;
    this.group.toggleAttribute("hidden", !shows);
    if (!shows) {
      this.clear();
      return;
    }
    const { lattice, world } = answer;
    if (this.drawn?.answer !== answer || this.drawn.notation !== notation) {
      this.lines = gridLines(lattice, world.points, world.names, world.units, notation, area);
      this.drawn = { answer, notation };
      const piece = (points: [number, number][]) => points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${(x - lattice.x0).toFixed(3)} ${(y - lattice.y0).toFixed(3)}`).join("");
      this.path.setAttribute("d", this.lines.flatMap(({ pieces }) => pieces.map(piece)).join(""));
    }
    this.path.setAttribute("transform", `matrix(${view.matrix(lattice.x0, lattice.y0).join(" ")})`);
    this.drawLabels(view, area !== view);
  }

  /** What is hidden holds no elements. */
  private clear(): void {
    if (!this.drawn) return;
    this.drawn = null;
    this.lines = [];
    this.path.removeAttribute("d");
    this.labels.replaceChildren();
  }

  private ask(view: View, image: Image, frame: string): void {
    if (this.answer?.image === image && this.answer.frame === frame && serves(this.answer.lattice, view)) return;
    const lattice = latticeOf(view);
    const wish = `${image.fileId}/${frame}/${JSON.stringify(lattice)}`;
    if (!lattice || wish === this.asked || image.client.state !== "connected") return;
    this.asked = wish;
    this.pump.push({ image, frame, lattice });
  }

  private drawLabels(view: View, turned: boolean): void {
    const corner = view.toScreen(-0.5, view.imageHeight - 0.5);
    const far = view.toScreen(view.imageWidth - 0.5, -0.5);
    const box = turned ? { left: 0, top: 0, right: view.width, bottom: view.height } : { left: Math.max(0, corner.x), top: Math.max(0, corner.y), right: Math.min(view.width, far.x), bottom: Math.min(view.height, far.y) };
    const taken: { x: number; y: number }[] = [];
    const texts = this.lines.flatMap(({ axis, label, pieces }) => {
      const order: Side[] = axis === 0 ? ["bottom", "top", "left", "right"] : ["left", "right", "bottom", "top"];
      const ends = pieces.flatMap((points) => [...meetings(points, view, box), ...(turned ? within(points, axis, view) : [])]);
      for (const side of order) {
        for (const end of ends) {
          const hidden = !turned && end.x > view.width - BUTTONS.width - APART.x / 2 && end.y > view.height - BUTTONS.height;
          if (end.side !== side || hidden || taken.some((t) => Math.abs(t.x - end.x) < APART.x && Math.abs(t.y - end.y) < APART.y)) continue;
          taken.push(end);
          return [text(label, side, end, view.width)];
        }
      }
      return [];
    });
    this.labels.replaceChildren(...texts);
  }
}

/** Where a line of image points crosses the edges of a box on the screen. */
function meetings(points: [number, number][], view: View, box: Record<Side, number>): { side: Side; x: number; y: number }[] {
  const found: { side: Side; x: number; y: number }[] = [];
  let before: { x: number; y: number } | null = null;
  for (const [imageX, imageY] of points) {
    const at = view.toScreen(imageX, imageY);
    if (before) {
      for (const side of ["bottom", "left", "top", "right"] as const) {
        const along = side === "left" || side === "right" ? "x" : "y";
        const across = along === "x" ? "y" : "x";
        // The lattice ends at the image's edge, so that a line can end there without crossing it.
        const edge = box[side] + (side === "left" || side === "top" ? 0.5 : -0.5);
        if (before[along] < edge === at[along] < edge) continue;
        const t = (edge - before[along]) / (at[along] - before[along]);
        const other = before[across] + t * (at[across] - before[across]);
        if (other < (across === "x" ? box.left : box.top) || other > (across === "x" ? box.right : box.bottom)) continue;
        found.push(along === "x" ? { side, x: edge, y: other } : { side, x: other, y: edge });
      }
    }
    before = at;
  }
  return found;
}

/** Of a line that ends at the edge of a turned image: the lower end, or that to the left. */
function within(points: [number, number][], axis: 0 | 1, view: View): { side: Side; x: number; y: number }[] {
  const [a, b] = [points[0]!, points.at(-1)!].map(([x, y]) => view.toScreen(x, y)) as [{ x: number; y: number }, { x: number; y: number }];
  const end = axis === 0 ? (a.y > b.y ? a : b) : a.x < b.x ? a : b;
  return end.x > 0 && end.y > 0 && end.x < view.width && end.y < view.height ? [{ side: axis === 0 ? "bottom" : "left", ...end }] : [];
}

function text(label: string, side: Side, { x, y }: { x: number; y: number }, width: number): SVGTextElement {
  const element = document.createElementNS(SVG, "text");
  element.textContent = label;
  element.setAttribute("class", side);
  const half = APART.x / 2;
  const inside = side === "left" ? x + INSIDE : side === "right" ? x - INSIDE : Math.min(width - half, Math.max(half, x));
  element.setAttribute("x", inside.toFixed(1));
  element.setAttribute("y", (y + (side === "bottom" ? -INSIDE : side === "top" ? INSIDE + 10 : y < 16 ? 14 : -3)).toFixed(1));
  return element;
}
