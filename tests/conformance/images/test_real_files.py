"""FITS files that others made: those in the test folders of Debian's Python packages for astronomy. Each opens and gives the values that
astropy gives, or fails with a clear message; none hangs the server or ends it."""

import subprocess
import unittest
import warnings
from pathlib import Path

import numpy
from astropy.io import fits

from harness import HISTOGRAM, PATIENCE, ServerTest, block_values, finite, get_tiles, layers, codes_of_layer, pixels

PACKAGES = ("python3-reproject", "python3-astropy", "python3-spectral-cube", "python3-regions", "python3-photutils")
ENDINGS = (".fits", ".fits.gz", ".fz", ".fit")


def found_files():
    paths = []
    for package in PACKAGES:
        listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True)
        paths += [Path(line) for line in listing.stdout.splitlines() if line.endswith(ENDINGS)]
    return sorted(path for path in set(paths) if path.is_file())


def images_of(path):
    """{hdu number: array} of the images that astropy sees; None where it cannot read one."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(path) as file:
                for number, hdu in enumerate(file):
                    if isinstance(hdu, fits.GroupsHDU) or not hdu.is_image or hdu.header.get("NAXIS", 0) < 2:
                        continue
                    try:
                        data = hdu.data
                        found[str(number)] = None if data is None or data.dtype.kind == "c" else numpy.array(data, "f8")
                    except Exception:
                        found[str(number)] = None
        except Exception:
            return None
    return found


class RealFiles(ServerTest):
    @classmethod
    def make_files(cls, folder):
        cls.paths = found_files()
        cls.names = {}
        for number, path in enumerate(cls.paths):
            name = f"{number:03}_{path.name}"
            (folder / name).write_bytes(path.read_bytes())
            cls.names[name] = path

    async def test_each(self):
        self.assertGreater(len(self.names), 50)
        client = await self.viewer()
        compared = 0
        for name, path in self.names.items():
            with self.subTest(file=str(path)):
                client.forget()
                info = await client.call("carta.file.info.request", {"directory": "", "file": name, "hdu": ""}, timeout=PATIENCE)
                expected = images_of(path)
                if not info["success"]:
                    self.assertTrue(info["message"])
                    good = {k: v for k, v in (expected or {}).items() if v is not None and 2 <= v.ndim <= 4 and v.size}
                    self.assertEqual(list(good), [], f"astropy reads images of it, the server says: {info['message']}")
                    continue
                for hdu in info["file_info_extended"]:
                    ack = await client.call("carta.open.file", {"directory": "", "file": name, "hdu": hdu, "file_id": 0}, timeout=PATIENCE)
                    data = (expected or {}).get(hdu)
                    if not ack["success"]:
                        self.assertTrue(ack["message"])
                        self.assertTrue(data is None or not 2 <= data.ndim <= 4, f"HDU {hdu}: astropy reads it, the server says: {ack['message']}")
                        continue
                    message = await client.next(HISTOGRAM, timeout=PATIENCE)
                    info_extended = ack["file_info_extended"]
                    width, height = info_extended["width"], info_extended["height"]
                    await get_tiles(client, 0, [0])
                    top = layers(width, height) - 1
                    tile = (await get_tiles(client, 0, codes_of_layer(width, height, top)[:1], "ZFP", 11))
                    self.assertEqual(len(tile), 1)
                    if data is None or 8 * data.size > 60 << 20:
                        continue
                    block = block_values(await client.call("image.read", file_id=0, timeout=PATIENCE))
                    self.assertEqual(block.size, data.size)
                    values = numpy.sort(finite(data).astype(block.dtype).ravel())
                    numpy.testing.assert_allclose(numpy.sort(finite(block).ravel()), values, rtol=1e-6, atol=1e-30)
                    if data.ndim == 2:
                        numpy.testing.assert_allclose(finite(block[0, 0]), finite(data), rtol=1e-6, atol=1e-30)
                        first = pixels((await get_tiles(client, 0, codes_of_layer(width, height, top)[:1])).popitem()[1])
                        numpy.testing.assert_allclose(first, finite(data[:256, :256]), rtol=2.4e-7, atol=1e-37)
                        good = data[numpy.isfinite(data)]
                        if good.size and good.min() < good.max():
                            self.assertEqual(sum(message["histograms"]["bins"]), good.size)
                    compared += 1
        self.alive()
        self.assertGreater(compared, 25)


if __name__ == "__main__":
    unittest.main()
