"""image.preview: a sample of a plane, against numpy."""

import os
import random
import unittest

import numpy
from astropy.io import fits

from support import PATIENCE, ServerTest

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 32)))


def positions(length, count):
    return (2 * numpy.arange(count) + 1) * length // (2 * count)


class Preview(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"CUBELINK_SEED={SEED}", flush=True)
        numbers = numpy.random.default_rng(SEED)
        cls.plane = numbers.normal(3, 2, (700, 1300)).astype("f4")
        cls.plane[100:200, 300:400] = numpy.nan
        cls.cube = numbers.integers(-3000, 3000, (2, 3, 50, 80)).astype("i2")
        cls.long = numbers.integers(0, 200, (40, 900_000)).astype("u1")
        fits.PrimaryHDU(cls.plane).writeto(folder / "plane.fits")
        fits.PrimaryHDU(cls.plane).writeto(folder / "packed.fits.gz")
        fits.CompImageHDU(cls.plane, quantize_level=0, compression_type="GZIP_1", tile_shape=(100, 130)).writeto(folder / "tiles.fits")
        fits.PrimaryHDU(cls.cube, fits.Header({"CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0, "BSCALE": 0.5, "BZERO": 10.0})).writeto(folder / "cube.fits")
        with fits.open(folder / "cube.fits", do_not_scale_image_data=True, mode="update") as file:
            file[0].data = cls.cube
            file[0].header["BSCALE"], file[0].header["BZERO"] = 0.5, 10.0
        fits.PrimaryHDU(cls.long).writeto(folder / "long.fits")

    async def opened(self, name, generation=2):
        client = await self.viewer(generation)
        self.assertTrue((await client.call("carta.open.file", {"file": name, "file_id": 0}, timeout=PATIENCE))["success"])
        return client

    async def preview(self, client, **more):
        answer = await client.call("image.preview", file_id=0, timeout=PATIENCE, **more)
        return numpy.frombuffer(answer["data"], "<f4").reshape(answer["height"], answer["width"]), answer

    def check(self, found, plane):
        height, width = found.shape
        numpy.testing.assert_array_equal(found, plane[positions(plane.shape[0], height)][:, positions(plane.shape[1], width)])

    async def test_a_sample_of_the_plane(self):
        for name in ("plane.fits", "tiles.fits", "packed.fits.gz"):
            for generation in (2, 1):
                client = await self.opened(name, generation)
                found, answer = await self.preview(client)
                self.assertEqual((found.shape, answer["sampled"]), ((276, 512), True))
                self.check(found, self.plane)
                histogram, finite = answer["histogram"], found[numpy.isfinite(found)]
                self.assertEqual(sum(histogram["bins"]), len(finite))
                self.assertEqual(len(histogram["bins"]), histogram["num_bins"])
                self.assertAlmostEqual(histogram["mean"], finite.astype("f8").mean(), places=6)
                low = histogram["first_bin_center"] - histogram["bin_width"] / 2
                numpy.testing.assert_allclose([low, low + histogram["bin_width"] * histogram["num_bins"]], [finite.min(), finite.max()], rtol=1e-6)
                found, _ = await self.preview(client, width=77, height=1000)
                self.assertEqual(found.shape, (41, 77))
                self.check(found, self.plane)

    async def test_small_planes_are_whole(self):
        client = await self.opened("cube.fits")
        found, answer = await self.preview(client, channel=2, stokes=1)
        numpy.testing.assert_array_equal(found, self.cube[1, 2] * 0.5 + 10)
        self.assertEqual((answer["sampled"], answer["channel"], answer["stokes"], answer["rows_read"]), (False, 2, 1, 50))
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 1, "stokes": 0})
        found, answer = await self.preview(client, width=1, height=1)
        self.assertEqual((found[0, 0], answer["channel"], answer["sampled"]), (self.cube[0, 1, 25, 40] * 0.5 + 10, 1, True))

    async def test_no_more_than_so_many_pixels_are_read(self):
        client = await self.opened("long.fits")
        found, answer = await self.preview(client, width=4096, height=1000)
        self.assertEqual((found.shape, answer["rows_read"], answer["sampled"]), ((1, 4096), 1, True))
        self.check(found, self.long)

    async def test_what_makes_no_sense(self):
        client = await self.opened("plane.fits")
        for more, part in (
            ({"width": 0}, "width"), ({"height": -1}, "height"), ({"width": 4097}, "width"), ({"width": 1e10}, "width"), ({"width": "a"}, "width"), ({"height": None}, "height"), ({"width": 4096, "height": 4096}, "pixels"),
            ({"channel": 1}, "channel: 1 does not exist"), ({"stokes": "Q"}, "stokes"), ({"depth": 1}, "depth"),
        ):  # fmt: skip
            with self.subTest(str(more)):
                await self.fails(client.call("image.preview", file_id=0, **more), -32602, part)
        await self.fails(client.call("image.preview", file_id=3), -32001, "3")


if __name__ == "__main__":
    unittest.main()
