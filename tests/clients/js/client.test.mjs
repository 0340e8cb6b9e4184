// The client against a mock server, by both generations of npm wslink: calls, errors, attachments, subscriptions, tiles in any order, lost connections.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { after, test } from "node:test";

import { connect, CubelinkError, finestLayer, methodName, DecoderPool, tileBounds, tileCode, tileOfCode } from "../../../clients/js/dist/node.js";
import { imageMethods, pixel } from "./mock/images.mjs";
import { startServer } from "./mock/wslink_server.mjs";

const require = createRequire(new URL("../../../clients/js/package.json", import.meta.url));
const generations = { "wslink 2.x": require("wslink"), "wslink 1.x": require("wslink1") };
// wslink reports failed connections on the console, besides telling its caller.
console.error = () => {};

const open = [];
async function setUp(wslink, options = {}, connectOptions = {}) {
  const server = await startServer(imageMethods(options));
  const client = await connect({ url: server.url, secret: "secret", wslink, keepAlive: 0, ...connectOptions });
  open.push(() => client.close(), () => server.stop());
  return { server, client };
}
after(async () => {
  for (const close of open) await close();
});

const stateOf = (client, wanted) =>
  new Promise((resolve) => {
    const stop = client.onState((event) => {
      if (event.state !== wanted) return;
      stop();
      resolve(event);
    });
  });

for (const [name, wslink] of Object.entries(generations)) {
  test(`${name}: calls, bytes both ways, errors with the server's own words`, async () => {
    const { client } = await setUp(wslink);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i & 255);
    const [echoed] = await client.call("echo", [{ list: [1, { bytes: client.addAttachment(bytes) }], text: "ü" }]);
    assert.equal(echoed.text, "ü");
    assert.ok(echoed.list[1].bytes instanceof Uint8Array);
    assert.deepEqual(echoed.list[1].bytes, bytes);
    await assert.rejects(client.call("fail"), (e) => e instanceof CubelinkError && e.code === -32001 && /the disk is on fire/.test(e.message));
    await assert.rejects(client.call("nothing.of.the.kind"), (e) => e.code === -32601);
  });

  test(`${name}: calls can be given up, by a signal or after a time; the server is told, and the client goes on`, async () => {
    const { server, client } = await setUp(wslink);
    const abort = new AbortController();
    const hanging = client.call("hang", [], {}, { signal: abort.signal });
    abort.abort(new Error("no longer wanted"));
    await assert.rejects(hanging, /no longer wanted/);
    await assert.rejects(client.call("echo", [], {}, { signal: abort.signal }), /no longer wanted/);
    await assert.rejects(client.call("hang", [], {}, { timeout: 0.02 }), (e) => e instanceof CubelinkError && /no answer within 0.02 s/.test(e.message));
    assert.deepEqual(await client.call("echo", [1], {}, { timeout: 20 }), [1, {}]);
    // The number at the end of a call's id is its place among the calls after hello.
    const calls = server.calls.filter(({ method }) => method !== "wslink.hello");
    const hung = calls.flatMap(({ method }, i) => (method === "hang" ? [i] : []));
    assert.equal(hung.length, 2);
    assert.deepEqual(calls.filter(({ method }) => method === "session.cancel").map(({ args }) => args), hung.map((i) => [i]));
  });

  test(`${name}: an answer that says "success: false" rejects, with the answer at hand; others' "success" is a value`, async () => {
    const { server, client } = await setUp(wslink);
    Object.assign(server.methods, {
      "carta.save.file": () => ({ success: false, message: "the disk is full", file_id: 7 }),
      "carta.import.region": () => ({ success: false, message: "" }),
      other: () => ({ success: true, message: "fine" }),
    });
    await assert.rejects(client.carta.saveFile({ file_id: 7 }), (e) => e instanceof CubelinkError && e.code === -32001 && e.message === "the disk is full" && e.data.file_id === 7);
    await assert.rejects(client.call("carta.import.region", [{}]), /carta.import.region failed/);
    assert.deepEqual(await client.call("other"), { success: true, message: "fine" });
  });

  test(`${name}: a topic read by "for await": filtered, bounded, across a lost connection, until the loop is left`, async () => {
    const { server, client } = await setUp(wslink);
    const publish = (from, to) => {
      for (let n = from; n < to; n++) for (const file_id of [3, 4]) for (const c of server.connections) c.publish("some.topic", { file_id, n });
    };
    const subscribed = async (count) => {
      while (server.calls.filter((c) => c.method === "pubsub.subscribe" && c.args[0] === "some.topic").length < count) await new Promise((r) => setTimeout(r, 5));
      await client.call("echo");
    };
    const messages = client.messages("some.topic", { filter: { file_id: 3 }, limit: 4 });
    const first = messages.next();
    await subscribed(1);
    publish(0, 1);
    assert.equal((await first).value.n, 0);
    publish(1, 11);
    await client.call("echo");
    const back = stateOf(client, "connected");
    server.drop();
    await back;
    publish(11, 12);
    await client.call("echo");
    const seen = [];
    for await (const { file_id, n } of messages) {
      assert.equal(file_id, 3);
      seen.push(n);
      if (n === 11) break;
    }
    // Of those that came while nobody read, the newest four are left.
    assert.deepEqual(seen, [8, 9, 10, 11]);
    const unsubscribed = server.calls.filter((c) => c.method === "pubsub.unsubscribe");
    assert.deepEqual(unsubscribed.map((c) => c.args), [["some.topic"]]);
  });

  test(`${name}: a signal ends a subscription and a loop; a closed client ends the loop quietly`, async () => {
    const { server, client } = await setUp(wslink);
    const abort = new AbortController();
    await client.subscribe("some.topic", {}, () => {}, { signal: abort.signal });
    const loop = client.messages("another.topic", { signal: abort.signal });
    const waiting = loop.next();
    await client.call("echo");
    abort.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await client.call("echo");
    assert.deepEqual(server.calls.filter((c) => c.method === "pubsub.unsubscribe").map((c) => c.args[0]).sort(), ["another.topic", "some.topic"]);
    await assert.rejects(client.subscribe("some.topic", {}, () => {}, { signal: abort.signal }), /enough/);
    await assert.rejects(client.messages("some.topic", { limit: 0 }).next(), RangeError);
    const quiet = client.messages("some.topic").next();
    await client.call("echo");
    client.close();
    assert.deepEqual(await quiet, { value: undefined, done: true });
  });

  test(`${name}: an image: its facts, tiles, spectrum, block`, async () => {
    const { client } = await setUp(wslink);
    const image = await client.open("cube.fits");
    assert.deepEqual([image.info.width, image.info.height, image.info.depth], [700, 500, 40]);
    assert.equal(image.card("BUNIT"), "Jy/beam");
    await image.setChannel(17);
    const tiles = await Promise.all([image.fetchTile(2, 1, 0), image.fetchTile(2, 2, 1), image.fetchTile(0, 0, 0), image.fetchTile(2, 0, 0)]);
    for (const tile of tiles) {
      const { x0, y0, mip, columns, rows } = tileBounds(tile.layer, tile.x, tile.y, 700, 500);
      assert.deepEqual([tile.width, tile.height, tile.pixels.length], [columns, rows, columns * rows]);
      for (let i = 0; i < tile.pixels.length; i += 7) {
        assert.deepEqual(tile.pixels[i], pixel(x0 + mip * (i % columns), y0 + mip * Math.floor(i / columns), 17));
      }
    }
    assert.ok(Number.isNaN(tiles[3].pixels[0]));
    const spectrum = await image.spectrum(300, 200);
    assert.deepEqual(spectrum, Float32Array.from({ length: 40 }, (_, c) => pixel(300, 200, c)));
    const block = await image.readBlock({ x: [10, 13], y: 100 });
    assert.deepEqual([block.shape, [...block.data]], [[1, 1, 1, 3], [10, 11, 12].map((x) => pixel(x, 100, 17))]);
    await assert.rejects(client.open("broken.fits"), /not a FITS file/);
    await assert.rejects(image.setChannel(4000), /channel/);
    assert.equal(image.channel, 17);
  });

  test(`${name}: tiles and syncs in any order make whole sets`, async () => {
    const send = (connection, messages) => {
      for (let i = messages.length - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [messages[i], messages[j]] = [messages[j], messages[i]];
      }
      messages.forEach(([topic, message]) => connection.publish(topic, message));
    };
    const { client } = await setUp(wslink, { send });
    const image = await client.open("cube.fits");
    const stream = client.tiles();
    await stream.ready();
    for (let round = 0; round < 20; round++) {
      const codes = [tileCode(0, 0, 0), tileCode(2, 1, 1), tileCode(2, 0, 1), tileCode(1, 1, 0)];
      const seen = [];
      const set = await new Promise((resolve) => {
        const stop = stream.listen({
          tile: (t) => seen.push(tileCode(t.layer, t.x, t.y)),
          complete: (s) => {
            stop();
            resolve(s);
          },
        });
        void image.requestTiles(codes);
      });
      assert.equal(set.count, 4);
      assert.deepEqual(seen.sort(), codes.sort());
    }
  });

  test(`${name}: a lost connection fails what waits, comes back, resumes and hears its topics again`, async () => {
    const { server, client } = await setUp(wslink);
    const heard = [];
    await client.subscribe("some.topic", { file_id: 3 }, (m) => heard.push(m.n));
    const session = client.sessionId;
    const hanging = client.call("hang");
    const back = stateOf(client, "connected");
    server.drop();
    await assert.rejects(hanging, CubelinkError);
    assert.equal(client.state, "lost");
    await assert.rejects(client.call("echo"), /not connected/);
    assert.equal((await back).resumed, true);
    assert.equal(client.sessionId, session);
    const subscribed = server.calls.filter((c) => c.method === "pubsub.subscribe" && c.args[0] !== "session.changed");
    assert.deepEqual(subscribed.map((c) => c.args), [["some.topic", { file_id: 3 }], ["some.topic", { file_id: 3 }]]);
    for (const connection of server.connections) {
      connection.publish("some.topic", { file_id: 3, n: 1 });
      connection.publish("some.topic", { file_id: 4, n: 2 });
      connection.publish("some.topic", { file_id: 3, n: 3 });
    }
    await client.call("echo");
    assert.deepEqual(heard, [1, 3]);
  });

  test(`${name}: a wrong secret is said to be wrong, and the right one can follow`, async () => {
    const { server, client } = await setUp(wslink);
    await assert.rejects(connect({ url: server.url, secret: "wrong", wslink }), (e) => e.code === -32000);
    server.secret = "changed";
    const denied = stateOf(client, "denied");
    server.drop();
    await denied;
    const back = stateOf(client, "connected");
    client.retryNow("changed");
    await back;
    assert.deepEqual(await client.call("echo", [1]), [1, {}]);
  });

  test(`${name}: a server that no longer answers is given up`, async () => {
    const { server, client } = await setUp(wslink, {}, { keepAlive: 0.05 });
    server.methods["pubsub.subscriptions"] = () => new Promise(() => {});
    const lost = await stateOf(client, "lost");
    assert.match(lost.reason, /does not answer/);
    client.close();
  });
}

test("no server at all is an error, not a wait", async () => {
  const server = await startServer({});
  await server.stop();
  await assert.rejects(connect({ url: server.url, secret: "secret" }), CubelinkError);
});

test("an address that is none, or is not there, is said to be so", async () => {
  for (const url of ["localhost:1234", "", "file:///tmp"]) await assert.rejects(connect({ url }), (e) => e instanceof CubelinkError && /is no address/.test(e.message));
  await assert.rejects(connect({ secret: "secret" }), (e) => e instanceof CubelinkError && /there is no url/.test(e.message));
});

test("names of messages", () => {
  assert.equal(methodName("openFile"), "carta.open.file");
  assert.equal(methodName("FILE_LIST_REQUEST"), "carta.file.list.request");
  assert.equal(methodName("pvRequest"), "carta.pv.request");
});

test("tiles are decoded all the same where workers can't be started", async () => {
  globalThis.Worker = class {
    postMessage() {
      setTimeout(() => this.onerror({ preventDefault() {} }));
    }
    terminate() {}
  };
  try {
    const pool = new DecoderPool(2);
    const tile = { width: 2, height: 1, compression: 0, quality: 0, imageData: new Uint8Array(Float32Array.of(1, 2).buffer), nanEncodings: new Uint8Array(0) };
    for (let i = 0; i < 2; i++) {
      const decoded = await Promise.all([pool.decode(tile), pool.decode(tile), pool.decode(tile)]);
      assert.deepEqual(decoded, Array.from({ length: 3 }, () => Float32Array.of(1, 2)));
      await assert.rejects(pool.decode({ ...tile, width: 3 }), /3 × 1 with 8 bytes/);
    }
    pool.close();
  } finally {
    delete globalThis.Worker;
  }
});

test("in Node tiles are decoded in threads, not in the caller's, and a pool that is not closed does not keep a program alive", async () => {
  const module = new URL("../../../clients/js/dist/node.js", import.meta.url).href;
  const program = `
    import { DecoderPool } from ${JSON.stringify(module)};
    const pool = new DecoderPool(2);
    const bytes = new Uint8Array(Float32Array.of(1, 2).buffer);
    const tile = { width: 2, height: 1, compression: 0, quality: 0, imageData: bytes, nanEncodings: new Uint8Array(0) };
    let settled = false;
    const work = Promise.all([pool.decode(tile), pool.decode(tile), pool.decode({ ...tile, width: 3 }).catch((e) => e.message)]).then((r) => ((settled = true), r));
    for (let i = 0; i < 100; i++) await null; // decoded by the caller, they would be there by now
    const early = settled;
    console.log(JSON.stringify([early, bytes.length, ...(await work).map((r) => (typeof r === "string" ? r : [...r]))]));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 300_000 });
  assert.deepEqual(JSON.parse(output), [false, 8, [1, 2], [1, 2], "tile of 3 × 1 with 8 bytes"]);
});

test("tile geometry", () => {
  assert.equal(finestLayer(600, 400), 2);
  assert.deepEqual([0, 1, 2].map((x) => tileBounds(1, Math.min(x, 1), 0, 600, 400).columns), [256, 44, 44]);
  assert.deepEqual(tileOfCode(tileCode(5, 17, 31)), { layer: 5, x: 17, y: 31 });
  assert.throws(() => tileCode(1, 2, 0), RangeError);
  assert.equal(finestLayer(1, 1), 0);
});
