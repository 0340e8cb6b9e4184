#!/usr/bin/env python3
"""POST /api/scripting/action in the shapes of CARTA's Python client, answered by clients of either kind."""

import asyncio
import json
import os
import re

from harness import PATIENCE, SECRET, Case, run


class Scripting(Case):
    options = ("--scripting",)

    def action(self, session, path="", action="a", parameters=(), place="/api", token=SECRET, **more):
        """As CARTA's Python client asks: an absent return_path is left out."""
        body = {"session_id": session, "path": path, "action": action, "parameters": list(parameters), "async": False, **more}
        return asyncio.ensure_future(self.http("POST", f"{place}/scripting/action", body, token))

    async def test_the_page_is_asked_and_answers(self):
        self.start()
        page = await self.page()
        macro = {"macroTarget": "activeFrame", "macroVariable": "channel"}
        for place in ("/api", "/carta/api"):
            reply = self.action(page.session, "frameMap[0]", "setChannels", [1, "two", macro, None], place, **{"async": True, "return_path": "x.y"})
            asked = await page.next("SCRIPTING_REQUEST")
            self.assertGreaterEqual(asked.scripting_request_id, 1)
            self.assertEqual((asked.target, asked.action, getattr(asked, "async"), asked.return_path), ("frameMap[0]", "setChannels", True, "x.y"))
            self.assertEqual(json.loads(asked.parameters), [1, "two", macro, None])
            await page.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True, response='{"a": [1, null]}')
            self.assertEqual(await reply, (200, {"success": True, "response": {"a": [1, None]}}))

    async def test_a_wslink_client_is_asked_and_answers(self):
        self.start()
        for generation in (1, 2):
            client = await self.wslink(generation=generation)
            reply = self.action(client.session, "p", "act", [{"x": 1}])
            asked = await client.next("carta.scripting.request")
            self.assertEqual((asked["target"], asked["action"], json.loads(asked["parameters"])), ("p", "act", [{"x": 1}]))
            answer = {"scripting_request_id": asked["scripting_request_id"], "success": False, "message": "no such thing"}
            self.assertIsNone(await client.call("carta.scripting.response", answer))
            self.assertEqual(await reply, (200, {"success": False, "message": "no such thing"}))

    async def test_answers_in_any_order_go_to_their_askers(self):
        self.start()
        page = await self.page()
        replies = [self.action(page.session, action=f"action{i}") for i in range(20)]
        asked = [await page.next("SCRIPTING_REQUEST") for _ in replies]
        self.assertEqual(len({request.scripting_request_id for request in asked}), 20)
        for request in reversed(asked):
            await page.tell("SCRIPTING_RESPONSE", scripting_request_id=request.scripting_request_id, success=True, response=json.dumps(request.action))
        self.assertEqual([body["response"] for _, body in await asyncio.gather(*replies)], [f"action{i}" for i in range(20)])

    async def test_a_sessions_answers_are_its_own(self):
        self.start()
        page, other = await self.page(), await self.page()
        reply = self.action(page.session)
        asked = await page.next("SCRIPTING_REQUEST")
        self.assertTrue(await other.silence("SCRIPTING_REQUEST"))
        await other.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True, response='"forged"')
        await other.ask("FILE_LIST_REQUEST", directory="")
        await page.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True, response='"real"')
        self.assertEqual((await reply)[1]["response"], "real")

    async def test_the_first_answer_counts(self):
        self.start()
        page = await self.page()
        other = await self.wslink(page.session)
        reply = self.action(page.session)
        asked = await page.next("SCRIPTING_REQUEST")
        again = await other.next("carta.scripting.request")
        self.assertEqual(asked.scripting_request_id, again["scripting_request_id"])
        await other.call("carta.scripting.response", {"scripting_request_id": again["scripting_request_id"], "success": True, "response": "1"})
        await page.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True, response="2")
        self.assertEqual(await reply, (200, {"success": True, "response": 1}))

    async def test_whoever_leaves_while_asked(self):
        self.start()
        for leave in ("close", "cut", "session.close"):
            client = await self.wslink()
            reply = self.action(client.session)
            await client.next("carta.scripting.request")
            if leave == "close":
                await client.close(1000)
            elif leave == "cut":
                client.socket.transport.abort()
            else:
                await client.call("session.close")
            status, body = await asyncio.wait_for(reply, PATIENCE)
            self.assertEqual((status, body["success"]), (404, False), leave)

    async def test_no_such_session(self):
        self.start()
        page = await self.page()
        for session in (0, 1, page.session ^ 1, -5, 2**40):
            status, body = await self.action(session)
            self.assertEqual((status, body["success"]), (404, False), session)

    async def test_a_response_that_is_not_json(self):
        self.start()
        page = await self.page()
        for text in ("{", "undefined", "[1,", "nan"):
            reply = self.action(page.session)
            asked = await page.next("SCRIPTING_REQUEST")
            await page.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True, response=text)
            status, body = await reply
            self.assertEqual((status, body["success"]), (500, False), text)

    async def test_malformed_requests(self):
        self.start()
        page = await self.page()
        good = {"session_id": page.session, "path": "", "action": "a", "parameters": [], "async": False}
        for field, wrong in (("session_id", "x"), ("session_id", 1.5), ("path", 3), ("action", None), ("parameters", {}), ("parameters", None), ("async", "yes"), ("return_path", 7)):
            status, body = await self.http("POST", "/api/scripting/action", {**good, field: wrong})
            self.assertEqual((status, body["success"]), (400, False), (field, wrong))
            self.assertIn(field, body["message"])
        for field in ("session_id", "path", "action", "parameters"):
            self.assertEqual((await self.http("POST", "/api/scripting/action", {k: v for k, v in good.items() if k != field}))[0], 400, field)
        self.assertEqual((await self.http("POST", "/api/scripting/action", [1]))[0], 400)
        self.assertEqual((await self.http("GET", "/api/scripting/action"))[0], 405)
        self.assertEqual((await self.http("POST", "/api/scripting/action", good, token=None))[0], 403)
        self.assertEqual((await self.http("POST", "/api/scripting/action", good, token="wrong"))[0], 403)

    async def test_the_server_stops(self):
        self.start()
        page = await self.page()
        reply = self.action(page.session)
        await page.next("SCRIPTING_REQUEST")
        await self.stopped()
        self.assertEqual((await reply)[0], 503)


class StartedByTheClient(Case):
    """As CARTA's Python client starts a server: with its own options, looking for this line."""

    options = ("--no_browser", "--enable_scripting")

    async def test_the_address(self):
        page = f"{self.folder}/page"
        os.mkdir(page)
        with open(f"{page}/index.html", "w") as file:
            file.write("the page")
        for at_root in (True, False):
            self.start("--carta-frontend", page, *(("--content", page) if at_root else ()))
            line = next(line for line in self.server.lines if line.startswith("CARTA is accessible at "))
            path = "/" if at_root else "/carta/"
            self.assertEqual(line.split(" at ")[1], f"{self.base}{path}")  # without the secret, which was given
            self.assertEqual(await self.http("GET", path), (200, b"the page"))
            client = await self.page()
            reply = asyncio.ensure_future(self.http("POST", "/api/scripting/action", {"session_id": client.session, "path": "", "action": "a", "parameters": []}))
            asked = await client.next("SCRIPTING_REQUEST")
            await client.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True)
            self.assertEqual(await reply, (200, {"success": True}))
            await self.stopped()
        # CARTA's Python client, which gives no secret, looks for this.
        self.secret = ""
        self.start("--carta-frontend", page, "--content", page)
        line = next(line for line in self.server.lines if line.startswith("CARTA is accessible at "))
        address = re.search(r"CARTA is accessible at (http://.*?:\d+/\?token=(.*))", line)
        self.assertTrue(address)
        self.assertEqual((await self.http("GET", "/api/database/preferences", token=address[2]))[0], 200)


class Timeout(Case):
    options = ("--scripting", "--scripting-timeout", "1")

    async def test_no_answer_in_time(self):
        self.start()
        page = await self.page()
        status, body = await self.http("POST", "/api/scripting/action", {"session_id": page.session, "path": "", "action": "a", "parameters": []})
        self.assertEqual((status, body["success"]), (504, False))
        asked = await page.next("SCRIPTING_REQUEST")
        await page.tell("SCRIPTING_RESPONSE", scripting_request_id=asked.scripting_request_id, success=True)
        self.assertTrue((await page.ask("FILE_LIST_REQUEST", directory="")).success)


class Off(Case):
    async def test_off_unless_wanted(self):
        self.start()
        page = await self.page()
        self.assertFalse(page.ack.server_feature_flags & 64)
        status, body = await self.http("POST", "/api/scripting/action", {"session_id": page.session, "path": "", "action": "a", "parameters": []})
        self.assertEqual((status, body["success"]), (501, False))


if __name__ == "__main__":
    run()
