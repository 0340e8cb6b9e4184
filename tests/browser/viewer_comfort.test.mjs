// The viewer in Chromium, how it is to use: themes, forced colours, the size of what is pressed, help, plots' labels and units, sky frames and notations, lists of files.
//
//     node tests/browser/viewer_comfort.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, settled, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-comfort-`);
const header = {
  BUNIT: "Jy/beam", RADESYS: "ICRS", CTYPE1: "RA---SIN", CRVAL1: 187.5, CRPIX1: 51, CDELT1: -0.001, CUNIT1: "deg", CTYPE2: "DEC--SIN", CRVAL2: 12.25, CRPIX2: 41,
  CDELT2: 0.001, CUNIT2: "deg", CTYPE3: "FREQ", CRVAL3: 115.2e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz", RESTFRQ: 115.2712018e9,
}; // prettier-ignore
// Numbers that need room at the axis.
writeFits(`${folder}/cube.fits`, { width: 100, height: 80, depth: 20, header, value: (x, y, channel) => -1.25e-7 * (1 + x + y + channel) });
writeFits(`${folder}/plain.fits`, { width: 30, height: 20, value: (x, y) => x + y });
const { CTYPE3, CRVAL3, CRPIX3, CDELT3, CUNIT3, RESTFRQ, ...flat } = header;
writeFits(`${folder}/turned.fits`, { width: 100, height: 80, header: { ...flat, CROTA2: 30 }, value: (x, y) => x + y });
writeFits(`${folder}/stokes.fits`, { width: 20, height: 20, stokes: 4, header: flat, value: (_x, _y, _channel, stokes) => [10, 3, 4, 1][stokes] });
const common = "a_name_of_many_characters_as_pipelines_write_them_target";
for (let i = 1; i <= 3; i++) writeFits(`${folder}/${common}_${i}.image.fits`, { width: 4, height: 4, value: () => i });
writeFileSync(`${folder}/notes.txt`, "no image");

const SECRET = "a-secret-for-tests";
const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
const problems = [];
let shown = null;

async function newPage(file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", ...options });
  const page = (shown = await context.newPage());
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.addInitScript(`(${() => {
    // What is written at the axes, and where it begins on the canvas.
    const written = (window.written = []);
    const fill = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
      const { width } = this.measureText(text);
      const left = this.getTransform().transformPoint({ x: x - (this.textAlign === "right" ? width : this.textAlign === "center" ? width / 2 : 0), y }).x;
      written.push({ text, left, right: this.textAlign === "right" });
      return fill.call(this, text, x, y, ...more);
    };
  }})()`);
  await page.goto(`${server.url}?token=${SECRET}#file=${file}`);
  await settled(page);
  await page.waitForSelector(".file-row.current"); // the list may come after the image
  return page;
}

const { check, finish } = checks("viewer-comfort", () => shown);

/** WCAG 2.1: contrast of an element's text with what is behind it. */
const contrasts = (page, selectors) =>
  page.evaluate((selectors) => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    return selectors.map((selector) => {
      const element = cubelink.root.querySelector(selector);
      let behind = element;
      while (behind && (numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
      const [a, b] = [numbers(getComputedStyle(element).color), numbers(getComputedStyle(behind).backgroundColor)].map(luminance).sort((x, y) => y - x);
      return [selector, (a + 0.05) / (b + 0.05)];
    });
  }, selectors);
const TEXTS = [".title", ".subtitle", ".file-row.current .file-name", ".file-row.current .file-detail", ".file-row:not(.current) .file-detail", ".facts dt", ".facts dd", ".field-label", ".reading i", ".reading b", ".plot h3"];

await check("dark and light, as the system says and as the attribute says; text can be read in both", async () => {
  const page = await newPage("cube.fits");
  const back = () => page.evaluate(() => getComputedStyle(cubelink.root.querySelector(".app")).backgroundColor);
  assert.equal(await back(), "rgb(12, 15, 20)");
  for (const [selector, contrast] of await contrasts(page, TEXTS)) assert.ok(contrast >= 4.5, `dark: ${selector} ${contrast}`);
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(() => getComputedStyle(cubelink.root.querySelector(".app")).backgroundColor === "rgb(255, 255, 255)");
  for (const [selector, contrast] of await contrasts(page, TEXTS)) assert.ok(contrast >= 4.5, `light: ${selector} ${contrast}`);
  await drawn(page);
  await page.screenshot({ path: `${output}viewer-light.png` });
  const [value, zoom] = await page.evaluate(() => ["#read-value", "#read-zoom"].map((s) => cubelink.root.querySelector(s).parentElement.getBoundingClientRect()));
  assert.ok(value.right <= zoom.left, "value and zoom lie over each other");
  await page.selectOption('select[aria-label="Theme"]', "dark");
  assert.equal(await back(), "rgb(12, 15, 20)");
  await page.reload();
  await settled(page);
  assert.equal(await back(), "rgb(12, 15, 20)");
  await page.context().close();
});

await check("forced colours: what is chosen is told apart", async () => {
  const page = await newPage("cube.fits", { forcedColors: "active" });
  const style = (selector) => page.evaluate((s) => getComputedStyle(cubelink.root.querySelector(s)).backgroundColor, selector);
  for (const [chosen, other] of [[".file-row.current", ".file-row:not(.current)"], ["#tab-summary", "#tab-header"], ["#stretch-auto + label", "#stretch-log + label"]]) {
    assert.notEqual(await style(chosen), await style(other), chosen);
    const [[, contrast]] = await contrasts(page, [chosen]);
    assert.ok(contrast >= 4.5, `${chosen} ${contrast}`);
  }
  for (const [selector, contrast] of await contrasts(page, [".file-row.current .file-name", ".file-row.current .file-detail"])) assert.ok(contrast >= 4.5, `${selector} ${contrast}`);
  await page.screenshot({ path: `${output}viewer-forced-colours.png` });
  await page.context().close();
});

await check("all that is pressed is at least 24 pixels high and wide", async () => {
  const page = await newPage("cube.fits");
  const small = await page.evaluate(() =>
    [...cubelink.root.querySelectorAll("button, select, input, .segmented label"), ...document.querySelectorAll("cubelink-view > *")]
      .map((e) => (["checkbox", "radio"].includes(e.type) ? (e.closest("label") ?? e.nextElementSibling) : e))
      .filter((e) => e.checkVisibility())
      .map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
      .filter(([, box]) => box.height < 23.99 || box.width < 23.99)
      .map(([name, box]) => `${name} ${box.width} × ${box.height}`),
  );
  // A slider is as high as its thumb; its line is beside fields of the same effect.
  assert.deepEqual(small.filter((s) => !/-slider /.test(s)), []);
  await page.context().close();
});

const page = await newPage("cube.fits");

await check("the keys are explained: by the question mark and by a button", async () => {
  await page.focus("#canvas");
  await page.keyboard.press("?");
  await page.waitForSelector("#help-dialog[open]");
  assert.match(await page.textContent("#help-dialog"), /hold the cursor/);
  await page.screenshot({ path: `${output}viewer-help.png` });
  await page.keyboard.press("Escape");
  await page.waitForSelector("#help-dialog", { state: "hidden" });
  await page.click("#help");
  await page.waitForSelector("#help-dialog[open]");
  await page.click("#help-dialog .primary");
  await page.waitForSelector("#help-dialog", { state: "hidden" });
});

await check("axis labels keep their minus sign; plots have units", async () => {
  await page.waitForFunction(() => window.written.some(({ text, right }) => right && /^−\d/.test(text)));
  await page.evaluate(() => (window.written.length = 0));
  await page.evaluate(() => (cubelink.element.cursor = { x: 40, y: 30 }));
  await page.waitForFunction(() => window.written.some(({ text, right }) => right && /^−\d/.test(text)));
  await drawn(page);
  const cut = await page.evaluate(() => window.written.filter(({ left, right, text }) => right && text !== "" && left < 0));
  assert.deepEqual(cut, []);
  assert.deepEqual(await page.$$eval("#plots .plot h3", (all) => all.map((e) => e.textContent)), ["Along x, Jy/beam", "Along y, Jy/beam", "Spectrum, Jy/beam"]);
  await page.selectOption(".axis-choice", "velocity_radio");
  await page.waitForFunction(() => cubelink.root.querySelector(".plot:last-child h3").textContent === "Spectrum, Jy/beam over km/s");
});

await check("the velocity is beside the channel", async () => {
  await page.evaluate(() => (cubelink.element.channel = 10));
  const velocity = 299792.458 * (1 - (115.2e9 + 10e6) / 115.2712018e9);
  await page.selectOption(".axis-choice", "");
  await page.waitForFunction(() => /GHz · /.test(cubelink.root.querySelector(".world").textContent));
  await page.waitForFunction((v) => {
    const found = /([\d.]+) GHz · ([\d.]+) km\/s/.exec(cubelink.root.querySelector(".world").textContent);
    return found && Math.abs(found[1] - 115.21) < 1e-6 && Math.abs(found[2] - v) < 1e-3;
  }, velocity);
});

await check("a held cursor is seen", async () => {
  await page.focus("#canvas");
  await page.keyboard.press("f");
  await page.waitForFunction(() => cubelink.root.querySelector("#read-pixel-label").textContent === "Held at");
  const stroke = (tag) => page.evaluate((t) => getComputedStyle(cubelink.root.querySelector(`.overlay .held ${t}`)).stroke, tag);
  assert.equal(await stroke("circle"), "rgb(255, 180, 84)");
  assert.equal(await stroke("line"), "rgb(255, 180, 84)");
  await page.keyboard.press("f");
});

await check("sky positions in each frame and notation", async () => {
  await page.evaluate(() => (cubelink.element.cursor = { x: 50, y: 40 }));
  const sky = (pattern) => page.waitForFunction((p) => new RegExp(p).test(cubelink.root.querySelector("#read-sky").textContent), pattern);
  // The reference pixel; what others make of it (astropy's SkyCoord, to a hundredth of a degree or better).
  await sky("^12h30m00\\.000s  \\+12°15′00\\.00″$");
  await page.selectOption("#sky-format", "degrees");
  await sky("^187\\.50000°  \\+12\\.25000°$");
  await page.selectOption("#sky-frame", "GALACTIC");
  await page.waitForFunction(() => /^GALACTIC/i.test(cubelink.root.querySelector("#read-sky-label").textContent));
  const shown = async () => (await page.textContent("#read-sky")).split(/\s+/).map((t) => Number(t.replace("°", "").replace("−", "-")));
  const expected = GALACTIC(187.5, 12.25);
  (await shown()).forEach((v, i) => assert.ok(Math.abs(v - expected[i]) < 1e-3, `${v}, expected ${expected[i]}`));
  await page.selectOption("#sky-format", "sexagesimal");
  await sky("^\\d+°\\d\\d′\\d\\d\\.\\d\\d″  \\+\\d\\d°\\d\\d′\\d\\d\\.\\d\\d″$|^\\+\\d+°\\d\\d′\\d\\d\\.\\d\\d″  \\+\\d\\d°\\d\\d′\\d\\d\\.\\d\\d″$");
  for (const frame of ["FK4", "FK5", "ICRS", "ECLIPTIC"]) {
    await page.selectOption("#sky-frame", frame);
    await page.waitForFunction((f) => cubelink.root.querySelector("#read-sky-label").textContent.toUpperCase().startsWith(f), frame);
  }
  await page.selectOption("#sky-frame", "");
  await page.selectOption("#sky-format", "auto");
});

await check("scale bar and compass: as long as it says, north up and east to the left, turned where the image is", async () => {
  await page.click("#zoom-fit");
  await settled(page);
  const bar = () => page.evaluate(() => {
    const group = cubelink.root.querySelector(".scale-bar");
    return { hidden: group.hasAttribute("hidden"), text: group.querySelector("text").textContent, length: Number(/h([\d.]+)/.exec(group.querySelector("path").getAttribute("d"))[1]), scale: cubelink.view.scale, width: cubelink.view.width };
  });
  for (const zoom of ["", "#zoom-in", "#zoom-in"]) {
    if (zoom !== "") await page.click(zoom);
    await drawn(page);
    const { hidden, text, length, scale, width } = await bar();
    assert.equal(hidden, false);
    const [, count, unit] = /^([\d.]+)([°′″])$/.exec(text);
    const arcseconds = Number(count) * { "°": 3600, "′": 60, "″": 1 }[unit];
    assert.ok(Math.abs(length - (arcseconds / 3.6) * scale) < 0.1, `${text}: ${length}`);
    assert.ok(length <= 0.2 * width + 1 && length > 0.05 * width, `${length} of ${width}`);
  }
  await page.check("#mark-compass");
  const arms = (p) => p.evaluate(() => [...cubelink.root.querySelectorAll(".compass path")].map((e) => /M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)/.exec(e.getAttribute("d"))?.slice(1).map(Number)).map((v) => v && [v[2] - v[0], v[3] - v[1]]));
  await page.waitForFunction(() => !cubelink.root.querySelector(".compass").hasAttribute("hidden"));
  const close = (a, b) => a.forEach((v, i) => v.forEach((w, k) => assert.ok(Math.abs(w - b[i][k]) < 0.2, `${a} instead of ${b}`)));
  close(await arms(page), [[0, -34], [-34, 0]]);
  await page.uncheck("#mark-scale");
  await page.waitForFunction(() => cubelink.root.querySelector(".scale-bar").hasAttribute("hidden"));
  await page.evaluate(() => cubelink.element.open("turned.fits"));
  await settled(page);
  await page.waitForFunction(() => /L/.test(cubelink.root.querySelector(".compass path").getAttribute("d")));
  // By the definition of CROTA2 = ρ, with CDELT1 < 0 < CDELT2: north is (−sin ρ, cos ρ) in pixels, east (−cos ρ, −sin ρ). The screen's y goes downwards.
  const [sin, cos] = [34 * Math.sin(Math.PI / 6), 34 * Math.cos(Math.PI / 6)];
  const expected = [[-sin, -cos], [-cos, sin]];
  await page.waitForFunction((x) => Math.abs(Number(/L([\d.]+)/.exec(cubelink.root.querySelector(".compass path").getAttribute("d"))[1]) - Number(/M([\d.]+)/.exec(cubelink.root.querySelector(".compass path").getAttribute("d"))[1]) - x) < 0.2, expected[0][0]);
  close(await arms(page), expected);
  await page.screenshot({ path: `${output}viewer-marks.png` });
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
});

await check("polarisations that are computed: by name, with their values", async () => {
  await page.evaluate(() => cubelink.element.open("stokes.fits"));
  await settled(page);
  assert.equal(await page.getAttribute("#stokes-slider", "max"), "8");
  await page.locator("#stokes-slider").fill("5");
  await page.waitForFunction(() => cubelink.plane.stokes === 14 && cubelink.root.querySelector(".stokes-name").textContent === "Plinear");
  await settled(page);
  await page.waitForFunction(() => Math.abs(cubelink.cursor.value - 5) < 1e-6 && cubelink.cursor.stokes === 14);
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
});

await check("long names are cut where they are all the same; files that are no images can be listed", async () => {
  const ends = await page.$$eval(".file-row.file .file-name", (names) =>
    names.filter((n) => n.textContent.startsWith("a_name")).map((n) => {
      const end = n.lastElementChild.getBoundingClientRect();
      return [n.lastElementChild.textContent, end.right <= n.getBoundingClientRect().right + 1 && end.width > 0];
    }),
  );
  assert.deepEqual(ends, [1, 2, 3].map((i) => [`${i}.image.fits`.padStart(12, "_").slice(-12), true]));
  assert.equal(await page.locator('.file-row:has-text("notes.txt")').count(), 0);
  await page.check("#all-files");
  await page.waitForSelector('.file-row:has-text("notes.txt")');
  await page.click('.file-row:has-text("notes.txt")');
  await page.waitForSelector(".message.error");
  await page.uncheck("#all-files");
  await page.waitForSelector('.file-row:has-text("notes.txt")', { state: "detached" });
});

await check("at 800 × 600 the channel and the spectrum are seen together", async () => {
  await page.setViewportSize({ width: 800, height: 600 });
  await drawn(page);
  const seen = await page.evaluate(() =>
    ["#channel-slider", ".plot:last-child", "#canvas"].map((s) => cubelink.root.querySelector(s).getBoundingClientRect()).every((b) => b.top >= 0 && b.bottom <= 601 && b.left >= 0 && b.right <= 801 && b.height > 10),
  );
  await page.screenshot({ path: `${output}viewer-800x600.png` });
  assert.ok(seen);
});

await check("no errors of the page, nothing against the content policy", async () => assert.deepEqual(problems, []));

/** IAU 1958 by the rotation of FK5 J2000 (Hipcos's matrix), which differs from ICRS by less than 0.03″. */
function GALACTIC(ra, dec) {
  const rad = Math.PI / 180;
  const v = [Math.cos(dec * rad) * Math.cos(ra * rad), Math.cos(dec * rad) * Math.sin(ra * rad), Math.sin(dec * rad)];
  const m = [
    [-0.0548755604, -0.8734370902, -0.4838350155],
    [0.4941094279, -0.44482963, 0.7469822445],
    [-0.867666149, -0.1980763734, 0.4559837762],
  ];
  const [x, y, z] = m.map((row) => row.reduce((sum, c, i) => sum + c * v[i], 0));
  return [(Math.atan2(y, x) / rad + 360) % 360, Math.asin(z) / rad];
}

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
