// Contours in the viewer, in Chromium through a real server: their lines against contourpy, where they are on the screen and in a saved picture, levels from the
// histogram, and what happens to them when channel, image or connection change.
//
//     node tests/browser/viewer_contours.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, poorControls, readPng, settled, startProxy, startServer, writeFits } from "./viewer_support.mjs";
import { python } from "./viewer_oracle.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-viewer-contours-`);
const SECRET = "a-secret-for-tests";
const [WIDTH, HEIGHT, DEPTH] = [240, 180, 6];
const wave = (x, y, k) => Math.fround(Math.sin(0.11 * x + 0.4 * k) + Math.cos(0.07 * y - 0.5 * k) + 0.3 * Math.sin(0.5 * x * y * 0.01));
/** Contours are circles: of level L in channel k of the radius 100 - k - L around (90, 70). */
const cone = (x, y, k) => Math.fround(100 - Math.hypot(x - 90, y - 70) - k);
writeFits(`${folder}/wave.fits`, { width: WIDTH, height: HEIGHT, depth: DEPTH, header: { BUNIT: "Jy/beam" }, value: wave });
writeFits(`${folder}/cone.fits`, { width: WIDTH, height: HEIGHT, depth: DEPTH, value: cone });

const server = await startServer(folder, { authKey: SECRET });
const proxy = await startProxy(server.port);
const browser = await launchChromium();
const problems = [];
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
const page = await context.newPage();
page.setDefaultTimeout(60_000); // a busy machine draws slowly
page.on("pageerror", (error) => problems.push(String(error)));

const { check, finish } = checks("viewer-contours", () => page);

const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);
const keep = () => page.evaluate(() => void (cubelink.element.viewer.contours.kept = []));
/** All levels are there, of what the state wishes. */
const complete = () =>
  page.waitForFunction(() => {
    const { viewer, state } = cubelink.element;
    const shown = viewer.contours.shown.value;
    const levels = state.contours.levels.value;
    return viewer.contours.complete && shown.length === levels.length && shown.every((one, i) => one.level === levels[i] && one.progress === 1);
  });
/** The lines that have come since keep(): [{level, lines: [[[x, y], …], …]}, …] */
const lines = async () => {
  const kept = await page.evaluate(() => cubelink.element.viewer.contours.kept);
  const levels = new Map();
  for (const { level, vertices, starts } of kept) {
    if (!levels.has(level)) levels.set(level, []);
    starts.forEach((start, i) => {
      const end = starts[i + 1] ?? vertices.length / 2;
      levels.get(level).push(Array.from({ length: end - start }, (_, n) => [vertices[2 * (start + n)], vertices[2 * (start + n) + 1]]));
    });
  }
  return [...levels].sort(([a], [b]) => a - b).map(([level, all]) => ({ level, lines: all }));
};
/** How far our lines are from contourpy's, at most, and both lengths: for each level. */
const compared = (file, channel, found, smoothing = 0) =>
  python(
    `
import contourpy
plane = fits.getdata(given["file"])[given["channel"]].astype(float)
offset = 0
if given["smoothing"] > 1:
    # A Gaussian of (factor - 1) / 2, cut off at factor - 1 pixels; pixels nearer to the edge have none.
    r = given["smoothing"] - 1
    kernel = np.exp(-np.arange(-r, r + 1) ** 2 / (2 * (r / 2) ** 2))
    kernel /= kernel.sum()
    rows = np.apply_along_axis(lambda v: np.convolve(v, kernel, "valid"), 1, plane)
    plane, offset = np.apply_along_axis(lambda v: np.convolve(v, kernel, "valid"), 0, rows), r
generator = contourpy.contour_generator(z=plane)
length = lambda all: float(sum(np.hypot(*np.diff(np.asarray(l), axis=0).T).sum() for l in all))
def away(points, all):
    a = np.concatenate([np.asarray(l)[:-1] for l in all]); b = np.concatenate([np.asarray(l)[1:] for l in all])
    worst = 0
    for p in points:
        d, f = b - a, p - a
        square = np.maximum((d * d).sum(1), 1e-30)
        t = np.clip((f * d).sum(1) / square, 0, 1)
        worst = max(worst, np.sqrt(((f - t[:, None] * d) ** 2).sum(1).min()))
    return worst
out = []
for each in given["found"]:
    theirs = [l + offset for l in generator.lines(each["level"])]
    ours = each["lines"]
    out.append({"level": each["level"], "count": [len(ours), len(theirs)], "length": [length(ours), length(theirs)],
                "away": max(away(np.concatenate([np.asarray(l) for l in ours]), theirs), away(np.concatenate(theirs), ours))})
answer(out)
`,
    { file: `${folder}/${file}`, channel, found, smoothing },
  );
const same = (comparison) => {
  for (const { level, count, length, away } of comparison) {
    assert.ok(away < 0.06, `level ${level}: ${away} pixels from contourpy's`); // rounded to 1/16
    near(length[0], length[1], 0.02 * length[1] + 0.5, `length of level ${level}`);
    assert.equal(count[0], count[1], `lines of level ${level}`);
  }
};

await page.goto(`${proxy.url}?token=${SECRET}#file=wave.fits&contours.panel=1`);
await settled(page);

await check("switched on: five levels from the histogram, their lines are contourpy's", async () => {
  await keep();
  await page.check("#contours-panel label:has-text('Show contours') input");
  await complete();
  const levels = await page.evaluate(() => cubelink.element.state.contours.levels.value);
  const tails = python(`plane = fits.getdata(given["file"])[0]\nanswer([(plane > l).mean() for l in given["levels"]])`, { file: `${folder}/wave.fits`, levels });
  assert.equal(levels.length, 5);
  tails.forEach((tail, i) => near(Math.log(tail), Math.log(0.2 * (0.001 / 0.2) ** (i / 4)), i < 4 ? 0.15 : 0.6, `pixels above level ${i}`));
  same(compared("wave.fits", 0, await lines()));
  await page.waitForFunction(() => /5 levels.*vertices/.test(cubelink.root.querySelector("#contours-panel .hint").textContent));
  await page.screenshot({ path: `${output}viewer-contours.png` });
});

await check("another channel: its own lines, at the same levels; the older ones are gone", async () => {
  await keep();
  const levels = await page.evaluate(() => cubelink.element.state.contours.levels.value);
  await page.evaluate(() => (cubelink.element.channel = 3));
  await page.waitForFunction(() => cubelink.plane.channel === 3);
  await complete();
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.contours.levels.value), levels);
  same(compared("wave.fits", 3, await lines()));
  // To and fro in a hurry: in the end there are those of the last, once.
  await page.evaluate(() => {
    for (const k of [1, 2, 3, 2, 1, 4, 0, 5]) cubelink.element.channel = k;
  });
  await page.waitForFunction(() => cubelink.plane.channel === 5);
  await settled(page);
  await complete();
  const expected = python(`
import contourpy
plane = fits.getdata(given["file"])[5].astype(float)
answer([sum(len(l) for l in contourpy.contour_generator(z=plane).lines(x)) for x in given["levels"]])`, { file: `${folder}/wave.fits`, levels });
  const counts = await page.evaluate(() => cubelink.element.viewer.contours.shown.value.map((l) => l.vertices));
  counts.forEach((n, i) => near(n, expected[i], 0.02 * expected[i] + 2, `vertices of level ${i}`));
});

await check("levels that are typed, and smoothing", async () => {
  await page.selectOption("#contour-smoothing", "GaussianBlur");
  await page.fill('input[aria-label="Width of the smoothing in pixels"]', "5");
  await page.keyboard.press("Tab");
  await complete();
  await keep();
  await page.fill("#contour-levels", "1.2; −0.75 0");
  await page.keyboard.press("Tab");
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.contours.levels.value), [-0.75, 0, 1.2]);
  await complete();
  same(compared("wave.fits", 5, await lines(), 5));
  await page.fill("#contour-levels", "1, two");
  await page.keyboard.press("Tab");
  assert.equal(await page.getAttribute("#contour-levels", "aria-invalid"), "true");
  assert.deepEqual(await page.evaluate(() => cubelink.element.state.contours.levels.value), [-0.75, 0, 1.2]);
});

const colours = async (shot, at) => shot.at(Math.round(at.x), Math.round(at.y));
const magenta = ([r, g, b]) => r > 200 && g < 110 && b > 200;
/** On the screen, on the circles of the cone and between them. */
async function circles(radii) {
  await drawn(page);
  const shot = readPng(await page.screenshot());
  for (const radius of radii) {
    let looked = 0;
    for (let i = 0; i < 12; i++) {
      const angle = 0.3 + (2 * Math.PI * i) / 12;
      const spot = async (r) => page.evaluate(([x, y]) => cubelink.pixelOnPage(x, y), [90 + r * Math.cos(angle), 70 + r * Math.sin(angle)]);
      const [x, y] = [90 + radius * Math.cos(angle), 70 + radius * Math.sin(angle)];
      if (x < 1 || y < 1 || x > WIDTH - 2 || y > HEIGHT - 2) continue;
      // Out of view, or below a button.
      const seen = await page.evaluate(([a, b]) => [a, b].every((at) => cubelink.root.elementFromPoint(at.x, at.y)?.id === "canvas"), [await spot(radius), await spot(radius - 4)]);
      if (!seen) continue;
      looked += 1;
      assert.ok(magenta(await colours(shot, await spot(radius))), `nothing at radius ${radius}, ${i}: ${await colours(shot, await spot(radius))}`);
      assert.ok(!magenta(await colours(shot, await spot(radius - 4))), `something at radius ${radius - 4}, ${i}`);
    }
    assert.ok(looked >= 4, `only ${looked} places of radius ${radius} are in view`);
  }
}

await check("on the screen: circles where they should be, also after zooming and panning, in the chosen colour and width", async () => {
  await page.evaluate(() => cubelink.element.open("cone.fits"));
  await settled(page);
  await page.evaluate(() => {
    const { contours, colours } = cubelink.element.state;
    colours.map.set("Grey");
    contours.smoothing.set("NoSmoothing");
    contours.levels.set([40, 60, 80]);
    contours.lineWidth.set(3);
    cubelink.element.state.held.set(true);
  });
  await page.fill("#contour-colour", "#ff00ff");
  await complete();
  await circles([60, 40, 20]);
  await page.evaluate(() => (cubelink.element.view = { x: 100, y: 80, scale: 7 }));
  await settled(page);
  await circles([40, 20]);
  const before = await page.evaluate(() => cubelink.view);
  await page.mouse.move(700, 300);
  await page.mouse.down();
  await page.mouse.move(640, 340, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction((b) => cubelink.view.centreX !== b.centreX, before);
  await settled(page);
  await circles([40, 20]);
  // As if it took long to draw: then the lines are moved as a picture until the view rests.
  await page.evaluate(() => (cubelink.element.viewer.contourOverlay.layer.drawn = 1e6));
  await page.evaluate(() => (cubelink.element.view = { x: 90, y: 70, scale: 8 }));
  await drawn(page);
  await page.waitForFunction(() => cubelink.root.querySelector("canvas#contours").style.transform === "");
  await circles([40, 20]);
});

await check("in a picture that is saved, at its own resolution", async () => {
  await page.evaluate(() => (cubelink.element.view = { x: 90, y: 70, scale: 4 }));
  await settled(page);
  await complete();
  const text = await page.evaluate(async () => {
    const blob = await cubelink.element.viewer.picture({ width: 3000 });
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
  });
  const shot = readPng(Buffer.from(text.slice(text.indexOf(",") + 1), "base64"));
  const view = await page.evaluate(() => cubelink.view);
  const factor = 3000 / view.width;
  for (const radius of [20, 40])
    for (let i = 0; i < 8; i++) {
      const at = (r) => shot.at(Math.round((view.width / 2 + r * view.scale * Math.cos(0.2 + i)) * factor), Math.round((view.height / 2 - r * view.scale * Math.sin(0.2 + i)) * factor));
      assert.ok(magenta(at(radius)), `nothing at ${radius}, ${i}: ${at(radius)}`);
      assert.ok(!magenta(at(radius - 3)));
    }
});

await check("a link shows the same contours; switched off they are gone", async () => {
  const link = await page.evaluate(() => cubelink.element.link);
  assert.match(link, /contours\.levels=40%2C60%2C80/);
  const other = await context.newPage();
  await other.goto(`${server.url}?token=${SECRET}#${link}`);
  await other.waitForFunction(() => cubelink.element.viewer?.contours.shown.value.length === 3 && cubelink.element.viewer.contours.shown.value.every((l) => l.progress === 1));
  assert.equal(await other.evaluate(() => cubelink.element.link), link);
  await other.close();
  await page.uncheck("#contours-panel label:has-text('Show contours') input");
  await page.waitForFunction(() => cubelink.element.viewer.contours.shown.value.length === 0 && cubelink.root.querySelector("canvas#contours").hidden);
  await page.check("#contours-panel label:has-text('Show contours') input");
  await complete();
  await drawn(page);
  await circles([40, 20]);
});

await check("hostile links: what makes no sense is refused", async () => {
  assert.deepEqual(
    await page.evaluate(() => {
      const { levels, factor, colour, lineWidth, smoothing } = cubelink.element.state.contours;
      return [levels.readText("1,x"), levels.readText(Array.from({ length: 201 }, (_, i) => i).join(",")), levels.readText("1e999"), factor.readText("1"), factor.readText("257"), colour.readText("red;x"), lineWidth.readText("1e9"), smoothing.readText("Median")].some(Boolean);
    }),
    false,
  );
});

await check("after a lost connection: they stay, and those of the channel that was chosen meanwhile come", async () => {
  proxy.shut();
  await page.waitForFunction(() => cubelink.connection !== "connected");
  assert.equal(await page.evaluate(() => cubelink.element.viewer.contours.shown.value.length), 3);
  await page.evaluate(() => (cubelink.element.channel = 5));
  proxy.open();
  await page.waitForFunction(() => cubelink.connection === "connected" && cubelink.plane.channel === 5);
  await settled(page);
  await complete();
  await circles([35, 15]);
});

await check("everything in the panel has a name and room for a finger", async () => {
  assert.deepEqual(await poorControls(page, "#contours-panel :is(button, select, input, textarea, summary), .range-row :is(button, input), .plot figcaption button, #picture-dialog :is(button, input)"), []);
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
proxy.stop();
await server.stop();
rmSync(folder, { recursive: true });
finish();
