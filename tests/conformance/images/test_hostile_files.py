"""Files that are missing, broken, lying, or changed while they are open: a clear message on whatever has an id, and nobody else notices."""

import bz2
import gzip
import lzma
import os
import random
import unittest
from pathlib import Path

import numpy
from astropy.io import fits

from harness import ERROR, HISTOGRAM, PATIENCE, ServerTest, check_histogram, codes_of_layer, get_tiles, open_file, settled


def card(text):
    return text.ljust(80)[:80].encode()


def raw_fits(*cards, data=b"", end=True):
    header = b"".join(map(card, cards)) + (card("END") if end else b"")
    return header + b" " * (-len(header) % 2880) + data


def header_with(bitpix="-32", naxis="2", **axes):
    cards = ["SIMPLE  =                    T", f"BITPIX  = {bitpix:>20}", f"NAXIS   = {naxis:>20}"]
    return [*cards, *(f"{name:<8}= {value:>20}" for name, value in axes.items())]


def make_broken(folder, whole):
    """{name: words of which one must be in the message, or None if it may open}"""
    block = b"\0" * 2880
    data = b"\0" * 28800
    files = {
        "empty.fits": b"",
        "one_byte.fits": b"S",
        "text.fits": b"this is no image\n" * 500,
        "zeros.fits": b"\0" * 10000,
        "elf.fits": Path("/bin/true").read_bytes()[:20000],
        "magic_only.fits": b"SIMPLE  =                    T",
        "header_cut.fits": whole[:1000],
        "header_without_end.fits": raw_fits(*header_with(NAXIS1="30", NAXIS2="30"), end=False) + block,
        "no_end_ever.fits": card("SIMPLE  =                    T") + card("COMMENT  and so on") * 40000,
        "data_cut.fits": whole[:-4000],
        "data_missing.fits": whole[:2880],
        "one_byte_short.fits": raw_fits(*header_with(NAXIS1="30", NAXIS2="30"), data=b"\0" * 3599),
        "naxis_zero.fits": raw_fits(*header_with(naxis="0")),
        "naxis_one.fits": raw_fits(*header_with(naxis="1", NAXIS1="100"), data=data),
        "naxis_five.fits": raw_fits(*header_with(naxis="5", NAXIS1="5", NAXIS2="5", NAXIS3="5", NAXIS4="5", NAXIS5="2"), data=data),
        "naxis_negative.fits": raw_fits(*header_with(naxis="-2", NAXIS1="5", NAXIS2="5"), data=data),
        "naxis_many.fits": raw_fits(*header_with(naxis="1000000", NAXIS1="5"), data=data),
        "naxis_text.fits": raw_fits(*header_with(naxis="'two'", NAXIS1="5", NAXIS2="5"), data=data),
        "naxis1_zero.fits": raw_fits(*header_with(NAXIS1="0", NAXIS2="30"), data=data),
        "naxis2_negative.fits": raw_fits(*header_with(NAXIS1="30", NAXIS2="-30"), data=data),
        "naxis1_missing.fits": raw_fits(*header_with(NAXIS2="30"), data=data),
        "naxis1_huge.fits": raw_fits(*header_with(NAXIS1="9223372036854775807", NAXIS2="9223372036854775807"), data=data),
        "naxis1_beyond.fits": raw_fits(*header_with(NAXIS1="99999999999999999999999", NAXIS2="2"), data=data),
        "product_overflows.fits": raw_fits(*header_with(naxis="4", NAXIS1="65536", NAXIS2="65536", NAXIS3="65536", NAXIS4="65536"), data=data),
        "product_wraps_to_small.fits": raw_fits(*header_with(NAXIS1="4294967296", NAXIS2="4294967296"), data=data),
        "larger_than_file.fits": raw_fits(*header_with(NAXIS1="100000", NAXIS2="100000"), data=data),
        "naxis1_fraction.fits": raw_fits(*header_with(NAXIS1="30.5", NAXIS2="30"), data=data),
        "bitpix_7.fits": raw_fits(*header_with(bitpix="7", NAXIS1="30", NAXIS2="30"), data=data),
        "bitpix_zero.fits": raw_fits(*header_with(bitpix="0", NAXIS1="30", NAXIS2="30"), data=data),
        "bitpix_huge.fits": raw_fits(*header_with(bitpix="2147483648", NAXIS1="30", NAXIS2="30"), data=data),
        "bitpix_missing.fits": raw_fits("SIMPLE  =                    T", "NAXIS   = 2", "NAXIS1  = 30", "NAXIS2  = 30", data=data),
        "not_gzip.fits.gz": b"\x1f\x8b" + b"\xff" * 1000,
        "gzip_cut.fits.gz": gzip.compress(whole)[:-2000],
        "gzip_of_text.fits.gz": gzip.compress(b"no image " * 1000),
        "gzip_of_nothing.fits.gz": gzip.compress(b""),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pressed = (folder / "compressed.fits.fz").read_bytes()
    with fits.open(folder / "compressed.fits.fz", disable_image_compression=True) as file:
        primary, table, data_at = file[0].header, file[1].header.copy(), file[1]._data_offset
    for key, value in (("ZNAXIS1", 0), ("ZNAXIS1", -5), ("ZNAXIS1", 2**40), ("ZNAXIS", 77), ("ZTILE1", 0), ("ZBITPIX", 12),
                       ("ZCMPTYPE", "NOTHING"), ("NAXIS2", 0), ("NAXIS2", 10**9), ("PCOUNT", 10**12), ("TFIELDS", 0)):  # fmt: skip
        changed = table.copy()
        changed[key] = value
        name = f"z_{key}_{value}.fits.fz".replace("-", "m")
        files[name] = primary.tostring().encode() + changed.tostring().encode() + pressed[data_at:]
        (folder / name).write_bytes(files[name])
    # A tile wider than the image is cut at its edge: that may be read.
    table["ZTILE1"] = 2**31
    (folder / "fuzzed_wide_tile.fits.fz").write_bytes(primary.tostring().encode() + table.tostring().encode() + pressed[data_at:])
    # Bytes changed at random: some open, some do not; none may do harm.
    changing = random.Random(7)
    for seed, source in enumerate(["compressed.fits.fz"] * 12 + ["good.fits.gz"] * 4 + ["cube.fits"] * 4):
        content = bytearray((folder / source).read_bytes())
        low, high = (0, len(content)) if seed % 2 else (0, min(len(content), 12000))
        for _ in range(20):
            content[changing.randrange(low, high)] = changing.randrange(256)
        (folder / f"fuzzed{seed}_{source}").write_bytes(content)
    return sorted(files)


class HostileFiles(ServerTest):
    @classmethod
    def make_files(cls, folder):
        rng = numpy.random.default_rng(1)
        cls.image = rng.normal(size=(300, 400)).astype("f4")
        fits.writeto(folder / "good.fits", cls.image)
        fits.writeto(folder / "good.fits.gz", cls.image)
        fits.writeto(folder / "cube.fits", rng.normal(size=(5, 40, 50)).astype("f4"))
        fits.CompImageHDU((cls.image * 100).astype("i2"), compression_type="RICE_1").writeto(folder / "compressed.fits.fz")
        cls.broken = make_broken(folder, (folder / "good.fits").read_bytes())
        (folder / "sub").mkdir()
        fits.writeto(folder / "sub" / "deep.fits", cls.image)
        outside = folder.parent / "outside"
        outside.mkdir()
        fits.writeto(outside / "secret.fits", cls.image)
        os.symlink(outside / "secret.fits", folder / "link_out.fits")
        os.symlink(outside, folder / "folder_out")
        os.symlink("good.fits", folder / "link_in.fits")
        os.symlink("loop.fits", folder / "loop.fits")
        os.symlink("nowhere.fits", folder / "dangling.fits")
        os.mkfifo(folder / "pipe.fits")
        os.symlink("/dev/zero", folder / "device.fits")

    async def refused(self, client, directory, file, **more):
        ack = await client.call("carta.open.file", {"directory": directory, "file": file, "file_id": 5, **more}, timeout=PATIENCE)
        self.assertFalse(ack["success"], f"{directory}/{file} was opened")
        self.assertEqual(ack["file_id"], 5)
        self.assertGreater(len(ack["message"]), 10, ack)
        # A message that a person can read: no place on the server's disk, no bare number.
        self.assertNotIn(str(self.folder.parent), ack["message"])
        return ack["message"]

    async def test_broken_files(self):
        client, witness = await self.viewer(), await self.viewer(1)
        await open_file(witness, "good.fits")
        await witness.next(HISTOGRAM)
        await settled(witness)
        witness.forget()
        for name in self.broken:
            with self.subTest(file=name):
                message = await self.refused(client, "", name)
                if os.environ.get("SHOW_MESSAGES"):
                    print(f"{name:35} {message}")
                info = await client.call("carta.file.info.request", {"directory": "", "file": name}, timeout=PATIENCE)
                # What can be said of a file is said also if its data cannot be read.
                self.assertTrue(info["success"] or info["message"])
        self.assertEqual((await client.call("session.state"))["files"], [])
        self.assertEqual(witness.log, [])
        numpy.testing.assert_equal((await get_tiles(witness, 0, [0]))[0]["width"], 200)
        self.alive()

    async def test_changed_bytes(self):
        client = await self.viewer()
        opened = 0
        for path in sorted(self.folder.glob("fuzzed*")):
            with self.subTest(file=path.name):
                ack = await client.call("carta.open.file", {"file": path.name, "hdu": "", "file_id": 1}, timeout=PATIENCE)
                if ack["success"]:
                    opened += 1
                    info = ack["file_info_extended"]
                    for codes in ([0], codes_of_layer(min(info["width"], 5000), min(info["height"], 5000), 0)):
                        try:
                            await client.call("carta.add.required.tiles", {"file_id": 1, "tiles": codes})
                        except Exception as error:
                            self.assertTrue(str(error))
                    try:
                        await client.call("image.read", file_id=1, x=[0, 10], y=[0, 10], timeout=PATIENCE)
                    except Exception as error:
                        self.assertNotIsInstance(error, ConnectionError)
                else:
                    self.assertTrue(ack["message"])
                self.alive()
        await client.call("carta.close.file", {"file_id": -1})
        self.assertGreater(opened, 0)

    async def test_thousands_of_images(self):
        """A file of very many HDUs is described in part, and says so; each of them can be opened."""
        primary, one = fits.PrimaryHDU().header, fits.ImageHDU(numpy.zeros((2, 2), "u1")).header
        count = 3000
        (self.folder / "many.fits").write_bytes(primary.tostring().encode() + (one.tostring().encode() + bytes(2880)) * count)
        client = await self.viewer()
        info = await client.call("carta.file.info.request", {"directory": "", "file": "many.fits"}, timeout=PATIENCE)
        self.assertEqual(len(info["file_info_extended"]), 2000)
        self.assertIn("1000 more", info["message"])
        for hdu in ("1", str(count)):
            self.assertEqual((await open_file(client, "many.fits", hdu=hdu))["file_info"]["HDU_list"], [hdu])

    async def test_what_it_is_instead(self):
        """Files that a person may take for images are named for what they are."""
        groups = numpy.array([numpy.zeros((1, 1, 4, 3), "f4")])
        data = fits.GroupData(groups, parnames=["UU"], pardata=[numpy.zeros(1, "f4")], bitpix=-32)
        fits.GroupsHDU(data).writeto(self.folder / "visibilities.fits")
        whole = (self.folder / "cube.fits").read_bytes()
        files = {"bz2": ("x.fits.bz2", bz2.compress(whole)), "xz": ("x.fits.xz", lzma.compress(whole)), "twice": ("x.fits.gz", gzip.compress(gzip.compress(whole)))}
        for name, content in files.values():
            (self.folder / name).write_bytes(content)
        client = await self.viewer()
        for name, word in (("visibilities.fits", "random groups"), ("x.fits.bz2", "bzip2"), ("x.fits.xz", "by xz"), ("x.fits.gz", "twice"), ("naxis_one.fits", "2D, 3D or 4D")):
            self.assertIn(word, await self.refused(client, "", name))

    async def test_names(self):
        client = await self.viewer()
        for directory, file in (
            ("", "missing.fits"), ("missing", "x.fits"), ("", ""), ("", "."), ("", ".."), ("", "sub"), ("..", "outside/secret.fits"), ("../outside", "secret.fits"),
            ("", "../outside/secret.fits"), ("sub/../..", "outside/secret.fits"), ("", "link_out.fits"), ("folder_out", "secret.fits"), ("", "folder_out/secret.fits"),
            (str(self.folder.parent / "outside"), "secret.fits"), ("", str(self.folder.parent / "outside/secret.fits")), ("/etc", "passwd"), ("", "/etc/passwd"),
            ("", "loop.fits"), ("", "dangling.fits"), ("", "pipe.fits"), ("", "device.fits"), ("", "good.fits/x"), ("", "good.fits\0.txt"),
            ("", "good.fits[1:10,1:10]"), ("", "good.fits+1"), ("", "http://127.0.0.1/x.fits"), ("", "mem://"), ("", "!good.fits"), ("", "good.fits(copy.fits)"),
            ("", "x" * 5000), ("x/" * 3000, "good.fits"), ("", "gööd.fits"), ("~", "good.fits"), ("", "-"), ("", "stdin://"), ("", "*.fits"),
        ):  # fmt: skip
            with self.subTest(directory=directory[:50], file=file[:50]):
                await self.refused(client, directory, file)
        self.assertFalse((self.folder / "copy.fits").exists())
        for directory, file in (("", "good.fits"), (".", "good.fits"), ("$BASE", "good.fits"), ("", "./good.fits"), ("sub", "deep.fits"), ("", "sub/deep.fits"),
                                ("sub/..", "good.fits"), ("./sub/", "deep.fits"), ("", "link_in.fits")):  # fmt: skip
            with self.subTest(directory=directory, file=file):
                await open_file(client, file, 2, directory)
        for directory in ("..", "../outside", "/etc", "folder_out", "sub/../..", "missing", "good.fits", "\0", "x" * 5000):
            with self.subTest(listing=directory[:50]):
                answer = await client.call("carta.file.list.request", {"directory": directory, "filter_mode": "AllFiles"})
                self.assertFalse(answer["success"])
                self.assertTrue(answer["message"])
                self.assertEqual((answer["files"], answer["subdirectories"]), ([], []))
        names = {file["name"] for file in (await client.call("carta.file.list.request", {"directory": "", "filter_mode": "AllFiles"}))["files"]}
        self.assertFalse(names & {"link_out.fits", "dangling.fits", "loop.fits", "pipe.fits", "device.fits"})
        self.assertTrue({"good.fits", "link_in.fits", "text.fits", "empty.fits"} <= names)

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    async def test_unreadable(self):
        (self.folder / "secret.fits").write_bytes(b"x")
        (self.folder / "secret.fits").chmod(0)
        await self.refused(await self.viewer(), "", "secret.fits")

    async def test_names_that_are_not_utf8(self):
        name = b"caf\xe9.fits"
        fits.writeto(self.folder / "t.fits", self.image)
        os.rename(os.fsencode(self.folder / "t.fits"), os.path.join(os.fsencode(self.folder), name))
        client = await self.viewer()
        listing = await client.call("carta.file.list.request", {"directory": "", "filter_mode": "Content"})
        shown = [f["name"] for f in listing["files"] if f["name"].startswith("caf")]
        self.assertEqual(len(shown), 1)
        ack = await open_file(client, shown[0])
        self.assertEqual(ack["file_info"]["name"], shown[0])
        os.unlink(os.path.join(os.fsencode(self.folder), name))

    async def test_changed_while_open(self):
        """Old and new pixels are never mixed; the user is told once; opening again gives the new data. Another session goes on."""
        first, second = numpy.full((600, 700), 1, "f4"), numpy.full((600, 700), 2, "f4")
        for how in ("shrinks", "replaced", "written in place", "deleted", "emptied"):
            with self.subTest(how=how):
                path = self.folder / "changing.fits"
                if path.exists():
                    path.unlink()
                fits.writeto(path, first)
                client, witness = await self.viewer(), await self.viewer(1)
                await open_file(client, "changing.fits")
                await open_file(witness, "good.fits")
                await client.next(HISTOGRAM)
                await settled(witness)
                witness.forget()
                if how == "shrinks":
                    os.truncate(path, 100000)
                elif how == "emptied":
                    os.truncate(path, 0)
                elif how == "deleted":
                    path.unlink()
                elif how == "replaced":
                    fits.writeto(self.folder / "other.tmp", second)
                    os.replace(self.folder / "other.tmp", path)
                else:
                    fits.writeto(self.folder / "other.tmp", second)
                    with open(path, "r+b") as file:
                        file.write((self.folder / "other.tmp").read_bytes())
                    os.unlink(self.folder / "other.tmp")
                failed = []
                for method, arguments in (("carta.add.required.tiles", {"file_id": 0, "tiles": codes_of_layer(700, 600, 2)}), ("carta.set.cursor", {"file_id": 0, "point": {"x": 3, "y": 4}}),
                                          ("image.read", {"file_id": 0}), ("carta.set.image.channels", {"file_id": 0})):  # fmt: skip
                    try:
                        answer = await client.call(method, arguments) if method != "image.read" else await client.call(method, **arguments)
                        if method == "image.read":
                            self.assertTrue((numpy.frombuffer(answer["data"], "<f4") == 1).all(), "pixels of two files")
                    except Exception as error:
                        self.assertNotIsInstance(error, ConnectionError)
                        failed.append(method)
                await settled(client)
                for message in client.published.get("carta.raster.tile.data", []):
                    for tile in message["tiles"]:
                        values = numpy.unique(numpy.frombuffer(tile["image_data"], "<f4"))
                        self.assertIn(values.tolist(), ([1.0], [2.0]), "pixels of two files")
                if how != "deleted":  # what is open stays readable after its name is gone
                    self.assertIn("image.read", failed)
                    warnings = [m for m in client.published.get(ERROR, []) if m["severity"] in ("WARNING", "ERROR")]
                    self.assertGreaterEqual(len(warnings), 1)
                    self.assertLessEqual(len(warnings), 2, warnings)
                self.assertEqual(witness.log, [])
                self.assertEqual((await get_tiles(witness, 0, [0]))[0]["width"], 200)
                if how in ("replaced", "written in place"):
                    await open_file(client, "changing.fits")
                    client.published.pop(HISTOGRAM, None)
                    block = await client.call("image.read", file_id=0)
                    self.assertTrue((numpy.frombuffer(block["data"], "<f4") == 2).all())
                await client.close()
                await witness.close()
        self.alive()

    async def test_huge_sparse_file(self):
        """A terabyte of nothing: opened by what is read of it, not by what it could hold."""
        path = self.folder / "sparse.fits"
        header = raw_fits(*header_with(naxis="3", NAXIS1="1000", NAXIS2="1000", NAXIS3="250000"))
        with open(path, "wb") as file:
            file.write(header)
            file.truncate(len(header) + 4 * 10**12 // 4)
            file.truncate(-(-(len(header) + 4 * 1000 * 1000 * 250000) // 2880) * 2880)
        client = await self.viewer()
        before = self.server.memory()
        await open_file(client, "sparse.fits")
        message = await client.next(HISTOGRAM)
        check_histogram(message, numpy.zeros((1000, 1000), "f4"))
        self.assertLess(self.server.memory() - before, 200 << 20)
        path.unlink()
        await client.call("carta.close.file", {"file_id": 0})


if __name__ == "__main__":
    unittest.main()
