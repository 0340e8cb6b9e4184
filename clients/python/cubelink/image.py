"""An open image."""

import asyncio
import itertools
import math
import operator
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, SupportsIndex, Tuple, Union

import numpy

from .listening import Publications
from .wire import CallError

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    from .client import Client

Index = Union[SupportsIndex, slice, None]
TilePlace = Tuple[int, int, int]  # layer, x, y

NO_DATA = -3.402823466e38  # what stands for a blank in uncompressed tiles
PART = 1 << 24  # values that are read at once; of 8 bytes, half of what the server allows


class Image:
    """An image that is open on the server. Attributes: `file_id`; `info`, the ICD's extended file information; `shape`
    (stokes, channel, y, x) as numpy has it."""

    def __init__(self, client: "Client", file_id: int, ack: Dict[str, Any]) -> None:
        self.client = client
        self.file_id = file_id
        self.ack = ack
        self.info: Dict[str, Any] = ack["file_info_extended"]
        self.name: str = ack["file_info"]["name"]
        self.shape: Tuple[int, ...] = tuple(max(1, self.info[key]) for key in ("stokes", "depth", "height", "width"))

    def __repr__(self) -> str:
        return f"<cubelink.Image {self.name} {self.shape}>"

    async def __aenter__(self) -> "Image":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        await self.client.call("carta.close.file", {"file_id": self.file_id})

    async def read(self, x: Index = None, y: Index = None, channel: Index = None, stokes: Index = None) -> numpy.ndarray:
        """Exact values as an array of (stokes, channel, y, x). Each argument is a number, a slice, or None for the whole axis; an axis
        that was given as a number is left out of the result, as numpy does it. Blanks are NaN in floating-point images. What is too
        large for one answer of the server is read in parts."""
        axes = dict(stokes=stokes, channel=channel, y=y, x=x)
        ranges = [_range_of(name, wanted, length) for (name, wanted), length in zip(axes.items(), self.shape)]
        shape = [len(range(*bounds)) for bounds in ranges]
        array: Optional[numpy.ndarray] = None
        for part in _parts(shape):
            bounds = [[first + at.start * step, min(last, first + at.stop * step), step] for at, (first, last, step) in zip(part, ranges)]
            block = await self.client.call("image.read", file_id=self.file_id, **dict(zip(axes, bounds)))
            piece = numpy.frombuffer(block["data"], dtype=block["dtype"]).reshape(block["shape"])
            if array is None:
                array = numpy.empty(shape, piece.dtype)
            array[part] = piece
        assert array is not None
        whole = tuple(wanted is None or isinstance(wanted, slice) for wanted in axes.values())
        return array.reshape([length for length, keep in zip(shape, whole) if keep])[()]

    async def spectrum(self, x: float, y: float, stokes: int = 0) -> numpy.ndarray:
        """The values of the pixel nearest to (x, y) in all channels."""
        return await self.read(x=_nearest(x), y=_nearest(y), stokes=stokes)

    async def statistics(self, types: Optional[Sequence[str]] = None, region: Any = None, channels: Any = None, stokes: Any = None,
                         percentiles: Sequence[float] = ()) -> Dict[str, Any]:
        """Exact statistics of the finite pixels: a map with `statistics` by name, `percentiles`, `channels`, `stokes` and `unit`. `types`: Mean,
        Sigma, Max, …, Median, MAD, Q1, Q3, Percentile:97.5; `region`: an id, a map like region_info, or None for the whole image; `channels`: an
        index, a pair (from, to), or None for the one that is shown; `stokes`: an index or a name."""
        arguments = dict(types=types, region=region, channels=channels, stokes=stokes)
        named = {name: list(value) if isinstance(value, (tuple, list)) else value for name, value in arguments.items() if value is not None}
        return await self.client.call("image.statistics", file_id=self.file_id, percentiles=list(percentiles), **named)

    async def spectral_axis(self, kind: str = "frequency", rest_freq: Optional[float] = None) -> Tuple[numpy.ndarray, str]:
        """The channels' frequencies, wavelengths or velocities: an array, and its unit. `kind` is one of channel, frequency, wavelength,
        air wavelength, radio velocity, optical velocity, relativistic velocity; `rest_freq` in Hz takes the place of the header's."""
        arguments = {} if rest_freq is None else {"rest_freq": rest_freq}
        axis = await self.client.call("image.spectral_axis", file_id=self.file_id, kind=kind, **arguments)
        values = axis["values"]
        return numpy.frombuffer(values, dtype="<f8") if isinstance(values, bytes) else numpy.array(values), axis["unit"]

    async def to_world(self, points: Any, frame: str = "") -> Dict[str, Any]:
        """World positions of pixels [[x, y], …]: a map with `points` (in degrees for the sky), `frame`, `names` and `units`. `frame` may
        be ICRS, FK5, FK4, GALACTIC or ECLIPTIC instead of the image's own."""
        return await self.client.call("image.to_world", file_id=self.file_id, points=_pairs(points), frame=frame)

    async def to_pixel(self, points: Any, frame: str = "") -> Dict[str, Any]:
        """The inverse of to_world(): a map with `points`, pixels counted from 0."""
        return await self.client.call("image.to_pixel", file_id=self.file_id, points=_pairs(points), frame=frame)

    async def set_region(self, kind: str, points: Any, rotation: float = 0, region_id: int = -1) -> int:
        """Makes a region, or changes the one of that id; returns its id. `kind` is the ICD's: POINT, LINE, POLYLINE, RECTANGLE, ELLIPSE,
        POLYGON. `points` [[x, y], …] are pixels of this image: the vertices; of a rectangle the centre and (width, height); of an ellipse
        the centre and the semi-axes, of which the first lies along y. `rotation` in degrees, counter-clockwise."""
        region = {"region_type": kind, "control_points": [{"x": x, "y": y} for x, y in _pairs(points)], "rotation": rotation}
        answer = await self.client.call("carta.set.region", {"file_id": self.file_id, "region_id": region_id, "region_info": region})
        if not answer["success"]:
            raise CallError({"code": -32001, "message": answer["message"]}, "carta.set.region")
        return answer["region_id"]

    async def remove_region(self, region_id: int) -> None:
        await self.client.call("carta.remove.region", {"region_id": region_id})

    async def region_spectrum(self, region_id: int, statistic: str = "Mean", stokes: str = "", timeout: float = 60) -> numpy.ndarray:
        """One value for each channel, NaN where there is none: a statistic (Mean, Sum, FluxDensity, RMS, Sigma, SumSq, Min, Max, Extrema,
        NumPixels) of the region's pixels, or the pixel of a point. The region may be of another image that shows the same sky. `stokes`: the
        one that is shown, or I, Q, U, V, Ptotal, Plinear, PFtotal, PFlinear, Pangle. Replaces what this connection required of the region's spectra,
        and requires none afterwards."""
        topic = "carta.spectral.profile.data"
        await self.client._make_sure_of(topic)
        request = {"file_id": self.file_id, "region_id": region_id, "spectral_profiles": [{"coordinate": stokes + "z", "stats_types": [statistic]}]}
        with self.client.listen(topic) as queue:
            await self.client.call("carta.set.spectral.requirements", {**request, "spectral_profiles": []})
            await self.client.call("carta.set.spectral.requirements", request)
            try:
                return await asyncio.wait_for(self._whole_spectrum(queue, region_id, stokes + "z", statistic), timeout)
            finally:
                await self.client.call("carta.set.spectral.requirements", {**request, "spectral_profiles": []})

    async def _whole_spectrum(self, queue: Publications, region_id: int, coordinate: str, statistic: str) -> numpy.ndarray:
        while True:
            _, message = await queue.get()
            if (message["file_id"], message["region_id"]) != (self.file_id, region_id) or message["progress"] < 1:
                continue
            for profile in message["profiles"]:
                if (profile["coordinate"], profile["stats_type"]) == (coordinate, statistic):
                    return numpy.frombuffer(profile["raw_values_fp64"], "<f8").copy()

    async def header(self) -> "Header":
        """The header as an astropy.io.fits.Header."""
        from astropy.io import fits

        cards = (await self.client.call("image.header", file_id=self.file_id))["cards"]
        return fits.Header.fromstring("".join(card.ljust(80)[:80] for card in cards))

    async def wcs(self) -> "WCS":
        """The world coordinates as an astropy.wcs.WCS."""
        from astropy.wcs import WCS

        return WCS(await self.header())

    async def tile(self, layer: int, x: int, y: int, channel: Optional[int] = None, stokes: Optional[int] = None) -> numpy.ndarray:
        """One tile as an array of float32, bottom row first, NaN where blank. `layer` 0 is the whole image in one tile. The channel and
        stokes become the session's current ones if they are given."""
        tiles = await self.tiles([(layer, x, y)], channel, stokes)
        return tiles[layer, x, y]

    async def tiles(
        self, wanted: Sequence[TilePlace], channel: Optional[int] = None, stokes: Optional[int] = None, timeout: float = 60
    ) -> Dict[TilePlace, numpy.ndarray]:
        """Several tiles at once: {(layer, x, y): array}. They are asked for uncompressed."""
        codes = [layer << 24 | y << 12 | x for layer, x, y in wanted]
        if not codes:
            return {}
        for topic in ("carta.raster.tile.data", "carta.error.data"):
            await self.client._make_sure_of(topic)
        if channel is not None or stokes is not None:
            channel, stokes = await self._plane(channel, stokes)
        with self.client.listen("carta.raster.tile.data", "carta.error.data") as queue:
            request = {"file_id": self.file_id, "tiles": codes, "compression_type": "NONE", "compression_quality": 0}
            if channel is None:
                await self.client.call("carta.add.required.tiles", request)
            else:
                change = {"file_id": self.file_id, "channel": channel, "stokes": stokes, "required_tiles": request}
                await self.client.call("carta.set.image.channels", change)
            return await asyncio.wait_for(self._collect(queue, set(codes), channel, stokes), timeout)

    async def _plane(self, channel: Optional[int], stokes: Optional[int]) -> Tuple[int, int]:
        """What was given, and of the other what is current."""
        if channel is not None and stokes is not None:
            return operator.index(channel), operator.index(stokes)
        files = (await self.client.call("session.state"))["files"]
        current = next((file for file in files if file["file_id"] == self.file_id), {"channel": 0, "stokes": 0})
        return current["channel"] if channel is None else channel, current["stokes"] if stokes is None else stokes

    async def _collect(
        self, queue: Publications, missing: set, channel: Optional[int], stokes: Optional[int]
    ) -> Dict[TilePlace, numpy.ndarray]:
        found: Dict[TilePlace, numpy.ndarray] = {}
        while missing:
            topic, message = await queue.get()
            if topic == "carta.error.data":
                # A warning, too: that of a file which was written again while it was open.
                if message["severity"] in ("WARNING", "ERROR", "CRITICAL") and "tiles" in message["tags"]:
                    raise CallError({"code": -32001, "message": message["message"]}, "carta.add.required.tiles")
                continue
            if message["file_id"] != self.file_id or channel not in (None, message["channel"]) or stokes not in (None, message["stokes"]):
                continue
            for tile in message["tiles"]:
                code = tile["layer"] << 24 | tile["y"] << 12 | tile["x"]
                pixels = numpy.frombuffer(tile["image_data"], dtype="<f4").reshape(tile["height"], tile["width"]).copy()
                pixels[pixels <= NO_DATA] = numpy.nan
                found[tile["layer"], tile["x"], tile["y"]] = pixels
                missing.discard(code)
        return found


def _range_of(name: str, wanted: Index, length: int) -> Tuple[int, int, int]:
    """First, end and step."""
    if wanted is None:
        return 0, length, 1
    if isinstance(wanted, slice):
        first, last, step = wanted.indices(length)
        if step < 1:
            raise ValueError(f"{name}: the step must be positive")
        if last <= first:
            raise ValueError(f"{name}: nothing is in that range")
        return first, last, step
    index = operator.index(wanted)
    if not -length <= index < length:
        raise IndexError(f"{name} is {index}, the image has {length}")
    return index % length, index % length + 1, 1


def _parts(shape: List[int]) -> Iterator[Tuple[slice, ...]]:
    """Cuts an array of that shape into parts of at most PART values, along its first axes."""
    cut = next(axis for axis in range(len(shape)) if math.prod(shape[axis + 1 :]) <= PART)
    step = max(1, PART // math.prod(shape[cut + 1 :]))
    steps = [1] * cut + [step] + shape[cut + 1 :]
    for starts in itertools.product(*(range(0, length, by) for length, by in zip(shape, steps))):
        yield tuple(slice(start, min(length, start + by)) for start, length, by in zip(starts, shape, steps))


def _nearest(value: float) -> int:
    """Half away from zero, as the ICD rounds a cursor."""
    return int(numpy.floor(abs(value) + 0.5) * (1 if value >= 0 else -1))


def _pairs(points: Any) -> List[List[float]]:
    array = numpy.atleast_2d(numpy.asarray(points, dtype=float))
    return list(itertools.starmap(lambda x, y: [float(x), float(y)], array))
