"""Catalogs as CARTA's page asks for them, and how they come back: after a lost connection, a restart, kill -9."""

import asyncio
import json
import os
import shutil
import sqlite3

import numpy

from harness import PATIENCE, Case, icd, paces, run, until

COUNT = 250_000


class Catalogs(Case):
    def setUp(self):
        super().setUp()
        numbers = numpy.random.default_rng(5)
        self.flux = numbers.normal(size=COUNT)
        with open(f"{self.folder}/data/sources.csv", "w") as file:
            file.write("name,flux\n")
            file.writelines(f"s{n % 100},{flux!r}\n" for n, flux in enumerate(self.flux.tolist()))

    async def opened(self, page, file_id=1):
        ack = await page.ask("OPEN_CATALOG_FILE", directory="", name="sources.csv", file_id=file_id, preview_data_size=50)
        self.assertTrue(ack.success, ack.message)
        return ack

    async def rows(self, page, file_id=1, **more):
        """The last message, and the values of column 1 as they came."""
        fields = dict(file_id=file_id, column_indices=[0, 1], subset_data_size=1 << 20, sort_column="", filter_configs=[])
        await page.tell("CATALOG_FILTER_REQUEST", **{**fields, **more})
        parts = []
        while True:
            message = await page.next("CATALOG_FILTER_RESPONSE", lambda m: m.file_id == file_id, timeout=PATIENCE)
            if 1 in message.columns:
                self.assertEqual(len(message.columns[0].string_data), message.subset_data_size)
                parts.append(numpy.frombuffer(message.columns[1].binary_data, "<f8"))
            if message.progress == 1:
                return message, numpy.concatenate(parts) if parts else numpy.array([])

    async def test_opened_filtered_sorted_closed(self):
        self.start()
        page = await self.page()
        listed = await page.ask("CATALOG_LIST_REQUEST", directory="", filter_mode=icd.Content)
        self.assertEqual({file.name: file.type for file in listed.files}, {"sources.csv": icd.Unknown, "image.fits": icd.FITSTable, "cube.fits": icd.FITSTable})
        info = await page.ask("CATALOG_FILE_INFO_REQUEST", directory="", name="sources.csv")
        self.assertEqual([(header.name, header.data_type, header.column_index) for header in info.headers], [("name", icd.String, 0), ("flux", icd.Double, 1)])
        ack = await self.opened(page)
        self.assertEqual((ack.data_size, len(ack.preview_data[0].string_data)), (COUNT, 50))
        numpy.testing.assert_array_equal(numpy.frombuffer(ack.preview_data[1].binary_data, "<f8"), self.flux[:50])
        above = icd.FilterConfig(column_name="flux", comparison_operator=icd.Greater, value=0.5)
        message, flux = await self.rows(page, filter_configs=[above], sort_column="flux", sorting_type=icd.Descending)
        numpy.testing.assert_array_equal(flux, numpy.sort(self.flux[self.flux > 0.5])[::-1])
        self.assertEqual((message.filter_data_size, message.subset_end_index, message.request_end_index), (len(flux),) * 3)
        message, flux = await self.rows(page, filter_configs=[icd.FilterConfig(column_name="name", sub_string="nothing")])
        self.assertEqual((len(flux), message.subset_data_size, message.filter_data_size), (0, 0, 0))
        # In the page's own pages, which are smaller than what is there.
        for start in (0, 100_000, 200_000):
            message, flux = await self.rows(page, subset_start_index=start, subset_data_size=100_000)
            numpy.testing.assert_array_equal(flux, self.flux[start : start + 100_000])
            self.assertEqual(message.subset_end_index, min(COUNT, start + 100_000))
        await page.tell("CLOSE_CATALOG_FILE", file_id=1)
        await page.tell("CATALOG_FILTER_REQUEST", file_id=1, column_indices=[0], subset_data_size=10)
        self.assertIn("No catalog with id 1", (await page.next("ERROR_DATA")).message)

    async def test_after_a_lost_connection(self):
        self.start()
        page = await self.page()
        await self.opened(page)
        page.cut()
        again = await self.page(page.session)
        catalogs = [icd.OpenCatalogFile(name="sources.csv", file_id=1, preview_data_size=50), icd.OpenCatalogFile(name="missing.csv", file_id=2)]
        ack = await again.ask("RESUME_SESSION", images=[], catalog_files=catalogs)
        self.assertFalse(ack.success)
        self.assertIn("catalog 2 (missing.csv", ack.message)
        self.assertNotIn("catalog 1", ack.message)
        self.assertNotIn("OPEN_CATALOG_FILE_ACK", [entry[0] for entry in again.log])
        message, flux = await self.rows(again, sort_column="flux", subset_data_size=10)
        numpy.testing.assert_array_equal(flux, numpy.sort(self.flux)[:10])

    async def test_of_a_server_that_knows_nothing(self):
        self.start()
        page = await self.page(4711)
        ack = await page.ask("RESUME_SESSION", images=[], catalog_files=[icd.OpenCatalogFile(name="sources.csv", file_id=6, preview_data_size=50)])
        self.assertEqual((ack.success, ack.message), (True, ""))
        self.assertEqual((await self.rows(page, 6, subset_data_size=3))[0].filter_data_size, COUNT)

    async def saved(self, session, text='"kind":"catalog"', there=True):
        async def kept():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and (text in row[0]) == there

        await until(kept, "the catalog in the store")

    async def test_after_a_restart(self):
        self.start()
        client = await self.wslink()
        answer = await client.call("carta.open.catalog.file", {"name": "sources.csv", "file_id": 3}, timeout=PATIENCE)
        self.assertTrue(answer["success"])
        await self.saved(client.session)
        for end in (self.kill, self.stopped):
            await end()
            self.start()
            again = await self.wslink(client.session)
            self.assertEqual(again.ack["session_type"], "RESUMED")
            # A request that comes before it is there waits for it.
            await again.call("carta.catalog.filter.request", {"file_id": 3, "column_indices": [1], "subset_data_size": 5, "sort_column": "flux"}, timeout=PATIENCE)
            rows = await again.next("carta.catalog.filter.response", timeout=PATIENCE)
            numpy.testing.assert_array_equal(numpy.frombuffer(rows["columns"]["1"]["binary_data"], "<f8"), numpy.sort(self.flux)[:5])
            self.assertEqual([catalog["file_id"] for catalog in (await again.call("session.state", timeout=PATIENCE))["catalogs"]], [3])
        await again.call("carta.close.catalog.file", {"file_id": 3})
        await self.saved(client.session, there=False)

    async def test_a_newer_request_and_closing_end_the_rows(self):
        self.start()
        page = await self.page()
        await self.opened(page)
        for n in range(20):
            await page.tell("CATALOG_FILTER_REQUEST", file_id=1, column_indices=[0, 1], subset_data_size=1 << 20, sort_column="flux", sorting_type=n % 2, image_file_id=n)
        message = await page.next("CATALOG_FILTER_RESPONSE", lambda m: m.image_file_id == 19 and m.progress == 1, timeout=PATIENCE)
        self.assertEqual((message.subset_end_index, message.filter_data_size), (COUNT, COUNT))
        came = [entry[3].image_file_id for entry in page.log if entry[0] == "CATALOG_FILTER_RESPONSE"]
        self.assertEqual(came, sorted(came), "rows of an older request after those of a newer one")
        await page.tell("CATALOG_FILTER_REQUEST", file_id=1, column_indices=[0, 1], subset_data_size=1 << 20, sort_column="name")
        await page.tell("CLOSE_CATALOG_FILE", file_id=1)
        await page.ask("CATALOG_FILE_INFO_REQUEST", name="sources.csv")
        page.streams.clear()
        self.assertTrue(await page.silence("CATALOG_FILTER_RESPONSE"))
        self.assertNotIn("ERROR_DATA", [entry[0] for entry in page.log])

    async def test_a_listing_is_stopped(self):
        crowd = f"{self.folder}/data/crowd"
        os.mkdir(crowd)
        for n in range(20_000):
            with open(f"{crowd}/{n}.csv", "w") as file:
                file.write("a\n1\n")
        self.start()
        page = await self.page()
        for _ in range(20):  # it may be done before it is stopped
            listing = asyncio.ensure_future(page.ask("CATALOG_LIST_REQUEST", directory="crowd"))
            await asyncio.sleep(0)
            await page.tell("STOP_FILE_LIST")  # as the page says it: without the type of the list
            answer = await listing
            self.assertTrue(answer.success)
            if answer.cancel:
                return self.assertLess(len(answer.files), 20_000)
        self.fail("no listing was stopped")

    async def test_resuming_what_cannot_be_or_is_another(self):
        with open(f"{self.folder}/data/few.csv", "w") as file:
            file.write("a\n1\n2\n")
        self.start()
        page = await self.page()
        await self.opened(page)
        page.cut()
        again = await self.page(page.session)
        catalogs = [("few.csv", 1, 50), ("few.csv", 2, 50), ("sources.csv", 2, 0), ("few.csv", -3, 50), ("few.csv", 4, -1), ("../../etc/passwd", 5, 50), ("", 6, 50), ("image.fits", 7, 50), ("few.csv", 8, 2147483647)]
        ack = await again.ask("RESUME_SESSION", catalog_files=[icd.OpenCatalogFile(name=name, file_id=id_, preview_data_size=size) for name, id_, size in catalogs])
        self.assertFalse(ack.success)
        for id_ in (-3, 4, 5, 6, 7):
            self.assertIn(f"catalog {id_} ", ack.message)
        for id_ in (1, 2, 8):
            self.assertNotIn(f"catalog {id_} ", ack.message)
        self.assertEqual((await self.rows(again, 1, column_indices=[0]))[0].filter_data_size, 2, "another file has the id now")
        client = await self.wslink(page.session)
        self.assertEqual(sorted(c["file_id"] for c in (await client.call("session.state"))["catalogs"]), [1, 2, 8])

    async def test_what_has_gone_or_changed_when_the_server_starts_again(self):
        for name in ("gone.csv", "changed.csv"):
            shutil.copy(f"{self.folder}/data/sources.csv", f"{self.folder}/data/{name}")
        self.start()
        client = await self.wslink()
        for file_id, name in ((1, "gone.csv"), (2, "changed.csv"), (3, "sources.csv")):
            self.assertTrue((await client.call("carta.open.catalog.file", {"name": name, "file_id": file_id}, timeout=PATIENCE))["success"])
        await self.saved(client.session, '"id":3')
        await self.kill()
        os.unlink(f"{self.folder}/data/gone.csv")
        with open(f"{self.folder}/data/changed.csv", "w") as file:
            file.write("a\n1\n2\n")
        self.start()
        again = await self.wslink(client.session)
        state = await again.call("session.state", timeout=PATIENCE)
        self.assertEqual({c["file_id"]: c["open_catalog_file_ack"]["data_size"] for c in state["catalogs"]}, {2: 2, 3: COUNT})
        error = await again.next("carta.error.data", lambda m: "gone.csv" in m["message"], PATIENCE)
        self.assertIn("Catalog 1", error["message"])

    async def test_hostile_snapshots(self):
        self.start()
        client = await self.wslink()
        await self.opened_by(client)
        await self.saved(client.session)
        await self.stopped()
        good = {"kind": "catalog", "id": 8, "directory": "", "file": "sources.csv"}
        odd = [{"kind": "catalog", "id": id_, "directory": directory, "file": name} for id_, directory, name in ((-1, "", "sources.csv"), (4, "../..", "etc/passwd"), (5, "", ""), (6, "x" * 5000, "\n"))]
        # An object without a number for an id is left out, and the others come back.
        for objects, left in (([*odd, {"kind": "catalog", "id": 9}, {"kind": "catalog", "id": 10, "directory": 7, "file": []}, good, good], [8]), ([good, {"kind": "catalog", "id": 2**40}], [8]), ([{"kind": "catalog"}], [])):
            with sqlite3.connect(self.store, timeout=PATIENCE) as database:
                state = {"version": 2, "objects": objects, "requirements": [], "next_ids": {}, "cursor_file": -1}
                database.execute("UPDATE sessions SET state = ? WHERE id = ?", (json.dumps(state), client.session))
            self.start()
            again = await self.wslink(client.session)
            self.assertEqual([c["file_id"] for c in (await again.call("session.state", timeout=PATIENCE))["catalogs"]], left)
            await self.opened_by(again)
            await self.stopped()

    async def test_a_catalog_that_ends_the_server_is_left_out(self):
        with open(f"{self.folder}/data/slow.csv", "w") as file:
            file.write("a,b,c\n")
            block = "".join(f"{n},{n * 0.37},text {n}\n" for n in range(200_000))
            for _ in range(40):
                file.write(block)
        self.start()
        client = await self.wslink()
        await self.opened_by(client, "slow.csv", 7)
        await self.saved(client.session)

        async def in_the_making():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                return database.execute("SELECT image FROM restoring WHERE session = ?", (client.session,)).fetchall()

        for pace in paces(1, 2, 4):  # the catalog may be open before a busy machine lets this test see the note or end the server
            with pace:
                await self.stopped()
                self.start()
                again = await self.wslink(client.session)
                await until(in_the_making, "a note in the store", 30 * pace.factor)
                await self.kill()
                self.start()
                again = await self.wslink(client.session)
                self.assertEqual((await again.call("session.state", timeout=PATIENCE))["catalogs"], [])
        error = await again.next("carta.error.data", lambda m: "slow.csv" in m["message"], PATIENCE)
        self.assertIn("left out", error["message"])
        await self.opened_by(again, "slow.csv", 7)

    async def opened_by(self, client, name="sources.csv", file_id=3):
        self.assertTrue((await client.call("carta.open.catalog.file", {"name": name, "file_id": file_id}, timeout=PATIENCE))["success"])


if __name__ == "__main__":
    run()
