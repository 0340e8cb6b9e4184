// The original wslink clients in Node, and a server process for them.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { makeBrowser } from "../../support/browser_globals.mjs";

makeBrowser(WebSocket);

export const generations = {
  1: (await import("wslink1/dist/wslink.js")).default,
  2: (await import("wslink2/dist/wslink.js")).default,
};

const program = process.env.CUBELINK_PROGRAM ?? fileURLToPath(new URL("../../../build/release/server/cubelink", import.meta.url));

/** Starts the server over a folder: {url, secret, stop()}. */
export async function startServer(folder, store) {
  const secret = "of the tests";
  const server = spawn(program, [folder, "--port", "0", "--store", store], { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, CUBELINK_AUTHKEY: secret } });
  let address = "";
  for await (const line of createInterface(server.stdout)) {
    address ||= /:\/\/([^/]*)\//.exec(line)?.[1] ?? "";
    if (line.includes("Starting factory")) break;
  }
  const ended = new Promise((resolve) => server.on("exit", resolve));
  return { url: `ws://${address}/ws`, secret, stop: () => (server.kill("SIGTERM"), ended), ended };
}

/** One connection: call, attachments, and publications that wait to be taken. */
export class Client {
  static connect(generation, server, secret = server.secret) {
    return new Promise((resolve, reject) => {
      const connection = generations[generation].WebsocketConnection.newInstance({ urls: server.url, secret });
      connection.onConnectionReady(() => resolve(new Client(generation, connection)));
      connection.onConnectionError((_, error) => reject(error));
      connection.onConnectionClose(() => reject(new Error("closed")));
      connection.connect();
    });
  }

  constructor(generation, connection) {
    this.generation = generation;
    this.connection = connection;
    this.session = connection.getSession();
    this.topics = new Map();
  }

  call(method, args = [], kwargs = {}) {
    return this.session.call(method, args, kwargs);
  }

  async failure(method, args = [], kwargs = {}) {
    try {
      await this.call(method, args, kwargs);
    } catch (error) {
      return error;
    }
    throw new Error(`${method} did not fail`);
  }

  /** Bytes as an argument: generation 1 wants them announced, generation 2 takes them as they are. */
  attach(bytes) {
    return this.generation === 1 ? this.session.addAttachment(bytes.buffer) : bytes;
  }

  /** Listens locally, as wslink clients do: what comes is kept until next() takes it. */
  listen(...topics) {
    for (const topic of topics) {
      this.topics.set(topic, { values: [], waiting: [] });
      this.session.subscribe(topic, ([message]) => this.#deliver(topic, message));
    }
  }

  #deliver(topic, message) {
    const queue = this.topics.get(topic);
    queue.values.push(message);
    queue.waiting.splice(0).forEach((wake) => wake());
  }

  /** The next publication on a topic that matches. */
  async next(topic, matches = () => true, seconds = 120) {
    const queue = this.topics.get(topic);
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const at = queue.values.findIndex(matches);
      if (at >= 0) return queue.values.splice(at, 1)[0];
      if (Date.now() > end) throw new Error(`nothing came on ${topic}`);
      await new Promise((resolve) => {
        queue.waiting.push(resolve);
        setTimeout(resolve, 500).unref();
      });
    }
  }

  waiting(topic) {
    return this.topics.get(topic).values.length;
  }

  close() {
    this.connection.destroy(-1); // a negative time: the server need not be told to stop some time later
  }
}

/** The bytes of an attachment, whatever the client made of it. */
export async function bytes(value) {
  if (value instanceof Blob) return Buffer.from(await value.arrayBuffer());
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (!ArrayBuffer.isView(value)) throw new Error(`no bytes: ${value}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

export async function floats(value) {
  const data = await bytes(value);
  return Float32Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i));
}
