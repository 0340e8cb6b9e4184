"""Catalogs that are broken, lie, or are no catalogs, and requests that make no sense: a clear message, and the server lives."""

import gzip
import os
import random
import unittest
from pathlib import Path

import numpy
from astropy.io.votable import from_table, writeto
from astropy.table import Table

from support import PATIENCE, ROWS, ServerTest, open_catalog, rows_of

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
COUNT = 300


def votable(fields, rows="", before="", after=""):
    return f"<?xml version='1.0'?>{before}<VOTABLE><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>{after}"


def fields(count, text="name='c{n}' datatype='int'"):
    return "".join(f"<FIELD {text.format(n=n)}/>" for n in range(count))


ENTITIES = "<!DOCTYPE VOTABLE [<!ENTITY a 'aaaaaaaaaa'>" + "".join(f"<!ENTITY {chr(98 + n)} '{('&' + chr(97 + n) + ';') * 10}'>" for n in range(9)) + "]>"

# name: (content, what the message says)
BROKEN = {
    "empty.xml": ("", "empty.xml"),
    "nothing.fits": ("", "nothing.fits"),
    "bomb.xml": (votable("<FIELD name='a' datatype='char' arraysize='*'/>", "<TR><TD>&j;</TD></TR>", ENTITIES), "entit"),
    "passwd.xml": (votable("<FIELD name='a' datatype='char' arraysize='*'/>", "<TR><TD>&x;</TD></TR>", "<!DOCTYPE VOTABLE [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"), "entit"),
    "deep.xml": ("<?xml version='1.0'?><VOTABLE>" + "<RESOURCE>" * 100_000, "line 1"),
    "many_columns.xml": (votable(fields(10_001), "<TR/>"), "10000"),
    "unclosed.xml": ("<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'", "line 1"),
    "long_tag.xml": (votable("<FIELD name='" + "n" * 3_000_000 + "' datatype='int'/>", "<TR><TD>1</TD></TR>"), "line 1"),
    "no_table.xml": ("<?xml version='1.0'?><VOTABLE><RESOURCE/></VOTABLE>", "no_table.xml"),
    "other.xml": ("<?xml version='1.0'?><html><body/></html>", "other.xml"),
    "base64.xml": ("<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'/><DATA><BINARY><STREAM encoding='base64'>AAAAAQ=?*x</STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>", "base64"),
    "remote.xml": ("<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'/><DATA><BINARY><STREAM href='http://127.0.0.1:1/x'/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>", "another file"),
}  # fmt: skip


class Hostile(ServerTest):
    options = ("--memory-limit", "256M")

    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        numbers = numpy.random.default_rng(SEED)
        cls.table = Table({"id": numpy.arange(COUNT, dtype="i4"), "x": numbers.normal(size=COUNT), "name": [f"source {n}" for n in range(COUNT)]})
        for kind in ("tabledata", "binary", "binary2"):
            writeto(from_table(cls.table), str(folder / f"{kind}.xml"), tabledata_format=kind)
        cls.table.write(folder / "table.fits")
        cls.table.write(folder / "table.csv")
        (folder / "packed.xml.gz").write_bytes(gzip.compress((folder / "binary2.xml").read_bytes()))
        for name, (content, _) in BROKEN.items():
            (folder / name).write_text(content)
        # Small files that become large ones.
        (folder / "inflates.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"0,0\n" * 30_000_000))
        (folder / "one_text.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"x" * 300_000_000))
        secret = Path(cls.temporary.name) / "secret.csv"
        secret.write_text("a,b\n1,2\n")
        (folder / "link.csv").symlink_to(secret)
        os.mkfifo(folder / "pipe.csv")

    async def attempt(self, client, name, file_id=9):
        return await client.call("carta.open.catalog.file", {"name": name, "file_id": file_id, "preview_data_size": 50}, timeout=PATIENCE)

    async def asyncTearDown(self):
        self.alive()

    async def test_broken_files(self):
        client = await self.viewer()
        for name, (_, words) in BROKEN.items():
            with self.subTest(name):
                ack = await self.attempt(client, name)
                self.assertFalse(ack["success"])
                self.assertIn(words.lower(), ack["message"].lower())
                self.assertLess(len(ack["message"]), 2000)
        for name in ("link.csv", "pipe.csv"):
            with self.subTest(name):
                ack = await self.attempt(client, name)
                self.assertFalse(ack["success"])
                self.assertTrue(ack["message"])
                info = await client.call("carta.catalog.file.info.request", {"name": name}, timeout=PATIENCE)
                self.assertFalse(info["success"])
        self.assertEqual((await client.call("session.state"))["catalogs"], [])

    async def test_files_that_end_too_early(self):
        """Cut anywhere: an error, or the rows that are there as they were."""
        client = await self.viewer()
        places = random.Random(SEED)
        for name in ("tabledata.xml", "binary.xml", "binary2.xml", "table.fits", "table.csv", "packed.xml.gz"):
            whole = (self.folder / name).read_bytes()
            for _ in range(25):
                size = places.randrange(len(whole))
                cut = f"cut_{name}"
                (self.folder / cut).write_bytes(whole[:size])
                with self.subTest(f"{name}, {size} of {len(whole)} bytes"):
                    ack = await self.attempt(client, cut)
                    if not ack["success"]:
                        self.assertIn(cut, ack["message"])
                        continue
                    self.assertLessEqual(ack["data_size"], COUNT)
                    if "xml" in name:
                        self.assertEqual(ack["data_size"], COUNT, "only what comes behind a VOTable's data may be missing")
                    ids = [header["column_index"] for header in ack["headers"] if header["name"] == "id"]
                    if ids and ack["data_size"] > 1:
                        rows, _ = await rows_of(client, 9, ids, size=ack["data_size"] - 1)
                        numpy.testing.assert_array_equal(rows[ids[0]], numpy.arange(ack["data_size"] - 1))

    async def test_files_with_wrong_bytes(self):
        client = await self.viewer()
        source = random.Random(SEED + 1)
        for name in ("tabledata.xml", "binary.xml", "binary2.xml", "table.fits", "table.csv", "packed.xml.gz"):
            whole = (self.folder / name).read_bytes()
            for _ in range(25):
                bytes_ = bytearray(whole)
                for _ in range(source.choice((1, 3, 30))):
                    place = source.randrange(min(len(bytes_), source.choice((600, 6000, 1 << 30))))
                    bytes_[place] = source.choice((0, 9, 32, 38, 48, 57, 60, 62, 128, 255, source.randrange(256)))
                wrong = f"wrong_{name}"
                (self.folder / wrong).write_bytes(bytes_)
                ack = await self.attempt(client, wrong)
                self.assertTrue(ack["success"] or wrong in ack["message"], ack["message"])
                if ack["success"]:
                    readable = [header["column_index"] for header in ack["headers"] if header["data_type"] != "UnsupportedType"]
                    rows, last = await rows_of(client, 9, readable)
                    self.assertEqual(last["filter_data_size"], ack["data_size"])
                    self.assertTrue(all(len(column) == ack["data_size"] for column in rows.values()))

    async def test_small_files_that_become_large(self):
        client = await self.viewer()
        ack = await self.attempt(client, "one_text.csv.gz")
        self.assertFalse(ack["success"])
        self.assertIn("one_text.csv.gz", ack["message"])
        ack = await self.attempt(client, "inflates.csv.gz")
        self.assertTrue(ack["success"], ack["message"])
        self.assertEqual(ack["data_size"], 30_000_000)
        rows, last = await rows_of(client, 9, [0, 1], start=29_999_990, sort_column="b", sorting_type="Descending")
        self.assertEqual((len(rows[0]), last["filter_data_size"]), (10, 30_000_000))
        await client.call("carta.close.catalog.file", {"file_id": 9})
        self.assertLess(self.server.memory(), (2 if "asan" in self.server.command[0] else 1) << 30)

    async def test_long_descriptions(self):
        """Of many columns: the answer is a message that clients take."""
        described = "".join(f"<FIELD name='c{n}' datatype='int'><DESCRIPTION>{'d' * 60_000}</DESCRIPTION></FIELD>" for n in range(2000))
        (self.folder / "described.xml").write_text(votable(described, "<TR>" + "<TD>1</TD>" * 2000 + "</TR>"))
        for generation in (1, 2):
            client = await self.viewer(generation)
            ack = await self.attempt(client, "described.xml")
            self.assertEqual((ack["success"], len(ack["headers"])), (True, 2000))
            self.assertLess(sum(len(header["description"]) for header in ack["headers"]), 64 << 20)
            rows, _ = await rows_of(client, 9, list(range(2000)))
            self.assertEqual([int(rows[n][0]) for n in range(2000)], [1] * 2000)

    async def test_random_requests(self):
        source = random.Random(SEED + 2)
        odd = [None, True, -1, 0, 1, 2, 7, 1 << 31, -(1 << 31), 1 << 62, 0.5, float("nan"), float("inf"), -float("inf"), 1e308, "", "id", "x", "name", "Ascending", "Equal", "x" * 5000, "\0", "ü\u2028", b"\xff\0",
               [], [0], [0, 1, 2], [-5], [1 << 40], list(range(1000)), ["id"], {}, {"column_name": "id"}, [{"column_name": "x", "value": float("nan"), "comparison_operator": 7}], [{"column_name": "name", "sub_string": "7"}],
               [{"column_name": "x"}] * 1001, [{}], [None], {"x_column_name": "id", "y_column_name": "x", "image_bounds": {"x_max": 100, "y_max": 2}}]  # fmt: skip
        fitting = {
            "column_indices": [[], [0, 1, 2], [2, 2, 2], [1]], "filter_configs": [[{"column_name": "name", "sub_string": "7"}], [{"column_name": "x", "value": float("nan"), "comparison_operator": 7}]],
            "subset_data_size": [0, 1, (1 << 31) - 1], "subset_start_index": [0, COUNT, (1 << 31) - 1], "image_bounds": [{}, {"x_column_name": "id", "y_column_name": "x", "image_bounds": {"x_max": 100, "y_max": 2}}],
            "image_file_id": [-1, (1 << 31) - 1], "region_id": [-(1 << 31)], "sort_column": ["", "id", "x", "name"], "sorting_type": [0, 1, "Descending"], "file_id": [1, 1, 1, 5], "nothing_such": [0],
        }  # fmt: skip
        names = list(fitting)
        client = await self.viewer()
        await open_catalog(client, "table.fits")
        answered = 0
        for n in range(400):
            request = {"file_id": 1, "column_indices": [0], "subset_data_size": 5}
            for name in source.sample(names, source.randrange(1, 4)):
                request[name] = source.choice(odd if source.random() < 0.3 else fitting[name])
            reply = await client.reply("carta.catalog.filter.request", request)
            if "error" in reply:
                self.assertIn(reply["error"]["code"], (-32602, -32001), f"{request}: {reply}")
                self.assertTrue(reply["error"]["message"])
            else:
                last = await client.next(ROWS, lambda m: m["progress"] == 1, PATIENCE)
                self.assertLessEqual(last["filter_data_size"], COUNT)
                answered += 1
        self.assertGreater(answered, 50)
        for method in ("carta.open.catalog.file", "carta.close.catalog.file", "carta.catalog.list.request", "carta.catalog.file.info.request"):
            for n in range(60):
                request = {name: source.choice(odd) for name in source.sample(["directory", "name", "file_id", "preview_data_size", "filter_mode"], 2)}
                reply = await client.reply(method, request)
                if "error" in reply:
                    self.assertIn(reply["error"]["code"], (-32602, -32001), f"{method} {request}: {reply}")
        rows, _ = await rows_of(await self.fresh(), 1, [0], size=3)
        self.assertEqual(list(rows[0]), [0, 1, 2])

    async def fresh(self):
        client = await self.viewer()
        await open_catalog(client, "table.fits")
        return client

    async def test_numbers_at_the_edges(self):
        client = await self.fresh()
        values = numpy.array(self.table["x"])
        ids = numpy.array(self.table["id"])
        infinity, nan = float("inf"), float("nan")
        for column, data in (("x", values), ("id", ids)):
            for operator, value, second, passing in (
                (0, nan, 0, 0), (1, nan, 0, COUNT), (2, infinity, 0, COUNT), (3, infinity, 0, 0), (3, -infinity, 0, COUNT), (4, -infinity, 0, 0), (5, nan, 0, 0), (2, 1e308, 0, COUNT), (3, -1e308, 0, COUNT),
                (6, -infinity, infinity, COUNT), (7, 1, -1, 0), (6, float(data[3]), float(data[3]), 0), (7, float(data[3]), float(data[3]), 1), (7, nan, 1, 0), (0, 0.5, 0, 0), (0, float(data[5]), 0, 1),
            ):  # fmt: skip
                with self.subTest(f"{column} {operator} {value} {second}"):
                    _, last = await rows_of(client, 1, [0], size=1, filter_configs=[{"column_name": column, "comparison_operator": operator, "value": value, "secondary_value": second}])
                    self.assertEqual(last["filter_data_size"], passing)

    async def test_a_file_that_changes_while_it_is_open(self):
        (self.folder / "changing.csv").write_text("a,b\n" + "".join(f"{n},{n}\n" for n in range(100_000)))
        client = await self.viewer()
        await open_catalog(client, "changing.csv")
        (self.folder / "changing.csv").write_text("c\n1\n")
        rows, _ = await rows_of(client, 1, [1])
        numpy.testing.assert_array_equal(rows[1], range(100_000))
        self.assertEqual((await open_catalog(client, "changing.csv"))["data_size"], 1)
        (self.folder / "changing.csv").unlink()
        self.assertEqual(list((await rows_of(client, 1, [0]))[0][0]), [1])

    async def test_as_many_catalogs_as_fit(self):
        client = await self.viewer()
        opened = 0
        for file_id in range(2000):
            ack = await client.call("carta.open.catalog.file", {"name": "table.csv", "file_id": file_id}, timeout=PATIENCE)
            if not ack["success"]:
                break
            opened += 1
        self.assertIn("catalogs open", ack["message"])
        self.assertGreater(opened, 20)
        await client.call("carta.close.catalog.file", {"file_id": 3})
        self.assertEqual((await open_catalog(client, "table.csv", 5000))["data_size"], COUNT)

    async def test_a_listing_that_is_stopped(self):
        crowd = self.folder / "crowd"
        crowd.mkdir()
        for n in range(20_000):
            (crowd / f"{n}.csv").write_text("a\n1\n")
        client = await self.viewer()
        for arguments in ({}, {"file_list_type": "Catalog"}):
            stopped = False
            for _ in range(20):  # it may be done before it is stopped
                _, listing = await client.start("carta.catalog.list.request", [{"directory": "crowd"}])
                await client.call("carta.stop.file.list", arguments)
                answer = (await listing)["result"]
                self.assertTrue(answer["success"])
                if stopped := answer["cancel"]:
                    self.assertLess(len(answer["files"]), 20_000)
                    break
                self.assertEqual(len(answer["files"]), 20_000)
            self.assertTrue(stopped, "no listing was stopped")


if __name__ == "__main__":
    unittest.main()
