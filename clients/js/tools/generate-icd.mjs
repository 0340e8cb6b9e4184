#!/usr/bin/env node
// Writes src/icd.ts, the TypeScript types of the ICD's messages, calls and topics, from the schema in rpc/icd/*.proto.
// With --check it only compares, and fails if the committed file differs.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SCHEMA = new URL("../../../rpc/icd/", import.meta.url);
const OUTPUT = new URL("../src/icd.ts", import.meta.url);
const FILES = ["enums", "shared", "control", "request", "stream"];
const SCALARS = {
  sfixed32: "number", int32: "number", fixed32: "number", uint32: "number", sfixed64: "number", int64: "number", fixed64: "number", uint64: "number",
  float: "number", double: "number", bool: "boolean", string: "string", bytes: "Uint8Array",
}; // prettier-ignore
/** Messages within answers that are always there, since a failure is not an answer but a rejection. */
const ALWAYS_SET = new Set(["OpenFileAck.file_info", "OpenFileAck.file_info_extended", "FileInfoResponse.file_info"]);

/** Statements of one file: comments that stand directly before a declaration belong to it. */
function parse(name) {
  const declarations = [];
  let comment = [];
  let current = null;
  const outer = [];
  readFileSync(new URL(`${name}.proto`, SCHEMA), "utf8").split("\n").forEach((raw, index) => {
    const fail = (what) => {
      throw new Error(`${name}.proto:${index + 1}: ${what}: ${raw}`);
    };
    const line = raw.trim();
    if (line.startsWith("//")) return void comment.push(line.slice(2).trim());
    const text = line.replace(/\s*\/\/.*$/, "");
    const open = /^(message|enum)\s+(\w+)\s*\{(\s*\})?$/.exec(text);
    if (open) {
      // A message within another is named after both.
      const declaration = { kind: open[1], name: (current?.name ?? "") + open[2], comment, members: [] };
      declarations.push(declaration);
      if (!open[3]) {
        outer.push(current);
        current = declaration;
      }
    } else if (text === "}") {
      if (!current) fail("a brace too many");
      current = outer.pop();
    } else if (current && text !== "" && !/^(reserved|option)\b/.test(text)) {
      const member = current.kind === "enum" ? /^(\w+)\s*=\s*(-?\d+)\b.*;$/.exec(text) : /^(repeated\s+|optional\s+)?(map<\s*\w+\s*,\s*\w+\s*>|\w+)\s+(\w+)\s*=\s*\d+.*;$/.exec(text);
      if (!member) fail("neither a field nor a value");
      current.members.push(current.kind === "enum" ? { name: member[1] } : { repeated: member[1]?.trim() === "repeated", type: member[2], name: member[3], comment });
    }
    comment = [];
  });
  if (current) throw new Error(`${name}.proto: ${current.name} does not end`);
  return declarations;
}

function parseEvents() {
  const text = readFileSync(new URL("events.proto", SCHEMA), "utf8");
  const body = /enum EventType \{([^]*?)\n\}/.exec(text)?.[1];
  if (body === undefined) throw new Error("events.proto: no enum EventType");
  return body
    .replace(/\/\/.*$/gm, "")
    .split(";")
    .filter((statement) => statement.trim() !== "")
    .map((statement) => {
      const [, name] = /^\s*(\w+)\s*=\s*\d+/.exec(statement) ?? [];
      if (!name) throw new Error(`events.proto: not an event: ${statement}`);
      const option = (key) => new RegExp(`\\(${key}\\)\\s*=\\s*"?(\\w+)"?`).exec(statement)?.[1];
      const camel = name.toLowerCase().replace(/(^|_)([a-z0-9])/g, (_all, _sep, c) => c.toUpperCase());
      return { name, message: option("event_message") ?? camel, reply: option("event_reply"), toClient: option("event_to_client") === "true" };
    })
    .filter(({ name }) => name !== "EMPTY_EVENT");
}

const doc = (lines, indent = "") => (lines.length === 0 ? "" : `${indent}/** ${lines.join(" ").replaceAll("*/", "* /")} */\n`);

function generate() {
  const declarations = FILES.flatMap(parse);
  const known = new Map(declarations.map((d) => [d.name, d]));
  const resolve = (message, type) => (known.has(message + type) ? message + type : type);
  const single = (type) => {
    if (SCALARS[type]) return SCALARS[type];
    if (!known.has(type)) throw new Error(`unknown type ${type}`);
    return type;
  };
  const field = (message, { repeated, type: written, name }) => {
    const type = resolve(message, written);
    const map = /^map<\s*(\w+)\s*,\s*(\w+)\s*>$/.exec(type);
    if (map) return `Record<${map[1] === "string" ? "string" : "string | number"}, ${single(map[2])}>`;
    if (repeated) return `${single(type)}[]`;
    return single(type);
  };
  const unset = (message, { repeated, type, name }) => !repeated && known.get(resolve(message, type))?.kind === "message" && !ALWAYS_SET.has(`${message}.${name}`);
  const types = declarations.map((d) =>
    d.kind === "enum"
      ? `${doc(d.comment)}export type ${d.name} = ${d.members.map((m) => `"${m.name}"`).join(" | ")} | number;\n`
      : `${doc(d.comment)}export interface ${d.name} {\n${d.members.map((m) => `${doc(m.comment, "  ")}  ${m.name}${unset(d.name, m) ? "?" : ""}: ${field(d.name, m)}${unset(d.name, m) ? " | null" : ""};\n`).join("")}}\n`,
  );
  const events = parseEvents();
  const byName = new Map(events.map((e) => [e.name, e]));
  for (const e of events) if (!known.has(e.message)) throw new Error(`events.proto: ${e.name}: no message ${e.message}`);
  const camel = (name) => name.toLowerCase().replace(/_([a-z0-9])/g, (_all, c) => c.toUpperCase());
  const calls = events
    .filter((e) => !e.toClient)
    .map((e) => {
      const reply = e.reply === undefined ? "null" : byName.get(e.reply).message;
      return `${doc(known.get(e.message).comment, "  ")}  ${camel(e.name)}(fields?: Fields<${e.message}>, options?: CallOptions): Promise<${reply}>;\n`;
    });
  const replies = new Set(events.map((e) => e.reply));
  const topics = events.filter((e) => e.toClient && !replies.has(e.name)).map((e) => `  "carta.${e.name.toLowerCase().replaceAll("_", ".")}": ${e.message};\n`);
  return `/**
 * The ICD's messages, calls and topics. Made by tools/generate-icd.mjs from rpc/icd/*.proto: not to be edited.
 *
 * Field names are the ICD's. Enumerations come by name (a number that has no name as a number); 64-bit integers come as numbers.
 * A message within a message may be unset: it is absent then.
 */
import type { CallOptions } from "./session.js";

/** Fields of a message that is sent: each may be left out, and then has protobuf's default. Bytes may be what Client.addAttachment() returned. */
export type Fields<T> = T extends Uint8Array ? unknown : T extends (infer Item)[] ? Fields<Item>[] : T extends object ? { [Key in keyof T]?: Fields<T[Key]> } : T;

${types.join("\n")}
/** The messages from client to server: each is a call, answered when the server has taken it. One whose answer says \`success: false\` rejects. */
export interface Carta {
${calls.join("")}}

/** The messages that the server sends unasked, by the topics on which they come. */
export interface CartaTopics {
${topics.join("")}}
`;
}

const text = generate();
if (process.argv.includes("--check")) {
  if (readFileSync(OUTPUT, "utf8") !== text) {
    console.error(`${fileURLToPath(OUTPUT)} is not what the schema makes of it: run tools/generate-icd.mjs`);
    process.exit(1);
  }
} else {
  writeFileSync(OUTPUT, text);
}
