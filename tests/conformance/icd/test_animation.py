"""An animation as CARTA's page plays it: acknowledgement, histogram and tiles of each frame, its flow control and its view after each, and the stop."""

import asyncio

from harness import PATIENCE, Case, icd, run


class Animation(Case):
    async def page_with_cube(self):
        page = await self.page()
        ack = await page.ask("OPEN_FILE", directory="", file="cube.fits", file_id=0, render_mode=icd.RASTER)
        self.assertTrue(ack.success, ack.message)
        await page.next("REGION_HISTOGRAM_DATA")
        return page

    def view(self):
        return icd.AddRequiredTiles(file_id=0, tiles=[0], compression_type=icd.ZFP, compression_quality=9)

    async def play(self, page, **more):
        fields = dict(file_id=0, first_frame=icd.AnimationFrame(channel=0), last_frame=icd.AnimationFrame(channel=19), start_frame=icd.AnimationFrame(channel=0),
                      delta_frame=icd.AnimationFrame(channel=1), frame_rate=15, looping=True, required_tiles=self.view(), stokes_indices=[0])  # fmt: skip
        return await page.ask("START_ANIMATION", **{**fields, **more})

    async def test_playing_and_stopping(self):
        self.start()
        page = await self.page_with_cube()
        page.log.clear()
        ack = await self.play(page)
        self.assertTrue(ack.success, ack.message)
        for channel in [*range(1, 20), 0, 1, 2]:
            begin = await page.next("RASTER_TILE_SYNC", lambda m: not m.end_sync)
            end = await page.next("RASTER_TILE_SYNC", lambda m: m.end_sync)
            tile = await page.next("RASTER_TILE_DATA")
            for message in (begin, end, tile):
                self.assertEqual((message.file_id, message.channel, message.stokes, message.animation_id, message.sync_id),
                                 (0, channel, 0, ack.animation_id, begin.sync_id))  # fmt: skip
            self.assertEqual((begin.tile_count, len(tile.tiles), tile.compression_type), (1, 1, icd.ZFP))
            # The page always says animation 0 here, answers each end of a set, and sends its view again.
            await page.tell("ANIMATION_FLOW_CONTROL", file_id=0, received_frame=icd.AnimationFrame(channel=channel), timestamp=1)
            await page.tell("CHANNEL_MAP_FLOW_CONTROL", file_id=0, received_channel=channel)
            await page.tell("ADD_REQUIRED_TILES", file_id=0, tiles=[0], compression_type=icd.ZFP, compression_quality=9)
        order = [(name, message.channel) for name, _, _, message in page.log if name in ("REGION_HISTOGRAM_DATA", "RASTER_TILE_DATA")]
        for channel in range(1, 20):
            self.assertLess(order.index(("REGION_HISTOGRAM_DATA", channel)), order.index(("RASTER_TILE_DATA", channel)))
        self.assertEqual(page.log[0][0], "START_ANIMATION_ACK")
        await page.tell("STOP_ANIMATION", file_id=0, end_frame=icd.AnimationFrame(channel=2))
        await page.tell("SET_IMAGE_CHANNELS", file_id=0, channel=2, stokes=0, required_tiles=self.view())
        begin = await page.next("RASTER_TILE_SYNC", lambda m: not m.end_sync and m.animation_id == 0)
        self.assertEqual(begin.channel, 2)
        at = next(i for i, (name, _, _, m) in enumerate(page.log) if name == "RASTER_TILE_SYNC" and m.sync_id == begin.sync_id)
        await page.next("RASTER_TILE_SYNC", lambda m: m.end_sync and m.animation_id == 0)
        await asyncio.sleep(0.5)  # time for frames that must not come
        self.assertEqual([m for name, _, _, m in page.log[at:] if name == "RASTER_TILE_SYNC" and m.animation_id and not m.end_sync], [])

    async def test_refusals(self):
        self.start()
        page = await self.page_with_cube()
        # Without an animation these are ignored, and the connection lives.
        await page.tell("STOP_ANIMATION", file_id=0)
        await page.tell("ANIMATION_FLOW_CONTROL", file_id=0, received_frame=icd.AnimationFrame(channel=3))
        for fields in (dict(file_id=9), dict(delta_frame=icd.AnimationFrame()), dict(frame_rate=100_000), dict(last_frame=icd.AnimationFrame(channel=20)),
                       dict(start_frame=icd.AnimationFrame(stokes=1))):  # fmt: skip
            ack = await self.play(page, **fields)
            self.assertFalse(ack.success)
            self.assertTrue(ack.message)
        self.assertTrue((await self.play(page)).success)
        await page.next("RASTER_TILE_SYNC", lambda m: m.end_sync, PATIENCE)

    async def test_a_lost_connection_ends_it(self):
        self.start()
        page = await self.page_with_cube()
        self.assertTrue((await self.play(page, frame_rate=100)).success)
        await page.next("RASTER_TILE_SYNC", lambda m: m.end_sync)
        page.cut()
        other = await self.wslink(page.session)
        self.assertEqual(other.ack["session_type"], "RESUMED")

        async def channel():
            return (await other.call("session.state"))["files"][0]["channel"]

        # Not all that was under way need have been noticed at once.
        for _ in range(100):
            before = await channel()
            if await other.silence("session.changed", 0.3) and await channel() == before:
                return
        self.fail("it goes on without its connection")


if __name__ == "__main__":
    run()
