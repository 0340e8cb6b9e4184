#!/usr/bin/env python3
"""Who may come in, and what they may do then: tokens in every place, keys with users and permissions, Origin, Host."""

import json

import websockets

from harness import SECRET, Case, icd, icd_client, open_socket, run, wslink_client

KEYS = [
    {"key": "key-of-ann", "user": "ann", "permissions": ["view", "save"]},
    {"key": "key-of-ann-2", "user": "ann", "permissions": ["view"]},
    {"key": "key-of-bob", "user": "bob"},
    {"key": "key-of-sue", "user": "sue", "permissions": ["view", "share", "admin"]},
]


class Tokens(Case):
    async def test_every_place_for_a_token(self):
        self.start()
        for how in ("query", "bearer", "cookie"):
            self.assertEqual((await self.http("GET", "/api/database/preferences", how=how))[0], 200, how)
            for wrong in ("wrong", "", SECRET + "x", SECRET[:-1]):
                self.assertEqual((await self.http("GET", "/api/database/preferences", token=wrong, how=how))[0], 403, (how, wrong))
        self.assertEqual((await self.http("GET", "/api/database/preferences", token=None))[0], 403)
        self.assertEqual((await self.http("GET", "/config", token=None)), (200, {"apiAddress": "/api"}))
        self.assertEqual((await self.http("GET", "/carta/config", token=None)), (200, {"apiAddress": "/api"}))

    async def test_a_wrong_token_and_a_missing_one(self):
        self.start()
        for how in ("query", "bearer", "cookie"):
            for token, words in ((None, "none was given"), ("", "none was given"), ("wrong", "is wrong")):
                _, answer = await self.http("GET", "/api/database/preferences", token=token, how=how)
                self.assertIn(words, answer["message"])
                status, text = await self.http("GET", "/metrics", token=token, how=how)
                self.assertEqual(status, 401)
                self.assertIn(words, text.decode())
        for generation in (1, 2):
            for secret, words in ((None, "none was given"), ("", "none was given"), ("wrong", "is wrong")):
                client = await wslink_client.connect(f"ws://127.0.0.1:{self.port}/ws", None, generation)
                self.addAsyncCleanup(client.close)
                with self.assertRaises(wslink_client.CallFailed) as failed:
                    await client.hello(secret)
                self.assertEqual((failed.exception.code, failed.exception.message), (-32000, "Authentication failed"))
                self.assertIn(words, failed.exception.data["exception"])

    async def test_sockets_are_refused_before_the_upgrade(self):
        self.start()
        url = f"ws://127.0.0.1:{self.port}/carta/"
        for query, headers in (("", {}), ("?token=wrong", {}), ("", {"Authorization": "Bearer wrong"}), ("", {"Cookie": "carta-auth-token=wrong"})):
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await open_socket(url + query, extra_headers=headers)
            self.assertEqual(refused.exception.status_code, 403)
        for query, headers in ((f"?token={SECRET}", {}), (f"?folder=a?token={SECRET}", {}), ("", {"Authorization": f"Bearer {SECRET}"}), ("", {"Cookie": f"carta-auth-token={SECRET}"})):
            async with open_socket(url + query, extra_headers=headers) as socket:
                await socket.send("PING")
                self.assertEqual(await socket.recv(), "PONG")

    async def test_origin_and_host(self):
        self.start("--allow-origin", "https://page.example", "--allow-host", "named.example")
        url = f"ws://127.0.0.1:{self.port}/?token={SECRET}"
        for origin, right in ((f"http://127.0.0.1:{self.port}", True), ("https://page.example", True), ("https://evil.example", False), ("null", False)):
            try:
                await (await open_socket(url, origin=origin)).close()
                self.assertTrue(right, origin)
            except websockets.InvalidStatusCode as refused:
                self.assertFalse(right, origin)
                self.assertEqual(refused.status_code, 403)
            status, _ = await self.http("PUT", "/api/database/preferences", {"a": 1}, headers={"Origin": origin})
            self.assertEqual(status, 200 if right else 403, origin)
        for host, right in (("named.example", True), ("localhost", True), ("evil.example", False)):
            status, _ = await self.http("GET", "/api/database/preferences", headers={"Host": f"{host}:{self.port}"})
            self.assertEqual(status, 200 if right else 403, host)
        await self.http("GET", "/api/database/preferences", headers={"Origin": "https://page.example"})
        self.assertEqual(self.response.headers["Access-Control-Allow-Origin"], "https://page.example")
        await self.http("GET", "/api/database/preferences", headers={"Origin": "https://evil.example"})
        self.assertNotIn("Access-Control-Allow-Origin", self.response.headers)

    async def test_any_origin(self):
        self.start("--allow-origin", "*", "--allow-origin", "https://named.example/")
        for origin, credentials in (("https://page.example", None), ("https://named.example", "true")):
            self.assertEqual((await self.http("PUT", "/api/database/preferences", {"a": 1}, headers={"Origin": origin}))[0], 200)
            self.assertEqual(self.response.headers["Access-Control-Allow-Origin"], origin)
            self.assertEqual(self.response.headers.get("Access-Control-Allow-Credentials"), credentials)
            status, _ = await self.http("OPTIONS", "/api/database/preferences", token=None, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})
            self.assertEqual(status, 204)
            self.assertIn("PUT", self.response.headers["Access-Control-Allow-Methods"])

    async def test_frames(self):
        """Pages of other origins may show ours if their frame's address has the token; a cookie, which the browser adds by itself, is not enough."""
        self.start("--content", self.folder)
        with open(f"{self.folder}/index.html", "w") as file:
            file.write("<!doctype html>")
        for token, how, open_to_all in ((SECRET, "query", True), (SECRET + "x", "query", False), (None, "query", False), (SECRET, "cookie", False)):
            self.assertEqual((await self.http("GET", "/", token=token, how=how))[0], 200)
            self.assertEqual(self.response.headers.get("Content-Security-Policy"), None if open_to_all else "frame-ancestors 'self'", (token, how))
            self.assertEqual(self.response.headers.get("X-Frame-Options"), None if open_to_all else "SAMEORIGIN")

    async def test_changes_need_json(self):
        self.start()
        status, body = await self.http("PUT", "/api/database/preferences", headers={"Content-Type": "text/plain"}, body=None)
        self.assertEqual((status, body["success"]), (415, False))

    async def test_a_wrong_api_key(self):
        self.start()
        client = await icd_client.connect(self.port, SECRET)
        ack = await client.ask("REGISTER_VIEWER", session_id=0, api_key="wrong")
        self.assertFalse(ack.success)
        self.assertTrue(ack.message)
        self.assertTrue((await client.ask("REGISTER_VIEWER", session_id=0, api_key=SECRET)).success)
        await client.close()


class NoAuth(Case):
    options = ("--no-auth",)

    def setUp(self):
        super().setUp()
        self.secret = ""

    async def test_nothing_is_asked(self):
        self.start()
        for token in (None, "no_auth_configured", "anything"):
            self.assertTrue((await self.page(token=token, api_key="whatever")).ack.success)
            self.assertEqual((await self.http("GET", "/api/database/preferences", token=token))[0], 200)

    async def test_frames(self):
        """Of pages on this machine, as long as the server is called by a name of this machine: what stands behind a proxy is called by another."""
        self.start("--content", self.folder, "--allow-host", "named.example")
        for host, sources in ((f"localhost:{self.port}", "'self' localhost:* 127.0.0.1:*"), ("named.example", "'self'")):
            await self.http("GET", "/", token=None, headers={"Host": host})
            self.assertEqual(self.response.headers["Content-Security-Policy"], f"frame-ancestors {sources}")


class Users(Case):
    def start_with_keys(self, *more):
        with open(f"{self.folder}/keys.json", "w") as file:
            json.dump(KEYS, file)
        self.start("--keys", f"{self.folder}/keys.json", *more)

    async def test_a_key_decides_the_user(self):
        self.start_with_keys()
        for n, key in enumerate(("key-of-ann", "key-of-bob", SECRET)):
            self.assertEqual((await self.http("PUT", "/api/database/preferences", {"who": n}, token=key))[0], 200)
            await self.http("PUT", "/api/database/layout", {"layoutName": "mine", "layout": {"n": n}}, token=key)
        for n, key in enumerate(("key-of-ann", "key-of-bob", SECRET)):
            self.assertEqual((await self.http("GET", "/api/database/preferences", token=key))[1]["preferences"]["who"], n)
            page = await self.page(token=key)
            self.assertEqual(json.loads(page.ack.user_preferences["who"]), n)
            self.assertEqual(json.loads(page.ack.user_layouts["mine"]), {"n": n})
            client = await self.wslink(secret=key)
            self.assertEqual(await client.call("store.get", "preferences", "who"), n)
            self.assertEqual(await client.call("store.list", "layouts"), ["mine"])
            # Any secret opens, and the api_key says who one is.
            page = await self.page(token=SECRET, api_key=key)
            self.assertEqual(json.loads(page.ack.user_preferences["who"]), n)
        self.assertEqual((await self.http("GET", "/api/database/preferences", token="key-of-ann-2"))[1]["preferences"]["who"], 0)

    async def test_sessions_are_their_users(self):
        self.start_with_keys()
        ann = await self.wslink(secret="key-of-ann")
        await ann.call("carta.open.file", {"file": "image.fits", "file_id": 0})
        bob = await self.wslink(ann.session, secret="key-of-bob")
        self.assertEqual((bob.ack["success"], bob.ack["session_type"]), (True, "NEW"))
        self.assertNotEqual(bob.session, ann.session)
        self.assertTrue(bob.ack["message"])
        self.assertEqual((await bob.call("session.state"))["files"], [])
        page = await self.page(ann.session, token="key-of-bob")
        self.assertEqual(page.ack.session_type, icd.NEW)
        self.assertEqual((await self.wslink(ann.session, secret="key-of-ann-2")).ack["session_type"], "RESUMED")
        sue = await self.wslink(ann.session, secret="key-of-sue")
        self.assertEqual((sue.ack["session_type"], sue.session), ("RESUMED", ann.session))
        self.assertEqual(len((await sue.call("session.state"))["files"]), 1)

    async def test_joining_sessions_of_others(self):
        self.start_with_keys()
        ann = await self.wslink(secret="key-of-ann")
        bob = await self.wslink(secret="key-of-bob", register=False)
        messages = []
        for session in (ann.session, ann.session ^ 1):
            with self.assertRaises(wslink_client.CallFailed) as failed:
                await bob.call("session.join", session)
            self.assertEqual(failed.exception.code, -32001)
            messages.append(failed.exception.message.replace(str(session), "N"))
        self.assertEqual(messages[0], messages[1])  # they do not tell which sessions others have
        with self.assertRaises(wslink_client.CallFailed) as failed:
            await bob.call("session.join", ann.session, "key-of-eve")
        self.assertEqual(failed.exception.code, -32000)
        self.assertEqual((await bob.call("session.join", ann.session, api_key="key-of-sue"))["session_id"], ann.session)

    async def test_sessions_are_their_users_after_a_restart(self):
        self.start_with_keys()
        ann = await self.wslink(secret="key-of-ann")
        await ann.call("carta.open.file", {"file": "image.fits", "file_id": 0})
        await self.stopped()
        self.start_with_keys()
        self.assertEqual((await self.page(ann.session, token="key-of-bob")).ack.session_type, icd.NEW)
        ann = await self.wslink(ann.session, secret="key-of-ann")
        self.assertEqual((ann.ack["session_type"], len((await ann.call("session.state"))["files"])), ("RESUMED", 1))

    async def test_scripting_reaches_ones_own_sessions(self):
        self.start_with_keys("--scripting")
        page = await self.page(token="key-of-ann")
        body = {"session_id": page.session, "path": "", "action": "a", "parameters": []}
        self.assertEqual((await self.http("POST", "/api/scripting/action", body, token="key-of-bob"))[0], 404)
        self.assertTrue(await page.silence("SCRIPTING_REQUEST"))

    async def test_who_may_only_look(self):
        self.start_with_keys()
        for key, may in (("key-of-ann", True), ("key-of-ann-2", False), ("key-of-bob", False), (SECRET, True)):
            page = await self.page(token=key)
            self.assertEqual(bool(page.ack.server_feature_flags & 8), not may, key)
            self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=0)).success)
            self.assertTrue((await page.ask("OPEN_FILE", file="cube.fits", file_id=1)).success)
            save = await page.ask("SAVE_FILE", file_id=0, output_file_name="out.fits", output_file_type=icd.FITS)
            export = await page.ask("EXPORT_REGION", file_id=0, file="out.crtf")
            moments = await page.ask("MOMENT_REQUEST", file_id=1, moments=[icd.MEAN_OF_THE_SPECTRUM], axis=icd.SPECTRAL, output_file="moments.fits", overwrite=True)
            for answer in (save, export, moments):
                if may:
                    self.assertNotIn("permission", answer.message)
                else:
                    self.assertEqual((answer.success, "permission" in answer.message), (False, True), answer)
            client = await self.wslink(secret=key)
            answer = await client.call("carta.save.file", {"file_id": 0, "output_file_name": "out.fits"})
            self.assertEqual("permission" in answer["message"], not may)

    async def test_read_only(self):
        self.start_with_keys("--read-only")
        page = await self.page()
        self.assertTrue(page.ack.server_feature_flags & 8)
        answer = await page.ask("SAVE_FILE", file_id=0, output_file_name="out.fits")
        self.assertEqual((answer.success, "read-only" in answer.message), (False, True))

    async def test_wrong_keys(self):
        self.start_with_keys()
        with self.assertRaises(wslink_client.CallFailed) as refused:
            await self.wslink(secret="key-of-eve")
        self.assertEqual(refused.exception.code, -32000)
        self.assertEqual((await self.http("GET", "/api/database/preferences", token="key-of-eve"))[0], 403)

    async def test_the_printed_address_opens(self):
        self.secret = ""
        self.start_with_keys()
        address = next(line for line in self.server.lines if line.startswith("Open "))
        token = address.split("token=")[1].strip()
        self.assertEqual((await self.http("GET", "/api/database/preferences", token=token))[0], 200)


if __name__ == "__main__":
    run()
