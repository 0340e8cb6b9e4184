"""Pictures of planes: values → colours → PNG, here in Python from the pixels (Picture), or files that the server has drawn (RenderedPicture)."""

import os
import struct
import zlib
from typing import Any, Callable, Dict, Optional, Tuple, Union

import numpy

from .needs import needs
from .types import Array

STRETCHES: Dict[str, Callable[[Array], Array]] = {
    "linear": lambda v: v,
    "sqrt": numpy.sqrt,
    "square": numpy.square,
    "log": lambda v: numpy.asarray(numpy.log1p(1000 * v) / numpy.log1p(1000)),
    "asinh": lambda v: numpy.asarray(numpy.arcsinh(10 * v) / numpy.arcsinh(10)),
}


class Picture:
    """Attributes: `rgba`, an array (height, width, 4) of uint8, top row first, transparent where the image is blank; `limits`, the values at the
    ends of the colour map."""

    def __init__(self, rgba: Array, limits: Tuple[float, float]) -> None:
        self.rgba, self.limits = rgba, limits

    def __repr__(self) -> str:
        return f"<cubelink.Picture {self.rgba.shape[1]} × {self.rgba.shape[0]}, {self.limits[0]:g} to {self.limits[1]:g}>"

    @property
    def png(self) -> bytes:
        """The picture as a PNG file."""
        height, width = self.rgba.shape[:2]
        rows = numpy.zeros((height, 1 + 4 * width), "u1")  # each begins with its filter: none
        rows[:, 1:] = self.rgba.reshape(height, -1)
        chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)

    def save(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Writes a PNG file on this machine."""
        with open(path, "wb") as file:
            file.write(self.png)

    def _repr_png_(self) -> bytes:
        return self.png


class RenderedPicture:
    """A picture that the server has drawn. Attributes: `data`, the bytes of the file; `format`: png, jpeg or webp; `mime_type`; `width`, `height`; `limits`, the
    values at the ends of the colour map, and `stretch`, as used; `view`: x, y (the image point in the middle) and scale (pixels per image pixel)."""

    def __init__(self, answer: Dict[str, Any]) -> None:
        self.data = bytes(answer["data"])
        self.format: str = answer["format"]
        self.mime_type: str = answer["mime_type"]
        self.width, self.height = int(answer["width"]), int(answer["height"])
        self.limits: Tuple[float, float] = (answer["limits"][0], answer["limits"][1])
        self.stretch: str = answer["stretch"]
        self.view: Dict[str, float] = dict(answer["view"])

    def __repr__(self) -> str:
        return f"<cubelink.RenderedPicture {self.width} × {self.height}, {self.format}, {self.limits[0]:g} to {self.limits[1]:g}>"

    @property
    def rgba(self) -> Array:
        """(height, width, 4) of uint8, top row first. Of PNG; of other formats with PIL."""
        if self.format == "png":
            return _pixels_of_png(self.data, self.width, self.height)
        import io

        needs("PIL", f"reading {self.format}")
        from PIL import Image

        return numpy.array(Image.open(io.BytesIO(self.data)).convert("RGBA"))

    def save(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Writes the file on this machine."""
        with open(path, "wb") as file:
            file.write(self.data)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Dict[str, bytes]:
        return {self.mime_type: self.data}


def _pixels_of_png(data: bytes, width: int, height: int) -> Array:
    """Of the PNG files that the server writes: 8 bits, not interlaced, colours or indices, rows unfiltered or as differences to the pixel before or above."""
    at, compressed, channels = 8, b"", 0
    palette = numpy.full((256, 4), 255, "u1")
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            channels = {2: 3, 3: 1, 6: 4}[body[9]]
        elif kind == b"PLTE":
            palette[: length // 3, :3] = numpy.frombuffer(body, "u1").reshape(-1, 3)
        elif kind == b"tRNS":
            palette[:length, 3] = numpy.frombuffer(body, "u1")
        elif kind == b"IDAT":
            compressed += body
        at += length + 12
    rows = numpy.frombuffer(zlib.decompress(compressed), "u1").reshape(height, 1 + channels * width)
    values = numpy.empty((height, width, channels), "u1")
    for y, row in enumerate(rows):
        values[y] = row[1:].reshape(width, channels)
        if row[0] == 1:
            values[y] = numpy.cumsum(values[y], axis=0, dtype="u1")
        elif row[0] == 2 and y > 0:
            values[y] += values[y - 1]
        elif row[0] > 2:
            raise ValueError(f"a PNG with rows filtered by method {row[0]}: PIL reads it")
    if channels == 1:
        return numpy.take(palette, values[..., 0], axis=0)
    pixels: Array = numpy.full((height, width, 4), 255, "u1")
    pixels[..., :channels] = values
    return pixels


def render(values: Array, size: int, colour_map: str, invert: bool, stretch: str, percentile: float,
           limits: Optional[Tuple[float, float]]) -> Picture:
    """Values (y, x), bottom row first, as a picture; larger ones than `size` become means of blocks."""
    if stretch not in STRETCHES:
        raise ValueError(f"there is no stretch {stretch!r}, but {', '.join(STRETCHES)}")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}, not between 0 and 100")
    colours = _colours(colour_map)
    values = _means(numpy.asarray(values, float), -(-max(values.shape) // max(1, size)))
    finite = numpy.isfinite(values)
    if limits is None:
        tail = (100 - percentile) / 2
        low, high = map(float, numpy.percentile(values[finite], [tail, 100 - tail])) if finite.any() else (0.0, 1.0)
    else:
        low, high = limits
    with numpy.errstate(invalid="ignore"):
        scaled = numpy.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    levels = numpy.zeros(values.shape, "u1")
    levels[finite] = numpy.rint(255 * STRETCHES[stretch](scaled[finite]))
    rgba = numpy.zeros((*values.shape, 4), "u1")
    rgba[finite, :3] = colours[::-1][levels[finite]] if invert else colours[levels[finite]]
    rgba[finite, 3] = 255
    return Picture(rgba[::-1], (low, high))


def _means(values: Array, by: int) -> Array:
    """Means of the finite values of blocks; those at the far edges may be smaller."""
    if by <= 1:
        return values
    padded = numpy.pad(values, [(0, -length % by) for length in values.shape], constant_values=numpy.nan)
    blocks = padded.reshape(padded.shape[0] // by, by, padded.shape[1] // by, by)
    finite = numpy.isfinite(blocks)
    count = finite.sum(axis=(1, 3))
    total = numpy.where(finite, blocks, 0).sum(axis=(1, 3))
    return numpy.where(count > 0, total / numpy.maximum(count, 1), numpy.nan)


def _colours(name: str) -> Array:
    """(256, 3) of uint8"""
    ramp = numpy.linspace(0, 1, 256)
    if name in ("gray", "grey"):
        table = numpy.stack([ramp] * 3, axis=1)
    elif name == "heat":
        table = numpy.clip(numpy.stack([3 * ramp, 3 * ramp - 1, 3 * ramp - 2], axis=1), 0, 1)
    else:
        needs("matplotlib", f"the colour map {name!r}, which is neither gray nor heat,")
        import matplotlib

        if name not in matplotlib.colormaps:
            raise ValueError(f"there is no colour map {name!r}")
        table = matplotlib.colormaps[name](ramp)[:, :3]
    colours: Array = numpy.rint(255 * table).astype("u1")
    return colours
