"""SAVE_FILE: every kind of image and every part of it, read back by astropy and held against numpy and against the source's world coordinates."""

import asyncio
import contextlib
import math
import os
import random
import resource
import stat
import unittest

import numpy
from astropy.io import fits
from harness import PATIENCE, PROGRAM, Server, ServerTest, connect, open_file
from regions_support import CLOSED, info, inside, random_region
from saving_support import make_files, pixels_of, values, verify, world_of

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
OUT = "out"
INTEGERS = ("u1.fits", "i2.fits", "i4.fits", "i8.fits", "u2.fits", "u4.fits", "u8.fits", "rice.fits")


async def save(client, name, file_id=0, **fields):
    request = {"file_id": file_id, "output_file_directory": OUT, "output_file_name": name, "output_file_type": "FITS", "keep_degenerate": True, "rest_freq": math.nan, **fields}
    return await client.call("carta.save.file", request, timeout=PATIENCE)


def selected(length, numbers):
    """Python's indices of an ICD range."""
    start, end, step = (list(numbers) + [None, None, None])[:3] if numbers else (0, length - 1, 1)
    end = start if end is None else end
    return range(start, min(end, length - 1) + 1, step or 1)


class Saving(ServerTest):
    @classmethod
    def make_files(cls, folder):
        cls.kinds = make_files(folder)
        (folder / OUT).mkdir()
        (folder / "folder.fits").mkdir()
        (folder / "link").symlink_to("/tmp")

    def setUp(self):
        self.random = random.Random(SEED)
        for path in (self.folder / OUT).iterdir():
            path.unlink()

    def tearDown(self):
        self.assertEqual([path.name for path in self.folder.rglob(".*")], [], "something half-written is left")

    def compare(self, source, axes, saved, x=range(14), y=range(11), channels=range(7), stokes=range(4), blank=None, keep=True):
        """Pixels and world coordinates of a saved file. `blank` (rows, columns) is true where pixels must be blank. The order of `axes` is numpy's."""
        data, head, hdus = pixels_of(self.folder / source)
        now, now_head, now_hdus = pixels_of(self.folder / OUT / saved)
        try:
            index = {"x": x, "y": y, "z": channels, "s": stokes, "1": range(1)}
            expected = data[numpy.ix_(*[list(index[axis]) for axis in axes])]
            # The saved file may lack axes of one pixel.
            dropped = [i for i, axis in enumerate(axes) if axis in "zs1" and len(index[axis]) == 1] if not keep else []
            left = [axis for i, axis in enumerate(axes) if i not in dropped]
            expected = expected.reshape([len(index[axis]) for axis in left])
            self.assertEqual(now.shape, expected.shape)
            if blank is not None:
                shape = [1] * len(left)
                shape[left.index("y")], shape[left.index("x")] = len(y), len(x)
                mask = blank[numpy.ix_(list(y), list(x))]
                expected = numpy.where((mask if left.index("y") < left.index("x") else mask.T).reshape(shape), numpy.nan, expected)
            if expected.dtype.itemsize == 4 and expected.dtype.kind == "f":
                self.assertEqual(now.dtype.itemsize, 4)
            numpy.testing.assert_array_equal(now.astype(expected.dtype) if expected.dtype.kind in "iu" else now, expected)
            if "CTYPE1" not in head:
                return
            for key in [" "] + (["A"] if "CTYPE1A" in head else []):
                before, after = world_of(head, hdus, key), world_of(now_head, now_hdus, key)
                order, kept = axes[::-1], left[::-1]
                for _ in range(20):
                    at = {axis: self.random.randrange(len(index[axis])) for axis in order}
                    old = before.all_pix2world([[index[axis][at[axis]] for axis in order]], 0)[0]
                    new = after.all_pix2world([[at[axis] for axis in kept]], 0)[0]
                    numpy.testing.assert_allclose(new, [old[order.index(axis)] for axis in kept], rtol=1e-11, atol=1e-9)
        finally:
            hdus.close()
            now_hdus.close()

    async def test_every_kind_as_a_whole(self):
        client = await self.viewer()
        for name, axes in self.kinds.items():
            with self.subTest(file=name):
                await open_file(client, name)
                out = "saved_" + name.replace(".gz", "_gz")
                ack = await save(client, out)
                self.assertEqual((ack["success"], ack["message"], ack["file_id"], ack["overwrite_confirmation_required"]), (True, "", 0, False))
                self.compare(name, axes, out)
                self.assertEqual(verify(self.folder / OUT / out), [])
                # and we read it as we read the source
                before = await open_file(client, name, 1)
                after = await open_file(client, out, 2, directory=OUT)
                for field in ("width", "height", "depth", "stokes"):
                    self.assertEqual(after["file_info_extended"][field], before["file_info_extended"][field])
                self.assertEqual(after["beam_table"], before["beam_table"])

    async def test_random_parts(self):
        print(f"CUBELINK_SEED={SEED}")
        client = await self.viewer()
        for number, (name, axes) in enumerate(self.kinds.items()):
            await open_file(client, name)
            _, head, hdus = pixels_of(self.folder / name)
            hdus.close()
            for turn in range(3):
                lengths = {"z": 7, "s": 4 if "s" in axes else 1, "x": 14, "y": 11}
                if name == "swapped.fits":
                    lengths["x"], lengths["y"], lengths["z"] = 7, 14, 11  # as it is rendered
                elif "z" not in axes:
                    lengths["z"] = 1

                def numbers(length):
                    start = self.random.randrange(length)
                    return self.random.choice([[], [start, self.random.randrange(start, length + 3)], [start, self.random.randrange(start, length + 3), self.random.randint(1, 4)]])

                channels, stokes, keep = numbers(lengths["z"]), numbers(lengths["s"]), self.random.random() < 0.5
                region, blank, x, y = 0, None, range(lengths["x"]), range(lengths["y"])
                if turn:
                    shape = None
                    while shape is None:
                        shape = random_region(self.random, lengths["x"], lengths["y"], CLOSED)
                        selection, doubtful = inside(shape, lengths["x"], lengths["y"])
                        if doubtful.any() or not selection.any():
                            shape = None
                    rows, columns = numpy.nonzero(selection.any(1))[0], numpy.nonzero(selection.any(0))[0]
                    x, y, blank = range(columns[0], columns[-1] + 1), range(rows[0], rows[-1] + 1), ~selection
                    region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": shape}))["region_id"]
                with self.subTest(file=name, seed=SEED, channels=channels, stokes=stokes, keep=keep, x=x, y=y):
                    out = f"{number}_{turn}.fits"
                    ack = await save(client, out, channels=channels, stokes=stokes, keep_degenerate=keep, region_id=region)
                    self.assertTrue(ack["success"], ack["message"])
                    ranges = {"x": x, "y": y, "channels": selected(lengths["z"], channels), "stokes": selected(lengths["s"], stokes)}
                    if name == "swapped.fits":  # rendered x, y, channel are frequency, right ascension, declination: "z", "x", "y" of `axes`
                        data, old_head, old = pixels_of(self.folder / name)
                        now, new_head, new = pixels_of(self.folder / OUT / out)
                        expected = data[numpy.ix_(list(ranges["channels"]), list(y), list(x))]
                        if blank is not None:
                            expected = numpy.where(blank[numpy.ix_(list(y), list(x))], numpy.nan, expected)
                        numpy.testing.assert_array_equal(now, expected)
                        place = [len(x) - 1, len(y) - 1, len(ranges["channels"]) - 1]
                        there = [x[-1], y[-1], ranges["channels"][-1]]
                        numpy.testing.assert_allclose(world_of(new_head, new).all_pix2world([place], 0), world_of(old_head, old).all_pix2world([there], 0), rtol=1e-11, atol=1e-9)
                        old.close()
                        new.close()
                    else:
                        if blank is not None and name in INTEGERS:
                            self.check_integers(name, axes, out, ranges, blank, keep)
                        else:
                            self.compare(name, axes, out, blank=blank, keep=keep, **ranges)
                    self.assertEqual(verify(self.folder / OUT / out), [])

    def check_integers(self, name, axes, out, ranges, blank, keep):
        """Blanks make floating-point numbers of integers; 64-bit ones are rounded to doubles."""
        data, _, hdus = pixels_of(self.folder / name)
        now, _, now_hdus = pixels_of(self.folder / OUT / out)
        expected = data[numpy.ix_(*[list({"x": ranges["x"], "y": ranges["y"], "z": ranges["channels"], "s": ranges["stokes"]}[axis]) for axis in axes])].astype("f8")
        expected[..., blank[numpy.ix_(list(ranges["y"]), list(ranges["x"]))]] = numpy.nan
        numpy.testing.assert_array_equal(now.reshape(expected.shape), expected)
        hdus.close()
        now_hdus.close()

    async def test_types(self):
        client = await self.viewer()
        for name, bitpix in {"float.fits": -32, "double.fits": -64, "u1.fits": -32, "i2.fits": -32, "u2.fits": -32, "blanks.fits": -32, "i4.fits": -64, "i8.fits": 64, "u8.fits": 64}.items():
            await open_file(client, name)
            self.assertTrue((await save(client, "type.fits", overwrite=True))["success"])
            with fits.open(self.folder / OUT / "type.fits") as file:
                self.assertEqual(file[0].header["BITPIX"] if bitpix != 64 else file[0]._orig_bitpix, bitpix, name)
                for gone in ("BLANK", "DATAMAX"):
                    self.assertNotIn(gone, file[0].header)

    async def test_headers_that_break_rules(self):
        """What astropy or fitsverify would not take is not handed on; what can be understood is kept."""
        good = fits.Header()
        for number, (kind, value, step) in enumerate((("RA---SIN", 150.0, -0.01), ("DEC--SIN", -30.0, 0.01), ("FREQ", 1.4e9, 1e6)), 1):
            good[f"CTYPE{number}"], good[f"CRVAL{number}"], good[f"CRPIX{number}"], good[f"CDELT{number}"] = kind, value, 2.0, step
        source = fits.PrimaryHDU(values(50, (3, 4, 5)), good)
        broken = ["lower   =                    7 / small letters", "BAD.KEY =                    7", "NOVALUE = what is this", "SMALL   = 1.5e-3", "NOBLANK ='text'", "OPEN    = 'no end", "CONTINUE  'of nothing'",
                  "RESTFRQ = 'a word'", "OBJECT  = 'one'", "OBJECT  = 'two'", "CRPIX3  = none", "DATE-OBS= 2020-01-01", "HIERARCH ESO X = 'fine'", "HIERARCH what is this", "\x01\xe9", "CHECKSUM= 'wrong'", "BLANK   = 7", "KEY WORD= 1",
                  "COMPLEX = (1.0, 2.0)", "  = 5", "=", "NAXIS9  = 4", "EXTEND  = 5", "LONG    = '" + 67 * "x" + "&'", "CONTINUE  'end'"]
        head = source.header.tostring(padding=False).rstrip()[:-3].encode()
        head = head[: len(head) // 80 * 80] + b"".join(card.encode("latin-1").ljust(80) for card in [*broken, "END"])
        (self.folder / "broken.fits").write_bytes(head.ljust(-(-len(head) // 2880) * 2880) + source.data.astype(">f4").tobytes().ljust(2880, b"\0"))
        client = await self.viewer()
        await open_file(client, "broken.fits")
        for number, fields in enumerate(({}, {"channels": [1, 2]}, {"keep_degenerate": False, "channels": [1]})):
            ack = await save(client, f"{number}.fits", **fields)
            self.assertTrue(ack["success"], ack["message"])
            self.assertIn("axis 3", ack["message"].lower())
            self.assertEqual(verify(self.folder / OUT / f"{number}.fits"), [])
            with fits.open(self.folder / OUT / f"{number}.fits") as file:
                head = file[0].header
                self.assertEqual((head["LOWER"], head["SMALL"], head["NOBLANK"], head["OPEN"], head["OBJECT"], head["COMPLEX"], head["LONG"], head["ESO X"]),
                                 (7, 1.5e-3, "text", "no end", "one", 1 + 2j, 67 * "x" + "end", "fine"))  # fmt: skip
                self.assertNotIn("CTYPE3", head)
                self.assertIn("NOVALUE = what is this", "\n".join(head["COMMENT"]))
            again = await open_file(client, f"{number}.fits", 1, directory=OUT)
            self.assertEqual(again["file_info_extended"]["depth"], (3, 2, 1)[number])

    async def test_beams(self):
        client = await self.viewer()
        await open_file(client, "beams.fits")
        self.assertTrue((await save(client, "part.fits", channels=[1, 6, 2], stokes=[1, 3, 2]))["success"])
        with fits.open(self.folder / OUT / "part.fits") as file:
            self.assertIs(file[0].header["CASAMBM"], True)
            table = file["BEAMS"]
            self.assertEqual((table.header["NCHAN"], table.header["NPOL"], len(table.data)), (3, 2, 6))
            rows = [(row["CHAN"], row["POL"], row["BMAJ"], row["BMIN"], row["BPA"]) for row in table.data]
            self.assertEqual(rows, [(i, j, 10 + c + 100 * s, 5 + c, 3 * c - s) for j, s in enumerate((1, 3)) for i, c in enumerate((1, 3, 5))])
            self.assertEqual([column.unit for column in table.columns], ["arcsec", "arcsec", "deg", None, None])
        ack = await open_file(client, "part.fits", 1, directory=OUT)
        self.assertEqual([(b["channel"], b["stokes"], b["major_axis"]) for b in ack["beam_table"]], [(i, j, 10 + c + 100 * s) for j, s in enumerate((1, 3)) for i, c in enumerate((1, 3, 5))])
        self.assertTrue((await save(client, "plane.fits", channels=[4], stokes=[2], keep_degenerate=False))["success"])
        with fits.open(self.folder / OUT / "plane.fits") as file:
            self.assertEqual(len(file), 1)
            self.assertNotIn("CASAMBM", file[0].header)
            numpy.testing.assert_allclose([file[0].header[name] for name in ("BMAJ", "BMIN", "BPA")], [214 / 3600, 9 / 3600, 10], rtol=1e-7)

    async def test_header(self):
        client = await self.viewer()
        await open_file(client, "float.fits")
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info("ELLIPSE", [(6, 5), (3, 3)])}))["region_id"]
        self.assertTrue((await save(client, "part.fits", channels=[2, 5], stokes=[1], region_id=region, keep_degenerate=False))["success"])
        with fits.open(self.folder / OUT / "part.fits") as file:
            head = file[0].header
            self.assertEqual((head["OBJECT"], head["BUNIT"], head["BMAJ"], head["SPECSYS"], head["NAXIS"]), ("It's", "Jy/beam", 0.01, "LSRK", 3))
            history = "\n".join(head["HISTORY"])
            for text in ("float.fits", "x 3 to 9, y 2 to 8", "channels 2 to 5", "stokes 1", f"region {region}", "Cubelink"):
                self.assertIn(text, history)
        self.assertTrue((await save(client, "plane.fits", channels=[2], stokes=[1], keep_degenerate=False))["success"])
        with fits.open(self.folder / OUT / "plane.fits") as file:
            self.assertEqual(file[0].header["NAXIS"], 2)
            for gone in ("RESTFRQ", "SPECSYS", "CTYPE3", "CTYPE4", "NAXIS3"):
                self.assertNotIn(gone, file[0].header)

    async def test_rest_frequency(self):
        client = await self.viewer()
        for name in ("float.fits", "velocity.fits", "optical.fits", "uneven_table.fits"):
            await open_file(client, name)
            self.assertTrue((await save(client, "rest.fits", rest_freq=1.3e9, overwrite=True))["success"])
            self.assertEqual(verify(self.folder / OUT / "rest.fits"), [])
            frequencies = []
            for path in (self.folder / name, self.folder / OUT / "rest.fits"):
                _, head, hdus = pixels_of(path)
                world = world_of(head, hdus)
                pixels = [[0] * 2 + [channel] + [0] * (world.naxis - 3) for channel in range(7)]
                found = world.all_pix2world(pixels, 0)[:, 2]
                kind, rest, c = head["CTYPE3"], head["RESTFRQ"], 299792458.0
                frequencies.append(rest * (1 - found / c) if kind.startswith("VRAD") else rest / (1 + found / c) if kind.startswith("VOPT") else found)
                hdus.close()
            self.assertEqual(rest, 1.3e9)
            numpy.testing.assert_allclose(frequencies[1], frequencies[0], rtol=1e-12)
        for value in (-1.0, math.inf, 5e-324, 0.5, 1.1e18, 1.7e308):
            ack = await save(client, "refused.fits", rest_freq=value)
            self.assertEqual((ack["success"], "rest_freq" in ack["message"]), (False, True))
        self.assertTrue((await save(client, "unchanged.fits", rest_freq=0.0))["success"])

    async def test_wrong_requests(self):
        client = await self.viewer()
        await open_file(client, "float.fits")
        region = {}
        for kind, points in {"LINE": [(1, 1), (5, 5)], "POINT": [(3, 3)], "RECTANGLE": [(100, 100), (3, 3)], "ANNRECTANGLE": [(5, 5), (3, 3)]}.items():
            region[kind] = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info(kind, points)}))["region_id"]
        wrong = [({"file_id": 7}, "7"), ({"output_file_name": ""}, "name"), ({"output_file_type": "CASA"}, "CASA"), ({"output_file_type": "HDF5"}, "HDF5"), ({"output_file_type": "UNKNOWN"}, "FITS"),
                 ({"region_id": -1}, "-1"), ({"region_id": 99}, "99"), ({"region_id": -(2**31)}, "region"), ({"region_id": region["LINE"]}, "closed"), ({"region_id": region["POINT"]}, "closed"),
                 ({"region_id": region["RECTANGLE"]}, "outside"), ({"region_id": region["ANNRECTANGLE"]}, "closed"), ({"output_file_name": "../../x.fits"}, "orbidden"),
                 ({"output_file_directory": "nowhere"}, ""), ({"output_file_directory": "../.."}, ""), ({"output_file_directory": "link"}, ""), ({"output_file_directory": "", "output_file_name": "folder.fits", "overwrite": True}, "folder")]
        for field in ("channels", "stokes"):
            wrong += [({field: numbers}, field) for numbers in ([-1, 3], [0, -1], [3, 2], [0, 3, 0], [0, 3, -2], [0, 1, 1, 1], [100, 101], [7], [-(2**31), 2**31 - 1], list(range(1000)))]
        for fields, text in wrong:
            with self.subTest(fields=fields):
                ack = await save(client, fields.pop("output_file_name", "wrong.fits"), **fields)
                self.assertFalse(ack["success"])
                self.assertIn(text, ack["message"])
                self.assertFalse(ack["overwrite_confirmation_required"])
        for fields in ({"channels": "1"}, {"rest_freq": "x"}, {"file_id": 1.5}, {"output_file_type": "NONE AT ALL"}):
            await self.fails(save(client, "wrong.fits", **fields), -32602)
        self.assertEqual(list((self.folder / OUT).iterdir()), [])
        self.alive()

    async def test_existing_files(self):
        client = await self.viewer()
        await open_file(client, "float.fits")
        before = (self.folder / "float.fits").read_bytes()
        for fields in ({}, {"overwrite": True}):
            ack = await save(client, "float.fits", output_file_directory="", **fields)
            self.assertEqual((ack["success"], ack["overwrite_confirmation_required"]), (False, False))
        (self.folder / "again.fits").hardlink_to(self.folder / "float.fits")
        self.assertFalse((await save(client, "again.fits", output_file_directory="", overwrite=True))["success"])
        other = await self.viewer(session_id=0)
        await open_file(other, "plane.fits")  # of another session
        ack = await save(client, "plane.fits", output_file_directory="", overwrite=True)
        self.assertEqual((ack["success"], "open" in ack["message"]), (False, True))
        self.assertEqual((self.folder / "float.fits").read_bytes(), before)
        path = self.folder / OUT / "there"
        path.write_bytes(b"old")
        path.chmod(0o640)
        ack = await save(client, "there")
        self.assertEqual((ack["success"], ack["overwrite_confirmation_required"], path.read_bytes()), (False, True, b"old"))
        self.assertTrue((await save(client, "there", overwrite=True))["success"])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.compare("float.fits", "szyx", "there")

    async def test_two_at_once(self):
        one, two = await self.viewer(), await self.viewer()
        await open_file(one, "float.fits")
        await open_file(two, "double.fits")
        acks = await asyncio.gather(*[save(client, "same.fits") for client in (one, two) for _ in range(4)])
        self.assertEqual(sum(ack["success"] for ack in acks), 1)
        self.assertTrue(all(ack["success"] or ack["overwrite_confirmation_required"] for ack in acks))
        winner = [ack["success"] for ack in acks].index(True)
        self.compare("float.fits" if winner < 4 else "double.fits", "szyx", "same.fits")
        acks = await asyncio.gather(*[save(client, "same.fits", overwrite=True) for client in (one, two) for _ in range(4)])
        self.assertTrue(all(ack["success"] for ack in acks), acks)
        self.assertEqual(verify(self.folder / OUT / "same.fits"), [])

    async def test_changed_source(self):
        client = await self.viewer()
        path = self.folder / "changing.fits"
        fits.writeto(path, values(1), overwrite=True)
        await open_file(client, "changing.fits")
        fits.writeto(path, values(2), overwrite=True)
        ack = await save(client, "changed.fits")
        self.assertFalse(ack["success"])
        self.assertFalse((self.folder / OUT / "changed.fits").exists())

    async def test_expressions(self):
        client = await self.viewer()
        for number, (text, scale) in enumerate((('"float.fits"+"float.fits"', 2), ('"double.fits"*2', 2), ('"float.fits"/max("plane.fits")', None))):
            request = {"directory": "", "file": text, "lel_expr": True, "file_id": 0, "hdu": "", "render_mode": "RASTER"}
            ack = await client.call("carta.open.file", request, timeout=PATIENCE)
            self.assertTrue(ack["success"], ack["message"])
            self.assertTrue((await save(client, f"{number}.fits", channels=[1, 5, 2], stokes=[2]))["success"])
            self.assertEqual(verify(self.folder / OUT / f"{number}.fits"), [])
            data, _, source = pixels_of(self.folder / ("double.fits" if "double" in text else "float.fits"))
            with fits.open(self.folder / OUT / f"{number}.fits") as file:
                self.assertEqual(file[0].header["CRPIX3"], 1.0)
                if scale:
                    expected = data[2:3, 1:6:2]
                    numpy.testing.assert_array_equal(file[0].data, numpy.where(numpy.isfinite(expected), expected * scale, file[0].data))
                else:
                    self.assertEqual(file[0].data.shape, (1, 3, 11, 14))
            source.close()

    async def test_complex_and_joined_images(self):
        """What is shown is saved: amplitudes, and files of one polarization each as one cube with their beams."""
        random = numpy.random.default_rng(SEED)
        parts = random.normal(size=(2, 3, 11, 14)).astype("f4")
        head = fits.Header()
        for number, (kind, value, step) in enumerate((("RA---SIN", 150.0, -0.01), ("DEC--SIN", -30.0, 0.01), ("FREQ", 1.4e9, 1e6), ("COMPLEX", 1.0, 1.0)), 1):
            head[f"CTYPE{number}"], head[f"CRVAL{number}"], head[f"CRPIX{number}"], head[f"CDELT{number}"] = kind, value, 2.0, step
        fits.writeto(self.folder / "complex.fits", parts, head)
        client = await self.viewer()
        await open_file(client, "complex.fits")
        self.assertTrue((await save(client, "amplitude.fits", channels=[1, 2]))["success"])
        self.assertEqual(verify(self.folder / OUT / "amplitude.fits"), [])
        with fits.open(self.folder / OUT / "amplitude.fits") as file:
            numpy.testing.assert_array_equal(file[0].data, numpy.hypot(*parts.astype("f8")).astype("f4")[1:])
            self.assertEqual((file[0].header["CRPIX3"], file[0].header["NAXIS"]), (1.0, 3))
        for number, name in enumerate("IQU"):
            del head["*4"]
            head["BMAJ"], head["BMIN"], head["BPA"] = 0.01 + 0.01 * number, 0.01, 5.0
            fits.writeto(self.folder / f"part_{name}.fits", parts[number % 2] * (number + 1), head)
        joined = await client.call("carta.concat.stokes.files", {"file_id": 1, "render_mode": "RASTER", "stokes_files": [
            {"directory": "", "file": f"part_{name}.fits", "hdu": "", "polarization_type": number} for number, name in enumerate("IQU", 1)]})  # fmt: skip
        self.assertTrue(joined["success"], joined["message"])
        self.assertTrue((await save(client, "joined.fits", 1, stokes=[0, 2, 2]))["success"])
        self.assertEqual(verify(self.folder / OUT / "joined.fits"), [])
        with fits.open(self.folder / OUT / "joined.fits") as file:
            numpy.testing.assert_array_equal(file[0].data, numpy.stack([parts[0], parts[0] * 3]))
            head = file[0].header
            self.assertEqual((head["CTYPE4"], head["CRVAL4"] + (1 - head["CRPIX4"]) * head["CDELT4"], head["CDELT4"]), ("STOKES", 1, 2))
            self.assertEqual([row["BMAJ"] for row in file["BEAMS"].data], [numpy.float32(3600 * b) for b in (0.01, 0.03) for _ in range(3)])

    async def test_dialect_of_generation_1(self):
        client = await self.viewer(generation=1)
        await open_file(client, "float.fits")
        self.assertTrue((await save(client, "one.fits", channels=[1, 3]))["success"])
        self.compare("float.fits", "szyx", "one.fits", channels=range(1, 4))


class LongSaving(ServerTest):
    """Of an image that takes a while, as it is sparse and large."""

    options = ("--memory-limit", "64M")

    @classmethod
    def make_files(cls, folder):
        (folder / OUT).mkdir()
        head = fits.PrimaryHDU(numpy.zeros((1, 1), "f4")).header
        head["NAXIS"], head["NAXIS1"], head["NAXIS2"] = 3, 16384, 16384
        head.insert("NAXIS2", ("NAXIS3", 2), after=True)
        cls.bytes = 16384 * 16384 * 2 * 4
        with open(folder / "large.fits", "wb") as file:
            file.write(head.tostring().encode())
            file.truncate(-(-(file.tell() + cls.bytes) // 2880) * 2880)

    async def begun(self, server, client, name):
        """A saving that is under way."""
        call = asyncio.ensure_future(save(client, name))
        folder = f"/proc/{server.process.pid}/fd"

        def is_open():
            paths = []
            for number in os.listdir(folder):
                with contextlib.suppress(OSError):
                    paths.append(os.readlink(f"{folder}/{number}"))
            return any(path.startswith(f"{self.folder / OUT}/") for path in paths)

        while not is_open():
            self.assertFalse(call.done(), "it was done at once")
            await asyncio.sleep(0.001)
        return call

    def check_nothing_left(self):
        self.assertEqual(list((self.folder / OUT).iterdir()), [])

    async def test_closing_stops_it(self):
        client = await self.viewer()
        await open_file(client, "large.fits")
        call = await self.begun(self.server, client, "closed.fits")
        await client.call("carta.close.file", {"file_id": 0})
        ack = await asyncio.wait_for(call, PATIENCE)
        self.assertEqual((ack["success"], "closed" in ack["message"]), (False, True))
        self.check_nothing_left()

    async def test_killed(self):
        server = Server(PROGRAM, self.folder)
        server.__enter__()
        client = await connect(server.url, server.secret)
        self.addAsyncCleanup(client.close)
        await client.call("carta.register.viewer", {"session_id": 0})
        await open_file(client, "large.fits")
        call = await self.begun(server, client, "killed.fits")
        server.process.kill()
        server.process.wait(PATIENCE)
        await asyncio.gather(call, return_exceptions=True)
        self.check_nothing_left()

    async def test_memory_and_progress(self):
        client = await self.viewer()
        await open_file(client, "large.fits")
        before = self.server.memory()
        call = await self.begun(self.server, client, "big.fits")
        most = 0
        while not call.done():
            most = max(most, self.server.memory())
            await asyncio.sleep(0.02)
        ack = await call
        progress = [what["progress"] for what in client.published.get("session.changed", []) if what.get("task") == "save_file"]
        self.assertTrue(ack["success"], ack["message"])
        self.assertEqual(progress, sorted(progress))
        self.assertTrue(all(0 <= p <= 1 for p in progress))
        self.assertLess(most - before, 64 << 20)
        self.assertEqual((self.folder / OUT / "big.fits").stat().st_size, (self.folder / "large.fits").stat().st_size)
        (self.folder / OUT / "big.fits").unlink()


class Full(ServerTest):
    """A file must not grow beyond a limit, as on a full disk."""

    @classmethod
    def make_files(cls, folder):
        (folder / OUT).mkdir()
        fits.writeto(folder / "image.fits", numpy.zeros((600, 500), "f4"))

    @classmethod
    def setUpClass(cls):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        super().setUpClass()
        resource.prlimit(cls.server.process.pid, resource.RLIMIT_FSIZE, (1 << 20, before[1]))

    async def test_nothing_half_written(self):
        client = await self.viewer()
        await open_file(client, "image.fits")
        (self.folder / OUT / "there.fits").write_bytes(b"old")
        for name in ("new.fits", "there.fits"):
            ack = await save(client, name, overwrite=True)
            self.assertFalse(ack["success"])
            self.assertIn(name, ack["message"])
            self.assertFalse(ack["overwrite_confirmation_required"])
        self.assertEqual([(path.name, path.read_bytes()) for path in (self.folder / OUT).iterdir()], [("there.fits", b"old")])
        self.alive()


class ReadOnly(ServerTest):
    options = ("--read-only",)

    @classmethod
    def make_files(cls, folder):
        (folder / OUT).mkdir()
        fits.writeto(folder / "image.fits", numpy.zeros((6, 5), "f4"))

    async def test_refused(self):
        client = await self.viewer()
        await open_file(client, "image.fits")
        ack = await save(client, "new.fits")
        self.assertEqual((ack["success"], "read-only" in ack["message"], ack["overwrite_confirmation_required"]), (False, True, False))
        self.assertEqual(list((self.folder / OUT).iterdir()), [])


if __name__ == "__main__":
    unittest.main()
