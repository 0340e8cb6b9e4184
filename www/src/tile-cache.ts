/** Tiles that have come, within a budget of bytes; the ones used least recently go first. Keys name file, channel, stokes and tile. */
import { tileCode, type Tile } from "cubelink";

export interface CachedTile {
  tile: Tile;
  /** The renderer's texture, made when first drawn. */
  texture: WebGLTexture | null;
}

export function planeKey(fileId: number, channel: number, stokes: number): string {
  return `${fileId}/${channel}/${stokes}`;
}

export class TileCache {
  private readonly tiles = new Map<string, CachedTile>();
  private bytes = 0;

  constructor(
    private readonly budget: number,
    private readonly release: (cached: CachedTile) => void,
  ) {}

  add(tile: Tile): void {
    const key = `${planeKey(tile.fileId, tile.channel, tile.stokes)}/${tileCode(tile.layer, tile.x, tile.y)}`;
    this.remove(key);
    this.tiles.set(key, { tile, texture: null });
    this.bytes += tile.pixels.byteLength;
    for (const oldest of this.tiles.keys()) {
      if (this.bytes <= this.budget || oldest === key) break;
      this.remove(oldest);
    }
  }

  has(plane: string, code: number): boolean {
    return this.tiles.has(`${plane}/${code}`);
  }

  /** Also marks it as used. */
  get(plane: string, code: number): CachedTile | undefined {
    const key = `${plane}/${code}`;
    const cached = this.tiles.get(key);
    if (!cached) return undefined;
    this.tiles.delete(key);
    this.tiles.set(key, cached);
    return cached;
  }

  clear(): void {
    for (const key of [...this.tiles.keys()]) this.remove(key);
  }

  /** The textures are gone (the browser took the context away); the pixels are still here. */
  forgetTextures(): void {
    for (const cached of this.tiles.values()) cached.texture = null;
  }

  private remove(key: string): void {
    const cached = this.tiles.get(key);
    if (!cached) return;
    this.tiles.delete(key);
    this.bytes -= cached.tile.pixels.byteLength;
    this.release(cached);
  }
}
