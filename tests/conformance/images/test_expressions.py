"""OPEN_FILE with lel_expr: an expression is an image like any other. What it shows is held against numpy; names, errors, restarts, files that change."""

import os
import sqlite3
import sys
import tempfile
import unittest
from pathlib import Path

import numpy
from astropy.io import fits

from harness import (ERROR, HISTOGRAM, PATIENCE, PROGRAM, SPATIAL, SPECTRAL, Server, ServerTest, block_values, check_histogram, codes_of_layer, connect, downsampled, get_tiles,
                     open_file, pixels, profile_values, settled, until)  # fmt: skip

SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
STATS = "carta.region.stats.data"
WIDTH, HEIGHT, DEPTH = 530, 301, 6


def write_cube(path, cube, **cards):
    header = fits.Header()
    axes = [("RA---SIN", 30.0, -1e-3, "deg"), ("DEC--SIN", -10.0, 1e-3, "deg"), ("FREQ", 1.4e9, 1e6, "Hz"), ("STOKES", 1.0, 1.0, "")]
    for axis, (kind, value, step, unit) in enumerate(axes[: cube.ndim], 1):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"], header[f"CRPIX{axis}"] = kind, value, step, 1.0
        if unit:
            header[f"CUNIT{axis}"] = unit
    header.update({"BUNIT": "Jy/beam", "BMAJ": 0.01, "BMIN": 0.005, "BPA": 30.0, **cards})
    fits.writeto(path, cube, header, overwrite=True)


def make_cubes(folder):
    random = numpy.random.default_rng(SEED)
    cubes = {}
    for name in ("a.fits", "b.fits"):
        cube = random.normal(0.3, 1, (DEPTH, HEIGHT, WIDTH)).astype("f4")
        cube[random.random(cube.shape) < 0.02] = numpy.nan
        write_cube(folder / name, cube)
        cubes[name] = cube
    return cubes


def statistics(message):
    return {entry["stats_type"]: entry["value"] for entry in message["statistics"]}


class Expressions(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print(f"test_expressions: CUBELINK_SEED={SEED}", file=sys.stderr)
        cls.random = numpy.random.default_rng(SEED + 1)
        cls.cubes = make_cubes(folder)
        (folder / "sub dir" / "deeper").mkdir(parents=True)
        plane = cls.random.normal(size=(HEIGHT, WIDTH)).astype("f4")
        cls.cubes["p"] = plane
        write_cube(folder / "sub dir" / "my plane-1.fits", plane, BUNIT="K")
        write_cube(folder / "sub dir" / "deeper" / "3c 273.fits", plane + 1)
        write_cube(folder / "small.fits", plane[:40, :50])
        write_cube(folder / "2*small.fits", plane[:30, :20])
        write_cube(folder / "moved.fits", plane, CRVAL1=31.0)
        stokes = cls.random.normal(size=(4, 2, 60, 70)).astype("f4")
        cls.cubes["stokes"] = stokes
        write_cube(folder / "stokes.fits", stokes)
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(plane, name="SCI"), fits.ImageHDU(plane * 0 + 2, name="ERR")]).writeto(folder / "multi.fits")
        parts = cls.random.normal(size=(2, 2, 60, 70)).astype("f4")
        cls.cubes["complex"] = parts[0] + 1j * parts[1]
        fits.writeto(folder / "z.fits", parts, fits.Header([("CTYPE4", "COMPLEX"), ("CRVAL4", 1.0), ("CRPIX4", 1.0), ("CDELT4", 1.0), ("BUNIT", "Jy")]))
        (folder.parent / "outside.fits").write_bytes((folder / "a.fits").read_bytes())
        os.symlink(folder.parent / "outside.fits", folder / "link.fits")

    async def test_a_file_with_the_name_of_an_expression_is_resumed(self):
        client = await self.viewer()
        for lel_expr, shape in ((True, (40, 50)), (False, (30, 20)), (False, (30, 20)), (True, (40, 50))):
            image = {"directory": "", "file": "2*small.fits", "hdu": "", "file_id": 0, "lel_expr": lel_expr, "render_mode": "RASTER", "regions": {}}
            answer = await client.call("carta.resume.session", {"images": [image], "catalog_files": []}, timeout=PATIENCE)
            self.assertTrue(answer["success"], answer["message"])
            self.assertEqual(block_values(await client.call("image.read", file_id=0, timeout=PATIENCE)).squeeze().shape, shape)

    async def opened(self, client, expression, file_id=0, directory=""):
        request = {"directory": directory, "file": expression, "file_id": file_id, "lel_expr": True, "render_mode": "RASTER"}
        ack = await client.call("carta.open.file", request, timeout=PATIENCE)
        self.assertTrue(ack["success"], ack.get("message"))
        return ack

    async def refused(self, client, expression, text="", directory=""):
        request = {"directory": directory, "file": expression, "file_id": 0, "lel_expr": True, "render_mode": "RASTER"}
        ack = await client.call("carta.open.file", request, timeout=PATIENCE)
        self.assertFalse(ack["success"], expression)
        self.assertIn(text, ack["message"])
        self.assertEqual(ack["file_id"], 0)
        return ack["message"]

    async def plane(self, client, channel=0, stokes=0):
        await settled(client)
        block = await client.call("image.read", file_id=0, channel=channel, stokes=stokes)
        return numpy.frombuffer(block["data"], block["dtype"]).reshape(block["shape"]).squeeze()

    async def check_everything(self, client, expected, unit="Jy/beam"):
        """Tiles, histogram, spectrum, profiles and region statistics of an open cube."""
        depth = len(expected)
        check_histogram(await client.next(HISTOGRAM), expected[0].astype("f4"))
        channel = int(self.random.integers(1, depth))
        layer_tiles = await self.tiles_of(client, 0)
        numpy.testing.assert_allclose(layer_tiles, downsampled(expected[0].astype("f4"), 4)[:256, :256], rtol=2e-5, atol=1e-6)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0})
        numpy.testing.assert_allclose(await self.plane(client, channel), expected[channel], rtol=2e-6, atol=1e-6)
        x, y = int(self.random.integers(WIDTH)), int(self.random.integers(HEIGHT))
        await client.call("carta.set.spatial.requirements", {"file_id": 0, "region_id": 0, "spatial_profiles": [{"coordinate": "x"}, {"coordinate": "y"}]})
        await client.call("carta.set.spectral.requirements",
                          {"file_id": 0, "region_id": 0, "spectral_profiles": [{"coordinate": "z", "stats_types": ["Sum"]}]})  # fmt: skip
        await client.call("carta.set.cursor", {"file_id": 0, "point": {"x": x, "y": y}})
        profiles = await client.next(SPATIAL, lambda m: (m["x"], m["y"], m["channel"]) == (x, y, channel) and len(m["profiles"]) == 2)
        by_coordinate = {p["coordinate"]: profile_values(p) for p in profiles["profiles"]}
        numpy.testing.assert_allclose(by_coordinate["x"], expected[channel, y], rtol=2e-6, atol=1e-6)
        numpy.testing.assert_allclose(by_coordinate["y"], expected[channel, :, x], rtol=2e-6, atol=1e-6)
        spectrum = await client.next(SPECTRAL, lambda m: m["progress"] == 1)
        numpy.testing.assert_allclose(profile_values(spectrum["profiles"][0]), expected[:, y, x], rtol=2e-6, atol=1e-6)
        region = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
            "region_type": "RECTANGLE", "control_points": [{"x": 100, "y": 120}, {"x": 61, "y": 41}], "rotation": 0}})  # fmt: skip
        types = ["NumPixels", "Mean", "Min", "Max", "FluxDensity"]
        await client.call("carta.set.stats.requirements",
                          {"file_id": 0, "region_id": region["region_id"], "stats_configs": [{"coordinate": "z", "stats_types": types}]})  # fmt: skip
        found = statistics(await client.next(STATS, lambda m: m["region_id"] == region["region_id"] and m["channel"] == channel))
        box = expected[channel, 100:141, 70:131]
        values = [numpy.isfinite(box).sum(), numpy.nanmean(box), numpy.nanmin(box), numpy.nanmax(box)]
        numpy.testing.assert_allclose([found[name] for name in types[:4]], values, rtol=1e-5)
        self.assertEqual(numpy.isfinite(found.get("FluxDensity", numpy.nan)), unit == "Jy/beam")
        await client.call("carta.set.spectral.requirements", {"file_id": 0, "region_id": region["region_id"],
                                                              "spectral_profiles": [{"coordinate": "z", "stats_types": ["Mean"]}]})  # fmt: skip
        spectrum = await client.next(SPECTRAL, lambda m: m["region_id"] == region["region_id"] and m["progress"] == 1)
        mean = numpy.nanmean(expected[:, 100:141, 70:131].astype("f8"), axis=(1, 2))
        numpy.testing.assert_allclose(block_of(spectrum["profiles"][0]), mean, rtol=1e-5, atol=1e-6)

    async def tiles_of(self, client, layer):
        tiles = await get_tiles(client, 0, codes_of_layer(WIDTH, HEIGHT, layer))
        return pixels(tiles[0])

    async def test_an_expression_is_an_image(self):
        a, b, p = self.cubes["a.fits"], self.cubes["b.fits"], self.cubes["p"]
        expected = numpy.where(a > b, a + b * numpy.float32(2), p)
        expected[numpy.isnan(a) | numpy.isnan(b)] = numpy.nan
        client = await self.viewer()
        expression = "iif('a.fits' > b.fits, a.fits + 2*b.fits, \"sub dir/my plane-1.fits\")"
        ack = await self.opened(client, expression)
        self.assertEqual((ack["file_info"]["name"], ack["file_info"]["type"], ack["file_info"]["HDU_list"]), (expression, "CASA", [""]))
        extended = ack["file_info_extended"]
        self.assertEqual((extended["width"], extended["height"], extended["depth"], extended["stokes"]), (WIDTH, HEIGHT, DEPTH, 1))
        entries = {entry["name"]: entry["value"] for entry in extended["header_entries"]}
        self.assertEqual((entries["CTYPE3"], "BUNIT" in entries), ("FREQ", False))
        self.assertEqual(len(ack["beam_table"]), 1)
        await self.check_everything(client, expected, unit="")

    async def test_the_unit_is_kept_where_it_follows(self):
        a = self.cubes["a.fits"]
        client = await self.viewer()
        ack = await self.opened(client, "a.fits/2e0 - mean(a.fits)")
        self.assertIn(("BUNIT", "Jy/beam"), {(entry["name"], entry["value"]) for entry in ack["file_info_extended"]["header_entries"]})
        await self.check_everything(client, a / numpy.float32(2) - numpy.float32(numpy.nanmean(a.astype("f8"))))

    async def test_names(self):
        a, p = self.cubes["a.fits"], self.cubes["p"]
        client = await self.viewer()
        for directory, expression, expected in (
            ("", "a\\.fits", a[0]),
            ("", "\"sub dir/deeper/3c 273.fits\"-1", p),
            ("", "sub\\ dir\\/my\\ plane\\-1.fits", p),
            ("sub dir", "'my plane-1.fits'", p),
            ("sub dir", "'deeper/3c 273.fits' - \"my plane-1.fits\" + '../a.fits'*0e0", numpy.where(numpy.isnan(a[0]), numpy.nan, 1)),
            ("", "'multi.fits[SCI]' * 'multi.fits[2]'", p * 2),
            ("", "'multi.fits'", p),
        ):
            with self.subTest(expression=expression):
                await self.opened(client, expression, directory=directory)
                numpy.testing.assert_allclose(await self.plane(client), expected.astype("f4"), rtol=1e-5, atol=1e-6)

    async def test_what_is_refused(self):
        client = await self.viewer()
        for expression, text in (
            ("a.fits + ", "column 10: expected an expression after \"+\""),
            ("", ""),
            ("a.fits + 'none.fits'", "column 10: "),
            ("'../outside.fits' + a.fits", "column 1: Forbidden path."),
            ("a.fits + '/etc/passwd'", "column 10: "),
            ("'link.fits'", "column 1: "),
            ("'sub dir'", "column 1: "),
            ("'a.fits\0b'", "column 1: the name of an image holds a control character"),
            ("a.fits + small.fits", "column 8: images of different sizes"),
            ("mean(a.fits)", "column 1: the expression is a single number, not an image"),
            ("'a.fits'[3]", "column 9: "),
            ("'multi.fits[9]'", "column 1: "),
            ("(" * 60000, "levels of brackets"),
            ("a.fits" + "+a.fits" * 5000, "more than 4000"),
            ("a.fits" + " " * 70000, "bytes, more than"),
            ("fractile(a.fits, 0.5, 1)", "takes 2 arguments, not 3"),
        ):
            with self.subTest(expression=expression[:60]):
                message = await self.refused(client, expression, text)
                self.assertNotIn(str(self.folder), message)
        await open_file(client, "a.fits")
        self.alive()

    async def test_other_coordinates_are_said(self):
        client = await self.viewer()
        await self.opened(client, "'moved.fits' + 'sub dir/my plane-1.fits'")
        await client.next(ERROR, lambda m: m["severity"] == "WARNING" and "has other coordinates" in m["message"])

    async def test_computed_polarizations(self):
        stokes = self.cubes["stokes"].astype("f8")
        client = await self.viewer()
        ack = await self.opened(client, "stokes.fits*2")
        self.assertEqual(ack["file_info_extended"]["stokes"], 4)
        numpy.testing.assert_allclose(await self.plane(client, 1, 14), 2 * numpy.hypot(stokes[1, 1], stokes[2, 1]), rtol=1e-5)

    async def test_complex_images(self):
        z = self.cubes["complex"]
        client = await self.viewer()
        for expression, expected in (
            ("AMPLITUDE(z.fits)", numpy.abs(z)), ("z.fits*2i", 2 * numpy.abs(z)), ("real(z.fits)", z.real), ("imag(conj(z.fits))", -z.imag),
            ("real(z.fits^2)-norm(z.fits)", (z**2).real - numpy.abs(z) ** 2), ("arg(z.fits)", numpy.angle(z)),
            ("abs(z.fits - mean(z.fits))", numpy.abs(z - z.mean())),
        ):  # fmt: skip
            with self.subTest(expression=expression):
                ack = await self.opened(client, expression)
                self.assertEqual((ack["file_info_extended"]["dimensions"], ack["file_info_extended"]["depth"]), (3, 2))
                numpy.testing.assert_allclose(await self.plane(client, 1), expected[1], rtol=1e-5, atol=1e-5)

    async def test_an_input_is_written_again(self):
        write_cube(self.folder / "changing.fits", self.cubes["p"])
        client = await self.viewer()
        await self.opened(client, "changing.fits + 'a.fits'")
        await client.next(HISTOGRAM)
        await settled(client)
        write_cube(self.folder / "new.fits", self.cubes["p"] + 1)
        with open(self.folder / "changing.fits", "r+b") as file:
            file.write((self.folder / "new.fits").read_bytes())
        failure = await self.fails(client.call("carta.set.image.channels", {"file_id": 0, "channel": 2}), text="changing.fits")
        self.assertIn("open it again", failure.message)
        await self.fails(client.call("image.read", file_id=0), text="changing.fits")
        warning = await client.next(ERROR, lambda m: m["severity"] in ("WARNING", "ERROR"))
        self.assertIn("changing.fits", warning["message"])
        self.alive()
        await self.opened(client, "changing.fits + 'a.fits'")
        numpy.testing.assert_allclose(await self.plane(client), self.cubes["p"] + 1 + self.cubes["a.fits"][0], rtol=1e-5, atol=1e-6)


class Restarted(unittest.IsolatedAsyncioTestCase):
    async def test_a_restart_brings_expressions_back(self):
        with tempfile.TemporaryDirectory(prefix="cubelink-test-") as temporary:
            folder = Path(temporary) / "images"
            folder.mkdir()
            cubes = make_cubes(folder)
            expected = cubes["a.fits"][3] - numpy.nanmax(cubes["b.fits"])
            arguments = (PROGRAM, str(folder), "--store", f"{temporary}/store.sqlite")
            with Server(*arguments) as server:
                client = await connect(server.url, server.secret, 2)
                session = (await client.call("carta.register.viewer", {"session_id": 0}))["session_id"]
                ack = await client.call("carta.open.file", {"file": "a.fits - max(b.fits)", "file_id": 4, "lel_expr": True}, timeout=PATIENCE)
                self.assertTrue(ack["success"], ack.get("message"))
                await client.call("carta.set.image.channels", {"file_id": 4, "channel": 3})
                await client.next(HISTOGRAM, lambda m: m["channel"] == 3)

                async def is_saved():
                    with sqlite3.connect(f"file:{temporary}/store.sqlite?mode=ro", uri=True, timeout=PATIENCE) as database:
                        row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
                    return row and "max(b.fits)" in row[0] and '"channel":3' in row[0]

                await until(is_saved, "the session in the store")
                await client.close(1001)
            with Server(*arguments) as server:
                client = await connect(server.url, server.secret, 2)
                registered = await client.call("carta.register.viewer", {"session_id": session})
                self.assertEqual(registered["session_type"], "RESUMED")

                async def is_back():
                    state = await client.call("session.state")
                    return [(file["file_id"], file["channel"]) for file in state["files"]] == [(4, 3)]

                await until(is_back, "the expression of the session before")
                block = await client.call("image.read", file_id=4, channel=3, timeout=PATIENCE)
                numpy.testing.assert_allclose(numpy.frombuffer(block["data"], "<f4").reshape(HEIGHT, WIDTH), expected, rtol=1e-6, atol=1e-6)
                await client.close()


def block_of(profile):
    """Values of a spectral profile, in whichever precision it came."""
    return numpy.frombuffer(profile["raw_values_fp64"], "<f8") if len(profile.get("raw_values_fp64") or b"") else profile_values(profile)


if __name__ == "__main__":
    unittest.main()
