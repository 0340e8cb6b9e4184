// The example of a page with a viewer in Chromium: script, workers and images from the server, the page from another origin.
//
//     node tests/browser/embed.test.mjs     with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, readPng, root, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-embed-example-`);
writeFits(`${folder}/mosaic.fits`, { width: 700, height: 500, value: (x, y) => x + y });

let html = "";
const host = createServer((request, response) => response.setHeader("Content-Type", "text/html").end(html));
await new Promise((resolve) => host.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${host.address().port}`;
const server = await startServer(folder, { authKey: "a-secret-for-tests", more: ["--allow-origin", origin] });
html = readFileSync(`${root}clients/examples/embed/index.html`, "utf8").replaceAll("localhost:8080", `127.0.0.1:${server.port}`).replace(' file=', ' secret="a-secret-for-tests" file=');
const browser = await launchChromium();
const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
const page = await context.newPage();
const { check, finish } = checks("embed", () => page, () => console.log(server.log()));

await check("ten lines of HTML show an image of a server elsewhere", async () => {
  assert.ok(html.trim().split("\n").length <= 10);
  const problems = [];
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  const workers = [];
  page.on("worker", (worker) => workers.push(worker.url()));
  await page.goto(origin);
  await page.waitForFunction(() => document.querySelector("cubelink-view").ready);
  assert.equal(await page.evaluate(async () => (await document.querySelector("cubelink-view").ready).image.info.name), "mosaic.fits");
  // The image grows brighter to the right and upwards.
  const box = await page.locator("cubelink-view canvas").first().boundingBox();
  const brightness = async (x, y) => {
    const { at } = readPng(await page.screenshot());
    return at(Math.round(box.x + box.width * (0.5 + x)), Math.round(box.y + box.height * (0.5 - y))).reduce((sum, one) => sum + one);
  };
  let [dark, bright] = [0, 0];
  for (const until = Date.now() + 60_000; bright <= dark + 100 && Date.now() < until; ) {
    await drawn(page);
    [dark, bright] = [await brightness(-0.1, -0.1), await brightness(0.1, 0.1)];
  }
  await page.screenshot({ path: `${output}embed.png` });
  assert.ok(bright > dark + 100, `${bright} is not far above ${dark}`);
  // Tiles are decoded in workers, which begin with the page's origin though their text is the server's.
  assert.ok(workers.length > 0 && workers.every((url) => url.startsWith(`blob:${origin}`)), String(workers));
  assert.deepEqual(problems, []);
});

await browser.close();
await server.stop();
host.close();
rmSync(folder, { recursive: true });
finish();
