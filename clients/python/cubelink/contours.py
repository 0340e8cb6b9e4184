"""Contours as arrays of vertices."""

import asyncio
from typing import Any, Dict, List, Sequence

import numpy

from .connection import Connection
from .errors import FAILED, CallError
from .listening import Publications
from .types import Array

DATA, ERRORS = "carta.contour.image.data", "carta.error.data"


async def contours(client: Connection, file_id: int, levels: Sequence[float], smoothing: int, timeout: float) -> Dict[float, List[Array]]:
    """{level: [array (n, 2) of x, y in pixels]}"""
    wanted = sorted({float(level) for level in levels})
    if not wanted:
        return {}
    for topic in (DATA, ERRORS):
        await client._make_sure_of(topic)
    nothing: Dict[str, Any] = {"file_id": file_id, "reference_file_id": file_id, "levels": []}
    mode = {"smoothing_mode": "GaussianBlur", "smoothing_factor": int(smoothing)} if smoothing > 1 else {"smoothing_mode": "NoSmoothing"}
    await client.call("carta.set.contour.parameters", nothing)  # the same levels as before would publish nothing
    with client.listen(DATA, ERRORS) as queue:
        try:
            await client.call("carta.set.contour.parameters", {**nothing, **mode, "levels": wanted})
            return await asyncio.wait_for(_collect(queue, file_id, wanted), timeout)
        finally:
            if client.connected:
                await client.call("carta.set.contour.parameters", nothing)


async def _collect(queue: Publications, file_id: int, wanted: List[float]) -> Dict[float, List[Array]]:
    found: Dict[float, List[Array]] = {level: [] for level in wanted}
    ended: Dict[float, bool] = {}
    while len(ended) < len(wanted):
        topic, message = await queue.get()
        if topic == ERRORS:
            if message["severity"] in ("ERROR", "CRITICAL") and "contours" in message["tags"]:
                raise CallError({"code": FAILED, "message": message["message"]}, "carta.set.contour.parameters")
            continue
        if message["file_id"] != file_id:
            continue
        for part in message["contour_sets"]:
            level = min(wanted, key=lambda each: abs(each - float(part["level"])))
            if ended.pop(level, False):
                found[level] = []  # another plane is shown meanwhile
            vertices = numpy.frombuffer(part["raw_coordinates"], "<f4").reshape(-1, 2).astype(float) - 0.5
            starts = numpy.frombuffer(part["raw_start_indices"], "<i4") // 2
            if len(starts):
                found[level] += numpy.split(vertices, starts[1:])
            if message["progress"] == 1:
                ended[level] = True
    return found
