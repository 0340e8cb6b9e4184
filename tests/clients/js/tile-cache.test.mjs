// The cache of decoded tiles: what it keeps and what it forgets, alone and under Image.fetchTile().
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { connect, TileCache } from "../../../clients/js/dist/node.js";
import { imageMethods } from "./mock/images.mjs";
import { startServer } from "./mock/wslink_server.mjs";

const tile = (x, fileId = 0, pixels = 10) => ({ fileId, channel: 0, stokes: 0, layer: 3, x, y: 0, width: pixels, height: 1, pixels: new Float32Array(pixels), syncId: 1, animationId: 0 });

test("the least recently used go first, bytes are counted, precisions are kept apart", () => {
  const cache = new TileCache(120);
  for (const x of [0, 1, 2]) cache.add(tile(x), 11);
  assert.deepEqual([cache.size, cache.bytes], [3, 120]);
  assert.ok(cache.get(tile(0), 11));
  assert.equal(cache.get(tile(0), 12), undefined);
  cache.add(tile(3), 11);
  assert.deepEqual([0, 1, 2, 3].map((x) => cache.get(tile(x), 11) !== undefined), [true, false, true, true]);
  cache.add(tile(3, 0, 5), 11);
  assert.deepEqual([cache.size, cache.bytes], [3, 100]);
  cache.add(tile(4, 0, 31), 11);
  assert.deepEqual([cache.size, cache.bytes], [3, 100]);
  cache.add(tile(0, 7, 1), 11);
  cache.forget(0);
  assert.deepEqual([cache.size, cache.bytes], [1, 4]);
  cache.clear();
  assert.deepEqual([cache.size, cache.bytes], [0, 0]);
  assert.throws(() => new TileCache(-1), RangeError);
});

const open = [];
after(async () => {
  for (const close of open) await close();
});

async function setUp(options = {}) {
  const server = await startServer(imageMethods({}));
  const client = await connect({ url: server.url, secret: "secret", keepAlive: 0, ...options });
  open.push(() => client.close(), () => server.stop());
  const requests = () => server.calls.filter((c) => c.method === "carta.add.required.tiles").length;
  return { server, client, requests, image: await client.open("cube.fits") };
}

test("a tile that was fetched is not asked for again, unless freshly, in another precision, of another channel, after a reconnect or after closing", async () => {
  const { server, client, requests, image } = await setUp();
  const first = await image.fetchTile(0, 0, 0);
  assert.equal(await image.fetchTile(0, 0, 0), first);
  assert.equal(requests(), 1);
  await image.fetchTile(0, 0, 0, { fresh: true });
  await image.fetchTile(0, 0, 0, { exact: true });
  assert.equal(requests(), 3);
  await image.setChannel(3);
  assert.equal((await image.fetchTile(0, 0, 0)).channel, 3);
  assert.equal(requests(), 4);
  await image.setChannel(0);
  await image.fetchTile(0, 0, 0);
  assert.equal(requests(), 4);
  await assert.rejects(image.fetchTile(0, 0, 0, { signal: AbortSignal.abort(new Error("no")) }), /no/);
  const back = new Promise((resolve) => client.onState(({ state }) => state === "connected" && resolve()));
  server.drop();
  await back;
  assert.equal(client.tileCache.size, 0);
});

test("without a budget nothing is kept", async () => {
  const { client, requests, image } = await setUp({ tileCache: 0 });
  await image.fetchTile(0, 0, 0);
  await image.fetchTile(0, 0, 0);
  assert.deepEqual([requests(), client.tileCache.size], [2, 0]);
});
