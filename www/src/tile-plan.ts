/** Which tiles a view needs: the whole image coarsely, something in between, and those that match the screen's resolution. Coarse ones first. */
import { TILE_SIZE, finestLayer, tileCode, tileOfCode } from "cubelink";
import type { CachedTile, TileCache } from "./tile-cache";
import type { View } from "./view";

/** The tile of the coarsest layer. */
export const WHOLE = tileCode(0, 0, 0);

/** Layer whose pixels come nearest to the screen's. */
export function layerOfView(view: View, devicePixelRatio: number): number {
  const finest = finestLayer(view.imageWidth, view.imageHeight);
  const halvings = Math.round(Math.log2(1 / (view.scale * devicePixelRatio)));
  return finest - Math.min(finest, Math.max(0, halvings));
}

/** Codes of the tiles of `layer` that the view touches, the middle of the view first. */
export function tilesOfLayer(view: View, layer: number): number[] {
  const { x0, y0, x1, y1 } = view.bounds();
  if (x1 <= x0 || y1 <= y0) return [];
  const step = TILE_SIZE * 2 ** (finestLayer(view.imageWidth, view.imageHeight) - layer);
  const found: { code: number; distance: number }[] = [];
  for (let y = Math.floor(y0 / step); y * step < y1; y++) {
    for (let x = Math.floor(x0 / step); x * step < x1; x++) {
      const distance = Math.hypot((x + 0.5) * step - view.centreX, (y + 0.5) * step - view.centreY);
      found.push({ code: tileCode(layer, x, y), distance });
    }
  }
  return found.sort((a, b) => a.distance - b.distance).map((f) => f.code);
}

export function tilesOfView(view: View, devicePixelRatio: number): number[] {
  const target = layerOfView(view, devicePixelRatio);
  const between = target - 2;
  return [...new Set([0, ...(between > 0 ? tilesOfLayer(view, between) : []), ...tilesOfLayer(view, target)])];
}

/**
 * What a view is drawn from: the tiles that match the screen's resolution, and under those that are missing coarser ones, or the preview. What would be hidden under
 * others is left out: to draw it costs as much as what is seen.
 */
export function cachedTiles(cache: TileCache, plane: string, view: View, devicePixelRatio: number): CachedTile[] {
  const target = layerOfView(view, devicePixelRatio);
  const found: CachedTile[] = [];
  let missing: { x: number; y: number }[] = [];
  for (const code of tilesOfLayer(view, target)) {
    const cached = cache.get(plane, code);
    if (cached) found.push(cached);
    else missing.push(tileOfCode(code));
  }
  for (let layer = target - 1; layer >= 0 && missing.length > 0; layer--) {
    const above = ({ x, y }: { x: number; y: number }) => tileCode(layer, x >> (target - layer), y >> (target - layer));
    const there = new Map<number, CachedTile>();
    for (const code of new Set(missing.map(above))) {
      const cached = cache.get(plane, code);
      if (cached) there.set(code, cached);
    }
    found.push(...there.values());
    missing = missing.filter((tile) => !there.has(above(tile)));
  }
  const preview = missing.length > 0 ? cache.preview(plane) : undefined;
  if (preview) found.push(preview);
  return found;
}
