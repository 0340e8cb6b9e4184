"""Moments of cubes with a beam for each channel: common beams against radio_beam."""

import unittest

import astropy.units as u
import numpy
from astropy.io import fits

from harness import ServerTest, open_file
from moment_oracle import SEED, entries, moments_of, plane_of, spectral_header


class Beams(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.random = numpy.random.default_rng(SEED)
        cls.beams = [(7.0, 5.0, 20.0), (7.5, 4.8, 35.0), (6.6, 5.5, -10.0), (8.0, 5.2, 25.0)]
        cls.y, cls.x = numpy.mgrid[:64, :72].astype("f8")
        cls.cube = numpy.stack([cls.source(*beam) for beam in cls.beams]).astype("f4")
        cls.write(folder / "beams.fits", cls.beams, "Jy/beam")
        cls.write(folder / "kelvin.fits", cls.beams, "K")
        cls.write(folder / "hole.fits", [*cls.beams[:3], (0.0, 0.0, 0.0)], "Jy/beam")

    @classmethod
    def source(cls, major, minor, pa):
        """A source of 1 Jy at pixel (36, 30), of pixels of 1 arcsec, with north up and east to the left."""
        east, north = -(cls.x - 36), cls.y - 30
        angle = numpy.radians(pa)
        along, across = north * numpy.cos(angle) + east * numpy.sin(angle), -north * numpy.sin(angle) + east * numpy.cos(angle)
        return numpy.exp(-4 * numpy.log(2) * ((along / major) ** 2 + (across / minor) ** 2))

    @classmethod
    def write(cls, path, beams, unit):
        header = spectral_header()
        for key in ("BMAJ", "BMIN", "BPA"):
            del header[key]
        header["CASAMBM"], header["BUNIT"] = True, unit
        major, minor, pa = zip(*beams)
        columns = [fits.Column("BMAJ", "1E", "arcsec", array=major), fits.Column("BMIN", "1E", "arcsec", array=minor), fits.Column("BPA", "1E", "deg", array=pa),
                   fits.Column("CHAN", "1J", array=numpy.arange(len(beams))), fits.Column("POL", "1J", array=numpy.zeros(len(beams), "i4"))]  # fmt: skip
        table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
        table.header["NCHAN"], table.header["NPOL"] = len(beams), 1
        fits.HDUList([fits.PrimaryHDU(cls.cube, header), table]).writeto(path)

    async def test_channels_are_convolved_to_the_common_beam(self):
        import radio_beam

        table = radio_beam.Beams(*(numpy.array(part) * unit for part, unit in zip(zip(*self.beams), (u.arcsec, u.arcsec, u.deg))))
        theirs = table.common_beam()  # enlarged a little
        client = await self.viewer()
        await open_file(client, "beams.fits", 0)
        answer = await moments_of(client, [9, 11])
        self.assertEqual(answer["message"], "")
        header = entries(answer["open_file_acks"][0])
        major, minor, pa = float(header["BMAJ"]) * 3600, float(header["BMIN"]) * 3600, float(header["BPA"])
        self.assertLess(abs(major * minor / (theirs.major.to_value(u.arcsec) * theirs.minor.to_value(u.arcsec)) - 1), 5e-3)
        self.assertLess(abs(major / theirs.major.to_value(u.arcsec) - 1), 1e-2)
        self.assertLess(abs((pa - theirs.pa.to_value(u.deg) + 90) % 180 - 90), 3)
        # A point source of the same flux has the same peak per beam in all channels.
        largest, smallest = [await plane_of(client, ack["file_id"]) for ack in answer["open_file_acks"]]
        expected = self.source(major, minor, pa)
        for plane in (largest, smallest):
            self.assertLess(numpy.abs(plane - expected).max(), 0.02)

    async def test_brightness_is_not_scaled(self):
        client = await self.viewer()
        await open_file(client, "kelvin.fits", 0)
        answer = await moments_of(client, [9])
        header = entries(answer["open_file_acks"][0])
        area = float(header["BMAJ"]) * float(header["BMIN"]) * 3600**2
        plane = await plane_of(client, answer["open_file_acks"][0]["file_id"])
        self.assertAlmostEqual(plane[30, 36], max(a * b for a, b, _ in self.beams) / area, delta=0.02)

    async def test_what_can_not_be_convolved_is_said(self):
        client = await self.viewer()
        await open_file(client, "hole.fits", 0)
        answer = await moments_of(client, [0])
        self.assertIn("channel 3 has no valid beam", answer["message"])
        numpy.testing.assert_allclose(await plane_of(client, answer["open_file_acks"][0]["file_id"]), self.cube.mean(axis=0, dtype="f8"), atol=1e-6)
        # The channels that have one can be.
        answer = await moments_of(client, [0], spectral_range={"min": 0, "max": 2})
        self.assertEqual(answer["message"], "")


if __name__ == "__main__":
    unittest.main()
