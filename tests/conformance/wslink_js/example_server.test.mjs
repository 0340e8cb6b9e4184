// Both generations of npm wslink against the example server:
//
//     node example_server.test.mjs [program]          by default that of build/release (or $CUBELINK_BUILD)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { makeBrowser } from "../../support/browser_globals.mjs";

makeBrowser(WebSocket);

const { default: wslink1 } = await import("wslink1/dist/wslink.js");
const { default: wslink2 } = await import("wslink2/dist/wslink.js");

async function start(program) {
  const server = spawn(program, ["--port", "0", "--authKey", "conformance"], { stdio: ["ignore", "pipe", "ignore"] });
  let address = "";
  for await (const line of createInterface(server.stdout)) {
    address ||= /:\/\/([^/]*)\//.exec(line)?.[1] ?? "";
    if (line === "wslink: Starting factory") break;
  }
  return { server, url: `ws://${address}/ws` };
}

function connect(wslink, url, secret) {
  return new Promise((resolve, reject) => {
    const connection = wslink.WebsocketConnection.newInstance({ urls: url, secret });
    connection.onConnectionReady(() => resolve(connection));
    connection.onConnectionError((_, error) => reject(error));
    connection.onConnectionClose(() => reject(new Error("closed")));
    connection.connect();
  });
}

/** Bytes of an attachment, whatever the client made of it. */
async function bytes(value) {
  if (value instanceof Blob) return Buffer.from(await value.arrayBuffer());
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  assert(ArrayBuffer.isView(value), `no bytes: ${value}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function pattern(size) {
  const result = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) result[i] = (i * 7) % 253;
  return result;
}

async function check(name, wslink, url) {
  const quiet = console.error;
  console.error = () => {};
  await assert.rejects(connect(wslink, url, "wrong"), undefined, "a wrong secret");
  console.error = quiet;

  const connection = await connect(wslink, url, "conformance");
  const session = connection.getSession();
  const call = (method, args = [], kwargs = {}) => session.call(method, args, kwargs);
  // Generation 2 takes typed arrays as they are, generation 1 wants them announced.
  const attach = (data) => (session.addAttachment ? session.addAttachment(data.buffer) : data);

  assert.equal(await call("bench.echo", ["text"]), "text");
  assert.deepEqual(await call("bench.args", [1, "b"], { x: [1] }), { args: [1, "b"], kwargs: { x: [1] } });
  assert.deepEqual(await call("bench.kw", [1], { c: 5 }), [1, 2, 5]);
  assert.equal(await call("bench.none"), null);
  assert.deepEqual(await call("myprotocol.special"), [Infinity, NaN, -Infinity]);
  assert.equal(await call("myprotocol.add", [[1, 2, 3]]), 6);

  const failure = async (method, args) => {
    try {
      await call(method, args);
    } catch (error) {
      return error;
    }
    assert.fail(`${method} did not fail`);
  };
  assert.equal((await failure("no.such.method")).code, -32601);
  const raised = await failure("bench.raise", ["it broke"]);
  assert.equal(raised.code, -32001);
  assert.equal(raised.message, "Exception raised");
  assert.equal(raised.data.exception, "it broke");
  assert.equal((await failure("bench.unserializable")).code, -32002);

  const nested = await call("myprotocol.nested.image");
  const png = await bytes(nested.image.blob);
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([...(await bytes(nested.bytesList[0]))], [1, 2, 3, 4]);
  assert.deepEqual([...(await bytes(nested.bytesList[1]))], [5, 6, 7, 8, 9, 10]);
  assert.deepEqual(await bytes(await call("myprotocol.unwrapped.image")), png);
  assert.equal((await bytes((await call("bench.blob", [0])).data)).length, 0);

  const large = pattern(20 << 20);
  assert.equal(await call("myprotocol.postbinary", [attach(large)]), `received binary data of length ${large.length}`);
  assert.equal(Buffer.compare(await bytes(await call("bench.echo", [attach(large)])), Buffer.from(large.buffer)), 0);
  const mixed = await call("bench.echo", [{ list: [attach(pattern(3)), "x"], more: attach(pattern(5)) }]);
  assert.deepEqual([...(await bytes(mixed.list[0]))], [...pattern(3)]);
  assert.deepEqual([...(await bytes(mixed.more))], [...pattern(5)]);

  const heard = [];
  const subscription = session.subscribe("wslink.communication.channel", ([message]) => heard.push(message));
  await subscription.promise;
  await Promise.all(["a", "b", "c"].map((text) => call("wslink.say.hello", [text])));
  await call("bench.echo");
  assert.deepEqual(heard, ["py server: a", "py server: b", "py server: c"]);
  await session.unsubscribe(subscription);

  const pictures = [];
  const stream = session.subscribe("pictures", ([message]) => pictures.push(message.blob));
  assert.deepEqual(await call("myprotocol.stream", ["pictures"]), { subscribed: "pictures" });
  const until = Date.now() + 120_000;
  while (pictures.length < 2 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal((await bytes(pictures[0])).subarray(1, 4).toString(), "PNG");
  assert.notDeepEqual(await bytes(pictures[0]), await bytes(pictures[1]));
  assert.deepEqual(await call("myprotocol.stop", ["pictures"]), { unsubscribed: "pictures" });
  await session.unsubscribe(stream);

  const echoes = await Promise.all(Array.from({ length: 500 }, (_, i) => call("bench.echo", [i])));
  assert.deepEqual(echoes, Array.from({ length: 500 }, (_, i) => i));
  connection.destroy(10); // calls application.exit.later, which must not stop the server
  console.log(`ok   ${name}`);
}

const build = process.env.CUBELINK_BUILD ?? fileURLToPath(new URL("../../../build/release", import.meta.url));
const { server, url } = await start(process.argv[2] ?? `${build}/tests/wslink_example_server`);
let status = 0;
try {
  await check("wslink 1.12.4", wslink1, url);
  await check("wslink 2.5.0", wslink2, url);
  assert.equal(server.exitCode, null, "the server has ended");
  console.log("2 passed, 0 failed");
} catch (error) {
  console.error(error);
  console.log("0 passed, 1 failed");
  status = 1;
} finally {
  server.kill();
}
process.exit(status);
