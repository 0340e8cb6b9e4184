#!/usr/bin/env python3
"""Sessions: joined by a second program, resumed after a lost connection, a restart, and a sudden end of the server."""

import asyncio
import os
import sqlite3

import numpy

from harness import CUBE, IMAGE, PATIENCE, Case, icd, paces, run, until


def properties(file, file_id, **more):
    return icd.ImageProperties(file=file, file_id=file_id, hdu="0", **more)


class Sessions(Case):
    async def saved(self, session, text):
        """Waits until the store holds it."""

        async def there():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and text in row[0] and row[0]

        return await until(there, f"{text} in the store")

    async def open_both(self, client):
        for file_id, file in ((0, "image.fits"), (3, "cube.fits")):
            self.assertTrue((await client.call("carta.open.file", {"file": file, "file_id": file_id}))["success"])
        await client.call("carta.set.image.channels", {"file_id": 3, "channel": 7, "stokes": 0})
        await client.call("carta.set.spectral.requirements", {"file_id": 3, "region_id": 0, "spectral_profiles": [{"coordinate": "z"}]})
        await client.call("carta.set.spatial.requirements", {"file_id": 3, "region_id": 0, "spatial_profiles": [{"coordinate": "x"}]})
        await client.call("carta.set.cursor", {"file_id": 3, "point": {"x": 5, "y": 6}})

    def check_both(self, state):
        files = {file["file_id"]: file for file in state["files"]}
        self.assertEqual({i: file["file"] for i, file in files.items()}, {0: "image.fits", 3: "cube.fits"})
        self.assertEqual((files[3]["channel"], files[3]["cursor"]), (7, {"x": 5.0, "y": 6.0}))
        self.assertEqual(state["cursor"], {"file_id": 3, "point": {"x": 5.0, "y": 6.0}})
        self.assertEqual(state["next_file_id"], 4)
        self.assertTrue(files[0]["open_file_ack"]["success"])

    async def comes_back(self, end):
        self.start()
        client = await self.wslink()
        await self.open_both(client)
        await self.saved(client.session, '"cursor_file":3')
        await end()
        self.start()
        again = await self.wslink(client.session)
        self.assertEqual((again.ack["session_type"], again.session), ("RESUMED", client.session))
        self.check_both(await again.call("session.state"))
        spectrum = await again.next("carta.spectral.profile.data", lambda m: m["progress"] == 1)
        numpy.testing.assert_array_equal(numpy.frombuffer(spectrum["profiles"][0]["raw_values_fp32"], "<f4"), CUBE[:, 6, 5])
        profile = await again.next("carta.spatial.profile.data")
        numpy.testing.assert_array_equal(numpy.frombuffer(profile["profiles"][0]["raw_values_fp32"], "<f4"), CUBE[7, 6])
        self.assertEqual((await again.next("carta.region.histogram.data", lambda m: m["file_id"] == 3))["channel"], 7)

    async def test_after_a_restart(self):
        await self.comes_back(self.stopped)

    async def test_after_kill_9(self):
        await self.comes_back(self.kill)

    async def test_kill_9_at_any_moment(self):
        self.start()
        session, expected = 0, set()
        for turn in range(4):
            client = await self.wslink(session)
            self.assertEqual(client.ack["session_type"], "RESUMED" if session else "NEW")
            session = client.session
            state = await client.call("session.state")
            files = {file["file_id"] for file in state["files"]}
            self.assertLessEqual(files, expected)
            expected = set(files)
            for file_id in range(100 * turn, 100 * turn + 30):
                await client.start("carta.open.file", [{"file": "image.fits", "file_id": file_id}])
                expected.add(file_id)
            await self.saved(session, "")  # a session of which the store knows nothing cannot come back
            await asyncio.sleep(0.05 + 0.1 * turn)
            await self.kill()
            with sqlite3.connect(self.store) as database:
                self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.start()

    async def test_what_is_gone_is_told_and_loses_nothing_else(self):
        self.start()
        client = await self.wslink()
        await self.open_both(client)
        await self.saved(client.session, '"cursor_file":3')
        await self.stopped()
        os.remove(f"{self.folder}/data/image.fits")
        self.start()
        again = await self.wslink(client.session)
        error = await again.next("carta.error.data")
        self.assertIn("image.fits", error["message"])
        self.assertEqual([file["file_id"] for file in (await again.call("session.state"))["files"]], [3])

    async def test_closed_sessions_do_not_come_back(self):
        self.start()
        one, two, three = [await self.wslink() for _ in range(3)]
        for client in (one, two, three):
            await client.call("carta.open.file", {"file": "image.fits", "file_id": 0})
            await self.saved(client.session, "image.fits")
        await one.call("session.close")
        await two.close(1000)

        async def one_is_left():
            return await asyncio.to_thread(self.server.gauge, "cubelink_sessions") == 1

        await until(one_is_left, "the end of two sessions")
        await self.stopped()
        self.start()
        for client, kind in ((one, "NEW"), (two, "NEW"), (three, "RESUMED")):
            self.assertEqual((await self.wslink(client.session)).ack["session_type"], kind)

    async def test_a_folder_has_its_own_sessions(self):
        self.start()
        client = await self.wslink()
        await client.call("carta.open.file", {"file": "image.fits", "file_id": 0})
        await self.saved(client.session, "image.fits")
        await self.stopped()
        os.rename(f"{self.folder}/data", f"{self.folder}/elsewhere")
        os.mkdir(f"{self.folder}/data")
        data, self.folder = self.folder, f"{self.folder}/elsewhere"
        os.mkdir(f"{self.folder}/data")
        self.start()
        self.assertEqual((await self.wslink(client.session)).ack["session_type"], "NEW")
        self.folder = data

    async def test_a_page_after_a_lost_connection(self):
        self.start()
        page = await self.page()
        for file_id, file in ((0, "image.fits"), (1, "cube.fits")):
            await page.ask("OPEN_FILE", file=file, file_id=file_id)
        other = await self.wslink(page.session)
        await other.call("carta.open.file", {"file": "cube.fits", "file_id": 9})
        page.cut()
        again = await self.page(page.session)
        self.assertEqual((again.ack.session_type, again.session), (icd.RESUMED, page.session))
        ack = await again.ask("RESUME_SESSION", images=[properties("image.fits", 0), properties("cube.fits", 1, channel=5)])
        self.assertEqual((ack.success, ack.message), (True, ""))
        files = {file["file_id"]: file for file in (await other.call("session.state"))["files"]}
        self.assertEqual({i: file["channel"] for i, file in files.items()}, {0: 0, 1: 5, 9: 0})
        self.assertNotIn("OPEN_FILE_ACK", [entry[0] for entry in again.log])

    async def test_a_page_whose_server_knows_nothing(self):
        self.start()
        page = await self.page(0xFFFFFFF1)  # CARTA's own server gives such ids too
        self.assertEqual((page.ack.session_type, page.session), (icd.RESUMED, 0xFFFFFFF1))
        point = icd.Point(x=5, y=6)
        cursor = icd.RegionInfo(region_type=icd.POINT, control_points=[point])
        ack = await page.ask("RESUME_SESSION", images=[properties("image.fits", 0), properties("cube.fits", 4, channel=9, regions={0: cursor})])
        self.assertEqual((ack.success, ack.message), (True, ""))
        self.assertEqual([entry[0] for entry in page.log if entry[0].endswith("_ACK")], ["REGISTER_VIEWER_ACK", "RESUME_SESSION_ACK"])
        await page.tell("SET_SPATIAL_REQUIREMENTS", file_id=4, region_id=0, spatial_profiles=[icd.SetSpatialRequirements.SpatialConfig(coordinate="y")])
        profile = await page.next("SPATIAL_PROFILE_DATA", lambda m: m.file_id == 4 and len(m.profiles) == 1)
        numpy.testing.assert_array_equal(numpy.frombuffer(profile.profiles[0].raw_values_fp32, "<f4"), CUBE[9, :, 5])

    async def test_what_cannot_be_resumed_is_named(self):
        self.start()
        page = await self.page(77)
        region = icd.RegionInfo(region_type=icd.RECTANGLE, control_points=[icd.Point(x=1, y=1), icd.Point(x=2, y=2)])
        ack = await page.ask(
            "RESUME_SESSION",
            images=[properties("image.fits", 0, regions={1: region}), properties("cube.fits", 1, contour_settings=icd.SetContourParameters(levels=[1]))],
            catalog_files=[icd.OpenCatalogFile(name="a.xml", file_id=1)],
        )
        self.assertTrue(ack.success)  # a page shows an alert otherwise, and all that it can show is there
        for word in ("regions of file 0", "contours of file 1", "catalogs"):
            self.assertIn(word, ack.message)
        ack = await page.ask("RESUME_SESSION", images=[properties("gone.fits", 5), properties("../x.fits", 6), properties("image.fits", 7)])
        self.assertFalse(ack.success)
        self.assertIn("5 (gone.fits", ack.message)
        self.assertIn("6 (../x.fits", ack.message)
        self.assertNotIn("7 (image", ack.message)
        state = await (await self.wslink(77)).call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [0, 1, 7])
        ack = await page.ask("RESUME_SESSION", images=[properties("cube.fits", 8, channel=1000, stokes=0), properties("cube.fits", 9, channel=7)])
        self.assertEqual((ack.success, ack.message), (True, "There is no channel 1000 of file 8."))

    async def test_a_page_after_kill_9(self):
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="image.fits", file_id=0)
        await self.saved(page.session, "image.fits")
        await self.kill()
        self.start()
        again = await self.page(page.session)
        self.assertEqual((again.ack.session_type, again.session), (icd.RESUMED, page.session))
        self.assertTrue((await again.ask("RESUME_SESSION", images=[properties("image.fits", 0)])).success)
        self.assertTrue((await again.ask("OPEN_FILE", file="cube.fits", file_id=1)).success)

    async def test_two_programs_one_session(self):
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="cube.fits", file_id=0)
        await page.tell("SET_SPECTRAL_REQUIREMENTS", file_id=0, region_id=0, spectral_profiles=[icd.SetSpectralRequirements.SpectralConfig(coordinate="z")])
        await page.tell("SET_CURSOR", file_id=0, point=icd.Point(x=1, y=2))
        await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.progress == 1)
        for generation in (1, 2):
            program = await self.wslink(page.session, generation=generation)
            self.assertEqual((program.ack["session_type"], program.session), ("RESUMED", page.session))
            state = await program.call("session.state")
            self.assertEqual([file["file"] for file in state["files"]], ["cube.fits"])
            x = 10 + generation
            await program.call("carta.set.cursor", {"file_id": 0, "point": {"x": x, "y": 20}})
            expected = CUBE[:, 20, x].astype("<f4").tobytes()
            await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.progress == 1 and m.profiles[0].raw_values_fp32 == expected)
            await program.next("carta.spectral.profile.data", lambda m: m["progress"] == 1 and m["profiles"][0]["raw_values_fp32"] == expected)
            await page.tell("SET_CURSOR", file_id=0, point=icd.Point(x=x, y=30))
            expected = CUBE[:, 30, x].astype("<f4").tobytes()
            await program.next("carta.spectral.profile.data", lambda m: m["profiles"][0]["raw_values_fp32"] == expected)
            await page.next("SPECTRAL_PROFILE_DATA", lambda m: m.profiles[0].raw_values_fp32 == expected)
            # A view is one's own.
            page.streams.clear()
            program.forget()
            await page.tell("ADD_REQUIRED_TILES", file_id=0, tiles=[0], compression_type=icd.NONE)
            await page.next("RASTER_TILE_DATA")
            self.assertTrue(await program.silence("carta.raster.tile.data"))
            await program.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0], "compression_type": "NONE"})
            await program.next("carta.raster.tile.data")
            self.assertTrue(await page.silence("RASTER_TILE_DATA"))
            await program.close(1000)
        self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=1)).success)
        self.assertEqual(sum((await page.next("REGION_HISTOGRAM_DATA", lambda m: m.file_id == 1)).histograms.bins), IMAGE.size)


class Grace(Case):
    async def test_a_session_ends_after_its_grace(self):
        for pace in paces():
            with pace:
                await self.stopped()
                self.start("--session-grace", str(pace.factor))
                client = await self.wslink()
                client.socket.transport.abort()
                await asyncio.sleep(0.4 * pace.factor)
                other = await self.wslink(client.session)
                self.assertEqual(other.ack["session_type"], "RESUMED")
                other.socket.transport.abort()

                async def ended():
                    return await asyncio.to_thread(self.server.gauge, "cubelink_sessions") == 0

                await until(ended, "the end of the session")
                self.assertEqual((await self.wslink(client.session)).ack["session_type"], "NEW")


if __name__ == "__main__":
    run()
