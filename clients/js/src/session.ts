/**
 * What a client offers to that which is built on it (images, the stream of tiles): calls, topics, and word of what happens to the connection and to the session.
 */
import type { Carta, CartaTopics, RegionInfo } from "./icd.js";
import type { Filter, Subscription } from "./subscriptions.js";

/** connected: usable; lost: trying to come back; denied: the secret is wrong; closed: for good. */
export type ConnectionState = "connecting" | "connected" | "lost" | "denied" | "closed";

export interface StateEvent {
  state: ConnectionState;
  /** connected: whether the session is the old one, with all that it had open. */
  resumed: boolean;
  /** Why the connection was lost, denied or closed. */
  reason: string;
  /** lost: milliseconds until the next attempt. */
  retryIn: number;
}

export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason at once, and the server is told to stop long work. What is done already stays done. */
  signal?: AbortSignal | undefined;
  /** Seconds after which the call is given up in the same way (default: never; a lost connection ends every call). */
  timeout?: number | undefined;
}

/** The topic session.changed: somebody, perhaps this client itself, has changed what all in the session share. */
export interface SessionChange {
  what:
    | "file_opened" | "file_closed" | "channels" | "cursor" | "region" | "regions" | "regions_removed" | "catalog_opened" | "catalog_closed" | "connections" | "progress" | "closed"
    | (string & {});
  file_id?: number;
  next_file_id?: number;
  /** connections: how many there are now. */
  connections?: number;
  channel?: number;
  stokes?: number;
  point?: { x: number; y: number };
  /** region: the one that was made (`created`) or changed, and what it is now. While it is dragged, its newest state comes every 50 ms. */
  region_id?: number;
  created?: boolean;
  region_info?: RegionInfo;
  /** regions: those that were made or changed together; regions_removed: those that are gone. */
  region_ids?: number[];
  /** regions: what they are now. Absent if they are very many: sessionState() has them. */
  regions?: { region_id: number; file_id: number; region_info: RegionInfo }[];
  /** progress: of a task, from 0 to 1. */
  task?: string;
  progress?: number;
}

/** The topics whose messages have a known type. */
export interface Topics extends CartaTopics {
  "session.changed": SessionChange;
}

export interface SubscribeOptions {
  /** Ends the subscription. */
  signal?: AbortSignal | undefined;
}

export interface Session {
  readonly state: ConnectionState;
  /** Each ICD message by its name: carta.openFile({…}) calls carta.open.file. */
  readonly carta: Carta;
  call<T = any>(method: string, args?: unknown[], kwargs?: Record<string, unknown>, options?: CallOptions): Promise<T>; // eslint-disable-line @typescript-eslint/no-explicit-any
  subscribe<Name extends keyof Topics>(topic: Name, filter: Filter, callback: (message: Topics[Name]) => void, options?: SubscribeOptions): Promise<Subscription>;
  subscribe<T = any>(topic: string, filter: Filter, callback: (message: T) => void, options?: SubscribeOptions): Promise<Subscription>; // eslint-disable-line @typescript-eslint/no-explicit-any
  onState(listener: (event: StateEvent) => void): () => void;
  onSessionChange(listener: (change: SessionChange) => void): () => void;
}
