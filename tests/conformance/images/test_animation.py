"""Animations: START_ANIMATION, ANIMATION_FLOW_CONTROL, STOP_ANIMATION. Looked at on the wire of wslink; tests/conformance/icd/test_animation.py has the ICD's."""

import asyncio
import time
import unittest

import numpy
from astropy.io import fits

from harness import ERROR, HISTOGRAM, PATIENCE, SPATIAL, SYNC, TILE, ServerTest, codes_of_layer, open_file, pixels, settled, tile_code

STOKES, DEPTH, HEIGHT, WIDTH = 3, 30, 300, 520
FULL = codes_of_layer(WIDTH, HEIGHT, 2)


class Animation(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(9)
        header = fits.Header()
        for n, ctype in enumerate(("RA---SIN", "DEC--SIN", "FREQ", "STOKES"), 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1.0
        cls.cube = random.normal(size=(STOKES, DEPTH, HEIGHT, WIDTH)).astype("f4")
        fits.writeto(folder / "cube.fits", cls.cube, header)
        cls.other = random.normal(size=(12, 60, 80)).astype("f4")
        fits.writeto(folder / "other.fits", cls.other)

    async def opened(self, *files, generation=2):
        client = await self.viewer(generation)
        for file_id, file in enumerate(files or ("cube.fits",)):
            await open_file(client, file, file_id)
            await client.next(HISTOGRAM)
        await settled(client)
        client.forget()
        return client

    async def play(self, client, first=0, last=DEPTH - 1, start=0, delta=1, rate=1000, stokes=None, channel=0, tiles=FULL, **more):
        """Starts an animation along channels, or along stokes; returns its id."""
        frame = (lambda n: {"channel": channel, "stokes": n}) if stokes is not None else (lambda n: {"channel": n, "stokes": 0})
        ack = await client.call(
            "carta.start.animation",
            {"file_id": 0, "first_frame": frame(first), "last_frame": frame(last), "start_frame": frame(start),
             "delta_frame": {"channel": 0, "stokes": delta} if stokes is not None else {"channel": delta}, "frame_rate": rate, "looping": True,
             "required_tiles": {"file_id": 0, "tiles": tiles, "compression_type": "NONE"}, "stokes_indices": stokes or [], **more})  # fmt: skip
        self.assertTrue(ack["success"], ack["message"])
        self.assertGreater(ack["animation_id"], 0)
        return ack["animation_id"]

    async def frame(self, client, animation, file_id=0):
        """The next whole frame: (channel, stokes). Its sets, ids, counts and pixels are checked."""
        begin = await client.next(SYNC, lambda s: not s["end_sync"] and s["file_id"] == file_id, PATIENCE)
        end = await client.next(SYNC, lambda s: s["end_sync"] and s["sync_id"] == begin["sync_id"], PATIENCE)
        plane = (begin["channel"], begin["stokes"])
        sent = [m for m in client.published.get(TILE, []) if m["sync_id"] == begin["sync_id"]]
        client.published[TILE] = [m for m in client.published.get(TILE, []) if m["sync_id"] != begin["sync_id"]]
        for message in (begin, end, *sent):
            self.assertEqual((message["file_id"], message["channel"], message["stokes"], message["animation_id"]), (file_id, *plane, animation))
        tiles = [tile for message in sent for tile in message["tiles"]]
        self.assertEqual(begin["tile_count"], len(tiles))
        if file_id == 0:
            for tile in tiles:
                if tile["layer"] == 2:
                    expected = self.plane(*plane)[256 * tile["y"] : 256 * tile["y"] + 256, 256 * tile["x"] : 256 * tile["x"] + 256]
                    numpy.testing.assert_allclose(pixels(tile), expected, rtol=1e-6)
        return plane

    def plane(self, channel, stokes):
        if stokes < STOKES:
            return self.cube[stokes, channel]
        q, u = self.cube[1, channel].astype("f8"), self.cube[2, channel].astype("f8")
        return {14: numpy.hypot(q, u), 17: numpy.degrees(0.5 * numpy.arctan2(u, q))}[stokes]

    async def received(self, client, channel, stokes=0, file_id=0):
        answer = await client.call("carta.animation.flow.control", file_id=file_id, received_frame={"channel": channel, "stokes": stokes})
        self.assertIsNone(answer)

    async def channels(self, client, animation, count, acknowledge=True):
        """The channels of so many frames."""
        seen = []
        for _ in range(count):
            seen.append((await self.frame(client, animation))[0])
            if acknowledge:
                await self.received(client, seen[-1])
        return seen

    async def stop(self, client, file_id=0):
        """Stops, and makes sure that nothing follows the answer but the end of a set that has begun."""
        self.assertIsNone(await client.call("carta.stop.animation", file_id=file_id, end_frame={"channel": 0}))
        mark = len(client.log)
        await settled(client)
        begins = [m for _, topic, m in client.log[mark:] if topic == SYNC and not m["end_sync"]]
        self.assertEqual(begins, [], "a frame began after the animation had been stopped")
        begun = {m["sync_id"] for _, topic, m in client.log if topic == SYNC and not m["end_sync"]}
        ended = {m["sync_id"] for _, topic, m in client.log if topic == SYNC and m["end_sync"]}
        self.assertEqual(begun, ended)

    async def shown(self, client, file_id=0):
        files = (await client.call("session.state"))["files"]
        return next(file["channel"] for file in files if file["file_id"] == file_id)

    async def test_frames_come_in_order_each_after_its_histogram(self):
        for generation in (1, 2):
            client = await self.opened(generation=generation)
            await client.call("carta.set.cursor", file_id=0, point={"x": 3, "y": 4})
            await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "x"}])
            await settled(client)
            client.forget()
            animation = await self.play(client, start=1)
            self.assertEqual(client.log[0][0], "reply", "the acknowledgement comes first")
            self.assertEqual(await self.channels(client, animation, 40), [(1 + n) % DEPTH for n in range(40)])
            await self.stop(client)
            # Of each frame the histogram and the profile come before the first tile, and histograms are those of the plane.
            ready = {}
            for _, topic, message in (entry for entry in client.log if entry[0] == "publish"):
                if topic in (HISTOGRAM, SPATIAL):
                    ready.setdefault(message["channel"], set()).add(topic)
                if topic == HISTOGRAM:
                    self.assertAlmostEqual(message["histograms"]["mean"], self.cube[0, message["channel"]].mean(dtype="f8"), places=6)
                if topic == TILE:
                    self.assertEqual(ready.get(message["channel"]), {HISTOGRAM, SPATIAL})
            # Then the client shows the channel that it has stopped at.
            client.forget()
            await client.call("carta.set.image.channels", file_id=0, channel=5, stokes=0, required_tiles={"tiles": FULL, "compression_type": "NONE"})
            self.assertEqual(await self.frame(client, 0), (5, 0))

    async def test_the_window_of_frames_that_are_not_acknowledged(self):
        for rate, window in ((2, 0), (3, 1), (15, 5), (30, 10)):
            client = await self.opened()
            animation = await self.play(client, start=1, rate=rate)
            # Up to window + 2: that the start is received is taken for granted.
            self.assertEqual(await self.channels(client, animation, window + 2, acknowledge=False), list(range(1, window + 3)))
            self.assertTrue(await client.silence(SYNC, 3 / rate), "a frame too many")
            await self.received(client, 1)  # which is known
            await self.received(client, 2, file_id=1)  # of another file
            self.assertTrue(await client.silence(SYNC, 2 / rate))
            await self.received(client, 2)
            self.assertEqual((await self.frame(client, animation))[0], window + 3)
            self.assertTrue(await client.silence(SYNC, 2 / rate))
            await self.received(client, window + 3)
            self.assertEqual(await self.channels(client, animation, window + 1, acknowledge=False), list(range(window + 4, 2 * window + 5)))
            await self.stop(client)

    async def test_the_window_beyond_the_ends(self):
        """Frames are counted where the animation jumps to the other end or turns round, in steps of any size; an acknowledgement is of the earliest lap."""
        loop = [1, 2, 3, 4] * 6
        turning = [1, 2, 3, 4, 3, 2, 1] + [2, 3, 4, 3, 2, 1] * 4  # the frame at the end comes once more, and sends nothing
        steps = [1, 4, 7, 10] * 6  # of range 1 to 12
        for generation, more, expected in ((2, {"last": 4}, loop), (1, {"last": 4}, loop), (2, {"last": 4, "reverse": True}, turning),
                                           (2, {"last": 12, "delta": 3}, steps), (2, {"last": 12, "start": 10, "delta": -3}, [10, 7, 4, 1] + [12, 9, 6, 3] * 5)):  # fmt: skip
            window = 5  # more than a lap
            client = await self.opened(generation=generation)
            animation = await self.play(client, first=1, rate=15, **{"start": 1, **more})
            shown = await self.channels(client, animation, window + 2, acknowledge=False)
            self.assertEqual(shown, expected[: window + 2])
            self.assertTrue(await client.silence(SYNC, 3 / 15), "a frame too many")
            await self.received(client, expected[0])  # the first, which is not counted
            self.assertTrue(await client.silence(SYNC, 3 / 15), "a frame too many")
            for n in range(1, 12):  # each acknowledgement lets one frame go
                await self.received(client, expected[n])
                self.assertEqual((await self.frame(client, animation))[0], expected[n + window + 1])
                if n % 4 == 1:
                    self.assertTrue(await client.silence(SYNC, 3 / 15), f"a frame too many after {n}")
            await self.received(client, 29)  # was never sent
            self.assertTrue(await client.silence(SYNC, 3 / 15))
            await self.stop(client)
            await client.close()

    async def test_lock_step(self):
        client = await self.opened()
        animation = await self.play(client, start=1, rate=2)
        self.assertEqual(await self.channels(client, animation, 2, acknowledge=False), [1, 2])
        for channel in range(2, 5):
            self.assertTrue(await client.silence(SYNC, 0.7))
            await self.received(client, channel)
            self.assertEqual((await self.frame(client, animation))[0], channel + 1)
        await self.stop(client)

    async def test_frames_are_never_early(self):
        client = await self.opened()
        rate = 20
        animation = await self.play(client, start=1, rate=rate)
        times = []
        for _ in range(12):
            await self.frame(client, animation)
            times.append(time.monotonic())
            await self.received(client, times and (await self.shown(client)))
        # What delays a message on its way makes the next one look early: so all of them together.
        self.assertGreaterEqual(times[-1] - times[0], (len(times) - 2) / rate)
        await self.stop(client)

    async def test_directions(self):
        client = await self.opened()
        for settings, expected in ((dict(first=3, last=6, start=3), [3, 4, 5, 6, 3, 4, 5]),
                                   (dict(first=3, last=6, start=5, delta=-1), [5, 4, 3, 6, 5, 4]),
                                   (dict(first=0, last=8, start=1, delta=3), [1, 4, 7, 0, 3, 6, 0]),
                                   (dict(first=2, last=9, start=2, delta=7), [2, 9, 2, 9]),
                                   # The end frames come twice, of which the second is the plane that is shown already.
                                   (dict(first=1, last=3, start=1, reverse=True), [1, 2, 3, 2, 1, 2, 3]),
                                   (dict(first=4, last=6, start=0), [4, 5, 6, 4])):  # fmt: skip
            await client.call("carta.set.image.channels", file_id=0, channel=29, stokes=0)
            await settled(client)
            client.forget()
            animation = await self.play(client, rate=200, **settings)
            self.assertEqual(await self.channels(client, animation, len(expected)), expected, settings)
            await self.stop(client)

    async def test_an_animation_that_does_not_loop_ends(self):
        client = await self.opened()
        animation = await self.play(client, first=26, start=27, rate=100, looping=False)
        self.assertEqual(await self.channels(client, animation, 3), [27, 28, 29])
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])
        # Views are answered again.
        await client.call("carta.add.required.tiles", file_id=0, tiles=[0], compression_type="NONE")
        self.assertEqual(await self.frame(client, 0), (29, 0))

    async def test_stokes(self):
        client = await self.opened()
        animation = await self.play(client, first=0, last=3, start=1, stokes=[0, 2, 14, 17], channel=4, rate=100)
        seen = []
        for _ in range(6):
            seen.append(await self.frame(client, animation))
            await self.received(client, *seen[-1])
        self.assertEqual(seen, [(4, 2), (4, 14), (4, 17), (4, 0), (4, 2), (4, 14)])
        await self.stop(client)
        # Along channels, the stokes of the start is an index too.
        client.forget()
        ack = await client.call("carta.start.animation",
                                {"file_id": 0, "first_frame": {}, "last_frame": {"channel": 9}, "start_frame": {"channel": 3, "stokes": 2}, "looping": True,
                                 "delta_frame": {"channel": 1}, "frame_rate": 50, "stokes_indices": [0, 2, 14], "required_tiles": {"tiles": FULL}})  # fmt: skip
        self.assertEqual((await client.next(SYNC, lambda s: not s["end_sync"] and s["animation_id"] == ack["animation_id"]))["stokes"], 14)
        await self.stop(client)

    async def test_the_view_follows_the_client(self):
        client = await self.opened()
        animation = await self.play(client, start=1, rate=15)
        await self.channels(client, animation, 3)
        # The page sends its view after each frame; it is answered by nothing but the animation.
        await client.call("carta.add.required.tiles", file_id=0, tiles=FULL, compression_type="NONE")
        coarse = [0]
        await client.call("carta.add.required.tiles", file_id=0, tiles=coarse, compression_type="ZFP", compression_quality=9)
        mark = len(client.log)
        for _ in range(4):
            await self.received(client, await self.shown(client))
            await self.frame(client, animation)
        counts = [m["tile_count"] for _, topic, m in client.log[mark:] if topic == SYNC and not m["end_sync"]]
        self.assertEqual(counts[-2:], [1, 1])
        self.assertEqual(counts, sorted(counts, reverse=True), "the old view came back")
        last = [m for _, topic, m in client.log if topic == TILE][-1]
        self.assertEqual((last["compression_type"], last["tiles"][0]["layer"]), ("ZFP", 0))
        self.assertEqual({m["animation_id"] for _, topic, m in client.log if topic in (SYNC, TILE)}, {animation})
        # Refused ones change nothing. An empty view has no tiles; the animation goes on, and there is nothing to acknowledge.
        await self.fails(client.call("carta.add.required.tiles", file_id=0, tiles=[-5], compression_type="NONE"), -32602, "tiles")
        await client.call("carta.add.required.tiles", file_id=0, tiles=[])
        await client.next(HISTOGRAM, lambda m: m["channel"] == DEPTH - 1, PATIENCE)
        await client.call("carta.add.required.tiles", file_id=0, tiles=FULL, compression_type="NONE")
        while (await client.next(SYNC, lambda s: not s["end_sync"], PATIENCE))["tile_count"] != len(FULL):
            pass
        await self.stop(client)

    async def test_tiles_are_made_once(self):
        """Also where the client sends another view before the first frame: frames that are made ahead are those that are shown."""

        async def jobs(started_with):
            client = await self.viewer()
            await settled(client)
            before = self.server.gauge("cubelink_jobs_done_total")
            # They wait until the file is open, and so the view is ahead of the first frame.
            await client.start("carta.open.file", [{"file": "cube.fits", "file_id": 0, "render_mode": "RASTER"}])
            await client.start("carta.start.animation",
                               [{"file_id": 0, "start_frame": {"channel": 1}, "last_frame": {"channel": DEPTH - 1}, "delta_frame": {"channel": 1},
                                 "frame_rate": 1000, "required_tiles": {"tiles": started_with, "compression_type": "NONE"}}])  # fmt: skip
            await client.start("carta.add.required.tiles", [{"file_id": 0, "tiles": FULL, "compression_type": "NONE"}])
            await client.next(SYNC, lambda s: s["end_sync"] and s["channel"] == DEPTH - 1, PATIENCE)
            await settled(client)
            begun = [(m["channel"], m["tile_count"]) for _, topic, m in client.log if topic == SYNC and not m["end_sync"]]
            self.assertEqual([channel for channel, _ in begun], list(range(1, DEPTH)))
            if {count for _, count in begun} != {len(FULL)}:
                return None  # the file was open sooner than the view had come
            return self.server.gauge("cubelink_jobs_done_total") - before

        async def jobs_of(started_with):
            for _ in range(50):
                if count := await jobs(started_with):
                    return count
            self.fail("the view has never come in time")

        same, other = await jobs_of(FULL), await jobs_of(FULL[:1])
        self.assertLess(other, same + DEPTH * len(FULL) / 2, "tiles have been made that were not sent")

    async def test_matched_images(self):
        client = await self.opened("cube.fits", "other.fits")
        numbers = [0.4, 0.6, float("nan"), -7.0, 3.5, 100.0, float("inf")]
        animation = await self.play(client, first=10, last=17, start=10, rate=100,
                                    matched_frames={"1": {"frame_numbers": numbers}, "0": {"frame_numbers": [1.0] * 8}, "77": {"frame_numbers": [1.0]}})  # fmt: skip
        await client.call("carta.add.required.tiles", file_id=1, tiles=[0], compression_type="NONE")
        self.assertEqual(await self.channels(client, animation, 9), [*range(10, 18), 10])
        await self.stop(client)
        # 0.4 is channel 0, which was shown; 0.6: 1; NaN: as it was; -7: 0; 3.5: 4; 100: the last, 11; infinity, and what has no number: as it was.
        expected = {11: 1, 13: 0, 14: 4, 15: 11, 10: 0}
        histograms = [(m["file_id"], m["channel"]) for _, topic, m in client.log if topic == HISTOGRAM]
        self.assertEqual([c for f, c in histograms if f == 1][:5], list(expected.values()))
        at = histograms.index((0, 14))
        self.assertIn((1, 4), histograms[at - 1 : at + 2])
        sets = [(m["file_id"], m["channel"]) for _, topic, m in client.log if topic == SYNC and not m["end_sync"]]
        self.assertIn((1, 4), sets)
        for _, topic, message in client.log:
            if topic == TILE and message["file_id"] == 1:
                self.assertEqual(message["animation_id"], animation)
                numpy.testing.assert_array_equal(pixels(message["tiles"][0]), self.other[message["channel"]])

    async def test_a_frame_that_is_shown_already_sends_nothing(self):
        client = await self.opened()
        animation = await self.play(client, first=0, last=0, start=0, rate=100)
        await asyncio.sleep(0.3)
        self.assertEqual([entry for entry in client.log if entry[1] in (SYNC, TILE, HISTOGRAM)], [])
        await self.stop(client)
        animation = await self.play(client, first=0, last=3, start=0, rate=100)
        self.assertEqual(await self.channels(client, animation, 4), [1, 2, 3, 0])
        await self.stop(client)

    async def test_a_new_one_ends_the_old_one(self):
        client = await self.opened()
        old = await self.play(client, start=1, rate=300)
        await self.channels(client, old, 3)
        new = await self.play(client, first=20, start=20, rate=300)
        self.assertNotEqual(old, new)
        mark = next(i for i, entry in enumerate(client.log) if entry[0] == "reply" and (entry[2].get("result") or {}).get("animation_id") == new)
        for _ in range(30):
            begin = await client.next(SYNC, lambda s: not s["end_sync"], PATIENCE)
            await self.received(client, begin["channel"])
        # The start waits behind what the old one was doing: nothing of it begins later.
        begins = [m["animation_id"] for _, topic, m in client.log[mark:] if topic == SYNC and not m["end_sync"]]
        self.assertEqual(set(begins), {new})
        await self.stop(client)

    async def test_all_at_once(self):
        """Starts and stops that wait in the queue: each is answered, and the last of them counts."""
        client = await self.opened()
        start = {"file_id": 0, "last_frame": {"channel": 20}, "delta_frame": {"channel": 1}, "frame_rate": 500, "looping": True,
                 "start_frame": {"channel": 3}, "required_tiles": {"tiles": FULL, "compression_type": "NONE"}}  # fmt: skip
        calls = []
        for _ in range(30):
            calls.append((await client.start("carta.start.animation", [start]))[1])
            calls.append((await client.start("carta.animation.flow.control", [{"file_id": 0, "received_frame": {"channel": 3}}]))[1])
            calls.append((await client.start("carta.stop.animation", [{"file_id": 0}]))[1])
        replies = [await asyncio.wait_for(call, PATIENCE) for call in calls]
        ids = [reply["result"]["animation_id"] for reply in replies[::3]]
        self.assertEqual(len(set(ids)), 30)
        await self.stop(client)

    async def test_messages_without_an_animation(self):
        client = await self.opened()
        await self.stop(client)
        await self.stop(client, 77)
        await self.received(client, 4)
        await self.received(client, 4, file_id=77)
        animation = await self.play(client, start=1, rate=100)
        await self.channels(client, animation, 2)
        self.assertIsNone(await client.call("carta.stop.animation", file_id=5))  # another file's: ignored
        await self.channels(client, animation, 4)
        await self.stop(client)

    async def test_closing_ends_it(self):
        for file_id in (0, 1, -1):
            client = await self.opened("cube.fits", "other.fits")
            animation = await self.play(client, start=1, rate=300, matched_frames={"1": {"frame_numbers": [float(n) for n in range(30)]}})
            await self.channels(client, animation, 3)
            await client.call("carta.close.file", file_id=file_id)
            mark = len(client.log)
            await settled(client)
            of_closed = [e for e in client.log[mark:] if e[1] in (SYNC, TILE, HISTOGRAM) and file_id in (-1, e[2]["file_id"])]
            self.assertEqual(of_closed, [])
            self.assertEqual([e[2] for e in client.log[mark:] if e[1] == SYNC and not e[2]["end_sync"]], [])
            self.assertEqual([m["message"] for m in client.published.get(ERROR, [])], [])

    async def test_replacing_the_file_ends_it(self):
        client = await self.opened()
        animation = await self.play(client, start=1, rate=300)
        await self.channels(client, animation, 3)
        await open_file(client, "other.fits", 0)
        mark = len(client.log)
        await settled(client)
        self.assertEqual([e for e in client.log[mark:] if e[1] == SYNC and not e[2]["end_sync"]], [])

    async def test_two_connections_of_a_session(self):
        first = await self.opened()
        second = await self.viewer(1, first.session_id)
        await settled(second)
        second.forget()
        animation = await self.play(first, start=1, rate=15)
        self.assertEqual(await self.channels(first, animation, 5, acknowledge=False), [1, 2, 3, 4, 5])
        # The other one is told the channels and gets the histograms, and no tiles but those it asks for; its flow control is not meant.
        for channel in range(1, 6):
            await second.next(HISTOGRAM, lambda m, channel=channel: m["channel"] == channel, PATIENCE)
        self.assertEqual([e for e in second.log if e[1] in (SYNC, TILE)], [])
        self.assertTrue(any(e[1] == "session.changed" and e[2]["what"] == "channels" for e in second.log))
        await self.channels(first, animation, 2, acknowledge=False)
        await self.received(second, 7)
        self.assertTrue(await first.silence(SYNC, 0.5))
        await second.call("carta.add.required.tiles", file_id=0, tiles=[0], compression_type="NONE")
        self.assertEqual(await self.frame(second, 0), (7, 0))
        # Each may stop it, and the animation ends with the connection that has started it.
        await self.stop(second)
        animation = await self.play(first, start=8, rate=100)
        await self.channels(first, animation, 3)
        await first.close(1001)
        await settled(second)
        shown = await self.shown(second)
        await asyncio.sleep(0.2)
        self.assertEqual(await self.shown(second), shown)
        await second.call("carta.set.image.channels", file_id=0, channel=2, stokes=0, required_tiles={"tiles": FULL, "compression_type": "NONE"})
        self.assertEqual(await self.frame(second, 0), (2, 0))

    async def test_other_changes_of_channel_while_it_plays(self):
        client = await self.opened()
        animation = await self.play(client, start=1, rate=15)
        await self.channels(client, animation, 3)
        await client.call("carta.set.image.channels", file_id=0, channel=25, stokes=1, required_tiles={"tiles": FULL, "compression_type": "NONE"})
        begin = await client.next(SYNC, lambda s: not s["end_sync"] and s["animation_id"] == 0, PATIENCE)
        self.assertEqual((begin["channel"], begin["stokes"]), (25, 1))
        for _ in range(5):  # it goes on from its own frames
            begin = await client.next(SYNC, lambda s: not s["end_sync"] and s["animation_id"] == animation, PATIENCE)
            await self.received(client, begin["channel"])
        await self.stop(client)

    async def test_requests_that_make_no_sense(self):
        client = await self.opened()
        good = {"file_id": 0, "first_frame": {}, "last_frame": {"channel": 9}, "start_frame": {}, "delta_frame": {"channel": 1}, "frame_rate": 5, "looping": True}
        for change, text in (({"file_id": 3}, "no file"), ({"delta_frame": {}}, "delta_frame"), ({"first_frame": {"channel": 10}}, "first_frame"),
                             ({"last_frame": {"channel": DEPTH}}, "last_frame"), ({"first_frame": {"channel": -1}}, "first_frame"),
                             ({"start_frame": {"stokes": 3}}, "stokes"), ({"frame_rate": -1}, "frame_rate"), ({"frame_rate": 1001}, "frame_rate"),
                             ({"delta_frame": {"stokes": 1}, "last_frame": {"stokes": 3}}, "stokes"),
                             ({"delta_frame": {"stokes": 1}, "last_frame": {"stokes": 2**31 - 1}}, "stokes"),
                             ({"delta_frame": {"stokes": 1}, "last_frame": {"stokes": 2}, "stokes_indices": [0, 1]}, "stokes_indices"),
                             ({"stokes_indices": [0] * 100_000}, "stokes_indices"),
                             ({"required_tiles": {"tiles": [tile_code(2, 7, 7)]}}, "required_tiles.tiles"),
                             ({"required_tiles": {"tiles": list(range(5000))}}, "required_tiles.tiles"),
                             ({"required_tiles": {"tiles": [0], "compression_type": "SZ"}}, "compression"),
                             ({"required_tiles": {"tiles": [0], "compression_type": "ZFP", "compression_quality": float("nan")}}, "quality")):  # fmt: skip
            ack = await client.call("carta.start.animation", {**good, **change})
            self.assertFalse(ack["success"], change)
            self.assertIn(text, ack["message"].lower())
        await settled(client)
        self.assertEqual([e for e in client.log if e[1] in (SYNC, TILE)], [])
        # Odd, and good: no rate, a million numbers, files that are not open.
        numbers = [float(n % 12) for n in range(1_000_000)]
        many = {str(n): {"frame_numbers": []} for n in range(5, 3000)}
        ack = await client.call("carta.start.animation", {**good, "frame_rate": 0, "matched_frames": {"1": {"frame_numbers": numbers}, **many}})
        self.assertTrue(ack["success"], ack["message"])
        await self.stop(client)
        self.alive()

    async def test_a_client_that_does_not_read(self):
        """Frames wait for it: memory stays bounded, and it is not disconnected; stopping takes away what waits."""
        client = await self.opened()
        animation = await self.play(client, start=1, rate=1000)
        client.socket.transport.pause_reading()
        await asyncio.sleep(1)
        client.socket.transport.resume_reading()
        await self.channels(client, animation, 40, acknowledge=False)
        await self.stop(client)
        # None of what belongs to a frame has been replaced by that of a later one.
        histograms = set()
        for _, topic, message in client.log:
            if topic == HISTOGRAM:
                histograms.add(message["channel"])
            if topic == SYNC and not message["end_sync"]:
                self.assertIn(message["channel"], histograms, "tiles without their histogram")
                histograms.remove(message["channel"])
        self.alive()


if __name__ == "__main__":
    unittest.main()
