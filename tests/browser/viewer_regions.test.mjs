// Regions in the viewer, in Chromium through a real server: drawn, taken and typed; their statistics, histograms and spectra against numpy, region files against
// astropy's regions, and what others in the session do.
//
//     node tests/browser/viewer_regions.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { seed } from "./random.mjs";
import { drawn, launchChromium, poorControls, settled, startProxy, startServer, writeFits } from "./viewer_support.mjs";
import { python } from "./viewer_oracle.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-viewer-regions-`);
const SECRET = "a-secret-for-tests";
/** Numbers that are the same for the same pixel and seed. */
function noise(...at) {
  let h = seed;
  for (const n of at) h = Math.imul(h ^ (n + 0x9e3779b9), 0x85ebca6b) ^ (h >>> 13);
  h = Math.imul(h ^ (h >>> 16), 0xc2b2ae35);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
}
const sky = { CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CRVAL1: 120, CRVAL2: 30, CRPIX1: 60, CRPIX2: 50, CDELT1: -2 / 3600, CDELT2: 2 / 3600, RADESYS: "ICRS", BUNIT: "Jy/beam", BMAJ: 8 / 3600, BMIN: 6 / 3600, BPA: 10 };
const spectral = { CRVAL3: 1.4e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz", RESTFRQ: 1.42e9 };
const value = (x, y, k) => (x > 100 && y < 10 ? NaN : Math.fround(noise(x, y, k) - 0.3 + 0.02 * x + 0.1 * k));
writeFits(`${folder}/cube.fits`, { width: 120, height: 100, depth: 12, header: { ...sky, ...spectral }, value });
writeFits(`${folder}/flat.fits`, { width: 50, height: 40, value });

const server = await startServer(folder, { authKey: SECRET });
const proxy = await startProxy(server.port);
const browser = await launchChromium();
const problems = [];

async function newPage(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const opened = await context.newPage();
  opened.setDefaultTimeout(60_000); // a busy machine draws slowly
  opened.on("pageerror", (error) => problems.push(String(error)));
  await opened.goto(address);
  await settled(opened);
  return opened;
}

let page;
const { check, finish } = checks("viewer-regions", () => page);

page = await newPage(`${proxy.url}?token=${SECRET}#file=cube.fits&regionPanel.open=1`);
const list = (p = page) => p.evaluate(() => cubelink.element.regions.list());
const selected = (p = page) => p.evaluate(() => cubelink.element.regions.get(cubelink.element.regions.selected) ?? null);
const place = (x, y, p = page) => p.evaluate(([a, b]) => cubelink.pixelOnPage(a, b), [x, y]);
const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);
const allNear = (a, b, tolerance, what) => {
  assert.equal(a.flat(3).length, b.flat(3).length, what);
  a.flat(3).forEach((v, i) => near(v, b.flat(3)[i], tolerance, `${what} [${i}]`));
};
/** The server has the very shape that is on show. */
async function agreed(p = page) {
  await p.waitForFunction(async () => {
    const { regions } = await cubelink.element.client.sessionState();
    const ours = cubelink.element.regions.list();
    const text = (type, points, rotation) => `${type} ${points.flat().map(Math.fround)} ${Math.fround(rotation)}`;
    const theirs = new Map(regions.map((r) => [r.region_id, text(r.region_info.region_type, r.region_info.control_points.map(({ x, y }) => [x, y]), r.region_info.rotation)]));
    return ours.length === theirs.size && ours.every((r) => theirs.get(r.id) === text(r.type, r.points, r.rotation));
  });
}
async function drag(from, to, { keys = [], steps = 6, p = page } = {}) {
  const [a, b] = [await place(...from, p), await place(...to, p)];
  for (const key of keys) await p.keyboard.down(key);
  await p.mouse.move(a.x, a.y);
  await p.mouse.down();
  await p.mouse.move(b.x, b.y, { steps });
  await p.mouse.up();
  for (const key of keys) await p.keyboard.up(key);
}
const click = async (x, y) => {
  const at = await place(x, y);
  await page.mouse.click(at.x, at.y);
};
const tool = (name) => page.click(`button[aria-label="Draw a region: ${name}"]`);
const clear = async () => {
  await page.evaluate(() => cubelink.element.regions.clear());
  await page.waitForFunction(() => cubelink.element.regions.list().length === 0);
};
/** A mouse hits whole screen pixels. */
const HAND = 0.75 / (await page.evaluate(() => cubelink.view.scale));

/** Statistics, histogram and spectrum on show, against numpy. Where the outline runs through pixel centres, rounding decides: shapes are made such that it doesn't. */
async function analysed() {
  const region = await selected();
  const { channel } = await page.evaluate(() => cubelink.plane);
  const expected = python(
    `
cube = fits.getdata(given["file"]).astype(float)
mask = inside(cube.shape[1:], given["region"])
plane = cube[given["channel"]][mask]
good = plane[np.isfinite(plane)]
bins = given["bins"]
answer({"statistics": statistics(plane), "spectrum": [np.nanmean(c[mask]) for c in cube], "counts": np.histogram(good, bins)[0] if bins else []})
`,
    { file: `${folder}/cube.fits`, region, channel, bins: 0 },
  );
  await page.waitForFunction((n) => cubelink.element.viewer.analysis.statistics.value?.NumPixels === n, expected.statistics.NumPixels);
  await page.waitForFunction((s) => Math.abs(cubelink.element.viewer.analysis.statistics.value.Sum - s) < 1e-6 * Math.abs(s) + 1e-9, expected.statistics.Sum);
  const shown = await page.evaluate(() => cubelink.element.viewer.analysis.statistics.value);
  for (const [name, v] of Object.entries(expected.statistics)) near(shown[name], v, 1e-6 * Math.abs(v) + 1e-9, name);
  await drawn(page);
  // The text that people read: six digits.
  const table = Object.fromEntries(await page.$$eval("[data-statistic]", (cells) => cells.map((c) => [c.dataset.statistic, c.textContent])));
  for (const [name, v] of Object.entries(expected.statistics)) near(parseFloat(table[name].replaceAll("−", "-")), v, 1e-4 * Math.abs(v), `${name} in the table`);
  assert.match(table.Mean, / Jy\/beam$/);
  assert.match(table.SumSq, / \(Jy\/beam\)²$/);
  near(parseFloat(table.FluxDensity.replaceAll("−", "-")), expected.statistics.Sum / ((Math.PI * 8 * 6) / (4 * Math.LN2) / 4), 1e-4 * Math.abs(expected.statistics.Sum), "flux density");
  await page.waitForFunction((first) => Math.abs((cubelink.element.viewer.regionsPanel.results.points.spectrum.ys[0] ?? NaN) - first) < 1e-6, expected.spectrum[0]);
  await page.waitForFunction(() => cubelink.element.viewer.analysis.spectrum.value?.progress === 1);
  await drawn(page);
  const points = () => page.evaluate(() => cubelink.element.viewer.regionsPanel.results.points);
  allNear((await points()).spectrum.ys, expected.spectrum, 1e-6, "spectrum");
  // The histogram is a job of its own, which may end after the others: it may still be that of the shape before.
  const end = performance.now() + 60_000;
  for (let seen = ""; ; await page.waitForTimeout(100)) {
    const { histogram } = await points();
    const late = performance.now() > end;
    if (JSON.stringify(histogram) === seen && !late) continue;
    seen = JSON.stringify(histogram);
    const sum = histogram.ys.reduce((a, b) => a + b, 0);
    if (sum !== expected.statistics.NumPixels && !late) continue;
    assert.equal(sum, expected.statistics.NumPixels);
    const counts = countsOf(region, channel, histogram.ys.length);
    // A value on the edge of two bins may be counted in either.
    const difference = counts.reduce((sum, n, i) => sum + Math.abs(n - histogram.ys[i]), 0);
    if (difference <= 4) return;
    assert.ok(!late, `histogram ${histogram.ys} instead of ${counts}`);
  }
}

/** numpy's histogram of a region with n bins from the least to the largest value. */
const countsOf = (region, channel, n) =>
  python(
    `
plane = fits.getdata(given["file"])[given["channel"]].astype(np.float32)
values = plane[inside(plane.shape, given["region"])]
values = values[np.isfinite(values)]
answer(np.histogram(values, given["n"], (values.min(), values.max()))[0])
`,
    { file: `${folder}/cube.fits`, region, channel, n },
  );

await check("a rectangle drawn with the mouse; its statistics, histogram and spectrum are numpy's", async () => {
  await tool("rectangle");
  assert.equal(await page.getAttribute('button[aria-label="Draw a region: rectangle"]', "aria-pressed"), "true");
  await drag([20.3, 30.2], [50.6, 60.4]);
  await page.waitForFunction(() => cubelink.element.regions.list().length === 1);
  const region = await selected();
  assert.equal(region.type, "RECTANGLE");
  allNear(region.points, [[35.45, 45.3], [30.3, 30.2]], 2 * HAND, "rectangle");
  assert.equal(await page.getAttribute('button[aria-label="Draw a region: rectangle"]', "aria-pressed"), "false");
  await agreed();
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[35.4, 45.3], [30.3, 30.2]] }));
  await analysed();
  await page.screenshot({ path: `${output}viewer-regions.png` });
});

await check("dragged: one request at a time, the newest is the last; the numbers follow", async () => {
  await page.evaluate(() => {
    const { client } = cubelink.element;
    window.calls = { now: 0, most: 0, count: 0 };
    const original = (window.originalCall = client.call);
    client.call = function (method, ...rest) {
      const answer = original.call(this, method, ...rest);
      if (method !== "carta.set.region") return answer;
      calls.count += 1;
      calls.most = Math.max(calls.most, (calls.now += 1));
      const done = () => (calls.now -= 1);
      answer.then(done, done);
      return answer;
    };
  });
  await drag([35, 45], [62, 52], { steps: 40 });
  await agreed();
  const region = await selected();
  allNear(region.points, [[62.4, 52.3], [30.3, 30.2]], 2 * HAND, "moved");
  const calls = await page.evaluate(() => ({ ...window.calls }));
  await page.evaluate(() => (cubelink.element.client.call = originalCall));
  assert.equal(calls.most, 1);
  assert.ok(calls.count >= 1 && calls.count <= 41, `${calls.count} requests`);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[62.4, 52.3], [30.3, 30.2]] }));
  await analysed();
  // The view has not gone along.
  assert.equal(await page.evaluate(() => cubelink.element.view), null);
});

await check("another channel: the numbers are that channel's", async () => {
  await page.evaluate(() => (cubelink.element.channel = 7));
  await page.waitForFunction(() => cubelink.plane.channel === 7);
  await analysed();
});

await check("a corner is pulled: the opposite one stays; with Alt the middle; with Shift in proportion", async () => {
  const set = (part) => page.evaluate((p) => cubelink.element.regions.change(cubelink.element.regions.selected, p), part);
  await set({ points: [[60, 50], [40, 20]], rotation: 0 });
  await drag([80, 60], [90, 75]);
  allNear((await selected()).points, [[65, 57.5], [50, 35]], 2 * HAND, "corner");
  await set({ points: [[60, 50], [40, 20]] });
  await drag([80, 50], [85, 53], { keys: ["Alt"] });
  allNear((await selected()).points, [[60, 50], [50, 20]], 2 * HAND, "side about the middle");
  await set({ points: [[60, 50], [40, 20]] });
  await drag([80, 60], [90, 60], { keys: ["Shift"] });
  allNear((await selected()).points, [[65, 52.5], [50, 25]], 3 * HAND, "in proportion");
  // A turned one, pulled at its right side along its own x.
  await set({ points: [[60, 50], [40, 20]], rotation: 90 });
  await drag([60, 70], [60, 80]);
  allNear((await selected()).points, [[60, 55], [50, 20]], 2 * HAND, "turned");
  await agreed();
});

await check("turned by its handle; with Shift in steps of 15°; a turned ellipse against numpy", async () => {
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[60, 50], [30, 20]], rotation: 0 }));
  const { scale } = await page.evaluate(() => cubelink.view);
  const arm = 10 + 26 / scale;
  await drag([60, 50 + arm], [60 - 20 * Math.sin(0.6), 50 + 20 * Math.cos(0.6)]);
  near((await selected()).rotation, (0.6 * 180) / Math.PI, 3, "rotation");
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { rotation: 0 }));
  await drag([60, 50 + arm], [60 + 20 * Math.sin(0.5), 50 + 20 * Math.cos(0.5)], { keys: ["Shift"] });
  assert.equal((await selected()).rotation, -30);
  await clear();
  await tool("ellipse");
  await drag([30.2, 20.1], [70.4, 50.3]);
  await page.waitForFunction(() => cubelink.element.regions.selected !== null);
  const ellipse = await selected();
  assert.equal(ellipse.type, "ELLIPSE");
  allNear(ellipse.points, [[50.3, 35.2], [15.1, 20.1]], 2 * HAND, "ellipse");
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[50.31, 35.17], [15.13, 20.21]], rotation: 33.7 }));
  await analysed();
});

await check("a polygon by clicks; vertices are moved, put in and taken out", async () => {
  await clear();
  await tool("polygon");
  for (const at of [[20.3, 20.4], [80.4, 25.3], [70.2, 70.6]]) await click(...at);
  await page.waitForSelector(".regions .draft", { state: "attached" });
  await page.keyboard.press("Backspace");
  await click(75.2, 70.6);
  await click(30.3, 65.2);
  await click(20.3, 20.4);
  const closed = performance.now();
  await page.waitForFunction(() => cubelink.element.regions.selected !== null);
  allNear((await selected()).points, [[20.3, 20.4], [80.4, 25.3], [75.2, 70.6], [30.3, 65.2]], 2 * HAND, "polygon");
  await drag([75.2, 70.6], [90.3, 80.4]);
  near((await selected()).points[2][0], 90.3, 2 * HAND, "vertex");
  const { points } = await selected();
  const middle = [0, 1].map((i) => (points[0][i] + points[1][i]) / 2);
  await drag(middle, [50.4, 10.2]);
  assert.equal((await selected()).points.length, 5);
  allNear([(await selected()).points[1]], [[50.4, 10.2]], 2 * HAND, "new vertex");
  const at = await place(...(await selected()).points[1]);
  // Double clicks soon after the click that closes an outline are taken for a part of the drawing.
  await page.waitForTimeout(Math.max(0, 800 - (performance.now() - closed)));
  await page.mouse.dblclick(at.x, at.y);
  await page.waitForFunction(() => cubelink.element.regions.list()[0].points.length === 4);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[20.31, 20.43], [80.37, 25.31], [90.33, 80.41], [30.29, 65.23]] }));
  await agreed();
  await analysed();
});

await check("a point has its pixel's spectrum, a line its profile, a polyline too", async () => {
  await clear();
  await tool("point");
  await click(40.2, 30.1);
  await page.waitForFunction(() => cubelink.element.regions.selected !== null);
  assert.deepEqual((await selected()).points, [[40, 30]]);
  await page.waitForFunction((v) => cubelink.element.viewer.regionsPanel.results.points.spectrum.ys[3] === v, value(40, 30, 3));
  await page.waitForFunction(() => cubelink.element.viewer.analysis.spectrum.value?.progress === 1);
  await drawn(page);
  const { spectrum } = await page.evaluate(() => cubelink.element.viewer.regionsPanel.results.points);
  assert.deepEqual(spectrum.ys, Array.from({ length: 12 }, (_, k) => value(40, 30, k)));
  await tool("line");
  await click(20, 40);
  await click(60, 40);
  await page.waitForFunction(() => cubelink.element.regions.list().length === 2 && cubelink.element.regions.selected === cubelink.element.regions.list()[1].id);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[20, 40], [60, 40]] }));
  // Along a row: boxes of one pixel along the line and three across.
  const expected = Array.from({ length: 41 }, (_, i) => [39, 40, 41].reduce((sum, y) => sum + value(60 - i, y, 7), 0) / 3);
  await page.waitForFunction(([n, v]) => {
    const { ys } = cubelink.element.viewer.regionsPanel.results.points.line;
    return ys.length === n && [ys[0], ys.at(-1)].some((y) => Math.abs(y - v) < 1e-6);
  }, [41, expected[0]]);
  const { line } = await page.evaluate(() => cubelink.element.viewer.regionsPanel.results.points);
  const sorted = line.ys[0] - expected[0] < 1e-6 && line.ys[0] - expected[0] > -1e-6 ? expected : [...expected].reverse();
  allNear(line.ys, sorted, 1e-6, "profile");
  near(Math.abs(line.xs.at(-1) - line.xs[0]), 80, 1e-2, "length of the profile in arcseconds");
  await tool("polyline");
  for (const at of [[10, 10], [40, 80]]) await click(...at);
  const end = await place(90, 60);
  await page.mouse.dblclick(end.x, end.y);
  await page.waitForFunction(() => cubelink.element.regions.list().length === 3);
  assert.equal((await selected()).points.length, 3);
  assert.equal(await page.evaluate(() => cubelink.element.view), null); // it has not zoomed
  await page.waitForFunction(() => cubelink.element.viewer.regionsPanel.results.points.line.ys.length > 100);
});

await check("annotations: text, arrow, ruler with the sky's length, compass; drawn, not analysed", async () => {
  await clear();
  const annotate = async (type, ...drags) => {
    await page.selectOption('select[aria-label="Draw an annotation"]', type);
    await drag(...drags);
    await page.waitForFunction((t) => cubelink.element.regions.get(cubelink.element.regions.selected)?.type === t, type);
  };
  await annotate("ANNTEXT", [20, 80], [60, 90]);
  await page.fill('.region-fields label:has-text("Text") input', "NGC 4711 <b>");
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => cubelink.root.querySelector(".regions text")?.textContent === "NGC 4711 <b>");
  await annotate("ANNVECTOR", [20, 20], [40, 30]);
  await annotate("ANNRULER", [30, 60], [90, 60]);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { points: [[30, 60], [90, 60]] }));
  const [a, b] = await page.evaluate(async () => (await cubelink.element.image.toWorld([[30, 60], [90, 60]])).points);
  const arcseconds = python(`
from astropy.coordinates import SkyCoord
w = WCS(fits.getheader(given), naxis=2)
a, b = [SkyCoord(*w.wcs_pix2world([p], 0)[0], unit="deg") for p in [(30, 60), (90, 60)]]
answer(a.separation(b).arcsec)`, `${folder}/cube.fits`);
  assert.ok(Number.isFinite(a[0]) && Number.isFinite(b[0]));
  // Two arcminutes and a little less: the pixels are 2″.
  await page.waitForFunction((minutes) => cubelink.root.querySelector(".regions g text")?.textContent === minutes, `${Number((arcseconds >= 60 ? arcseconds / 60 : arcseconds).toPrecision(4))}${arcseconds >= 60 ? "′" : "″"}`);
  await annotate("ANNCOMPASS", [100, 30], [100, 50]);
  await page.waitForFunction(() => {
    // North is up here, east to the left.
    const [north, , east] = [...cubelink.root.querySelectorAll(".regions g:last-child polyline")].map((e) => e.getAttribute("points").split(" ").map((p) => p.split(",").map(Number)));
    return Math.abs(north[0][0] - north[1][0]) < 1 && north[1][1] < north[0][1] && Math.abs(east[0][1] - east[1][1]) < 1 && east[1][0] < east[0][0];
  });
  assert.match(await page.textContent(".region-results .empty"), /not analysed/);
  await agreed();
  await page.screenshot({ path: `${output}viewer-annotations.png` });
});

await check("by keys alone: drawn, selected, moved, resized, turned, removed", async () => {
  await clear();
  const cursorTo = async (x, y) => {
    await page.evaluate(([a, b]) => (cubelink.element.cursor = { x: a, y: b }), [x, y]);
    await page.waitForFunction(([a, b]) => cubelink.cursor?.x === a && cubelink.cursor.y === b, [x, y]);
  };
  const press = async (key) => {
    await page.keyboard.press(key);
    await drawn(page);
  };
  await page.focus('button[aria-label="Draw a region: rectangle"]');
  await press("Enter");
  await page.focus("#canvas");
  await cursorTo(20, 20);
  await press("Enter");
  await cursorTo(40, 30);
  await press("Enter");
  await page.waitForFunction(() => cubelink.element.regions.list().length === 1);
  assert.deepEqual((await list())[0].points, [[30, 25], [20, 10]]);
  await page.focus('button[aria-label="Draw a region: polygon"]');
  await press("Space");
  await page.focus("#canvas");
  for (const [x, y] of [[60, 20], [80, 20], [70, 40]]) {
    await cursorTo(x, y);
    await press("Enter");
  }
  await press("Enter");
  await page.waitForFunction(() => cubelink.element.regions.list().length === 2);
  assert.deepEqual((await selected()).points, [[60, 20], [80, 20], [70, 40]]);
  await press("r");
  assert.equal((await selected()).type, "RECTANGLE");
  await press("Alt+ArrowRight");
  await press("Alt+ArrowUp");
  assert.deepEqual((await selected()).points, [[31, 26], [20, 10]]);
  await press("Alt+Shift+ArrowRight");
  assert.deepEqual((await selected()).points, [[31, 26], [22, 10]]);
  await press("[");
  await press("{");
  assert.equal((await selected()).rotation, 16);
  await press("Delete");
  await page.waitForFunction(() => cubelink.element.regions.list().length === 1);
  await press("R");
  await press("Escape");
  assert.equal(await selected(), null);
  await agreed();
  // What was begun is given up.
  await page.focus('button[aria-label="Draw a region: line"]');
  await press("Enter");
  await page.focus("#canvas");
  await press("Enter");
  await page.waitForSelector(".regions .draft", { state: "attached" });
  await press("Escape");
  await page.waitForSelector(".regions .draft", { state: "detached" });
  assert.equal((await list()).length, 1);
});

await check("by touch: drawn and dragged with a finger; two fingers still zoom", async () => {
  const touch = await newPage(`${server.url}?token=${SECRET}#file=cube.fits&regionPanel.open=1`, { hasTouch: true });
  const cdp = await touch.context().newCDPSession(touch);
  const finger = async (type, ...points) => {
    const touchPoints = await Promise.all(points.map(async ([x, y], id) => ({ ...(await place(x, y, touch)), id })));
    await cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
  };
  await touch.tap('button[aria-label="Draw a region: ellipse"]');
  await finger("touchStart", [30, 30]);
  for (const t of [0.3, 0.7, 1]) await finger("touchMove", [30 + 40 * t, 30 + 20 * t]);
  await finger("touchEnd");
  await touch.waitForFunction(() => cubelink.element.regions.list().length === 1);
  allNear((await list(touch))[0].points, [[50, 40], [10, 20]], 1, "ellipse");
  await finger("touchStart", [50, 40]);
  for (const t of [0.3, 0.7, 1]) await finger("touchMove", [50 + 20 * t, 40 + 10 * t]);
  await finger("touchEnd");
  allNear((await list(touch))[0].points, [[70, 50], [10, 20]], 1, "dragged");
  await agreed(touch);
  const before = await touch.evaluate(() => cubelink.view.scale);
  await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: 500, y: 150, id: 0 }] });
  await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: 500, y: 150, id: 0 }, { x: 560, y: 150, id: 1 }] });
  await cdp.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [{ x: 500, y: 150, id: 0 }, { x: 700, y: 150, id: 1 }] });
  await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await touch.waitForFunction((s) => cubelink.view.scale > 1.5 * s, before);
  await touch.context().close();
});

await check("the list: selected, named, coloured, hidden, typed, removed; a link shows the same", async () => {
  await clear();
  await page.evaluate(() => cubelink.element.regions.set({ type: "RECTANGLE", points: [[30, 30], [20, 10]] }));
  await page.evaluate(() => cubelink.element.regions.set({ type: "ELLIPSE", points: [[70, 60], [12, 8]] }));
  await page.click('.region-name:has-text("Rectangle")');
  await page.fill('.region-fields label:has-text("Name") input', "Core");
  await page.keyboard.press("Tab");
  await page.waitForSelector('.region-name:has-text("Core")');
  await page.fill('.region-fields input[type="color"]', "#ff0080");
  await page.fill('.region-fields label:has-text("Line width") input', "4");
  await page.fill('.region-fields label:has-text("Rotation") input', "25.5");
  const width = '.region-fields label:has-text("Width") input';
  await page.fill(width, "-3");
  await page.keyboard.press("Tab");
  // What was refused stays to be seen, however often the panel is drawn again, until the region's own width is another one.
  const refused = () => page.$eval(width, (e) => [e.value, e.getAttribute("aria-invalid")]);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { name: "Nucleus" }));
  await page.waitForSelector('.region-name:has-text("Nucleus")');
  assert.deepEqual(await refused(), ["-3", "true"]);
  await page.evaluate(() => cubelink.element.regions.change(cubelink.element.regions.selected, { name: "Core", points: [[30, 30], [21, 10]] }));
  await page.waitForSelector('.region-name:has-text("Core")');
  assert.deepEqual(await refused(), ["21", null]);
  await page.fill(width, "22.5");
  await page.keyboard.press("Tab");
  assert.deepEqual(await selected(), { id: (await selected()).id, type: "RECTANGLE", points: [[30, 30], [22.5, 10]], rotation: 25.5, name: "Core", colour: "#ff0080", lineWidth: 4 });
  await drawn(page);
  const style = await page.$eval(".regions rect", (e) => [getComputedStyle(e).stroke, getComputedStyle(e).strokeWidth]);
  assert.deepEqual(style, ["rgb(255, 0, 128)", "4px"]);
  await page.uncheck('input[aria-label^="Show Ellipse"]');
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".regions > *").length === 1);
  await agreed();
  const link = await page.evaluate(() => cubelink.element.link);
  const other = await newPage(`${server.url}?token=${SECRET}#${link}`);
  await other.waitForFunction(() => cubelink.element.regions.list().length === 2);
  assert.equal(await other.evaluate(() => cubelink.element.link), link);
  assert.equal((await selected(other)).name, "Core");
  await other.context().close();
  await page.click('button[aria-label="Remove Core"]');
  await page.waitForFunction(() => cubelink.element.regions.list().length === 1);
  await agreed();
});

await check("hostile links: what is no region is none", async () => {
  const refused = await page.evaluate(() => {
    const { state, link } = cubelink.element;
    const bad = [
      '[{"type":"__proto__","points":[[1,2]]}]', '[{"type":"constructor","points":[[1,2]]}]', '[{"type":"ANNULUS","points":[[1,2],[3,4]]}]', '[{"type":"RECTANGLE","points":[[1,2],[0,3]]}]', '[{"type":"POLYGON","points":[[1,2],[3,4]]}]',
      '[{"type":"POINT","points":[[1,null]]}]', '[{"type":"POINT","points":[[1,2]],"colour":"url(http://x/)"}]', '[{"type":"POINT","points":[[1,2]],"lineWidth":1e9}]', '[{"type":"POINT","points":[[1,2]],"name":3}]', '{"length":1}', "null",
      JSON.stringify(Array.from({ length: 1001 }, () => ({ type: "POINT", points: [[1, 2]] }))),
    ];
    const answers = bad.map((text) => state.regions.readText(text));
    return [answers.some(Boolean), cubelink.element.link === link];
  });
  assert.deepEqual(refused, [false, true]);
});

await check("import: a DS9 file lies where astropy's regions puts it, what can't be read is told; export is read by astropy", async () => {
  await clear();
  const text = ['# Region file format: DS9', "icrs", 'circle(8:00:02.0,+30:00:10.0,12") # color=red text={a circle}', 'box(120.0,30.005,30",20",40) # width=3', "polygon(120.01,30.01,119.995,30.012,120.0,29.995)", "image", "point(33,44)", "panda(1,2,3)", ""].join("\n");
  await page.click('#regions-panel button:has-text("Import")');
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click('#region-files button:has-text("From this computer")')]);
  await chooser.setFiles({ name: "sources.reg", mimeType: "text/plain", buffer: Buffer.from(text) });
  await page.waitForFunction(() => cubelink.element.regions.list().length === 4);
  await page.waitForSelector('.message.warning:has-text("panda")');
  const regions = await list();
  const expected = python(`
from regions import Regions
w = WCS(fits.getheader(given["file"]), naxis=2)
out = []
for r in Regions.parse(given["text"], format="ds9"):
    if hasattr(r, "to_pixel"): r = r.to_pixel(w)
    k = type(r).__name__
    if k == "CirclePixelRegion": out.append(["ELLIPSE", [[r.center.x, r.center.y], [r.radius, r.radius]]])
    elif k == "RectanglePixelRegion": out.append(["RECTANGLE", [[r.center.x, r.center.y], [r.width, r.height]]])
    elif k == "PolygonPixelRegion": out.append(["POLYGON", np.stack([r.vertices.x, r.vertices.y], 1)])
    elif k == "PointPixelRegion": out.append(["POINT", [[r.center.x, r.center.y]]])
answer(out)`, { file: `${folder}/cube.fits`, text: text.replace("panda(1,2,3)\n", "") });
  assert.deepEqual(regions.map((r) => r.type), expected.map(([type]) => type));
  regions.forEach((r, i) => allNear(r.points, expected[i][1], 2e-3, r.type));
  near(regions[1].rotation, 40, 0.01, "rotation");
  assert.deepEqual([regions[0].name, regions[0].colour, regions[1].lineWidth], ["a circle", "#ff0000", 3]);
  await agreed();
  const save = async (format, coordinates) => {
    await page.selectOption('select[aria-label="Format of the file"]', format);
    await page.selectOption('select[aria-label="Coordinates in the file"]', coordinates);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click('#regions-panel button:has-text("Export")')]);
    return { name: saved.suggestedFilename(), text: readFileSync(await saved.path(), "utf8") };
  };
  const ds9 = await save("ds9", "WORLD");
  assert.equal(ds9.name, "cube.reg");
  const back = python(`
from regions import Regions
w = WCS(fits.getheader(given["file"]), naxis=2)
out = []
for r in Regions.parse(given["text"], format="ds9"):
    p = r.to_pixel(w)
    c = getattr(p, "center", None)
    out.append([c.x, c.y] if c is not None else [p.vertices.x[0], p.vertices.y[0]])
answer(out)`, { file: `${folder}/cube.fits`, text: ds9.text });
  allNear(back, regions.map((r) => r.points[0]), 2e-3, "exported");
  const crtf = await save("crtf", "PIXEL");
  assert.equal(crtf.name, "cube.crtf");
  await clear();
  await page.click('#regions-panel button:has-text("Import")');
  const [again] = await Promise.all([page.waitForEvent("filechooser"), page.click('#region-files button:has-text("From this computer")')]);
  await again.setFiles({ name: "cube.crtf", mimeType: "text/plain", buffer: Buffer.from(crtf.text) });
  await page.waitForFunction(() => cubelink.element.regions.list().length === 4);
  (await list()).forEach((r, i) => allNear(r.points, regions[i].points, 1e-4, "read again"));
  assert.equal((await list())[0].name, "a circle");
});

await check("statistics of all regions as CSV, against numpy", async () => {
  await clear();
  const shapes = [{ type: "RECTANGLE", points: [[40.3, 40.2], [21.1, 13.3]], rotation: 12, name: '=cmd(),"x"' }, { type: "ELLIPSE", points: [[70.2, 60.4], [12.3, 8.1]] }, { type: "POINT", points: [[3, 4]] }];
  for (const shape of shapes) await page.evaluate((s) => cubelink.element.regions.set(s), shape);
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click('button[aria-label="Statistics of all regions as CSV"]')]);
  assert.equal(saved.suggestedFilename(), "cube_regions.csv");
  const [rows, expected] = python(`
import csv
plane = fits.getdata(given["file"])[7].astype(float)
rows = list(csv.reader(given["text"].splitlines()))
answer([rows, [statistics(plane[inside(plane.shape, r)]) for r in given["shapes"][:2]]])`, { file: `${folder}/cube.fits`, text: readFileSync(await saved.path(), "utf8"), shapes });
  assert.equal(rows.length, 3);
  assert.deepEqual(rows[0].slice(0, 8), ["Region", "Name", "Type", "Channel", "Stokes", "Pixels", "Sum, Jy/beam", "Flux density, Jy"]);
  assert.deepEqual(rows.slice(1).map((row) => row.slice(1, 5)), [[`'=cmd(),"x"`, "RECTANGLE", "7", "0"], ["", "ELLIPSE", "7", "0"]]);
  expected.forEach((e, i) => {
    const names = ["NumPixels", "Sum", null, "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"];
    names.forEach((name, k) => name && near(Number(rows[i + 1][5 + k]), e[name], 1e-6 * Math.abs(e[name]), name));
  });
});

await check("others in the session: what they make, move and remove is shown; a region in our hand stays there", async () => {
  await clear();
  const session = await page.evaluate(() => cubelink.sessionId);
  const other = await newPage(`${server.url}?token=${SECRET}&session=${session}`);
  const id = await page.evaluate(() => cubelink.element.regions.set({ type: "RECTANGLE", points: [[30, 30], [20, 10]], name: "Ours" }));
  await other.waitForFunction((i) => cubelink.element.regions.get(i)?.points[0][0] === 30, id);
  await other.evaluate((i) => cubelink.element.regions.change(i, { points: [[50, 40], [20, 10]] }), id);
  await page.waitForFunction((i) => cubelink.element.regions.get(i).points[0][0] === 50, id);
  assert.equal((await list())[0].name, "Ours"); // what only this viewer knows stays
  const theirs = await other.evaluate(() => cubelink.element.regions.set({ type: "POINT", points: [[7, 8]] }));
  await page.waitForFunction((i) => cubelink.element.regions.get(i)?.type === "POINT", theirs);
  // Several at once, as an import is told.
  await other.evaluate(() => cubelink.element.regions.import("# Region file format: DS9\nimage\ncircle(20,20,5)\ncircle(40,20,5)\n", "DS9_REG"));
  await page.waitForFunction(() => cubelink.element.regions.list().length === 4);
  await other.evaluate((i) => cubelink.element.regions.remove(i), theirs);
  await page.waitForFunction((i) => cubelink.element.regions.get(i) === undefined, theirs);
  // In both hands at once: in the end all have the same.
  await page.evaluate((i) => cubelink.element.regions.select(i), id);
  const [a] = [await place(50, 40)];
  await page.mouse.move(a.x, a.y);
  await page.mouse.down();
  for (let i = 1; i <= 10; i++) {
    await page.mouse.move(a.x + 4 * i, a.y);
    await other.evaluate(([i, k]) => cubelink.element.regions.change(i, { points: [[50, 40 + k], [20, 10]] }), [id, i]);
  }
  await page.mouse.up();
  await agreed(page);
  await agreed(other);
  // The other's change comes after ours, and is told before the answer to ours.
  await page.evaluate((i) => {
    const { element } = cubelink;
    const { image } = element.viewer.open_;
    const { setRegion } = image;
    window.told_ = new Promise((resolve) => element.client.onSessionChange((change) => change.what === "region" && change.region_info.control_points[0].x === 33 && resolve()));
    image.setRegion = async (region) => {
      image.setRegion = setRegion;
      const answer = await setRegion.call(image, region);
      window.sent_ = true;
      await window.told_;
      return answer;
    };
    element.regions.change(i, { points: [[60, 44], [20, 10]] });
  }, id);
  await page.waitForFunction(() => window.sent_);
  await other.evaluate((i) => cubelink.element.regions.change(i, { points: [[33, 44], [20, 10]] }), id);
  await page.waitForFunction((i) => cubelink.element.regions.get(i).points[0][0] === 33, id);
  await agreed(page);
  await agreed(other);
  await other.context().close();
});

await check("after a lost connection the regions are as they were, and what was changed meanwhile is sent", async () => {
  const id = (await list())[0].id;
  await page.evaluate((i) => cubelink.element.regions.select(i), id);
  proxy.shut();
  await page.waitForFunction(() => cubelink.connection !== "connected");
  await page.evaluate((i) => cubelink.element.regions.change(i, { points: [[60.3, 50.2], [24.1, 14.2]], rotation: 0 }), id);
  proxy.open();
  await page.waitForFunction(() => cubelink.connection === "connected");
  await agreed();
  allNear((await page.evaluate((i) => cubelink.element.regions.get(i).points, id)), [[60.3, 50.2], [24.1, 14.2]], 1e-6, "changed while offline");
  await analysed();
});

await check("another image: its predecessor's regions are gone from the session, too", async () => {
  await page.evaluate(() => cubelink.element.open("flat.fits"));
  await settled(page);
  assert.equal((await list()).length, 0);
  await agreed();
  await page.evaluate(() => cubelink.element.regions.set({ type: "RECTANGLE", points: [[20, 20], [10.5, 10.5]] }));
  await page.evaluate(() => cubelink.element.regions.select(cubelink.element.regions.list()[0].id));
  await page.waitForFunction(() => cubelink.element.viewer.analysis.statistics.value?.NumPixels === 121);
  assert.equal(await page.isVisible('figure[aria-label="Spectrum of the region plot"]'), false);
});

await check("everything in the panel has a name and room for a finger", async () => {
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
  await page.evaluate(() => cubelink.element.regions.set({ type: "ELLIPSE", points: [[20, 20], [10.5, 10.5]] }));
  await page.evaluate(() => cubelink.element.regions.select(cubelink.element.regions.list()[0].id));
  await page.waitForSelector("[data-statistic]");
  assert.deepEqual(await poorControls(page, "#regions-panel :is(button, select, input:not([hidden]), textarea, summary)"), []);
});

await check("no errors of the pages", async () => assert.deepEqual(problems, []));

await browser.close();
proxy.stop();
await server.stop();
rmSync(folder, { recursive: true });
finish();
