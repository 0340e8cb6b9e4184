// The viewer over a link of 1 Mbit/s with a round trip of 200 ms: what comes first, the cursor beside tiles, quality that comes back, tiles that are not wanted any more.
// What comes before what is asserted; how long it took is printed.
//
//     node tests/browser/viewer_slow.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";

import { checks, output } from "./checks.mjs";
import { random } from "./random.mjs";
import { startSlowLink } from "./slow_link.mjs";
import { drawn, launchChromium, root, settled, startServer, writeFits } from "./viewer_support.mjs";

const SECRET = "a-secret-for-tests";
const SIDE = 2048;
const folder = `${root}tests/output/slow/`;
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
/** Noise: nothing is harder to compress. */
const noise = () => random() - 0.5;
writeFits(`${folder}field.fits`, { width: SIDE, height: SIDE, value: (x, y) => Math.sin(x / 90) * Math.cos(y / 70) + noise() });
writeFits(`${folder}cube.fits`, { width: 900, height: 900, depth: 3, value: (x, y, channel) => 100 * channel + Math.sin(x / 90) + noise() });

mkdirSync(`${folder}many`);
writeFits(`${folder}many/field.fits`, { width: 900, height: 900, value: (x, y) => Math.sin(x / 90) * Math.cos(y / 70) + noise() });
for (let i = 0; i < 4000; i++) writeFileSync(`${folder}many/image_${i}.fits`, "SIMPLE  =                    T");

const server = await startServer(folder, { authKey: SECRET });
const link = await startSlowLink(server.port);
const browser = await launchChromium();
const page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
page.setDefaultTimeout(240_000);
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
const scripts = [];
page.on("response", (response) => response.url().includes("/assets/index-") && scripts.push(response.headers()));
// Every frame in which something else was drawn or missing.
await page.addInitScript(() => {
  window.frames_ = [];
  const look = () => {
    const hook = window.cubelink;
    if (hook?.image && hook.drawn.plane.startsWith(`${hook.image.fileId}/`)) {
      const { plane, layers, quality } = hook.drawn;
      const now = { name: hook.image.name, plane, layers, quality, sample: hook.sample !== null, exact: hook.histogram !== null, ...hook.loading };
      const text = JSON.stringify(now);
      if (text !== window.lastFrame_) window.frames_.push({ t: performance.now(), ...now });
      window.lastFrame_ = text;
    }
    requestAnimationFrame(look);
  };
  look();
});
const { check, finish } = checks("viewer-slow", () => page);
const frames = () => page.evaluate(() => window.frames_);
const report = (what, ms) => console.log(`     ${what}: ${Math.round(ms)} ms`);

await check("the page's scripts come compressed", async () => {
  await page.goto(`${link.url}?token=${SECRET}`);
  await page.waitForFunction(() => window.cubelink);
  assert.equal(scripts.length, 1);
  assert.equal(scripts[0]["content-encoding"], "gzip");
  assert.ok(Number(scripts[0]["content-length"]) < 150_000, scripts[0]["content-length"]);
});

await check("the first picture comes before the tiles, with limits by a sample", async () => {
  await page.waitForSelector('.file-row.file:has-text("field.fits")');
  await page.evaluate(() => (window.clicked_ = performance.now()));
  await page.click('.file-row.file:has-text("field.fits")');
  await page.waitForFunction(() => window.cubelink.image && window.cubelink.drawn.layers.length > 0);
  const first = (await frames()).find((frame) => frame.layers.length > 0);
  report("first picture", first.t - (await page.evaluate(() => window.clicked_)));
  assert.ok(first.missing > 0, "there is a picture only when all tiles are there");
  assert.ok(first.sample || first.exact, "the picture has no limits");
  assert.ok(first.layers.every((layer) => layer <= 0), "the coarsest is first");
  await page.screenshot({ path: `${output}viewer-slow-first.png` });
});

await check("the cursor is answered while tiles are still to come", async () => {
  // More of it, at full resolution.
  await page.evaluate(() => window.cubelink.setView(700, 700, 1));
  await page.waitForFunction(() => window.cubelink.loading.missing > 4);
  const times = [];
  let beside = 0;
  for (let i = 0; i < 6; i++) {
    const [x, y] = [600 + 20 * i, 640 + 15 * i];
    const at = await page.evaluate(([x, y]) => window.cubelink.pixelOnPage(x, y), [x, y]);
    await page.evaluate(([x, y]) => {
      window.answered_ = new Promise((resolve) => {
        const start = performance.now();
        const look = () => (window.cubelink.cursor?.x === x && window.cubelink.cursor?.y === y ? resolve({ ms: performance.now() - start, ...window.cubelink.loading }) : setTimeout(look, 2));
        look();
      });
    }, [x, y]);
    await page.mouse.move(at.x, at.y);
    const { ms, ...loading } = await page.evaluate(() => window.answered_);
    times.push(ms);
    if (process.env.VERBOSE) console.log(JSON.stringify(loading));
    if (loading.missing > 0) beside += 1;
  }
  for (const ms of times) report("cursor", ms);
  assert.ok(beside >= 2, "no answer came before the tiles");
});

await check("what has left the view is not sent any more", async () => {
  // Another place, so that tiles are missing; and then another one.
  await page.evaluate(() => window.cubelink.setView(1500, 500, 1));
  await page.waitForFunction(() => window.cubelink.loading.missing > 8 && window.cubelink.loading.underWay > 0);
  const { asked, needed } = await page.evaluate(() => {
    const hook = window.cubelink;
    const { loader } = hook.element.viewer.open_;
    window.came_ = [];
    hook.element.client.tiles().listen({ tile: ({ layer, x, y }) => window.came_.push({ layer, x, y }) });
    // The wishes change in the next frame: until then tiles of the old place come and are asked for.
    const before = new Promise((resolve) => {
      const { need } = loader;
      loader.need = (codes) => {
        resolve({ asked: loader.underWay(), needed: loader.missing.value });
        window.came_ = [];
        delete loader.need;
        need.call(loader, codes);
      };
    });
    hook.setView(500, 1600, 1);
    return before;
  });
  await page.waitForFunction(() => window.cubelink.loading.missing === 0);
  // Those of full resolution that lie below the middle of the image are of the place that was left.
  const old = (await page.evaluate(() => window.came_)).filter(({ layer, x, y }) => layer === 3 && y < 3 && x >= 3).length;
  console.log(`     under way ${asked}, missing ${needed}, came nevertheless ${old}`);
  assert.ok(old <= asked + 1, `${old} tiles came that nobody wanted, ${asked} were under way`);
});

await check("a lower quality at first, the full one when the view is at rest", async () => {
  const used = (await frames()).filter((frame) => frame.name === "field.fits" && frame.layers.some((layer) => layer >= 0));
  assert.ok(used.some((frame) => frame.slow), "the link was not found to be slow");
  assert.ok(Math.min(...used.map((frame) => frame.quality)) < 11, "all tiles came in full quality");
  await settled(page);
  const { quality } = await page.evaluate(() => window.cubelink.drawn);
  assert.equal(quality, 11);
  await page.screenshot({ path: `${output}viewer-slow-settled.png` });
});

await check("a chosen channel is shown by its own preview, never by another's", async () => {
  await page.click('.file-row.file:has-text("cube.fits")');
  await page.waitForFunction(() => window.cubelink.image?.name === "cube.fits" && window.cubelink.drawn.layers.length > 0 && window.cubelink.drawn.plane.startsWith(`${window.cubelink.image.fileId}/`));
  await page.locator("#channel-slider").fill("2");
  await page.waitForFunction(() => window.cubelink.plane.channel === 2 && window.cubelink.drawn.layers.length > 0 && window.cubelink.drawn.plane.includes("/2/"));
  await settled(page);
  await drawn(page);
  const of = (await frames()).filter((frame) => frame.name === "cube.fits" && frame.plane.includes("/2/"));
  assert.ok(of.length > 0 && of[0].missing > 0, "it was shown only when it was complete");
  assert.ok(of.every((frame) => !(frame.layers.includes(-1) && frame.layers.includes(0))), "a preview beside a tile of the whole plane");
  const { low, high } = await page.evaluate(() => window.cubelink.look.limits);
  assert.ok(low > 150 && high < 250, `limits ${low} to ${high} are not those of channel 2`);
});

await check("an image that is named by its link comes before the long list of its folder", async () => {
  const other = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
  other.setDefaultTimeout(240_000);
  other.on("pageerror", (error) => problems.push(String(error)));
  await other.addInitScript(() => {
    window.first_ = {};
    const look = () => {
      const hook = window.cubelink;
      if (hook?.image && hook.drawn.layers.length > 0) window.first_.picture ??= performance.now();
      if (hook?.root.querySelector(".file-row.file")) window.first_.list ??= performance.now();
      setTimeout(look, 5);
    };
    look();
  });
  await other.goto(`${link.url}?token=${SECRET}#file=many/field.fits`);
  await other.waitForFunction(() => window.first_.list && window.first_.picture);
  const { picture, list } = await other.evaluate(() => window.first_);
  report("from the address to the picture", picture);
  report("to the list of its folder", list);
  assert.ok(picture < list);
  await settled(other);
  await other.waitForSelector('.file-row.file[aria-current="true"]');
  assert.equal(await other.getAttribute('.file-row.file[aria-current="true"]', "data-path"), "many/field.fits");
  await other.context().close();
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
link.stop();
await server.stop();
finish();
