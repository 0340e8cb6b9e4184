"""The order of messages and their counts: replies before what they cause, sets of tiles from begin to end, histograms before the last tile,
only the newest of what was asked for many times, sessions and views apart. Looked at on the wire, where order is kept."""

import asyncio
import unittest

import numpy
from astropy.io import fits

from harness import (ERROR, HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, SYNC, TILE, ServerTest, check_histogram, codes_of_layer, decimated, downsampled,
                     get_tiles, open_file, pixels, profile_values, settled, tile_code)  # fmt: skip

CUBE = (3, 40, 300, 520)  # stokes, channel, y, x


def check_sets(log):
    """Every set of tiles that begins ends, with as many tiles between as it said, and of one plane. Returns the sets in the order of their
    beginnings: [(begin, tiles)]."""
    running, done = {}, []
    for _, topic, message in (entry for entry in log if entry[1] in (SYNC, TILE)):
        key = message["sync_id"]
        plane = (message["file_id"], message["channel"], message["stokes"], message["animation_id"])
        if topic == TILE:
            begin, tiles = running[key]
            assert plane == (begin["file_id"], begin["channel"], begin["stokes"], begin["animation_id"])
            tiles += message["tiles"]
        elif not message["end_sync"]:
            assert key > 0 and key not in running
            running[key] = (message, [])
            done.append(running[key])
        else:
            begin, tiles = running.pop(key)
            codes = {tile_code(t["layer"], t["x"], t["y"]) for t in tiles}
            assert begin["tile_count"] == message["tile_count"] == len(tiles) == len(codes), (begin, message, len(tiles))
    assert not running, f"sets without an end: {running.keys()}"
    return done


class Order(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(5)
        cls.cube = random.normal(size=CUBE).astype("f4")
        header = fits.Header()
        for n, ctype in enumerate(("RA---SIN", "DEC--SIN", "FREQ", "STOKES"), 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1.0
        fits.writeto(folder / "cube.fits", cls.cube, header)
        cls.plane = random.normal(size=(900, 1300)).astype("f4")
        fits.writeto(folder / "plane.fits", cls.plane)
        cls.full = codes_of_layer(520, 300, 2)

    def replies(self, client):
        return [entry[1] for entry in client.log if entry[0] == "reply"]

    async def test_open_then_histogram_then_tiles(self):
        """Tiles asked for at once with the opening: acknowledgement, histogram, last tile, in this order."""
        for generation in (1, 2):
            client = await self.viewer(generation)
            opening, opened = await client.start("carta.open.file", [{"file": "plane.fits", "file_id": 3}])
            asking, asked = await client.start("carta.add.required.tiles", [{"file_id": 3, "tiles": codes_of_layer(1300, 900, 3) + [0]}])
            self.assertTrue((await asyncio.wait_for(opened, PATIENCE))["result"]["success"])
            self.assertIsNone((await asyncio.wait_for(asked, PATIENCE))["result"])
            await client.next(SYNC, lambda s: s["end_sync"], PATIENCE)
            kinds = [entry[1] for entry in client.log]
            last_tile = max(i for i, kind in enumerate(kinds) if kind == TILE)
            self.assertLess(kinds.index(opening), kinds.index(HISTOGRAM))
            self.assertLess(kinds.index(HISTOGRAM), last_tile)
            self.assertLess(kinds.index(asking), kinds.index(SYNC))
            (begin, tiles), = check_sets(client.log)
            self.assertEqual((begin["tile_count"], begin["file_id"], begin["animation_id"]), (25, 3, 0))
            self.assertEqual(tiles[0]["layer"], 0, "the coarse tile comes first")

    async def test_what_everybody_is_told_of_a_failure_comes_after_it(self):
        """The reply to a call comes before what the call publishes, also when it fails."""
        for generation in (1, 2):
            client = await self.viewer(generation)
            for method, arguments in (("carta.set.cursor", {"file_id": 77, "point": {"x": 1, "y": 1}}),
                                      ("carta.add.required.tiles", {"file_id": 77, "tiles": [0]}),
                                      ("carta.set.spatial.requirements", {"file_id": 77, "region_id": 5, "spatial_profiles": [{"coordinate": "x"}]})):
                client.forget()
                _, refused = await client.start(method, [arguments])
                self.assertIn("error", await asyncio.wait_for(refused, PATIENCE))
                await client.next(ERROR)
                heard = [entry[0] for entry in client.log if entry[1] != "session.changed"]  # which tells of this client's own coming
                self.assertEqual(heard, ["reply", "publish"], method)

    async def test_channel_changes_all_at_once(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.next(HISTOGRAM)
        await settled(client)
        client.forget()
        wanted = {"file_id": 0, "tiles": self.full, "compression_type": "NONE"}
        calls = [(await client.start("carta.set.image.channels", [{"file_id": 0, "channel": c, "stokes": c % 3, "required_tiles": wanted}]))
                 for c in range(40)]  # fmt: skip
        for _, future in calls:
            reply = await asyncio.wait_for(future, PATIENCE)
            self.assertIsNone(reply["result"])
        self.assertEqual(self.replies(client), [id for id, _ in calls], "answers leave in the order of the calls")
        await client.next(SYNC, lambda s: s["end_sync"] and s["channel"] == 39, PATIENCE)
        await settled(client)
        sets = check_sets(client.log)
        self.assertEqual((sets[-1][0]["channel"], sets[-1][0]["stokes"], len(sets[-1][1])), (39, 0, len(self.full)))
        channels = [begin["channel"] for begin, _ in sets]
        self.assertEqual(channels, sorted(channels), "an older channel's tiles came after a newer one's")
        for begin, tiles in sets:
            plane = self.cube[begin["stokes"], begin["channel"]]
            for tile in tiles:
                expected = plane[256 * tile["y"] : 256 * tile["y"] + 256, 256 * tile["x"] : 256 * tile["x"] + 256]
                numpy.testing.assert_array_equal(pixels(tile), expected)
        # The histogram of the plane that is shown lies before its last tile.
        kinds = [(entry[1], entry[2]["channel"]) for entry in client.log if entry[1] in (HISTOGRAM, TILE)]
        self.assertLess(kinds.index((HISTOGRAM, 39)), len(kinds) - 1 - kinds[::-1].index((TILE, 39)))

    async def test_tiles_between_two_changes_to_one_channel(self):
        """The second change does not take the first one's place: tiles asked for between them would be those of the channel before."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.next(HISTOGRAM)
        for channel in range(1, 21):
            client.forget()
            view = {"file_id": 0, "compression_type": "NONE"}
            change = {"file_id": 0, "channel": channel, "stokes": 0, "required_tiles": {**view, "tiles": []}}
            calls = [("carta.set.image.channels", {**change, "stokes": 1, "required_tiles": {**view, "tiles": self.full}}), ("carta.set.image.channels", change),
                     ("carta.add.required.tiles", {**view, "tiles": [0]}), ("carta.set.image.channels", change)]  # fmt: skip
            for future in [(await client.start(method, [request]))[1] for method, request in calls]:
                self.assertIsNone((await asyncio.wait_for(future, PATIENCE))["result"])
            tile = await client.next(TILE, lambda m: (m["channel"], m["stokes"]) == (channel, 0))
            numpy.testing.assert_allclose(pixels(tile["tiles"][0]), downsampled(self.cube[0, channel], 4), rtol=1e-5, atol=1e-6)
            await settled(client)
            check_sets(client.log)

    async def test_same_channel_sends_tiles_only(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.next(HISTOGRAM)
        client.forget()
        for _ in range(3):
            await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=0, required_tiles={"file_id": 0, "tiles": [0]})
            await client.next(SYNC, lambda s: s["end_sync"])
        await settled(client)
        self.assertNotIn(HISTOGRAM, client.published)
        self.assertEqual(len(check_sets(client.log)), 3)

    async def test_two_hundred_cursors(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "x"}, {"coordinate": "y"}])
        await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z", "stats_types": ["Sum"]}])
        await settled(client)
        client.forget()
        calls = [(await client.start("carta.set.cursor", [{"file_id": 0, "point": {"x": 10 + i, "y": 20 + i % 7}}])) for i in range(200)]
        for _, future in calls:
            self.assertIsNone((await asyncio.wait_for(future, PATIENCE))["result"])
        self.assertEqual(self.replies(client), [id for id, _ in calls])
        await client.next(SPECTRAL, lambda m: m["progress"] >= 1 and profile_values(m["profiles"][0])[0] == self.cube[0, 0, 20 + 199 % 7, 209], PATIENCE)
        await settled(client)
        entries = [(topic, message) for _, topic, message in client.log if topic in (SPATIAL, SPECTRAL)]
        places = [message["x"] for topic, message in entries if topic == SPATIAL]
        self.assertEqual(places, sorted(places), "an older cursor's profile came after a newer one's")
        self.assertEqual(places[-1], 209)
        self.assertLess(len(places), 200, "nothing was overtaken")
        spatial = [message for topic, message in entries if topic == SPATIAL][-1]
        numpy.testing.assert_array_equal(profile_values(spatial["profiles"][0]), self.cube[0, 0, 20 + 199 % 7])
        self.assertEqual(entries[-1][0], SPECTRAL, "the spectrum follows the spatial profiles")
        self.assertEqual(entries[-1][1]["profiles"][0]["stats_type"], "Sum")

    async def test_profiles(self):
        """Ranges and thinning, every pixel convention."""
        client = await self.viewer()
        await open_file(client, "plane.fits")
        asked = [("x", 0, 0, 0), ("x", 7, 1000, 1), ("x", 7, 1000, 2), ("y", 13, 777, 3), ("x", 0, 1300, 16), ("y", 880, 900, 8), ("x", 1299, 1300, 4),
                 ("x", 100, 99999, 2), ("y", 0, 0, 4096), ("x", 5, 6, 1)]  # fmt: skip
        configs = [dict(zip(("coordinate", "start", "end", "mip"), one)) for one in asked]
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=configs)
        for x, y, px, py in ((0, 0, 0, 0), (-0.4, 899.4, 0, 899), (1298.5, 450.5, 1299, 451), (640.49, 0.5, 640, 1)):
            await client.call("carta.set.cursor", file_id=0, point={"x": x, "y": y})
            message = await client.next(SPATIAL)
            self.assertEqual((message["x"], message["y"], message["region_id"], message["channel"], message["stokes"]), (px, py, 0, 0, 0))
            self.assertEqual(numpy.float32(message["value"]), self.plane[py, px])
            self.assertEqual(len(message["profiles"]), len(asked))
            for profile, (coordinate, start, end, mip) in zip(message["profiles"], asked):
                axis = self.plane[py] if coordinate == "x" else self.plane[:, px]
                self.assertEqual((profile["coordinate"], profile["start"], profile["end"], profile["mip"]), (coordinate, start, end or len(axis), mip))
                numpy.testing.assert_array_equal(profile_values(profile), decimated(axis, start, end, mip).astype("f4"))
        for x, y in ((-0.6, 0), (1299.6, 5), (5, 900)):
            await client.call("carta.set.cursor", file_id=0, point={"x": x, "y": y})
        self.assertTrue(await client.silence(SPATIAL))
        # The value alone, when no profile is asked for.
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[])
        await client.call("carta.set.cursor", file_id=0, point={"x": 3, "y": 4})
        message = await client.next(SPATIAL)
        self.assertEqual((message["profiles"], numpy.float32(message["value"])), ([], self.plane[4, 3]))

    async def test_profiles_cleared_while_they_are_due(self):
        """Of what happens to the cursor a client always hears: with its profiles, or with the value alone if it clears them before they are there."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.call("carta.set.cursor", file_id=0, point={"x": 30, "y": 40})
        require = {"file_id": 0, "region_id": 0, "spatial_profiles": [{"coordinate": "x"}]}
        cleared = 0
        for channel in range(1, 21):
            await client.call("carta.set.spatial.requirements", require)
            await settled(client)
            client.forget()
            calls = [await client.start("carta.set.image.channels", [{"file_id": 0, "channel": channel, "stokes": 0}]),
                     await client.start("carta.set.spatial.requirements", [{**require, "spatial_profiles": []}])]  # fmt: skip
            for _, future in calls:
                self.assertIsNone((await asyncio.wait_for(future, PATIENCE))["result"])
            message = await client.next(SPATIAL, timeout=PATIENCE)
            self.assertEqual((message["channel"], message["x"], message["y"]), (channel, 30, 40))
            self.assertEqual(message["value"], self.cube[0, channel, 40, 30])
            cleared += not message["profiles"]
        self.assertGreater(cleared, 0, "no profile was ever due: that shows nothing")

    async def test_stokes_of_profiles(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        spatial = [{"coordinate": c} for c in ("x", "Qy", "Ux", "Plineary")]
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=spatial)
        spectral = [{"coordinate": c, "stats_types": ["Mean"]} for c in ("z", "Uz", "Pangle" + "z")]
        await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=spectral)
        await client.call("carta.set.cursor", file_id=0, point={"x": 100, "y": 50})
        i, q, u = (self.cube[s].astype("f8") for s in range(3))
        by_stokes = {}
        for _ in range(4):
            message = await client.next(SPATIAL)
            by_stokes[message["stokes"]] = profile_values(message["profiles"][0])
        numpy.testing.assert_array_equal(by_stokes[0], self.cube[0, 0, 50])
        numpy.testing.assert_array_equal(by_stokes[1], self.cube[1, 0, :, 100])
        numpy.testing.assert_array_equal(by_stokes[2], self.cube[2, 0, 50])
        numpy.testing.assert_allclose(by_stokes[14], numpy.hypot(q, u)[0, :, 100], rtol=1e-6)
        spectra = {}
        while len(spectra) < 3:
            message = await client.next(SPECTRAL, lambda m: m["progress"] >= 1)
            spectra[message["profiles"][0]["coordinate"]] = (message["stokes"], profile_values(message["profiles"][0]))
        numpy.testing.assert_array_equal(spectra["z"][1], self.cube[0, :, 50, 100])
        numpy.testing.assert_array_equal(spectra["Uz"][1], self.cube[2, :, 50, 100])
        angle = numpy.degrees(0.5 * numpy.arctan2(u[:, 50, 100], q[:, 50, 100]))
        numpy.testing.assert_allclose(spectra["Panglez"][1], angle, rtol=1e-5, atol=1e-5)
        # A change of stokes sends the profile that follows it again, and not the fixed one.
        client.forget()
        await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=1)
        message = await client.next(SPECTRAL, lambda m: m["progress"] >= 1)
        self.assertEqual((message["profiles"][0]["coordinate"], message["stokes"]), ("z", 1))
        await settled(client)
        self.assertEqual([m["profiles"][0]["coordinate"] for m in client.published.get(SPECTRAL, [])], [])

    async def test_computed_polarisation_is_shown(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await client.next(HISTOGRAM)
        q, u = self.cube[1, 4].astype("f8"), self.cube[2, 4].astype("f8")
        await client.call("carta.set.image.channels", file_id=0, channel=4, stokes=14)
        message = await client.next(HISTOGRAM)
        self.assertEqual((message["stokes"], sum(message["histograms"]["bins"])), (14, q.size))
        plinear = numpy.hypot(q, u)
        self.assertAlmostEqual(message["histograms"]["mean"], plinear.mean(), places=5)
        for code, tile in (await get_tiles(client, 0, self.full)).items():
            x, y = code & 4095, code >> 12 & 4095
            numpy.testing.assert_allclose(pixels(tile), plinear[256 * y : 256 * y + 256, 256 * x : 256 * x + 256], rtol=1e-6)
        tile = (await get_tiles(client, 0, [0]))[0]
        numpy.testing.assert_allclose(pixels(tile), downsampled(plinear, 4), rtol=1e-5)
        for stokes in (13, 15, 16, 3, 12, 18, -1):
            expected = {16: "ok"}.get(stokes)
            call = client.call("carta.set.image.channels", file_id=0, channel=4, stokes=stokes)
            if expected:
                self.assertIsNone(await call)
            else:
                await self.fails(call, -32001, "stokes")

    async def test_views_of_two_connections_are_apart(self):
        first = await self.viewer(2)
        second = await self.viewer(1, first.session_id)
        self.assertEqual(second.registered["session_type"], "RESUMED")
        await open_file(first, "plane.fits")
        for client in (first, second):
            check_histogram(await client.next(HISTOGRAM), self.plane)
        await asyncio.gather(get_tiles(first, 0, codes_of_layer(1300, 900, 3)), get_tiles(second, 0, codes_of_layer(1300, 900, 2)))
        self.assertEqual({t["layer"] for _, tiles in check_sets(first.log) for t in tiles}, {3})
        self.assertEqual({t["layer"] for _, tiles in check_sets(second.log) for t in tiles}, {2})
        # What one does with the image, both see; another session sees nothing of it.
        stranger = await self.viewer()
        await second.call("carta.set.cursor", file_id=0, point={"x": 5, "y": 6})
        for client in (first, second):
            self.assertEqual((await client.next(SPATIAL))["x"], 5)
        self.assertEqual([entry for entry in stranger.log if entry[0] == "publish" and entry[1].startswith("carta.")], [])

    async def test_subscriptions(self):
        client = await self.viewer()
        await open_file(client, "cube.fits", 1)
        await open_file(client, "plane.fits", 2)
        await settled(client)
        await client.call("pubsub.subscribe", HISTOGRAM, {"file_id": 1})
        client.forget()
        for file_id, channel in ((1, 1), (2, 0)):
            await client.call("carta.set.image.channels", file_id=file_id, channel=channel, stokes=0, required_tiles={"tiles": [0]})
        await client.call("carta.set.image.channels", file_id=1, channel=2, stokes=0)
        await client.call("carta.open.file", {"file": "plane.fits", "file_id": 2})
        await client.next(HISTOGRAM, lambda m: m["channel"] == 2)
        await settled(client)
        got = [(entry[1], entry[2].get("file_id")) for entry in client.log if entry[0] == "publish"]
        self.assertEqual(set(got), {(HISTOGRAM, 1)})
        await client.call("pubsub.unsubscribe", HISTOGRAM)
        client.forget()
        await client.call("carta.set.image.channels", file_id=1, channel=3, stokes=0)
        await settled(client)
        self.assertEqual([entry for entry in client.log if entry[0] == "publish"], [])

    async def test_histogram_requirements(self):
        client = await self.viewer()
        await open_file(client, "plane.fits")
        check_histogram(await client.next(HISTOGRAM), self.plane)
        for bins, bounds in ((17, None), (None, (-1.0, 0.5)), (1, (-0.25, 0.25)), (4000, None), (33, (50.0, 60.0))):
            config = {"coordinate": "z", "channel": -1, "fixed_num_bins": bins is not None, "num_bins": bins or -1, "fixed_bounds": bounds is not None}
            if bounds:
                config["bounds"] = {"min": bounds[0], "max": bounds[1]}
            await client.call("carta.set.histogram.requirements", file_id=0, region_id=-1, histograms=[config])
            message = await client.next(HISTOGRAM)
            check_histogram(message, self.plane, bins, bounds)
            self.assertEqual((message["config"]["fixed_num_bins"], message["config"]["fixed_bounds"]), (bins is not None, bounds is not None))
        await open_file(client, "cube.fits", 1)
        await client.next(HISTOGRAM)
        await client.call("carta.set.histogram.requirements", file_id=1, region_id=-2, histograms=[{"channel": -2, "num_bins": -1, "coordinate": "Qz"}])
        message = await client.next(HISTOGRAM, lambda m: m["progress"] >= 1, PATIENCE)
        self.assertEqual((message["region_id"], message["channel"], message["stokes"]), (-2, -2, 1))
        check_histogram(message, self.cube[1])

    async def test_profiles_go_to_those_who_required_them(self):
        """Requirements belong to a connection: two of one session never overwrite each other's, and get each its own."""
        first = await self.viewer(2)
        second = await self.viewer(1, first.session_id)
        third = await self.viewer(2, first.session_id)  # requires nothing
        fourth = await self.viewer(2, first.session_id)  # nor does this one, but it subscribes by name
        await open_file(first, "cube.fits")
        await fourth.call("pubsub.subscribe", SPATIAL)
        for client, coordinate in ((first, "x"), (second, "y")):
            await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": coordinate}])
            await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z", "stats_types": ["Mean"]}])
        for client in (first, second, third, fourth):
            await settled(client)
            client.forget()
        await third.call("carta.set.cursor", file_id=0, point={"x": 30, "y": 40})
        for client, expected in ((first, self.cube[0, 0, 40]), (second, self.cube[0, 0, :, 30])):
            message = await client.next(SPATIAL)
            self.assertEqual(len(message["profiles"]), 1)
            numpy.testing.assert_array_equal(profile_values(message["profiles"][0]), expected)
            spectrum = await client.next(SPECTRAL, lambda m: m["progress"] >= 1)
            numpy.testing.assert_array_equal(profile_values(spectrum["profiles"][0]), self.cube[0, :, 40, 30])
        self.assertEqual((await third.next(SPATIAL))["profiles"], [])
        for client in (first, second, third, fourth):
            await settled(client)
        for client in (first, second, third):
            self.assertEqual(client.published.get(SPATIAL, []), [], "one message each")
        self.assertEqual(third.published.get(SPECTRAL, []), [])
        heard = [[p["coordinate"] for p in m["profiles"]] for m in fourth.published[SPATIAL]]
        self.assertEqual(sorted(heard), [[], ["x"], ["y"]])
        # One clears its list: the other keeps its own. What is required again is sent again, and only to who requires it.
        await first.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[])
        await second.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "y"}])
        self.assertEqual((await second.next(SPATIAL))["profiles"][0]["coordinate"], "y")
        await settled(first)
        self.assertEqual(first.published.get(SPATIAL, []), [])
        # Two with the same list: one who joins gets it, the other not again.
        await first.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "y"}])
        self.assertEqual((await first.next(SPATIAL))["profiles"][0]["coordinate"], "y")
        await settled(second)
        self.assertEqual(second.published.get(SPATIAL, []), [])
        # Histograms and statistics likewise; the rendering histogram is everybody's.
        await first.call("carta.set.histogram.requirements", file_id=0, region_id=-1,
                         histograms=[{"coordinate": "z", "channel": -1, "fixed_num_bins": True, "num_bins": 7}])  # fmt: skip
        await second.call("carta.set.stats.requirements", file_id=0, region_id=-1, stats_configs=[{"coordinate": "z", "stats_types": ["Mean"]}])
        await first.next(HISTOGRAM, lambda m: m["histograms"]["num_bins"] == 7)
        await second.next("carta.region.stats.data")
        for client in (first, second, third):
            await settled(client)
            client.forget()
        await third.call("carta.set.image.channels", file_id=0, channel=5, stokes=0)
        await first.next(HISTOGRAM, lambda m: m["histograms"]["num_bins"] == 7)
        await second.next("carta.region.stats.data")
        for client in (first, second, third):
            await settled(client)
        bins = [[e[2]["histograms"]["num_bins"] == 7 for e in client.log if e[1] == HISTOGRAM] for client in (first, second, third)]
        self.assertEqual(bins, [[False, True], [False], [False]])
        self.assertEqual([[e for e in client.log if e[1] == "carta.region.stats.data"] for client in (first, third)], [[], []])

    async def test_what_nobody_listened_to_comes_when_somebody_does(self):
        client = await self.viewer()
        await client.call("pubsub.subscribe", ERROR)
        await open_file(client, "plane.fits")
        await settled(client)
        self.assertNotIn(HISTOGRAM, client.published)
        await client.call("pubsub.subscribe", HISTOGRAM)
        check_histogram(await client.next(HISTOGRAM), self.plane)

    async def test_a_refused_request_for_tiles_takes_no_others_away(self):
        """Requests for tiles that wait are joined. If the newer one is refused, the tiles of the older come all the same."""
        client = await self.viewer()
        await open_file(client, "plane.fits")
        await client.next(HISTOGRAM)
        for _ in range(10):
            client.forget()
            # A change of channel, so that the requests have something to wait for.
            good = {"file_id": 0, "tiles": codes_of_layer(1300, 900, 3)[:3], "compression_type": "NONE"}
            calls = [await client.start("carta.set.image.channels", [{"file_id": 0, "channel": 0, "stokes": 0}]),
                     await client.start("carta.add.required.tiles", [good]),
                     await client.start("carta.add.required.tiles", [{**good, "tiles": [tile_code(3, 7, 7)]}])]  # fmt: skip
            replies = [await asyncio.wait_for(future, PATIENCE) for _, future in calls]
            self.assertEqual([("error" in reply) for reply in replies], [False, False, True])
            await client.next(SYNC, lambda s: s["end_sync"])
            await settled(client)
            (_, tiles), = check_sets(client.log)
            self.assertEqual({tile_code(t["layer"], t["x"], t["y"]) for t in tiles}, set(good["tiles"]))

    async def test_large_planes(self):
        """Of a plane of 64 Mpixel a histogram from a sample of rows is there before the first tile, then the exact one."""
        side = 8192
        values = numpy.random.default_rng(8).integers(0, 200, size=(side, side), dtype="u1")
        fits.writeto(self.folder / "large.fits", values)
        client = await self.viewer()
        full = [tile_code(5, x, 7) for x in range(4)]
        _, opened = await client.start("carta.open.file", [{"file": "large.fits", "file_id": 0}])
        await client.start("carta.add.required.tiles", [{"file_id": 0, "tiles": full + [0], "compression_type": "NONE"}])
        self.assertTrue((await asyncio.wait_for(opened, PATIENCE))["result"]["success"])
        await client.next(SYNC, lambda s: s["end_sync"], PATIENCE)
        exact = numpy.bincount(values.ravel())
        sums = []
        while not sums or sums[-1] != side * side or len(sums) < 2:
            message = await client.next(HISTOGRAM, timeout=PATIENCE)
            sums.append(sum(message["histograms"]["bins"]))
            self.assertLess(abs(message["histograms"]["mean"] - values.mean()), 1)
            self.assertLess(abs(sums[-1] / (side * side) - 1), 0.01)
            self.assertLessEqual(len(sums), 2)
        self.assertEqual(max(message["histograms"]["bins"]), exact.max())
        kinds = [entry[1] for entry in client.log]
        self.assertLess(kinds.index(HISTOGRAM), kinds.index(TILE))
        (_, tiles), = check_sets(client.log)
        for tile in tiles:
            if tile["layer"] == 5:
                expected = values[256 * tile["y"] : 256 * tile["y"] + 256, 256 * tile["x"] : 256 * tile["x"] + 256]
                numpy.testing.assert_array_equal(pixels(tile), expected)
        # A cursor's profiles don't wait for it either.
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "y"}])
        await client.call("carta.set.cursor", file_id=0, point={"x": 8000, "y": 3})
        numpy.testing.assert_array_equal(profile_values((await client.next(SPATIAL))["profiles"][0]), values[:, 8000])

    async def test_closing_in_the_middle(self):
        """A file closed while its tiles are made: every call is answered, and nothing more comes of it."""
        client = await self.viewer()
        for _ in range(10):
            futures = [(await client.start("carta.open.file", [{"file": "plane.fits", "file_id": 0}]))[1]]
            for request in (("carta.add.required.tiles", {"file_id": 0, "tiles": codes_of_layer(1300, 900, 3)}), ("carta.close.file", {"file_id": 0})):
                futures.append((await client.start(request[0], [request[1]]))[1])
            for future in futures:
                await asyncio.wait_for(future, PATIENCE)
        await settled(client)
        self.assertEqual((await client.call("session.state"))["files"], [])
        errors = [m for m in client.published.get(ERROR, []) if m["severity"] in ("ERROR", "CRITICAL")]
        self.assertEqual(errors, [])


if __name__ == "__main__":
    unittest.main()
