#!/usr/bin/env python3
"""A client that reads nothing: what waits for it keeps no image that has been closed."""

import asyncio
import os
import unittest

import numpy
from astropy.io import fits

from harness import ServerTest, codes_of_layer, layers, open_file, until

SIDE = 4096


class SlowReaders(ServerTest):
    options = ("--outbox-limit", "8M")

    @classmethod
    def make_files(cls, folder):
        fits.writeto(folder / "large.fits", numpy.random.default_rng(3).normal(size=(SIDE, SIDE)).astype("f4"))

    def held(self):
        """Whether the server has the file open or mapped."""
        process = f"/proc/{self.server.process.pid}"
        for descriptor in os.listdir(f"{process}/fd"):
            try:
                if "large.fits" in os.readlink(f"{process}/fd/{descriptor}"):
                    return True
            except FileNotFoundError:
                pass
        with open(f"{process}/maps") as maps:
            return "large.fits" in maps.read()

    async def deaf(self):
        """A viewer with the image open that reads nothing more."""
        client = await self.viewer()
        await open_file(client, "large.fits")
        client.reader.cancel()
        await asyncio.gather(client.reader, return_exceptions=True)
        client.socket.transport.pause_reading()
        return client

    async def tell(self, client, method, *args):
        client.count += 1
        for frame in client.encode({"wslink": "1.0", "id": f"rpc:{client.client_id}:{client.count}", "method": method, "args": list(args), "kwargs": {}}):
            await client.socket.send(frame)

    async def closed_by_another(self, client):
        """Another viewer of the session closes the image once nothing moves any more; the server lets go of it."""

        async def stuck():
            await client.socket.pong()  # a sign of life: the server would end the connection after half a minute
            before = self.server.gauge("wslink_outbox_bytes")
            await asyncio.sleep(0.2)
            return before > 1 << 20 and before == self.server.gauge("wslink_outbox_bytes") and self.server.gauge("cubelink_jobs_running") == 0

        await until(stuck, "an outbox that is full")
        self.assertTrue(self.held())
        other = await self.viewer(session_id=client.session_id)
        await other.call("carta.close.file", {"file_id": 0})

        async def gone():
            await client.socket.pong()
            return not self.held()

        await until(gone, "the end of the image")
        self.assertGreater(self.server.gauge("wslink_outbox_bytes"), 1 << 20, "the client has not read")
        self.alive()
        client.socket.transport.abort()
        await other.call("session.close")

    async def test_tiles(self):
        client = await self.deaf()
        codes = codes_of_layer(SIDE, SIDE, layers(SIDE, SIDE) - 1)
        await self.tell(client, "carta.add.required.tiles", {"file_id": 0, "tiles": codes, "compression_type": "NONE"})
        await self.closed_by_another(client)

    async def test_blocks(self):
        client = await self.deaf()
        for n in range(160):
            await self.tell(client, "image.read", 0, [0, 256, 1], [16 * n, 16 * n + 256, 1])
        await self.closed_by_another(client)

    async def test_pictures(self):
        client = await self.deaf()
        for n in range(30):
            await self.tell(client, "image.render", 0, {"x": 500 + 100 * n, "y": 500, "scale": 1}, [1200, 900], "linear", "Inferno", "png", None, None, None, [-3, 3], None, None, True, False)
        await self.closed_by_another(client)

    async def test_previews(self):
        client = await self.deaf()
        for n in range(60):
            await self.tell(client, "image.preview", 0, 500 + n, 500)
        await self.closed_by_another(client)


if __name__ == "__main__":
    unittest.main(verbosity=1)
