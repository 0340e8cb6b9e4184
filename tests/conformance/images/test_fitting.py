"""FITTING_REQUEST against scipy on random fields: one to four Gaussians, fixed parameters, regions, an offset, initial values found by the server; errors after Condon's
formulas; model and residual images against numpy; what is refused; stopping, closing, and a restart."""

import asyncio
import math
import os
import re
import time
import unittest
import urllib.parse

import numpy
from astropy.io import fits
from astropy.wcs import WCS
from scipy.optimize import least_squares

from harness import PATIENCE, ServerTest, block_values, finite, open_file, settled

import icd_client

SEED = int(os.environ.get("CUBELINK_SEED", numpy.random.SeedSequence().entropy % 2**32))
icd = icd_client.icd
PROGRESS = "carta.fitting.progress"
SHAPE = (2, 3, 90, 110)  # stokes, channel, y, x
BEAM = (9.0, 6.0)  # arcsec
PIXEL = 2.0  # arcsec
SOLVERS = ("Qr", "Cholesky", "Mcholesky", "Svd")
WIDTH = 4 * math.log(2)
NAN = math.nan


def setUpModule():
    print(f"seed {SEED}", flush=True)


def gaussian(parameters, x, y):
    cx, cy, amp, fx, fy, pa = parameters
    angle = numpy.radians(pa)
    along, across = (y - cy) * numpy.cos(angle) - (x - cx) * numpy.sin(angle), (x - cx) * numpy.cos(angle) + (y - cy) * numpy.sin(angle)
    return amp * numpy.exp(-WIDTH * ((along / fx) ** 2 + (across / fy) ** 2))


def model(parameters, x, y):
    """Six for each component, and the offset."""
    return sum((gaussian(parameters[i : i + 6], x, y) for i in range(0, len(parameters) - 1, 6)), parameters[-1] + 0.0 * x)


def random_components(random, count, width=SHAPE[3], height=SHAPE[2]):
    found = []
    while len(found) < count:
        fy = random.uniform(4, 9)
        fx = fy * random.uniform(1.2, 2)
        one = [random.uniform(14, width - 15), random.uniform(14, height - 15), random.uniform(2, 9), fx, fy, random.uniform(0, 180)]
        if all(math.hypot(one[0] - other[0], one[1] - other[1]) > 0.7 * (fx + other[3]) for other in found):
            found.append(one)
    return found


def make_header(unit="Jy/beam", beam=True):
    header = fits.Header()
    axes = (("RA---SIN", 30.0, -PIXEL / 3600, 50.0), ("DEC--SIN", 20.0, PIXEL / 3600, 40.0), ("FREQ", 1.4e9, 1e6, 1.0), ("STOKES", 1.0, 1.0, 1.0))
    for n, (ctype, value, delta, pixel) in enumerate(axes, 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, pixel, value, delta
    header["BUNIT"], header["RADESYS"] = unit, "ICRS"
    if beam:
        header["BMAJ"], header["BMIN"], header["BPA"] = BEAM[0] / 3600, BEAM[1] / 3600, 20.0
    return header


def component(values):
    cx, cy, amp, fx, fy, pa = (float(value) for value in values)
    return {"center": {"x": cx, "y": cy}, "amp": amp, "fwhm": {"x": fx, "y": fy}, "pa": pa}


def values_of(one):
    return [one["center"]["x"], one["center"]["y"], one["amp"], one["fwhm"]["x"], one["fwhm"]["y"], one["pa"]]


def request(components, fixed=None, offset=0.0, **more):
    return {"file_id": 0, "initial_values": [component(one) for one in components], "fixed_params": list(fixed or [False] * (6 * len(components) + 1)), "region_id": -1,
            "offset": offset, "solver": "Qr", **more}  # fmt: skip


def by_scipy(plane, start, fixed, inside=None):
    """The free parameters that scipy finds, from good initial values."""
    y, x = numpy.mgrid[: plane.shape[0], : plane.shape[1]].astype("f8")
    used = numpy.isfinite(plane) & (True if inside is None else inside)
    x, y, data, free = x[used], y[used], plane[used].astype("f8"), ~numpy.array(fixed)
    values = numpy.array(start, "f8")

    def difference(free_values):
        values[free] = free_values
        return model(values, x, y) - data

    solution = least_squares(difference, values[free], x_scale=numpy.maximum(numpy.abs(values[free]), 0.1), ftol=1e-14, xtol=1e-14, gtol=1e-14)
    values[free] = solution.x
    return values, 2 * solution.cost, int(used.sum()), data


def plane_of(block):
    values = block_values(block)
    return values.reshape(values.shape[-2:])


def rms_of(data):
    return 1.4826 * numpy.median(numpy.abs(data - numpy.median(data)))


def condon(values, rms, beam):
    """Errors, and that of the integrated flux as a part of it; `beam` in pixels, 0: none."""
    _, _, amp, fx, fy, pa = values

    def rho(a, b):
        if beam:
            return math.sqrt(fx * fy * amp**2 / (4 * beam**2 * rms**2) * (1 + (beam / fx) ** 2) ** a * (1 + (beam / fy) ** 2) ** b)
        return math.sqrt(math.pi * fx * fy * amp**2 / (8 * math.log(2) * rms**2))

    major, minor, height = (math.sqrt(2) / rho(a, b) for a, b in ((2.5, 0.5), (0.5, 2.5), (1.5, 1.5)))
    along, across = major * fx / math.sqrt(8 * math.log(2)), minor * fy / math.sqrt(8 * math.log(2))
    s, c = math.sin(math.radians(pa)), math.cos(math.radians(pa))
    turn = math.degrees(2 / rho(0.5, 2.5) * fx * fy / abs(fx**2 - fy**2))
    errors = [math.hypot(along * s, across * c), math.hypot(along * c, across * s), height * amp, major * fx, minor * fy, min(turn, 90)]
    flux = math.sqrt(height**2 + beam**2 / (fx * fy) * (major**2 + minor**2)) if beam else math.sqrt(2) / rho(0, 0)
    return errors, flux


def logged_initial_values(log):
    """As CARTA's page finds them."""
    text = log[: log.index("Gaussian fitting with")]
    numbers = [float(number) for number in re.findall(r"= (-?\d+(?:\.\d+)?) \(", text)]
    assert "e" not in "".join(re.findall(r"= (\S+) \(", text)), text
    assert len(numbers) % 6 == 0, text
    return [numbers[i : i + 6] for i in range(0, len(numbers), 6)]


class Fitting(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = cls.random = numpy.random.default_rng(SEED)
        y, x = numpy.mgrid[: SHAPE[2], : SHAPE[3]].astype("f8")
        cls.true = [[random_components(random, 1 + (stokes * SHAPE[1] + channel) % 4) for channel in range(SHAPE[1])] for stokes in range(SHAPE[0])]
        cube = numpy.array([[model([*sum(one, []), 0.25], x, y) for one in channels] for channels in cls.true]) + random.normal(0, 0.05, SHAPE)
        for share, value in ((0.03, numpy.nan), (0.01, numpy.inf)):
            spoilt = random.random(SHAPE) < share
            spoilt[..., 9, 9] = False  # the only pixel of a region that is refused for having too few
            cube[spoilt] = value
        cls.cube = cube.astype("f4")
        for name, unit, beam in (("field", "Jy/beam", True), ("pixels", "Jy/pixel", False), ("kelvin", "K", True), ("milli", "mJy/beam", True)):
            fits.writeto(folder / f"{name}.fits", cls.cube, make_header(unit, beam))
        fits.writeto(folder / "polarized.fits", cls.cube[0][:, None], make_header())
        wide = cube[0, 0].copy()
        fits.writeto(folder / "wide.fits", wide, make_header().copy())
        cls.wide = wide
        for exponent in (-200, 200):
            fits.writeto(folder / f"e{exponent}.fits", wide * 10.0**exponent, make_header())
        half = cls.cube[0, 0].copy()
        half[:, :60] = numpy.nan
        fits.writeto(folder / "half.fits", half, make_header())
        blank = numpy.full((20, 30), numpy.nan, "f4")
        fits.writeto(folder / "blank.fits", blank)
        fits.writeto(folder / "flat.fits", numpy.ones((20, 30), "f4"))
        side = cls.side = 2500
        many = numpy.random.default_rng(1).normal(size=(side, side)).astype("f4")
        fits.writeto(folder / "large.fits.moment.average", many)

    async def fit(self, client, asked, **more):
        return await client.call("carta.fitting.request", {**asked, **more}, timeout=PATIENCE)

    async def opened(self, name="field.fits", channel=0, stokes=0, generation=2):
        client = await self.viewer(generation)
        await open_file(client, name)
        if channel or stokes:
            await client.call("carta.set.image.channels", file_id=0, channel=channel, stokes=stokes)
        await settled(client)
        return client

    def disturbed(self, components, by=0.2):
        return [[cx + by * fy * self.random.normal() / 3, cy + by * fy * self.random.normal() / 3, amp * (1 + by * self.random.normal() / 3), fx * 1.1, fy * 0.95, pa + 5]
                for cx, cy, amp, fx, fy, pa in components]  # fmt: skip

    def check(self, answer, plane, start, fixed, inside=None, beam=math.sqrt(BEAM[0] * BEAM[1]) / PIXEL):
        """Values, errors and offset against scipy and Condon."""
        self.assertTrue(answer["success"], answer["message"])
        expected, _, count, data = by_scipy(plane, start, fixed, inside)
        rms = rms_of(data)
        self.assertIn(f"{count} finite pixels", answer["log"])
        for k, (one, error) in enumerate(zip(answer["result_values"], answer["result_errors"], strict=True)):
            want = list(expected[6 * k : 6 * k + 6])
            flags = fixed[6 * k : 6 * k + 6]
            if not any(flags[3:]):
                want[5] %= 180
            got = values_of(one)
            errors, flux_error = condon(got, rms, beam)
            for i in range(6):
                tolerance = 2e-3 * errors[i] + 1e-7 * abs(want[i])
                difference = abs(got[i] - want[i])
                if i == 5 and not any(flags[3:]):
                    difference = min(difference, 180 - difference)
                self.assertLess(difference, tolerance, (k, i, got, want))
                if flags[i]:
                    self.assertEqual(got[i], start[6 * k + i])
            numpy.testing.assert_allclose(values_of(error), [0 if flag else e for flag, e in zip(flags, errors)], rtol=1e-6)
            if answer["integrated_flux_values"] and not any(flags):
                factor = 1 / beam**2 if beam else math.pi / WIDTH
                flux = got[2] * got[3] * got[4] * factor
                numpy.testing.assert_allclose(answer["integrated_flux_values"][k], flux, rtol=1e-9)
                numpy.testing.assert_allclose(answer["integrated_flux_errors"][k], flux * flux_error, rtol=1e-6)
        self.assertLess(abs(answer["offset_value"] - expected[-1]), 1e-6 + (0 if fixed[-1] else 1e-3 * rms))
        self.assertEqual(answer["offset_error"] == 0, bool(fixed[-1]))
        return expected

    async def test_random_fields(self):
        for n in range(SHAPE[0] * SHAPE[1]):
            channel, stokes = n % SHAPE[1], n // SHAPE[1]
            client = await self.opened(channel=channel, stokes=stokes, generation=1 + n % 2)
            true, plane = self.true[stokes][channel], self.cube[stokes, channel]
            asked = request(self.disturbed(true), offset=0.2, solver=SOLVERS[n % 4])
            answer = await self.fit(client, asked)
            with self.subTest(channel=channel, stokes=stokes):
                self.assertEqual(answer["message"], "")
                self.assertTrue(answer["log"].startswith("Gaussian fitting with"), answer["log"])
                self.check(answer, plane, [*sum(true, []), 0.25], [False] * (6 * len(true) + 1))
                self.assertEqual(len(answer["integrated_flux_values"]), len(true))
            await client.close()

    async def test_fixed_parameters(self):
        client = await self.opened(channel=1)
        true, plane = self.true[0][1], self.cube[0, 1]
        for n in range(8):
            start = self.disturbed(true, 0.05)
            fixed = [bool(flag) for flag in self.random.random(6 * len(true) + 1) < 0.35]
            fixed[int(self.random.integers(len(fixed)))] = False
            # Widths and angle are fixed together or not at all, as else they may change their roles in scipy.
            for k in range(len(true)):
                fixed[6 * k + 4] = fixed[6 * k + 5] = fixed[6 * k + 3]
            with self.subTest(fixed=fixed):
                answer = await self.fit(client, request(start, fixed, offset=0.25, solver=SOLVERS[n % 4]))
                begin = [value if flag else good for value, flag, good in zip([*sum(start, []), 0.25], fixed, [*sum(true, []), 0.25])]
                self.check(answer, plane, begin, fixed)

    async def test_within_regions(self):
        client = await self.opened(channel=0)
        (cx, cy, *_), plane = self.true[0][0][0], self.cube[0, 0]
        true = [*self.true[0][0][0], 0.25]
        y, x = numpy.mgrid[: SHAPE[2], : SHAPE[3]].astype("f8")
        px, py = round(cx), round(cy)
        ellipse = numpy.hypot((x - px - 0.25) / 13.3, (y - py) / 17.7) <= 1
        view = (numpy.abs(x - px) <= 12) & (numpy.abs(y - py) <= 14)
        rectangle = (numpy.abs(x - px) <= 12.3) & (numpy.abs(y - py) <= 14.3)
        region = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
            "region_type": "ELLIPSE", "control_points": [{"x": px + 0.25, "y": py}, {"x": 17.7, "y": 13.3}], "rotation": 0}})  # fmt: skip
        box = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
            "region_type": "RECTANGLE", "control_points": [{"x": px, "y": py}, {"x": 24.6, "y": 28.6}], "rotation": 0}})  # fmt: skip
        line = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
            "region_type": "LINE", "control_points": [{"x": 3, "y": 4}, {"x": 24, "y": 28}], "rotation": 0}})  # fmt: skip
        fov = {"region_type": "RECTANGLE", "control_points": [{"x": px, "y": py}, {"x": 24, "y": 28}], "rotation": 0}
        next_id = 1
        for name, inside, where in (("ellipse", ellipse, {"region_id": region["region_id"]}), ("rectangle", rectangle, {"region_id": box["region_id"]}),
                                    ("view", view, {"region_id": 0, "fov_info": fov})):  # fmt: skip
            with self.subTest(name):
                answer = await self.fit(client, request(self.disturbed([true[:6]]), offset=0.2, create_model_image=True, create_residual_image=True, **where))
                self.check(answer, plane, true, [False] * 7, inside)
                await self.check_images(client, answer, plane, inside, next_id)
                next_id += 2
        for id_, text in ((line["region_id"], "line"), (77, "77")):
            answer = await self.fit(client, request([true[:6]], region_id=id_))
            self.assertFalse(answer["success"])
            self.assertIn(text, answer["message"])
        await self.check_profile_of_residual(client, answer)

    async def check_profile_of_residual(self, client, answer):
        """An image of a fit is an image like any other."""
        await client.call("carta.set.cursor", file_id=2, point={"x": 3, "y": 4})
        await client.call("carta.set.spatial.requirements", file_id=2, region_id=0, spatial_profiles=[{"coordinate": "x"}])
        profile = await client.next("carta.spatial.profile.data", lambda m: m["file_id"] == 2 and m["profiles"])
        row = plane_of(await client.call("image.read", file_id=2, y=[4, 5]))
        numpy.testing.assert_array_equal(numpy.frombuffer(profile["profiles"][0]["raw_values_fp32"], "<f4"), row[0])

    async def check_images(self, client, answer, plane, inside, first_id, stem="field", ending=".fits"):
        rows, columns = numpy.flatnonzero(inside.any(axis=1)), numpy.flatnonzero(inside.any(axis=0))
        cut = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        y, x = numpy.mgrid[cut].astype("f8")
        values = [*sum((values_of(one) for one in answer["result_values"]), []), answer["offset_value"]]
        expected = model(values, x, y)
        data = numpy.where(numpy.isfinite(plane) & inside, plane.astype("f8"), numpy.nan)[cut]
        for n, (field, kind, want) in enumerate((("model_image", "model", expected), ("residual_image", "residual", data - expected))):
            ack = answer[field]
            self.assertTrue(ack["success"])
            self.assertEqual(ack["file_id"], first_id + n)
            self.assertEqual((ack["file_info"]["name"], ack["file_info"]["type"]), (f"{stem}_{kind}{ending}", "CASA"))
            extended = ack["file_info_extended"]
            self.assertEqual((extended["width"], extended["height"], extended["depth"], extended["stokes"]), (expected.shape[1], expected.shape[0], 1, 1))
            got = plane_of(await client.call("image.read", file_id=first_id + n))
            self.assertEqual(got.dtype, "f4")
            numpy.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
        return cut

    async def test_images_of_the_whole_plane(self):
        client = await self.opened(channel=2, stokes=1)
        true, plane = self.true[1][2], self.cube[1, 2]
        asked = request(self.disturbed(true), offset=0.2, create_residual_image=True)
        answer = await self.fit(client, asked)
        self.assertEqual(answer["residual_image"]["file_id"], 1)
        self.assertNotIn("model_image", answer)
        answer = await self.fit(client, {**asked, "create_model_image": True})
        await self.check_images(client, answer, plane, numpy.ones(plane.shape, bool), 2)
        # The world is where it was.
        entries = {e["name"]: e for e in answer["model_image"]["file_info_extended"]["header_entries"]}
        self.assertEqual((entries["CRPIX1"]["numeric_value"], entries["CRPIX3"]["numeric_value"], entries["CRPIX4"]["numeric_value"]), (50, -1, 0))
        self.assertEqual(entries["BUNIT"]["value"], "Jy/beam")
        self.assertEqual(answer["model_image"]["beam_table"][0]["major_axis"], numpy.float32(BEAM[0]))
        # A fit to the residual's own image, when the source is gone.
        await client.call("carta.close.file", file_id=0)
        again = await self.fit(client, request([true[0]], [True] * 6 + [False]), file_id=3)
        self.assertTrue(again["success"], again["message"])
        self.assertIn("field_residual", again["log"])

    async def test_world_coordinates_and_size_in_the_log(self):
        client = await self.opened(channel=0)
        answer = await self.fit(client, request([self.true[0][0][0]], offset=0.25))
        cx, cy, _, fx, fy, _ = values_of(answer["result_values"][0])
        place = WCS(make_header()).celestial.pixel_to_world(cx, cy)
        found = re.search(r"RA: (\S+)\n\s*DEC: (\S+)\n", answer["log"])
        self.assertIsNotNone(found, answer["log"])
        hours, degrees = ([float(part) for part in text.split(":")] for text in found.groups())
        self.assertAlmostEqual(15 * (hours[0] + hours[1] / 60 + hours[2] / 3600), place.ra.deg, delta=1e-5)
        self.assertAlmostEqual(degrees[0] + degrees[1] / 60 + degrees[2] / 3600, place.dec.deg, delta=1e-5)
        size = re.search(r"Size on the sky: (\S+)″ × (\S+)″", answer["log"])
        numpy.testing.assert_allclose([float(size[1]), float(size[2])], [PIXEL * fx, PIXEL * fy], rtol=1e-4)
        self.assertIn("Deconvolved from the beam", answer["log"])

    async def test_units(self):
        for name, beam, fluxes in (("pixels", 0, 1), ("kelvin", None, 0), ("milli", None, 0)):
            client = await self.opened(f"{name}.fits", channel=0)
            answer = await self.fit(client, request(self.disturbed(self.true[0][0]), offset=0.2))
            with self.subTest(name):
                more = {} if beam is None else {"beam": beam}
                self.check(answer, self.cube[0, 0], [*self.true[0][0][0], 0.25], [False] * 7, **more)
                self.assertEqual(len(answer["integrated_flux_values"]), fluxes)
                self.assertEqual("Integrated flux" in answer["log"], name != "kelvin")
            await client.close()

    async def test_doubles(self):
        client = await self.opened("wide.fits")
        answer = await self.fit(client, request(self.disturbed(self.true[0][0]), offset=0.2))
        self.check(answer, self.wide, [*self.true[0][0][0], 0.25], [False] * 7)

    async def test_doubles_of_any_magnitude(self):
        true = self.true[0][0][0]
        for exponent in (-200, 200):
            client = await self.opened(f"e{exponent}.fits")
            unit = 10.0**exponent
            for start in ([NAN] * 6, [true[0] + 1, true[1] - 1, 0.8 * true[2] * unit, *true[3:]]):
                with self.subTest(exponent=exponent, start=start):
                    answer = await self.fit(client, request([start], offset=0.2 * unit))
                    self.assertEqual((answer["success"], answer["message"]), (True, ""))
                    expected, *_ = by_scipy(self.wide, [*true, 0.25], [False] * 7)
                    got = numpy.array([*values_of(answer["result_values"][0]), answer["offset_value"]])
                    got[[2, 6]] /= unit
                    numpy.testing.assert_allclose(got[[0, 1, 2, 3, 4, 6]], expected[[0, 1, 2, 3, 4, 6]], rtol=1e-4)
                    errors = numpy.array(values_of(answer["result_errors"][0]))
                    errors[2] /= unit
                    rms = rms_of(self.wide[numpy.isfinite(self.wide)])
                    numpy.testing.assert_allclose(errors, condon(list(got[:6]), rms, math.sqrt(BEAM[0] * BEAM[1]) / PIXEL)[0], rtol=1e-6)
            await client.close()

    async def test_progress_while_initial_values_are_found(self):
        client = await self.opened("field.fits", channel=2)
        answer = await self.fit(client, request([[NAN] * 6] * 3, offset=0.25))
        self.assertTrue(answer["success"], answer["message"])
        # The first one is never held back. A fit from given values begins with 1 / 202.
        progress = await client.next(PROGRESS)
        self.assertAlmostEqual(progress["progress"], 0.5 * 0.8 / 9, places=5)

    async def test_initial_values_are_found(self):
        for n in range(SHAPE[0] * SHAPE[1]):
            channel, stokes = n % SHAPE[1], n // SHAPE[1]
            client = await self.opened(channel=channel, stokes=stokes)
            true, plane = self.true[stokes][channel], self.cube[stokes, channel]
            fixed = [False] * (6 * len(true) + 1)
            fixed[-1] = n % 2 == 0
            answer = await self.fit(client, request([[NAN] * 6] * len(true), fixed, offset=0.25))
            with self.subTest(channel=channel, stokes=stokes):
                self.assertTrue(answer["success"], answer["message"])
                self.assertTrue(answer["log"].startswith("Generated initial values"), answer["log"][:60])
                initial = logged_initial_values(answer["log"])
                self.assertEqual(len(initial), len(true))
                got = [values_of(one) for one in answer["result_values"]]
                for one, begin in zip(got, initial):
                    self.assertLess(math.hypot(one[0] - begin[0], one[1] - begin[1]), 3)
                order = [min(range(len(true)), key=lambda k, one=one: math.hypot(one[0] - true[k][0], one[1] - true[k][1])) for one in got]
                self.assertEqual(sorted(order), list(range(len(true))))
                self.check(answer, plane, [*sum((true[k] for k in order), []), 0.25], fixed)
            await client.close()

    async def test_fewer_than_asked_for(self):
        client = await self.opened(channel=0)
        answer = await self.fit(client, request([[NAN] * 6] * 4, offset=0.25))
        self.assertTrue(answer["success"], answer["message"])
        self.assertEqual(len(answer["result_values"]), 1)
        self.assertEqual(len(logged_initial_values(answer["log"])), 1)
        self.assertIn("1 of 4", answer["message"])

    async def test_what_is_refused(self):
        client = await self.opened(channel=0)
        good = self.true[0][0][0]
        for text, asked in (
            ("no file", {**request([good]), "file_id": 9}),
            ("initial_values", request([])),
            ("1 to 64", request([good] * 65)),
            ("fixed_params: expected 7", {**request([good]), "fixed_params": [False] * 6}),
            ("nothing is free", request([good], [True] * 7)),
            ("initial_values[0].center.y", request([[5, NAN, 1, 5, 4, 0]])),
            ("initial_values[1].pa", request([good, [5, 6, 1, 5, 4, math.inf]])),
            ("initial_values[0].center.x", request([[NAN] * 6], [False, False, True] + [False] * 4)),
            ("initial_values[0].fwhm.x", request([[5, 6, 1, -5, 4, 0]])),
            ("initial_values[0].fwhm.y", request([[5, 6, 1, 5, 0, 0]])),
            ("offset", request([good], offset=math.inf)),
            ("fov_info", request([good], region_id=0)),
            ("fov_info", request([good], region_id=0, fov_info={"region_type": "RECTANGLE", "control_points": [{"x": 1, "y": 1}, {"x": -3, "y": 5}]})),
            ("no pixels", request([good], region_id=0, fov_info={"region_type": "RECTANGLE", "control_points": [{"x": -900, "y": 1}, {"x": 3, "y": 5}]})),
            ("fewer finite pixels", request([good], region_id=0, fov_info={"region_type": "RECTANGLE", "control_points": [{"x": 9, "y": 9}, {"x": 1.2, "y": 1.2}]})),
        ):
            with self.subTest(text):
                answer = await self.fit(client, asked)
                self.assertFalse(answer["success"])
                self.assertIn(text.lower(), answer["message"].lower())
                self.assertEqual(answer["result_values"], [])
        await self.fails(self.fit(client, {**request([good]), "solver": "Best"}), -32602)
        await self.fails(self.fit(client, {**request([good]), "offset": "much"}), -32602)
        for file, text, start in (("blank.fits", "finite pixel", good), ("blank.fits", "finite pixel", [NAN] * 6), ("flat.fits", "same value", [NAN] * 6)):
            await open_file(client, file)
            answer = await self.fit(client, request([start]))
            self.assertFalse(answer["success"])
            self.assertIn(text, answer["message"])
        self.alive()

    async def test_hopeless_starts(self):
        client = await self.opened(channel=0)
        for start in ([1e6, -1e6, 1, 5, 4, 0], [50, 40, 0, 5, 4, 0], [50, 40, 1, 1e-150, 1e-150, 0], [50, 40, 1e300, 1e9, 1e-9, 0], [50, 40, 1, 1e160, 1e160, 30]):
            with self.subTest(start=start):
                answer = await self.fit(client, request([start], create_model_image=True))
                for one in answer["result_values"] + answer["result_errors"]:
                    self.assertTrue(numpy.isfinite(values_of(one)).all(), answer)
        self.alive()

    async def test_components_that_are_not_determined(self):
        client = await self.opened("half.fits")
        good = self.true[0][0][0]
        for start in ([20, 40, 1, 8, 6, 30], [1e9, 1e9, 1, 5, 5, 0], [10, 70, 3, 14, 12, 30], [30, 10, 0.1, 5, 5, 0]):
            with self.subTest(start=start):
                answer = await self.fit(client, request([start], offset=0.25))
                self.assertTrue(answer["success"], answer["message"])
                cx, cy, amp, fx, fy, _ = values_of(answer["result_values"][0])
                if start[0] < 1e9:
                    self.assertTrue(abs(cx) < 2000 and abs(cy) < 2000 and fx < 20000, answer["result_values"])
                if "Component 1 " not in answer["message"]:  # it has found the source
                    self.assertTrue(0 <= cx < SHAPE[3] and 0 <= cy < SHAPE[2] and fx < 5 * SHAPE[3], answer["result_values"])
                    continue
                self.assertIn("Not determined", answer["log"])
                self.assertEqual(values_of(answer["result_errors"][0]), [0] * 6)
                self.assertEqual((answer["integrated_flux_values"], answer["integrated_flux_errors"]), ([0], [0]))
        client = await self.opened()
        answer = await self.fit(client, request([good, [1e9, 1e9, 1, 5, 5, 0]], offset=0.25))
        self.assertTrue(answer["success"])
        self.assertTrue(answer["message"].startswith("Component 2 has no influence on the fitted pixels"), answer["message"])
        self.assertIn(answer["message"], answer["log"])
        self.assertEqual(values_of(answer["result_values"][1]), [1e9, 1e9, 1, 5, 5, 0])
        self.assertEqual(values_of(answer["result_errors"][1]), [0] * 6)
        self.assertEqual(answer["integrated_flux_values"][1], 0)
        self.check({**answer, **{name: answer[name][:1] for name in ("result_values", "result_errors", "integrated_flux_values")}}, self.cube[0, 0],
                   [*good, 0.25], [False] * 7)  # fmt: skip

    async def long_fit(self, client):
        """Noise only, and 64 sources: long for certain. Returns its answer, when it has begun."""
        random = numpy.random.default_rng(5)
        start = [[random.uniform(0, self.side), random.uniform(0, self.side), 1.0, 300.0, 200.0, 10.0] for _ in range(64)]
        _, answer = await client.start("carta.fitting.request", [request(start)])
        progress = await client.next(PROGRESS)
        self.assertEqual(progress["file_id"], 0)
        self.assertTrue(0 < progress["progress"] <= 1)
        return answer

    async def test_stop(self):
        client = await self.opened("large.fits.moment.average")
        answer = await self.long_fit(client)
        begun = time.monotonic()
        self.assertIsNone(await client.call("carta.stop.fitting", file_id=0))
        reply = await asyncio.wait_for(answer, PATIENCE)
        print(f"stopped after {1e3 * (time.monotonic() - begun):.0f} ms", flush=True)
        result = reply.get("result", reply)
        self.assertFalse(result["success"])
        self.assertEqual(result["message"], "task cancelled")
        self.assertIsNone(await client.call("carta.stop.fitting", file_id=0))  # nothing runs
        self.assertIsNone(await client.call("carta.stop.fitting", file_id=55))

    async def test_in_the_binary_framing(self):
        async with await icd_client.connect(self.server.port, urllib.parse.quote(self.server.secret)) as page:
            await page.ask("REGISTER_VIEWER")
            self.assertTrue((await page.ask("OPEN_FILE", file="field.fits", file_id=0)).success)
            ack = await page.ask("FITTING_REQUEST", file_id=0, initial_values=[icd.GaussianComponent(
                center=icd.DoublePoint(x=NAN, y=NAN), amp=NAN, fwhm=icd.DoublePoint(x=NAN, y=NAN), pa=NAN)], fixed_params=[False] * 7, region_id=-1,
                create_model_image=True, create_residual_image=True, solver=icd.Cholesky)  # fmt: skip
            self.assertTrue(ack.success, ack.message)
            one, error = ack.result_values[0], ack.result_errors[0]
            cx, cy, *_ = self.true[0][0][0]
            self.assertLess(math.hypot(one.center.x - cx, one.center.y - cy), 5 * math.hypot(error.center.x, error.center.y))
            self.assertEqual(len(logged_initial_values(ack.log)), 1)
            self.assertEqual((ack.model_image.file_id, ack.residual_image.file_id), (1, 2))
            self.assertEqual(ack.residual_image.file_info.name, "field_residual.fits")
            progress = await page.next("FITTING_PROGRESS")
            self.assertTrue(0 < progress.progress < 1)
            await page.tell("STOP_FITTING", file_id=0)
            self.assertFalse((await page.ask("FITTING_REQUEST", file_id=3, region_id=-1)).success)

    async def test_close_and_leave(self):
        client = await self.opened("large.fits.moment.average")
        answer = await self.long_fit(client)
        self.assertIsNone(await client.call("carta.close.file", file_id=0))
        result = (await asyncio.wait_for(answer, PATIENCE))
        self.assertFalse(result.get("result", result)["success"])
        await open_file(client, "large.fits.moment.average")
        answer = await self.long_fit(client)
        await client.call("session.close")
        await asyncio.wait([answer], timeout=PATIENCE)
        self.assertTrue(answer.done())
        answer.exception()  # the connection was closed, or the answer says that the session was
        self.alive()

    async def test_name_before_the_suffix_of_a_moment(self):
        client = await self.opened("large.fits.moment.average")
        fov = {"region_type": "RECTANGLE", "control_points": [{"x": 50, "y": 50}, {"x": 20, "y": 20}]}
        answer = await self.fit(client, request([[50, 50, 1, 5, 4, 0]], [True] * 6 + [False], region_id=0, fov_info=fov, create_model_image=True))
        self.assertEqual(answer["model_image"]["file_info"]["name"], "large_model.fits.moment.average")

    async def test_names_of_expressions(self):
        client = await self.viewer()
        expression = '"field.fits" * 0.5 + 1.25'
        await client.call("carta.open.file", file_id=0, file=expression, lel_expr=True)
        fixed = [True] * 6 + [False]
        answer = await self.fit(client, request([[50, 40, 1, 5, 4, 0]], fixed, create_model_image=True, create_residual_image=True))
        self.assertTrue(answer["success"], answer["message"])
        self.assertEqual(answer["model_image"]["file_info"]["name"], expression + "_model")
        self.assertEqual(answer["residual_image"]["file_info"]["name"], expression + "_residual")
        answer = await self.fit(client, request([[50, 40, 1, 5, 4, 0]], fixed, create_model_image=True), file_id=2)
        self.assertEqual(answer["model_image"]["file_info"]["name"], expression + "_residual_model")


class FittingAfterRestart(ServerTest):
    make_files = Fitting.__dict__["make_files"]

    async def test_images_come_back(self):
        client = await self.viewer()
        await open_file(client, "field.fits")
        await client.call("carta.set.image.channels", file_id=0, channel=1, stokes=0)
        polygon = {"region_type": "POLYGON", "control_points": [{"x": 10.25, "y": 8.5}, {"x": 95.75, "y": 14.125}, {"x": 80.5, "y": 80.25}, {"x": 20.75, "y": 70.5}]}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": polygon}))["region_id"]
        both = {"create_model_image": True, "create_residual_image": True}
        answer = await client.call("carta.fitting.request", {**request(self.true[0][1], offset=0.25), "region_id": region, **both})
        self.assertTrue(answer["success"], answer["message"])
        # A computed polarization, and a residual of a residual.
        await open_file(client, "polarized.fits", 3)
        await client.call("carta.set.image.channels", file_id=3, channel=0, stokes=14)
        answer = await client.call("carta.fitting.request", {**request(self.true[0][1], offset=0.25), "file_id": 3, **both})
        self.assertTrue(answer["success"], answer["message"])
        self.assertIn("Plinear", answer["log"])
        answer = await client.call("carta.fitting.request", {**request([[50, 40, 0.1, 9, 8, 0]], [True] * 6 + [False]), "file_id": 5, **both})
        self.assertTrue(answer["success"], answer["message"])
        names = ["field", "field_model", "field_residual", "polarized", "polarized_model", "polarized_residual", "polarized_residual_model", "polarized_residual_residual"]
        before = [block_values(await client.call("image.read", file_id=n)) for n in range(len(names))]
        with numpy.errstate(invalid="ignore"):
            linear = finite(numpy.sqrt(self.cube[0, 1].astype("f8") ** 2 + self.cube[0, 2].astype("f8") ** 2))
        numpy.testing.assert_allclose(before[4].reshape(linear.shape).astype("f8") + before[5].reshape(linear.shape), linear, rtol=1e-5, atol=1e-5)
        await settled(client)
        await asyncio.to_thread(self.server.__exit__)
        await asyncio.to_thread(self.server.__enter__)
        client = await self.viewer(session_id=client.session_id)
        self.assertEqual(client.registered["session_type"], "RESUMED")
        state = await client.call("session.state")
        self.assertEqual([(file["file_id"], file["file"]) for file in state["files"]], [(n, f"{name}.fits") for n, name in enumerate(names)])
        for n, block in enumerate(before):
            numpy.testing.assert_array_equal(block_values(await client.call("image.read", file_id=n)), block)
        self.assertGreater(numpy.isnan(before[2]).sum(), 100)


if __name__ == "__main__":
    unittest.main()
