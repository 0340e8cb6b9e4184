// A wslink server for the client's own tests: both generations on one port, methods as plain functions, and what a real server can't be made to do on demand:
// drop a connection, shuffle publications, answer wrongly. It says nothing about the real server; tests against that stand elsewhere.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../../clients/js/package.json", import.meta.url));
const { WebSocketServer } = require("ws");
const { encode, decode } = require("@msgpack/msgpack");

class Connection {
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.generation = 0;
    this.pending = new Map();
    this.attachments = new Map();
    this.expected = [];
    socket.on("message", (data, isBinary) => this.receive(data, isBinary));
  }

  receive(data, isBinary) {
    if (this.generation === 0) this.generation = isBinary ? 2 : 1;
    if (this.generation === 2) {
      const [id, offset, total] = [data.readUInt32LE(0), data.readUInt32LE(4), data.readUInt32LE(8)];
      const message = this.pending.get(id) ?? { bytes: Buffer.alloc(total), received: 0 };
      this.pending.set(id, message);
      data.copy(message.bytes, offset, 12);
      message.received += data.length - 12;
      if (message.received < total) return;
      this.pending.delete(id);
      this.handle(decode(message.bytes));
    } else if (isBinary) {
      this.attachments.set(this.expected.shift(), new Uint8Array(data));
    } else {
      const message = JSON.parse(data.toString());
      if (message.method === "wslink.binary.attachment") this.expected.push(...message.args);
      else this.handle(this.fill(message));
    }
  }

  fill(value) {
    if (typeof value === "string" && this.attachments.has(value)) return this.attachments.get(value);
    if (value === null || typeof value !== "object") return value;
    for (const key of Object.keys(value)) value[key] = this.fill(value[key]);
    return value;
  }

  async handle({ id, method, args = [], kwargs = {} }) {
    this.server.calls.push({ method, args, kwargs });
    try {
      if (method === "wslink.hello") {
        if (args[0].secret !== this.server.secret) throw { code: -32000, message: "Authentication failed" };
        this.server.connections.add(this);
        this.send({ wslink: "1.0", id, result: { clientID: "c" + "abcdefgh".repeat(4), maxMsgSize: 4194304 } });
        return;
      }
      const handler = this.server.methods[method];
      if (!handler) throw { code: -32601, message: "Unregistered method called", data: method };
      const result = await handler.call(this, ...args, kwargs);
      this.send({ wslink: "1.0", id, result: result ?? null });
    } catch (error) {
      const { code = -32001, message = String(error), data } = error;
      this.send({ wslink: "1.0", id, error: { code, message, data } });
    }
  }

  publish(topic, result) {
    this.send({ wslink: "1.0", id: `publish:${topic}:${this.server.published++}`, result });
  }

  send(message) {
    if (this.generation === 1) {
      const text = JSON.stringify(message, (_key, value) => {
        if (!(value instanceof Uint8Array)) return value;
        const key = `wslink_bin${this.server.published++}`;
        this.socket.send(JSON.stringify({ wslink: "1.0", method: "wslink.binary.attachment", args: [key] }));
        this.socket.send(value, { binary: true });
        return key;
      });
      this.socket.send(text);
      return;
    }
    const body = encode(message);
    const id = Math.floor(Math.random() * 2 ** 32);
    const limit = this.server.chunk;
    for (let offset = 0; offset < body.length; offset += limit) {
      const part = body.subarray(offset, offset + limit);
      const frame = Buffer.alloc(12 + part.length);
      frame.writeUInt32LE(id, 0);
      frame.writeUInt32LE(offset, 4);
      frame.writeUInt32LE(body.length, 8);
      frame.set(part, 12);
      this.socket.send(frame, { binary: true });
    }
  }
}

/** methods: name → function(...args, kwargs) with the connection as `this`. */
export async function startServer(methods, { port = 0, secret = "secret", chunk = 4096 } = {}) {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ server: http, path: "/ws" });
  const server = { methods, secret, chunk, connections: new Set(), calls: [], published: 0 };
  sockets.on("connection", (socket) => {
    const connection = new Connection(socket, server);
    socket.on("close", () => server.connections.delete(connection));
  });
  await new Promise((resolve) => http.listen(port, "127.0.0.1", resolve));
  server.port = http.address().port;
  server.url = `ws://127.0.0.1:${server.port}/ws`;
  /** Cuts all connections without a closing handshake. */
  server.drop = () => sockets.clients.forEach((socket) => socket.terminate());
  server.stop = () =>
    new Promise((resolve) => {
      server.drop();
      sockets.close(() => http.close(resolve));
    });
  return server;
}
