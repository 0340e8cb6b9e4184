"""Catalogs as CARTA's page asks for them, and how they come back: after a lost connection, a restart, kill -9."""

import sqlite3

import numpy

from harness import PATIENCE, Case, icd, run, until

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

    async def saved(self, session, there=True):
        async def kept():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and ('"kind":"catalog"' in row[0]) == there

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


if __name__ == "__main__":
    run()
