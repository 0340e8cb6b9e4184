/** Decodes tiles in a Web Worker: {id, tile} in, {id, pixels} or {id, error} out. */
import { decodeTile, type EncodedTile } from "./tile.js";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ id: number; tile: EncodedTile }>) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

scope.onmessage = ({ data: { id, tile } }) => {
  try {
    const pixels = decodeTile(tile);
    scope.postMessage({ id, pixels }, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
