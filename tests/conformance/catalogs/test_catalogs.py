"""Catalogs over the wire: opened, listed, filtered, sorted, sent in pages; against astropy and numpy."""

import asyncio
import gzip
import os
import random
import unittest
from pathlib import Path

import numpy
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table

from support import PATIENCE, ROWS, ServerTest, open_catalog, rows_of, values

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
COUNT = 2345
EQUAL, NOT_EQUAL, LESSER, GREATER, LESS_OR_EQUAL, GREATER_OR_EQUAL, OPEN, CLOSED = range(8)


def made_table(numbers):
    table = Table()
    table["ra"] = numbers.uniform(0, 360, COUNT)
    table["dec"] = numbers.uniform(-90, 90, COUNT)
    flux = numbers.normal(size=COUNT).astype("f4")
    flux[::17] = numpy.nan
    table["flux"] = flux
    table["id"] = numbers.permutation(COUNT).astype("i4")
    table["name"] = [f"{'NGC' if n % 3 else 'ngc'} {n % 50} (A)" for n in range(COUNT)]
    table["big"] = numbers.integers(-(2**62), 2**62, COUNT)
    table["kind"] = MaskedColumn(numbers.integers(0, 5, COUNT).astype("i2"), mask=numbers.random(COUNT) < 0.2)
    table["flag"] = numbers.random(COUNT) < 0.5
    table["vector"] = numbers.normal(size=(COUNT, 3))
    table["last"] = (numpy.arange(COUNT) % 50).astype("u1")  # astropy writes 63 as TNULL
    table["ra"].unit, table["dec"].unit, table["flux"].unit = "deg", "deg", "mJy"
    table["ra"].description = "right ascension"
    return table


class Catalogs(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.table = made_table(numpy.random.default_rng(SEED))
        for kind in ("tabledata", "binary", "binary2"):
            votable = from_table(cls.table)
            if kind == "binary":  # astropy's own choice is "bit"
                votable.get_first_table().get_field_by_id("flag").datatype = "boolean"
            if kind != "tabledata":
                votable.get_first_table().get_field_by_id("kind").values.null = -9
            writeto(votable, str(folder / f"{kind}.xml"), tabledata_format=kind)
        cls.table.write(folder / "table.fits")
        (folder / "packed.xml.gz").write_bytes(gzip.compress((folder / "binary2.xml").read_bytes()))
        cls.table["ra", "dec", "flux", "id", "name", "big"].write(folder / "table.csv", format="ascii.csv")
        fits.writeto(folder / "image.fits", numpy.zeros((4, 4), "f4"))
        (folder / "notes.txt").write_text("no table\n")
        (folder / "broken.xml").write_text("<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'/><DATA><TABLEDATA><TR><TD>1</TD></TR><TR>")
        (folder / "empty.xml").write_text("<VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'/><DATA><TABLEDATA/></DATA></TABLE></RESOURCE></VOTABLE>")
        (folder / "sub").mkdir()
        cls.table[:5].write(folder / "sub" / "few.fits")
        # A million rows and some: more than a chunk, and larger than a message.
        cls.many = numpy.random.default_rng(SEED + 1).normal(size=1_200_000)
        Table({"x": cls.many, "n": numpy.arange(len(cls.many), dtype="i4")}).write(folder / "many.fits")
        # Takes its time: every row has to be parsed.
        with open(folder / "slow.csv", "w") as file:
            file.write("a,b,c\n")
            block = "".join(f"{n},{n * 0.37},text {n}\n" for n in range(200_000))
            for _ in range(40):
                file.write(block)

    def index(self, name):
        return self.table.colnames.index(name)

    def expected(self, name):
        column = self.table[name]
        return numpy.array(column.filled(0)) if hasattr(column, "filled") else numpy.array(column)

    async def test_every_format_has_the_same_rows(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            for number, name in enumerate(("tabledata.xml", "binary.xml", "binary2.xml", "table.fits", "packed.xml.gz")):
                with self.subTest(f"{name}, generation {generation}"):
                    ack = await open_catalog(client, name, number)
                    self.assertEqual((ack["file_id"], ack["data_size"], ack["file_info"]["name"]), (number, COUNT, name))
                    self.assertEqual(ack["file_info"]["type"], "FITSTable" if name.endswith(".fits") else "VOTable")
                    self.assertEqual(int(ack["file_info"]["file_size"]), (self.folder / name).stat().st_size)
                    headers = ack["headers"]
                    self.assertEqual([header["name"] for header in headers], self.table.colnames)
                    self.assertEqual([header["column_index"] for header in headers], list(range(len(headers))))
                    self.assertEqual(headers[self.index("vector")]["data_type"], "UnsupportedType")
                    self.assertEqual([headers[self.index(n)]["units"] for n in ("ra", "flux", "id")], ["deg", "mJy", ""])
                    preview = {int(index): values(column) for index, column in ack["preview_data"].items()}
                    readable = [i for i in range(len(headers)) if i != self.index("vector")]
                    self.assertEqual(sorted(preview), readable)
                    rows, last = await rows_of(client, number, list(range(len(headers))))
                    self.assertEqual((last["filter_data_size"], last["subset_end_index"], last["request_end_index"]), (COUNT, COUNT, COUNT))
                    self.assertEqual(sorted(rows), readable)
                    for index in readable:
                        column = self.table.colnames[index]
                        numpy.testing.assert_array_equal(rows[index], self.expected(column), column)
                        numpy.testing.assert_array_equal(preview[index], self.expected(column)[:50], column)
                    self.assertIsNone(await client.call("carta.close.catalog.file", {"file_id": number}))

    async def test_text(self):
        client = await self.viewer()
        ack = await open_catalog(client, "table.csv")
        self.assertEqual((ack["data_size"], ack["file_info"]["type"]), (COUNT, "Unknown"))
        rows, _ = await rows_of(client, 1, list(range(6)))
        for index, name in enumerate(("ra", "dec", "flux", "id", "name", "big")):
            if name in ("flux",):
                numpy.testing.assert_allclose(rows[index], self.expected(name), rtol=1e-6)
            else:
                numpy.testing.assert_array_equal(rows[index], self.expected(name))

    async def test_filters_and_sorts(self):
        client = await self.viewer()
        await open_catalog(client, "binary2.xml")
        numbers = numpy.random.default_rng(SEED + 2)
        operators = {EQUAL: numpy.equal, NOT_EQUAL: numpy.not_equal, LESSER: numpy.less, GREATER: numpy.greater, LESS_OR_EQUAL: numpy.less_equal, GREATER_OR_EQUAL: numpy.greater_equal}
        mask = numpy.array(self.table["kind"].mask)
        for round in range(40):
            filters, passing = [], numpy.ones(COUNT, bool)
            for _ in range(numbers.integers(0, 4)):
                name = numbers.choice(["ra", "flux", "id", "kind", "name", "flag"])
                column = self.expected(name)
                if name == "name":
                    part = str(numbers.choice(["NGC", "7", "ngc 1", "(A)", ""]))
                    filters.append({"column_name": "name", "sub_string": part})
                    passing &= numpy.array([part in text for text in self.table["name"]])
                    continue
                operator = int(numbers.integers(0, 8))
                a, b = sorted(float(v) for v in numbers.choice(column[numpy.isfinite(column.astype("f8"))], 2))
                filters.append({"column_name": str(name), "comparison_operator": operator, "value": a, "secondary_value": b})
                missing = mask if name == "kind" else numpy.zeros(COUNT, bool)
                if operator >= OPEN:
                    passed = (column > a) & (column < b) if operator == OPEN else (column >= a) & (column <= b)
                else:
                    passed = operators[operator](column, column.dtype.type(a))
                passing &= numpy.where(missing, operator == NOT_EQUAL, passed)
            order = numpy.flatnonzero(passing)
            sort = {}
            if numbers.random() < 0.8:
                name = str(numbers.choice(["ra", "flux", "id", "kind", "name"]))
                descending = bool(numbers.random() < 0.5)
                sort = {"sort_column": name, "sorting_type": "Descending" if descending else "Ascending"}
                column = [text.encode() for text in self.table["name"]] if name == "name" else self.expected(name)
                gone = [bool(mask[i]) if name == "kind" else name == "flux" and bool(numpy.isnan(column[i])) for i in range(COUNT)]
                there = sorted((i for i in order if not gone[i]), key=lambda i: column[i], reverse=False)
                if descending:
                    # Stable: equal ones stay in the order of the file.
                    there = [i for _, i in sorted(((-n, i) for n, i in enumerate(there)), key=lambda e: e[0])]
                    groups, at = [], 0
                    while at < len(there):
                        end = at
                        while end < len(there) and column[there[end]] == column[there[at]]:
                            end += 1
                        groups += sorted(there[at:end])
                        at = end
                    there = groups
                order = numpy.array(there + [i for i in order if gone[i]], int)
            start, size = (0, 1 << 30) if numbers.random() < 0.5 else (int(numbers.integers(0, COUNT)), int(numbers.integers(0, 300)))
            rows, last = await rows_of(client, 1, [self.index("id"), self.index("last"), self.index("name")], start, size, filter_configs=filters, **sort)
            page = order[start : start + size]
            with self.subTest(f"round {round}: {filters} {sort} {start} {size}"):
                self.assertEqual(last["filter_data_size"], len(order))
                self.assertEqual(last["subset_end_index"], min(len(order), start + size) if len(page) else min(start, len(order)))
                if not len(page):
                    self.assertEqual((last["subset_data_size"], last["progress"]), (0, 1))
                    continue
                numpy.testing.assert_array_equal(rows[self.index("id")], self.expected("id")[page])
                self.assertEqual(rows[self.index("name")], [self.table["name"][i] for i in page])

    async def test_box_of_two_columns(self):
        client = await self.viewer()
        await open_catalog(client, "table.fits")
        bounds = {"x_column_name": "ra", "y_column_name": "dec", "image_bounds": {"x_min": 100, "x_max": 200, "y_min": -10, "y_max": 40}}
        rows, last = await rows_of(client, 1, [self.index("id")], image_bounds=bounds, image_file_id=7, region_id=3)
        ra, dec = self.expected("ra"), self.expected("dec")
        numpy.testing.assert_array_equal(rows[self.index("id")], self.expected("id")[(ra >= 100) & (ra <= 200) & (dec >= -10) & (dec <= 40)])
        self.assertEqual((last["image_file_id"], last["region_id"]), (7, 3))
        # Without bounds the names mean nothing: CARTA's page sends them so.
        _, last = await rows_of(client, 1, [0], image_bounds={"x_column_name": "None", "y_column_name": "ra"})
        self.assertEqual(last["filter_data_size"], COUNT)

    async def test_many_rows_come_in_chunks(self):
        client = await self.viewer()
        ack = await open_catalog(client, "many.fits", preview=0)
        self.assertEqual((ack["data_size"], ack["preview_data"]), (len(self.many), {"0": {"data_type": "Double", "string_data": [], "binary_data": b""}, "1": {"data_type": "Int32", "string_data": [], "binary_data": b""}}))
        rows, _ = await rows_of(client, 1, [0, 1])
        numpy.testing.assert_array_equal(rows[0], self.many)
        rows, _ = await rows_of(client, 1, [0, 1], sort_column="x")
        order = numpy.argsort(self.many, kind="stable")
        numpy.testing.assert_array_equal(rows[1], order)
        rows, last = await rows_of(client, 1, [1], start=1000, size=50, sort_column="x", filter_configs=[{"column_name": "n", "comparison_operator": LESSER, "value": 1e5}])
        numpy.testing.assert_array_equal(rows[1], order[order < 100_000][1000:1050])
        self.assertEqual(last["filter_data_size"], 100_000)

    async def test_a_newer_request_stops_the_older(self):
        client = await self.viewer()
        await open_catalog(client, "many.fits")
        request = {"file_id": 1, "column_indices": [0, 1], "subset_data_size": 1 << 30}
        for n in range(20):
            await client.call("carta.catalog.filter.request", {**request, "sort_column": "x", "sorting_type": n % 2})
        rows, last = await rows_of(client, 1, [1], size=10, image_file_id=99)
        numpy.testing.assert_array_equal(rows[1], range(10))
        self.assertEqual(last["image_file_id"], 99)
        self.assertTrue(await client.silence(ROWS))

    async def test_listed(self):
        client = await self.viewer()
        answer = await client.call("carta.catalog.list.request", {"directory": "", "filter_mode": "Content"}, timeout=PATIENCE)
        self.assertTrue(answer["success"], answer)
        listed = {file["name"]: file["type"] for file in answer["files"]}
        self.assertEqual(listed, {"binary.xml": "VOTable", "binary2.xml": "VOTable", "tabledata.xml": "VOTable", "packed.xml.gz": "VOTable", "broken.xml": "VOTable", "empty.xml": "VOTable",
                                  "table.fits": "FITSTable", "image.fits": "FITSTable", "many.fits": "FITSTable", "table.csv": "Unknown", "slow.csv": "Unknown"})  # fmt: skip
        self.assertEqual([folder["name"] for folder in answer["subdirectories"]], ["sub"])
        everything = await client.call("carta.catalog.list.request", {"directory": "", "filter_mode": "AllFiles"}, timeout=PATIENCE)
        self.assertIn("notes.txt", [file["name"] for file in everything["files"]])
        below = await client.call("carta.catalog.list.request", {"directory": "sub", "filter_mode": "Extension"}, timeout=PATIENCE)
        self.assertEqual([file["name"] for file in below["files"]], ["few.fits"])
        self.assertFalse((await client.call("carta.catalog.list.request", {"directory": "../.."}, timeout=PATIENCE))["success"])

    async def test_information_without_opening(self):
        client = await self.viewer()
        answer = await client.call("carta.catalog.file.info.request", {"directory": "", "name": "binary2.xml"}, timeout=PATIENCE)
        self.assertTrue(answer["success"], answer)
        self.assertEqual([header["name"] for header in answer["headers"]], self.table.colnames)
        self.assertEqual(answer["headers"][0]["description"], "right ascension")
        for name, part in (("notes.txt", "notes.txt"), ("image.fits", "image.fits"), ("missing.xml", "missing.xml"), ("", "name"), ("../../etc/passwd", "Forbidden"), ("sub", "folder")):
            with self.subTest(name):
                answer = await client.call("carta.catalog.file.info.request", {"name": name}, timeout=PATIENCE)
                if name == "notes.txt" and answer["success"]:
                    continue  # a table of one column of text
                self.assertFalse(answer["success"])
                self.assertIn(part, answer["message"])

    async def test_what_cannot_be_opened(self):
        client = await self.viewer()
        for name, part in (("broken.xml", "line 1"), ("image.fits", "image.fits"), ("missing.xml", "missing.xml"), ("", "No file name"), ("../../etc/passwd", "Forbidden"), ("sub", "folder")):
            with self.subTest(name):
                ack = await client.call("carta.open.catalog.file", {"name": name, "file_id": 5}, timeout=PATIENCE)
                self.assertFalse(ack["success"])
                self.assertEqual(ack["file_id"], 5)
                self.assertIn(part, ack["message"])
        for field in ("file_id", "preview_data_size"):
            ack = await client.call("carta.open.catalog.file", {"name": "table.fits", field: -1}, timeout=PATIENCE)
            self.assertIn(f"{field} -1", ack["message"])
        ack = await open_catalog(client, "empty.xml", 6)
        self.assertEqual(ack["data_size"], 0)
        rows, last = await rows_of(client, 6, [0], sort_column="a")
        self.assertEqual((rows, last["filter_data_size"]), ({}, 0))

    async def test_requests_that_make_no_sense(self):
        client = await self.viewer()
        await open_catalog(client, "table.fits")
        good = {"file_id": 1, "column_indices": [0], "subset_data_size": 10}
        for bad, part in (({"column_indices": [0, 99]}, "column_indices[1]"), ({"column_indices": [-1]}, "column_indices[0]"), ({"subset_start_index": -1}, "subset_start_index"),
                          ({"subset_data_size": -5}, "subset_data_size"), ({"sort_column": "nothing"}, "sort_column"), ({"sort_column": "vector"}, "vector"),
                          ({"filter_configs": [{"column_name": "id"}, {"column_name": "x\n"}]}, "filter_configs[1].column_name"), ({"sorting_type": 4}, "sorting_type"),
                          ({"filter_configs": [{"column_name": "id", "comparison_operator": 17}]}, "comparison_operator"),
                          ({"filter_configs": [{"column_name": "vector"}]}, "vector"), ({"image_bounds": {"x_column_name": "ra", "y_column_name": "name", "image_bounds": {"x_max": 1, "y_max": 1}}}, "y_column_name")):  # fmt: skip
            with self.subTest(str(bad)):
                await self.fails(client.call("carta.catalog.filter.request", {**good, **bad}), -32602, part)
        await self.fails(client.call("carta.catalog.filter.request", {**good, "file_id": 77}), -32001, "No catalog with id 77")
        await self.fails(client.call("carta.close.catalog.file", {"file_id": 77}), -32001, "No catalog with id 77")
        self.assertTrue(await client.silence(ROWS))
        rows, _ = await rows_of(client, 1, [0], start=1 << 30)
        self.assertEqual(rows, {})

    async def test_catalogs_and_images_have_ids_of_their_own(self):
        client = await self.viewer()
        self.assertTrue((await client.call("carta.open.file", {"file": "image.fits", "file_id": 1}, timeout=PATIENCE))["success"])
        await open_catalog(client, "sub/few.fits", 1)
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [1])
        self.assertEqual([(c["file_id"], c["file"], c["open_catalog_file_ack"]["data_size"]) for c in state["catalogs"]], [(1, "sub/few.fits", 5)])
        await client.call("carta.close.file", {"file_id": -1})
        self.assertEqual(len((await client.call("session.state"))["catalogs"]), 1)
        rows, _ = await rows_of(client, 1, [self.index("id")])
        numpy.testing.assert_array_equal(rows[self.index("id")], self.expected("id")[:5])
        # Another one takes its place.
        await open_catalog(client, "table.fits", 1)
        self.assertEqual((await rows_of(client, 1, [0], size=1))[1]["filter_data_size"], COUNT)
        other = await self.viewer(session_id=client.session_id)
        self.assertEqual([c["file"] for c in (await other.call("session.state"))["catalogs"]], ["table.fits"])
        await client.call("carta.close.catalog.file", {"file_id": 1})
        await other.next("session.changed", lambda m: m["what"] == "catalog_closed" and m["file_id"] == 1, PATIENCE)
        self.assertEqual((await other.call("session.state"))["catalogs"], [])

    async def test_closed_while_it_is_opened(self):
        client = await self.viewer()
        opening = asyncio.ensure_future(client.call("carta.open.catalog.file", {"name": "slow.csv", "file_id": 3}, timeout=PATIENCE))
        await client.next("session.changed", lambda m: m["what"] == "progress" and m["task"] == "open_catalog_file" and m["file_id"] == 3, PATIENCE)
        self.assertIsNone(await client.call("carta.close.catalog.file", {"file_id": 3}, timeout=PATIENCE))
        ack = await opening
        self.assertFalse(ack["success"])
        self.assertIn("closed", ack["message"])
        self.assertEqual((await client.call("session.state"))["catalogs"], [])

    async def test_nothing_comes_after_closing(self):
        client = await self.viewer()
        for _ in range(5):
            await open_catalog(client, "many.fits")
            await client.call("carta.catalog.filter.request", {"file_id": 1, "column_indices": [0, 1], "subset_data_size": 1 << 30, "sort_column": "x"})
            await client.call("carta.close.catalog.file", {"file_id": 1})
            client.published.pop(ROWS, None)
            self.assertTrue(await client.silence(ROWS))
        self.alive()


class WithLittleMemory(ServerTest):
    options = ("--memory-limit", "64M")

    @classmethod
    def make_files(cls, folder):
        cls.values = numpy.random.default_rng(3).normal(size=(3_000_000, 4))
        Table(cls.values, names=list("abcd")).write(folder / "large.fits")

    async def test_a_table_larger_than_the_limit(self):
        client = await self.viewer()
        await open_catalog(client, "large.fits", preview=1)
        rows, last = await rows_of(client, 1, [1, 3], start=1_500_000, size=1000, sort_column="c", sorting_type="Descending")
        order = numpy.argsort(-self.values[:, 2], kind="stable")[1_500_000:1_501_000]
        numpy.testing.assert_array_equal(rows[1], self.values[order, 1])
        numpy.testing.assert_array_equal(rows[3], self.values[order, 3])
        self.assertEqual(last["filter_data_size"], len(self.values))
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        self.assertLess(int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))), 200 << 10)


if __name__ == "__main__":
    unittest.main()
