#!/usr/bin/env python3
"""The ICD's own dialect: versions, request ids, heartbeats, garbage."""

import asyncio
import json
import os
import struct

import numpy
import websockets

from harness import IMAGE, PATIENCE, ROOT, SECRET, Case, icd, icd_client, run


class Dialect(Case):
    async def test_any_path_and_the_versions(self):
        self.start()
        for version, path in ((28, "/"), (29, "/carta/"), (30, "/any/where/index.html")):
            page = await self.page(version=version, path=path)
            self.assertTrue(page.ack.success)
            self.assertEqual(page.ack.session_type, icd.NEW)
            self.assertEqual((page.answered_in, page.log[0][2]), (version, 1))
            self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=0)).success)
            await page.next("REGION_HISTOGRAM_DATA")
            self.assertEqual({entry[1] for entry in page.log}, {version})
            self.assertEqual([entry[2] for entry in page.log if entry[0] == "REGION_HISTOGRAM_DATA"], [0])

    async def test_what_is_listed_is_implemented(self):
        """server.info() and the reference list the same, and nothing else answers."""
        self.start()
        lines = (ROOT / "tools/reference/implemented.txt").read_text().split("\n\n")
        calls, topics = ({"carta." + line.lower().replace("_", ".") for line in part.splitlines() if line and line[0] != "#"} for part in lines)
        client = await self.wslink()
        info = await client.call("server.info")
        self.assertEqual({name for name in info["methods"] if name.startswith("carta.")}, calls)
        self.assertEqual({name for name in info["topics"] if name.startswith("carta.")}, topics)
        # Everything that the ICD lets clients say is implemented.
        events = json.loads((ROOT / "tests/rpc/icd/icd30.json").read_text())["events"]
        self.assertEqual(calls, {"carta." + event["name"].lower().replace("_", ".") for event in events if event["direction"] == "frontend->backend"})

    async def test_other_versions_are_refused(self):
        self.start()
        for version in (27, 31, 0xFFFF):
            client = await icd_client.connect(self.port, SECRET, version=version)
            ack = await client.ask("REGISTER_VIEWER", session_id=0)
            self.assertFalse(ack.success)
            self.assertIn(str(version), ack.message)
            self.assertIsNone(client.closed)
            # Whoever tries again in another version is spoken to in that.
            client.version = 29
            self.assertTrue((await client.ask("REGISTER_VIEWER", session_id=0)).success)
            client.log.clear()
            await client.ask("OPEN_FILE", file="image.fits", file_id=0)
            await client.next("REGION_HISTOGRAM_DATA")
            self.assertEqual({entry[1] for entry in client.log}, {29})
            await client.close()

    async def test_an_image_is_opened_and_looked_at(self):
        self.start()
        page = await self.page()
        listing = await page.ask("FILE_LIST_REQUEST", directory="$BASE")
        self.assertEqual({file.name for file in listing.files}, {"image.fits", "cube.fits"})
        # The page opens nothing from a folder without a name.
        self.assertEqual(listing.directory, ".")
        self.assertEqual((await (await self.wslink()).call("carta.file.list.request", {"directory": "$BASE"}))["directory"], "")
        info = await page.ask("FILE_INFO_REQUEST", file="cube.fits")
        self.assertEqual(info.file_info_extended["0"].depth, 20)
        ack = await page.ask("OPEN_FILE", file="image.fits", file_id=4)
        self.assertEqual((ack.success, ack.file_id, ack.file_info_extended.width), (True, 4, 400))
        histogram = await page.next("REGION_HISTOGRAM_DATA")
        self.assertEqual(sum(histogram.histograms.bins), IMAGE.size)
        await page.tell("ADD_REQUIRED_TILES", file_id=4, tiles=[(1 << 24) | (1 << 12) | 1], compression_type=icd.NONE)
        begin = await page.next("RASTER_TILE_SYNC", lambda m: not m.end_sync)
        tile = (await page.next("RASTER_TILE_DATA", lambda m: m.sync_id == begin.sync_id)).tiles[0]
        await page.next("RASTER_TILE_SYNC", lambda m: m.end_sync and m.sync_id == begin.sync_id)
        pixels = numpy.frombuffer(tile.image_data, "<f4").reshape(tile.height, tile.width)
        numpy.testing.assert_array_equal(pixels, IMAGE[256:, 256:])
        await page.tell("SET_SPATIAL_REQUIREMENTS", file_id=4, region_id=0, spatial_profiles=[icd.SetSpatialRequirements.SpatialConfig(coordinate="x")])
        await page.tell("SET_CURSOR", file_id=4, point=icd.Point(x=7, y=9))
        profile = await page.next("SPATIAL_PROFILE_DATA", lambda m: (m.x, m.y) == (7, 9) and len(m.profiles) == 1)
        numpy.testing.assert_array_equal(numpy.frombuffer(profile.profiles[0].raw_values_fp32, "<f4"), IMAGE[9])
        self.assertAlmostEqual(profile.value, float(IMAGE[9, 7]), 6)

    async def test_heartbeats(self):
        self.start()
        page = await self.page()
        for beat, answer in (("PING", "PONG"), ("", ""), (b"", b""), (struct.pack("<HHI", 0, 30, 77), struct.pack("<HHI", 0, 30, 77))):
            page.streams.clear()
            await page.socket.send(beat)
            while not page.streams:
                await asyncio.sleep(0.01)
            event, version, request, frame = page.streams[0]
            got = frame if version is None else struct.pack("<HHI", 0, version, request)
            self.assertEqual(got, answer)

    async def test_garbage_never_closes_the_socket(self):
        self.start()
        page = await self.page()
        rnd = numpy.random.default_rng(5)
        header = struct.Struct("<HHI")
        frames = [b"\x01", b"1234567", "text", "PINGPING", header.pack(9999, 30, 5), header.pack(5, 30, 6) + b"\xff" * 50, header.pack(21, 30, 7)]
        for event in range(0, 95):
            frames += [header.pack(event, int(rnd.integers(26, 33)), 1000 + event) + rnd.bytes(int(rnd.integers(0, 60))) for _ in range(8) if event not in (0, 1)]
        for frame in frames:
            await page.socket.send(frame)
        self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=50)).success)
        self.assertIsNone(page.closed)

    async def test_garbled_requests_get_their_failure(self):
        self.start()
        page = await self.page()
        for event in ("OPEN_FILE", "FILE_INFO_REQUEST", "SAVE_FILE", "SET_REGION", "MOMENT_REQUEST", "RESUME_SESSION"):
            request, frame = page.frame(event)
            future = asyncio.get_running_loop().create_future()
            page.waiting[request] = future
            await page.socket.send(frame + b"\xff\xff\xff")
            name, _, _, answer = await asyncio.wait_for(future, PATIENCE)
            self.assertEqual(name, icd_client.reply_of(event))
            self.assertFalse(answer.success)
            self.assertTrue(answer.message)

    async def test_to_take_away_what_is_not_there_is_no_error(self):
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="image.fits", file_id=0)
        other = await self.page(page.session)
        await page.tell("SET_VECTOR_OVERLAY_PARAMETERS", file_id=0, stokes_intensity=-1, stokes_angle=-1)
        await page.tell("SET_CONTOUR_PARAMETERS", file_id=0)
        self.assertTrue(await page.silence("ERROR_DATA"))
        self.assertNotIn("ERROR_DATA", [entry[0] for entry in other.log])

    async def test_images_other_than_files_are_opened_under_the_clients_id(self):
        self.start()
        page = await self.page()
        files = [icd.StokesFile(file="image.fits", polarization_type=type) for type in (icd.U, icd.I)]
        answer = await page.ask("CONCAT_STOKES_FILES", stokes_files=files, file_id=3)
        self.assertTrue(answer.success, answer.message)
        self.assertEqual((answer.open_file_ack.file_id, answer.open_file_ack.file_info_extended.stokes), (3, 2))
        self.assertEqual(answer.open_file_ack.file_info.name, "imagehypercube_IU.fits")
        await page.next("REGION_HISTOGRAM_DATA", lambda m: m.file_id == 3)
        answer = await page.ask("REMOTE_FILE_REQUEST", file_id=4)
        self.assertFalse(answer.success)
        self.assertIn("--remote-host", answer.message)
        self.assertFalse((await page.ask("CONCAT_STOKES_FILES")).success)

    async def test_what_has_no_answer_is_told_once(self):
        """What the ICD does not answer fails by one ERROR_DATA, of the severity that the matter has."""
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="image.fits", file_id=0)
        spectral = [icd.SetSpectralRequirements.SpectralConfig(coordinate="z")]
        for event, fields, severity, tag in (
            ("ADD_REQUIRED_TILES", {"file_id": 7, "tiles": [0]}, icd.DEBUG, "file_id"),
            ("CLOSE_FILE", {"file_id": 7}, icd.DEBUG, "file_id"),
            ("SET_IMAGE_CHANNELS", {"file_id": 0, "channel": 3}, icd.ERROR, "channels"),
            ("SET_SPECTRAL_REQUIREMENTS", {"file_id": 0, "region_id": 0, "spectral_profiles": spectral}, icd.WARNING, "spectral"),
            ("ADD_REQUIRED_TILES", {"file_id": 0, "tiles": [-1]}, icd.ERROR, "carta.add.required.tiles"),
        ):
            await page.tell(event, **fields)
            error = await page.next("ERROR_DATA")
            self.assertEqual((error.severity, list(error.tags)), (severity, [tag]), error.message)
            self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=0)).success)
            self.assertEqual([entry for entry in page.streams if entry[0] == "ERROR_DATA"], [])

    async def test_before_register_viewer(self):
        self.start()
        client = await icd_client.connect(self.port, SECRET)
        ack = await client.ask("OPEN_FILE", file="image.fits")
        self.assertFalse(ack.success)
        self.assertIn("register", ack.message.lower())
        self.assertTrue((await client.ask("REGISTER_VIEWER", session_id=0)).success)
        await client.close()

    async def test_a_frame_beyond_the_limit_closes(self):
        self.start()
        page = await self.page()
        try:
            await page.socket.send(struct.pack("<HHI", 4, 30, 9) + os.urandom(1 << 20) * 65)
        except websockets.ConnectionClosed:
            pass
        await asyncio.wait_for(page.reader, PATIENCE)
        self.assertEqual(page.closed[0], 1009)


if __name__ == "__main__":
    run()
