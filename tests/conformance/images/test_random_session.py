"""A session as numpy would answer it: random images, random sequences of what a viewer does, one after the other and many at once. Every
message that comes is held against the data; what is due comes, once; when all is quiet, the last of each kind is of the state that the last
call left.

CUBELINK_SEED chooses another exploration, CUBELINK_SECONDS a longer one."""

import asyncio
import math
import os
import random
import time
import unittest
from collections import Counter

import numpy
from astropy.io import fits

from harness import (ERROR, HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, SYNC, TILE, ServerTest, block_values, check_histogram, codes_of_layer, decimated,
                     downsampled, finite, layers, open_file, pixels, profile_values, settled, tile_code)  # fmt: skip
from test_order import check_sets

SECONDS = float(os.environ.get("CUBELINK_SECONDS", "8"))
SEED = int(os.environ.get("CUBELINK_SEED", "1"))
STATS = "carta.region.stats.data"


class Image:
    """A random file and its values, [stokes, channel, y, x], as float64."""

    def __init__(self, folder, name, source):
        data = numpy.random.default_rng(source.getrandbits(60))
        self.name, self.dimensions = name, source.choice([2, 3, 4])
        self.width, self.height = (source.choice([1, 2, 256, 257, 513, source.randrange(1, 700)]) for _ in range(2))
        self.depth = source.choice([1, 2, source.randrange(1, 12)]) if self.dimensions > 2 else 1
        self.stokes = source.choice([1, 2, 3]) if self.dimensions > 3 else 1
        shape = (self.stokes, self.depth, self.height, self.width)
        kind = source.choice(["u1", "i2", "i4", "f4", "f4", "f8"])
        values = data.normal(size=shape) * 100
        blank = data.random(shape) < source.choice([0, 0, 0.1, 0.9, 1])
        if kind[0] == "f":
            values = values.astype(kind)
            values[blank] = numpy.nan
            values[data.random(shape) < source.choice([0, 0.01])] = numpy.inf
            self.values = values.astype("f8")
        else:
            values = (abs(values) % 256).astype(kind)
            values[blank] = 7
            self.values = numpy.where(values == 7, numpy.nan, values.astype("f8"))
        header = fits.Header()
        for n, (ctype, step) in enumerate((("RA---SIN", -1e-3), ("DEC--SIN", 1e-3), ("FREQ", 1e5), ("STOKES", 1.0))[: self.dimensions], 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, step
        if kind[0] != "f":
            header["BLANK"] = 7
        fits.PrimaryHDU(values.reshape(shape[4 - self.dimensions :]), header).writeto(folder / name)

    def prefixes(self):
        return ["", *"IQU"[: self.stokes]] if self.dimensions > 3 else [""]

    def stokes_of(self, coordinate, current):
        return "IQU".index(coordinate[0]) if coordinate[:1] in ("I", "Q", "U") else current


class View:
    """What a client has asked of an open image."""

    def __init__(self, image, file_id):
        self.image, self.id, self.channel, self.stokes, self.cursor = image, file_id, 0, 0, None
        self.spatial, self.spectral, self.histograms, self.statistics = [], [], [], []

    def pixel(self):
        if self.cursor is None:
            return None
        x, y = (int(math.copysign(math.floor(abs(v) + 0.5), v)) for v in self.cursor)
        return (x, y) if 0 <= x < self.image.width and 0 <= y < self.image.height else None

    # What is due when it is computed again, as keys.
    def spatial_due(self):
        stokes = {self.image.stokes_of(one["coordinate"], self.stokes) for one in self.spatial} or {self.stokes}
        return [(SPATIAL, self.id, self.channel, s, *self.pixel()) for s in stokes] if self.pixel() else []

    def spectral_due(self, only_current=False):
        if not self.pixel():
            return []
        return [(SPECTRAL, self.id, self.image.stokes_of(one["coordinate"], self.stokes), one["coordinate"]) for one in self.spectral
                if not (only_current and len(one["coordinate"]) > 1)]  # fmt: skip

    def histograms_due(self):
        return [(HISTOGRAM, self.id, self.channel, self.image.stokes_of(one["coordinate"], self.stokes), one["num_bins"]) for one in self.histograms]

    def statistics_due(self):
        return [(STATS, self.id, self.channel, self.image.stokes_of(one["coordinate"], self.stokes), *one["stats_types"]) for one in self.statistics]

    def plane_due(self):
        return [(HISTOGRAM, self.id, self.channel, self.stokes, -1), *self.histograms_due(), *self.statistics_due(), *self.spatial_due()]

    def everything_due(self):
        return self.plane_due() + self.spectral_due()


def key_of(topic, message):
    place = (topic, message["file_id"])
    if topic == SPECTRAL:
        return (*place, message["stokes"], message["profiles"][0]["coordinate"])
    place += (message["channel"], message["stokes"])
    if topic == SPATIAL:
        return (*place, message["x"], message["y"])
    if topic == HISTOGRAM:
        return (*place, message["config"]["num_bins"])
    return (*place, *(one["stats_type"] for one in message["statistics"]))


class RandomSession(ServerTest):
    options = ("--memory-limit", "128M")

    def check(self, views, topic, message):
        image = views[message["file_id"]].image
        cube = image.values[message["stokes"]]
        if topic == SPECTRAL:
            return
        plane = cube[message["channel"]]
        if topic == HISTOGRAM:
            bins = message["config"]["num_bins"]
            check_histogram(message, plane, bins if bins > 0 else None)
        elif topic == SPATIAL:
            exact = finite(plane.astype("f4"))
            x, y = message["x"], message["y"]
            numpy.testing.assert_equal(numpy.float32(message["value"]), exact[y, x])
            for profile in message["profiles"]:
                axis = exact[y] if profile["coordinate"][-1] == "x" else exact[:, x]
                numpy.testing.assert_array_equal(profile_values(profile), decimated(axis, profile["start"], profile["end"], profile["mip"]))
        else:
            good = plane[numpy.isfinite(plane)]
            wanted = {"NumPixels": good.size, "NanCount": plane.size - good.size, "Sum": good.sum() if good.size else numpy.nan,
                      "Max": good.max() if good.size else numpy.nan, "Min": good.min() if good.size else numpy.nan}  # fmt: skip
            for one in message["statistics"]:
                numpy.testing.assert_allclose(one["value"], wanted[one["stats_type"]], rtol=1e-9, atol=1e-9 * abs(good).sum())

    def check_spectrum(self, view, message):
        x, y = view.pixel()
        line = finite(view.image.values[message["stokes"], :, y, x].astype("f4"))
        numpy.testing.assert_array_equal(profile_values(message["profiles"][0]), line)

    def check_tiles(self, views, log):
        for _, topic, message in log:
            for tile in message["tiles"] if topic == TILE and message["compression_type"] == "NONE" else ():
                image = views[message["file_id"]].image
                mip = 2 ** (layers(image.width, image.height) - 1 - tile["layer"])
                plane = image.values[message["stokes"], message["channel"]]
                expected = downsampled(plane, mip)[256 * tile["y"] : 256 * tile["y"] + 256, 256 * tile["x"] : 256 * tile["x"] + 256]
                numpy.testing.assert_allclose(pixels(tile), expected, rtol=1e-5, atol=1e-4 if mip > 1 else 1e-6)

    def act(self, source, view, among):
        """A random call on an image: (method, arguments, what is due after it), with the view changed to what it leaves."""
        image, file_id = view.image, view.id
        kind = source.choice(among)
        every = [code for layer in range(layers(image.width, image.height)) for code in codes_of_layer(image.width, image.height, layer)]
        codes = source.sample(every, source.randrange(min(len(every), 9) + 1))
        if kind == "cursor":
            before = view.cursor
            view.cursor = tuple(float(numpy.float32(source.uniform(-1, n))) for n in (image.width, image.height))
            due = [] if view.cursor == before else view.spatial_due() + view.spectral_due()
            return "carta.set.cursor", {"point": dict(zip("xy", view.cursor))}, due
        if kind == "channel":
            before = (view.channel, view.stokes)
            view.channel, view.stokes = source.randrange(image.depth), source.randrange(image.stokes)
            due = view.plane_due() if (view.channel, view.stokes) != before else []
            if view.stokes != before[1]:
                due += view.spectral_due(only_current=True)
            wanted = {"file_id": file_id, "tiles": codes, "compression_type": source.choice(["NONE", "ZFP"]), "compression_quality": 11}
            return "carta.set.image.channels", {"channel": view.channel, "stokes": view.stokes, "required_tiles": wanted}, due
        if kind == "spatial":
            view.spatial = [{"coordinate": source.choice(image.prefixes()) + source.choice("xy"), "start": 0, "end": source.choice([0, 0, 9999]),
                             "mip": source.choice([0, 1, 2, 3, 50])} for _ in range(source.randrange(4))]  # fmt: skip
            return "carta.set.spatial.requirements", {"region_id": 0, "spatial_profiles": view.spatial}, view.spatial_due() if view.spatial else []
        if kind == "spectral" and image.dimensions > 2:
            prefixes = source.sample(image.prefixes(), source.randrange(len(image.prefixes()) + 1))
            view.spectral = [{"coordinate": prefix + "z", "stats_types": ["Mean"]} for prefix in prefixes]
            return "carta.set.spectral.requirements", {"region_id": 0, "spectral_profiles": view.spectral}, view.spectral_due()
        if kind == "histograms":
            view.histograms = [{"coordinate": source.choice(image.prefixes()) + "z", "channel": -1, "fixed_num_bins": True, "num_bins": bins}
                               for bins in source.sample([1, 2, 3, 100], source.randrange(4))]  # fmt: skip
            return "carta.set.histogram.requirements", {"region_id": -1, "histograms": view.histograms}, view.histograms_due()
        if kind == "statistics":
            view.statistics = [{"coordinate": source.choice(image.prefixes()) + "z", "stats_types": types}
                               for types in source.sample([["Sum"], ["Max"], ["NumPixels", "NanCount"], ["Min", "Sum"]], source.randrange(4))]  # fmt: skip
            return "carta.set.stats.requirements", {"region_id": -1, "stats_configs": view.statistics}, view.statistics_due()
        return "carta.add.required.tiles", {"tiles": codes, "compression_type": "NONE"}, []

    ACTS = ("cursor", "channel", "channel", "spatial", "spectral", "histograms", "statistics", "tiles")

    async def one_by_one(self, client, source, views):
        view = source.choice(list(views.values()))
        client.forget()
        method, arguments, due = self.act(source, view, self.ACTS)
        await client.call(method, {"file_id": view.id, **arguments})
        await self.what_is_due(client, views, view, due)
        codes = set(arguments.get("tiles") or arguments.get("required_tiles", {}).get("tiles") or ())
        if codes:
            await client.next(SYNC, lambda sync: sync["end_sync"], PATIENCE)
        sets = check_sets(client.log)
        self.assertEqual([{tile_code(t["layer"], t["x"], t["y"]) for t in tiles} for _, tiles in sets], [codes] if codes else [])
        self.check_tiles(views, client.log)

    async def what_is_due(self, client, views, view, due):
        waiting = Counter(due)
        until = time.monotonic() + PATIENCE
        seen = 0
        while waiting or seen < len(client.log):
            while seen < len(client.log):
                _, topic, message = client.log[seen]
                seen += 1
                if topic not in (SPATIAL, SPECTRAL, HISTOGRAM, STATS):
                    continue
                self.check(views, topic, message)
                if message.get("progress", 1) < 1:
                    continue
                if topic == SPECTRAL:
                    self.check_spectrum(view, message)
                key = key_of(topic, message)
                self.assertIn(key, waiting, "it was not asked for")
                waiting -= Counter([key])
            if waiting:
                self.assertLess(time.monotonic(), until, f"did not come: {waiting}")
                await asyncio.sleep(0.005)

    async def at_once(self, client, source, views):
        """Many calls without waiting. The last messages are of what the last calls left."""
        await settled(client)
        client.forget()
        view = source.choice(list(views.values()))
        plane, futures, caused, codes = (view.channel, view.stokes), [], set(), {}
        for _ in range(source.choice([5, 30])):
            method, arguments, due = self.act(source, view, self.ACTS + ("cursor",) * 8)
            caused |= {key[0] for key in due}
            asked = arguments.get("tiles") or arguments.get("required_tiles", {}).get("tiles") or ()
            codes = {plane: codes.get(plane, set())} if (plane := (view.channel, view.stokes)) in codes else {plane: set()}
            codes[plane].update(asked)
            futures.append((await client.start(method, [{"file_id": view.id, **arguments}]))[1])
        for future in futures:
            self.assertIsNone((await future).get("error"))
        await settled(client)
        last = {}
        for position, (_, topic, message) in enumerate(client.log):
            if topic in (SPATIAL, SPECTRAL, HISTOGRAM, STATS):
                self.check(views, topic, message)
                if message.get("progress", 1) >= 1:
                    last[key_of(topic, message)] = (position, message)
        for key in view.everything_due():
            if key[0] == SPECTRAL and key in last:
                self.check_spectrum(view, last[key][1])
        places = [(m["channel"], m["x"], m["y"]) for _, topic, m in client.log if topic == SPATIAL]
        if places and view.pixel():
            self.assertEqual(places[-1], (view.channel, *view.pixel()), "a profile of an earlier cursor or channel came last")
        shown = [(m["channel"], m["stokes"]) for _, topic, m in client.log if topic == HISTOGRAM and m["config"]["num_bins"] == -1]
        if shown:
            self.assertEqual(shown[-1], plane)
        sets = check_sets(client.log)
        self.check_tiles(views, client.log)
        have = {tile_code(t["layer"], t["x"], t["y"]) for begin, tiles in sets if (begin["channel"], begin["stokes"]) == plane for t in tiles}
        self.assertLessEqual(codes.get(plane, set()), have)

    async def read_block(self, client, source, views):
        view = source.choice(list(views.values()))
        image, spans, cuts = view.image, [], []
        for n in (image.width, image.height, image.depth, image.stokes):
            first = source.randrange(n)
            last, step = source.randrange(first + 1, n + 1), source.choice([1, 1, 2, 7])
            spans.append([first, last, step])
            cuts.append(slice(first, last, step))
        block = await client.call("image.read", file_id=view.id, **dict(zip(("x", "y", "channel", "stokes"), spans)))
        numpy.testing.assert_array_equal(block_values(block).astype("f8"), image.values[tuple(reversed(cuts))])

    async def test_random_sessions(self):
        until = time.monotonic() + SECONDS
        steps, seed = 0, SEED * 1000
        while time.monotonic() < until:
            seed += 1
            source = random.Random(seed)
            images = [Image(self.folder, f"image{seed}_{n}.fits", source) for n in range(3)]
            client = await self.viewer(1 + seed % 2)
            views = {}
            try:
                for file_id, image in enumerate(images):
                    await open_file(client, image.name, file_id)
                    views[file_id] = View(image, file_id)
                    await self.what_is_due(client, views, views[file_id], [(HISTOGRAM, file_id, 0, 0, -1)])
                    client.forget()
                for _ in range(40):
                    await source.choice([self.one_by_one] * 6 + [self.read_block, self.at_once])(client, source, views)
                    steps += 1
                    self.assertEqual(client.published.get(ERROR, []), [])
            except Exception as problem:
                raise AssertionError(f"seed {seed}, step {steps}: {problem}") from problem
            await client.call("session.close")
            await client.close()
        print(f"seeds {SEED * 1000 + 1} to {seed}: {steps} steps")


if __name__ == "__main__":
    unittest.main()
