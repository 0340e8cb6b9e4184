"""Vector overlays over the real server, with numpy as oracle: block means, debiasing, fractions, thresholds, order of tiles, changes of plane."""

import asyncio
import os
import sys
import unittest
import urllib.parse

import numpy
from astropy.io import fits

from harness import ERROR, PATIENCE, ServerTest, downsampled, open_file, settled

VECTORS = "carta.vector.overlay.tile.data"
SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")


def header_of(stokes_values=None, unit="Jy/beam"):
    header = fits.Header()
    axes = ["RA---SIN", "DEC--SIN", "FREQ"] + (["STOKES"] if stokes_values is not None else [])
    for n, ctype in enumerate(axes, 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1e-3
    if stokes_values is not None:
        header["CRVAL4"], header["CDELT4"] = float(stokes_values[0]), float(stokes_values[1] - stokes_values[0]) if len(stokes_values) > 1 else 1.0
    header["BUNIT"] = unit
    return header


def random_cube(random, shape, blanks=0.05):
    cube = random.normal(size=shape).astype("f4")
    cube[random.random(shape) < blanks] = numpy.nan
    cube[random.random(shape) < blanks / 10] = numpy.inf
    return cube


def vectors(planes, mip, fractional=False, threshold=None, option="I", debiasing=False, q_error=0, u_error=0):
    """(intensity, angle) of planes {"I", "Q", "U"}."""
    i, q, u = (downsampled(planes[name], mip) if name in planes else None for name in "IQU")
    with numpy.errstate(all="ignore"):
        pi = numpy.sqrt(q**2 + u**2 - ((q_error**2 + u_error**2) / 2 if debiasing else 0))
        intensity = 100 * pi / i if fractional else pi
        angle = numpy.degrees(numpy.arctan2(u, q)) / 2
        if threshold is not None:
            low = ~((pi if option == "Plinear" else i) >= threshold)
            intensity, angle = numpy.where(low, numpy.nan, intensity), numpy.where(low, numpy.nan, angle)
    return intensity, angle


def place_of(message):
    tile = message["intensity_tiles"][0]
    return tile["x"], tile["y"]


async def overlay(client, count=None):
    """The messages of one overlay."""
    messages = []
    while True:
        messages.append(await client.next(VECTORS, timeout=PATIENCE))
        if messages[-1]["progress"] >= 1:
            return messages


class Vectors(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"test_vector_overlay: CUBELINK_SEED={SEED}", file=sys.stderr)
        random = numpy.random.default_rng(SEED)
        cls.random = random
        cls.cube = random_cube(random, (4, 3, 611, 907))  # stokes, channel, y, x
        fits.writeto(folder / "iquv.fits", cls.cube, header_of([1, 2, 3, 4]))
        cls.reverse = random_cube(random, (3, 1, 300, 280))  # U, Q, I
        fits.writeto(folder / "uqi.fits", cls.reverse, header_of([3, 2]))
        cls.qu = random_cube(random, (2, 1, 70, 90))
        fits.writeto(folder / "qu.fits", cls.qu, header_of([2, 3]))
        fits.writeto(folder / "only_i.fits", cls.qu[:1], header_of([1]))
        cls.plane = random_cube(random, (150, 500))
        fits.writeto(folder / "plane.fits", cls.plane)
        fits.writeto(folder / "large.fits", random.normal(size=(3, 2, 2048, 2048)).astype("f4"), header_of([1, 2, 3]))
        fits.writeto(folder / "gone.fits", cls.cube[:3], header_of([1, 2, 3]))

    def planes(self, channel=0):
        return {name: self.cube[n, channel] for n, name in enumerate("IQUV")}

    async def ask(self, client, file_id=0, **fields):
        request = {"file_id": file_id, "smoothing_factor": 4, "stokes_intensity": 1, "stokes_angle": 1, "threshold": float("nan"), "compression_type": "NONE"}
        width, height = fields.pop("size", (907, 611))
        request["image_bounds"] = {"x_min": 0, "x_max": width, "y_min": 0, "y_max": height}
        return await client.call("carta.set.vector.overlay.parameters", request | fields)

    def check(self, messages, expected, mip, size=(907, 611), channel=0, sources=(1, 1), file_id=0, view=None):
        """Tiles are complete, in their order, and hold what is expected: two arrays or None."""
        width, height = (-(-n // mip) for n in size)
        across, up = (-(-n // 256) for n in (width, height))
        order = [(x, y) for y in range(up) for x in range(across)]
        if view:
            x0, x1, y0, y1 = view
            side = 256 * mip
            order.sort(key=lambda t: not (t[0] * side < x1 and (t[0] + 1) * side > x0 and t[1] * side < y1 and (t[1] + 1) * side > y0))
        self.assertEqual([place_of(m) for m in messages], order)
        numpy.testing.assert_allclose([m["progress"] for m in messages], (numpy.arange(len(order)) + 1) / len(order))
        layer = max(0, int(numpy.ceil(numpy.log2(max(-(-n // 256) for n in size) / mip))))
        for message, (x, y) in zip(messages, order):
            self.assertEqual((message["file_id"], message["channel"], message["stokes_intensity"], message["stokes_angle"]), (file_id, channel, *sources))
            self.assertEqual(message["compression_type"], "NONE")
            for tiles, plane in zip((message["intensity_tiles"], message["angle_tiles"]), expected):
                (tile,) = tiles
                w, h = min(256, width - 256 * x), min(256, height - 256 * y)
                self.assertEqual((tile["x"], tile["y"], tile["width"], tile["height"], tile["mip"], tile["layer"]), (x, y, w, h, mip, layer))
                if plane is None:
                    self.assertEqual(len(tile["image_data"]), 0)
                    continue
                values = numpy.frombuffer(tile["image_data"], "<f4").reshape(h, w)
                part = plane[256 * y : 256 * y + h, 256 * x : 256 * x + w]
                with numpy.errstate(all="ignore"):
                    part = numpy.where(numpy.isfinite(part), part, numpy.nan)
                numpy.testing.assert_allclose(values, part, rtol=2e-5, atol=1e-5)

    async def test_random_parameters(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        mips = [1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 300, 5000]
        for _ in range(12):
            mip = int(self.random.choice(mips))
            wish = {"fractional": bool(self.random.integers(2)), "debiasing": bool(self.random.integers(2)), "q_error": 0.05, "u_error": 0.08}
            threshold = float(self.random.choice([numpy.nan, 0.02, 0.31]))
            option = str(self.random.choice(["I", "Plinear"]))
            with self.subTest(seed=SEED, mip=mip, threshold=threshold, option=option, **wish):
                await self.ask(client, smoothing_factor=mip, threshold=threshold, threshold_option=0 if numpy.isnan(threshold) else option, **wish)
                expected = vectors(self.planes(), mip, threshold=None if numpy.isnan(threshold) else threshold, option=option, **wish)
                messages = await overlay(client)
                # A value at the edge of a root or a threshold may fall to either side.
                self.check(messages, expected, mip)
                await self.ask(client, stokes_intensity=-1, stokes_angle=-1, smoothing_factor=0)

    async def test_both_generations_and_one_component(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "iquv.fits")
            intensity, angle = vectors(self.planes(), 4)
            await self.ask(client, stokes_angle=-1)
            self.check(await overlay(client), (intensity, None), 4, sources=(1, -1))
            await self.ask(client, stokes_intensity=-1)
            self.check(await overlay(client), (None, angle), 4, sources=(-1, 1))
            await client.close()

    async def test_the_current_plane(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        await client.call("carta.set.image.channels", file_id=0, channel=1, stokes=3)
        await self.ask(client, stokes_intensity=0, smoothing_factor=3, threshold=0.1, threshold_option="I")
        plane = downsampled(self.cube[3, 1], 3)
        _, angle = vectors(self.planes(1), 3, threshold=0.1)
        self.check(await overlay(client), (numpy.where(plane >= 0.1, plane, numpy.nan), angle), 3, channel=1, sources=(0, 1))
        # Another stokes: another plane. Computed components alone would not be sent again.
        await client.call("carta.set.image.channels", file_id=0, channel=1, stokes=17)
        messages = await overlay(client)
        with numpy.errstate(all="ignore"):
            pairs = numpy.where(numpy.isfinite(self.cube[1, 1]) & numpy.isfinite(self.cube[2, 1]), 1, numpy.nan)
            plane = numpy.degrees(numpy.arctan2(downsampled(self.cube[2, 1] * pairs, 3), downsampled(self.cube[1, 1] * pairs, 3))) / 2
        self.check(messages, (numpy.where(plane >= 0.1, plane, numpy.nan), angle), 3, channel=1, sources=(0, 1))
        await self.ask(client, stokes_intensity=1, smoothing_factor=3)
        self.check(await overlay(client), vectors(self.planes(1), 3), 3, channel=1)
        await client.call("carta.set.image.channels", file_id=0, channel=1, stokes=0)
        await settled(client)
        self.assertEqual(client.published.get(VECTORS, []), [])

    async def test_other_orders_of_stokes_and_none(self):
        client = await self.viewer()
        await open_file(client, "uqi.fits", 1)
        planes = dict(zip("UQI", self.reverse[:, 0]))
        await self.ask(client, 1, smoothing_factor=2, fractional=True, size=(280, 300))
        self.check(await overlay(client), vectors(planes, 2, fractional=True), 2, size=(280, 300), file_id=1)
        await open_file(client, "plane.fits", 2)
        await self.ask(client, 2, smoothing_factor=1, size=(500, 150))
        plane = self.plane.astype("f8")
        self.check(await overlay(client), (plane, plane), 1, size=(500, 150), file_id=2)
        await open_file(client, "qu.fits", 3)
        await self.ask(client, 3, smoothing_factor=1, threshold=0.5, threshold_option="Plinear", size=(90, 70))
        expected = vectors(dict(zip("QU", self.qu[:, 0])), 1, threshold=0.5, option="Plinear")
        self.check(await overlay(client), expected, 1, size=(90, 70), file_id=3)
        await self.fails(self.ask(client, 3, fractional=True), -32001, "no Stokes I")
        await self.fails(self.ask(client, 3, threshold=1.0, threshold_option="I"), -32001, "no Stokes I")
        await open_file(client, "only_i.fits", 4)
        await self.fails(self.ask(client, 4), -32001, "no Stokes Q and U")

    async def test_what_is_wrong_is_said(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        for fields, text in (({"smoothing_factor": 0}, "smoothing_factor"), ({"stokes_intensity": 2}, "stokes_intensity"), ({"stokes_angle": -2}, "stokes_angle"),
                             ({"threshold": float("inf")}, "threshold"), ({"threshold": 1.0, "threshold_option": "V"}, "threshold_option"),
                             ({"q_error": float("nan")}, "q_error"), ({"compression_type": "SZ"}, "compression"), ({"smoothing_factor": 2**31}, "smoothing_factor"),
                             ({"compression_type": "ZFP", "compression_quality": float("nan")}, "compression_quality")):  # fmt: skip
            await self.fails(self.ask(client, **fields), text=text)
        await self.fails(client.call("carta.set.vector.overlay.parameters", file_id=0, smoothing_factor=1, stokes_intensity=1, stokes_angle=1,
                                     image_bounds={"x_min": 5, "x_max": 4}), text="image_bounds")  # fmt: skip
        await self.fails(self.ask(client, 9), text="9")
        await settled(client)
        self.assertEqual(client.published.get(VECTORS, []), [])

    async def test_unchanged_is_nothing_and_cleared_is_little(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        await self.ask(client)
        first = await overlay(client)
        await self.ask(client)  # NaN is NaN
        await self.ask(client, image_bounds={"x_min": 3, "x_max": 9, "y_min": 0, "y_max": 4})  # what comes first matters no more
        await settled(client)
        self.assertEqual(client.published.get(VECTORS, []), [])
        # The order holds for the next plane.
        await self.ask(client, smoothing_factor=1, image_bounds={"x_min": 600, "x_max": 900, "y_min": 300, "y_max": 500})
        self.check(await overlay(client), vectors(self.planes(), 1), 1, view=(600, 900, 300, 500))
        await self.ask(client, smoothing_factor=1, image_bounds={"x_min": 0, "x_max": 1, "y_min": 600, "y_max": 611})
        await client.call("carta.set.image.channels", file_id=0, channel=2, stokes=0)
        self.check(await overlay(client), vectors(self.planes(2), 1), 1, channel=2, view=(0, 1, 600, 611))
        await self.ask(client, stokes_intensity=-1, stokes_angle=-1, smoothing_factor=0)
        await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=0)
        await settled(client)
        self.assertEqual(client.published.get(VECTORS, []), [])
        await self.ask(client, stokes_intensity=-1, stokes_angle=-1)
        (message,) = await overlay(client)
        self.assertEqual((message["progress"], list(message["intensity_tiles"]), list(message["angle_tiles"])), (1, [], []))
        self.assertEqual(len(first), 1)

    async def test_quick_changes_of_channel(self):
        """Of many channels in a row the last one's overlay comes whole, and those before it are no more than begun."""
        client = await self.viewer()
        await open_file(client, "large.fits")
        await self.ask(client, smoothing_factor=1, size=(2048, 2048))
        for channel in (1, 0) * 10 + (1,):
            await client.call("carta.set.image.channels", file_id=0, channel=channel, stokes=0)
        await settled(client)
        messages = [entry[2] for entry in client.log if entry[1] == VECTORS]
        self.assertEqual([m["channel"] for m in messages[-64:]], [1] * 64)
        self.assertEqual([place_of(m) for m in messages[-64:]], [(x, y) for y in range(8) for x in range(8)])
        # Each overlay starts from its beginning and goes on without a gap.
        for before, after in zip(messages, messages[1:]):
            self.assertIn(round(after["progress"] * 64), (1, round(before["progress"] * 64) + 1))

    async def test_closing_ends_it(self):
        client = await self.viewer()
        await open_file(client, "large.fits", 5)
        await self.ask(client, 5, smoothing_factor=1, size=(2048, 2048))
        id, answer = await client.start("carta.close.file", [{"file_id": 5}])
        await asyncio.wait_for(answer, PATIENCE)
        await settled(client)
        closed = next(i for i, entry in enumerate(client.log) if entry[1] == id)
        self.assertNotIn(VECTORS, [entry[1] for entry in client.log[closed:]])

    async def test_a_slow_reader_gets_all_of_it(self):
        """More than an outbox holds, and nobody reads for a while: nothing is left out, and others are served meanwhile."""
        slow, quick = await self.viewer(), await self.viewer()
        await open_file(slow, "large.fits")
        await open_file(quick, "iquv.fits")
        slow.socket.transport.pause_reading()
        asked = await slow.start("carta.set.vector.overlay.parameters", [{"file_id": 0, "smoothing_factor": 1, "stokes_intensity": 1, "stokes_angle": 1,
                                                                          "threshold": float("nan"), "compression_type": "NONE"}])  # fmt: skip
        await self.ask(quick)
        self.check(await overlay(quick), vectors(self.planes(), 4), 4)
        await asyncio.sleep(0.5)
        slow.socket.transport.resume_reading()
        await asyncio.wait_for(asked[1], PATIENCE)
        messages = await overlay(slow)
        self.assertEqual([place_of(m) for m in messages], [(x, y) for y in range(8) for x in range(8)])

    async def test_a_file_that_was_written_again(self):
        client = await self.viewer()
        await open_file(client, "gone.fits", 6)
        random = numpy.random.default_rng(1)
        fits.writeto(self.folder / "gone.fits", random_cube(random, (3, 3, 611, 907)), header_of([1, 2, 3]), overwrite=True)
        await self.fails(self.ask(client, 6))
        await client.next(ERROR, timeout=PATIENCE)
        self.assertEqual(client.published.get(VECTORS, []), [])

    async def test_compressed(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        await self.ask(client, smoothing_factor=4, compression_type="ZFP", compression_quality=24)
        (message,) = await overlay(client)
        self.assertEqual((message["compression_type"], message["compression_quality"]), ("ZFP", 24))
        intensity, _ = vectors(self.planes(), 4)
        for tile in message["intensity_tiles"] + message["angle_tiles"]:
            runs = numpy.frombuffer(tile["nan_encodings"], "<i4")
            self.assertEqual(runs.sum(), tile["width"] * tile["height"])
            blanks = numpy.repeat(numpy.arange(len(runs)) % 2 == 1, runs).reshape(tile["height"], tile["width"])
            numpy.testing.assert_array_equal(blanks, numpy.isnan(intensity))

    async def test_the_page(self):
        """The ICD's own dialect, and the overlay of a page that resumes."""
        from icd_client import connect, icd

        token = urllib.parse.quote(self.server.secret)
        page = await connect(self.server.port, token)
        self.addAsyncCleanup(page.close)
        await page.ask("REGISTER_VIEWER", session_id=0)
        await page.ask("OPEN_FILE", file="iquv.fits", file_id=0)
        asked = {"file_id": 0, "smoothing_factor": 4, "stokes_intensity": 1, "stokes_angle": 1, "threshold": float("nan"), "image_bounds": {"x_max": 907, "y_max": 611}}
        await page.tell("SET_VECTOR_OVERLAY_PARAMETERS", **asked)
        data = await page.next("VECTOR_OVERLAY_TILE_DATA")
        expected = vectors(self.planes(), 4)
        for tile, plane in ((data.intensity_tiles[0], expected[0]), (data.angle_tiles[0], expected[1])):
            values = numpy.frombuffer(tile.image_data, "<f4").reshape(tile.height, tile.width)
            numpy.testing.assert_allclose(values, plane, rtol=2e-5, atol=1e-5)
        self.assertEqual(data.progress, 1)

        other = await connect(self.server.port, token)
        self.addAsyncCleanup(other.close)
        await other.ask("REGISTER_VIEWER", session_id=0)
        settings = icd.SetVectorOverlayParameters(**asked)
        image = icd.ImageProperties(file="iquv.fits", file_id=0, channel=2, vector_overlay_settings=settings)
        ack = await other.ask("RESUME_SESSION", images=[image])
        self.assertTrue(ack.success, ack.message)
        self.assertNotIn("overlay", ack.message)
        data = await other.next("VECTOR_OVERLAY_TILE_DATA", lambda m: m.channel == 2)
        values = numpy.frombuffer(data.intensity_tiles[0].image_data, "<f4").reshape(153, 227)
        numpy.testing.assert_allclose(values, vectors(self.planes(2), 4)[0], rtol=2e-5, atol=1e-5)


if __name__ == "__main__":
    unittest.main()
