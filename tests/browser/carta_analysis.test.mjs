// Regions in CARTA's own page: drawn and moved with the mouse and by a program; statistics, spectrum and histogram in the page's stores are compared with
// values computed from the pixels; another image that shows the same sky; files of regions; a server that goes away and comes back.
//
//     node tests/browser/carta_analysis.test.mjs           with build/release (or $CUBELINK_BUILD) and `npm ci` done in tools/carta
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";

import { CartaTest, output, scratchFolder, sleep } from "./carta_support.mjs";
import { countsOf, ELLIPSE, pixelsOf, POLYGON, RECTANGLE, statisticsOf } from "./regions_oracle.mjs";
import { writeFits } from "./viewer_support.mjs";

const WIDTH = 200, HEIGHT = 160, DEPTH = 50;
const ARCSEC = 1 / 3600;
const STATS = ["NumPixels", "NanCount", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"]; // by their ICD numbers
const MEAN = STATS.indexOf("Mean");
const BEAM_AREA = (Math.PI / (4 * Math.log(2))) * 5 * 4; // pixels

/** The cube, as float32 has it; a corner is blank. */
const value = (x, y, channel) => (x < 60 && y < 30 ? NaN : Math.fround(Math.sin(0.11 * x + 0.3 * channel) + 0.01 * y + 0.1 * channel));
const sky = (crpix, scale, angle = 0) => ({
  CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CUNIT1: "deg", CUNIT2: "deg", CRVAL1: 120, CRVAL2: 30, CRPIX1: crpix[0] + 1, CRPIX2: crpix[1] + 1,
  CDELT1: -scale * ARCSEC, CDELT2: scale * ARCSEC, PC1_1: Math.cos(angle), PC1_2: -Math.sin(angle), PC2_1: Math.sin(angle), PC2_2: Math.cos(angle), RADESYS: "ICRS",
});
// The second image has the same tangent point: what lies between their pixels is a turn and a scale.
const TURN = 0.5, SCALE = 0.5, CENTRE = [[100, 80], [260, 240]];
const turnedValue = (x, y) => Math.fround(Math.cos(0.05 * x) + 0.02 * y);
const TURNED = { width: 520, height: 480 };

const folder = scratchFolder();
writeFits(`${folder}/cube.fits`, {
  width: WIDTH, height: HEIGHT, depth: DEPTH, value,
  header: { ...sky(CENTRE[0], 1), CRVAL3: 1.4e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz", RESTFRQ: 1.42e9, BUNIT: "Jy/beam", BMAJ: 5 * ARCSEC, BMIN: 4 * ARCSEC, BPA: 0 },
});
writeFits(`${folder}/turned.fits`, { ...TURNED, value: turnedValue, header: { ...sky(CENTRE[1], SCALE, TURN), BUNIT: "K" } });

const test = await CartaTest.begin("carta-analysis", folder);
const { page, problems, carta, until, alerts } = test;
const check = (name, work) => test.check(name, work);
const near = (a, b, relative, what) =>
  assert.ok(Object.is(a, b) || Math.abs(a - b) <= relative * Math.max(Math.abs(a), Math.abs(b), 1e-9), `${what}: ${a}, expected ${b}`);

/** The regions of the active image, without the cursor: [{id, type, points, rotation}], points as they travel. */
const regions = async () =>
  (await carta("JSON.parse(JSON.stringify(carta.activeFrame.regionSet.regions.map((r) => ({ id: r.regionId, type: r.regionType, points: r.controlPoints, rotation: r.rotation }))))"))
    .filter((region) => region.id !== 0)
    .map((region) => ({ ...region, points: region.points.map(({ x, y }) => ({ x: Math.fround(x), y: Math.fround(y) })) }));

/** The newest region, once the server has given it its number. */
async function newest(count) {
  await until(`carta.activeFrame.regionSet.regions.length === ${count + 1} && carta.activeFrame.regionSet.regions.every((r) => r.regionId >= 0)`, `there are ${count} regions`);
  return (await regions()).at(-1);
}

const STORES = {
  statistics: "carta.regionStats.get(FILE)?.get(REGION)?.get(0)",
  histogram: "carta.regionHistograms.get(FILE)?.get(REGION)?.get(0)",
  spectrum: "carta.spectralProfiles.get(FILE)?.get(REGION)?.profiles.get('z')?.get(MEAN)",
};

/** What the page has of a region of an image, null where there is nothing yet. */
const seen = (file, region) =>
  carta(`(() => {
    const statistics = ${STORES.statistics}, histogram = ${STORES.histogram}, spectrum = ${STORES.spectrum};
    const one = histogram && (Array.isArray(histogram.histograms) ? histogram.histograms[0] : histogram.histograms);
    return {
      statistics: statistics ? { channel: statistics.channel ?? 0, values: Object.fromEntries(statistics.statistics.map((s) => [s.statsType ?? 0, String(s.value)])) } : null,
      histogram: one ? { channel: histogram.channel ?? 0, bins: [...one.bins], width: one.binWidth, first: one.firstBinCenter, mean: one.mean, deviation: one.stdDev } : null,
      spectrum: spectrum && spectrum.progress === 1 ? [...spectrum.values] : null,
    };
  })()`.replaceAll("FILE", file).replaceAll("REGION", region).replaceAll("MEAN", MEAN));

/** The pixels' values of a region; as an image of `plane(x, y)` has them. */
function valuesIn(region, width, height, plane) {
  const { inside, doubtful } = pixelsOf(region, width, height);
  assert.equal(doubtful, 0, "the test's region has pixels whose place rounding decides");
  return { inside, values: inside.map(([x, y]) => plane(x, y)) };
}

/** Whether the page's statistics are those of the values; if `strict`, fails where they are not. */
function statisticsAgree(found, values, beamArea, strict) {
  if (!found) return false;
  const expected = statisticsOf(values, beamArea);
  for (const [name, wanted] of Object.entries(expected)) {
    const value = Number(found.values[STATS.indexOf(name)]);
    const good = Object.is(value, wanted) || Math.abs(value - wanted) <= 1e-9 * Math.max(Math.abs(wanted), 1e-6);
    if (!good && strict) assert.fail(`${name} is ${value}, expected ${wanted}`);
    if (!good) return false;
  }
  return true;
}

/** Waits until the layout has come to rest: the image is where it was in the readings before. */
async function atRest() {
  const place = async () => JSON.stringify([await page.locator("#raster-canvas").boundingBox(), await carta("JSON.parse(JSON.stringify(carta.activeFrame.requiredFrameView))")]);
  let before = "";
  for (let i = 0, same = 1; i < 600; i++) {
    await sleep(100);
    const now = await place();
    same = now === before ? same + 1 : 1;
    before = now;
    if (same === 5) return;
  }
  throw new Error(`the layout does not come to rest: ${before}`);
}

/** Waits until everything that the page shows of a region of the cube is that of its pixels; then looks at each number. */
async function followed(region, channel, what) {
  const { inside, values } = valuesIn(region, WIDTH, HEIGHT, (x, y) => value(x, y, channel));
  const mean = (k) => {
    const good = inside.map(([x, y]) => value(x, y, k)).filter(Number.isFinite);
    return good.reduce((a, b) => a + b, 0) / good.length;
  };
  const expected = Array.from({ length: DEPTH }, (_, k) => mean(k));
  let found;
  for (let i = 0; i < 600; i++) {
    found = await seen(0, region.id);
    const there = found.statistics && found.histogram && found.spectrum && found.statistics.channel === channel && found.histogram.channel === channel;
    if (there && statisticsAgree(found.statistics, values, BEAM_AREA) && Math.abs(found.spectrum[0] - expected[0]) < 1e-7 && found.histogram.bins.length > 1) break;
    await sleep(100);
  }
  assert.ok(found.statistics && found.histogram && found.spectrum, `${what}: something did not come: ${Object.entries(found).map(([name, one]) => `${name} ${one !== null}`)}`);
  statisticsAgree(found.statistics, values, BEAM_AREA, true);
  found.spectrum.forEach((one, k) => near(one, expected[k], 1e-6, `${what}: mean of channel ${k}`));
  const statistics = statisticsOf(values);
  assert.deepEqual(found.histogram.bins, countsOf(values, found.histogram.bins.length), `${what}: counts`);
  near(found.histogram.mean, statistics.Mean, 1e-9, `${what}: mean of the histogram`);
  near(found.histogram.deviation, statistics.Sigma, 1e-9, `${what}: deviation of the histogram`);
  near(found.histogram.width * found.histogram.bins.length, statistics.Max - statistics.Min, 1e-6, `${what}: range of the histogram`);
  return found;
}

let rectangle;

await check("opens the images and the windows", async () => {
  await test.start(["cube.fits", "turned.fits"]);
  await carta("(carta.layoutStore.applyLayout('Cube Analysis'), 0)");
  await page.locator("[data-testid=stats-0-content]").waitFor();
  await test.onePanel();
  await carta("(carta.updateActiveImageByFrame(carta.frames[0]), carta.activeFrame.setZoom(3, true), 0)");
  await page.locator("#HistogramWidgetButton").click();
  await page.locator("[data-testid=histogram-0-content]").waitFor();
  await test.moveWindow("histogram-0-header-title", 1000, 620); // off the image
  await until("carta.activeFrame.frameInfo.fileInfo.name === 'cube.fits' && carta.activeFrame.requiredFrameView.mip === 1", "the cube is shown");
  await atRest();
});

await check("a rectangle drawn with the mouse has its statistics, spectrum and histogram", async () => {
  await page.locator("[data-testid=rectangle-region-shortcut-button]").click();
  await test.drag([60, 60], [80, 100]); // from its centre to a corner
  rectangle = await newest(1);
  assert.deepEqual([rectangle.id, rectangle.type, rectangle.points], [1, RECTANGLE, [{ x: 60, y: 60 }, { x: 40, y: 80 }]]);
  const found = await followed(rectangle, 0, "the rectangle");
  assert.equal(Number(found.statistics.values[0]), 41 * 81 - 20 * 10, "a closed outline, and the blank corner");
  const shown = async () => Number(/NumPixels\s+([-+.\de]+)/.exec(await page.locator("[data-testid=stats-0-content]").innerText())?.[1]);
  for (let i = 0; i < 600 && (await shown()) !== 3121; i++) await sleep(100);
  assert.equal(await shown(), 3121, await page.locator("[data-testid=stats-0-content]").innerText());
  await page.screenshot({ path: `${output}carta-analysis.png` });
});

await check("they change when it is dragged", async () => {
  for (const [from, to] of [[[60, 60], [90, 60]], [[90, 70], [110, 90]], [[110, 80], [50, 50]]]) {
    const before = rectangle;
    await test.drag(from, to, 12);
    await until(`(({ x, y }) => x !== ${before.points[0].x} || y !== ${before.points[0].y})(carta.activeFrame.regionSet.regions[1].controlPoints[0]) && !carta.activeFrame.regionSet.regions[1].isEditing`, "it has moved");
    [rectangle] = await regions();
    assert.equal(rectangle.id, 1);
    assert.deepEqual(rectangle.points[1], before.points[1]);
    await followed(rectangle, 0, `dragged to ${JSON.stringify(rectangle.points[0])}`);
  }
});

await check("they follow while a program moves it thirty times a second", async () => {
  // Every statistic that arrives is that of a place on the way, and places come in their order; the last is the last's.
  await page.evaluate(() => {
    window.arrived = [];
    const take = (message) => message.regionId === 1 && window.arrived.push(message.statistics.find((one) => (one.statsType ?? 0) === 2).value);
    window.listening = window.carta.backendService.statsStream.subscribe(take);
  });
  const path = Array.from({ length: 60 }, (_, i) => ({ x: 50 + i, y: 60 + (i % 20) }));
  await page.evaluate(async (places) => {
    const region = window.carta.activeFrame.regionSet.regions[1];
    for (const at of places) {
      region.setCenter(at);
      await new Promise((resolve) => setTimeout(resolve, 33));
    }
  }, path);
  [rectangle] = await regions();
  assert.deepEqual(rectangle.points, [path.at(-1), { x: 40, y: 80 }]);
  await followed(rectangle, 0, "after the moves");
  const arrived = await page.evaluate(() => (window.listening.unsubscribe(), window.arrived));
  const sums = path.map((at) => statisticsOf(valuesIn({ type: RECTANGLE, points: [at, { x: 40, y: 80 }] }, WIDTH, HEIGHT, (x, y) => value(x, y, 0)).values).Sum);
  let at = 0;
  for (const sum of arrived) {
    const found = sums.findIndex((one, i) => i >= at && Math.abs(one - sum) <= 1e-9 * Math.abs(one));
    assert.ok(found >= 0, `a sum of ${sum} is of no place that it had after place ${at}`);
    at = found;
  }
  assert.ok(arrived.length >= 3, `${arrived.length} statistics came while it moved`);
  console.log(`     ${arrived.length} statistics for ${path.length} moves`);
});

await check("an ellipse and a polygon drawn with the mouse", async () => {
  await page.locator("[data-testid=ellipse-region-shortcut-button]").click();
  await test.drag([160, 60], [180, 90]);
  const ellipse = await newest(2);
  assert.deepEqual([ellipse.type, ellipse.points], [ELLIPSE, [{ x: 160, y: 60 }, { x: 30, y: 20 }]]);
  await followed(ellipse, 0, "the ellipse");
  await page.locator("[data-testid=polygon-region-shortcut-button]").click();
  for (const corner of [[20, 100], [61, 113], [40, 150]]) {
    await page.mouse.click(...(await test.at(...corner)));
    // A busy page that gets two clicks at once takes one of them.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
  await page.mouse.dblclick(...(await test.at(25, 130)));
  const polygon = await newest(3);
  assert.deepEqual([polygon.type, polygon.points.length], [POLYGON, 4]);
  await followed(polygon, 0, "the polygon");
});

await check("the channel changes, and with it statistics and histogram", async () => {
  await carta("(carta.activeFrame.setChannels(31, 0, true), 0)");
  const polygon = (await regions()).at(-1);
  const found = await followed(polygon, 31, "channel 31");
  assert.equal(found.statistics.channel, 31);
});

await check("a turned rectangle on an image that shows the same sky", async () => {
  await carta("(carta.setSpatialMatchingEnabled(carta.frames[1], true), 0)");
  assert.equal(await carta("carta.frames[1].spatialReference.frameInfo.fileId"), 0);
  await carta("(carta.activeFrame.regionSet.addRectangularRegion({ x: 121.25, y: 71.5 }, 33.3, 17.7), 0)");
  const made = await newest(4);
  await carta("(carta.activeFrame.regionSet.regions[4].setRotation(30), carta.updateActiveImageByFrame(carta.frames[1]), 0)");
  await carta("(carta.activeFrame.regionSet.selectSingleRegion(carta.activeFrame.regionSet.regions[4]), 0)");
  // Of a pixel of the second image the first one's, both from the tangent point, which they share.
  const [c, s] = [Math.cos(TURN) * SCALE, Math.sin(TURN) * SCALE];
  const toFirst = (u, v) => [c * (u - CENTRE[1][0]) - s * (v - CENTRE[1][1]) + CENTRE[0][0], s * (u - CENTRE[1][0]) + c * (v - CENTRE[1][1]) + CENTRE[0][1]];
  const turn = Math.PI / 6;
  const values = [];
  let doubtful = 0;
  for (let v = 0; v < TURNED.height; v++)
    for (let u = 0; u < TURNED.width; u++) {
      const [x, y] = toFirst(u, v).map((at, i) => at - [121.25, 71.5][i]);
      const [p, q] = [x * Math.cos(turn) + y * Math.sin(turn), y * Math.cos(turn) - x * Math.sin(turn)];
      const beyond = Math.max(Math.abs(p) - Math.fround(33.3) / 2, Math.abs(q) - Math.fround(17.7) / 2);
      if (Math.abs(beyond) < 1e-3) doubtful++;
      if (beyond <= 0) values.push(turnedValue(u, v));
    }
  const expected = statisticsOf(values);
  await until(`(() => {
    const found = ${STORES.statistics.replace("FILE", 1).replace("REGION", made.id)};
    return found && Math.abs(found.statistics[0].value - ${expected.NumPixels}) <= ${doubtful};
  })()`, `${expected.NumPixels} pixels of the turned image, ${doubtful} of them doubtful`);
  const found = await seen(1, made.id);
  if (doubtful === 0) near(Number(found.statistics.values[2]), expected.Sum, 1e-9, "sum on the turned image");
  near(Number(found.statistics.values[MEAN]), expected.Mean, 1e-2, "mean on the turned image");
  await carta("(carta.updateActiveImageByFrame(carta.frames[0]), 0)");
});

await check("regions go to files and come back", async () => {
  const before = await regions();
  const count = before.length;
  for (const [file, type, world, begins] of [["world.crtf", 1, 1, /^#CRTF/], ["pixel.reg", 2, 0, /^# Region file format: DS9/]]) {
    await carta(`((window.written = undefined), carta.exportRegions('.', '${file}', ${world}, ${type}, ${JSON.stringify(before.map((_, i) => i + 1))})
      .then(() => (window.written = 'done'), (error) => (window.written = error.message ?? String(error))), 0)`);
    await page.waitForFunction("window.written");
    assert.equal(await page.evaluate("window.written"), "done");
    assert.match(readFileSync(`${folder}/${file}`, "utf8"), begins);
    await carta("carta.activeFrame.regionSet.regions.slice(1).forEach((region) => carta.activeFrame.regionSet.deleteRegion(region))");
    await until("carta.activeFrame.regionSet.regions.length === 1", "they are deleted");
    await carta(`(carta.importRegion('.', '${file}', ${type}), 0)`);
    await until(`carta.activeFrame.regionSet.regions.length === ${count + 1}`, `${file} is imported`);
    const after = await regions();
    after.forEach((one, i) => {
      assert.equal(one.type, before[i].type);
      assert.ok(Math.abs(Math.sin(((one.rotation - before[i].rotation) * Math.PI) / 180)) < 1e-3, `${file}: turned by ${one.rotation}, was ${before[i].rotation}`);
      one.points.forEach((point, k) => {
        assert.ok(Math.abs(point.x - before[i].points[k].x) < 0.01 && Math.abs(point.y - before[i].points[k].y) < 0.01, `${file}: ${JSON.stringify(one)}, was ${JSON.stringify(before[i])}`);
      });
    });
    assert.deepEqual(await alerts(), []);
  }
  // What was imported is analysed as what was drawn.
  await carta("(carta.activeFrame.regionSet.selectSingleRegion(carta.activeFrame.regionSet.regions[1]), 0)");
  const [first] = await regions();
  await until(`${STORES.statistics.replace("FILE", 0).replace("REGION", first.id)}`, "statistics of what was imported");
});

await check("regions and their numbers survive a lost connection and a server that starts again", async () => {
  // Round numbers, so that no pixel is in doubt.
  await carta(`(carta.activeFrame.regionSet.regions[1].setRotation(0), carta.activeFrame.regionSet.regions[1].setControlPoints([{ x: 90, y: 70 }, { x: 40, y: 20 }]), 0)`);
  const [region] = await regions();
  await followed(region, 31, "before");
  for (const leave of [() => test.proxy.shut(), () => test.endServer("SIGTERM"), () => test.endServer("SIGKILL")]) {
    const before = await regions();
    await leave();
    await test.comeBack(async () => (test.server.exitCode === null && test.server.signalCode === null ? test.proxy.open() : await test.startServer()));
    assert.deepEqual(await regions(), before);
    // Nothing is left of what the page knew; the server sends it, as the page required it before.
    const x = before[0].points[0].x + 7;
    await carta(`(carta.regionStats.clear(), carta.activeFrame.regionSet.regions[1].setCenter({ x: ${x}, y: 75 }), 0)`);
    const [moved] = await regions();
    assert.equal(moved.points[0].x, x);
    await followed(moved, 31, "after");
  }
});

await check("a deleted region is gone, and nothing complains", async () => {
  const count = (await regions()).length;
  await carta("(carta.activeFrame.regionSet.deleteRegion(carta.activeFrame.regionSet.regions[1]), 0)");
  await until(`carta.activeFrame.regionSet.regions.length === ${count}`, "it is deleted");
  await sleep(600); // the page takes back what it had required
  const errors = await carta("carta.logStore.logEntries.filter((entry) => entry.level >= 2 && entry.tags.includes('server-sent')).map((entry) => entry.message)");
  // The page asks for spectra of a plane, too, and of a region that has no number yet.
  assert.deepEqual(errors.filter((message) => !/^turned.fits: spectral profiles need|^Region -\d+ does not exist/.test(message)), []);
  assert.deepEqual(await alerts(), []);
});

await check("no error of the page on the way", async () => assert.deepEqual(problems, []));

rmSync(folder, { recursive: true });
await test.end();
