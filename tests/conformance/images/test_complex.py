"""FITS images of complex numbers: shown as amplitudes. Numbers along each of the file's axes, with weights, compressed, of every type of pixel; the header without
their axis. numpy is the oracle."""

import os
import sys
import unittest

import numpy
from astropy.io import fits

from harness import (HISTOGRAM, SPECTRAL, ServerTest, block_values, check_histogram, codes_of_layer, downsampled, finite, get_tiles, layers, open_file, pixels,
                     profile_values)  # fmt: skip

SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
WIDTH, HEIGHT, DEPTH = 301, 130, 3
AXES = [("RA---SIN", 180.0, -1e-3), ("DEC--SIN", 10.0, 1e-3), ("FREQ", 1.4e9, 1e6), ("STOKES", 1.0, 1.0)]


class Complex(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"test_complex: CUBELINK_SEED={SEED}", file=sys.stderr)
        random = numpy.random.default_rng(SEED)
        cls.cases = {}

        def add(name, kind, axis, dimensions=3, weights=False, packed=None):
            shape = (2, DEPTH, HEIGHT, WIDTH)[4 - dimensions :]
            parts = [random.normal(size=shape) * 100 for _ in range(3 if weights else 2)]
            if kind[0] == "f":
                parts = [part.astype(kind) for part in parts]
                parts[0].flat[5], parts[1].flat[7], parts[1].flat[9] = numpy.nan, numpy.nan, numpy.inf
            else:
                parts = [numpy.rint(part).astype(kind) for part in parts]
            real, imaginary = (part.astype("f8") for part in parts[:2])
            with numpy.errstate(invalid="ignore"):
                amplitude = numpy.hypot(real, imaginary)
            amplitude[~numpy.isfinite(real + imaginary)] = numpy.nan
            if weights:
                amplitude = numpy.where(parts[2] > 0, amplitude, numpy.nan)
            header = fits.Header()
            axes = AXES[:dimensions]
            axes.insert(axis - 1, ("COMPLEX", 1.0, 1.0))
            for n, (ctype, value, step) in enumerate(axes, 1):
                header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, value, step
            header["BUNIT"] = "Jy/beam"
            data = numpy.stack(parts, axis=dimensions - (axis - 1))
            if packed is not None:
                compressed = fits.CompImageHDU(data, header, compression_type="GZIP_2", quantize_level=0, **packed)
                fits.HDUList([fits.PrimaryHDU(), compressed]).writeto(folder / name)
            else:
                fits.writeto(folder / name, data, header)
            cls.cases[name] = amplitude.reshape((1,) * (4 - dimensions) + shape)

        for axis in (1, 2, 3, 4):
            add(f"axis{axis}.fits", "f4", axis)
        for axis in (1, 5, 4):
            add(f"hyper{axis}.fits", "f4", axis, 4)
        add("weights.fits", "f4", 4, weights=True)
        add("weights1.fits.gz", "f4", 1, weights=True)
        add("plane.fits", "f4", 3, 2)
        for kind in ("f8", "i2", "i4"):
            add(f"{kind}.fits", kind, 3)
        add("packed.fits.fz", "f4", 3, 2, packed={"tile_size": [64, 32, 1]} if "tile_size" in fits.CompImageHDU.__init__.__code__.co_varnames else {})
        add("packed_first.fits", "i2", 1, 2, packed={})

    async def test_pixels_tiles_and_profiles(self):
        client = await self.viewer()
        for name, expected in self.cases.items():
            with self.subTest(file=name):
                stokes, depth = expected.shape[:2]
                ack = await open_file(client, name, hdu="" if "packed" not in name else "1")
                extended = ack["file_info_extended"]
                self.assertEqual((extended["width"], extended["height"], extended["depth"], extended["stokes"]), (WIDTH, HEIGHT, depth, stokes))
                for s in range(stokes):
                    for channel in range(depth):
                        block = await client.call("image.read", file_id=0, channel=channel, stokes=s)
                        numpy.testing.assert_allclose(finite(block_values(block).reshape(HEIGHT, WIDTH)), expected[s, channel], rtol=1e-6)
                last = {"file_id": 0, "channel": depth - 1, "stokes": stokes - 1, "required_tiles": {"file_id": 0, "tiles": []}}
                await client.call("carta.set.image.channels", last)
                for layer in range(layers(WIDTH, HEIGHT)):
                    side = 256 * 2 ** (layers(WIDTH, HEIGHT) - 1 - layer)
                    for code, tile in (await get_tiles(client, 0, codes_of_layer(WIDTH, HEIGHT, layer))).items():
                        x, y = code & 0xFFF, code >> 12 & 0xFFF
                        part = expected[-1, -1][y * side : (y + 1) * side, x * side : (x + 1) * side]
                        numpy.testing.assert_allclose(pixels(tile), downsampled(part, side // 256), rtol=1e-5)
                if depth > 1:
                    await client.call("carta.set.spectral.requirements", {"file_id": 0, "region_id": 0, "spectral_profiles": [{"coordinate": "z", "stats_types": ["Sum"]}]})
                    await client.call("carta.set.cursor", {"file_id": 0, "point": {"x": 40, "y": 30}})
                    spectrum = await client.next(SPECTRAL, lambda m: m["progress"] == 1)
                    numpy.testing.assert_allclose(profile_values(spectrum["profiles"][0]), expected[-1, :, 30, 40], rtol=1e-6)
                await client.call("carta.close.file", {"file_id": 0})
                client.forget()

    async def test_histogram(self):
        client = await self.viewer()
        await open_file(client, "f8.fits")
        check_histogram(await client.next(HISTOGRAM), self.cases["f8.fits"][0, 0])

    async def test_header(self):
        client = await self.viewer()
        for axis in (1, 2, 3, 4):
            for ack in (await open_file(client, f"axis{axis}.fits"),
                        await client.call("carta.file.info.request", {"directory": "", "file": f"axis{axis}.fits", "hdu": ""})):  # fmt: skip
                extended = ack["file_info_extended"] if "file_info" not in ack or "0" not in ack["file_info_extended"] else ack["file_info_extended"]["0"]
                computed = {entry["name"]: entry["value"] for entry in extended["computed_entries"]}
                self.assertEqual(computed["Data type"], "Complex")
                self.assertEqual(computed["Shape"], f"[{WIDTH}, {HEIGHT}, {DEPTH}] (RA, DEC, FREQ)")
                cards = {entry["name"]: entry for entry in extended["header_entries"]}
                self.assertEqual([cards[f"CTYPE{n}"]["value"] for n in (1, 2, 3)], ["RA---SIN", "DEC--SIN", "FREQ"])
                self.assertEqual([cards[f"NAXIS{n}"]["numeric_value"] for n in (1, 2, 3)], [WIDTH, HEIGHT, DEPTH])
                self.assertEqual((cards["NAXIS"]["numeric_value"], cards["CRVAL3"]["numeric_value"]), (3, 1.4e9))
                self.assertNotIn("CTYPE4", cards)
                self.assertNotIn("NAXIS4", cards)


if __name__ == "__main__":
    unittest.main()
