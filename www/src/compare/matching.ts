/** Which place of another image is the same on the sky, and which of its channels the same frequency or velocity. */
import type { Image } from "cubelink";
import type { View } from "../view";

/** Spectral frame to which most others can be brought. */
const COMMON_FRAME = "BARYCENT";

/** From pixels of one image to those of another, near a place: straight lines stay straight. */
export interface Affine {
  from: [number, number];
  to: [number, number];
  /** Columns: how far to go in the other image for a pixel along x, and along y. */
  x: [number, number];
  y: [number, number];
}

export function apply({ from, to, x, y }: Affine, [px, py]: [number, number]): [number, number] {
  const [dx, dy] = [px - from[0], py - from[1]];
  return [to[0] + dx * x[0] + dy * y[0], to[1] + dx * x[1] + dy * y[1]];
}

export function inverse({ from, to, x, y }: Affine): Affine {
  const size = x[0] * y[1] - x[1] * y[0] || 1;
  return { from: to, to: from, x: [y[1] / size, -x[1] / size], y: [-y[0] / size, x[0] / size] };
}

/** Pixels of the other image for one of the first, along each axis on average. */
export function magnification({ x, y }: Affine): number {
  return Math.sqrt(Math.abs(x[0] * y[1] - x[1] * y[0]));
}

/** The other image's place in the middle and as large on the sky as the first one's is in `view`. */
export function follow(view: View, other: View, affine: Affine): void {
  const [x, y] = apply(affine, [view.centreX, view.centreY]);
  // Past its edge, too: there it has nothing to show.
  Object.assign(other, { centreX: x, centreY: y, scale: view.scale / (magnification(affine) || 1) });
}

/** The same pixels, as large a part of the image each: for images that have no sky in common. */
export function byShape(image: Image, other: Image): Affine {
  const ratio = Math.min(other.info.width / image.info.width, other.info.height / image.info.height);
  const middle = ({ info }: Image): [number, number] => [(info.width - 1) / 2, (info.height - 1) / 2];
  return { from: middle(image), to: middle(other), x: [ratio, 0], y: [0, ratio] };
}

/** By the sky in ICRS around an image point; null if the other image can't show that part of it. Rejects where one of them has no sky. */
export async function bySky(image: Image, other: Image, [x, y]: [number, number], reach: number): Promise<Affine | null> {
  const { points } = await image.toWorld([[x, y], [x + reach, y], [x, y + reach]], "ICRS"); // prettier-ignore
  if (!points.flat().every(Number.isFinite)) throw new Error("there is no sky here");
  const [to, right, up] = (await other.toPixel(points, "ICRS")).points as [[number, number], [number, number], [number, number]];
  const along = (end: [number, number]): [number, number] => [(end[0] - to[0]) / reach, (end[1] - to[1]) / reach];
  const affine = { from: [x, y] as [number, number], to, x: along(right), y: along(up) };
  return [...to, ...affine.x, ...affine.y].every(Number.isFinite) && overlaps(affine, image, other) ? affine : null;
}

/** Pixels of the other image by which `affine` is off, at most, at the edges of what is seen of the first one. */
export async function largestError(image: Image, other: Image, affine: Affine, view: View): Promise<number> {
  const { x0, y0, x1, y1 } = view.bounds();
  const [left, bottom, right, top] = [x0 - 0.5, y0 - 0.5, x1 - 0.5, y1 - 0.5];
  const [middleX, middleY] = [(left + right) / 2, (bottom + top) / 2];
  const edge: [number, number][] = [[left, bottom], [right, bottom], [left, top], [right, top], [left, middleY], [right, middleY], [middleX, bottom], [middleX, top]]; // prettier-ignore
  const world = (await image.toWorld(edge, "ICRS")).points;
  const known = edge.filter((_, i) => world[i]!.every(Number.isFinite));
  if (known.length === 0) return 0;
  const { points } = await other.toPixel(world.filter((point) => point.every(Number.isFinite)), "ICRS"); // prettier-ignore
  return known.reduce((most, point, i) => {
    const [x, y] = apply(affine, point);
    const away = Math.hypot(points[i]![0] - x, points[i]![1] - y);
    return Number.isFinite(away) ? Math.max(most, away) : most;
  }, 0);
}

/** The first image's corners lie so that both images may show a common part of the sky. */
function overlaps(affine: Affine, image: Image, other: Image): boolean {
  const { width, height } = image.info;
  const corners = [[0, 0], [width, 0], [0, height], [width, height]].map(([x, y]) => apply(affine, [x! - 0.5, y! - 0.5])); // prettier-ignore
  return ([0, 1] as const).every((axis) => {
    const along = corners.map((corner) => corner[axis]);
    return Math.max(...along) > -0.5 && Math.min(...along) < (axis === 0 ? other.info.width : other.info.height) - 0.5;
  });
}

/** For each channel of the first image the nearest one of the other: by velocity where both have lines with rest frequencies, else by frequency or wavelength, else by number. In the same spectral frame, where the headers say enough for that. */
export async function channelMap(image: Image, other: Image): Promise<Int32Array> {
  const [depth, last] = [image.info.depth, other.info.depth - 1];
  for (const kind of ["velocity_radio", "frequency"]) {
    const read = (frame?: string) => Promise.all([image, other].map((one) => (one.info.axes?.spectral ? one.spectralAxis(kind, undefined, frame).catch(() => null) : null)));
    let axes = await read();
    if (axes[0]?.frame !== axes[1]?.frame && axes.every((axis) => axis?.frames.includes(COMMON_FRAME))) axes = await read(COMMON_FRAME);
    const [values, others] = axes.map((axis) => axis?.values);
    if (!values || !others || values.length !== depth || others.length !== last + 1 || !values.every(Number.isFinite) || !others.every(Number.isFinite)) continue;
    return Int32Array.from(values, (value) => nearest(others, value));
  }
  return Int32Array.from({ length: depth }, (_, channel) => Math.min(channel, last));
}

/** By halving: values rise or fall along the whole axis. */
function nearest(values: ArrayLike<number>, wanted: number): number {
  const rises = values[values.length - 1]! >= values[0]!;
  let [low, high] = [0, values.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= wanted === rises) low = middle;
    else high = middle;
  }
  return Math.abs(values[high]! - wanted) < Math.abs(values[low]! - wanted) ? high : low;
}
