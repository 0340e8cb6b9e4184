"""Moments come back with their session."""

import asyncio
import sqlite3
import tempfile
import unittest
from pathlib import Path

import numpy
from astropy.io import fits

from harness import PATIENCE, PROGRAM, Server, connect, open_file, until
from moment_oracle import entries, moments_of, plane_of, spectral_header


class Restored(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="cubelink-test-")
        self.addCleanup(self.temporary.cleanup)
        self.store, self.folder = f"{self.temporary.name}/store.sqlite", Path(self.temporary.name) / "images"
        self.folder.mkdir()
        self.cube = numpy.random.default_rng(7).normal(size=(9, 14, 15)).astype("f4")
        fits.writeto(self.folder / "cube.fits", self.cube, spectral_header())
        self.servers = []
        self.addCleanup(self.stop)

    async def start(self, session_id=0):
        server = Server(PROGRAM, str(self.folder), "--store", self.store).__enter__()
        self.servers.append(server)
        client = await connect(server.url, server.secret)
        client.ack = await client.call("carta.register.viewer", {"session_id": session_id})
        client.server = server
        return client

    def stop(self):
        while self.servers:
            server = self.servers.pop()
            server.__exit__()
            self.assertNotIn("not known here", "".join(server.errors))

    async def restarted(self, client, ids):
        """A client of the same session on a new server, once the store has these images, and nothing else."""
        session = client.ack["session_id"]

        async def kept():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and all(f'"kind":"image","id":{id}' in row[0] for id in ids) and row[0].count('"kind":"image"') == len(ids) and '"kind":"region"' not in row[0]

        await until(kept, "the moments in the store")
        await client.close(1001)
        await asyncio.get_running_loop().run_in_executor(None, self.stop)
        client = await self.start(session)
        self.addAsyncCleanup(client.close, 1001)
        self.assertEqual(client.ack["session_type"], "RESUMED")
        return client

    async def compare(self, client, ids, planes, acks):
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], ids)
        for id, plane, before, file in zip(ids, planes, acks, state["files"]):
            numpy.testing.assert_array_equal(await plane_of(client, id), plane)
            self.assertEqual(file["open_file_ack"]["file_info"]["name"], before["file_info"]["name"])
            self.assertEqual(entries(file["open_file_ack"]), entries(before))

    async def test_moments_come_back(self):
        client = await self.start()
        await open_file(client, "cube.fits", 0)
        info = {"region_type": "RECTANGLE", "control_points": [{"x": 6, "y": 7}, {"x": 8, "y": 5}], "rotation": 12.0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        answer = await moments_of(client, [1, 4, 10], region_id=region, spectral_range={"min": 1, "max": 7}, mask="Include", pixel_range={"min": -1, "max": 9})
        ids = [ack["file_id"] for ack in answer["open_file_acks"]]
        again = await moments_of(client, [9], file_id=ids[0])
        ids.append(again["open_file_acks"][0]["file_id"])
        planes = [await plane_of(client, id) for id in ids]
        acks = [ack for ack in (*answer["open_file_acks"], *again["open_file_acks"])]
        await client.call("carta.remove.region", {"region_id": region})
        await client.call("carta.close.file", {"file_id": 0})
        await self.compare(await self.restarted(client, ids), ids, planes, acks)

    async def test_moments_of_an_expression_come_back(self):
        """Of one that is closed, within a polygon that is removed, with thresholds; twice, as what came back is saved again."""
        client = await self.start()
        ack = await client.call("carta.open.file", {"file": "3 * cube.fits + max(cube.fits)", "file_id": 0, "lel_expr": True}, timeout=PATIENCE)
        self.assertTrue(ack["success"], ack["message"])
        info = {"region_type": "POLYGON", "control_points": [{"x": 2, "y": 3}, {"x": 12, "y": 4}, {"x": 6, "y": 12}], "rotation": 0.0}
        region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        whole = await moments_of(client, [0, 4])
        part = await moments_of(client, [1, 2], region_id=region, noise_threshold=0.5, moment0_threshold=0.1, rest_freq=1.43e9)
        acks = [*whole["open_file_acks"], *part["open_file_acks"]]
        ids = [ack["file_id"] for ack in acks]
        planes = [await plane_of(client, id) for id in ids]
        numpy.testing.assert_allclose(planes[0], 3 * self.cube.mean(axis=0, dtype="f8") + self.cube.max(), rtol=1e-5)
        self.assertTrue(numpy.isfinite(planes[3]).any())
        await client.call("carta.remove.region", {"region_id": region})
        await client.call("carta.close.file", {"file_id": 0})
        for _ in range(2):
            client = await self.restarted(client, ids)
            await self.compare(client, ids, planes, acks)


if __name__ == "__main__":
    unittest.main()
