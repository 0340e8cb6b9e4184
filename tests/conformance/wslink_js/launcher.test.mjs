// SmartConnect of both generations, which asks a launcher for a server and connects to what it starts:
//
//     node launcher.test.mjs [program]          by default that of build/release (or $CUBELINK_BUILD)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { makeBrowser } from "../../support/browser_globals.mjs";

makeBrowser(WebSocket);

// What the clients use of XMLHttpRequest, by fetch.
globalThis.XMLHttpRequest = class {
  headers = {};
  response = null;
  responseType = "";
  open(method, url) {
    Object.assign(this, { method, url });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  async send(body) {
    try {
      const answer = await fetch(this.url, { method: this.method, headers: this.headers, body });
      this.status = answer.status;
      this.response = this.responseType === "json" ? await answer.json() : await answer.text();
    } catch (error) {
      return this.onerror?.(error);
    }
    this.onload?.({ target: this });
  }
};

const { default: wslink1 } = await import("wslink1/dist/wslink.js");
const { default: wslink2 } = await import("wslink2/dist/wslink.js");

const build = process.env.CUBELINK_BUILD ?? fileURLToPath(new URL("../../../build/release", import.meta.url));
const program = process.argv[2] ?? `${build}/tests/wslink_example_server`;
const deployment = fileURLToPath(new URL("../../server/deployment", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "launcher-"));

/** The document's launcher with its configuration, on a free port. */
async function startLauncher() {
  const script = [
    "import sys, pathlib; sys.path.insert(0, sys.argv[1])",
    "from document import free_ports, launcher_config",
    "print(launcher_config(sys.argv[2], pathlib.Path(sys.argv[3]), free_ports(2), 30))",
  ].join("\n");
  const write = spawn("/usr/bin/python3", ["-c", script, deployment, program, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let config = "";
  for await (const line of createInterface(write.stdout)) config = line;
  const launcher = spawn("/usr/bin/python3", [join(deployment, "launcher.py"), config], { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => launcher.kill()); // whatever happens here
  for await (const line of createInterface(launcher.stdout)) return { launcher, port: Number(line.split(" ")[1]) };
  throw new Error("the launcher did not start");
}

function connect(wslink, config) {
  return new Promise((resolve, reject) => {
    const smart = wslink.SmartConnect.newInstance({ config });
    smart.onConnectionReady((connection) => resolve({ smart, connection }));
    smart.onConnectionError((_, error) => reject(error));
    smart.onConnectionClose(() => reject(new Error("closed")));
    smart.connect();
  });
}

const { launcher, port } = await startLauncher();
let passed = 0;
let failed = 0;
try {
  for (const [name, wslink] of [["wslink 1.12.4", wslink1], ["wslink 2.5.0", wslink2]]) {
    const sessionManagerURL = `http://127.0.0.1:${port}/paraview/`;
    const { smart, connection } = await connect(wslink, { application: "example", sessionManagerURL });
    const session = connection.getSession();
    assert.equal(await session.call("bench.echo", ["launched"]), "launched");
    assert.deepEqual(await session.call("bench.kw", [1], { c: 5 }), [1, 2, 5]);
    const heard = new Promise((resolve) => session.subscribe("wslink.communication.channel", ([message]) => resolve(message)));
    assert.equal(await session.call("wslink.say.hello", ["you"]), "py server: you");
    assert.equal(await heard, "py server: you");
    smart.destroy(1);
    console.log(`ok   ${name}`);
    passed += 1;
  }
} catch (error) {
  console.error(error);
  failed += 1;
} finally {
  launcher.kill();
  await new Promise((resolve) => launcher.on("exit", resolve));
  rmSync(folder, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed);
