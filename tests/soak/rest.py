"""What both soaks ask of a server that everybody has left.

How much memory a server takes while a crowd is at it says little: it is as much as the crowd's questions happen to need at that moment. What
it keeps when all have left says more: a second crowd like the first must not add to it.
"""

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
