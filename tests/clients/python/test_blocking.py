"""The blocking face, losses of the connection, and what notebooks, dask and astropy get, against the image server."""

import asyncio
import html
import io
import os
import re
import sys
import threading
import time
import unittest
import unittest.mock
from pathlib import Path

import astropy.units
import numpy
import regions
from astropy.io import fits
from astropy.table import Table
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
from images import WithImages  # noqa: E402

import cubelink  # noqa: E402
from cubelink import background, world  # noqa: E402
from patience import PATIENCE, until, wait_until  # noqa: E402
from proxy import Proxy  # noqa: E402


def equal(found, wanted):
    numpy.testing.assert_array_equal(found, wanted)


class Blocking(WithImages, unittest.TestCase):
    def setUp(self):
        self.client = cubelink.connect_blocking(self.server.url, self.server.secret, timeout=PATIENCE)
        self.addCleanup(self.client.close)
        self.image = self.client.open("disk_cube.fits")

    def test_pixels(self):
        image = self.image
        self.assertEqual((image.shape, image.axes, image.dtype, image.ndim), ((66, 310, 320), ("channel", "y", "x"), numpy.dtype("f4"), 3))
        equal(image[64], self.cube[64])
        equal(image[..., 7:3:-1, 5], self.cube[..., 7:3:-1, 5])
        equal(image.read(channel=3, x=slice(2, 9)), self.cube[3, :, 2:9])
        equal(image.spectrum(9, 8), self.cube[:, 8, 9])
        with self.assertRaises(IndexError):
            image.spectrum(-1, 5)
        with self.assertRaises(TypeError):
            iter(image)
        self.assertEqual(list(self.client.opened()), [image.file_id])
        with self.client.open("sub/stokes.fits") as other:
            equal(other[3, 2], self.stokes[3, 2])
        self.assertEqual(list(self.client.opened()), [image.file_id])

    def test_within_a_running_loop(self):
        """As in a notebook."""

        async def cell():
            return self.image[1, 2, 3]

        self.assertEqual(asyncio.run(cell()), self.cube[1, 2, 3])

    def test_never_waits_for_itself(self):
        async def inside():
            self.image.read()

        with self.assertRaisesRegex(RuntimeError, "wait for itself"):
            background.run(inside(), PATIENCE)

    def test_many_threads(self):
        found = {}
        threads = [threading.Thread(target=lambda n=n: found.__setitem__(n, self.image[n])) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        for n in range(8):
            equal(found[n], self.cube[n])

    def test_time_limit(self):
        with self.assertRaises(TimeoutError):
            background.run(asyncio.sleep(PATIENCE), 0.05)
        self.client._timeout = 0
        with self.assertRaises(TimeoutError), unittest.mock.patch.object(self.client._inner, "_request", lambda *_: asyncio.sleep(PATIENCE)):
            self.client.call("server.info")
        self.client._timeout = PATIENCE
        self.assertEqual(self.client.call("server.info")["name"], "Cubelink")

    def test_what_is_given_up_stops_in_the_server(self):
        failures, request = 'wslink_call_failures_total{method="image.statistics"}', {"file_id": self.image.file_id, "channels": [0, 66], "types": ["Median", "MAD"]}
        self.client.call("image.statistics", self.image.file_id)
        before = self.server.gauge(failures)
        self.client._timeout = 0
        try:
            for _ in range(20):
                with self.assertRaises(TimeoutError):
                    self.client.call("image.statistics", **request)
        finally:
            self.client._timeout = PATIENCE
        self.assertIn("Median", self.client.call("image.statistics", **request)["statistics"])
        self.assertGreater(self.server.gauge(failures), before)

    def test_units(self):
        wanted = {"Jy/beam.km/s": astropy.units.Jy / astropy.units.beam * astropy.units.km / astropy.units.s, "Jy/beam": astropy.units.Jy / astropy.units.beam,
                  "": astropy.units.dimensionless_unscaled, "10**-7 J/s/m**2": 1e-7 * astropy.units.W / astropy.units.m**2, "K km s-1": astropy.units.Unit("K km s-1")}
        for text, unit in wanted.items():
            self.assertEqual(world.unit(text), unit, text)
        self.assertEqual(world.unit("no such/unit").to_string(), "no such/unit")

    def test_steering(self):
        """Two in one session: what one shows, the other hears of."""
        with cubelink.connect_blocking(self.server.url, self.server.secret, session_id=self.client.session_id, timeout=PATIENCE) as other:
            heard = []
            other.subscribe("session.changed", heard.append)  # a callback may call, too
            with other.listen("session.changed") as changes:
                self.image.set_channel(17)
                while changes.get(PATIENCE).message.get("channel") != 17:
                    pass
            self.assertEqual(other.opened()[self.image.file_id].shown(), (17, 0))
            self.image.set_cursor(30, 40)
            wait_until(lambda: other.call("session.state")["cursor"] == {"file_id": self.image.file_id, "point": {"x": 30, "y": 40}})
            wait_until(lambda: any(message.get("channel") == 17 for message in heard))
            other.unsubscribe("session.changed", heard.append)
        with self.assertRaises(cubelink.CallError):
            self.image.set_channel(66)

    def test_regions(self):
        image, cube = self.image, self.cube
        box = image.add_region("RECTANGLE", [[100, 50], [20, 10]])
        numpy.testing.assert_allclose(box.spectrum(), cube[:, 45:56, 90:111].mean(axis=(1, 2), dtype="f8"), rtol=1e-9)
        box.change([[101, 50], [20, 10]])
        self.assertEqual(box.statistics(["NumPixels", "Max"], channels=3), {"NumPixels": 231, "Max": cube[3, 45:56, 91:112].max()})
        self.assertEqual([(one.region_id, one.kind, one.points.tolist()) for one in image.regions()], [(box.region_id, "RECTANGLE", [[101, 50], [20, 10]])])
        ellipse = regions.EllipsePixelRegion(regions.PixCoord(150.3, 120.2), 61, 23, 30 * astropy.units.deg)
        wanted = numpy.nansum(cube[5] * ellipse.to_mask("center").to_image(cube.shape[1:]))
        for shape in (ellipse, ellipse.to_sky(image.wcs().celestial)):
            ours = image.add_region(shape)
            numpy.testing.assert_allclose(image.statistics(["Sum"], region=ours, channels=5)["Sum"], wanted, rtol=1e-6)
        for format in ("CRTF", "DS9"):
            text = image.export_regions(format, chosen=[box])
            again = image.import_regions(text)
            self.assertEqual([(one.kind, one.points.tolist()) for one in again], [("RECTANGLE", [[101, 50], [20, 10]])])
        box.remove()
        self.assertNotIn(box.region_id, [one.region_id for one in image.regions()])
        with self.assertRaisesRegex(TypeError, "Annulus"):
            image.add_region(regions.CircleAnnulusPixelRegion(regions.PixCoord(9, 9), 2, 3))
        with self.assertRaises(cubelink.CallError):
            image.import_regions("nothing that could be read")
        with self.assertRaises(ValueError):
            image.add_region("POINT", [[1, 2, 3]])

    def test_coordinates(self):
        wcs = self.image.wcs().celestial
        x, y = numpy.array([[0, 160.5], [319, 12]]), numpy.array([[0, 155], [309, 200]])
        sky, wanted = self.image.sky(x, y), wcs.pixel_to_world(x, y)
        self.assertEqual(sky.shape, (2, 2))
        self.assertLess(sky.separation(wanted.icrs).max().deg, 1e-9)
        for position in (sky, sky.galactic):
            numpy.testing.assert_allclose(self.image.pixel(position), (x, y), atol=1e-5)
        equal(self.image.spectrum(sky[1, 1]), self.cube[:, 200, 12])
        velocity = self.image.spectral_axis("velocity_radio", 1.42 * astropy.units.GHz)
        self.assertAlmostEqual(velocity[0].to_value("km/s"), 0, delta=1e-6)
        table = self.image.spectrum_table(6, 7, kind="velocity_radio")
        self.assertEqual((table.colnames, len(table), table["velocity_radio"].unit), (["channel", "velocity_radio", "value"], 66, "m/s"))
        equal(table["value"].to_value("Jy/beam"), self.cube[:, 7, 6])
        files = self.client.files()
        self.assertEqual((list(files["name"]), files["size"][0]), (["disk_cube.fits"], (self.folder / "disk_cube.fits").stat().st_size))
        self.assertEqual(len(self.client.files("sub")), 1)

    def test_pictures(self):
        pixels = read_png(self.image.picture(400, limits=(-1, 1)).png)
        self.assertEqual(pixels.shape, (310, 320, 4))
        wanted = numpy.rint(255 * numpy.clip((self.cube[0].astype(float) + 1) / 2, 0, 1))
        blank = numpy.isnan(self.cube[0])
        equal(pixels[::-1, :, 3] == 0, blank)
        equal(pixels[::-1, :, 0][~blank], wanted[~blank])
        coarse = self.image.picture(160)
        self.assertEqual(coarse.rgba.shape, (155, 160, 4))
        self.assertEqual(read_png(self.image._repr_png_()).shape, (310, 320, 4))
        cut = self.image.picture(channel=9, x=slice(10, 30), y=slice(50, 60), colour_map="viridis", invert=True, stretch="asinh", percentile=90)
        numpy.testing.assert_allclose(cut.limits, numpy.percentile(self.cube[9, 50:60, 10:30], [5, 95]), rtol=1e-6)
        self.assertEqual(self.image.shown(), (0, 0), "a picture of a channel changed what is shown")
        path = self.folder.parent / "cut.png"
        cut.save(path)
        equal(read_png(path.read_bytes()), cut.rgba)
        self.assertEqual(self.client.open("sub/stokes.fits").picture(10, channel=1, stokes=2, colour_map="heat").rgba.shape, (7, 10, 4))
        for wrong in ({"stretch": "no"}, {"colour_map": "no"}, {"percentile": 0}, {"x": slice(5, 5)}):
            with self.assertRaises(ValueError):
                self.image.picture(**wrong)

    def test_pictures_drawn_by_the_server(self):
        drawn = self.image.render((320, 310), colour_map="grey", stretch="linear", limits=(-1, 1), blank="#ff0000")
        self.assertEqual((drawn.width, drawn.height, drawn.limits, drawn.view), (320, 310, (-1, 1), {"x": 159.5, "y": 154.5, "scale": 1}))
        wanted = numpy.floor(255 * numpy.clip((self.cube[0].astype(float) + 1) / 2, 0, 1) + 0.5)
        blank = numpy.isnan(self.cube[0])
        equal(drawn.rgba[::-1, :, 0][~blank], wanted[~blank])
        self.assertTrue((drawn.rgba[::-1][blank] == (255, 0, 0, 255)).all())
        equal(read_png(drawn.data)[..., :3], drawn.rgba[..., :3])
        kinds = set()
        for options in ({}, {"blank": "transparent"}, {"blank": "transparent", "limits": (50, 51)}, {"grid": True}, {"grid": True, "view": {"x": 0, "y": 0, "scale": 1}}):
            drawn = self.image.render(320, **options)
            opened = Image.open(io.BytesIO(drawn.data))
            kinds.add((opened.mode, "transparency" in opened.info))
            equal(drawn.rgba, numpy.array(opened.convert("RGBA")))
        self.assertIn(("P", True), kinds)
        self.assertTrue({"RGB", "RGBA"} & {mode for mode, _ in kinds}, kinds)
        outside = self.image.render(50, {"x": 0, "y": 0, "scale": 1}, channel=9, format="webp", grid=False, beam=True)
        self.assertEqual((outside.format, list(outside._repr_mimebundle_()), outside.rgba.shape), ("webp", ["image/webp"], (48, 50, 4)))
        self.assertEqual(self.image.render(50, {"x": 0, "y": 0, "scale": 1}).rgba[-1, 0, 3], 0)
        self.assertEqual(self.image.shown(), (0, 0), "a picture of a channel changed what is shown")
        path = self.folder.parent / "drawn.jpg"
        self.image.render(100, format="jpeg", quality=50).save(path)
        self.assertEqual(path.read_bytes()[:2], b"\xff\xd8")
        for wrong in ({"stretch": "no"}, {"colour_map": "no"}, {"size": 0}, {"unknown": 1}):
            with self.assertRaises(cubelink.CallError):
                self.image.render(**wrong)

    def test_a_preview_is_a_sample_of_the_plane(self):
        plane = self.cube[9]
        found = self.image.preview((100, 90), channel=9)
        rows, columns = ((2 * numpy.arange(n) + 1) * length // (2 * n) for n, length in zip(found.shape, plane.shape))
        self.assertEqual((len(rows), len(columns)), (90, 93))
        equal(found, plane[rows][:, columns])
        equal(self.image.preview((4096, 1000)), self.cube[0])
        with self.assertRaises(cubelink.CallError):
            self.image.preview((0, 5))

    def test_page_in_a_notebook(self):
        view = self.client.view(height=500)
        self.assertNotIn("secret", repr(view))
        source = html.unescape(re.search(r'src="([^"]*)"', view._repr_html_())[1])
        self.assertEqual(source, view.url)
        self.assertEqual(view.url, f"http://127.0.0.1:{self.server.port}/?token={self.server.secret.replace(' ', '+')}&session={self.client.session_id}")
        self.assertTrue(self.client.view(page="https://hub.example/proxy/").url.startswith("https://hub.example/proxy/?token="))
        with unittest.mock.patch.dict(os.environ, JUPYTERHUB_SERVICE_PREFIX="/user/ann/"):
            self.assertTrue(self.client.view().url.startswith(f"/user/ann/proxy/{self.server.port}/?token="))
        with self.client.open("sub/stokes.fits") as other:
            other.view()
            self.assertEqual(self.client.call("session.state")["cursor"]["file_id"], other.file_id)
            for image in (self.image, other, self.image):  # the cursor is where it was, in another image
                image.view()
                self.assertEqual(self.client.call("session.state")["cursor"]["file_id"], image.file_id)

    def test_contours(self):
        lines = self.image.contours([0.5, 2.5])
        self.assertEqual(list(lines), [0.5, 2.5])
        self.assertGreater(len(lines[0.5]), 100)
        plane = self.cube[0].astype(float)
        for line in lines[0.5][:50]:  # vertices are where a side of the grid crosses the level
            for x, y in line:
                left, low = int(numpy.floor(x + 1e-6)), int(numpy.floor(y + 1e-6))
                corners = plane[low : low + 2, left : left + 2]
                if numpy.isfinite(corners).all():
                    self.assertTrue(corners.min() - 1e-5 <= 0.5 <= corners.max() + 1e-5, (x, y))
        self.assertEqual(list(self.image.contours([0.5, 2.5])), [0.5, 2.5])
        self.assertEqual(self.image.contours([]), {})

    def test_moments_and_saving(self):
        total, brightest = self.image.moments([1, "MAX_OF_THE_SPECTRUM"], channels=(10, 20))
        self.assertEqual(brightest.shape, (310, 320))
        equal(brightest[...], self.cube[10:20].max(axis=0))
        self.assertEqual(total.unit, astropy.units.Jy / astropy.units.beam * astropy.units.km / astropy.units.s)
        self.image.save("part.fits", channels=(3, 10, 2))
        self.addCleanup((self.folder / "part.fits").unlink)
        equal(numpy.squeeze(fits.getdata(self.folder / "part.fits")), self.cube[3:10:2])
        with self.assertRaises(cubelink.CallError) as refused:
            self.image.save("part.fits")
        self.assertTrue(refused.exception.answer["overwrite_confirmation_required"])

    def test_expressions(self):
        equal(self.client.open_expression("disk_cube.fits * 2")[3, 4], 2 * self.cube[3, 4])

    def test_catalogs(self):
        random = numpy.random.default_rng(8)
        wanted = Table({"name": [f"source {n}" for n in range(3000)], "flux": random.normal(size=3000) * astropy.units.mJy, "number": numpy.arange(3000), "good": random.random(3000) > 0.5})
        wanted[["name", "flux", "number"]].write(self.folder / "sources.vot", format="votable")
        wanted.write(self.folder / "sources.fits", format="fits")
        for file in ("sources.vot", "sources.fits"):
            self.addCleanup((self.folder / file).unlink)
            found = self.client.read_catalog(file)
            self.assertEqual((found.colnames, len(found), found["flux"].unit), (wanted.colnames[: 3 if file == "sources.vot" else 4], 3000, "mJy"))
            for name in found.colnames:
                equal(found[name], wanted[name])
        some = self.client.read_catalog("sources.vot", [{"column_name": "flux", "comparison_operator": "Greater", "value": 1}], "flux", rows=50)
        equal(some["flux"], numpy.sort(wanted["flux"][wanted["flux"] > 1])[:50])
        self.assertEqual(len(self.client.read_catalog("sources.vot", [{"column_name": "flux", "comparison_operator": "Greater", "value": 1e9}])), 0)
        with self.assertRaises(cubelink.CallError):
            self.client.read_catalog("sources.vot", [{"column_name": "none", "comparison_operator": "Greater", "value": 1}])
        with self.assertRaises(cubelink.CallError):
            self.client.read_catalog("none.vot")
        self.assertEqual(self.client.call("session.state")["catalogs"], [])

    def test_dask(self):
        array = self.image.as_dask(chunks=(16, 310, 320))
        self.assertEqual((array.shape, array.dtype, array.numblocks), ((66, 310, 320), numpy.dtype("f4"), (5, 1, 1)))
        numpy.testing.assert_allclose(array.mean(axis=0, dtype="f8").compute(scheduler="threads"), self.cube.mean(axis=0, dtype="f8"), rtol=1e-12)
        equal(array[60:, ::100, 5].compute(), self.cube[60:, ::100, 5])


class Losses(WithImages, unittest.TestCase):
    """The connection is cut on its way."""

    def setUp(self):
        self.proxy = Proxy(self.server.port)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.url = f"http://127.0.0.1:{self.proxy.port}/"

    def test_back_while_the_caller_computes(self):
        with cubelink.connect_blocking(self.url, self.server.secret, timeout=PATIENCE) as client:
            image = client.open("disk_cube.fits")
            region = image.add_region("POINT", [[7, 8]])
            heard = []
            client.subscribe("session.changed", heard.append)
            session, before = client.session_id, client.client_id
            for _ in range(3):
                self.proxy.cut()
                wait_until(lambda: client.client_id != before and client.connected)  # nobody calls meanwhile
                before = client.client_id
            self.assertEqual(client.session_id, session)
            equal(image[5], self.cube[5])
            equal(region.spectrum(), self.cube[:, 8, 7])
            heard.clear()
            image.set_channel(30)
            wait_until(lambda: any(message.get("channel") == 30 for message in heard))
            self.proxy.open = False
            self.proxy.cut()
            wait_until(lambda: not client.connected)
            threading.Timer(0.5, setattr, (self.proxy, "open", True)).start()
            equal(image[6, 5], self.cube[6, 5])  # waits until it is back

    def test_what_was_under_way_fails(self):
        async def script():
            async with cubelink.connect(self.url, self.server.secret) as client:
                image = await client.open("disk_cube.fits")
                with client.listen("carta.pv.progress") as queue:
                    waiting = asyncio.ensure_future(queue.get())
                    self.proxy.cut()
                    with self.assertRaisesRegex(cubelink.ConnectionLost, r"connection lost \(no close frame\)"):
                        await asyncio.wait_for(waiting, PATIENCE)
                    with self.assertRaises(cubelink.ConnectionLost):
                        await queue.get()
                equal(await image[3, 4], self.cube[3, 4])

        asyncio.run(script())

    def test_session_that_has_ended(self):
        async def script():
            client = await cubelink.connect(self.url, self.server.secret)
            self.proxy.open = False
            self.proxy.cut()

            async def lost():
                return not client.connected

            await until(lost)
            async with cubelink.connect(self.server.url, self.server.secret, session_id=client.session_id) as other:
                await other.call("session.close")
            self.proxy.open = True
            error = await asyncio.wait_for(client.wait_closed(), PATIENCE)
            self.assertIsInstance(error, cubelink.ConnectionLost)
            self.assertIn("no session", str(error))
            with self.assertRaises(cubelink.ConnectionLost):
                await client.call("server.info")
            await client.close()

        asyncio.run(script())

    def test_not_for_ever(self):
        with cubelink.connect_blocking(self.url, self.server.secret, reconnect=0.5, timeout=PATIENCE) as client:
            self.proxy.open = False
            self.proxy.cut()
            started = time.monotonic()
            with self.assertRaises(cubelink.ConnectionLost):
                while time.monotonic() < started + PATIENCE:
                    try:
                        client.call("server.info")
                    except cubelink.ConnectionLost:
                        if client._inner._error:
                            raise


def read_png(data):
    """(height, width, 4), by Pillow."""
    import io

    from PIL import Image

    return numpy.array(Image.open(io.BytesIO(data)))


if __name__ == "__main__":
    unittest.main()
