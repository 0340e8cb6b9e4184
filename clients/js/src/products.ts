/** What the server makes of an image: pictures as files, and moment images. */
import type { Moment } from "./icd.js";

/** Of image.render(); what is left out is as the viewer shows it. See docs/reference.md, Pictures. */
export interface RenderWanted {
  /** Pixels of the longer side, or [width, height]. */
  size?: number | [number, number];
  /** The image point in the middle and picture pixels per image pixel, or the pixels to show (the last not included). */
  view?: { x?: number; y?: number; scale?: number } | { x_min: number; x_max: number; y_min: number; y_max: number };
  stretch?: "auto" | "linear" | "log" | "sqrt" | "asinh";
  colourMap?: string;
  inverted?: boolean;
  percentile?: number;
  limits?: [number, number];
  format?: "png" | "jpeg" | "webp";
  quality?: number;
  blank?: string;
  background?: string;
  beam?: boolean;
  /** true, or a frame: ICRS, FK5, FK4, GALACTIC, ECLIPTIC. */
  grid?: boolean | string;
  channel?: number;
  stokes?: number | string;
}

/** A picture as a file, and what it shows. */
export interface Rendered {
  /** The bytes of the file: new Blob([data], { type: mime_type }). */
  data: Uint8Array;
  mime_type: string;
  format: string;
  width: number;
  height: number;
  limits: [number, number];
  stretch: string;
  view: { x: number; y: number; scale: number };
  channel: number;
  stokes: number | string;
}

export interface MomentsWanted {
  /** From and to, the latter not included; all channels if absent. */
  channels?: [number, number];
  /** A closed region's id. */
  region?: number;
  /** Only values from the one to the other count. */
  include?: [number, number];
  /** Hz, instead of the header's. */
  restFrequency?: number;
}

/** The arguments of image.render. */
export function renderArguments(fileId: number, { colourMap, ...wanted }: RenderWanted): Record<string, unknown> {
  return { file_id: fileId, ...wanted, ...(colourMap === undefined ? {} : { colour_map: colourMap }) };
}

/** The fields of MOMENT_REQUEST. */
export function momentRequest(fileId: number, moments: Moment[], { channels, region, include, restFrequency }: MomentsWanted) {
  return {
    file_id: fileId,
    moments,
    region_id: region ?? -1,
    keep: true,
    ...(channels ? { spectral_range: { min: channels[0], max: channels[1] - 1 } } : {}), // the ICD's includes its end
    ...(include ? { mask: "Include" as const, pixel_range: { min: include[0], max: include[1] } } : {}),
    ...(restFrequency === undefined ? {} : { rest_freq: restFrequency }),
  };
}
