// The viewer in Chromium, several images: opened beside one another, matched by sky and by channel, blinked, changed over, closed; by a link, and after a lost connection.
//
//     node tests/browser/viewer_compare.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, readPng, settled, startProxy, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-compare-`);
const sky = { RADESYS: "ICRS", CTYPE1: "RA---SIN", CUNIT1: "deg", CTYPE2: "DEC--SIN", CUNIT2: "deg", CRVAL1: 187.5, CRVAL2: 12.25 };
const spectral = { CTYPE3: "FREQ", CRPIX3: 1, CUNIT3: "Hz", RESTFRQ: 115.2712018e9 };
// A source at the reference point of both; the second image has smaller pixels, is cut otherwise, and right ascension grows to the right in it.
const coarse = { ...sky, CRPIX1: 51, CRPIX2: 41, CDELT1: -0.001, CDELT2: 0.001, ...spectral, CRVAL3: 115.2e9, CDELT3: 1e6 };
const fine = { ...sky, CRPIX1: 31, CRPIX2: 121, CDELT1: 0.0005, CDELT2: 0.0005, ...spectral, CRVAL3: 115.22e9, CDELT3: -2.5e6 };
const source = ({ CRPIX1, CRPIX2 }, size) => (x, y, k) => k / 100 + 10 * Math.exp(-((x + 1 - CRPIX1) ** 2 + (y + 1 - CRPIX2) ** 2) / (2 * size ** 2));
writeFits(`${folder}/coarse.fits`, { width: 100, height: 80, depth: 20, header: coarse, value: source(coarse, 1.5) });
writeFits(`${folder}/fine.fits`, { width: 180, height: 200, depth: 8, header: fine, value: source(fine, 3) });
writeFits(`${folder}/plain.fits`, { width: 50, height: 40, value: (x, y) => x + y });
writeFits(`${folder}/far.fits`, { width: 50, height: 40, header: { ...sky, CRVAL1: 20, CRPIX1: 25, CRPIX2: 20, CDELT1: -0.001, CDELT2: 0.001 }, value: (x, y) => x + y });

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const proxy = await startProxy(server.port);
const browser = await launchChromium();
const problems = [];

async function newPage(link) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" })).newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`${proxy.url}?token=${SECRET}#${link}`);
  await settled(page);
  return page;
}

const { check, finish } = checks("viewer-compare", () => page);
const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);

/** What the companions show. */
const companions = (p = page) =>
  p.evaluate(() =>
    cubelink.element.viewer.compare.companions.map(({ image, view, loader, element }) => ({
      name: image.info.name, x: view.centreX, y: view.centreY, scale: view.scale, channel: loader.shown.value.channel, settled: loader.settled,
      label: element.querySelector(".pane-name").textContent, seen: getComputedStyle(element).visibility === "visible" && element.clientWidth > 0,
    })),
  );
const companionsAre = (names, p = page) =>
  p.waitForFunction((names) => cubelink.element.viewer.compare.companions.map(({ image, loader }) => (loader.settled ? image.info.name : "…")).join() === names, names);
const image = (name, p = page) => p.waitForFunction((name) => cubelink.image?.name === name, name);

/** Where an image point of the coarse one is in the fine one. */
const inFine = (x, y) => [(-(x + 1 - coarse.CRPIX1) * 0.001) / 0.0005 + fine.CRPIX1 - 1, ((y + 1 - coarse.CRPIX2) * 0.001) / 0.0005 + fine.CRPIX2 - 1];
const channelInFine = (k) => {
  const wanted = coarse.CRVAL3 + k * coarse.CDELT3;
  const distances = Array.from({ length: 8 }, (_, i) => Math.abs(fine.CRVAL3 + i * fine.CDELT3 - wanted));
  return distances.indexOf(Math.min(...distances));
};
async function matches(x, y, scale, p = page) {
  const [fx, fy] = inFine(x, y);
  await p.waitForFunction(
    ([fx, fy, scale]) => {
      const { view } = cubelink.element.viewer.compare.companions.find(({ image }) => image.info.name === "fine.fits");
      return Math.abs(view.centreX - fx) < 0.05 && Math.abs(view.centreY - fy) < 0.05 && Math.abs(view.scale / scale - 1) < 1e-3;
    },
    [fx, fy, scale / 2],
  );
}

let page = await newPage("file=coarse.fits&colours.map=Grey");

await check("another image beside: the same place of the sky as large, the nearest channel by velocity, also after panning and zooming", async () => {
  await page.click('[aria-label="Open fine.fits beside"]');
  await companionsAre("fine.fits");
  const fitted = await page.evaluate(() => cubelink.view);
  await matches(49.5, 39.5, fitted.scale);
  await page.evaluate(() => cubelink.setView(60, 45, 12));
  await matches(60, 45, 12);
  for (const channel of [0, 7, 19]) {
    await page.evaluate((channel) => (cubelink.element.channel = channel), channel);
    await page.waitForFunction((channel) => cubelink.element.viewer.compare.companions[0].loader.shown.value.channel === channel, channelInFine(channel));
  }
  // The source is at the same place of both pictures: the second one is mirrored, so that east is to the left in it, too.
  await page.evaluate(() => cubelink.setView(54, 42, 12));
  await matches(54, 42, 12);
  await settled(page);
  await companionsAre("fine.fits");
  await page.evaluate(() => cubelink.root.querySelectorAll("#overlay, .pane-cross").forEach((e) => (e.style.visibility = "hidden")));
  await drawn(page);
  const shot = readPng(await page.screenshot({ path: `${output}viewer-side-by-side.png` }));
  for (const selector of ["#canvas", ".pane"]) {
    const box = await page.locator(selector).first().boundingBox();
    const [x, y] = [box.x + box.width / 2 - 4 * 12, box.y + box.height / 2 + 2 * 12];
    const [at, beside] = [shot.at(Math.round(x), Math.round(y))[0], shot.at(Math.round(x + 8 * 12), Math.round(y))[0]];
    assert.ok(at > 150 && beside < 60, `${selector}: ${at} at the source, ${beside} on the other side`);
  }
  await page.evaluate(() => cubelink.root.querySelectorAll("#overlay, .pane-cross").forEach((e) => (e.style.visibility = "")));
});

await check("the other picture can be dragged and zoomed: both go along", async () => {
  const box = await page.locator(".pane").boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const before = await page.evaluate(() => cubelink.view);
  await page.mouse.move(at.x, at.y);
  await page.mouse.down();
  await page.mouse.move(at.x + 36, at.y + 24, { steps: 3 });
  await page.mouse.up();
  await drawn(page);
  const after = await page.evaluate(() => cubelink.view);
  near(after.centreX - before.centreX, -36 / 12, 0.2, "x");
  near(after.centreY - before.centreY, 24 / 12, 0.2, "y");
  await page.mouse.wheel(0, -120);
  await page.waitForFunction((scale) => cubelink.view.scale > 1.1 * scale, after.scale);
});

await check("without matching it shows all of itself; with it, again the same place", async () => {
  await page.uncheck("#compare-matched");
  await page.waitForFunction(() => cubelink.element.viewer.compare.companions[0].view.fitted);
  await page.check("#compare-matched");
  const { centreX, centreY, scale } = await page.evaluate(() => cubelink.view);
  await matches(centreX, centreY, scale);
});

await check("blinking: each in turn, over the same place", async () => {
  await page.focus("#canvas");
  await page.keyboard.press("k");
  await page.selectOption("#compare-seconds", "0.5");
  const seen = (wish) => page.waitForFunction((wish) => (getComputedStyle(cubelink.root.querySelector(".pane")).visibility === "visible") === wish, wish);
  for (const wish of [true, false, true, false]) await seen(wish);
  const sizes = await page.evaluate(() => [".pane", "#canvas-wrap"].map((s) => cubelink.root.querySelector(s).getBoundingClientRect()).map(({ x, y, width, height }) => [x, y, width, height].join()));
  assert.equal(sizes[0], sizes[1]);
  await page.selectOption("#compare-layout", "one");
  await page.waitForFunction(() => cubelink.root.querySelector(".pane").clientWidth === 0);
  await page.selectOption("#compare-layout", "side");
});

await check("the other image becomes the one that is worked with, at the same place and channel, and back, with what was chosen for each", async () => {
  await page.evaluate(() => cubelink.setView(55, 40, 10));
  await page.evaluate(() => (cubelink.element.channel = 9));
  await matches(55, 40, 10);
  await page.waitForFunction((channel) => cubelink.element.viewer.compare.companions[0].loader.shown.value.channel === channel, channelInFine(9));
  await page.evaluate(() => cubelink.element.state.shades.contrast.set(2));
  await page.evaluate(() => cubelink.element.state.ranges.x.set({ from: 20, to: 90 }));
  await page.click('.compare-name:has-text("fine.fits")');
  await image("fine.fits");
  await settled(page);
  await companionsAre("coarse.fits");
  const [fx, fy] = inFine(55, 40);
  const view = await page.evaluate(() => cubelink.view);
  near(view.centreX, fx, 0.1, "x");
  near(view.centreY, fy, 0.1, "y");
  assert.equal(await page.evaluate(() => cubelink.plane.channel), channelInFine(9));
  assert.equal(await page.evaluate(() => cubelink.look.contrast), 1);
  assert.equal(await page.evaluate(() => cubelink.element.state.ranges.x.value), null);
  await page.focus("#canvas");
  await page.keyboard.press("n");
  await image("coarse.fits");
  await settled(page);
  await companionsAre("fine.fits");
  assert.equal(await page.evaluate(() => cubelink.look.contrast), 2);
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.ranges.x.value), { from: 20, to: 90 });
  await page.evaluate(() => cubelink.element.state.shades.contrast.reset());
});

await check("a name that is being pressed stays while something else is drawn", async () => {
  const box = await page.locator('.compare-name:has-text("fine.fits")').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.evaluate(() => {
    const { seconds } = cubelink.element.state.compare;
    seconds.set(seconds.value === 4 ? 2 : 4);
  });
  await page.mouse.up();
  await image("fine.fits");
  await companionsAre("coarse.fits");
  await page.click('.compare-name:has-text("coarse.fits")');
  await image("coarse.fits");
  await companionsAre("fine.fits");
  await page.evaluate(() => cubelink.element.state.compare.seconds.reset());
  await settled(page);
});

await check("images without a common sky: shown whole, and it is said; closed again", async () => {
  await page.click('[aria-label="Open plain.fits beside"]');
  await page.click('[aria-label="Open far.fits beside"]');
  await companionsAre("fine.fits,plain.fits,far.fits");
  await page.waitForFunction(() => [...cubelink.root.querySelectorAll(".pane-name")].some((e) => e.textContent === "far.fits (another part of the sky)"));
  await page.screenshot({ path: `${output}viewer-four-images.png` });
  assert.equal((await companions()).filter(({ seen }) => seen).length, 3);
  // Also where there is one column only.
  await page.setViewportSize({ width: 420, height: 800 });
  await page.waitForFunction(() => cubelink.root.querySelector(".pane").clientWidth < 220);
  assert.ok((await page.evaluate(() => [...cubelink.root.querySelectorAll(".pane, #canvas-wrap")].map((e) => e.clientHeight))).every((height) => height > 60));
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.click('[aria-label="Close plain.fits"]');
  await companionsAre("fine.fits,far.fits");
  await page.click('[aria-label="Close far.fits"]');
  await companionsAre("fine.fits");
});

await check("a link shows the same images; hostile ones do no harm", async () => {
  const link = await page.evaluate(() => cubelink.element.link);
  const other = await newPage(link);
  await companionsAre("fine.fits", other);
  const { centreX, centreY, scale } = await page.evaluate(() => cubelink.view);
  await matches(centreX, centreY, scale, other);
  await other.evaluate(() => (cubelink.element.link = 'file=coarse.fits&compare.images=[{"file":"not_there.fits","hdu":""}]&compare.seconds=0'));
  await other.waitForSelector(".message.error");
  await other.waitForFunction(() => cubelink.root.querySelector("#compare").hidden && cubelink.element.state.compare.images.value.length === 0);
  await other.evaluate(() => (cubelink.element.link = 'file=coarse.fits&compare.images=[1,{"file":""}]'));
  assert.equal(await other.evaluate(() => cubelink.element.state.compare.images.value.length), 0);
  await other.context().close();
});

await check("after a lost connection all of them go on", async () => {
  proxy.shut();
  await page.waitForFunction(() => cubelink.connection !== "connected");
  proxy.open();
  await page.waitForFunction(() => cubelink.connection === "connected");
  await page.evaluate(() => (cubelink.element.channel = 3));
  await page.evaluate(() => cubelink.setView(50, 40, 9));
  await settled(page);
  await matches(50, 40, 9);
  await page.waitForFunction((channel) => cubelink.element.viewer.compare.companions[0].loader.shown.value.channel === channel, channelInFine(3));
  await companionsAre("fine.fits");
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
proxy.stop();
await server.stop();
rmSync(folder, { recursive: true });
finish();
