"""How long tests wait for what must come, and what they do about times that a busy machine cannot keep.

A limit here is there for what never comes, and is no measure of speed: whoever waits for less fails on a machine that stands still for a while.
"""

import asyncio
import time

import websockets

PATIENCE = 120  # seconds


def open_socket(url, **options):
    """websockets.connect() to a server that may be slow to answer: it is given time, and its pongs are not asked for."""
    return websockets.connect(url, **{"open_timeout": PATIENCE, "ping_interval": None, "max_size": None, "compression": None, **options})


def wait_until(condition, what="it", patience=PATIENCE):
    """Calls `condition()` until it gives something true, and returns that."""
    until = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come about within {patience} s")
        time.sleep(0.02)
    return value


async def until(condition, what="it", patience=PATIENCE):
    """As wait_until(), with a coroutine function, while the event loop goes on."""
    limit = time.monotonic() + patience
    while not (value := await condition()):
        if time.monotonic() > limit:
            raise AssertionError(f"{what} did not come about within {patience} s")
        await asyncio.sleep(0.02)
    return value


def paces(*factors):
    """For tests of short times, which a busy machine may not keep: `for pace in paces(): with pace: …` runs the block with times that are
    `pace.factor` times as long, again until it goes well; paces(1, 1, 1) is for what another attempt may find less busy. What the last one
    raises fails the test, and so does a server that ends by itself (a RuntimeError) at any pace."""
    factors = factors or (1, 6, 36)
    for n, factor in enumerate(factors, 1):
        pace = _Pace(factor, n == len(factors))
        yield pace
        if pace.kept:
            return


class _Pace:
    def __init__(self, factor, last):
        self.factor, self.last, self.kept = factor, last, False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        self.kept = kind is None
        if self.kept or self.last or not issubclass(kind, Exception) or issubclass(kind, RuntimeError):
            return False
        print(f"tried again with longer times: {error!r}", flush=True)
        return True
