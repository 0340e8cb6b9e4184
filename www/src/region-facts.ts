/** What the sky says of rulers and compasses: asked once for each of their places. */
import type { Image, RegionShape } from "cubelink";
import * as format from "./format";
import type { RegionFacts } from "./region-marks";
import type { Point } from "./region-shapes";
import { northAndEast } from "./sky-marks";

const MOST_KEPT = 500;
const RADIANS = Math.PI / 180;

export class SkyFacts implements RegionFacts {
  private readonly lengths = new Map<string, string>();
  private readonly vectors = new Map<string, [Point, Point]>();
  private asking = false;

  constructor(
    private readonly image: () => Image | null,
    private readonly redraw: () => void,
  ) {}

  length({ points }: RegionShape): string {
    const [a, b] = points as [Point, Point];
    const pixels = `${format.value(Number(Math.hypot(b[0] - a[0], b[1] - a[1]).toFixed(2)))} px`;
    return this.of(this.lengths, points, pixels, async (image) => {
      const { points: sky, units } = await image.toWorld([a, b]);
      return units.every((unit) => unit === "deg") ? angle(separation(sky[0]!, sky[1]!)) : pixels;
    });
  }

  directions({ points }: RegionShape): [Point, Point] {
    const [[x, y]] = points as [Point, Point];
    const plain: [Point, Point] = [[0, 1], [1, 0]]; // prettier-ignore
    return this.of(this.vectors, [points[0]!], plain, async (image) => (await northAndEast(image, x, y)) as [Point, Point]);
  }

  /** `otherwise` until it is known, or if it can't be. One at a time: whoever drags a ruler asks for where it is when the last answer has come. */
  private of<T>(known: Map<string, T>, points: Point[], otherwise: T, ask: (image: Image) => Promise<T>): T {
    const image = this.image();
    if (!image) return otherwise;
    const key = `${image.fileId} ${points.join(" ")}`;
    const fact = known.get(key);
    if (fact === undefined && !this.asking) {
      this.asking = true;
      void ask(image)
        .catch(() => otherwise)
        .then((answer) => {
          this.asking = false;
          if (known.size >= MOST_KEPT) known.clear();
          if (image.client.state === "connected") known.set(key, answer);
          this.redraw();
        });
    }
    return fact ?? otherwise;
  }
}

/** Of two places, degrees; also of near ones. */
function separation([lon1, lat1]: Point, [lon2, lat2]: Point): number {
  const [a, b] = [lat1 * RADIANS, lat2 * RADIANS];
  const sine = (x: number) => Math.sin(x / 2) ** 2;
  return (2 * Math.asin(Math.min(1, Math.sqrt(sine(b - a) + Math.cos(a) * Math.cos(b) * sine((lon2 - lon1) * RADIANS))))) / RADIANS;
}

/** An angle in degrees, in the unit that gives it a number of its own. */
function angle(d: number): string {
  const [size, mark] = d >= 1 ? [d, "°"] : d >= 1 / 60 ? [d * 60, "′"] : [d * 3600, "″"];
  return `${Number(size.toPrecision(4))}${mark}`;
}
