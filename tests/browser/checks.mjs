// The checks of a test in Chromium: one after the other, counted, with a screenshot of each that fails.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where tests put what people may want to look at. */
export const output = fileURLToPath(new URL("../output/", import.meta.url));
mkdirSync(output, { recursive: true });

/**
 * `name`: of the screenshots; `page`: gives the page that is looked at, if there is one; `explain`: tells what may help when a check has failed.
 * check() goes on after a failure; finish() prints the line that tests/run.py counts and sets the exit code.
 */
export function checks(name, page, explain = async () => {}) {
  let [passed, failed] = [0, 0];
  return {
    async check(title, work) {
      try {
        await work();
        passed += 1;
        console.log(`ok   ${title}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL ${title}\n${error.stack}`);
        await explain();
        await page()?.screenshot({ path: `${output}${name}-failed-${failed}.png` }).catch(() => undefined);
      }
    },
    finish() {
      console.log(`${passed} passed, ${failed} failed`);
      process.exitCode = failed === 0 ? 0 : 1;
    },
  };
}
