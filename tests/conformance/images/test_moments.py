"""MOMENT_REQUEST over the wire: every moment against numpy, and what becomes of the results."""

import asyncio
import unittest

import numpy
from astropy.io import fits

from harness import HISTOGRAM, PATIENCE, ServerTest, get_tiles, open_file, pixels, settled, tile_code
from moment_oracle import C, COORDINATES, DEPTH, HEIGHT, PROGRESS, REST, SEED, SUFFIXES, WIDTH, entries, moments_of, oracle, plane_of, radio, request, spectral_header


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
        await self.while_it_lasts(self.asked_and_stopped)

    async def asked_and_stopped(self):
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
        await self.while_it_lasts(self.asked_and_closed)

    async def asked_and_closed(self):
        client = await self.opened("large.fits")
        id, answer = await client.start("carta.moment.request", [request(range(13))])
        await client.next(PROGRESS, lambda m: m["file_id"] == 0, PATIENCE)
        await client.call("carta.close.file", {"file_id": 0})
        answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
        self.assertEqual(answer.get("open_file_acks", []), [])
        await settled(client)
        self.assertEqual((await client.call("session.state"))["files"], [])
        self.alive()


if __name__ == "__main__":
    unittest.main()
