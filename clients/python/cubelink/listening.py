"""Publications as they come, for those who wait for them one by one."""

import asyncio
from typing import Any, NamedTuple


class Publication(NamedTuple):
    topic: str
    message: Any


class Publications(asyncio.Queue[Any]):
    """A queue of Publications, also for `async for`. When the connection was lost and the queue is empty, get() and get_nowait() raise
    ConnectionLost, also if it came back since: something may be missing then, and a new listen() begins anew."""

    async def get(self) -> Publication:
        """Waits for the next one."""
        return self._checked(await super().get())

    def get_nowait(self) -> Publication:
        """The next one; asyncio.QueueEmpty if there is none yet."""
        return self._checked(super().get_nowait())

    def __aiter__(self) -> "Publications":
        return self

    async def __anext__(self) -> Publication:
        return await self.get()

    def _checked(self, item: "Publication | Exception") -> Publication:
        if isinstance(item, Exception):
            self.put_nowait(item)  # for whoever asks next
            raise item
        return item
