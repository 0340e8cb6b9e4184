/** Messages of a topic as an async iterator: what comes while the loop is busy waits in a queue of bounded length. */
import type { Session } from "./session.js";
import type { Filter } from "./subscriptions.js";

export interface MessagesOptions {
  /** Field names and values that a message must have. */
  filter?: Filter | undefined;
  /** Ends the loop, which then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** How many messages may wait for a slow loop (default 1024); the oldest are dropped beyond that. */
  limit?: number | undefined;
}

const DEFAULT_LIMIT = 1024;

export async function* messages<T>(session: Session, topic: string, { filter = {}, signal, limit = DEFAULT_LIMIT }: MessagesOptions = {}): AsyncGenerator<T, void, void> {
  if (!(limit >= 1)) throw new RangeError(`messages of ${topic}: limit is ${limit}, but at least one message must be able to wait`);
  const queue: T[] = [];
  let closed = session.state === "closed";
  let wake = () => {};
  const put = (message: T) => {
    if (queue.length >= limit) queue.shift();
    queue.push(message);
    wake();
  };
  const aborted = () => wake();
  const stopState = session.onState(({ state }) => {
    closed ||= state === "closed";
    wake();
  });
  signal?.addEventListener("abort", aborted);
  try {
    const subscription = await session.subscribe<T>(topic, filter, put, { signal });
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (queue.length > 0) yield queue.shift()!;
        else if (closed) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      // On a connection that is gone, the subscription is gone too.
      await subscription.unsubscribe().catch(() => undefined);
    }
  } finally {
    stopState();
    signal?.removeEventListener("abort", aborted);
  }
}
