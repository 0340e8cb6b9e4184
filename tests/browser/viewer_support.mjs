// What the viewer's browser test needs: a running server, Chromium, FITS files and screenshots read without anybody's help.
import { spawn } from "node:child_process";
import { existsSync, openSync, readSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createConnection, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(`${root}tests/browser/package.json`);

/** Folder of a build, by default the release's. */
export const build = process.env.CUBELINK_BUILD ?? `${root}build/release`;

export async function launchChromium() {
  const { chromium } = require("playwright-core");
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    timeout: 120_000, // a busy machine starts it slowly
    args: [
      "--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-sandbox",
      "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** A port for a server that is to come back to it. None of those that are given to whoever connects somewhere: it must still be free then. */
export async function lastingPort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise((resolve) => server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true)));
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Starts the server on a free port (or `port`) and waits until it says that it listens. */
export async function startServer(folder, { authKey = "a-secret-for-tests", port = 0, content = `${root}www/dist`, more = [] } = {}) {
  const program = process.env.CUBELINK_SERVER ?? `${build}/server/cubelink`;
  if (!existsSync(program)) throw new Error(`${program} is not there: build the server first`);
  const child = spawn(program, [folder, "--port", String(port), "--authKey", authKey, "--content", content, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const listening = new Promise((resolve, reject) => {
    const read = (data) => {
      output += data;
      const address = /http:\/\/[^\s/]+:(\d+)\//.exec(output);
      if (address && output.includes("Starting factory")) resolve(Number(address[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${output}`)));
    setTimeout(() => reject(new Error(`the server does not start:\n${output}`)), 60_000).unref();
  });
  const actualPort = await listening;
  return {
    port: actualPort,
    url: `http://127.0.0.1:${actualPort}/`,
    pid: child.pid,
    log: () => output,
    pause: () => child.kill("SIGSTOP"),
    goOn: () => child.kill("SIGCONT"),
    kill: () => new Promise((resolve) => child.on("exit", resolve) && child.kill("SIGKILL")),
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.on("exit", resolve);
        child.kill("SIGTERM");
      }),
  };
}

/** All tiles of the view and the histogram of its plane have come, and are drawn. */
export async function settled(page) {
  await drawn(page); // a view that has just been changed needs its tiles from the next frame on
  await page.waitForFunction(() => window.cubelink?.settled);
  await drawn(page);
}

/** What was changed before is on the screen: the page draws in the next frame. */
export const drawn = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** Of the controls that a selector finds and that are visible: those without a name, or with less room than a finger needs, 24 px. */
export const poorControls = (page, selector) =>
  page.$$eval(selector, (all) =>
    all.filter((e) => e.checkVisibility()).flatMap((e) => {
      const label = e.getAttribute("aria-label") || e.labels?.[0]?.textContent.trim() || e.textContent.trim();
      const box = (e.closest("label.check") ?? e).getBoundingClientRect();
      return label && box.width >= 24 && box.height >= 24 ? [] : [`${e.outerHTML.slice(0, 80)}: "${label}", ${box.width} × ${box.height}`];
    }),
  );

/** A door in front of the server that can be shut: connections are cut without a word, and new ones refused. */
export async function startProxy(target) {
  const pairs = new Set();
  let open = true;
  const server = createServer((near) => {
    if (!open) return near.destroy();
    const far = createConnection(target, "127.0.0.1");
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) socket.on("error", end);
    near.on("close", end);
    far.on("close", () => {
      if (far.readableEnded) near.resume(); // the last bytes may still be on their way to the browser, which then closes
      else end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    shut: () => {
      open = false;
      cut();
    },
    open: () => {
      open = true;
    },
    stop: () => {
      cut();
      server.close();
    },
  };
}

/** Images of BITPIX -32, one for each HDU: {width, height, depth, stokes, name, header, value(x, y, channel, stokes)}. `header` has more cards:
 * {NAME: number or text}. */
export function writeFits(path, ...images) {
  const card = (name, value) => `${name.padEnd(8)}= ${typeof value === "string" ? `'${value.padEnd(8)}'` : String(value).padStart(20)}`.padEnd(80);
  const logical = (name) => `${name.padEnd(8)}= ${"T".padStart(20)}`.padEnd(80);
  const whole = (buffer, filler) => Buffer.concat([buffer, Buffer.alloc((2880 - (buffer.length % 2880)) % 2880, filler)]);
  const parts = images.flatMap(({ width, height, depth = 1, stokes = 1, name, header = {}, value }, i) => {
    const axes = [width, height, ...(depth > 1 || stokes > 1 ? [depth] : []), ...(stokes > 1 ? [stokes] : [])];
    const names = { ...(axes.length > 2 ? { CTYPE3: "FREQ" } : {}), ...(stokes > 1 ? { CTYPE4: "STOKES", CRVAL4: 1, CRPIX4: 1, CDELT4: 1 } : {}) };
    const cards = [
      i === 0 ? logical("SIMPLE") : card("XTENSION", "IMAGE"), card("BITPIX", -32), card("NAXIS", axes.length), ...axes.map((length, n) => card(`NAXIS${n + 1}`, length)),
      ...(i === 0 ? [logical("EXTEND")] : [card("PCOUNT", 0), card("GCOUNT", 1)]), ...(name ? [card("EXTNAME", name)] : []),
      ...Object.entries({ ...names, ...header }).map(([key, one]) => card(key, one)), "END".padEnd(80),
    ];
    const plane = width * height;
    const data = Buffer.alloc(4 * plane * depth * stokes);
    for (let k = 0; k < plane * depth * stokes; k++) {
      const channel = Math.floor(k / plane);
      data.writeFloatBE(value(k % width, Math.floor((k % plane) / width), channel % depth, Math.floor(channel / depth)), 4 * k);
    }
    return [whole(Buffer.from(cards.join("")), " "), whole(data)];
  });
  writeFileSync(path, Buffer.concat(parts));
}

/** A FITS file of BITPIX -32 without scaling, read by hand. */
export class Fits {
  constructor(path) {
    this.file = openSync(path, "r");
    this.cards = {};
    for (let block = 0; ; block++) {
      const text = this.bytes(block * 2880, 2880).toString("latin1");
      for (let i = 0; i < 36; i++) {
        const card = text.slice(80 * i, 80 * i + 80);
        const name = card.slice(0, 8).trim();
        if (name === "END") {
          this.data = (block + 1) * 2880;
          [this.width, this.height, this.depth] = [1, 2, 3].map((axis) => this.cards[`NAXIS${axis}`] ?? 1);
          if (this.cards.BITPIX !== -32) throw new Error(`${path}: BITPIX ${this.cards.BITPIX}`);
          return;
        }
        if (card[8] === "=") {
          const text = /^\s*'((?:[^']|'')*)'/.exec(card.slice(10))?.[1];
          this.cards[name] = text === undefined ? Number(card.slice(10).split("/")[0]) : text.replaceAll("''", "'").trim();
        }
      }
    }
  }

  bytes(position, length) {
    const buffer = Buffer.alloc(length);
    readSync(this.file, buffer, 0, length, position);
    return buffer;
  }

  /** One channel, row by row from the bottom. */
  plane(channel = 0) {
    const count = this.width * this.height;
    const buffer = this.bytes(this.data + 4 * count * channel, 4 * count);
    return Float32Array.from({ length: count }, (_, i) => buffer.readFloatBE(4 * i));
  }

  value(x, y, channel = 0) {
    return this.bytes(this.data + 4 * (x + this.width * (y + this.height * channel)), 4).readFloatBE(0);
  }

  spectrum(x, y) {
    return Array.from({ length: this.depth }, (_, channel) => this.value(x, y, channel));
  }
}

/** What viewer.picture() makes, as readPng() gives it. */
export async function pictureOf(page, options) {
  const text = await page.evaluate(async (o) => {
    const blob = await cubelink.element.viewer.picture(o);
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
  }, options);
  return readPng(Buffer.from(text.slice(text.indexOf(",") + 1), "base64"));
}

/** {width, height, at(x, y) → [r, g, b]} of a PNG of 8 bits per sample, as browsers' screenshots are. */
export function readPng(png) {
  let [at, width, height, samples] = [8, 0, 0, 0];
  const parts = [];
  while (at < png.length) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
      if (data[8] !== 8 || ![2, 6].includes(data[9]) || data[12] !== 0) throw new Error("a PNG of an unexpected kind");
      samples = data[9] === 6 ? 4 : 3;
    } else if (type === "IDAT") parts.push(data);
    at += 12 + length;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const row = width * samples;
  const pixels = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    for (let i = 0; i < row; i++) {
      const left = i >= samples ? pixels[y * row + i - samples] : 0;
      const up = y > 0 ? pixels[(y - 1) * row + i] : 0;
      const corner = y > 0 && i >= samples ? pixels[(y - 1) * row + i - samples] : 0;
      const p = left + up - corner;
      const [a, b, c] = [Math.abs(p - left), Math.abs(p - up), Math.abs(p - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      const predicted = [0, left, up, (left + up) >> 1, paeth][filter];
      pixels[y * row + i] = (raw[y * (row + 1) + 1 + i] + predicted) & 255;
    }
  }
  return { width, height, at: (x, y) => [...pixels.subarray(y * row + x * samples, y * row + x * samples + 3)] };
}
