/**
 * The WebSocket that wslink is given. By itself wslink reads each message from a Blob, whose bytes come some time later, those of a small message before those
 * of a large one that was sent earlier: in browsers one message in some hundreds overtook others, and all of them waited. Here the bytes come with the event.
 */
import type { SmartConnectConfig } from "./wslink-api.js";

interface Message {
  data: unknown;
}

/** What wslink does with a Blob, and what it takes for binary: an ArrayBuffer. Its parts are read at once. */
function readable(buffer: ArrayBuffer): ArrayBuffer {
  return Object.assign(buffer, {
    slice: (begin?: number, end?: number) => readable(ArrayBuffer.prototype.slice.call(buffer, begin, end)),
    arrayBuffer: () => Promise.resolve(buffer),
  });
}

/** A WebSocket that stays with ArrayBuffers, whatever binaryType it is told, and gives them to its onmessage so that wslink can read them. */
export function openSocket(url: string): WebSocket {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  let handler: ((event: Message) => void) | null = null;
  socket.addEventListener("message", ({ data }: Message) => handler?.({ data: data instanceof ArrayBuffer ? readable(data) : data }));
  return Object.defineProperties(socket, {
    binaryType: { get: () => "arraybuffer", set: () => undefined },
    onmessage: { get: () => handler, set: (value: typeof handler) => void (handler = value) },
  });
}

/**
 * wslink calls this before it opens a socket, and takes the socket of WSLINK.createWebSocket where `wsProxy` is set. That name is the page's, which may have
 * another use for it: it is ours only until the socket is open, which is in the same turn of the event loop.
 */
export function withSocket(config: SmartConnectConfig & { wsProxy?: boolean }): SmartConnectConfig {
  if (!config.sessionURL || config.wsProxy) return config;
  const scope = globalThis as { WSLINK?: unknown };
  const before = scope.WSLINK;
  scope.WSLINK = { createWebSocket: openSocket };
  queueMicrotask(() => {
    scope.WSLINK = before;
    if (before === undefined) Reflect.deleteProperty(scope, "WSLINK");
  });
  return { ...config, wsProxy: true };
}
