#!/usr/bin/env python3
"""Regions of a session: SET_REGION and REMOVE_REGION by both dialects, who hears of them, what outlives what, and random sequences held against a
model. Which pixels a region has, and what follows from them, is in test_region_oracles.py.

CUBELINK_SEED chooses another exploration, CUBELINK_SECONDS a longer one."""

import asyncio
import json
import os
import random
import sqlite3
import tempfile
import time
import unittest
from pathlib import Path

import numpy

from harness import ERROR, PATIENCE, PROGRAM, Server, connect, open_file, settled, until
from region_session import BOX, CHANGED, DEPTH, HEIGHT, VALUES, WIDTH, RegionTest, plain, put, set_region, write_images
from regions_support import CLOSED, POINTS, SIZED, TYPES, info, inside, random_region

from icd_client import icd

SECONDS = float(os.environ.get("CUBELINK_SECONDS", "6"))
SEED = int(os.environ.get("CUBELINK_SEED", "1"))
STATS = "carta.region.stats.data"


async def regions_of(client):
    """{id: (file, shape)} as the session says."""
    return {one["region_id"]: (one["file_id"], plain(one["region_info"])) for one in (await client.call("session.state"))["regions"]}


def stats_requirement(file_id, region_id, types=("NumPixels", "Sum", "Mean")):
    configs = [{"coordinate": "z", "stats_types": list(types)}] if types else []
    return {"file_id": file_id, "region_id": region_id, "stats_configs": configs}


def check_statistics(message, region, plane):
    """NumPixels and Sum of a region, where rounding does not decide over pixels."""
    values = {one["stats_type"]: one["value"] for one in message["statistics"]}
    certain, doubtful = inside(region, plane.shape[1], plane.shape[0])
    good = numpy.isfinite(plane)
    least, most = (certain & good).sum(), ((certain | doubtful) & good).sum()
    assert least <= values["NumPixels"] <= most, (values, least, most, region)
    if least == most and least:
        numpy.testing.assert_allclose(values["Sum"], plane[certain & good].sum(dtype="f8"), rtol=1e-9, atol=1e-9 * abs(plane[certain & good]).sum(dtype="f8"))
    if most == 0:
        assert numpy.isnan(values["Sum"]), values


def to_icd(region):
    return icd.RegionInfo(region_type=TYPES[region["region_type"]], control_points=[icd.Point(**point) for point in region["control_points"]], rotation=region["rotation"])


class Regions(RegionTest):
    async def test_ids(self):
        for generation in (1, 2):
            client = await self.two_files(generation)
            self.assertEqual([await put(client, 0, -1, BOX) for _ in range(3)], [1, 2, 3])
            self.assertEqual(await put(client, 0, 7, BOX), 7)  # unknown: it is made
            self.assertEqual(await put(client, 1, -1, BOX), 8)
            moved = info("RECTANGLE", [(50, 30), (20, 10)])
            self.assertEqual(await put(client, 0, 2, moved), 2)
            self.assertEqual(await put(client, 0, 5, BOX), 5)
            self.assertEqual(await put(client, 0, -1, BOX), 9)
            self.assertEqual(await regions_of(client), {2: (0, moved), **{i: (0, BOX) for i in (1, 3, 5, 7, 9)}, 8: (1, BOX)})
            await client.call("carta.remove.region", {"region_id": 9})
            self.assertGreater(await put(client, 0, -1, BOX), 8)

    async def test_the_highest_id(self):
        client = await self.two_files()
        highest = 1_000_000_000
        self.assertEqual(await put(client, 0, highest, BOX), highest)
        ack = await client.call("carta.set.region", set_region(0, -1, BOX))
        self.assertFalse(ack["success"], "a new one would have an id by which it can't be changed")
        self.assertIn("no ids left", ack["message"])
        self.assertFalse((await client.call("carta.set.region", set_region(0, highest + 1, BOX)))["success"])
        self.assertEqual(await put(client, 0, highest, info("POINT", [(1, 1)])), highest)
        self.assertEqual(await put(client, 0, 5, BOX), 5)
        self.assertEqual(len(await regions_of(client)), 2)

    async def test_every_type_in_every_dialect(self):
        source = random.Random(3)
        client = await self.two_files()
        page = await self.page(client.session_id)
        expected = {}
        for kind in TYPES:
            for dialect in ("wslink", "icd"):
                region = random_region(source, WIDTH, HEIGHT, (kind,))
                if dialect == "wslink":
                    number = await put(client, 0, -1, region)
                else:
                    ack = await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=to_icd(region))
                    self.assertTrue(ack.success, ack.message)
                    number = ack.region_id
                expected[number] = (0, region)
        self.assertEqual(await regions_of(client), expected)

    def invalid(self):
        """(request, a word of the message)"""
        nan, inf = float("nan"), float("inf")
        for kind in TYPES:
            least, most = POINTS[kind]
            fair = [(10.0 + i, 20.0 - i) for i in range(least)]
            yield set_region(0, -1, info(kind, fair[:-1])), "control_points"
            yield set_region(0, -1, info(kind, [])), "control_points"
            if most < 9:
                yield set_region(0, -1, info(kind, [*fair, (1, 1)])), "control_points"
            for bad in (nan, inf, -inf):
                yield set_region(0, -1, info(kind, [(bad, 1), *fair[1:]])), "control_points[0]"
                yield set_region(0, -1, info(kind, [*fair[:-1], (1, bad)])), f"control_points[{least - 1}]"
                yield set_region(0, -1, info(kind, fair, bad)), "rotation"
            if kind in SIZED:
                yield set_region(0, -1, info(kind, [(1, 1), (-3, 4)])), "sizes"
                yield set_region(0, -1, info(kind, [(1, 1), (3, -4)])), "sizes"
            if kind in SIZED[:4]:
                yield set_region(0, -1, info(kind, [(1, 1), (0, 4)])), "sizes"
        yield set_region(0, -1, {**BOX, "region_type": "ANNULUS"}), "region_type"
        for region_id in (0, -2, -(2**31)):
            yield set_region(0, region_id, BOX), "region_id"
        yield set_region(99, -1, BOX), "99"

    async def test_what_makes_no_sense_is_refused(self):
        client = await self.two_files()
        page = await self.page(client.session_id)
        for request, word in self.invalid():
            ack = await client.call("carta.set.region", request)
            self.assertEqual((ack["success"], ack["region_id"]), (False, request["region_id"]), request)
            self.assertIn(word, ack["message"], request)
            by_icd = await page.ask("SET_REGION", **{**request, "region_info": icd.RegionInfo(
                region_type=5 if request["region_info"]["region_type"] == "ANNULUS" else TYPES[request["region_info"]["region_type"]],
                control_points=[icd.Point(**point) for point in request["region_info"]["control_points"]], rotation=request["region_info"]["rotation"])})  # fmt: skip
            self.assertEqual((by_icd.success, by_icd.message), (False, ack["message"]))
        self.assertEqual(await regions_of(client), {})
        for bad, path in (({"region_type": "SQUARE"}, "region_type"), ({"control_points": 5}, "control_points"), ({"control_points": [{"x": "a"}]}, "control_points[0].x"),
                          ({"rotation": []}, "rotation"), ({"width": 3}, "width")):  # fmt: skip
            await self.fails(client.call("carta.set.region", set_region(0, -1, {**BOX, **bad})), -32602, path)
        ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1})
        self.assertFalse(ack["success"])
        self.assertEqual(await put(client, 0, -1, BOX), 1)
        self.alive()

    async def test_a_refused_change_leaves_the_region(self):
        client = await self.two_files()
        number = await put(client, 0, -1, BOX)
        for request, _ in self.invalid():
            if request["region_id"] == -1:
                self.assertFalse((await client.call("carta.set.region", {**request, "region_id": number}))["success"])
        self.assertEqual(await regions_of(client), {number: (0, BOX)})

    async def test_a_polygon_of_very_many_vertices(self):
        client = await self.two_files()
        angle = numpy.linspace(0, 2 * numpy.pi, 100_000, endpoint=False)
        region = info("POLYGON", numpy.stack([45 + 30 * numpy.cos(angle), 35 + 30 * numpy.sin(angle)], 1).tolist())
        self.assertEqual(await put(client, 0, -1, region), 1)
        more = info("POLYGON", [(i % 7, i % 5) for i in range(300_000)])
        ack = await client.call("carta.set.region", set_region(0, -1, more))
        self.assertFalse(ack["success"])
        self.assertIn("at most", ack["message"])
        await client.call("carta.set.stats.requirements", stats_requirement(0, 1))
        message = await client.next(STATS, lambda m: m["region_id"] == 1)
        x, y = numpy.meshgrid(numpy.arange(WIDTH), numpy.arange(HEIGHT))
        distance = numpy.hypot(x - 45, y - 35)
        good = numpy.isfinite(VALUES[0])
        count = message["statistics"][0]["value"]
        self.assertTrue((good & (distance < 29.999)).sum() <= count <= (good & (distance < 30.001)).sum(), count)

    async def test_a_change_sends_again(self):
        client = await self.two_files()
        number = await put(client, 0, -1, BOX)
        await client.call("carta.set.stats.requirements", stats_requirement(0, number))
        check_statistics(await client.next(STATS), BOX, VALUES[0])
        for step in range(1, 5):
            region = info("ELLIPSE", [(40 + step, 30), (12, 9 + step)], 10 * step)
            self.assertEqual(await put(client, 0, number, region), number)
            message = await client.next(STATS)
            self.assertEqual((message["file_id"], message["region_id"], message["channel"]), (0, number, 0))
            check_statistics(message, region, VALUES[0])
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 2})
        message = await client.next(STATS)
        self.assertEqual(message["channel"], 2)
        check_statistics(message, region, VALUES[2])

    async def test_a_preview_changes_nothing(self):
        client = await self.two_files()
        page = await self.page(client.session_id)
        number = await put(client, 0, -1, BOX)
        await client.call("carta.set.stats.requirements", stats_requirement(0, number))
        await client.next(STATS)
        await settled(client)
        client.forget()
        moved = info("RECTANGLE", [(50, 40), (20, 10)])
        for region_id in (number, -1, 77):
            self.assertIsNone(await client.call("carta.set.region", set_region(0, region_id, moved, preview_region=True)))
            await page.tell("SET_REGION", file_id=0, region_id=region_id, region_info=to_icd(moved), preview_region=True)
        await page.ask("FILE_LIST_REQUEST", directory="")  # answered: what came before has been read
        await settled(client)
        self.assertEqual([entry for entry in page.log if entry[0] == "SET_REGION_ACK"], [])
        self.assertEqual(client.published.get(STATS, []), [])
        self.assertEqual(await regions_of(client), {number: (0, BOX)})

    async def test_removal_is_silent(self):
        client = await self.two_files()
        page = await self.page(client.session_id)
        number = await put(client, 0, -1, BOX)
        await client.call("carta.set.stats.requirements", stats_requirement(0, number))
        await client.next(STATS)
        for region_id in (number, number, 12345, 0, -1, -(2**31), 2**31 - 1):
            self.assertIsNone(await client.call("carta.remove.region", {"region_id": region_id}))
            await page.tell("REMOVE_REGION", region_id=region_id)
        self.assertEqual(await regions_of(client), {})
        # What a page sends afterwards.
        for method, field in (("stats", "stats_configs"), ("histogram", "histograms"), ("spectral", "spectral_profiles"), ("spatial", "spatial_profiles")):
            self.assertIsNone(await client.call(f"carta.set.{method}.requirements", {"file_id": 0, "region_id": number, field: []}))
            await page.tell(f"SET_{method.upper()}_REQUIREMENTS", file_id=0, region_id=number)
        await settled(client)
        self.assertEqual(client.published.get(ERROR, []), [])
        self.assertTrue(await page.silence("ERROR_DATA", 0.05))
        client.forget()
        # The requirement went with its region.
        self.assertEqual(await put(client, 0, number, BOX), number)
        await settled(client)
        self.assertEqual(client.published.get(STATS, []), [])

    async def test_a_requirement_of_an_unknown_region_is_an_error(self):
        client = await self.two_files()
        for requirement in (stats_requirement(0, 5), stats_requirement(9, -1)):
            await self.fails(client.call("carta.set.stats.requirements", requirement))

    async def test_closing_files(self):
        client = await self.two_files()
        first, second = await put(client, 0, -1, BOX), await put(client, 1, -1, BOX)
        await client.call("carta.set.stats.requirements", stats_requirement(0, first))
        await client.next(STATS)
        await client.call("carta.close.file", {"file_id": 0})
        await settled(client)
        client.forget()
        self.assertEqual(await regions_of(client), {first: (0, BOX), second: (1, BOX)})
        await open_file(client, "cube.fits", 0)
        await settled(client)
        self.assertEqual(client.published.get(STATS, []), [], "its requirement was closed with the file")
        await client.call("carta.set.stats.requirements", stats_requirement(0, first))
        check_statistics(await client.next(STATS), BOX, VALUES[0])
        await client.call("carta.close.file", {"file_id": -1})
        self.assertEqual(await regions_of(client), {})
        state = await client.call("session.state")
        self.assertEqual(state["files"], [])

    async def test_others_in_the_session_see_them_and_not_their_data(self):
        client = await self.two_files()
        other = await self.viewer(1, client.session_id)
        page = await self.page(client.session_id)
        other.forget()
        number = await put(client, 0, -1, BOX)
        change = await other.next(CHANGED, lambda m: m["what"].startswith("region"))
        self.assertEqual((change["region_id"], change["file_id"], plain(change["region_info"])), (number, 0, BOX))
        self.assertEqual(await regions_of(other), {number: (0, BOX)})
        await client.call("carta.set.stats.requirements", stats_requirement(0, number))
        check_statistics(await client.next(STATS), BOX, VALUES[0])
        moved = info("RECTANGLE", [(41, 30), (20, 10)])
        ack = await page.ask("SET_REGION", file_id=0, region_id=number, region_info=to_icd(moved))
        self.assertTrue(ack.success)
        check_statistics(await client.next(STATS), moved, VALUES[0])
        change = await other.next(CHANGED, lambda m: m["what"].startswith("region") and plain(m["region_info"]) == moved)
        await other.call("carta.set.stats.requirements", stats_requirement(0, number, ("Max",)))
        message = await other.next(STATS)
        self.assertEqual([one["stats_type"] for one in message["statistics"]], ["Max"])
        await page.tell("REMOVE_REGION", region_id=number)
        change = await other.next(CHANGED, lambda m: "region_ids" in m)
        self.assertEqual(change["region_ids"], [number])
        await settled(client)
        self.assertEqual([len(m["statistics"]) for m in other.published.get(STATS, [])], [])
        self.assertTrue(await page.silence("REGION_STATS_DATA", 0.05), "the page has required nothing")

    async def test_resume_brings_them(self):
        page = await self.page()
        shapes = {3: BOX, 5: info("POLYGON", [(1, 1), (20, 3), (9, 30)]), 8: info("ANNTEXT", [(4, 4), (0, 0)])}
        image = icd.ImageProperties(file="cube.fits", file_id=0, hdu="0", regions={i: to_icd(s) for i, s in shapes.items()})
        image.regions[0].CopyFrom(to_icd(info("POINT", [(7, 8)])))
        ack = await page.ask("RESUME_SESSION", images=[image])
        self.assertTrue(ack.success, ack.message)
        client = await self.viewer(2, page.session)
        self.assertEqual(await regions_of(client), {i: (0, s) for i, s in shapes.items()})
        self.assertEqual((await client.call("session.state"))["files"][0]["cursor"], {"x": 7.0, "y": 8.0})
        self.assertEqual(await put(client, 0, -1, BOX), 9)
        # Some that make no sense are named, and the others are there.
        again = icd.ImageProperties(file="cube.fits", file_id=0, hdu="0", regions={3: to_icd(shapes[5]), 4: to_icd(info("ELLIPSE", [(1, 1)]))})
        ack = await page.ask("RESUME_SESSION", images=[again])
        self.assertIn("region 4", ack.message)
        self.assertEqual((await regions_of(client))[3], (0, shapes[5]))

    async def test_the_limit_of_regions(self):
        page = await self.page()
        point = to_icd(info("POINT", [(1, 1)]))
        image = icd.ImageProperties(file="cube.fits", file_id=0, hdu="0")
        for number in range(1, 100_001):
            image.regions[number].CopyFrom(point)
        ack = await page.ask("RESUME_SESSION", images=[image])
        self.assertTrue(ack.success, ack.message)
        ack = await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=point)
        self.assertFalse(ack.success)
        self.assertIn("at most 100000 regions", ack.message)
        self.assertTrue((await page.ask("SET_REGION", file_id=0, region_id=77, region_info=to_icd(BOX))).success)
        await page.tell("REMOVE_REGION", region_id=500)
        self.assertTrue((await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=point)).success)
        await page.tell("CLOSE_FILE", file_id=-1)
        self.assertEqual((await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=point)).success, False)
        self.assertLess(self.server.memory(), 400 << 20)

    async def test_twenty_thousand(self):
        client = await self.two_files()
        source = random.Random(9)
        shapes = [random_region(source, WIDTH, HEIGHT, CLOSED) for _ in range(20_000)]
        requests = [set_region(0, -1, shape) for shape in shapes]
        begun = time.monotonic()
        answers = [(await client.start("carta.set.region", [request]))[1] for request in requests]
        ids = [(await asyncio.wait_for(answer, PATIENCE))["result"]["region_id"] for answer in answers]
        self.assertEqual(ids, list(range(1, 20_001)))
        set_at = time.monotonic()
        listed = await client.call("session.state")
        self.assertEqual([(one["region_id"], plain(one["region_info"])) for one in listed["regions"]], list(zip(ids, shapes)))
        listed_at = time.monotonic()
        answers = [(await client.start("carta.remove.region", [{"region_id": number}]))[1] for number in ids]
        for answer in answers:
            self.assertIsNone((await asyncio.wait_for(answer, PATIENCE)).get("error"))
        ended = time.monotonic()
        self.assertEqual(await regions_of(client), {})
        print(f"20000 regions by this client: set {set_at - begun:.2f} s, listed {listed_at - set_at:.2f} s, removed {ended - listed_at:.2f} s")
        await settled(client)
        self.assertLess(self.server.memory(), 400 << 20)


class Restarts(unittest.IsolatedAsyncioTestCase):
    """What the store keeps."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        temporary = tempfile.TemporaryDirectory(prefix="cubelink-test-")
        self.addCleanup(temporary.cleanup)
        self.store = f"{temporary.name}/store.sqlite"
        self.folder = Path(temporary.name) / "images"
        self.folder.mkdir()
        write_images(self.folder)
        self.server = None
        self.addCleanup(self.stop)

    def start(self):
        self.server = Server(PROGRAM, str(self.folder), "--store", self.store).__enter__()

    def stop(self):
        server, self.server = self.server, None
        if server:
            server.__exit__()

    async def client(self, session_id=0):
        client = await connect(self.server.url, self.server.secret)
        self.addAsyncCleanup(client.close, 1001)
        client.ack = await client.call("carta.register.viewer", {"session_id": session_id})
        client.server = self.server
        return client

    async def kept(self, session, *texts):
        async def there():
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
            return row and all(text in row[0] for text in texts)

        await until(there, f"{texts} in the store")

    async def comes_back(self, end):
        self.start()
        client = await self.client()
        session = client.ack["session_id"]
        await open_file(client, "cube.fits", 0)
        shapes = {1: BOX, 2: info("ANNELLIPSE", [(5, 5), (3.5, 2.25)], 33), 4: info("POLYGON", [(1, 1), (20, 3), (9, 30)])}
        for number, shape in shapes.items():
            await put(client, 0, number, shape)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 3})
        await client.call("carta.set.stats.requirements", stats_requirement(0, 4))
        await client.call("carta.set.stats.requirements", stats_requirement(0, 1, ("Max",)))
        await client.next(STATS, lambda m: m["region_id"] == 1)
        await self.kept(session, '"statistics"', '"region"', '"channel":3')
        await asyncio.get_running_loop().run_in_executor(None, end)
        self.start()
        again = await self.client(session)
        self.assertEqual(again.ack["session_type"], "RESUMED")
        self.assertEqual(await regions_of(again), {i: (0, shape) for i, shape in shapes.items()})
        check_statistics(await again.next(STATS, lambda m: m["region_id"] == 4 and m["channel"] == 3), shapes[4], VALUES[3])
        message = await again.next(STATS, lambda m: m["region_id"] == 1 and m["channel"] == 3)
        self.assertEqual([one["stats_type"] for one in message["statistics"]], ["Max"])
        self.assertGreater(await put(again, 0, -1, BOX), 4)

    async def test_after_sigterm(self):
        await self.comes_back(self.stop)

    async def test_after_kill(self):
        def kill():
            self.server.process.kill()
            self.server.process.wait()
            self.server = None

        await self.comes_back(kill)

    async def test_saved_regions_that_make_no_sense(self):
        self.start()
        client = await self.client()
        await open_file(client, "cube.fits", 0)
        await put(client, 0, 1, BOX)
        session = client.ack["session_id"]
        await self.kept(session, '"region"')
        await asyncio.get_running_loop().run_in_executor(None, self.stop)
        with sqlite3.connect(self.store) as database:
            state = json.loads(database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()[0])
            good = next(one for one in state["objects"] if one["kind"] == "region")
            for number, changes in enumerate(({"type": 5}, {"points": [1]}, {"points": ["a", "b", "c", "d"]}, {"points": None}, {"rotation": None}, {"id": -3},
                                              {"file_id": "x"}, {"points": [1, 1, -4, 4]}, {"points": [1e300, 1, 1, 1]}), 10):  # fmt: skip
                state["objects"].append({**good, "id": number, **changes})
            state["objects"].append({**good, "id": 40})
            database.execute("UPDATE sessions SET state = ? WHERE id = ?", (json.dumps(state), session))
        self.start()
        again = await self.client(session)
        self.assertEqual(await regions_of(again), {1: (0, BOX), 40: (0, BOX)})


class RandomRegions(RegionTest):
    """Random calls of two connections of one session, against a model of what the session has."""

    async def run_one(self, seed):
        source = random.Random(seed)
        first = await self.two_files(1 + seed % 2)
        second = await self.viewer(2 - seed % 2, first.session_id)
        clients = [first, second]
        files, regions, highest, channel = {0, 1}, {}, 0, 0
        required = [{}, {}]  # of each client: (file, region) → types
        for _ in range(25):
            me = source.randrange(2)
            client = clients[me]
            await settled(first)
            await settled(second)
            for one in clients:
                one.forget()
            act = source.choice(["new", "new", "new", "change", "change", "change", "remove", "require", "require", "forget", "close", "all", "channel", "bad"])
            due = set()  # (client, file, region)
            if act == "new" and files:
                number, file_id = source.choice([-1, -1, highest + source.randrange(1, 5)]), source.choice(sorted(files))
                shape = random_region(source, WIDTH, HEIGHT)
                got = await put(client, file_id, number, shape)
                self.assertEqual(got, highest + 1 if number == -1 else number)
                highest, regions[got] = max(highest, got), (file_id, shape)
            elif act == "change" and regions and files:
                number = source.choice(sorted(regions))
                shape = random_region(source, WIDTH, HEIGHT, CLOSED)
                file_id = source.choice(sorted(files))
                changed = regions[number] != (file_id, shape)
                self.assertEqual(await put(client, file_id, number, shape), number)
                regions[number] = (file_id, shape)
                due = {(who, f, r) for who in (0, 1) for f, r in required[who] if r == number} if changed else set()
            elif act == "remove":
                number = source.choice([*regions, 999])
                await client.call("carta.remove.region", {"region_id": number})
                regions.pop(number, None)
                for table in required:
                    for key in [key for key in table if key[1] == number]:
                        del table[key]
            elif act == "require" and files:
                choices = [(f, r) for r, (f, shape) in regions.items() if f in files and shape["region_type"] in CLOSED]
                if choices:
                    key = source.choice(sorted(choices))
                    types = tuple(source.sample(["NumPixels", "Sum", "Mean", "Min"], 2)) + ("NumPixels", "Sum")
                    types = tuple(dict.fromkeys(types))
                    again = required[me].get(key) == types
                    required[me][key] = types
                    await client.call("carta.set.stats.requirements", stats_requirement(*key, types))
                    due = set() if again else {(me, *key)}
            elif act == "forget" and required[me]:
                key = source.choice(sorted(required[me]))
                del required[me][key]
                await client.call("carta.set.stats.requirements", stats_requirement(*key, ()))
            elif act == "close" and files:
                file_id = source.choice(sorted(files))
                await client.call("carta.close.file", {"file_id": file_id})
                for table in required:
                    for key in [key for key in table if key[0] == file_id]:
                        del table[key]
                await open_file(client, ["cube.fits", "plain.fits"][file_id], file_id)
                channel = 0 if file_id == 0 else channel
            elif act == "all" and source.random() < 0.3:
                await client.call("carta.close.file", {"file_id": -1})
                regions, required = {}, [{}, {}]
                for file_id, name in enumerate(["cube.fits", "plain.fits"]):
                    await open_file(client, name, file_id)
                channel = 0
            elif act == "channel":
                before, channel = channel, source.randrange(DEPTH)
                await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel})
                due = {(who, f, r) for who in (0, 1) for f, r in required[who] if f == 0} if channel != before else set()
            elif act == "bad":
                number = source.choice([-1, *regions])
                ack = await client.call("carta.set.region", set_region(0, number, info("RECTANGLE", [(1, 1), (-1, 1)])))
                self.assertFalse(ack["success"])
            self.assertEqual(await regions_of(clients[1 - me]), regions, act)
            for who, file_id, number in sorted(due):
                message = await clients[who].next(STATS, lambda m: (m["file_id"], m["region_id"]) == (file_id, number))
                self.assertEqual(tuple(one["stats_type"] for one in message["statistics"]), required[who][file_id, number])
                plane = VALUES[channel] if file_id == 0 else VALUES[0]
                of_file, shape = regions[number]
                if of_file != file_id:  # the two have no sky in common
                    plane = numpy.full_like(plane, numpy.nan)
                check_statistics(message, shape, plane)
            for one in clients:
                self.assertEqual(one.published.get(ERROR, []), [], act)
        for one in clients:
            await one.close()

    async def test_random_sequences(self):
        end = time.monotonic() + SECONDS
        seed = first = SEED * 1000
        while time.monotonic() < end:
            seed += 1
            try:
                await self.run_one(seed)
            except Exception as problem:
                raise AssertionError(f"seed {seed}: {problem}") from problem
        print(f"seeds {first + 1} to {seed}")


if __name__ == "__main__":
    unittest.main()
