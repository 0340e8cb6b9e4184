/**
 * Lines of equal longitude and latitude, drawn through positions on a lattice of image points, which the server computes: so they follow any projection and distortion.
 */
import * as format from "./format";
import type { View } from "./view";

/** CSS pixels between the points of a lattice: lines are straight from one cell's edge to the next. */
const CELL = 18;
/** Of the picture's width and height, on each side: so that panning shows lines at once. */
const MARGIN = 0.4;
/** Lines across the picture, about. */
const LINES = 8;
const MOST_LINES = 200;
const DEGREE = Math.PI / 180;

export interface Lattice {
  columns: number;
  rows: number;
  /** Image point of the first one, and the distances to the next, pixels. */
  x0: number;
  y0: number;
  stepX: number;
  stepY: number;
}

export interface Line {
  axis: 0 | 1;
  label: string;
  /** Image points; several pieces where the line leaves the lattice. */
  pieces: [number, number][][];
}

/** The lattice of what is seen of the image and a margin around it; null if nothing of the image is. */
export function latticeOf(view: View): Lattice | null {
  const step = CELL / view.scale;
  const [halfWidth, halfHeight] = [(view.width * (0.5 + MARGIN)) / view.scale, (view.height * (0.5 + MARGIN)) / view.scale];
  const x0 = Math.max(-0.5, view.centreX - halfWidth);
  const y0 = Math.max(-0.5, view.centreY - halfHeight);
  const width = Math.min(view.imageWidth - 0.5, view.centreX + halfWidth) - x0;
  const height = Math.min(view.imageHeight - 0.5, view.centreY + halfHeight) - y0;
  if (!(width > 0 && height > 0)) return null;
  const [columns, rows] = [Math.ceil(width / step) + 1, Math.ceil(height / step) + 1];
  return { columns, rows, x0, y0, stepX: width / (columns - 1), stepY: height / (rows - 1) };
}

export function latticePoints({ columns, rows, x0, y0, stepX, stepY }: Lattice): [number, number][] {
  return Array.from({ length: columns * rows }, (_, i) => [x0 + (i % columns) * stepX, y0 + Math.floor(i / columns) * stepY]);
}

/** The lattice has what the view shows, about as fine as one made for it would be. */
export function serves({ columns, rows, x0, y0, stepX, stepY }: Lattice, view: View): boolean {
  const size = Math.max(stepX, stepY) * view.scale;
  const [halfWidth, halfHeight] = [view.width / 2 / view.scale, view.height / 2 / view.scale];
  return (
    // Small images have few and small cells.
    (size > 0.7 * CELL || Math.max(columns, rows) <= 3) && size < 1.3 * CELL &&
    x0 <= Math.max(-0.5, view.centreX - halfWidth) && x0 + (columns - 1) * stepX + 1e-6 >= Math.min(view.imageWidth - 0.5, view.centreX + halfWidth) &&
    y0 <= Math.max(-0.5, view.centreY - halfHeight) && y0 + (rows - 1) * stepY + 1e-6 >= Math.min(view.imageHeight - 0.5, view.centreY + halfHeight)
  ); // prettier-ignore
}

/** The lines of both axes that suit what the view shows. `world`: coordinates of the lattice's points, NaN where there are none. */
export function gridLines(lattice: Lattice, world: [number, number][], names: string[], units: string[], notation: format.SkyFormat, view: View): Line[] {
  return ([0, 1] as const).flatMap((axis) => {
    const round = axis === 0 && units[0] === "deg" && units[1] === "deg";
    const values = Float64Array.from(world, (p) => p[axis]);
    const latitudes = Float64Array.from(world, (p) => p[1]);
    const { least, most, seen } = extent(lattice, values, round, view);
    if (!(seen > 0)) return [];
    const kind = format.notationOf(names[axis] ?? "", units[axis] ?? "", notation);
    const step = niceStep(seen / LINES, kind);
    const first = Math.ceil(least / step - 1e-9);
    const count = Math.min(MOST_LINES, Math.floor(most / step + 1e-9) - first + 1, round ? Math.ceil(360 / step) : Infinity);
    return Array.from({ length: Math.max(0, count) }, (_, i): Line => {
      const value = (first + i) * step;
      return { axis, label: label(value, step, kind, axis, units[axis] ?? ""), pieces: round ? meridian(lattice, values, latitudes, value) : contour(lattice, values.map((v) => v - value)) };
    }).filter(({ pieces }) => pieces.length > 0);
  });
}

/** From the least to the most of all points, and how far apart those that are seen are. Around a longitude of 0 both are told without a jump. */
function extent(lattice: Lattice, values: Float64Array, round: boolean, view: View): { least: number; most: number; seen: number } {
  const { columns, x0, y0, stepX, stepY } = lattice;
  const from = values.find(Number.isFinite) ?? NaN;
  const range = [Infinity, -Infinity, Infinity, -Infinity] as [number, number, number, number];
  const [halfWidth, halfHeight] = [view.width / 2 / view.scale + stepX, view.height / 2 / view.scale + stepY];
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const v = round ? from + around(value - from) : value;
    range[0] = Math.min(range[0], v);
    range[1] = Math.max(range[1], v);
    const [x, y] = [x0 + (i % columns) * stepX, y0 + Math.floor(i / columns) * stepY];
    if (Math.abs(x - view.centreX) > halfWidth || Math.abs(y - view.centreY) > halfHeight) return;
    range[2] = Math.min(range[2], v);
    range[3] = Math.max(range[3], v);
  });
  return { least: range[0], most: range[1], seen: range[3] - range[2] };
}

/** −180 … 180. */
function around(degrees: number): number {
  return degrees - 360 * Math.round(degrees / 360);
}

/** The least round step that is not below `least`, in degrees or in the axis's own unit. */
export function niceStep(least: number, kind: format.Notation): number {
  const unit = kind === "hours" ? 15 : 1;
  if (kind === "hours" || kind === "sexagesimal") {
    const whole = kind === "hours" ? [1, 2, 3, 4, 6] : [1, 2, 5, 10, 15, 30, 45];
    const parts = [1, 2, 5, 10, 20, 30];
    const steps = [...parts.map((s) => s / 3600), ...parts.map((m) => m / 60), ...whole].map((s) => s * unit);
    if (least > (0.5 / 3600) * unit) return steps.find((s) => s >= least) ?? steps.at(-1)!;
    return decimalStep((least * 3600) / unit) * (unit / 3600);
  }
  return kind === "decimal" && least > 20 ? ([30, 45].find((s) => s >= least) ?? 60) : decimalStep(least);
}

function decimalStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((n) => n * decade >= least * (1 - 1e-9)) ?? 10) * decade;
}

/** With as many digits as the step needs. */
function label(value: number, step: number, kind: format.Notation, axis: 0 | 1, unit: string): string {
  const decimals = (of: number) => Math.max(0, Math.ceil(-Math.log10(of) - 1e-9));
  const turned = axis === 0 && kind !== "plain" ? ((value % 360) + 360) % 360 : value;
  if (kind === "plain") return `${format.value(Number(value.toPrecision(10)))} ${unit}`.trim();
  if (kind === "decimal") return `${axis === 1 && turned > 0 ? "+" : ""}${turned.toFixed(decimals(step))}°`.replace("-", "−");
  const [size, text] = kind === "hours" ? [step / 15, format.hours] : [step, format.degrees];
  const full = (text as typeof format.degrees)(turned, size < 1 / 3600 ? decimals(size * 3600) : 0);
  if (size >= 1) return full.slice(0, full.search(/[h°]/) + 1);
  return size >= 1 / 60 ? full.slice(0, full.search(/[m′]/) + 1) : full;
}

/** By the distance from the meridian's plane, which unlike the longitude is smooth at the poles and on the far side of the sky. */
function meridian(lattice: Lattice, longitudes: Float64Array, latitudes: Float64Array, level: number): [number, number][][] {
  const component = (of: (angle: number) => number) => longitudes.map((lon, i) => Math.cos(latitudes[i]! * DEGREE) * of((lon - level) * DEGREE));
  return contour(lattice, component(Math.sin), component(Math.cos));
}

/** Where `offset` on the lattice is 0 and `near`, if given, is positive. Each cell is two triangles, so that no cell is ambiguous. */
export function contour({ columns, rows, x0, y0, stepX, stepY }: Lattice, offset: Float64Array, near?: Float64Array): [number, number][][] {
  const crossings = new Map<number, [number, number]>();
  const neighbours = new Map<number, number[]>();
  const place = (i: number): [number, number] => [x0 + (i % columns) * stepX, y0 + Math.floor(i / columns) * stepY];
  const crossing = (i: number, k: number): number | null => {
    const [a, b] = [offset[i]!, offset[k]!];
    if (a < 0 === b < 0) return null;
    if (near && near[i]! + (a / (a - b)) * (near[k]! - near[i]!) <= 0) return null;
    const key = Math.min(i, k) * columns * rows + Math.max(i, k);
    if (!crossings.has(key)) {
      const [[xi, yi], [xk, yk]] = [place(i), place(k)];
      const t = a / (a - b);
      crossings.set(key, [xi + t * (xk - xi), yi + t * (yk - yi)]);
    }
    return key;
  };
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const i = row * columns + column;
      for (const [a, b, c] of [[i, i + 1, i + columns], [i + 1, i + columns, i + columns + 1]] as const) {
        if (!Number.isFinite(offset[a]! + offset[b]! + offset[c]!)) continue;
        const ends = [crossing(a, b), crossing(b, c), crossing(c, a)].filter((key) => key !== null);
        // One alone: the meridian ends within, at a pole.
        if (ends.length !== 2) continue;
        for (const [from, to] of [ends, [...ends].reverse()] as [number, number][]) neighbours.set(from, [...(neighbours.get(from) ?? []), to]);
      }
    }
  }
  return chains(neighbours).map((chain) => chain.map((key) => crossings.get(key)!));
}

/** Segments to lines: open ones from their ends, then what is left, which is closed. */
function chains(neighbours: Map<number, number[]>): number[][] {
  const found: number[][] = [];
  const walk = (start: number) => {
    const chain = [start];
    for (let at: number | undefined = start; at !== undefined; ) {
      const next: number | undefined = neighbours.get(at)!.pop();
      if (next === undefined) break;
      neighbours.set(next, neighbours.get(next)!.filter((key) => key !== at)); // prettier-ignore
      chain.push(next);
      at = next;
    }
    if (chain.length > 1) found.push(chain);
  };
  for (const [key, list] of neighbours) if (list.length === 1) walk(key);
  for (const key of neighbours.keys()) walk(key);
  return found;
}
