// The viewer in Chromium where it is less usual: tiny, blank and constant images, several images in a file, folders of thousands of files, small windows, the keyboard
// alone, a launcher, somebody else in the session, a server that is killed.
//
//     node tests/browser/viewer_edges.test.mjs          with build/release (or $CUBELINK_BUILD), www/dist and clients/js/dist
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, lastingPort, launchChromium, readPng, root, settled as settledPage, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-viewer-`);
const images = `${folder}/images`;
mkdirSync(`${images}/many`, { recursive: true });
const ramp = (x, y, channel) => x + 10 * y + 1000 * channel;
writeFits(`${images}/one.fits`, { width: 1, height: 1, value: () => 3.5 });
writeFits(`${images}/tiny.fits`, { width: 5, height: 3, value: ramp });
writeFits(`${images}/blank.fits`, { width: 30, height: 20, value: () => NaN });
writeFits(`${images}/constant.fits`, { width: 30, height: 20, value: () => 7 });
writeFits(`${images}/cube.fits`, { width: 300, height: 200, depth: 40, value: ramp });
writeFits(`${images}/row.fits`, { width: 5000, height: 1, value: ramp });
// Fluxes in W / m² / Hz are such numbers.
writeFits(`${images}/faint.fits`, { width: 30, height: 20, value: (x, y) => 1e-26 * Math.sin(x + y) });
writeFits(`${images}/several.fits`, { width: 30, height: 20, name: "SCI", value: ramp }, { width: 60, height: 50, name: "ERR", value: () => 1 });
for (let i = 0; i < 3000; i++) writeFileSync(`${images}/many/image_${i}.fits`, "SIMPLE  =                    T");

const SECRET = "a-secret-for-tests";
const settings = { authKey: SECRET, port: await lastingPort(), more: ["--store", `${folder}/store.sqlite`] };
let server = await startServer(images, settings);
const browser = await launchChromium();
const problems = [];

async function newPage(address, viewport = { width: 1440, height: 900 }) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(address);
  return page;
}
const addressOf = (hash = "") => `${server.url}?token=${SECRET}${hash}`;
const settled = (p = page) => settledPage(p);
const hook = (expression, p = page) => p.evaluate(`(${expression})()`);
const openImage = async (name) => {
  await page.click(`.file-row.file[data-path="${name}"]`);
  await page.waitForFunction((n) => window.cubelink?.image?.name === n, name);
  await settled();
};
/** Colour of an image pixel on the page, without the cross hair. */
const shade = async (x, y) => {
  const show = (visibility) => page.evaluate((v) => void (cubelink.root.querySelector("#overlay").style.visibility = v), visibility);
  await show("hidden");
  const shot = readPng(await page.screenshot());
  await show("");
  const at = await page.evaluate(([x, y]) => cubelink.pixelOnPage(x, y), [x, y]);
  return shot.at(Math.round(at.x), Math.round(at.y));
};

const { check, finish } = checks("viewer-edges", () => page);

const page = await newPage(addressOf());
await page.waitForSelector(".file-row.file");

await check("tiny images fill the window, and zooming in does not make them smaller", async () => {
  for (const [name, value] of [["one.fits", "3.5"], ["tiny.fits", "12"]]) {
    await openImage(name);
    await page.waitForFunction((v) => cubelink.root.querySelector("#read-value").textContent.trim() === v, value);
    const before = await hook("() => cubelink.view.scale");
    assert.ok(before > 100, `scale ${before}`);
    const box = await page.locator("#canvas").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, -100);
    await drawn(page);
    assert.ok((await hook("() => cubelink.view.scale")) >= before);
  }
});

await check("an image of one row is seen, though its pixels are far smaller than the screen's", async () => {
  await page.selectOption("#colormap-choice", "Grey");
  await openImage("row.fits");
  assert.ok((await hook("() => cubelink.view.scale")) < 0.3);
  for (const [x, grey] of [[500, 25], [4500, 230]]) {
    const [r, g, b] = await shade(x, 0);
    assert.ok(r === g && g === b && Math.abs(r - grey) < 12, `${[r, g, b]} at ${x}`);
  }
});

await check("profiles of very small values have their numbers at the axis", async () => {
  await page.addInitScript(`(${() => {
    const written = (window.writtenTexts = []);
    const fill = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
      written.push(text);
      return fill.call(this, text, ...more);
    };
  }})()`);
  await page.reload();
  await page.waitForSelector(".file-row.file");
  await openImage("faint.fits");
  await page.waitForFunction(() => ["−1e−26", "1e−26"].every((text) => window.writtenTexts.includes(text)));
  const { ys } = await hook("() => cubelink.plots.x");
  assert.equal(ys[7], Math.fround(1e-26 * Math.sin(7 + 10)));
});

await check("limits by hand are not taken along to another image; a blank one has none, a constant one is drawn in the middle of the colours", async () => {
  await page.selectOption("#colormap-choice", "Grey");
  await page.fill('input[aria-label="Upper clip limit"]', "9");
  await page.press('input[aria-label="Upper clip limit"]', "Enter");
  assert.equal((await hook("() => cubelink.look")).percentile, null);
  await openImage("blank.fits");
  await page.waitForFunction(() => cubelink.histogram !== null && cubelink.root.querySelector("#read-value").textContent === "blank");
  const look = await hook("() => cubelink.look");
  assert.equal(look.percentile, 99.5);
  assert.equal(await page.inputValue('input[aria-label="Upper clip limit"]'), "");
  assert.deepEqual(await shade(5, 5), [33, 38, 46]);
  await openImage("constant.fits");
  await page.waitForFunction(() => cubelink.look.limits.low === 7);
  await drawn(page);
  assert.deepEqual(await shade(5, 5), [128, 128, 128]);
});

await check("limits are typed while channels play: what is typed stays, what is none is marked until there are others, Escape takes it back", async () => {
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await settled(page);
  const [low, high] = ["Lower clip limit", "Upper clip limit"].map((label) => page.locator(`input[aria-label="${label}"]`));
  const told = async (field) => [await field.inputValue(), await field.getAttribute("aria-invalid")];
  await page.click("#play");
  const limits = () => page.evaluate(() => JSON.stringify(cubelink.look.limits));
  const others = async (work) => {
    const before = await limits();
    await work();
    await page.waitForFunction((before) => JSON.stringify(cubelink.look.limits) !== before, before);
  };
  await low.fill("1e9");
  for (let i = 0; i < 3; i++) await others(async () => assert.deepEqual(await told(low), ["1e9", null]));
  await low.press("Escape");
  assert.notEqual(await low.inputValue(), "1e9");
  await page.click("#play");
  await settled(page);
  const now = await page.evaluate(() => cubelink.look.limits);
  await low.fill("1e9");
  await low.press("Enter");
  assert.deepEqual(await told(low), ["1e9", "true"]);
  assert.deepEqual(await page.evaluate(() => cubelink.look.limits), now);
  // With the upper one it is a pair.
  await high.fill("2e9");
  await high.press("Enter");
  assert.deepEqual([await told(low), await told(high)], [["1000000000", null], ["2000000000", null]]);
  await low.fill("what");
  await low.press("Enter");
  assert.deepEqual(await told(low), ["what", "true"]);
  await page.selectOption("#limits-choice", "99.5");
  await page.waitForFunction(() => !cubelink.root.querySelector('input[aria-label="Lower clip limit"]').hasAttribute("aria-invalid"));
  const number = page.locator('input[aria-label="Channel number"]');
  await number.fill("");
  await number.press("Enter");
  assert.deepEqual(await told(number), ["", "true"]);
  await number.fill("99999");
  await number.press("Enter");
  const last = await page.evaluate(() => cubelink.image.depth - 1);
  await page.waitForFunction((last) => cubelink.plane.channel === last, last);
  assert.deepEqual(await told(number), [String(last), null]);
});

await check("a file of several images offers them; the header's cards are the file's", async () => {
  await openImage("several.fits");
  await page.waitForSelector("#hdu-choice:visible");
  assert.deepEqual(await page.$$eval("#hdu-choice option", (options) => options.map((o) => o.textContent)), ["0: SCI", "1: ERR"]);
  await page.selectOption("#hdu-choice", "1");
  await page.waitForFunction(() => cubelink.image.width === 60);
  await settled();
  await page.click("#tab-header");
  await page.waitForFunction(() => /^XTENSION= 'IMAGE {3}'/m.test(cubelink.root.querySelector(".cards")?.textContent));
  await page.click("#tab-summary");
  await page.waitForFunction(() => /file=several\.fits&hdu=1/.test(location.href)); // the address follows after a while
});

await check("a folder of thousands of files: rows as they are needed, and a filter", async () => {
  await page.click('.file-row.folder:has-text("many")');
  await page.waitForSelector('.file-row:has-text("image_0.fits")');
  const count = () => page.locator(".file-row").count();
  assert.ok((await count()) <= 100);
  await page.evaluate(() => cubelink.root.querySelector("#file-list").scrollTo(0, 1e9));
  await page.waitForSelector('.file-row:has-text("image_2999.fits"):visible');
  assert.ok((await count()) <= 100);
  await page.fill("#file-filter", "IMAGE 2999");
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".file-row").length === 1);
  await page.fill("#file-filter", "nothing like it");
  await page.waitForSelector("#file-list .empty");
  await page.click(".crumb >> nth=0");
  await page.waitForSelector('.file-row:has-text("cube.fits")');
  assert.equal(await page.inputValue("#file-filter"), "");
});

await check("by keys alone: open, move the cursor, change the channel", async () => {
  await page.focus('.file-row.file[data-path="cube.fits"]');
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => cubelink.image?.name === "cube.fits" && cubelink.cursor?.x === 150);
  await settled();
  await page.focus("#canvas");
  await page.keyboard.press("Shift+ArrowRight");
  await page.waitForFunction(() => cubelink.cursor.x === 151);
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press(".");
  await page.waitForFunction(() => cubelink.plane.channel === 1 && cubelink.cursor.channel === 1 && cubelink.cursor.y === 99);
  assert.equal((await hook("() => cubelink.cursor")).value, ramp(151, 99, 1));
});

await check("an image that fits goes on fitting when the window changes; nothing is cut off in small ones", async () => {
  for (const [width, height] of [[1100, 560], [420, 800], [1440, 900]]) {
    await page.setViewportSize({ width, height });
    await page.waitForFunction(() => {
      const { scale, width, height } = cubelink.view;
      return Math.abs(scale - 0.96 * Math.min(width / 300, height / 200)) < 1e-6;
    });
    await drawn(page);
    await page.screenshot({ path: `${output}viewer-${width}x${height}.png` });
    const cut = await page.evaluate(() =>
      [...cubelink.root.querySelectorAll(".reading b")].filter((e) => e.getBoundingClientRect().right > e.closest(".stage").getBoundingClientRect().right + 1).map((e) => e.id),
    );
    assert.deepEqual(cut, [], `${width} × ${height}`);
  }
});

await check("somebody else in the session chooses the channel: the page goes along", async () => {
  const { connect } = await import(`${root}clients/js/dist/node.js`);
  const other = await connect({ url: `ws://127.0.0.1:${server.port}/ws`, secret: SECRET, sessionId: await hook("() => cubelink.sessionId") });
  const { files } = await other.sessionState();
  assert.equal(files.length, 1);
  await other.carta.setImageChannels({ file_id: files[0].file_id, channel: 31, stokes: 0 });
  await page.waitForFunction(() => cubelink.plane.channel === 31 && cubelink.root.querySelector("#channel-slider").value === "31");
  await page.evaluate(() => cubelink.setView(20, 20, 20));
  await settled();
  other.close();
});

await check("a server that does not answer is spoken of while one waits", async () => {
  server.pause();
  await page.keyboard.press("Shift+ArrowLeft");
  await page.waitForFunction(() => cubelink.root.querySelector("#connection").textContent === "waiting for the server");
  server.goOn();
  await page.waitForFunction(() => cubelink.root.querySelector("#connection").textContent === "connected" && cubelink.cursor.x === 150);
  await page.keyboard.press("Shift+ArrowRight");
  await page.waitForFunction(() => cubelink.cursor.x === 151);
});

await check("a server that is killed and started again: the same view, channel and session", async () => {
  const state = "() => JSON.stringify([cubelink.sessionId, cubelink.view, cubelink.plane, cubelink.image.name])";
  const before = await hook(state);
  await server.kill();
  await page.waitForFunction(() => /lost|again/.test(cubelink.root.querySelector("#connection").textContent));
  server = await startServer(images, settings);
  await page.waitForFunction(() => cubelink.connection === "connected");
  await settled();
  assert.equal(await hook(state), before);
  await page.keyboard.press("Shift+ArrowLeft");
  await page.waitForFunction(() => cubelink.cursor.x === 150);
});

await check("behind a launcher", async () => {
  const asked = [];
  const launcher = createServer(async (request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*").setHeader("Access-Control-Allow-Headers", "*").setHeader("Content-Type", "application/json");
    if (request.method === "OPTIONS") return void response.end();
    let body = "";
    for await (const part of request) body += part;
    asked.push(JSON.parse(body).application);
    response.end(JSON.stringify({ id: "x", sessionURL: `ws://127.0.0.1:${server.port}/ws`, secret: SECRET }));
  });
  await new Promise((resolve) => launcher.listen(0, "127.0.0.1", resolve));
  const manager = encodeURIComponent(`http://127.0.0.1:${launcher.address().port}/paraview/`);
  const second = await newPage(`${server.url}?sessionManagerURL=${manager}&application=cubelink#file=tiny.fits`);
  await settled(second);
  await second.context().close();
  launcher.close();
  assert.deepEqual(asked, ["cubelink"]);
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
