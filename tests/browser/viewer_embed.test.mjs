// <cubelink-view> in Chromium in a page of somebody else's, from another origin: attributes, properties, events, regions, links that reproduce a view, a session that is joined.
//
//     node tests/browser/viewer_embed.test.mjs          with build/release (or $CUBELINK_BUILD), www/dist and clients/js/dist
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";

import { checks, output } from "./checks.mjs";
import { drawn, launchChromium, readPng, root, settled, startProxy, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-embed-`);
const ramp = (x, y, channel, stokes) => x + 10 * y + 1000 * channel + 1e5 * stokes;
writeFits(`${folder}/cube.fits`, { width: 300, height: 200, depth: 40, stokes: 2, value: ramp });
writeFits(`${folder}/flat.fits`, { width: 50, height: 40, value: ramp });

const SECRET = "a-secret-for-tests";
let html = "";
/** The author's page, and beside it the package's dist. */
const host = createServer((request, response) => {
  const file = /^\/viewer\/((?:assets\/)?[\w.-]+\.js)$/.exec(request.url)?.[1];
  if (file) response.setHeader("Content-Type", "text/javascript").end(readFileSync(`${root}www/dist/${file}`));
  else response.setHeader("Content-Type", "text/html").end(html);
});
await new Promise((resolve) => host.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${host.address().port}`;
const server = await startServer(folder, { authKey: SECRET, more: ["--allow-origin", origin] });
const proxy = await startProxy(server.port);
const browser = await launchChromium();
const problems = [];

async function newPage(address) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(address);
  return page;
}

let shown = null;
const { check, finish } = checks("viewer-embed", () => shown);

// What an author would write; the style sheet is to do no harm to the viewer.
const socket = `ws://127.0.0.1:${server.port}/ws`;
html = `<!doctype html>
<title>My cube</title>
<style>button, h2, .app, canvas { display: none; color: red } cubelink-view { height: 420px; margin-bottom: 8px }</style>
<script type="module" src="viewer/cubelink-view.js"></script>
<cubelink-view id="one" src="${socket}" secret="${SECRET}" file="cube.fits"></cubelink-view>
<cubelink-view id="two" src="${socket}" secret="${SECRET}" file="flat.fits"></cubelink-view>`;
const page = (shown = await newPage(origin));

await check("two viewers in a page from elsewhere, each with its image; the page's styles don't reach them", async () => {
  await page.waitForFunction(() => one.ready && two.ready);
  const names = await page.evaluate(async () => [(await one.ready).image.info.name, (await two.ready).image.info.name]);
  assert.deepEqual(names, ["cube.fits", "flat.fits"]);
  assert.equal(await page.evaluate(() => getComputedStyle(one.shadowRoot.querySelector("#zoom-fit")).display !== "none"), true);
  assert.equal(await page.evaluate(() => one.getBoundingClientRect().height), 420);
  assert.notEqual(await page.evaluate(() => one.client.sessionId), await page.evaluate(() => two.client.sessionId));
});

await check("properties and events: channel, view, cursor", async () => {
  await page.evaluate(() => {
    window.heard = [];
    for (const name of ["channelchange", "cursorchange", "viewchange", "regionschange", "imageopen"]) one.addEventListener(name, ({ detail }) => heard.push([name, detail]));
    one.channel = 7;
    one.stokes = 1;
    one.view = { x: 100, y: 50, scale: 3 };
    one.cursor = { x: 20, y: 30 };
  });
  const value = ramp(20, 30, 7, 1);
  await page.waitForFunction((v) => heard.some(([name, d]) => name === "cursorchange" && d.x === 20 && d.y === 30 && d.value === v && d.channel === 7 && d.stokes === 1), value);
  await page.waitForFunction(() => heard.some(([name, d]) => name === "channelchange" && d.channel === 7 && d.stokes === 1));
  await page.waitForFunction(() => heard.some(([name, d]) => name === "viewchange" && d?.scale === 3 && d.x === 100));
  assert.deepEqual(await page.evaluate(() => [one.channel, one.stokes, one.view, one.cursor]), [7, 1, { x: 100, y: 50, scale: 3 }, { x: 20, y: 30 }]);
  // The other one did not go along.
  assert.equal(await page.evaluate(() => two.channel), 0);
  // Beyond the ends there is nothing.
  await page.evaluate(() => (one.channel = 4711));
  await page.waitForFunction(() => one.channel === 39);
});

await check("regions are made, drawn, changed and removed", async () => {
  const id = await page.evaluate(() => one.regions.set({ type: "RECTANGLE", points: [[100, 50], [20, 10]], rotation: 30 }));
  const { regions } = await page.evaluate(() => one.client.sessionState());
  assert.deepEqual(regions.map((r) => [r.region_id, r.region_info.rotation]), [[id, 30]]);
  await page.waitForFunction(() => one.shadowRoot.querySelectorAll(".regions rect").length === 1);
  const box = await page.evaluate(() => Object.fromEntries(["width", "height"].map((n) => [n, Number(one.shadowRoot.querySelector(".regions rect").getAttribute(n))])));
  assert.deepEqual(box, { width: 60, height: 30 });
  await page.evaluate((id) => one.regions.set({ type: "ELLIPSE", points: [[100, 50], [20, 10]], id }), id);
  await page.waitForFunction(() => one.shadowRoot.querySelectorAll(".regions ellipse").length === 1 && one.shadowRoot.querySelectorAll(".regions *").length === 1);
  assert.ok((await page.evaluate(() => heard.filter(([name]) => name === "regionschange").length)) >= 2);
});

await check("a link reproduces the view: in another viewer, image, channel, view, cursor, colours and regions", async () => {
  await page.evaluate(() => {
    one.channel = 12;
    one.state.colours.map.set("Viridis");
    one.state.colours.inverted.set(true);
    one.state.clip.percentile.set(95);
  });
  await page.waitForFunction(() => one.viewer.image.channel === 12);
  const link = await page.evaluate(() => one.link);
  await page.evaluate((link) => (two.link = link), link);
  await page.waitForFunction(() => two.image?.info.name === "cube.fits" && two.viewer.open_.loader.shown.value.channel === 12 && two.regions.list().length === 1);
  await page.waitForFunction(() => two.viewer.cursor?.x === 20 && two.viewer.cursor?.y === 30 && one.viewer.open_.settled && two.viewer.open_.settled);
  assert.equal(await page.evaluate(() => two.link), link);
  assert.deepEqual(await page.evaluate(() => two.view), { x: 100, y: 50, scale: 3 });
  await drawn(page);
  const picture = (id) => page.locator(`#${id} #canvas`).screenshot();
  await page.evaluate(() => document.querySelectorAll("cubelink-view").forEach((e) => (e.shadowRoot.querySelector("#overlay").style.visibility = "hidden")));
  await page.waitForFunction(() => JSON.stringify(one.viewer.display.look) === JSON.stringify(two.viewer.display.look));
  await drawn(page);
  // But for the rounding of a background or an edge.
  const [a, b] = [readPng(await picture("one")), readPng(await picture("two"))];
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  let different = 0;
  for (let y = 0; y < a.height; y++) for (let x = 0; x < a.width; x++) if (a.at(x, y).some((v, i) => Math.abs(v - b.at(x, y)[i]) > 4)) different += 1;
  assert.ok(different < 1e-3 * a.width * a.height, `${different} pixels differ`);
  await page.screenshot({ path: `${output}viewer-embed.png` });
});

await check("a hostile link does no harm: what can't be understood is left at its default", async () => {
  await page.evaluate(() => (two.link = "file=cube.fits&channel=-3&view=1,2&view.x=9&colours.map=%3Cb%3E&clip.limits=9,1&regions=[{}]&__proto__=1&cursor=NaN,1&stokes=1e999"));
  await page.waitForFunction(() => two.channel === 0 && two.regions.list().length === 0); // the server tells what has gone
  assert.deepEqual(await page.evaluate(() => [two.state.colours.map.value, two.state.clip.limits.value, two.regions.list().length, two.stokes]), ["Inferno", null, 0, 0]);
});

await check("a file that can't be opened: the promise rejects, the event tells, what is open stays", async () => {
  const error = await page.evaluate(async () => {
    const told = new Promise((resolve) => two.addEventListener("viewererror", ({ detail }) => resolve(detail.message), { once: true }));
    const rejected = await two.open("nothing.fits").then(() => null, (e) => e.message);
    return [rejected, await told, two.image.info.name];
  });
  assert.ok(error[0] && error[0] === error[1], error.join());
  assert.equal(error[2], "cube.fits");
});

await check("taken out of the page the connection is closed; put back, it shows the same", async () => {
  const link = await page.evaluate(() => one.link);
  await page.evaluate(() => {
    window.old = one.client;
    window.kept = one;
    one.remove();
  });
  assert.equal(await page.evaluate(() => old.state), "closed");
  await page.evaluate(() => void document.body.append(kept));
  await page.evaluate(async () => void (await kept.ready));
  await page.waitForFunction(() => kept.viewer.open_.loader.shown.value.channel === 12 && kept.regions.list().length === 1 && kept.viewer.cursor);
  assert.equal(await page.evaluate(() => kept.link), link);
});

await check("the page: its address is the link; a reload and a copy of it show the same view", async () => {
  const first = (shown = await newPage(`${server.url}?token=${SECRET}#file=cube.fits`));
  await settled(first);
  await first.evaluate(() => {
    const { element } = cubelink;
    element.channel = 21;
    element.view = { x: 40, y: 60, scale: 5 };
    element.state.colours.map.set("Grey");
    element.state.clip.fixed.set(true);
  });
  await first.waitForFunction(() => ["channel=21", "colours.map=Grey", "view=40", "clip.limits="].every((part) => location.hash.includes(part)));
  await settled(first);
  const look = () => first.evaluate(() => JSON.stringify([cubelink.plane, cubelink.view, cubelink.look]));
  const before = await look();
  await first.reload();
  await settled(first);
  await first.waitForFunction((b) => JSON.stringify([cubelink.plane, cubelink.view, cubelink.look]) === b, before);
  // Fixed: the limits stay from channel to channel.
  await first.evaluate(() => (cubelink.element.channel = 30));
  await first.waitForFunction(() => cubelink.plane.channel === 30);
  await settled(first);
  assert.deepEqual(JSON.parse(await look())[2], JSON.parse(before)[2]);
});

await check("a session is joined by its id: image, channel, cursor and regions, now and later", async () => {
  const first = shown;
  const session = await first.evaluate(() => cubelink.sessionId);
  await first.evaluate(() => cubelink.element.regions.set({ type: "POINT", points: [[5, 6]] }));
  const second = await newPage(`${server.url}?token=${SECRET}&session=${session}`);
  await settled(second);
  assert.equal(await second.evaluate(() => cubelink.sessionId), session);
  assert.equal(await second.evaluate(() => cubelink.plane.channel), 30);
  assert.equal(await second.evaluate(() => cubelink.image.fileId), await first.evaluate(() => cubelink.image.fileId));
  await second.waitForFunction(() => cubelink.element.regions.list().length === 1);
  await first.evaluate(() => (cubelink.element.channel = 5));
  await second.waitForFunction(() => cubelink.plane.channel === 5);
  await second.evaluate(() => (cubelink.element.channel = 9));
  await first.waitForFunction(() => cubelink.plane.channel === 9);
  await first.evaluate(() => cubelink.element.open("flat.fits"));
  await second.waitForFunction(() => cubelink.image?.name === "flat.fits");
  await second.context().close();
  // It was somebody else's image: it is still open.
  await first.evaluate(() => (cubelink.element.cursor = { x: 3, y: 4 }));
  await first.waitForFunction(() => cubelink.cursor?.x === 3 && cubelink.cursor.y === 4);
});

await check("a session that has ended is spoken of", async () => {
  const other = await newPage(`${server.url}?token=${SECRET}&session=123456789`);
  await other.waitForSelector(".message.warning");
  assert.match(await other.textContent(".message.warning"), /123456789/);
  await other.context().close();
});

await check("a channel that is chosen without a connection is shown when it is back", async () => {
  const lost = (shown = await newPage(`${proxy.url}?token=${SECRET}#file=cube.fits`));
  await settled(lost);
  proxy.shut();
  await lost.waitForFunction(() => cubelink.connection !== "connected");
  await lost.fill('input[aria-label="Channel number"]', "17");
  await lost.press('input[aria-label="Channel number"]', "Enter");
  await lost.waitForSelector(".message.info");
  assert.equal(await lost.inputValue('input[aria-label="Channel number"]'), "17");
  proxy.open();
  await lost.waitForFunction(() => cubelink.plane.channel === 17);
  await settled(lost);
  assert.equal(await lost.inputValue('input[aria-label="Channel number"]'), "17");
});

await check("the package's declarations: an author's program compiles with what is packed, and with nothing else", async () => {
  const author = mkdtempSync(`${tmpdir()}/cubelink-author-`);
  try {
    const installed = `${author}/node_modules/cubelink-viewer`;
    mkdirSync(installed, { recursive: true });
    cpSync(`${root}www/package.json`, `${installed}/package.json`);
    cpSync(`${root}www/dist`, `${installed}/dist`, { recursive: true });
    writeFileSync(`${author}/page.mts`, `
      import { type CubelinkView, type ViewerEvents } from "cubelink-viewer";
      const view: CubelinkView = document.querySelector("cubelink-view")!;
      view.addEventListener("cursorchange", (e) => console.log((e as CustomEvent<ViewerEvents["cursorchange"]>).detail.value));
      const id: number = await (await view.ready).regions.set({ type: "POINT", points: [[1, 2]] });
      const width: number | undefined = view.image?.info.width;
      console.log(id, width);
      // @ts-expect-error no such property
      view.chanel = 3;
    `);
    const compile = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "page.mts"];
    execFileSync(process.execPath, [`${root}www/node_modules/typescript/bin/tsc`, ...compile], { cwd: author, stdio: ["ignore", "inherit", "inherit"] });
  } finally {
    rmSync(author, { recursive: true });
  }
});

await check("no errors of the pages", async () => assert.deepEqual(problems, []));

await browser.close();
host.close();
proxy.stop();
await server.stop();
rmSync(folder, { recursive: true });
finish();
