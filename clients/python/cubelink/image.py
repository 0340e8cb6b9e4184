"""An open image: exact pixels, spectra, statistics, coordinates, regions, tiles and pictures."""

import asyncio
import itertools
import math
import operator
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, SupportsIndex, Tuple, Union

import numpy

from . import contours, cutouts, picture, polarization, regions, tiles, vectors, world
from .connection import Connection
from .jupyter import View
from .listening import Publications
from .needs import needs
from .selection import select
from .statistics import Statistics
from .tiles import TilePlace
from .types import Array
from .vectors import Vectors

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io.fits import Header, PrimaryHDU
    from astropy.table import QTable
    from astropy.units import Quantity, UnitBase
    from astropy.wcs import WCS

    from .picture import Picture, RenderedPicture
    from .regions import Region

Index = Union[SupportsIndex, slice, None]

# What moments() makes of a spectrum, with the ICD's numbers.
MOMENTS = {"mean": 0, "integrated": 1, "velocity": 2, "dispersion": 3, "median": 4, "median-velocity": 5, "sigma": 6, "rms": 7, "mean-deviation": 8, "max": 9, "max-velocity": 10,
           "min": 11, "min-velocity": 12}  # fmt: skip
AXES = ("stokes", "channel", "y", "x")
PART = 1 << 24  # values that are read at once; of 8 bytes, half of what the server allows
TILE = 256  # pixels on a side
TILES_AT_ONCE = 256  # asked for with one call


class Image:
    """An image that is open on the server. Attributes:

    file_id     its number in the session
    name        of the file
    shape       as numpy has it: (stokes, channel, y, x) without leading axes of length 1. A cube is (channel, y, x), a plane (y, x)
    axes        the names of these axes
    info        the ICD's extended file information

    `await image[…]` gives exact values, indexed as numpy does. Pixels are counted from 0, their centres are whole numbers."""

    def __init__(self, client: Connection, file_id: int, ack: Dict[str, Any]) -> None:
        self.client = client
        self.file_id = file_id
        self.ack = ack
        self.info: Dict[str, Any] = ack["file_info_extended"]
        self.name: str = ack["file_info"]["name"]
        self._lengths: Tuple[int, ...] = tuple(max(1, self.info[key]) for key in ("stokes", "depth", "height", "width"))
        first = next((axis for axis in (0, 1) if self._lengths[axis] > 1), 2)
        self.axes: Tuple[str, ...] = AXES[first:]
        self.shape: Tuple[int, ...] = self._lengths[first:]
        self._dtype: "Optional[numpy.dtype[Any]]" = None

    def __repr__(self) -> str:
        return f"<cubelink.Image {self.name} {self.shape}>"

    async def __aenter__(self) -> "Image":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    @property
    def ndim(self) -> int:
        """The number of axes of `shape`."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of pixels."""
        return math.prod(self.shape)

    @property
    def unit(self) -> "UnitBase":
        """BUNIT as an astropy unit; an unrecognized one keeps its text, and none is dimensionless."""
        return world.unit(self._unit_text)

    @property
    def _unit_text(self) -> str:
        return next((str(entry["value"]) for entry in self.info.get("header_entries", []) if entry["name"] == "BUNIT"), "")

    @property
    def polarizations(self) -> List[str]:
        """The names of what is along the stokes axis: ["I", "Q", "U", "V"]; an empty list if the file has no such axis."""
        return polarization.names(self.info)

    async def close(self) -> None:
        """Closes the image, for all connections of the session."""
        await self.client.call("carta.close.file", {"file_id": self.file_id})

    # Pixels

    async def __getitem__(self, index: Any) -> Array:
        """Exact values as numpy would index an array of `shape`: whole numbers, slices, ..., None. float32 or float64 with NaN for blanks, or
        integers of 64 bits. What is too large for one answer of the server is read in parts."""
        chosen = select(index, self.shape, self.axes)
        ranges = [range(1)] * (len(AXES) - self.ndim) + chosen.ranges
        block = await self._block(ranges)
        values: Array = block.reshape([len(part) for part in chosen.ranges])[chosen.pick]
        return values

    async def read(self, x: Index = None, y: Index = None, channel: Index = None, stokes: Union[Index, str] = None) -> Array:
        """Exact values by the axes' names: the same as image[stokes, channel, y, x]. Each argument is a number, a slice, or None for the whole axis;
        an axis that was given as a number is left out of the result; `stokes` may be a name of `polarizations`. Axes that `shape` does not have may be given, and are left out as well."""
        wanted = dict(zip(AXES, (self._stokes_index(stokes), channel, y, x)))
        for name, length in zip(AXES, self._lengths):
            if name not in self.axes and wanted[name] is not None:
                select(wanted[name], (length,), (name,))
        return await self[tuple(slice(None) if wanted[name] is None else wanted[name] for name in self.axes)]

    def _stokes_index(self, stokes: Any) -> Any:
        return polarization.index(stokes, self.polarizations) if isinstance(stokes, str) else stokes

    async def dtype(self) -> "numpy.dtype[Any]":
        """Of the values that are read."""
        if self._dtype is None:
            await self._block([range(1)] * len(AXES))
        assert self._dtype is not None
        return self._dtype

    async def _block(self, ranges: Sequence[range]) -> Array:
        """Values at ascending ranges of the four axes."""
        shape = [len(part) for part in ranges]
        if not all(shape):
            return numpy.empty(shape, await self.dtype())
        array: Optional[Array] = None
        for part in _parts(shape):
            pieces = [whole[at] for whole, at in zip(ranges, part)]
            bounds = {name: [piece[0], piece[-1] + 1, piece.step] for name, piece in zip(AXES, pieces)}
            block = await self.client.call("image.read", file_id=self.file_id, **bounds)
            values = numpy.frombuffer(block["data"], dtype=block["dtype"]).reshape(block["shape"])
            if array is None:
                array = numpy.empty(shape, values.dtype)
                self._dtype = values.dtype
            array[part] = values
        assert array is not None
        return array

    # Spectra and statistics

    async def spectrum(self, x: Any, y: Optional[float] = None, stokes: Union[int, str] = 0) -> Array:
        """The values (channel,) of the pixel nearest to (x, y), or to a SkyCoord given in place of both. IndexError outside the image."""
        if y is None:
            x, y = await self._place(x)
        place = {"x": _nearest(x), "y": _nearest(y)}
        for (name, at), length in zip(place.items(), self._lengths[:1:-1]):
            if not 0 <= at < length:
                raise IndexError(f"{name} is {at}, the image has {length}")
        one_stokes = select(self._stokes_index(stokes), self._lengths[:1], AXES[:1]).ranges[0]
        ranges = [one_stokes, range(self._lengths[1]), range(place["y"], place["y"] + 1), range(place["x"], place["x"] + 1)]
        return (await self._block(ranges)).reshape(-1)

    async def spectrum_table(self, x: Any, y: Optional[float] = None, stokes: Union[int, str] = 0, kind: str = "frequency", rest_freq: Any = None) -> "QTable":
        """The same as an astropy QTable: channel, the spectral coordinate (see spectral_axis), value."""
        needs("astropy", "spectrum_table()")
        return await self._table(await self.spectrum(x, y, stokes), self.unit, kind, rest_freq)

    async def _table(self, values: Array, unit: "UnitBase", kind: str, rest_freq: Any) -> "QTable":
        from astropy.table import QTable

        axis = await self.spectral_axis(kind, rest_freq)
        return QTable([numpy.arange(len(values)), axis, values * unit], names=["channel", kind.replace(" ", "_"), "value"])

    async def statistics(self, types: Optional[Sequence[str]] = None, region: Any = None, channels: Any = None, stokes: Any = None,
                         percentiles: Sequence[float] = ()) -> Statistics:
        """Exact statistics of the finite pixels: a map of their names to numbers, with attributes `percentiles`, `channels`, `stokes`, `unit`, and
        quantity(name) for a value with its unit. `types`: Mean, Sigma, Max, …, Median,
        MAD, Q1, Q3, Percentile:97.5; `region`: a Region or its id, a map like region_info, or None for the whole image; `channels`: an index, a pair (from, to),
        `to` not included, a pair of Quantities as in channels(), or None for the one that is shown; `stokes`: an index or a name."""
        channels = await self._channel_range(channels)
        region = getattr(region, "region_id", region)
        arguments = dict(types=types, region=region, channels=channels, stokes=stokes)
        named = {name: list(value) if isinstance(value, (tuple, list)) else value for name, value in arguments.items() if value is not None}
        return Statistics(await self.client.call("image.statistics", file_id=self.file_id, percentiles=list(percentiles), **named))

    # Coordinates

    async def spectral_axis(self, kind: str = "frequency", rest_freq: Any = None, frame: Optional[str] = None, position: "Optional[SkyCoord]" = None) -> "Quantity":
        """The channels' coordinates (channel,) as a Quantity. `kind` is one of channel, frequency, wavelength, air_wavelength, velocity_radio,
        velocity_optical, velocity_relativistic; `rest_freq`, in Hz or a Quantity, takes the place of the header's; `frame`, one of FITS's codes (LSRK, BARYCENT, TOPOCENT,
        …), that of the header's, for the direction of `position` (None: of the image's middle)."""
        arguments: Dict[str, Any] = {} if rest_freq is None else {"rest_freq": world.hertz(rest_freq)}
        if frame is not None:
            arguments["frame"] = frame
        if position is not None:
            arguments["point"] = list(await self._place(position))
        return world.spectral_axis(await self.client.call("image.spectral_axis", file_id=self.file_id, kind=kind, **arguments))

    async def channels(self, low: "Quantity", high: "Quantity", rest_freq: Any = None) -> Tuple[int, int]:
        """The channels (from, to), `to` not included, whose coordinates lie between two frequencies, wavelengths in vacuum or radio velocities. ValueError if
        there is none, IndexError if the image has no such axis."""
        if not (hasattr(low, "unit") and hasattr(high, "unit")):
            raise TypeError("channels() takes two Quantities")
        first, end = await self._channel_range((low, high), rest_freq)
        return first, end

    async def _channel_range(self, channels: Any, rest_freq: Any = None) -> Any:
        """(from, to) of a pair of Quantities, or an array of two, and of a slice or range; what else was given as it is."""
        if isinstance(channels, (slice, range)):
            part = range(self._lengths[1])[channels] if isinstance(channels, slice) else channels
            if part.step != 1:
                raise ValueError("channels follow each other: a slice of them has a step of 1")
            return part.start, part.stop
        pair = list(channels) if isinstance(channels, (tuple, list)) or hasattr(channels, "unit") else []
        if len(pair) != 2 or not all(hasattr(value, "unit") for value in pair):
            return channels
        kind = world.spectral_kind(pair[0])
        return world.channels_between(await self.spectral_axis(kind, rest_freq), pair[0], pair[1])

    async def to_world(self, points: Any, frame: str = "") -> Dict[str, Any]:
        """World positions of pixels [[x, y], …]: a map with `points` (in degrees for the sky), `frame`, `names` and `units`. `frame` may
        be ICRS, FK5, FK4, GALACTIC or ECLIPTIC instead of the image's own."""
        answer: Dict[str, Any] = await self.client.call("image.to_world", file_id=self.file_id, points=_pairs(points), frame=frame)
        return answer

    async def to_pixel(self, points: Any, frame: str = "") -> Dict[str, Any]:
        """The inverse of to_world(): a map with `points`, pixels counted from 0."""
        answer: Dict[str, Any] = await self.client.call("image.to_pixel", file_id=self.file_id, points=_pairs(points), frame=frame)
        return answer

    async def sky(self, x: Any, y: Any) -> "SkyCoord":
        """The ICRS positions of pixels, numbers or arrays of one shape."""
        x, y = numpy.broadcast_arrays(numpy.asarray(x, float), numpy.asarray(y, float))
        answer = await self.to_world(numpy.column_stack([x.ravel(), y.ravel()]), "ICRS")
        return world.sky(answer["points"], x.shape)

    async def pixel(self, position: "SkyCoord") -> Tuple[Array, Array]:
        """The pixels (x, y) of sky positions in any frame, in the positions' shape; NaN where there is none."""
        points = numpy.asarray((await self.to_pixel(world.icrs_degrees(position), "ICRS"))["points"], float)
        return points[:, 0].reshape(position.shape), points[:, 1].reshape(position.shape)

    async def _place(self, position: "SkyCoord") -> Tuple[float, float]:
        """The pixel of one position."""
        x, y = (float(value) for value in await self.pixel(position))
        if not (math.isfinite(x) and math.isfinite(y)):
            raise IndexError(f"{position.to_string('hmsdms')} is not on the sky that the image shows")
        return x, y

    async def header(self) -> "Header":
        """The header as an astropy.io.fits.Header."""
        needs("astropy", "header()")
        from astropy.io import fits

        cards = (await self.client.call("image.header", file_id=self.file_id))["cards"]
        return fits.Header.fromstring("".join(card.ljust(80)[:80] for card in cards))

    async def wcs(self) -> "WCS":
        """The world coordinates as an astropy.wcs.WCS, of the file's axes."""
        needs("astropy", "wcs()")
        from astropy.wcs import WCS

        return WCS(await self.header())

    async def hdu(self, x: Index = None, y: Index = None, channel: Index = None, stokes: Union[Index, str] = None) -> "PrimaryHDU":
        """The image or a part of it as an astropy.io.fits.PrimaryHDU: exact values, the axes of the file, and the header with CRPIX of the part. Each argument is a
        number, a slice with a step of 1, or None for the whole axis."""
        needs("astropy", "hdu()")
        wanted = dict(zip(AXES, (self._stokes_index(stokes), channel, y, x)))
        ranges = [range(length) if wanted[name] is None else select(wanted[name], (length,), (name,)).ranges[0] for name, length in zip(AXES, self._lengths)]
        if any(len(part) == 0 or (len(part) > 1 and part.step != 1) for part in ranges):
            raise ValueError("the parts of an HDU are numbers, or slices with something in them and a step of 1")
        block = await self._block(ranges)
        return cutouts.hdu(block, ranges, await self.header(), cutouts.file_axes(self.info, AXES), AXES)

    async def cutout(self, position: "SkyCoord", size: Any, channel: Index = None, stokes: Union[Index, str] = None) -> "PrimaryHDU":
        """hdu() of a rectangle around a position, as far as it is in the image (IndexError if nothing is). `size`: one or (width, height), angles as Quantities or
        pixels; the angles are measured where the position is."""
        x, y = await self._place(position)
        sizes = size if numpy.size(size) == 2 else (size, size)
        if any(hasattr(value, "unit") for value in sizes):
            beside = await self.sky([x, x + 1, x], [y, y, y + 1])
            scales = beside[0].separation(beside[1:]).deg
            sizes = [float((value / (scale * world.degree())).to_value("")) for value, scale in zip(sizes, scales)]
        columns, rows = cutouts.around(x, y, (float(sizes[0]), float(sizes[1])), (self._lengths[2], self._lengths[3]))
        return await self.hdu(columns, rows, channel, stokes)

    # Regions

    async def set_region(self, kind: str, points: Any, rotation: float = 0, region_id: int = -1) -> int:
        """Makes a region, or changes the one of that id; returns its id. `kind` is the ICD's: POINT, LINE, POLYLINE, RECTANGLE, ELLIPSE,
        POLYGON. `points` [[x, y], …] are pixels of this image: the vertices; of a rectangle the centre and (width, height); of an ellipse
        the centre and the semi-axes, of which the first lies along y. `rotation` in degrees, counter-clockwise."""
        request = {"file_id": self.file_id, "region_id": region_id, "region_info": regions.info(kind, points, rotation)}
        return int((await self.client.call("carta.set.region", request))["region_id"])

    async def remove_region(self, region_id: int) -> None:
        """Removes a region, by its id, for all who are in the session."""
        await self.client.call("carta.remove.region", {"region_id": region_id})

    async def add_region(self, shape: Any, points: Any = None, rotation: float = 0) -> "Region":
        """A new region: a kind with its points as in set_region(), or a region of astropy's package `regions`, in pixels or on the sky."""
        return await regions.add(self, shape, points, rotation)

    async def regions(self) -> "List[Region]":
        """The session's regions that were made on this image, also by others."""
        return await regions.of_image(self)

    async def import_regions(self, text: str) -> "List[Region]":
        """Makes the regions of a text in DS9's or CASA's format. Nothing that can be read: CallError."""
        return await regions.read(self, text)

    async def export_regions(self, format: str = "CRTF", world: bool = False, chosen: "Optional[Sequence[Region]]" = None) -> str:
        """The text of regions (None: all of the session) in the format "CRTF" or "DS9", in pixels or in world coordinates."""
        return await regions.write(self, format, world, chosen)

    async def region_spectrum(self, region_id: Any, statistic: str = "Mean", stokes: str = "", timeout: float = 60) -> Array:
        """One value for each channel (channel,), NaN where there is none: a statistic (Mean, Sum, FluxDensity, RMS, Sigma, SumSq, Min, Max, Extrema,
        NumPixels) of the region's pixels, or the pixel of a point. The region, or its id, may be of another image that shows the same sky. `stokes`: the
        one that is shown, or I, Q, U, V, Ptotal, Plinear, PFtotal, PFlinear, Pangle. Replaces what this connection required of the region's spectra,
        and requires none afterwards."""
        region_id = getattr(region_id, "region_id", region_id)
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

    async def _whole_spectrum(self, queue: Publications, region_id: int, coordinate: str, statistic: str) -> Array:
        while True:
            _, message = await queue.get()
            if (message["file_id"], message["region_id"]) != (self.file_id, region_id) or message["progress"] < 1:
                continue
            for profile in message["profiles"]:
                if (profile["coordinate"], profile["stats_type"]) == (coordinate, statistic):
                    return numpy.frombuffer(profile["raw_values_fp64"], "<f8").copy()

    # What the session shows

    async def set_channel(self, channel: Optional[int] = None, stokes: Union[None, int, str] = None) -> None:
        """Shows another plane to all who are in the session; None keeps what is shown. `stokes`: an index, a name of `polarizations`, or a computed one: Ptotal,
        Plinear, PFtotal, PFlinear, Pangle."""
        channel, stokes = await self._plane(channel, polarization.COMPUTED.get(stokes, stokes) if isinstance(stokes, str) else stokes)
        await self.client.call("carta.set.image.channels", {"file_id": self.file_id, "channel": channel, "stokes": stokes})

    async def set_cursor(self, x: float, y: float) -> None:
        """Puts the session's cursor there."""
        await self.client.call("carta.set.cursor", {"file_id": self.file_id, "point": {"x": float(x), "y": float(y)}})

    async def view(self, width: Union[int, str] = "100%", height: int = 640, page: Optional[str] = None) -> "View":
        """The server's page in this session with this image in front, to show in a notebook: see Client.view(). Moves the session's cursor to the image."""
        if ((await self.client.call("session.state")).get("cursor") or {}).get("file_id") != self.file_id:
            await self.set_cursor((self.info["width"] - 1) // 2, (self.info["height"] - 1) // 2)
        return View(self.client.address, self.client.session_id, width, height, page)

    async def shown(self) -> Tuple[int, int]:
        """The channel and the stokes that the session shows."""
        return await self._plane(None, None)

    async def contours(self, levels: Sequence[float], smoothing: int = 0, timeout: float = 60) -> Dict[float, List[Array]]:
        """Contours of the plane that is shown: for each level its lines, arrays (n, 2) of x and y in pixels. `smoothing` is the standard deviation
        of a Gaussian as the ICD's factor has it, (factor − 1) / 2 pixels. Replaces contours that this connection required, and requires none afterwards."""
        return await contours.contours(self.client, self.file_id, levels, smoothing, timeout)

    async def vectors(self, block: int = 1, fractional: bool = False, threshold: float = math.nan, timeout: float = 60) -> Vectors:
        """Polarization vectors of the channel that is shown, of an image with I, Q and U: the server averages `block` × `block` pixels for each. `fractional`: the
        length is per cent of I; `threshold`: of I, below which there is no vector. Replaces the vector overlay that this connection required, and requires
        none afterwards."""
        return await vectors.vectors(self.client, self.file_id, self._lengths[3], self._lengths[2], operator.index(block), fractional, threshold, timeout)

    async def moments(self, moments: Sequence[Union[int, str]] = (1,), channels: Any = None, region: Any = 0,
                      mask: Optional[Tuple[float, float]] = None, rest_freq: Any = None) -> "List[Image]":
        """Moment images, opened in the session, in the order of `moments`: names as in MOMENTS ("integrated", "velocity", "dispersion", "max", …), or the
        ICD's names or numbers (in which 0 is the mean, and 1 the integral that is called moment 0 elsewhere).
        `channels`: (from, to), `to` not included, or a pair of Quantities as in channels(); `mask`: the range of values that counts; `rest_freq` in Hz or a Quantity."""
        channels = await self._channel_range(channels, rest_freq)
        request: Dict[str, Any] = {"file_id": self.file_id, "moments": [_moment(one) for one in moments], "region_id": getattr(region, "region_id", region), "keep": True}
        if channels is not None:
            request["spectral_range"] = {"min": channels[0], "max": channels[1] - 1}
        if mask is not None:
            request.update(mask="Include", pixel_range={"min": mask[0], "max": mask[1]})
        if rest_freq is not None:
            request["rest_freq"] = world.hertz(rest_freq)
        answer = await self.client.call("carta.moment.request", request)
        return [Image(self.client, ack["file_id"], ack) for ack in answer["open_file_acks"]]

    async def save(self, path: str, channels: Sequence[int] = (), stokes: Sequence[int] = (), region: Any = 0, overwrite: bool = False) -> str:
        """Writes the image, or a part of it, as a FITS file below the server's folder; returns what could not be kept. `channels` and `stokes`:
        (from, to) or (from, to, step), `to` not included; `region`: a Region or its id, whose bounding box is kept and what is outside of it blank."""
        directory, _, name = path.rpartition("/")
        request = {"file_id": self.file_id, "output_file_directory": directory, "output_file_name": name, "output_file_type": "FITS", "channels": _first_last_step(channels),
                   "stokes": _first_last_step(stokes), "region_id": getattr(region, "region_id", region), "keep_degenerate": True, "overwrite": overwrite}
        return str((await self.client.call("carta.save.file", request))["message"])

    # Tiles and pictures

    async def plane(self, size: int = 1024) -> Array:
        """The plane that is shown as means of blocks, at most about `size` pixels on its longer side: (y, x) of float32."""
        height, width = self._lengths[2:]
        layers = max(0, math.ceil(math.log2(max(height, width) / TILE)))
        layer = max(0, layers - max(0, math.ceil(math.log2(max(height, width) / max(1, size)))))
        across, down = (-(-length // (TILE << (layers - layer))) for length in (width, height))
        places = [(layer, x, y) for y in range(down) for x in range(across)]
        found: Dict[TilePlace, Array] = {}
        for first in range(0, len(places), TILES_AT_ONCE):
            found.update(await self.tiles(places[first : first + TILES_AT_ONCE]))
        whole: Array = numpy.block([[found[layer, x, y] for x in range(across)] for y in range(down)])
        return whole

    async def picture(self, size: int = 512, channel: Optional[int] = None, stokes: Union[None, int, str] = None, x: Optional[slice] = None, y: Optional[slice] = None,
                      colour_map: str = "gray", invert: bool = False, stretch: str = "linear", percentile: float = 99.5,
                      limits: Optional[Tuple[float, float]] = None) -> "Picture":
        """A picture with at most about `size` pixels on its longer side, for `.rgba`, `.png`, `.save()` and notebooks. Without channel, stokes and
        ranges: the plane that is shown. With any of them: that plane or cut-out, which the session need not show. `stretch`: linear, sqrt, log, asinh,
        square; `percentile`: of the values that are kept between the ends of the colour map, unless `limits` are given; `colour_map`: gray, heat,
        or with matplotlib any of its names."""
        if all(part is None for part in (channel, stokes, x, y)):
            values = await self.plane(size)
        else:
            at = await self._plane(channel, stokes)
            rows, columns = (range(length)[part or slice(None)] for part, length in zip((y, x), self._lengths[2:]))
            values = await self._sampled(at, rows, columns, size)
        return picture.render(values, size, colour_map, invert, stretch, percentile, limits)

    async def render(self, /, size: Union[None, int, Tuple[int, int]] = None, view: Optional[Mapping[str, float]] = None, stretch: Optional[str] = None,
                     colour_map: Optional[str] = None, format: str = "png", *, quality: Optional[float] = None, invert: bool = False, percentile: Optional[float] = None,
                     limits: Optional[Tuple[float, float]] = None, beam: bool = False, grid: Union[bool, str, Mapping[str, Any]] = False, channel: Optional[int] = None,
                     stokes: Union[None, int, str] = None, **more: Any) -> "RenderedPicture":
        """A picture that the server draws and encodes, as the viewer shows it: only the file travels. `size`: (width, height), or of the longer side; `view`:
        {"x", "y", "scale"} or {"x_min", "x_max", "y_min", "y_max"} (the last not included), by default the whole image; `stretch`: auto, linear, log, sqrt, asinh;
        `colour_map`: one of the viewer's; `format`: png, jpeg, webp; `grid`: True, a frame ("GALACTIC"), or
        {"frame", "labels", "notation"}; `blank`, `background`: colours ("#21262e", "transparent"). The answer has `.data`, `.rgba`, `.save()`, `.limits`, `.view`, and shows itself in notebooks."""
        asked = {"size": list(size) if isinstance(size, tuple) else size, "view": dict(view) if view is not None else None, "stretch": stretch, "colour_map": colour_map,
                 "format": format, "quality": quality, "inverted": invert, "percentile": percentile, "limits": list(limits) if limits is not None else None,
                 "beam": beam, "grid": grid, "channel": channel, "stokes": stokes, **more}
        return picture.RenderedPicture(await self.client.call("image.render", file_id=self.file_id, **{name: value for name, value in asked.items() if value is not None}))

    async def preview(self, size: Tuple[int, int] = (512, 512), channel: Optional[int] = None, stokes: Union[None, int, str] = None) -> Array:
        """A look at a plane of any size, at once: an array of float32 that fits into `size`, (width, height), with the plane's proportions, bottom row first. Each
        value is the pixel in the middle of its part of the plane, no mean. By default of the plane on show."""
        asked = {"channel": channel, "stokes": stokes}
        answer = await self.client.call("image.preview", file_id=self.file_id, width=size[0], height=size[1], **{name: value for name, value in asked.items() if value is not None})
        return numpy.frombuffer(answer["data"], "<f4").reshape(answer["height"], answer["width"])

    async def _sampled(self, at: Tuple[int, int], rows: range, columns: range, size: int) -> Array:
        """A cut-out: exact if it is not too large to be averaged here, else every nth pixel."""
        if rows.step != 1 or columns.step != 1 or not rows or not columns:
            raise ValueError("the ranges of a picture are slices with pixels in them and a step of 1")
        channel, stokes = (range(n, n + 1) for n in at)
        step = max(1, math.isqrt(len(rows) * len(columns) // PART) + 1 if len(rows) * len(columns) > PART else 1)
        values: Array = (await self._block([stokes, channel, rows[::step], columns[::step]]))[0, 0]
        return values

    async def tile(self, layer: int, x: int, y: int, channel: Optional[int] = None, stokes: Union[None, int, str] = None) -> Array:
        """One tile as an array of float32, bottom row first, NaN where blank. `layer` 0 is the whole image in one tile. The channel and
        stokes become the session's current ones if they are given."""
        return (await self.tiles([(layer, x, y)], channel, stokes))[layer, x, y]

    async def tiles(
        self, wanted: Sequence[TilePlace], channel: Optional[int] = None, stokes: Union[None, int, str] = None, timeout: float = 60
    ) -> Dict[TilePlace, Array]:
        """Several tiles at once: {(layer, x, y): array of float32 (height, width)}, each as tile() gives it. They are asked for uncompressed."""
        plane = None if channel is None and stokes is None else await self._plane(channel, stokes)
        return await tiles.tiles(self.client, self.file_id, wanted, plane, timeout)

    async def _plane(self, channel: Optional[int], stokes: Union[None, int, str]) -> Tuple[int, int]:
        """What was given, and of the other what is current."""
        stokes = None if stokes is None else polarization.index(stokes, self.polarizations)
        if channel is not None and stokes is not None:
            return operator.index(channel), operator.index(stokes)
        files = (await self.client.call("session.state"))["files"]
        current = next((file for file in files if file["file_id"] == self.file_id), {"channel": 0, "stokes": 0})
        return current["channel"] if channel is None else channel, current["stokes"] if stokes is None else stokes


def _parts(shape: List[int]) -> Iterator[Tuple[slice, ...]]:
    """Cuts an array of that shape into parts of at most PART values, along its first axes."""
    cut = next(axis for axis in range(len(shape)) if math.prod(shape[axis + 1 :]) <= PART)
    step = max(1, PART // math.prod(shape[cut + 1 :]))
    steps = [1] * cut + [step] + shape[cut + 1 :]
    for starts in itertools.product(*(range(0, length, by) for length, by in zip(shape, steps))):
        yield tuple(slice(start, min(length, start + by)) for start, length, by in zip(starts, shape, steps))


def _moment(moment: Union[int, str]) -> Union[int, str]:
    """As the ICD has it."""
    if isinstance(moment, int) or moment.isupper():
        return moment
    if moment not in MOMENTS:
        raise ValueError(f"there is no moment {moment!r}, but {', '.join(MOMENTS)}")
    return MOMENTS[moment]


def _first_last_step(part: Sequence[int]) -> List[int]:
    """(from, to, step) as SAVE_FILE has it, whose last one is included."""
    if not part:
        return []
    chosen = range(*part) if len(part) > 1 else range(0)
    if not chosen or chosen.step < 1:
        raise ValueError(f"{tuple(part)} is not (from, to) or (from, to, step) with something in it")
    return [chosen[0], chosen[-1], chosen.step]


def _nearest(value: float) -> int:
    """Half away from zero, as the ICD rounds a cursor."""
    return int(numpy.floor(abs(value) + 0.5) * (1 if value >= 0 else -1))


def _pairs(points: Any) -> List[List[float]]:
    array = numpy.atleast_2d(numpy.asarray(points, dtype=float))
    return list(itertools.starmap(lambda x, y: [float(x), float(y)], array))
