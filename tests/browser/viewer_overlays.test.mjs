// The viewer in Chromium, what lies over the pictures of several images: turned to match, with regions at their places on the sky, coordinate grids, and the
// contours of one over the other.
//
//     node tests/browser/viewer_overlays.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, pictureOf, readPng, settled, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-overlays-`);
const degrees = Math.PI / 180;
const sky = { RADESYS: "ICRS", CUNIT1: "deg", CUNIT2: "deg", CRVAL1: 187.5, CRVAL2: 52 };
/** Image points (the centre of the first pixel at 0) to offsets on the tangential plane, degrees to the west and to the north, and back. */
const radio = { width: 120, height: 100, crpix: [61, 51], size: 0.002, turn: 0, projection: "SIN" };
const optical = { width: 300, height: 260, crpix: [141, 136], size: 0.001, turn: 35, projection: "TAN" };
const header = ({ crpix, size, turn, projection }) => ({
  ...sky, CTYPE1: `RA---${projection}`, CTYPE2: `DEC--${projection}`, CRPIX1: crpix[0], CRPIX2: crpix[1],
  CD1_1: -size * Math.cos(turn * degrees), CD1_2: size * Math.sin(turn * degrees), CD2_1: size * Math.sin(turn * degrees), CD2_2: size * Math.cos(turn * degrees),
});
const blob = (x0, y0, size, height) => (x, y) => height * Math.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * size ** 2));
// A source 40 pixels of the radio image west of the reference point and 20 north of it: in the optical one twice as many, turned by 35°.
const SOURCE = [100, 70];
const inOptical = ([x, y]) => {
  const [east, north] = [-(x - 60) * radio.size, (y - 50) * radio.size];
  const [c, s] = [Math.cos(35 * degrees), Math.sin(35 * degrees)];
  return [140 + (-c * east + s * north) / optical.size, 135 + (s * east + c * north) / optical.size];
};
const PLACE = inOptical(SOURCE);
writeFits(`${folder}/radio.fits`, { ...radio, header: header(radio), value: blob(...SOURCE, 6, 10) });
writeFits(`${folder}/optical.fits`, { ...optical, header: { ...header(optical), BMAJ: 0.02, BMIN: 0.01, BPA: 20 }, value: blob(...PLACE, 4, 1000) });
writeFits(`${folder}/plain.fits`, { width: 120, height: 100, value: blob(...SOURCE, 6, 10) });
writeFits(`${folder}/all_sky.fits`, { width: 360, height: 180, header: { RADESYS: "ICRS", CTYPE1: "RA---AIT", CTYPE2: "DEC--AIT", CUNIT1: "deg", CUNIT2: "deg", CRVAL1: 187.5, CRVAL2: 0, CRPIX1: 180.5, CRPIX2: 90.5, CDELT1: -1, CDELT2: 1 }, value: (x, y) => x + y });
writeFits(`${folder}/wide.fits`, { width: 200, height: 200, header: { ...sky, CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CRPIX1: 100, CRPIX2: 100, CDELT1: -0.5, CDELT2: 0.5 }, value: (x, y) => x + y });

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
const problems = [];
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" })).newPage();
page.setDefaultTimeout(60_000); // a busy machine draws slowly
page.on("pageerror", (error) => problems.push(String(error)));
const { check, finish } = checks("viewer-overlays", () => page);
const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);

const companionsAre = (names) =>
  page.waitForFunction((names) => cubelink.element.viewer.compare.companions.map(({ image, loader, histogram }) => (loader.settled && histogram.value ? image.info.name : "…")).join() === names, names);
const label = (text) => page.waitForFunction((text) => [...cubelink.root.querySelectorAll(".pane .pane-name")].some((e) => e.textContent.includes(text)), text);
/** Of what is painted on a canvas: their middle, from that of the canvas, and their mean distance from there, CSS pixels. */
const painted = (selector) =>
  page.evaluate((selector) => {
    const canvas = cubelink.root.querySelector(selector);
    if (canvas.hidden || canvas.width === 0) return null;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const at = [];
    for (let i = 3, k = 0; i < data.length; i += 4, k++) if (data[i] > 0) at.push([(k % canvas.width) + 0.5, Math.floor(k / canvas.width) + 0.5, data[i]]);
    const all = at.reduce((sum, p) => sum + p[2], 0);
    const mean = (of) => at.reduce((sum, p) => sum + p[2] * of(p), 0) / all;
    const [x, y] = [mean((p) => p[0]), mean((p) => p[1])];
    const ratio = canvas.width / canvas.clientWidth;
    return at.length === 0 ? null : { x: (x - canvas.width / 2) / ratio, y: (y - canvas.height / 2) / ratio, radius: mean((p) => Math.hypot(p[0] - x, p[1] - y)) / ratio };
  }, selector);
/** Tried until it succeeds: layers follow when the server has told the places. */
async function soon(work) {
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > end) throw error;
      await drawn(page);
    }
  }
}
/** On the screen from the middle of the pane, of a point of the radio image. */
const offset = async ([x, y]) => {
  const view = await page.evaluate(() => cubelink.view);
  return [(x - view.centreX) * view.scale, -(y - view.centreY) * view.scale];
};

await page.goto(`${server.url}?token=${SECRET}#file=radio.fits&compare.images=${encodeURIComponent('[{"file":"optical.fits","hdu":""}]')}`);
await settled(page);

await check("opened by a link, another image is there with limits of its own; it lies as the one on show does", async () => {
  await companionsAre("optical.fits");
  const [dx, dy] = await offset(SOURCE);
  await soon(async () => {
    const shot = readPng(await page.screenshot({ path: `${output}viewer-turned.png` }));
    const box = await page.locator(".pane").boundingBox();
    const at = (x, y) => shot.at(Math.round(box.x + box.width / 2 + x), Math.round(box.y + box.height / 2 + y))[0];
    assert.ok(at(dx, dy) > 200 && at(dx, dy + 40) < 60 && at(dx - 40, dy) < 60, `${at(dx, dy)} at the source, ${at(dx, dy + 40)} and ${at(dx - 40, dy)} beside`);
  });
  assert.equal(await page.textContent(".pane .pane-name"), "optical.fits");
});

await check("regions are at their places of the sky, and go along while they are dragged", async () => {
  const id = await page.evaluate(() => cubelink.element.regions.set({ type: "RECTANGLE", points: [[70, 40], [30, 16]], rotation: 20 }));
  await page.evaluate(() => cubelink.element.regions.set({ type: "POINT", points: [[100, 70]] }));
  const corner = ([x, y], [w, h]) => {
    const [c, s] = [Math.cos(20 * degrees), Math.sin(20 * degrees)];
    return [x - (c * w) / 2 + (s * h) / 2, y - (s * w) / 2 - (c * h) / 2];
  };
  const first = () =>
    page.evaluate(() => {
      const { width, height } = cubelink.element.viewer.compare.companions[0].view;
      const [x, y] = cubelink.root.querySelector(".pane .regions polygon").getAttribute("points").split(" ")[0].split(",").map(Number);
      return [x - width / 2, y - height / 2];
    });
  for (const [middle, drag] of [[[70, 40], false], [[55, 62], true]]) {
    if (drag) await page.evaluate(([id, middle]) => cubelink.element.regions.change(id, { points: [middle, [30, 16]] }), [id, middle]);
    const expected = await offset(corner(middle, [30, 16]));
    await soon(async () => {
      const at = await first();
      near(at[0], expected[0], 1, "x");
      near(at[1], expected[1], 1, "y");
    });
  }
  const place = await page.evaluate(() => {
    const companion = cubelink.element.viewer.compare.companions[0];
    const circle = cubelink.root.querySelector(".pane .regions circle");
    return companion.view.toImage(Number(circle.getAttribute("cx")), Number(circle.getAttribute("cy")));
  });
  near(place.x, PLACE[0], 0.2, "the point's x in the other image");
  near(place.y, PLACE[1], 0.2, "the point's y in the other image");
  await page.evaluate(() => cubelink.element.regions.clear());
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".pane .regions > *").length === 0);
});

await check("each picture has its coordinate grid, with labels", async () => {
  await page.evaluate(() => cubelink.element.state.marks.grid.set(true));
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".pane .sky-grid text").length >= 4 && !cubelink.root.querySelector(".pane .sky-grid").hasAttribute("hidden"));
  const texts = await page.$$eval(".pane .sky-grid text", (all) => all.map((e) => e.textContent));
  assert.ok(texts.some((text) => /^12h\d\dm/.test(text)) && texts.some((text) => /^\+5[12]°/.test(text)), texts.join());
  await page.screenshot({ path: `${output}viewer-compare-grid.png` });
  await page.evaluate(() => cubelink.element.state.marks.grid.set(false));
});

/** Of the beam's major axis, degrees clockwise from upwards. */
const beamAngle = (selector) => page.evaluate((selector) => {
  const beam = cubelink.root.querySelector(selector);
  return beam.hasAttribute("hidden") ? null : Number(/rotate\(([-\d.]+)\)/.exec(beam.getAttribute("transform"))[1]);
}, selector);

await check("the other image's beam lies as it is on the sky", async () => {
  // North is up here: 20° towards east is to the left.
  await soon(async () => near(await beamAngle(".pane .beam"), -20, 0.5, "angle"));
});

// At this level the contour is a circle with a radius of 6 pixels of the radio image.
const LEVEL = 10 * Math.exp(-0.5);
/** A circle about the source lies over both images. `radius`: in pixels of the radio image. */
async function bothPaint(radius) {
  const [dx, dy] = await offset(SOURCE);
  const { scale } = await page.evaluate(() => cubelink.view);
  for (const selector of ["#contours", ".pane canvas.overlay"]) {
    await soon(async () => {
      const line = await painted(selector);
      near(line?.x, dx, 1, `${selector}: x`);
      near(line?.y, dy, 1, `${selector}: y`);
      near(line?.radius, radius * scale, 1.5, `${selector}: radius`);
    });
  }
}

await check("contours of the image on show lie over the other one", async () => {
  await page.evaluate((level) => {
    cubelink.element.state.contours.levels.set([level]);
    cubelink.element.state.contours.on.set(true);
  }, LEVEL);
  await bothPaint(6);
});

/** Of every third pixel, how many are others by more than `most` in a colour. */
const othersOf = (shot, [left, top], picture, most = 48) => {
  let [others, all] = [0, 0];
  for (let y = 1; y < picture.height; y += 3) {
    for (let x = 1; x < picture.width; x += 3, all++) {
      const [a, b] = [shot.at(left + x, top + y), picture.at(x, y)];
      if ([0, 1, 2].some((i) => Math.abs(a[i] - b[i]) > most)) others += 1;
    }
  }
  return others / all;
};

await check("a picture of all images side by side is what is on the screen, turned ones, regions, grids and contours too; a larger one the same in proportion", async () => {
  await page.evaluate(async () => {
    const { state, regions } = cubelink.element;
    state.marks.grid.set(true);
    await regions.set({ type: "ELLIPSE", points: [[85, 60], [14, 8]], rotation: 40, colour: "#ff3030", lineWidth: 3 });
    regions.select(null);
  });
  const visibility = (value) => page.evaluate((value) => cubelink.root.querySelectorAll(".zoom-buttons, .cross, .pane-cross").forEach((e) => (e.style.visibility = value)), value);
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".pane .regions polygon").length === 1 && cubelink.root.querySelectorAll(".pane .sky-grid text").length >= 4);
  await settled(page);
  const box = await page.locator("#pictures").boundingBox();
  let once;
  await soon(async () => {
    await visibility("hidden");
    const shot = readPng(await page.screenshot());
    await visibility("");
    once = await pictureOf(page, { width: box.width, beside: true });
    assert.deepEqual([once.width, once.height], [box.width, box.height]);
    const others = othersOf(shot, [box.x, box.y], once);
    assert.ok(others < 0.004, `${100 * others} % of the picture is not what is on the screen`);
  });
  const twice = await pictureOf(page, { width: 2 * box.width, beside: true });
  assert.deepEqual([twice.width, twice.height], [2 * box.width, 2 * box.height]);
  const half = { width: once.width, height: once.height, at: (x, y) => [0, 1, 2].map((i) => [[0, 0], [1, 0], [0, 1], [1, 1]].reduce((sum, [dx, dy]) => sum + twice.at(2 * x + dx, 2 * y + dy)[i] / 4, 0)) };
  const others = othersOf(half, [0, 0], once, 80);
  assert.ok(others < 0.01, `${100 * others} % of the larger picture is not what the smaller one shows`);
  // One image alone is no more than that.
  const alone = await pictureOf(page, { width: 500 });
  const { width, height } = await page.evaluate(() => cubelink.view);
  assert.deepEqual([alone.width, alone.height], [500, Math.round((500 * height) / width)]);
});

await check("the dialog offers all images, as large as they are seen", async () => {
  await page.click("#save-picture");
  const { width, height } = await page.locator("#pictures").boundingBox();
  assert.deepEqual([await page.isChecked('label:has-text("All images side by side") input'), await page.inputValue("#picture-width"), await page.textContent(".picture-height")], [true, String(width), `× ${height}`]);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click('#picture-dialog button:has-text("Save")')]);
  const saved = readPng(readFileSync(await download.path()));
  assert.deepEqual([saved.width, saved.height], [width, height]);
  await page.click("#save-picture");
  await page.uncheck('label:has-text("All images side by side") input');
  assert.equal(await page.inputValue("#picture-width"), String(Math.round((await page.evaluate(() => cubelink.view)).width)));
  await page.click('#picture-dialog button:has-text("Cancel")');
  await page.evaluate(async () => {
    cubelink.element.state.marks.grid.set(false);
    await cubelink.element.regions.clear();
  });
});

await check("contours of the other image lie over the one on show; they stay those of that image when it is the one that is worked with", async () => {
  await page.evaluate(() => cubelink.element.state.contours.panel.set(true));
  await page.selectOption("#contour-of", JSON.stringify({ file: "optical.fits", hdu: "" }));
  // Levels of its own are chosen: those of the radio image mean nothing here.
  await page.waitForFunction(() => cubelink.element.state.contours.levels.value.length > 1);
  await page.evaluate((level) => cubelink.element.state.contours.levels.set([level]), 1000 * Math.exp(-0.5));
  await bothPaint(2); // 4 of its pixels
  await page.screenshot({ path: `${output}viewer-contours-over.png` });
  const link = await page.evaluate(() => cubelink.element.link);
  assert.ok(decodeURIComponent(link).includes('contours.of={"file":"optical.fits","hdu":""}'), link);
  await page.click('.compare-name:has-text("optical.fits")');
  await page.waitForFunction(() => cubelink.image?.name === "optical.fits");
  await settled(page);
  await companionsAre("radio.fits");
  assert.equal(await page.evaluate(() => cubelink.element.state.contours.levels.value.length), 1);
  // Where north is turned by 35°, so is the beam.
  near(await beamAngle("#overlay .beam"), 35 - 20, 0.5, "the beam's angle");
  await soon(async () => near((await painted("#contours"))?.radius, 4 * (await page.evaluate(() => cubelink.view.scale)), 1.5, "radius"));
  await page.click('[aria-label="Close radio.fits"]');
  await page.waitForFunction(() => cubelink.element.viewer.compare.companions.length === 0);
});

await check("an image that is closed takes its contours along", async () => {
  await page.evaluate(() => (cubelink.element.link = `file=radio.fits&contours.on=1&contours.levels=5&contours.of={"file":"optical.fits","hdu":""}&compare.images=[{"file":"optical.fits","hdu":""}]`));
  await companionsAre("optical.fits");
  await page.click('[aria-label="Close optical.fits"]');
  await page.waitForFunction(() => cubelink.element.state.contours.of.value === null);
  assert.deepEqual(await page.$$eval(".message.error", (all) => all.map((e) => e.textContent)), []);
  for (const wrong of ["1", "{}", '{"file":"","hdu":""}', "none.fits"]) {
    await page.evaluate((wrong) => (cubelink.element.link = `file=radio.fits&contours.of=${wrong}`), wrong);
    assert.equal(await page.evaluate(() => cubelink.element.state.contours.of.value), null);
  }
});

await check("where matching is only approximate, it is said; and where there is none", async () => {
  await page.evaluate(() => (cubelink.element.link = 'file=wide.fits&compare.images=[{"file":"all_sky.fits","hdu":""},{"file":"plain.fits","hdu":""}]'));
  await companionsAre("all_sky.fits,plain.fits");
  await label("all_sky.fits (approximate: ");
  await label("plain.fits (not matched: no common sky coordinates)");
  await page.uncheck("#compare-matched");
  await page.waitForFunction(() => [...cubelink.root.querySelectorAll(".pane .pane-name")].map((e) => e.textContent).join() === "all_sky.fits,plain.fits");
  await page.check("#compare-matched");
  await label("all_sky.fits (approximate: ");
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
