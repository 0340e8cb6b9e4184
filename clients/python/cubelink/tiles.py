"""Tiles of the plane that is shown, as arrays."""

import asyncio
from typing import Dict, Optional, Sequence, Set, Tuple

import numpy

from .connection import Connection
from .errors import FAILED, CallError
from .listening import Publications
from .types import Array

TilePlace = Tuple[int, int, int]  # layer, x, y

DATA, ERRORS = "carta.raster.tile.data", "carta.error.data"
NO_DATA = -3.402823466e38  # what stands for a blank in uncompressed tiles


async def tiles(client: Connection, file_id: int, wanted: Sequence[TilePlace], plane: Optional[Tuple[int, int]], timeout: float) -> Dict[TilePlace, Array]:
    """`plane`: the channel and stokes that become the session's current ones; None: whatever is shown."""
    codes = [layer << 24 | y << 12 | x for layer, x, y in wanted]
    if not codes:
        return {}
    for topic in (DATA, ERRORS):
        await client._make_sure_of(topic)
    with client.listen(DATA, ERRORS) as queue:
        request = {"file_id": file_id, "tiles": codes, "compression_type": "NONE", "compression_quality": 0}
        if plane is None:
            await client.call("carta.add.required.tiles", request)
        else:
            await client.call("carta.set.image.channels", {"file_id": file_id, "channel": plane[0], "stokes": plane[1], "required_tiles": request})
        return await asyncio.wait_for(_collect(queue, file_id, set(codes), plane), timeout)


async def _collect(queue: Publications, file_id: int, missing: Set[int], plane: Optional[Tuple[int, int]]) -> Dict[TilePlace, Array]:
    found: Dict[TilePlace, Array] = {}
    while missing:
        topic, message = await queue.get()
        if topic == ERRORS:
            # A warning, too: that of a file which was written again while it was open.
            if message["severity"] in ("WARNING", "ERROR", "CRITICAL") and "tiles" in message["tags"]:
                raise CallError({"code": FAILED, "message": message["message"]}, "carta.add.required.tiles")
            continue
        if message["file_id"] != file_id or plane not in (None, (message["channel"], message["stokes"])):
            continue
        for tile in message["tiles"]:
            code = tile["layer"] << 24 | tile["y"] << 12 | tile["x"]
            pixels = numpy.frombuffer(tile["image_data"], dtype="<f4").reshape(tile["height"], tile["width"]).copy()
            pixels[pixels <= NO_DATA] = numpy.nan
            found[tile["layer"], tile["x"], tile["y"]] = pixels
            missing.discard(code)
    return found
