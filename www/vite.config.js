import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// The client is taken from its sources, so that one `npm ci` here is enough; they name the worker as it will be called once compiled.
const workerSource = {
  name: "cubelink-worker-source",
  enforce: "pre",
  transform(code, id) {
    return id.endsWith("/clients/js/src/decoder-pool.ts") ? code.replace("./decode-worker.js", "./decode-worker.ts") : null;
  },
};

// The server sends `name.gz` in place of `name`: a third of the bytes, seconds on a slow link.
const compressedTwins = {
  name: "cubelink-compressed-twins",
  closeBundle() {
    const folder = here("dist/assets/");
    for (const name of readdirSync(folder)) {
      if (!/\.(js|css|svg)$/.test(name)) continue;
      const content = readFileSync(folder + name);
      const twin = gzipSync(content, { level: 9 });
      if (twin.length < 0.9 * content.length) writeFileSync(`${folder}${name}.gz`, twin);
    }
  },
};

export default defineConfig({
  // Relative addresses: the page works below any path.
  base: "./",
  plugins: [workerSource, compressedTwins],
  resolve: {
    alias: {
      cubelink: here("../clients/js/src/index.ts"),
      wslink: here("node_modules/wslink/dist/wslink.js"),
      fzstd: here("node_modules/fzstd/esm/index.mjs"),
    },
  },
  worker: { format: "es" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      // The page, and beside it the element for other pages, under a name that stays.
      input: { page: here("index.html"), "cubelink-view": here("src/index.ts") },
      preserveEntrySignatures: "exports-only",
      output: { entryFileNames: ({ name }) => (name === "cubelink-view" ? "cubelink-view.js" : "assets/[name]-[hash].js") },
    },
  },
  server: { fs: { allow: [here("..")] }, proxy: { "/ws": { target: process.env.CUBELINK_SERVER ?? "http://127.0.0.1:1234", ws: true } } },
});
