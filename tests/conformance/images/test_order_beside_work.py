"""What users do beside the longest work there is, the histogram of a sparse cube of 8 GiB: the cursor's profiles do not wait for it, and closing the file, or
clearing what was required, ends it at once.

What it takes is printed; tests/bench has the times that are to be reached."""

import asyncio
import time
import unittest

import numpy
from astropy.io import fits

from harness import ERROR, HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, ServerTest, open_file, profile_values, settled

SIDE, DEPTH = 2048, 512
MOVES = 60


class OrderBesideWork(ServerTest):
    @classmethod
    def make_files(cls, folder):
        """A cube of holes with one channel of values."""
        header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", SIDE), ("NAXIS2", SIDE), ("NAXIS3", DEPTH)])
        cls.plane = numpy.random.default_rng(3).normal(size=(SIDE, SIDE)).astype("f4")
        with open(folder / "sparse.fits", "wb") as file:
            file.write(header.tostring().encode())
            file.write(cls.plane.astype(">f4").tobytes())
            size = 2880 + SIDE * SIDE * DEPTH * 4
            file.truncate(-(-size // 2880) * 2880)

    async def test_profiles_go_on_and_closing_ends_it(self):
        await self.while_it_lasts(self.moved_and_closed)

    async def moved_and_closed(self):
        client = await self.viewer()
        await open_file(client, "sparse.fits")
        await client.next(HISTOGRAM)
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "x"}, {"coordinate": "y"}])
        await settled(client)
        client.forget()
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[{"channel": -2, "num_bins": -1, "coordinate": "z"}])
        await client.next(HISTOGRAM, lambda m: m["region_id"] == -2)  # it has begun
        times = []
        for n in range(MOVES):
            if any(topic == HISTOGRAM and m["region_id"] == -2 and m["progress"] >= 1 for _, topic, m in client.log):
                break
            x, y = 3 + 31 * n, 2000 - 29 * n
            begun = time.monotonic()
            await client.call("carta.set.cursor", file_id=0, point={"x": x, "y": y})
            message = await client.next(SPATIAL, lambda m, x=x, y=y: (m["x"], m["y"]) == (x, y), PATIENCE)
            times.append(time.monotonic() - begun)
            row, column = (profile_values(profile) for profile in message["profiles"])
            numpy.testing.assert_array_equal(row, self.plane[y])
            numpy.testing.assert_array_equal(column, self.plane[:, x])
        self.assertGreater(len(times), 5, "the histogram was done too soon to be in the way")
        # Another one, and the file is closed when it has begun.
        client.forget()
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2,
                          histograms=[{"channel": -2, "fixed_num_bins": True, "num_bins": 77, "coordinate": "z"}])  # fmt: skip
        await client.next(HISTOGRAM, lambda m: m["region_id"] == -2)
        begun = time.monotonic()
        self.assertIsNone(await client.call("carta.close.file", file_id=0))
        closing = time.monotonic() - begun
        mark = len(client.log)
        await settled(client)
        idle = time.monotonic() - begun
        self.assertEqual([entry[1] for entry in client.log[mark:] if entry[1].startswith("carta.")], [], "something came after the answer")
        self.assertEqual(client.published.get(ERROR, []), [])
        times.sort()
        print(f"beside the histogram: a profile in {1e3 * times[len(times) // 2]:.1f} ms, 95 % within {1e3 * times[int(0.95 * len(times))]:.1f} ms; "
              f"closing answered in {1e3 * closing:.1f} ms, all still after {1e3 * idle:.0f} ms", flush=True)  # fmt: skip
        # Far from what is to be reached, which a busy machine can't keep; still nothing that waits for a histogram of seconds takes so little.
        self.assertLess(times[len(times) // 2], 5)
        self.assertLess(idle, 30)

    async def test_clearing_the_requirement_ends_the_histogram(self):
        await self.while_it_lasts(self.required_and_cleared)

    async def required_and_cleared(self):
        client = await self.viewer()
        await open_file(client, "sparse.fits")
        await client.next(HISTOGRAM)
        await settled(client)
        for bins in (50, 51):
            client.forget()
            wanted = {"channel": -2, "fixed_num_bins": True, "num_bins": bins, "coordinate": "z"}
            await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[wanted])
            await client.next(HISTOGRAM, lambda m: m["region_id"] == -2)
            self.assertIsNone(await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[]))
            mark = len(client.log)
            await settled(client)
            self.assertEqual([m for _, topic, m in client.log[mark:] if topic == HISTOGRAM], [])
            self.assertLess(max(m["progress"] for _, topic, m in client.log if topic == HISTOGRAM), 1)
        # What was cleared can be required again.
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[wanted])
        message = await client.next(HISTOGRAM, lambda m: m["region_id"] == -2 and m["progress"] >= 1, PATIENCE)
        self.assertEqual(sum(message["histograms"]["bins"]), SIDE * SIDE * DEPTH)

    async def test_only_the_newest_position_of_the_cursor(self):
        """A thousand moves at once: all are answered, in their order, and the last one's profiles come, after which nothing does."""
        client = await self.viewer()
        await open_file(client, "sparse.fits")
        await client.next(HISTOGRAM)
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "x"}])
        await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z", "stats_types": ["Sum"]}])
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[{"channel": -2, "num_bins": -1, "coordinate": "z"}])
        await client.next(HISTOGRAM, lambda m: m["region_id"] == -2)
        client.forget()
        places = [(7 + 2 * n, 1900 - n) for n in range(1000)]
        calls = [await client.start("carta.set.cursor", [{"file_id": 0, "point": {"x": x, "y": y}}]) for x, y in places]
        for _, future in calls:
            self.assertIsNone((await asyncio.wait_for(future, PATIENCE))["result"])
        self.assertEqual([entry[1] for entry in client.log if entry[0] == "reply"], [id for id, _ in calls])
        await client.next(SPATIAL, lambda m: (m["x"], m["y"]) == places[-1], PATIENCE)
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[])
        await settled(client)
        seen = [(m["x"], m["y"]) for _, topic, m in client.log if topic == SPATIAL]
        self.assertEqual(seen, sorted(set(seen)), "an older position came after a newer one, or one came twice")
        self.assertEqual(seen[-1], places[-1])
        spectra = [m for _, topic, m in client.log if topic == SPECTRAL and m["progress"] >= 1]
        x, y = places[-1]
        self.assertEqual(numpy.frombuffer(spectra[-1]["profiles"][0]["raw_values_fp32"], "<f4")[0], self.plane[y, x])
        # A requirement that is cleared is not computed any more.
        await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[])
        client.forget()
        await client.call("carta.set.cursor", file_id=0, point={"x": 1, "y": 1})
        await settled(client)
        self.assertNotIn(SPECTRAL, client.published)


if __name__ == "__main__":
    unittest.main()
