/**
 * Binary values as they come from wslink: a Uint8Array from 2.x, a Blob from 1.x in browsers, a Buffer or an ArrayBuffer elsewhere. Here they
 * all become Uint8Array, wherever they stand in a value.
 */

export function isBinary(value: unknown): value is Blob | ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || (typeof Blob !== "undefined" && value instanceof Blob);
}

/** The bytes of a binary value, without a copy where none is needed. */
export function toBytes(value: Blob | ArrayBuffer | ArrayBufferView): Uint8Array | Promise<Uint8Array> {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value.arrayBuffer().then((buffer) => new Uint8Array(buffer));
}

/**
 * Replaces all binary values in `value` (in place) by Uint8Array. Answers at once if none of them is a Blob, else by a promise, so that values
 * which need not wait keep their order.
 */
export function normalise(value: unknown): unknown | Promise<unknown> {
  if (isBinary(value)) return toBytes(value);
  const waiting: Promise<void>[] = [];
  visit(value, waiting);
  return waiting.length === 0 ? value : Promise.all(waiting).then(() => value);
}

function visit(value: unknown, waiting: Promise<void>[]): void {
  if (value === null || typeof value !== "object") return;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    const item = holder[key];
    if (item === null || typeof item !== "object") continue;
    if (!isBinary(item)) {
      visit(item, waiting);
      continue;
    }
    const bytes = toBytes(item);
    if (bytes instanceof Promise) {
      waiting.push(bytes.then((b) => void (holder[key] = b)));
    } else {
      holder[key] = bytes;
    }
  }
}

/** Little-endian float32 values; copied, since the bytes of a message need not be aligned. */
export function toFloat32(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice(0, bytes.byteLength & ~3).buffer);
}

/** Little-endian float64 values. */
export function toFloat64(bytes: Uint8Array): Float64Array {
  return new Float64Array(bytes.slice(0, bytes.byteLength & ~7).buffer);
}
