/** The beam in the picture's corner, as large as it is on the image. */
import type { Image } from "cubelink";
import type { Plane } from "./tile-loader";
import type { View } from "./view";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 18;

export class BeamMark {
  private readonly group = document.createElementNS(SVG, "g");
  private readonly ellipse = document.createElementNS(SVG, "ellipse");

  constructor(overlay: SVGSVGElement) {
    this.group.setAttribute("class", "beam");
    this.group.append(this.ellipse);
    overlay.append(this.group);
  }

  /** Nothing without an image. */
  draw(view: View, image: Image | null, plane: Plane | null): void {
    const beam = image && plane ? beamOf(image, plane) : undefined;
    const scale = image ? arcsecondsPerPixel(image) : undefined;
    const pixels = beam && scale ? beam.major_axis / scale : 0;
    const visible = beam !== undefined && scale !== undefined && pixels * view.scale > 3 && pixels * view.scale < 0.4 * Math.min(view.width, view.height);
    this.group.toggleAttribute("hidden", !visible);
    if (!visible) return;
    const [major, minor] = [(beam.major_axis / scale / 2) * view.scale, (beam.minor_axis / scale / 2) * view.scale];
    const [x, y] = [MARGIN + major, view.height - MARGIN - major];
    this.ellipse.setAttribute("rx", minor.toFixed(1));
    this.ellipse.setAttribute("ry", major.toFixed(1));
    // From north towards east, which is to the left where right ascension grows to the left.
    const east = (Number(image!.card("CDELT1")) || -1) < 0 ? -1 : 1;
    this.group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${(east * beam.pa).toFixed(2)})`);
  }
}

function beamOf(image: Image, { channel, stokes }: Plane) {
  const { beams } = image.info;
  return beams.find((b) => (b.channel === -1 || b.channel === channel) && (b.stokes === -1 || b.stokes === stokes) && b.major_axis > 0);
}

/** Along y; undefined where the picture's axes are no sky in degrees. */
export function arcsecondsPerPixel(image: Image): number | undefined {
  if (!/^(RA|DEC|.LAT|.LON)/.test(String(image.card("CTYPE2") ?? ""))) return undefined;
  const number = (name: string) => Number(image.card(name) ?? 0);
  const degrees = Math.abs(number("CDELT2")) || Math.hypot(number("CD1_2"), number("CD2_2"));
  return degrees > 0 ? degrees * 3600 : undefined;
}
