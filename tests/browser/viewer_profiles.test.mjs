// Statistics of ranges of the viewer's profiles and their CSV against numpy, and the view as a picture of any size, in Chromium through a real server.
//
//     node tests/browser/viewer_profiles.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, pictureOf, readPng, settled, startServer, writeFits } from "./viewer_support.mjs";
import { python } from "./viewer_oracle.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-viewer-profiles-`);
const SECRET = "a-secret-for-tests";
const sky = { CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CRVAL1: 120, CRVAL2: 30, CRPIX1: 60, CRPIX2: 50, CDELT1: -2 / 3600, CDELT2: 2 / 3600, BUNIT: "K", BMAJ: 20 / 3600, BMIN: 12 / 3600, BPA: 0 };
const spectral = { CRVAL3: 1.4e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz", RESTFRQ: 1.42e9 };
const value = (x, y, k) => (x > 100 && x < 104 ? NaN : Math.fround(Math.sin(0.7 * x + 0.3 * y) + 0.01 * x * k + (k === 20 ? NaN : 0)));
writeFits(`${folder}/cube.fits`, { width: 300, height: 200, depth: 40, header: { ...sky, ...spectral }, value });
// So wide that profiles are thinned out.
writeFits(`${folder}/wide.fits`, { width: 12000, height: 60, value: (x, y) => Math.fround(((x * 7919 + y * 104729) % 1009) / 1009) });

const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
const problems = [];
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
const page = await context.newPage();
page.setDefaultTimeout(60_000); // a busy machine draws slowly
page.on("pageerror", (error) => problems.push(String(error)));

const { check, finish } = checks("viewer-profiles", () => page);

const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);
const close = (a, b, what) => near(a, b, 1e-5 * Math.abs(b) + 1e-9, what);
const figure = (name) => `figure[aria-label^="${name}"]`;
const NAMES = ["mean", "rms", "sigma", "min", "max", "sum"];
const numbers = `
def tell(values):
    good = np.asarray(values, float)
    good = good[np.isfinite(good)]
    return {"mean": good.mean(), "rms": np.sqrt((good**2).mean()), "sigma": good.std(ddof=1), "min": good.min(), "max": good.max(), "sum": good.sum(), "count": len(good)}
`;
const expect = (program, given = {}) => python(`${numbers}\ncube = fits.getdata(given["file"]).astype(float)\nanswer(tell(${program}))`, { file: `${folder}/cube.fits`, ...given });
async function told(key, expected) {
  await page.waitForFunction(([k, e]) => {
    const s = cubelink.element.viewer.profileTools.statistics[k];
    return s && s.count === e.count && Math.abs(s.sum - e.sum) <= 1e-5 * Math.abs(e.sum) + 1e-6;
  }, [key, expected]);
  const statistics = await page.evaluate((k) => cubelink.element.viewer.profileTools.statistics[k], key);
  for (const name of NAMES) close(statistics[name], expected[name], `${name} of ${key}`);
}
const shownIn = async (name) => Object.fromEntries(await page.$$eval(`${figure(name)} [data-range]`, (cells) => cells.map((c) => [c.dataset.range, parseFloat(c.textContent.replaceAll("−", "-"))])));
const cursorTo = async (x, y) => {
  await page.evaluate(([a, b]) => {
    cubelink.element.state.held.set(false);
    cubelink.element.cursor = { x: a, y: b };
  }, [x, y]);
  await page.waitForFunction(([a, b]) => cubelink.cursor?.x === a && cubelink.cursor.y === b, [x, y]);
  await page.evaluate(() => cubelink.element.state.held.set(true));
};
const csvOf = async (button) => {
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click(`button[aria-label="${button}"]`)]);
  return { name: saved.suggestedFilename(), rows: readFileSync(await saved.path(), "utf8").trim().split("\r\n").map((line) => line.split(",")) };
};

await page.goto(`${server.url}?token=${SECRET}#file=cube.fits&channel=3`);
await settled(page);

await check("a range of the spectrum, dragged over: numpy's numbers; a click still chooses the channel", async () => {
  await cursorTo(57, 33);
  await page.waitForFunction(() => cubelink.plots.spectrum.ys.length === 40);
  const over = await page.locator(`${figure("Spectrum plot")} .u-over`).boundingBox();
  const at = (channel) => over.x + (over.width * channel) / 39;
  await page.mouse.move(at(4.6), over.y + 20);
  await page.mouse.down();
  await page.mouse.move(at(30.4), over.y + 25, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction(() => cubelink.element.state.ranges.spectrum.value !== null);
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.ranges.spectrum.value), { from: 5, to: 30 });
  assert.equal(await page.evaluate(() => cubelink.plane.channel), 3); // no click
  const expected = expect("cube[5:31, 33, 57]");
  assert.equal(expected.count, 25); // channel 20 is blank
  await told("spectrum", expected);
  const shown = await shownIn("Spectrum plot");
  for (const name of NAMES) near(shown[name], expected[name], 1e-4 * Math.abs(expected[name]), `${name} as text`);
  const now = await page.locator(`${figure("Spectrum plot")} .u-over`).boundingBox();
  await page.mouse.click(at(12), now.y + 20);
  await page.waitForFunction(() => cubelink.plane.channel === 12);
  await page.screenshot({ path: `${output}viewer-range.png` });
});

await check("it follows the cursor, and stays on its channels over another axis", async () => {
  await cursorTo(40, 60);
  await told("spectrum", expect("cube[5:31, 60, 40]"));
  await page.selectOption('select[aria-label="Axis of the spectrum"]', "velocity_radio");
  await page.waitForFunction(() => cubelink.spectralAxis?.kind === "velocity_radio");
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.ranges.spectrum.value), { from: 5, to: 30 });
  // Velocities fall as channels rise.
  const over = await page.locator(`${figure("Spectrum plot")} .u-over`).boundingBox();
  const at = (channel) => over.x + over.width - (over.width * channel) / 39;
  await page.mouse.move(at(9.5), over.y + 20);
  await page.mouse.down();
  await page.mouse.move(at(2.5), over.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => cubelink.element.state.ranges.spectrum.value.from === 3);
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.ranges.spectrum.value), { from: 3, to: 9 });
  await told("spectrum", expect("cube[3:10, 60, 40]"));
});

await check("profiles along x and y: typed, with blanks; also beyond what is in view", async () => {
  await page.click('button[aria-label="Statistics of a range of the profile: x"]');
  await page.fill(`${figure("Along x")} input[aria-label="Range from x"]`, "90");
  await page.fill(`${figure("Along x")} input[aria-label="Range to x"]`, "250");
  await page.keyboard.press("Enter");
  const { channel } = await page.evaluate(() => cubelink.plane);
  await told("x", expect(`cube[${channel}, 60, 90:251]`));
  await page.evaluate(() => (cubelink.element.view = { x: 60, y: 60, scale: 20 }));
  await settled(page);
  await told("x", expect(`cube[${channel}, 60, 90:251]`));
  await page.evaluate(() => cubelink.element.state.ranges.y.set({ from: 0, to: 199 }));
  await told("y", expect(`cube[${channel}, :, 40]`));
  // None of it is a number: it is said.
  await page.evaluate(() => cubelink.element.state.ranges.x.set({ from: 101, to: 103 }));
  await page.waitForFunction(() => cubelink.root.querySelector('figure[aria-label^="Along x"] .range-statistics').textContent === "No values here.");
  await page.fill(`${figure("Along x")} input[aria-label="Range to x"]`, "90");
  await page.keyboard.press("Enter");
  assert.equal(await page.getAttribute(`${figure("Along x")} input[aria-label="Range to x"]`, "aria-invalid"), "true");
  await page.click('button[aria-label="Statistics of a range of the profile: x"]');
  assert.equal(await page.evaluate(() => cubelink.element.state.ranges.x.value), null);
});

await check("ranges are part of a link", async () => {
  const link = await page.evaluate(() => cubelink.element.link);
  assert.match(link, /ranges\.spectrum=3%2C9/);
  assert.equal(await page.evaluate(() => cubelink.element.state.ranges.y.readText("5,2") || cubelink.element.state.ranges.y.readText("1.5,2")), false);
});

await check("profiles as CSV: all of a row, exact, though less is in view; the spectrum with its axis", async () => {
  const row = await csvOf("Profile as CSV: x");
  assert.equal(row.name, "cube_x.csv");
  const { channel } = await page.evaluate(() => cubelink.plane);
  const [expected, axis] = python(`
cube = fits.getdata(given["file"]).astype(float)
frequency = 1.4e9 + 1e6 * np.arange(40)
answer([cube[given["channel"], 60, :], 299792.458 * (1 - frequency / 1.42e9)])`, { file: `${folder}/cube.fits`, channel });
  assert.deepEqual(row.rows[0], ["x", '"Value', ' K"']);
  assert.equal(row.rows.length, 301);
  row.rows.slice(1).forEach(([x, v], i) => {
    assert.equal(Number(x), i);
    if (expected[i] === null) assert.equal(v, "");
    else assert.equal(Math.fround(Number(v)), Math.fround(expected[i]));
  });
  const spectrum = await csvOf("Profile as CSV: spectrum");
  assert.equal(spectrum.rows.length, 41);
  spectrum.rows.slice(1).forEach(([k, v, data], i) => {
    assert.equal(Number(k), i);
    close(Number(v), axis[i], "velocity");
    if (i === 20) assert.equal(data, "");
    else assert.equal(Math.fround(Number(data)), value(40, 60, i));
  });
  const range = await csvOf("Statistics of the range as CSV: spectrum");
  const numpy = expect("cube[3:10, 60, 40]");
  const cells = range.rows[1].map(Number);
  [3, 9, ...NAMES.map((n) => numpy[n]), numpy.count].forEach((v, i) => close(cells[i], v, `column ${i}`));
});

await check("a region's spectrum has the same range, and its own numbers", async () => {
  await page.evaluate(async () => {
    const { regions } = cubelink.element;
    cubelink.element.state.regionPanel.open.set(true);
    regions.select(await regions.set({ type: "RECTANGLE", points: [[50, 50], [20.5, 10.5]] }));
  });
  await told("region", expect("np.nanmean(cube[3:10, 45:56, 40:61], axis=(1, 2))"));
  const saved = await csvOf("Profile as CSV: region_spectrum");
  assert.equal(saved.rows[0].join(","), 'Channel,"Radio velocity, km/s","Mean, K"');
  const means = python(`cube = fits.getdata(given).astype(float)\nanswer(np.nanmean(cube[:, 45:56, 40:61], axis=(1, 2)))`, `${folder}/cube.fits`);
  saved.rows.slice(1).forEach((cells, i) => (means[i] === null ? assert.equal(cells.at(-1), "") : close(Number(cells.at(-1)), means[i], `channel ${i}`)));
});

await check("a profile that is thinned out: the numbers are those of all pixels", async () => {
  await page.evaluate(() => cubelink.element.open("wide.fits"));
  await settled(page);
  await cursorTo(6000, 30);
  await page.waitForFunction(() => cubelink.plots.x.xs.length > 100);
  assert.ok(await page.evaluate(() => cubelink.plots.x.xs[1] - cubelink.plots.x.xs[0] > 1));
  await page.evaluate(() => cubelink.element.state.ranges.x.set({ from: 1003, to: 9001 }));
  await told("x", python(`${numbers}\nanswer(tell(fits.getdata(given)[30, 1003:9002]))`, `${folder}/wide.fits`));
});

/** Of the picture, where an image pixel's centre is. */
const inPicture = async (x, y, width) => {
  const view = await page.evaluate(() => cubelink.view);
  const factor = width / view.width;
  return [Math.floor((view.width / 2 + (x - view.centreX) * view.scale) * factor), Math.floor((view.height / 2 - (y - view.centreY) * view.scale) * factor)];
};

await check("the view as a picture, smaller and larger than the screen: its pixels have the colours of their values", async () => {
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
  await page.evaluate(() => {
    cubelink.element.state.colours.map.set("Grey");
    cubelink.element.channel = 5;
    cubelink.element.view = { x: 140, y: 90, scale: 4 };
  });
  await page.waitForFunction(() => cubelink.plane.channel === 5);
  await settled(page);
  const { width, height } = await page.evaluate(() => cubelink.view);
  for (const wanted of [500, 1900, 5000]) {
    const shot = await pictureOf(page, { width: wanted, overlays: false });
    assert.deepEqual([shot.width, shot.height], [wanted, Math.round((wanted * height) / width)]);
    for (const [x, y] of [[60, 40], [77, 110], [99, 99], [105, 60], [140, 90], [150, 130], [210, 120], [102, 90]]) {
      const seen = shot.at(...(await inPicture(x, y, wanted)));
      const v = value(x, y, 5);
      const colour = Number.isNaN(v) ? [33, 38, 46] : await page.evaluate((value) => cubelink.colourOf(value), v);
      // Tiles are right to a part of their largest values.
      seen.forEach((c, i) => near(c, colour[i], 6, `${x}, ${y} at ${wanted}: ${seen}`));
    }
  }
  // The view is as it was.
  await settled(page);
  assert.deepEqual(await page.evaluate(() => cubelink.element.view), { x: 140, y: 90, scale: 4 });
});

await check("a small part of a large picture is as sharp as it can be: tiles of its own resolution are fetched", async () => {
  await page.evaluate(() => cubelink.element.open("wide.fits"));
  await settled(page);
  // On the screen two pixels are one.
  await page.evaluate(() => (cubelink.element.view = { x: 3020, y: 30, scale: 0.5 }));
  await settled(page);
  const wanted = 4 * (await page.evaluate(() => cubelink.view.width));
  const shot = await pictureOf(page, { width: wanted, overlays: false });
  const { low, high } = (await page.evaluate(() => cubelink.look)).limits;
  let wrong = 0;
  for (let x = 3000; x < 3040; x++) {
    const [px, py] = await inPicture(x, 30, wanted);
    const t = Math.min(1, Math.max(0, (((x * 7919 + 30 * 104729) % 1009) / 1009 - low) / (high - low)));
    if (Math.abs(shot.at(px, py)[0] - 255 * t) > 12) wrong += 1;
  }
  assert.equal(wrong, 0, `${wrong} of 40 pixels are not theirs`);
});

await check("what lies over the image is in the picture, handles and cross hair are not", async () => {
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
  await page.evaluate(async () => {
    const { regions } = cubelink.element;
    cubelink.element.view = { x: 150, y: 100, scale: 2.5 };
    regions.select(await regions.set({ type: "RECTANGLE", points: [[150, 100], [100, 60]], colour: "#ff0000", lineWidth: 4 }));
    await regions.set({ type: "ANNTEXT", points: [[60, 150], [40, 10]], text: "<i>&\u201cx", colour: "#00ff00" });
  });
  await cursorTo(80, 40);
  await settled(page);
  const wanted = 2200;
  const shot = await pictureOf(page, { width: wanted });
  const red = ([r, g, b]) => r > 200 && g < 90 && b < 90;
  for (const at of [[150, 130], [150, 70], [100, 100], [200, 100], [120, 130]]) {
    assert.ok(red(shot.at(...(await inPicture(...at, wanted)))), `no region at ${at}: ${shot.at(...(await inPicture(...at, wanted)))}`);
  }
  // Handles are white.
  const [cx, cy] = await inPicture(100, 70, wanted);
  for (let d = -8; d <= 8; d++) assert.ok(!shot.at(cx + d, cy + d).every((c) => c > 240), "a handle");
  const [tx, ty] = await inPicture(60, 150, wanted);
  let green = 0;
  for (let dx = -80; dx < 80; dx++) for (let dy = -25; dy < 25; dy++) { const [r, g, b] = shot.at(tx + dx, ty + dy); if (g > 180 && r < 120 && b < 120) green += 1; }
  assert.ok(green > 50, `${green} pixels of the text`);
  const without = await pictureOf(page, { width: wanted, overlays: false });
  const withCursor = await pictureOf(page, { width: wanted, cursor: true });
  const [hx, hy] = await inPicture(80, 40, wanted);
  const along = (s) => Array.from({ length: 20 }, (_, i) => s.at(hx + 60 + i, hy).reduce((a, b) => a + b));
  assert.deepEqual(along(shot), along(without));
  assert.notDeepEqual(along(withCursor), along(without));
});

await check("the dialog: size, too large, saved under the image's name", async () => {
  await page.click("#save-picture");
  await page.waitForSelector("#picture-dialog[open]");
  await page.fill("#picture-width", "40000");
  await page.waitForFunction(() => /16384/.test(cubelink.root.querySelector("#picture-dialog .error").textContent));
  await page.fill("#picture-width", "640");
  const { width, height } = await page.evaluate(() => cubelink.view);
  assert.equal(await page.textContent(".picture-height"), `× ${Math.round((640 * height) / width)}`);
  await page.screenshot({ path: `${output}viewer-picture-dialog.png` });
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click('#picture-dialog button:has-text("Save")')]);
  assert.equal(saved.suggestedFilename(), "cube.png");
  const shot = readPng(readFileSync(await saved.path()));
  assert.deepEqual([shot.width, shot.height], [640, Math.round((640 * height) / width)]);
  await page.waitForSelector("#picture-dialog[open]", { state: "detached" });
  await drawn(page);
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
