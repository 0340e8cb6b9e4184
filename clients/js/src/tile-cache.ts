/** Decoded tiles that were fetched, within a budget of bytes; the ones used least recently go first. */
import { tileCode } from "./tile.js";
import type { Tile } from "./tile-stream.js";

export type TilePlace = Pick<Tile, "fileId" | "channel" | "stokes" | "layer" | "x" | "y">;

export class TileCache {
  private readonly tiles = new Map<string, Tile>();
  private bytes_ = 0;

  /** @param budget bytes of pixels that are kept; 0 keeps nothing. */
  constructor(readonly budget: number) {
    if (!(budget >= 0)) throw new RangeError(`tile cache: a budget of ${budget} bytes`);
  }

  /** Bytes of the pixels that are kept. */
  get bytes(): number {
    return this.bytes_;
  }

  get size(): number {
    return this.tiles.size;
  }

  /** @param precision how the tile was asked for: bit planes of ZFP, Infinity for exact. */
  get(place: TilePlace, precision: number): Tile | undefined {
    const key = keyOf(place, precision);
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  add(tile: Tile, precision: number): void {
    const key = keyOf(tile, precision);
    this.remove(key);
    if (tile.pixels.byteLength > this.budget) return;
    this.tiles.set(key, tile);
    this.bytes_ += tile.pixels.byteLength;
    for (const oldest of this.tiles.keys()) {
      if (this.bytes_ <= this.budget) break;
      this.remove(oldest);
    }
  }

  /** Forgets the tiles of a file: it was closed, or is another one now. */
  forget(fileId: number): void {
    for (const [key, tile] of [...this.tiles]) if (tile.fileId === fileId) this.remove(key);
  }

  clear(): void {
    this.tiles.clear();
    this.bytes_ = 0;
  }

  private remove(key: string): void {
    const tile = this.tiles.get(key);
    if (!tile) return;
    this.tiles.delete(key);
    this.bytes_ -= tile.pixels.byteLength;
  }
}

function keyOf({ fileId, channel, stokes, layer, x, y }: TilePlace, precision: number): string {
  return `${fileId}/${channel}/${stokes}/${tileCode(layer, x, y)}/${precision}`;
}
