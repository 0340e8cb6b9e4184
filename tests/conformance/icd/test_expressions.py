#!/usr/bin/env python3
"""Expressions in the ICD's dialect: opened, refused, and resumed by a page that had them open."""

import numpy

from harness import CUBE, Case, icd, run


class Expressions(Case):
    async def spectrum(self, page, file_id):
        point = icd.Point(x=5, y=6)
        await page.tell("SET_SPECTRAL_REQUIREMENTS", file_id=file_id, region_id=0,
                        spectral_profiles=[icd.SetSpectralRequirements.SpectralConfig(coordinate="z", stats_types=[icd.Sum])])  # fmt: skip
        await page.tell("SET_CURSOR", file_id=file_id, point=point)
        data = await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.file_id == file_id and m.progress == 1)
        return numpy.frombuffer(data.profiles[0].raw_values_fp32, "<f4")

    async def test_opened_and_refused(self):
        self.start()
        page = await self.page()
        ack = await page.ask("OPEN_FILE", directory="", file="cube.fits^2 + image.fits", file_id=3, lel_expr=True)
        self.assertEqual((ack.success, ack.file_id), (False, 3))
        self.assertIn("column 13: images of different sizes", ack.message)
        ack = await page.ask("OPEN_FILE", directory="", file="cube.fits^2 - 1", file_id=3, lel_expr=True)
        self.assertTrue(ack.success, ack.message)
        self.assertEqual((ack.file_info.name, ack.file_info.type), ("cube.fits^2 - 1", icd.CASA))
        self.assertEqual(ack.file_info_extended.depth, 20)
        numpy.testing.assert_array_equal(await self.spectrum(page, 3), CUBE[:, 6, 5] * CUBE[:, 6, 5] - numpy.float32(1))

    async def test_resumed(self):
        self.start()
        page = await self.page(78)
        asked = icd.ImageProperties(directory="", file="2*cube.fits", file_id=1, lel_expr=True, channel=4)
        broken = icd.ImageProperties(directory="", file="2*gone.fits", file_id=2, lel_expr=True)
        ack = await page.ask("RESUME_SESSION", images=[asked])
        self.assertEqual((ack.success, ack.message), (True, ""))
        numpy.testing.assert_array_equal(await self.spectrum(page, 1), CUBE[:, 6, 5] * 2)
        ack = await page.ask("RESUME_SESSION", images=[broken])
        self.assertFalse(ack.success)
        self.assertIn("column 3: ", ack.message)


if __name__ == "__main__":
    run()
