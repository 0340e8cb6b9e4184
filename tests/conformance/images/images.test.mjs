// npm wslink 1.12.4 and 2.5.0, side by side, against the image server. What they get is compared with the bytes of the FITS files.
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, bytes, floats, startServer } from "./clients.mjs";
import { readFits, writeFits } from "./fits.mjs";

const HISTOGRAM = "carta.region.histogram.data";
const TILE = "carta.raster.tile.data";
const SYNC = "carta.raster.tile.sync";
const SPATIAL = "carta.spatial.profile.data";
const SPECTRAL = "carta.spectral.profile.data";
const ERROR = "carta.error.data";
const BLANK = -3.4028234663852886e38;

const folder = mkdtempSync(join(tmpdir(), "cubelink-js-"));
const images = join(folder, "images");
let server, cube, plane;

before(async () => {
  mkdirSync(images);
  const noise = (i) => Math.fround(Math.sin(i * 12.9898) * 43758.5453 % 7);
  writeFits(join(images, "cube.fits"), [60, 50, 12, 2], (i) => (i % 977 === 3 ? NaN : noise(i)), {
    CTYPE1: "RA---SIN", CTYPE2: "DEC--SIN", CTYPE3: "FREQ", CTYPE4: "STOKES", CRVAL1: 120.5, CRVAL2: 30.5, CRVAL3: 1.4e9, CRVAL4: 1,
    CRPIX1: 30, CRPIX2: 25, CRPIX3: 1, CRPIX4: 1, CDELT1: -0.001, CDELT2: 0.001, CDELT3: 1e6, CDELT4: 1, CUNIT3: "Hz", RESTFRQ: 1.42e9,
  }); // prettier-ignore
  writeFits(join(images, "plane.fits"), [2400, 2300], (i) => (i % 1009 === 0 ? Infinity : noise(i)), { BUNIT: "Jy/beam" });
  cube = readFits(join(images, "cube.fits"));
  plane = readFits(join(images, "plane.fits"));
  server = await startServer(images, join(folder, "store.sqlite"));
});

after(async () => {
  assert.equal(await server.stop(), 0, "SIGTERM ends the server with 0");
  rmSync(folder, { recursive: true });
});

async function viewer(generation, session_id = 0) {
  const client = await Client.connect(generation, server);
  client.listen(HISTOGRAM, TILE, SYNC, SPATIAL, SPECTRAL, ERROR);
  client.registered = await client.call("carta.register.viewer", [{ session_id }]);
  assert.equal(client.registered.success, true);
  return client;
}

async function open(client, file, file_id = 0) {
  const ack = await client.call("carta.open.file", [], { file, file_id, render_mode: "RASTER" });
  assert.equal(ack.success, true, ack.message);
  return ack;
}

/** The tiles of a request, {code: {x, y, layer, width, height, pixels}}: matched by sync_id and counted, in whatever order they come. */
async function tiles(client, file_id, codes, request = {}) {
  await client.call("carta.add.required.tiles", [{ file_id, tiles: codes, compression_type: "NONE", ...request }]);
  const begin = await client.next(SYNC, (sync) => !sync.end_sync);
  const end = await client.next(SYNC, (sync) => sync.end_sync && sync.sync_id === begin.sync_id);
  assert.equal(begin.tile_count, codes.length);
  assert.equal(end.tile_count, codes.length);
  const found = {};
  for (let i = 0; i < codes.length; i += 1) {
    const message = await client.next(TILE, (tile) => tile.sync_id === begin.sync_id);
    for (const tile of message.tiles) found[(tile.layer << 24) | (tile.y << 12) | tile.x] = { ...tile, message };
  }
  assert.equal(Object.keys(found).length, codes.length);
  return found;
}

/** The mean of the finite pixels of a block; the blank if there is none. */
function mean(image, x0, y0, mip, width, height, channel, stokes) {
  let sum = 0;
  let count = 0;
  for (let y = y0; y < Math.min(y0 + mip, height); y += 1) {
    for (let x = x0; x < Math.min(x0 + mip, width); x += 1) {
      const value = image.at(x, y, channel, stokes);
      if (Number.isFinite(value)) [sum, count] = [sum + value, count + 1];
    }
  }
  return count ? sum / count : BLANK;
}

async function checkTile(tile, image, mip, channel = 0, stokes = 0) {
  const [width, height] = image.axes;
  const got = await floats(tile.image_data);
  assert.equal(got.length, tile.width * tile.height);
  for (let y = 0; y < tile.height; y += 1) {
    for (let x = 0; x < tile.width; x += 1) {
      const wanted = mean(image, (256 * tile.x + x) * mip, (256 * tile.y + y) * mip, mip, width, height, channel, stokes);
      const difference = Math.abs(got[y * tile.width + x] - wanted);
      if (mip === 1 ? difference !== 0 : !(difference <= 1e-5)) assert.fail(`tile ${tile.layer}/${tile.x}/${tile.y}, pixel ${x}, ${y}: ${got[y * tile.width + x]} and not ${wanted}`);
    }
  }
}

function checkHistogram(message, image, channel = 0, stokes = 0) {
  const [width, height] = image.axes;
  const values = [];
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) values.push(image.at(x, y, channel, stokes));
  const finite = values.filter(Number.isFinite);
  const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const count = Math.max(Math.floor(Math.sqrt(width * height)), 2);
  const bins = new Array(count).fill(0);
  const binWidth = (high - low) / count;
  for (const v of finite) bins[Math.min(Math.floor((v - low) / binWidth), count - 1)] += 1;
  const average = finite.reduce((a, b) => a + b) / finite.length;
  const { histograms: histogram } = message;
  assert.deepEqual([message.region_id, message.channel, message.stokes, message.progress], [-1, channel, stokes, 1]);
  assert.equal(histogram.num_bins, count);
  assert.deepEqual([...histogram.bins], bins);
  assert.ok(Math.abs(histogram.mean - average) < 1e-9);
  assert.ok(Math.abs(histogram.first_bin_center - (low + binWidth / 2)) < 1e-12);
}

for (const generation of [1, 2]) {
  const name = (what) => `generation ${generation}: ${what}`;

  test(name("hello"), async () => {
    const quiet = console.error;
    console.error = () => {};
    await assert.rejects(Client.connect(generation, server, "wrong"));
    console.error = quiet;
    const client = await Client.connect(generation, server);
    assert.equal((await client.call("server.info")).icd_version, 30);
    assert.match(client.session.call ? String(client.connection.getSession() && "ok") : "", /ok/);
    client.close();
  });

  test(name("calls fail with codes and words"), async () => {
    const client = await Client.connect(generation, server);
    const cases = [
      ["carta.open.file", [{ file: "cube.fits" }], {}, -32001, /register/i],
      ["no.such.method", [], {}, -32601, /Unregistered method called/],
    ];
    for (const [method, args, kwargs, code, text] of cases) {
      const error = await client.failure(method, args, kwargs);
      assert.equal(error.code, code, method);
      assert.match(`${error.message} ${JSON.stringify(error.data)}`, text);
    }
    await client.call("carta.register.viewer", [{}]);
    for (const [method, args, kwargs, code, text] of [
      ["carta.open.file", [{ file: 7 }], {}, -32602, /file: expected/],
      ["carta.open.file", [], { nonsense: 1 }, -32602, /nonsense/],
      ["carta.open.file", [{ file: "cube.fits" }], { file_id: 1 }, -32602, /./],
      ["carta.set.cursor", [{ file_id: 0, point: { x: "a" } }], {}, -32602, /point\.x: expected/],
      ["carta.set.cursor", [{ file_id: 9, point: { x: 1, y: 1 } }], {}, -32001, /9/],
      ["carta.add.required.tiles", [{ file_id: 0.5 }], {}, -32602, /file_id/],
      ["image.header", [], {}, -32602, /file_id/],
    ]) {
      const error = await client.failure(method, args, kwargs);
      assert.equal(error.code, code, `${method}: ${error.message}`);
      assert.match(`${error.message} ${JSON.stringify(error.data)}`, text);
    }
    const ack = await client.call("carta.open.file", [{ file: "missing.fits", file_id: 4 }]);
    assert.equal(ack.success, false);
    assert.match(ack.message, /missing\.fits/);
    // Bytes where text belongs: an error, and the attachment is used up.
    assert.equal((await client.failure("carta.open.file", [{ file: client.attach(new Uint8Array([1, 2, 3])) }])).code, -32602);
    assert.equal((await client.call("server.info")).name, "Cubelink");
    client.close();
  });

  test(name("an image: acknowledgement, histogram, tiles"), async () => {
    const client = await viewer(generation);
    const ack = await open(client, "plane.fits", 3);
    const info = ack.file_info_extended;
    assert.deepEqual([ack.file_id, info.width, info.height, info.depth, info.stokes, info.dimensions], [3, 2400, 2300, 1, 1, 2]);
    assert.equal(info.header_entries.find((entry) => entry.name === "BUNIT").value, "Jy/beam");
    checkHistogram(await client.next(HISTOGRAM), plane);
    const full = [];
    for (let y = 0; y < 9; y += 2) for (let x = 0; x < 10; x += 3) full.push((4 << 24) | (y << 12) | x);
    for (const tile of Object.values(await tiles(client, 3, full))) await checkTile(tile, plane, 1);
    for (const [code, mip] of [[0, 16], [1 << 24 | 1 << 12 | 1, 8], [3 << 24 | 4, 2]]) await checkTile(Object.values(await tiles(client, 3, [code]))[0], plane, mip); // prettier-ignore
    const zfp = Object.values(await tiles(client, 3, [0], { compression_type: "ZFP", compression_quality: 11 }))[0];
    assert.equal(zfp.message.compression_type, "ZFP");
    const runs = await bytes(zfp.nan_encodings);
    assert.equal(Array.from({ length: runs.length / 4 }, (_, i) => runs.readInt32LE(4 * i)).reduce((a, b) => a + b), 150 * 144);
    client.close();
  });

  test(name("a cube: channels, profiles, spectra"), async () => {
    const client = await viewer(generation);
    await open(client, "cube.fits");
    checkHistogram(await client.next(HISTOGRAM), cube);
    await checkTile((await tiles(client, 0, [0]))[0], cube, 1);
    assert.equal(await client.call("carta.set.spatial.requirements", [], { file_id: 0, region_id: 0, spatial_profiles: [{ coordinate: "x" }, { coordinate: "y", start: 5, end: 20 }] }), null);
    await client.call("carta.set.spectral.requirements", [], { file_id: 0, region_id: 0, spectral_profiles: [{ coordinate: "z", stats_types: ["Mean"] }] });
    await client.call("carta.set.cursor", [{ file_id: 0, point: { x: 7.4, y: 11 } }]);
    const spatial = await client.next(SPATIAL);
    assert.deepEqual([spatial.x, spatial.y], [7, 11]);
    assert.equal(Math.fround(spatial.value), cube.at(7, 11));
    const row = await floats(spatial.profiles[0].raw_values_fp32);
    assert.deepEqual([...row], Array.from({ length: 60 }, (_, x) => cube.at(x, 11)));
    const column = await floats(spatial.profiles[1].raw_values_fp32);
    assert.deepEqual([...column], Array.from({ length: 15 }, (_, y) => cube.at(7, 5 + y)));
    const spectral = await client.next(SPECTRAL, (message) => message.progress >= 1);
    assert.deepEqual([...(await floats(spectral.profiles[0].raw_values_fp32))], Array.from({ length: 12 }, (_, z) => cube.at(7, 11, z)));

    assert.equal(await client.call("carta.set.image.channels", [{ file_id: 0, channel: 5, stokes: 1, required_tiles: { tiles: [0], compression_type: "NONE" } }]), null);
    checkHistogram(await client.next(HISTOGRAM), cube, 5, 1);
    const tile = await client.next(TILE, (message) => message.channel === 5);
    assert.equal(tile.stokes, 1);
    await checkTile(tile.tiles[0], cube, 1, 5, 1);
    client.close();
  });

  test(name("exact pixels, large and empty attachments"), async () => {
    const client = await viewer(generation);
    await open(client, "plane.fits");
    const block = await client.call("image.read", [], { file_id: 0 }); // 21 MiB
    const data = await bytes(block.data);
    assert.deepEqual([...block.shape], [1, 1, 2300, 2400]);
    assert.ok(data.length > 20 * 1024 * 1024);
    for (let i = 0; i < data.length / 4; i += 1) {
      const value = plane.at(i % 2400, Math.floor(i / 2400));
      const got = data.readFloatLE(4 * i);
      if (got !== value && !(Number.isNaN(got) && !Number.isFinite(value))) assert.fail(`pixel ${i}: ${got} and not ${value}`);
    }
    const strided = await client.call("image.read", [0, [10, 30, 7], 5]);
    assert.deepEqual([...(await floats(strided.data))], [10, 17, 24].map((x) => plane.at(x, 5)));
    // A tile of a 2-D image has empty nan_encodings when it is not compressed: an attachment of no bytes.
    const tile = Object.values(await tiles(client, 0, [0]))[0];
    assert.equal((await bytes(tile.nan_encodings)).length, 0);
    // 20 MiB to the server, in a place where it does not belong: refused in words, and the connection lives.
    const large = new Uint8Array(20 << 20).map((_, i) => (i * 7) % 253);
    assert.equal((await client.failure("carta.open.file", [{ file: client.attach(large) }])).code, -32602);
    assert.equal((await client.failure("image.read", [client.attach(new Uint8Array(0))])).code, -32602);
    assert.equal((await client.call("server.info")).name, "Cubelink");
    client.close();
  });

  test(name("for programs: header, world coordinates, spectral axis"), async () => {
    const client = await viewer(generation);
    await open(client, "cube.fits");
    const { cards } = await client.call("image.header", [0]);
    assert.ok(cards.some((card) => /^CRVAL3 *= +1400000000/.test(card)));
    const world = await client.call("image.to_world", [0, [[29, 24]]]);
    assert.ok(Math.abs(world.points[0][0] - 120.5) < 1e-9 && Math.abs(world.points[0][1] - 30.5) < 1e-9);
    const axis = await client.call("image.spectral_axis", [], { file_id: 0, kind: "frequency" });
    assert.deepEqual([...axis.values], Array.from({ length: 12 }, (_, z) => 1.4e9 + 1e6 * z));
    client.close();
  });

  test(name("subscriptions"), async () => {
    const client = await viewer(generation);
    await open(client, "cube.fits");
    await client.next(HISTOGRAM);
    await client.call("pubsub.subscribe", [HISTOGRAM, { file_id: 0 }]);
    await client.call("carta.set.image.channels", [{ file_id: 0, channel: 3, required_tiles: { tiles: [0] } }]);
    checkHistogram(await client.next(HISTOGRAM), cube, 3);
    await client.call("server.info");
    assert.equal(client.waiting(TILE), 0, "what was not subscribed to came");
    await client.call("pubsub.subscribe", [TILE]);
    await client.call("carta.add.required.tiles", [{ file_id: 0, tiles: [0], compression_type: "NONE" }]);
    await checkTile((await client.next(TILE)).tiles[0], cube, 1, 3);
    client.close();
  });
}

test("both generations in one session, with views of their own", async () => {
  const one = await viewer(1);
  const two = await viewer(2, one.registered.session_id);
  assert.deepEqual([one.registered.session_type, two.registered.session_type], ["NEW", "RESUMED"]);
  await open(two, "plane.fits");
  for (const client of [one, two]) checkHistogram(await client.next(HISTOGRAM), plane);
  const [coarse, fine] = await Promise.all([tiles(one, 0, [0]), tiles(two, 0, [4 << 24, (4 << 24) | 1])]);
  await checkTile(coarse[0], plane, 16);
  await checkTile(fine[(4 << 24) | 1], plane, 1);
  await one.call("carta.set.cursor", [{ file_id: 0, point: { x: 100, y: 200 } }]);
  for (const client of [one, two]) assert.equal(Math.fround((await client.next(SPATIAL)).value), plane.at(100, 200));
  assert.deepEqual([one.waiting(TILE), two.waiting(TILE), one.waiting(SYNC), two.waiting(SYNC)], [0, 0, 0, 0]);
  const state = await one.call("session.state");
  assert.deepEqual([state.files.length, state.files[0].open_file_ack.file_info.name, state.next_file_id], [1, "plane.fits", 1]);
  const stranger = await viewer(2);
  assert.deepEqual((await stranger.call("session.state")).files, []);
  for (const client of [one, two, stranger]) client.close();
});
