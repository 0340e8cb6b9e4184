"""Computed polarizations as a stokes of everything: tiles, cursor, profiles, histograms, statistics, blocks of pixels; with stokes axes in several orders,
incomplete ones and ones that don't say what they hold. numpy is the oracle."""

import os
import sys
import unittest

import numpy
from astropy.io import fits

from harness import (HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, SYNC, TILE, ServerTest, block_values, codes_of_layer, decimated, downsampled,
                     get_tiles, layers, open_file, pixels, profile_values, settled)  # fmt: skip

STATS = "carta.region.stats.data"
SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
TYPES = {13: "Ptotal", 14: "Plinear", 15: "PFtotal", 16: "PFlinear", 17: "Pangle"}
NEEDS = {13: "QUV", 14: "QU", 15: "IQUV", 16: "IQU", 17: "QU"}
WIDTH, HEIGHT, DEPTH = 701, 333, 5

# Name of the file: names of the stokes axis in their order, CRVAL and CDELT of it (None: an axis that says nothing of its kinds).
FILES = {"iquv": ("IQUV", 1, 1), "vuqi": ("VUQI", 4, -1), "quv": ("QUV", 2, 1), "iqu": ("IQU", 1, 1), "qu": ("QU", 2, 1), "uq": ("UQ", 3, -1), "unknown": ("IQUV", 40, 1)}


def computed(type, planes):
    """A computed polarization of whole arrays; NaN where an input is not finite."""
    with numpy.errstate(all="ignore"):
        i, q, u, v = (planes[name].astype("f8") if name in planes else None for name in "IQUV")
        if type == 17:
            value = numpy.degrees(numpy.arctan2(u, q)) / 2
        else:
            value = numpy.sqrt(q**2 + u**2 + (v**2 if type in (13, 15) else 0))
            if type in (15, 16):
                value = 100 * value / i
        for name in NEEDS[type]:
            value = numpy.where(numpy.isfinite(planes[name]), value, numpy.nan)
    return numpy.where(numpy.isfinite(value), value, numpy.nan)


def averaged(type, planes, mip):
    """The same of one plane, down-sampled: angles through the means of Q and U of the pixels that have both."""
    if type != 17 or mip == 1:
        return downsampled(computed(type, planes).astype("f4"), mip)  # fractions of almost nothing are large, and so is what rounding does to them
    both = numpy.isfinite(planes["Q"]) & numpy.isfinite(planes["U"])
    q, u = (downsampled(numpy.where(both, planes[name], numpy.nan), mip) for name in "QU")
    return numpy.degrees(numpy.arctan2(u, q)) / 2


class Polarizations(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"test_polarizations: CUBELINK_SEED={SEED}", file=sys.stderr)
        random = numpy.random.default_rng(SEED)
        cls.random, cls.cubes = random, {}
        for name, (order, value, step) in FILES.items():
            packed = name == "iqu"  # compressed, which astropy can do of three axes only
            cube = random.normal(size=(len(order), 1 if packed else DEPTH, HEIGHT, WIDTH)).astype("f4")
            cube[random.random(cube.shape) < 0.03] = numpy.nan
            cube[random.random(cube.shape) < 0.003] = numpy.inf
            header = fits.Header()
            axes = ["RA---SIN", "DEC--SIN", "FREQ", "STOKES"]
            if packed:
                axes.remove("FREQ")
            for n, ctype in enumerate(axes, 1):
                header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1e-3
            header[f"CRVAL{len(axes)}"], header[f"CDELT{len(axes)}"], header["BUNIT"] = float(value), float(step), "Jy/beam"
            cls.cubes[name] = {letter: cube[n] for n, letter in enumerate(order)}
            if name == "qu":  # doubles: read and combined as such
                fits.writeto(folder / f"{name}.fits", cube.astype("f8"), header)
            elif packed:
                fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(cube[:, 0], header, compression_type="GZIP_2", quantize_level=0)]).writeto(folder / f"{name}.fits")
            else:
                fits.writeto(folder / f"{name}.fits", cube, header)

    def types_of(self, name):
        return [type for type in TYPES if all(letter in FILES[name][0] for letter in NEEDS[type])]

    def planes(self, name, channel):
        return {letter: cube[channel] for letter, cube in self.cubes[name].items()}

    def channel(self, name):
        return int(self.random.integers(self.cubes[name]["Q"].shape[0]))

    def close(self, values, expected, rtol=3e-6, atol=1e-6):
        numpy.testing.assert_allclose(values, expected, rtol=rtol, atol=atol)

    def close_mean(self, value, expected_of):
        """Values of both signs can have almost nothing as their mean: what each may be off (see close) counts, not what is left of them."""
        self.close(value, numpy.nanmean(expected_of), rtol=0, atol=3e-6 * numpy.nanmean(numpy.abs(expected_of)))

    async def each(self, check):
        """check(client, file_id, name, type) for all that there is."""
        client = await self.viewer()
        for file_id, name in enumerate(FILES):
            await open_file(client, f"{name}.fits", file_id, hdu="1" if name == "iqu" else "")
            for type in self.types_of(name):
                with self.subTest(file=name, type=TYPES[type], seed=SEED):
                    await check(client, file_id, name, type)
            await client.call("carta.close.file", file_id=file_id)

    async def test_what_there_is(self):
        client = await self.viewer()
        for file_id, name in enumerate(FILES):
            await open_file(client, f"{name}.fits", file_id, hdu="1" if name == "iqu" else "")
            for type in TYPES:
                show = client.call("carta.set.image.channels", file_id=file_id, channel=0, stokes=type)
                require = client.call("carta.set.stats.requirements", file_id=file_id, region_id=-1,
                                      stats_configs=[{"coordinate": TYPES[type] + "z", "stats_types": ["Mean"]}])  # fmt: skip
                if type in self.types_of(name):
                    await show
                    await require
                else:
                    await self.fails(show, -32001, f"stokes {type} does not exist")
                    await self.fails(require, text=TYPES[type])

    async def test_planes(self):
        """Shown: histogram, tiles of all layers, the value under the cursor."""
        async def check(client, file_id, name, type):
            channel = self.channel(name)
            planes = self.planes(name, channel)
            plane = computed(type, planes)
            await settled(client)
            client.forget()
            await client.call("carta.set.image.channels", file_id=file_id, channel=channel, stokes=type)
            message = await client.next(HISTOGRAM, lambda m: m["region_id"] == -1, PATIENCE)
            self.assertEqual((message["channel"], message["stokes"]), (channel, type))
            histogram = message["histograms"]
            self.assertEqual(sum(histogram["bins"]), numpy.isfinite(plane).sum())
            self.close_mean(histogram["mean"], plane)
            self.close(histogram["std_dev"], numpy.nanstd(plane, ddof=1), rtol=1e-5)
            for layer in range(layers(WIDTH, HEIGHT)):
                mip = 2 ** (layers(WIDTH, HEIGHT) - 1 - layer)
                expected = averaged(type, planes, mip)
                tiles = await get_tiles(client, file_id, codes_of_layer(WIDTH, HEIGHT, layer))
                for tile in tiles.values():
                    x, y = 256 * tile["x"], 256 * tile["y"]
                    self.close(pixels(tile), expected[y : y + tile["height"], x : x + tile["width"]], rtol=2e-5, atol=2e-5)
                    self.assertEqual((tile["message"]["stokes"], tile["message"]["channel"]), (type, channel))
            client.forget()
            x, y = int(self.random.integers(WIDTH)), int(self.random.integers(HEIGHT))
            await client.call("carta.set.cursor", file_id=file_id, point={"x": x, "y": y})
            message = await client.next(SPATIAL, timeout=PATIENCE)
            self.assertEqual((message["stokes"], message["x"], message["y"]), (type, x, y))
            self.close(message["value"], plane[y, x])

        await self.each(check)

    async def test_profiles(self):
        """By the coordinate, whatever is shown, and as the stokes that is shown."""
        async def check(client, file_id, name, type):
            channel = self.channel(name)
            planes, word = self.planes(name, channel), TYPES[type]
            plane = computed(type, planes)
            for shown, prefix in ((0, word), (type, "")):
                await client.call("carta.set.spatial.requirements", file_id=file_id, region_id=0, spatial_profiles=[])
                await client.call("carta.set.spectral.requirements", file_id=file_id, region_id=0, spectral_profiles=[])
                await client.call("carta.set.image.channels", file_id=file_id, channel=channel, stokes=shown)
                configs = [{"coordinate": prefix + "x"}, {"coordinate": prefix + "y", "mip": 4, "start": 20, "end": 300}, {"coordinate": prefix + "x", "mip": 3}]
                await client.call("carta.set.spatial.requirements", file_id=file_id, region_id=0, spatial_profiles=configs)
                await client.call("carta.set.spectral.requirements", file_id=file_id, region_id=0,
                                  spectral_profiles=[{"coordinate": prefix + "z", "stats_types": ["Mean"]}])  # fmt: skip
                await settled(client)
                client.forget()
                x, y = int(self.random.integers(WIDTH)), int(self.random.integers(HEIGHT))
                await client.call("carta.set.cursor", file_id=file_id, point={"x": x, "y": y})
                message = await client.next(SPATIAL, timeout=PATIENCE)
                self.assertEqual((message["stokes"], [p["coordinate"] for p in message["profiles"]]), (type, [c["coordinate"] for c in configs]))
                self.close(message["value"], plane[y, x])
                for profile, expected in zip(message["profiles"], (decimated(plane[y]), decimated(plane[:, x], 20, 300, 4), decimated(plane[y], mip=3))):
                    self.close(profile_values(profile), expected)
                spectrum = await client.next(SPECTRAL, lambda m: m["progress"] >= 1, PATIENCE)
                self.assertEqual((spectrum["stokes"], spectrum["profiles"][0]["coordinate"]), (type, prefix + "z"))
                self.close(profile_values(spectrum["profiles"][0]), computed(type, self.cubes[name])[:, y, x])

        await self.each(check)

    async def test_histograms_and_statistics(self):
        async def check(client, file_id, name, type):
            word, channel = TYPES[type], self.channel(name)
            plane, cube = computed(type, self.planes(name, channel)), computed(type, self.cubes[name])
            finite = plane[numpy.isfinite(plane)]
            await client.call("carta.set.image.channels", file_id=file_id, channel=channel, stokes=0)
            await settled(client)
            client.forget()
            # Halfway between values rather than on them: which side of an edge a value falls to depends on its last digit.
            distinct = numpy.unique(finite.astype("f4")).astype("f8")
            low, high = (float(distinct[i : i + 2].mean()) for i in (len(distinct) // 50, len(distinct) * 49 // 50 - 1))
            config = {"coordinate": word + "z", "channel": -1, "fixed_num_bins": True, "num_bins": 25, "fixed_bounds": True, "bounds": {"min": low, "max": high}}
            await client.call("carta.set.histogram.requirements", file_id=file_id, region_id=-1, histograms=[config])
            message = await client.next(HISTOGRAM, lambda m: m["region_id"] == -1 and m["config"]["fixed_num_bins"], PATIENCE)
            self.assertEqual((message["stokes"], message["channel"]), (type, channel))
            served = finite if name == "qu" else finite.astype("f4").astype("f8")  # an edge may lie between a double and what single precision makes of it
            expected, _ = numpy.histogram(served, 25, (low, high))
            self.assertLessEqual(numpy.abs(expected - message["histograms"]["bins"]).sum(), 2)
            await client.call("carta.set.histogram.requirements", file_id=file_id, region_id=-2, histograms=[{"coordinate": word + "z", "channel": -2, "num_bins": -1}])
            message = await client.next(HISTOGRAM, lambda m: m["region_id"] == -2 and m["progress"] >= 1, PATIENCE)
            self.assertEqual(message["stokes"], type)
            self.assertEqual(sum(message["histograms"]["bins"]), numpy.isfinite(cube).sum())
            self.close_mean(message["histograms"]["mean"], cube)
            self.close(message["histograms"]["std_dev"], numpy.nanstd(cube, ddof=1), rtol=1e-5)
            names = ["NumPixels", "NanCount", "Sum", "Mean", "RMS", "Sigma", "Min", "Max"]
            await client.call("carta.set.stats.requirements", file_id=file_id, region_id=-1, stats_configs=[{"coordinate": word + "z", "stats_types": names}])
            message = await client.next(STATS, timeout=PATIENCE)
            self.assertEqual((message["stokes"], message["channel"]), (type, channel))
            values = {one["stats_type"]: one["value"] for one in message["statistics"]}
            self.assertEqual((values["NumPixels"], values["NanCount"]), (finite.size, plane.size - finite.size))
            self.close_mean(values["Mean"], finite)
            self.close_mean(values["Sum"] / finite.size, finite)
            expected = [numpy.sqrt((finite**2).mean()), finite.std(ddof=1), finite.min(), finite.max()]
            self.close([values[one] for one in ("RMS", "Sigma", "Min", "Max")], expected, rtol=1e-5)

        await self.each(check)

    async def test_cube_histogram_of_what_is_shown(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=14)
        await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[{"channel": -2, "num_bins": -1}])
        message = await client.next(HISTOGRAM, lambda m: m["region_id"] == -2 and m["progress"] >= 1, PATIENCE)
        cube = computed(14, self.cubes["iquv"])
        self.assertEqual(message["stokes"], 14)
        self.assertEqual(sum(message["histograms"]["bins"]), numpy.isfinite(cube).sum())

    async def test_blocks_of_pixels(self):
        async def check(client, file_id, name, type):
            channels = [1, 4, 2] if self.cubes[name]["Q"].shape[0] > 1 else [0, 1, 1]
            expected = computed(type, self.cubes[name])[slice(*channels), 30:200:7, 5:600:3]
            block = await client.call("image.read", file_id=file_id, x=[5, 600, 3], y=[30, 200, 7], channel=channels, stokes=type)
            values = block_values(block)[0]
            self.assertEqual(values.dtype, "<f8" if name == "qu" else "<f4")
            self.close(numpy.where(numpy.isfinite(values), values, numpy.nan), expected)
            x, y = int(self.random.integers(WIDTH)), int(self.random.integers(HEIGHT))
            block = await client.call("image.read", file_id=file_id, x=x, y=y, stokes=type)  # a spectrum
            values = block_values(block)[0, :, 0, 0]
            self.close(numpy.where(numpy.isfinite(values), values, numpy.nan), computed(type, self.cubes[name])[:, y, x])

        await self.each(check)

    async def test_tiles_of_a_channel_map(self):
        client = await self.viewer()
        await open_file(client, "vuqi.fits")
        tiles = {"file_id": 0, "tiles": [0], "compression_type": "NONE"}
        await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=17, required_tiles=tiles, channel_map_enabled=True,
                          channel_range={"min": 1, "max": 3}, current_range={"min": 1, "max": 3})  # fmt: skip
        for _ in range(3):
            await client.next(SYNC, lambda s: s["end_sync"], PATIENCE)
        for message in client.published[TILE]:
            self.assertEqual(message["stokes"], 17)
            self.close(pixels(message["tiles"][0]), averaged(17, self.planes("vuqi", message["channel"]), 4), rtol=2e-5, atol=2e-5)


if __name__ == "__main__":
    unittest.main()
