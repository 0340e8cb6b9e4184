"""Spatial profiles of regions: points, lines and polylines, on the image that they belong to and on others of the same sky, held against numpy and
astropy.wcs."""

import asyncio
import unittest
from urllib.parse import quote

import numpy
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord, skycoord_to_pixel

from harness import ERROR, PATIENCE, SPATIAL, ServerTest, open_file, profile_values, settled
import icd_client
from icd_client import icd

CUBE = (4, 3, 90, 120)  # stokes, channel, y, x


def header_of(lon, lat, projection, crval, crpix, cd, **more):
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"{lon:-<5}{projection}", f"{lat:-<5}{projection}"
    for n in (0, 1):
        header[f"CRVAL{n + 1}"], header[f"CRPIX{n + 1}"] = crval[n], crpix[n]
        for m in (0, 1):
            header[f"CD{n + 1}_{m + 1}"] = cd[n][m]
    header.update(more)
    return header


REFERENCE = header_of("RA", "DEC", "TAN", (0.001, 30.0), (60, 45), ((-1e-3, 0), (0, 1e-3)), RADESYS="ICRS")
# Turned by 33 degrees, seen from behind, with half the pixels and in another frame.
ANGLE = numpy.radians(33)
CENTRE = SkyCoord(0.001, 30.0, unit="deg").galactic
MATCHED = header_of("GLON", "GLAT", "SIN", (CENTRE.l.deg, CENTRE.b.deg), (100, 110),
                    ((5e-4 * numpy.cos(ANGLE), -5e-4 * numpy.sin(ANGLE)), (5e-4 * numpy.sin(ANGLE), 5e-4 * numpy.cos(ANGLE))))  # fmt: skip
ALL_SKY = header_of("RA", "DEC", "AIT", (0.0, 0.0), (60, 45), ((-2.0, 0), (0, 2.0)), RADESYS="ICRS")


def on_matched(points):
    sky = pixel_to_skycoord(*numpy.array(points, "f8").T, WCS(REFERENCE))
    return numpy.stack(skycoord_to_pixel(sky, WCS(MATCHED)), 1)


def centres_of_line(a, b):
    """Box centres, from the second point on, and the direction."""
    a, b = numpy.asarray(a, "f8"), numpy.asarray(b, "f8")
    length = numpy.hypot(*(a - b))
    direction = (a - b) / length if length else numpy.array([1.0, 0.0])
    half = max(0, int(numpy.floor((length - 1) / 2 + 0.5)))
    return [((a + b) / 2 + i * direction, direction) for i in range(-half, half + 1)]


def centres_of_polyline(points):
    points = numpy.asarray(points, "f8")
    centres = []
    for a, b in zip(points, points[1:]):
        length = numpy.hypot(*(b - a))
        direction = (b - a) / length if length else numpy.array([1.0, 0.0])
        for i in range(int(numpy.floor(length + 0.5)) + 1):
            centre = a + i * direction
            if i == 0 and centres and numpy.hypot(*(centre - centres[-1][0])) < 0.5:
                continue
            centres.append((centre, direction))
    return centres


def means(plane, centres, width):
    """Of each box the mean and whether it is certain: no pixel's centre is within 1e-3 of its outline but outside, or inside."""
    plane = numpy.where(numpy.isfinite(plane), plane, numpy.nan).astype("f8")
    ys, xs = numpy.mgrid[: plane.shape[0], : plane.shape[1]]
    values, certain = [], []
    for (cx, cy), (dx, dy) in centres:
        along = abs((xs - cx) * dx + (ys - cy) * dy)
        across = abs((ys - cy) * dx - (xs - cx) * dy)
        half = 0.5 if min(abs(dx), abs(dy)) < 1e-9 else 1.5
        inside = [(along <= half + t) & (across <= width / 2 + t) for t in (-1e-3, 1e-5, 1e-3)]
        chosen = plane[inside[1]]
        values.append(numpy.nanmean(chosen) if numpy.isfinite(chosen).any() else numpy.nan)
        certain.append((inside[0] == inside[2]).all() or half == 0.5)
    return numpy.array(values), numpy.array(certain)


class LineProfiles(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(17)
        cls.cube = random.normal(size=CUBE).astype("f4")
        cls.cube[:, :, 40:44, 50:60] = numpy.nan
        cls.cube[0, 0, 20, 30] = numpy.inf
        header = REFERENCE.copy()
        for n, (kind, value, step) in enumerate((("FREQ", 1.4e9, 1e6), ("STOKES", 1, 1)), 3):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = kind, 1.0, value, step
            header[f"CD{n}_{n}"] = step
        fits.writeto(folder / "cube.fits", cls.cube, header)
        cls.matched = random.normal(size=(220, 200)).astype("f4")
        fits.writeto(folder / "matched.fits", cls.matched, MATCHED)
        cls.sky = random.normal(size=(90, 120)).astype("f4")
        fits.writeto(folder / "sky.fits", cls.sky, ALL_SKY)
        cls.plain = random.normal(size=(70, 50)).astype("f4")
        fits.writeto(folder / "plain.fits", cls.plain)
        fits.CompImageHDU(cls.plain.astype("f4"), compression_type="GZIP_2", quantize_level=0.0).writeto(folder / "compressed.fits")

    async def region(self, client, kind, points, file_id=0, region_id=-1):
        ack = await client.call("carta.set.region", {"file_id": file_id, "region_id": region_id, "region_info": {
            "region_type": kind, "control_points": [{"x": float(x), "y": float(y)} for x, y in points], "rotation": 0}})  # fmt: skip
        self.assertTrue(ack["success"], ack)
        return ack["region_id"]

    async def require(self, client, region_id, *profiles, file_id=0):
        return await client.call("carta.set.spatial.requirements", {"file_id": file_id, "region_id": region_id, "spatial_profiles": list(profiles)})

    async def line(self, client, region_id, file_id=0, of=lambda _: True):
        message = await client.next(SPATIAL, lambda m: m["region_id"] == region_id and m["file_id"] == file_id and of(m), PATIENCE)
        profile, = message["profiles"]
        values = profile_values(profile)
        self.assertEqual((profile["start"], profile["end"], profile["mip"]), (0, len(values) - 1, 0))
        self.assertEqual(profile["line_axis"]["crpix"], len(values) // 2)
        return message, profile, values

    def same(self, values, expected):
        expected, certain = expected
        self.assertEqual(len(values), len(expected))
        self.assertGreater(certain.mean(), 0.7)
        numpy.testing.assert_allclose(values[certain], expected[certain].astype("f4"), rtol=2e-5, atol=1e-6)

    async def test_along_lines(self):
        """Level, upright and slanting lines of all widths, in both generations; the axis says where."""
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "cube.fits")
            for width, a, b in ((0, (20, 30), (60, 30)), (1, (33, 10), (33, 71)), (3, (15.25, 12.5), (99.75, 70)), (20, (100, 20), (80.5, 80)), (7, (5, 5), (35, 35))):
                region = await self.region(client, "LINE", (a, b))
                await self.require(client, region, {"coordinate": "", "width": width})
                message, profile, values = await self.line(client, region)
                self.assertEqual((message["channel"], message["stokes"], profile["coordinate"]), (0, 0, ""))
                axis = profile["line_axis"]
                step = 3.6 if axis["unit"] == "arcsec" else 0.06
                self.assertEqual(axis["unit"], "arcsec" if 3.6 * (len(values) - 1) < 120 else "arcmin")
                numpy.testing.assert_allclose([axis["cdelt"], axis["crval"]], [step, 0], rtol=1e-4)
                self.assertIn(axis["axis_type"], ("Offset", 0))
                self.same(values, means(self.cube[0, 0], centres_of_line(a, b), width or 3))

    async def test_along_polylines(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        points = [(10, 10), (50.5, 30), (50.5, 30), (50.5, 70), (110, 20)]
        region = await self.region(client, "POLYLINE", points)
        await self.require(client, region, {"coordinate": "I", "width": 2}, {"coordinate": "", "width": 5})
        for coordinate, width in (("I", 2), ("", 5)):
            _, profile, values = await self.line(client, region, of=lambda m: m["profiles"][0]["coordinate"] == coordinate)
            axis = profile["line_axis"]
            self.assertIn(axis["axis_type"], ("Distance", 1))
            numpy.testing.assert_allclose(axis["crval"], axis["crpix"] * axis["cdelt"], rtol=1e-6)
            self.same(values, means(self.cube[0, 0], centres_of_polyline(points), width))

    async def test_polarizations_that_are_not_shown(self):
        """Q, and computed ones, of the channel that is shown; the one that is shown follows the image."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        a, b = (10, 20), (70, 75)
        i, q, u, v = self.cube[:, 1].astype("f8")
        wanted = {"Qz": (1, q), "U": (2, u), "Plinear": (14, numpy.hypot(q, u)), "Pangle": (17, numpy.degrees(0.5 * numpy.arctan2(u, q))),
                  "PFtotalz": (15, 100 * numpy.sqrt(q**2 + u**2 + v**2) / i)}  # fmt: skip
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 1, "stokes": 0})
        region = await self.region(client, "LINE", (a, b))
        await self.require(client, region, *({"coordinate": name} for name in wanted))
        for name, (stokes, plane) in wanted.items():
            message, _, values = await self.line(client, region, of=lambda m: m["profiles"][0]["coordinate"] == name)
            self.assertEqual((message["channel"], message["stokes"]), (1, stokes))
            self.assertTrue(numpy.nanmax(abs(values)) > 0)
            self.same(values, means(plane, centres_of_line(a, b), 3))
        await self.require(client, region, {"coordinate": "z"})
        await self.line(client, region)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 2, "stokes": 3})
        message, _, values = await self.line(client, region)
        self.assertEqual((message["channel"], message["stokes"]), (2, 3))
        self.same(values, means(self.cube[3, 2], centres_of_line(a, b), 3))

    async def test_half_and_wholly_outside_without_length_without_pixels(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        for a, b in (((-40, 30), (40, 60)), ((100, 85), (140, 120)), ((-50, -50), (-10, -90)), ((1e6, 1e6), (1e6 + 50, 1e6)), ((30, 20), (30, 20)), ((45, 42), (65, 42))):
            region = await self.region(client, "LINE", (a, b))
            await self.require(client, region, {"coordinate": "", "width": 1})
            _, _, values = await self.line(client, region)
            self.same(values, means(self.cube[0, 0], centres_of_line(a, b), 1))
        # Longer than any image, as far as floats reach: a clear error, and the server goes on.
        region = await self.region(client, "LINE", ((-3e38, 0), (3e38, 10)))
        await self.require(client, region, {"coordinate": ""})
        error = await client.next(ERROR, timeout=PATIENCE)
        self.assertIn("values", error["message"])
        self.alive()

    async def test_points(self):
        """As the cursor's, with the region's id; also on an image on which the point lies elsewhere."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await open_file(client, "matched.fits", 1)
        region = await self.region(client, "POINT", [(30.4, 21.5)])
        await self.require(client, region, {"coordinate": "x", "start": 3, "end": 50}, {"coordinate": "Qy"})
        shown = await client.next(SPATIAL, lambda m: m["region_id"] == region and m["stokes"] == 0, PATIENCE)
        self.assertEqual((shown["x"], shown["y"], shown["value"]), (30, 22, self.cube[0, 0, 22, 30]))
        numpy.testing.assert_array_equal(profile_values(shown["profiles"][0]), self.cube[0, 0, 22, 3:50])
        other = await client.next(SPATIAL, lambda m: m["region_id"] == region and m["stokes"] == 1, PATIENCE)
        numpy.testing.assert_array_equal(profile_values(other["profiles"][0]), self.cube[1, 0, :, 30])
        await self.region(client, "POINT", [(80, 50)], region_id=region)
        moved = await client.next(SPATIAL, lambda m: m["region_id"] == region and m["stokes"] == 0, PATIENCE)
        self.assertEqual((moved["x"], moved["y"]), (80, 50))
        await self.require(client, region, {"coordinate": "y"}, file_id=1)
        found = await client.next(SPATIAL, lambda m: m["file_id"] == 1, PATIENCE)
        x, y = numpy.rint(on_matched([(80, 50)])[0]).astype(int)
        self.assertEqual((found["x"], found["y"], found["region_id"]), (x, y, region))
        numpy.testing.assert_array_equal(profile_values(found["profiles"][0]), self.matched[:, x])
        # Beside the image there is nothing.
        await self.region(client, "POINT", [(-5, 50)], region_id=region)
        await settled(client)
        self.assertFalse([m for m in client.published.get(SPATIAL, []) if m["x"] == -5])

    async def test_on_another_image(self):
        """The same line on an image that is turned, seen from behind, finer, and galactic."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await open_file(client, "matched.fits", 1)
        await open_file(client, "plain.fits", 2)
        a, b = (40, 30), (85, 61)
        region = await self.region(client, "LINE", (a, b))
        for file_id in (2, 1, 0):
            await self.require(client, region, {"coordinate": "", "width": 4}, file_id=file_id)
        _, here, _ = await self.line(client, region)
        _, there, values = await self.line(client, region, 1)
        self.same(values, means(self.matched, centres_of_line(*on_matched([a, b])), 4))
        length = [(p["end"] + 1) * p["line_axis"]["cdelt"] * {"arcsec": 1, "arcmin": 60}[p["line_axis"]["unit"]] for p in (here, there)]
        self.assertAlmostEqual(length[0], length[1], delta=6)
        # An image without a sky has no place for it.
        await settled(client)
        self.assertFalse([m for m in client.published.get(SPATIAL, []) if m["file_id"] == 2])
        # Dragged on the one, it moves on the other.
        a, b = (44, 33), (80, 30)
        await self.region(client, "LINE", (a, b), region_id=region)
        _, _, values = await self.line(client, region, 1)
        self.same(values, means(self.matched, centres_of_line(*on_matched([a, b])), 4))

    async def test_equal_angles(self):
        """Where pixels have different sizes on the sky, values are equal angles apart."""
        client = await self.viewer()
        await open_file(client, "sky.fits")
        region = await self.region(client, "LINE", ((100, 30), (20, 70)))
        await self.require(client, region, {"coordinate": ""})
        _, profile, values = await self.line(client, region)
        wcs = WCS(ALL_SKY)
        places = pixel_to_skycoord(numpy.linspace(100, 20, 4001), numpy.linspace(30, 70, 4001), wcs)
        whole = places[1:].separation(places[:-1]).deg.sum()
        axis = profile["line_axis"]
        self.assertEqual(axis["unit"], "deg")
        self.assertAlmostEqual(axis["cdelt"], 2, delta=0.02)
        self.assertAlmostEqual(len(values) * axis["cdelt"], whole, delta=3)
        self.assertTrue(numpy.isfinite(values).all())

    async def test_compressed_and_without_sky(self):
        client = await self.viewer()
        for file_id, file in enumerate(("plain.fits", "compressed.fits")):
            await open_file(client, file, file_id, hdu="0" if file == "plain.fits" else "1")
            region = await self.region(client, "LINE", ((5, 5), (40, 60)), file_id)
            await self.require(client, region, {"coordinate": ""}, file_id=file_id)
            _, profile, values = await self.line(client, region, file_id)
            self.same(values, means(self.plain, centres_of_line((5, 5), (40, 60)), 3))
            self.assertEqual((profile["line_axis"]["unit"], profile["line_axis"]["cdelt"]), ("pixel", 1))

    async def test_dragged_quickly(self):
        """The last one is that of the last place, and nothing follows it, nor the removal."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        region = await self.region(client, "LINE", ((10, 10), (100, 80)))
        await self.require(client, region, {"coordinate": ""}, {"coordinate": "Q", "width": 9})
        calls = []
        for i in range(60):
            a, b = (10 + i, 10), (100 - i, 80 - 0.5 * i)
            calls.append(client.call("carta.set.region", {"file_id": 0, "region_id": region, "region_info": {
                "region_type": "LINE", "control_points": [{"x": x, "y": y} for x, y in (a, b)], "rotation": 0}}))  # fmt: skip
        for ack in await asyncio.gather(*calls):
            self.assertTrue(ack["success"])
        await settled(client)
        sent = [m for m in client.published[SPATIAL] if m["region_id"] == region]
        for coordinate, stokes, width in (("", 0, 3), ("Q", 1, 9)):
            ours = [m for m in sent if m["profiles"][0]["coordinate"] == coordinate]
            self.assertLessEqual(len(ours), 61)
            self.same(profile_values(ours[-1]["profiles"][0]), means(self.cube[stokes, 0], centres_of_line(a, b), width))
        client.forget()
        await client.call("carta.remove.region", {"region_id": region})
        await self.require(client, region)  # clears it, although it has gone
        await settled(client)
        self.assertFalse(client.published.get(SPATIAL))
        self.assertFalse(client.published.get(ERROR))

    async def test_what_cannot_be(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        line = await self.region(client, "LINE", ((10, 10), (50, 10)))
        box = await self.region(client, "RECTANGLE", ((10, 10), (5, 5)))
        point = await self.region(client, "POINT", [(10, 10)])
        await self.fails(self.require(client, line, {"coordinate": "x"}), text="no profile along a line")
        await self.fails(self.require(client, line, {"coordinate": "RR"}), text="no profile along a line")
        for width in (-1, 21, 2**31 - 1):
            await self.fails(self.require(client, line, {"coordinate": "", "width": width}), text="width: expected 1 to 20")
        await self.fails(self.require(client, point, {"coordinate": "z"}), text="no profile along x or y")
        await self.fails(self.require(client, box, {"coordinate": "x"}), text="is a rectangle")
        await self.fails(self.require(client, 77, {"coordinate": "x"}), text="no region with id 77")
        await self.fails(self.require(client, line, {"coordinate": ""}, file_id=5), text="no file with id 5")
        for gone in (77, box, -4):
            await self.require(client, gone)
        # A line that becomes a rectangle has no profile any more, and again one when it is a line again.
        await self.require(client, line, {"coordinate": ""})
        await self.line(client, line)
        await self.region(client, "RECTANGLE", ((10, 10), (5, 5)), region_id=line)
        await settled(client)
        self.assertFalse(client.published.get(SPATIAL))
        await self.region(client, "POLYLINE", ((10, 10), (50, 10), (50, 30)), region_id=line)
        _, _, values = await self.line(client, line)
        self.same(values, means(self.cube[0, 0], centres_of_polyline(((10, 10), (50, 10), (50, 30))), 3))

    async def test_two_connections_have_their_own(self):
        one = await self.viewer()
        await open_file(one, "cube.fits")
        two = await self.viewer(session_id=one.session_id)
        region = await self.region(one, "LINE", ((10, 10), (50, 10)))
        await self.require(one, region, {"coordinate": "", "width": 1})
        await self.require(two, region, {"coordinate": "", "width": 5}, {"coordinate": "", "width": 1})
        for client, widths in ((one, (1,)), (two, (5, 1))):
            got = [await self.line(client, region) for _ in widths]
            for width in widths:
                expected = means(self.cube[0, 0], centres_of_line((10, 10), (50, 10)), width)[0].astype("f4")
                self.assertTrue(any(numpy.allclose(values, expected, rtol=2e-5, equal_nan=True) for _, _, values in got), (width, got))
        one.forget()
        await self.require(two, region)
        await self.region(one, "LINE", ((10, 20), (50, 20)), region_id=region)
        _, _, values = await self.line(one, region)
        self.same(values, means(self.cube[0, 0], centres_of_line((10, 20), (50, 20)), 1))

    async def test_in_the_icd_dialect(self):
        client = await icd_client.connect(self.server.port, quote(self.server.secret))
        self.addAsyncCleanup(client.close)
        self.assertTrue((await client.ask("REGISTER_VIEWER", session_id=0)).success)
        self.assertTrue((await client.ask("OPEN_FILE", file="cube.fits", file_id=0, hdu="0")).success)
        a, b = (10, 12), (90.5, 70)
        info = icd.RegionInfo(region_type=icd.LINE, control_points=[icd.Point(x=x, y=y) for x, y in (a, b)])
        region = (await client.ask("SET_REGION", file_id=0, region_id=-1, region_info=info)).region_id
        await client.tell("SET_SPATIAL_REQUIREMENTS", file_id=0, region_id=region,
                          spatial_profiles=[icd.SetSpatialRequirements.SpatialConfig(coordinate="Plinear", width=3)])  # fmt: skip
        data = await client.next("SPATIAL_PROFILE_DATA")
        self.assertEqual((data.region_id, data.stokes, data.profiles[0].line_axis.axis_type), (region, 14, icd.Offset))
        values = numpy.frombuffer(data.profiles[0].raw_values_fp32, "<f4")
        self.same(values, means(numpy.hypot(*self.cube[1:3, 0].astype("f8")), centres_of_line(a, b), 3))
        await client.tell("SET_SPATIAL_REQUIREMENTS", file_id=0, region_id=region,
                          spatial_profiles=[icd.SetSpatialRequirements.SpatialConfig(coordinate="x")])  # fmt: skip
        self.assertIn("no profile along a line", (await client.next("ERROR_DATA")).message)


if __name__ == "__main__":
    unittest.main()
