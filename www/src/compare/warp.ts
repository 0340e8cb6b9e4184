/**
 * Image points of one image in pixels of another, by the sky: the server converts those of a lattice, and what lies between is interpolated, so that regions and
 * contours with thousands of points follow any projection at once while they are dragged.
 */
import type { Image } from "cubelink";
import { Pump } from "../pump";
import { latticeOf, latticePoints, serves, type Lattice } from "../sky-grid";
import { View } from "../view";

/** The lattice is made for a view with this share of the pixels: its cells are larger than a grid's need to be. */
const COARSER = 0.5;
/** Cells of lattices with more of them are a small part of an image. */
const MANY = 8;

export class Warp {
  /** Grows with each lattice that has come. */
  version = 0;
  private lattice: Lattice | null = null;
  private points: readonly (readonly [number, number])[] = [];
  private asked = "";
  private without = false;
  private readonly coarse = new View();
  private readonly pump: Pump<Lattice>;

  constructor(
    readonly from: Image,
    readonly to: Image,
    changed: () => void,
  ) {
    this.pump = new Pump(
      async (lattice) => {
        try {
          const { points } = await from.toWorld(latticePoints(lattice), "ICRS");
          const inside = points.map((point) => (point.every(Number.isFinite) ? point : ([0, 0] as [number, number])));
          const there = (await to.toPixel(inside, "ICRS")).points;
          this.points = there.map((point, i) => (points[i]!.every(Number.isFinite) ? point : ([NaN, NaN] as const)));
          this.lattice = lattice;
          this.version += 1;
        } catch {
          this.asked = "";
          if (from.client.state === "connected" && !this.lattice) {
            this.without = true;
            this.version += 1;
          }
        }
        changed();
      },
      () => undefined,
    );
  }

  get ready(): boolean {
    return this.lattice !== null || this.bySize;
  }

  /** One of the images has no sky, but as many pixels as the other. */
  private get bySize(): boolean {
    const [a, b] = [this.from.info, this.to.info];
    return this.without && a.width === b.width && a.height === b.height;
  }

  /** `view`: what is seen of the first image. */
  ask(view: View): void {
    const { coarse } = this;
    Object.assign(coarse, { ...view, width: view.width * COARSER, height: view.height * COARSER, scale: view.scale * COARSER });
    if (this.without || (this.lattice && serves(this.lattice, coarse))) return;
    const lattice = latticeOf(coarse);
    const wish = JSON.stringify(lattice);
    if (!lattice || wish === this.asked || this.from.client.state !== "connected") return;
    this.asked = wish;
    this.pump.push(lattice);
  }

  /** NaN outside the lattice, and where the second image can't show that part of the sky. */
  map(x: number, y: number): [number, number] {
    const { lattice, points } = this;
    if (!lattice) return this.bySize ? [x, y] : [NaN, NaN];
    const { columns, rows, x0, y0, stepX, stepY } = lattice;
    const [u, v] = [(x - x0) / stepX, (y - y0) / stepY];
    // A little beyond its edge: outlines go to the edges of pixels, contours to their centres.
    if (!(u > -1 && v > -1 && u < columns && v < rows)) return [NaN, NaN];
    const [i, k] = [Math.min(columns - 2, Math.max(0, Math.floor(u))), Math.min(rows - 2, Math.max(0, Math.floor(v)))];
    const [s, t] = [u - i, v - k];
    const at = k * columns + i;
    const [a, b, c, d] = [points[at]!, points[at + 1]!, points[at + columns]!, points[at + columns + 1]!];
    // Across the edge of a map of the whole sky.
    if (columns > MANY && rows > MANY && Math.max(a[0], b[0], c[0], d[0]) - Math.min(a[0], b[0], c[0], d[0]) > this.to.info.width / 2) return [NaN, NaN];
    const between = (axis: 0 | 1) => (1 - t) * ((1 - s) * a[axis] + s * b[axis]) + t * ((1 - s) * c[axis] + s * d[axis]);
    return [between(0), between(1)];
  }
}
