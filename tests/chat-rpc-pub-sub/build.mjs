// Puts the wslink clients, which come from npm as bundles for browsers, where the page finds them.
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const built = new URL("www/built/", import.meta.url);
mkdirSync(built, { recursive: true });
for (const name of ["wslink1", "wslink2"]) copyFileSync(require.resolve(`${name}/dist/wslink.js`), new URL(`${name}.js`, built));
