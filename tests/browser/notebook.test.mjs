// What the Python library puts into a notebook, in a page of another origin as Jupyter's is: the viewer in a frame, in the session of the program, without any option of the server's.
//
//     node tests/browser/notebook.test.mjs          with build/release (or $CUBELINK_BUILD) and www/dist
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";

import { checks } from "./checks.mjs";
import { launchChromium, root, startServer, writeFits } from "./viewer_support.mjs";

const folder = mkdtempSync(`${tmpdir()}/cubelink-notebook-`);
writeFits(`${folder}/cube.fits`, { width: 60, height: 40, depth: 9, value: (x, y, channel) => x + 10 * y + 1000 * channel });
writeFits(`${folder}/other.fits`, { width: 50, height: 40, value: (x, y) => x * y });
const server = await startServer(folder);

// Statements are executed, the values of expressions are printed: a kernel of the poorest kind.
const kernel = spawn(
  "/usr/bin/python3",
  ["-c", "import sys\nnames = {}\nfor line in sys.stdin:\n    try: print(eval(line, names), flush=True)\n    except SyntaxError: exec(line, names); print(flush=True)"],
  { env: { ...process.env, PYTHONPATH: `${root}clients/python` }, stdio: ["pipe", "pipe", "inherit"] },
);
const answers = createInterface({ input: kernel.stdout })[Symbol.asyncIterator]();
async function python(line) {
  kernel.stdin.write(`${line}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`Python ended at: ${line}`);
  return value;
}
await python(`import cubelink; client = cubelink.connect_blocking("${server.url}", "a-secret-for-tests")`);
await python('image = client.open("cube.fits"); other = client.open("other.fits"); image.set_channel(4)');

let html = "";
/** The notebook's page, and beside it what jupyter-server-proxy does below /user/ann/proxy/: it takes that path off, and passes on Host and Origin as they are. */
const proxied = /^\/user\/ann\/proxy\/(\d+)(\/.*)/;
const notebook = createServer((asked, response) => {
  const [, port, path] = proxied.exec(asked.url) ?? [];
  if (!port) return response.setHeader("Content-Type", "text/html").end(`<!doctype html><title>Notebook</title>${html}`);
  asked.pipe(
    request({ host: "127.0.0.1", port, path, method: asked.method, headers: asked.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }),
  );
});
notebook.on("upgrade", (asked, near, head) => {
  const [, port, path] = proxied.exec(asked.url);
  const far = createConnection(port, "127.0.0.1", () => {
    const lines = [];
    for (let i = 0; i < asked.rawHeaders.length; i += 2) lines.push(`${asked.rawHeaders[i]}: ${asked.rawHeaders[i + 1]}`);
    far.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
  });
  for (const socket of [near, far]) socket.on("error", () => (near.destroy(), far.destroy()));
});
await new Promise((resolve) => notebook.listen(0, "127.0.0.1", resolve));
const address = (host) => `http://${host}:${notebook.address().port}/`;
const browser = await launchChromium();
const page = await (await browser.newContext({ viewport: { width: 1300, height: 800 } })).newPage();
page.setDefaultTimeout(60_000);
const { check, finish } = checks("notebook", () => page);

/** The viewer's frame, once it shows an image. */
async function frameOf(host) {
  await page.goto(address(host));
  const frame = await (await page.waitForSelector("iframe")).contentFrame();
  await frame.waitForFunction(() => window.cubelink?.settled && document.querySelector("cubelink-view").image);
  return frame;
}
const shown = (frame) => frame.evaluate(() => [window.cubelink.image.name, document.querySelector("cubelink-view").channel]);

await check("the frame shows the image of the notebook, its channel, and follows it", async () => {
  html = await python("image.view()._repr_html_()");
  const frame = await frameOf("localhost");
  assert.deepEqual(await shown(frame), ["cube.fits", 4]);
  await python("image.set_channel(7)");
  await frame.waitForFunction(() => document.querySelector("cubelink-view").channel === 7);
  await python('region = image.add_region("RECTANGLE", [[20, 20], [10, 6]])');
  await frame.waitForFunction(() => window.cubelink.element.regions.list().length === 1);
});

await check("what is done in the frame is seen in the notebook", async () => {
  const frame = page.frames()[1];
  await frame.evaluate(() => (document.querySelector("cubelink-view").channel = 2));
  for (let tries = 0; (await python("image.shown()[0]")) !== "2"; tries += 1) {
    assert.ok(tries < 300, "the channel of the frame does not come");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
});

await check("view() of an image brings that one to the front", async () => {
  html = await python("other.view()._repr_html_()");
  assert.deepEqual(await shown(await frameOf("127.0.0.1")), ["other.fits", 0]);
});

await check("in JupyterHub the frame goes through jupyter-server-proxy", async () => {
  await python('import os; os.environ["JUPYTERHUB_SERVICE_PREFIX"] = "/user/ann/"');
  html = await python("image.view()._repr_html_()");
  const frame = await frameOf("localhost");
  assert.ok(frame.url().startsWith(`${address("localhost")}user/ann/proxy/${server.port}/?session=`), frame.url());
  assert.equal((await shown(frame))[0], "cube.fits");
  await python('image.set_channel(8)');
  await frame.waitForFunction(() => document.querySelector("cubelink-view").channel === 8);
  await python('del os.environ["JUPYTERHUB_SERVICE_PREFIX"]');
});

await check("without the token, or with a wrong one, no page may show it", async () => {
  for (const wrong of [(url) => url.replace(/token=[^&"]*&(amp;)?/g, ""), (url) => url.replace(/token=/g, "token=x")]) {
    html = wrong(await python("image.view()._repr_html_()"));
    const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
    await page.goto(address("localhost"));
    await refused;
  }
});

await python("client.close()");
kernel.stdin.end();
await browser.close();
await server.stop();
notebook.close();
rmSync(folder, { recursive: true });
finish();
