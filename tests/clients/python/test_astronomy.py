"""What an astronomer's scripts do, with files that came with astropy's packages: every number against spectral-cube, regions, photutils and astropy."""

import shutil
import sys
import unittest
import warnings
from pathlib import Path

import astropy.units as u
import numpy
import photutils.aperture
import regions
import reproject
import spectral_cube
from astropy.coordinates import EarthLocation, SkyCoord, SpectralCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.time import Time
from astropy.utils import iers
from astropy.wcs import WCS

sys.path.insert(0, str(Path(__file__).resolve().parent))
from images import WithImages  # noqa: E402

import cubelink  # noqa: E402
from cubelink.statistics import statistic_unit  # noqa: E402

EXAMPLE = Path(spectral_cube.__file__).parent / "tests/data/example_cube.fits"
GALACTIC = Path(reproject.__file__).parent / "tests/data/galactic_2d.fits"
equal, close = numpy.testing.assert_array_equal, numpy.testing.assert_allclose


class Scripts(WithImages, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        warnings.simplefilter("ignore")
        iers.conf.auto_download = False  # of the Earth's rotation: what comes with astropy is enough
        for file in (EXAMPLE, GALACTIC):
            shutil.copy(file, cls.folder)
        y, x = numpy.mgrid[:310, :320]
        z = numpy.arange(66)[:, None, None]
        model = 3 * numpy.exp(-((x - 160.0) ** 2 + (y - 155.0) ** 2) / 2 / 30**2 - (z - 33 + (x - 160) / 20) ** 2 / 2 / 4**2) + 0.01
        cls.line = model.astype("f4")
        header = cls.header.copy()
        header.update(BMAJ=5e-4, BMIN=4e-4, BPA=30.0)
        fits.writeto(cls.folder / "line.fits", cls.line, header)
        cls.line_header = header
        cls.planes = {name: cls.line[30] * factor for name, factor in (("I", 1.0), ("Q", 0.3), ("U", -0.4))}
        for name, plane in cls.planes.items():
            fits.writeto(cls.folder / f"pol_{name}.fits", plane, WCS(header).celestial.to_header())
        places = WCS(header).celestial.pixel_to_world([10.0, 200.25, 300.0], [20.0, 100.5, 155.0])
        cls.catalogue = Table([places.ra, places.dec, [1.0, 5.0, 3.0] * u.mJy], names=["ra", "dec", "flux"])
        cls.catalogue.write(cls.folder / "sources.xml", format="votable")
        cls.client = cubelink.connect_blocking(cls.server.url, cls.server.secret)
        cls.addClassCleanup(cls.client.close)

    def test_spectrum_at_a_position(self):
        theirs = spectral_cube.SpectralCube.read(EXAMPLE)
        ours = self.client.open("example_cube.fits")
        position = WCS(fits.getheader(EXAMPLE)).celestial.pixel_to_world(1.2, 1.9)
        for frame in ("icrs", "fk4", "galactic"):
            equal(ours.spectrum(position.transform_to(frame)), theirs.filled_data[:, 2, 1].value)
        table = ours.spectrum_table(position, kind="velocity_radio")
        in_velocity = theirs.with_spectral_unit("km/s", velocity_convention="radio")
        close(table["velocity_radio"].to_value("km/s"), in_velocity.spectral_axis.value, rtol=1e-12)
        self.assertEqual(table["value"].unit, theirs.unit)
        wavelength = theirs.with_spectral_unit("m", velocity_convention="radio").spectral_axis
        close(ours.spectral_axis("wavelength").to_value("m"), wavelength.value, rtol=1e-12)

    def test_spectral_frames(self):
        header = fits.Header(self.line_header)
        header.update({"SPECSYS": "TOPOCENT", "DATE-OBS": "2021-03-04T05:06:07", "OBSGEO-X": -1601185.4, "OBSGEO-Y": -5041977.5, "OBSGEO-Z": 3554875.9})
        fits.writeto(self.folder / "topocentric.fits", self.line[:, :20, :20], header)
        image = self.client.open("topocentric.fits")
        place = EarthLocation(*(header[f"OBSGEO-{axis}"] for axis in "XYZ"), unit="m")
        position = WCS(header).celestial.pixel_to_world(2, 3)
        topocentric = SpectralCoord(image.spectral_axis(), observer=place.get_itrs(obstime=Time(header["DATE-OBS"])), target=position)
        theirs = topocentric.with_observer_stationary_relative_to("lsrk")
        ours = image.spectral_axis(frame="LSRK", position=position)
        close(ours.to_value("Hz"), theirs.to_value("Hz"), atol=20 / 299792458 * 1.4e9)  # 20 m/s: the LSR's definitions differ by that
        self.assertGreater(abs((ours - image.spectral_axis())[0]), 10 * u.kHz)
        with self.assertRaises(cubelink.CallError):
            image.spectral_axis(frame="NOWHERE")

    def test_moments_in_a_range_of_velocities(self):
        cube = spectral_cube.SpectralCube.read(self.folder / "line.fits").with_spectral_unit("km/s", velocity_convention="radio")
        image = self.client.open("line.fits")
        low, high = (float(cube.spectral_axis[at].value) for at in (45, 20))
        slab = cube.spectral_slab(low * u.km / u.s, high * u.km / u.s)
        self.assertEqual(image.channels(low * u.km / u.s, high * u.km / u.s), (20, 46))
        self.assertEqual(image.channels(1.421e9 * u.Hz, 1.4222 * u.GHz), (10, 23))
        ours = image.moments(["integrated", "velocity", "dispersion"], channels=[low, high] * u.km / u.s)
        for image_of_moment, theirs in zip(ours, (slab.moment(order=0), slab.moment(order=1), slab.linewidth_sigma())):
            self.assertEqual(image_of_moment.unit, theirs.unit)
            close(image_of_moment[:], theirs.value, rtol=2e-4, atol=2e-5)
        written = ours[0].hdu()
        close(written.data[0], slab.moment(order=0).value, rtol=1e-5)
        self.assertEqual(u.Unit(written.header["BUNIT"]), u.Unit("Jy km / (beam s)"))
        with self.assertRaisesRegex(ValueError, "no channel lies between"):
            image.channels(1 * u.GHz, 1.1 * u.GHz)
        with self.assertRaisesRegex(ValueError, "no frequency"):
            image.channels(1 * u.Jy, 2 * u.Jy)

    def test_statistics_in_regions_of_ds9(self):
        image = self.client.open("galactic_2d.fits")
        data, wcs = fits.getdata(GALACTIC), WCS(fits.getheader(GALACTIC))
        centre = wcs.pixel_to_world(21.8, 21.3)
        sky = [regions.CircleSkyRegion(centre, 24 * u.arcsec), regions.EllipseSkyRegion(centre, 60 * u.arcsec, 30 * u.arcsec, 30 * u.deg),
               regions.RectangleSkyRegion(centre, 57 * u.arcsec, 31 * u.arcsec, 30 * u.deg)]  # fmt: skip
        imported = image.import_regions(regions.Regions(sky).serialize(format="ds9", precision=9))
        for region, theirs in zip(imported, sky):
            inside = data[theirs.to_pixel(wcs).to_mask("center").to_image(data.shape).astype(bool)].astype("f8")
            found = region.statistics(["Sum", "NumPixels", "Mean", "Max"])
            close([found["Sum"], found["NumPixels"], found["Mean"], found["Max"]], [inside.sum(), inside.size, inside.mean(), inside.max()], rtol=1e-12)
        photometry = photutils.aperture.aperture_photometry(data.astype("f8"), photutils.aperture.SkyCircularAperture(centre, 24 * u.arcsec), wcs=wcs, method="center")
        close(imported[0].statistics(["Sum"])["Sum"], photometry["aperture_sum"][0], rtol=1e-12)

    def test_units_of_statistics(self):
        image = self.client.open("line.fits")
        region = image.add_region("ELLIPSE", [[160, 155], [30.2, 20.2]])
        inside = (numpy.hypot((numpy.arange(320) - 160) / 20.2, (numpy.arange(310)[:, None] - 155) / 30.2) <= 1)
        table = region.spectrum_table("FluxDensity", kind="velocity_optical")
        self.assertEqual((table["value"].unit, table["velocity_optical"].unit), ("Jy", "m/s"))
        close(table["value"].value, self.line[:, inside].astype("f8").sum(axis=1) / (numpy.pi / (4 * numpy.log(2)) * 20), rtol=1e-9)
        region.remove()
        found = image.statistics(["FluxDensity", "Sum", "SumSq", "NumPixels", "MaxPos"], channels=33, percentiles=[50])
        plane = self.line[33].astype("f8")
        beam = numpy.pi / (4 * numpy.log(2)) * 5e-4 * 4e-4 / (1e-4 * 1e-4)
        close(found.quantity("FluxDensity").to_value("mJy"), 1000 * plane.sum() / beam, rtol=1e-9)
        close(found.quantity("SumSq").to_value("mJy2/beam2"), 1e6 * (plane**2).sum(), rtol=1e-9)
        self.assertEqual((found.quantity("Sum").unit, found.quantity("NumPixels").unit, found.unit), (u.Jy / u.beam, u.one, u.Jy / u.beam))
        for text, wanted in (("mJy beam-1", "mJy"), ("MJy/sr", "MJy"), ("Jy/pixel", "Jy"), ("Jy/arcsec2", "Jy"), ("K", "K arcsec2")):
            self.assertEqual(statistic_unit("FluxDensity", text), u.Unit(wanted))
        self.assertEqual((found["MaxPos"], found.channels, found.stokes), ([160, 155, 33], (33, 34), 0))
        with self.assertRaises(TypeError):
            found.quantity("MaxPos")
        close(found.percentiles, [numpy.median(plane)], rtol=1e-12)

    def test_cut_out(self):
        image = self.client.open("line.fits")
        wcs = WCS(self.line_header)
        for x, y, size in ((160, 155, (40, 30)), (160.4, 154.7, (41, 33)), (5.3, 300.2, (40, 50))):
            position = wcs.celestial.pixel_to_world(x, y)
            theirs = Cutout2D(self.line[12], position, size[::-1], wcs=wcs.celestial)
            for given in (size, numpy.array(size) * 1e-4 * u.deg):
                ours = image.cutout(position, given, channel=12)
                equal(ours.data[0], theirs.data)
                close(WCS(ours.header).celestial.wcs_pix2world([[0, 0], [7, 5]], 0), theirs.wcs.wcs_pix2world([[0, 0], [7, 5]], 0), rtol=0, atol=1e-11)
        self.assertEqual(WCS(ours.header).wcs_pix2world([[0, 0, 0]], 0)[0][2], 1.42e9 + 12e5)
        ours = image.hdu(slice(10, 20), 7, slice(3, 9))
        equal(ours.data, self.line[3:9, 7:8, 10:20])
        close(WCS(ours.header).wcs_pix2world([[2, 0, 1]], 0), wcs.wcs_pix2world([[12, 7, 4]], 0), rtol=1e-14)
        stokes = self.client.open("sub/stokes.fits").hdu(x=slice(0, 4), stokes=2)
        equal(stokes.data, self.stokes[2:3, :, :, :4])
        self.assertEqual(WCS(stokes.header).wcs_pix2world([[0, 0, 0, 0]], 0)[0][3], 3)
        with self.assertRaises(ValueError):
            image.hdu(slice(0, 10, 2))
        with self.assertRaises(IndexError):
            image.cutout(position.directional_offset_by(0 * u.deg, 1 * u.deg), 20)

    def test_contours_and_a_catalogue(self):
        image = self.client.open("line.fits")
        image.set_channel(33)
        for line in image.contours([1.5])[1.5]:
            radius = numpy.hypot(line[:, 0] - 160, line[:, 1] - 155)
            self.assertTrue((radius > 20).all() and (radius < 50).all())
        table = self.client.read_catalog("sources.xml", [{"column_name": "flux", "comparison_operator": "Greater", "value": 2}], sort="flux")
        self.assertEqual((list(table["flux"]), table["flux"].unit), ([3, 5], u.mJy))
        x, y = image.pixel(SkyCoord.guess_from_table(table))
        close([x, y], [[300, 200.25], [155, 100.5]], atol=1e-6)

    def test_polarization(self):
        image = self.client.open_stokes({name: f"pol_{name}.fits" for name in self.planes})
        self.assertEqual(image.polarizations, ["I", "Q", "U"])
        equal(image.read(stokes="U", channel=0), self.planes["U"])
        equal(image.spectrum(7, 8, stokes="Q"), self.planes["Q"][8, 7])
        equal(image.hdu(stokes="Q").data.squeeze(), self.planes["Q"])
        for shown, index in (("U", 2), ("Plinear", 14), ("I", 0)):
            image.set_channel(stokes=shown)
            self.assertEqual(image.shown(), (0, index))
        for wrong in ("V", "Nonsense"):
            with self.assertRaisesRegex(ValueError, "but I, Q, U"):
                image.read(stokes=wrong)
            with self.assertRaises(ValueError):
                image.set_channel(stokes=wrong)
        equal(image[:, 0, 100], numpy.stack(list(self.planes.values()))[:, 100])
        found = image.vectors(10)
        self.assertEqual(found.length.shape, (31, 32))
        blocks = {name: plane.astype("f8").reshape(31, 10, 32, 10).mean(axis=(1, 3)) for name, plane in self.planes.items()}
        close(found.length, numpy.hypot(blocks["Q"], blocks["U"]), rtol=1e-5)
        close(found.angle, numpy.degrees(numpy.arctan2(blocks["U"], blocks["Q"]) / 2), rtol=1e-5)
        equal((found.x[0, :3], found.y[:3, 0]), ([4.5, 14.5, 24.5], [4.5, 14.5, 24.5]))
        close(image.vectors(10, fractional=True, threshold=0.1).length[blocks["I"] > 0.11], 50, rtol=1e-4)
        self.assertTrue(numpy.isnan(image.vectors(10, threshold=0.1).length[blocks["I"] < 0.09]).all())

    def test_what_is_easily_mistaken(self):
        image = self.client.open("line.fits")
        equal(numpy.asarray(image), self.line)
        close(numpy.median(image), numpy.median(self.line))
        self.assertEqual(len(image), 66)
        self.assertEqual(image.statistics(["Max"], channels=slice(3, 9)), image.statistics(["Max"], channels=(3, 9)))
        for region in ("circle", "HEART"):
            with self.assertRaisesRegex(ValueError, "but POINT, LINE"):
                image.add_region(region, [[1, 2], [3, 3]])
        self.assertEqual(image.add_region("ellipse", [[1, 2], [3, 3]]).kind, "ELLIPSE")
        with self.assertRaisesRegex(ValueError, "but mean, integrated"):
            image.moments(["moment0"])
        elsewhere = SkyCoord(200 * u.deg, -70 * u.deg)
        for use in (image.spectrum, lambda position: image.cutout(position, 1 * u.arcmin)):
            with self.assertRaisesRegex(IndexError, "not on the sky"):
                use(elsewhere)
        with self.assertRaises(IndexError):
            image.spectrum(image.sky(400, 5))
        with self.assertRaises(TypeError):
            image.channels(1, 2)
        with self.assertRaises(ValueError):
            image.statistics(["Max"], channels=slice(0, 9, 2))

    def test_files(self):
        table = self.client.files()
        row = table[list(table["name"]).index("line.fits")]
        self.assertEqual(row["size"], (self.folder / "line.fits").stat().st_size)
        close(row["date"].unix, (self.folder / "line.fits").stat().st_mtime, atol=1)


if __name__ == "__main__":
    unittest.main()
