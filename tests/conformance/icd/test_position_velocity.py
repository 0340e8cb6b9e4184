"""Position-velocity images and a preview that follows its line, as CARTA's page asks for them."""

import numpy

from harness import CUBE, PATIENCE, Case, icd, run

DATA = "PV_PREVIEW_DATA"


def line(*points):
    return icd.RegionInfo(region_type=icd.LINE, control_points=[icd.Point(x=x, y=y) for x, y in points])


class PositionVelocity(Case):
    async def opened(self):
        self.start()
        page = await self.page()
        self.assertTrue((await page.ask("OPEN_FILE", file="cube.fits", file_id=0)).success)
        ack = await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=line((10, 20), (50, 20)))
        self.assertTrue(ack.success)
        return page, ack.region_id

    async def test_image(self):
        page, region = await self.opened()
        answer = await page.ask("PV_REQUEST", file_id=0, region_id=region, width=1, spectral_range=icd.IntBounds(min=0, max=0))
        self.assertEqual((answer.success, answer.cancel, answer.HasField("preview_data")), (True, False, False))
        ack = answer.open_file_ack
        self.assertEqual((ack.file_id, ack.file_info.name, ack.file_info.type), (1, "cube_pv.fits", icd.CASA))
        extended = ack.file_info_extended
        self.assertEqual((extended.width, extended.height), (41, 1))
        self.assertEqual((await page.next("REGION_HISTOGRAM_DATA", lambda m: m.file_id == 1, timeout=PATIENCE)).region_id, -1)
        answer = await page.ask("PV_REQUEST", file_id=0, region_id=region, width=1, spectral_range=icd.IntBounds(min=3, max=2))
        self.assertFalse(answer.success)
        self.assertTrue(answer.message)

    async def test_preview(self):
        page, region = await self.opened()
        settings = icd.PvPreviewSettings(preview_id=0, region_id=-1, rebin_xy=1, rebin_z=1, compression_type=icd.ZFP, image_compression_quality=20,
                                         animation_compression_quality=9)  # fmt: skip
        answer = await page.ask("PV_REQUEST", file_id=0, region_id=region, width=1, preview_settings=settings)
        self.assertEqual((answer.success, answer.HasField("open_file_ack")), (True, False))
        first = answer.preview_data
        self.assertEqual((first.width, first.height, first.compression_quality), (41, len(CUBE), 20))
        self.assertTrue(first.HasField("histogram"))
        values = CUBE[:, 20, 10:51]
        self.assertAlmostEqual(first.histogram_bounds.max, float(numpy.nanmax(values)), places=5)
        await page.tell("SET_REGION", file_id=0, region_id=region, region_info=line((10, 30), (40, 30)), preview_region=True)
        data = await page.next(DATA, timeout=PATIENCE)
        self.assertEqual((data.width, data.height, data.compression_quality, data.HasField("histogram")), (31, len(CUBE), 9, False))
        self.assertAlmostEqual(data.histogram_bounds.min, float(numpy.nanmin(CUBE[:, 30, 10:41])), places=5)
        self.assertTrue((await page.ask("SET_REGION", file_id=0, region_id=region, region_info=line((10, 30), (45, 30)))).success)
        data = await page.next(DATA, lambda m: m.HasField("histogram"), timeout=PATIENCE)
        self.assertEqual((data.width, data.compression_quality), (35, 20))


if __name__ == "__main__":
    run()
