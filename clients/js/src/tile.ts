/** Geometry of raster tiles, and what turns one from the wire into pixels. */
import { toFloat32 } from "./binary.js";
import type { TileData } from "./icd.js";
import { decodeZfp } from "./zfp.js";

export const TILE_SIZE = 256;

/** The number by which tiles are asked for: 7 bits of layer, 12 of y, 12 of x. */
export function tileCode(layer: number, x: number, y: number): number {
  if (!(layer >= 0 && layer <= 12 && x >= 0 && y >= 0 && x < 2 ** layer && y < 2 ** layer)) {
    throw new RangeError(`no such tile: layer ${layer}, x ${x}, y ${y}`);
  }
  return (layer << 24) | (y << 12) | x;
}

export function tileOfCode(code: number): { layer: number; x: number; y: number } {
  return { layer: (code >> 24) & 0x7f, y: (code >> 12) & 0xfff, x: code & 0xfff };
}

/** The layer of full resolution: layer 0 is the whole image in one tile, and each further one doubles the resolution. */
export function finestLayer(width: number, height: number): number {
  return Math.ceil(Math.log2(Math.max(Math.ceil(width / TILE_SIZE), Math.ceil(height / TILE_SIZE))));
}

/** How many image pixels a pixel of that layer is wide. */
export function mipOfLayer(layer: number, width: number, height: number): number {
  return 2 ** (finestLayer(width, height) - layer);
}

/** A tile's place in image pixels, upper bounds exclusive, and its size in tile pixels. */
export function tileBounds(layer: number, x: number, y: number, width: number, height: number) {
  const mip = mipOfLayer(layer, width, height);
  const step = TILE_SIZE * mip;
  const x0 = x * step;
  const y0 = y * step;
  const x1 = Math.min(width, x0 + step);
  const y1 = Math.min(height, y0 + step);
  return { x0, y0, x1, y1, mip, columns: Math.ceil((x1 - x0) / mip), rows: Math.ceil((y1 - y0) / mip) };
}

export interface EncodedTile {
  width: number;
  height: number;
  /** 0 raw float32, 1 ZFP. */
  compression: number;
  /** ZFP: the precision used. */
  quality: number;
  imageData: Uint8Array;
  nanEncodings: Uint8Array;
}

export function encodedTile(tile: TileData, compressionType: string | number, quality: number): EncodedTile {
  const compression = compressionType === "NONE" || compressionType === 0 ? 0 : compressionType === "ZFP" || compressionType === 1 ? 1 : -1;
  if (compression < 0) throw new Error(`tile of an unknown compression: ${compressionType}`);
  return { width: tile.width, height: tile.height, compression, quality, imageData: tile.image_data, nanEncodings: tile.nan_encodings };
}

/** Pixels of a tile, row by row from the bottom, NaN where blank. @throws Error if the data do not fit the tile's size. */
export function decodeTile(tile: EncodedTile): Float32Array {
  const count = tile.width * tile.height;
  if (tile.compression === 1) {
    const pixels = decodeZfp(tile.imageData, tile.width, tile.height, Math.round(tile.quality));
    applyNanRuns(pixels, tile.nanEncodings);
    return pixels;
  }
  if (tile.imageData.byteLength !== 4 * count) {
    throw new Error(`tile of ${tile.width} × ${tile.height} with ${tile.imageData.byteLength} bytes`);
  }
  const pixels = toFloat32(tile.imageData);
  // Uncompressed tiles mark blanks by -FLT_MAX or lower.
  for (let i = 0; i < count; i++) if (pixels[i]! <= -3.4028234663852886e38) pixels[i] = NaN;
  return pixels;
}

/** Runs of valid and blank pixels in turn, beginning with a valid one (maybe of length 0), as little-endian int32. */
export function applyNanRuns(pixels: Float32Array, runs: Uint8Array): void {
  const view = new DataView(runs.buffer, runs.byteOffset, runs.byteLength);
  let at = 0;
  for (let i = 0; 4 * i + 4 <= runs.byteLength; i++) {
    const length = view.getInt32(4 * i, true);
    if (length < 0 || at + length > pixels.length) throw new Error("tile whose runs of blanks do not fit its size");
    if (i % 2 === 1) pixels.fill(NaN, at, at + length);
    at += length;
  }
}
