"""Files of every kind against astropy and numpy: facts of the header, exact values, tiles of every layer, histograms, profiles, spectra."""

import unittest
import warnings

import numpy
from astropy.io import fits

from harness import (HISTOGRAM, SPATIAL, SPECTRAL, ServerTest, block_values, check_histogram, codes_of_layer, decimated, downsampled, finite,
                     get_tiles, layers, open_file, pixels, profile_values)  # fmt: skip

RANDOM = numpy.random.default_rng(20260721)
TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}


def random_data(bitpix, shape):
    kind = numpy.dtype(TYPES[bitpix])
    if kind.kind == "f":
        data = RANDOM.normal(size=shape).astype(kind) * 100
        flat = data.reshape(-1)
        flat[RANDOM.integers(0, flat.size, flat.size // 50)] = numpy.nan
        flat[RANDOM.integers(0, flat.size, 3)] = numpy.inf
        flat[RANDOM.integers(0, flat.size, 3)] = -numpy.inf
        return data
    info = numpy.iinfo(kind)
    return RANDOM.integers(info.min, info.max, shape, dtype=kind, endpoint=True)


def linear_header(shape):
    """World coordinates that suit the number of axes."""
    header = fits.Header()
    axes = [("RA---TAN", 83.6, -2e-4, "deg"), ("DEC--TAN", 22.0, 2e-4, "deg"), ("FREQ", 1.4e9, 1e5, "Hz"), ("STOKES", 1.0, 1.0, "")]
    for n, (ctype, value, step, unit) in enumerate(axes[: len(shape)], 1):
        header[f"CTYPE{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, value, step
        header[f"CRPIX{n}"] = 1.0 if n > 2 else (shape[-n] + 1) / 2
        if unit:
            header[f"CUNIT{n}"] = unit
    header["BUNIT"] = "Jy/beam"
    return header


class Case:
    """A file, and what must be read from it: float64 values of (stokes, channel, y, x), NaN where blank."""

    def __init__(self, name, expected, hdu="", wide=False, exact=True, layout="zyx", whole=None):
        self.name, self.hdu, self.wide, self.exact = name, str(hdu), wide, exact
        self.whole = whole  # integers of 64 bits, which come as they are
        self.dimensions = expected.ndim
        while expected.ndim < 4:
            expected = expected[numpy.newaxis]
        self.expected = expected


def make_cases(folder):
    cases = []

    def plain(name, data, hdu=None, expected=None, wide=None, **rest):
        header = linear_header(data.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (hdu or fits.PrimaryHDU(data, header)).writeto(folder / name)
        expected = (data if expected is None else expected).astype("f8")
        wide = data.dtype.itemsize * (1 if data.dtype.kind == "f" else 2) >= 8 if wide is None else wide
        whole = data if hdu is None and data.dtype.kind in "iu" and data.dtype.itemsize == 8 else None
        cases.append(Case(name, expected, wide=wide, whole=whole, **rest))

    for bitpix in TYPES:
        for shape in ((61, 83), (3, 40, 37), (2, 3, 33, 300)):
            plain(f"b{bitpix}_{len(shape)}d.fits", random_data(bitpix, shape))
        plain(f"b{bitpix}.fits.gz", random_data(bitpix, (2, 50, 41)))
        data = random_data(bitpix, (70, 90))
        if bitpix > 0:
            # By hand: BSCALE, BZERO and BLANK over the bytes as they lie.
            hdu = fits.PrimaryHDU(data, linear_header(data.shape))
            hdu.writeto(folder / "raw.tmp")
            with fits.open(folder / "raw.tmp", mode="update", do_not_scale_image_data=True) as file:
                file[0].header["BSCALE"], file[0].header["BZERO"], file[0].header["BLANK"] = 0.25, -3.5, int(data[5, 6])
            (folder / "raw.tmp").rename(folder / f"scaled{bitpix}.fits")
            expected = numpy.where(data == data[5, 6], numpy.nan, data.astype("f8") * 0.25 - 3.5)
            # Any factor may be there: only float64 holds the products exactly.
            cases.append(Case(f"scaled{bitpix}.fits", expected, wide=True))
            blank = fits.PrimaryHDU(data, linear_header(data.shape))
            blank.header["BLANK"] = int(data[1, 1])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                blank.writeto(folder / f"blank{bitpix}.fits")
            cases.append(Case(f"blank{bitpix}.fits", numpy.where(data == data[1, 1], numpy.nan, data.astype("f8")), wide=bitpix > 16))
    for kind in ("u2", "u4", "u8", "i1"):
        info = numpy.iinfo(kind)
        plain(f"{kind}.fits", RANDOM.integers(info.min, info.max, (45, 67), dtype=kind, endpoint=True), wide=kind in ("u4", "u8"))

    # Sizes that are no multiples of anything, and several layers.
    big = random_data(-32, (517, 1031))
    big[100:140, 300:420] = numpy.nan
    plain("odd.fits", big)
    plain("one_row.fits", random_data(-32, (1, 700)))
    plain("one_column.fits", random_data(-64, (700, 1)))
    plain("one_pixel.fits", numpy.array([[2.5]], "f4"))
    plain("all_blank.fits", numpy.full((40, 50), numpy.nan, "f4"))
    plain("constant.fits", numpy.full((40, 50), 3.25, "f4"))

    # Tile-compressed.
    def compressed(name, data, wide, exact=True, **how):
        hdu = fits.CompImageHDU(data, linear_header(data.shape), **how)
        hdu.writeto(folder / name)
        with fits.open(folder / name) as file:
            expected = numpy.array(file[1].data, dtype="f8")
        cases.append(Case(name, expected, hdu="1", wide=wide, exact=exact))

    smooth = (numpy.add.outer(numpy.arange(130), numpy.arange(300)) % 251).astype("i2")
    for kind in ("RICE_1", "GZIP_1", "GZIP_2", "PLIO_1"):
        compressed(f"{kind}_i2.fits.fz", smooth, False, compression_type=kind)
    compressed("rice_i4.fits.fz", (smooth.astype("i4") * 1000), True, compression_type="RICE_1")
    compressed("rice_u1.fits.fz", (smooth % 200).astype("u1"), False, compression_type="RICE_1")
    compressed("gzip_f4.fits.fz", random_data(-32, (90, 110)), False, compression_type="GZIP_2", quantize_level=0.0)
    noise = RANDOM.normal(size=(120, 140)).astype("f4")
    compressed("quantised.fits.fz", noise, False, exact=False, compression_type="RICE_1", quantize_level=16.0)
    cube = (numpy.arange(4 * 60 * 70).reshape(4, 60, 70) % 1000).astype("i2")
    compressed("rice_cube.fits.fz", cube, False, compression_type="RICE_1")

    # Several images in one file, among tables.
    first, second = random_data(-32, (30, 40)), random_data(16, (3, 20, 25))
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=numpy.arange(5))])
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(first, linear_header(first.shape), "FIRST"), table,
                  fits.ImageHDU(second, linear_header(second.shape), "SECOND")]).writeto(folder / "several.fits")  # fmt: skip
    cases.append(Case("several.fits", first.astype("f8"), hdu="1"))
    cases.append(Case("several.fits", second.astype("f8"), hdu="3"))
    return cases


class Formats(ServerTest):
    @classmethod
    def make_files(cls, folder):
        cls.cases = make_cases(folder)

    async def check(self, client, case):
        ack = await open_file(client, case.name, 0, hdu=case.hdu)
        info = ack["file_info_extended"]
        stokes, depth, height, width = case.expected.shape
        self.assertEqual((info["dimensions"], info["width"], info["height"], info["depth"], info["stokes"]),
                         (case.dimensions, width, height, depth, stokes))  # fmt: skip
        self.assertEqual(ack["file_info"]["HDU_list"], [case.hdu or "0"])
        self.check_header(info["header_entries"], case)

        # What float32 cannot hold is shown as float32, but read and counted as it is.
        def shown(plane):
            with numpy.errstate(over="ignore"):
                return finite(plane).astype("f4")

        plane = case.expected[0, 0]
        message = await client.next(HISTOGRAM)
        if case.exact:
            check_histogram(message, plane)
        block = await client.call("image.read", file_id=0)
        self.assertEqual(block["dtype"], case.whole.dtype.newbyteorder("<").str if case.whole is not None else "<f8" if case.wide else "<f4")
        if case.whole is not None:
            numpy.testing.assert_array_equal(block_values(block).ravel(), case.whole.ravel())
        self.compare(finite(block_values(block).astype("f8")), finite(case.expected), case)

        top = layers(width, height) - 1
        for layer in range(top + 1):
            mip = 2 ** (top - layer)
            expected = downsampled(plane, mip)
            tiles = await get_tiles(client, 0, codes_of_layer(width, height, layer))
            for code, tile in tiles.items():
                x, y = code & 4095, code >> 12 & 4095
                part = expected[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
                self.assertEqual((tile["layer"], tile["message"]["compression_type"], tile["message"]["compression_quality"]), (layer, "NONE", 0))
                self.assertEqual((tile["height"], tile["width"]), part.shape)
                if mip == 1 and case.exact:
                    numpy.testing.assert_array_equal(pixels(tile), shown(part))
                else:
                    scale = numpy.nanmax(numpy.abs(plane)) if numpy.isfinite(plane).any() else 1
                    numpy.testing.assert_allclose(pixels(tile), part, rtol=1e-5, atol=1e-5 * float(scale))

        x, y = width // 3, height // 2
        await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "x"}, {"coordinate": "y", "mip": 2}])
        wants_spectrum = case.dimensions > 2
        if wants_spectrum:
            await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z", "stats_types": ["Mean"]}])
        # The image before this one, whose channel was changed last, may have sent its own before it was closed.
        client.published.pop(SPATIAL, None)
        client.published.pop(SPECTRAL, None)
        await client.call("carta.set.cursor", file_id=0, point={"x": x, "y": y})
        message = await client.next(SPATIAL, lambda m: (m["x"], m["y"], len(m["profiles"])) == (x, y, 2))
        along_x, along_y = map(profile_values, message["profiles"])
        self.compare(along_x, shown(plane[y]), case)
        self.compare(along_y, decimated(shown(plane[:, x]), mip=2), case)
        self.compare(numpy.float32(message["value"]), shown(plane[y, x]), case)
        if wants_spectrum:
            message = await client.next(SPECTRAL, lambda m: m["progress"] >= 1)
            self.compare(profile_values(message["profiles"][0]), shown(case.expected[0, :, y, x]), case)
        if depth > 1:
            # The last channel of the last stokes, with its histogram before its tiles.
            client.forget()
            await client.call("carta.set.image.channels", file_id=0, channel=depth - 1, stokes=stokes - 1)
            message = await client.next(HISTOGRAM)
            self.assertEqual((message["channel"], message["stokes"]), (depth - 1, stokes - 1))
            if case.exact:
                check_histogram(message, case.expected[-1, -1])
            if top == 0:
                tile = (await get_tiles(client, 0, [0]))[0]
                self.compare(pixels(tile), shown(case.expected[-1, -1]), case)
        client.forget()

    def compare(self, got, expected, case):
        if case.exact:
            numpy.testing.assert_array_equal(got, expected)
        else:
            numpy.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)

    def check_header(self, entries, case):
        """Numbers and texts as astropy reads them from the file."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.getheader(self.folder / case.name, int(case.hdu or 0))
        got = {entry["name"]: entry for entry in entries}
        for key in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "CRVAL1", "CRPIX2", "CDELT1", "CTYPE1", "BUNIT"):
            entry = got[key]
            if isinstance(header[key], str):
                self.assertEqual((entry["entry_type"], entry["value"]), ("STRING", header[key]))
            else:
                self.assertEqual(entry["entry_type"], "FLOAT" if isinstance(header[key], float) else "INT")
                self.assertEqual(entry["numeric_value"], header[key])
                self.assertAlmostEqual(float(entry["value"]), header[key], delta=abs(header[key]) * 1e-12)

    async def run_all(self, generation, cases):
        client = await self.viewer(generation)
        for case in cases:
            with self.subTest(file=case.name, hdu=case.hdu, generation=generation):
                client.forget()
                await self.check(client, case)

    async def test_all_files_msgpack(self):
        await self.run_all(2, self.cases)

    async def test_some_files_json(self):
        await self.run_all(1, self.cases[::7])

    async def test_hdus(self):
        client = await self.viewer()
        info = await client.call("carta.file.info.request", {"directory": "", "file": "several.fits", "hdu": ""})
        self.assertTrue(info["success"], info["message"])
        self.assertEqual(sorted(info["file_info_extended"]), ["1", "3"])
        for hdu, name in (("1", "FIRST"), ("3", "SECOND")):
            entries = {entry["name"]: entry["value"] for entry in info["file_info_extended"][hdu]["computed_entries"]}
            self.assertEqual(entries["Extension name"], name)
        for hdu in ("0", "2", "4", "-1", "99999999999", "x", "1x", " "):
            ack = await client.call("carta.open.file", {"file": "several.fits", "hdu": hdu, "file_id": 0})
            self.assertFalse(ack["success"], hdu)
            self.assertTrue(ack["message"])

    async def test_zfp_keeps_blanks_and_says_its_precision(self):
        """No ZFP decoder here: the runs of blanks, the precision and the size are looked at; the pixels by the JavaScript client's tests."""
        client = await self.viewer()
        await open_file(client, "odd.fits")
        plane = fits.getdata(self.folder / "odd.fits")
        sizes = []
        for quality in (8, 16, 32):
            tiles = await get_tiles(client, 0, codes_of_layer(1031, 517, 3), "ZFP", quality)
            for code, tile in tiles.items():
                x, y = code & 4095, code >> 12 & 4095
                part = plane[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
                runs = numpy.frombuffer(tile["nan_encodings"], "<i4")
                blank = numpy.repeat(numpy.arange(len(runs)) % 2 == 1, runs).reshape(part.shape)
                numpy.testing.assert_array_equal(blank, ~numpy.isfinite(part))
                self.assertIn(tile["message"]["compression_quality"], (quality, 32))
                self.assertEqual(tile["message"]["compression_type"], "ZFP")
            sizes.append(sum(len(tile["image_data"]) for tile in tiles.values()))
        self.assertTrue(sizes[0] < sizes[1] < sizes[2], sizes)
        self.assertLess(sizes[2], 1.3 * plane.nbytes)


if __name__ == "__main__":
    unittest.main()
