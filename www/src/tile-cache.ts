/** Tiles and previews that have come, within a budget of bytes; the ones used least recently go first. Keys name file, channel, stokes and tile. */
import { tileCode, type Tile } from "cubelink";

export interface CachedTile {
  tile: Tile;
  /** The renderer's texture, made when first drawn. */
  texture: WebGLTexture | null;
}

/** The layer of a preview: coarser than all tiles. */
export const PREVIEW_LAYER = -1;

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

  /** A tile of a lower quality than the one that is there changes nothing. */
  add(tile: Tile): void {
    const key = `${planeKey(tile.fileId, tile.channel, tile.stokes)}/${tile.layer === PREVIEW_LAYER ? "preview" : tileCode(tile.layer, tile.x, tile.y)}`;
    const before = this.tiles.get(key);
    if (before && before.tile.quality > tile.quality) return;
    this.remove(key);
    this.tiles.set(key, { tile, texture: null });
    this.bytes += tile.pixels.byteLength;
    for (const oldest of this.tiles.keys()) {
      if (this.bytes <= this.budget || oldest === key) break;
      this.remove(oldest);
    }
  }

  /** Whether it is there, of that quality at least. */
  has(plane: string, code: number, quality = 0): boolean {
    const cached = this.tiles.get(`${plane}/${code}`);
    return cached !== undefined && cached.tile.quality >= quality;
  }

  /** Also marks it as used. */
  get(plane: string, code: number): CachedTile | undefined {
    return this.use(`${plane}/${code}`);
  }

  hasPreview(plane: string): boolean {
    return this.tiles.has(`${plane}/preview`);
  }

  /** Also marks it as used. */
  preview(plane: string): CachedTile | undefined {
    return this.use(`${plane}/preview`);
  }

  /** For tests: how much is held. */
  get size(): { tiles: number; bytes: number; textures: number } {
    return { tiles: this.tiles.size, bytes: this.bytes, textures: [...this.tiles.values()].filter(({ texture }) => texture !== null).length };
  }

  private use(key: string): CachedTile | undefined {
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
