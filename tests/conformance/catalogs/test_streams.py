"""Rows on their way to clients: to whom they go, when they end, and what clients that do not read cost."""

import asyncio
import os
import random
import time
import unittest

import numpy
from astropy.table import Table

from support import PATIENCE, ROWS, ServerTest, open_catalog, rows_of, until

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
COUNT = 1_200_000
GREATER = 3
MIB = 1 << 20


def bound(mebibytes, server):
    return (mebibytes + (600 if "asan" in server.command[0] else 0)) * MIB


class Streams(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        cls.values = numpy.random.default_rng(SEED).normal(size=COUNT)
        Table({"x": cls.values, "n": numpy.arange(COUNT, dtype="i4")}).write(folder / "many.fits")
        texts = numpy.array([f"text {n} " + "x" * (n % 30) for n in range(40_000)])
        Table({"t": texts, "n": numpy.arange(len(texts), dtype="i4")}).write(folder / "texts.fits")
        Table({"n": numpy.arange(7, dtype="i4")}).write(folder / "seven.fits")

    async def ask(self, client, **more):
        request = {"file_id": 1, "column_indices": [0, 1], "subset_data_size": 1 << 30, **more}
        return await client.call("carta.catalog.filter.request", request, timeout=PATIENCE)

    async def settled(self):
        await until(lambda: asyncio.to_thread(self.server.idle), "a server with nothing to do")

    async def deaf(self, session_id=0):
        """A viewer that reads nothing more, once it has opened the catalog."""
        client = await self.viewer(session_id=session_id)
        await open_catalog(client, "many.fits")
        client.reader.cancel()
        await asyncio.gather(client.reader, return_exceptions=True)
        client.socket.transport.pause_reading()
        return client

    async def tell(self, client, method, **request):
        """A call whose answer will not be read."""
        client.count += 1
        for frame in client.encode({"wslink": "1.0", "id": f"rpc:{client.client_id}:{client.count}", "method": method, "args": [request], "kwargs": {}}):
            await client.socket.send(frame)

    async def test_what_is_answered_ends_the_rows_of_earlier_requests(self):
        """A newer request, a catalog in its place, and closing: when they are answered, nothing comes of the rows before."""
        waits = random.Random(SEED)
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_catalog(client, "texts.fits")
            for n in range(100):
                # Texts take a while to encode: much of that is after the server has last looked whether they are still wanted.
                await self.ask(client, column_indices=[0], subset_data_size=40_000, image_file_id=1)
                end = time.monotonic() + waits.uniform(0, 0.02)
                while time.monotonic() < end:
                    await asyncio.sleep(0)
                what = waits.choice(("request", "opening", "closing"))
                if what == "request":
                    await self.ask(client, column_indices=[1], subset_data_size=1, image_file_id=2)
                elif what == "opening":
                    await open_catalog(client, "texts.fits", preview=0)
                else:
                    await client.call("carta.close.catalog.file", {"file_id": 1})
                client.published.pop(ROWS, None)
                await asyncio.sleep(0.02)
                if what == "closing":
                    await open_catalog(client, "texts.fits", preview=0)
                late = [m["image_file_id"] for m in client.published.pop(ROWS, []) if m["image_file_id"] == 1]
                self.assertEqual(late, [], f"after {what}, generation {generation}, round {n}")

    async def test_connections_of_a_session_get_what_they_asked_for(self):
        one = await self.viewer(1)
        await open_catalog(one, "many.fits")
        two = await self.viewer(2, session_id=one.session_id)
        order = numpy.argsort(self.values, kind="stable")
        chosen = numpy.flatnonzero(self.values > 0.5)
        (first, first_last), (second, second_last) = await asyncio.gather(
            rows_of(one, 1, [1], sort_column="x", image_file_id=1),
            rows_of(two, 1, [0, 1], filter_configs=[{"column_name": "x", "comparison_operator": GREATER, "value": 0.5}], image_file_id=2),
        )
        numpy.testing.assert_array_equal(first[1], order)
        numpy.testing.assert_array_equal(second[1], chosen)
        numpy.testing.assert_array_equal(second[0], self.values[chosen])
        self.assertEqual((first_last["image_file_id"], second_last["image_file_id"]), (1, 2))
        for client, own in ((one, 1), (two, 2)):
            self.assertEqual({m["image_file_id"] for kind, topic, m in client.log if kind == "publish" and topic == ROWS}, {own})

    async def test_a_catalog_that_takes_its_place_ends_the_rows(self):
        client = await self.viewer()
        for _ in range(5):
            await open_catalog(client, "many.fits")
            await self.ask(client, sort_column="x")
            await open_catalog(client, "seven.fits")
            client.published.pop(ROWS, None)
            rows, last = await rows_of(client, 1, [0])
            self.assertEqual((list(rows[0]), last["filter_data_size"]), (list(range(7)), 7))
            self.assertTrue(await client.silence(ROWS, 0.1))

    async def test_a_client_that_is_slow_gets_every_row(self):
        client = await self.viewer()
        await open_catalog(client, "many.fits")
        client.socket.transport.pause_reading()
        await self.tell(client, "carta.catalog.filter.request", file_id=1, column_indices=[0, 1], subset_data_size=1 << 30, sort_column="x")

        async def waits():
            return self.server.gauge("wslink_outbox_bytes") > 0 and self.server.gauge("cubelink_jobs_running") + self.server.gauge("cubelink_jobs_waiting") == 0

        await until(waits, "a full outbox")
        # Others are served meanwhile.
        other = await self.viewer(session_id=client.session_id)
        rows, _ = await rows_of(other, 1, [1], size=10)
        numpy.testing.assert_array_equal(rows[1], range(10))
        client.socket.transport.resume_reading()
        found = []
        while True:
            message = await client.next(ROWS, timeout=PATIENCE)
            found.append(numpy.frombuffer(message["columns"]["1"]["binary_data"], "<i4"))
            if message["progress"] == 1:
                break
        numpy.testing.assert_array_equal(numpy.concatenate(found), numpy.argsort(self.values, kind="stable"))

    async def test_requests_of_a_client_that_does_not_read_cost_nothing_once_they_are_replaced(self):
        client = await self.deaf()
        memory = []
        for n in range(60):  # each view has an order of its own, of almost 5 MB
            await self.tell(client, "carta.catalog.filter.request", file_id=1, column_indices=[0, 1], subset_data_size=1 << 30,
                            filter_configs=[{"column_name": "n", "comparison_operator": GREATER, "value": n}])  # fmt: skip
            await self.computed()
            memory.append(self.server.memory())
        self.assertLess(memory[-1] - memory[9], bound(60, self.server), [m // MIB for m in memory])
        client.socket.transport.abort()
        await self.settled()

    async def test_catalogs_that_are_closed_go_though_their_rows_wait(self):
        client = await self.deaf()
        memory = []
        for n in range(30):  # 15 MB each
            await self.tell(client, "carta.catalog.filter.request", file_id=1, column_indices=[0, 1], subset_data_size=1 << 30)
            await self.computed()
            await self.tell(client, "carta.close.catalog.file" if n % 2 else "server.info", **({"file_id": 1} if n % 2 else {}))
            await self.tell(client, "carta.open.catalog.file", file_id=1, name="many.fits", preview_data_size=0)
            await self.computed()
            memory.append(self.server.memory())
        self.assertLess(memory[-1] - memory[9], bound(100, self.server), [m // MIB for m in memory])
        client.socket.transport.abort()
        await self.settled()

    async def computed(self):
        """All that this client has sent has been read and done, but for what waits for a client."""
        before = self.server.processor_time()
        await asyncio.sleep(0.05)

        async def quiet():
            nonlocal before
            now, before = before, self.server.processor_time()
            return self.server.gauge("cubelink_jobs_running") + self.server.gauge("cubelink_jobs_waiting") == 0 and before - now < 0.02

        await until(quiet, "a server with nothing to compute")

    async def test_a_connection_that_is_lost_in_the_middle(self):
        client = await self.viewer()
        await open_catalog(client, "many.fits")
        for n in range(10):
            lost = await self.viewer(1 + n % 2, session_id=client.session_id)
            await self.ask(lost, sort_column="x", sorting_type=n // 2 % 2)
            lost.socket.transport.abort()
        await self.settled()
        rows, _ = await rows_of(client, 1, [1], size=5)
        numpy.testing.assert_array_equal(rows[1], range(5))
        self.alive()


if __name__ == "__main__":
    unittest.main()
