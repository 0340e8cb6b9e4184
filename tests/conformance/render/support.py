"""What the tests of pictures share: numpy's idea of what a picture of a plane looks like, written from the documentation, and PIL to read files."""

import io
import json
import sys
from pathlib import Path

import numpy
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "conformance" / "images"))
from harness import PATIENCE, CallFailed, ServerTest, connect, downsampled, histogram_of, open_file, until  # noqa: E402,F401

BLANK, BACKGROUND = (33, 38, 46, 255), (0, 0, 0, 0)
ANCHORS = json.loads((ROOT / "imaging/render/colour_maps.json").read_text("utf-8"))


def colour_map(name, inverted=False):
    """(256, 4) of uint8: straight lines between the colours of the file."""
    anchors = numpy.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in ANCHORS[name].split()], "f8")
    at = numpy.arange(256) / 255 * (len(anchors) - 1)
    rgb = numpy.stack([numpy.interp(at, numpy.arange(len(anchors)), anchors[:, k]) for k in range(3)], 1)
    table = numpy.concatenate([numpy.floor(rgb + 0.5), numpy.full((256, 1), 255)], 1).astype("u1")
    return table[::-1] if inverted else table


STRETCHES = {
    "linear": lambda t: t,
    "log": lambda t: numpy.log(1 + 1000 * t) / numpy.log(1001),
    "sqrt": numpy.sqrt,
    "asinh": lambda t: numpy.arcsinh(t / 0.1) / numpy.arcsinh(10),
}


def coloured(values, limits, name="Inferno", stretch="linear", inverted=False, blank=BLANK):
    """Values of any shape as RGBA."""
    low, high = limits
    values = numpy.asarray(values, "f8")
    good = numpy.isfinite(values)
    if high > low:
        t = numpy.clip((values - low) / (high - low), 0, 1)
    else:
        t = numpy.where(values == low, 0.5, values > low)
    index = numpy.where(good, STRETCHES[stretch](numpy.where(good, t, 0)) * 255 + 0.5, 0).astype(int)
    return numpy.where(good[..., None], colour_map(name, inverted)[index], numpy.array(blank, "u1"))


def picture(plane, size, x, y, scale):
    """What each picture pixel shows: the value under its middle, or the mean of the blocks whose centres lie in it. (values, inside), rows from the top down."""
    width, height = size
    mip = 1
    while 2 * mip * scale <= 1 and mip < max(plane.shape):
        mip *= 2
    blocks = downsampled(plane, mip)

    def along(count, centre, length, n, up):
        ranges, half = [], 0.5 / scale
        for i in range(count):
            at = centre + (1 if up else -1) * (i + 0.5 - count / 2) / scale
            if not -0.5 <= at < length - 0.5:
                ranges.append(None)
                continue
            inside = [b for b in range(n) if at - half <= b * mip + (mip - 1) / 2 < at + half]
            ranges.append(inside if len(inside) > 1 else [min(n - 1, int((at + 0.5) // mip))])
        return ranges

    columns = along(width, x, plane.shape[1], blocks.shape[1], True)
    rows = along(height, y, plane.shape[0], blocks.shape[0], False)
    values, inside = numpy.full((height, width), numpy.nan), numpy.zeros((height, width), bool)
    for j, row in enumerate(rows):
        for i, column in enumerate(columns):
            if row is None or column is None:
                continue
            inside[j, i] = True
            part = blocks[numpy.ix_(row, column)]
            good = part[numpy.isfinite(part)]
            values[j, i] = good.mean() if good.size else numpy.nan
    return values, inside


def rgba(answer):
    """The pixels of the file in an answer or a publication."""
    with Image.open(io.BytesIO(answer["data"] if "data" in answer else answer["image"])) as file:
        return numpy.array(file.convert("RGBA")), file.format, file.mode
