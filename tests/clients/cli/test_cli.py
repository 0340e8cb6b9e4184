"""cubelink-cli against the server: every command, its output as text and JSON, its exit statuses, and its completions in the shells that are installed.

The tool is build/release/clients/cli/cubelink-cli, or what the environment's CUBELINK_CLI names."""

import base64
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy
import regions
from astropy import units
from astropy.coordinates import FK4, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "clients" / "python")]
import cubelink  # noqa: E402
from cubelink_server import Server  # noqa: E402
from patience import PATIENCE  # noqa: E402

PROGRAM = os.environ.get("CUBELINK_PROGRAM", str(ROOT / "build/release/server/cubelink"))
TOOL = os.environ.get("CUBELINK_CLI", str(ROOT / "build/release/clients/cli/cubelink-cli"))


class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="cubelink-cli-")
        cls.addClassCleanup(temporary.cleanup)
        cls.place = Path(temporary.name)
        folder = cls.place / "images"
        (folder / "sub").mkdir(parents=True)
        (folder / "products").mkdir()
        random = numpy.random.default_rng(5)
        cls.cube = random.normal(size=(20, 40, 50)).astype("f4")
        cls.cube[:, 5, 6] = numpy.nan
        cls.header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CRVAL1": 83.5, "CRVAL2": 22.0, "CRVAL3": 1.42e9, "CRPIX1": 25.0,
                                  "CRPIX2": 20.0, "CRPIX3": 1.0, "CDELT1": -1e-4, "CDELT2": 1e-4, "CDELT3": 1e5, "CUNIT3": "Hz", "RESTFRQ": 1.420405752e9,
                                  "BUNIT": "Jy/beam", "OBJECT": "disk"})  # fmt: skip
        fits.writeto(folder / "cube.fits", cls.cube, cls.header)
        fits.writeto(folder / "sub" / "plane.fits", cls.cube[0])
        cls.folder = folder
        cls.server = Server(PROGRAM, str(folder), "--store", str(cls.place / "store.sqlite"))
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.base = re.sub(r"^ws(.*)/ws$", r"http\1/", cls.server.url)
        cls.environment = {key: value for key, value in os.environ.items() if not key.startswith("CUBELINK_")}
        cls.environment["CUBELINK_SERVER"] = cls.base
        cls.environment["CUBELINK_AUTHKEY"] = cls.server.secret

    def tool(self, *arguments, status=0, environment=None, **options):
        done = subprocess.run([TOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**self.environment, **(environment or {})},
                              timeout=PATIENCE, **options)  # fmt: skip
        self.assertEqual(done.returncode, status, done.stdout[-500:] + done.stderr[-500:])
        if status == 0:
            self.assertEqual(done.stderr, b"")
        return done

    def out(self, *arguments, **options):
        return self.tool(*arguments, **options).stdout.decode()

    def json(self, *arguments, **options):
        text = self.out(*arguments, "--json", **options)
        self.assertEqual(text.count("\n"), 1, "one document on one line")
        return json.loads(text, parse_constant=lambda word: self.fail(f"{word} is not JSON"))

    def error(self, *arguments, status, **options):
        done = self.tool(*arguments, status=status, **options)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        return done.stderr.decode()

    # what the commands do

    def test_list(self):
        self.assertEqual(self.out("list").splitlines(), ["products/", "sub/", "cube.fits"])
        self.assertRegex(self.out("list", "-l", "sub"), r"^FITS  \d+  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  plane.fits\n$")
        answer = self.json("list")
        self.assertEqual([item["name"] for item in answer["folders"]], ["products", "sub"])
        self.assertEqual(answer["files"][0]["size"], (self.folder / "cube.fits").stat().st_size)

    def test_info_and_header(self):
        self.assertRegex(self.out("info", "cube.fits"), r"Shape +\[50, 40, 20\]")
        answer = self.json("info", "sub/plane.fits")
        self.assertEqual((answer["hdus"]["0"]["width"], answer["hdus"]["0"]["height"]), (50, 40))
        self.assertEqual(self.out("header", "cube.fits", "OBJECT", "NAXIS3"), "disk\n20\n")
        cards = {card["name"]: card["value"] for card in self.json("header", "cube.fits")}
        self.assertEqual((cards["NAXIS1"], cards["CRVAL2"], cards["OBJECT"]), (50, 22.0, "disk"))
        self.assertIn("OBJECT  = disk", self.out("header", "cube.fits"))
        self.assertIn("no keyword NOSUCH", self.error("header", "cube.fits", "NOSUCH", status=1))

    def test_tile(self):
        picture = self.place / "tile.png"
        self.assertEqual(self.out("tile", "cube.fits", "-c", "3", "-p", "100", "-o", str(picture)), "")
        with Image.open(picture) as image:
            grey, alpha = numpy.moveaxis(numpy.asarray(image), 2, 0)
        plane = self.cube[3, ::-1]
        numpy.testing.assert_array_equal(alpha == 0, numpy.isnan(plane))
        good = ~numpy.isnan(plane)
        expected = (plane - numpy.nanmin(plane)) / (numpy.nanmax(plane) - numpy.nanmin(plane)) * 255
        self.assertLess(numpy.abs(grey[good] - expected[good]).max(), 0.51)
        self.assertEqual(self.tool("tile", "cube.fits", "--stretch", "log", "-i").stdout[:8], b"\x89PNG\r\n\x1a\n")  # not a terminal: standard output
        self.assertEqual(self.json("tile", "cube.fits", "-o", str(picture)), {"file": str(picture), "width": 50, "height": 40})
        self.error("tile", "cube.fits", "-c", "20", status=1)
        self.error("tile", "cube.fits", "--layer", "5", "-o", str(picture), status=1)

    def test_picture(self):
        picture = self.place / "map.png"
        self.assertEqual(self.out("picture", "cube.fits", "-c", "3", "--colour-map", "Grey", "--limits", "-1:1", "--stretch", "linear", "-o", str(picture)), "")
        with Image.open(picture) as image:
            grey = numpy.asarray(image.convert("RGB"))[::-1, :, 0]
        good = numpy.isfinite(self.cube[3])
        numpy.testing.assert_array_equal(grey[good], numpy.floor(255 * numpy.clip((self.cube[3][good].astype("f8") + 1) / 2, 0, 1) + 0.5))
        for name, size, kind, shape in (("a.jpg", "100", "JPEG", (100, 80)), ("b.WEBP", "60x90", "WEBP", (60, 90)), ("c", "30", "PNG", (30, 24))):
            answer = self.json("picture", "cube.fits", "--size", size, "--grid", "ICRS", "--beam", "-i", "-o", str(self.place / name))
            with Image.open(self.place / name) as image:
                self.assertEqual((image.format, image.size, (answer["width"], answer["height"])), (kind, shape, shape))
        self.assertEqual(self.tool("picture", "cube.fits", "--format", "jpeg", "-p", "90").stdout[:2], b"\xff\xd8")
        self.error("picture", "cube.fits", "-p", "90", "--limits", "0:1", status=2)
        for wrong in ("x", "0", "10x", "-5"):
            self.error("picture", "cube.fits", f"--size={wrong}", status=2)
        self.error("picture", "cube.fits", "--size", "100000", status=1)
        self.error("picture", "cube.fits", "-c", "20", status=1)
        names = [name.replace("–", "-") for name in json.loads((ROOT / "imaging/render/colour_maps.json").read_text())]
        self.assertEqual(self.bash("cubelink-cli picture x --colour-map "), sorted(names))
        for name in names:
            self.assertEqual(self.tool("picture", "cube.fits", "--colour-map", name).stdout[:4], b"\x89PNG")

    def test_spectrum(self):
        rows = list(csv.reader(io.StringIO(self.out("spectrum", "cube.fits", "12", "7", "--axis", "velocity_radio"))))
        self.assertEqual(rows[0], ["channel", "velocity_radio [m/s]", "value [Jy/beam]"])
        numbers = numpy.array(rows[1:], float)
        numpy.testing.assert_array_equal(numbers[:, 0], numpy.arange(20))
        numpy.testing.assert_array_equal(numbers[:, 2].astype("f4"), self.cube[:, 7, 12])
        frequency = 1.42e9 + 1e5 * numpy.arange(20)
        numpy.testing.assert_allclose(numbers[:, 1], 299792458 * (1 - frequency / 1.420405752e9), atol=1e-3)
        longitude, latitude = WCS(self.header).celestial.wcs_pix2world([[12, 7]], 0)[0]
        answer = self.json("spectrum", "cube.fits", str(longitude), str(latitude), "--frame", "ICRS")
        self.assertEqual((answer["x"], answer["y"]), (12, 7))
        numpy.testing.assert_array_equal(numpy.array(answer["values"], "f4"), self.cube[:, 7, 12])
        self.assertEqual(self.json("spectrum", "cube.fits", "6", "5")["values"], [None] * 20)
        self.assertIn(",nan\n", self.out("spectrum", "cube.fits", "6", "5"))
        for wrong in (["50", "0"], ["-1", "0"], ["0", "1e300"]):
            self.assertIn("outside", self.error("spectrum", "cube.fits", *wrong, status=1))
        output = self.place / "spectrum.csv"
        self.assertEqual(self.out("spectrum", "cube.fits", "12", "7", "-o", str(output)), "")
        self.assertEqual(output.read_text(), self.out("spectrum", "cube.fits", "12", "7"))

    def test_spectral_frame(self):
        header = self.header.copy()
        header["SPECSYS"] = "BARYCENT"
        header["CDELT1"], header["CDELT2"] = -1.0, 1.0  # wide, so that it matters where the pixel is
        file = self.folder / "bary.fits"
        fits.writeto(file, self.cube, header)
        self.addCleanup(file.unlink)  # other tests list what is there
        apex = SkyCoord("18h", "30d", frame=FK4(equinox="B1900")).icrs
        for x, y in ((12, 7), (40, 30)):
            towards = SkyCoord(*WCS(header).celestial.wcs_pix2world([[x, y]], 0)[0], unit="deg")
            beta = 20e3 * numpy.cos(apex.separation(towards).rad) / 299792458
            barycentric = 1.42e9 + 1e5 * numpy.arange(20)
            answer = self.json("spectrum", "bary.fits", str(x), str(y), "--axis", "frequency", "--spectral-frame", "LSRK")
            numpy.testing.assert_allclose(answer["frequency"]["values"], barycentric * numpy.sqrt((1 - beta) / (1 + beta)), rtol=1e-9)
            self.assertEqual(self.json("spectrum", "bary.fits", str(x), str(y), "--axis", "frequency")["frequency"]["values"], list(barycentric))
        self.error("spectrum", "bary.fits", "1", "1", "--spectral-frame", "LSRK", status=2)
        self.error("spectrum", "bary.fits", "1", "1", "-a", "frequency", "--spectral-frame", "LSR", status=2)
        self.assertIn("DATE-OBS", self.error("spectrum", "bary.fits", "1", "1", "-a", "frequency", "--spectral-frame", "TOPOCENT", status=1))

    def test_statistics(self):
        answer = self.json("statistics", "cube.fits", "-t", "Mean", "-t", "MAD", "-t", "NumPixels", "-c", "2:5", "-p", "25", "-p", "97.5")
        values = self.cube[2:5][numpy.isfinite(self.cube[2:5])].astype("f8")
        self.assertEqual(answer["statistics"]["NumPixels"], values.size)
        self.assertAlmostEqual(answer["statistics"]["Mean"], values.mean(), 9)
        self.assertAlmostEqual(answer["statistics"]["MAD"], numpy.median(numpy.abs(values - numpy.median(values))), 6)
        numpy.testing.assert_allclose(answer["percentiles"], numpy.percentile(values, [25, 97.5]), rtol=1e-6)
        box = self.json("statistics", "cube.fits", "-b", "20,10,4,2", "-t", "Sum", "-c", "1")
        self.assertAlmostEqual(box["statistics"]["Sum"], float(self.cube[1, 9:12, 18:23].astype("f8").sum()), 9)
        text = self.out("statistics", "cube.fits", "-t", "Max", "-t", "MaxPos", "-p", "50")
        self.assertRegex(text, r"(?m)^Max .*\d$")
        self.assertRegex(text, r"(?m)^50 % ")
        self.error("statistics", "cube.fits", "-t", "Nonsense", status=1)
        self.error("statistics", "cube.fits", "-b", "1,2,3", status=2)

    # Pixels counted from 0, and the same by DS9 and CASA.
    REGIONS = (
        ("circle(20,15,6.2)", "image\ncircle(21,16,6.2)", "circle[[20pix, 15pix], 6.2pix]", regions.CirclePixelRegion(regions.PixCoord(20, 15), 6.2)),
        ("ellipse(20.3, 15, 8, 4, 30)", "image\nellipse(21.3,16,8,4,30)", None, regions.EllipsePixelRegion(regions.PixCoord(20.3, 15), 16, 8, 30 * units.deg)),
        ("box(20,15,9.5,5,20)", "image\nbox(21,16,9.5,5,20)", None, regions.RectanglePixelRegion(regions.PixCoord(20, 15), 9.5, 5, 20 * units.deg)),
        ("polygon(10.2,9.7,30.1,12.3,19.8,33.4)", "image\npolygon(11.2,10.7,31.1,13.3,20.8,34.4)", "poly[[10.2pix,9.7pix],[30.1pix,12.3pix],[19.8pix,33.4pix]]",
         regions.PolygonPixelRegion(regions.PixCoord([10.2, 30.1, 19.8], [9.7, 12.3, 33.4]))),
    )  # fmt: skip

    def test_regions(self):
        for short, ds9, casa, region in self.REGIONS:
            inside = region.to_mask("center").to_image((40, 50)).astype(bool)
            spectrum = numpy.nanmean(numpy.where(inside, self.cube, numpy.nan).astype("f8"), axis=(1, 2))
            for given in (short, ds9, casa):
                if given is None:
                    continue
                with self.subTest(region=given):
                    found = self.json("statistics", "cube.fits", "-r", given, "-t", "Mean", "-t", "NumPixels", "-c", "4")["statistics"]
                    self.assertEqual(found["NumPixels"], numpy.isfinite(self.cube[4][inside]).sum())
                    self.assertAlmostEqual(found["Mean"], spectrum[4], 9)
                    answer = self.json("spectrum", "cube.fits", "-r", given)
                    numpy.testing.assert_allclose(answer["regions"], [spectrum], rtol=1e-9)
                    self.assertEqual((answer["statistic"], answer["unit"]), ("Mean", "Jy/beam"))

    def test_files_of_regions(self):
        one, both = self.place / "one.crtf", self.place / "both.reg"
        sky = WCS(self.header).celestial
        center = sky.pixel_to_world(20, 15)
        one.write_text(f"#CRTFv0\ncircle[[{center.ra.deg}deg, {center.dec.deg}deg], {6.2e-4 * 3600}arcsec], coord=ICRS\n")
        both.write_text(f'icrs\ncircle({center.ra.deg},{center.dec.deg},{6.2e-4 * 3600}") # text={{A}}\nimage\nbox(11,11,5,3)\n')
        circle, box = (region.to_mask("center").to_image((40, 50)).astype(bool)
                       for region in (self.REGIONS[0][3], regions.RectanglePixelRegion(regions.PixCoord(10, 10), 5, 3)))  # fmt: skip
        wanted = [float(numpy.nanmax(self.cube[3][inside])) for inside in (circle, box)]
        self.assertEqual(self.json("statistics", "cube.fits", "-r", f"@{one}", "-t", "Max", "-c", "3")["statistics"]["Max"], wanted[0])
        answer = self.json("statistics", "cube.fits", "-r", "@-", "-t", "Max", "-c", "3", input=both.read_bytes())
        self.assertEqual([region["statistics"]["Max"] for region in answer["regions"]], wanted)
        self.assertRegex(self.out("statistics", "cube.fits", "-r", f"@{both}", "-t", "Max", "-p", "50"), r"(?m)^Max +\S+ +\S+\n50 % +\S+ +\S+\n")
        rows = list(csv.reader(io.StringIO(self.out("spectrum", "cube.fits", "-r", f"@{both}", "--statistic", "Max", "-a", "frequency"))))
        self.assertEqual(rows[0], ["channel", "frequency [Hz]", "Max_1 [Jy/beam]", "Max_2 [Jy/beam]"])
        self.assertEqual([float(value) for value in rows[4][2:]], wanted)
        answer = self.json("moments", "cube.fits", "-m", "max", "-r", f"@{one}", "--save", "products/region.fits")
        self.assertEqual(answer["moments"][0]["max"], float(numpy.nanmax(self.cube[:, circle])))
        self.assertEqual(answer["moments"][0]["pixels"], circle.sum())

    def test_regions_that_make_no_sense(self):
        for wrong in ("circle(1,2)", "circle(1,2,-3)", "heart(1,2,3)", "polygon(1,2,3,4)", "box(1,2,3,x)", "@/nosuch/file.reg"):
            self.error("statistics", "cube.fits", "-r", wrong, status=2)
        for wrong in ("#CRTFv0\nnothing", "nonsense", ""):
            self.error("statistics", "cube.fits", "-r", wrong, status=1)
        self.error("statistics", "cube.fits", "-r", "point(1,2)", "-b", "1,2,3,4", status=2)
        self.error("moments", "cube.fits", "-r", "image;circle(9,9,3);circle(20,20,3)", status=2)
        for wrong in ([], ["3"], ["3", "4", "-r", "point(3,4)"], ["3", "4", "--statistic", "Max"]):
            self.error("spectrum", "cube.fits", *wrong, status=2)
        self.error("statistics", "cube.fits", "-r", "line(1,2,30,4)", status=1)

    def test_moments(self):
        answer = self.json("moments", "cube.fits", "-m", "max", "-m", "mean", "-c", "3:9", "--save", "products/m.fits")
        self.assertEqual([moment["moment"] for moment in answer["moments"]], ["max", "mean"])
        self.assertAlmostEqual(answer["moments"][0]["max"], float(numpy.nanmax(self.cube[3:9])), 6)
        with fits.open(self.folder / "products" / "m.fits") as saved:
            numpy.testing.assert_allclose(saved[2].data.squeeze(), self.cube[3:9].astype("f8").mean(axis=0), rtol=1e-5, atol=1e-6)
        self.error("moments", "cube.fits", "-m", "max", "--save", "products/m.fits", status=1)
        self.assertRegex(self.out("moments", "cube.fits", "-m", "max", "--save", "products/m.fits", "--overwrite"), r"(?m)^max +Jy/beam ")
        self.error("moments", "cube.fits", "-c", "5:5", status=2)
        self.error("moments", "cube.fits", "--include", "0:1", "--exclude", "0:1", status=2)

    def test_call(self):
        self.assertEqual(json.loads(self.out("call", "server.info"))["name"], "Cubelink")
        self.assertEqual(self.json("call", "store.set", 'kind="preferences"', 'name="cli"', "value=[1,2.5,null]"), None)
        self.assertEqual(self.json("call", "store.get", '"preferences"', '"cli"'), [1, 2.5, None])
        self.assertEqual(json.loads(self.out("call", "store.get", '"preferences"', "@-", input=b'"cli"')), [1, 2.5, None])
        listed = self.json("call", "carta.file.list.request", '{"directory": "sub"}')
        self.assertEqual(listed["files"][0]["name"], "plane.fits")
        self.assertIn("not JSON", self.error("call", "store.get", "preferences", status=2))
        self.assertIn("no.such.method", self.error("call", "no.such.method", status=1))
        error = json.loads(self.error("call", "no.such.method", "--json", status=1))["error"]
        self.assertEqual((error["status"], error["code"]), (1, -32601))
        self.error("call", "carta.open.file", '{"file": "missing.fits"}', status=1)  # success: false

    def test_joins_a_session(self):
        with cubelink.connect_blocking(self.server.url, self.server.secret) as holder:
            image = holder.open("cube.fits")
            session = str(holder.session_id)
            x, y = 12, 7
            read = self.json("call", "image.read", str(image.file_id), f"x=[{x},{x + 1},1]", f"y=[{y},{y + 1},1]", "channel=[0,20,1]", "stokes=[0,1,1]", "--session", session)
            numpy.testing.assert_array_equal(numpy.frombuffer(base64.b64decode(read["data"]["base64"]), "<f4"), self.cube[:, y, x])
            watch = subprocess.Popen([TOOL, "watch", "session.changed", "-n", "2", "--session", session], stdout=subprocess.PIPE, env=self.environment)
            try:
                deadline = time.monotonic() + PATIENCE
                channel = 0
                while watch.poll() is None:  # it is not known when it has subscribed
                    self.assertLess(time.monotonic(), deadline)
                    channel = 1 - channel
                    image.set_channel(channel)
                    time.sleep(0.05)
                messages = [json.loads(line) for line in watch.stdout]
            finally:
                watch.kill()
                watch.wait()
                watch.stdout.close()
            self.assertEqual(watch.returncode, 0)
            self.assertEqual([message["topic"] for message in messages], ["session.changed"] * 2)
        self.assertIn("no session", self.error("call", "server.info", "--session", "4000000000", status=1))

    # how it ends

    def test_exit_statuses(self):
        self.assertIn("nosuch", self.error("nosuch", status=2))
        self.error("list", "--server", "ftp://x/", status=2)
        self.error("list", "--server", "http://127.0.0.1:1/", status=3)
        missing = self.error("list", status=4, environment={"CUBELINK_AUTHKEY": ""})
        wrong = self.error("list", status=4, environment={"CUBELINK_AUTHKEY": "wrong"})
        self.assertIn("none was given", missing)
        self.assertIn("refused", wrong)
        self.error("watch", "carta.contour.image.data", "--timeout", "0.3", status=5)
        self.error("tile", "cube.fits", "-o", str(self.place / "no" / "x.png"), status=6)
        self.assertEqual(self.error("info", "missing.fits", status=1).count("missing.fits"), 1)
        self.assertEqual(json.loads(self.error("list", "--nosuch", "--json", status=2))["error"]["status"], 2)
        with open("/dev/full", "w") as full:
            done = subprocess.run([TOOL, "list"], stdout=full, stderr=subprocess.PIPE, env=self.environment, timeout=PATIENCE)
        self.assertEqual(done.returncode, 6, done.stderr)

    def test_ways_to_name_the_server(self):
        clean = {"CUBELINK_AUTHKEY": "", "CUBELINK_SERVER": ""}
        token = self.place / "token"
        token.write_text(self.server.secret + "\n")
        self.assertIn("cube.fits", self.out("list", "-s", self.base, "--token-file", str(token), environment=clean))
        self.assertIn("cube.fits", self.out("list", "-s", self.server.url, "--token-file", str(token), environment=clean))
        self.assertIn("cube.fits", self.out("list", environment={**clean, "CUBELINK_SERVER": f"{self.base}?token={self.server.secret}"}))
        self.assertIn("cannot be read", self.error("list", "--token-file", str(self.place / "nosuch"), status=2))

    def test_topics(self):
        self.assertIn('no topic "no.such.topic"', self.error("watch", "no.such.topic", status=1))
        self.error("watch", "session.changed", "--filter", "[]", status=2)

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            watch = subprocess.Popen([TOOL, "watch", "session.changed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
            try:
                # Both signals are handled from the moment when the tool is connected.
                deadline = time.monotonic() + PATIENCE
                while not self.handles(watch.pid, number):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.02)
                watch.send_signal(number)
                _, errors = watch.communicate(timeout=PATIENCE)
                self.assertEqual((watch.returncode, errors), (130, b""))
            finally:
                watch.kill()
                watch.wait()
                watch.stdout.close()
                watch.stderr.close()

    @staticmethod
    def handles(process, number):
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{process}/status").read_text(), re.M)
        return bool(int(found[1], 16) >> (number - 1) & 1)

    def test_bar_only_on_a_terminal(self):
        bar = b"moments ["
        self.assertNotIn(bar, self.tool("moments", "cube.fits").stderr)

        def errors_on_a_terminal(*options):
            ours, theirs = pty.openpty()
            done = subprocess.Popen([TOOL, "moments", "cube.fits", *options], stdout=subprocess.DEVNULL, stderr=theirs, env=self.environment)
            os.close(theirs)
            text = b""
            try:
                while part := os.read(ours, 4096):
                    text += part
            except OSError:  # the other end was closed
                pass
            os.close(ours)
            self.assertEqual(done.wait(PATIENCE), 0)
            return text

        self.assertIn(bar, errors_on_a_terminal())
        self.assertTrue(errors_on_a_terminal().endswith(b"\r\x1b[K"), "the bar is taken away")
        self.assertEqual(errors_on_a_terminal("--quiet"), b"")

    # texts

    def test_help_and_manual(self):
        self.assertIn("Commands:", self.out("--help"))
        self.assertIn("Usage: cubelink-cli tile", self.out("tile", "--help"))
        self.assertRegex(self.out("--version"), r"^cubelink-cli \d+\.\d+\.\d+\n$")
        manual = self.out("manual")
        self.assertTrue(manual.startswith(".TH cubelink-cli 1"))
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=manual.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def bash(self, line):
        """What bash offers at the end of the line."""
        script = self.out("completion", "bash")
        words = line.split(" ")
        call = "COMP_WORDS=(" + " ".join(f"'{word}'" for word in words) + f"); COMP_CWORD={len(words) - 1}; _cubelink_cli; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "--norc", "-c", script + call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, cwd=self.place)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(done.stdout.split())

    def test_completion_in_bash(self):
        self.assertEqual(self.bash("cubelink-cli s"), ["spectrum", "statistics"])
        self.assertEqual(self.bash("cubelink-cli p"), ["picture"])
        self.assertEqual(self.bash("cubelink-cli --server x l"), ["list"])
        self.assertEqual(self.bash("cubelink-cli list --l"), ["--long"])
        self.assertEqual(self.bash("cubelink-cli tile x --st"), ["--stokes", "--stretch"])
        self.assertEqual(self.bash("cubelink-cli tile --stretch "), ["asinh", "linear", "log", "sqrt"])
        self.assertEqual(self.bash("cubelink-cli moments x -m max"), ["max", "max-velocity"])
        self.assertEqual(self.bash("cubelink-cli spectrum x --statistic S"), ["Sigma", "Sum", "SumSq"])
        self.assertEqual(self.bash("cubelink-cli statistics x --reg"), ["--region"])
        self.assertEqual(self.bash("cubelink-cli completion z"), ["zsh"])
        self.assertEqual(self.bash("cubelink-cli tile --channel "), [])
        self.assertIn("images", self.bash("cubelink-cli tile -o im"))

    def test_completion_in_zsh(self):
        folder = self.place / "zsh"
        folder.mkdir(exist_ok=True)
        (folder / "_cubelink-cli").write_text(self.out("completion", "zsh"))
        subprocess.run(["zsh", "-f", "-n", str(folder / "_cubelink-cli")], check=True, timeout=PATIENCE)
        for word in ("--region", "--statistic", "FluxDensity"):
            self.assertIn(word, (folder / "_cubelink-cli").read_text())

    def test_completion_in_fish(self):
        script = self.place / "cubelink-cli.fish"
        script.write_text(self.out("completion", "fish"))

        def offered(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
            return sorted(row.split("\t")[0] for row in done.stdout.splitlines())

        self.assertEqual(offered("cubelink-cli s"), ["spectrum", "statistics"])
        self.assertEqual(offered("cubelink-cli tile --stretch "), ["asinh", "linear", "log", "sqrt"])
        self.assertEqual(offered("cubelink-cli spectrum x --statistic S"), ["Sigma", "Sum", "SumSq"])
        self.assertEqual(offered("cubelink-cli list --lo"), ["--long"])


if __name__ == "__main__":
    unittest.main()
