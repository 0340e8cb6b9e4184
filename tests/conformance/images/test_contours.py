"""SET_CONTOUR_PARAMETERS over the wire: lines against contourpy, chunks, changes of channel, closing, regions, sessions."""

import asyncio
import os
import random
import unittest

import numpy
from astropy.io import fits

from harness import PATIENCE, ServerTest, open_file, settled
from contours import check_lines, crossings, gaussian, lines_of, low, quantized, rounded  # by harness: tests/support is on the path

DATA = "carta.contour.image.data"
SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))


def parameters(levels, **more):
    return {"file_id": 0, "reference_file_id": 0, "levels": levels, "smoothing_mode": "NoSmoothing", "smoothing_factor": 1, "decimation_factor": 4,
            "compression_level": 0, "contour_chunk_size": 100000, **more}  # fmt: skip


def raw(contour_set):
    """(vertices, starts) of an uncompressed set."""
    vertices = numpy.frombuffer(contour_set["raw_coordinates"], "<f4")
    assert contour_set["uncompressed_coordinates_size"] == 4 * len(vertices)
    return vertices, numpy.frombuffer(contour_set["raw_start_indices"], "<i4")


class Contours(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.random = numpy.random.default_rng(SEED)
        y, x = numpy.mgrid[:150, :211]
        smooth = numpy.sin(x / 9) + numpy.cos(y / 7)
        cls.cube = numpy.stack([smooth + 0.1 * channel + 0.02 * cls.random.normal(size=smooth.shape) for channel in range(12)]).astype("f4")
        cls.cube[:, 40:60, 100:130] = numpy.nan
        cls.cube[3, 5, 5] = numpy.inf
        header = fits.Header()
        for n, ctype in enumerate(("RA---SIN", "DEC--SIN", "FREQ"), 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1e-3
        fits.writeto(folder / "cube.fits", cls.cube, header)
        cls.polarized = cls.random.normal(size=(3, 1, 60, 70)).astype("f4")
        header = fits.Header()
        for n, ctype in enumerate(("RA---SIN", "DEC--SIN", "FREQ", "STOKES"), 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1e-3 if n < 4 else 1.0
        fits.writeto(folder / "stokes.fits", cls.polarized, header)
        cls.noise = cls.random.normal(size=(3, 900, 1100)).astype("f4")
        fits.writeto(folder / "noise.fits", cls.noise)
        fits.writeto(folder / "noise.fits.gz", cls.noise[0, :300])

    async def collect(self, client, levels, channel=None, stokes=None):
        """{level: [chunks]} until each level has ended, with the rules of chunks checked."""
        chunks = {level: [] for level in levels}
        open_levels = set(levels)
        while open_levels:
            message = await client.next(DATA, timeout=PATIENCE)
            (contour_set,) = message["contour_sets"]
            level = contour_set["level"]
            if message["progress"] == 1 and not contour_set["raw_coordinates"] and (channel is not None and message["channel"] != channel):
                continue  # ends a level of another channel
            if channel is not None:
                self.assertEqual(message["channel"], channel)
            if stokes is not None:
                self.assertEqual(message["stokes"], stokes)
            self.assertIn(level, open_levels, "a chunk after the level's last")
            self.assertGreater(message["progress"], 0)
            self.assertTrue(message["progress"] <= 0.99 or message["progress"] == 1)
            if chunks[level]:
                self.assertGreaterEqual(message["progress"], chunks[level][-1]["progress"])
            chunks[level].append(message)
            if message["progress"] == 1:
                open_levels.discard(level)
        return chunks

    def lines(self, chunks):
        return [line for message in chunks for line in lines_of(*raw(message["contour_sets"][0]))]

    def check(self, chunks, plane):
        for level, messages in chunks.items():
            check_lines(plane, level, self.lines(messages), f"level {level}")

    async def opened(self, file="cube.fits", generation=2):
        client = await self.viewer(generation)
        await open_file(client, file)
        return client

    async def test_lines_are_contourpys(self):
        for generation in (1, 2):
            client = await self.opened(generation=generation)
            levels = [0.0, 1.25, -0.5, float(self.cube[0, 3, 7])]
            self.assertIsNone(await client.call("carta.set.contour.parameters", parameters(levels)))
            self.check(await self.collect(client, levels, 0, 0), self.cube[0])
            # A change of channel sends those of the new one, unasked.
            for channel in (3, 11):
                await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0})
                self.check(await self.collect(client, levels, channel, 0), self.cube[channel])
            # The same parameters: nothing is sent.
            await client.call("carta.set.contour.parameters", parameters(levels))
            await settled(client)
            self.assertTrue(await client.silence(DATA))

    async def test_random_parameters(self):
        client = await self.opened()
        chance = random.Random(SEED)
        for _ in range(12):
            channel = chance.randrange(12)
            plane = self.cube[channel].astype("f8")
            mode, factor = chance.choice([("NoSmoothing", 5), ("GaussianBlur", chance.randrange(1, 6)), ("BlockAverage", chance.randrange(0, 6))])
            levels = [chance.uniform(-1, 1.5) for _ in range(chance.randrange(1, 6))]
            compression, decimation = chance.choice([0, 1, 8, 25]), chance.randrange(0, 40)
            bounds = {"x_min": chance.randrange(100), "x_max": 100 + chance.randrange(200), "y_min": chance.randrange(70), "y_max": 70 + chance.randrange(200)}
            asked = parameters(levels, smoothing_mode=mode, smoothing_factor=factor, decimation_factor=decimation, compression_level=compression,
                               contour_chunk_size=chance.choice([0, 50, 1000, 100000]), reference_file_id=chance.randrange(9), image_bounds=bounds)  # fmt: skip
            await client.call("carta.set.contour.parameters", {"file_id": 0})
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0})
            await settled(client)
            client.forget()
            await client.call("carta.set.contour.parameters", asked)
            chunks = await self.collect(client, levels, channel, 0)
            scale, offset = 1, 0
            if factor > 1 and mode == "GaussianBlur":
                plane, offset = gaussian(plane, factor), factor - 1
            elif factor > 1 and mode == "BlockAverage":
                height, width = (-(-n // factor) for n in plane.shape)
                padded = numpy.full((height * factor, width * factor), numpy.nan)
                padded[: plane.shape[0], : plane.shape[1]] = numpy.where(numpy.isfinite(plane), plane, numpy.nan)
                good = numpy.isfinite(padded).reshape(height, factor, width, factor).sum((1, 3))
                total = numpy.nansum(padded.reshape(height, factor, width, factor), (1, 3))
                plane, scale = numpy.where(good > 0, total / numpy.maximum(good, 1), numpy.nan), factor
            for level, messages in chunks.items():
                self.assertTrue(all(m["reference_file_id"] == asked["reference_file_id"] and m["file_id"] == 0 for m in messages))
                expected = (crossings(low(plane), level) - numpy.float32(0.5)) * scale + numpy.float32(0.5 * scale) + offset
                if compression == 0:
                    self.assertTrue(all(m["contour_sets"][0]["decimation_factor"] == 0 for m in messages))
                    got = [line[:-1] if (line[0] == line[-1]).all() else line for line in self.lines(messages)]
                else:
                    used = min(max(decimation, 1), 32)
                    self.assertTrue(all(m["contour_sets"][0]["decimation_factor"] == used for m in messages))
                    got = []
                    for message in messages:
                        one = message["contour_sets"][0]
                        vertices = quantized(one["raw_coordinates"])
                        self.assertEqual(one["uncompressed_coordinates_size"], 8 * len(vertices))
                        got += lines_of(vertices, numpy.frombuffer(one["raw_start_indices"], "<i4"))
                    got = [line / used for line in got]
                count = sum(map(len, got))
                # Float32 rounding of smoothed values makes or unmakes a few crossings; closed lines that are compressed repeat a vertex.
                extra = len(got) if compression else 0
                self.assertLessEqual(abs(count - extra / 2 - len(expected)), extra / 2 + 0.01 * len(expected) + 6, (mode, factor, level))
                if len(expected):
                    xy = numpy.concatenate(got)
                    self.assertLessEqual(abs(xy.min(0) - expected.min(0)).max(), 1.5)
                    self.assertLessEqual(abs(xy.max(0) - expected.max(0)).max(), 1.5)

    async def test_compressed_vertices_bit_for_bit(self):
        client = await self.opened()
        levels = [0.25, 1.0]
        await client.call("carta.set.contour.parameters", parameters(levels))
        plain = await self.collect(client, levels)
        await client.call("carta.set.contour.parameters", parameters(levels, compression_level=8, decimation_factor=7))
        packed = await self.collect(client, levels)
        for level in levels:
            (a,), (b,) = plain[level], packed[level]
            vertices, starts = raw(a["contour_sets"][0])
            numpy.testing.assert_array_equal(quantized(b["contour_sets"][0]["raw_coordinates"]), rounded(vertices, 7).reshape(-1, 2))
            numpy.testing.assert_array_equal(starts, numpy.frombuffer(b["contour_sets"][0]["raw_start_indices"], "<i4"))

    async def test_chunks(self):
        client = await self.opened("noise.fits")
        await client.call("carta.set.contour.parameters", parameters([0.5, 2.0], contour_chunk_size=5000))
        chunks = await self.collect(client, [0.5, 2.0], 0)
        for messages in chunks.values():
            self.assertGreater(len(messages), 3)
            for message in messages[:-1]:
                self.assertGreater(len(raw(message["contour_sets"][0])[0]), 10000)
        self.check(chunks, self.noise[0])

    async def test_view_first(self):
        """What is in view comes with the first chunks."""
        client = await self.opened("noise.fits")
        bounds = {"x_min": 0, "x_max": 1100, "y_min": 500, "y_max": 600}
        await client.call("carta.set.contour.parameters", parameters([2.5], image_bounds=bounds, contour_chunk_size=3000))
        (messages,) = (await self.collect(client, [2.5])).values()
        self.assertGreater(len(messages), 5)
        y = numpy.concatenate(lines_of(*raw(messages[0]["contour_sets"][0])))[:, 1]
        self.assertTrue(((y > 350) & (y < 750)).all(), (y.min(), y.max()))
        self.check({2.5: messages}, self.noise[0])

    async def test_quick_changes_of_channel(self):
        """A client that follows the rules of chunks shows the lines of the newest channel at the end, and each level ends."""
        client = await self.opened("noise.fits")
        levels = [0.5, 1.5]
        await client.call("carta.set.contour.parameters", parameters(levels, contour_chunk_size=2000))
        chance = random.Random(SEED)
        for channel in [1, 0] * 6 + [2]:  # the last one is not among the others
            await asyncio.sleep(chance.uniform(0, 0.1))
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0})
        shown, complete, newest = {}, {}, False
        while not (newest and all(complete.get(level) for level in levels)):
            message = await client.next(DATA, timeout=PATIENCE)
            (one,) = message["contour_sets"]
            level = one["level"]
            if complete.get(level, True):
                shown[level] = []
            shown[level].append(message)
            complete[level] = message["progress"] == 1
            newest = newest or message["channel"] == channel
            if newest and one["raw_coordinates"]:
                self.assertEqual(message["channel"], channel, "a chunk of an older channel behind one of the newest")
        for level in levels:
            self.assertTrue(all(message["channel"] == channel for message in shown[level]))
        await settled(client)
        self.assertTrue(await client.silence(DATA))
        self.check(shown, self.noise[channel])

    async def test_closing_ends_it(self):
        client = await self.opened("noise.fits")
        await client.call("carta.set.contour.parameters", parameters([i / 10 for i in range(30)], contour_chunk_size=1000, compression_level=8))
        await client.next(DATA, timeout=PATIENCE)
        await client.call("carta.close.file", {"file_id": 0})
        client.forget()
        self.assertTrue(await client.silence(DATA, 0.5))
        self.alive()

    async def test_off(self):
        client = await self.opened()
        await client.call("carta.set.contour.parameters", parameters([0.0]))
        await self.collect(client, [0.0])
        await client.call("carta.set.contour.parameters", parameters([], reference_file_id=4))
        await settled(client)
        self.assertTrue(await client.silence(DATA))
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 5, "stokes": 0})
        message = await client.next(DATA, timeout=PATIENCE)
        self.assertEqual((message["progress"], message["channel"], message["reference_file_id"], message["contour_sets"]), (1, 5, 4, []))
        await settled(client)
        self.assertTrue(await client.silence(DATA))
        await client.call("carta.set.contour.parameters", {"file_id": 77})  # turned off for a file that is gone

    async def test_computed_polarizations(self):
        client = await self.opened("stokes.fits")
        await client.call("carta.set.contour.parameters", parameters([1.0]))
        self.check(await self.collect(client, [1.0], 0, 0), self.polarized[0, 0])
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 0, "stokes": 14})  # Plinear
        (messages,) = (await self.collect(client, [1.0], 0, 14)).values()
        expected = crossings(low(numpy.hypot(self.polarized[1, 0].astype("f8"), self.polarized[2, 0].astype("f8"))), 1.0)
        got = sum(len(line) - (line[0] == line[-1]).all() for line in self.lines(messages))
        self.assertLessEqual(abs(got - len(expected)), 4)

    async def test_gzipped_image(self):
        client = await self.opened("noise.fits.gz")
        await client.call("carta.set.contour.parameters", parameters([1.0]))
        self.check(await self.collect(client, [1.0]), self.noise[0, :300])

    async def test_within_a_region(self):
        client = await self.opened()
        corners = [{"x": 50, "y": 40}, {"x": 40, "y": 30}]  # centre, size: pixels 30 to 70, 25 to 55
        info = {"region_type": "RECTANGLE", "control_points": corners, "rotation": 0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        await client.call("carta.set.contour.parameters", parameters([0.5], region_id=region))
        (messages,) = (await self.collect(client, [0.5])).values()
        inner = self.cube[0, 25:56, 30:71]
        lines = self.lines(messages)
        self.assertEqual(len(crossings(low(inner), 0.5)), sum(len(line) - (line[0] == line[-1]).all() for line in lines))
        xy = numpy.concatenate(lines)
        self.assertTrue((xy.min(0) >= [30.5, 25.5]).all() and (xy.max(0) <= [70.5, 55.5]).all())
        # It follows the region.
        corners[0] = {"x": 60, "y": 90}
        await client.call("carta.set.region", {"file_id": 0, "region_id": region, "region_info": info})
        (messages,) = (await self.collect(client, [0.5])).values()
        xy = numpy.concatenate(self.lines(messages))
        self.assertTrue((xy.min(0) >= [40.5, 75.5]).all() and (xy.max(0) <= [80.5, 105.5]).all())
        self.assertEqual(len(crossings(low(self.cube[0, 75:106, 40:81]), 0.5)), sum(len(l) - (l[0] == l[-1]).all() for l in self.lines(messages)))
        # Removed with it; the whole image again.
        await client.call("carta.remove.region", {"region_id": region})
        await settled(client)
        self.assertTrue(await client.silence(DATA))
        await client.call("carta.set.contour.parameters", parameters([0.5]))
        self.check(await self.collect(client, [0.5]), self.cube[0])
        await self.fails(client.call("carta.set.contour.parameters", parameters([0.5], region_id=region)), text="region_id")
        line = {"region_type": "LINE", "control_points": [{"x": 1, "y": 1}, {"x": 9, "y": 9}], "rotation": 0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": line}))["region_id"]
        await self.fails(client.call("carta.set.contour.parameters", parameters([0.5], region_id=region)), text="not closed")

    async def test_requests_that_make_no_sense(self):
        client = await self.opened()
        for text, wrong in {
            "levels[1]": parameters([0.0, float("nan")]),
            "levels[0]": parameters([float("inf")]),
            "the limit is 200": parameters([i / 1000 for i in range(201)]),
            "smoothing_factor": parameters([0.0], smoothing_mode="GaussianBlur", smoothing_factor=100000),
            "smoothing_factor: expected 0": parameters([0.0], smoothing_mode="BlockAverage", smoothing_factor=-1),
            "smoothing_mode": parameters([0.0], smoothing_mode=7),
            "contour_chunk_size": parameters([0.0], contour_chunk_size=-1),
            "image_bounds.x_max": parameters([0.0], image_bounds={"x_min": 5, "x_max": 2}),
            "region_id": parameters([0.0], region_id=99),
            "99": {**parameters([0.0]), "file_id": 99},
        }.items():
            await self.fails(client.call("carta.set.contour.parameters", wrong), text=text)
        self.assertTrue(await client.silence(DATA))

    async def test_connections_of_a_session_have_their_own(self):
        one = await self.opened()
        two = await self.viewer(session_id=one.session_id)
        await one.call("carta.set.contour.parameters", parameters([0.5]))
        self.check(await self.collect(one, [0.5]), self.cube[0])
        await two.call("carta.set.contour.parameters", parameters([-0.25], compression_level=0))
        self.check(await self.collect(two, [-0.25]), self.cube[0])
        await settled(one)
        self.assertTrue(await one.silence(DATA))
        self.assertTrue(await two.silence(DATA))


class SmallOutbox(ServerTest):
    options = ("--outbox-limit", "1M", "--memory-limit", "64M")

    @classmethod
    def make_files(cls, folder):
        cls.noise = numpy.random.default_rng(3).normal(size=(1300, 1400)).astype("f4")
        fits.writeto(folder / "noise.fits", cls.noise)

    async def test_a_client_that_reads_slowly_gets_all_of_it(self):
        """Many times what its outbox holds, at its own pace."""
        client = await self.viewer()
        await open_file(client, "noise.fits")
        await settled(client)
        client.socket.transport.pause_reading()
        levels = [-1.0, 0.0, 1.0]
        await client.start("carta.set.contour.parameters", [parameters(levels, contour_chunk_size=20000)])
        await asyncio.sleep(1)
        client.socket.transport.resume_reading()
        found = {level: 0 for level in levels}
        ended = set()
        while len(ended) < 3:
            message = await client.next(DATA, timeout=PATIENCE)
            (one,) = message["contour_sets"]
            found[one["level"]] += sum(len(line) - (line[0] == line[-1]).all() for line in lines_of(*raw(one)))
            if message["progress"] == 1:
                ended.add(one["level"])
        for level in levels:
            expected = len(crossings(low(self.noise), level))
            self.assertGreaterEqual(found[level], expected)
            self.assertLessEqual(found[level], 1.01 * expected)  # lines that were cut for want of memory repeat a vertex
        self.alive()

    async def test_two_hundred_levels_of_noise(self):
        client = await self.viewer()
        await open_file(client, "noise.fits")
        await client.call("carta.set.contour.parameters", parameters([i / 100 - 1 for i in range(200)], compression_level=1))
        for _ in range(20):
            await client.next(DATA, timeout=PATIENCE)
        await client.call("carta.close.file", {"file_id": 0})
        client.forget()
        self.assertTrue(await client.silence(DATA, 0.5))
        self.alive()


if __name__ == "__main__":
    unittest.main(verbosity=1)
