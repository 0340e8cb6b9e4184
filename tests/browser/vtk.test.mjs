// The vtk.js example in Chromium: its WSLinkClient, ImageStream and RemoteView as they come from npm show an image, and their mouse pans and zooms it.
//
//     node tests/browser/vtk.test.mjs     with build/release (or $CUBELINK_BUILD)
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { launchChromium, root, startServer, writeFits } from "./viewer_support.mjs";

const example = `${root}clients/examples/vtk-js`;
execFileSync("bash", ["-euc", ". tools/install.sh; npm_install clients/examples/vtk-js"], { cwd: root, stdio: "inherit" });
execFileSync("npm", ["run", "--silent", "build"], { cwd: example, stdio: "inherit" });

const folder = mkdtempSync(`${tmpdir()}/cubelink-vtk-`);
const ramp = (x, y, channel) => x + 2 * y + 5000 * channel;
writeFits(`${folder}/ramp.fits`, { width: 1200, height: 900, depth: 2, value: ramp });
const server = await startServer(folder, { content: `${example}/dist` });
const browser = await launchChromium();
const problems = [];
const [WIDTH, HEIGHT] = [800, 600];

const page = await (await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT } })).newPage();
page.setDefaultTimeout(60_000); // a busy machine draws slowly
page.on("pageerror", (error) => problems.push(String(error)));
await page.addInitScript(() => {
  // What the pictures say of themselves, beside what vtk.js makes of them.
  window.frames_seen = [];
  let session;
  Object.defineProperty(window, "session", {
    get: () => session,
    set: (value) => {
      session = value;
      session.subscribe("viewport.image.push.subscription", ([{ image, ...rest }]) => window.frames_seen.push({ ...rest, bytes: image.size ?? image.byteLength }));
    },
  });
});

const { check, finish } = checks("vtk", () => page, async () => {
  console.log(await page.evaluate(() => JSON.stringify({ message: document.getElementById("message").textContent, frames: window.frames_seen.slice(-5) })));
});

/** The last picture that came, once it is one that is waited for. */
const frame = (accept, argument) =>
  page.waitForFunction(([text, given]) => { const last = window.frames_seen.at(-1); return last && new Function("f", "given", `return ${text}`)(last, given) ? last : null; }, [accept, argument]).then((handle) => handle.jsonValue()); // prettier-ignore

/** The colour of what vtk.js shows at a place of the page, from the picture behind its canvas. */
const colourAt = (x, y) =>
  page.evaluate(
    async ([x, y]) => {
      const picture = document.querySelector("#view img");
      while (!(await picture.decode().then(() => true, () => false))) await new Promise((resolve) => setTimeout(resolve, 20)); // the next one has come meanwhile
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
      const context = canvas.getContext("2d");
      context.drawImage(picture, 0, 0);
      return [...context.getImageData(Math.floor((x * canvas.width) / innerWidth), Math.floor((y * canvas.height) / innerHeight), 1, 1).data.slice(0, 3)];
    },
    [x, y],
  );

const anchors = JSON.parse(readFileSync(`${root}imaging/render/colour_maps.json`)).Inferno.split(" ").map((c) => [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)));
/** The colour that a place of the page should have by the picture's own description. */
function wanted({ x, y, scale, size, limits: [low, high], channel }, pageX, pageY) {
  const ratio = size[0] / WIDTH;
  const value = ramp(x + ((pageX - WIDTH / 2) * ratio) / scale, y - ((pageY - HEIGHT / 2) * ratio) / scale, channel);
  const at = Math.min(1, Math.max(0, (value - low) / (high - low))) * (anchors.length - 1);
  const left = Math.min(Math.floor(at), anchors.length - 2);
  return [0, 1, 2].map((k) => anchors[left][k] + (at - left) * (anchors[left + 1][k] - anchors[left][k]));
}

/** Sooner or later: the picture may be on its way from the socket to the screen. */
async function looksRight(seen) {
  const end = Date.now() + 60_000;
  for (const [x, y] of [[400, 300], [250, 200], [600, 450]]) {
    for (;;) {
      const [is, should] = [await colourAt(x, y), wanted(seen, x, y)];
      if (is.every((c, k) => Math.abs(c - should[k]) < 24)) break;
      assert.ok(Date.now() < end, `at ${x}, ${y}: ${is}, not ${should}`);
      await page.waitForTimeout(50);
    }
  }
}

let still;
await check("the image appears, as large as it fits, in the colours that it should have", async () => {
  await page.goto(`http://127.0.0.1:${server.port}/?file=ramp.fits&token=a-secret-for-tests`);
  still = await frame("f.size[0] === given[0] && f.size[1] === given[1]", [WIDTH, HEIGHT]);
  assert.deepEqual([still.id, still.format, still.stretch], ["0", "jpeg", "linear"]);
  await page.waitForFunction((width) => document.querySelector("#view img")?.naturalWidth === width, WIDTH);
  await looksRight(still);
  await page.screenshot({ path: `${output}vtk-still.png` });
});

await check("dragging pans, coarser while it moves and fine again when still", async () => {
  await page.mouse.move(400, 300);
  await page.mouse.down();
  for (let i = 1; i <= 10; i++) {
    await page.mouse.move(400 + 10 * i, 300 + 5 * i);
    await page.waitForTimeout(40); // vtk.js sends a move every 33 ms at most
  }
  const moving = await page.waitForFunction((x) => window.frames_seen.find((f) => f.x < x && f.size[0] === 400), still.x).then((handle) => handle.jsonValue());
  assert.equal(moving.quality, 60);
  await page.mouse.up();
  const after = await frame("f.size[0] === given && f.quality === 100", WIDTH);
  // 100 pixels to the right and 50 down: what was left of the middle and above it is there now.
  assert.ok(Math.abs(after.x - (still.x - 100 / still.scale)) < 1e-6 && Math.abs(after.y - (still.y + 50 / still.scale)) < 1e-6, JSON.stringify(after));
  await page.waitForFunction((width) => document.querySelector("#view img").naturalWidth === width, WIDTH);
  await looksRight(after);
});

await check("the wheel zooms about the pointer", async () => {
  const before = await page.evaluate(() => window.frames_seen.at(-1));
  await page.mouse.move(600, 450);
  for (let i = 0; i < 5; i++) await page.mouse.wheel(0, -100);
  const after = await frame("f.scale > given * 1.05 && f.size[0] === 800 && f.quality === 100", before.scale);
  const under = (f) => [f.x + 200 / f.scale, f.y - 150 / f.scale];
  under(after).forEach((at, k) => assert.ok(Math.abs(at - under(before)[k]) < 2, `${under(after)} was ${under(before)}`));
  await looksRight(after);
});

await check("another channel of the session is shown at once; resizing the page resizes the picture", async () => {
  await page.evaluate(() => session.call("carta.set.image.channels", [{ file_id: 0, channel: 1 }]));
  await frame("f.channel === 1");
  await page.setViewportSize({ width: 640, height: 480 });
  await frame("f.size[0] === 640 && f.size[1] === 480");
});

await check("nothing went wrong in the page", () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
process.exit();
