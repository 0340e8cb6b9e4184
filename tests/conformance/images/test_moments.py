"""MOMENT_REQUEST over the wire: every moment against numpy, velocities against astropy, common beams against radio_beam, what becomes of the results."""

import asyncio
import os
import random
import sqlite3
import tempfile
import unittest
import warnings
from pathlib import Path

import astropy.units as u
import numpy
from astropy.coordinates import SpectralCoord
from astropy.io import fits
from astropy.wcs import WCS

from harness import HISTOGRAM, PATIENCE, PROGRAM, Server, ServerTest, block_values, connect, get_tiles, open_file, pixels, settled, tile_code, until

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


class Moments(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.random = numpy.random.default_rng(SEED)
        cube = cls.random.normal(size=(DEPTH, HEIGHT, WIDTH)) + 3 * numpy.exp(-((numpy.arange(DEPTH)[:, None, None] - 11) ** 2) / 8)
        cube[cls.random.random(cube.shape) < 0.1] = numpy.nan
        cube[3, 5, 6], cube[4, 5, 6], cube[:, 8, 9] = numpy.inf, -numpy.inf, numpy.nan
        cls.cube = cube.astype("f4")
        fits.writeto(folder / "cube.fits", cls.cube, spectral_header())
        fits.writeto(folder / "plane.fits", cls.cube[0], fits.Header())
        fits.writeto(folder / "one.fits", cls.cube[:1], spectral_header(depth=1))
        header = spectral_header()
        header["CTYPE4"], header["CRVAL4"], header["CRPIX4"], header["CDELT4"] = "STOKES", 1, 1, 1
        cls.stokes = cls.random.normal(size=(4, 6, 11, 13)).astype("f4")
        fits.writeto(folder / "stokes.fits", cls.stokes, header)
        cls.wide = numpy.round(cls.random.normal(size=(5, 6, 7)) * 1e8 + 1e9).astype("i4")
        fits.writeto(folder / "wide.fits", cls.wide, spectral_header())
        # A cube that takes its time: 2.5 GB, all but the header a hole in the file.
        header = spectral_header()
        header["SIMPLE"], header["BITPIX"] = True, -32
        shape = (600, 1024, 1024)
        large = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", shape[2]), ("NAXIS2", shape[1]), ("NAXIS3", shape[0])])
        large.update({key: value for key, value in spectral_header().items() if key not in large})
        with open(folder / "large.fits", "wb") as file:
            text = large.tostring().encode()
            file.write(text)
            size = 4 * shape[0] * shape[1] * shape[2]
            file.truncate(len(text) + size + -size % 2880)

    def velocities(self):
        return radio(1.42e9 + 2e5 * (numpy.arange(DEPTH) - 4)), numpy.full(DEPTH, C * 2e5 / REST)

    def compare(self, got, expected, number, cube=None):
        """`cube`: sums that nearly vanish leave coordinates undetermined; None: the planes show a part of it."""
        if number in (2, 3, 5) and cube is not None:
            finite = numpy.where(numpy.isfinite(cube), cube, 0).astype("f8")
            small = numpy.abs(finite.sum(axis=0)) < 1e-3 * numpy.abs(finite).sum(axis=0)
            got, expected = numpy.where(small, 0, got), numpy.where(small, 0, expected)
        numpy.testing.assert_allclose(got, expected, rtol=3e-5, atol=1e-5, err_msg=SUFFIXES[number])

    async def opened(self, file="cube.fits"):
        client = await self.viewer()
        await open_file(client, file, 0)
        return client

    async def check(self, client, cube, velocities, widths, moments=range(13), region=None, **more):
        answer = await moments_of(client, moments, **more)
        expected = oracle(cube, velocities, widths)
        self.assertEqual(len(answer["open_file_acks"]), len(moments))
        for ack, number in zip(answer["open_file_acks"], moments):
            self.compare(await plane_of(client, ack["file_id"]), expected[number] if region is None else region(expected[number]), number, cube if region is None else None)
        return answer

    async def test_all_of_them(self):
        client = await self.opened()
        answer = await self.check(client, self.cube, *self.velocities())
        self.assertFalse(answer["cancel"])
        self.assertEqual(answer["message"], "")
        for index, (ack, suffix) in enumerate(zip(answer["open_file_acks"], SUFFIXES)):
            self.assertEqual((ack["file_id"], ack["file_info"]["name"]), (1 + index, f"cube.fits.moment.{suffix}"))
            header = entries(ack)
            self.assertEqual(header["BUNIT"], "km/s" if index in COORDINATES else "Jy/beam.km/s" if index == 1 else "Jy/beam")
            self.assertEqual(header["NAXIS3"], "1")
            self.assertAlmostEqual(float(header["BMAJ"]), 5 / 3600)
            # The channel of the result covers all of them.
            first = 1.42e9 - 4 * 2e5 - 1e5
            world = float(header["CRVAL3"]) + (numpy.array([0.5, 1.5]) - float(header["CRPIX3"])) * float(header["CDELT3"])
            numpy.testing.assert_allclose(world, [first, first + DEPTH * 2e5], rtol=1e-12)
        self.assertEqual(answer["open_file_acks"][0]["file_info"]["type"], "CASA")
        # Histograms of the results come by themselves.
        for ack in answer["open_file_acks"]:
            await client.next(HISTOGRAM, lambda m, id=ack["file_id"]: m["file_id"] == id, PATIENCE)

    async def test_subsets_in_the_order_of_the_request(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "cube.fits", 0)
            await self.check(client, self.cube, *self.velocities(), moments=(9, 1, 4))

    async def test_ranges_and_masks(self):
        client = await self.opened()
        v, w = self.velocities()
        await self.check(client, self.cube[4:15], v[4:15], w[4:15], spectral_range={"min": 4, "max": 14})
        await self.check(client, self.cube[20:], v[20:], w[20:], spectral_range={"min": 20, "max": 2000})
        await self.check(client, self.cube[7:8], v[7:8], w[7:8], spectral_range={"min": 7, "max": 7})
        low, high = numpy.float32(0.25), numpy.float32(2.5)
        inside = (self.cube >= low) & (self.cube <= high)
        for mask, kept in (("Include", inside), ("Exclude", ~inside)):
            await self.check(client, numpy.where(kept, self.cube, numpy.nan), v, w, mask=mask, pixel_range={"min": float(low), "max": float(high)})

    async def test_within_a_region(self):
        client = await self.opened()
        info = {"region_type": "ELLIPSE", "control_points": [{"x": 20.3, "y": 17.1}, {"x": 9.2, "y": 6.4}], "rotation": 30.0}
        ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info})
        angle = numpy.radians(30)
        y, x = numpy.mgrid[:HEIGHT, :WIDTH]
        dx, dy = x - 20.3, y - 17.1
        along, across = -dx * numpy.sin(angle) + dy * numpy.cos(angle), dx * numpy.cos(angle) + dy * numpy.sin(angle)
        inside = (along / 9.2) ** 2 + (across / 6.4) ** 2 <= 1
        rows, columns = numpy.flatnonzero(inside.any(axis=1)), numpy.flatnonzero(inside.any(axis=0))
        box = numpy.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        # Coordinates that are weighted by sums are left out: some of these nearly vanish.
        sure = (0, 1, 4, 6, 7, 8, 9, 10, 11, 12)
        answer = await self.check(client, self.cube, *self.velocities(), moments=sure, region=lambda plane: numpy.where(inside, plane, numpy.nan)[box], region_id=ack["region_id"])
        # The same place on the sky.
        header = entries(answer["open_file_acks"][0])
        self.assertEqual((float(header["CRPIX1"]), float(header["CRPIX2"])), (20.0 - columns[0], 15.0 - rows[0]))
        line = {"region_type": "LINE", "control_points": [{"x": 1, "y": 1}, {"x": 9, "y": 9}], "rotation": 0.0}
        ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": line})
        await self.refused(client, request([0], region_id=ack["region_id"]), "line")
        outside = {"region_type": "RECTANGLE", "control_points": [{"x": 500, "y": 500}, {"x": 9, "y": 9}], "rotation": 0.0}
        ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": outside})
        await self.refused(client, request([0], region_id=ack["region_id"]), "no pixel")

    async def refused(self, client, arguments, text):
        answer = await client.call("carta.moment.request", arguments, timeout=PATIENCE)
        self.assertFalse(answer["success"])
        self.assertIn(text, answer["message"])
        self.assertEqual(answer.get("open_file_acks", []), [])

    async def test_what_is_refused(self):
        client = await self.opened()
        for arguments, text in (
            (request([], file_id=7), "No file"), (request([]), "no moment"), (request([1, 1]), "twice"), ({**request([]), "moments": [13]}, "no moment 13"),
            (request([0], axis="STOKES"), "spectral axis only"), (request([0], region_id=99), "no region 99"), (request([0], region_id=-7), "no region"),
            (request([0], spectral_range={"min": 5, "max": 4}), "must not be above"), (request([0], spectral_range={"min": DEPTH, "max": 100}), "outside"),
            (request([0], spectral_range={"min": -9, "max": -2}), "outside"), (request([0], mask="Include"), "missing"),
            (request([0], mask="Include", pixel_range={"min": 2, "max": 1}), "must not be above"), (request([0], mask="Exclude", pixel_range={"min": float("nan"), "max": 1}), "must not be above"),
            (request([0], rest_freq=-1.0), "negative"), (request([0], noise_threshold=float("inf")), "finite"), (request([0], moment0_threshold=-1.0), "negative"),
        ):  # fmt: skip
            with self.subTest(text):
                await self.refused(client, arguments, text)
        await self.fails(client.call("carta.moment.request", {**request([0]), "spectral_range": "all"}), -32602, "spectral_range")
        await open_file(client, "plane.fits", 3)
        await self.refused(client, request([0], file_id=3), "no spectral axis")
        self.alive()

    async def test_one_channel_and_a_moment_of_a_moment(self):
        client = await self.opened("one.fits")
        v, w = self.velocities()
        answer = await self.check(client, self.cube[:1], v[:1], w[:1])
        made = answer["open_file_acks"][1]
        again = await moments_of(client, [0, 10], file_id=made["file_id"])
        numpy.testing.assert_allclose(await plane_of(client, again["open_file_acks"][0]["file_id"]), await plane_of(client, made["file_id"]))
        self.assertEqual(again["open_file_acks"][0]["file_info"]["name"], "one.fits.moment.integrated.moment.average")

    async def test_names_and_ids(self):
        client = await self.opened()
        names = []
        for keep in (False, True, True, False):
            answer = await moments_of(client, [1], keep=keep)
            names.append((answer["open_file_acks"][0]["file_info"]["name"], answer["open_file_acks"][0]["file_id"]))
        base = "cube.fits.moment.integrated"
        self.assertEqual(names, [(base, 1), (base + "1", 2), (base + "2", 3), (base, 4)])
        await open_file(client, "plane.fits", 9)
        answer = await moments_of(client, [0, 1])
        self.assertEqual([ack["file_id"] for ack in answer["open_file_acks"]], [10, 11])
        await client.call("carta.close.file", {"file_id": 9})
        await open_file(client, "plane.fits", 2**31 - 2)
        for moments, ids in (((0,), [2**31 - 1]), ((0, 1, 2), [5, 6, 7])):
            answer = await moments_of(client, moments)
            self.assertEqual([ack["file_id"] for ack in answer["open_file_acks"]], ids)
        self.alive()

    async def test_names_of_requests_that_overlap(self):
        client = await self.opened("large.fits")
        asked = request([1, 4], keep=True, spectral_range={"min": 0, "max": 19})
        answers = [(await client.start("carta.moment.request", [asked]))[1] for _ in range(3)]
        names = []
        for answer in answers:
            answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
            self.assertTrue(answer["success"], answer["message"])
            for ack in answer["open_file_acks"]:
                computed = next(iter(ack["file_info_extended"].values()))["computed_entries"] if "computed_entries" not in ack["file_info_extended"] else ack["file_info_extended"]["computed_entries"]
                self.assertEqual({entry["name"]: entry["value"] for entry in computed}["Name"], ack["file_info"]["name"])
                names.append(ack["file_info"]["name"])
        base = "large.fits.moment."
        self.assertEqual(sorted(names), sorted(base + suffix + str(n) for suffix in ("integrated", "median") for n in (1, 2, 3)))
        await settled(client)

    async def test_stokes_and_computed_polarizations(self):
        client = await self.opened("stokes.fits")
        v = radio(1.42e9 + 2e5 * (numpy.arange(6) - 4))
        w = numpy.full(6, C * 2e5 / REST)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 0, "stokes": 2})
        answer = await self.check(client, self.stokes[2], v, w)
        self.assertEqual((entries(answer["open_file_acks"][0])["NAXIS4"], float(entries(answer["open_file_acks"][0])["CRVAL4"])), ("1", 1.0))
        self.assertEqual(float(entries(answer["open_file_acks"][0])["CRPIX4"]), -1.0)  # the third of them, U
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 0, "stokes": 14})
        answer = await self.check(client, numpy.hypot(self.stokes[1].astype("f8"), self.stokes[2]).astype("f4"), v, w)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 0, "stokes": 16})
        answer = await moments_of(client, [0])
        self.assertEqual(entries(answer["open_file_acks"][0])["BUNIT"], "%")

    async def test_wide_integers(self):
        client = await self.opened("wide.fits")
        await self.check(client, self.wide.astype("f8"), *(part[:5] for part in self.velocities()))

    async def test_thresholds(self):
        client = await self.opened()
        v, w = self.velocities()
        finite = numpy.where(numpy.isfinite(self.cube), self.cube, numpy.nan).astype("f8")
        noise = 1.4826 * numpy.nanmedian(numpy.abs(finite - numpy.nanmedian(finite, axis=(1, 2), keepdims=True)), axis=(1, 2))[:, None, None]
        with numpy.errstate(invalid="ignore"):
            for threshold, kept in ((1.5, finite >= 1.5 * noise), (-0.5, finite <= -0.5 * noise)):
                await self.check(client, numpy.where(kept, finite, numpy.nan), v, w, noise_threshold=threshold)
        answer = await moments_of(client, [0, 1, 2, 10], moment0_threshold=2.0)
        planes = [await plane_of(client, ack["file_id"]) for ack in answer["open_file_acks"]]
        expected = oracle(self.cube, v, w)
        middle = numpy.nanmedian(planes[1])
        limit = 2 * 1.4826 * numpy.nanmedian(numpy.abs(planes[1] - middle))
        above = planes[1] > limit
        self.assertTrue(0 < above.sum() < above.size)
        self.compare(planes[0], expected[0], 0)
        near = numpy.abs(planes[1] - limit) < 0.05 * limit  # the median of an even number is not quite the same
        for plane, number in ((planes[2], 2), (planes[3], 10)):
            self.compare(numpy.where(near, 0, plane), numpy.where(near, 0, numpy.where(above, expected[number], numpy.nan)), number, self.cube)

    async def test_results_are_images(self):
        """Tiles, statistics, a region's spectrum of one channel, closing."""
        client = await self.opened()
        answer = await moments_of(client, [1])
        file_id = answer["open_file_acks"][0]["file_id"]
        expected = oracle(self.cube, *self.velocities())[1]
        tile = (await get_tiles(client, file_id, [tile_code(0, 0, 0)]))[tile_code(0, 0, 0)]
        numpy.testing.assert_allclose(pixels(tile), expected, rtol=1e-5, atol=1e-4)
        statistics = await client.call("image.statistics", file_id=file_id, timeout=PATIENCE)
        self.assertAlmostEqual(statistics["statistics"]["Sum"] / numpy.nansum(expected), 1, places=5)
        self.assertEqual(statistics["unit"], "Jy/beam.km/s")
        await client.call("carta.close.file", {"file_id": 0})
        numpy.testing.assert_allclose(await plane_of(client, file_id), expected, rtol=1e-5, atol=1e-4)
        await client.call("carta.close.file", {"file_id": file_id})
        await self.fails(client.call("image.read", file_id=file_id))

    async def test_stopped(self):
        client = await self.opened("large.fits")
        id, answer = await client.start("carta.moment.request", [request(range(13))])
        await client.next(PROGRESS, lambda m: m["file_id"] == 0, PATIENCE)
        await client.call("carta.stop.moment.calc", {"file_id": 0})
        answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
        self.assertTrue(answer["cancel"])
        self.assertEqual(answer.get("open_file_acks", []), [])
        await settled(client)
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [0])
        told = [message["progress"] for _, topic, message in client.log if topic == PROGRESS]
        self.assertEqual(told, sorted(told))
        await client.call("carta.stop.moment.calc", {"file_id": 0})  # nothing to stop

    async def test_closed_while_it_runs(self):
        client = await self.opened("large.fits")
        id, answer = await client.start("carta.moment.request", [request(range(13))])
        await client.next(PROGRESS, lambda m: m["file_id"] == 0, PATIENCE)
        await client.call("carta.close.file", {"file_id": 0})
        answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
        self.assertEqual(answer.get("open_file_acks", []), [])
        await settled(client)
        self.assertEqual((await client.call("session.state"))["files"], [])
        self.alive()


class Velocities(ServerTest):
    """The coordinate of the maximum tells each channel's velocity."""

    # (ctype, unit, value, step, rest in the header, rest asked for)
    AXES = (("FREQ", "Hz", 1.42e9, 3e5, REST, None), ("FREQ", "GHz", 1.42, -3e-4, REST, 1.43e9), ("FREQ", "Hz", 1.42e9, 3e5, None, 1.43e9),
            ("VRAD", "km/s", 300.0, -7.0, REST, None), ("VRAD", "m/s", 3e5, 7e3, None, None), ("VRAD", "m/s", 3e5, 7e3, REST, 1.43e9),
            ("VOPT", "m/s", 9e6, 4e4, REST, None), ("VELO", "m/s", 9e6, 4e4, REST, None), ("WAVE", "m", 0.213, 1e-4, REST, None),
            ("WAVE", "um", 0.8, 1e-4, 3.75e14, None), ("AWAV", "Angstrom", 6563.0, 1.5, 4.568e14, None), ("VOPT-F2W", "m/s", 9e6, 4e4, REST, None))  # fmt: skip

    @classmethod
    def make_files(cls, folder):
        # In each column of pixels another channel is the largest one.
        cls.cube = numpy.zeros((8, 2, 8), "f4")
        cls.cube[numpy.arange(8), :, numpy.arange(8)] = 1
        for number, (ctype, unit, value, step, rest, _) in enumerate(cls.AXES):
            fits.writeto(folder / f"axis{number}.fits", cls.cube, spectral_header(ctype, value, step, rest, unit))

    def expected(self, file, ctype, rest, asked):
        wcs = WCS(fits.getheader(file)).spectral
        world = wcs.all_pix2world(numpy.arange(8), 0)[0]
        used = asked or rest
        doppler = {"VRAD": "radio", "FREQ": "radio", "VOPT": "optical", "WAVE": "optical", "AWAV": "optical", "VELO": "relativistic"}[ctype[:4]]
        if ctype[:1] == "V":
            if not rest or not asked:
                return world / 1000
            frequency = SpectralCoord(world, u.m / u.s, doppler_rest=rest * u.Hz, doppler_convention=doppler).to(u.Hz)
        elif ctype == "AWAV":
            microns = world * 1e6
            index = lambda vacuum: 1 + 1e-6 * (287.6155 + 1.62887 / vacuum**2 + 0.01360 / vacuum**4)  # noqa: E731
            vacuum = microns
            for _ in range(5):
                vacuum = microns * index(vacuum)
            frequency = (vacuum * u.um).to(u.Hz, u.spectral())
        else:
            frequency = (world * (u.Hz if ctype == "FREQ" else u.m)).to(u.Hz, u.spectral())
        return frequency.to(u.km / u.s, getattr(u, f"doppler_{doppler}")(used * u.Hz)).value

    async def test_of_every_axis(self):
        client = await self.viewer()
        for number, (ctype, unit, value, step, rest, asked) in enumerate(self.AXES):
            with self.subTest(f"{ctype} {unit}, rest frequency {rest}, asked for {asked}"):
                await open_file(client, f"axis{number}.fits", 0)
                answer = await moments_of(client, [10, 1], **({"rest_freq": asked} if asked else {}))
                coordinate, integrated = [await plane_of(client, ack["file_id"]) for ack in answer["open_file_acks"]]
                expected = self.expected(self.folder / f"axis{number}.fits", ctype, rest, asked)
                numpy.testing.assert_allclose(coordinate[0], expected, rtol=1e-6, atol=2e-3)
                widths = numpy.abs(numpy.gradient(expected, edge_order=2))
                numpy.testing.assert_allclose(integrated[1], widths, rtol=2e-4)
                header = entries(answer["open_file_acks"][0])
                self.assertEqual(header["BUNIT"], "km/s")
                if asked:
                    self.assertAlmostEqual(float(header["RESTFRQ"]), asked)
                for ack in answer["open_file_acks"]:
                    await client.call("carta.close.file", {"file_id": ack["file_id"]})

    async def test_without_a_rest_frequency(self):
        client = await self.viewer()
        await open_file(client, "axis2.fits", 0)
        answer = await moments_of(client, [10, 1])
        self.assertIn("frequency", answer["message"])
        self.assertEqual([entries(ack)["BUNIT"] for ack in answer["open_file_acks"]], ["Hz", "Jy/beam.Hz"])
        numpy.testing.assert_allclose((await plane_of(client, answer["open_file_acks"][0]["file_id"]))[0], 1.42e9 + 3e5 * (numpy.arange(8) - 4), rtol=1e-6)


class Beams(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.random = numpy.random.default_rng(SEED)
        cls.beams = [(7.0, 5.0, 20.0), (7.5, 4.8, 35.0), (6.6, 5.5, -10.0), (8.0, 5.2, 25.0)]
        cls.y, cls.x = numpy.mgrid[:64, :72].astype("f8")
        cls.cube = numpy.stack([cls.source(*beam) for beam in cls.beams]).astype("f4")
        cls.write(folder / "beams.fits", cls.beams, "Jy/beam")
        cls.write(folder / "kelvin.fits", cls.beams, "K")
        cls.write(folder / "hole.fits", [*cls.beams[:3], (0.0, 0.0, 0.0)], "Jy/beam")

    @classmethod
    def source(cls, major, minor, pa):
        """A source of 1 Jy at pixel (36, 30), of pixels of 1 arcsec, with north up and east to the left."""
        east, north = -(cls.x - 36), cls.y - 30
        angle = numpy.radians(pa)
        along, across = north * numpy.cos(angle) + east * numpy.sin(angle), -north * numpy.sin(angle) + east * numpy.cos(angle)
        return numpy.exp(-4 * numpy.log(2) * ((along / major) ** 2 + (across / minor) ** 2))

    @classmethod
    def write(cls, path, beams, unit):
        header = spectral_header()
        for key in ("BMAJ", "BMIN", "BPA"):
            del header[key]
        header["CASAMBM"], header["BUNIT"] = True, unit
        major, minor, pa = zip(*beams)
        columns = [fits.Column("BMAJ", "1E", "arcsec", array=major), fits.Column("BMIN", "1E", "arcsec", array=minor), fits.Column("BPA", "1E", "deg", array=pa),
                   fits.Column("CHAN", "1J", array=numpy.arange(len(beams))), fits.Column("POL", "1J", array=numpy.zeros(len(beams), "i4"))]  # fmt: skip
        table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
        table.header["NCHAN"], table.header["NPOL"] = len(beams), 1
        fits.HDUList([fits.PrimaryHDU(cls.cube, header), table]).writeto(path)

    async def test_channels_are_convolved_to_the_common_beam(self):
        import radio_beam

        table = radio_beam.Beams(*(numpy.array(part) * unit for part, unit in zip(zip(*self.beams), (u.arcsec, u.arcsec, u.deg))))
        theirs = table.common_beam()  # enlarged a little
        client = await self.viewer()
        await open_file(client, "beams.fits", 0)
        answer = await moments_of(client, [9, 11])
        self.assertEqual(answer["message"], "")
        header = entries(answer["open_file_acks"][0])
        major, minor, pa = float(header["BMAJ"]) * 3600, float(header["BMIN"]) * 3600, float(header["BPA"])
        self.assertLess(abs(major * minor / (theirs.major.to_value(u.arcsec) * theirs.minor.to_value(u.arcsec)) - 1), 5e-3)
        self.assertLess(abs(major / theirs.major.to_value(u.arcsec) - 1), 1e-2)
        self.assertLess(abs((pa - theirs.pa.to_value(u.deg) + 90) % 180 - 90), 3)
        # A point source of the same flux has the same peak per beam in all channels.
        largest, smallest = [await plane_of(client, ack["file_id"]) for ack in answer["open_file_acks"]]
        expected = self.source(major, minor, pa)
        for plane in (largest, smallest):
            self.assertLess(numpy.abs(plane - expected).max(), 0.02)

    async def test_brightness_is_not_scaled(self):
        client = await self.viewer()
        await open_file(client, "kelvin.fits", 0)
        answer = await moments_of(client, [9])
        header = entries(answer["open_file_acks"][0])
        area = float(header["BMAJ"]) * float(header["BMIN"]) * 3600**2
        plane = await plane_of(client, answer["open_file_acks"][0]["file_id"])
        self.assertAlmostEqual(plane[30, 36], max(a * b for a, b, _ in self.beams) / area, delta=0.02)

    async def test_what_can_not_be_convolved_is_said(self):
        client = await self.viewer()
        await open_file(client, "hole.fits", 0)
        answer = await moments_of(client, [0])
        self.assertIn("channel 3 has no valid beam", answer["message"])
        numpy.testing.assert_allclose(await plane_of(client, answer["open_file_acks"][0]["file_id"]), self.cube.mean(axis=0, dtype="f8"), atol=1e-6)
        # The channels that have one can be.
        answer = await moments_of(client, [0], spectral_range={"min": 0, "max": 2})
        self.assertEqual(answer["message"], "")


class AgainstSpectralCube(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random_numbers = numpy.random.default_rng(3)
        cube = random_numbers.normal(size=(12, 20, 22)) + 5 * numpy.exp(-((numpy.arange(12)[:, None, None] - 6) ** 2) / 6)
        fits.writeto(folder / "cube.fits", cube.astype("f4"), spectral_header("VRAD", 2e5, 1.5e3, REST, "m/s"))

    async def test_moments_0_1_2(self):
        from spectral_cube import SpectralCube

        client = await self.viewer()
        await open_file(client, "cube.fits", 0)
        answer = await moments_of(client, [1, 2, 3])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cube = SpectralCube.read(str(self.folder / "cube.fits")).with_spectral_unit(u.km / u.s)
            theirs = [cube.moment(order=0).value, cube.moment(order=1).value, numpy.sqrt(cube.moment(order=2).value)]
        for ack, expected in zip(answer["open_file_acks"], theirs):
            numpy.testing.assert_allclose(await plane_of(client, ack["file_id"]), expected, rtol=1e-4)


class Restored(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="cubelink-test-")
        self.addCleanup(self.temporary.cleanup)
        self.store, self.folder = f"{self.temporary.name}/store.sqlite", Path(self.temporary.name) / "images"
        self.folder.mkdir()
        self.cube = numpy.random.default_rng(7).normal(size=(9, 14, 15)).astype("f4")
        fits.writeto(self.folder / "cube.fits", self.cube, spectral_header())
        self.servers = []
        self.addCleanup(self.stop)

    async def start(self, session_id=0):
        server = Server(PROGRAM, str(self.folder), "--store", self.store).__enter__()
        self.servers.append(server)
        client = await connect(server.url, server.secret)
        client.ack = await client.call("carta.register.viewer", {"session_id": session_id})
        client.server = server
        return client

    def stop(self):
        while self.servers:
            server = self.servers.pop()
            server.__exit__()
            self.assertNotIn("not known here", "".join(server.errors))

    async def restarted(self, client, ids):
        """A client of the same session on a new server, once the store has these images, and nothing else."""
        session = client.ack["session_id"]

        async def kept():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and all(f'"kind":"image","id":{id}' in row[0] for id in ids) and row[0].count('"kind":"image"') == len(ids) and '"kind":"region"' not in row[0]

        await until(kept, "the moments in the store")
        await client.close(1001)
        await asyncio.get_running_loop().run_in_executor(None, self.stop)
        client = await self.start(session)
        self.addAsyncCleanup(client.close, 1001)
        self.assertEqual(client.ack["session_type"], "RESUMED")
        return client

    async def compare(self, client, ids, planes, acks):
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], ids)
        for id, plane, before, file in zip(ids, planes, acks, state["files"]):
            numpy.testing.assert_array_equal(await plane_of(client, id), plane)
            self.assertEqual(file["open_file_ack"]["file_info"]["name"], before["file_info"]["name"])
            self.assertEqual(entries(file["open_file_ack"]), entries(before))

    async def test_moments_come_back(self):
        client = await self.start()
        await open_file(client, "cube.fits", 0)
        info = {"region_type": "RECTANGLE", "control_points": [{"x": 6, "y": 7}, {"x": 8, "y": 5}], "rotation": 12.0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        answer = await moments_of(client, [1, 4, 10], region_id=region, spectral_range={"min": 1, "max": 7}, mask="Include", pixel_range={"min": -1, "max": 9})
        ids = [ack["file_id"] for ack in answer["open_file_acks"]]
        again = await moments_of(client, [9], file_id=ids[0])
        ids.append(again["open_file_acks"][0]["file_id"])
        planes = [await plane_of(client, id) for id in ids]
        acks = [ack for ack in (*answer["open_file_acks"], *again["open_file_acks"])]
        await client.call("carta.remove.region", {"region_id": region})
        await client.call("carta.close.file", {"file_id": 0})
        await self.compare(await self.restarted(client, ids), ids, planes, acks)

    async def test_moments_of_an_expression_come_back(self):
        """Of one that is closed, within a polygon that is removed, with thresholds; twice, as what came back is saved again."""
        client = await self.start()
        ack = await client.call("carta.open.file", {"file": "3 * cube.fits + max(cube.fits)", "file_id": 0, "lel_expr": True}, timeout=PATIENCE)
        self.assertTrue(ack["success"], ack["message"])
        info = {"region_type": "POLYGON", "control_points": [{"x": 2, "y": 3}, {"x": 12, "y": 4}, {"x": 6, "y": 12}], "rotation": 0.0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        whole = await moments_of(client, [0, 4])
        part = await moments_of(client, [1, 2], region_id=region, noise_threshold=0.5, moment0_threshold=0.1, rest_freq=1.43e9)
        acks = [*whole["open_file_acks"], *part["open_file_acks"]]
        ids = [ack["file_id"] for ack in acks]
        planes = [await plane_of(client, id) for id in ids]
        numpy.testing.assert_allclose(planes[0], 3 * self.cube.mean(axis=0, dtype="f8") + self.cube.max(), rtol=1e-5)
        self.assertTrue(numpy.isfinite(planes[3]).any())
        await client.call("carta.remove.region", {"region_id": region})
        await client.call("carta.close.file", {"file_id": 0})
        for _ in range(2):
            client = await self.restarted(client, ids)
            await self.compare(client, ids, planes, acks)


if __name__ == "__main__":
    unittest.main()
