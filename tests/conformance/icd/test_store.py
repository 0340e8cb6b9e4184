#!/usr/bin/env python3
"""What is kept for a user: by HTTP, by store.*, and across restarts; and stores that must not be touched."""

import asyncio
import os
import sqlite3
import subprocess

from harness import PATIENCE, PROGRAM, Case, run, until, wslink_client


class Store(Case):
    async def test_preferences(self):
        self.start()
        self.assertEqual(await self.http("GET", "/api/database/preferences"), (200, {"success": True, "preferences": {"version": 2}}))
        self.assertEqual(await self.http("PUT", "/api/database/preferences", {"a": 1, "b": [True, None], "c": "x"}), (200, {"success": True}))
        self.assertEqual(await self.http("PUT", "/carta/api/database/preferences", {"a": 2}), (200, {"success": True}))
        self.assertEqual((await self.http("GET", "/api/database/preferences"))[1]["preferences"], {"a": 2, "b": [True, None], "c": "x", "version": 2})
        self.assertEqual(await self.http("DELETE", "/api/database/preferences", {"keys": ["a", "nothing"]}), (200, {"success": True}))
        self.assertEqual((await self.http("GET", "/api/database/preferences"))[1]["preferences"], {"b": [True, None], "c": "x", "version": 2})

    async def test_what_is_kept_by_name(self):
        self.start()
        for one, many, in_url in (("layout", "layouts", "layout"), ("snippet", "snippets", "snippet")):
            body = {f"{one}Name": "mine: ä/1", one: {"deep": [{"x": 1.5}]}}
            self.assertEqual(await self.http("PUT", f"/api/database/{in_url}", body), (200, {"success": True}))
            self.assertEqual(await self.http("GET", f"/api/database/{many}"), (200, {"success": True, many: {"mine: ä/1": {"deep": [{"x": 1.5}]}}}))
            self.assertEqual(await self.http("DELETE", f"/api/database/{in_url}", {f"{one}Name": "mine: ä/1"}), (200, {"success": True}))
            self.assertEqual((await self.http("GET", f"/api/database/{many}"))[1][many], {})

    async def test_workspaces(self):
        self.start()
        status, body = await self.http("PUT", "/api/database/workspace", {"workspaceName": "w", "workspace": {"files": [1]}})
        self.assertEqual((status, body["success"]), (200, True))
        listing = (await self.http("GET", "/api/database/list/workspaces"))[1]["workspaces"]
        self.assertEqual([item["name"] for item in listing], ["w"])
        self.assertEqual((await self.http("GET", "/api/database/workspace/w"))[1]["workspace"]["files"], [1])
        self.assertEqual((await self.http("GET", "/api/database/workspace/none"))[0], 404)
        key = (await self.http("POST", f"/api/database/share/workspace/{body['workspace']['id']}", {}))[1]["shareKey"]
        self.assertEqual((await self.http("GET", f"/api/database/workspace/key/{key}"))[1]["workspace"]["files"], [1])

    async def test_by_wslink_and_http_alike(self):
        self.start()
        for generation in (1, 2):
            client = await self.wslink(generation=generation, register=False)
            value = {"n": 2**60, "f": 0.1, "s": "ä\u0000", "l": [None, True, {}], "g": generation}
            for kind in ("preferences", "layouts", "snippets", "workspaces"):
                self.assertIsNone(await client.call("store.set", kind, "name", value))
                self.assertEqual(await client.call("store.get", kind, "name"), value)
                self.assertEqual(await client.call("store.list", kind=kind), ["name"])
            self.assertEqual((await self.http("GET", "/api/database/layouts"))[1]["layouts"], {"name": value})
            self.assertEqual((await self.http("GET", "/api/database/preferences"))[1]["preferences"]["name"], value)
            self.assertIs(await client.call("store.delete", "layouts", "name"), True)
            self.assertIs(await client.call("store.delete", "layouts", "name"), False)
            self.assertIsNone(await client.call("store.get", "layouts", "name"))
            await self.http("PUT", "/api/database/snippet", {"snippetName": "s", "snippet": {"code": "1"}})
            self.assertEqual(await client.call("store.get", "snippets", "s"), {"code": "1"})
            await client.call("store.delete", "snippets", "s")

            async def refused(*arguments, text):
                with self.assertRaises(wslink_client.CallFailed) as error:
                    await client.call(*arguments)
                self.assertEqual(error.exception.code, -32602)
                self.assertIn(text, error.exception.message)

            await refused("store.get", "secrets", "x", text="kind")
            await refused("store.get", "layouts", "", text="name")
            await refused("store.set", "layouts", "x", [1], text="value")
            await refused("store.set", "layouts", "x", {"a": [b"bytes"]}, text="value.a[0]")
            await refused("store.set", "preferences", "x", float("nan"), text="value")
            await refused("store.set", "preferences", "x", text="value")
            await refused("store.set", "layouts", 3, {}, text="name")

    async def test_it_outlives_the_server(self):
        self.start()
        client = await self.wslink(register=False)
        await client.call("store.set", "preferences", "x", [1, 2])
        await self.kill()
        self.start()
        client = await self.wslink(register=False)
        self.assertEqual(await client.call("store.get", "preferences", "x"), [1, 2])
        self.assertEqual(os.stat(self.store).st_mode & 0o077, 0)

    async def test_a_store_that_another_program_has_locked(self):
        self.start()
        client = await self.wslink()
        await self.http("PUT", "/api/database/preferences", {"a": 1})
        for attempt in range(5):  # whoever waits for the lock does so for some seconds; a busy machine may need more for what comes between
            with sqlite3.connect(self.store, isolation_level=None, timeout=PATIENCE) as other:
                other.execute("BEGIN EXCLUSIVE")
                writing = asyncio.ensure_future(client.reply("store.set", "layouts", "x", {"n": 1}))
                # Sessions want to be saved, and others come and go.
                self.assertTrue((await client.call("carta.open.file", {"file": "image.fits", "file_id": attempt}))["success"])
                page = await self.page()
                self.assertTrue((await page.ask("OPEN_FILE", file="cube.fits", file_id=0)).success)
                self.assertEqual(page.ack.user_preferences["a"], "1")
                given_up = writing.done()
                other.execute("ROLLBACK")
            if not given_up:
                break
        self.assertFalse(given_up)
        self.assertIsNone((await writing)["result"])
        self.assertEqual((await self.http("GET", "/api/database/layouts"))[1]["layouts"], {"x": {"n": 1}})

        async def saved():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                rows = dict(database.execute("SELECT id, state FROM sessions"))
            return "image.fits" in rows.get(client.session, "") and "cube.fits" in rows.get(page.session, "")

        await until(saved, "what was open, in the store,")

    async def test_a_server_starts_beside_a_lock(self):
        self.start()
        await self.http("PUT", "/api/database/preferences", {"a": 1})
        await self.stopped()
        with sqlite3.connect(self.store, isolation_level=None, timeout=PATIENCE) as other:
            other.execute("BEGIN EXCLUSIVE")
            self.start()
            self.assertEqual((await self.http("GET", "/api/database/preferences"))[1]["preferences"]["a"], 1)
            other.execute("ROLLBACK")

    def refused_at_start(self):
        with open(self.store, "rb") as file:
            before = file.read()
        done = subprocess.run([PROGRAM, f"{self.folder}/data", "--store", self.store, "--port", "0"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn("store.sqlite", done.stderr)
        with open(self.store, "rb") as file:
            self.assertEqual(file.read(), before)
        return done.stderr

    async def test_stores_that_are_refused(self):
        with open(self.store, "wb") as file:
            file.write(b"no database at all" * 1000)
        self.refused_at_start()
        os.remove(self.store)
        with sqlite3.connect(self.store) as database:
            database.execute("CREATE TABLE others (x)")
        database.close()
        self.refused_at_start()
        os.remove(self.store)
        self.start()
        await self.stopped()
        with sqlite3.connect(self.store) as database:
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("PRAGMA user_version = 99")
        database.close()
        self.assertIn("newer", self.refused_at_start())

    async def test_a_home_that_cannot_be_written(self):
        environment = {**os.environ, "HOME": "/proc/nowhere", "CUBELINK_AUTHKEY": self.secret}
        environment.pop("XDG_DATA_HOME", None)
        process = subprocess.Popen([PROGRAM, f"{self.folder}/data", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.assertTrue(any("Starting factory" in line for line in process.stdout))
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=PATIENCE)
        self.assertIn("only until the server stops", errors)


if __name__ == "__main__":
    run()
