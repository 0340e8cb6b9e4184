"""Statistics and histograms of regions, and image.statistics, against numpy: random images of every type with blanks and infinities, random regions,
channels and polarizations."""

import asyncio
import os
import time
import unittest

import numpy
from astropy.io import fits

from harness import HISTOGRAM, PATIENCE, ServerTest, finite, histogram_of, open_file, settled

STATISTICS = "carta.region.stats.data"
TEN = ["NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"]
SEED = int(os.environ.get("CUBELINK_SEED", numpy.random.SeedSequence().entropy % 2**32))
SHAPE = (4, 3, 61, 83)  # stokes, channel, y, x
BEAM = (4e-3, 3e-3)  # degrees
SHIFT = (5, -3)  # pixels


def setUpModule():
    print(f"seed {SEED}", flush=True)


def make_header():
    header = fits.Header()
    for n, (ctype, value, delta) in enumerate((("RA---SIN", 30.0, -1e-3), ("DEC--SIN", 20.0, 1e-3), ("FREQ", 1.4e9, 1e6), ("STOKES", 1.0, 1.0)), 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, value, delta
    header["BMAJ"], header["BMIN"], header["BPA"], header["BUNIT"] = *BEAM, 0.0, "Jy/beam"
    return header


def make_cube(folder, name, random):
    """Writes a file; returns what is in it, in float64."""
    header = make_header()
    kind, size = name[0], int(name[1:]) * 8
    if kind == "f":
        data = random.normal(1, 100, size=SHAPE).astype(f">{name}")
        data[random.random(SHAPE) < 0.1] = numpy.nan
        data[random.random(SHAPE) < 0.02] = numpy.inf
        data[random.random(SHAPE) < 0.02] = -numpy.inf
        values = data.astype("f8")
    else:
        low, high = (0, 255) if kind == "u" else (-(2 ** (min(size, 40) - 1)) + 1, 2 ** (min(size, 40) - 1) - 1)
        data = random.integers(low, high, size=SHAPE).astype(f">{name}")
        header["BSCALE"], header["BZERO"], header["BLANK"] = 0.25, 7.0, low + 3
        data[random.random(SHAPE) < 0.05] = low + 3
        values = numpy.where(data == low + 3, numpy.nan, data.astype("f8") * 0.25 + 7.0)
    head = fits.Header([("SIMPLE", True), ("BITPIX", -size if kind == "f" else size), ("NAXIS", 4)] + [(f"NAXIS{i}", n) for i, n in enumerate(SHAPE[::-1], 1)])
    head.extend(header, strip=False)  # with its scaling
    body = data.tobytes()
    (folder / f"{name}.fits").write_bytes(head.tostring().encode() + body + bytes(-len(body) % 2880))
    return values


def random_shape(random, shape):
    """A region of the ICD and its mask, no pixel of which is closer to the outline than rounding could move it."""
    height, width = shape
    y, x = numpy.mgrid[:height, :width].astype("f8")
    while True:
        kind = random.choice(["RECTANGLE", "ELLIPSE", "POLYGON"])
        if kind == "POLYGON":
            points = random.uniform((-5, -5), (width + 5, height + 5), size=(int(random.integers(3, 8)), 2)).astype("f4")
            rotation = numpy.float32(0)
            inside, margin = numpy.zeros(x.shape, bool), numpy.full(x.shape, numpy.inf)
            for (ax, ay), (bx, by) in zip(points.astype("f8"), numpy.roll(points, -1, axis=0).astype("f8")):
                with numpy.errstate(all="ignore"):
                    crosses = ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
                inside ^= crosses
                t = numpy.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
                margin = numpy.minimum(margin, numpy.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
        else:
            points = numpy.array([random.uniform((-5, -5), (width + 5, height + 5)), random.uniform(1, 60, 2)]).astype("f4")
            rotation = numpy.float32(random.choice([0, random.uniform(-180, 180)]))
            (cx, cy), (a, b) = points.astype("f8")
            c, s = numpy.cos(numpy.radians(float(rotation))), numpy.sin(numpy.radians(float(rotation)))
            u, v = (x - cx) * c + (y - cy) * s, -(x - cx) * s + (y - cy) * c
            away = numpy.maximum(abs(u) * 2 / a, abs(v) * 2 / b) if kind == "RECTANGLE" else numpy.hypot(v / a, u / b)
            inside, margin = away <= 1, abs(away - 1)
        if margin.min() < 1e-4:
            continue
        info = {"region_type": str(kind), "control_points": [{"x": float(px), "y": float(py)} for px, py in points], "rotation": float(rotation)}
        return info, inside


def statistics_of(values, flux_factor):
    values = values[numpy.isfinite(values)].astype("f8")
    if not values.size:
        return [0] + [numpy.nan] * 9
    low, high = values.min(), values.max()
    sigma = values.std(ddof=1) if values.size > 1 else numpy.nan
    return [values.size, values.sum(), values.sum() * flux_factor, values.mean(), numpy.sqrt((values**2).mean()), sigma, (values**2).sum(), low, high,
            low if abs(low) > abs(high) else high]  # fmt: skip


def check_statistics(message, values, flux_factor):
    assert [entry["stats_type"] for entry in message["statistics"]] == TEN
    got = numpy.array([entry["value"] for entry in message["statistics"]], "f8")
    good = values[numpy.isfinite(values)].astype("f8")
    scale = float(numpy.abs(good).sum()) if good.size else 0
    numpy.testing.assert_allclose(got, statistics_of(values, flux_factor), rtol=1e-9, atol=1e-13 * scale)


def plinear(name, cube, channel):
    """Computed pixels are float32 where those of the file are."""
    with numpy.errstate(all="ignore"):
        plane = numpy.sqrt(cube[1, channel] ** 2 + cube[2, channel] ** 2)
        plane = plane.astype("f4") if name == "f4" else plane
        return numpy.where(numpy.isfinite(cube[1, channel]) & numpy.isfinite(cube[2, channel]), plane, numpy.nan)


class RegionStatistics(ServerTest):
    TYPES = ("u1", "i2", "i4", "i8", "f4", "f8")

    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(SEED)
        cls.cubes = {name: make_cube(folder, name, random) for name in cls.TYPES}
        for name, key, change in ("shifted", "CRPIX", SHIFT), ("elsewhere", "CRVAL", (90, -60)):
            header = make_header()
            header[f"{key}1"] += change[0]
            header[f"{key}2"] += change[1]
            fits.writeto(folder / f"{name}.fits", cls.cubes["f8"], header)
        cls.flux = 1 / (numpy.pi / (4 * numpy.log(2)) * BEAM[0] * BEAM[1] / 1e-6)

    def setUp(self):
        self.random = numpy.random.default_rng([SEED, 1])

    async def set_region(self, client, info, file_id=0, region_id=-1):
        ack = await client.call("carta.set.region", {"file_id": file_id, "region_id": region_id, "region_info": info})
        self.assertTrue(ack["success"], f"{ack['message']} {info}")
        return ack["region_id"]

    async def require(self, client, region, file_id=0, histograms=()):
        await client.call("carta.set.stats.requirements", {"file_id": file_id, "region_id": region, "stats_configs": [{"coordinate": "z", "stats_types": TEN}]})
        if histograms:
            await client.call("carta.set.histogram.requirements", {"file_id": file_id, "region_id": region, "histograms": list(histograms)})

    async def statistics(self, client, region, **match):
        def matches(m):
            return m["region_id"] == region and all(m[key] == value for key, value in match.items())

        return await client.next(STATISTICS, matches, PATIENCE)

    async def histogram(self, client, region, **match):
        return await client.next(HISTOGRAM, lambda m: m["region_id"] == region and all(m[key] == value for key, value in match.items()), PATIENCE)

    async def test_random_regions(self):
        """Of every type of file: shapes, channels, stokes, a computed polarization."""
        for generation, name in enumerate(self.TYPES):
            cube = self.cubes[name]
            client = await self.viewer(1 + generation % 2)
            await open_file(client, f"{name}.fits")
            for _ in range(6):
                info, inside = random_shape(self.random, SHAPE[2:])
                with self.subTest(type=name, region=info):
                    region = await self.set_region(client, info)
                    config = {"channel": -1, "coordinate": "z", "fixed_num_bins": True, "num_bins": 17}
                    await self.require(client, region, histograms=[config])
                    await client.call("carta.set.image.channels", {"file_id": 0, "channel": 0, "stokes": 0})
                    check_statistics(await self.statistics(client, region, channel=0, stokes=0), cube[0, 0][inside], self.flux)
                    channel, stokes = int(self.random.integers(1, 3)), int(self.random.integers(0, 4))
                    await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": stokes})
                    values = cube[stokes, channel][inside]
                    check_statistics(await self.statistics(client, region, channel=channel, stokes=stokes), values, self.flux)
                    message = await self.histogram(client, region, channel=channel, stokes=stokes)
                    expected, width, first, mean, deviation = histogram_of(values.reshape(1, -1), 17) if inside.any() else ([0], 0, 0, numpy.nan, numpy.nan)
                    if list(expected) == [-1]:  # all pixels are equal
                        expected = [0]
                    self.assertEqual(message["histograms"]["bins"], list(expected))
                    self.assertEqual(message["progress"], 1)
                    self.assertTrue(message["config"]["fixed_num_bins"])
                    self.assertEqual(message["config"]["num_bins"], 17)
                    good = values[numpy.isfinite(values)].astype("f8")
                    scale = numpy.abs(good).mean() if good.size else 0  # values of both signs can have almost nothing as their mean
                    numpy.testing.assert_allclose([message["histograms"]["mean"], message["histograms"]["std_dev"]], [mean, deviation], rtol=1e-7, atol=1e-12 * scale)
                    await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 14})
                    check_statistics(await self.statistics(client, region, channel=channel, stokes=14), plinear(name, cube, channel)[inside], self.flux)
                    await client.call("carta.remove.region", {"region_id": region})
            await client.close()

    async def test_automatic_bins(self):
        client = await self.viewer()
        await open_file(client, "f4.fits")
        shapes = {
            "RECTANGLE": ([{"x": 40, "y": 30}, {"x": 20, "y": 12}], 0.0, int(numpy.sqrt(21 * 13))),
            "ELLIPSE": ([{"x": 40, "y": 30}, {"x": 3, "y": 12}], 20.0, 25),  # a square of its larger axis
            "POLYGON": ([{"x": 10, "y": 10}, {"x": 29, "y": 10}, {"x": 10, "y": 19}], 0.0, int(numpy.sqrt(20 * 10))),
        }
        for kind, (points, rotation, bins) in shapes.items():
            region = await self.set_region(client, {"region_type": kind, "control_points": points, "rotation": rotation})
            await self.require(client, region, histograms=[{"channel": -1, "coordinate": "z"}])
            message = await self.histogram(client, region)
            self.assertEqual(message["histograms"]["num_bins"], bins, kind)

    async def test_moves_and_stays_outside(self):
        """Statistics follow a region; outside of the image they are NaN and the histogram is one empty bin; the newest shape has the last word."""
        cube = self.cubes["f8"]
        client = await self.viewer()
        await open_file(client, "f8.fits")
        outside = {"region_type": "RECTANGLE", "control_points": [{"x": -500, "y": 30}, {"x": 20, "y": 20}], "rotation": 0}
        region = await self.set_region(client, outside)
        await self.require(client, region, histograms=[{"channel": -1, "coordinate": "z", "fixed_bounds": True, "bounds": {"min": 0, "max": 1}}])
        check_statistics(await self.statistics(client, region), numpy.array([]), self.flux)
        message = await self.histogram(client, region)
        self.assertEqual(message["histograms"]["bins"], [0])
        self.assertTrue(numpy.isnan([message["histograms"]["mean"], message["histograms"]["std_dev"]]).all())
        for x in range(10, 70):
            await client.call("carta.set.region", {"file_id": 0, "region_id": region, "region_info": {
                "region_type": "RECTANGLE", "control_points": [{"x": x, "y": 30}, {"x": 10, "y": 10}], "rotation": 0}})  # fmt: skip
        await settled(client)
        check_statistics(client.published[STATISTICS][-1], cube[0, 0, 25:36, 64:75], self.flux)
        # What is required of a region ends with it.
        await client.call("carta.remove.region", {"region_id": region})
        client.published[STATISTICS].clear()
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 1, "stokes": 0})
        await settled(client)
        self.assertFalse(client.published[STATISTICS])

    async def test_matched_images(self):
        """A region of one image on another one of the same sky, whose pixels are shifted, and on one of another sky."""
        x, y = 40.2, 30.3  # no pixel lies on an outline
        region = {"region_type": "RECTANGLE", "control_points": [{"x": x, "y": y}, {"x": 11, "y": 7}], "rotation": 0}
        client = await self.viewer()
        await open_file(client, "f8.fits", 0)
        await open_file(client, "shifted.fits", 1)
        await open_file(client, "elsewhere.fits", 2)
        region = await self.set_region(client, region, file_id=0)
        for file_id in 0, 1, 2:
            await self.require(client, region, file_id, histograms=[{"channel": -1, "coordinate": "z"}])
        boxes = {0: numpy.s_[27:34, 35:46], 1: numpy.s_[27 + SHIFT[1] : 34 + SHIFT[1], 35 + SHIFT[0] : 46 + SHIFT[0]]}
        plane = self.cubes["f8"][0, 0]
        for file_id, box in boxes.items():
            check_statistics(await self.statistics(client, region, file_id=file_id), plane[box], self.flux)
            message = await self.histogram(client, region, file_id=file_id)
            numpy.testing.assert_array_equal(message["histograms"]["bins"], histogram_of(plane[box])[0])
        check_statistics(await self.statistics(client, region, file_id=2), numpy.array([]), self.flux)
        # All follow when it moves.
        for x in 40.2, 41.2:
            await self.set_region(client, {"region_type": "RECTANGLE", "control_points": [{"x": x - 2, "y": y}, {"x": 11, "y": 7}], "rotation": 0}, 0, region)
        await settled(client)
        last = [m for m in client.published[STATISTICS] if m["file_id"] == 1][-1]
        check_statistics(last, plane[27 + SHIFT[1] : 34 + SHIFT[1], 34 + SHIFT[0] : 45 + SHIFT[0]], self.flux)

    async def test_positions(self):
        client = await self.viewer()
        await open_file(client, "f8.fits")
        for _ in range(5):
            info, inside = random_shape(self.random, SHAPE[2:])
            values = numpy.where(inside, finite(self.cubes["f8"][0, 0]), numpy.nan)
            region = await self.set_region(client, info)
            types = ["Blc", "Trc", "MinPos", "MaxPos", "NanCount"]
            await client.call("carta.set.stats.requirements", {"file_id": 0, "region_id": region, "stats_configs": [{"coordinate": "Iz", "stats_types": types}]})
            got = [entry["value"] for entry in (await self.statistics(client, region))["statistics"]]
            if not numpy.isfinite(values).any():
                self.assertTrue(numpy.isnan(got[:4]).all())
                continue
            columns = numpy.flatnonzero(inside.any(axis=0))
            low, high = (int(arg(values)) % SHAPE[3] for arg in (numpy.nanargmin, numpy.nanargmax))
            self.assertEqual(got, [columns[0], columns[-1], low, high, inside.sum() - numpy.isfinite(values).sum()])

    async def test_image_statistics(self):
        names = TEN + ["Median", "MAD", "Q1", "Q3", "NanCount", "Percentile:2.5"]
        percents = [0, 1, 33.3, 50, 99, 100]
        for generation, name in enumerate(self.TYPES):
            cube = self.cubes[name]
            client = await self.viewer(1 + generation % 2)
            await open_file(client, f"{name}.fits")
            for _ in range(6):
                info, inside = random_shape(self.random, SHAPE[2:])
                region = [None, info, await self.set_region(client, info)][int(self.random.integers(3))]
                first = int(self.random.integers(3))
                last = int(self.random.integers(first + 1, 4))
                stokes = int(self.random.integers(4))
                with self.subTest(type=name, region=region, channels=[first, last], stokes=stokes):
                    answer = await client.call("image.statistics", 0, region=region, types=names, channels=[first, last],
                                               stokes=[stokes, "IQUV"[stokes]][int(self.random.integers(2))], percentiles=percents)  # fmt: skip
                    values = cube[stokes, first:last][:, inside if region is not None else slice(None)].ravel()
                    good = values[numpy.isfinite(values)]
                    self.assertEqual(answer["channels"], [first, last])
                    self.assertEqual(answer["stokes"], stokes)
                    self.assertEqual(answer["unit"], "Jy/beam")
                    got = answer["statistics"]
                    numpy.testing.assert_allclose([got[n] for n in TEN], statistics_of(values, self.flux), rtol=1e-9, atol=1e-13 * numpy.abs(good).sum())
                    self.assertEqual(got["NanCount"], values.size - good.size)
                    if not good.size:
                        continue
                    median = numpy.percentile(good, 50)
                    expected = [median, numpy.percentile(abs(good - median), 50), *numpy.percentile(good, [25, 75, 2.5])]
                    numpy.testing.assert_allclose([got[n] for n in ("Median", "MAD", "Q1", "Q3", "Percentile:2.5")], expected, rtol=3e-16)
                    numpy.testing.assert_allclose(answer["percentiles"], numpy.percentile(good, percents), rtol=3e-16)
            # A computed polarization, the plane that is shown, positions with their channels.
            answer = await client.call("image.statistics", 0, types=["Median", "Max"], stokes="Plinear")
            numpy.testing.assert_allclose(answer["statistics"]["Median"], numpy.nanmedian(plinear(name, cube, 0).astype("f8")), rtol=1e-6)
            answer = await client.call("image.statistics", 0, types=["MaxPos", "Blc", "Trc"], channels=[0, 3])
            z, y, x = numpy.unravel_index(numpy.nanargmax(finite(cube[0])), SHAPE[1:])
            self.assertEqual(answer["statistics"], {"MaxPos": [x, y, z], "Blc": [0, 0], "Trc": [SHAPE[3] - 1, SHAPE[2] - 1]})
            await client.close()

    async def test_hostile_requests(self):
        client = await self.viewer()
        await open_file(client, "i2.fits")
        line = await self.set_region(client, {"region_type": "LINE", "control_points": [{"x": 1, "y": 1}, {"x": 5, "y": 5}]})
        box = await self.set_region(client, {"region_type": "RECTANGLE", "control_points": [{"x": 5, "y": 5}, {"x": 5, "y": 5}]})
        statistics = {"file_id": 0, "region_id": 99, "stats_configs": [{"coordinate": "z", "stats_types": ["Sum"]}]}
        await self.fails(client.call("carta.set.stats.requirements", statistics), text="region 99 does not exist")
        await self.fails(client.call("carta.set.stats.requirements", {**statistics, "region_id": line}), text="is a line")
        await self.fails(client.call("carta.set.stats.requirements", {**statistics, "region_id": 0}), text="region 0")
        await self.fails(client.call("carta.set.stats.requirements", {**statistics, "region_id": -2}), text="region -2")
        histograms = {"file_id": 0, "region_id": line, "histograms": [{"coordinate": "z", "channel": -1}]}
        await self.fails(client.call("carta.set.histogram.requirements", histograms), text="is a line")
        await self.fails(client.call("carta.set.histogram.requirements", {**histograms, "region_id": -7}), text="region -7")
        for change, text in ({"channel": 99}, "channel"), ({"coordinate": "Wz"}, "coordinate"), ({"fixed_num_bins": True, "num_bins": 0}, "num_bins"):
            config = {**histograms["histograms"][0], **change}
            await self.fails(client.call("carta.set.histogram.requirements", {**histograms, "region_id": box, "histograms": [config]}), text=text)
        # Taking away what a region required is no error, whatever has become of the region.
        for region in 99, line, 0, -7:
            await client.call("carta.set.stats.requirements", {**statistics, "region_id": region, "stats_configs": []})
            await client.call("carta.set.histogram.requirements", {**histograms, "region_id": region, "histograms": []})
        for arguments, text in (
            ({"region": 99}, "region 99"),
            ({"region": line}, "line"),
            ({"region": {"region_type": "RECTANGLE", "control_points": []}}, "region"),
            ({"region": {"region_type": "ELLIPSE", "control_points": [{"x": 1, "y": 1}, {"x": -1, "y": 1}]}}, "region"),
            ({"region": {"nonsense": 1}}, "nonsense"),
            ({"region": "all"}, "region"),
            ({"types": ["Average"]}, "types[0]"),
            ({"types": ["Percentile:101"]}, "types[0]"),
            ({"types": ["Percentile:x"]}, "types[0]"),
            ({"types": "Mean"}, "types"),
            ({"types": ["Mean"] * 1000}, "types"),
            ({"channels": [2, 1]}, "channels"),
            ({"channels": 3}, "channels"),
            ({"channels": [0, 3, 2]}, "channels"),
            ({"stokes": "Z"}, "stokes"),
            ({"stokes": 4}, "stokes"),
            ({"percentiles": [-1]}, "percentiles[0]"),
            ({"percentiles": [None]}, "percentiles[0]"),
            ({"percentiles": [1] * 101}, "percentiles"),
        ):
            await self.fails(client.call("image.statistics", 0, **arguments), text=text)
        await self.fails(client.call("image.statistics", 5), text="5")
        self.alive()

    async def test_many_regions(self):
        """20,000 regions are set, required and shown on another channel; each is told of once, with the right numbers."""
        count, at_once = 20000, 500
        cube = self.cubes["f4"]
        client = await self.viewer()
        await open_file(client, "f4.fits")
        boxes = self.random.integers((0, 0, 1, 1), (SHAPE[3], SHAPE[2], 12, 12), size=(count, 4))
        times, processor = [time.monotonic()], [self.server.processor_time()]

        async def each(method, requests):
            answers = []
            for i in range(0, count, at_once):
                started = [await client.start(method, [request]) for request in requests[i : i + at_once]]
                answers += [await asyncio.wait_for(future, PATIENCE) for _, future in started]
            times.append(time.monotonic())
            processor.append(self.server.processor_time())
            return [answer["result"] for answer in answers]

        acks = await each("carta.set.region", [
            {"file_id": 0, "region_id": -1, "region_info": {"region_type": "RECTANGLE", "control_points": [{"x": x, "y": y}, {"x": w, "y": h}]}}
            for x, y, w, h in boxes.tolist()])  # fmt: skip
        ids = [ack["region_id"] for ack in acks]
        self.assertEqual(len(set(ids)), count)
        await each("carta.set.stats.requirements", [
            {"file_id": 0, "region_id": region, "stats_configs": [{"coordinate": "z", "stats_types": TEN}]} for region in ids])  # fmt: skip
        await settled(client)
        self.assertEqual({m["region_id"] for m in client.published[STATISTICS]}, set(ids))
        client.published[STATISTICS].clear()
        times.append(time.monotonic())
        processor.append(self.server.processor_time())
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 2, "stokes": 1})
        await settled(client)
        times.append(time.monotonic())
        processor.append(self.server.processor_time())
        messages = {m["region_id"]: m for m in client.published[STATISTICS]}
        self.assertEqual(len(client.published[STATISTICS]), count)
        self.assertEqual(set(messages), set(ids))
        y, x = numpy.mgrid[: SHAPE[2], : SHAPE[3]]
        for i in self.random.integers(0, count, 200):
            cx, cy, w, h = boxes[i]
            check_statistics(messages[ids[i]], cube[1, 2][(abs(x - cx) * 2 <= w) & (abs(y - cy) * 2 <= h)], self.flux)
        times.append(time.monotonic())
        processor.append(self.server.processor_time())
        await client.call("carta.close.file", {"file_id": -1})
        print("20,000 regions: set {:.2f} s, required {:.2f}, shown {:.2f}, on another channel {:.2f}".format(*numpy.diff(times)[:4]), flush=True)
        print("of these the server's processor time: {:.2f} s, {:.2f}, {:.2f}, {:.2f}".format(*numpy.diff(processor)[:4]), flush=True)
        self.alive()


if __name__ == "__main__":
    unittest.main()
