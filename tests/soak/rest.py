"""What both soaks ask of a server that everybody has left.

How much memory a server takes while a crowd is at it says little: it is as much as the crowd's questions happen to need at that moment. What
it keeps when all have left says more: a second crowd like the first must not add to it.
"""

import asyncio
import time


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, detail=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}{': ' + str(detail) if detail else ''}", flush=True)

    def close(self):
        """The closing line; the exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.failed == 0 else 1


def until(good, patience):
    """Waits for good(); its last answer."""
    end = time.monotonic() + patience
    while not (answer := good()) and time.monotonic() < end:
        time.sleep(0.2)
    return answer


def held(gauge, names, patience=60):
    """What the gauges of these names still show when they had time to go to zero: {} where all is well."""
    left = {}

    def nothing():
        nonlocal left
        left = {name: value for name in names if (value := gauge(name))}
        return not left

    until(nothing, patience)
    return left


def at_rest(memory, patience=10):
    """The least resident bytes within this time: allocators give back what is free when they please."""
    least = memory()

    def lower():
        nonlocal least
        least = min(least, memory())

    until(lower, patience)
    return least


def grows(first, memory, patience=60):
    """Whether memory() stays well above what it was at rest after the first crowd: (answer, bytes at the last look)."""
    last = 0

    def as_before():
        nonlocal last
        last = memory()
        return last <= first * 1.2 + (32 << 20)

    return not until(as_before, patience), last


def two_crowds(check, server, crowd_of, clients, names, when_left=lambda: None):
    """One crowd after the other, crowd_of(0) and crowd_of(1), at a server with `process`, `gauge` and `memory`. `names` are the gauges that
    must be zero when all have left; then when_left() may check more."""
    resting = 0
    for number in range(2):
        crowd = crowd_of(number)
        asyncio.run(crowd.run())
        print(", ".join(f"{count} {name}" for name, count in crowd.counts.most_common()), flush=True)
        for text in crowd.wrong:
            print("    " + text, flush=True)
        wrong = crowd.counts["wrong"]
        check("every call was answered rightly, or its connection closed with a reason", wrong == 0 and server.process.poll() is None, wrong or "")
        check("there was something to answer", crowd.counts["answered"] > clients and crowd.counts["connections"] > clients / 4)
        left = held(server.gauge, names)
        check("nothing is held for those who left", not left, left or "")
        when_left()
        if number == 0:
            resting = at_rest(server.memory)
    growing, last = grows(resting, server.memory)
    check("a second crowd leaves no more memory behind than the first", not growing, f"{resting >> 20} MB, then {last >> 20} MB")
