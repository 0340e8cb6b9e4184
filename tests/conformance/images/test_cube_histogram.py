"""The histogram of a whole cube (region -2) against numpy, with its progress, and how it is cancelled."""

import asyncio
import unittest

import numpy

from harness import ERROR, HISTOGRAM, PATIENCE, ServerTest, histogram_of, open_file, settled, until
from test_region_statistics import SEED, SHAPE, make_cube, make_header, plinear, setUpModule  # noqa: F401

CUBE, ALL_CHANNELS = -2, -2


def make_sparse(path, shape):
    """Zeros that take no room on the disk."""
    header = make_header()
    header["SIMPLE"], header["BITPIX"], header["NAXIS"] = True, -32, len(shape)
    for n, length in enumerate(shape[::-1], 1):
        header[f"NAXIS{n}"] = length
    cards = {name: header[name] for name in ["SIMPLE", "BITPIX", "NAXIS"] + [f"NAXIS{n}" for n in range(1, len(shape) + 1)]}
    text = "".join(f"{name:8}= {'T' if value is True else value:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    with open(path, "wb") as file:
        file.write(text.ljust(2880).encode())
        size = 4 * int(numpy.prod(shape, dtype="i8"))
        file.truncate(2880 + -(-size // 2880) * 2880)


class CubeHistogram(ServerTest):
    TYPES = ("i2", "i4", "f4", "f8")

    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng([SEED, 2])
        cls.cubes = {name: make_cube(folder, name, random) for name in cls.TYPES}
        make_sparse(folder / "sparse.fits", (1500, 1024, 1024))

    async def require(self, client, *histograms, file_id=0):
        await client.call("carta.set.histogram.requirements", {"file_id": file_id, "region_id": CUBE, "histograms": list(histograms)})

    async def begun(self, client):
        def done():
            return any(m["region_id"] == CUBE and m["progress"] >= 1 for m in client.published.get(HISTOGRAM, []))

        await until(lambda: asyncio.to_thread(lambda: done() or client.server.gauge("cubelink_jobs_running") > 0), "the beginning of the histogram")
        self.assertFalse(done(), "the histogram was done too soon to be cancelled")

    async def test_counts(self):
        for generation, name in enumerate(self.TYPES):
            client = await self.viewer(1 + generation % 2)
            await open_file(client, f"{name}.fits")
            cube = self.cubes[name]
            for stokes, coordinate, values in ((0, "", cube[0]), (3, "Vz", cube[3]), (14, "Plinearz", numpy.array([plinear(name, cube, z) for z in range(SHAPE[1])]))):
                finite = values[numpy.isfinite(values)]
                bounds = [float(numpy.float32(x)) for x in numpy.percentile(finite, [10, 80])]
                for config, bins, limits in (
                    ({}, None, None),
                    ({"fixed_num_bins": True, "num_bins": 7}, 7, None),
                    ({"fixed_bounds": True, "bounds": {"min": bounds[0], "max": bounds[1]}}, None, bounds),
                ):
                    with self.subTest(type=name, stokes=stokes, config=config):
                        await self.require(client, {"channel": ALL_CHANNELS, "coordinate": coordinate, **config})
                        messages = []
                        while not messages or messages[-1]["progress"] < 1:
                            messages.append(await client.next(HISTOGRAM, lambda m: m["region_id"] == CUBE, PATIENCE))
                        self.assertEqual([m["progress"] for m in messages], sorted(m["progress"] for m in messages))
                        self.assertEqual({(m["channel"], m["stokes"]) for m in messages}, {(ALL_CHANNELS, stokes)})
                        for message in messages[:-1]:
                            if message["progress"] <= 0.5:
                                self.assertEqual(message["histograms"]["num_bins"], 0)
                        got = messages[-1]["histograms"]
                        expected, width, first, mean, deviation = histogram_of(values, bins, limits)
                        self.assertEqual(got["bins"], list(expected))
                        # Values of both signs can have almost nothing as their mean.
                        numpy.testing.assert_allclose([got["bin_width"], got["first_bin_center"], got["mean"], got["std_dev"]], [width, first, mean, deviation],
                                                      rtol=1e-9, atol=1e-12 * numpy.abs(finite).mean())  # fmt: skip
            await client.close()

    async def test_cancelled(self):
        await self.while_it_lasts(self.required_and_cancelled)

    async def required_and_cancelled(self):
        client = await self.viewer()
        await open_file(client, "sparse.fits")
        await settled(client)
        await self.require(client, {"channel": ALL_CHANNELS, "coordinate": "z"})
        await self.begun(client)
        await self.require(client)
        await settled(client)
        errors = [(message["message"], message["severity"]) for message in client.published.get(ERROR, [])]
        self.assertEqual(errors, [("Histogram cancelled", "INFO")])
        self.assertFalse([m for m in client.published.get(HISTOGRAM, []) if m["region_id"] == CUBE and m["progress"] == 1])
        # A file that is closed sends nothing more.
        await self.require(client, {"channel": ALL_CHANNELS, "coordinate": "z", "fixed_num_bins": True, "num_bins": 3})
        await self.begun(client)
        await client.call("carta.close.file", {"file_id": 0})
        client.published.clear()
        await settled(client)
        self.assertFalse(client.published.get(HISTOGRAM))
        self.alive()


if __name__ == "__main__":
    unittest.main()
