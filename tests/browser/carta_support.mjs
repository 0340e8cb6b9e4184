// CARTA's own page on a real server in Chromium, for tests: starts both, reaches the page's stores (`window.carta`), finds places of the image on the
// screen, draws with the mouse, counts what passed.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { build, lastingPort, launchChromium, readPng, root, startProxy } from "./viewer_support.mjs";

export const output = `${root}tests/output/`;
export const SECRET = "a-secret-for-tests";
/** How long a condition may take: only a hang reaches it. */
const PATIENCE = 120_000;

const frontend = `${root}tools/carta/node_modules/carta-frontend/build`;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The folder of demo images, made if it is not there. */
export function demoFolder() {
  if (process.env.CUBELINK_DEMO) return process.env.CUBELINK_DEMO;
  execFileSync(`${build}/tools/cubelink_demo_data`, [`${root}build/demo`], { stdio: "inherit" });
  return `${root}build/demo`;
}

/** A temporary folder; remove() is called by CartaTest.end(). */
export const scratchFolder = () => mkdtempSync(`${tmpdir()}/carta-`);

export class CartaTest {
  problems = []; // errors of the page that nobody caught
  said = []; // by the page on its console, lately
  underWay = new Map(); // requests of the page, as it is loaded now, to the server that have no answer yet, and when they began
  lost = []; // those that failed, and why
  passed = 0;
  failed = 0;
  session = 0; // the id that the page has said last

  /** Starts a server over `folder`, a proxy that can be shut, and a browser with an empty page. `name` begins the names of screenshots. */
  static async begin(name, folder, { options = [], viewport = { width: 1400, height: 900 } } = {}) {
    const test = new CartaTest();
    mkdirSync(output, { recursive: true });
    Object.assign(test, { name, folder, options, scratch: scratchFolder(), port: await lastingPort() });
    await test.startServer();
    test.proxy = await startProxy(test.port);
    test.browser = await launchChromium();
    const context = await test.browser.newContext({ viewport });
    // The page asks hosts of the world for news and catalogues; here there is none of it.
    await context.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort());
    test.page = await context.newPage();
    test.page.setDefaultTimeout(PATIENCE); // a busy machine draws slowly
    test.page.on("pageerror", (error) => test.problems.push(String(error)));
    test.page.on("request", (request) => {
      if (request.isNavigationRequest()) {
        test.underWay.clear();
        test.lost = [];
      }
      if (request.url().startsWith(test.proxy.url)) test.underWay.set(request, Date.now());
    });
    test.page.on("requestfinished", (request) => test.underWay.delete(request));
    test.page.on("requestfailed", (request) => {
      if (test.underWay.delete(request)) test.lost.push(`${request.url()} ${request.failure()?.errorText}`);
    });
    test.page.on("console", (message) => {
      test.said = [...test.said.slice(-19), message.text()];
      test.session = Number(/session ID (\d+)/.exec(message.text())?.[1] ?? test.session);
    });
    return test;
  }

  async startServer() {
    const child = spawn(
      process.env.CUBELINK_SERVER ?? `${build}/server/cubelink`,
      [this.folder, "--port", String(this.port), "--authKey", SECRET, "--store", `${this.scratch}/store.sqlite`, "--carta-frontend", frontend, ...this.options],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let log = "";
    await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (data) => {
          log += data;
          if (log.includes("Starting factory")) resolve();
        });
      child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
    });
    this.server = child;
  }

  /** Ends the server with a signal; its exit status. */
  async endServer(signal) {
    const gone = once(this.server, "exit");
    this.server.kill(signal);
    return (await gone)[0];
  }

  /** Runs one check and counts it. A failure leaves a screenshot. */
  async check(name, work) {
    const begun = Date.now();
    try {
      await work();
      this.passed += 1;
      console.log(`ok   ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL ${name}\n${error.stack}\n${this.lastEvents()}`);
      await this.page.screenshot({ path: `${output}${this.name}-failed-${this.failed}.png` }).catch(() => undefined);
    }
  }

  /** What the page said last, and what became of its requests. */
  lastEvents() {
    const waiting = [...this.underWay].map(([request, since]) => `${request.url()} for ${((Date.now() - since) / 1000).toFixed(1)} s`);
    const part = (title, lines) => [`${title}:`, ...lines.map((line) => `  ${line.slice(0, 300)}`)];
    return [...part("the page said", this.said), ...part("requests without an answer", waiting), ...part("requests that failed", this.lost)].join("\n").replaceAll(SECRET, "…");
  }

  /** Ends browser and server, prints the counts, and exits. */
  async end() {
    await this.browser.close();
    this.proxy.stop();
    await this.endServer("SIGTERM");
    rmSync(this.scratch, { recursive: true });
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed ? 1 : 0);
  }

  /** Evaluates an expression of the page's own application object, `carta`. */
  carta = (expression) => this.page.evaluate(`(() => { const carta = window.carta; return ${expression}; })()`);

  until = (expression, what, timeout = PATIENCE) =>
    this.page
      .waitForFunction(`(() => { const carta = window.carta; return carta && (${expression}); })()`, null, { timeout, polling: 100 })
      .catch((error) => Promise.reject(new Error(`${what}: ${error.message}`)));

  alerts = () => this.page.locator(".bp6-alert:visible").allInnerTexts();

  /** Loads the page, with images open if `files` names some. */
  async start(files = []) {
    this.session = 0;
    const query = files.length ? `&files=${files.join(",")}` : "";
    await this.page.goto(`${this.proxy.url}carta/?token=${SECRET}&skipTelemetry=1${query}`);
    await this.until("carta.preferenceStore.isPreferenceReady", "the page has its preferences");
    for (const [at, file] of files.entries())
      await this.until(`carta.frames.length === ${files.length} && carta.frames[${at}].frameInfo.fileInfo.name === ${JSON.stringify(file)}`, `${file} is open`);
  }

  /** The image view shows one panel, with the active image. */
  onePanel = () => this.page.locator("[data-testid=image-view-header-multipanel-view-switch]").click();

  /** A function from places of the active image to places of the page, in CSS pixels, as the image is shown now. */
  async places() {
    const box = await this.page.locator("#raster-canvas").boundingBox();
    const view = await this.carta("JSON.parse(JSON.stringify(carta.activeFrame.requiredFrameView))");
    return (x, y) => [box.x + ((x - view.xMin) / (view.xMax - view.xMin)) * box.width, box.y + ((view.yMax - y) / (view.yMax - view.yMin)) * box.height];
  }

  at = async (x, y) => (await this.places())(x, y);

  /** Drags the mouse between two places of the active image, in steps. */
  async drag(from, to, steps = 8) {
    const [a, b] = [await this.at(...from), await this.at(...to)];
    await this.page.mouse.move(...a);
    await this.page.mouse.down();
    for (let i = 1; i <= steps; i++) await this.page.mouse.move(a[0] + ((b[0] - a[0]) * i) / steps, a[1] + ((b[1] - a[1]) * i) / steps);
    await this.page.mouse.up();
  }

  /** Moves a floating window by its title. */
  async moveWindow(title, x, y) {
    const box = await this.page.locator(`[data-testid=${title}]`).boundingBox();
    await this.page.mouse.move(box.x + 20, box.y + 8);
    await this.page.mouse.down();
    await this.page.mouse.move(x, y, { steps: 5 });
    await this.page.mouse.up();
  }

  /** The page says that it has lost its server; its button is pressed once `reopen` has made the way free. */
  async comeBack(reopen) {
    const dialog = this.page.locator(".bp6-alert:visible");
    await dialog.getByText("disconnected from the server").waitFor();
    await reopen();
    const before = this.session;
    this.session = 0;
    await dialog.getByText("Retry").click();
    for (let i = 0; i < 600 && !this.session; i++) await sleep(100);
    if (this.session !== before) throw new Error(`the session's id is ${this.session}, and was ${before}`);
    await sleep(1500); // an alert would come now
    const alerts = await this.alerts();
    if (alerts.length) throw new Error(alerts.join("\n"));
  }
}

/** Correlation of what is seen in the canvas of the active image with the pixels of a plane of `image` ({width, height}), row by row from the bottom, as the page
 * says it shows them. `file` names a screenshot that is kept. */
export async function comparePicture({ page, carta }, image, plane, file) {
  const png = await page.screenshot();
  if (file) writeFileSync(`${output}${file}.png`, png);
  const picture = readPng(png);
  const box = await page.locator("#raster-canvas").boundingBox();
  const view = await carta("JSON.parse(JSON.stringify(carta.activeFrame.requiredFrameView))");
  const [low, high] = await carta("[carta.activeFrame.renderConfig.scaleMinVal, carta.activeFrame.renderConfig.scaleMaxVal]");
  // Pixels of position-velocity images are not square.
  const perPixel = (view.xMax - view.xMin) / box.width, perRow = (view.yMax - view.yMin) / box.height;
  const pairs = [];
  let blanks = 0, blanksRight = 0;
  const reach = Math.max(0, Math.floor(perPixel / 2));
  // The border holds axes, the upper one two lines of values at the cursor, and the lower right corner the page's buttons.
  for (let sy = 50; sy < box.height - 60; sy += 4) {
    for (let sx = 10; sx < box.width - 10; sx += 4) {
      const x = Math.round(view.xMin + (sx + 0.5) * perPixel), y = Math.round(view.yMax - (sy + 0.5) * perRow);
      if (x < 2 * reach || y < 2 * reach || x >= image.width - 2 * reach || y >= image.height - 2 * reach) continue;
      let sum = 0, count = 0;
      for (let dy = -reach; dy <= reach; dy++)
        for (let dx = -reach; dx <= reach; dx++) {
          const value = plane[(y + dy) * image.width + x + dx];
          if (Number.isFinite(value)) (sum += value), count++;
        }
      const [r, g, b] = picture.at(Math.round(box.x + sx), Math.round(box.y + sy));
      const expectBlank = count === 0;
      // Blank pixels are painted in one blue, which the colour map does not have.
      const isBlank = b > 120 && b > 2 * r && g > 60;
      if (expectBlank || isBlank) {
        blanks++;
        blanksRight += expectBlank === isBlank;
        continue;
      }
      const scaled = Math.min(1, Math.max(0, (sum / count - low) / (high - low)));
      pairs.push([scaled, 0.299 * r + 0.587 * g + 0.114 * b]);
    }
  }
  const mean = (i) => pairs.reduce((sum, pair) => sum + pair[i], 0) / pairs.length;
  const [ma, mb] = [mean(0), mean(1)];
  let ab = 0, aa = 0, bb = 0;
  for (const [a, b] of pairs) (ab += (a - ma) * (b - mb)), (aa += (a - ma) ** 2), (bb += (b - mb) ** 2);
  return { correlation: ab / Math.sqrt(aa * bb), samples: pairs.length, blanks, blanksRight, perPixel };
}

/** Waits until the picture is that of the plane. */
export async function showsPicture(test, image, plane, least, file) {
  let seen;
  for (let attempt = 0; attempt < 120; attempt++) {
    seen = await comparePicture(test, image, plane, file);
    if (seen.correlation >= least && seen.samples > 1000) return seen;
    await sleep(500);
  }
  throw new Error(`${file}: the picture is not that of the data: ${JSON.stringify(seen)}`);
}
