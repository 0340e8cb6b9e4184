// Scripting from end to end: HTTP requests as CARTA's Python client sends them, a server, and clients in Node that are driven by them.
//
//     node scripted_client.test.mjs [program]         by default that of build/release (or $CUBELINK_PROGRAM)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ScriptedClient } from "./scripted_client.mjs";

const program = process.argv[2] ?? process.env.CUBELINK_PROGRAM ?? fileURLToPath(new URL("../../../build/release/server/cubelink", import.meta.url));
const folder = mkdtempSync(`${tmpdir()}/cubelink-scripting-`);
const SECRET = "scripting-tests";
let server, host;

/** What CARTA's Python client sends for session.call_action(path, …). */
async function callAction(session, path, ...parameters) {
  return (await ask({ session_id: session, path: path.split(".").slice(0, -1).join("."), action: path.split(".").at(-1), parameters, async: true })).body;
}

async function ask(body, token = SECRET) {
  const response = await fetch(`http://${host}/api/scripting/action`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

// Whoever is left waiting must not keep the process alive.
const sleep = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value).unref());
/** What the page's slow actions wait for: their releases by name. */
const held = new Map();
const page = () => ({
  name: "page",
  frame: {
    id: 3,
    channel: 0,
    setChannel(channel) { this.channel = channel; },
    sum: (...numbers) => numbers.reduce((a, b) => a + b, 0),
    info: () => ({ size: { width: 400, height: 300 }, text: "ä \u{1F680} \"quoted\"" }),
    slow: (name) => new Promise((resolve) => held.set(name, () => resolve(name))),
    fails: () => { throw new Error("on purpose"); },
  },
});
const connect = (target = page()) => ScriptedClient.connect(`ws://${host}/ws`, SECRET, target);

// In a suite: a server that runs would keep the file itself from ever coming to its last hook.
describe("scripting", () => {
  before(async () => {
    server = spawn(program, [folder, "--port", "0", "--authKey", SECRET, "--scripting", "--store", `${folder}/store.sqlite`], { stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of createInterface(server.stdout)) {
      host ??= /:\/\/([^/]*)\//.exec(line)?.[1];
      if (line === "wslink: Starting factory") break;
    }
  });

  after(async () => {
    server.kill("SIGTERM");
    assert.equal((await once(server, "exit"))[0], 0);
    rmSync(folder, { recursive: true });
  });

  test("actions, parameters, macros, and what they return", async () => {
    const client = await connect();
    assert.deepEqual(await callAction(client.sessionId, "frame.setChannel", 17), { success: true });
    assert.equal(client.target.frame.channel, 17);
    assert.deepEqual(await callAction(client.sessionId, "frame.sum", 1, 2.5, -3), { success: true, response: 0.5 });
    assert.deepEqual(await callAction(client.sessionId, "frame.sum", { macroTarget: "frame", macroVariable: "channel" }, 3), { success: true, response: 20 });
    assert.deepEqual(await callAction(client.sessionId, "frame.info"), { success: true, response: page().frame.info() });
    const { body } = await ask({ session_id: client.sessionId, path: "frame", action: "info", parameters: [], async: false, return_path: "size.width" });
    assert.deepEqual(body, { success: true, response: 400 });
    await client.close();
  });

  test("failures come back as such", async () => {
    const client = await connect();
    for (const [path, text] of [["frame.fails", "on purpose"], ["frame.nothing", "Missing action"], ["nothing.at.all", "Missing target"]]) {
      const body = await callAction(client.sessionId, path);
      assert.equal(body.success, false);
      assert.match(body.message, new RegExp(text));
    }
    await client.close();
  });

  test("slow and fast actions, answered as they are done", async () => {
    const client = await connect();
    const answers = new Map(["a", "b", "c"].map((name) => [name, callAction(client.sessionId, "frame.slow", name)]));
    while (held.size < 3) await sleep(10);
    for (const name of ["c", "b", "a"]) {
      held.get(name)();
      assert.deepEqual(await answers.get(name), { success: true, response: name });
    }
    assert.equal(new Set(client.asked.map((request) => request.scripting_request_id)).size, 3);
    await client.close();
  });

  test("each session has its own", async () => {
    const clients = await Promise.all([0, 1, 2].map((n) => connect({ name: n, who: () => n })));
    assert.deepEqual(await Promise.all(clients.map(async (client) => (await callAction(client.sessionId, "who")).response)), [0, 1, 2]);
    for (const client of clients) assert.equal(client.asked.length, 1);
    await Promise.all(clients.map((client) => client.close()));
  });

  test("a client that leaves while it is asked", async () => {
    const client = await connect();
    const waiting = ask({ session_id: client.sessionId, path: "frame", action: "slow", parameters: ["for ever"], async: true });
    while (!client.asked.length) await sleep(10);
    await client.close();
    const { status, body } = await waiting;
    assert.deepEqual([status, body.success], [404, false]);
    assert.equal((await ask({ session_id: client.sessionId, path: "", action: "x", parameters: [], async: false })).status, 404);
  });

  test("who does not know the secret", async () => {
    const client = await connect();
    assert.equal((await ask({ session_id: client.sessionId, path: "", action: "x", parameters: [], async: false }, "wrong")).status, 403);
    assert.equal(client.asked.length, 0);
    await client.close();
  });
});
