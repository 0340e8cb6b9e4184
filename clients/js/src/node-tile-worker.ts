/** Decodes tiles in a worker thread of Node: as tile-worker.ts. */
import { parentPort } from "node:worker_threads";

import { decodeTile, type EncodedTile } from "./tile.js";

parentPort!.on("message", ({ id, tile }: { id: number; tile: EncodedTile }) => {
  try {
    const pixels = decodeTile(tile);
    parentPort!.postMessage({ id, pixels }, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort!.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
