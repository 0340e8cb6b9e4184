"""An open image."""

import asyncio
import itertools

import numpy

from .wire import CallError

NO_DATA = -3.402823466e38  # what stands for a blank in uncompressed tiles


class Image:
    """An image that is open on the server. Attributes: `file_id`; `info`, the ICD's extended file information; `shape`
    (stokes, channel, y, x) as numpy has it."""

    def __init__(self, client, file_id, ack):
        self.client = client
        self.file_id = file_id
        self.ack = ack
        self.info = ack["file_info_extended"]
        self.name = ack["file_info"]["name"]
        self.shape = tuple(max(1, self.info[key]) for key in ("stokes", "depth", "height", "width"))

    def __repr__(self):
        return f"<cubelink.Image {self.name} {self.shape}>"

    async def close(self):
        await self.client.call("carta.close.file", {"file_id": self.file_id})

    async def read(self, x=None, y=None, channel=None, stokes=None):
        """Exact values as an array of (stokes, channel, y, x). Each argument is a number, a slice, or None for the whole axis; an axis
        that was given as a number is left out of the result, as numpy does it. Blanks are NaN in floating-point images."""
        axes = dict(stokes=stokes, channel=channel, y=y, x=x)
        ranges = {}
        for (name, wanted), length in zip(axes.items(), self.shape):
            if wanted is None:
                wanted = slice(None)
            if isinstance(wanted, slice):
                first, last, step = wanted.indices(length)
                if step < 1:
                    raise ValueError(f"{name}: the step must be positive")
            else:
                index = int(wanted)
                if not -length <= index < length:
                    raise IndexError(f"{name} is {index}, the image has {length}")
                first = index % length
                last, step = first + 1, 1
            if last <= first:
                raise ValueError(f"{name}: nothing is in that range")
            ranges[name] = [first, last, step]
        block = await self.client.call("image.read", file_id=self.file_id, **ranges)
        array = numpy.frombuffer(block["data"], dtype=block["dtype"]).reshape(block["shape"])
        scalars = tuple(0 if isinstance(wanted, (int, numpy.integer)) else slice(None) for wanted in axes.values())
        return array[scalars]

    async def spectrum(self, x, y, stokes=0):
        """The values of the pixel nearest to (x, y) in all channels."""
        return await self.read(x=_nearest(x), y=_nearest(y), stokes=stokes)

    async def spectral_axis(self, kind="frequency", rest_freq=None):
        """The channels' frequencies, wavelengths or velocities: an array, and its unit. `kind` is one of channel, frequency, wavelength,
        air wavelength, radio velocity, optical velocity, relativistic velocity; `rest_freq` in Hz takes the place of the header's."""
        arguments = {} if rest_freq is None else {"rest_freq": rest_freq}
        axis = await self.client.call("image.spectral_axis", file_id=self.file_id, kind=kind, **arguments)
        values = axis["values"]
        return numpy.frombuffer(values, dtype="<f8") if isinstance(values, bytes) else numpy.array(values), axis["unit"]

    async def to_world(self, points, frame=""):
        """World positions of pixels [[x, y], …]: a map with `points` (in degrees for the sky), `frame`, `names` and `units`. `frame` may
        be ICRS, FK5, FK4, GALACTIC or ECLIPTIC instead of the image's own."""
        return await self.client.call("image.to_world", file_id=self.file_id, points=_pairs(points), frame=frame)

    async def to_pixel(self, points, frame=""):
        """The inverse of to_world(): a map with `points`, pixels counted from 0."""
        return await self.client.call("image.to_pixel", file_id=self.file_id, points=_pairs(points), frame=frame)

    async def header(self):
        """The header as an astropy.io.fits.Header."""
        from astropy.io import fits

        cards = (await self.client.call("image.header", file_id=self.file_id))["cards"]
        return fits.Header.fromstring("".join(card.ljust(80)[:80] for card in cards))

    async def wcs(self):
        """The world coordinates as an astropy.wcs.WCS."""
        from astropy.wcs import WCS

        return WCS(await self.header())

    async def tile(self, layer, x, y, channel=None, stokes=None):
        """One tile as an array of float32, bottom row first, NaN where blank. `layer` 0 is the whole image in one tile. The channel and
        stokes become the session's current ones if they are given."""
        tiles = await self.tiles([(layer, x, y)], channel, stokes)
        return tiles[layer, x, y]

    async def tiles(self, wanted, channel=None, stokes=None, timeout=60):
        """Several tiles at once: {(layer, x, y): array}. They are asked for uncompressed."""
        codes = [layer << 24 | y << 12 | x for layer, x, y in wanted]
        if not codes:
            return {}
        for topic in ("carta.raster.tile.data", "carta.error.data"):
            await self.client._make_sure_of(topic)
        if (channel is None) != (stokes is None):
            channel, stokes = await self._plane(channel, stokes)
        with self.client.listen("carta.raster.tile.data", "carta.error.data") as queue:
            request = {"file_id": self.file_id, "tiles": codes, "compression_type": "NONE", "compression_quality": 0}
            if channel is None and stokes is None:
                await self.client.call("carta.add.required.tiles", request)
            else:
                change = {"file_id": self.file_id, "channel": int(channel), "stokes": int(stokes), "required_tiles": request}
                await self.client.call("carta.set.image.channels", change)
            return await asyncio.wait_for(self._collect(queue, set(codes), channel, stokes), timeout)

    async def _plane(self, channel, stokes):
        """What was given, and of the other what is current."""
        files = (await self.client.call("session.state"))["files"]
        current = next((file for file in files if file["file_id"] == self.file_id), {"channel": 0, "stokes": 0})
        return current["channel"] if channel is None else channel, current["stokes"] if stokes is None else stokes

    async def _collect(self, queue, missing, channel, stokes):
        found = {}
        while missing:
            topic, message = await queue.get()
            if topic == "carta.error.data":
                if message["severity"] in ("ERROR", "CRITICAL") and "tiles" in message["tags"]:
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


def _nearest(value):
    """Half away from zero, as the ICD rounds a cursor."""
    return int(numpy.floor(abs(value) + 0.5) * (1 if value >= 0 else -1))


def _pairs(points):
    array = numpy.atleast_2d(numpy.asarray(points, dtype=float))
    return list(itertools.starmap(lambda x, y: [float(x), float(y)], array))
