#!/usr/bin/env python3
"""Runs the tests step by step, counts them, and closes with a line `N passed, N failed`.

A step builds what it needs and runs commands. The tests in a command's output are counted by the closing lines of the runners in use
(doctest, Node's test runner, unittest, and `N passed, N failed` of our own scripts); a command without such a line counts as one test.
A command that fails without a failed test in its output counts as one failure, so that nothing fails unseen.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "output"
PYTHON = "/usr/bin/python3"


class Count:
    def __init__(self):
        self.passed = 0
        self.failed = 0


def counted(text):
    """(passed, failed) as the output of a runner tells it, or None."""
    passed = failed = 0
    found = False
    for match in re.finditer(r"^\[doctest\] test cases:\s+\d+ \|\s+(\d+) passed \|\s+(\d+) failed", text, re.M):
        passed, failed, found = passed + int(match[1]), failed + int(match[2]), True
    for match in re.finditer(r"^(\d+) passed, (\d+) failed\s*$", text, re.M):
        passed, failed, found = passed + int(match[1]), failed + int(match[2]), True
    for match in re.finditer(r"^(?:#|ℹ) pass (\d+)\s*\n(?:#|ℹ) fail (\d+)", text, re.M):
        passed, failed, found = passed + int(match[1]), failed + int(match[2]), True
    for match in re.finditer(r"^Ran (\d+) tests? in .*\n\n(OK|FAILED \((.*)\))", text, re.M):
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", match[3] or ""))
        passed, failed, found = passed + int(match[1]) - bad, failed + bad, True
    return (passed, failed) if found else None


def run(count, name, command, cwd=ROOT, env=None, limit=900):
    started = time.time()
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit)
        text, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = (late.stdout or b"").decode("utf-8", "replace") + f"\nstopped after {limit} s", 1
    except OSError as error:
        text, status = str(error), 1
    passed, failed = counted(text) or ((1, 0) if status == 0 else (0, 1))
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and passed == 0 and failed == 0:
        failed = 1
        text += "\nran no test"
    count.passed += passed
    count.failed += failed
    print(f"{'ok    ' if failed == 0 else 'FAILED'} {name}: {passed} passed, {failed} failed, {time.time() - started:.1f} s".replace(
        " passed, ", " good, ").replace(" failed,", " bad,"), flush=True)
    if failed:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / (re.sub(r"\W+", "_", name) + ".log")).write_text(text)
        print("\n".join("    " + line for line in text.splitlines()[-80:]), flush=True)


def shell(script):
    """A line of bash with the functions of tools/install.sh at hand."""
    return ["bash", "-euo", "pipefail", "-c", f". tools/install.sh; {script}"]


def prepare(count, name, command, limit=2400):
    """A command that is no test, but without which there is none. True if it went well."""
    started = time.time()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
    print(f"{'ready ' if done.returncode == 0 else 'FAILED'} {name}, {time.time() - started:.1f} s", flush=True)
    if done.returncode != 0:
        count.failed += 1
        print("\n".join("    " + line for line in done.stdout.decode("utf-8", "replace").splitlines()[-60:]), flush=True)
    return done.returncode == 0


SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",
    "OMP_TOOL_LIBRARIES": "/usr/lib/llvm-14/lib/libarcher.so",
}


def ctest(count, preset, labels_out=()):
    listing = subprocess.run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1"], cwd=ROOT, capture_output=True, check=True)
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        if set(properties.get("LABELS", [])) & set(labels_out):
            continue
        env = dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", []))
        run(count, f"{preset}: {test['name']}", test["command"], cwd=properties.get("WORKING_DIRECTORY", str(ROOT)),
            env={**SANITIZER_ENV, **env} if preset in ("asan", "tsan") else env, limit=int(properties.get("TIMEOUT", 900)))


def build(count, preset, targets=""):
    return prepare(count, f"build {preset}", shell(f"build_server {preset} {targets}"))


def step_release(count):
    if build(count, "release"):
        ctest(count, "release")


def step_asan(count):
    if build(count, "asan"):
        ctest(count, "asan", labels_out=("release-only",))


def step_tsan(count):
    if build(count, "tsan"):
        ctest(count, "tsan", labels_out=("release-only", "no-tsan"))


def step_fuzz(count):
    """Each fuzz target for some seconds on its recorded corpus."""
    if not build(count, "fuzz", "fuzz_targets"):
        return
    for program in sorted((ROOT / "build/fuzz/tests/fuzz").glob("*_fuzz")):
        corpus = ROOT / "tests/fuzz/corpus" / program.name.removesuffix("_fuzz")
        scratch = ROOT / "build/fuzz/scratch" / program.name
        scratch.mkdir(parents=True, exist_ok=True)
        run(count, f"fuzz: {program.name}", [str(program), "-max_total_time=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1",
                                             str(scratch)] + ([str(corpus)] if corpus.is_dir() else []), env=SANITIZER_ENV)


def step_clients(count):
    if prepare(count, "npm packages of clients/js", shell("npm_install clients/js")):
        run(count, "clients/js", ["npm", "test", "--silent"], cwd=ROOT / "clients/js")
    for script in sorted((ROOT / "tests/clients").glob("*/test_*.py")):
        run(count, str(script.relative_to(ROOT)), [PYTHON, str(script)])


def step_conformance(count):
    for package in sorted((ROOT / "tests/conformance").glob("*/package.json")):
        folder = package.parent.relative_to(ROOT)
        if prepare(count, f"npm packages of {folder}", shell(f"npm_install {folder}")):
            run(count, str(folder), ["npm", "test", "--silent"], cwd=package.parent)
    for script in sorted((ROOT / "tests/conformance").glob("**/test_*.py")):
        if "node_modules" not in script.parts:
            run(count, str(script.relative_to(ROOT)), [PYTHON, str(script)])


def step_browser(count):
    if not prepare(count, "the page", shell("build_page")):
        return
    if not prepare(count, "npm packages of tests/browser", shell("npm_install tests/browser; npm_install tools/carta")):
        return
    if not prepare(count, "clients/js", shell("npm_install clients/js; cd clients/js; npm run --silent build")):
        return
    for script in sorted((ROOT / "tests/browser").glob("*.test.mjs")):
        run(count, str(script.relative_to(ROOT)), ["node", str(script)], limit=600)


STEPS = {
    "release": step_release,
    "clients": step_clients,
    "conformance": step_conformance,
    "browser": step_browser,
    "asan": step_asan,
    "tsan": step_tsan,
    "fuzz": step_fuzz,
}
QUICK = ["release", "conformance"]


def main():
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        print("\n".join(STEPS))
        return 0
    names = QUICK if arguments == ["quick"] else arguments or list(STEPS)
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    count = Count()
    for name in names:
        print(f"== {name}", flush=True)
        STEPS[name](count)
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
