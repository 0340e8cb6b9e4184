"""What the tests of moments share: every moment by numpy, headers with a spectral axis, how moments are asked for."""

import os
import random
import warnings

import numpy
from astropy.io import fits

from harness import PATIENCE, block_values
SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
PROGRESS = "carta.moment.progress"
MOMENTS = ("MEAN_OF_THE_SPECTRUM", "INTEGRATED_OF_THE_SPECTRUM", "INTENSITY_WEIGHTED_COORD", "INTENSITY_WEIGHTED_DISPERSION_OF_THE_COORD", "MEDIAN_OF_THE_SPECTRUM",
           "MEDIAN_COORDINATE", "STD_ABOUT_THE_MEAN_OF_THE_SPECTRUM", "RMS_OF_THE_SPECTRUM", "ABS_MEAN_DEVIATION_OF_THE_SPECTRUM", "MAX_OF_THE_SPECTRUM",
           "COORD_OF_THE_MAX_OF_THE_SPECTRUM", "MIN_OF_THE_SPECTRUM", "COORD_OF_THE_MIN_OF_THE_SPECTRUM")  # fmt: skip
SUFFIXES = ("average", "integrated", "weighted_coord", "weighted_dispersion_coord", "median", "median_coord", "standard_deviation", "rms", "abs_mean_dev", "maximum",
            "maximum_coord", "minimum", "minimum_coord")  # fmt: skip
COORDINATES = {2, 3, 5, 10, 12}
REST = 1.420405752e9
C = 299792.458  # km/s
DEPTH, HEIGHT, WIDTH = 23, 37, 41


def oracle(cube, velocities, widths):
    """All moments of a cube (channel, y, x), by their numbers. NaN: no value."""
    cube = numpy.where(numpy.isfinite(cube), cube, numpy.nan).astype("f8")
    v, w = velocities[:, None, None], numpy.abs(widths)[:, None, None]
    n = numpy.isfinite(cube).sum(axis=0)
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        total, mean = numpy.nansum(cube, axis=0), numpy.nanmean(cube, axis=0)
        coordinate = numpy.nansum(cube * v, axis=0) / total
        filled_low, filled_high = numpy.where(numpy.isnan(cube), numpy.inf, cube), numpy.where(numpy.isnan(cube), -numpy.inf, cube)
        result = {
            0: mean, 1: numpy.nansum(cube * w, axis=0), 2: coordinate, 3: numpy.sqrt(numpy.nansum(cube * (v - coordinate) ** 2, axis=0) / total),
            4: numpy.nanmedian(cube, axis=0), 5: half_coordinates(cube, velocities), 6: numpy.nanstd(cube, axis=0, ddof=1), 7: numpy.sqrt(numpy.nanmean(cube**2, axis=0)),
            8: numpy.nanmean(numpy.abs(cube - mean), axis=0), 9: numpy.nanmax(cube, axis=0), 10: velocities[filled_high.argmax(axis=0)],
            11: numpy.nanmin(cube, axis=0), 12: velocities[filled_low.argmin(axis=0)],
        }  # fmt: skip
    return {number: numpy.where(n > 0, plane, numpy.nan) for number, plane in result.items()}


def half_coordinates(cube, velocities):
    found = numpy.full(cube.shape[1:], numpy.nan)
    for y, x in numpy.ndindex(*found.shape):
        there = numpy.isfinite(cube[:, y, x])
        values, v = cube[there, y, x], velocities[there]
        if not values.size or values.sum() == 0:
            continue
        running = numpy.cumsum(values)
        half = running[-1] / 2
        at = numpy.argmax(running >= half if half > 0 else running <= half)
        found[y, x] = v[0] if at == 0 else v[at - 1] + (v[at] - v[at - 1]) * (half - running[at - 1]) / values[at]
    return found


def spectral_header(ctype="FREQ", value=1.42e9, step=2e5, rest=REST, unit="Hz", depth=DEPTH):
    header = fits.Header()
    header["NAXIS"] = 3
    for axis, (name, units, at, pixel, increment) in enumerate((("RA---SIN", "deg", 40.0, 20.0, -1 / 3600), ("DEC--SIN", "deg", 30.0, 15.0, 1 / 3600),
                                                                (ctype, unit, value, 5.0, step)), 1):  # fmt: skip
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"], header[f"CRVAL{axis}"], header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = name, units, at, pixel, increment
    header["BUNIT"] = "Jy/beam"
    header["SPECSYS"] = "LSRK"
    header["BMAJ"], header["BMIN"], header["BPA"] = 5 / 3600, 4 / 3600, 30.0
    if rest:
        header["RESTFRQ"] = rest
    return header


def request(moments, **more):
    return {"file_id": 0, "moments": [MOMENTS[i] for i in moments], "axis": "SPECTRAL", "region_id": -1, "mask": "None", **more}


async def moments_of(client, moments, **more):
    answer = await client.call("carta.moment.request", request(moments, **more), timeout=PATIENCE)
    assert answer["success"], answer["message"]
    return answer


async def plane_of(client, file_id):
    block = await client.call("image.read", file_id=file_id, timeout=PATIENCE)
    values = block_values(block).astype("f8")
    return numpy.where(numpy.isfinite(values), values, numpy.nan).reshape(values.shape[-2:])


def entries(ack):
    extended = ack["file_info_extended"]
    listed = extended["0"] if "0" in extended else next(iter(extended.values())) if "header_entries" not in extended else extended
    return {entry["name"]: entry["value"] for entry in listed["header_entries"]}


def radio(frequencies, rest=REST):
    return C * (1 - frequencies / rest)
