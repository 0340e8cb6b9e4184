// After `tsc -p tsconfig.types.json`: the declarations stand alone. They name the client's beside them instead of a package, and files as Node wants them named.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const types = fileURLToPath(new URL("../dist/types", import.meta.url));
const client = join(types, "clients/js/src/index.js");

function* declarations(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* declarations(path);
    else if (path.endsWith(".d.ts")) yield path;
  }
}

for (const path of declarations(join(types, "www"))) {
  const text = readFileSync(path, "utf8")
    .replace(/(from |import\()"cubelink"/g, `$1"${relative(dirname(path), client)}"`)
    .replace(/(from |import\()"(\.[^"]*?)(\.js)?"/g, '$1"$2.js"');
  writeFileSync(path, text);
}
