/**
 * Decoder for ZFP streams of two-dimensional float32 arrays in fixed-precision mode, without header, as libzfp 1.0 writes them.
 *
 * The format in short. The array is cut into blocks of 4 × 4 (x fastest); a block that reaches over the edge is stored whole.
 * A block is one bit, 0 for all zeros, or: an exponent of 8 bits common to the block, then its 16 coefficients, most significant
 * bit plane first, as many planes as the precision says. In each plane the first n bits stand as they are, where n counts the
 * coefficients that have shown a set bit already; the rest is run-length coded by group tests. Coefficients are in negabinary,
 * ordered by sequency; a lifted transform makes block-floating-point integers of them. Bits are read from the least significant end of
 * each byte on.
 *
 * The result is the same, bit for bit, as that of zfp_decompress.
 */

/** Place of the i-th coefficient (by sequency) in the block, x + 4 y. */
const ORDER = new Uint8Array([0, 1, 4, 5, 2, 8, 6, 9, 3, 12, 10, 7, 13, 11, 14, 15]);
const NEGABINARY = 0xaaaaaaaa | 0;
const EXPONENT_BIAS = 127;

/** 2^(exponent - 30) as a float32, for each of the 256 stored exponents. */
const SCALE = Float32Array.from({ length: 256 }, (_, stored) => 2 ** (stored - EXPONENT_BIAS - 30));

/**
 * Decodes `width` × `height` values (x fastest) from `stream`.
 * @param precision bit planes per coefficient, as given to zfp_stream_set_precision (1 to 32; more is as 32).
 * @throws RangeError for impossible sizes, Error if the stream ends before the last block.
 */
export function decodeZfp(stream: Uint8Array, width: number, height: number, precision: number): Float32Array {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1 || width * height > 1 << 28) {
    throw new RangeError(`ZFP: impossible size ${width} × ${height}`);
  }
  if (!Number.isInteger(precision) || precision < 1) {
    throw new RangeError(`ZFP: impossible precision ${precision}`);
  }
  const words = toWords(stream);
  const bitsAvailable = stream.byteLength * 8;
  const lastPlane = precision >= 32 ? 0 : 32 - precision;
  const values = new Float32Array(width * height);
  const coefficients = new Int32Array(16);
  const block = new Int32Array(16);
  let position = 0;

  for (let y0 = 0; y0 < height; y0 += 4) {
    const rows = Math.min(4, height - y0);
    for (let x0 = 0; x0 < width; x0 += 4) {
      const present = (words[position >>> 5]! >>> (position & 31)) & 1;
      position += 1;
      if (position > bitsAvailable) throw new Error("ZFP: the stream ends too early");
      if (!present) continue; // a block of zeros, and the array is zeros already

      const stored = peek(words, position) & 0xff;
      position += 8;
      coefficients.fill(0);
      let n = 0;
      for (let plane = 31; plane >= lastPlane; plane--) {
        // A plane takes at most 32 bits: n of them verbatim, and two for each of the others. Hence one peek.
        const bits = peek(words, position);
        let used = n;
        let x = n === 0 ? 0 : bits & (0xffffffff >>> (32 - n));
        while (n < 16) {
          const anyLeft = (bits >>> used) & 1;
          used += 1;
          if (!anyLeft) break;
          // The next set bit of the group; that of the last coefficient is implied and takes no bit.
          while (n < 15) {
            const set = (bits >>> used) & 1;
            used += 1;
            if (set) break;
            n += 1;
          }
          x |= 1 << n;
          n += 1;
        }
        position += used;
        const bit = 1 << plane;
        while (x !== 0) {
          const lowest = x & -x;
          coefficients[31 - Math.clz32(lowest)]! |= bit;
          x ^= lowest;
        }
      }
      if (position > bitsAvailable) throw new Error("ZFP: the stream ends too early");

      for (let i = 0; i < 16; i++) block[ORDER[i]!] = (coefficients[i]! ^ NEGABINARY) - NEGABINARY;
      for (let x = 0; x < 4; x++) invertLift(block, x, 4);
      for (let y = 0; y < 4; y++) invertLift(block, 4 * y, 1);

      const scale = SCALE[stored]!;
      const columns = Math.min(4, width - x0);
      for (let y = 0; y < rows; y++) {
        const row = (y0 + y) * width + x0;
        // Rounded to float32 before it is scaled, as libzfp does.
        for (let x = 0; x < columns; x++) values[row + x] = Math.fround(block[4 * y + x]!) * scale;
      }
    }
  }
  return values;
}

/** The 32 bits from `position` on; what lies behind the end reads as zeros. */
function peek(words: Uint32Array, position: number): number {
  const word = position >>> 5;
  const shift = position & 31;
  return shift === 0 ? words[word]! | 0 : (words[word]! >>> shift) | (words[word + 1]! << (32 - shift));
}

/** The stream as little-endian words, with enough zeros behind it for one block that is read beyond the end. */
function toWords(stream: Uint8Array): Uint32Array {
  const words = new Uint32Array((stream.byteLength >> 2) + 64);
  new Uint8Array(words.buffer).set(stream);
  return words;
}

/** Inverse of ZFP's lifted transform on four values, `stride` apart from `i` on; 32-bit arithmetic that wraps. */
function invertLift(p: Int32Array, i: number, stride: number): void {
  let x = p[i]!;
  let y = p[i + stride]!;
  let z = p[i + 2 * stride]!;
  let w = p[i + 3 * stride]!;
  y = (y + (w >> 1)) | 0;
  w = (w - (y >> 1)) | 0;
  y = (y + w) | 0;
  w = (w << 1) - y;
  z = (z + x) | 0;
  x = (x << 1) - z;
  y = (y + z) | 0;
  z = (z << 1) - y;
  w = ((w | 0) + (x | 0)) | 0;
  x = (x << 1) - w;
  p[i] = x;
  p[i + stride] = y;
  p[i + 2 * stride] = z;
  p[i + 3 * stride] = w;
}
