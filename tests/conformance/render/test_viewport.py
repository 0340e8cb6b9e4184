"""viewport.image.push…: pictures that are pushed as ParaViewWeb does, and the mouse that pans and zooms them."""

import asyncio
import math
import os
import random
import unittest

import numpy
from astropy.io import fits

from support import PATIENCE, ServerTest, coloured, open_file, picture, rgba

TOPIC = "viewport.image.push.subscription"
SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 32)))


def mouse(action, x, y, view="-1", **buttons):
    return {"view": view, "action": action, "x": x, "y": y, "buttonLeft": 0, "buttonMiddle": 0, "buttonRight": 0, "shiftKey": 0, "ctrlKey": 0, "altKey": 0,
            "metaKey": 0, **buttons}  # fmt: skip


class ViewportTest(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"CUBELINK_SEED={SEED}", flush=True)
        numbers = numpy.random.default_rng(SEED)
        y, x = numpy.mgrid[0:300, 0:400]
        cls.smooth = (numpy.sin(x / 40) + numpy.cos(y / 30)).astype("f4")
        cls.cube = numpy.stack([cls.smooth[:50, :60], -cls.smooth[:50, :60]]).astype("f4")
        fits.PrimaryHDU(cls.smooth).writeto(folder / "smooth.fits")
        fits.PrimaryHDU(cls.cube).writeto(folder / "cube.fits")
        fits.PrimaryHDU(numbers.normal(0, 1, (2000, 2000)).astype("f4")).writeto(folder / "noise.fits")

    async def opened(self, *files, generation=2, session_id=0):
        client = await self.viewer(generation, session_id)
        for file_id, file in enumerate(files):
            await open_file(client, file, file_id)
        return client

    async def call(self, client, name, *arguments):
        return await client.call(f"viewport.{name}", *arguments, timeout=PATIENCE)

    async def observe(self, client, view="-1", size=(200, 150)):
        """As vtk.js begins: without waiting for each answer."""
        calls = [
            self.call(client, "image.push.observer.add", view),
            self.call(client, "image.push.original.size", view, *size),
            self.call(client, "image.push.invalidate.cache", view),
            self.call(client, "image.push", {"view": view, "size": list(size)}),
        ]
        return (await asyncio.gather(*calls))[0]

    async def frame(self, client, accept=lambda message: True):
        return await client.next(TOPIC, accept, PATIENCE)

    def check(self, message, plane=None, worst=30, mean=6):
        """The picture is what numpy draws for the view that the message says."""
        plane = self.smooth if plane is None else plane
        size = tuple(message["size"])
        values, inside = picture(plane, size, message["x"], message["y"], message["scale"])
        wanted = numpy.where(inside[..., None], coloured(values, message["limits"], stretch=message["stretch"]), numpy.array((0, 0, 0, 255), "u1"))
        pixels, kind, _ = rgba(message)
        self.assertEqual((kind, pixels.shape), ("JPEG", (size[1], size[0], 4)))
        self.assertLess(numpy.abs(pixels.astype(int) - wanted).mean(), mean)

    async def test_a_view_as_vtk_js_asks_for_it(self):
        for generation in (1, 2):
            client = await self.opened("smooth.fits", generation=generation)
            self.assertEqual(await self.observe(client), {"success": True, "viewId": "0"})
            message = await self.frame(client, lambda m: m["size"] == [200, 150])
            self.assertEqual({name: message[name] for name in ("id", "global_id", "format", "memsize", "stale")},
                             {"id": "0", "global_id": "0", "format": "jpeg", "memsize": len(message["image"]), "stale": False})
            self.assertGreaterEqual(message["workTime"], 0)
            self.assertEqual((message["x"], message["y"], message["scale"]), (199.5, 149.5, 0.5))
            self.check(message)

    async def test_the_mouse_pans_and_zooms(self):
        client = await self.opened("smooth.fits")
        await self.observe(client)
        before = await self.frame(client, lambda m: m["size"] == [200, 150])
        for event in (mouse("down", 0.5, 0.5, buttonLeft=1), mouse("down", 0.6, 0.5, buttonLeft=1), mouse("down", 0.6, 0.7, buttonLeft=1), mouse("up", 0.6, 0.7)):
            self.assertEqual(await self.call(client, "mouse.interaction", event), True)
        # A tenth of the view's width to the right shows what was to the left; y goes upwards.
        after = await self.frame(client, lambda m: math.isclose(m["x"], 199.5 - 0.1 * 200 / 0.5) and math.isclose(m["y"], 149.5 - 0.2 * 150 / 0.5) and m["size"] == [200, 150])
        self.check(after)
        # A move without a button changes nothing.
        await self.call(client, "mouse.interaction", mouse("up", 0.1, 0.1))
        # The wheel: what is under the pointer stays there.
        await self.call(client, "mouse.zoom.wheel", {"view": "-1", "type": "StartMouseWheel", "x": 0.75, "y": 0.25, "spinY": -1})
        await self.call(client, "mouse.zoom.wheel", {"view": "-1", "type": "MouseWheel", "x": 0.75, "y": 0.25, "spinY": -1})
        await self.call(client, "mouse.zoom.wheel", {"view": "-1", "type": "EndMouseWheel"})
        zoomed = await self.frame(client, lambda m: math.isclose(m["scale"], before["scale"] * 1.1**2) and m["size"] == [200, 150])
        place = lambda m: (m["x"] + 0.25 * 200 / m["scale"], m["y"] - 0.25 * 150 / m["scale"])  # noqa: E731
        numpy.testing.assert_allclose(place(zoomed), place(after))
        self.check(zoomed)
        # The right button zooms; the middle of the view stays in the image, whatever is done.
        await self.call(client, "mouse.interaction", mouse("down", 0.5, 0.5, buttonRight=1))
        await self.call(client, "mouse.interaction", mouse("down", 0.5, 0.75, buttonRight=1))
        await self.call(client, "mouse.interaction", mouse("up", 0.5, 0.75))
        await self.frame(client, lambda m: math.isclose(m["scale"], zoomed["scale"] * math.exp(0.5)) and m["size"] == [200, 150])
        await self.call(client, "mouse.interaction", mouse("down", 0.5, 0.5, buttonLeft=1))
        await self.call(client, "mouse.interaction", mouse("up", -10, 10))
        corner = await self.frame(client, lambda m: m["x"] == 399.5 and m["y"] == -0.5 and m["size"] == [200, 150])
        self.check(corner)
        self.assertEqual(await self.call(client, "camera.reset", "-1"), "0")
        self.check(await self.frame(client, lambda m: m["x"] == 199.5 and m["size"] == [200, 150]))

    async def test_quality_drops_while_it_moves(self):
        client = await self.opened("noise.fits")
        await self.observe(client, size=(400, 400))
        still = await self.frame(client, lambda m: m["size"] == [400, 400])
        # By itself, for clients that say nothing.
        await self.call(client, "mouse.interaction", mouse("down", 0.5, 0.5, buttonLeft=1))
        await self.call(client, "mouse.interaction", mouse("down", 0.45, 0.5, buttonLeft=1))
        moving = await self.frame(client, lambda m: m["size"] == [200, 200])
        self.assertLess(len(moving["image"]), len(still["image"]) / 2)
        self.assertLess(moving["quality"], still["quality"])
        await self.call(client, "mouse.interaction", mouse("up", 0.45, 0.5))
        await self.frame(client, lambda m: m["size"] == [400, 400] and m["quality"] == still["quality"])
        # As vtk.js says.
        self.assertEqual(await self.call(client, "image.push.quality", "-1", 20, 0.25), {"result": "success"})
        await self.call(client, "mouse.interaction", mouse("down", 0.5, 0.5, buttonLeft=1))
        await self.call(client, "mouse.interaction", mouse("down", 0.45, 0.5, buttonLeft=1))
        await self.frame(client, lambda m: m["size"] == [100, 100] and m["quality"] == 20)
        await self.call(client, "mouse.interaction", mouse("up", 0.45, 0.5))
        await self.call(client, "image.push.quality", "-1", 100, 1)
        await self.call(client, "image.push", {"view": "-1", "size": [400, 400]})
        await self.frame(client, lambda m: m["size"] == [400, 400] and m["quality"] == 100)

    async def test_it_follows_the_session(self):
        client = await self.opened("cube.fits", "smooth.fits")
        other = await self.viewer(session_id=client.session_id)
        self.assertEqual((await self.observe(client, "0"))["viewId"], "0")
        self.check(await self.frame(client, lambda m: m["size"] == [200, 150] and m["channel"] == 0), self.cube[0])
        await other.call("carta.set.image.channels", {"file_id": 0, "channel": 1})
        self.check(await self.frame(client, lambda m: m["channel"] == 1), self.cube[1])
        # Views belong to a connection: the other one has its own, and hears of no other.
        self.assertEqual((await self.observe(other, 1, (100, 100)))["viewId"], "1")
        self.check(await self.frame(other, lambda m: m["size"] == [100, 100]))
        self.assertTrue(all(m["id"] == "1" for m in other.published.get(TOPIC, [])))
        await self.fails(self.call(other, "image.push", {"view": "0"}), -32001, "not observed")
        # Once removed, or its file closed, it is silent.
        self.assertEqual(await self.call(client, "image.push.observer.remove", "0"), {"result": "success"})
        await self.fails(self.call(client, "image.push.quality", "0", 50), -32001, "not observed")
        await client.call("carta.close.file", {"file_id": 1})
        await self.fails(self.call(other, "image.push", {"view": "1"}), -32001)
        other.published.clear()
        client.published.clear()
        await other.call("carta.set.image.channels", {"file_id": 0, "channel": 0})
        await self.call(client, "image.push.observer.add", "0")
        await self.frame(client)
        self.assertNotIn(TOPIC, other.published)

    async def test_looks(self):
        client = await self.opened("smooth.fits")
        await self.observe(client)
        await self.call(client, "image.push", {"view": "-1", "limits": [-1, 1], "stretch": "linear"})
        self.check(await self.frame(client, lambda m: m["limits"] == [-1, 1]))
        await self.call(client, "image.push", {"view": "-1", "x": 100, "y": 50, "scale": 2})
        self.check(await self.frame(client, lambda m: (m["x"], m["y"], m["scale"]) == (100, 50, 2)))
        await self.call(client, "camera.update", "-1", [120, 60, 0], [0, 1, 0], [0, 0, 1])
        await self.frame(client, lambda m: (m["x"], m["y"], m["scale"]) == (120, 60, 2))
        await self.call(client, "camera.update.params", "-1", {"focalPoint": [10, 20, 0], "parallelScale": 75, "viewUp": [0, 1, 0]})
        await self.frame(client, lambda m: (m["x"], m["y"], m["scale"]) == (10, 20, 1))
        await self.call(client, "image.push.enabled", "-1", False)
        client.published.clear()
        await self.call(client, "image.push", {"view": "-1", "x": 30})
        await self.call(client, "image.push.enabled", "-1", True)
        await self.frame(client, lambda m: m["x"] == 30)

    async def test_no_flood(self):
        client = await self.opened("noise.fits")
        await self.observe(client, size=(1200, 900))
        await self.frame(client, lambda m: m["size"] == [1200, 900])
        # Many requests at once are few pictures, and the last one is of the newest state.
        for i in range(500):
            call = asyncio.ensure_future(self.call(client, "image.push", {"view": "-1", "x": 700.0 + i}))
        await call
        await self.frame(client, lambda m: m["x"] == 1199.0)
        self.assertLess(sum(1 for _, topic, _ in client.log if topic == TOPIC), 400)
        self.alive()

    async def test_nothing_waits_for_a_client_that_does_not_read(self):
        client, watcher = await self.opened("noise.fits"), await self.viewer()
        await self.call(client, "image.push.observer.add", "0")
        await self.call(client, "image.push.quality", "0", 100, 1)
        await self.call(client, "image.push.original.size", "0", 1600, 1200)
        await self.frame(client, lambda m: m["size"] == [1600, 1200])
        client.socket.transport.pause_reading()
        count = 400
        for i in range(count):
            await client.start("viewport.image.push", [{"view": "0", "x": 500.0 + i}])
            await asyncio.sleep(0.01)
        # Others are served meanwhile.
        await open_file(watcher, "smooth.fits")
        await self.observe(watcher)
        await self.frame(watcher)
        before = len(client.log)
        client.socket.transport.resume_reading()
        await self.frame(client, lambda m: m["x"] == 500.0 + count - 1)
        pictures = [message for _, topic, message in client.log[before:] if topic == TOPIC]
        # What the system's sockets hold, and no more: megabytes, of hundreds.
        self.assertLess(len(pictures), count / 4)
        self.assertLess(sum(len(message["image"]) for message in pictures), 64 << 20)

    async def test_hostile_requests(self):
        client = await self.opened("smooth.fits")
        await self.fails(self.call(client, "image.push", {"view": "-1"}), -32001, "observer.add")
        await self.observe(client)
        nan, infinity = math.nan, math.inf
        wrong = [
            ("image.push.observer.add", ["left"]), ("image.push.observer.add", [-7]), ("image.push.observer.add", [10**12]), ("image.push.observer.add", [None]),
            ("image.push.observer.add", ["0x0"]), ("image.push.observer.add", [[]]), ("image.push", [7]), ("image.push", [{"view": "-1", "size": [nan, 1]}]),
            ("image.push", [{"view": "-1", "size": [10**9, 1]}]), ("image.push", [{"view": "-1", "colour_map": "none"}]),
            ("image.push", [{"view": "-1", "scale": 0}]), ("image.push", [{"view": "-1", "x": nan}]), ("image.push", [{"view": "-1", "limits": 3}]),
            ("image.push.quality", ["-1", 101]), ("image.push.quality", ["-1", nan]), ("image.push.quality", ["-1", 50, 0]), ("image.push.quality", ["-1", 50, 1e9]),
            ("image.push.quality", ["-1", 50, infinity]), ("image.push.quality", ["-1"]), ("image.push.original.size", ["-1", 10**9, 10**9]),
            ("image.push.original.size", ["-1", nan, 5]), ("image.push.original.size", ["-1", "wide", 5]), ("image.push.original.size", ["-1", 16383, 16383]),
            ("image.push.enabled", ["-1", "no"]), ("mouse.interaction", [{"view": "-1"}]), ("mouse.interaction", [{"view": "-1", "action": "down", "x": nan, "y": 0}]),
            ("mouse.interaction", [3]), ("mouse.zoom.wheel", [{"view": "-1", "spinY": infinity}]), ("mouse.zoom.wheel", [{"view": "-1", "spinY": 1, "x": "a"}]),
            ("camera.update", ["-1", [nan, 0, 0]]), ("camera.update", ["-1", []]), ("camera.update.params", ["-1", {"parallelScale": 0}]),
            ("image.animation.fps.max", [0]), ("image.animation.fps.max", [nan]),
        ]  # fmt: skip
        for method, arguments in wrong:
            error = await self.fails(self.call(client, method, *arguments))
            self.assertEqual(error.code, -32602, (method, arguments, error.message))
        await self.fails(self.call(client, "image.push.observer.add", 5), -32001, "no file with id 5")
        # Odd, but nothing wrong: a page that is being laid out, a wheel gone mad.
        await self.call(client, "image.push.original.size", "-1", 0, -3)
        for spin in (1e300, -1e300, 0):
            await self.call(client, "mouse.zoom.wheel", {"view": "-1", "type": "MouseWheel", "spinY": spin, "x": 1e9})
        await self.call(client, "mouse.interaction", mouse("down", 1e300, -1e300, buttonLeft=1))
        await self.call(client, "mouse.interaction", mouse("up", -1e300, 1e300))
        for _ in range(30):
            await self.call(client, "mouse.zoom.wheel", {"view": "-1", "type": "MouseWheel", "spinY": -1e9})
        await self.call(client, "image.push.original.size", "-1", 90.4, 60.6)
        message = await self.frame(client, lambda m: m["size"] == [90, 61])
        self.assertLessEqual(message["scale"], 64)
        self.assertEqual(await self.call(client, "image.animation.fps.max", 10), None)
        self.assertEqual(await self.call(client, "image.animation.fps.get"), 10)
        lone = await self.client()
        await self.fails(self.call(lone, "image.push.observer.add", "-1"), -32001, "register")
        await self.fails(self.call(await self.viewer(), "image.push.observer.add", "-1"), -32001, "no file is open")
        self.alive()

    async def test_a_client_that_goes_away_in_the_midst(self):
        for _ in range(5):
            client = await self.opened("noise.fits")
            await self.observe(client, size=(1500, 1500))
            for i in range(50):
                asyncio.ensure_future(self.call(client, "image.push", {"view": "-1", "x": float(i)})).add_done_callback(lambda call: call.exception())
            await asyncio.sleep(0)
            await client.close()
        client = await self.opened("smooth.fits")
        await self.observe(client)
        self.check(await self.frame(client, lambda m: m["size"] == [200, 150]))
        self.alive()


if __name__ == "__main__":
    unittest.main()
