// The viewer in Chromium, on the demo images, through a real server: what is on the canvas, in the plots and in the read-out is compared with values
// read from the FITS files. Leaves screenshots in tests/output/.
//
//     node tests/browser/viewer.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

import { checks, output } from "./checks.mjs";
import { build, drawn, Fits, launchChromium, readPng, root, settled as settledPage, startProxy, startServer } from "./viewer_support.mjs";

const demo = process.env.CUBELINK_DEMO ?? `${root}build/demo`;
const SECRET = "a-secret-for-tests";
if (!process.env.CUBELINK_DEMO) execFileSync(`${build}/tools/cubelink_demo_data`, [demo], { stdio: "inherit" });

const cube = new Fits(`${demo}/disk_cube.fits`);
const mosaic = new Fits(`${demo}/mosaic.fits`);
const server = await startServer(demo, { authKey: SECRET });
const proxy = await startProxy(server.port);
const browser = await launchChromium();
const problems = [];

async function newPage(viewport = { width: 1440, height: 900 }) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(`page: ${error}`));
  page.on("console", (message) => {
    if (/Content Security Policy|refused to/i.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  return page;
}

const { check, finish } = checks("viewer", () => page);

const settled = (p = page) => settledPage(p);
const hook = (expression, argument) => page.evaluate(`(${expression})(${JSON.stringify(argument ?? null)})`);
const openImage = async (name, p = page) => {
  await p.click(`.file-row.file:has-text("${name}")`);
  await p.waitForFunction((n) => window.cubelink?.image?.name === n, name);
  await settled(p);
};

/** Moves the pointer to an image pixel and waits until the profiles are those of that pixel. */
async function pointAt(x, y) {
  const at = await hook("([x, y]) => cubelink.pixelOnPage(x, y)", [x, y]);
  await page.mouse.move(at.x, at.y);
  await page.waitForFunction(([x, y]) => cubelink.cursor?.x === x && cubelink.cursor?.y === y, [x, y]);
}

const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);
const sameProfile = ({ xs, ys }, expected, start = 0) => {
  assert.equal(ys.length, expected.length);
  ys.forEach((v, i) => {
    assert.equal(xs[i], start + i);
    if (Number.isFinite(expected[i])) assert.equal(v, expected[i], `at ${start + i}`);
    else assert.equal(v, null, `at ${start + i}`);
  });
};

/** Without the cross hair and the beam, which lie over the image. */
async function bareScreenshot() {
  const show = (visibility) => page.evaluate((v) => void (cubelink.root.querySelector("#overlay").style.visibility = v), visibility);
  await show("hidden");
  const png = await page.screenshot();
  await show("");
  return png;
}

/** Pixels of the canvas against the file, in grey and linear: the shade is then a plain function of the value. */
async function checkPixels(fits, channel, points) {
  const { low, high } = (await hook("() => cubelink.look")).limits;
  const shot = readPng(await bareScreenshot());
  const plane = fits.plane(channel);
  let spread = 0;
  for (const [x, y] of points) {
    const at = await hook("([x, y]) => cubelink.pixelOnPage(x, y)", [x, y]);
    const shade = shot.at(Math.round(at.x), Math.round(at.y));
    const value = plane[x + fits.width * y];
    if (Number.isNaN(value)) {
      assert.deepEqual(shade, [33, 38, 46], `blank at ${x}, ${y}`);
      continue;
    }
    const t = Math.min(1, Math.max(0, (value - low) / (high - low)));
    // ZFP at precision 11 is right to about a thousandth of the largest value near the pixel.
    let largest = 0;
    for (let dy = -4; dy <= 4; dy++) for (let dx = -4; dx <= 4; dx++) {
      const v = plane[x + dx + fits.width * (y + dy)];
      if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v));
    }
    const tolerance = 2 + (255 * largest * 2 ** -7) / (high - low);
    for (const component of shade) near(component, 255 * t, tolerance, `shade at ${x}, ${y} (value ${value})`);
    spread = Math.max(spread, 255 * t);
  }
  assert.ok(spread > 100, "the points that were looked at are all dark: that shows nothing");
}

/** Brightest pixel of each of some squares of a plane, and some pixels in between. */
function interesting(fits, channel, [x0, y0, x1, y1]) {
  const plane = fits.plane(channel);
  const points = [];
  for (let j = 0; j < 4; j++) {
    for (let i = 0; i < 4; i++) {
      let best = null;
      for (let y = Math.ceil(y0 + ((y1 - y0) * j) / 4); y < y0 + ((y1 - y0) * (j + 1)) / 4; y++) {
        for (let x = Math.ceil(x0 + ((x1 - x0) * i) / 4); x < x0 + ((x1 - x0) * (i + 1)) / 4; x++) {
          const v = plane[x + fits.width * y];
          if (best === null || v > best[2]) best = [x, y, v];
        }
      }
      points.push(best.slice(0, 2), [best[0] + 3 < x1 ? best[0] + 3 : best[0] - 3, best[1]]);
    }
  }
  return points;
}

/** The clip limits that hold `percent` of a plane's pixels, sorted: to compare with those from the histogram. */
function percentiles(values, percent) {
  const sorted = Float32Array.from(values.filter(Number.isFinite)).sort();
  const at = (f) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(f * sorted.length) - 1))];
  return [at((100 - percent) / 200), at(1 - (100 - percent) / 200), (sorted.at(-1) - sorted[0]) / Math.floor(Math.sqrt(values.length))];
}

let page = await newPage();

await check("asks for the secret, refuses a wrong one, takes the right one", async () => {
  await page.goto(proxy.url);
  await page.waitForSelector("#secret-dialog[open]");
  await page.screenshot({ path: `${output}viewer-secret.png` });
  await page.fill("#secret-input", "not this one");
  await page.press("#secret-input", "Enter");
  await page.waitForFunction(() => document.querySelector("cubelink-view").shadowRoot.querySelector("#secret-error").textContent.includes("does not accept"));
  await page.fill("#secret-input", SECRET);
  await page.press("#secret-input", "Enter");
  await page.waitForSelector(".file-row.file");
  assert.equal(await page.isVisible("#secret-dialog"), false);
});

await check("takes the secret from the address and puts it out of sight", async () => {
  page = await newPage();
  await page.goto(`${proxy.url}?token=${SECRET}`);
  await page.waitForSelector(".file-row.file");
  assert.ok(!page.url().includes(SECRET), page.url());
  const names = await page.$$eval(".file-row.file .file-name", (rows) => rows.map((r) => r.textContent));
  assert.ok(names.includes("disk_cube.fits") && names.includes("mosaic.fits"), names.join());
});

await check("opens the cube; limits hold 99.5 % of the pixels", async () => {
  await openImage("disk_cube.fits");
  await page.waitForFunction(() => cubelink.histogram !== null);
  assert.deepEqual(await hook("() => [cubelink.image.width, cubelink.image.height, cubelink.image.depth]"), [cube.width, cube.height, cube.depth]);
  const look = await hook("() => cubelink.look");
  const [low, high, bin] = percentiles(cube.plane(0), 99.5);
  near(look.limits.low, low, 2 * bin, "lower limit");
  near(look.limits.high, high, 2 * bin, "upper limit");
});

await check("another channel: slider, picture, histogram", async () => {
  await page.locator("#channel-slider").fill("64");
  await page.waitForFunction(() => cubelink.plane?.channel === 64);
  await settled();
  await page.selectOption("#colormap-choice", "Grey");
  const [low, high, bin] = percentiles(cube.plane(64), 99.5);
  await page.waitForFunction(([high, bin]) => Math.abs(cubelink.look.limits.high - high) <= 2 * bin, [high, bin]);
  near((await hook("() => cubelink.look")).limits.low, low, 2 * bin, "lower limit");
});

await check("pixels on the canvas are the cube's", async () => {
  await hook("([x, y, s]) => cubelink.setView(x, y, s)", [256, 256, 4]);
  await settled();
  await page.mouse.move(700, 20);
  await drawn(page);
  await checkPixels(cube, 64, interesting(cube, 64, [180, 180, 330, 330]));
});

await check("profiles, spectrum, value and sky follow the pointer", async () => {
  await page.click("#zoom-fit");
  await settled();
  for (const [x, y] of [[300, 260], [251, 233]]) {
    await pointAt(x, y);
    const plane = cube.plane(64);
    const row = Array.from(plane.subarray(y * cube.width, (y + 1) * cube.width));
    const column = Array.from({ length: cube.height }, (_, i) => plane[x + cube.width * i]);
    const spectrum = cube.spectrum(x, y);
    await page.waitForFunction(
      ([at, value]) => cubelink.plots.spectrum.ys[at] === value && cubelink.cursor.channel === at,
      [64, spectrum[64]],
    );
    await page.waitForFunction(() => cubelink.element.viewer.open_.spectrum.value.progress === 1); // large cubes' spectra come in parts
    await drawn(page);
    sameProfile(await hook("() => cubelink.plots.x"), row);
    sameProfile(await hook("() => cubelink.plots.y"), column);
    sameProfile(await hook("() => cubelink.plots.spectrum"), spectrum);
    assert.equal((await hook("() => cubelink.cursor")).value, cube.value(x, y, 64));
    // Near the reference pixel the sky is flat enough for a straight line.
    await page.waitForFunction(([x, y]) => cubelink.sky?.x === x && cubelink.sky?.y === y, [x, y]);
    const { CRVAL1, CRVAL2, CRPIX1, CRPIX2, CDELT1, CDELT2 } = cube.cards;
    const sky = await hook("() => cubelink.sky");
    near(sky.lat, CRVAL2 + (y + 1 - CRPIX2) * CDELT2, 0.02 * Math.abs(CDELT2) * 50, "latitude");
    near(sky.lon, CRVAL1 + ((x + 1 - CRPIX1) * CDELT1) / Math.cos((sky.lat * Math.PI) / 180), 0.02 * Math.abs(CDELT1) * 50, "longitude");
    assert.match(await page.textContent("#read-sky"), /^\d\dh\d\dm\d\d\.\d{3}s\s+[+−]\d\d°\d\d′\d\d\.\d\d″$/);
  }
});

await check("the spectrum over frequency and velocity", async () => {
  await page.selectOption(".axis-choice", "frequency");
  const { CRVAL3, CRPIX3, CDELT3, RESTFRQ } = cube.cards;
  await page.waitForFunction(() => cubelink.spectralAxis.kind === "frequency");
  const frequency = (channel) => CRVAL3 + (channel + 1 - CRPIX3) * CDELT3;
  const [{ values, unit }, { xs }] = await hook("() => [{ values: Array.from(cubelink.spectralAxis.values), unit: cubelink.spectralAxis.unit }, cubelink.plots.spectrum]");
  assert.equal(unit, "GHz");
  for (const channel of [0, 64, 127]) near(values[channel], frequency(channel) / 1e9, 1e-9, `frequency of channel ${channel}`);
  assert.ok(xs.every((x, i) => i === 0 || x > xs[i - 1]), "positions rise");
  await page.selectOption(".axis-choice", "velocity_radio");
  await page.waitForFunction(() => cubelink.spectralAxis.kind === "velocity_radio");
  const velocities = await hook("() => Array.from(cubelink.spectralAxis.values)");
  for (const channel of [0, 64, 127]) near(velocities[channel], 299792.458 * (1 - frequency(channel) / RESTFRQ), 1e-3, `velocity of channel ${channel}`);
});

await check("stretch, colours and limits by hand change the picture", async () => {
  const middle = await page.locator("#canvas").boundingBox();
  const clip = { x: middle.x + 0.3 * middle.width, y: middle.y + 0.3 * middle.height, width: 0.4 * middle.width, height: 0.4 * middle.height };
  const seen = [];
  const take = async () => {
    await drawn(page);
    const text = (await page.screenshot({ clip })).toString("base64");
    assert.ok(!seen.includes(text), "the picture did not change");
    seen.push(text);
  };
  await take();
  for (const stretch of ["log", "sqrt", "asinh"]) {
    await page.click(`label[for="stretch-${stretch}"]`);
    await take();
  }
  await page.selectOption("#colormap-choice", "Viridis");
  await take();
  await page.fill('input[aria-label="Upper clip limit"]', "0.02");
  await page.press('input[aria-label="Upper clip limit"]', "Enter");
  await take();
  const look = await hook("() => cubelink.look");
  assert.equal(look.limits.high, 0.02);
  assert.equal(look.percentile, null);
  await page.selectOption("#limits-choice", "99.5");
  await page.selectOption("#colormap-choice", "Inferno");
  await page.click('label[for="stretch-linear"]');
});

await check("a lost connection is shown, comes back by itself, and everything goes on as it was", async () => {
  const before = await hook("() => ({ session: cubelink.sessionId, view: cubelink.view, plane: cubelink.plane })");
  proxy.shut();
  await page.waitForFunction(() => /lost|again/.test(cubelink.root.querySelector("#connection").textContent));
  await page.screenshot({ path: `${output}viewer-lost.png` });
  proxy.open();
  await page.waitForFunction(() => cubelink.connection === "connected");
  await settled();
  assert.deepEqual(await hook("() => ({ session: cubelink.sessionId, view: cubelink.view, plane: cubelink.plane })"), before);
  await pointAt(280, 240);
  await page.waitForFunction((value) => cubelink.plots.spectrum.ys.includes(value), cube.value(280, 240, 64));
  await page.locator("#channel-slider").fill("40");
  await page.waitForFunction(() => cubelink.plane.channel === 40);
  await settled();
});

await check("the pointer goes on while the viewer takes up a connection again: the cursor stays with it", async () => {
  await pointAt(280, 240);
  await page.waitForFunction(() => cubelink.cursor?.x === 280 && cubelink.cursor?.y === 240);
  const places = await page.evaluate(async () => {
    const open = cubelink.element.viewer.open_;
    const places = [];
    const { setCursor } = open.image;
    open.image.setCursor = (x, y) => (places.push([x, y]), setCursor.call(open.image, x, y));
    const required = open.require();
    open.setCursor(251, 233);
    await required;
    while (open.cursorPump.busy) await new Promise((resolve) => setTimeout(resolve, 10));
    open.image.setCursor = setCursor;
    return places;
  });
  assert.ok(places.length > 0 && places.every(([x, y]) => x === 251 && y === 233), JSON.stringify(places));
  await page.waitForFunction(() => cubelink.cursor.x === 251 && cubelink.cursor.y === 233);
});

await check("a moving slider ends at the right channel", async () => {
  for (let channel = 41; channel <= 100; channel += 1) await page.locator("#channel-slider").fill(String(channel));
  await page.waitForFunction(() => cubelink.plane.channel === 100);
  await settled();
  await page.selectOption("#colormap-choice", "Grey");
  await hook("([x, y, s]) => cubelink.setView(x, y, s)", [256, 256, 3]);
  await settled();
  await page.mouse.move(700, 20);
  await drawn(page);
  await checkPixels(cube, 100, interesting(cube, 100, [190, 190, 320, 320]));
  await page.selectOption("#colormap-choice", "Inferno");
});

await check("picture for the record: the cube", async () => {
  await page.click("#zoom-fit");
  await page.locator("#channel-slider").fill("52");
  await page.waitForFunction(() => cubelink.plane.channel === 52);
  await pointAt(290, 275);
  await settled();
  await drawn(page);
  await page.screenshot({ path: `${output}viewer-cube.png` });
});

await check("the mosaic: full resolution, blank border, wheel and drag", async () => {
  await openImage("mosaic.fits");
  await page.waitForFunction(() => cubelink.histogram !== null);
  await page.selectOption("#colormap-choice", "Grey");
  const box = await page.locator("#canvas").boundingBox();
  // Whole numbers: that is all that a wheel's event tells.
  const pointer = { x: Math.round(box.x + box.width * 0.6), y: Math.round(box.y + box.height * 0.4) };
  const underPointer = () => hook("([x, y]) => { const at = cubelink.pixelOnPage(0, 0), v = cubelink.view; return [(x - at.x) / v.scale, (at.y - y) / v.scale]; }", [pointer.x, pointer.y]);
  await page.mouse.move(pointer.x, pointer.y);
  const before = await underPointer();
  for (let i = 0; i < 16; i++) await page.mouse.wheel(0, -100);
  await page.waitForFunction(() => cubelink.view.scale > 2);
  for (let seen = 0, now; (now = (await hook("() => cubelink.view")).scale) !== seen; seen = now) await drawn(page); // until the wheel has come to rest
  const after = await underPointer();
  near(after[0], before[0], 0.01, "x under the pointer");
  near(after[1], before[1], 0.01, "y under the pointer");
  const { centreX, scale } = await hook("() => cubelink.view");
  await page.mouse.down();
  await page.mouse.move(pointer.x - 80, pointer.y);
  await page.mouse.up();
  near((await hook("() => cubelink.view")).centreX, centreX + 80 / scale, 0.01, "centre after the drag");

  const plane = mosaic.plane();
  let best = 0;
  for (let i = 0; i < plane.length; i++) if (plane[i] > plane[best] || Number.isNaN(plane[best])) best = i;
  const [x, y] = [best % mosaic.width, Math.floor(best / mosaic.width)];
  await hook("([x, y, s]) => cubelink.setView(x, y, s)", [x, y, 6]);
  await settled();
  await page.mouse.move(700, 20);
  await drawn(page);
  await checkPixels(mosaic, 0, interesting(mosaic, 0, [x - 40, y - 40, x + 40, y + 40]));
  // And a place where there is nothing.
  const blank = plane.findIndex((v, i) => Number.isNaN(v) && Number.isFinite(plane[i + 8] ?? NaN));
  assert.ok(blank >= 0, "the mosaic has a blank border");
  const [bx, by] = [blank % mosaic.width, Math.floor(blank / mosaic.width)];
  await hook("([x, y, s]) => cubelink.setView(x, y, s)", [bx, by, 6]);
  await settled();
  await drawn(page);
  const shot = readPng(await bareScreenshot());
  const at = await hook("([x, y]) => cubelink.pixelOnPage(x, y)", [bx, by]);
  assert.deepEqual(shot.at(Math.round(at.x), Math.round(at.y)), [33, 38, 46]);
});

await check("picture for the record: the mosaic", async () => {
  await page.selectOption("#colormap-choice", "Viridis");
  await page.click('label[for="stretch-asinh"]');
  await page.click("#zoom-fit");
  await settled();
  await drawn(page);
  await page.screenshot({ path: `${output}viewer-mosaic.png` });
});

await check("an image that can't be opened says why, and what is open stays", async () => {
  await page.evaluate(() => (location.hash = ""));
  writeFileSync(`${demo}/not_an_image.fits`, "SIMPLE  =                    T / and nothing more".padEnd(100));
  try {
    await page.click("#refresh");
    await page.click('.file-row.file:has-text("not_an_image.fits")');
    await page.waitForSelector(".message.error");
    assert.equal(await hook("() => cubelink.image.name"), "mosaic.fits");
  } finally {
    const { unlinkSync } = await import("node:fs");
    unlinkSync(`${demo}/not_an_image.fits`);
  }
});

await check("polarisations by name", async () => {
  await page.click("#refresh");
  await page.waitForSelector('.file-row:has-text("not_an_image.fits")', { state: "detached" }); // the list is the new one
  await openImage("polarised_jet.fits");
  await page.locator("#stokes-slider").fill("1");
  await page.waitForFunction(() => cubelink.plane.stokes === 1);
  assert.equal(await page.textContent(".stokes-name"), "Q");
  await settled();
  await page.screenshot({ path: `${output}viewer-polarised.png` });
});

await check("no errors of the page, nothing against the content policy", async () => assert.deepEqual(problems, []));

await browser.close();
proxy.stop();
await server.stop();
finish();
