// The types of the ICD's messages: what is committed is what the schema makes of it, and they tell right from wrong.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const clients = fileURLToPath(new URL("../../../clients/js/", import.meta.url));
const tsc = createRequire(`${clients}package.json`).resolve("typescript/bin/tsc");
const output = fileURLToPath(new URL("../../output/js/", import.meta.url));

test("src/icd.ts is up to date", () => {
  const { status, stderr } = spawnSync(process.execPath, [`${clients}tools/generate-icd.mjs`, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("every event of the schema is a call, an answer or a topic", () => {
  const events = readFileSync(new URL("../../../rpc/icd/events.proto", import.meta.url), "utf8");
  const types = readFileSync(`${clients}src/icd.ts`, "utf8");
  const replies = new Set([...events.matchAll(/event_reply\) = "(\w+)"/g)].map((m) => m[1]));
  let seen = 0;
  for (const [, name, options = ""] of events.matchAll(/^    ([A-Z_]+) = \d+( \[[^\]]*\])?;/gm)) {
    if (name === "EMPTY_EVENT" || replies.has(name)) continue;
    const dotted = name.toLowerCase().replaceAll("_", ".");
    const method = dotted.replace(/\.(\w)/g, (_all, c) => c.toUpperCase());
    assert.ok(options.includes("event_to_client") ? types.includes(`"carta.${dotted}": `) : types.includes(`  ${method}(fields?: `), name);
    seen += 1;
  }
  assert.ok(seen > 40, `${seen} events`);
});

/** What the compiler says of a program that uses the client. */
function compile(body) {
  mkdirSync(output, { recursive: true });
  const folder = mkdtempSync(`${output}types-`);
  try {
    writeFileSync(`${folder}/program.mts`, `import type { Client } from "${clients}dist/index.js";\ndeclare const client: Client;\n${body}\nexport {};\n`);
    const { stdout } = spawnSync(process.execPath, [tsc, "--noEmit", "--strict", "--skipLibCheck", "--target", "ES2022", "--lib", "ES2022,DOM", "--module", "NodeNext", `${folder}/program.mts`], { encoding: "utf8", cwd: clients });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("right programs compile", () => {
  assert.equal(compile(`
    await client.carta.setCursor({ file_id: 0, point: { x: 1, y: 2 } });
    const { region_id } = await client.carta.setRegion({ file_id: 0, region_info: { region_type: "ELLIPSE", control_points: [{ x: 1, y: 2 }] } });
    const id: number = region_id;
    await client.subscribe("carta.region.histogram.data", { file_id: id }, (message) => message.histograms?.mean.toFixed(1));
    for await (const message of client.messages("carta.spectral.profile.data")) message.profiles[0]!.raw_values_fp64.byteLength.toFixed();
    await client.subscribe("some.topic", {}, (message) => message.whatever);`), "");
});

for (const [what, body, complaint] of [
  ["a call that does not exist", "await client.carta.setCursr({ file_id: 0 });", /'setCursr' does not exist/],
  ["a field that does not exist", "await client.carta.setCursor({ file: 0 });", /'file' does not exist/],
  ["a field of another type", 'await client.carta.setCursor({ file_id: "0" });', /not assignable to type 'number'/],
  ["a value that the enumeration does not have", 'await client.carta.setRegion({ region_info: { region_type: "CIRCLE" } });', /"CIRCLE"' is not assignable/],
  ["a field that the answer does not have", "(await client.carta.openFile({})).fileId;", /'fileId' does not exist/],
  ["a field that the topic does not have", 'for await (const m of client.messages("carta.error.data")) m.text;', /'text' does not exist/],
]) {
  test(`${what} does not compile`, () => assert.match(compile(body), complaint));
}

test("the package is built when it is packed: from a folder without dist", () => {
  mkdirSync(output, { recursive: true });
  const folder = mkdtempSync(`${output}pack-`);
  let names;
  try {
    for (const name of ["src", "tools", "package.json", "package-lock.json", "tsconfig.json", "README.md"]) cpSync(`${clients}${name}`, `${folder}/${name}`, { recursive: true });
    symlinkSync(`${clients}node_modules`, `${folder}/node_modules`);
    const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    names = files.map((f) => f.path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const name of ["dist/index.js", "dist/index.d.ts", "dist/node.js", "dist/icd.d.ts", "dist/decode-worker.js"]) assert.ok(names.includes(name), name);
});
