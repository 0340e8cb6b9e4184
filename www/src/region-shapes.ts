/** Regions as geometry: outlines, handles, and what becomes of a shape that is moved, turned or taken by a handle. Image pixels, y upwards. */
import type { RegionShape, RegionShapeType } from "cubelink";

export type Point = [x: number, y: number];

/** What the control points of a type mean. */
export type Geometry = "point" | "line" | "polyline" | "polygon" | "rectangle" | "ellipse" | "compass";

export const SHAPES: Record<RegionShapeType, { label: string; geometry: Geometry }> = {
  POINT: { label: "Point", geometry: "point" },
  LINE: { label: "Line", geometry: "line" },
  POLYLINE: { label: "Polyline", geometry: "polyline" },
  RECTANGLE: { label: "Rectangle", geometry: "rectangle" },
  ELLIPSE: { label: "Ellipse", geometry: "ellipse" },
  POLYGON: { label: "Polygon", geometry: "polygon" },
  ANNTEXT: { label: "Text", geometry: "rectangle" },
  ANNVECTOR: { label: "Arrow", geometry: "line" },
  ANNRULER: { label: "Ruler", geometry: "line" },
  ANNCOMPASS: { label: "Compass", geometry: "compass" },
  ANNPOINT: { label: "Point, as annotation", geometry: "point" },
  ANNLINE: { label: "Line, as annotation", geometry: "line" },
  ANNPOLYLINE: { label: "Polyline, as annotation", geometry: "polyline" },
  ANNRECTANGLE: { label: "Rectangle, as annotation", geometry: "rectangle" },
  ANNELLIPSE: { label: "Ellipse, as annotation", geometry: "ellipse" },
  ANNPOLYGON: { label: "Polygon, as annotation", geometry: "polygon" },
};

export const TYPES = Object.keys(SHAPES) as RegionShapeType[];

export const geometryOf = (type: RegionShapeType): Geometry => SHAPES[type].geometry;

export const isAnnotation = (type: RegionShapeType): boolean => type.startsWith("ANN");

/** Has an inside, of which there are statistics. */
export const hasInside = (type: RegionShapeType): boolean => type === "RECTANGLE" || type === "ELLIPSE" || type === "POLYGON";

/** Given by a centre and two sizes, and turned by `rotation`. */
export const isFramed = (type: RegionShapeType): boolean => ["rectangle", "ellipse"].includes(geometryOf(type));

export const hasVertices = (type: RegionShapeType): boolean => ["polyline", "polygon"].includes(geometryOf(type));

const LEAST_VERTICES: Partial<Record<RegionShapeType, number>> = { ANNPOLYLINE: 2 };

export const leastVertices = (type: RegionShapeType): number => LEAST_VERTICES[type] ?? 3;

/** Whether the server would take it. */
export function isValid({ type, points, rotation = 0 }: RegionShape): boolean {
  if (!Object.hasOwn(SHAPES, type) || !Number.isFinite(rotation) || !points.every((p) => p.length === 2 && p.every(Number.isFinite))) return false;
  const [, size] = points;
  switch (geometryOf(type)) {
    case "point":
      return points.length === 1;
    case "line":
      return points.length === 2;
    case "polyline":
    case "polygon":
      return points.length >= leastVertices(type);
    default:
      return points.length === 2 && size!.every((length) => length > 0 || (length === 0 && type === "ANNTEXT"));
  }
}

/** A rectangle or the box around an ellipse: half sizes along its own axes, the first of which is turned by `angle` radians from x. */
interface Frame {
  centre: Point;
  half: Point;
  angle: number;
}

function frameOf({ type, points, rotation = 0 }: RegionShape): Frame {
  const [centre, [a, b]] = points as [Point, Point];
  const half: Point = geometryOf(type) === "ellipse" ? [b, a] : [a / 2, b / 2];
  return { centre, half, angle: (rotation * Math.PI) / 180 };
}

function fromFrame(shape: RegionShape, { centre, half: [x, y] }: Frame): RegionShape {
  return { ...shape, points: [centre, geometryOf(shape.type) === "ellipse" ? [y, x] : [2 * x, 2 * y]] };
}

const turn = ([x, y]: Point, angle: number): Point => [x * Math.cos(angle) - y * Math.sin(angle), x * Math.sin(angle) + y * Math.cos(angle)];
const add = (a: Point, b: Point): Point => [a[0] + b[0], a[1] + b[1]];
const minus = (a: Point, b: Point): Point => [a[0] - b[0], a[1] - b[1]];
const placed = ({ centre, half, angle }: Frame, u: number, v: number): Point => add(centre, turn([u * half[0], v * half[1]], angle));

export function centreOf({ type, points }: RegionShape): Point {
  if (isFramed(type) || geometryOf(type) === "compass") return points[0]!;
  const box = boxOf(points);
  return [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2];
}

export function boxOf(points: readonly Point[]): { x0: number; y0: number; x1: number; y1: number } {
  const box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (const [x, y] of points) {
    box.x0 = Math.min(box.x0, x);
    box.x1 = Math.max(box.x1, x);
    box.y0 = Math.min(box.y0, y);
    box.y1 = Math.max(box.y1, y);
  }
  return box;
}

const ELLIPSE_POINTS = 64;

/** Along its line; `closed`: back to the first point. */
export function outlineOf(shape: RegionShape): { points: Point[]; closed: boolean } {
  const { type, points } = shape;
  switch (geometryOf(type)) {
    case "rectangle": {
      const frame = frameOf(shape);
      const corners: Point[] = [[-1, -1], [1, -1], [1, 1], [-1, 1]]; // prettier-ignore
      return { points: corners.map(([u, v]) => placed(frame, u, v)), closed: true };
    }
    case "ellipse": {
      const frame = frameOf(shape);
      const around = Array.from({ length: ELLIPSE_POINTS }, (_, i) => (2 * Math.PI * i) / ELLIPSE_POINTS);
      return { points: around.map((t) => placed(frame, Math.cos(t), Math.sin(t))), closed: true };
    }
    case "polygon":
      return { points, closed: true };
    case "compass": {
      const [[x, y], [length]] = points as [Point, Point];
      return { points: [[x, y + length], [x, y], [x + length, y]], closed: false }; // prettier-ignore
    }
    default:
      return { points, closed: false };
  }
}

export function contains(shape: RegionShape, [x, y]: Point): boolean {
  const { points, closed } = outlineOf(shape);
  if (!closed) return false;
  let inside = false;
  for (let i = 0, k = points.length - 1; i < points.length; k = i++) {
    const [[ax, ay], [bx, by]] = [points[k]!, points[i]!];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/** Pixels from a point to the nearest of the outline, and after which of its points that is. */
export function distance(shape: RegionShape, at: Point): { distance: number; segment: number } {
  const { points, closed } = outlineOf(shape);
  const best = { distance: Infinity, segment: 0 };
  const count = closed ? points.length : points.length - 1;
  if (count < 1) return { distance: Math.hypot(...minus(points[0]!, at)), segment: 0 };
  for (let i = 0; i < count; i++) {
    const a = points[i]!;
    const along = minus(points[(i + 1) % points.length]!, a);
    const from = minus(at, a);
    const square = along[0] ** 2 + along[1] ** 2;
    const t = square > 0 ? Math.min(1, Math.max(0, (from[0] * along[0] + from[1] * along[1]) / square)) : 0;
    const away = Math.hypot(from[0] - t * along[0], from[1] - t * along[1]);
    if (away < best.distance) Object.assign(best, { distance: away, segment: i });
  }
  return best;
}

export function moved(shape: RegionShape, by: Point): RegionShape {
  const sized = isFramed(shape.type) || geometryOf(shape.type) === "compass";
  return { ...shape, points: shape.points.map((p, i) => (sized && i === 1 ? p : add(p, by))) };
}

/** By degrees, counter-clockwise, around its middle. */
export function turned(shape: RegionShape, degrees: number): RegionShape {
  if (isFramed(shape.type)) {
    // -180 (exclusive) to 180.
    const rotation = (shape.rotation ?? 0) + degrees;
    return { ...shape, rotation: rotation - 360 * Math.ceil((rotation - 180) / 360) };
  }
  if (["point", "compass"].includes(geometryOf(shape.type))) return shape;
  const centre = centreOf(shape);
  return { ...shape, points: shape.points.map((p) => add(centre, turn(minus(p, centre), (degrees * Math.PI) / 180))) };
}

/** Larger by so many pixels along its own x and y, to all sides; as it was where it would vanish. */
export function grown(shape: RegionShape, [x, y]: Point): RegionShape {
  switch (geometryOf(shape.type)) {
    case "point":
      return shape;
    case "compass": {
      const length = shape.points[1]![0] + x + y;
      return length > 0 ? { ...shape, points: [shape.points[0]!, [length, length]] } : shape;
    }
    case "rectangle":
    case "ellipse": {
      const frame = frameOf(shape);
      const half: Point = [frame.half[0] + x, frame.half[1] + y];
      return half.every((h) => h > 0) ? fromFrame(shape, { ...frame, half }) : shape;
    }
    default: {
      const centre = centreOf(shape);
      const box = boxOf(shape.points);
      const factor = (by: number, size: number) => (size > 0 && size + 2 * by > 0 ? (size + 2 * by) / size : 1);
      const [fx, fy] = [factor(x, box.x1 - box.x0), factor(y, box.y1 - box.y0)];
      return { ...shape, points: shape.points.map((p) => [centre[0] + (p[0] - centre[0]) * fx, centre[1] + (p[1] - centre[1]) * fy]) };
    }
  }
}

/** What one takes a region by. `corner`: (±1, ±1), or with a 0 the middle of a side; `middle`: of the side after a vertex, where one is to be. */
export type Handle =
  | { kind: "corner"; u: number; v: number; at: Point }
  | { kind: "vertex"; index: number; at: Point }
  | { kind: "middle"; index: number; at: Point }
  | { kind: "length"; at: Point }
  | { kind: "rotate"; at: Point };

/** `pixel`: image pixels of a screen pixel. */
export function handlesOf(shape: RegionShape, pixel: number): Handle[] {
  const beyond = 26 * pixel;
  switch (geometryOf(shape.type)) {
    case "point":
      return [];
    case "compass": {
      const [[x, y], [length]] = shape.points as [Point, Point];
      return [{ kind: "length", at: [x, y + length] }];
    }
    case "rectangle":
    case "ellipse": {
      const frame = frameOf(shape);
      const corners: Point[] = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]]; // prettier-ignore
      const top = add(frame.centre, turn([0, frame.half[1] + beyond], frame.angle));
      return [{ kind: "rotate", at: top }, ...corners.map(([u, v]): Handle => ({ kind: "corner", u, v, at: placed(frame, u, v) }))];
    }
    default: {
      const { points, closed } = outlineOf(shape);
      const vertices = points.map((at, index): Handle => ({ kind: "vertex", index, at }));
      if (!hasVertices(shape.type)) return vertices;
      const sides = points.slice(0, closed ? points.length : -1);
      const middles = sides.map((a, index): Handle => {
        const b = points[(index + 1) % points.length]!;
        return { kind: "middle", index, at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
      });
      const box = boxOf(points);
      return [{ kind: "rotate", at: [(box.x0 + box.x1) / 2, box.y1 + beyond] }, ...middles, ...vertices];
    }
  }
}

export interface Manner {
  /** Sizes stay in proportion; turned in steps. */
  even: boolean;
  /** The middle stays where it is, not the opposite side. */
  aboutMiddle: boolean;
}

const TURN_STEP = 15;
const LEAST_HALF = 0.05;

/** `start`, taken by `handle`, which was pulled to `to`. */
export function pulled(start: RegionShape, handle: Handle, to: Point, { even, aboutMiddle }: Manner): RegionShape {
  switch (handle.kind) {
    case "vertex":
      return { ...start, points: start.points.map((p, i) => (i === handle.index ? to : p)) };
    case "middle":
      return { ...start, points: [...start.points.slice(0, handle.index + 1), to, ...start.points.slice(handle.index + 1)] };
    case "length": {
      const length = Math.max(2 * LEAST_HALF, Math.hypot(...minus(to, start.points[0]!)));
      return { ...start, points: [start.points[0]!, [length, length]] };
    }
    case "rotate": {
      const centre = centreOf(start);
      const angle = (p: Point) => (Math.atan2(p[1] - centre[1], p[0] - centre[0]) * 180) / Math.PI;
      const by = angle(to) - angle(handle.at);
      if (!even) return turned(start, by);
      const before = isFramed(start.type) ? (start.rotation ?? 0) : 0;
      return turned(start, TURN_STEP * Math.round((before + by) / TURN_STEP) - before);
    }
    case "corner":
      return resized(start, handle, to, even, aboutMiddle);
  }
}

function resized(start: RegionShape, { u, v }: { u: number; v: number }, to: Point, even: boolean, aboutMiddle: boolean): RegionShape {
  const frame = frameOf(start);
  const [x, y] = turn(minus(to, frame.centre), -frame.angle);
  const pull = (side: number, at: number, half: number) => {
    if (side === 0) return { half, shift: 0 };
    if (aboutMiddle) return { half: Math.max(LEAST_HALF, Math.abs(at)), shift: 0 };
    // The opposite side stays at -side · half; beyond it the shape turns inside out.
    const opposite = -side * half;
    return { half: Math.max(LEAST_HALF, Math.abs(at - opposite) / 2), shift: (at + opposite) / 2 };
  };
  const [along, across] = [pull(u, x, frame.half[0]), pull(v, y, frame.half[1])];
  if (even) {
    const factor = Math.max(u === 0 ? 0 : along.half / frame.half[0], v === 0 ? 0 : across.half / frame.half[1]);
    const side = (s: number, half: number) => (aboutMiddle ? 0 : s * half * (factor - 1));
    const half: Point = [frame.half[0] * factor, frame.half[1] * factor];
    return fromFrame(start, { ...frame, half, centre: add(frame.centre, turn([side(u, frame.half[0]), side(v, frame.half[1])], frame.angle)) });
  }
  const centre = add(frame.centre, turn([along.shift, across.shift], frame.angle));
  return fromFrame(start, { ...frame, half: [along.half, across.half], centre });
}

/** What is made by pressing at `from` and letting go at `to`. */
export function drawn(type: RegionShapeType, from: Point, to: Point, even: boolean): RegionShape {
  switch (geometryOf(type)) {
    case "point":
      return { type, points: [to] };
    case "compass": {
      const length = Math.max(2 * LEAST_HALF, Math.hypot(...minus(to, from)));
      return { type, points: [from, [length, length]] };
    }
    case "rectangle":
    case "ellipse": {
      let [x, y] = minus(to, from).map((d) => (Math.abs(d) < 2 * LEAST_HALF ? 2 * LEAST_HALF * (d < 0 ? -1 : 1) : d)) as Point;
      if (even) {
        const size = Math.max(Math.abs(x), Math.abs(y));
        [x, y] = [Math.sign(x) * size, Math.sign(y) * size];
      }
      return fromFrame({ type, points: [], rotation: 0 }, { centre: [from[0] + x / 2, from[1] + y / 2], half: [Math.abs(x) / 2, Math.abs(y) / 2], angle: 0 });
    }
    default:
      return { type, points: [from, to] };
  }
}

/** To a thousandth of a pixel: nobody's hand is steadier, and links stay short. */
export function tidy(shape: RegionShape): RegionShape {
  const round = (v: number) => Math.round(v * 1000) / 1000;
  const { type, points, rotation = 0 } = shape;
  return { type, points: points.map(([x, y]) => [round(x), round(y)]), rotation: round(rotation) };
}
