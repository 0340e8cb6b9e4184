// npm runs this when the package is installed from its folder and before it is packed: it makes dist/, and installs the compiler first if it is missing.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("..", import.meta.url));
const tsc = `${folder}node_modules/typescript/bin/tsc`;
const npm = (...args) =>
  process.env.npm_execpath ? execFileSync(process.execPath, [process.env.npm_execpath, ...args], { cwd: folder, stdio: ["ignore", 2, 2] }) : execFileSync("npm", args, { cwd: folder, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });

// Without scripts: this one is among them.
if (!existsSync(tsc)) npm("ci", "--ignore-scripts", "--include=dev");
// What it prints does not belong to the standard output of `npm pack --json`.
execFileSync(process.execPath, [tsc, "-p", `${folder}tsconfig.json`], { cwd: folder, stdio: ["ignore", 2, 2] });
