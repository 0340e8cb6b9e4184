"""An event loop in a thread of its own: connections live while the main thread computes, and notebooks, which run a loop, can wait."""

import asyncio
import concurrent.futures
import os
import threading
from typing import Any, Coroutine, Optional, TypeVar

Result = TypeVar("Result")

_lock = threading.Lock()
_loop: Optional[asyncio.AbstractEventLoop] = None
_process = 0  # that the loop's thread belongs to: a fork has none


def loop() -> asyncio.AbstractEventLoop:
    """The one of this process, started when it is first needed; its thread ends with the process."""
    global _loop, _process
    with _lock:
        if _loop is None or _process != os.getpid():
            _loop, _process = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="cubelink", daemon=True).start()
        return _loop


def run(work: Coroutine[Any, Any, Result], timeout: Optional[float] = None) -> Result:
    """Runs a coroutine in that loop and waits for it, in any other thread. TimeoutError after `timeout` seconds; then, and when the wait is
    interrupted, the coroutine is cancelled."""
    there = loop()
    try:
        here: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is there:
        work.close()
        raise RuntimeError("this would wait for itself: a blocking call from the thread of Cubelink's event loop")
    future = asyncio.run_coroutine_threadsafe(work, there)
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise  # the coroutine's own
        future.cancel()
        raise TimeoutError(f"no answer within {timeout} s") from None
    except BaseException:
        future.cancel()
        raise
