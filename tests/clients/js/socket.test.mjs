// The socket that wslink is given: messages of any size are read in the order in which they come.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";

import { WebSocketServer } from "../../../clients/js/node_modules/ws/wrapper.mjs";
import "../../../clients/js/dist/node-globals.js"; // Node has no WebSocket of its own
import { openSocket, withSocket } from "../../../clients/js/dist/socket.js";

const SIZES = [300_000, 20, 0, 12, 65_536, 1];

/** The bytes of one of many messages. */
const bytes = (i) => Uint8Array.from({ length: SIZES[i % SIZES.length] }, (_, k) => (i + k) & 255);

test("what wslink 2.x reads in steps is read in the order in which it comes, whatever its size", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    for (let i = 0; i < 120; i++) socket.send(bytes(i));
    socket.send("text");
  });
  after(() => server.close());
  await once(server, "listening");
  const socket = openSocket(`ws://127.0.0.1:${server.address().port}`);
  socket.binaryType = "blob"; // as wslink does
  let [come, read] = [0, 0];
  await new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const i = come++;
      if (data === "text") return void setTimeout(resolve);
      (async () => {
        assert.ok(data instanceof ArrayBuffer); // what wslink 1.x takes for binary
        const head = new Uint8Array(await data.slice(0, 12).arrayBuffer());
        const rest = new Uint8Array(await data.slice(12).arrayBuffer());
        assert.deepEqual(new Uint8Array([...head, ...rest]), bytes(i));
        assert.equal(read++, i, "another message was overtaken");
      })().catch(reject);
    };
  });
  assert.equal(read, 120);
  socket.close();
});

test("the page's WSLINK is its own again at once, and its own way to a socket stays", async () => {
  const theirs = { createWebSocket: () => assert.fail("not asked for") };
  for (const before of [undefined, theirs]) {
    globalThis.WSLINK = before;
    if (!before) delete globalThis.WSLINK;
    const config = withSocket({ sessionURL: "ws://127.0.0.1:1/ws" });
    assert.equal(config.wsProxy, true);
    assert.equal(globalThis.WSLINK.createWebSocket, openSocket);
    await null;
    assert.equal(globalThis.WSLINK, before);
    assert.equal("WSLINK" in globalThis, before !== undefined);
  }
  delete globalThis.WSLINK;
  // Behind a launcher the address comes later; and who has asked for a proxy keeps it.
  for (const config of [{ sessionManagerURL: "http://127.0.0.1/" }, { sessionURL: "ws://127.0.0.1/ws", wsProxy: true }]) assert.equal(withSocket(config), config);
  assert.ok(!("WSLINK" in globalThis));
});
