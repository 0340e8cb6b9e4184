"""CONCAT_STOKES_FILES: files of one polarization each as one image, in every order, of several formats; computed polarizations of it, its beams; what can't be
joined; after a restart and by RESUME_SESSION. numpy and astropy are the oracle."""

import itertools
import json
import os
import sqlite3
import sys
import unittest

import numpy
from astropy.io import fits

from harness import (ERROR, HISTOGRAM, PROGRAM, SPECTRAL, Server, ServerTest, block_values, codes_of_layer, connect, downsampled, finite, get_tiles, layers, pixels,
                     profile_values, until)  # fmt: skip
from saving_support import verify
from test_polarizations import averaged, computed

SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
WIDTH, HEIGHT, DEPTH = 300, 270, 4
TYPES = {name: n for n, name in enumerate("I Q U V RR LL RL LR XX YY XY YX".split(), 1)}


def header_of(letter=None, dimensions=3, **more):
    header = fits.Header()
    for n, (ctype, value, step, unit) in enumerate((("RA---SIN", 180.0, -1e-3, "deg"), ("DEC--SIN", 10.0, 1e-3, "deg"), ("FREQ", 1.4e9, 1e6, "Hz")), 1):
        if n <= dimensions:
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CUNIT{n}"] = ctype, 1.0, value, step, unit
    if letter:
        header["CTYPE4"], header["CRPIX4"], header["CRVAL4"], header["CDELT4"] = "STOKES", 1.0, float(TYPES[letter] if letter in "IQUV" else 4 - TYPES[letter]), 1.0
    header["BUNIT"], header["RADESYS"] = "Jy/beam", "ICRS"
    header.update(more)
    return header


def stokes_files(*names, **types):
    """Of the folder's "cube_I.fits" and the like, or {type: name}."""
    types = types or {name: f"cube_{name}.fits" for name in names}
    return [{"directory": "", "file": file, "hdu": "", "polarization_type": TYPES[name]} for name, file in types.items()]


async def concat(client, files, file_id=0):
    return await client.call("carta.concat.stokes.files", {"stokes_files": files, "file_id": file_id, "render_mode": "RASTER"})


def entries(ack):
    return {entry["name"]: entry for entry in ack["file_info_extended"]["header_entries"]}


class Files(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"test_stokes_files: CUBELINK_SEED={SEED}", file=sys.stderr)
        random = numpy.random.default_rng(SEED)
        cls.cubes = {}
        for n, name in enumerate("IQUV"):
            cube = random.normal(size=(DEPTH, HEIGHT, WIDTH)).astype("f4") + (3 if name == "I" else 0)
            cube[random.random(cube.shape) < 0.02] = numpy.nan
            cls.cubes[name] = cube
            fits.writeto(folder / f"cube_{name}.fits", cube, header_of(BMAJ=0.002 + 0.001 * n, BMIN=0.001, BPA=10.0 * n))
            fits.writeto(folder / f"axis_{name}.fits", cube[None], header_of(name, BMAJ=0.002, BMIN=0.001, BPA=10.0))
            beams = fits.BinTableHDU.from_columns([fits.Column(column, "1E", unit, array=values) for column, unit, values in (
                ("BMAJ", "arcsec", 7 + n + numpy.arange(DEPTH)), ("BMIN", "arcsec", 4 + numpy.arange(DEPTH)), ("BPA", "deg", 10 * n + numpy.arange(DEPTH)))]
                + [fits.Column("CHAN", "1J", array=numpy.arange(DEPTH)), fits.Column("POL", "1J", array=numpy.zeros(DEPTH))], name="BEAMS")  # fmt: skip
            fits.HDUList([fits.PrimaryHDU(cube, header_of(CASAMBM=True)), beams]).writeto(folder / f"beams_{name}.fits")
        fits.writeto(folder / "zipped_Q.fits.gz", cls.cubes["Q"], header_of())
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(cls.cubes["U"], header_of(), compression_type="GZIP_2", quantize_level=0)]).writeto(folder / "packed_U.fits.fz")
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cls.cubes["V"].astype("f8"), header_of(), name="V")]).writeto(folder / "second_V.fits")
        fits.writeto(folder / "small.fits", cls.cubes["Q"][:, :100], header_of())
        fits.writeto(folder / "shallow.fits", cls.cubes["Q"][:2], header_of())
        fits.writeto(folder / "elsewhere.fits", cls.cubes["Q"], header_of(CRVAL1=180.1))
        fits.writeto(folder / "otherwise.fits", cls.cubes["Q"], header_of(CTYPE3="VRAD", CUNIT3="m/s"))
        fits.writeto(folder / "kelvin.fits", cls.cubes["Q"], header_of(BUNIT="K"))
        fits.writeto(folder / "both.fits", numpy.stack([cls.cubes["I"], cls.cubes["Q"]]), header_of("I"))
        for name, axes in (("flat", (5, 6)), ("cube", (3, 5, 6))):
            fits.writeto(folder / f"bare_{name}.fits", numpy.ones(axes, "f4"))
        (folder / "text.fits").write_text("no image")

    async def check_planes(self, client, order, ack, file_id=0):
        """All planes as numbers, and how the image is described."""
        extended = ack["file_info_extended"]
        self.assertEqual((extended["width"], extended["height"], extended["depth"], extended["stokes"]), (WIDTH, HEIGHT, DEPTH, len(order)))
        cards = entries(ack)
        axis = next(n for n in (1, 2, 3, 4) if cards[f"CTYPE{n}"]["value"] == "STOKES")
        self.assertEqual(cards[f"NAXIS{axis}"]["numeric_value"], len(order))
        values = [cards[f"CRVAL{axis}"]["numeric_value"] + (i + 1 - cards[f"CRPIX{axis}"]["numeric_value"]) * cards[f"CDELT{axis}"]["numeric_value"] for i in range(len(order))]
        self.assertEqual(values, [TYPES[name] for name in order])
        for stokes, name in enumerate(order):
            for channel in (0, DEPTH - 1):
                block = await client.call("image.read", file_id=file_id, channel=channel, stokes=stokes)
                numpy.testing.assert_array_equal(block_values(block).reshape(HEIGHT, WIDTH), self.cubes[name][channel])

    async def test_in_any_order(self):
        client = await self.viewer()
        for number in (2, 3, 4):
            for names in itertools.permutations("IQUV", number):
                order = sorted(names, key="IQUV".index)
                if len({TYPES[b] - TYPES[a] for a, b in zip(order, order[1:])}) > 1:
                    continue
                for kind in ("cube", "axis") if number != 3 else ("axis",):
                    answer = await concat(client, stokes_files(**{name: f"{kind}_{name}.fits" for name in names}))
                    self.assertTrue(answer["success"], answer["message"])
                    ack = answer["open_file_ack"]
                    self.assertEqual((ack["file_id"], ack["success"]), (0, True))
                    self.assertEqual(ack["file_info"]["name"], f"{kind}_hypercube_{''.join(order)}.fits")
                    if list(names) == order or number == 2:
                        await self.check_planes(client, order, ack)
                await client.next(HISTOGRAM, lambda m: m["file_id"] == 0)  # pushed unasked

    async def test_all_that_an_image_has(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            answer = await concat(client, stokes_files("U", "I", "V", "Q"), 3)
            self.assertTrue(answer["success"], answer["message"])
            histogram = await client.next(HISTOGRAM, lambda m: m["file_id"] == 3)
            self.assertAlmostEqual(histogram["histograms"]["mean"], numpy.nanmean(self.cubes["I"][0].astype("f8")), places=6)
            await client.call("carta.set.image.channels", {"file_id": 3, "channel": 2, "stokes": 2, "required_tiles": {"file_id": 3, "tiles": []}})
            for layer in range(layers(WIDTH, HEIGHT)):
                side = 256 * 2 ** (layers(WIDTH, HEIGHT) - 1 - layer)
                for code, tile in (await get_tiles(client, 3, codes_of_layer(WIDTH, HEIGHT, layer))).items():
                    x, y = code & 0xFFF, code >> 12 & 0xFFF
                    part = self.cubes["U"][2][y * side : (y + 1) * side, x * side : (x + 1) * side]
                    numpy.testing.assert_allclose(pixels(tile), downsampled(part, side // 256), rtol=1e-5, atol=1e-6)
            await client.call("carta.set.spectral.requirements", {"file_id": 3, "region_id": 0, "spectral_profiles": [
                {"coordinate": f"{name}z", "stats_types": ["Sum"]} for name in "IQUV"]})  # fmt: skip
            await client.call("carta.set.cursor", {"file_id": 3, "point": {"x": 20, "y": 30}})
            for name in "IQUV":
                spectrum = await client.next(SPECTRAL, lambda m: m["file_id"] == 3 and m["profiles"][0]["coordinate"] == f"{name}z" and m["progress"] == 1)
                numpy.testing.assert_array_equal(profile_values(spectrum["profiles"][0]), finite(self.cubes[name][:, 30, 20]))
            await client.close()

    async def test_computed_polarizations(self):
        client = await self.viewer()
        self.assertTrue((await concat(client, stokes_files("V", "U", "Q", "I")))["success"])
        planes = {name: cube[1] for name, cube in self.cubes.items()}
        for type in (13, 14, 15, 16, 17):
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": 1, "stokes": type, "required_tiles": {"file_id": 0, "tiles": []}})
            block = await client.call("image.read", file_id=0, channel=1, stokes=type)
            numpy.testing.assert_allclose(block_values(block).reshape(HEIGHT, WIDTH), computed(type, planes), rtol=1e-5)
            tile = (await get_tiles(client, 0, [0]))[0]
            numpy.testing.assert_allclose(pixels(tile), averaged(type, planes, 2), rtol=2e-4, atol=1e-5)

    async def test_beams(self):
        client = await self.viewer()
        answer = await concat(client, stokes_files("Q", "I"))
        table = answer["open_file_ack"]["beam_table"]
        self.assertEqual([(b["stokes"], b["channel"]) for b in table], [(s, c) for s in range(2) for c in range(DEPTH)])
        numpy.testing.assert_allclose([(b["major_axis"], b["pa"]) for b in table], [(7.2, 0)] * DEPTH + [(10.8, 10)] * DEPTH, rtol=1e-5)
        answer = await concat(client, stokes_files(V="beams_V.fits", I="beams_I.fits"))
        table = answer["open_file_ack"]["beam_table"]
        numpy.testing.assert_allclose([(b["major_axis"], b["minor_axis"], b["pa"], b["channel"], b["stokes"]) for b in table],
                                      [(7 + 3 * s + c, 4 + c, 30 * s + c, c, s) for s in range(2) for c in range(DEPTH)], rtol=1e-5)  # fmt: skip
        answer = await concat(client, stokes_files(I="axis_I.fits", Q="axis_Q.fits"))
        self.assertEqual([(b["channel"], b["stokes"]) for b in answer["open_file_ack"]["beam_table"]], [(-1, -1)])

    async def test_files_of_every_kind_are_joined(self):
        client = await self.viewer()
        files = stokes_files(I="cube_I.fits", V="second_V.fits", U="packed_U.fits.fz", Q="zipped_Q.fits.gz")
        files[1]["hdu"] = "1"
        answer = await concat(client, files)
        self.assertTrue(answer["success"], answer["message"])
        self.assertEqual(answer["open_file_ack"]["file_info"]["name"], "hypercube_IQUV")
        await self.check_planes(client, "IQUV", answer["open_file_ack"])

    async def test_what_cannot_be_joined(self):
        client = await self.viewer()
        cases = [
            ([], "at least two"),
            (stokes_files("I"), "at least two"),
            (stokes_files("I") + stokes_files("I"), "polarization I"),
            (stokes_files(I="cube_I.fits", Q="small.fits"), "small.fits"),
            (stokes_files(I="cube_I.fits", Q="shallow.fits"), "4 channels, the second 300 × 270 pixels and 2 channels"),
            (stokes_files(I="cube_I.fits", Q="elsewhere.fits"), "axis 1 (RA) differs by"),
            (stokes_files(I="cube_I.fits", Q="otherwise.fits"), "axis 3 is FREQ in the first and VRAD"),
            (stokes_files(I="cube_I.fits", Q="both.fits"), "holds 2 polarizations"),
            (stokes_files(I="cube_I.fits", Q="text.fits"), "text.fits"),
            (stokes_files(I="cube_I.fits", Q="missing.fits"), "missing.fits"),
            (stokes_files(I="cube_I.fits", Q=""), "no file name"),
            (stokes_files(I="cube_I.fits", Q="../../etc/passwd"), "forbidden"),
            (stokes_files("I", "Q", "V"), "not equally spaced"),
            ([{**file, "polarization_type": 13 + n} for n, file in enumerate(stokes_files("I", "Q"))], "needs the polarization"),
            ([{**file, "polarization_type": 0} for file in stokes_files("I", "Q")], "needs the polarization"),
            (stokes_files("I", "Q") * 300, "polarization I"),
        ]
        for files, why in cases:
            with self.subTest(why=why):
                answer = await concat(client, files, 5)
                self.assertFalse(answer["success"])
                self.assertIn(why.lower(), answer["message"].lower())
                await self.fails(client.call("carta.set.image.channels", {"file_id": 5, "channel": 0, "stokes": 0}))
        self.assertIn("negative", (await concat(client, stokes_files("I", "Q"), -3))["message"])
        await self.fails(concat(client, [{"file": 5}]), -32602)
        self.alive()

    async def test_units_that_differ_are_a_warning(self):
        client = await self.viewer()
        answer = await concat(client, stokes_files(I="cube_I.fits", Q="kelvin.fits"))
        self.assertTrue(answer["success"], answer["message"])
        warning = await client.next(ERROR, lambda m: "units differ" in m["message"])
        self.assertEqual(warning["severity"], "WARNING")

    async def test_a_file_that_says_another_polarization_is_a_warning(self):
        client = await self.viewer()
        answer = await concat(client, stokes_files(I="axis_I.fits", U="axis_Q.fits"))
        self.assertTrue(answer["success"], answer["message"])
        warning = await client.next(ERROR, lambda m: "axis_Q.fits" in m["message"])
        self.assertIn("polarization U, its header says Q", warning["message"])
        self.assertEqual(warning["severity"], "WARNING")

    async def test_saved_without_coordinates(self):
        client = await self.viewer()
        for name, shape in (("flat", (5, 6)), ("cube", (3, 5, 6))):
            answer = await concat(client, stokes_files(I=f"bare_{name}.fits", Q=f"bare_{name}.fits"), 8)
            self.assertTrue(answer["success"], answer["message"])
            saved = await client.call("carta.save.file", {"file_id": 8, "output_file_name": f"saved_{name}.fits", "output_file_type": "FITS", "keep_degenerate": True})
            self.assertTrue(saved["success"], saved["message"])
            self.assertEqual(verify(self.folder / f"saved_{name}.fits"), [])
            before = answer["open_file_ack"]["file_info_extended"]
            again = await client.call("carta.open.file", {"file": f"saved_{name}.fits", "file_id": 9})
            for field in ("width", "height", "depth", "stokes", "axes_numbers", "stokes_vals"):
                self.assertEqual(again["file_info_extended"].get(field), before.get(field), field)
            self.assertEqual(fits.getdata(self.folder / f"saved_{name}.fits").shape, (2, *shape))

    async def test_one_of_the_files_is_written_again(self):
        client = await self.viewer()
        path = self.folder / "changing_Q.fits"
        path.write_bytes((self.folder / "cube_Q.fits").read_bytes())
        self.assertTrue((await concat(client, stokes_files(I="cube_I.fits", Q="changing_Q.fits")))["success"])
        fits.writeto(path, self.cubes["Q"] + 1, header_of(), overwrite=True)
        plane = {"file_id": 0, "channel": 1, "stokes": 0, "required_tiles": {"file_id": 0, "tiles": []}}
        await self.fails(client.call("carta.set.image.channels", plane), text="changing_Q.fits")
        await self.fails(client.call("image.read", file_id=0, channel=1, stokes=1), text="changing_Q.fits")

    async def test_calls_for_it_wait_and_closing_ends_it(self):
        client = await self.viewer()
        _, opened = await client.start("carta.concat.stokes.files", [{"stokes_files": stokes_files("I", "Q"), "file_id": 9}])
        _, tiles = await client.start("carta.set.image.channels", [{"file_id": 9, "channel": 1, "stokes": 1, "required_tiles": {"file_id": 9, "tiles": []}}])
        self.assertTrue((await opened)["result"]["success"])
        self.assertNotIn("error", await tiles)
        for _ in range(5):
            _, opened = await client.start("carta.concat.stokes.files", [{"stokes_files": stokes_files("I", "Q"), "file_id": 10}])
            _, closed = await client.start("carta.close.file", [{"file_id": 10}])
            answer = (await opened)["result"]
            self.assertNotIn("error", await closed)
            if not answer["success"]:
                self.assertIn("closed", answer["message"])
        self.assertNotIn(10, [file["file_id"] for file in (await client.call("session.state"))["files"]])

    async def resume(self, client, names, file_id=0, stokes=1):
        image = {"directory": "", "file": "cube_hypercube.fits", "hdu": "", "file_id": file_id, "render_mode": "RASTER", "channel": 2, "stokes": stokes,
                 "regions": {}, "stokes_files": stokes_files(*names)}  # fmt: skip
        return await client.call("carta.resume.session", {"images": [image], "catalog_files": []})

    async def test_resumed_by_a_page(self):
        client = await self.viewer()
        answer = await self.resume(client, "QI", 4)
        self.assertTrue(answer["success"], answer["message"])
        state = {file["file_id"]: file for file in (await client.call("session.state"))["files"]}
        self.assertEqual((state[4]["channel"], state[4]["stokes"]), (2, 1))
        await self.check_planes(client, "IQ", state[4]["open_file_ack"], 4)
        self.assertTrue((await self.resume(client, "IQ", 4, 0))["success"])  # the same: kept, and another plane is shown
        state = {file["file_id"]: file for file in (await client.call("session.state"))["files"]}
        self.assertEqual((state[4]["channel"], state[4]["stokes"]), (2, 0))
        self.assertTrue((await self.resume(client, "IUVQ", 4))["success"])
        state = {file["file_id"]: file for file in (await client.call("session.state"))["files"]}
        await self.check_planes(client, "IQUV", state[4]["open_file_ack"], 4)
        answer = await self.resume(client, "IQV", 4)
        self.assertFalse(answer["success"])
        self.assertIn("equally spaced", answer["message"])

    async def test_after_a_restart(self):
        store = f"{self.temporary.name}/restarted.sqlite"
        with Server(PROGRAM, str(self.folder), "--store", store) as server:
            client = await connect(server.url, server.secret)
            session = (await client.call("carta.register.viewer", {"session_id": 0}))["session_id"]
            self.assertTrue((await concat(client, stokes_files("V", "I", "U", "Q"), 7))["success"])
            await client.call("carta.set.image.channels", {"file_id": 7, "channel": 3, "stokes": 3, "required_tiles": {"file_id": 7, "tiles": []}})

            async def saved():
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
                    rows = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchall()
                return rows and '"stokes_files"' in rows[0][0] and '"channel":3' in rows[0][0]

            await until(saved, "a saved session")
            await client.close(1001)
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
            self.assertTrue(json.loads(database.execute("SELECT state FROM sessions").fetchone()[0]))
        with Server(PROGRAM, str(self.folder), "--store", store) as server:
            client = await connect(server.url, server.secret)
            self.assertEqual((await client.call("carta.register.viewer", {"session_id": session}))["session_type"], "RESUMED")
            (file,) = (await client.call("session.state"))["files"]
            self.assertEqual((file["file_id"], file["channel"], file["stokes"]), (7, 3, 3))
            await self.check_planes(client, "IQUV", file["open_file_ack"], 7)
            await client.close()


if __name__ == "__main__":
    unittest.main()
