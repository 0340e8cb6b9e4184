"""Polarization vectors as arrays."""

import asyncio
from typing import Any, Dict, NamedTuple

import numpy

from .connection import Connection
from .listening import Publications
from .types import Array

TOPIC = "carta.vector.overlay.tile.data"
TILE = 256  # samples on a side


class Vectors(NamedTuple):
    """Arrays (rows, columns) of float32, NaN where blank: `length`, the polarized intensity in the image's unit, or in per cent; `angle` in degrees, ½ atan2(U, Q), by
    the IAU's convention counter-clockwise from north; `x` and `y`, the pixels in the middle of each block."""

    x: Array
    y: Array
    length: Array
    angle: Array


async def vectors(client: Connection, file_id: int, width: int, height: int, block: int, fractional: bool, threshold: float, timeout: float) -> Vectors:
    await client._make_sure_of(TOPIC)
    nothing: Dict[str, Any] = {"file_id": file_id, "smoothing_factor": 0, "stokes_intensity": -1, "stokes_angle": -1}
    request = {"file_id": file_id, "image_bounds": {"x_min": 0, "x_max": width, "y_min": 0, "y_max": height}, "smoothing_factor": block, "fractional": fractional,
               "threshold": threshold, "stokes_intensity": 1, "stokes_angle": 1, "compression_type": "NONE"}  # fmt: skip
    await client.call("carta.set.vector.overlay.parameters", nothing)
    with client.listen(TOPIC) as queue:
        try:
            await client.call("carta.set.vector.overlay.parameters", request)
            return await asyncio.wait_for(_collect(queue, file_id, width, height, block), timeout)
        finally:
            if client.connected:
                await client.call("carta.set.vector.overlay.parameters", nothing)


async def _collect(queue: Publications, file_id: int, width: int, height: int, block: int) -> Vectors:
    rows, columns = -(-height // block), -(-width // block)
    length, angle = (numpy.full((rows, columns), numpy.nan, "f4") for _ in range(2))
    while True:
        _, message = await queue.get()
        if message["file_id"] != file_id or message["stokes_intensity"] < 0:
            continue
        for into, tiles in ((length, message["intensity_tiles"]), (angle, message["angle_tiles"])):
            for tile in tiles:
                values = numpy.frombuffer(tile["image_data"], "<f4").reshape(tile["height"], tile["width"])
                y, x = TILE * tile["y"], TILE * tile["x"]
                into[y : y + tile["height"], x : x + tile["width"]] = values
        if message["progress"] >= 1:
            break
    y, x = numpy.mgrid[:rows, :columns]
    return Vectors(block * (x + 0.5) - 0.5, block * (y + 0.5) - 0.5, length, angle)
