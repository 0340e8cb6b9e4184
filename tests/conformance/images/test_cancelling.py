#!/usr/bin/env python3
"""session.cancel: what happens to a call that waits or is under way, who may cancel what, and that nobody has to wait for it.

Whether a call is cancelled before it is done is a race, except where it waits for something that takes much longer than a message."""

import asyncio
import unittest

import numpy
from astropy.io import fits

from harness import PATIENCE, ServerTest, open_file, settled
from test_long_opening import write_gzipped

SIDE, DEPTH = 1024, 24
FAILED, BAD_ARGUMENTS = -32001, -32602


class Cancelling(ServerTest):
    @classmethod
    def make_files(cls, folder):
        fits.writeto(folder / "cube.fits", numpy.random.default_rng(5).normal(size=(DEPTH, SIDE, SIDE)).astype("f4"),
                     fits.Header([("CTYPE3", "FREQ"), ("CRVAL3", 1.4e9), ("CDELT3", 1e6), ("CRPIX3", 1), ("CUNIT3", "Hz")]))  # fmt: skip
        write_gzipped(folder / "slow.fits.gz", 16384, 4800)  # 315 MB

    async def answer(self, future):
        return await asyncio.wait_for(future, PATIENCE)

    def is_cancelled(self, reply, method):
        self.assertEqual(reply.get("error"), {"code": FAILED, "message": "cancelled", "data": {"method": method, "exception": "Cancelled"}}, reply)

    def ended(self, method, reply, found):
        """How a call ended that session.cancel has found or not. One that was nearly done may be done all the same."""
        if "error" not in reply:
            return "done"
        self.is_cancelled(reply, method)
        self.assertIs(found, True)
        return "cancelled"

    async def test_an_opening_and_what_waits_for_it(self):
        for generation in (1, 2):
            await self.while_it_lasts(self.opened_and_cancelled, generation)

    async def opened_and_cancelled(self, generation):
        client = await self.viewer(generation)
        opening, opened = await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}])
        reading, read = await client.start("image.read", [2, [0, 8], [0, 8]])
        converting, converted = await client.start("image.to_world", [2, [[1, 2]]])
        self.assertIs(await client.call("session.cancel", reading), True)
        self.is_cancelled(await self.answer(read), "image.read")
        self.assertIs(await client.call("session.cancel", int(converting.rpartition(":")[2])), True)  # the number alone will do
        self.is_cancelled(await self.answer(converted), "image.to_world")
        self.assertFalse(opened.done(), "the opening came first")
        self.assertIs(await client.call("session.cancel", opening), True)
        self.is_cancelled(await self.answer(opened), "carta.open.file")
        self.assertIs(await client.call("session.cancel", opening), False)
        await settled(client)
        self.assertEqual((await client.call("session.state"))["files"], [])
        await open_file(client, "cube.fits", 2)
        await client.close()

    async def test_work_under_way_and_in_line(self):
        """An owner's statistics are computed one after the other: those behind the first have not begun."""
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "cube.fits")
            await settled(client)
            arguments = {"file_id": 0, "channels": [0, DEPTH], "types": ["Median", "MAD", "Sigma"], "percentiles": [1, 5, 95, 99]}
            calls = [await client.start("image.statistics", [], arguments) for _ in range(12)]
            asked = [await client.start("session.cancel", [id]) for id, _ in calls]
            found = [(await self.answer(future))["result"] for _, future in asked]
            ended = [self.ended("image.statistics", await self.answer(future), was_found) for (_, future), was_found in zip(calls, found)]
            self.assertIn("cancelled", ended)
            self.assertTrue(numpy.isfinite((await client.call("image.statistics", 0))["statistics"]["Mean"]))
            await client.close()

    async def test_moments_and_lists_answer_in_their_own_words(self):
        await self.while_it_lasts(self.in_their_own_words)

    async def in_their_own_words(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await settled(client)
        request = {"file_id": 0, "moments": list(range(13)), "axis": "SPECTRAL", "region_id": 0, "spectral_range": {"min": 0, "max": DEPTH - 1}, "mask": "None", "pixel_range": {"min": 0, "max": 1}}
        asking, asked = await client.start("carta.moment.request", [request])
        self.assertIs(await client.call("session.cancel", asking), True)
        reply = await self.answer(asked)
        if "error" in reply:  # it had not begun
            self.is_cancelled(reply, "carta.moment.request")
        else:
            self.assertIs(reply["result"]["cancel"], True, reply)
            self.assertEqual(reply["result"]["open_file_acks"], [])
        listing, listed = await client.start("carta.file.list.request", [{"directory": "", "filter_mode": 0}])
        found = await client.call("session.cancel", listing)
        reply = (await self.answer(listed))["result"]
        self.assertTrue(reply["success"])
        if not found:
            self.assertEqual(len(reply["files"]), 2)
        self.assertEqual(len((await client.call("carta.file.list.request", {"directory": "", "filter_mode": 0}))["files"]), 2, "only the one is cancelled")

    async def test_only_a_connections_own_calls(self):
        one = await self.viewer()
        other = await self.viewer(session_id=one.session_id)
        opening, opened = await one.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}])
        self.assertIs(await other.call("session.cancel", opening), False)
        self.assertIs(await other.call("session.cancel", int(opening.rpartition(":")[2])), False)
        self.assertTrue((await self.answer(opened))["result"]["success"])

    async def test_short_calls_are_done(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        id, answer = await client.start("carta.set.cursor", [{"file_id": 0, "point": {"x": 1, "y": 2}}])
        self.assertIs(await client.call("session.cancel", id), False)
        self.assertNotIn("error", await self.answer(answer))

    async def test_odd_ids(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            for id in ("", "rpc:", "x" * 100_000, "rpc:c:99999999999999999999", 0, 2**53, "system:c0:0", "\x00"):
                self.assertIs(await client.call("session.cancel", id), False, str(id)[:40])
            for id in (None, True, -1, 1.5, [], {}, ["rpc:x:1"], {"id": 1}):
                await self.fails(client.call("session.cancel", id), BAD_ARGUMENTS, "id")
            await self.fails(client.call("session.cancel"), BAD_ARGUMENTS)
            await self.fails(client.call("session.cancel", "a", "b"), BAD_ARGUMENTS)
            # It cannot name itself.
            itself, answer = await client.start("session.cancel", [f"rpc:{client.client_id}:{client.count}"])
            self.assertIs((await self.answer(answer))["result"], False, itself)

    async def test_a_flood(self):
        """Thousands of calls, each cancelled at once, and a call of another connection between them; the server's memory is as before."""
        client = await self.viewer()
        other = await self.viewer(session_id=client.session_id)
        await open_file(client, "cube.fits")
        await settled(client)
        for _ in range(3):
            calls = []
            for _ in range(1500):
                id, future = await client.start("image.statistics", [0], {"channels": [0, DEPTH], "percentiles": [50]})
                calls.append(future)
                calls.append((await client.start("session.cancel", [id]))[1])
            self.assertEqual((await other.call("session.state"))["session_id"], client.session_id)
            for future in calls:
                await self.answer(future)
        await settled(client)
        self.alive()

    async def test_for_a_client_that_reads_nothing(self):
        """Blocks that wait for room are cancelled; their answers come when the client reads again."""
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await settled(client)
        client.socket.transport.pause_reading()
        calls = [await client.start("image.read", [0, [0, SIDE], [0, SIDE], [n % DEPTH, n % DEPTH + 1]]) for n in range(48)]  # 4 MiB each
        asked = [await client.start("session.cancel", [id]) for id, _ in calls]
        await asyncio.sleep(0.2)
        client.socket.transport.resume_reading()
        for (_, future), (_, cancel) in zip(calls, asked):
            self.ended("image.read", await self.answer(future), (await self.answer(cancel))["result"])
        await settled(client)


if __name__ == "__main__":
    unittest.main(verbosity=1)
