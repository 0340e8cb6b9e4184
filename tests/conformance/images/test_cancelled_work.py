#!/usr/bin/env python3
"""session.cancel at random moments of every kind of long work: the call is done or says that it is cancelled, half of it is never left, and the same
call gives afterwards what it gave before. `CUBELINK_SEED` repeats the moments."""

import asyncio
import os
import random
import time
import unittest

import numpy
from astropy.io import fits

from harness import PATIENCE, ServerTest, open_file, settled
from test_cancelling import FAILED
from test_fitting import request as fit_of
from test_long_opening import write_gzipped

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
SIDE, DEPTH, ROWS = 768, 24, 200_000
TIMES = 6


class CancelledWork(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"seed {SEED}", flush=True)
        cls.random = random.Random(SEED)
        values = numpy.random.default_rng(SEED)
        cube = values.normal(size=(DEPTH, SIDE, SIDE)).astype("f4")
        y, x = numpy.mgrid[:SIDE, :SIDE]
        cube += 20 * numpy.exp(-((x - 400.0) ** 2 / 800 + (y - 300.0) ** 2 / 500))
        header = fits.Header([("CTYPE1", "RA---TAN"), ("CRVAL1", 30.0), ("CDELT1", -1e-3), ("CRPIX1", 384.0), ("CUNIT1", "deg"), ("CTYPE2", "DEC--TAN"), ("CRVAL2", 10.0),
                              ("CDELT2", 1e-3), ("CRPIX2", 384.0), ("CUNIT2", "deg"), ("CTYPE3", "FREQ"), ("CRVAL3", 1.4e9), ("CDELT3", 1e6), ("CRPIX3", 1.0), ("CUNIT3", "Hz"), ("BUNIT", "K")])  # fmt: skip
        fits.writeto(folder / "cube.fits", cube, header)
        cls.numbers = values.integers(0, 99999, ROWS)
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([
            fits.Column("ra", "D", array=30 + values.uniform(-0.3, 0.3, ROWS)), fits.Column("dec", "D", array=10 + values.uniform(-0.3, 0.3, ROWS)),
            fits.Column("name", "12A", array=numpy.char.add("source", cls.numbers.astype(str)))])]).writeto(folder / "table.fits")  # fmt: skip
        write_gzipped(folder / "slow.fits.gz", 16384, 600)  # 39 MB
        (folder / "out").mkdir()

    async def opened(self, generation):
        client = await self.viewer(generation)
        await open_file(client, "cube.fits")
        line = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {"region_type": "LINE", "control_points": [{"x": 20.0, "y": 30.0}, {"x": 740.0, "y": 700.0}], "rotation": 0}})
        ack = await client.call("carta.open.catalog.file", {"directory": "", "name": "table.fits", "file_id": 1, "preview_data_size": 10}, timeout=PATIENCE)
        self.assertTrue(ack["success"], ack)
        await settled(client)
        return client, line["region_id"]

    async def cancelled_at_times(self, client, method, arguments, outcome, clean=None):
        """`outcome(result)`: what of the result must be the same each time, None for one that says by itself that it was cancelled. `arguments` may be
        a function, for calls that are answered at once the second time; its results then must all have the same outcome."""
        arguments_of = arguments if callable(arguments) else lambda: arguments

        async def whole():
            begun = time.monotonic()
            result = await client.call(method, *arguments_of(), timeout=PATIENCE)
            took = time.monotonic() - begun
            found = outcome(result)
            self.assertIsNotNone(found, result)
            if clean:
                await clean(result)
            return found, took

        before, took = await whole()
        ended = []
        for n in range(TIMES):
            id, answer = await client.start(method, list(arguments_of()))
            await asyncio.sleep(0 if n == 0 else self.random.uniform(0, took))
            found = await client.call("session.cancel", id)
            reply = await asyncio.wait_for(answer, PATIENCE)
            if "error" in reply:
                self.assertEqual(reply["error"], {"code": FAILED, "message": "cancelled", "data": {"method": method, "exception": "Cancelled"}})
                self.assertIs(found, True)
                ended.append("cancelled")
            elif (result := outcome(reply["result"])) is None:
                self.assertIs(found, True, reply)
                ended.append("said so")
            else:
                self.assertEqual(result, before)
                ended.append("done")
                if clean:
                    await clean(reply["result"])
            await settled(client)
            self.assertEqual([path.name for path in self.folder.rglob(".*")], [], "something half-written is left")
            self.assertLessEqual({file["file_id"] for file in (await client.call("session.state"))["files"]}, {0, 7, 8})
        print(f"{method}: {1e3 * took:.0f} ms; {', '.join(ended)}", flush=True)
        self.assertEqual((await whole())[0], before)
        await settled(client)
        self.alive()

    async def test_files_of_all_kinds_are_opened(self):
        for generation in (1, 2):
            client, _ = await self.opened(generation)

            async def close(_):
                for file in (await client.call("session.state"))["files"]:
                    if file["file_id"] > 0:
                        await client.call("carta.close.file", {"file_id": file["file_id"]})
                await settled(client)

            opening = {"directory": "", "file": "slow.fits.gz", "file_id": 7, "render_mode": "RASTER"}
            await self.cancelled_at_times(client, "carta.open.file", [opening], lambda r: r["file_info"]["name"] if r["success"] else None, close)
            images = [{"directory": "", "file": file, "hdu": "", "file_id": file_id, "render_mode": "RASTER", "regions": {}} for file_id, file in ((0, "cube.fits"), (7, "slow.fits.gz"), (8, "cube.fits"))]
            resuming = {"images": images, "catalog_files": [{"directory": "", "name": "table.fits", "file_id": 1, "preview_data_size": 5}]}
            await self.cancelled_at_times(client, "carta.resume.session", [resuming], lambda r: True if r["success"] else None, close)
            catalog = {"directory": "", "name": "table.fits", "file_id": 3, "preview_data_size": 50}
            await self.cancelled_at_times(client, "carta.open.catalog.file", [catalog], lambda r: r["data_size"] if r["success"] else None)
            await client.close()

    async def test_images_are_made_and_saved(self):
        client, line = await self.opened(2)

        async def close(answer):
            await client.call("carta.close.file", {"file_id": answer["open_file_ack"]["file_id"]})
            await settled(client)

        def shape(answer):
            self.assertTrue(answer["success"], answer)
            if answer["cancel"]:
                return self.assertIsNone(answer.get("open_file_ack"))
            extended = answer["open_file_ack"]["file_info_extended"]
            return [extended["width"], extended["height"], extended["depth"]]

        await self.cancelled_at_times(client, "carta.pv.request", [{"file_id": 0, "region_id": line, "width": 9}], shape, close)
        saving = {"file_id": 0, "output_file_directory": "out", "output_file_name": "saved.fits", "output_file_type": "FITS", "keep_degenerate": True, "overwrite": True}

        def saved(answer):
            return self.mean_of("out/saved.fits") if answer["success"] else None

        await self.cancelled_at_times(client, "carta.save.file", [saving], saved)
        start = [[400.0 + n, 300.0, 18.0 + n, 40.0, 40.0, 0.0] for n in range(3)]
        await self.cancelled_at_times(client, "carta.fitting.request", [fit_of(start)], lambda r: r["result_values"] if r["success"] else None)

    def mean_of(self, name):
        """Of a file that is whole."""
        with fits.open(self.folder / name) as hdus:
            self.assertEqual(hdus[0].data.shape, (DEPTH, SIDE, SIDE))
            return float(hdus[0].data.mean(dtype="f8"))

    async def test_tables_are_read(self):
        client, _ = await self.opened(1)
        asked = []

        def rows():
            asked.append(10 + len(asked))
            inside = {"inside": {"file_id": 0, "lon": "ra", "lat": "dec", "bounds": [-1000, 2000, -1000, 2000]}}
            return [1, ["ra", "name"], {"all": [{"column": "name", "matches": f"rce[0-9]*{asked[-1]}$"}, inside]}, "name"]

        def counted(answer):
            self.assertEqual(answer["rows"], (self.numbers % 100 == asked[-1]).sum())
            return True

        await self.cancelled_at_times(client, "catalog.rows", rows, counted)
        await self.cancelled_at_times(client, "catalog.pixels", [1, 0, "ra", "dec"], lambda r: [bytes(v) for v in r.values() if isinstance(v, (bytes, memoryview))] or str(r))

    async def test_pixels_are_read_and_drawn(self):
        client, _ = await self.opened(2)
        await self.cancelled_at_times(client, "image.read", [0], lambda r: hash(bytes(r["data"])))
        await self.cancelled_at_times(client, "image.render", [0], lambda r: hash(bytes(r["image"] if "image" in r else r["data"])))
        await self.cancelled_at_times(client, "image.preview", [0, 512], lambda r: hash(bytes(r["data"])))


if __name__ == "__main__":
    unittest.main(verbosity=1)
