#!/usr/bin/env python3
"""Sessions: joined by a second program, resumed after a lost connection, a restart, and a sudden end of the server."""

import asyncio
import gzip
import json
import os
import sqlite3

import numpy

from harness import CUBE, IMAGE, PATIENCE, Case, icd, paces, run, until, wslink_client


def properties(file, file_id, **more):
    return icd.ImageProperties(file=file, file_id=file_id, hdu="0", **more)


def write_slow(folder, gigabytes=2):
    """A small file that takes seconds to inflate: members of a gzip file follow one another."""
    size = gigabytes * 10**9
    cards = ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 10000", f"NAXIS2  = {size // 40000}", "END"]
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    with open(f"{folder}/slow.fits.gz", "wb") as file:
        file.write(gzip.compress(header, 1) + gzip.compress(bytes(10**8), 1) * (size // 10**8) + gzip.compress(bytes(2880), 1))


VERSION_1 = {
    "version": 1,
    "images": [
        {"file_id": 0, "directory": "", "file": "image.fits", "hdu": "0", "support_aips_beam": False, "channel": 0, "stokes": 0, "cursor": None,
         "cursor_spatial": [], "cursor_spectral": [], "histograms": [], "statistics": []},
        {"file_id": 3, "directory": "", "file": "cube.fits", "hdu": "0", "support_aips_beam": False, "channel": 7, "stokes": 0, "cursor": [5, 6],
         "cursor_spatial": [{"coordinate": "x", "start": 0, "end": 0, "mip": 0}], "cursor_spectral": [{"coordinate": "z", "stats_types": []}],
         "histograms": [], "statistics": []},
    ],
    "next_file_id": 4,
    "cursor_file": 3,
}


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
        await self.check_resumed(client.session)

    async def check_resumed(self, session):
        again = await self.wslink(session)
        self.assertEqual((again.ack["session_type"], again.session), ("RESUMED", session))
        self.check_both(await again.call("session.state"))
        spectrum = await again.next("carta.spectral.profile.data", lambda m: m["progress"] == 1)
        numpy.testing.assert_array_equal(numpy.frombuffer(spectrum["profiles"][0]["raw_values_fp32"], "<f4"), CUBE[:, 6, 5])
        profile = await again.next("carta.spatial.profile.data")
        numpy.testing.assert_array_equal(numpy.frombuffer(profile["profiles"][0]["raw_values_fp32"], "<f4"), CUBE[7, 6])
        self.assertEqual((await again.next("carta.region.histogram.data", lambda m: m["file_id"] == 3))["channel"], 7)

    async def test_joining_makes_no_session(self):
        self.start()
        for generation in (1, 2):
            first = await self.wslink(generation=generation)
            await first.call("carta.open.file", {"file": "image.fits", "file_id": 0})
            client = await self.wslink(generation=generation, register=False)
            sessions = self.server.gauge("cubelink_sessions")
            unknown = first.session ^ 1
            for wrong, code, words in ((unknown, -32001, str(unknown)), (0, -32602, "session_id"), (-1, -32602, "session_id"), (2**40, -32602, "session_id"), ("x", -32602, "session_id")):
                with self.assertRaises(wslink_client.CallFailed) as failed:
                    await client.call("session.join", wrong)
                self.assertEqual(failed.exception.code, code)
                self.assertIn(words, failed.exception.message)
            self.assertEqual(self.server.gauge("cubelink_sessions"), sessions)
            with self.assertRaises(wslink_client.CallFailed) as failed:
                await client.call("session.state")  # it is in none
            self.assertIn("register", failed.exception.message)
            ack = await client.call("session.join", first.session)
            self.assertEqual((ack["success"], ack["session_type"], ack["session_id"]), (True, "RESUMED", first.session))
            self.assertEqual([file["file"] for file in (await client.call("session.state"))["files"]], ["image.fits"])
            # Who is in a session stays there if another one does not exist.
            with self.assertRaises(wslink_client.CallFailed):
                await client.call("session.join", session_id=unknown)
            self.assertEqual((await client.call("session.state"))["session_id"], first.session)

    async def test_joining_after_a_restart(self):
        self.start()
        client = await self.wslink()
        await self.open_both(client)
        await self.saved(client.session, '"cursor_file":3')
        await self.stopped()
        self.start()
        again = await self.wslink(register=False)
        self.assertEqual((await again.call("session.join", client.session))["session_type"], "RESUMED")
        self.check_both(await again.call("session.state"))

    async def test_after_a_restart(self):
        await self.comes_back(self.stopped)

    async def test_after_kill_9(self):
        await self.comes_back(self.kill)

    async def test_kill_9_right_after_an_answer(self):
        """What was opened, made or closed is in the store a moment after its answer, as docs/interface.md says."""
        info = {"region_type": "POINT", "control_points": [{"x": 3, "y": 4}], "rotation": 0}
        for pace in paces(1, 6, 36):
            with pace:
                self.start()
                client = await self.wslink()
                for file_id, file in ((0, "image.fits"), (3, "cube.fits"), (4, "cube.fits")):
                    self.assertTrue((await client.call("carta.open.file", {"file": file, "file_id": file_id}))["success"])
                for n in (1, 2, 3):
                    self.assertEqual((await client.call("carta.set.region", {"file_id": 3, "region_id": -1, "region_info": info}))["region_id"], n)
                await client.call("carta.remove.region", {"region_id": 2})
                await client.call("carta.close.file", {"file_id": 4})
                await asyncio.sleep(0.2 * pace.factor)
                await self.kill()
                self.start()
                state = await (await self.wslink(client.session)).call("session.state")
                self.assertEqual([(file["file_id"], file["file"]) for file in state["files"]], [(0, "image.fits"), (3, "cube.fits")])
                self.assertEqual([(one["region_id"], one["file_id"]) for one in state["regions"]], [(1, 3), (3, 3)])
            self.stop()

    async def store_snapshot(self, text):
        """A session in the store that holds this text. Returns its id."""
        self.start()
        client = await self.wslink()
        await client.call("carta.open.file", {"file": "image.fits", "file_id": 0})
        await self.saved(client.session, "image.fits")
        await self.stopped()
        with sqlite3.connect(self.store) as database:
            database.execute("UPDATE sessions SET state = ? WHERE id = ?", (text, client.session))
        self.start()
        return client.session

    async def test_a_snapshot_of_an_older_version(self):
        session = await self.store_snapshot(json.dumps(VERSION_1))
        await self.check_resumed(session)
        self.assertIn("image.fits", await self.saved(session, '"version":2'))

    async def test_a_snapshot_of_a_newer_version(self):
        image = {"kind": "image", "id": 2, "directory": "", "file": "image.fits", "hdu": "0", "support_aips_beam": False, "channel": 0, "stokes": 0,
                 "cursor": None, "colour": "blue"}
        session = await self.store_snapshot(json.dumps({"version": 7, "objects": [{"kind": "hologram", "id": 1}, image], "requirements": [],
                                                        "next_ids": {"image": 3}, "cursor_file": None, "weather": []}))
        client = await self.wslink(session)
        self.assertEqual([file["file_id"] for file in (await client.call("session.state"))["files"]], [2])

    async def test_an_object_without_an_id_in_a_snapshot(self):
        image = {"kind": "image", "directory": "", "file": "image.fits", "hdu": "0", "support_aips_beam": False, "channel": 0, "stokes": 0, "cursor": None}
        objects = [{**image, "id": 1}, image, {**image, "id": "2"}, {**image, "id": 2**40}, 5, {**image, "id": 4}]
        session = await self.store_snapshot(json.dumps({"version": 2, "objects": objects, "requirements": [{}], "next_ids": {"image": 5}, "cursor_file": None}))
        client = await self.wslink(session)
        state = await client.call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [1, 4])
        self.assertEqual(state["next_file_id"], 5)
        await client.next("carta.error.data", lambda m: "could not be read" in m["message"])
        for field in ("objects[1]", "objects[2]", "objects[3]", "objects[4]", "requirements[0]"):

            async def logged():
                return any(field in line and "error" in line for line in self.server.errors)

            await until(logged, f"{field} in the log")

    async def test_a_hostile_snapshot(self):
        objects = [{"kind": "image", "id": id_, "directory": "../..", "file": file, "hdu": "x" * 1000, "support_aips_beam": False, "channel": -5, "stokes": 99,
                    "cursor": [1e300, 0]} for id_, file in ((-1, "image.fits"), (0, "/etc/passwd"), (1, "image.fits"), (2**31 - 1, ""))]
        hostile = {"version": 2, "objects": [*objects, {"kind": "image", "id": 7}], "requirements": [], "next_ids": {"image": -7}, "cursor_file": 99}
        for text in ("", "[" * 1000, "null", json.dumps(hostile)):
            session = await self.store_snapshot(text)
            client = await self.wslink(session)
            self.assertEqual(client.ack["session_type"], "RESUMED")
            self.assertEqual((await client.call("session.state"))["files"], [])
            self.assertTrue((await client.call("carta.open.file", {"file": "image.fits", "file_id": 0}))["success"])
            await client.call("session.close")
            await self.stopped()

    async def test_an_image_that_ends_the_server_is_left_out(self):
        write_slow(f"{self.folder}/data")
        self.start()
        client = await self.wslink()
        for file_id, file in ((0, "image.fits"), (1, "slow.fits.gz")):
            self.assertTrue((await client.call("carta.open.file", {"file": file, "file_id": file_id}))["success"])
        await self.saved(client.session, "slow.fits.gz")

        async def alone_in_the_making():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                rows = database.execute("SELECT image FROM restoring WHERE session = ?", (client.session,)).fetchall()
            return len(rows) == 1 and "slow.fits.gz" in rows[0][0]

        for pace in paces(1, 2, 4):  # the slow image may be open before a busy machine lets this test see the note or end the server
            with pace:
                await self.stopped()
                self.start()
                again = await self.wslink(client.session)
                await again.next("session.changed", lambda m: m["what"] == "file_opened" and m["file_id"] == 0)
                await until(alone_in_the_making, "a note in the store", 30 * pace.factor)
                await self.kill()
                self.start()
                again = await self.wslink(client.session)
                self.assertEqual(again.ack["session_type"], "RESUMED")
                self.assertEqual([file["file_id"] for file in (await again.call("session.state"))["files"]], [0])
        error = await again.next("carta.error.data", lambda m: "slow.fits.gz" in m["message"])
        self.assertIn("left out", error["message"])
        # It is what a user wants that counts.
        self.assertTrue((await again.call("carta.open.file", {"file": "slow.fits.gz", "file_id": 5}))["success"])
        await self.saved(client.session, '"id":5')
        await self.stopped()
        self.start()
        again = await self.wslink(client.session)
        self.assertEqual([file["file_id"] for file in (await again.call("session.state"))["files"]], [0, 5])

    async def test_opening_holds_up_nothing_else(self):
        write_slow(f"{self.folder}/data", 6)
        for generation in (1, 2):
            for pace in paces(1, 1, 1):  # the slow image may be open before a busy machine has sent all this
                with pace:
                    await self.stopped()
                    self.start()
                    await self.beside_an_opening(generation)

    async def beside_an_opening(self, generation):
        client = await self.wslink(generation=generation)
        opening = (await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 0}]))[1]
        other = await self.wslink(client.session)
        self.assertTrue((await other.call("carta.open.file", {"file": "cube.fits", "file_id": 1}))["success"])
        waiting = (await client.start("carta.set.cursor", [{"file_id": 0, "point": {"x": 1, "y": 1}}]))[1]
        await client.call("server.info")
        await client.call("carta.set.cursor", {"file_id": 1, "point": {"x": 1, "y": 1}})
        await client.next("carta.spatial.profile.data", lambda m: m["file_id"] == 1)
        state = await client.call("session.state")
        self.assertEqual(([file["file_id"] for file in state["files"]], state["next_file_id"]), ([1], 2))
        info = await client.call("carta.file.info.request", {"file": "image.fits"})
        self.assertTrue(info["success"])
        progress = await other.next("session.changed", lambda m: m["what"] == "progress")
        self.assertEqual((progress["task"], progress["file_id"]), ("open_file", 0))
        self.assertTrue(0 <= progress["progress"] <= 1)
        self.assertFalse(opening.done() or waiting.done())
        # A second opening of the same id waits, and goes with it.
        second = (await other.start("carta.open.file", [{"file": "image.fits", "file_id": 0}]))[1]
        await other.call("carta.close.file", {"file_id": 0})
        for future in (opening, second):
            answer = (await future)["result"]
            self.assertEqual((answer["success"], answer["message"]), (False, "The file was closed before it was open."))
        await waiting
        self.assertTrue((await client.call("carta.open.file", {"file": "image.fits", "file_id": 0}))["success"])
        # All files, and the session.
        opening = (await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}]))[1]
        await client.call("carta.close.file", {"file_id": -1})
        self.assertEqual((await opening)["result"]["message"], "The file was closed before it was open.")
        self.assertEqual((await client.call("session.state"))["files"], [])
        opening = (await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 2}]))[1]
        await client.call("session.close")
        self.assertEqual((await opening)["result"]["message"], "The session was closed.")

    async def test_an_earlier_image_stays_until_the_new_one_is_there(self):
        write_slow(f"{self.folder}/data", 1)
        self.start()
        client = await self.wslink()
        await client.call("carta.open.file", {"file": "image.fits", "file_id": 0})
        opening = (await client.start("carta.open.file", [{"file": "slow.fits.gz", "file_id": 0}]))[1]
        read = (await client.start("image.read", [0, [0, 1], [0, 1]]))[1]
        self.assertEqual([file["file"] for file in (await client.call("session.state"))["files"]], ["image.fits"])
        self.assertTrue((await opening)["result"]["success"])
        self.assertEqual((await read)["result"]["data"], bytes(4))
        self.assertFalse((await client.call("carta.open.file", {"file": "gone.fits", "file_id": 0}))["success"])
        self.assertEqual([file["file"] for file in (await client.call("session.state"))["files"]], ["slow.fits.gz"])

    async def test_requirements_are_inherited_from_lost_connections_only(self):
        self.start()
        first = await self.wslink()
        second, third = await self.wslink(first.session), await self.wslink(first.session)
        await first.call("carta.open.file", {"file": "cube.fits", "file_id": 0})
        watcher = await self.wslink(first.session)
        for client, coordinate in ((first, "x"), (second, "y"), (third, "Ix")):
            await client.call("carta.set.spatial.requirements", {"file_id": 0, "region_id": 0, "spatial_profiles": [{"coordinate": coordinate}]})
        first.socket.transport.abort()
        second.socket.transport.abort()
        await third.close(1000)

        async def alone():
            return len(await watcher.call("session.connections")) == 1

        await until(alone, "the end of three connections")
        heir = await self.wslink(first.session)
        await heir.call("carta.set.cursor", {"file_id": 0, "point": {"x": 5, "y": 6}})
        expected = {"x": CUBE[0, 6].tobytes(), "y": CUBE[0, :, 5].tobytes()}

        def complete(message):
            return {profile["coordinate"]: bytes(profile["raw_values_fp32"]) for profile in message["profiles"]} == expected

        await heir.next("carta.spatial.profile.data", complete)

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
        flat = icd.RegionInfo(region_type=icd.ELLIPSE, control_points=[icd.Point(x=1, y=1), icd.Point(x=2, y=-2)])
        ack = await page.ask(
            "RESUME_SESSION",
            images=[properties("image.fits", 0, regions={1: region, 4: flat}), properties("cube.fits", 1, contour_settings=icd.SetContourParameters(levels=[1, float("nan")]))],
            catalog_files=[icd.OpenCatalogFile(name="a.xml", file_id=1)],
        )
        self.assertFalse(ack.success)
        for word in ("region 4: control_points[1]", "those of file 1: levels[1]", "catalog 1 (a.xml"):
            self.assertIn(word, ack.message)
        ack = await page.ask("RESUME_SESSION", images=[properties("gone.fits", 5), properties("../x.fits", 6), properties("image.fits", 7)])
        self.assertFalse(ack.success)
        self.assertIn("5 (gone.fits", ack.message)
        self.assertIn("6 (../x.fits", ack.message)
        self.assertNotIn("7 (image", ack.message)
        state = await (await self.wslink(77)).call("session.state")
        self.assertEqual([file["file_id"] for file in state["files"]], [0, 1, 7])
        self.assertEqual([(one["region_id"], one["file_id"]) for one in state["regions"]], [(1, 0)])
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
            # Profiles go to those who required them: the page's requirements are not the program's.
            await program.call("carta.set.spectral.requirements", {"file_id": 0, "region_id": 0, "spectral_profiles": [{"coordinate": "z"}]})
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
