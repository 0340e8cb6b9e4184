// The viewer in Chromium, its panels: spectral frames, region files on the server, what is folded, marks that do not hide one another, narrow screens.
//
//     node tests/browser/viewer_panels.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, poorControls, settled, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-panels-`);
const C = 299792.458;
const REST = 1.420405752e9;
const sky = { RADESYS: "ICRS", CTYPE1: "RA---SIN", CUNIT1: "deg", CTYPE2: "DEC--SIN", CUNIT2: "deg", CRVAL1: 187.7, CRVAL2: 12.39, CRPIX1: 32.5, CRPIX2: 32.5, CDELT1: -0.001, CDELT2: 0.001 };
const spectral = { CTYPE3: "FREQ", CRPIX3: 1, CUNIT3: "Hz", RESTFRQ: REST, CRVAL3: 1.4156e9, CDELT3: 1e5, BUNIT: "Jy/beam" };
const cube = { width: 64, height: 64, depth: 12, value: (x, y, k) => k + Math.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 50) };
mkdirSync(`${folder}/lists`);
writeFits(`${folder}/cube.fits`, { ...cube, header: { ...sky, ...spectral, SPECSYS: "BARYCENT" } });
for (const [name, SPECSYS] of [["fine_bary", "BARYCENT"], ["fine_lsrk", "LSRK"]]) writeFits(`${folder}/${name}.fits`, { ...cube, header: { ...sky, ...spectral, CDELT3: 1e4, SPECSYS } });
writeFits(`${folder}/frameless.fits`, { ...cube, header: { ...sky, ...spectral } });
writeFits(`${folder}/galactic.fits`, { width: 64, height: 64, header: { CTYPE1: "GLON-CAR", CTYPE2: "GLAT-CAR", CRVAL1: 0, CRVAL2: 0, CRPIX1: 32, CRPIX2: 32, CDELT1: -0.01, CDELT2: 0.01 }, value: (x, y) => x + y });
writeFileSync(`${folder}/lists/two.reg`, "# Region file format: DS9 version 4.1\nimage\ncircle(30,20,5)\nbox(40,41,8,6,0)\n");
writeFileSync(`${folder}/lists/broken.reg`, "# Region file format: DS9 version 4.1\nimage\nnonsense(1)\n");
writeFileSync(`${folder}/lists/notes.txt`, "no regions\n");

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
const problems = [];
async function newPage(link, { address = server.url, ...options } = {}) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", ...options })).newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`${address}?token=${SECRET}#${link}`);
  await settled(page);
  return page;
}
const page = await newPage("file=cube.fits&regionPanel.open=1");
const { check, finish } = checks("viewer-panels", () => page);
const near = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, expected ${b} ± ${tolerance}`);

/** The Sun's 20 km/s towards the apex, on the axes of ICRS, along the line of sight. */
const SUN = [0.29, -17.3173, 10.0014];
const radians = Math.PI / 180;
const towards = [Math.cos(sky.CRVAL2 * radians) * Math.cos(sky.CRVAL1 * radians), Math.cos(sky.CRVAL2 * radians) * Math.sin(sky.CRVAL1 * radians), Math.sin(sky.CRVAL2 * radians)];
const toLsrk = SUN.reduce((sum, v, i) => sum + v * towards[i], 0);

await check("the spectrum's frame: the header's, or LSRK, also in the channel's velocity and in the link; those that can't be had say why", async () => {
  await page.selectOption(".axis-choice", "velocity_radio");
  await page.waitForFunction(() => cubelink.spectralAxis.kind === "velocity_radio");
  const own = await page.evaluate(() => Array.from(cubelink.spectralAxis.values));
  assert.equal(await page.$eval("#spectral-frame", (e) => e.selectedOptions[0].textContent), "Barycentric (header)");
  await page.selectOption("#spectral-frame", "LSRK");
  await page.waitForFunction(() => cubelink.spectralAxis.frame === "LSRK");
  const moved = await page.evaluate(() => Array.from(cubelink.spectralAxis.values));
  // By the Doppler shift of the frequency.
  moved.forEach((v, k) => near(v, C - (C - own[k]) * (1 - toLsrk / C), 0.005, `channel ${k}`));
  assert.ok(Math.abs(moved[0] - own[0]) > 1);
  assert.match(await page.textContent(".plot:last-child h3"), /over km\/s, LSRK$/);
  await page.waitForFunction((text) => cubelink.root.querySelector(".channel-row .world").textContent.includes(text), `${moved[0].toPrecision(7)} km/s`);
  const link = await page.evaluate(() => cubelink.element.link);
  assert.ok(link.includes("spectrum.frame=LSRK"), link);
  const other = await newPage(link);
  await other.waitForFunction((first) => Math.abs(cubelink.spectralAxis.values[0] - first) < 1e-9, moved[0]);
  await other.context().close();
  const refused = await page.$$eval("#spectral-frame option:disabled", (all) => all.map((e) => [e.value, e.title]));
  assert.deepEqual(refused.map(([name]) => name), ["TOPOCENT", "GEOCENTR", "HELIOCEN"]);
  assert.ok(refused.every(([, why]) => why.includes("DATE-OBS")), JSON.stringify(refused));
  await page.selectOption("#spectral-frame", "");
  await page.waitForFunction((first) => Math.abs(cubelink.spectralAxis.values[0] - first) < 1e-9, own[0]);
  // A link that asks for what can't be had: the header's own stays, and it is said.
  await page.evaluate(() => cubelink.element.state.spectrum.frame.set("TOPOCENT"));
  await page.waitForSelector('.message.error:has-text("DATE-OBS")');
  await page.waitForFunction(() => cubelink.element.state.spectrum.frame.value === "");
});

await check("a header without a spectral frame: none to choose", async () => {
  await page.evaluate(() => cubelink.element.open("frameless.fits"));
  await settled(page);
  await page.waitForFunction(() => cubelink.root.querySelector("#spectral-frame").disabled && cubelink.root.querySelector("#spectral-frame").title.includes("SPECSYS"));
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
});

await check("channels of images with different spectral frames are matched in a common one", async () => {
  await page.evaluate(() => (cubelink.element.link = 'file=fine_bary.fits&channel=8&compare.images=[{"file":"fine_lsrk.fits","hdu":""}]'));
  const shift = (-spectral.CRVAL3 * (toLsrk / C)) / 1e4; // channels
  assert.ok(Math.abs(shift) > 1, `${shift}`);
  await page.waitForFunction((channel) => cubelink.element.viewer.compare.companions[0]?.loader.shown.value.channel === channel, Math.round(8 + shift));
  await page.evaluate(() => (cubelink.element.link = "file=cube.fits&regionPanel.open=1"));
  await page.waitForFunction(() => cubelink.image?.name === "cube.fits");
  await settled(page);
});

await check("a cube beside an image without channels keeps its channel", async () => {
  const companion = (channel) => page.waitForFunction((channel) => cubelink.element.viewer.compare.companions[0]?.loader.shown.value.channel === channel, channel);
  await page.evaluate(() => (cubelink.element.link = 'file=cube.fits&channel=7&compare.images=[{"file":"galactic.fits","hdu":""}]'));
  await companion(0);
  // What comes with an image that has just been opened has come, and is drawn.
  await page.waitForFunction(() => cubelink.element.viewer.compare.companions[0].histogram.value);
  await drawn(page);
  await page.click('.compare-name:has-text("galactic.fits")');
  await page.waitForFunction(() => cubelink.image?.name === "galactic.fits");
  await companion(7);
  const link = await page.evaluate(() => cubelink.element.link);
  const other = await newPage(link);
  await other.waitForFunction(() => cubelink.element.viewer.compare.companions[0]?.loader.shown.value.channel === 7);
  await other.context().close();
  await page.click('.compare-name:has-text("cube.fits")');
  await page.waitForFunction(() => cubelink.image?.name === "cube.fits" && cubelink.plane.channel === 7);
  await page.evaluate(() => (cubelink.element.link = "file=cube.fits&regionPanel.open=1"));
  await settled(page);
});

await check("region files of the server: found in its folders, imported; faulty ones say what is wrong", async () => {
  await page.waitForSelector("#regions-panel .hint:has-text('No regions yet')");
  await page.click('#regions-panel button:has-text("Import")');
  await page.click('#region-files .file-row:has-text("lists")');
  await page.waitForSelector('#region-files .file-row:has-text("two.reg")');
  assert.deepEqual(await page.$$eval("#region-files .file-row.file .file-name", (all) => all.map((e) => e.textContent)), ["broken.reg", "two.reg"]);
  assert.deepEqual(await poorControls(page, "#region-files :is(button, input)"), []);
  await page.screenshot({ path: `${output}viewer-region-files.png` });
  await page.click('#region-files .file-row:has-text("broken.reg")');
  await page.waitForFunction(() => cubelink.root.querySelector("#region-files .error").textContent !== "");
  await page.click('#region-files .file-row:has-text("two.reg")');
  await page.waitForFunction(() => !cubelink.root.querySelector("#region-files").open && cubelink.element.regions.list().length === 2);
  assert.deepEqual(await page.evaluate(() => cubelink.element.regions.list().map(({ type, points }) => [type, points[0]])), [["ELLIPSE", [29, 19]], ["RECTANGLE", [39, 40]]]);
});

await check("regions saved on the server, and not over another file unasked", async () => {
  await page.selectOption('#regions-panel select[aria-label="Format of the file"]', "ds9");
  await page.click('#regions-panel button:has-text("Save on server")');
  assert.equal(await page.inputValue("#region-file-name"), "cube.reg");
  await page.click('#region-files .file-row:has-text("lists")');
  await page.waitForSelector('#region-files .file-row:has-text("two.reg")');
  await page.click('#region-files .file-row:has-text("two.reg")');
  assert.equal(await page.inputValue("#region-file-name"), "two.reg");
  const before = readFileSync(`${folder}/lists/two.reg`, "utf8");
  await page.click('#region-files button[type="submit"]');
  await page.waitForSelector('#region-files .error:has-text("already")');
  assert.equal(readFileSync(`${folder}/lists/two.reg`, "utf8"), before);
  await page.fill("#region-file-name", "mine.reg");
  await page.click('#region-files button[type="submit"]');
  await page.waitForFunction(() => !cubelink.root.querySelector("#region-files").open);
  assert.ok(existsSync(`${folder}/lists/mine.reg`));
  await page.click('#regions-panel button:has-text("Save on server")');
  await page.click('#region-files .file-row:has-text("lists")');
  await page.waitForSelector('#region-files .file-row:has-text("mine.reg")');
  await page.click('#region-files .file-row:has-text("mine.reg")');
  await page.check("#region-files input[type=checkbox]");
  await page.click('#region-files button[type="submit"]');
  await page.waitForFunction(() => !cubelink.root.querySelector("#region-files").open);
  await page.evaluate(() => cubelink.element.regions.clear());
});

await check("a read-only server: files can be imported, nothing is offered to be saved", async () => {
  const readOnly = await startServer(folder, { authKey: SECRET, more: ["--read-only"] });
  const other = await newPage("file=cube.fits&regionPanel.open=1", { address: readOnly.url });
  await other.waitForSelector('#regions-panel button:has-text("Import")', { state: "visible" });
  await other.waitForSelector('#regions-panel button:has-text("Save on server")', { state: "hidden" });
  assert.equal(await page.isVisible('#regions-panel button:has-text("Save on server")'), true);
  await other.context().close();
  await readOnly.stop();
});

await check("at 1440 × 900 the channel, the spectrum and a region's statistics are seen together", async () => {
  await page.evaluate(() => cubelink.element.regions.set({ type: "ELLIPSE", points: [[32, 32], [8, 5]] }).then((id) => cubelink.element.regions.select(id)));
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".region-statistics dd").length >= 8);
  await drawn(page);
  const hidden = await page.evaluate(() =>
    ["#channel-slider", ".plots .plot:last-child .plot-body", ".region-statistics div:nth-child(6), .region-statistics dd:nth-of-type(6)"].filter((s) => {
      const { top, bottom, height } = cubelink.root.querySelector(s).getBoundingClientRect();
      return !(top >= 0 && bottom <= 901 && height > 10);
    }),
  );
  await page.screenshot({ path: `${output}viewer-together.png` });
  assert.deepEqual(hidden, []);
});

await check("parts of the panel are folded by mouse and keyboard; the link and the browser keep it", async () => {
  const shown = (selector, p = page) => p.isVisible(selector);
  assert.equal(await shown("#colormap-choice"), true);
  await page.click('#display .fold');
  assert.equal(await shown("#colormap-choice"), false);
  assert.equal(await page.getAttribute("#display .fold", "aria-expanded"), "false");
  // Profiles give way to the regions' panel, unless they are wanted.
  const body = (p = page) => p.isVisible(".plots .plot:first-child .plot-body");
  assert.equal(await body(), false);
  await page.focus(".plots .plot:first-child .fold");
  await page.keyboard.press("Enter");
  assert.equal(await body(), true);
  const link = await page.evaluate(() => cubelink.element.link);
  assert.ok(link.includes("panels.display=0") && link.includes("panels.x=1"), link);
  await page.goto("about:blank");
  await page.goto(`${server.url}?token=${SECRET}`);
  await page.waitForFunction(() => window.cubelink?.connection === "connected");
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
  assert.equal(await shown("#colormap-choice"), false);
  assert.equal(await body(), true);
  await page.click("#display .fold");
  assert.equal(await shown("#colormap-choice"), true);
  assert.deepEqual(await poorControls(page, ".fold, .tools > summary"), []);
});

const boxes = (p, selectors) => p.evaluate((selectors) => selectors.map((s) => [...cubelink.root.querySelectorAll(s)].map((e) => e.getBoundingClientRect()).map(({ left, top, right, bottom }) => ({ left, top, right, bottom }))), selectors);
const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
await check("scale bar, labels of the grid and buttons do not hide one another", async () => {
  await page.evaluate(() => cubelink.element.state.marks.grid.set(true));
  for (const [width, height] of [[1440, 900], [800, 600], [390, 844], [260, 700]]) {
    await page.setViewportSize({ width, height });
    for (const view of [null, { x: 31.5, y: 31.5, scale: 30 }]) {
      await page.evaluate((view) => (cubelink.element.view = view), view);
      await settled(page);
      await page.waitForFunction(() => cubelink.root.querySelectorAll("#overlay .sky-grid text").length > 2);
      await drawn(page);
      const [bar, labels, [buttons]] = await boxes(page, [".scale-bar text, .scale-bar path", "#overlay .sky-grid .bottom", ".zoom-buttons"]);
      for (const one of bar) {
        assert.ok(!meet(one, buttons), `${width} × ${height}: the bar is below the buttons`);
        assert.ok(!labels.some((label) => meet(one, label)), `${width} × ${height}: the bar is on a label`);
      }
      assert.ok(!labels.some((label) => meet(label, buttons)), `${width} × ${height}: a label is below the buttons`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.evaluate(() => cubelink.element.state.marks.grid.set(false));
});

await check("the compass points to the north of the frame that is chosen", async () => {
  const north = () => page.evaluate(() => /M([\d.]+) ([\d.]+)L([\d.-]+) ([\d.-]+)/.exec(cubelink.root.querySelector(".compass path").getAttribute("d")).slice(1).map(Number)).then(([x, y, endX, endY]) => (Math.atan2(endX - x, y - endY) * 180) / Math.PI);
  await page.evaluate(() => (cubelink.element.link = "file=galactic.fits&marks.compass=1"));
  await page.waitForFunction(() => cubelink.image?.name === "galactic.fits");
  await settled(page);
  await page.waitForFunction(() => !cubelink.root.querySelector(".compass").hasAttribute("hidden"));
  near(await north(), 0, 1, "galactic north");
  await page.evaluate(() => cubelink.element.state.sky.frame.set("ICRS"));
  // At the galactic centre north of ICRS lies 58.6° to the east, which is to the left.
  await page.waitForFunction(() => !/L([\d.]+) /.exec(cubelink.root.querySelector(".compass path").getAttribute("d"))[1].startsWith(/M([\d.]+) /.exec(cubelink.root.querySelector(".compass path").getAttribute("d"))[1]));
  near(Math.abs(await north()), 58.6, 1.5, "north");
});

await check("on a phone all of the bar can be reached", async () => {
  const phone = await newPage("file=cube.fits", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const outside = await phone.evaluate(() =>
    [...cubelink.root.querySelectorAll(".topbar > :not(slot):not(.spacer)"), ...cubelink.element.querySelectorAll("[slot=actions]")].filter((e) => e.checkVisibility()).filter((e) => {
      const { left, right, width } = e.getBoundingClientRect();
      return width > 0 && (left < 0 || right > 391);
    }).map((e) => e.outerHTML.slice(0, 60)),
  );
  await phone.screenshot({ path: `${output}viewer-phone.png` });
  assert.deepEqual(outside, []);
  await phone.context().close();
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
