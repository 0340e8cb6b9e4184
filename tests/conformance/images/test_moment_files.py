"""MOMENT_REQUEST with output_file: all moments as extensions of one FITS file, read back by astropy; where it is not written, and what is said then."""

import os
import random
import resource
import unittest

import numpy
from astropy.io import fits
from harness import PATIENCE, ServerTest, open_file, settled
from saving_support import beams, verify
from test_moments import COORDINATES, SUFFIXES, entries, moments_of, plane_of, request, spectral_header

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
OUT = "out"
DEPTH, HEIGHT, WIDTH = 9, 31, 43


def to(name="moments.fits", **more):
    return {"output_directory": OUT, "output_file": name, **more}


class Files(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"CUBELINK_SEED={SEED}")
        values = numpy.random.default_rng(SEED)
        cls.cube = values.normal(2, 1, (DEPTH, HEIGHT, WIDTH)).astype("f4")
        cls.cube[:, 4, 5] = numpy.nan
        header = spectral_header()
        header["OBJECT"], header["EXTVER"], header["LONG"] = "It's", 7, "a long text, " * 12
        fits.writeto(folder / "cube.fits", cls.cube, header)
        header = spectral_header()
        for name in ("BMAJ", "BMIN", "BPA"):
            del header[name]
        header["CASAMBM"] = True
        fits.HDUList([fits.PrimaryHDU(cls.cube, header), beams(DEPTH, 1)]).writeto(folder / "beams.fits")
        table = fits.BinTableHDU.from_columns([fits.Column("COORDS", f"{DEPTH}D", "Hz", dim=f"(1,{DEPTH})", array=[(1.42e9 + 2e5 * numpy.arange(DEPTH) ** 1.5).reshape(-1, 1)])], name="WCS-TABLE")
        header = spectral_header("FREQ-TAB", 1.0, 1.0)
        header["CRPIX3"] = 1.0
        header.update({"PS3_0": "WCS-TABLE", "PS3_1": "COORDS", "PV3_1": 1, "PV3_2": 1, "PV3_3": 1})
        fits.HDUList([fits.PrimaryHDU(cls.cube, header), table]).writeto(folder / "table.fits")
        (folder / OUT).mkdir()
        (folder / "folder.fits").mkdir()
        (folder / "link").symlink_to("/tmp")

    def setUp(self):
        for path in (self.folder / OUT).iterdir():
            path.unlink()

    def tearDown(self):
        self.assertEqual([path.name for path in self.folder.rglob(".*")], [], "something half-written is left")

    async def opened(self, file="cube.fits", generation=2):
        client = await self.viewer(generation)
        await open_file(client, file, 0)
        return client

    async def check(self, client, answer, moments, name="moments.fits"):
        """The file against the images that are open."""
        path = self.folder / OUT / name
        self.assertEqual(verify(path), [])
        with fits.open(path) as file:
            self.assertEqual([hdu.header["EXTNAME"] for hdu in file[1:]], [SUFFIXES[moment] for moment in moments])
            self.assertEqual((file[0].header["NAXIS"], file[0].data), (0, None))
            for hdu, ack, moment in zip(file[1:], answer["open_file_acks"], moments):
                self.assertIsInstance(hdu, fits.ImageHDU)
                self.assertEqual(hdu.header["BITPIX"], -32)
                numpy.testing.assert_array_equal(hdu.data.reshape(hdu.data.shape[-2:]), await plane_of(client, ack["file_id"]))
                for keyword, value in entries(ack).items():
                    if keyword in ("SIMPLE", "EXTEND", "EXTVER", "DATE") or keyword.startswith("HISTORY") or keyword not in hdu.header:
                        continue
                    with self.subTest(keyword):
                        if isinstance(hdu.header[keyword], (int, float)) and not isinstance(hdu.header[keyword], bool):
                            self.assertAlmostEqual(float(value) / (hdu.header[keyword] or 1), 1 if hdu.header[keyword] else 0, places=12)
                for keyword in ("CTYPE1", "CTYPE2", "CTYPE3", "CRVAL1", "CRPIX2", "CDELT3", "RESTFRQ", "SPECSYS", "BUNIT"):
                    self.assertIn(keyword, hdu.header)
                self.assertNotIn("EXTVER", hdu.header)
                history = str(hdu.header["HISTORY"])
                self.assertIn(f"moment {SUFFIXES[moment]} of", history)
                self.assertIn("saved from", history)
                unit = "km/s" if moment in COORDINATES else "Jy/beam.km/s" if moment == 1 else "Jy/beam"
                self.assertEqual(hdu.header["BUNIT"], unit)
            return [hdu.header for hdu in file[1:]]

    async def test_all_of_them(self):
        for generation in (2, 1):
            client = await self.opened(generation=generation)
            answer = await moments_of(client, range(13), **to(overwrite=True))
            self.assertEqual((answer["message"], answer["cancel"], len(answer["open_file_acks"])), ("", False, 13))
            for header in await self.check(client, answer, range(13)):
                self.assertAlmostEqual(header["BMAJ"], 5 / 3600)
                self.assertEqual((header["BPA"], header["OBJECT"], header["LONG"]), (30.0, "It's", ("a long text, " * 12).rstrip()))
        # and we read it
        for hdu, (ack, suffix) in enumerate(zip(answer["open_file_acks"], SUFFIXES), 1):
            again = await open_file(client, "moments.fits", 50, directory=OUT, hdu=hdu)
            self.assertEqual(again["file_info_extended"]["width"], WIDTH)
            numpy.testing.assert_array_equal(await plane_of(client, 50), await plane_of(client, ack["file_id"]), suffix)

    async def test_part_of_them_within_a_region(self):
        client = await self.opened()
        info = {"region_type": "ELLIPSE", "control_points": [{"x": 20, "y": 12}, {"x": 9, "y": 6}], "rotation": 30.0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        wanted = [10, 1, 4]
        answer = await moments_of(client, wanted, region_id=region, spectral_range={"min": 2, "max": 7}, rest_freq=1.43e9, keep=True, **to("part"))
        for header in await self.check(client, answer, wanted, "part"):
            self.assertEqual(header["RESTFRQ"], 1.43e9)
            self.assertLess(header["NAXIS1"], WIDTH)

    async def test_beams_and_tables_of_the_cube(self):
        client = await self.opened("beams.fits")
        answer = await moments_of(client, [1, 9], **to())
        for header, ack in zip(await self.check(client, answer, [1, 9]), answer["open_file_acks"]):
            self.assertNotIn("CASAMBM", header)
            beam = ack["beam_table"][0]
            self.assertAlmostEqual(header["BMAJ"] * 3600, beam["major_axis"], places=3)
            self.assertGreaterEqual(beam["major_axis"], 10 + DEPTH - 1 - 1e-3)
        client = await self.opened("table.fits")
        answer = await moments_of(client, [0, 2], **to(overwrite=True))
        for header in await self.check(client, answer, [0, 2]):
            self.assertEqual(header["CTYPE3"].rstrip(), "FREQ")

    async def refused(self, client, text, **arguments):
        """Before anything is computed."""
        log = len(client.log)
        answer = await client.call("carta.moment.request", request([1], **arguments), timeout=PATIENCE)
        self.assertEqual((answer["success"], answer.get("open_file_acks", [])), (False, []))
        self.assertIn(text, answer["message"])
        self.assertEqual([topic for _, topic, _ in client.log[log:] if topic == "carta.moment.progress"], [])

    async def test_what_is_refused(self):
        client = await self.opened()
        there = self.folder / OUT / "there.fits"
        there.write_bytes(b"old")
        for name, text, more in (
            ("there.fits", "exists already", {}), ("../cube.fits", "", {}), ("../folder.fits", "", {"overwrite": True}), ("a/b.fits", "", {}), ("..", "", {}), ("a\0b", "", {}),
            ("", "output_file: the file needs a name", {}), ("x" * 300, "", {}), ("new.fits", "", {"output_directory": ".."}), ("new.fits", "", {"output_directory": "/tmp"}),
            ("new.fits", "", {"output_directory": "link"}), ("new.fits", "", {"output_directory": "nowhere"}), ("folder.fits", "folder", {"output_directory": "", "overwrite": True}),
            ("cube.fits", "open", {"output_directory": "", "overwrite": True}), ("link", "symbolic link", {"output_directory": "", "overwrite": True}),
        ):  # fmt: skip
            with self.subTest(name=name[:20], **more):
                await self.refused(client, text, **{**to(name), **more})
        for wrong in ({"output_file": 7}, {"overwrite": "yes"}, {"output_directory": ["out"]}):
            await self.fails(client.call("carta.moment.request", {**request([1]), **to(), **wrong}), -32602)
        self.assertEqual([(path.name, path.read_bytes()) for path in (self.folder / OUT).iterdir()], [("there.fits", b"old")])
        # What can't be computed is not written either.
        await self.refused(client, "must not be above", spectral_range={"min": 5, "max": 4}, **to("there.fits", overwrite=True))
        self.assertEqual(there.read_bytes(), b"old")
        await settled(client)
        self.assertEqual([file["file_id"] for file in (await client.call("session.state"))["files"]], [0])
        # Confirmed.
        answer = await moments_of(client, [1], **to("there.fits", overwrite=True))
        await self.check(client, answer, [1], "there.fits")
        self.alive()

    async def test_moments_of_an_expression(self):
        client = await self.viewer()
        ack = await client.call("carta.open.file", {"file": "cube.fits * 2 - 1", "file_id": 0, "lel_expr": True}, timeout=PATIENCE)
        self.assertTrue(ack["success"], ack["message"])
        answer = await moments_of(client, [0], **to())
        self.assertEqual(verify(self.folder / OUT / "moments.fits"), [])
        plane = await plane_of(client, answer["open_file_acks"][0]["file_id"])
        numpy.testing.assert_array_equal(numpy.squeeze(fits.getdata(self.folder / OUT / "moments.fits", 1)), plane)
        numpy.testing.assert_allclose(plane, 2 * self.cube.mean(axis=0, dtype="f8") - 1, rtol=1e-5, atol=1e-6)


class Stopped(ServerTest):
    @classmethod
    def make_files(cls, folder):
        # Takes its time: 2.5 GB, all but the header a hole in the file.
        shape = (600, 1024, 1024)
        header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", shape[2]), ("NAXIS2", shape[1]), ("NAXIS3", shape[0])])
        header.update({key: value for key, value in spectral_header().items() if key not in header})
        with open(folder / "large.fits", "wb") as file:
            text = header.tostring().encode()
            file.write(text)
            file.truncate(len(text) + 4 * shape[0] * shape[1] * shape[2])
        (folder / OUT).mkdir()

    async def test_nothing_is_written(self):
        await self.while_it_lasts(self.asked_and_stopped)

    async def asked_and_stopped(self):
        client = await self.viewer()
        await open_file(client, "large.fits", 0)
        (self.folder / OUT / "there.fits").write_bytes(b"old")
        id, answer = await client.start("carta.moment.request", [request(range(13), **to("there.fits", overwrite=True))])
        await client.next("carta.moment.progress", lambda m: m["file_id"] == 0, PATIENCE)
        await client.call("carta.stop.moment.calc", {"file_id": 0})
        answer = (await answer)["result"]
        self.assertEqual((answer["cancel"], answer.get("open_file_acks", [])), (True, []))
        self.assertEqual([(path.name, path.read_bytes()) for path in (self.folder / OUT).iterdir()], [("there.fits", b"old")])


class Full(ServerTest):
    """A file must not grow beyond a limit, as on a full disk."""

    LIMIT = 13 * 4 * 300 * 400 + 1000  # the pixels of all moments, without headers

    @classmethod
    def make_files(cls, folder):
        (folder / OUT).mkdir()
        fits.writeto(folder / "cube.fits", numpy.random.default_rng(1).normal(size=(2, 300, 400)).astype("f4"), spectral_header(depth=2))

    @classmethod
    def setUpClass(cls):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        super().setUpClass()
        resource.prlimit(cls.server.process.pid, resource.RLIMIT_FSIZE, (cls.LIMIT, before[1]))

    async def test_moments_are_opened_all_the_same(self):
        client = await self.viewer()
        await open_file(client, "cube.fits", 0)
        (self.folder / OUT / "there.fits").write_bytes(b"old")
        for name in ("new.fits", "there.fits"):
            answer = await moments_of(client, range(13), **to(name, overwrite=True))
            self.assertEqual(len(answer["open_file_acks"]), 13)
            self.assertTrue(answer["message"].startswith("The moments were not saved: "), answer["message"])
            self.assertIn(name, answer["message"])
            await plane_of(client, answer["open_file_acks"][12]["file_id"])
        self.assertEqual([(path.name, path.read_bytes()) for path in (self.folder / OUT).iterdir()], [("there.fits", b"old")])
        self.alive()


class ReadOnly(ServerTest):
    options = ("--read-only",)

    @classmethod
    def make_files(cls, folder):
        (folder / OUT).mkdir()
        fits.writeto(folder / "cube.fits", numpy.zeros((3, 6, 5), "f4"), spectral_header(depth=3))

    async def test_refused(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        answer = await client.call("carta.moment.request", request([1], **to()), timeout=PATIENCE)
        self.assertEqual((answer["success"], "read-only" in answer["message"], answer.get("open_file_acks", [])), (False, True, []))
        self.assertEqual(list((self.folder / OUT).iterdir()), [])
        await moments_of(client, [1])


if __name__ == "__main__":
    unittest.main()
