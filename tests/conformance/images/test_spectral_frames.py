"""Spectral reference frames against astropy: image.spectral_axis with `frame`."""

import unittest
import warnings

import numpy
from astropy import units
from astropy.coordinates import FK5, ICRS, CartesianDifferential, EarthLocation, Galactic, SkyCoord, SpectralCoord
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers

from harness import ServerTest, open_file

C = 299792458.0
REST = 1.420405752e9
KMS = units.km / units.s
OBSERVATORY = (-1601185.4, -5041977.5, 3554875.9)  # the VLA
DATE = "2019-03-02T05:10:00.5"
FREQUENCIES = REST * (1 - 1e6 / C) + 1e6 * numpy.arange(8)


def header(frame="BARYCENT", **more):
    result = fits.Header()
    cards = {
        "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CRVAL1": 187.7, "CRVAL2": 12.39, "CRVAL3": FREQUENCIES[0], "CRPIX1": 8.0, "CRPIX2": 8.0, "CRPIX3": 1.0,
        "CDELT1": -0.5, "CDELT2": 0.5, "CDELT3": 1e6, "CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Hz", "RESTFRQ": REST, "RADESYS": "ICRS", "SPECSYS": frame,
        "DATE-OBS": DATE, "OBSGEO-X": OBSERVATORY[0], "OBSGEO-Y": OBSERVATORY[1], "OBSGEO-Z": OBSERVATORY[2], **more,
    }
    for key, value in cards.items():
        if value is not None:
            result[key] = value
    return result


def at_rest(u, v, w):
    """A frame whose origin moves so against the barycentre, by the axes of the Galaxy."""
    return Galactic(u=0 * units.km, v=0 * units.km, w=0 * units.km, U=u * KMS, V=v * KMS, W=w * KMS, representation_type="cartesian", differential_type="cartesian")


def frames():
    """As astropy has them; the last ones from the definitions in Greisen et al. (2006), table 12."""
    cmb = -(3.346e-3 / 2.725 * C / 1e3) * SkyCoord(l=263.85 * units.deg, b=48.25 * units.deg, frame="galactic").cartesian.xyz.value
    return {"BARYCENT": "icrs", "LSRK": "lsrk", "LSRD": "lsrd", "LOCALGRP": at_rest(0, -300, 0), "GALACTOC": at_rest(-9, -232, -7), "CMBDIPOL": at_rest(*cmb)}


def converted(frequencies, source, target, place):
    """By way of the barycentre: `source` and `target` are observers, or frames."""
    far = SkyCoord(*(place * units.deg), distance=1e6 * units.kpc, pm_ra_cosdec=0 * units.mas / units.yr, pm_dec=0 * units.mas / units.yr, radial_velocity=0 * KMS)
    start = ICRS(*[0 * units.deg] * 2, distance=0 * units.pc, pm_ra_cosdec=0 * units.mas / units.yr, pm_dec=0 * units.mas / units.yr, radial_velocity=0 * KMS)
    coordinate = SpectralCoord(frequencies * units.Hz, observer=start, target=far)

    def ratio(frame):
        if frame == "icrs":
            return 1.0
        moved = coordinate.with_observer_stationary_relative_to(frame)
        return (moved / coordinate).to_value("")[0]

    return frequencies / ratio(source) * ratio(target)


class SpectralFrames(ServerTest):
    @classmethod
    def make_files(cls, folder):
        cube = numpy.zeros((8, 16, 16), "f4")
        files = {
            "bary.fits": header(), "lsrk.fits": header("LSRK"), "topo.fits": header("TOPOCENT"), "none.fits": header(None), "odd.fits": header("SOURCE"),
            "dateless.fits": header(**{"DATE-OBS": None}), "placeless.fits": header(**{"OBSGEO-X": None}), "day.fits": header(**{"DATE-OBS": "2019-03-02"}),
            "moon.fits": header(**{"OBSGEO-X": 3.8e8}), "wrong_date.fits": header(**{"DATE-OBS": "2019-13-02T05:10:00"}),
        }
        for name, cards in files.items():
            fits.writeto(folder / name, cube, cards)
        velocity = header("LSRK", CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=1e6, CDELT3=5e3)
        fits.writeto(folder / "vrad.fits", cube, velocity)
        plain = header()
        for key in ("CTYPE1", "CTYPE2"):
            plain[key] = "LINEAR"
        fits.writeto(folder / "skyless.fits", cube, plain)

    async def axis(self, client, kind="frequency", **more):
        answer = await client.call("image.spectral_axis", file_id=0, kind=kind, **more)
        return numpy.array(answer["values"]), answer

    async def test_against_astropy(self):
        client = await self.viewer()
        for file, source in (("bary.fits", "icrs"), ("lsrk.fits", "lsrk")):
            await open_file(client, file)
            for x, y in ((7, 7), (0, 15), (15, 2)):
                place = (await client.call("image.to_world", file_id=0, points=[[x, y]], frame="ICRS"))["points"][0]
                for name, frame in frames().items():
                    with self.subTest(file=file, frame=name, x=x, y=y):
                        values, answer = await self.axis(client, frame=name, point=[x, y])
                        self.assertEqual(answer["frame"], name)
                        # 1 m/s
                        numpy.testing.assert_allclose(values, converted(FREQUENCIES, source, frame, place), rtol=1.0 / C)

    async def test_middle_and_kinds(self):
        client = await self.viewer()
        await open_file(client, "bary.fits")
        middle, _ = await self.axis(client, frame="LSRK", point=[7.5, 7.5])
        numpy.testing.assert_array_equal((await self.axis(client, frame="lsrk"))[0], middle)
        for kind, of in (("velocity_radio", C * (1 - middle / REST)), ("velocity_optical", C * (REST / middle - 1)), ("wavelength", C / middle)):
            numpy.testing.assert_allclose((await self.axis(client, kind, frame="LSRK"))[0], of, rtol=1e-9)
        numpy.testing.assert_array_equal((await self.axis(client, frame="BARYCENT"))[0], (await self.axis(client))[0])
        numpy.testing.assert_array_equal((await self.axis(client, "channel", frame="LSRK"))[0], numpy.arange(8))
        # A velocity axis: there by its frequencies, and back.
        await open_file(client, "vrad.fits")
        own, answer = await self.axis(client, "velocity_radio")
        self.assertEqual(answer["frame"], "LSRK")
        moved, _ = await self.axis(client, "velocity_radio", frame="CMBDIPOL")
        frequencies, _ = await self.axis(client, frame="CMBDIPOL")
        numpy.testing.assert_allclose(moved, C * (1 - frequencies / REST), rtol=1e-9)
        self.assertGreater(numpy.abs(moved - own).min(), 1e5)

    async def test_earth_and_sun(self):
        client = await self.viewer()
        await open_file(client, "bary.fits")
        time = Time(DATE, scale="utc")
        place = (await client.call("image.to_world", file_id=0, points=[[7, 7]], frame="ICRS"))["points"][0]
        n = SkyCoord(*place, unit="deg").cartesian.xyz.value
        with warnings.catch_warnings(), iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
            warnings.simplefilter("ignore")
            location = EarthLocation.from_geocentric(*OBSERVATORY, unit="m")
            from astropy.coordinates import get_body_barycentric_posvel

            earth, sun = (get_body_barycentric_posvel(body, time)[1].xyz.to_value("m/s") for body in ("earth", "sun"))
            spin = location.get_gcrs_posvel(time)[1].xyz.to_value("m/s")
        for name, velocity in (("GEOCENTR", earth), ("HELIOCEN", sun), ("TOPOCENT", earth + spin)):
            with self.subTest(frame=name):
                values, _ = await self.axis(client, frame=name, point=[7, 7])
                v = float(velocity @ n)
                numpy.testing.assert_allclose(values, FREQUENCIES * numpy.sqrt((1 + v / C) / (1 - v / C)), rtol=0.5 / C)
        # From the telescope to the barycentre is the way back.
        moved = values
        await open_file(client, "topo.fits")
        back, _ = await self.axis(client, frame="BARYCENT", point=[7, 7])
        numpy.testing.assert_allclose(back / FREQUENCIES, FREQUENCIES / moved, rtol=1e-12)

    async def test_what_is_offered(self):
        client = await self.viewer()
        every = ["TOPOCENT", "GEOCENTR", "BARYCENT", "HELIOCEN", "LSRK", "LSRD", "GALACTOC", "LOCALGRP", "CMBDIPOL"]
        without = {
            "bary.fits": {}, "none.fits": dict.fromkeys(every, "SPECSYS"), "odd.fits": dict.fromkeys(every, "SOURCE"), "skyless.fits": dict.fromkeys(every, "no sky"),
            "dateless.fits": {"TOPOCENT": "DATE-OBS", "GEOCENTR": "DATE-OBS", "HELIOCEN": "DATE-OBS"}, "placeless.fits": {"TOPOCENT": "OBSGEO-X"},
            "day.fits": {"TOPOCENT": "time of day"}, "moon.fits": {"TOPOCENT": "OBSGEO-X"}, "wrong_date.fits": {"TOPOCENT": "DATE-OBS", "GEOCENTR": "DATE-OBS", "HELIOCEN": "DATE-OBS"},
        }
        for file, refused in without.items():
            with self.subTest(file=file):
                await open_file(client, file)
                _, answer = await self.axis(client)
                self.assertEqual(answer["frames"], [name for name in every if name not in refused])
                self.assertEqual(set(answer["frames_refused"]), set(refused))
                for name, why in refused.items():
                    self.assertIn(why, answer["frames_refused"][name])
                    await self.fails(client.call("image.spectral_axis", file_id=0, kind="frequency", frame=name), -32001, why)
        await open_file(client, "bary.fits")
        await self.fails(client.call("image.spectral_axis", file_id=0, kind="frequency", frame="HOME"), -32602, "frame")
        await self.fails(client.call("image.spectral_axis", file_id=0, kind="frequency", frame="LSRK", point=[1]), -32602, "point")


if __name__ == "__main__":
    unittest.main()
