"""Channel maps: tiles of many channels, of which one is active; what is dropped when the view moves, flow control, and the way out."""

import asyncio
import unittest

import numpy
from astropy.io import fits

from harness import (HISTOGRAM, PATIENCE, SPATIAL, SYNC, TILE, ServerTest, codes_of_layer, downsampled, get_tiles, open_file, pixels, settled, tile_code)  # fmt: skip

WIDTH, HEIGHT, DEPTH = 600, 520, 40
WINDOW = 8  # sets that may be unanswered


class ChannelMap(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(8)
        cls.cube = random.normal(size=(2, DEPTH, HEIGHT, WIDTH)).astype("f4")
        header = fits.Header()
        for n, ctype in enumerate(("RA---SIN", "DEC--SIN", "FREQ", "STOKES"), 1):
            header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, 1.0, 1.0
        fits.writeto(folder / "cube.fits", cls.cube, header)
        fits.writeto(folder / "other.fits", -cls.cube[0, :10, :300, :280])

    async def ask(self, client, channels, tiles, shown=None, current=(), active=0, stokes=0, file_id=0, **fields):
        """SET_IMAGE_CHANNELS of a map: tiles of a range of channels. `shown`: the whole range in view."""
        shown = shown or channels
        request = {"file_id": file_id, "channel": active, "stokes": stokes, "channel_map_enabled": True, "channel_range": {"min": channels[0], "max": channels[1]},
                   "current_range": {"min": shown[0], "max": shown[1]},
                   "required_tiles": {"file_id": file_id, "tiles": list(tiles), "current_tiles": list(current or tiles), "compression_type": "NONE"}}  # fmt: skip
        return await client.call("carta.set.image.channels", request | fields)

    async def sets(self, client, count):
        """{channel: (begin, tiles by code)} of so many sets, checked to be whole."""
        begun, result = {}, {}
        for _ in range(count):
            end = await client.next(SYNC, lambda s: s["end_sync"], PATIENCE)
            begin = await client.next(SYNC, lambda s: s["sync_id"] == end["sync_id"], PATIENCE)
            messages = [m for m in client.published.get(TILE, []) if m["sync_id"] == end["sync_id"]]
            client.published[TILE] = [m for m in client.published.get(TILE, []) if m["sync_id"] != end["sync_id"]]
            tiles = {tile_code(t["layer"], t["x"], t["y"]): t for m in messages for t in m["tiles"]}
            assert begin["tile_count"] == end["tile_count"] == len(tiles), (begin, end, len(tiles))
            assert begin["sync_id"] not in begun and begin["animation_id"] == 0
            assert all((m["channel"], m["stokes"], m["file_id"]) == (end["channel"], end["stokes"], end["file_id"]) for m in messages)
            result.setdefault(end["channel"], []).append(tiles)
        return result

    def check(self, tiles, plane):
        for tile in tiles.values():
            mip = 2 ** (2 - tile["layer"])
            x, y = 256 * tile["x"], 256 * tile["y"]
            expected = downsampled(plane, mip)[y : y + tile["height"], x : x + tile["width"]]
            numpy.testing.assert_allclose(pixels(tile), expected, rtol=1e-6, atol=1e-6)

    async def opened(self, generation=2):
        client = await self.viewer(generation)
        await open_file(client, "cube.fits")
        await settled(client)
        client.forget()
        return client

    async def test_tiles_of_channels(self):
        """Several messages in a row; the active channel stays what it is, and nothing but tiles comes of the others."""
        for generation in (1, 2):
            client = await self.opened(generation)
            fine = codes_of_layer(WIDTH, HEIGHT, 2)
            await asyncio.gather(self.ask(client, (2, 5), fine, (0, 8)), self.ask(client, (7, 7), [0], (0, 8), fine + [0]),
                                 self.ask(client, (0, 0), fine[:3], (0, 8), fine + [0], stokes=0))  # fmt: skip
            got = await self.sets(client, 6)
            self.assertEqual({channel: [len(one) for one in sets] for channel, sets in got.items()}, {2: [9], 3: [9], 4: [9], 5: [9], 7: [1], 0: [3]})
            for channel, (tiles,) in got.items():
                self.check(tiles, self.cube[0, channel])
            await client.call("carta.set.cursor", file_id=0, point={"x": 5, "y": 6})
            message = await client.next(SPATIAL, timeout=PATIENCE)
            self.assertEqual((message["channel"], numpy.float32(message["value"])), (0, self.cube[0, 0, 6, 5]))
            self.assertNotIn(HISTOGRAM, client.published)

    async def test_the_range_from_zero(self):
        """A range 0 to 0 is an empty message: what counts is that it is there."""
        client = await self.opened()
        request = {"file_id": 0, "channel": 0, "stokes": 0, "channel_map_enabled": True, "channel_range": {}, "current_range": {"max": 3},
                   "required_tiles": {"file_id": 0, "tiles": [0], "current_tiles": [0]}}  # fmt: skip
        await client.call("carta.set.image.channels", request)
        self.assertEqual(list(await self.sets(client, 1)), [0])

    async def test_the_active_channel_moves(self):
        """Its histogram comes, once, and no tiles; sets of the map go on. Stokes too."""
        client = await self.opened()
        await self.ask(client, (0, 9), [0])
        await client.call("carta.set.image.channels", file_id=0, channel=6, stokes=0, channel_map_enabled=True, required_tiles={})
        message = await client.next(HISTOGRAM, timeout=PATIENCE)
        self.assertEqual((message["channel"], message["stokes"]), (6, 0))
        self.assertEqual(sorted(await self.sets(client, 10)), list(range(10)))
        await settled(client)
        self.assertEqual((client.published.get(HISTOGRAM, []), client.published.get(TILE, [])), ([], []))
        await self.ask(client, (3, 4), [0], active=6, stokes=1)
        for channel, (tiles,) in (await self.sets(client, 2)).items():
            self.check(tiles, self.cube[1, channel])

    async def answer(self, client, channel, file_id=0):
        await client.call("carta.channel.map.flow.control", file_id=file_id, received_channel=channel)

    async def test_flow_control(self):
        """A client that answers sets is never sent more than so many that it has not answered."""
        client = await self.opened()
        await get_tiles(client, 0, [0])
        await self.answer(client, 0)  # of an ordinary view
        await self.ask(client, (0, 19), [0])
        got = await self.sets(client, WINDOW)
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])
        waiting = sorted(got)
        seen = set(got)
        while len(seen) < 20:
            await self.answer(client, waiting.pop(0))
            (channel,) = await self.sets(client, 1)
            seen.add(channel)
            waiting.append(channel)
            await settled(client)
            self.assertEqual(client.published.get(SYNC, []), [])
        self.assertEqual(seen, set(range(20)))

    async def test_the_view_moves(self):
        """What waits and is not in view any more is not sent: channels, and tiles of channels that still are."""
        client = await self.opened()
        await self.answer(client, 0)
        a, b, c = codes_of_layer(WIDTH, HEIGHT, 2)[:3]
        await self.ask(client, (0, 7), [0], (0, 12))
        got = await self.sets(client, WINDOW)
        await self.ask(client, (8, 12), [a, b], (0, 12))
        await self.ask(client, (13, 13), [b, c], (10, 14), [b, c])
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])
        for channel in got:
            await self.answer(client, channel)
        got = await self.sets(client, 4)
        self.assertEqual({channel: sorted(tiles) for channel, (tiles,) in got.items()}, {10: [b], 11: [b], 12: [b], 13: sorted([b, c])})
        for channel, (tiles,) in got.items():
            self.check(tiles, self.cube[0, channel])
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])

    async def test_the_way_out(self):
        """An ordinary change of channel: what waits of the map is dropped, the tiles of the view come."""
        client = await self.opened()
        await self.answer(client, 0)
        await self.ask(client, (0, 15), [0])
        await self.sets(client, WINDOW)
        await client.call("carta.set.image.channels", file_id=0, channel=3, stokes=0, required_tiles={"file_id": 0, "tiles": [0], "compression_type": "NONE"})
        ((channel, (tiles,)),) = (await self.sets(client, 1)).items()
        self.assertEqual(channel, 3)
        self.check(tiles, self.cube[0, 3])
        for channel in range(8):
            await self.answer(client, channel)
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])
        # And in again.
        await self.ask(client, (20, 22), [0])
        self.assertEqual(sorted(await self.sets(client, 3)), [20, 21, 22])

    async def test_two_files_and_two_clients(self):
        """Each file and each view has a map of its own."""
        first, second = await self.opened(), await self.viewer()
        await open_file(first, "other.fits", 1)
        await open_file(second, "cube.fits")
        for client in (first, second):
            await settled(client)
            client.forget()
            await self.answer(client, 0)
        await self.ask(first, (0, 11), [0])
        await self.sets(first, WINDOW)
        await self.answer(first, 0, 1)
        await self.ask(first, (0, 4), [0], file_id=1)
        for channel, (tiles,) in (await self.sets(first, 5)).items():
            numpy.testing.assert_allclose(pixels(tiles[0]), downsampled(-self.cube[0, channel, :300, :280], 2), rtol=1e-5, atol=1e-6)
        await self.ask(second, (5, 6), [0])
        self.assertEqual(sorted(await self.sets(second, 2)), [5, 6])
        # One that leaves while its sets wait, or closes the file, leaves nothing behind.
        await first.call("carta.close.file", file_id=0)
        await first.close()
        await settled(second)

    async def test_what_is_wrong(self):
        client = await self.opened()
        for channels, shown, text in (((5, 4), (0, 9), "channel_range"), ((0, DEPTH), (0, 9), "channel_range"), ((-1, 2), (0, 9), "channel_range"),
                                      ((0, 3), (7, 6), "current_range"), ((0, 3), (0, 99), "current_range")):  # fmt: skip
            await self.fails(self.ask(client, channels, [0], shown), text=text)
        await self.fails(self.ask(client, (0, 3), [123456789]), text="tiles")
        await self.fails(self.ask(client, (0, 3), [0], current=[0] * 5000), text="current_tiles")
        await self.answer(client, -5)
        await self.answer(client, 3, 77)  # no such file: accepted silently
        await settled(client)
        self.assertEqual(client.published.get(SYNC, []), [])
        self.alive()


if __name__ == "__main__":
    unittest.main()
