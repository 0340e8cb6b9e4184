/** A look at a plane of any size within a moment: a sample of its pixels. */
import { toFloat32 } from "./binary.js";
import type { Histogram } from "./icd.js";
import type { CallOptions, Session } from "./session.js";

/** A picture of a plane from a sample of its pixels. */
export interface Preview {
  /** Row by row from the bottom, NaN where blank; each the pixel in the middle of its part of the plane. */
  data: Float32Array;
  width: number;
  height: number;
  /** Of these values. */
  histogram: Histogram;
  /** false: they are all the plane's pixels. */
  sampled: boolean;
  /** Rows of the plane that were looked at; fewer than `height` for very large planes, each then shown several times. */
  rowsRead: number;
  channel: number;
  stokes: number;
}

export interface PreviewWanted {
  /** Pixels that the picture is to fit into, with the plane's proportions (default 512 × 512; a side of 4096 and 2²² pixels at most). */
  width?: number;
  height?: number;
  /** As shown, where they are left out. */
  channel?: number;
  stokes?: number | string;
}

/** Of a file that is open, or that is being opened: then the server takes it up afterwards. Rejects for an image that is still to be computed. */
export async function fetchPreview(session: Pick<Session, "call">, fileId: number, { width = 512, height = 512, channel = 0, stokes = 0 }: PreviewWanted, options: CallOptions = {}): Promise<Preview> {
  const answer = await session.call("image.preview", [], { file_id: fileId, width, height, channel, stokes }, options);
  return {
    data: toFloat32(answer.data),
    width: answer.width,
    height: answer.height,
    histogram: answer.histogram,
    sampled: answer.sampled,
    rowsRead: answer.rows_read,
    channel: answer.channel,
    stokes: answer.stokes,
  };
}
