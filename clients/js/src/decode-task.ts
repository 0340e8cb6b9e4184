/** What workers decode, and what is decoded on the spot where there are none. */
import { decodeContours, type ContourLines } from "./contours.js";
import { CubelinkError } from "./error.js";
import type { ContourSet } from "./icd.js";
import { decodeTile, type EncodedTile } from "./tile.js";

export type Task = { tile: EncodedTile } | { contours: ContourSet };
export type Decoded = Float32Array | ContourLines;

/** Pixels of a tile, NaN where blank, or polylines. Throws or rejects for what makes no sense. */
export function decodeTask(task: Task): Decoded | Promise<Decoded> {
  return "tile" in task ? decodeTile(task.tile) : unpackContours(task.contours);
}

/** With Zstandard undone by fzstd, which is loaded when it is needed first. Rejects where it can't be: in pages without a bundler or an import map. */
export async function unpackContours(set: ContourSet): Promise<ContourLines> {
  if (set.decimation_factor === 0 || set.uncompressed_coordinates_size === 0) return decodeContours(set);
  const { Decompress } = await import("fzstd");
  return decodeContours(set, (bytes, size) => {
    // Piece by piece: fzstd's decompress() does not tell of fewer bytes than it was given room for.
    const out = new Uint8Array(size);
    let filled = 0;
    new Decompress((piece) => {
      if (filled + piece.length > size) throw new CubelinkError(`contours of level ${set.level}: more than ${size} bytes`);
      out.set(piece, filled);
      filled += piece.length;
    }).push(bytes, true);
    return out.subarray(0, filled);
  });
}

/** The task with bytes of its own, which can be handed to a worker without another copy; and those. */
export function detached(task: Task): { task: Task; buffers: ArrayBuffer[] } {
  const own = (bytes: Uint8Array) => bytes.slice();
  if ("tile" in task) {
    const [imageData, nanEncodings] = [own(task.tile.imageData), own(task.tile.nanEncodings)];
    return { task: { tile: { ...task.tile, imageData, nanEncodings } }, buffers: [imageData.buffer as ArrayBuffer, nanEncodings.buffer as ArrayBuffer] };
  }
  const [raw_coordinates, raw_start_indices] = [own(task.contours.raw_coordinates), own(task.contours.raw_start_indices)];
  return { task: { contours: { ...task.contours, raw_coordinates, raw_start_indices } }, buffers: [raw_coordinates.buffer as ArrayBuffer, raw_start_indices.buffer as ArrayBuffer] };
}

/** Memory that goes to the receiver of a result with it. */
export function buffersOf(decoded: Decoded): ArrayBuffer[] {
  if (decoded instanceof Float32Array) return [decoded.buffer as ArrayBuffer];
  return [decoded.vertices.buffer as ArrayBuffer, decoded.starts.buffer as ArrayBuffer];
}
