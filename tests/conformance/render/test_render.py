"""image.render: pictures as files, held against numpy and PIL."""

import asyncio
import math
import os
import random
import unittest
import warnings

import numpy
from astropy.io import fits
from astropy.wcs import WCS

from support import ANCHORS, BACKGROUND, BLANK, PATIENCE, ServerTest, coloured, colour_map, histogram_of, open_file, picture, rgba

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 32)))
TURNED = {"PC1_1": math.cos(0.6), "PC1_2": -math.sin(0.6), "PC2_1": math.sin(0.6), "PC2_2": math.cos(0.6)}
SKIES = {"sky.fits": {}, "turned.fits": TURNED, "zero.fits": {"CRVAL1": 0.1}, "pole.fits": {"CRVAL2": 89.5}, "galactic.fits": {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL2": 0.0}}


class RenderTest(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"CUBELINK_SEED={SEED}", flush=True)
        numbers = numpy.random.default_rng(SEED)
        cls.ramp = numpy.arange(64 * 48, dtype="f4").reshape(48, 64)
        cls.noise = numbers.normal(3, 2, (300, 417)).astype("f4")
        cls.noise[10:14, 20:30] = numpy.nan
        cls.noise[200, 300] = numpy.inf
        cls.bright = numbers.normal(0, 1, (200, 200)).astype("f4")
        cls.bright.flat[::50] = 1000
        cls.cube = numbers.normal(0, 1, (2, 3, 20, 30)).astype("f4")
        fits.PrimaryHDU(cls.ramp).writeto(folder / "ramp.fits")
        fits.PrimaryHDU(cls.noise).writeto(folder / "noise.fits")
        fits.PrimaryHDU(cls.bright).writeto(folder / "bright.fits")
        header = fits.Header({"CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0})
        fits.PrimaryHDU(cls.cube, header).writeto(folder / "cube.fits")
        for name, more in SKIES.items():
            sky = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRPIX1": 150.0, "CRPIX2": 100.0, "CRVAL1": 83.5, "CRVAL2": 22.0, "CDELT1": -0.011, "CDELT2": 0.011,
                               "BMAJ": 0.6, "BMIN": 0.3, "BPA": 30.0, **more})  # fmt: skip
            fits.PrimaryHDU(numpy.zeros((200, 300), "f4"), sky).writeto(folder / name)
        fits.PrimaryHDU(numpy.full((9, 9), 5, "f4")).writeto(folder / "constant.fits")
        fits.PrimaryHDU(numpy.full((9, 9), numpy.nan, "f4")).writeto(folder / "blank.fits")
        fits.CompImageHDU(cls.noise, quantize_level=0, compression_type="GZIP_1").writeto(folder / "compressed.fits")

    async def render(self, client, file_id=0, **asked):
        return await client.call("image.render", file_id=file_id, timeout=PATIENCE, **asked)

    async def opened(self, *files, generation=2):
        client = await self.viewer(generation)
        for file_id, file in enumerate(files):
            await open_file(client, file, file_id)
        return client

    async def test_every_pixel_of_a_plane_has_its_colour(self):
        client = await self.opened("ramp.fits")
        for stretch in ("linear", "log", "sqrt", "asinh"):
            for name in ANCHORS:
                answer = await self.render(client, size=[64, 48], stretch=stretch, colour_map=name, limits=[100, 2900])
                pixels, kind, mode = rgba(answer)
                self.assertEqual(kind, "PNG")
                self.assertIn(mode, ("RGB", "P"))
                wanted = coloured(self.ramp[::-1], (100, 2900), name, stretch)
                wrong = numpy.abs(pixels.astype(int) - wanted).max(axis=2) > 0
                # On the edge between two colours the last bit of a logarithm decides.
                self.assertLessEqual(wrong.sum(), 2, (stretch, name))
        self.assertEqual((answer["width"], answer["height"], answer["format"], answer["limits"]), (64, 48, "png", [100.0, 2900.0]))
        self.assertEqual(answer["view"], {"x": 31.5, "y": 23.5, "scale": 1.0})

    async def test_perceptual_maps_are_those_of_the_field(self):
        import matplotlib

        for ours, theirs, most in (("Viridis", "viridis", 20), ("Inferno", "inferno", 20), ("Cubehelix", "cubehelix", 1), ("Grey", "gray", 1)):
            table = numpy.rint(matplotlib.colormaps[theirs](numpy.linspace(0, 1, 256))[:, :3] * 255)
            self.assertLessEqual(numpy.abs(colour_map(ours)[:, :3] - table).max(), most, ours)

    async def test_inverted_blank_and_outside(self):
        client = await self.opened("noise.fits")
        answer = await self.render(client, view={"x": 24.0, "y": 11.0, "scale": 1.0}, size=[80, 60], limits=[-1, 7], colour_map="viridis", inverted=True,
                                   stretch="linear")
        pixels, _, mode = rgba(answer)
        self.assertIn(mode, ("RGBA", "P"))
        values, inside = picture(self.noise, (80, 60), 24, 11, 1)
        wanted = numpy.where(inside[..., None], coloured(values, (-1, 7), "Viridis", inverted=True), numpy.array(BACKGROUND, "u1"))
        numpy.testing.assert_array_equal(pixels, wanted)
        self.assertTrue((pixels == BLANK).all(axis=2).any())
        answer = await self.render(client, view={"x": 24.0, "y": 11.0, "scale": 1.0}, size=[80, 60], limits=[-1, 7], stretch="linear", blank="#ff0000",
                                   background="#00ff0080")
        pixels, _, _ = rgba(answer)
        self.assertTrue((pixels[~inside] == (0, 255, 0, 128)).all())
        self.assertTrue((pixels[inside & ~numpy.isfinite(values)] == (255, 0, 0, 255)).all())

    async def test_views_at_any_scale(self):
        client = await self.opened("noise.fits", "compressed.fits")
        numbers = random.Random(SEED)
        for file_id in (0, 1):
            for _ in range(8):
                size = (numbers.randrange(1, 90), numbers.randrange(1, 90))
                # No power of two, so that no two implementations differ by the last bit of where a block's centre lies.
                view = {"x": numbers.uniform(-20, 440), "y": numbers.uniform(-20, 320), "scale": math.exp(numbers.uniform(-4, 2.5))}
                answer = await self.render(client, file_id, view=view, size=list(size), limits=[-1, 7], stretch="linear", colour_map="Grey")
                self.assertEqual(answer["view"], view)
                values, inside = picture(self.noise, size, view["x"], view["y"], view["scale"])
                wanted = numpy.where(inside[..., None], coloured(values, (-1, 7), "Grey"), numpy.array(BACKGROUND, "u1"))
                # Means are rounded to single precision.
                difference = numpy.abs(rgba(answer)[0].astype(int) - wanted)
                self.assertLessEqual(difference.max(), 1, (SEED, view, size))
                self.assertLessEqual((difference > 0).mean(), 0.02, (SEED, view, size))

    async def test_bounds_and_sizes(self):
        client = await self.opened("ramp.fits")
        answer = await self.render(client, view={"x_min": 10, "x_max": 30, "y_min": 5, "y_max": 15}, size=[40, 40], limits=[0, 3000], stretch="linear")
        pixels, _, _ = rgba(answer)
        self.assertEqual(answer["view"], {"x": 19.5, "y": 9.5, "scale": 2.0})
        wanted = coloured(self.ramp[5:15, 10:30][::-1].repeat(2, 0).repeat(2, 1), (0, 3000))
        numpy.testing.assert_array_equal(pixels[10:30], wanted)
        for size, wanted in ((32, (32, 24)), (None, (64, 48)), ([7, 5], (7, 5)), (1, (1, 1)), (200, (200, 150))):
            answer = await self.render(client, size=size)
            self.assertEqual((answer["width"], answer["height"]), wanted)
            self.assertEqual(rgba(answer)[0].shape, (wanted[1], wanted[0], 4))
        answer = await self.render(client, view={"x_min": 0, "x_max": 10, "y_min": 0, "y_max": 40}, size=80)
        self.assertEqual((answer["width"], answer["height"]), (20, 80))

    async def test_limits_follow_from_the_histogram(self):
        client = await self.opened("noise.fits", "constant.fits", "blank.fits", "bright.fits")
        bins, width, first, _, _ = histogram_of(self.noise)
        edges = first - width / 2 + width * numpy.arange(len(bins) + 1)
        count = numpy.concatenate([[0], numpy.cumsum(bins)])
        for percentile in (99.5, 90, 100):
            answer = await self.render(client, percentile=percentile, size=50)
            tail = (100 - percentile) / 200 * count[-1]
            numpy.testing.assert_allclose(answer["limits"], numpy.interp([tail, count[-1] - tail], count, edges), rtol=1e-6)
            self.assertFalse(answer["sampled"])
        self.assertEqual((await self.render(client, size=50))["limits"], (await self.render(client, size=50, percentile=99.5))["limits"])
        constant = await self.render(client, 1, colour_map="Grey")
        self.assertEqual(constant["limits"], [5.0, 5.0])
        self.assertTrue((rgba(constant)[0] == (128, 128, 128, 255)).all())
        self.assertTrue((rgba(await self.render(client, 2))[0] == BLANK).all())
        # Without a word about the stretch, it follows from the image.
        self.assertEqual([(await self.render(client, i, size=20))["stretch"] for i in (0, 3)], ["linear", "asinh"])

    async def test_channel_and_stokes(self):
        client = await self.opened("cube.fits")
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 2, "stokes": 1})
        for asked, plane in (({}, (1, 2)), ({"channel": 1}, (1, 1)), ({"channel": 0, "stokes": 0}, (0, 0)), ({"stokes": "I"}, (0, 2))):
            answer = await self.render(client, limits=[-2, 2], stretch="linear", **asked)
            self.assertEqual((answer["stokes"], answer["channel"]), plane)
            numpy.testing.assert_array_equal(rgba(answer)[0], coloured(self.cube[plane][::-1], (-2, 2)))

    def lines(self, with_lines, without):
        return numpy.abs(rgba(with_lines)[0].astype(int) - rgba(without)[0]).max(axis=2)

    async def test_grid_lines_are_where_astropy_says(self):
        client = await self.opened(*SKIES)
        scale = 2.0
        for file_id, name in enumerate(SKIES):
            for frame in (True, "GALACTIC", "ICRS"):
                asked = {"size": [600, 400], "colour_map": "Grey", "limits": [0, 1], "stretch": "linear"}
                grid = {"labels": False, **({} if frame is True else {"frame": frame})}
                drawn = self.lines(await self.render(client, file_id, grid=grid, **asked), await self.render(client, file_id, **asked))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    wcs = WCS(fits.getheader(self.folder / name))
                x, y = numpy.meshgrid((numpy.arange(600) + 0.5) / scale - 0.5, (399.5 - numpy.arange(400)) / scale - 0.5)
                sky = wcs.pixel_to_world(x, y)
                if frame is not True:
                    sky = sky.transform_to(frame.lower())
                lon, lat = sky.spherical.lon.deg, sky.spherical.lat.deg
                near, far = numpy.zeros(drawn.shape, bool), numpy.ones(drawn.shape, bool)
                found = []
                for values, wraps in ((lon, True), (lat, False)):
                    turned = (values - values[0, 0] + 180) % 360 - 180 if wraps else values
                    least = (turned.max() - turned.min()) / 6
                    hours = wraps and ("galactic" not in name if frame is True else frame == "ICRS")
                    unit = 15 if hours else 1
                    steps = [n * part * unit for part in (1 / 3600, 1 / 60) for n in (1, 2, 5, 10, 20, 30)] + [n * unit for n in ((1, 2, 3, 4, 6) if hours else (1, 2, 5, 10, 15, 30, 45))]
                    if "galactic" in name if frame is True else frame == "GALACTIC":
                        steps = [n * 10.0**decade for decade in range(-6, 2) for n in (1, 2, 5) if n * 10.0**decade <= 20] + [30, 45, 60]
                    step = next((s for s in steps if s >= least * 0.99), steps[-1])
                    found.append(step)
                    off = values - step * numpy.rint(values / step)
                    slope = 0.011 / scale / (numpy.cos(numpy.radians(lat)) if wraps else 1)  # degrees in a picture pixel
                    distance = numpy.abs(off) / numpy.maximum(slope, 1e-12)
                    near |= distance < 0.35
                    far &= distance > 2.5
                if name == "pole.fits" and frame != "GALACTIC":  # within a cell or two of it
                    pole = lat > 89.9
                    near, far = near & ~pole, far & ~pole
                self.assertGreater((drawn > 20).sum(), 1000, (name, frame))
                self.assertLess((drawn[far] > 20).mean(), 0.002, (name, frame, found))
                self.assertGreater((drawn[near] > 20).mean(), 0.99, (name, frame, found))

    async def test_labels_of_the_grid(self):
        """Beside the lines, near the edges of the image alone; in every notation others, and the same by its name and by default."""
        client = await self.opened(*SKIES)
        asked = {"size": [600, 400], "colour_map": "Grey", "limits": [0, 1], "stretch": "linear"}
        for file_id, name in enumerate(SKIES):
            bare = await self.render(client, file_id, grid={"labels": False}, **asked)
            labelled = self.lines(await self.render(client, file_id, grid=True, **asked), bare) > 60
            rows, columns = numpy.nonzero(labelled)
            self.assertGreater(len(rows), 300, name)
            near = (rows < 20) | (rows >= 380) | (columns < 110) | (columns >= 490)
            self.assertTrue(near.all(), name)
            self.assertTrue(labelled[380:].any() or labelled[:20].any(), name)
            auto, degrees, sexagesimal = [rgba(await self.render(client, file_id, grid={"notation": notation}, **asked))[0] for notation in ("auto", "degrees", "sexagesimal")]
            self.assertFalse(numpy.array_equal(degrees, sexagesimal), name)
            numpy.testing.assert_array_equal(auto, degrees if "galactic" in name else sexagesimal)
        for generation in (1, 2):
            other = await self.opened("sky.fits", generation=generation)
            for size in (1, 8, 30, [3000, 20], [20, 3000]):  # where there is no room
                await self.render(other, grid=True, size=size)
        # A picture that shows a corner of the image, and much beside it.
        beside = {"size": [600, 400], "view": {"x": 0, "y": 0, "scale": 1}, "background": "#000000", **{key: asked[key] for key in ("colour_map", "limits", "stretch")}}
        outside = self.lines(await self.render(client, grid=True, **beside), await self.render(client, **beside))
        outside[:200, 300:] = 0  # the image's part
        self.assertLess(outside[:199, :299].max(), 1)
        self.assertLess(outside[202:].max(), 1)

    async def test_the_beam(self):
        client = await self.opened("sky.fits", "turned.fits", "ramp.fits")
        for file_id, turn in ((0, 0.0), (1, 0.6)):
            asked = {"size": [600, 400], "colour_map": "Grey", "limits": [0, 1], "stretch": "linear"}
            drawn = self.lines(await self.render(client, file_id, beam=True, **asked), await self.render(client, file_id, **asked)) > 100
            rows, columns = numpy.nonzero(drawn)
            # East is left: the position angle turns counter-clockwise, and so do the axes of the other image. 2 picture pixels a pixel of 0.011 degrees.
            angle, major, minor = math.radians(30) - turn, 0.6 / 0.011, 0.3 / 0.011
            width = 2 * math.hypot(major * math.sin(angle), minor * math.cos(angle))
            height = 2 * math.hypot(major * math.cos(angle), minor * math.sin(angle))
            self.assertLess(abs(columns.min() - 18), 2)
            self.assertLess(abs(rows.max() - (400 - 18)), 2)
            self.assertLess(abs(columns.max() - columns.min() - width), 3, turn)
            self.assertLess(abs(rows.max() - rows.min() - height), 3, turn)
            # Its top is left of its middle, as north through east is.
            top = columns[rows == rows.min()].mean()
            self.assertEqual(top < (columns.min() + columns.max()) / 2, angle > 0)
        # Nothing where there is no beam, or no room for it.
        for more in ({"file_id": 2}, {"file_id": 0, "view": {"scale": 0.01}}, {"file_id": 0, "view": {"scale": 20}}):
            asked = {"size": [200, 200], **more}
            self.assertFalse(self.lines(await self.render(client, beam=True, **asked), await self.render(client, **asked)).any())

    async def test_formats(self):
        client = await self.opened("noise.fits", generation=1)
        asked = {"view": {"x": 200.0, "y": 150.0, "scale": 0.5}, "size": [180, 130], "limits": [-1, 7], "stretch": "linear", "blank": "#808080"}
        exact = rgba(await self.render(client, **asked))[0]
        for format, quality, most, pil in (("jpeg", None, 12, "JPEG"), ("JPG", 100, 3, "JPEG"), ("jpeg", 30, 40, "JPEG"), ("webp", None, 0, "WEBP"),
                                           ("webp", 80, 40, "WEBP"), ("png", None, 0, "PNG")):
            answer = await self.render(client, format=format, quality=quality, **asked)
            pixels, kind, _ = rgba(answer)
            self.assertEqual((kind, answer["format"], answer["mime_type"]), (pil, pil.lower(), f"image/{pil.lower()}"))
            self.assertLessEqual(numpy.abs(pixels.astype(int) - exact).mean(), most, (format, quality))
        sizes = [len((await self.render(client, format="jpeg", quality=q, **asked))["data"]) for q in (10, 50, 95)]
        self.assertEqual(sizes, sorted(sizes))
        # JPEG has no alpha channel: black.
        outside = {"view": {"x": -500.0, "y": 0.0, "scale": 1.0}, "size": [16, 16]}
        self.assertTrue((rgba(await self.render(client, format="jpeg", **outside))[0] == (0, 0, 0, 255)).all())
        for format in ("webp", "png"):
            self.assertTrue((rgba(await self.render(client, format=format, **outside))[0] == 0).all())

    async def test_hostile_requests(self):
        client = await self.opened("ramp.fits")
        nan, infinity = math.nan, math.inf
        wrong = [
            {"size": [0, 10]}, {"size": [10**9, 10]}, {"size": [-1, 5]}, {"size": [nan, 5]}, {"size": [16383, 16383]}, {"size": [1, 2, 3]}, {"size": "big"}, {"size": 0},
            {"size": 10**18}, {"size": [2**63, 1]}, {"size": {}},
            {"view": {"x": nan}}, {"view": {"scale": 0}}, {"view": {"scale": -1}}, {"view": {"scale": infinity}}, {"view": {"scale": 1e300}}, {"view": {"x": 1e300}},
            {"view": {"zoom": 1}}, {"view": {1: 2}}, {"view": []}, {"view": {"x_min": 0}}, {"view": {"x_min": 0, "x_max": 65, "y_min": 0, "y_max": 1}},
            {"view": {"x_min": 3, "x_max": 3, "y_min": 0, "y_max": 1}}, {"view": {"x_min": 0, "x_max": 3, "y_min": 0, "y_max": 1, "scale": 1}},
            {"stretch": "cubic"}, {"stretch": 3}, {"colour_map": "no such"}, {"colour_map": ""}, {"colour_map": "x" * 100000}, {"format": "gif"}, {"format": 1},
            {"quality": 101}, {"quality": -1}, {"quality": nan}, {"quality": "best"}, {"inverted": "yes"}, {"percentile": 0}, {"percentile": 101},
            {"percentile": nan}, {"limits": [1]}, {"limits": [2, 1]}, {"limits": [nan, 1]}, {"limits": "all"}, {"limits": [0, infinity]}, {"blank": "red"},
            {"blank": "#12345"}, {"background": "#12345g"}, {"background": 7}, {"channel": 1}, {"channel": -1}, {"stokes": 5}, {"stokes": "Q"}, {"grid": "MARS"}, {"grid": 3}, {"grid": {"frame": "MARS"}}, {"grid": {"labels": 1}},
            {"grid": {"notation": "roman"}}, {"grid": {"colour": "red"}}, {"grid": {1: 2}}, {"beam": 3},
            {"unknown": 1},
        ]  # fmt: skip
        for asked in wrong:
            error = await self.fails(self.render(client, **asked), -32602)
            self.assertLess(len(error.message), 600, error.message)
            self.assertIn(next(iter(asked)), error.message)
        await self.fails(self.render(client, 7), -32001)
        await self.fails(self.render(client, 0, grid=True), -32001, "world coordinates")
        await self.fails(client.call("image.render"), -32602, "file_id")
        for asked in ({"view": {"x": 1e12, "y": -1e12, "scale": 1e6}}, {"view": {"scale": 1e-9}}, {"size": [16383, 1]}, {"size": [1, 16383]}):
            await self.render(client, **asked)
        self.alive()

    async def test_a_thousand_requests_and_a_closed_file(self):
        client = await self.opened("noise.fits", "ramp.fits")
        calls = [asyncio.ensure_future(client.call("image.render", file_id=0, size=[500, 500], timeout=PATIENCE)) for _ in range(1000)]
        await client.call("carta.close.file", {"file_id": 0}, timeout=PATIENCE)
        ends = await asyncio.gather(*calls, return_exceptions=True)
        failed = [str(end) for end in ends if isinstance(end, Exception)]
        self.assertTrue(failed, "all thousand were drawn before the file was closed")
        for text in failed:
            self.assertRegex(text, "closed|No file with id 0 is open")
        self.assertTrue(all(end["width"] == 500 for end in ends if not isinstance(end, Exception)))
        self.assertEqual((await self.render(client, 1))["width"], 64)
        # And a client that goes away with as many under way.
        other = await self.opened("noise.fits")
        for _ in range(1000):
            asyncio.ensure_future(other.call("image.render", file_id=0, size=[500, 500], timeout=PATIENCE)).add_done_callback(lambda call: call.exception())
        await asyncio.sleep(0)
        await other.close()
        self.assertEqual((await self.render(client, 1))["width"], 64)
        self.alive()


class SmallBudget(ServerTest):
    options = ("--memory-limit", "64M")

    @classmethod
    def make_files(cls, folder):
        fits.PrimaryHDU(numpy.zeros((100, 100), "f4")).writeto(folder / "small.fits")

    async def test_a_picture_beyond_the_budget_is_refused(self):
        client = await self.viewer()
        await open_file(client, "small.fits")
        await self.fails(client.call("image.render", file_id=0, size=[5000, 5000], timeout=PATIENCE), -32001, "memory")
        self.assertEqual((await client.call("image.render", file_id=0, size=[1000, 1000], timeout=PATIENCE))["width"], 1000)


if __name__ == "__main__":
    unittest.main()
