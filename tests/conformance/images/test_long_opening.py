"""What others see while an image is being opened for a long time: nothing of it. What waits for the image itself, and what ends its opening.

Orders of arrival are looked at, no times: calls that are sent right behind an opening of some hundred megabytes are answered before it."""

import asyncio
import struct
import unittest
import zlib

import numpy
from astropy.io import fits

from harness import (HISTOGRAM, PATIENCE, SPATIAL, SPECTRAL, SYNC, TILE, ServerTest, open_file, pixels, settled, tile_code)  # fmt: skip

ROW = numpy.random.default_rng(11).normal(size=512).astype("f4")


def write_gzipped(path, width, height):
    """An image of equal rows that takes its time to inflate: its deflate stream has no matches, only one literal after the other. The block of
    each row is compressed once. Returns a row."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height)]).tostring().encode()
    row = numpy.resize(ROW, width)
    written, padding = row.astype(">f4").tobytes(), bytes(-4 * width * height % 2880)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    head, block, tail = (deflate.compress(data) + deflate.flush(how)
                         for data, how in ((header, zlib.Z_FULL_FLUSH), (written, zlib.Z_FULL_FLUSH), (padding, zlib.Z_FINISH)))  # fmt: skip
    checksum = zlib.crc32(header)
    for _ in range(height):
        checksum = zlib.crc32(written, checksum)
    checksum, size = zlib.crc32(padding, checksum), len(header) + height * len(written) + len(padding)
    with open(path, "wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff" + head)
        for _ in range(height):
            file.write(block)
        file.write(tail + struct.pack("<II", checksum, size % 2**32))
    return row


class LongOpening(ServerTest):
    @classmethod
    def make_files(cls, folder):
        fits.writeto(folder / "small.fits", numpy.arange(64 * 48, dtype="f4").reshape(48, 64))
        write_gzipped(folder / "slow.fits.gz", 16384, 4800)  # 315 MB
        cls.row = write_gzipped(folder / "medium.fits.gz", 4096, 4096)  # 67 MB

    async def answer(self, future):
        return await asyncio.wait_for(future, PATIENCE)

    async def test_others_are_answered_before_it(self):
        """Another connection of the session, one of another session, and the opening connection itself."""
        for generation in (1, 2):
            await self.while_it_lasts(self.others_beside_it, generation)

    async def others_beside_it(self, generation):
        opener = await self.viewer(generation)
        await open_file(opener, "small.fits", 1)
        partner = await self.viewer(generation, session_id=opener.session_id)
        stranger = await self.viewer(generation)
        await open_file(stranger, "small.fits", 1)
        await settled(stranger)
        arrived = []

        def note(name, future):
            future.add_done_callback(lambda _: arrived.append(name))
            return future

        opening, opened = await opener.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}])
        info, informed = await opener.start("server.info")
        cursor = {"file_id": 1, "point": {"x": 5, "y": 7}}
        calls = [note("opening", opened), note("info", informed)]
        for name, client in (("partner", partner), ("stranger", stranger)):
            calls.append(note(name, (await client.start("carta.set.cursor", [cursor]))[1]))
        calls.append(note("partner's info", (await partner.start("server.info"))[1]))
        # The cursor's value is more than an answer: something was computed beside the opening.
        for client in (partner, stranger):
            value = await client.next(SPATIAL, lambda m: (m["x"], m["y"]) == (5, 7), PATIENCE)
            self.assertEqual(value["value"], 7 * 64 + 5)
        self.assertFalse(opened.done(), "the cursors' values came after the opening")
        replies = [await self.answer(future) for future in calls]
        self.assertTrue(replies[0]["result"]["success"], replies[0])
        self.assertEqual(arrived[-1], "opening", arrived)
        order = [entry[1] for entry in opener.log if entry[0] == "reply"]
        self.assertLess(order.index(info), order.index(opening), "the opening connection's own call waited for it")
        for client in (opener, partner, stranger):
            await client.close()

    async def test_what_names_the_image_waits_for_it(self):
        client = await self.viewer()
        opening, opened = await client.start("carta.open.file", [{"file": "medium.fits.gz", "file_id": 4}])
        moving, moved = await client.start("carta.set.cursor", [{"file_id": 4, "point": {"x": 100, "y": 200}}])
        self.assertTrue((await self.answer(opened))["result"]["success"])
        self.assertNotIn("error", await self.answer(moved))
        value = await client.next(SPATIAL, lambda m: m["file_id"] == 4 and m["x"] == 100, PATIENCE)
        self.assertEqual(numpy.float32(value["value"]), self.row[100])
        order = [entry[1] for entry in client.log if entry[0] == "reply"]
        self.assertLess(order.index(opening), order.index(moving))

    async def test_requirements_that_wait_for_it_are_each_connections_own(self):
        """Those of two connections of a session wait under the same name of message, file and region: none replaces the other's."""
        one = await self.viewer()
        other = await self.viewer(session_id=one.session_id)
        _, opened = await one.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 4}])
        await other.next("session.changed", lambda m: m["what"] == "progress", PATIENCE)
        asked = []
        for client, axis in ((one, "x"), (other, "y")):
            asked.append((await client.start("carta.set.spatial.requirements",
                                             [{"file_id": 4, "region_id": 0, "spatial_profiles": [{"coordinate": axis}]}]))[1])  # fmt: skip
        asked.append((await one.start("carta.set.cursor", [{"file_id": 4, "point": {"x": 100, "y": 200}}]))[1])
        self.assertTrue((await self.answer(opened))["result"]["success"])
        for future in asked:
            self.assertNotIn("error", await self.answer(future))
        for client, axis in ((one, "x"), (other, "y")):
            message = await client.next(SPATIAL, lambda m: m["file_id"] == 4 and m["x"] == 100 and m["profiles"], PATIENCE)
            self.assertEqual([profile["coordinate"] for profile in message["profiles"]], [axis])

    async def test_closing_it_ends_the_opening(self):
        """OPEN_FILE is answered with success: false, and nothing of the file comes afterwards."""
        for generation in (1, 2):
            await self.while_it_lasts(self.opened_and_closed, generation)

    async def opened_and_closed(self, generation):
        client = await self.viewer(generation)
        await open_file(client, "small.fits", 1)
        await settled(client)
        client.forget()
        _, opened = await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}])
        _, asked = await client.start("carta.add.required.tiles", [{"file_id": 2, "tiles": [0], "compression_type": "NONE"}])
        _, closed = await client.start("carta.close.file", [{"file_id": 2}])
        ack = (await self.answer(opened))["result"]
        self.assertFalse(ack["success"])
        self.assertTrue(ack["message"], "nothing says why")
        await self.answer(closed)
        await self.answer(asked)  # null or an error, but an answer
        await settled(client)
        about_it = [(topic, message) for kind, topic, message in client.log
                    if kind == "publish" and topic in (HISTOGRAM, TILE, SYNC, SPATIAL, SPECTRAL) and message["file_id"] == 2]  # fmt: skip
        self.assertEqual(about_it, [])
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [1])
        # The number is free again, and the other file is as it was.
        await open_file(client, "small.fits", 2)
        await client.next(HISTOGRAM, lambda m: m["file_id"] == 2, PATIENCE)
        await client.call("carta.set.cursor", {"file_id": 1, "point": {"x": 3, "y": 2}})
        self.assertEqual((await client.next(SPATIAL, lambda m: m["file_id"] == 1 and m["x"] == 3, PATIENCE))["value"], 2 * 64 + 3)
        await client.close()

    async def test_closing_all_files_ends_the_opening(self):
        await self.while_it_lasts(self.opened_and_all_closed)

    async def opened_and_all_closed(self):
        client = await self.viewer()
        _, opened = await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}])
        _, closed = await client.start("carta.close.file", [{"file_id": -1}])
        self.assertFalse((await self.answer(opened))["result"]["success"])
        await self.answer(closed)
        await settled(client)
        self.assertEqual((await client.call("session.state"))["files"], [])
        self.assertEqual(client.published.get(HISTOGRAM, []), [])

    async def test_a_refused_tile_request_leaves_the_older_one_as_it_was(self):
        """Both wait for the opening, where a newer request takes an older one's place: unless it is refused."""
        outside = {"tiles": [tile_code(4, 99, 99)], "compression_type": "NONE"}
        unknown = {"tiles": [tile_code(4, 9, 9)], "compression_type": "SZ", "compression_quality": 11}
        for generation, refused in ((1, outside), (2, outside), (2, unknown)):
            client = await self.viewer(generation)
            codes = [tile_code(4, x, y) for x in range(2) for y in range(2)]
            older = {"file_id": 0, "tiles": codes, "compression_type": "NONE"}
            _, opened = await client.start("carta.open.file", [{"file": "medium.fits.gz", "file_id": 0}])
            _, first = await client.start("carta.add.required.tiles", [older])
            _, second = await client.start("carta.add.required.tiles", [{"file_id": 0, **refused}])
            self.assertTrue((await self.answer(opened))["result"]["success"])
            self.assertNotIn("error", await self.answer(first))
            self.assertIn("error", await self.answer(second), refused)
            end = await client.next(SYNC, lambda s: s["end_sync"], PATIENCE)
            await settled(client)
            tiles = [tile for message in client.published[TILE] for tile in message["tiles"]]
            self.assertEqual((end["tile_count"], sorted(tile_code(t["layer"], t["x"], t["y"]) for t in tiles)), (4, sorted(codes)))
            for tile in tiles:
                expected = numpy.tile(self.row[256 * tile["x"] : 256 * tile["x"] + 256], (256, 1))
                numpy.testing.assert_array_equal(pixels(tile), expected)
            await client.close()


if __name__ == "__main__":
    unittest.main()
