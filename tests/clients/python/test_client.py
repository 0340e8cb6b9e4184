"""The Python package against the servers: calls, attachments and topics of the wslink example server; images, tiles, spectra, exact pixels
and world coordinates of the image server.

CUBELINK_PROGRAM and WSLINK_EXAMPLE name other programs than those of build/release."""

import asyncio
import os
import sys
import unittest
import unittest.mock
import warnings
from pathlib import Path

import numpy
from astropy.wcs import WCS

sys.path.insert(0, str(Path(__file__).resolve().parent))
from images import ROOT, Server, WithImages  # noqa: E402

import cubelink  # noqa: E402
from cubelink import wire  # noqa: E402
from patience import PATIENCE, paces  # noqa: E402

EXAMPLE = os.environ.get("WSLINK_EXAMPLE", str(ROOT / "build/release/tests/wslink_example_server"))


class Wire(unittest.TestCase):
    def test_chunks_come_in_any_order(self):
        message = {"id": "x", "result": {"data": os.urandom(5000)}}
        frames = list(wire.chunks(wire.pack(message), 512))
        self.assertTrue(all(len(frame) <= 512 for frame in frames))
        for order in (frames, frames[::-1], frames[1::2] + frames[::2]):
            assembler = wire.Assembler()
            answers = [assembler.feed(frame) for frame in order]
            self.assertEqual(answers[:-1], [None] * (len(frames) - 1))
            self.assertEqual(answers[-1], message)
        with self.assertRaises(ValueError):
            wire.Assembler().feed(wire.HEADER.pack(1, 5, 6) + b"too long")


class Example(unittest.IsolatedAsyncioTestCase):
    """Calls, attachments and topics alone, of a server that knows no images."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(EXAMPLE, "--authKey", "a secret of the tests")
        cls.server.__enter__()
        cls.addClassCleanup(lambda: cls.server.__exit__())

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.client = await cubelink.connect(self.server.url, self.server.secret)
        self.addAsyncCleanup(self.client.close)

    async def test_calls(self):
        call = self.client.call
        self.assertEqual(self.client.session_id, 0)
        self.assertRegex(self.client.client_id, r"^\w+$")
        self.assertEqual(await call("bench.args", 1, "b", x=[1, None, 2.5]), {"args": [1, "b"], "kwargs": {"x": [1, None, 2.5]}})
        self.assertEqual(await call("bench.kw", 1, c=5), [1, 2, 5])
        self.assertIsNone(await call("bench.none"))
        self.assertEqual(await call("myprotocol.add", numpy.arange(4)), 6)
        self.assertEqual(await call("bench.echo", {"a": numpy.float32(0.5), "b": numpy.int64(-3), "c": (1, 2), "d": 2**63}), {"a": 0.5, "b": -3, "c": [1, 2], "d": 2**63})
        self.assertEqual(await asyncio.gather(*(call("bench.echo", i) for i in range(300))), list(range(300)))
        infinite = await call("myprotocol.special")
        self.assertEqual((infinite[0], infinite[2]), (numpy.inf, -numpy.inf))
        self.assertTrue(numpy.isnan(infinite[1]))

    async def test_errors(self):
        for method, arguments, code in (("no.such.method", [], -32601), ("bench.raise", ["it broke"], -32001), ("bench.unserializable", [], -32002), ("bench.kw", [], -32602)):
            with self.assertRaises(cubelink.CallError) as caught:
                await self.client.call(method, *arguments)
            self.assertEqual((caught.exception.code, caught.exception.method), (code, method))
        with self.assertRaisesRegex(cubelink.CallError, "it broke"):
            await self.client.call("bench.raise", "it broke")
        for secret, reason in (("wrong", "refused the token"), ("", "none was given")):
            with self.assertRaisesRegex(cubelink.AuthenticationError, f"Authentication failed.*{reason}"):
                await cubelink.connect(self.server.url, secret)
        for kind in (OSError, cubelink.ConnectionFailed, cubelink.CubelinkError):
            with self.assertRaisesRegex(kind, "127.0.0.1:1"):
                await cubelink.connect("ws://127.0.0.1:1/ws", "x")
        for address in ("localhost:1234", "ftp://localhost/", "http:///"):
            with self.assertRaisesRegex(ValueError, "address"):
                cubelink.connect(address)

    async def test_attachments(self):
        large = os.urandom(20 << 20)
        nested = {"list": [b"\0\1", b"", {"deep": large}], "same": large, "text": "wslink_bin0"}
        self.assertEqual(await self.client.call("bench.echo", nested), nested)
        self.assertEqual(await self.client.call("bench.echo", self.client.add_attachment(bytearray(b"abc"))), b"abc")
        answer = await self.client.call("myprotocol.nested.image")
        self.assertEqual([list(item) for item in answer["bytesList"]], [[1, 2, 3, 4], [5, 6, 7, 8, 9, 10]])
        self.assertEqual(answer["image"]["blob"][1:4], b"PNG")

    async def test_topics(self):
        got, other, done = [], [], asyncio.Event()

        def callback(message):
            got.append(len(message["data"]))
            if len(got) == 5:
                done.set()

        with self.client.listen("some.topic") as queue:
            await self.client.call("bench.pubval", "some.topic", "first")
            self.assertEqual(await asyncio.wait_for(queue.get(), PATIENCE), ("some.topic", "first"))
            await self.client.subscribe("test.topic", callback)
            await self.client.subscribe("other.topic", other.append)
            await self.client.call("bench.publish", "test.topic", 1 << 20, 5)
            await asyncio.wait_for(done.wait(), PATIENCE)
            # What was listened to before the first subscription still comes.
            await self.client.call("bench.pubval", "some.topic", {"x": 2})
            self.assertEqual((await asyncio.wait_for(queue.get(), PATIENCE)).message, {"x": 2})
        self.assertEqual((got, other), ([1 << 20] * 5, []))
        await self.client.unsubscribe("test.topic", callback)
        await self.client.call("bench.publish", "test.topic", 10, 1)
        await self.client.call("bench.none")
        self.assertEqual(len(got), 5)

    async def test_lost_connection(self):
        client = await cubelink.connect(self.server.url, self.server.secret)
        waiting = asyncio.ensure_future(client.call("bench.sleep", 100_000))
        await asyncio.sleep(0.05)
        await client.close()
        for awaitable in (waiting, client.call("bench.none")):
            with self.assertRaises(cubelink.ConnectionLost):
                await awaitable

    async def test_killed_server(self):
        """Whoever waits for anything hears of it: calls, queues, and those who wait for the end itself."""
        server = Server(EXAMPLE, "--authKey", self.server.secret)
        server.__enter__()
        client = await cubelink.connect(server.url, server.secret, reconnect=0)
        with client.listen("some.topic") as queue:
            await client.call("bench.pubval", "some.topic", 1)
            tasks = [asyncio.ensure_future(waiting) for waiting in (client.call("bench.sleep", 100_000), client.wait_closed())]
            await asyncio.sleep(0.05)
            server.process.kill()
            results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
            self.assertEqual([type(result) for result in results], [cubelink.ConnectionLost] * 2)
            self.assertEqual(await queue.get(), ("some.topic", 1))
            for _ in range(2):
                with self.assertRaises(cubelink.ConnectionLost):
                    await asyncio.wait_for(queue.get(), PATIENCE)
        with client.listen("some.topic") as queue, self.assertRaises(cubelink.ConnectionLost):
            async for _ in queue:
                pass
        await client.close()
        server.process.wait()

    async def test_cancelled_calls(self):
        """Those that have begun to be sent are sent whole: the server would wait for the rest, and close after too many of them."""
        send = self.client._socket.send

        async def slowly(frame):
            await send(frame)
            await asyncio.sleep(0)

        self.client._frame_limit = 1024
        with unittest.mock.patch.object(self.client._socket, "send", slowly):
            for _ in range(80):
                call = asyncio.ensure_future(self.client.call("myprotocol.postbinary", bytes(5000)))
                for _ in range(4):
                    await asyncio.sleep(0)
                self.assertTrue(self.client._sending)
                call.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await call
            while self.client._sending:
                await asyncio.sleep(0)
        for pace in paces():
            with pace, self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(self.client.call("bench.sleep", 0.5 * pace.factor), 0.05)
        self.assertEqual(await self.client.call("bench.echo", 5), 5)


class Images(WithImages, unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.client = await cubelink.connect(self.server.url, self.server.secret)
        self.addAsyncCleanup(self.client.close)

    async def test_listing(self):
        listing = await self.client.list_files()
        self.assertEqual([file["name"] for file in listing["files"]], ["disk_cube.fits"])
        self.assertEqual([folder["name"] for folder in listing["subdirectories"]], ["sub"])
        self.assertEqual([file["name"] for file in (await self.client.list_files("sub"))["files"]], ["stokes.fits"])
        with self.assertRaises(cubelink.CallError):
            await self.client.list_files("../..")

    async def test_regions(self):
        image = await self.client.open("disk_cube.fits")
        box = await image.set_region("RECTANGLE", [[100, 50], [20, 10]])
        self.assertEqual(box, 1)
        numpy.testing.assert_allclose(await image.region_spectrum(box), self.cube[:, 45:56, 90:111].mean(axis=(1, 2), dtype="f8"), rtol=1e-9)
        self.assertEqual(await image.set_region("RECTANGLE", numpy.array([[101, 50], [20, 10]]), region_id=box), box)
        for statistic, wanted in (("Max", numpy.max), ("Mean", numpy.mean)):
            found = await image.region_spectrum(box, statistic)
            numpy.testing.assert_allclose(found, wanted(self.cube[:, 45:56, 91:112].astype("f8"), axis=(1, 2)), rtol=1e-9)
        point = await image.set_region("POINT", [[7, 8]])
        numpy.testing.assert_allclose(await image.region_spectrum(point), self.cube[:, 8, 7])
        with self.assertRaisesRegex(cubelink.CallError, "positive"):
            await image.set_region("ELLIPSE", [[1, 1], [-3, 4]])
        await image.remove_region(box)
        with self.assertRaises(cubelink.CallError):
            await image.region_spectrum(box)
        await self.client.subscribe("carta.error.data", print)  # from now on nothing but what was subscribed to
        self.assertEqual((await image.region_spectrum(point)).shape, (66,))

    async def test_pixels(self):
        image = await self.client.open("disk_cube.fits")
        self.assertEqual((image.shape, image.name), ((66, 310, 320), "disk_cube.fits"))
        self.assertEqual((image.axes, image.ndim, image.size, str(image.unit)), (("channel", "y", "x"), 3, 66 * 310 * 320, "Jy / beam"))
        array = numpy.testing.assert_array_equal
        numbers = await image.statistics(["Median", "Percentile:90", "Max"], channels=(3, 5), percentiles=[10])
        values = self.cube[3:5][numpy.isfinite(self.cube[3:5])].astype("f8")
        expected = [*numpy.percentile(values, [50, 90]), values.max()]
        numpy.testing.assert_allclose([numbers[name] for name in ("Median", "Percentile:90", "Max")], expected, rtol=3e-16)
        self.assertEqual(len(numbers.percentiles), 1)
        box = {"region_type": "RECTANGLE", "control_points": [{"x": 20, "y": 20}, {"x": 4, "y": 4}], "rotation": 0}
        self.assertEqual((await image.statistics(["NumPixels", "NanCount"], region=box, channels=3)),
                         {"NumPixels": numpy.isfinite(self.cube[3, 18:23, 18:23]).sum(), "NanCount": numpy.isnan(self.cube[3, 18:23, 18:23]).sum()})
        array(await image.read(channel=3, stokes=0), self.cube[3])
        array(await image.read(channel=slice(10, 60, 7), y=slice(5, 300, 3), x=slice(None, 40)), self.cube[10:60:7, 5:300:3, :40])
        array(await image.read(x=-1, y=-310, channel=numpy.int64(65)), self.cube[65, 0, 319])
        array(await image.spectrum(6, 5), self.cube[:, 5, 6])
        array(await image.spectrum(99.6, 200.4), self.cube[:, 200, 100])
        self.assertEqual(await image.read(x=7, y=8, channel=9, stokes=0), self.cube[9, 8, 7])
        with unittest.mock.patch("cubelink.image.PART", 1000):
            array(await image.read(channel=slice(60, None, 2), y=slice(0, 31, 10), x=slice(3, None)), self.cube[60::2, 0:31:10, 3:])
        with self.assertRaises(TypeError):
            await image.read(x=1.5)
        for wrong in ({"x": 320}, {"y": -311}, {"channel": 66}, {"stokes": 1}):
            with self.assertRaises(IndexError):
                await image.read(**wrong)
        for wrong in ((-1, 5), (5, -1), (320, 0), (0, 310), (-0.6, 3)):
            with self.assertRaises(IndexError):
                await image.spectrum(*wrong)
        array(await image.spectrum(-0.4, 309.4), self.cube[:, 309, 0])
        wide = await self.client.open("sub/stokes.fits")
        self.assertEqual(wide.shape, (4, 3, 20, 30))
        array(await wide.read(), self.stokes)
        array(await wide.read(stokes=2), self.stokes[2])
        array(await wide[1:, ..., 3], self.stokes[1:, ..., 3])
        array(await wide.spectrum(3, 4, stokes=-1), self.stokes[3, :, 4, 3])
        self.assertNotEqual(image.file_id, wide.file_id)
        self.assertEqual(sorted((await self.client.opened())), [image.file_id, wide.file_id])
        async with image:
            (await image.read(channel=0))[:] = 0  # the caller's own
        with self.assertRaises(cubelink.CallError):
            await image.read(channel=0)
        for missing in ("missing.fits", "../disk_cube.fits", "sub"):
            with self.assertRaises(cubelink.CallError):
                await self.client.open(missing)

    async def test_indices(self):
        """The same as numpy's, for what the server can give."""
        image = await self.client.open("disk_cube.fits")
        seed = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
        random = numpy.random.default_rng(seed)
        indices = [64, (), ..., (3, ..., 5), (..., -1), (None, 2, 3), (slice(5, 5), 0), (0, slice(20, 2, -3), slice(None, None, 50)), (1, None, slice(-3, None)), (numpy.int8(-1), 0, 0)]
        for _ in range(20):
            ends = [random.integers(-400, 400, 2) for _ in range(3)]
            indices.append(tuple(slice(*map(int, pair), int(random.choice([-7, -1, 1, 5]))) if random.random() < 0.8 else int(pair[0]) % 66 for pair in ends))
        for index in indices:
            with self.subTest(index=index, seed=seed):
                found, wanted = await image[index], self.cube[index]
                numpy.testing.assert_array_equal(found, wanted)
                self.assertEqual((found.shape, found.dtype), (wanted.shape, numpy.dtype("f4")))
        for index, error in ((66, IndexError), ((0, 0, 0, 0), IndexError), ((..., ...), IndexError), ([1, 2], TypeError), (True, TypeError), (1.5, TypeError), (numpy.arange(3), TypeError), ("x", TypeError)):
            with self.subTest(index=index), self.assertRaises(error):
                await image[index]

    async def test_refusals(self):
        """Answers that say `success: false` are errors; so are topics that nobody publishes."""
        with self.assertRaises(cubelink.CallError) as caught:
            await self.client.call("carta.open.file", {"file": "missing.fits", "file_id": 7})
        self.assertEqual((caught.exception.method, caught.exception.answer["success"]), ("carta.open.file", False))
        self.assertIsInstance(caught.exception, cubelink.CubelinkError)
        with self.assertRaisesRegex(cubelink.CallError, "no such|no topic"):
            await self.client.subscribe("carta.no.such.topic", print)
        with self.assertRaisesRegex(cubelink.SessionNotFound, "123456789"):
            await cubelink.connect(self.server.url, self.server.secret, session_id=123456789)

    async def test_tiles(self):
        image = await self.client.open("disk_cube.fits")
        tiles = await image.tiles([(1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (0, 0, 0)], channel=7)
        numpy.testing.assert_array_equal(numpy.block([[tiles[1, 0, 0], tiles[1, 1, 0]], [tiles[1, 0, 1], tiles[1, 1, 1]]]), self.cube[7])
        coarse = numpy.nanmean(self.cube[7].reshape(155, 2, 160, 2), axis=(1, 3))
        numpy.testing.assert_allclose(tiles[0, 0, 0], coarse, rtol=1e-5, atol=1e-6)
        numpy.testing.assert_array_equal(await image.tile(1, 1, 1), self.cube[7, 256:, 256:])
        # After the first subscription tiles still come.
        await self.client.subscribe("carta.error.data", lambda message: None)
        numpy.testing.assert_array_equal(await image.tile(1, 0, 1, channel=9, stokes=0), self.cube[9, 256:, :256])
        self.assertEqual(await image.tiles([]), {})
        with self.assertRaisesRegex(cubelink.CallError, "no tile"):
            await image.tile(3, 0, 0)
        stokes = await self.client.open("sub/stokes.fits")
        numpy.testing.assert_allclose(await stokes.tile(0, 0, 0, channel=2), self.stokes[0, 2], rtol=1e-6)
        numpy.testing.assert_allclose(await stokes.tile(0, 0, 0, stokes=3), self.stokes[3, 2], rtol=1e-6)

    async def test_world(self):
        image = await self.client.open("disk_cube.fits")
        header = await image.header()
        for key in ("CRVAL1", "CDELT3", "RESTFRQ", "OBJECT", "BUNIT"):
            self.assertEqual(header[key], self.header[key])
        wcs = await image.wcs()
        points = numpy.array([[0, 0], [160, 155], [319, 309]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = WCS(self.header).celestial.pixel_to_world_values(points)
            numpy.testing.assert_allclose(wcs.celestial.pixel_to_world_values(points), expected)
        world = await image.to_world(points)
        numpy.testing.assert_allclose(world["points"], expected, atol=1e-9)
        numpy.testing.assert_allclose((await image.to_pixel(world["points"]))["points"], points, atol=1e-6)
        galactic = await image.to_world([160, 155], "GALACTIC")
        numpy.testing.assert_allclose((await image.to_pixel(galactic["points"], "GALACTIC"))["points"], [[160, 155]], atol=1e-5)
        frequencies = await image.spectral_axis()
        numpy.testing.assert_allclose(frequencies.value, 1.42e9 + 1e5 * numpy.arange(66))
        self.assertEqual(frequencies.unit, "Hz")
        for kind in ("radio velocity", "velocity_radio"):
            velocities = await image.spectral_axis(kind)
            numpy.testing.assert_allclose(velocities.to_value("m/s"), 299792458 * (1 - frequencies.value / 1.420405752e9), atol=1e-3)
        with self.assertRaisesRegex(cubelink.CallError, "kind"):
            await image.spectral_axis("nonsense")

    async def test_what_is_cancelled_stops_in_the_server(self):
        """Statistics of a connection are computed one after the other: those behind the first are stopped before they begin."""
        image = await self.client.open("disk_cube.fits")
        failures = 'wslink_call_failures_total{method="image.statistics"}'
        await self.client.call("image.statistics", image.file_id)
        before = self.server.gauge(failures)
        request = {"file_id": image.file_id, "channels": [0, 66], "types": ["Median", "MAD"], "percentiles": [1, 99]}
        calls = [asyncio.ensure_future(self.client.call("image.statistics", **request)) for _ in range(20)]
        await asyncio.sleep(0)  # they have begun
        for call in calls[:10]:
            call.cancel()
        for call in calls[10:19]:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(call, 0)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        self.assertTrue(all(isinstance(one, asyncio.CancelledError) for one in ended[:19]), ended)
        self.assertIn("Median", ended[19]["statistics"])
        self.assertGreater(self.server.gauge(failures), before)

    async def test_one_session_for_two(self):
        image = await self.client.open("disk_cube.fits")
        async with cubelink.connect(self.server.url, self.server.secret, session_id=self.client.session_id) as second:
            self.assertEqual(second.session_id, self.client.session_id)
            opened = await second.opened()
            numpy.testing.assert_array_equal(await opened[image.file_id].spectrum(10, 20), self.cube[:, 20, 10])
            another = await second.open("sub/stokes.fits")
            third = await self.client.open("sub/stokes.fits")
            self.assertEqual(len({image.file_id, another.file_id, third.file_id}), 3, "one image took another's place")
        self.assertEqual(len(await self.client.opened()), 3)

    async def test_profiles_by_topic(self):
        image = await self.client.open("disk_cube.fits")
        with self.client.listen("carta.spatial.profile.data") as queue:
            await self.client.call("carta.set.cursor", {"file_id": image.file_id, "point": {"x": numpy.float32(12), "y": 13}})
            message = (await asyncio.wait_for(queue.get(), PATIENCE)).message
        self.assertEqual(numpy.float32(message["value"]), self.cube[0, 13, 12])


if __name__ == "__main__":
    unittest.main()
