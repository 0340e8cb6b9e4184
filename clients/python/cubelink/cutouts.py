"""Parts of images as FITS HDUs. Pure functions."""

import math
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Tuple

import numpy

from . import world
from .types import Array

if TYPE_CHECKING:
    from astropy.io.fits import Header, PrimaryHDU

ROUNDING = 1e-5  # pixels, of positions that went to the sky and back
NUMBERS = {"stokes": "stokes", "channel": "depth", "y": "spatial_y", "x": "spatial_x"}  # an axis's key in the ICD's axes_numbers


def file_axes(info: Mapping[str, Any], names: Sequence[str]) -> Dict[str, int]:
    """The numbers, from 1, of the image's axes in its file."""
    numbers = info.get("axes_numbers") or {}
    return {name: numbers[NUMBERS[name]] for name in names if numbers.get(NUMBERS[name], 0) > 0}


def hdu(block: Array, ranges: Sequence[range], header: "Header", axes: Dict[str, int], names: Sequence[str]) -> "PrimaryHDU":
    """`block` (stokes, channel, y, x), the values at `ranges` of an image with that header, as an HDU with the axes of the file."""
    from astropy.io import fits

    header = header.copy()
    number_of_axes = max([int(header.get("NAXIS", 0)), *axes.values()])
    shape = [1] * number_of_axes
    order: List[int] = []
    for number in range(number_of_axes, 0, -1):
        for place, name in enumerate(names):
            if axes.get(name) == number:
                order.append(place)
                shape[number_of_axes - number] = block.shape[place]
                key = f"CRPIX{number}"
                header[key] = header.get(key, 0.0) - ranges[place].start
    order += [place for place in range(len(names)) if place not in order]  # of length 1: the file does not have them
    if str(header.get("BUNIT", "")).count("/") > 1:  # "Jy/beam.km/s" is for CASA; other readers of FITS divide by all that follows the first slash
        header["BUNIT"] = world.unit(header["BUNIT"]).to_string("fits")
    for key in ("BZERO", "BSCALE", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "XTENSION", "PCOUNT", "GCOUNT", "EXTEND", "GROUPS"):
        header.remove(key, ignore_missing=True)
    return fits.PrimaryHDU(numpy.transpose(block, order).reshape(shape), header)


def around(x: float, y: float, size: Tuple[float, float], shape: Tuple[int, int]) -> Tuple[slice, slice]:
    """The columns and rows of a rectangle of `size` (width, height) pixels around a position, as far as they are in an image (height, width)."""
    parts = []
    for name, centre, extent, length in (("x", x, size[0], shape[1]), ("y", y, size[1], shape[0])):
        if not (math.isfinite(centre) and extent > 0):
            raise ValueError(f"there is no cut-out around {name} = {centre} with a size of {extent} pixels")
        extent = min(extent, 4.0 * length)
        pixels = max(1, round(extent))
        first = math.ceil(min(max(centre, -10.0 * length), 10.0 * length) - pixels / 2 - ROUNDING)
        part = slice(max(0, first), min(length, first + pixels))
        if part.start >= part.stop:
            raise IndexError(f"the cut-out around {name} = {centre:g} is outside of the image, which has {length}")
        parts.append(part)
    return parts[0], parts[1]
