// dist/: the page, in one script.
import { build } from "esbuild";
import { copyFileSync } from "node:fs";

await build({ entryPoints: ["page.mjs"], bundle: true, format: "esm", outdir: "dist", define: { global: "globalThis" }, logLevel: "warning" });
copyFileSync("index.html", "dist/index.html");
