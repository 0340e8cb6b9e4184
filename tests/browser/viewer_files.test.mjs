// The viewer in Chromium, files: a folder of 25,000 of them, what they are and why some can't be opened, the keyboard, a search in the header.
//
//     node tests/browser/viewer_files.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { launchChromium, startServer, writeFits } from "./viewer_support.mjs";

const MANY = 25_000;
const folder = mkdtempSync(`${tmpdir()}/cubelink-files-`);
writeFits(`${folder}/cube.fits`, { width: 20, height: 10, depth: 5, header: { OBJECT: "M 87", TELESCOP: "none" }, value: (x, y, k) => x + y + k });
writeFits(`${folder}/flat.fits`, { width: 20, height: 10, value: (x, y) => x + y });
writeFits(`${folder}/several.fits`, { width: 20, height: 10, name: "SCI", value: (x, y) => x + y }, { width: 8, height: 9, name: "ERR", value: (x, y) => x });
writeFileSync(`${folder}/torn.fits`, "SIMPLE  =                    T / and nothing more".padEnd(100));
mkdirSync(`${folder}/many`);
writeFits(`${folder}/many/f0.fits`, { width: 4, height: 4, value: () => 1 });
for (let i = 1; i < MANY; i++) linkSync(`${folder}/many/f0.fits`, `${folder}/many/f${i}.fits`);

const server = await startServer(folder);
const browser = await launchChromium();
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" })).newPage();
page.setDefaultTimeout(60_000); // a busy machine draws slowly
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));

const { check, finish } = checks("viewer-files", () => page);

const row = (name) => `.file-row[data-path="${name}"]`;
const detailOf = (name, pattern) => page.waitForFunction(([row, pattern]) => new RegExp(pattern).test(cubelink.root.querySelector(row)?.querySelector(".file-detail").textContent), [row(name), pattern]);

await page.goto(`${server.url}?token=a-secret-for-tests`);

await check("files are told apart: images, cubes, several images, and what can't be opened with the reason", async () => {
  await page.waitForSelector(row("cube.fits"));
  await detailOf("cube.fits", "^cube · ");
  await detailOf("flat.fits", "^image · ");
  await detailOf("several.fits", "^2 images · ");
  await detailOf("torn.fits", "^Can’t be opened: .*END");
  assert.match(await page.getAttribute(row("cube.fits"), "title"), /20 × 10 × 5/);
  assert.match(await page.getAttribute(row("several.fits"), "title"), /20 × 10; 8 × 9/);
  assert.ok(await page.evaluate((row) => cubelink.root.querySelector(row).classList.contains("broken"), row("torn.fits")));
  // It is told again, in full, to whoever tries.
  await page.click(row("torn.fits"));
  await page.waitForSelector(".message.error");
});

await check("a row that is being pressed while the folder is read again stays; what is new comes", async () => {
  await page.evaluate(() => {
    const { client } = cubelink.element;
    const { list } = client;
    client.list = async (...request) => {
      await new Promise((resolve) => (window.goOn_ = resolve));
      client.list = list;
      return list.apply(client, request);
    };
  });
  await page.click("#refresh");
  await page.waitForSelector('.list-note:has-text("Reading the folder")');
  const box = await page.locator(row("flat.fits")).boundingBox();
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
  await page.mouse.down();
  // Behind the others, so that none moves away from under the pointer.
  writeFits(`${folder}/young.fits`, { width: 20, height: 10, value: (x, y) => x + y });
  await page.evaluate(() => goOn_());
  await page.waitForSelector(row("young.fits"));
  assert.equal(await page.locator(".list-note").count(), 0);
  await page.mouse.up();
  await page.waitForFunction(() => cubelink.image?.name === "flat.fits");
  // Those behind one that has gone move up.
  rmSync(`${folder}/torn.fits`);
  await page.click("#refresh");
  await page.waitForSelector(row("torn.fits"), { state: "detached" });
  const rows = await page.$$eval(".list-row", (all) => all.map((e) => [e.querySelector(".file-name").textContent, e.offsetTop / e.offsetHeight, e.getAttribute("aria-posinset"), e.getAttribute("aria-setsize")]));
  assert.deepEqual(rows, ["many", "cube.fits", "flat.fits", "several.fits", "young.fits"].map((name, i) => [name, i, String(i + 1), "5"]));
});

await check(`${MANY} files: as many rows as are seen, typed where they are seen, gone through by keys`, async () => {
  await page.click('.file-row.folder:has-text("many")');
  await page.waitForSelector(row("many/f0.fits"));
  const list = () =>
    page.evaluate(() => {
      const rows = [...cubelink.root.querySelectorAll(".list-row")];
      return { rows: rows.length, size: rows[0].getAttribute("aria-setsize"), focused: cubelink.root.activeElement?.dataset.path, height: cubelink.root.querySelector("#file-list").scrollHeight };
    });
  const { rows, size, height } = await list();
  assert.equal(size, String(MANY));
  assert.ok(rows < 100 && height >= 24 * MANY, `${rows} rows, ${height} pixels`);
  await detailOf("many/f0.fits", "^image · ");
  await page.focus(row("many/f0.fits"));
  await page.keyboard.press("ArrowDown");
  assert.equal((await list()).focused, "many/f1.fits");
  await page.keyboard.press("End");
  assert.equal((await list()).focused, `many/f${MANY - 1}.fits`);
  await detailOf(`many/f${MANY - 1}.fits`, "^image · ");
  await page.keyboard.press("PageUp");
  const { focused } = await list();
  assert.ok(Number(/\d+/.exec(focused)[0]) < MANY - 2, focused);
  assert.ok((await list()).rows < 100);
  // Only those that were seen are looked into.
  await page.keyboard.press("Home");
  assert.equal((await list()).focused, "many/f0.fits");
  await page.evaluate((rows) => cubelink.root.querySelector("#file-list").scrollTo(0, rows), (height * 3) / 5);
  await page.waitForFunction(() => [...cubelink.root.querySelectorAll(".file-detail")].filter((detail) => detail.textContent.startsWith("image")).length > 3);
  await page.screenshot({ path: `${output}viewer-many-files.png` });
  await page.fill("#file-filter", `f${MANY - 7}.`);
  await page.waitForFunction(() => cubelink.root.querySelectorAll(".file-row").length === 1);
  await page.focus("#file-filter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction((name) => cubelink.image?.name === name, `f${MANY - 7}.fits`);
  assert.equal(await page.getAttribute(row(`many/f${MANY - 7}.fits`), "aria-current"), "true");
});

await check("a search in the header", async () => {
  await page.evaluate(() => cubelink.element.open("cube.fits"));
  await page.click("#tab-header");
  await page.waitForFunction(() => /NAXIS3/.test(cubelink.root.querySelector(".cards").textContent));
  const all = (await page.textContent(".cards")).split("\n").length;
  await page.fill(".header-search", "naxis");
  await page.waitForFunction(() => cubelink.root.querySelector(".cards").textContent.split("\n").length === 4);
  assert.equal(await page.textContent(".header-count"), `4 of ${all} cards`);
  assert.equal(await page.locator(".cards mark").count(), 4);
  await page.fill(".header-search", "m 87");
  await page.waitForFunction(() => /^OBJECT/.test(cubelink.root.querySelector(".cards").textContent));
  await page.fill(".header-search", "nowhere to be found");
  await page.waitForFunction(() => /^0 of/.test(cubelink.root.querySelector(".header-count").textContent));
  await page.fill(".header-search", "");
  await page.waitForFunction((all) => cubelink.root.querySelector(".cards").textContent.split("\n").length === all, all);
  await page.click("#tab-summary");
});

await check("no errors of the page", async () => assert.deepEqual(problems, []));

await browser.close();
await server.stop();
rmSync(folder, { recursive: true });
finish();
