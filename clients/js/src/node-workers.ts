/** Workers for the decoding of tiles in Node, where there are no Web Workers. */
import { Worker } from "node:worker_threads";

import { provideWorkers, type TileWorker } from "./tile-pool.js";

provideWorkers((): TileWorker => {
  const worker = new Worker(new URL("./node-tile-worker.js", import.meta.url));
  let waiting = 0;
  // Only work that is under way keeps the program alive.
  worker.unref();
  const made: TileWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (message, transfer) => {
      if (waiting++ === 0) worker.ref();
      worker.postMessage(message, transfer);
    },
    terminate: () => void worker.terminate(),
  };
  worker.on("message", (data) => {
    if (--waiting === 0) worker.unref();
    made.onmessage?.({ data });
  });
  worker.on("error", () => made.onerror?.({ preventDefault: () => {} }));
  return made;
});
