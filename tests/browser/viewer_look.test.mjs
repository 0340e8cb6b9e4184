// The viewer in Chromium, how the picture looks: the automatic stretch, contrast and bias, the coordinate grid, the channel player, the spectrum's axis.
//
//     node tests/browser/viewer_look.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { drawn, launchChromium, readPng, root, settled, startServer, writeFits } from "./viewer_support.mjs";

const output = `${root}tests/output/`;
mkdirSync(output, { recursive: true });
const folder = mkdtempSync(`${tmpdir()}/cubelink-look-`);
const flat = {
  BUNIT: "Jy/beam", RADESYS: "ICRS", CTYPE1: "RA---SIN", CRVAL1: 187.5, CRPIX1: 51, CDELT1: -0.01, CUNIT1: "deg", CTYPE2: "DEC--SIN", CRVAL2: 12.25, CRPIX2: 41,
  CDELT2: 0.01, CUNIT2: "deg",
}; // prettier-ignore
const spectral = { CTYPE3: "FREQ", CRVAL3: 115.2e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz", RESTFRQ: 115.2712018e9, SPECSYS: "LSRK" };

/** Even noise from −1 to 1, the same in each run. */
function noise() {
  let state = 20261127;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
const even = noise();
const bright = (x, y) => 400 * Math.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 18);
const faint = (x, y) => 20 * Math.exp(-((x - 70) ** 2 + (y - 50) ** 2) / 80);
writeFits(`${folder}/wide.fits`, { width: 100, height: 80, header: flat, value: (x, y) => even() + bright(x, y) + faint(x, y) });
// Noise alone but for a line in the channels from 10 on.
writeFits(`${folder}/cube.fits`, { width: 100, height: 80, depth: 20, header: { ...flat, ...spectral }, value: (x, y, k) => even() + (k >= 10 ? bright(x, y) : 0) });

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
const results = { passed: 0, failed: 0 };
const problems = [];

async function newPage(link, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`${server.url}?token=${SECRET}#${link}`);
  await settled(page);
  return page;
}

async function check(name, work) {
  try {
    await work();
    results.passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    results.failed += 1;
    console.log(`FAIL ${name}\n${error.stack}`);
    await page?.screenshot({ path: `${output}viewer-look-failed-${results.failed}.png` }).catch(() => undefined);
  }
}

const openImage = async (file) => {
  await page.evaluate((file) => cubelink.element.open(file), file);
  await settled(page);
};

/** The colour at image pixels, without what lies over the image. */
async function coloursAt(points) {
  await page.evaluate(() => (cubelink.root.querySelector("#overlay").style.visibility = "hidden"));
  await drawn(page);
  const shot = readPng(await page.screenshot());
  await page.evaluate(() => (cubelink.root.querySelector("#overlay").style.visibility = ""));
  const places = await page.evaluate((points) => points.map(([x, y]) => cubelink.pixelOnPage(x, y)), points);
  return places.map(({ x, y }) => shot.at(Math.round(x), Math.round(y)));
}
const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);

let page = await newPage("file=wide.fits&colours.map=Grey");

await check("the automatic stretch shows faint and bright, and noise as noise; once for an image, and the same by a link", async () => {
  assert.deepEqual(await page.evaluate(() => [cubelink.element.state.colours.stretch.value, cubelink.look.stretch, cubelink.look.percentile]), ["auto", "asinh", 99.5]);
  const [sky, source, peak] = (await coloursAt([[10, 70], [70, 50], [30, 30]])).map(([grey]) => grey);
  assert.ok(source > sky + 12 && peak > 240, `sky ${sky}, faint source ${source}, peak ${peak}`);
  await page.click('label[for="stretch-linear"]');
  const [linearSky, linearSource] = (await coloursAt([[10, 70], [70, 50]])).map(([grey]) => grey);
  assert.ok(linearSource - linearSky < source - sky, "a linear stretch shows the faint source less");
  await page.click('label[for="stretch-auto"]');
  await openImage("cube.fits");
  assert.equal(await page.evaluate(() => cubelink.look.stretch), "linear");
  await page.evaluate(() => (cubelink.element.channel = 15));
  await page.waitForFunction(() => cubelink.plane.channel === 15);
  await settled(page);
  assert.equal(await page.evaluate(() => cubelink.look.stretch), "linear");
  const link = await page.evaluate(() => cubelink.element.link);
  const other = await newPage(link);
  assert.equal(await other.evaluate(() => cubelink.look.stretch), "linear");
  await other.context().close();
  const fresh = await newPage("file=cube.fits&channel=15");
  assert.equal(await fresh.evaluate(() => cubelink.look.stretch), "asinh");
  await fresh.context().close();
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed === 0 ? 0 : 1;
