#!/usr/bin/env python3
"""What follows from regions, held against numpy and astropy: statistics, histograms, spectra and line profiles of random regions on random images (every
type of pixel, blanks, infinities, odd sizes; TAN, SIN, SFL and AIT, turned and sheared), and on a second image that shows the same sky.

CUBELINK_SEED chooses another exploration, CUBELINK_SECONDS a longer one."""

import math
import os
import random
import time
import unittest
import warnings

import numpy
from astropy.io import fits
from astropy.wcs import WCS

from harness import ERROR, HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, ServerTest, finite, open_file, profile_values
from regions_support import CLOSED, distance_outside, info, inside, points_of, random_region

SECONDS = float(os.environ.get("CUBELINK_SECONDS", "5"))
SEED = int(os.environ.get("CUBELINK_SEED", "1"))
STATS = "carta.region.stats.data"
TYPES = ("NumPixels", "NanCount", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema")
STOKES = ("I", "Q", "U")


def sky_header(source, width, height, projection, centre, scale):
    """Two celestial axes about `centre`, turned and perhaps sheared."""
    angle, shear = source.choice([0, 0, source.uniform(-3, 3)]), source.choice([0, 0, source.uniform(-0.2, 0.2)])
    cos, sin = math.cos(angle), math.sin(angle)
    header = fits.Header()
    # Cylindrical and pseudo-cylindrical projections have their reference at the equator.
    reference = (centre[0], 0.0) if projection in ("SFL", "AIT") else centre
    for n, (name, value, step) in enumerate((("RA", reference[0], -scale), ("DEC", reference[1], scale)), 1):
        header[f"CTYPE{n}"] = f"{name:-<4}-{projection}"
        header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CUNIT{n}"] = value, step, "deg"
    header["PC1_1"], header["PC1_2"], header["PC2_1"], header["PC2_2"] = cos, -sin + shear, sin, cos
    header["RADESYS"] = "ICRS"
    header["CRPIX1"], header["CRPIX2"] = 0.0, 0.0
    # The image's middle lies at the centre.
    x, y = WCS(header).all_world2pix([centre], 0)[0]
    header["CRPIX1"], header["CRPIX2"] = width / 2 - x, height / 2 - y
    return header


class SkyImage:
    """A random file: `values` [stokes, channel, y, x] in float64, NaN where blank; `wcs` of its two celestial axes."""

    def __init__(self, folder, name, source, centre, axes=None):
        data = numpy.random.default_rng(source.getrandbits(60))
        self.name = name
        self.width, self.height = (source.choice([1, 2, 63, 128, 257, source.randrange(20, 150)]) for _ in range(2))
        axes = axes or source.choice([2, 3, 3, 4])
        self.depth = source.choice([1, 7, source.randrange(2, 40)]) if axes > 2 else 1
        self.stokes = source.choice([1, 3]) if axes > 3 else 1
        shape = (self.stokes, self.depth, self.height, self.width)
        self.kind = source.choice(["u1", "i2", "i4", "f4", "f4", "f8"])
        self.projection = source.choice(["TAN", "SIN", "SFL", "AIT"])
        values = data.normal(source.choice([0, 0, 1000]), source.choice([1, 100]), shape)
        blank = data.random(shape) < source.choice([0, 0, 0.1, 0.9, 1])
        if self.kind[0] == "f":
            values = values.astype(self.kind)
            values[blank] = numpy.nan
            values[data.random(shape) < source.choice([0, 0.01])] = source.choice([numpy.inf, -numpy.inf])
            self.values = finite(values.astype("f8"))
        else:
            values = (abs(values) % 250).astype(self.kind)
            values[blank] = 7
            self.values = numpy.where(values == 7, numpy.nan, values.astype("f8"))
        self.scale = source.choice([1, 1.7, 0.4]) * 2e-3
        header = sky_header(source, self.width, self.height, self.projection, centre, self.scale)
        self.wcs = WCS(header)
        for n, (ctype, value, step) in enumerate((("FREQ", 1.4e9, 1e6), ("STOKES", 1, 1))[: axes - 2], 3):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, value, float(step)
        if self.kind[0] != "f":
            header["BLANK"] = 7
        self.beam_area = numpy.nan
        if source.random() < 0.6:
            major, minor = source.uniform(3, 9) * 2e-3, source.uniform(1, 3) * 2e-3
            header["BUNIT"], header["BMAJ"], header["BMIN"], header["BPA"] = source.choice(["Jy/beam", "JY/BEAM", "beam-1 Jy", "Jy beam^-1"]), major, minor, 20.0
            pixel = abs(numpy.linalg.det(self.wcs.pixel_scale_matrix))
            self.beam_area = math.pi / (4 * math.log(2)) * major * minor / pixel
        fits.PrimaryHDU(values.reshape(shape[4 - axes :]), header).writeto(folder / name)
        self.axes = axes

    def prefixes(self):
        return ["", *STOKES] if self.stokes == 3 else [""]

    def stokes_of(self, coordinate):
        return STOKES.index(coordinate[0]) if coordinate[:1] in STOKES else 0


def statistics_of(values, count_of_all, beam_area):
    """Every statistic of the values that are finite among them."""
    good = values[numpy.isfinite(values)].astype("f8")
    n, nan = good.size, numpy.nan
    if not n:
        return {name: nan for name in TYPES} | {"NumPixels": 0, "NanCount": count_of_all}
    total, squares = math.fsum(good), math.fsum(good * good)
    low, high = good.min(), good.max()
    return {"NumPixels": n, "NanCount": count_of_all - n, "Sum": total, "FluxDensity": total / beam_area, "Mean": total / n, "RMS": math.sqrt(squares / n),
            "Sigma": good.std(ddof=1) if n > 1 else nan, "SumSq": squares, "Min": low, "Max": high, "Extrema": low if abs(low) > abs(high) else high}  # fmt: skip


def agree(name, got, wanted, values):
    """A statistic is right to what double precision gives; a sum of many signs only as its terms are large."""
    good = values[numpy.isfinite(values)]
    scale = {"Sum": abs(good).sum(), "FluxDensity": 0, "Mean": abs(good).mean() if good.size else 0}.get(name, 0)
    if name == "FluxDensity":
        numpy.testing.assert_allclose(got, wanted, rtol=1e-6, atol=0, err_msg=name)
    else:
        numpy.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12 * scale, err_msg=name)


class RegionOracles(ServerTest):
    options = ("--memory-limit", "256M")

    async def set_region(self, client, file_id, region, region_id=-1):
        ack = await client.call("carta.set.region", {"file_id": file_id, "region_id": region_id, "region_info": region})
        self.assertTrue(ack["success"], ack["message"])
        return ack["region_id"]

    async def statistics(self, client, file_id, number, coordinate):
        await client.call("carta.set.stats.requirements", {"file_id": file_id, "region_id": number, "stats_configs": [{"coordinate": coordinate, "stats_types": list(TYPES)}]})
        message = await client.next(STATS, lambda m: (m["file_id"], m["region_id"]) == (file_id, number), PATIENCE)
        self.assertEqual(tuple(one["stats_type"] for one in message["statistics"]), TYPES)
        return message, {one["stats_type"]: one["value"] for one in message["statistics"]}

    async def check_statistics(self, client, image, number, mask, source):
        coordinate = source.choice(image.prefixes()) + "z"
        message, got = await self.statistics(client, 0, number, coordinate)
        self.assertEqual(message["stokes"], image.stokes_of(coordinate))
        values = image.values[image.stokes_of(coordinate), 0][mask]
        for name, wanted in statistics_of(values, int(mask.sum()), image.beam_area).items():
            agree(name, got[name], wanted, values)

    async def check_histogram(self, client, image, number, mask, source, kind):
        coordinate = source.choice(image.prefixes()) + "z"
        values = image.values[image.stokes_of(coordinate), 0][mask]
        good = values[numpy.isfinite(values)]
        config = {"coordinate": coordinate, "channel": -1}
        if fixed_bins := source.random() < 0.5:
            config |= {"fixed_num_bins": True, "num_bins": source.choice([1, 2, 17, 400])}
        if fixed_bounds := source.random() < 0.5:
            low, high = (-1.5, 80.25) if not good.size else (good.min() - 0.25, good.mean() + 0.5)
            config |= {"fixed_bounds": True, "bounds": {"min": low, "max": high}}
        await client.call("carta.set.histogram.requirements", {"file_id": 0, "region_id": number, "histograms": [config]})
        message = await client.next(HISTOGRAM, lambda m: (m["file_id"], m["region_id"]) == (0, number), PATIENCE)
        histogram = message["histograms"]
        if isinstance(histogram, list):
            (histogram,) = histogram
        bins = numpy.array(histogram["bins"])
        self.assertEqual(histogram["num_bins"], bins.size)
        if not fixed_bounds:
            low, high = (good.min(), good.max()) if good.size else (0, 0)
        if not low < high or not mask.any():
            self.assertEqual(bins.size, 1)
        else:
            if fixed_bins:
                self.assertEqual(bins.size, config["num_bins"])
            elif kind != "ELLIPSE":  # of an ellipse it is a square that holds it however it is turned
                rows, columns = numpy.flatnonzero(mask.any(1)), numpy.flatnonzero(mask.any(0))
                box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
                self.assertEqual(bins.size, max(int(math.sqrt(box)), 2), "bins: the root of the pixels of the bounding box")
            width = (high - low) / bins.size
            numpy.testing.assert_allclose([histogram["bin_width"], histogram["first_bin_center"]], [width, low + width / 2], rtol=1e-6, atol=1e-12)
            within = good[(good >= low) & (good <= high)]
            index = numpy.clip(numpy.floor((within - low) / width).astype("i8"), 0, bins.size - 1)
            expected = numpy.bincount(index, minlength=bins.size)
            # A value that lies on the edge of a bin may fall to either side.
            position = (within - low) / width
            on_edge = (abs(position - numpy.round(position)) < 1e-6 * bins.size).sum()
            self.assertLessEqual(abs(bins - expected).sum(), 2 * on_edge, "counts")
        if good.size:
            numpy.testing.assert_allclose(histogram["mean"], good.mean(), rtol=1e-9, atol=1e-12 * abs(good).mean())
            numpy.testing.assert_allclose(histogram["std_dev"], good.std(ddof=1) if good.size > 1 else numpy.nan, rtol=1e-7, atol=1e-12)
        else:
            self.assertTrue(numpy.isnan(histogram["mean"]) and numpy.isnan(histogram["std_dev"]))

    async def check_spectra(self, client, file_id, image, number, mask, source, of_a_point=False):
        coordinate = source.choice(image.prefixes()) + "z"
        types = ["Mean"] if of_a_point else source.sample([name for name in TYPES if name != "FluxDensity"], 3)
        profiles = [{"coordinate": coordinate, "stats_types": types}]
        await client.call("carta.set.spectral.requirements", {"file_id": file_id, "region_id": number, "spectral_profiles": profiles})
        found = {}
        while len(found) < len(types):
            message = await client.next(SPECTRAL, lambda m: (m["file_id"], m["region_id"]) == (file_id, number) and m["progress"] >= 1, PATIENCE)
            for profile in message["profiles"]:
                self.assertEqual(profile["coordinate"], coordinate)
                found[profile["stats_type"]] = numpy.frombuffer(profile["raw_values_fp64"], "<f8")
        for name, line in found.items():
            self.assertEqual(line.size, image.depth)
            for channel, got in enumerate(line):
                values = image.values[image.stokes_of(coordinate), channel][mask]
                wanted = values[0] if of_a_point and values.size else statistics_of(values, int(mask.sum()), numpy.nan)[name]
                if not mask.any() or (name in ("NumPixels", "NanCount") and not numpy.isfinite(got)):
                    self.assertTrue(numpy.isnan(got) or got == 0, (name, got))
                else:
                    agree(name, got, wanted, values)

    async def one_image(self, seed):
        source = random.Random(seed)
        image = SkyImage(self.folder, f"one{seed}.fits", source, (120.0, 20.0))
        client = await self.viewer(1 + seed % 2)
        await open_file(client, image.name, 0)
        for _ in range(6):
            region = random_region(source, image.width, image.height, (*CLOSED, *CLOSED, "POINT"))
            certain, doubtful = inside(region, image.width, image.height)
            if doubtful.any():
                continue  # rounding decides; those are in the kernels' own tests
            what = f"{region} on {image.width} × {image.height} × {image.depth} × {image.stokes} {image.kind}"
            try:
                number = await self.set_region(client, 0, region)
                if region["region_type"] != "POINT":
                    await self.check_statistics(client, image, number, certain, source)
                    if certain.any():
                        await self.check_histogram(client, image, number, certain, source, region["region_type"])
                if image.axes > 2:
                    await self.check_spectra(client, 0, image, number, certain, source, region["region_type"] == "POINT")
            except Exception as problem:
                raise AssertionError(f"{what}: {problem!r}") from problem
            self.assertEqual(client.published.get(ERROR, []), [], what)
        await client.call("session.close")
        await client.close()

    async def explore(self, one):
        until = time.monotonic() + SECONDS
        seed = SEED * 1000
        while time.monotonic() < until:
            seed += 1
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    await one(seed)
            except Exception as problem:
                raise AssertionError(f"seed {seed}: {problem}") from problem
        print(f"{one.__name__}: seeds {SEED * 1000 + 1} to {seed}")

    async def test_random_regions_on_random_images(self):
        await self.explore(self.one_image)

    def converted(self, region, first, second):
        """(certain, doubtful) on the second image: its pixels taken back to the first one, whose region it is. An outline is good to some hundredths of a pixel."""
        if region["region_type"] == "POINT":
            moved = second.wcs.all_world2pix(first.wcs.all_pix2world([points_of(region)[0]], 0), 0)[0]
            if not numpy.isfinite(moved).all() or (abs(moved - numpy.floor(moved) - 0.5) < 1e-3).any():
                return None
            return inside(info("POINT", [moved]), second.width, second.height)
        y, x = numpy.mgrid[: second.height, : second.width]
        back = first.wcs.all_world2pix(second.wcs.all_pix2world(numpy.stack([x.ravel(), y.ravel()], 1), 0), 0)
        beyond = distance_outside(region, back[:, 0].reshape(x.shape), back[:, 1].reshape(x.shape))
        doubt = 0.08 * max(1, second.scale / first.scale)
        return beyond < -doubt, abs(beyond) <= doubt

    async def two_images(self, seed):
        source = random.Random(seed)
        first = SkyImage(self.folder, f"first{seed}.fits", source, (120.0, 20.0), axes=3)
        second = SkyImage(self.folder, f"second{seed}.fits", source, (120.0 + source.uniform(-0.02, 0.02), 20.0 + source.uniform(-0.02, 0.02)), axes=3)
        client = await self.viewer(1 + seed % 2)
        await open_file(client, first.name, 0)
        await open_file(client, second.name, 1)
        for _ in range(5):
            region = random_region(source, first.width, first.height, (*CLOSED, "POINT"))
            masks = self.converted(region, first, second)
            if masks is None:
                continue
            certain, doubtful = masks
            what = f"{region} of {first.name} ({first.projection}) on {second.name} ({second.projection})"
            try:
                number = await self.set_region(client, 0, region)
                if region["region_type"] == "POINT":
                    await self.check_spectra(client, 1, second, number, certain, source, True)
                    continue
                _, got = await self.statistics(client, 1, number, "z")
                good = numpy.isfinite(second.values[0, 0])
                counted = got["NumPixels"] + got["NanCount"] if math.isfinite(got["NanCount"]) else got["NumPixels"]
                self.assertTrue(certain.sum() <= counted <= (certain | doubtful).sum(), f"{counted} pixels, expected {certain.sum()} to {(certain | doubtful).sum()}")
                self.assertTrue((certain & good).sum() <= got["NumPixels"] <= ((certain | doubtful) & good).sum(), "finite pixels")
                if not doubtful.any():
                    values = second.values[0, 0][certain]
                    for name, wanted in statistics_of(values, int(certain.sum()), second.beam_area).items():
                        agree(name, got[name], wanted, values)
            except Exception as problem:
                raise AssertionError(f"{what}: {problem!r}") from problem
            self.assertEqual(client.published.get(ERROR, []), [], what)
        await client.call("session.close")
        await client.close()

    async def test_random_regions_on_a_second_image(self):
        await self.explore(self.two_images)

    async def lines(self, seed):
        """Profiles along lines: means of boxes across the line, three pixels long unless it is horizontal or vertical."""
        source = random.Random(seed)
        image = SkyImage(self.folder, f"lines{seed}.fits", source, (120.0, 0.0), axes=2)
        # Boxes lie a pixel apart where the sky does not bend.
        client = await self.viewer(1 + seed % 2)
        await open_file(client, image.name, 0)
        plane = finite(image.values[0, 0])
        for _ in range(6):
            horizontal = source.random() < 0.4
            x, y = source.randrange(-3, image.width + 3), source.randrange(-3, image.height + 3)
            length = source.choice([1, 2, 5, 10, 33])
            other = (x + length, y) if horizontal else (x, y + length)
            if source.random() < 0.5:
                x, y, other = *other, (x, y)
            width = source.choice([1, 3, 5])
            what = f"from ({x}, {y}) to {other}, width {width}, on {image.width} × {image.height} {image.kind} {image.projection}"
            try:
                number = await self.set_region(client, 0, info("LINE", [(x, y), other]))
                await client.call("carta.set.spatial.requirements", {"file_id": 0, "region_id": number, "spatial_profiles": [{"coordinate": "", "width": width}]})
                message = await client.next(SPATIAL, lambda m: m["region_id"] == number, PATIENCE)
                (profile,) = message["profiles"]
                got = profile_values(profile)
                half = round_half_away((length - 1) / 2)
                count = 2 * half + 1
                self.assertEqual(got.size, count)
                axis = profile["line_axis"]
                self.assertEqual((axis["axis_type"], axis["crpix"], axis["crval"]), ("Offset", count // 2, 0))
                expected = []
                middle = ((x + other[0]) / 2, (y + other[1]) / 2)
                towards = ((x - other[0]) / length, (y - other[1]) / length)  # from the second point to the first
                for k in range(-half, half + 1):
                    at = (middle[0] + k * towards[0], middle[1] + k * towards[1])
                    across = (0.5, width / 2) if horizontal else (width / 2, 0.5)
                    columns, rows = ([int(n) for n in range(math.ceil(c - w), math.floor(c + w) + 1)] for c, w in zip(at, across))
                    if any(abs(c - w - round(c - w)) < 1e-9 for c, w in zip(at, across)):
                        expected.append(None)  # a pixel centre on the edge of the box
                        continue
                    values = [plane[r, c] for r in rows for c in columns if 0 <= r < image.height and 0 <= c < image.width and numpy.isfinite(plane[r, c])]
                    expected.append(numpy.mean(values) if values else numpy.nan)
                for k, wanted in enumerate(expected):
                    if wanted is not None:
                        numpy.testing.assert_allclose(got[k], numpy.float32(wanted), rtol=1e-5, atol=1e-4, err_msg=f"box {k}")
            except Exception as problem:
                raise AssertionError(f"{what}: {problem!r}") from problem
        await client.call("session.close")
        await client.close()

    async def test_profiles_along_lines(self):
        await self.explore(self.lines)


def round_half_away(value):
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


if __name__ == "__main__":
    unittest.main()
