"""Moments of every spectral axis against astropy, and against spectral_cube."""

import unittest
import warnings

import astropy.units as u
import numpy
from astropy.coordinates import SpectralCoord
from astropy.io import fits
from astropy.wcs import WCS

from harness import ServerTest, open_file
from moment_oracle import REST, entries, moments_of, plane_of, spectral_header


class Velocities(ServerTest):
    """The coordinate of the maximum tells each channel's velocity."""

    # (ctype, unit, value, step, rest in the header, rest asked for)
    AXES = (("FREQ", "Hz", 1.42e9, 3e5, REST, None), ("FREQ", "GHz", 1.42, -3e-4, REST, 1.43e9), ("FREQ", "Hz", 1.42e9, 3e5, None, 1.43e9),
            ("VRAD", "km/s", 300.0, -7.0, REST, None), ("VRAD", "m/s", 3e5, 7e3, None, None), ("VRAD", "m/s", 3e5, 7e3, REST, 1.43e9),
            ("VOPT", "m/s", 9e6, 4e4, REST, None), ("VELO", "m/s", 9e6, 4e4, REST, None), ("WAVE", "m", 0.213, 1e-4, REST, None),
            ("WAVE", "um", 0.8, 1e-4, 3.75e14, None), ("AWAV", "Angstrom", 6563.0, 1.5, 4.568e14, None), ("VOPT-F2W", "m/s", 9e6, 4e4, REST, None))  # fmt: skip

    @classmethod
    def make_files(cls, folder):
        # In each column of pixels another channel is the largest one.
        cls.cube = numpy.zeros((8, 2, 8), "f4")
        cls.cube[numpy.arange(8), :, numpy.arange(8)] = 1
        for number, (ctype, unit, value, step, rest, _) in enumerate(cls.AXES):
            fits.writeto(folder / f"axis{number}.fits", cls.cube, spectral_header(ctype, value, step, rest, unit))

    def expected(self, file, ctype, rest, asked):
        wcs = WCS(fits.getheader(file)).spectral
        world = wcs.all_pix2world(numpy.arange(8), 0)[0]
        used = asked or rest
        doppler = {"VRAD": "radio", "FREQ": "radio", "VOPT": "optical", "WAVE": "optical", "AWAV": "optical", "VELO": "relativistic"}[ctype[:4]]
        if ctype[:1] == "V":
            if not rest or not asked:
                return world / 1000
            frequency = SpectralCoord(world, u.m / u.s, doppler_rest=rest * u.Hz, doppler_convention=doppler).to(u.Hz)
        elif ctype == "AWAV":
            microns = world * 1e6
            index = lambda vacuum: 1 + 1e-6 * (287.6155 + 1.62887 / vacuum**2 + 0.01360 / vacuum**4)  # noqa: E731
            vacuum = microns
            for _ in range(5):
                vacuum = microns * index(vacuum)
            frequency = (vacuum * u.um).to(u.Hz, u.spectral())
        else:
            frequency = (world * (u.Hz if ctype == "FREQ" else u.m)).to(u.Hz, u.spectral())
        return frequency.to(u.km / u.s, getattr(u, f"doppler_{doppler}")(used * u.Hz)).value

    async def test_of_every_axis(self):
        client = await self.viewer()
        for number, (ctype, unit, value, step, rest, asked) in enumerate(self.AXES):
            with self.subTest(f"{ctype} {unit}, rest frequency {rest}, asked for {asked}"):
                await open_file(client, f"axis{number}.fits", 0)
                answer = await moments_of(client, [10, 1], **({"rest_freq": asked} if asked else {}))
                coordinate, integrated = [await plane_of(client, ack["file_id"]) for ack in answer["open_file_acks"]]
                expected = self.expected(self.folder / f"axis{number}.fits", ctype, rest, asked)
                numpy.testing.assert_allclose(coordinate[0], expected, rtol=1e-6, atol=2e-3)
                widths = numpy.abs(numpy.gradient(expected, edge_order=2))
                numpy.testing.assert_allclose(integrated[1], widths, rtol=2e-4)
                header = entries(answer["open_file_acks"][0])
                self.assertEqual(header["BUNIT"], "km/s")
                if asked:
                    self.assertAlmostEqual(float(header["RESTFRQ"]), asked)
                for ack in answer["open_file_acks"]:
                    await client.call("carta.close.file", {"file_id": ack["file_id"]})

    async def test_without_a_rest_frequency(self):
        client = await self.viewer()
        await open_file(client, "axis2.fits", 0)
        answer = await moments_of(client, [10, 1])
        self.assertIn("frequency", answer["message"])
        self.assertEqual([entries(ack)["BUNIT"] for ack in answer["open_file_acks"]], ["Hz", "Jy/beam.Hz"])
        numpy.testing.assert_allclose((await plane_of(client, answer["open_file_acks"][0]["file_id"]))[0], 1.42e9 + 3e5 * (numpy.arange(8) - 4), rtol=1e-6)


class AgainstSpectralCube(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random_numbers = numpy.random.default_rng(3)
        cube = random_numbers.normal(size=(12, 20, 22)) + 5 * numpy.exp(-((numpy.arange(12)[:, None, None] - 6) ** 2) / 6)
        fits.writeto(folder / "cube.fits", cube.astype("f4"), spectral_header("VRAD", 2e5, 1.5e3, REST, "m/s"))

    async def test_moments_0_1_2(self):
        from spectral_cube import SpectralCube

        client = await self.viewer()
        await open_file(client, "cube.fits", 0)
        answer = await moments_of(client, [1, 2, 3])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cube = SpectralCube.read(str(self.folder / "cube.fits")).with_spectral_unit(u.km / u.s)
            theirs = [cube.moment(order=0).value, cube.moment(order=1).value, numpy.sqrt(cube.moment(order=2).value)]
        for ack, expected in zip(answer["open_file_acks"], theirs):
            numpy.testing.assert_allclose(await plane_of(client, ack["file_id"]), expected, rtol=1e-4)


if __name__ == "__main__":
    unittest.main()
