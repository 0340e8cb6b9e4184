#!/usr/bin/env python3
"""What the others in a session are told of regions, by session.changed."""

import asyncio
import unittest

from regions_support import info
from region_session import BOX, CHANGED, RegionTest, plain, put


class RegionNews(RegionTest):
    async def test_others_are_told_what_they_are_while_they_are_dragged(self):
        client = await self.two_files()
        for generation in (1, 2):
            other = await self.viewer(generation, client.session_id)
            other.forget()
            number = await put(client, 0, -1, BOX)
            change = await other.next(CHANGED, lambda m: m["what"] == "region" and m["region_id"] == number)
            self.assertEqual((change["created"], change["file_id"], plain(change["region_info"])), (True, 0, BOX))
            places = [info("RECTANGLE", [(40 + n / 8, 30), (20, 10)]) for n in range(1, 81)]
            for place in places:
                await put(client, 0, number, place)
            told = []
            while not told or told[-1] != places[-1]:
                change = await other.next(CHANGED, lambda m: m["what"] == "region" and m["region_id"] == number)
                self.assertFalse(change["created"])
                told.append(plain(change["region_info"]))
            indices = [places.index(one) for one in told]
            self.assertEqual(indices, sorted(set(indices)), "each newer than the one before")
            await client.call("carta.remove.region", {"region_id": number})
            change = await other.next(CHANGED, lambda m: m["what"] == "regions_removed")
            self.assertEqual(change["region_ids"], [number])
            await asyncio.sleep(0.2)  # nothing is told of it that was still to come
            await other.call("session.state")
            self.assertEqual([m for m in other.published.get(CHANGED, []) if m["what"] == "region"], [])

    async def test_others_are_told_when_all_are_closed(self):
        client = await self.two_files()
        other = await self.viewer(2, client.session_id)
        numbers = [await put(client, 0, -1, BOX) for _ in range(3)]
        await client.call("carta.close.file", {"file_id": -1})
        change = await other.next(CHANGED, lambda m: m["what"] == "regions_removed")
        self.assertEqual(change["region_ids"], numbers)


if __name__ == "__main__":
    unittest.main()
