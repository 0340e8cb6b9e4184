// Colours on the canvas, against what is computed here from the pixels, the stretch's formula and the colour maps' file: at several zooms, with one and two device
// pixels to a CSS pixel, in light and dark.
//
//     node tests/browser/viewer_colours.test.mjs       with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, readPng, root, settled, startServer, writeFits } from "./viewer_support.mjs";

const SECRET = "a-secret-for-tests";
const [WIDTH, HEIGHT] = [620, 410];
const [LOW, HIGH] = [1, 9];
const folder = `${root}tests/output/colours/`;
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const value = (x, y) => (x >= 300 && x < 340 && y >= 200 && y < 240 ? NaN : 5 + 3 * Math.sin(x / 37) + 2.5 * Math.cos(y / 29));
writeFits(`${folder}known.fits`, { width: WIDTH, height: HEIGHT, value });

const maps = JSON.parse(readFileSync(`${root}imaging/render/colour_maps.json`, "utf8"));
/** The colour at t in 0 … 1: straight lines between the map's anchors, in 256 steps. */
function colourAt(name, t) {
  const anchors = maps[name].split(" ").map((text) => [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16)));
  const at = (Math.floor(255 * t + 0.5) / 255) * (anchors.length - 1);
  const left = Math.min(Math.floor(at), anchors.length - 2);
  return [0, 1, 2].map((i) => anchors[left][i] + (at - left) * (anchors[left + 1][i] - anchors[left][i]));
}
const stretches = {
  linear: (t) => t,
  log: (t) => Math.log(1 + 1000 * t) / Math.log(1001),
  sqrt: Math.sqrt,
  asinh: (t) => Math.asinh(10 * t) / Math.asinh(10),
};

/** What a screen pixel at image point (x, y) shows: the mean of the block of mip × mip pixels that it is in; NaN if all of it is blank, undefined on the edge of blanks. */
function shownAt(x, y, mip) {
  const [x0, y0] = [x, y].map((at) => Math.floor((at + 0.5) / mip) * mip);
  let [sum, count, blank] = [0, 0, 0];
  for (let j = y0; j < Math.min(HEIGHT, y0 + mip); j++) {
    for (let i = x0; i < Math.min(WIDTH, x0 + mip); i++) {
      const v = Math.fround(value(i, j));
      if (Number.isNaN(v)) blank += 1;
      else [sum, count] = [sum + v, count + 1];
    }
  }
  return count === 0 ? NaN : blank > 0 ? undefined : sum / count;
}

const server = await startServer(folder, { authKey: SECRET });
const browser = await launchChromium();
let page;
const { check, finish } = checks("viewer-colours", () => page);

const looks = [
  { ratio: 1, theme: "dark", map: "Viridis", stretch: "linear", inverted: false },
  { ratio: 1, theme: "light", map: "Inferno", stretch: "asinh", inverted: true },
  { ratio: 2, theme: "dark", map: "Rainbow", stretch: "sqrt", inverted: false },
  { ratio: 2, theme: "light", map: "Blue–red", stretch: "log", inverted: false },
];
for (const { ratio, theme, map, stretch, inverted } of looks) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: ratio, colorScheme: theme });
  page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.url}?token=${SECRET}`);
  await page.click('.file-row.file:has-text("known.fits")');
  await page.waitForFunction(() => window.cubelink?.image?.name === "known.fits");
  await page.evaluate(([map, stretch, inverted, limits]) => {
    const { colours, clip, marks } = window.cubelink.element.state;
    colours.map.set(map);
    colours.stretch.set(stretch);
    colours.inverted.set(inverted);
    clip.percentile.set(null);
    clip.limits.set(limits);
    for (const mark of Object.values(marks)) mark.set(false);
    window.cubelink.root.getElementById("overlay").style.visibility = "hidden";
  }, [map, stretch, inverted, { low: LOW, high: HIGH }]);
  for (const scale of [0.25, 0.5, 1, 3.5, 12]) {
    await check(`${map}, ${stretch}${inverted ? ", inverted" : ""}, ${theme}, ${ratio} device pixels, scale ${scale}`, async () => {
      const mip = 2 ** Math.min(2, Math.max(0, Math.round(Math.log2(1 / (scale * ratio)))));
      const box = await page.evaluate(() => window.cubelink.root.getElementById("canvas").getBoundingClientRect().toJSON());
      /** From the view's middle to the middle of a device pixel, in image pixels. */
      const from = (pixel, start, length) => ((pixel + 0.5) / ratio - start - length / 2) / scale;
      // The first pixel that is looked at lies well within a block of image pixels, not where a rounding decides to which of two it belongs.
      const [left, top] = [Math.round((box.x + 20) * ratio), Math.round((box.y + 20) * ratio)];
      const within = (at) => mip * (Math.round((at + 0.5) / mip) + 0.4) - 0.5;
      const [middleX, middleY] = scale > 2 ? [309, 216] : [WIDTH / 2, HEIGHT / 2];
      const [dx, dy] = [from(left, box.x, box.width), from(top, box.y, box.height)];
      const [cx, cy] = [within(middleX + dx) - dx, within(middleY - dy) + dy];
      await page.evaluate(([x, y, scale]) => window.cubelink.setView(x, y, scale), [cx, cy, scale]);
      await settled(page);
      await page.mouse.move(500, 5);
      await drawn(page);
      const shot = readPng(await page.screenshot({ path: `${output}viewer-colours-${theme}-${ratio}-${scale}.png` }));
      const device = scale * ratio;
      let [looked, blanks] = [0, 0];
      const step = scale < 0.5 ? 5 : 13;
      // Down to where the buttons are.
      for (let py = top; py < (box.y + box.height - 60) * ratio; py += step) {
        for (let px = left; px < (box.x + box.width - 20) * ratio; px += step) {
          const [x, y] = [cx + from(px, box.x, box.width), cy - from(py, box.y, box.height)];
          if (x < 1 || y < 1 || x > WIDTH - 2 || y > HEIGHT - 2) continue;
          // Where a rounding decides to which block it belongs, either is right.
          const edge = (at) => Math.abs((at + 0.5) / mip - Math.round((at + 0.5) / mip)) < 0.15 / Math.min(1, device * mip);
          if (edge(x) || edge(y)) continue;
          const v = shownAt(x, y, mip);
          if (v === undefined) continue;
          const seen = shot.at(px, py);
          if (Number.isNaN(v)) {
            assert.deepEqual(seen, [33, 38, 46], `blank at ${x}, ${y}`);
            blanks += 1;
            continue;
          }
          const at = (shown) => {
            const t = stretches[stretch](Math.min(1, Math.max(0, (shown - LOW) / (HIGH - LOW))));
            return colourAt(map, inverted ? 1 - t : t);
          };
          // ZFP at precision 11 is right to about a hundredth of the largest value near the pixel.
          const around = [-0.08, -0.04, 0, 0.04, 0.08].map((error) => at(v + error));
          const near = [0, 1, 2].every((i) => {
            const all = around.map((colour) => colour[i]);
            return seen[i] >= Math.min(...all) - 3 && seen[i] <= Math.max(...all) + 3;
          });
          assert.ok(near, `at ${x.toFixed(2)}, ${y.toFixed(2)} (value ${v}): ${seen}, expected ${around[2].map(Math.round)}`);
          looked += 1;
        }
      }
      assert.ok(looked > 100 && (scale < 1 || blanks > 0), `only ${looked} pixels and ${blanks} blanks were looked at`);
    });
  }
  await context.close();
}

await browser.close();
await server.stop();
finish();
