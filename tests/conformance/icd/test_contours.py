"""Contours as CARTA's page asks for them: with its parameters, in its dialect, and after its sessions have been resumed."""

import sqlite3

import numpy

from harness import CUBE, PATIENCE, Case, icd, run, until
from contours import check_lines, lines_of, quantized, rounded, crossings, low  # by harness: tests/support is on the path

DATA = "CONTOUR_IMAGE_DATA"


def parameters(levels, **more):
    """The page's defaults."""
    bounds = icd.ImageBounds(x_min=0, x_max=80, y_min=0, y_max=60)
    defaults = {"file_id": 0, "reference_file_id": 0, "image_bounds": bounds, "levels": levels, "smoothing_mode": icd.GaussianBlur, "smoothing_factor": 4,
                "decimation_factor": 4, "compression_level": 8, "contour_chunk_size": 100000}  # fmt: skip
    return {**defaults, **more}


class Contours(Case):
    async def opened(self):
        self.start()
        page = await self.page()
        self.assertTrue((await page.ask("OPEN_FILE", file="cube.fits", file_id=0)).success)
        return page

    async def lines(self, page, level, channel):
        """Of one level, which is sent plain."""
        lines = []
        while True:
            message = await page.next(DATA, timeout=PATIENCE)
            self.assertEqual((message.file_id, message.channel, message.stokes, len(message.contour_sets)), (0, channel, 0, 1))
            one = message.contour_sets[0]
            self.assertEqual(one.level, level)
            self.assertEqual(one.uncompressed_coordinates_size, len(one.raw_coordinates))
            lines += lines_of(numpy.frombuffer(one.raw_coordinates, "<f4"), numpy.frombuffer(one.raw_start_indices, "<i4"))
            if message.progress == 1:
                return lines

    async def test_lines(self):
        page = await self.opened()
        await page.tell("SET_CONTOUR_PARAMETERS", **parameters([0.25], smoothing_mode=icd.NoSmoothing, compression_level=0))
        check_lines(CUBE[0], 0.25, await self.lines(page, 0.25, 0))
        await page.tell("SET_IMAGE_CHANNELS", file_id=0, channel=9, stokes=0, required_tiles=icd.AddRequiredTiles(file_id=0))
        check_lines(CUBE[9], 0.25, await self.lines(page, 0.25, 9))

    async def test_the_pages_defaults(self):
        page = await self.opened()
        await page.tell("SET_CONTOUR_PARAMETERS", **parameters([0.0, 0.1]))
        for _ in range(2):
            message = await page.next(DATA, timeout=PATIENCE)
            (one,) = message.contour_sets
            self.assertEqual((message.progress, one.decimation_factor), (1, 4))
            vertices = quantized(one.raw_coordinates)
            self.assertEqual(one.uncompressed_coordinates_size, 8 * len(vertices))
            self.assertGreater(len(vertices), 100)
            # The blur leaves out 3 pixels at each edge.
            self.assertTrue((vertices.min(0) >= 4 * 3.5).all() and (vertices.max(0) <= [4 * 76.5, 4 * 56.5]).all())

    async def test_compressed(self):
        page = await self.opened()
        await page.tell("SET_CONTOUR_PARAMETERS", **parameters([0.3], smoothing_mode=icd.NoSmoothing))
        (one,) = (await page.next(DATA, timeout=PATIENCE)).contour_sets
        expected = {tuple(v) for v in rounded(crossings(low(CUBE[0]), 0.3), 4).tolist()}
        self.assertEqual({tuple(v) for v in quantized(one.raw_coordinates).tolist()}, expected)

    async def test_resumed_by_the_page(self):
        self.start()
        page = await self.page(77)
        settings = icd.SetContourParameters(**parameters([0.5], smoothing_mode=icd.NoSmoothing, compression_level=0))
        image = icd.ImageProperties(file="cube.fits", file_id=0, channel=4, contour_settings=settings)
        ack = await page.ask("RESUME_SESSION", images=[image])
        self.assertEqual((ack.success, ack.message), (True, ""))
        check_lines(CUBE[4], 0.5, await self.lines(page, 0.5, 4))

    async def test_after_a_restart(self):
        page = await self.opened()
        await page.tell("SET_CONTOUR_PARAMETERS", **parameters([0.75], smoothing_mode=icd.NoSmoothing, compression_level=0))
        await self.lines(page, 0.75, 0)
        await page.tell("SET_IMAGE_CHANNELS", file_id=0, channel=6, stokes=0, required_tiles=icd.AddRequiredTiles(file_id=0))
        await self.lines(page, 0.75, 6)

        async def saved():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (page.session,)).fetchone()
            return row and '"contours"' in row[0] and '"channel":6' in row[0].replace(" ", "")

        await until(saved, "contours in the store")
        await self.stopped()
        self.start()
        again = await self.page(page.session)
        check_lines(CUBE[6], 0.75, await self.lines(again, 0.75, 6))


if __name__ == "__main__":
    run()
