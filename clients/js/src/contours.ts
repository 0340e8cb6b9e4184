/** Contours as the server sends them: sets of polylines, plain or packed. */
import { toFloat32 } from "./binary.js";
import { CubelinkError } from "./error.js";
import type { ContourSet } from "./icd.js";

export interface ContourLines {
  level: number;
  /** x, y, x, y … in pixels, the centre of the first one at (0, 0). */
  vertices: Float32Array;
  /** Of each polyline, the number of its first vertex. */
  starts: Int32Array;
}

/** The most that one set is unpacked to: no server of ours sends as much. */
const MOST_BYTES = 1 << 30;

/**
 * The polylines of a set. What is compressed (decimation_factor > 0) is unpacked by `decompress`, which undoes Zstandard: fzstd in browsers, zstdDecompressSync of
 * node:zlib. Throws CubelinkError for what makes no sense.
 */
export function decodeContours(set: ContourSet, decompress?: (bytes: Uint8Array, size: number) => Uint8Array): ContourLines {
  const { level, decimation_factor: steps, raw_coordinates, raw_start_indices, uncompressed_coordinates_size: size } = set;
  const wrong = (why: string) => new CubelinkError(`contours of level ${level}: ${why}`);
  if (size < 0 || size > MOST_BYTES || size % 8 !== 0) throw wrong(`${size} bytes are no vertices`);
  let vertices: Float32Array;
  if (steps === 0 || size === 0) {
    vertices = toFloat32(raw_coordinates);
    if (vertices.length % 2 !== 0) throw wrong("half a vertex");
    for (let i = 0; i < vertices.length; i++) vertices[i]! -= 0.5;
  } else {
    if (!decompress) throw wrong("they are compressed, and there is nothing to decompress them");
    const bytes = decompress(raw_coordinates, size);
    if (bytes.byteLength !== size) throw wrong(`${bytes.byteLength} bytes instead of ${size}`);
    vertices = unpack(bytes, steps);
  }
  const indices = new Int32Array(raw_start_indices.slice(0, raw_start_indices.byteLength & ~3).buffer);
  const starts = indices.map((index) => index >> 1);
  if (starts.some((start, i) => start < (i > 0 ? starts[i - 1]! : 0) || 2 * start > vertices.length)) throw wrong("polylines begin where there are no vertices");
  return { level, vertices, starts };
}

/** Differences between vertices as int32 in steps of 1/steps, the bytes of each four of them transposed. */
function unpack(bytes: Uint8Array, steps: number): Float32Array {
  const plain = new Uint8Array(bytes.byteLength);
  const whole = bytes.byteLength & ~15;
  for (let block = 0; block < whole; block += 16) {
    for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) plain[block + 4 * i + j] = bytes[block + 4 * j + i]!;
  }
  plain.set(bytes.subarray(whole), whole);
  const differences = new Int32Array(plain.buffer);
  const vertices = new Float32Array(differences.length);
  let [x, y] = [0, 0];
  for (let i = 0; i + 1 < differences.length; i += 2) {
    x += differences[i]!;
    y += differences[i + 1]!;
    vertices[i] = x / steps - 0.5;
    vertices[i + 1] = y / steps - 0.5;
  }
  return vertices;
}
