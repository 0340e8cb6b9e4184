// The viewer in Chromium, how the picture looks: the automatic stretch, contrast and bias, the coordinate grid, the channel player, the spectrum's axis.
//
//     node tests/browser/viewer_look.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, readPng, settled, startServer, writeFits } from "./viewer_support.mjs";

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

const { RESTFRQ: _rest, ...restless } = spectral;
writeFits(`${folder}/norest.fits`, { width: 10, height: 10, depth: 20, header: { ...flat, ...restless }, value: (x, y, k) => x + y + k });
// A pole and the longitude 0 are in the picture.
const polar = { ...flat, CRVAL1: 2, CRVAL2: 80, CDELT1: -0.5, CDELT2: 0.5 };
writeFits(`${folder}/pole.fits`, { width: 100, height: 80, header: polar, value: (x, y) => x + y });
writeFits(`${folder}/plain.fits`, { width: 30, height: 20, value: (x, y) => x + y });

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
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

const { check, finish } = checks("viewer-look", () => page);

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

/** RA and Dec of an image point by the definition of SIN, degrees. */
function sinProjection({ CRVAL1, CRVAL2, CRPIX1, CRPIX2, CDELT1, CDELT2 }, x, y) {
  const rad = Math.PI / 180;
  const [xi, eta] = [(x + 1 - CRPIX1) * CDELT1 * rad, (y + 1 - CRPIX2) * CDELT2 * rad];
  const c = Math.sqrt(1 - xi ** 2 - eta ** 2);
  const [sin, cos] = [Math.sin(CRVAL2 * rad), Math.cos(CRVAL2 * rad)];
  return [(CRVAL1 + Math.atan2(xi, c * cos - eta * sin) / rad + 720) % 360, Math.asin(c * sin + eta * cos) / rad];
}

/** The grid's lines in image points, and its labels. */
const grid = () =>
  page.evaluate(() => {
    const group = cubelink.root.querySelector(".sky-grid");
    const path = group.querySelector("path");
    const [a, , , d, e, f] = path.getAttribute("transform").match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    const zero = cubelink.pixelOnPage(0, 0), box = cubelink.root.querySelector("#canvas").getBoundingClientRect(), { scale } = cubelink.view;
    const toImage = ([x, y]) => [(a * x + e + box.left - zero.x) / scale, (zero.y - box.top - d * y - f) / scale];
    const pieces = path.getAttribute("d").split("M").slice(1).map((piece) => piece.split("L").map((at) => toImage(at.split(" ").map(Number))));
    return { pieces, labels: [...group.querySelectorAll("text")].map((text) => text.textContent), scale };
  });
const gridShown = (shown) => page.waitForFunction((shown) => cubelink.root.querySelector(".sky-grid").hasAttribute("hidden") !== shown, shown);

await check("a coordinate grid whose lines lie where the sky is, around a pole, too; by box and by key, in other frames", async () => {
  await openImage("pole.fits");
  await page.check("#mark-grid");
  await gridShown(true);
  const { pieces, labels, scale } = await grid();
  let [meridians, parallels, farthest] = [0, 0, 0];
  for (const piece of pieces) {
    const sky = piece.map(([x, y]) => sinProjection(polar, x, y)).filter(([, dec]) => dec < 89);
    if (sky.length < 3) continue;
    const spread = (of) => Math.max(...of) - Math.min(...of);
    const turned = sky.map(([ra]) => ((ra - sky[0][0] + 540) % 360) - 180);
    const alongMeridian = spread(sky.map(([, dec]) => dec)) > spread(turned.map((t, i) => t * Math.cos((sky[i][1] * Math.PI) / 180)));
    for (const [ra, dec] of sky) {
      // Hours are 15°, and whole ones; declinations are whole degrees. How far off that is, on the screen:
      const off = alongMeridian ? Math.abs(((ra + 7.5) % 15) - 7.5) * Math.cos((dec * Math.PI) / 180) : Math.abs(dec - Math.round(dec));
      farthest = Math.max(farthest, (off / 0.5) * scale);
    }
    if (alongMeridian) meridians += 1;
    else parallels += 1;
  }
  assert.ok(meridians >= 4 && parallels >= 3, `${meridians} meridians, ${parallels} parallels`);
  assert.ok(farthest < 1.5, `${farthest} pixels of the screen beside its place`);
  assert.ok(labels.some((label) => /^\d\dh$/.test(label)) && labels.some((label) => /^\+[678]\d°$/.test(label)), labels.join());
  await page.screenshot({ path: `${output}viewer-grid.png` });
  assert.match(await page.evaluate(() => cubelink.element.link), /marks\.grid=1/);

  // Closer: finer steps.
  await page.evaluate(() => cubelink.setView(20, 20, 60));
  await page.waitForFunction(() => [...cubelink.root.querySelectorAll(".sky-grid text")].some((text) => /^\d\dh\d\dm$/.test(text.textContent)));
  await page.selectOption("#sky-frame", "GALACTIC");
  await page.waitForFunction(() => [...cubelink.root.querySelectorAll(".sky-grid text")].every((text) => /^[+−]?\d+(\.\d+)?°$/.test(text.textContent)) && cubelink.root.querySelector(".sky-grid text"));
  await page.selectOption("#sky-frame", "");
  await page.focus("#canvas");
  await page.keyboard.press("g");
  await gridShown(false);
  assert.equal(await page.evaluate(() => cubelink.root.querySelectorAll(".sky-grid text").length), 0, "what is hidden holds no labels");
  await page.keyboard.press("g");
  await gridShown(true);
  // Where there is no sky: pixels as the header's linear coordinates, or nothing.
  await openImage("plain.fits");
  await openImage("pole.fits");
  await gridShown(true);
  await page.uncheck("#mark-grid");
});

await check("contrast and bias: by the right mouse button, by keys, by sliders; reset", async () => {
  await openImage("wide.fits");
  const shades = () => page.evaluate(() => [cubelink.look.contrast, cubelink.look.bias]);
  const point = [70, 50];
  const asExpected = async () => {
    const [[seen]] = await coloursAt([point]);
    const expected = await page.evaluate((value) => cubelink.colourOf(value)[0], valueAt);
    near(seen, expected, 12, "shade"); // the tile is compressed
    return seen;
  };
  const at = await page.evaluate(([x, y]) => cubelink.pixelOnPage(x, y), point);
  await page.mouse.move(at.x, at.y);
  await page.waitForFunction(([x, y]) => cubelink.cursor.x === x && cubelink.cursor.y === y, point);
  const valueAt = (await page.evaluate(() => cubelink.cursor)).value;
  const before = await asExpected();
  await page.mouse.down({ button: "right" });
  await page.mouse.move(at.x - 150, at.y - 60, { steps: 4 });
  await page.mouse.up({ button: "right" });
  const [contrast, bias] = await shades();
  const box = await page.locator("#canvas-wrap").boundingBox();
  near(contrast, 10 ** (120 / box.height), 0.01, "contrast");
  near(bias, 0.5 - 150 / box.width, 0.01, "bias");
  assert.ok((await asExpected()) > before + 10, "a lower bias is brighter");
  assert.deepEqual(await page.evaluate(() => [cubelink.cursor.x, cubelink.cursor.y]), point, "the cursor stayed");
  assert.match(await page.evaluate(() => cubelink.element.link), /shades\.contrast=1\.\d+&shades\.bias=0\.\d+/);
  await page.click("#shade-reset");
  assert.deepEqual(await shades(), [1, 0.5]);
  await page.focus("#canvas");
  for (const key of ["c", "c", "Shift+B"]) await page.keyboard.press(key);
  near((await shades())[0], 1.15 ** 2, 0.001, "contrast by keys");
  assert.equal((await shades())[1], 0.47);
  await page.keyboard.press("x");
  assert.deepEqual(await shades(), [1, 0.5]);
  await page.focus("#shade-contrast");
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  near((await shades())[0], 10 ** 0.05, 0.001, "contrast by its slider");
  await page.focus("#shade-bias");
  await page.keyboard.press("Home");
  assert.equal((await shades())[1], 0);
  await page.evaluate(() => (cubelink.element.link = "file=wide.fits&shades.contrast=1e9&shades.bias=-1"));
  assert.deepEqual(await shades(), [1, 0.5], "a hostile link");
  await settled(page);
});

await check("limits fixed across channels, or of each channel; every percentile from 90 to 99.99", async () => {
  await openImage("cube.fits");
  const highAt = async (channel) => {
    await page.evaluate((channel) => (cubelink.element.channel = channel), channel);
    await page.waitForFunction((channel) => cubelink.plane.channel === channel, channel);
    await settled(page);
    return page.evaluate(() => cubelink.look.limits.high);
  };
  const [quiet, loud] = [await highAt(0), await highAt(15)];
  assert.ok(loud > 10 * quiet);
  await page.check("#fixed-limits");
  assert.equal(await highAt(0), loud);
  await page.uncheck("#fixed-limits");
  assert.equal(await page.evaluate(() => cubelink.look.limits.high), quiet);
  let least = 0;
  for (const percentile of ["90", "95", "99", "99.5", "99.9", "99.95", "99.99", "100"]) {
    await page.selectOption("#limits-choice", percentile);
    const { high, low } = await page.evaluate(() => cubelink.look.limits);
    assert.ok(high - low > least, percentile);
    least = high - low;
  }
  await page.selectOption("#limits-choice", "99.5");
});

await check("channels play: in order, round and round, back and forth, once; between the first and the last that are chosen; stopped, the channel stays", async () => {
  await openImage("cube.fits");
  await page.evaluate(() => {
    window.seen = [];
    cubelink.element.addEventListener("channelchange", ({ detail }) => window.seen.push(detail.channel));
  });
  const forget = () => page.evaluate(() => (window.seen = []));
  const set = async (id, value) => {
    await page.fill(id, String(value));
    await page.press(id, "Enter");
  };
  const play = () => page.getAttribute("#play", "aria-label");
  await set("#play-rate", 25);
  await set("#play-first", 4);
  await set("#play-last", 7);
  assert.match(await page.evaluate(() => cubelink.element.link), /play\.rate=25&play\.first=4&play\.last=7/);
  await forget();
  await page.click("#play");
  assert.match(await play(), /^Stop/);
  await page.waitForFunction(() => window.seen.length >= 10);
  const seen = await page.evaluate(() => window.seen);
  assert.deepEqual(seen.slice(0, 10), [4, 5, 6, 7, 4, 5, 6, 7, 4, 5]);
  await page.click("#play");
  await page.waitForFunction(() => cubelink.settled);
  const stopped = await page.evaluate(() => cubelink.plane.channel);
  // What the session shows is what is on the screen, and the values are of it.
  await page.waitForFunction(async (channel) => (await cubelink.element.client.sessionState()).files[0].channel === channel, stopped);
  assert.equal(await page.inputValue("#channel-slider"), String(stopped));
  await forget();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(await page.evaluate(() => window.seen), []);

  await page.selectOption("#play-mode", "bounce");
  await page.evaluate(() => (cubelink.element.channel = 4));
  await page.waitForFunction(() => cubelink.plane.channel === 4);
  await settled(page);
  await forget();
  await page.focus("#canvas");
  await page.keyboard.press(" ");
  await page.waitForFunction(() => window.seen.length >= 9);
  assert.deepEqual((await page.evaluate(() => window.seen)).slice(0, 9), [5, 6, 7, 6, 5, 4, 5, 6, 7]);
  // A channel that is chosen meanwhile ends it.
  await page.locator("#channel-slider").fill("15");
  await page.waitForFunction(() => cubelink.plane.channel === 15 && cubelink.root.querySelector("#play").textContent === "▶");
  await settled(page);

  await page.selectOption("#play-mode", "once");
  await forget();
  await page.click("#play");
  await page.waitForFunction(() => cubelink.root.querySelector("#play").textContent === "▶" && cubelink.plane.channel === 7);
  assert.deepEqual(await page.evaluate(() => window.seen), [4, 5, 6, 7]);
});

await check("a page that does not draw holds the player: frames are never queued", async () => {
  await settled(page);
  await page.selectOption("#play-mode", "loop");
  for (const [id, value] of [["rate", 12], ["first", 0], ["last", 19]]) {
    await page.fill(`#play-${id}`, String(value));
    await page.press(`#play-${id}`, "Enter");
  }
  await page.evaluate(() => (cubelink.element.channel = 0));
  await page.waitForFunction(() => cubelink.plane.channel === 0);
  await settled(page);
  await page.evaluate(() => {
    window.sets = new Set();
    cubelink.element.client.tiles().listen({ complete: (set) => set.animationId > 0 && window.sets.add(set.syncId) });
    window.waiting = [];
    window.real = requestAnimationFrame;
    window.requestAnimationFrame = (callback) => window.waiting.push(callback);
  });
  await page.evaluate(() => cubelink.root.querySelector("#play").click());
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const held = await page.evaluate(() => window.sets.size);
  assert.ok(held <= 12 / 3 + 2, `${held} frames came that nobody saw`);
  await page.evaluate(() => {
    window.requestAnimationFrame = window.real;
    window.waiting.splice(0).forEach((callback) => callback(performance.now()));
  });
  await page.waitForFunction((held) => window.sets.size >= held + 8, held);
  await page.click("#play");
  await settled(page);
});

await check("the spectrum over frequency, wavelengths and velocities; another rest frequency, and the header's again", async () => {
  await openImage("cube.fits");
  const c = 299792.458;
  const frequency = (k) => spectral.CRVAL3 + k * spectral.CDELT3;
  const kinds = {
    frequency: ["GHz", (nu) => nu / 1e9],
    wavelength: ["mm", (nu) => (c * 1e6) / nu],
    velocity_radio: ["km/s", (nu, rest) => c * (1 - nu / rest)],
    velocity_optical: ["km/s", (nu, rest) => c * (rest / nu - 1)],
    velocity_relativistic: ["km/s", (nu, rest) => (c * (rest ** 2 - nu ** 2)) / (rest ** 2 + nu ** 2)],
  };
  const axis = async (kind, rest) => {
    const [unit, of] = kinds[kind];
    await page.waitForFunction(([kind, first]) => cubelink.spectralAxis.kind === kind && Math.abs(cubelink.spectralAxis.values[0] - first) < 1e-6 * Math.abs(first), [kind, of(frequency(0), rest)]);
    const shown = await page.evaluate(() => ({ unit: cubelink.spectralAxis.unit, values: Array.from(cubelink.spectralAxis.values) }));
    assert.equal(shown.unit, unit);
    shown.values.forEach((v, k) => near(v, of(frequency(k), rest), 1e-6 * Math.abs(of(frequency(k), rest)) + 1e-6, `${kind} of channel ${k}`));
  };
  for (const kind of Object.keys(kinds)) {
    await page.selectOption(".axis-choice", kind);
    await axis(kind, spectral.RESTFRQ);
    assert.equal(await page.isVisible("#rest-frequency"), kind.startsWith("velocity"));
  }
  assert.match(await page.textContent(".plot:last-child h3"), /over km\/s, LSRK$/);
  await page.selectOption(".axis-choice", "velocity_radio");
  await axis("velocity_radio", spectral.RESTFRQ);
  assert.equal(await page.inputValue("#rest-frequency"), "115.2712018");
  await page.fill("#rest-frequency", "nonsense");
  await page.press("#rest-frequency", "Enter");
  assert.equal(await page.getAttribute("#rest-frequency", "aria-invalid"), "true");
  await page.fill("#rest-frequency", "115.21");
  await page.press("#rest-frequency", "Enter");
  await axis("velocity_radio", 115.21e9);
  // Beside the channel, too.
  const beside = (c * (1 - frequency(7) / 115.21e9)).toPrecision(7).replace("-", "−");
  await page.evaluate(() => (cubelink.element.channel = 7));
  await page.waitForFunction((beside) => cubelink.root.querySelector(".world").textContent.includes(`${beside} km/s`), beside);
  assert.match(await page.evaluate(() => cubelink.element.link), /spectrum\.axis=velocity_radio&spectrum\.rest=115210000000/);
  await page.click('[aria-label="Rest frequency of the header"]');
  await axis("velocity_radio", spectral.RESTFRQ);
  // Without one in the header, velocities come with the one that is typed.
  await page.selectOption(".axis-choice", "");
  await openImage("norest.fits");
  await page.waitForSelector("#rest-frequency");
  await page.fill("#rest-frequency", "115.3");
  await page.press("#rest-frequency", "Enter");
  await page.selectOption(".axis-choice", "velocity_optical");
  await axis("velocity_optical", 115.3e9);
  await page.selectOption(".axis-choice", "");
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
