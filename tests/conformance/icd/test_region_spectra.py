#!/usr/bin/env python3
"""Spectra of regions as CARTA's page asks for them, and as a program in its session gets them beside it."""

import numpy

from harness import CUBE, Case, icd, run

Config = icd.SetSpectralRequirements.SpectralConfig


def rectangle(x, y, width, height):
    return icd.RegionInfo(region_type=icd.RECTANGLE, control_points=[icd.Point(x=x, y=y), icd.Point(x=width, y=height)])


def mean(x, y, width, height):
    """Of each channel; the centre is a pixel's, sizes are even."""
    return CUBE[:, y - height // 2 : y + height // 2 + 1, x - width // 2 : x + width // 2 + 1].mean(axis=(1, 2), dtype="f8")


def values(profile):
    return numpy.frombuffer(profile.raw_values_fp64, "<f8")


class RegionSpectra(Case):
    async def test_a_page_and_a_program(self):
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="cube.fits", file_id=0, hdu="0")
        ack = await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=rectangle(30, 20, 10, 6))
        self.assertTrue(ack.success)
        await page.tell("SET_SPECTRAL_REQUIREMENTS", file_id=0, region_id=ack.region_id,
                        spectral_profiles=[Config(coordinate="z", stats_types=[icd.Mean, icd.NumPixels])])  # fmt: skip
        message = await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.progress == 1)
        self.assertEqual((message.file_id, message.region_id, message.stokes), (0, ack.region_id, 0))
        self.assertEqual([(p.coordinate, p.stats_type) for p in message.profiles], [("z", icd.Mean), ("z", icd.NumPixels)])
        numpy.testing.assert_allclose(values(message.profiles[0]), mean(30, 20, 10, 6), rtol=1e-9, atol=1e-12)
        self.assertTrue((values(message.profiles[1]) == 77).all())
        self.assertEqual(message.profiles[0].raw_values_fp32, b"")

        program = await self.wslink(page.session)
        await program.call("carta.set.spectral.requirements", {"file_id": 0, "region_id": ack.region_id, "spectral_profiles": [{"coordinate": "z", "stats_types": ["Mean"]}]})
        theirs = await program.next("carta.spectral.profile.data", lambda m: m["progress"] == 1)
        numpy.testing.assert_allclose(numpy.frombuffer(theirs["profiles"][0]["raw_values_fp64"], "<f8"), mean(30, 20, 10, 6), rtol=1e-9, atol=1e-12)
        for x in range(31, 50):
            await page.ask("SET_REGION", file_id=0, region_id=ack.region_id, region_info=rectangle(x, 20, 10, 6))
        newest = mean(49, 20, 10, 6)
        await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.progress == 1 and numpy.allclose(values(m.profiles[0]), newest, rtol=1e-9, atol=1e-12))
        await program.next("carta.spectral.profile.data", lambda m: numpy.allclose(numpy.frombuffer(m["profiles"][0]["raw_values_fp64"], "<f8"), newest, rtol=1e-9, atol=1e-12))
        await page.tell("REMOVE_REGION", region_id=ack.region_id)
        await page.tell("SET_SPECTRAL_REQUIREMENTS", file_id=0, region_id=ack.region_id)  # pages do this, and it is no error
        await page.tell("SET_SPECTRAL_REQUIREMENTS", file_id=0, region_id=ack.region_id, spectral_profiles=[Config(coordinate="z")])
        error = await page.next("ERROR_DATA")
        self.assertIn("does not exist", error.message)


if __name__ == "__main__":
    run()
