/** Scale bar and compass over the picture. */
import type { Image } from "cubelink";
import { arcsecondsPerPixel } from "./beam";
import { Pump } from "./pump";
import type { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 18;
/** What the zoom buttons in the lower right corner need, and a line of labels of the coordinate grid. */
export const BUTTONS = { width: 196, height: 46 };
const LABELS_HEIGHT = 22;
/** Of the picture's width, at most. */
const LONGEST = 0.2;
const ARM = 34;

export interface Bar {
  arcseconds: number;
  text: string;
}

/** The longest round angle that is not longer than `most` arcseconds. */
export function roundAngle(most: number): Bar {
  const units: [number, string][] = [[3600, "°"], [60, "′"], [1, "″"]]; // prettier-ignore
  const [size, mark] = units.find(([arcseconds]) => most >= arcseconds) ?? [1, "″"];
  const sexagesimal = size < 3600 && most / size >= 10 ? [30, 20, 10] : [];
  const decade = 10 ** Math.floor(Math.log10(most / size));
  const count = [...sexagesimal, 5 * decade, 2 * decade, decade].find((n) => n <= (most / size) * (1 + 1e-9)) ?? decade;
  return { arcseconds: count * size, text: `${Number(count.toPrecision(1))}${mark}` };
}

export class SkyMarks {
  private readonly bar = group("scale-bar");
  private readonly line = this.bar.appendChild(document.createElementNS(SVG, "path"));
  private readonly label = this.bar.appendChild(document.createElementNS(SVG, "text"));
  private readonly compass = group("compass");
  private readonly arms = ["N", "E"].map((name) => {
    const path = this.compass.appendChild(document.createElementNS(SVG, "path"));
    const text = this.compass.appendChild(document.createElementNS(SVG, "text"));
    text.textContent = name;
    return { path, text };
  });
  private directions: { of: string; vectors: [number, number][] } | null = null;
  private readonly pump: Pump<{ image: Image; x: number; y: number; of: string; frame: string }>;

  constructor(overlay: SVGSVGElement, redraw: () => void) {
    overlay.append(this.bar, this.compass);
    this.pump = new Pump(
      async ({ image, x, y, of, frame }) => {
        const vectors = await northAndEast(image, x, y, frame);
        this.directions = { of, vectors };
        redraw();
      },
      () => {
        // An image without a sky has no north.
        this.directions = null;
      },
    );
  }

  /** `frame`: whose north and east the compass shows, "" for the image's own. */
  draw(view: View, image: Image | null, show: { scale: boolean; compass: boolean; grid: boolean; frame: string }): void {
    const arcseconds = image ? arcsecondsPerPixel(image) : undefined;
    this.bar.toggleAttribute("hidden", !show.scale || arcseconds === undefined);
    if (show.scale && arcseconds !== undefined) this.drawBar(view, arcseconds, show.grid);
    const wanted = show.compass && image !== null && arcseconds !== undefined;
    if (wanted) this.ask(view, image, show.frame);
    this.compass.toggleAttribute("hidden", !wanted || this.directions === null);
    if (wanted && this.directions) this.drawCompass(view, this.directions.vectors);
  }

  private drawBar(view: View, arcseconds: number, grid: boolean): void {
    const { arcseconds: long, text } = roundAngle((LONGEST * view.width * arcseconds) / view.scale);
    const length = (long / arcseconds) * view.scale;
    // Beside the buttons or above them, and above the labels of a grid that ends there.
    const room = view.width - BUTTONS.width - length - MARGIN;
    const x = room < MARGIN ? (view.width - length) / 2 : Math.min((view.width - length) / 2, room);
    const edge = view.toScreen(0, -0.5).y;
    const low = grid && edge > view.height - MARGIN - LABELS_HEIGHT - 4;
    const y = view.height - MARGIN - (room < MARGIN ? BUTTONS.height : 0) - (low ? LABELS_HEIGHT : 0) - (low && edge < view.height ? view.height - edge : 0);
    this.line.setAttribute("d", `M${x.toFixed(2)} ${y - 4}v8m0 -4h${length.toFixed(2)}m0 -4v8`);
    this.label.textContent = text;
    this.label.setAttribute("x", (x + length / 2).toFixed(1));
    this.label.setAttribute("y", (y - 8).toFixed(1));
  }

  private ask(view: View, image: Image, frame: string): void {
    const { centreX: x, centreY: y } = view;
    const of = `${image.fileId}/${frame}/${x.toFixed(1)}/${y.toFixed(1)}`;
    if (this.directions?.of !== of && this.asked !== of) this.pump.push({ image, x, y, frame, of: (this.asked = of) });
  }

  private asked = "";

  private drawCompass(view: View, vectors: [number, number][]): void {
    const [x, y] = [view.width - MARGIN - ARM - 12, MARGIN + ARM + 12];
    this.arms.forEach(({ path, text }, i) => {
      const [dx, dy] = vectors[i]!;
      const [endX, endY] = [x + dx * ARM, y - dy * ARM];
      path.setAttribute("d", `M${x} ${y}L${endX.toFixed(2)} ${endY.toFixed(2)}`);
      text.setAttribute("x", (x + dx * (ARM + 9)).toFixed(1));
      text.setAttribute("y", (y - dy * (ARM + 9) + 4).toFixed(1));
    });
  }
}

/** Unit vectors in image pixels, y upwards, at a pixel: to where latitude and longitude of `frame` grow, "" for the image's own. */
export async function northAndEast(image: Image, x: number, y: number, frame = ""): Promise<[number, number][]> {
  const of = frame === "" ? undefined : frame;
  const { points } = await image.toWorld([[x, y]], of);
  const [lon, lat] = points[0]!;
  const step = ((arcsecondsPerPixel(image) ?? 1) / 3600) * 2;
  // At a pole north is no direction: a little before it, it is.
  const from = Math.max(-90 + 2 * step, Math.min(90 - 2 * step, lat));
  const around: [number, number][] = [[lon, from], [lon, from + step], [lon + step / Math.cos((from * Math.PI) / 180), from]]; // prettier-ignore
  const pixels = (await image.toPixel(around, of)).points;
  const [fromX, fromY] = pixels[0]!;
  return pixels.slice(1).map(([px, py]) => {
    const length = Math.hypot(px - fromX, py - fromY);
    if (!(length > 0)) throw new Error("no directions here");
    return [(px - fromX) / length, (py - fromY) / length];
  });
}

function group(name: string): SVGGElement {
  const element = document.createElementNS(SVG, "g");
  element.setAttribute("class", `sky-mark ${name}`);
  return element;
}
