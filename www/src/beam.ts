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
    this.group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${majorAxis(view, image!, beam.pa).toFixed(2)})`);
  }
}

/** Degrees on the screen, clockwise from upwards: `pa` is measured from north through east, wherever these are in the picture. */
function majorAxis(view: View, image: Image, pa: number): number {
  const [[m11, m12], [m21, m22]] = skyMatrix(image);
  const size = Math.sign(m11 * m22 - m12 * m21) || 1;
  const unit = ([x, y]: [number, number]): [number, number] => [x / (Math.hypot(x, y) || 1), y / (Math.hypot(x, y) || 1)];
  const [north, east] = [unit([-m12 * size, m11 * size]), unit([m22 * size, -m21 * size])];
  const [c, s] = [Math.cos((pa * Math.PI) / 180), Math.sin((pa * Math.PI) / 180)];
  const [x, y] = [c * north[0] + s * east[0], c * north[1] + s * east[1]];
  const [a, b, across, down] = view.matrix();
  return (Math.atan2(a * x + across * y, -(b * x + down * y)) * 180) / Math.PI;
}

/** Degrees to the east and to the north for a pixel along x and along y, at the reference pixel: by CD, or by CDELT with PC or CROTA2. */
function skyMatrix(image: Image): [[number, number], [number, number]] {
  const number = (name: string) => {
    const card = image.card(name);
    return card === undefined || card === null ? undefined : Number(card);
  };
  const cd = ["CD1_1", "CD1_2", "CD2_1", "CD2_2"].map(number);
  if (cd.some((v) => v !== undefined)) return [[cd[0] ?? 0, cd[1] ?? 0], [cd[2] ?? 0, cd[3] ?? 0]]; // prettier-ignore
  const [x, y] = [number("CDELT1") || -1, number("CDELT2") || 1];
  const turn = ((number("CROTA2") ?? 0) * Math.PI) / 180;
  const pc = ["PC1_1", "PC1_2", "PC2_1", "PC2_2"].map(number);
  const [p11, p12, p21, p22] = pc.some((v) => v !== undefined) ? [pc[0] ?? 1, pc[1] ?? 0, pc[2] ?? 0, pc[3] ?? 1] : [Math.cos(turn), (-Math.sin(turn) * y) / x, (Math.sin(turn) * x) / y, Math.cos(turn)];
  return [[x * p11, x * p12], [y * p21, y * p22]]; // prettier-ignore
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
