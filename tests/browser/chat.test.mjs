// The chat page in Chromium: two windows, one on each generation of the wslink client, talk to each other through the example server.
//
//     node tests/browser/chat.test.mjs     with build/release (or $CUBELINK_BUILD)
import assert from "node:assert/strict";
import { execSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { existsSync, mkdirSync } from "node:fs";

import { build, launchChromium, root } from "./viewer_support.mjs";

const folder = `${root}tests/chat-rpc-pub-sub`;
if (!existsSync(`${folder}/www/built/wslink2.js`)) execSync("npm ci && npm run build", { cwd: folder, stdio: "ignore" });
const server = spawn(`${build}/tests/wslink_example_server`, ["--port", "0", "--content", `${folder}/www`], {
  stdio: ["ignore", "pipe", "ignore"],
});
let port = "";
for await (const line of createInterface(server.stdout)) {
  port ||= /:(\d+)\//.exec(line)?.[1] ?? "";
  if (line === "wslink: Starting factory") break;
}
const browser = await launchChromium();
const problems = [];

async function open(address) {
  const page = await (await browser.newContext({ viewport: { width: 600, height: 500 } })).newPage();
  page.setDefaultTimeout(60_000); // a busy machine draws slowly
  page.on("pageerror", (error) => problems.push(`page: ${error}`));
  await page.goto(address);
  await page.waitForFunction(() => document.getElementById("state").textContent === "connected");
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

async function heard(page, texts) {
  await page.waitForFunction((count) => document.querySelectorAll("#messages li").length >= count, texts.length);
  assert.deepEqual(await page.locator("#messages li").allTextContents(), texts);
}

let status = 0;
try {
  // As in wslink's documentation: no secret in the address, the client's default one on both sides.
  const first = await open(`http://localhost:${port}/?generation=1`);
  const second = await open(`http://localhost:${port}/`);
  await say(first, "hello from JSON");
  await heard(second, ["py server: hello from JSON"]);
  await say(second, "hello from msgpack: äöü €");
  const both = ["py server: hello from JSON", "py server: hello from msgpack: äöü €"];
  await heard(first, both);
  await heard(second, both);
  await first.click("#start");
  await second.waitForFunction(() => document.querySelectorAll("#messages li").length >= 3);
  await first.click("#stop");
  mkdirSync(`${root}tests/output`, { recursive: true });
  await second.screenshot({ path: `${root}tests/output/chat.png` });
  assert.deepEqual(problems, []);
  console.log("1 passed, 0 failed");
} catch (error) {
  console.error(error);
  console.log("0 passed, 1 failed");
  status = 1;
} finally {
  await browser.close();
  server.kill();
}
process.exit(status);
