// Small FITS files, written and read byte by byte: the oracle of the JavaScript tests.
import { readFileSync, writeFileSync } from "node:fs";

const card = (name, value) => {
  const text = typeof value === "string" ? `'${value.padEnd(8)}'` : value === true ? "T" : String(value);
  return `${name.padEnd(8)}= ${typeof value === "string" ? text : text.padStart(20)}`.padEnd(80);
};

/** Writes 32-bit floats; `axes` from the fastest to the slowest, `value(index)` for each pixel in the order of the file. */
export function writeFits(path, axes, value, more = {}) {
  const cards = [card("SIMPLE", true), card("BITPIX", -32), card("NAXIS", axes.length), ...axes.map((n, i) => card(`NAXIS${i + 1}`, n))];
  for (const [name, entry] of Object.entries(more)) cards.push(card(name, entry));
  const header = [...cards, "END".padEnd(80)].join("");
  const pixels = axes.reduce((a, b) => a * b);
  const start = Math.ceil(header.length / 2880) * 2880;
  const file = Buffer.alloc(Math.ceil((start + 4 * pixels) / 2880) * 2880);
  file.fill(" ", 0, start);
  file.write(header, 0, "latin1");
  for (let i = 0; i < pixels; i += 1) file.writeFloatBE(value(i), start + 4 * i);
  writeFileSync(path, file);
}

/** Reads such a file from its bytes alone: {axes, cards, at(x, y, channel, stokes)}. */
export function readFits(path) {
  const file = readFileSync(path);
  const cards = {};
  let at = 0;
  for (;;) {
    const line = file.toString("latin1", at, at + 80);
    at += 80;
    if (line.startsWith("END ")) break;
    cards[line.slice(0, 8).trim()] = line.slice(10).replaceAll("'", "").trim();
  }
  const start = Math.ceil(at / 2880) * 2880;
  const axes = Array.from({ length: Number(cards.NAXIS) }, (_, i) => Number(cards[`NAXIS${i + 1}`]));
  const [width, height, depth = 1] = axes;
  return { axes, cards, at: (x, y, channel = 0, stokes = 0) => file.readFloatBE(start + 4 * (x + width * (y + height * (channel + depth * stokes)))) };
}
