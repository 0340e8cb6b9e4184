// How the viewer feels, in numbers: calls from a page, the time to the first picture, frames while panning and zooming, the cursor over a slow link, memory in long use. Run by hand; what it
// prints is measured under software rendering, with the server on the same machine.
//
//     node tests/browser/bench_viewer.mjs [--minutes 10] [--folder FOLDER] [calls] [first] [frames] [slow] [memory]
//
// The images (4.5 GB) are made in FOLDER, by default a temporary one that is removed at the end, and kept where a FOLDER is named.
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { startSlowLink } from "./slow_link.mjs";
import { launchChromium, settled, startServer } from "./viewer_support.mjs";

const { values: options, positionals } = parseArgs({ options: { minutes: { type: "string", default: "10" }, folder: { type: "string" } }, allowPositionals: true });
const workloads = positionals.length > 0 ? positionals : ["calls", "first", "frames", "slow", "memory"];
const folder = options.folder ?? mkdtempSync(join(tmpdir(), "cubelink-bench-"));
mkdirSync(folder, { recursive: true });
const SECRET = "a-secret-for-tests";

/** Floats: waves and noise, the same rows again and again. */
function makeImage(name, side, depth = 1) {
  const path = join(folder, name);
  if (existsSync(path)) return;
  const card = (key, value) => `${key.padEnd(8)}= ${String(value).padStart(20)}`.padEnd(80);
  const cards = [card("SIMPLE", "T"), card("BITPIX", -32), card("NAXIS", depth > 1 ? 3 : 2), card("NAXIS1", side), card("NAXIS2", side), ...(depth > 1 ? [card("NAXIS3", depth)] : []), "END".padEnd(80)];
  const file = openSync(path, "w");
  writeSync(file, Buffer.from(cards.join("").padEnd(2880)));
  const rows = 64;
  const block = Buffer.alloc(4 * side * rows);
  for (let i = 0; i < side * rows; i++) block.writeFloatBE(Math.sin((i % side) / 300) + Math.random() + Math.random() - 1, 4 * i);
  let bytes = 0;
  for (let y = 0; y < side * depth; y += rows) bytes += writeSync(file, block, 0, 4 * side * Math.min(rows, side * depth - y));
  writeSync(file, Buffer.alloc((2880 - (bytes % 2880)) % 2880));
  closeSync(file);
}

function makeCompressed(name, side) {
  const path = join(folder, name);
  if (existsSync(path)) return;
  execFileSync("/usr/bin/python3", ["-c", `
import sys, numpy as np
from astropy.io import fits
side = int(sys.argv[2])
x = np.sin(np.arange(side, dtype="f4") / 300)
plane = np.random.default_rng(1).normal(0, 0.4, (side, side)).astype("f4") + x
fits.CompImageHDU(plane, compression_type="RICE_1", quantize_level=16).writeto(sys.argv[1])
`, path, String(side)], { stdio: "inherit" });
}

/** What the system keeps of the file goes out of memory. */
const forget = (name) => execFileSync("dd", [`if=${join(folder, name)}`, "iflag=nocache", "count=0"], { stdio: "ignore" });
const sorted = (values) => [...values].sort((a, b) => a - b);
const share = (values, part) => sorted(values)[Math.min(values.length - 1, Math.floor(part * values.length))];
const row = (name, ...rest) => console.log(`${name.padEnd(44)} ${rest.join("   ")}`);
const ms = (value) => `${value.toFixed(value < 20 ? 1 : 0)} ms`;

const browser = await launchChromium();
console.log(`${cpus().length} × ${cpus()[0]?.model ?? "?"}, Chromium ${browser.version()}, software rendering`);

async function openPage(url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(600_000);
  await page.goto(`${url}?token=${SECRET}`);
  await page.waitForSelector(".file-row.file");
  return page;
}

/** From the call to the first frame with a picture, and until all tiles are on show. */
const timeOpening = (page, name) =>
  page.evaluate(async (name) => {
    const start = performance.now();
    const hook = window.cubelink;
    void hook.element.open(name);
    const frame = () => new Promise(requestAnimationFrame);
    const until = async (done) => {
      while (!done()) await frame();
      return performance.now() - start;
    };
    const here = () => hook.image?.name === name && hook.drawn.plane.startsWith(`${hook.image.fileId}/`);
    const first = await until(() => here() && hook.drawn.layers.length > 0);
    const layers = hook.drawn.layers;
    return { first, preview: layers.includes(-1), all: await until(() => here() && hook.settled) };
  }, name);

/** What each message costs, however small: a call one after the other, and many at once. */
async function calls() {
  const server = await startServer(folder, { authKey: SECRET });
  const page = await openPage(server.url);
  const { apart, together } = await page.evaluate(async () => {
    const { client } = window.cubelink.element;
    const time = async (work) => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    const call = () => client.call("server.info");
    for (let i = 0; i < 200; i++) await call();
    const apart = await time(async () => {
      for (let i = 0; i < 500; i++) await call();
    });
    return { apart: apart / 500, together: await time(() => Promise.all(Array.from({ length: 500 }, call))) };
  });
  row("a call from a page", `${apart.toFixed(2)} ms`, `500 at once ${ms(together)}`);
  await page.context().close();
  await server.stop();
}

async function first() {
  // What a browser does once, when a page first draws with WebGL, is a row of its own.
  makeImage("floats_256.fits", 256);
  const images = [
    ["floats_256.fits", "256², of a browser just started", [false]],
    ["floats_8192.fits", "8192²", [true, false]],
    ["floats_30000.fits", "30000²", [true, false]],
    ["packed_8192.fits", "8192², tile-compressed", [true, false]],
  ];
  for (const [name, what, starts] of images) {
    for (const cold of starts) {
      if (cold) forget(name);
      // A server that has never seen the file.
      const server = await startServer(folder, { authKey: SECRET });
      const page = await openPage(server.url);
      const { first, preview, all } = await timeOpening(page, name);
      row(`first picture of ${what}, ${cold ? "from disk" : "in the page cache"}`, ms(first), preview ? "preview" : "tiles", `all tiles ${ms(all)}`);
      await page.context().close();
      await server.stop();
    }
  }
}

async function frames() {
  const server = await startServer(folder, { authKey: SECRET });
  const page = await openPage(server.url);
  await timeOpening(page, "floats_8192.fits");
  const box = await page.evaluate(() => window.cubelink.root.getElementById("canvas").getBoundingClientRect().toJSON());
  const [x, y] = [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
  const cdp = await page.context().newCDPSession(page);
  await page.evaluate(() => {
    const canvas = window.cubelink.root.getElementById("canvas");
    window.seen_ = { pointermove: 0, wheel: 0 };
    canvas.addEventListener("pointermove", (event) => (window.seen_.pointermove += Math.max(1, event.getCoalescedEvents().length)), true);
    // Several are handed over as one, with their sum.
    canvas.addEventListener("wheel", ({ deltaY }) => (window.seen_.wheel += deltaY), true);
  });
  for (const [what, view, move] of [
    ["panning at full resolution", [4096, 4096, 1], (i) => ({ type: "mouseMoved", x: x + Math.round(300 * Math.sin(i / 20)), y: y + Math.round(200 * Math.cos(i / 13)), button: "left", buttons: 1 })],
    ["zooming from all to full resolution and back", null, (i) => ({ type: "mouseWheel", x, y, deltaX: 0, deltaY: Math.floor(i / 60) % 2 === 0 ? -32 : 31 })],
  ]) {
    await page.evaluate((view) => (view ? window.cubelink.setView(...view) : (window.cubelink.element.view = null)), view);
    await settled(page);
    await page.mouse.move(x, y);
    if (view) await page.mouse.down();
    await page.evaluate(() => {
      Object.assign(window, { seen_: Object.assign(window.seen_, { pointermove: 0, wheel: 0 }), frames_: [], going_: true });
      let before = performance.now();
      const tick = (now) => {
        window.frames_.push(now - before);
        before = now;
        if (window.going_) requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    // As a mouse does: 60 a second, whatever the page makes of them.
    const [sent, start] = [[], performance.now()];
    let turned = 0;
    for (let i = 0; i < 600; i++) {
      turned += move(i).deltaY ?? 0;
      sent.push(cdp.send("Input.dispatchMouseEvent", move(i)));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + (i + 1) * (1000 / 60) - performance.now())));
    }
    await Promise.all(sent);
    const frames = await page.evaluate(() => ((window.going_ = false), window.frames_.slice(1)));
    await page.waitForTimeout(2000); // what is still on its way to the page
    const seen = await page.evaluate(() => window.seen_);
    if (view) await page.mouse.up();
    row(`8192², ${what}`, `frames: median ${ms(share(frames, 0.5))}`, `95 % ${ms(share(frames, 0.95))}`, `99 % ${ms(share(frames, 0.99))}`, view ? `pointer events lost: ${sent.length - seen.pointermove}` : `pixels of the wheel lost: ${Math.abs(turned - seen.wheel)}`);
  }
  await page.context().close();
  await server.stop();
}

async function slow() {
  const server = await startServer(folder, { authKey: SECRET });
  const link = await startSlowLink(server.port);
  const page = await openPage(link.url);
  const opening = timeOpening(page, "floats_8192.fits");
  const times = [];
  await page.waitForFunction(() => window.cubelink.image && window.cubelink.drawn.layers.length > 0);
  for (let i = 0; i < 40; i++) {
    // Another place now and then, so that there are always tiles to come.
    if (i % 5 === 0) await page.evaluate((i) => window.cubelink.setView(1000 + 150 * i, 7000 - 140 * i, 1), i);
    const waited = await page.evaluate(
      (i) =>
        new Promise((resolve) => {
          const hook = window.cubelink;
          const { centreX, centreY } = hook.view;
          const [x, y] = [Math.round(centreX) - 100 + 3 * i, Math.round(centreY) + 50 - 2 * i];
          const start = performance.now();
          hook.element.cursor = { x, y };
          const look = () => (hook.cursor?.x === x && hook.cursor?.y === y ? resolve({ ms: performance.now() - start, missing: hook.loading.missing }) : setTimeout(look, 1));
          look();
        }),
      i,
    );
    times.push(waited);
  }
  const beside = times.filter(({ missing }) => missing > 0).map((t) => t.ms);
  const all = times.map((t) => t.ms);
  row("cursor over 1 Mbit/s and 200 ms", `median ${ms(share(all, 0.5))}`, `95 % ${ms(share(all, 0.95))}`, `most ${ms(Math.max(...all))}`, `${beside.length} of ${all.length} beside tiles`);
  await page.evaluate(() => (window.cubelink.element.view = null));
  const { first, all: complete } = await opening;
  row("8192² over 1 Mbit/s and 200 ms", `first picture ${ms(first)}`, `full quality at rest after ${ms(complete)} of use`);
  // Alone, with nothing else to be done meanwhile.
  const again = await timeOpening(page, "packed_8192.fits");
  row("the tile-compressed one over it, left alone", `first picture ${ms(again.first)}`, `full quality ${ms(again.all)}`);
  await page.context().close();
  link.stop();
  await server.stop();
}

async function memory() {
  const server = await startServer(folder, { authKey: SECRET });
  const page = await openPage(server.url);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))[1]) / 1024;
  const heap = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    return { heap: of("JSHeapUsedSize") / 2 ** 20, nodes: of("Nodes"), listeners: of("JSEventListeners") };
  };
  const end = performance.now() + 60_000 * Number(options.minutes);
  const names = ["floats_8192.fits", "cube_1024.fits", "packed_8192.fits"];
  let actions = 0;
  for (let round = 0; performance.now() < end || round < 2; round++) {
    for (const name of names) {
      await timeOpening(page, name);
      const side = name.startsWith("cube") ? 1024 : 8192;
      for (let i = 0; i < 25; i++) {
        const [x, y] = [((i * 977) % side), ((i * 1319) % side)];
        await page.evaluate(([x, y, scale]) => {
          window.cubelink.setView(x, y, scale);
          window.cubelink.element.cursor = { x, y };
        }, [x, y, [0.25, 0.5, 1, 2][i % 4]]);
        if (side === 1024) await page.evaluate((channel) => (window.cubelink.element.channel = channel), (7 * i) % 16);
        await page.waitForTimeout(60);
        actions += 1;
      }
      await settled(page);
    }
    const { heap: used, nodes, listeners } = await heap();
    const held = await page.evaluate(() => window.cubelink.held);
    const due = round < 4 || (round & (round - 1)) === 0 || performance.now() >= end;
    if (due) row(`memory after ${actions} actions`, `JS heap ${used.toFixed(1)} MiB`, `tiles ${(held.bytes / 2 ** 20).toFixed(0)} MiB`, `${nodes} nodes, ${listeners} listeners`, `server ${resident().toFixed(0)} MiB`);
  }
  await page.context().close();
  await server.stop();
}

try {
  makeImage("floats_8192.fits", 8192);
  if (workloads.includes("first")) makeImage("floats_30000.fits", 30000);
  makeImage("cube_1024.fits", 1024, 16);
  makeCompressed("packed_8192.fits", 8192);
  for (const workload of workloads) await { calls, first, frames, slow, memory }[workload]();
} finally {
  await browser.close();
  if (!options.folder) rmSync(folder, { recursive: true, force: true });
}
