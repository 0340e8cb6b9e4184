/** Workers for the decoding of tiles and contours in Node, where there are no Web Workers. */
import { Worker } from "node:worker_threads";

import { provideWorkers, type DecodeWorker } from "./decoder-pool.js";

provideWorkers((): DecodeWorker => {
  const worker = new Worker(new URL("./node-decode-worker.js", import.meta.url));
  let waiting = 0;
  // Only work that is under way keeps the program alive.
  worker.unref();
  const made: DecodeWorker = {
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
