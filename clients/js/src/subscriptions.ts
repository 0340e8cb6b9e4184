/**
 * What this client listens to. Several callbacks may share a topic; the server is told of the topic once, with the filter that all of them have in common,
 * and each callback hears only what its own filter lets through.
 */

/** Field names and values that a message must have. The server also takes {view: "any"}: tiles of other connections' views too. */
export type Filter = Record<string, unknown>;

export interface Subscription {
  topic: string;
  /** Resolves when the server has been told. */
  unsubscribe(): Promise<void>;
}

interface Listener {
  filter: Filter;
  callback: (message: never) => void;
}

export class Subscriptions {
  private readonly topics = new Map<string, Listener[]>();
  private readonly told = new Map<string, string>();

  topicNames(): string[] {
    return [...this.topics.keys()];
  }

  add(topic: string, listener: Listener): void {
    const listeners = this.topics.get(topic);
    if (listeners) listeners.push(listener);
    else this.topics.set(topic, [listener]);
  }

  /** True if nobody is left on the topic. */
  remove(topic: string, listener: Listener): boolean {
    const left = (this.topics.get(topic) ?? []).filter((l) => l !== listener);
    if (left.length > 0) {
      this.topics.set(topic, left);
      return false;
    }
    this.topics.delete(topic);
    this.told.delete(topic);
    return true;
  }

  /** The filter to tell the server, or undefined if it knows it already. */
  news(topic: string): Filter | undefined {
    const listeners = this.topics.get(topic) ?? [];
    const first = JSON.stringify(listeners[0]?.filter ?? {});
    const shared = listeners.every((l) => JSON.stringify(l.filter) === first);
    const filter: Filter = shared ? { ...listeners[0]?.filter } : {};
    if (listeners.some((l) => l.filter["view"] === "any")) filter["view"] = "any";
    const text = JSON.stringify(filter);
    if (this.told.get(topic) === text) return undefined;
    this.told.set(topic, text);
    return filter;
  }

  /** The server does not know of this topic, or, on a new connection, of none. */
  forgetTold(topic?: string): void {
    if (topic === undefined) this.told.clear();
    else this.told.delete(topic);
  }

  dispatch(topic: string, message: unknown): void {
    for (const { filter, callback } of [...(this.topics.get(topic) ?? [])]) {
      if (!matches(message, filter)) continue;
      try {
        callback(message as never);
      } catch (error) {
        // One listener's fault must not keep the message from the others.
        console.error(`cubelink: a listener of ${topic} failed:`, error);
      }
    }
  }
}

function matches(message: unknown, filter: Filter): boolean {
  return Object.entries(filter).every(
    ([key, wanted]) => key === "view" || (message as Record<string, unknown> | null)?.[key] === wanted,
  );
}
