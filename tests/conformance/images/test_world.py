"""World coordinates against astropy: image.to_world, image.to_pixel, image.spectral_axis, image.header."""

import asyncio
import unittest
import warnings

import numpy
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from harness import ERROR, HISTOGRAM, CallFailed, ServerTest, open_file

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


def tables():
    """{name: HDUs} of images whose axes are looked up in tables: a spectral one with an index, and two of the sky at once."""

    def table(name, **columns):
        return fits.BinTableHDU.from_columns(
            [fits.Column(key, f"{v.size}D", dim=str(v.shape[::-1]).replace(" ", "").replace(",)", ")"), array=v[numpy.newaxis]) for key, v in columns.items()], name=name)

    def described(header, axis, kind, name, *columns, dimension=1):
        header[f"CTYPE{axis}"], header[f"PS{axis}_0"], header[f"PS{axis}_1"] = kind, name, columns[0]
        if len(columns) > 1:
            header[f"PS{axis}_2"] = columns[1]
        header[f"PV{axis}_3"], header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = dimension, 1.0, 1.0, 1.0

    spectral = sky_header()
    described(spectral, 3, "FREQ-TAB", "FREQUENCIES", "where", "index")
    spectral["CUNIT3"], spectral["RESTFRQ"] = "Hz", 1.42e9
    values = table("FREQUENCIES", where=(1.4e9 + 1e6 * numpy.arange(10) ** 2)[:, numpy.newaxis], index=1 + 2.5 * numpy.arange(10.0))
    y, x = numpy.mgrid[0:30, 0:40]
    both = numpy.stack([83 + 0.01 * x + 1e-5 * y**2, 22 + 0.01 * y + 1e-5 * x**2], axis=-1)
    sky = fits.Header()
    described(sky, 1, "GLON-TAB", "SKY", "coords")
    described(sky, 2, "GLAT-TAB", "SKY", "coords", dimension=2)
    sky["CUNIT1"] = sky["CUNIT2"] = "deg"
    return {
        "freq_tab.fits": [fits.PrimaryHDU(numpy.zeros((20, 5, 6), "f4"), spectral), values],
        "sky_tab.fits": [fits.PrimaryHDU(), fits.ImageHDU(numpy.zeros((30, 40), "f4"), sky), table("SKY", coords=both)],
        "lost_tab.fits": [fits.PrimaryHDU(numpy.zeros((20, 5, 6), "f4"), spectral)],
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
        for name, hdus in tables().items():
            fits.HDUList(hdus).writeto(folder / name)
        # Polynomials of the plate and a third axis; a frame that only the old way of writing the axis names; units that shout.
        old = {"CTYPE3": "VELO-LSR", "CRPIX3": 1.0, "CRVAL3": 10.0, "CDELT3": 2.0, "CUNIT3": "KM/S", "RESTFREQ": 1.42e9}
        fits.writeto(folder / "velo_lsr.fits", numpy.zeros((9, 5, 6), "f4"), sky_header("SIN", EPOCH=1950.0, **old))
        polynomials = {"PV1_0": 1e-4, "PV1_1": 1.001, "PV1_2": 1e-3, "PV2_1": 0.999, "PV2_4": 1e-3}
        spectral = {"CTYPE3": "FREQ", "CRPIX3": 10.0, "CRVAL3": 1.42e9, "CDELT3": 5e5}
        fits.writeto(folder / "tpv.fits", numpy.zeros((3, 48, 64), "f4"), sky_header("TPV", **polynomials, **spectral))
        # Types that are nearly right are what they mean, with their units; and planes that have one axis of the sky.
        for name, kind, value, step, unit in (("freq_small", "freq", 1.4, 1e-4, "GHz"), ("wavelength", "WAVELENGTH", 500.0, 0.1, "nm")):
            spectral = {"CTYPE3": kind, "CRPIX3": 1.0, "CRVAL3": value, "CDELT3": step, "CUNIT3": unit}
            fits.writeto(folder / f"{name}.fits", numpy.zeros((4, 5, 6), "f4"), sky_header(**spectral))
        odd = {"CTYPE1": "VELOCITY", "CUNIT1": "furlong", "CRPIX1": 1.0, "CRVAL1": 5.0, "CDELT1": 2.0, "CTYPE2": "SLIT", "CRPIX2": 1.0, "CRVAL2": 0.0, "CDELT2": 1.0}
        fits.writeto(folder / "furlongs.fits", numpy.zeros((5, 6), "f4"), fits.Header(odd))
        for name, projection, rotation, latitude in (("swapped", "SIN", 0.0, 70.0), ("swapped_rotated", "SIN", 80.0, 70.0), ("swapped_far", "CAR", 123.0, -77.3)):
            sky = sky_header(projection, rotation=rotation, CRVAL2=latitude, CDELT1=-1.0, CDELT2=1e-3)
            swapped = fits.Header()
            for key, value in sky.items():
                swapped[key.replace("2", "3")] = value
            swapped.update({"CTYPE2": "FREQ", "CRPIX2": 10.0, "CRVAL2": 1.42e9, "CDELT2": 5e5})
            fits.writeto(folder / f"{name}.fits", numpy.zeros((48, 20, 64), "f4"), swapped)
        spectral = {"CTYPE3": "WAVE-GRI", "CRPIX3": 1.0, "CRVAL3": 5e-7, "CDELT3": 1e-10}
        fits.writeto(folder / "grism.fits", numpy.zeros((4, 5, 6), "f4"), sky_header(**spectral))
        spectral = {"CTYPE3": "FREQ", "CRPIX3": 10.0, "CRVAL3": 1.42e9, "CDELT3": 5e5}
        # And as SCAMP wrote it before TPV had its name.
        scamp = sky_header("TAN", **polynomials, PV1_5=0.2, PV1_7=-0.3, CD1_1=-0.01, CD1_2=1e-3, CD2_1=1e-3, CD2_2=0.01)
        del scamp["CDELT1"], scamp["CDELT2"]
        fits.writeto(folder / "scamp.fits", numpy.zeros((48, 64), "f4"), scamp)
        # No native pole can be where this says: astropy has no world for it, and a plain grid of degrees would be a lie.
        fits.writeto(folder / "impossible.fits", numpy.zeros((3, 48, 64), "f4"), sky_header("TSC", LONPOLE=90.0, **spectral))
        small = sky_header("SIN").tostring().replace("CRVAL1", "crval1").replace("CTYPE2", "ctype2")
        fits.writeto(folder / "small.fits", numpy.zeros((48, 64), "f4"))
        cards = (folder / "small.fits").read_bytes().partition(b"END" + b" " * 77)[0].rstrip() + b" " * 80
        cards = cards[: len(cards) // 80 * 80] + small.partition("END" + " " * 77)[0].encode() + b"END".ljust(80)
        (folder / "small.fits").write_bytes(cards + b" " * (-len(cards) % 2880) + bytes(48 * 64 * 4))

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

    async def test_tables(self):
        client = await self.viewer()
        await open_file(client, "freq_tab.fits")
        with fits.open(self.folder / "freq_tab.fits") as file:
            world = WCS(file[0].header, file)
            expected = world.wcs_pix2world(numpy.stack([numpy.zeros(20), numpy.zeros(20), numpy.arange(20.0)], axis=-1), 0)[:, 2]
        axis = await client.call("image.spectral_axis", file_id=0)
        self.assertEqual(axis["kind"], "frequency")
        numpy.testing.assert_allclose(axis["values"], expected, rtol=1e-13)
        await open_file(client, "sky_tab.fits", hdu="1")
        points = numpy.array([[0, 0], [3.25, 7.5], [38.9, 28.1]])
        with fits.open(self.folder / "sky_tab.fits") as file:
            expected = WCS(file[1].header, file).wcs_pix2world(points, 0)
        got = (await client.call("image.to_world", file_id=0, points=points.tolist()))["points"]
        numpy.testing.assert_allclose(got, expected, atol=1e-9)
        # Without its table the axis has no values; the sky has.
        await open_file(client, "lost_tab.fits")
        got = (await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"]
        numpy.testing.assert_allclose(got, numpy.array(WCS(sky_header()).pixel_to_world_values(*POINTS.T)).T, atol=1e-9)

    async def test_odd_descriptions(self):
        client = await self.viewer()
        ack = await open_file(client, "velo_lsr.fits")
        shown = {entry["name"]: entry["value"] for entry in ack["file_info_extended"]["computed_entries"]}
        self.assertEqual((shown["Spectral frame"], shown["Velocity range"]), ("LSRK", "[10.0000, 26.0000] (km/s)"))
        axis = await client.call("image.spectral_axis", file_id=0)
        self.assertEqual(axis["frame"], "LSRK")
        numpy.testing.assert_allclose(axis["values"], 1e4 + 2e3 * numpy.arange(9))
        await open_file(client, "tpv.fits")
        expected = WCS(fits.getheader(self.folder / "tpv.fits")).all_pix2world(numpy.column_stack([POINTS, numpy.zeros(len(POINTS))]), 0)[:, :2]
        got = (await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"]
        numpy.testing.assert_allclose(got, expected, atol=1e-9)
        await open_file(client, "scamp.fits")
        header = fits.getheader(self.folder / "scamp.fits")
        header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"
        got = (await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"]
        numpy.testing.assert_allclose(got, WCS(header).all_pix2world(POINTS, 0), atol=1e-9)
        back = (await client.call("image.to_pixel", file_id=0, points=got))["points"]
        numpy.testing.assert_allclose(back, POINTS, atol=1e-5)
        await open_file(client, "small.fits")
        got = (await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"]
        numpy.testing.assert_allclose(got, numpy.array(WCS(sky_header("SIN")).pixel_to_world_values(*POINTS.T)).T, atol=1e-9)
        await open_file(client, "impossible.fits")
        got = (await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"]
        self.assertTrue(numpy.isnan(numpy.array(got, dtype=float)).all())
        self.assertEqual(len((await client.call("image.spectral_axis", file_id=0))["values"]), 3)

    async def test_types_that_are_nearly_right(self):
        client = await self.viewer()
        for name, kind, unit, values in (("freq_small", "frequency", "Hz", 1.4e9 + 1e5 * numpy.arange(4)), ("wavelength", "wavelength", "m", 5e-7 + 1e-10 * numpy.arange(4))):
            await open_file(client, f"{name}.fits")
            axis = await client.call("image.spectral_axis", file_id=0)
            self.assertEqual((axis["kind"], axis["unit"]), (kind, unit))
            numpy.testing.assert_allclose(axis["values"], values, rtol=1e-12)
        await open_file(client, "furlongs.fits")
        world = await client.call("image.to_world", file_id=0, points=[[0, 0], [5, 4]])
        self.assertEqual(world["points"], [[5.0, 0.0], [15.0, 4.0]])
        # A grism without its parameters: no values, and no rest frequency would help.
        await open_file(client, "grism.fits")
        await self.fails(client.call("image.spectral_axis", file_id=0), -32001, "does not define")

    async def test_planes_of_frequency_and_sky(self):
        client = await self.viewer()
        points = POINTS * [1, 0.4]
        for name in ("swapped", "swapped_rotated", "swapped_far"):
            await open_file(client, f"{name}.fits")
            expected = WCS(fits.getheader(self.folder / f"{name}.fits")).wcs_pix2world(numpy.column_stack([points, numpy.full(len(points), 31.0)]), 0)
            world = await client.call("image.to_world", file_id=0, points=points.tolist(), channel=31)
            self.assertEqual(world["names"], ["RA", "FREQ"])
            numpy.testing.assert_allclose(world["points"], expected[:, :2], rtol=1e-12)
            back = await client.call("image.to_pixel", file_id=0, points=world["points"], channel=31)
            numpy.testing.assert_allclose(back["points"], points, atol=1e-6)

    async def test_many_points(self):
        """More points than are converted on the way; the answer keeps its place in the order of answers."""
        client = await self.viewer()
        await open_file(client, "rotated.fits")
        points = numpy.random.default_rng(3).uniform(0, 60, (20000, 2))
        order = []
        calls = [client.call("image.to_world", file_id=0, points=points.tolist()), client.call("image.header", file_id=0)]
        for number, call in enumerate(calls):
            calls[number] = asyncio.ensure_future(call)
            calls[number].add_done_callback(lambda _, number=number: order.append(number))
        world, _ = await asyncio.gather(*calls)
        self.assertEqual(order, [0, 1])
        numpy.testing.assert_allclose(world["points"], WCS(SKIES["rotated.fits"]).wcs_pix2world(points, 0), atol=1e-9)
        back = await client.call("image.to_pixel", file_id=0, points=world["points"])
        numpy.testing.assert_allclose(back["points"], points, atol=1e-5)
        # A call whose file is closed meanwhile is answered, one way or the other.
        late = asyncio.ensure_future(client.call("image.to_world", file_id=0, points=points.tolist()))
        await asyncio.sleep(0)
        await client.call("carta.close.file", {"file_id": 0})
        try:
            self.assertEqual(len((await late)["points"]), 20000)
        except CallFailed as error:
            self.assertIn("closed", f"{error.message} {error.data}")

    async def test_ranges(self):
        """The longitudes of the four corners: through 0, over the whole sky, around a pole; none where a corner is off the sky."""
        places = {"TAN": (0.0, 0.0, 101, 101, 0.1), "CAR": (180.0, 0.0, 360, 180, 1.0), "ARC": (0.0, 90.0, 101, 101, 0.1), "AIT": (0.0, 0.0, 361, 181, 1.0)}
        expected = {
            "TAN": ("[23:40:03.032, 00:19:56.968]", "[-04:58:06.88, +04:58:06.88]"),
            "CAR": ("[00:02:00.000, 23:58:00.000]", "[-89:30:00.00, +89:30:00.00]"),
            "ARC": ("[03:00:00.000, 21:00:00.000]", "[+82:55:44.16, +82:55:44.16]"),
            "AIT": (None, None),
        }
        client = await self.viewer()
        for projection, (lon, lat, width, height, step) in places.items():
            header = sky_header(projection, CRVAL1=lon, CRVAL2=lat, CRPIX1=(width + 1) / 2, CRPIX2=(height + 1) / 2, CDELT1=-step, CDELT2=step)
            fits.writeto(self.folder / "range.fits", numpy.zeros((height, width), "u1"), header, overwrite=True)
            ack = await open_file(client, "range.fits")
            shown = {entry["name"]: entry["value"] for entry in ack["file_info_extended"]["computed_entries"]}
            self.assertEqual((shown.get("RA range"), shown.get("DEC range")), expected[projection], projection)
            self.assertEqual(shown["Celestial frame"], "ICRS, J2000")

    async def test_frames(self):
        client = await self.viewer()
        for name in ("fk5.fits", "fk5_1975.fits", "fk4.fits", "icrs.fits", "galactic.fits"):
            await open_file(client, name)
            expected = WCS(SKIES[name]).pixel_to_world(*POINTS.T)
            for frame, system in (("ICRS", "icrs"), ("GALACTIC", "galactic"), ("FK5", "fk5")):
                with self.subTest(file=name, frame=frame):
                    world = await client.call("image.to_world", file_id=0, points=POINTS.tolist(), frame=frame)
                    got = SkyCoord(numpy.array(world["points"]) * units.deg, frame=system)
                    self.assertEqual(world["names"], ["GLON", "GLAT"] if frame == "GALACTIC" else ["RA", "DEC"])
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

    def write_raw(self, name, *cards, lengths=(6, 5), data=None):
        """An image whose cards stay as they are."""
        head = ["SIMPLE  =                    T", "BITPIX  = 8", f"NAXIS   = {len(lengths)}", *(f"NAXIS{i + 1}  = {n}" for i, n in enumerate(lengths)), *cards]
        header = "".join(card.ljust(80) for card in head).encode() + b"END".ljust(80)
        size = int(numpy.prod(lengths))
        (self.folder / name).write_bytes(header + b" " * (-len(header) % 2880) + bytes(size + -size % 2880))

    SKY = ("CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRPIX1  = 30.0", "CRPIX2  = 20.0", "CRVAL1  = 83.5", "CRVAL2  = 22.0")
    STEPS = ("CDELT1  = -0.01", "CDELT2  = 0.01")

    async def warnings_of(self, client, name):
        """What the user is told when this file is opened."""
        client.forget()
        await open_file(client, name)
        await client.next(HISTOGRAM)
        return [message["message"] for message in client.published.get(ERROR, []) if message["severity"] == "WARNING"]

    async def test_cards_that_cannot_be_read(self):
        """They cost their own axes, and the user is told."""
        client = await self.viewer()
        good = numpy.array(WCS(sky_header()).pixel_to_world_values(*POINTS.T)).T
        third = ("CTYPE3  = 'FREQ'", "CRVAL3  = 1.4E9", "CDELT3  = 1.0E6", "CRPIX3  = 1.0")
        self.write_raw("sky_lost.fits", *self.SKY, *self.STEPS, *third, "CRVAL1  = 150,0", lengths=(6, 5, 4))
        told = await self.warnings_of(client, "sky_lost.fits")
        self.assertTrue(any("CRVAL1" in text and "150,0" in text and "sky_lost.fits" in text for text in told), told)
        self.assertTrue(numpy.isnan(numpy.array((await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"], dtype=float)).all())
        numpy.testing.assert_allclose((await client.call("image.spectral_axis", file_id=0))["values"], 1.4e9 + 1e6 * numpy.arange(4))
        self.write_raw("third_lost.fits", *self.SKY, *self.STEPS, *third, "CDELT3  = '1E6'", lengths=(6, 5, 4))
        self.assertTrue(any("CDELT3" in text for text in await self.warnings_of(client, "third_lost.fits")))
        numpy.testing.assert_allclose((await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"], good, atol=1e-9)
        self.write_raw("all_lost.fits", *self.SKY, *self.STEPS, "CRPIX2  = x")
        self.assertTrue(any("CRPIX2" in text for text in await self.warnings_of(client, "all_lost.fits")))
        await self.fails(client.call("image.to_world", file_id=0, points=[[0, 0]]), -32001, "no world coordinates")
        self.write_raw("sound.fits", *self.SKY, *self.STEPS)
        self.assertEqual(await self.warnings_of(client, "sound.fits"), [])

    async def test_cards_that_killed_the_server(self):
        client = await self.viewer()
        good = numpy.array(WCS(sky_header()).pixel_to_world_values(*POINTS.T)).T
        table = ("CTYPE3  = 'WAVE-TAB'", "PS3_0   = 'a'", "PS3_1   = 'b'", "PV3_3   = 3")
        for number, cards in enumerate((("XPIXELSZ= '12'",), ("XPIXELSZ= 6.0",), ("CNPIX1  = 1",), ("AMDX1   = 1.0", "AMDY1   = 1.0"), ("PLTRAH  = 'x'",), ("A_2_0   = 'x'",), ("CDELT3  = 0.0",), table)):
            with self.subTest(cards=cards):
                name = f"deadly{number}.fits"
                self.write_raw(name, *self.SKY, *self.STEPS, *cards, lengths=(6, 5, 2))
                info = await client.call("carta.file.info.request", {"directory": "", "file": name, "hdu": ""})
                self.assertTrue(info["success"])
                await open_file(client, name)
                numpy.testing.assert_allclose((await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"], good, atol=1e-9)
                self.alive()

    async def test_equinoxes_and_longitudes(self):
        client = await self.viewer()
        for value, frame in (("'2000.0'", "FK5, J2000"), ("'1950.0'", "FK4, B1950"), ("'J2000'", "FK5, J2000"), ("'B1950'", "FK4, B1950")):
            for name in ("EQUINOX ", "EPOCH   "):
                self.write_raw("equinox.fits", *self.SKY, *self.STEPS, f"{name}= {value}")
                ack = await open_file(client, "equinox.fits")
                shown = {entry["name"]: entry["value"] for entry in ack["file_info_extended"]["computed_entries"]}
                self.assertEqual(shown["Celestial frame"], frame)
        self.write_raw("turns.fits", *self.SKY[:4], "CRVAL1  = 983.18", self.SKY[5], *self.STEPS)
        await open_file(client, "turns.fits")
        got = numpy.array((await client.call("image.to_world", file_id=0, points=POINTS.tolist()))["points"])
        expected = numpy.array(WCS(sky_header(CRVAL1=983.18)).pixel_to_world_values(*POINTS.T)).T
        numpy.testing.assert_allclose(got[:, 0], expected[:, 0] % 360, atol=1e-9)
        back = await client.call("image.to_pixel", file_id=0, points=got.tolist())
        numpy.testing.assert_allclose(back["points"], POINTS, atol=1e-5)

    async def test_tables_in_other_units(self):
        """As the JWST pipeline writes them."""
        client = await self.viewer()
        for kind, unit, factor, si in (("WAVE", "um", 1e-6, "m"), ("FREQ", "GHz", 1e9, "Hz"), ("VELO", "km/s", 1e3, "m/s"), ("AWAV", "Angstrom", 1e-10, "m")):
            values = numpy.linspace(0.6, 5.0, 20) ** 1.5
            header = sky_header(CTYPE3=f"{kind}-TAB", CUNIT3=unit, PS3_0="VALUES", PS3_1="where", CRPIX3=1.0, CRVAL3=1.0, CDELT3=1.0)
            column = fits.Column("where", "20D", dim="(1,20)", array=values.reshape(1, 20, 1))
            fits.HDUList([fits.PrimaryHDU(numpy.zeros((20, 5, 6), "f4"), header), fits.BinTableHDU.from_columns([column], name="VALUES")]).writeto(self.folder / "units.fits", overwrite=True)
            ack = await open_file(client, "units.fits")
            axis = await client.call("image.spectral_axis", file_id=0)
            self.assertEqual(axis["unit"], si)
            numpy.testing.assert_allclose(axis["values"], values * factor, rtol=1e-12)
            if kind in ("WAVE", "FREQ"):
                shown = {entry["name"]: entry["value"] for entry in ack["file_info_extended"]["computed_entries"]}
                ends = values[[0, -1]] * factor if kind == "FREQ" else C / (values[[0, -1]] * factor)
                self.assertEqual(shown["Frequency range"], "[{:.4f}, {:.4f}] (GHz)".format(*(ends / 1e9)))

    async def test_no_pixels_first(self):
        client = await self.viewer()
        empty = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 0", "EXTEND  = T", "END")).ljust(2880).encode()
        image = fits.ImageHDU(numpy.ones((3, 4), "u1"), sky_header())
        (self.folder / "late.fits").write_bytes(empty + image.header.tostring().encode() + bytes(2880))
        ack = await open_file(client, "late.fits")
        self.assertEqual((ack["file_info_extended"]["width"], ack["file_info_extended"]["height"]), (4, 3))

    async def test_no_world(self):
        client = await self.viewer()
        await open_file(client, "none.fits")
        await self.fails(client.call("image.to_world", file_id=0, points=[[0, 0], [2, 3]]), -32001, "no world coordinates")


if __name__ == "__main__":
    unittest.main()
