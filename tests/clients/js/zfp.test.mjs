// The ZFP decoder against libzfp: vectors written by zfp_vectors.cpp, compared bit for bit.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { decodeZfp } from "../../../clients/js/dist/zfp.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const output = fileURLToPath(new URL("../../output/js/", import.meta.url));
const seed = process.env.CUBELINK_SEED ?? String(Date.now() % 1e9);

before(() => {
  mkdirSync(output, { recursive: true });
  execFileSync("c++", ["-std=c++17", "-O1", `${here}zfp_vectors.cpp`, "-lzfp", "-o", `${output}zfp_vectors`], { stdio: "inherit" });
});

function* vectors(count) {
  const bytes = execFileSync(`${output}zfp_vectors`, [seed, String(count)], { maxBuffer: 1 << 30 });
  for (let at = 0; at < bytes.length; ) {
    const [width, height, precision, size] = [0, 4, 8, 12].map((k) => bytes.readInt32LE(at + k));
    at += 16;
    const stream = new Uint8Array(bytes.subarray(at, at + size));
    at += size;
    const expected = bytes.subarray(at, at + 4 * width * height);
    at += 4 * width * height;
    yield { width, height, precision, stream, expected };
  }
}

test(`decodes what libzfp encodes, bit for bit (CUBELINK_SEED=${seed})`, () => {
  let count = 0;
  for (const { width, height, precision, stream, expected } of vectors(400)) {
    const decoded = decodeZfp(stream, width, height, precision);
    const got = Buffer.from(decoded.buffer, decoded.byteOffset, decoded.byteLength);
    if (!got.equals(expected)) {
      let i = 0;
      while (got.readUInt32LE(4 * i) === expected.readUInt32LE(4 * i)) i++;
      assert.fail(`vector ${count}: ${width} × ${height} at precision ${precision}: value ${i} is ${decoded[i]}, libzfp says ${expected.readFloatLE(4 * i)}`);
    }
    count += 1;
  }
  assert.equal(count, 400);
});

test("a stream that ends early is an error, never made-up pixels", () => {
  for (const { width, height, precision, stream } of vectors(60)) {
    if (stream.byteLength < 64) continue;
    assert.throws(() => decodeZfp(stream.subarray(0, stream.byteLength >> 1), width, height, precision), /ends too early/);
  }
  assert.throws(() => decodeZfp(new Uint8Array(0), 4, 4, 11), /ends too early/);
});

test("garbage neither hangs nor throws anything but Error", () => {
  let state = Number(seed) | 1;
  const garbage = new Uint8Array(4096).map(() => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24);
  for (let cut = 0; cut < 4096; cut += 97) {
    try {
      decodeZfp(garbage.subarray(cut), 64, 64, 20);
    } catch (error) {
      assert.match(error.message, /ends too early/);
    }
  }
});

test("impossible arguments are refused", () => {
  for (const [width, height, precision] of [[0, 1, 11], [1, -1, 11], [1.5, 1, 11], [4, 4, 0], [1 << 20, 1 << 20, 11]]) {
    assert.throws(() => decodeZfp(new Uint8Array(64), width, height, precision), RangeError);
  }
});

test("a tile of 256 × 256 at precision 11 takes milliseconds", () => {
  const tiles = [...vectors(200)].filter((v) => v.width === 256 && v.height === 256 && v.precision === 11);
  assert.ok(tiles.length > 5);
  const decodeAll = () => tiles.forEach((v) => decodeZfp(v.stream, 256, 256, 11));
  decodeAll();
  const start = process.cpuUsage(); // of the processor's time, not of the day's, of which others take their part
  decodeAll();
  const { user, system } = process.cpuUsage(start);
  const each = (user + system) / 1000 / tiles.length;
  console.log(`${each.toFixed(2)} ms per tile`);
  assert.ok(each < 100, `${each} ms per tile`); // generous: test machines are slow
});
