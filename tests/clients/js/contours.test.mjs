// Contours as they travel: plain, and packed as the ICD says (rounded, differences, bytes transposed, Zstandard).
import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeContours, DecoderPool } from "../../../clients/js/dist/node.js";

const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const vertices = [10.25, 20.5, 11.75, 20.5, 12, 22.125, 3, 4, 3.5, 1000.25];

function packed(values, steps) {
  const whole = values.map((v) => Math.round(v * steps));
  const differences = Int32Array.from(whole, (v, i) => v - (i >= 2 ? whole[i - 2] : 0));
  const plain = bytesOf(differences);
  const out = plain.slice();
  for (let block = 0; block + 16 <= plain.length; block += 16) {
    [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15].forEach((from, to) => (out[block + to] = plain[block + from]));
  }
  return out;
}

const set = (more) => ({ level: 3, decimation_factor: 0, raw_coordinates: bytesOf(Float32Array.from(vertices)), raw_start_indices: bytesOf(Int32Array.of(0, 6)), uncompressed_coordinates_size: 40, ...more });
const expected = vertices.map((v) => v - 0.5);

test("plain floats: pixels whose first one's centre is 0", () => {
  const lines = decodeContours(set());
  assert.equal(lines.level, 3);
  assert.deepEqual([...lines.vertices], expected);
  assert.deepEqual([...lines.starts], [0, 3]);
});

test("packed: blocks of four and what is left over; the bytes are handed to the decompressor as they came", () => {
  const coordinates = Uint8Array.of(1, 2, 3);
  let given;
  const lines = decodeContours(set({ decimation_factor: 8, raw_coordinates: coordinates }), (bytes, size) => {
    given = [bytes, size];
    return packed(vertices, 8);
  });
  assert.deepEqual(given, [coordinates, 40]);
  assert.deepEqual([...lines.vertices], expected);
});

test("nothing is nothing, packed or not", () => {
  for (const decimation_factor of [0, 4]) {
    const lines = decodeContours(set({ decimation_factor, raw_coordinates: new Uint8Array(), raw_start_indices: new Uint8Array(), uncompressed_coordinates_size: 0 }), () => assert.fail());
    assert.deepEqual([lines.vertices.length, lines.starts.length], [0, 0]);
  }
});

test("what makes no sense is refused", () => {
  for (const [more, why] of [
    [{ decimation_factor: 4 }, /nothing to decompress/],
    [{ uncompressed_coordinates_size: 12 }, /no vertices/],
    [{ uncompressed_coordinates_size: 2 ** 40 }, /no vertices/],
    [{ uncompressed_coordinates_size: -8 }, /no vertices/],
    [{ raw_start_indices: bytesOf(Int32Array.of(0, 60)) }, /begin where/],
    [{ raw_start_indices: bytesOf(Int32Array.of(4, 2)) }, /begin where/],
    [{ raw_start_indices: bytesOf(Int32Array.of(-2)) }, /begin where/],
  ]) assert.throws(() => decodeContours(set(more)), why);
  assert.throws(() => decodeContours(set({ decimation_factor: 4 }), () => new Uint8Array(8)), /8 bytes instead of 40/);
});

/** A frame of Zstandard (RFC 8878) with one block that is stored as it is. */
function zstd(bytes) {
  assert.ok(bytes.length < 256);
  const header = 1 | (bytes.length << 3);
  return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.length, header & 0xff, header >> 8, 0, ...bytes);
}

test("decoded by workers: the same lines; what makes no sense is refused, and the next set is decoded", async () => {
  const pool = new DecoderPool(2);
  try {
    const compressed = zstd(packed(vertices, 8));
    const message = Uint8Array.of(9, 9, ...compressed, 9);
    const raw_coordinates = message.subarray(2, 2 + compressed.length);
    const sets = await Promise.all(Array.from({ length: 6 }, (_, i) => pool.decodeContours(set({ level: i, decimation_factor: 8, raw_coordinates }))));
    for (const [i, lines] of sets.entries()) assert.deepEqual([lines.level, [...lines.vertices], [...lines.starts]], [i, expected, [0, 3]]);
    assert.deepEqual(raw_coordinates, compressed, "the message keeps its bytes");
    assert.deepEqual([...(await pool.decodeContours(set())).vertices], expected);
    for (const [more, why] of [
      [{ decimation_factor: 8, raw_coordinates: Uint8Array.of(1, 2, 3) }, /./],
      [{ decimation_factor: 8, raw_coordinates: compressed.slice(0, 20) }, /./],
      [{ decimation_factor: 8, raw_coordinates: compressed, uncompressed_coordinates_size: 48 }, /./],
      [{ uncompressed_coordinates_size: 12 }, /no vertices/],
    ]) await assert.rejects(pool.decodeContours(set(more)), why);
    assert.deepEqual([...(await pool.decodeContours(set({ decimation_factor: 8, raw_coordinates }))).vertices], expected);
  } finally {
    pool.close();
  }
});

test("without workers they are decoded on the spot", async () => {
  const pool = new DecoderPool(0);
  assert.deepEqual([...(await pool.decodeContours(set({ decimation_factor: 8, raw_coordinates: zstd(packed(vertices, 8)) }))).vertices], expected);
  await assert.rejects(pool.decodeContours(set({ uncompressed_coordinates_size: 12 })), /no vertices/);
});
