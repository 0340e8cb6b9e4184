/** Regions as the state has them: their shape and how they are drawn. */
import type { RegionShape } from "cubelink";
import { isValid } from "../region-shapes";

export interface RegionEntry extends RegionShape {
  name?: string;
  /** As CSS has it: "#2ee6d6", "red". */
  colour?: string;
  /** CSS pixels. */
  lineWidth?: number;
  hidden?: boolean;
  /** Of a text. */
  text?: string;
}

export const MOST_REGIONS = 1000;
export const WIDEST_LINE = 20;
const LONGEST_TEXT = 200;

/** Always in the same order and without what is as usual: equal entries are written alike. */
export function canonical({ type, points, rotation = 0, name, colour, lineWidth, hidden, text }: RegionEntry): RegionEntry {
  return {
    type,
    points,
    rotation,
    ...(name ? { name: name.slice(0, LONGEST_TEXT) } : {}),
    ...(colour ? { colour } : {}),
    ...(lineWidth ? { lineWidth } : {}),
    ...(hidden ? { hidden } : {}),
    ...(text ? { text: text.slice(0, LONGEST_TEXT) } : {}),
  };
}

export const shapeOf = ({ type, points, rotation = 0 }: RegionShape): RegionShape => ({ type, points, rotation });

export const isColour = (colour: unknown): colour is string => typeof colour === "string" && /^(#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})|[a-z]{3,24})$/i.test(colour);

/** From a link, which anybody may have written. */
export function readRegions(value: unknown): RegionEntry[] | undefined {
  const missing = (v: unknown) => v === undefined;
  const short = (v: unknown) => missing(v) || (typeof v === "string" && v.length <= LONGEST_TEXT);
  const good = (region: unknown): region is RegionEntry => {
    if (typeof region !== "object" || region === null) return false;
    const { type, points, rotation = 0, name, colour, lineWidth, hidden, text } = region as Record<string, unknown>;
    return (
      typeof type === "string" && Array.isArray(points) && points.every(Array.isArray) && isValid({ type, points, rotation } as RegionShape) && short(name) && short(text)
      && (missing(colour) || isColour(colour)) && (missing(hidden) || typeof hidden === "boolean")
      && (missing(lineWidth) || (typeof lineWidth === "number" && lineWidth > 0 && lineWidth <= WIDEST_LINE))
    ); // prettier-ignore
  };
  return Array.isArray(value) && value.length <= MOST_REGIONS && value.every(good) ? value.map(canonical) : undefined;
}
