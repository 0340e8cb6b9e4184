// The client against the real server, by both generations of npm wslink: every value that it gives is compared with the file's.
// The server is $CUBELINK_SERVER, by default that of build/release.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { connect, CubelinkError, finestLayer, tileBounds } from "../../../clients/js/dist/node.js";

const require = createRequire(new URL("../../../clients/js/package.json", import.meta.url));
const program = process.env.CUBELINK_SERVER ?? fileURLToPath(new URL("../../../build/release/server/cubelink", import.meta.url));
const folder = fileURLToPath(new URL("../../output/js/images/", import.meta.url));
const SECRET = "another-secret";
console.error = () => {};

const [WIDTH, HEIGHT, DEPTH] = [700, 391, 12];
let state = 20261121;
const random = Float64Array.from({ length: WIDTH * HEIGHT * DEPTH }, () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
});
const pixels = Float32Array.from(random, (r, i) => {
  const x = i % WIDTH;
  const y = Math.floor(i / WIDTH) % HEIGHT;
  if (x < 37 || (x + y) % 97 === 0) return NaN;
  return Math.sin(x / 40) * Math.cos(y / 30) + 0.1 * r;
});
const value = (x, y, channel) => pixels[x + WIDTH * (y + HEIGHT * channel)];

function writeCube(path, shape = [WIDTH, HEIGHT, DEPTH], fill = (data) => pixels.forEach((v, i) => data.writeFloatBE(v, 4 * i))) {
  const card = (name, v) => `${name.padEnd(8)}= ${(typeof v === "string" ? `'${v.padEnd(8)}'` : String(v)).padStart(typeof v === "string" ? 0 : 20)}`.padEnd(80);
  const cards = [
    card("SIMPLE", "T").replace("'T       '", "                   T"), card("BITPIX", -32), card("NAXIS", 3), card("NAXIS1", shape[0]), card("NAXIS2", shape[1]), card("NAXIS3", shape[2]),
    card("CTYPE1", "RA---TAN"), card("CRVAL1", 150), card("CRPIX1", 350), card("CDELT1", -0.001), card("CUNIT1", "deg"),
    card("CTYPE2", "DEC--TAN"), card("CRVAL2", 2), card("CRPIX2", 200), card("CDELT2", 0.001), card("CUNIT2", "deg"),
    card("CTYPE3", "FREQ"), card("CRVAL3", 1.4e9), card("CRPIX3", 1), card("CDELT3", 1e6), card("CUNIT3", "Hz"), card("RESTFRQ", 1.42e9),
    card("BUNIT", "Jy/beam"), "END".padEnd(80),
  ].map((c) => c.slice(0, 80).padEnd(80));
  const head = Buffer.from(cards.join("").padEnd(Math.ceil((cards.length * 80) / 2880) * 2880));
  const data = Buffer.alloc(Math.ceil((4 * shape[0] * shape[1] * shape[2]) / 2880) * 2880);
  fill(data);
  writeFileSync(path, Buffer.concat([head, data]));
}

let server;
let url;
before(async () => {
  assert.ok(existsSync(program), `${program} is not there: build the server first`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}sub`, { recursive: true });
  writeCube(`${folder}sub/cube.fits`);
  server = spawn(program, [folder, "--port", "0", "--authKey", SECRET], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const port = await new Promise((resolve, reject) => {
    const read = (data) => {
      output += data;
      const address = /http:\/\/[^\s/]+:(\d+)\//.exec(output);
      if (address && output.includes("Starting factory")) resolve(address[1]);
    };
    server.stdout.on("data", read);
    server.stderr.on("data", read);
    server.on("exit", () => reject(new Error(output)));
  });
  url = `ws://127.0.0.1:${port}/ws`;
});
after(() => server?.kill("SIGTERM"));

const same = (got, expected, what) => assert.ok(Object.is(got, expected) || got === expected, `${what}: ${got}, expected ${expected}`);

/** The mean of the finite pixels that a pixel of a tile stands for. */
function mean(x0, y0, mip, channel) {
  let [sum, count] = [0, 0];
  for (let y = y0; y < Math.min(HEIGHT, y0 + mip); y++) {
    for (let x = x0; x < Math.min(WIDTH, x0 + mip); x++) {
      const v = value(x, y, channel);
      if (Number.isFinite(v)) [sum, count] = [sum + v, count + 1];
    }
  }
  return count === 0 ? NaN : sum / count;
}

for (const [name, wslink] of Object.entries({ "wslink 2.x": require("wslink"), "wslink 1.x": require("wslink1") })) {
  test(`${name}: lists, opens and reads an image`, async () => {
    const client = await connect({ url, secret: SECRET, wslink });
    try {
      const list = await client.list();
      assert.deepEqual(list.subdirectories.map((d) => d.name), ["sub"]);
      assert.deepEqual((await client.list("sub")).files.map((f) => f.name), ["cube.fits"]);
      await assert.rejects(client.list("../.."), CubelinkError);
      await assert.rejects(client.open("sub/nothing.fits"), CubelinkError);

      const image = await client.open("sub/cube.fits");
      assert.deepEqual([image.info.width, image.info.height, image.info.depth, image.info.stokes], [WIDTH, HEIGHT, DEPTH, 1]);
      assert.equal(image.card("BUNIT"), "Jy/beam");
      assert.equal(image.card("CRVAL3"), 1.4e9);
      assert.ok((await image.header()).cards.some((c) => c.startsWith("CTYPE3") && c.includes("FREQ")));

      const spectrum = await image.spectrum(300, 100);
      assert.equal(spectrum.length, DEPTH);
      spectrum.forEach((v, c) => same(v, value(300, 100, c), `spectrum at ${c}`));

      const block = await image.readBlock({ x: [20, 60, 3], y: [5, 9], channel: [2, 4] });
      assert.deepEqual(block.shape, [1, 2, 4, 14]);
      let i = 0;
      for (const c of [2, 3]) for (let y = 5; y < 9; y++) for (let x = 20; x < 60; x += 3) same(block.data[i++], value(x, y, c), `block at ${x}, ${y}, ${c}`);
      await assert.rejects(image.readBlock({ x: [0, WIDTH + 1] }), CubelinkError);

      const preview = await image.preview({ width: 175, height: 175, channel: 3 });
      assert.deepEqual([preview.width, preview.height, preview.data.length, preview.sampled, preview.channel, preview.stokes], [175, 98, 175 * 98, true, 3, 0]);
      const middle = (i, pixels, length) => Math.floor(((2 * i + 1) * length) / (2 * pixels));
      preview.data.forEach((v, i) => same(v, value(middle(i % 175, 175, WIDTH), middle(Math.floor(i / 175), 98, HEIGHT), 3), `preview at ${i}`));
      assert.equal(preview.histogram.bins.reduce((sum, n) => sum + n, 0), preview.data.filter((v) => !Number.isNaN(v)).length);
      assert.equal((await image.preview({ width: 1000, height: 1000 })).sampled, false);
      await assert.rejects(image.preview({ width: 0 }), CubelinkError);
      await assert.rejects(image.preview({}, { signal: AbortSignal.abort(new Error("enough")) }), /enough/);

      const shape = { region_type: "RECTANGLE", control_points: [{ x: 300, y: 100 }, { x: 4, y: 2 }], rotation: 0 };
      const { statistics, percentiles } = await image.statistics({ types: ["Max", "Median"], region: shape, channels: [2, 4], percentiles: [0, 100] });
      const inside = [2, 3].flatMap((c) => [99, 100, 101].flatMap((y) => [298, 299, 300, 301, 302].map((x) => value(x, y, c)))).filter((v) => !Number.isNaN(v)).sort((a, b) => a - b);
      const half = Math.floor((inside.length - 1) / 2);
      assert.equal(statistics.Max, inside.at(-1));
      assert.ok(statistics.Median >= inside[half] && statistics.Median <= inside[inside.length - 1 - half]);
      assert.deepEqual(percentiles, [inside[0], inside.at(-1)]);
      await assert.rejects(image.statistics({ types: ["Average"] }), /Average/);

      const [brightest, total] = await image.moments(["MAX_OF_THE_SPECTRUM", "INTEGRATED_OF_THE_SPECTRUM"], { channels: [2, 4] });
      const { data: maxima } = await brightest.readBlock({ x: [20, 60], y: 7 });
      maxima.forEach((v, at) => same(v, [2, 3].map((c) => value(20 + at, 7, c)).reduce((a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b))), `maximum at ${at}`));
      assert.notEqual(total.fileId, brightest.fileId);
      const picture = await brightest.render({ size: [60, 40], colourMap: "Viridis", limits: [0, 1], format: "webp" });
      assert.deepEqual([picture.width, picture.height, picture.mime_type, ...picture.limits], [60, 40, "image/webp", 0, 1]);
      assert.equal(new TextDecoder().decode(picture.data.subarray(8, 12)), "WEBP");
      await assert.rejects(image.render({ colourMap: "none of them" }), /none of them/);
      await assert.rejects(image.moments(["MAX_OF_THE_SPECTRUM"], { channels: [4, 4] }), CubelinkError);
      await Promise.all([brightest.close(), total.close()]);

      const region = await image.setRegion({ type: "RECTANGLE", points: [[300, 100], [20, 10]] });
      const mean = (left, c) => {
        let [sum, count] = [0, 0];
        for (let y = 95; y <= 105; y++)
          for (let x = left; x <= left + 20; x++) if (!Number.isNaN(value(x, y, c))) (sum += value(x, y, c)), count++;
        return sum / count;
      };
      const spectra = [];
      const heard = async (left) => {
        for (let wait = 0; !spectra.some((one) => Math.abs(one[3] - mean(left, 3)) < 1e-9); wait++) {
          assert.ok(wait < 3000, "the region's spectrum did not come");
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        spectra.at(-1).forEach((v, c) => assert.ok(Math.abs(v - mean(left, c)) < 1e-9, `mean of channel ${c}`));
      };
      const stop = await image.followSpectrum(region, (values, progress) => progress >= 1 && spectra.push(values));
      await heard(290);
      assert.equal(await image.setRegion({ type: "RECTANGLE", points: [[310, 100], [20, 10]], id: region }), region);
      await heard(300);
      await stop();
      await assert.rejects(image.setRegion({ type: "ELLIPSE", points: [[1, 1], [-1, 1]] }), /positive/);
      await image.removeRegion(region);

      const axis = await image.spectralAxis("frequency");
      assert.deepEqual([axis.unit, axis.values.length], ["Hz", DEPTH]);
      assert.ok(Math.abs(axis.values[7] - 1.407e9) < 1);
      const world = await image.toWorld([[349, 199], [349, 299]]);
      assert.ok(Math.abs(world.points[0][0] - 150) < 1e-9 && Math.abs(world.points[0][1] - 2) < 1e-9);
      const back = await image.toPixel(world.points);
      assert.ok(Math.abs(back.points[1][1] - 299) < 1e-6);
    } finally {
      client.close();
    }
  });

  test(`${name}: long work that is given up stops in the server, and only that`, async () => {
    const client = await connect({ url, secret: SECRET, wslink });
    const failedCalls = async () => {
      const metrics = await (await fetch(`${url.replace("ws:", "http:").replace(/ws$/, "metrics")}?token=${SECRET}`)).text();
      return Number(/^wslink_call_failures_total\{method="image.statistics"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
    };
    try {
      const image = await client.open("sub/cube.fits");
      const before = await failedCalls();
      const abort = new AbortController();
      const request = { file_id: image.fileId, channels: [0, DEPTH], types: ["Median", "MAD"], percentiles: [1, 99] };
      const all = Array.from({ length: 20 }, (_, i) => client.call("image.statistics", [], request, { signal: i < 19 ? abort.signal : undefined }));
      abort.abort(new Error("no longer wanted"));
      const outcomes = await Promise.allSettled(all);
      assert.ok(outcomes.slice(0, 19).every(({ reason }) => reason?.message === "no longer wanted"));
      assert.equal(outcomes[19].status, "fulfilled", outcomes[19].reason?.message);
      // One after the other, and the last is done: those before it have been given up or done.
      assert.ok((await failedCalls()) > before, "nothing was cancelled in the server");
    } finally {
      client.close();
    }
  });

  test(`${name}: tiles, exact and by ZFP, of the channel that was set`, async () => {
    const client = await connect({ url, secret: SECRET, wslink });
    try {
      const image = await client.open("sub/cube.fits");
      await image.setChannel(5);
      const finest = finestLayer(WIDTH, HEIGHT);
      const places = [];
      for (let layer = 0; layer <= finest; layer++) {
        for (let y = 0; y < 2 ** layer; y++) for (let x = 0; x < 2 ** layer; x++) {
          const b = tileBounds(layer, x, y, WIDTH, HEIGHT);
          if (b.x0 < WIDTH && b.y0 < HEIGHT) places.push([layer, x, y]);
        }
      }
      for (const [options, tolerance] of [[{ exact: true }, 0], [{ quality: 32 }, 1e-5], [{ quality: 11 }, 0.05]]) {
        const tiles = await Promise.all(places.map((place) => image.fetchTile(...place, options)));
        for (const tile of tiles) {
          const { x0, y0, mip, columns, rows } = tileBounds(tile.layer, tile.x, tile.y, WIDTH, HEIGHT);
          assert.deepEqual([tile.width, tile.height, tile.channel], [columns, rows, 5]);
          for (let i = 0; i < tile.pixels.length; i += 11) {
            const expected = mean(x0 + mip * (i % columns), y0 + mip * Math.floor(i / columns), mip, 5);
            const got = tile.pixels[i];
            const slack = tolerance + (mip > 1 ? 1e-6 : 0);
            assert.ok(Number.isNaN(expected) ? Number.isNaN(got) : Math.abs(got - expected) <= slack, `${tile.layer}/${tile.x}/${tile.y} at ${i}: ${got}, expected ${expected}`);
          }
        }
      }
      await assert.rejects(image.setChannel(DEPTH), CubelinkError);
      await assert.rejects(image.fetchTile(finest, 3, 3), CubelinkError);
      assert.equal(image.channel, 5);
    } finally {
      client.close();
    }
  });

  test(`${name}: histogram, cursor and its profiles by topics`, async () => {
    const client = await connect({ url, secret: SECRET, wslink });
    try {
      const heard = {};
      const wait = async (topic, condition) => {
        for (let i = 0; i < 12_000; i++) {
          const found = (heard[topic] ?? []).find(condition);
          if (found) return found;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        throw new Error(`nothing right came on ${topic}`);
      };
      for (const topic of ["carta.region.histogram.data", "carta.spatial.profile.data", "carta.spectral.profile.data"]) {
        await client.subscribe(topic, {}, (m) => (heard[topic] ??= []).push(m));
      }
      const image = await client.open("sub/cube.fits");
      const histogram = await wait("carta.region.histogram.data", (m) => m.region_id === -1);
      const finite = Array.from(pixels.subarray(0, WIDTH * HEIGHT)).filter(Number.isFinite);
      assert.equal(histogram.histograms.bins.reduce((a, b) => a + b, 0), finite.length);
      await client.carta.setSpatialRequirements({ file_id: image.fileId, region_id: 0, spatial_profiles: [{ coordinate: "x" }, { coordinate: "y", start: 50, end: 90 }] });
      await client.carta.setSpectralRequirements({ file_id: image.fileId, region_id: 0, spectral_profiles: [{ coordinate: "z", stats_types: ["Mean"] }] });
      await image.setCursor(222, 77);
      const spatial = await wait("carta.spatial.profile.data", (m) => m.x === 222 && m.y === 77 && m.profiles.length === 2);
      same(Math.fround(spatial.value), value(222, 77, 0), "value");
      const floats = (bytes) => new Float32Array(bytes.slice().buffer);
      floats(spatial.profiles[0].raw_values_fp32).forEach((v, x) => same(v, value(x, 77, 0), `x profile at ${x}`));
      const y = floats(spatial.profiles[1].raw_values_fp32);
      assert.equal(y.length, 40);
      y.forEach((v, k) => same(v, value(222, 50 + k, 0), `y profile at ${50 + k}`));
      const spectrum = await wait("carta.spectral.profile.data", (m) => m.progress >= 1 && floats(m.profiles[0].raw_values_fp32)[3] === value(222, 77, 3));
      floats(spectrum.profiles[0].raw_values_fp32).forEach((v, c) => same(v, value(222, 77, c), `spectrum at ${c}`));
    } finally {
      client.close();
    }
  });
}

test("a session that does not exist is not joined, and a new one is made only where that is wanted", async () => {
  const first = await connect({ url, secret: SECRET });
  const unknown = first.sessionId ^ 1;
  try {
    const count = (await first.call("session.connections")).length;
    await assert.rejects(connect({ url, secret: SECRET, sessionId: unknown }), (error) => error.code === -32001 && error.message.includes(String(unknown)));
    assert.equal((await first.call("session.connections")).length, count);
    const other = await connect({ url, secret: SECRET, sessionId: unknown, orNewSession: true });
    assert.ok(other.sessionId > 0 && other.sessionId !== unknown && other.sessionId !== first.sessionId);
    other.close();
  } finally {
    first.close();
  }
});

test("alone in its session, a client opens an image with one message; it is told who comes and goes", async () => {
  const first = await connect({ url, secret: SECRET });
  try {
    const counts = [];
    const told = async (count) => {
      while (counts.at(-1) !== count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    first.onSessionChange(({ what, connections }) => what === "connections" && counts.push(connections));
    const called = [];
    const call = first.call;
    first.call = (method, ...rest) => (called.push(method), call.call(first, method, ...rest));
    const calls = async () => {
      called.length = 0;
      const { fileId } = await first.open("sub/cube.fits");
      return [fileId, ...called];
    };
    // Its own arrival has been told, or is on its way.
    await first.call("session.state");
    assert.deepEqual(await calls(), [0, "carta.open.file"]);
    const second = await connect({ url, secret: SECRET, sessionId: first.sessionId });
    await told(2);
    const { fileId } = await second.open("sub/cube.fits");
    assert.equal(fileId, 1);
    assert.deepEqual(await calls(), [2, "session.state", "carta.open.file"]);
    second.close();
    await told(1);
    assert.deepEqual(await calls(), [3, "carta.open.file"]);
  } finally {
    first.close();
  }
});

test("two clients in one session: image ids, channels and tiles do not get into each other's way", async () => {
  const first = await connect({ url, secret: SECRET });
  const second = await connect({ url, secret: SECRET, sessionId: first.sessionId });
  try {
    assert.equal(second.sessionId, first.sessionId);
    const open = (client) => client.open("sub/cube.fits");
    const [image, another] = await Promise.all([open(first), open(first)]);
    const images = [image, another, await open(second), await open(first)];
    assert.deepEqual(images.map((i) => i.fileId), [0, 1, 2, 3]);
    assert.deepEqual((await second.sessionState()).files.map((f) => f.file_id).sort(), [0, 1, 2, 3]);

    // The second client shows another channel of the first one's image: it is told, and what it still waited for fails.
    const told = new Promise((resolve) => (image.onPlaneChanged = resolve));
    await second.carta.setImageChannels({ file_id: image.fileId, channel: 7, stokes: 0 });
    await told;
    assert.equal(image.channel, 7);
    const tile = await image.fetchTile(2, 1, 1, { exact: true });
    assert.equal(tile.channel, 7);
    same(tile.pixels[0], value(256, 256, 7), "pixel of the tile");
    const given = assert.rejects(image.fetchTile(2, 0, 0), /another channel/);
    for (let i = 0; i < 50; ++i) await null; // it is asked for, and nothing can have come: no message is heard between these
    await image.setChannel(2);
    await given;
    // Its own subscriptions bring each the tiles of its own view only.
    let foreign = 0;
    await second.tiles().ready();
    second.tiles().listen({ tile: () => (foreign += 1) });
    assert.equal((await image.fetchTile(0, 0, 0)).channel, 2);
    await second.call("server.info");
    assert.equal(foreign, 0);
  } finally {
    second.close();
    first.close();
  }
});

test("tiles asked for at once in several precisions come in theirs; a tile that can't be made is an error at once", async () => {
  const client = await connect({ url, secret: SECRET });
  try {
    const image = await client.open("sub/cube.fits");
    const [rough, exact] = await Promise.all([image.fetchTile(2, 1, 0), image.fetchTile(2, 1, 0, { exact: true }), image.fetchTile(2, 2, 0)]);
    same(exact.pixels[5], value(261, 0, 0), "exact");
    assert.ok(rough.pixels.some((v, i) => v !== exact.pixels[i] && !Number.isNaN(v)), "the rough tile is no exact one");
    assert.ok((await image.spectrum(300, 100)) instanceof Float32Array);
    // The file is written again while it is open.
    const copy = `${folder}sub/copy.fits`;
    copyFileSync(`${folder}sub/cube.fits`, copy);
    const changing = await client.open("sub/copy.fits");
    copyFileSync(`${folder}sub/cube.fits`, copy);
    utimesSync(copy, 1e9, 1e9);
    for (const what of [() => changing.fetchTile(2, 0, 0), () => changing.fetchTile(2, 1, 0), () => changing.spectrum(1, 1)]) {
      await assert.rejects(what(), (e) => e instanceof CubelinkError && /written to since it was opened; open it again/.test(e.message));
    }
  } finally {
    client.close();
  }
});

test("the address that the server prints is enough", async () => {
  const printed = `${url.replace("ws:", "http:").replace(/ws$/, "")}?token=${SECRET}`;
  const client = await connect({ url: printed });
  assert.equal(client.state, "connected");
  client.close();
  await assert.rejects(connect({ url: printed, secret: "another" }), (e) => e.code === -32000);
});

test("the README's example, as it stands", async () => {
  const values = [5, 7];
  writeCube(`${folder}disk_cube.fits`, [300, 300, 66], (data) => values.forEach((v, i) => data.writeFloatBE(v, 4 * (256 + 300 * (256 + 300 * (64 + i))))));
  const text = readFileSync(new URL("../../../clients/js/README.md", import.meta.url), "utf8");
  const example = /```js\n([^]*?)```/.exec(text)[1];
  const client = new URL("../../../clients/js/dist/node.js", import.meta.url).href;
  const program = [["ws://localhost:1234/ws", url], ["the secret that the server printed", SECRET], ['"cubelink"', JSON.stringify(client)]].reduce((code, [from, to]) => {
    assert.ok(code.includes(from), from);
    return code.replace(from, to);
  }, example);
  const path = `${folder}../readme_example.mjs`;
  writeFileSync(path, `${program}\nconsole.log(JSON.stringify([[...spectrum.slice(64)], [...block.data.slice(-4, -3)], block.shape, tile.pixels.length, values.length, unit, points.length]));\n`);
  // Between the two lines may come the mean of the histogram that the example subscribes to.
  const lines = execFileSync(process.execPath, [path], { encoding: "utf8", timeout: 300_000 }).trim().split("\n");
  assert.equal(lines[0], "300 300 66 Jy/beam");
  assert.deepEqual(JSON.parse(lines.find((line) => line.startsWith("["))), [values, [0], [1, 1, 100, 100], 150 * 150, 66, "m/s", 1]);
});

test("examples/spectrum.mjs writes the spectrum of a pixel, and says what is wrong", async () => {
  // As a program that has installed the package sees it.
  const home = fileURLToPath(new URL("../../output/js/example/", import.meta.url));
  rmSync(home, { recursive: true, force: true });
  mkdirSync(`${home}node_modules`, { recursive: true });
  symlinkSync(fileURLToPath(new URL("../../../clients/js", import.meta.url)), `${home}node_modules/cubelink`);
  copyFileSync(new URL("../../../clients/js/examples/spectrum.mjs", import.meta.url), `${home}spectrum.mjs`);
  const address = `${url.replace("ws:", "http:").replace(/ws$/, "")}?token=${SECRET}`;
  const run = (...args) => spawnSync(process.execPath, [`${home}spectrum.mjs`, address, ...args], { encoding: "utf8", timeout: 300_000 });
  const { status, stdout, stderr } = run("sub/cube.fits", "300", "200");
  assert.equal(status, 0, stderr);
  const [head, ...rows] = stdout.trim().split("\n");
  assert.match(head, /^\w+ \(\w[^)]*\),Jy\/beam$/);
  assert.deepEqual(rows.map((row) => Math.fround(Number(row.split(",")[1]))), Array.from({ length: DEPTH }, (_, c) => value(300, 200, c)));
  const missing = run("nothing.fits", "1", "2");
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^spectrum: .*nothing\.fits/);
});
