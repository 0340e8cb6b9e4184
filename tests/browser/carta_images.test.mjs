// New images in CARTA's own page: moments, a position-velocity image and its preview, a fit with its residual, an expression, and an image that is saved, each
// asked for in the page's own dialog. What is shown is held against values computed from the pixels here.
//
//     node tests/browser/carta_images.test.mjs           with build/release (or $CUBELINK_BUILD) and `npm ci` done in tools/carta
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";

import { CartaTest, output, scratchFolder, showsPicture, sleep } from "./carta_support.mjs";
import { Fits, writeFits } from "./viewer_support.mjs";

const WIDTH = 160, HEIGHT = 120, DEPTH = 40;
const ARCSEC = 1 / 3600, C = 299792.458;
const REST = 1.42e9, FIRST = 1.4e9, STEP = 1e5;
/** A source whose line moves along x, on a slope of its own; a corner is blank. */
const SOURCE = { x: 70, y: 55, width: 9 };
const value = (x, y, k) => {
  if (x < 30 && y < 20) return NaN;
  const sky = Math.exp(-((x - SOURCE.x) ** 2 + (y - SOURCE.y) ** 2) / (2 * SOURCE.width ** 2));
  return Math.fround(5 * sky * Math.exp(-((k - 20 - 0.15 * (x - SOURCE.x)) ** 2) / 18) + 0.2 + 0.01 * Math.sin(0.7 * x + 1.3 * y + k));
};

const EXPRESSION = 'sqrt("cube.fits" + 1) * 2';

const folder = scratchFolder();
writeFits(`${folder}/cube.fits`, {
  width: WIDTH, height: HEIGHT, depth: DEPTH, value,
  header: {
    CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CUNIT1: "deg", CUNIT2: "deg", CRVAL1: 120, CRVAL2: 30, CRPIX1: 81, CRPIX2: 61, CDELT1: -ARCSEC, CDELT2: ARCSEC,
    RADESYS: "ICRS", CRVAL3: FIRST, CRPIX3: 1, CDELT3: STEP, CUNIT3: "Hz", RESTFRQ: REST, BUNIT: "Jy/beam", BMAJ: 5 * ARCSEC, BMIN: 4 * ARCSEC, BPA: 0,
  },
});

const source = (x, y) => Math.fround(3 * Math.exp(-(((x - 61.5) / 6) ** 2 + ((y - 40.25) / 4) ** 2) / 2) + 0.02 * Math.sin(12.9898 * x + 78.233 * y));
writeFits(`${folder}/source.fits`, { width: 120, height: 90, value: source, header: { BUNIT: "Jy/pixel" } });

const test = await CartaTest.begin("carta-images", folder);
const { page, problems, carta, until, alerts } = test;
const check = (name, work) => test.check(name, work);
const velocity = (k) => C * (1 - (FIRST + k * STEP) / REST);
const plane = (of, width = WIDTH, height = HEIGHT) => Float32Array.from({ length: width * height }, (_, i) => of(i % width, Math.floor(i / width)));

const frames = () => carta("carta.frames.map((frame) => frame.frameInfo.fileInfo.name)");
async function show(file, zoom = 4) {
  await carta(`(carta.updateActiveImageByFrame(carta.frames.find((frame) => frame.frameInfo.fileInfo.name === ${JSON.stringify(file)})), carta.activeFrame.setZoom(${zoom}, true), 0)`);
  await until(`carta.activeFrame.frameInfo.fileInfo.name === ${JSON.stringify(file)}`, `${file} is shown`);
}
const ended = (count, what) =>
  until(`carta.frames.length === ${count}`, what).catch(async (error) => {
    throw new Error(`${error.message}\nimages: ${await frames()}\nalerts: ${await alerts()}`);
  });

await check("opens the cube", async () => {
  await test.start(["cube.fits"]);
  await test.onePanel();
  await show("cube.fits");
});

await check("moments 0 and 1 by the dialog of the spectral profiler", async () => {
  await page.locator("#SpectralProfilerButton").click();
  await page.locator("[data-testid=spectral-profiler-0-header-settings-button]").click();
  await page.getByRole("tab", { name: "Moments" }).click();
  const tab = page.locator("[data-testid=moment-generator-tab]");
  // Moment 0 is chosen at first.
  await tab.locator(".bp6-tag-input input").click();
  await page.locator(".bp6-menu-item", { hasText: /weighted.*coordinate|^1/i }).first().click();
  await page.keyboard.press("Escape");
  await page.locator("[data-testid=moment-generator-generate-button]").click();
  await ended(3, "two moments came");
  const [, first, second] = await frames();
  assert.deepEqual([first, second], ["cube.fits.moment.integrated", "cube.fits.moment.weighted_coord"]);
  for (const title of ["spectral-profiler-0-floating-settings-0", "spectral-profiler-0"]) await page.locator(`[data-testid=${title}-header-close-button]`).click();

  const width = C * (STEP / REST);
  const sums = plane((x, y) => Array.from({ length: DEPTH }, (_, k) => value(x, y, k)).reduce((a, b) => a + b, 0) * width);
  const means = plane((x, y) => {
    let sum = 0, weighted = 0;
    for (let k = 0; k < DEPTH; k++) (sum += value(x, y, k)), (weighted += value(x, y, k) * velocity(k));
    return weighted / sum;
  });
  for (const [file, expected, unit] of [[first, sums, "Jy/beam.km/s"], [second, means, "km/s"]]) {
    await show(file);
    assert.equal(await carta("carta.activeFrame.headerUnit"), unit);
    assert.deepEqual(await carta("[carta.activeFrame.frameInfo.fileInfoExtended.width, carta.activeFrame.frameInfo.fileInfoExtended.height]"), [WIDTH, HEIGHT]);
    await until("carta.activeFrame.renderConfig.histogram", "its histogram");
    const seen = await showsPicture(test, { width: WIDTH, height: HEIGHT }, expected, 0.97, `carta-images-${unit === "km/s" ? "moment1" : "moment0"}`);
    console.log(`     ${file}: ${JSON.stringify(seen)}`);
  }
  await show("cube.fits");
});

await check("a position-velocity image of a line drawn with the mouse", async () => {
  await page.locator("[data-testid=line-region-shortcut-button]").click();
  // From its middle to one of its ends.
  const [from, to] = [await test.at(75, 55), await test.at(120, 55)];
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move(...to, { steps: 8 });
  await page.mouse.up();
  await until("carta.activeFrame.regionSet.regions.length === 2 && carta.activeFrame.regionSet.regions[1].regionId > 0", "the line is there");
  await page.locator("#PVGeneratorButton").click();
  await page.locator("[data-testid=pv-generator-pv-cut-region-dropdown]").selectOption({ index: 1 });
  await page.locator("[data-testid=pv-generator-generate-button]").click();
  await ended(4, "the image came");
  const name = (await frames())[3];
  assert.equal(name, "cube_pv.fits");
  assert.equal(await carta("carta.frames[3].isPVImage"), true);
  const [width, height] = await carta("[carta.frames[3].frameInfo.fileInfoExtended.width, carta.frames[3].frameInfo.fileInfoExtended.height]");
  assert.equal(height, DEPTH);
  assert.ok(Math.abs(width - 91) <= 1, `${width} positions along a line of 90 pixels`);
  // The window would hide the picture.
  await page.locator("[data-testid=pv-generator-0-header-close-button]").click();
  await show(name, 5);
  // The line runs from its second point to its first: positions count from there.
  const points = await carta("JSON.parse(JSON.stringify(carta.frames[0].regionSet.regions[1].controlPoints))");
  const [a, b] = points;
  const along = (i) => b.x + ((a.x - b.x) * i) / (width - 1);
  const expected = plane((i, k) => [-1, 0, 1].map((dy) => value(Math.round(along(i)), Math.round(a.y) + dy, k)).reduce((p, q) => p + q) / 3, width, height);
  const seen = await showsPicture(test, { width, height }, expected, 0.95, "carta-images-pv");
  console.log(`     ${JSON.stringify(seen)}`);
  await show("cube.fits");
});

await check("the image follows the line while a preview is open", async () => {
  await page.locator("#PVGeneratorButton").click();
  await page.locator("[data-testid=pv-generator-pv-cut-region-dropdown]").selectOption({ index: 1 });
  const tab = page.locator("[data-testid=pv-generator-0-content]");
  // The window may be smaller than what is in it.
  await tab.getByText("Start preview", { exact: false }).first().evaluate((button) => button.closest("a, button").click());
  await until("[...carta.previewFrames.values()][0]?.previewPVRasterData?.length > 0", "the preview came");
  const preview = "[...carta.previewFrames.values()][0]";
  const height = await carta(`${preview}.frameInfo.fileInfoExtended.height`);
  assert.equal(height, DEPTH);
  const before = await carta(`[...${preview}.previewPVRasterData.slice(0, 2000)]`);
  await carta("(carta.frames[0].regionSet.regions[1].setControlPoints([{ x: 40, y: 30 }, { x: 100, y: 80 }]), 0)");
  await until(`(${preview}.previewPVRasterData.slice(0, 2000).some((one, i) => Math.abs(one - ${JSON.stringify(before)}[i]) > 1e-3))`, "the preview has followed the line");
  await page.locator("[data-testid=pv-generator-0-header-close-button]").click();
  await until("carta.previewFrames.size === 0", "the preview is closed");
});

await check("an expression, typed in the dialog that opens files", async () => {
  const count = (await frames()).length;
  await carta("(carta.fileBrowserStore.showFileBrowser(0, true), 0)");
  const dialog = page.locator("[data-testid=file-browser-dialog]");
  await dialog.getByRole("button", { name: "Filter" }).click();
  await page.locator(".bp6-menu-item", { hasText: "Image arithmetic" }).click();
  await dialog.locator(".bp6-input-group input").fill(EXPRESSION);
  await dialog.locator(".bp6-intent-primary").last().click();
  await ended(count + 1, "the expression is open");
  assert.equal((await frames()).at(-1), EXPRESSION);
  await show(EXPRESSION);
  await carta("(carta.activeFrame.setChannels(20, 0, true), 0)");
  const seen = await showsPicture(test, { width: WIDTH, height: HEIGHT }, plane((x, y) => Math.sqrt(value(x, y, 20) + 1) * 2), 0.97, "carta-images-expression");
  console.log(`     ${JSON.stringify(seen)}`);
});

await check("a fit of a source, by the dialog, with its model and residual", async () => {
  const count = (await frames()).length;
  await carta("(carta.appendFile('', 'source.fits', ''), 0)");
  await ended(count + 1, "the image is open");
  await show("source.fits", 5);
  await page.locator("[data-testid=fitting-dialog-button]").click();
  await page.locator("[data-testid=image-fitting-fit-button]").click();
  const result = page.locator("[data-testid=image-fitting-result-tab]");
  await result.filter({ hasText: /Center X/i }).waitFor();
  const text = await result.innerText();
  const number = (name) => Number(new RegExp(`${name}\\s*=\\s*([-\\d.]+)`, "i").exec(text)?.[1]);
  const fwhm = Math.sqrt(8 * Math.log(2));
  for (const [name, expected] of [["Center X", 61.5], ["Center Y", 40.25], ["Amplitude", 3], ["FWHM Major Axis", 6 * fwhm], ["FWHM Minor Axis", 4 * fwhm]])
    assert.ok(Math.abs(number(name) - expected) < 0.02, `${name}, expected ${expected}:\n${text}`);
  await page.locator("[data-testid=fitting-dialog-header-close-button]").click();
  await ended(count + 3, "model and residual are open");
  const [model, residual] = (await frames()).slice(-2);
  assert.deepEqual([model, residual], ["source_model.fits", "source_residual.fits"]);
  await show(model, 5);
  const seen = await showsPicture(test, { width: 120, height: 90 }, plane(source, 120, 90), 0.95, "carta-images-model");
  console.log(`     ${JSON.stringify(seen)}`);
  await show(residual, 5);
  await until("carta.activeFrame.renderConfig.histogram", "its histogram");
  const deviation = await carta("carta.activeFrame.renderConfig.histogram.stdDev");
  assert.ok(Math.abs(deviation - 0.02 / Math.SQRT2) < 1e-3, `the residual varies by ${deviation}`);
});

await check("what was made is saved by the dialog, and is the same image", async () => {
  await show("cube.fits.moment.integrated");
  await carta("(carta.fileBrowserStore.showFileBrowser(1), 0)");
  const dialog = page.locator("[data-testid=file-browser-dialog]");
  await dialog.getByText("Drop degenerate axes").waitFor();
  await page.locator(".bp6-dialog input[value='cube.fits.moment.integrated']").fill("moment0.fits");
  // What was computed is a CASA image to the page, which proposes to save it as one.
  await page.locator(".bp6-dialog").getByRole("button", { name: "CASA" }).click();
  await page.locator(".bp6-menu-item", { hasText: "FITS" }).click();
  await page.locator(".bp6-dialog").getByRole("button", { name: "Save", exact: true }).click();
  for (let i = 0; i < 600 && !existsSync(`${folder}/moment0.fits`); i++) await sleep(100);
  const saved = new Fits(`${folder}/moment0.fits`);
  assert.deepEqual([saved.width, saved.height, saved.cards.BUNIT], [WIDTH, HEIGHT, "Jy/beam.km/s"]);
  const pixels = saved.plane();
  for (const [x, y] of [[70, 55], [100, 90], [10, 10], [0, 119]]) {
    const expected = Array.from({ length: DEPTH }, (_, k) => value(x, y, k)).reduce((a, b) => a + b, 0) * C * (STEP / REST);
    const one = pixels[y * WIDTH + x];
    assert.ok((Number.isNaN(expected) && Number.isNaN(one)) || Math.abs(one - expected) < 1e-5 * Math.abs(expected), `(${x}, ${y}): ${one}, expected ${expected}`);
  }
  assert.deepEqual(await alerts(), []);
});

await check("images of expressions come back with the session", async () => {
  // CARTA's page closes what was computed from other images when it has lost its server, and opens expressions again.
  await test.endServer("SIGKILL");
  await test.comeBack(() => test.startServer());
  const names = await frames();
  assert.deepEqual(names, ["cube.fits", EXPRESSION, "source.fits"]);
  await show(EXPRESSION);
  await carta("(carta.activeFrame.setChannels(17, 0, true), 0)");
  await showsPicture(test, { width: WIDTH, height: HEIGHT }, plane((x, y) => Math.sqrt(value(x, y, 17) + 1) * 2), 0.97, "carta-images-restored");
});

await check("no error of the page on the way", async () => assert.deepEqual(problems, []));
rmSync(folder, { recursive: true });
await test.end();
