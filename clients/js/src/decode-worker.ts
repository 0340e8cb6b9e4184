/** Decodes tiles and contours in a Web Worker: {id, task} in, {id, decoded} or {id, error} out. */
import { buffersOf, decodeTask, type Task } from "./decode-task.js";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ id: number; task: Task }>) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

scope.onmessage = async ({ data: { id, task } }) => {
  try {
    const decoded = await decodeTask(task);
    scope.postMessage({ id, decoded }, buffersOf(decoded));
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
