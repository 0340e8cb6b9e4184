#!/usr/bin/env python3
"""Runs the tests step by step, counts them, and closes with a line `N passed, N failed`.

A step builds what it needs and runs commands, two at a time where the machine has two cores (CUBELINK_JOBS sets another number), except those
that must run alone. The tests in a command's output are counted by the closing lines of the runners in use (doctest, Node's test runner,
unittest, and `N passed, N failed` of our own scripts); a command without such a line counts as one test. A command that fails without a failed
test in its output counts as one failure.

A test that fails is printed in full and run once more, by itself, for diagnosis: if it passes then, it is unsteady, which is a fault of the test or
a race in the program. It counts as failed all the same. There is no second run where it could show nothing else: what a sanitizer or a fuzzer
finds, and a program that dies of a signal.

Random tests take their seed from CUBELINK_SEED. Here it is, unless set, a number made of the committed files: each change is tried with other data,
and what fails for one commit fails again.
"""

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "output"
PYTHON = "/usr/bin/python3"
JOBS = int(os.environ.get("CUBELINK_JOBS", min(2, len(os.sched_getaffinity(0)))))


def seed_of_commit():
    """A number made of the files of the last commit; a random one where there is no commit."""
    tree = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], cwd=ROOT, capture_output=True, text=True)
    return int(tree.stdout[:8], 16) if tree.returncode == 0 else int.from_bytes(os.urandom(4), "little")


class Count:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.unsteady = []


def counted(text):
    """(passed, failed) by a runner's output, or None."""
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


def output_of(command, cwd, env, limit):
    """(text, exit status) of a command. At the limit it is killed with all that it started."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return str(error), 1
        late = ""
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            late = f"\nstopped after {limit} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return output.read().decode("utf-8", "replace") + late, process.returncode


# The part of a runner's output that says why a test failed, for each kind of runner: where it begins, and before what it ends.
REASONS = [
    re.compile(r"^✖ failing tests:.*", re.M | re.S),  # Node's runner for people, which repeats at its end what failed
    re.compile(r"^ *not ok .*?(?=^ *(?:not )?ok |^ *# Subtest|^1\.\.|\Z)", re.M | re.S),  # and for machines
    re.compile(r"^(?:FAIL|ERROR): .*?(?=^={20}|^-{20,}\nRan |\Z)", re.M | re.S),  # unittest
    re.compile(r"^={79}\n(?:(?!^={79}\n).)*?(?:ERROR|FATAL).*?(?=^={79}\n|\Z)", re.M | re.S),  # doctest
    re.compile(r"^.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*(?:\n.*){0,50}", re.M),
    re.compile(r"^Traceback .*?^\S.*?$\n(?:(?!ok ).*\n?){0,3}", re.M | re.S),  # our own scripts
    re.compile(r"^(?:FAIL|FAILED|not ok)\b.*(?:\n(?!ok\b).*){0,15}", re.M),
]


def reasons(text, most=160):
    """The parts of a runner's output that say what failed and why, then its last lines."""
    lines = text.splitlines()
    chosen = set()
    for pattern in REASONS:
        for match in pattern.finditer(text):
            first = text.count("\n", 0, match.start())
            length = match[0].count("\n") + 1
            chosen.update(range(first, min(first + min(length, 60), len(lines))))
    shown = sorted(chosen)[:most]
    shown += [n for n in range(max(0, len(lines) - 40), len(lines)) if n not in set(shown)]
    parts, before = [], -1
    for n in shown:
        if n != before + 1:
            parts.append("…")
        parts.append(lines[n])
        before = n
    return parts


# Failures that a second run would not explain.
CERTAIN = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|libFuzzer: |no sanitizer said a word:|terminate called|Segmentation fault|core dumped")


class Test:
    """A command of a step."""

    def __init__(self, name, command, cwd=ROOT, env=None, limit=900, alone=False):
        self.name, self.command, self.cwd, self.env, self.limit, self.alone = name, command, cwd, env or {}, limit, alone

    def __call__(self):
        """(passed, failed, what to print, whether a second run could end differently)"""
        started = time.time()
        # Servers keep a store below XDG_DATA_HOME: not the user's.
        with tempfile.TemporaryDirectory(prefix="cubelink-test-", ignore_cleanup_errors=True) as data:
            text, status = output_of(self.command, self.cwd, {"XDG_DATA_HOME": data, **self.env}, self.limit)
        passed, failed = counted(text) or ((1, 0) if status == 0 else (0, 1))
        if status != 0 and failed == 0:
            failed = 1
        if status == 0 and passed == 0 and failed == 0:
            failed = 1
            text += "\nran no test"
        said = [f"{'ok    ' if failed == 0 else 'FAILED'} {self.name}: {passed} good, {failed} bad, {time.time() - started:.1f} s"]
        if failed:
            OUTPUT.mkdir(parents=True, exist_ok=True)
            log = OUTPUT / (re.sub(r"\W+", "_", self.name) + ".log")
            log.write_text(text)
            said += ["    " + line for line in reasons(text)] + [f"    (exit status {status}; all of it is in {log.relative_to(ROOT)})"]
        return passed, failed, "\n".join(said), failed and status >= 0 and not CERTAIN.search(text)


def run(count, *tests):
    """Several at a time; then, one after another, those that must be alone; then once more, for diagnosis, what failed."""
    again = []

    def take(test, result):
        passed, failed, said, doubtful = result
        print(said, flush=True)
        count.passed += passed
        count.failed += failed
        if doubtful:
            again.append(test)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        under_way = {pool.submit(test): test for test in tests if not test.alone}
        for done in concurrent.futures.as_completed(under_way):
            take(under_way[done], done.result())
    for test in tests:
        if test.alone:
            take(test, test())
    for test in again:
        print(f"again  {test.name}", flush=True)
        _, failed, said, _ = test()
        print(said, flush=True)
        if not failed:
            count.unsteady.append(test.name)


def shell(script):
    """A line of bash with the functions of tools/install.sh at hand."""
    return ["bash", "-euo", "pipefail", "-c", f". tools/install.sh; {script}"]


def prepare(count, name, command, limit=2400):
    """Runs a command that tests need. True if it succeeded; otherwise it counts as a failure."""
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
    # Programs end while their loops' helpers are idle; TSan would sleep for a second at each end.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1:atexit_sleep_ms=10",
    "OMP_TOOL_LIBRARIES": "/usr/lib/llvm-14/lib/libarcher.so",
}


def ctest(count, preset, labels_out=()):
    listing = subprocess.run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1"], cwd=ROOT, capture_output=True, check=True)
    tests = []
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        if set(properties.get("LABELS", [])) & set(labels_out):
            continue
        env = dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", []))
        tests.append((-float(properties.get("COST", 0)),
                      Test(f"{preset}: {test['name']}", test["command"], cwd=properties.get("WORKING_DIRECTORY", str(ROOT)),
                           env={**SANITIZER_ENV, **env} if preset in ("asan", "tsan") else env, limit=int(properties.get("TIMEOUT", 900)),
                           alone=properties.get("RUN_SERIAL", False))))
    # The long ones first: one that starts last would run alone.
    run(count, *(test for _, test in sorted(tests, key=lambda each: each[0])))


class BackgroundBuild:
    """Builds a preset for a later step while tests run, at the lowest priority: it gets the time that they leave."""

    def __init__(self, preset):
        self.preset = preset
        self.process = subprocess.Popen(shell(f"build_server {preset}"), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=self._lower_priority)

    @staticmethod
    def _lower_priority():
        os.nice(19)
        try:  # where the kernel groups processes by session, priorities count within one only, and this is the session's
            Path("/proc/self/autogroup").write_text("19")
        except OSError:
            pass

    def wait(self):
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


later_presets = []  # of the steps to come, in their order
background = None


def build(count, preset, targets=""):
    """Builds, and starts building the preset that is needed next."""
    global background
    if background:
        background.wait()  # what it could not build is built, and reported, below
        background = None
    built = prepare(count, f"build {preset}", shell(f"build_server {preset} {targets}"))
    while later_presets and later_presets[0] == preset:
        later_presets.pop(0)
    if built and later_presets:
        background = BackgroundBuild(later_presets.pop(0))
    return built


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
    if not build(count, "asan", "fuzz_targets"):
        return
    tests = []
    for program in sorted((ROOT / "build/asan/tests/fuzz").glob("*_fuzz")):
        corpus = ROOT / "tests/fuzz/corpus" / program.name.removesuffix("_fuzz")
        scratch = ROOT / "build/asan/scratch" / program.name
        scratch.mkdir(parents=True, exist_ok=True)
        folders = [str(scratch)] + ([str(corpus)] if corpus.is_dir() else [])
        # The same seed every time: this run finds what a change broke. Exploring is for long runs.
        options = ["-seed=1", "-max_total_time=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]
        tests.append(Test(f"fuzz: {program.name}", [str(program), *options, *folders], env=SANITIZER_ENV))
    run(count, *tests)


def npm_test(count, folder):
    """The test of an npm package, once its dependencies are installed; nothing if that fails."""
    folder = folder.relative_to(ROOT)
    if not prepare(count, f"npm packages of {folder}", shell(f"npm_install {folder}")):
        return []
    return [Test(str(folder), ["npm", "test", "--silent"], cwd=ROOT / folder)]


def scripts(folder, pattern):
    found = sorted(script for script in (ROOT / folder).glob(pattern) if "node_modules" not in script.parts)
    return [Test(str(script.relative_to(ROOT)), [PYTHON, str(script)]) for script in found]


def step_clients(count):
    run(count, *npm_test(count, ROOT / "clients/js"), *scripts("tests/clients", "*/test_*.py"))


def step_conformance(count):
    packages = sorted((ROOT / "tests/conformance").glob("*/package.json"))
    run(count, *(test for package in packages for test in npm_test(count, package.parent)), *scripts("tests/conformance", "**/test_*.py"))


def step_browser(count):
    if not prepare(count, "the page", shell("build_page")):
        return
    if not prepare(count, "npm packages of tests/browser", shell("npm_install tests/browser; npm_install tools/carta")):
        return
    # A browser uses both cores.
    run(count, *(Test(str(script.relative_to(ROOT)), ["node", str(script)], alone=True)
                 for script in sorted((ROOT / "tests/browser").glob("*.test.mjs"))))


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
PRESETS = {"release": "release", "asan": "asan", "tsan": "tsan", "fuzz": "asan"}


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
    seed = os.environ.setdefault("CUBELINK_SEED", str(seed_of_commit()))
    print(f"CUBELINK_SEED={seed}", flush=True)
    count = Count()
    later_presets.extend(PRESETS[name] for name in names if name in PRESETS)
    try:
        for name in names:
            started = time.time()
            print(f"== {name}", flush=True)
            STEPS[name](count)
            print(f"== {name} took {time.time() - started:.0f} s", flush=True)
    finally:
        if background:
            background.stop()
    for name in count.unsteady:
        print(f"unsteady: {name} failed, and passed in its second run; the first counts")
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
