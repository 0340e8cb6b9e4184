"""World coordinates against astropy: image.to_world, image.to_pixel, image.spectral_axis, image.header."""

import unittest
import warnings

import numpy
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from harness import ServerTest, open_file

C = 299792458.0
POINTS = numpy.array([[0, 0], [31.5, 20.25], [63, 47], [10, 40], [55.75, 3.1]])


def sky_header(projection="TAN", system="RA", rotation=0.0, **more):
    lon, lat = {"RA": ("RA--", "DEC-"), "GLON": ("GLON", "GLAT"), "ELON": ("ELON", "ELAT")}[system]
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"{lon}-{projection}", f"{lat}-{projection}"
    header["CRPIX1"], header["CRPIX2"], header["CDELT1"], header["CDELT2"] = 30.0, 20.0, -0.01, 0.01
    header["CRVAL1"], header["CRVAL2"], header["CUNIT1"], header["CUNIT2"] = 83.5, 22.0, "deg", "deg"
    if projection in ("CAR", "MER", "AIT"):
        header["CRVAL2"] = 0.0
    if rotation:
        cos, sin = numpy.cos(numpy.radians(rotation)), numpy.sin(numpy.radians(rotation))
        header["PC1_1"], header["PC1_2"], header["PC2_1"], header["PC2_2"] = cos, -sin, sin, cos
    header.update(more)
    return header


SKIES = {
    **{f"{p}.fits": sky_header(p) for p in ("TAN", "SIN", "ARC", "STG", "ZEA", "CAR", "AIT", "MER", "SFL")},
    "rotated.fits": sky_header("SIN", rotation=33),
    "galactic.fits": sky_header("TAN", "GLON"),
    "fk5.fits": sky_header("TAN", RADESYS="FK5", EQUINOX=2000.0),
    "fk5_1975.fits": sky_header("TAN", RADESYS="FK5", EQUINOX=1975.0),
    "fk4.fits": sky_header("TAN", RADESYS="FK4", EQUINOX=1950.0),
    "icrs.fits": sky_header("TAN", RADESYS="ICRS"),
}
FREQUENCIES = 1.42e9 + 5e5 * (numpy.arange(50) + 1 - 10)


class World(ServerTest):
    @classmethod
    def make_files(cls, folder):
        for name, header in SKIES.items():
            fits.writeto(folder / name, numpy.zeros((48, 64), "f4"), header)
        spectral = {"CTYPE3": "FREQ", "CRPIX3": 10.0, "CRVAL3": 1.42e9, "CDELT3": 5e5, "CUNIT3": "Hz", "RESTFRQ": 1.420405752e9, "SPECSYS": "LSRK"}
        fits.writeto(folder / "freq.fits", numpy.zeros((50, 5, 6), "f4"), sky_header(**spectral))
        spectral = {"CTYPE3": "VRAD", "CRPIX3": 1.0, "CRVAL3": 1e5, "CDELT3": 2e3, "CUNIT3": "m/s", "RESTFRQ": 1.420405752e9, "SPECSYS": "BARYCENT"}
        fits.writeto(folder / "vrad.fits", numpy.zeros((20, 5, 6), "f4"), sky_header(**spectral))
        spectral = {"CTYPE3": "WAVE", "CRPIX3": 1.0, "CRVAL3": 5e-7, "CDELT3": 1e-10, "CUNIT3": "m"}
        fits.writeto(folder / "wave.fits", numpy.zeros((20, 5, 6), "f4"), sky_header(**spectral))
        fits.writeto(folder / "none.fits", numpy.zeros((5, 6), "f4"))

    async def test_pixels_and_sky(self):
        client = await self.viewer()
        for name, header in SKIES.items():
            with self.subTest(file=name):
                await open_file(client, name)
                expected = numpy.array(WCS(header).pixel_to_world_values(*POINTS.T)).T
                world = await client.call("image.to_world", file_id=0, points=POINTS.tolist())
                got = numpy.array(world["points"])
                got[:, 0] %= 360
                expected[:, 0] %= 360
                numpy.testing.assert_allclose(got, expected, atol=1e-9)
                self.assertEqual(world["units"], ["deg", "deg"])
                back = await client.call("image.to_pixel", file_id=0, points=world["points"])
                numpy.testing.assert_allclose(back["points"], POINTS, atol=1e-5)

    async def test_frames(self):
        client = await self.viewer()
        for name in ("fk5.fits", "fk5_1975.fits", "fk4.fits", "icrs.fits", "galactic.fits"):
            await open_file(client, name)
            expected = WCS(SKIES[name]).pixel_to_world(*POINTS.T)
            for frame, system in (("ICRS", "icrs"), ("GALACTIC", "galactic"), ("FK5", "fk5")):
                with self.subTest(file=name, frame=frame):
                    world = await client.call("image.to_world", file_id=0, points=POINTS.tolist(), frame=frame)
                    got = SkyCoord(numpy.array(world["points"]) * units.deg, frame=system)
                    # A hundredth of an arc second: the theories of FK4 differ by that much.
                    limit = 0.05 if name == "fk4.fits" else 0.001
                    self.assertLess(got.separation(expected).arcsec.max(), limit)
                    back = await client.call("image.to_pixel", file_id=0, points=world["points"], frame=frame)
                    numpy.testing.assert_allclose(back["points"], POINTS, atol=1e-4)
        await self.fails(client.call("image.to_world", file_id=0, points=[[0, 0]], frame="NOWHERE"), -32602, "frame")
        await self.fails(client.call("image.to_world", file_id=0, points=[[0, 0, 0]]), -32602, "points[0]")
        await self.fails(client.call("image.to_world", file_id=0, points=[["a", 0]]), -32602, "points[0][0]")

    async def test_spectral_axes(self):
        client = await self.viewer()
        await open_file(client, "freq.fits")
        rest = 1.420405752e9

        async def axis(kind, **more):
            answer = await client.call("image.spectral_axis", file_id=0, kind=kind, **more)
            return numpy.array(answer["values"]), answer

        values, answer = await axis("frequency")
        numpy.testing.assert_allclose(values, FREQUENCIES, rtol=1e-13)
        self.assertEqual((answer["unit"], answer["frame"], answer["rest_freq"]), ("Hz", "LSRK", rest))
        numpy.testing.assert_allclose((await axis("wavelength"))[0], C / FREQUENCIES, rtol=1e-13)
        for kind in ("velocity_radio", "radio velocity", "velocity radio"):
            numpy.testing.assert_allclose((await axis(kind))[0], C * (1 - FREQUENCIES / rest), rtol=1e-9, atol=1e-6)
        numpy.testing.assert_allclose((await axis("velocity_optical"))[0], C * (rest / FREQUENCIES - 1), rtol=1e-9, atol=1e-6)
        numpy.testing.assert_allclose((await axis("velocity_radio", rest_freq=1.43e9))[0], C * (1 - FREQUENCIES / 1.43e9), rtol=1e-9)
        numpy.testing.assert_allclose((await axis("channel"))[0], numpy.arange(50))
        await self.fails(axis("nonsense"), -32602, "nonsense")

        await open_file(client, "vrad.fits")
        velocities = 1e5 + 2e3 * numpy.arange(20)
        numpy.testing.assert_allclose((await axis("velocity_radio"))[0], velocities, rtol=1e-9)
        numpy.testing.assert_allclose((await axis("frequency"))[0], rest * (1 - velocities / C), rtol=1e-12)
        await open_file(client, "wave.fits")
        waves = 5e-7 + 1e-10 * numpy.arange(20)
        numpy.testing.assert_allclose((await axis("wavelength"))[0], waves, rtol=1e-12)
        numpy.testing.assert_allclose((await axis("frequency"))[0], C / waves, rtol=1e-12)
        await self.fails(axis("velocity_radio"), -32001, "rest")
        await self.fails(axis("velocity_radio", rest_freq=-1.0), -32602, "rest_freq")
        await self.fails(axis("velocity_radio", rest_freq=float("nan")), -32602, "rest_freq")
        await open_file(client, "TAN.fits")
        await self.fails(axis("frequency"), -32001, "spectral")

    async def test_header_round_trip(self):
        client = await self.viewer()
        for name in ("rotated.fits", "freq.fits"):
            await open_file(client, name)
            cards = (await client.call("image.header", file_id=0))["cards"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = fits.Header.fromstring("".join(card.ljust(80) for card in cards))
            self.assertEqual(dict(header), dict(fits.getheader(self.folder / name)))

    async def test_no_world(self):
        client = await self.viewer()
        await open_file(client, "none.fits")
        await self.fails(client.call("image.to_world", file_id=0, points=[[0, 0], [2, 3]]), -32001, "no world coordinates")


if __name__ == "__main__":
    unittest.main()
