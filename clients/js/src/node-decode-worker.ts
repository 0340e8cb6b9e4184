/** Decodes tiles and contours in a worker thread of Node: as decode-worker.ts. */
import { parentPort } from "node:worker_threads";

import { buffersOf, decodeTask, type Task } from "./decode-task.js";

parentPort!.on("message", async ({ id, task }: { id: number; task: Task }) => {
  try {
    const decoded = await decodeTask(task);
    parentPort!.postMessage({ id, decoded }, buffersOf(decoded));
  } catch (error) {
    parentPort!.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
