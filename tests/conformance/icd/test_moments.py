"""Moments as CARTA's page asks for them: made, refused, stopped, made again after a restart; our own fields in the ICD's dialect."""

import numpy
from astropy.io import fits

from harness import CUBE, PATIENCE, Case, icd, run

CENTRE = dict(region_type=icd.RECTANGLE, control_points=[icd.Point(x=30, y=20), icd.Point(x=21, y=11)])


class Moments(Case):
    async def opened(self, file="cube.fits"):
        self.start()
        page = await self.page()
        self.assertTrue((await page.ask("OPEN_FILE", file=file, file_id=0)).success)
        return page

    def ask(self, page, *moments, **more):
        fields = dict(file_id=0, moments=moments, axis=icd.SPECTRAL, region_id=-1, spectral_range=icd.IntBounds(min=0, max=len(CUBE) - 1), mask=getattr(icd, "None"), rest_freq=0)
        return page.ask("MOMENT_REQUEST", **{**fields, **more})

    async def plane(self, page, file_id):
        """By the one tile that these small images have."""
        await page.tell("ADD_REQUIRED_TILES", file_id=file_id, compression_type=icd.NONE, tiles=[0])
        data = await page.next("RASTER_TILE_DATA", lambda m: m.file_id == file_id, timeout=PATIENCE)
        tile = data.tiles[0]
        return numpy.frombuffer(tile.image_data, "<f4").reshape(tile.height, tile.width)

    async def test_images(self):
        page = await self.opened()
        answer = await self.ask(page, icd.MAX_OF_THE_SPECTRUM, icd.MEAN_OF_THE_SPECTRUM)
        self.assertEqual((answer.success, answer.cancel), (True, False))
        self.assertIn("no rest frequency", answer.message)
        acks = answer.open_file_acks
        self.assertEqual([(ack.file_id, ack.file_info.name, ack.file_info.type, ack.success) for ack in acks],
                         [(1, "cube.fits.moment.maximum", icd.CASA, True), (2, "cube.fits.moment.average", icd.CASA, True)])  # fmt: skip
        for ack, expected in zip(acks, (CUBE.max(axis=0), CUBE.mean(axis=0, dtype="f8"))):
            extended = ack.file_info_extended
            self.assertEqual((extended.width, extended.height, extended.depth, extended.stokes), (80, 60, 1, 1))
            histogram = await page.next("REGION_HISTOGRAM_DATA", lambda m, id=ack.file_id: m.file_id == id, timeout=PATIENCE)
            self.assertAlmostEqual(histogram.histograms.mean, float(expected.mean()), places=5)
            numpy.testing.assert_allclose(await self.plane(page, ack.file_id), expected, rtol=1e-5, atol=1e-6)
        # The last progress is told before the answer.
        self.assertEqual((await page.next("MOMENT_PROGRESS", lambda m: m.progress == 1, timeout=PATIENCE)).file_id, 0)

    async def test_within_a_region(self):
        page = await self.opened()
        region = (await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=icd.RegionInfo(**CENTRE))).region_id
        bounds = icd.FloatBounds(min=0, max=9)
        answer = await self.ask(page, icd.INTEGRATED_OF_THE_SPECTRUM, icd.MEAN_OF_THE_SPECTRUM, region_id=region, mask=icd.Include, pixel_range=bounds, rest_freq=1.41e9, keep=True)
        self.assertTrue(answer.success, answer.message)
        self.assertEqual([ack.file_info.name for ack in answer.open_file_acks], ["cube.fits.moment.integrated1", "cube.fits.moment.average1"])
        part = CUBE[:, 15:26, 20:41]
        with numpy.errstate(invalid="ignore"):
            expected = numpy.where(part >= 0, part, 0).sum(axis=0, dtype="f8") / (part >= 0).sum(axis=0)
        numpy.testing.assert_allclose(await self.plane(page, 2), expected, rtol=1e-5)
        unit = [entry.value for entry in answer.open_file_acks[0].file_info_extended.header_entries if entry.name == "RESTFRQ"]
        self.assertEqual([float(value) for value in unit], [1.41e9])

    async def test_refused(self):
        page = await self.opened()
        for wrong in ({"file_id": 7}, {"axis": icd.STOKES}, {"region_id": 5}, {"spectral_range": icd.IntBounds(min=9, max=3)}, {"mask": icd.Include},
                      {"mask": icd.Exclude, "pixel_range": icd.FloatBounds(min=3, max=1)}, {"output_directory": "x"}, {"output_file": ".."}):  # fmt: skip
            answer = await self.ask(page, icd.MEAN_OF_THE_SPECTRUM, **wrong)
            self.assertEqual((answer.success, answer.cancel, len(answer.open_file_acks)), (False, False, 0), wrong)
            self.assertTrue(answer.message.endswith("."), answer.message)
        self.assertFalse((await self.ask(page)).success)
        await page.tell("STOP_MOMENT_CALC", file_id=0)  # nothing to stop
        self.assertTrue((await self.ask(page, icd.MEAN_OF_THE_SPECTRUM)).success)

    async def test_file_of_all(self):
        page = await self.opened()
        fields = {"output_directory": ".", "output_file": "moments.fits"}
        self.assertTrue((await self.ask(page, icd.MEAN_OF_THE_SPECTRUM, icd.RMS_OF_THE_SPECTRUM, **fields)).success)
        answer = await self.ask(page, icd.MAX_OF_THE_SPECTRUM, **fields)
        self.assertEqual((answer.success, "exists already" in answer.message), (False, True))
        with fits.open(f"{self.folder}/data/moments.fits") as file:
            self.assertEqual([hdu.name for hdu in file], ["PRIMARY", "average", "rms"])
        self.assertTrue((await self.ask(page, icd.MAX_OF_THE_SPECTRUM, overwrite=True, **fields)).success)
        with fits.open(f"{self.folder}/data/moments.fits") as file:
            numpy.testing.assert_array_equal(numpy.squeeze(file["maximum"].data), CUBE.max(axis=0))


if __name__ == "__main__":
    run()
