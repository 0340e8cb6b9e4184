/**
 * The part of npm wslink that we use, typed by hand since its package declares no types, and the same in 1.x (JSON on the wire) and 2.x (msgpack).
 */

export interface WslinkSession {
  call(method: string, args?: unknown[], kwargs?: Record<string, unknown>): Promise<unknown>;
  subscribe(topic: string, callback: (args: unknown[]) => void): { unsubscribe(): unknown };
  addAttachment(payload: unknown): unknown;
  close(): Promise<void>;
}

export interface WslinkConnection {
  getSession(): WslinkSession;
}

export interface SmartConnectConfig {
  /** Address of the WebSocket. */
  sessionURL?: string;
  /** Address of a launcher that starts a server for us. */
  sessionManagerURL?: string;
  /** What the launcher is to start. */
  application?: string;
  secret?: string;
  [more: string]: unknown;
}

export interface SmartConnect {
  connect(): void;
  onConnectionReady(callback: (connection: WslinkConnection) => void): unknown;
  onConnectionError(callback: (connection: unknown, error: unknown) => void): unknown;
  onConnectionClose(callback: (connection: unknown, event: unknown) => void): unknown;
  getConfig(): SmartConnectConfig;
  /** null before there is a socket. */
  getSession(): WslinkSession | null;
  destroy(timeout?: number): void;
}

export interface WslinkModule {
  SmartConnect: { newInstance(values: { config: SmartConnectConfig; configDecorator: (config: SmartConnectConfig) => SmartConnectConfig }): SmartConnect };
}

/** wslink's bundle is CommonJS: what import() makes of it differs between Node and bundlers. */
export async function loadWslink(): Promise<WslinkModule> {
  // @ts-expect-error: the package declares no types
  const module = (await import("wslink")) as WslinkModule & { default?: WslinkModule };
  return module.default?.SmartConnect ? module.default : module;
}
