"""Hostile calls and frames. After each: an error on what has an id and the connection lives, or it is closed with a code and a reason; the
connections and sessions of others notice nothing; memory stays bounded."""

import asyncio
import json
import os
import random
import struct
import unittest

import msgpack
import numpy
import websockets
from astropy.io import fits

from harness import HISTOGRAM, PATIENCE, ServerTest, get_tiles, open_file, settled, tile_code, until
from patience import open_socket

CHUNK = struct.Struct("<III")
MIB = 1 << 20


def chunk(payload, total=None, offset=0, number=77):
    return CHUNK.pack(number, offset, len(payload) if total is None else total) + payload


def call(method, *args, id="rpc:x:1", **kwargs):
    return {"wslink": "1.0", "id": id, "method": method, "args": list(args), "kwargs": kwargs}


class HostileFrames(ServerTest):
    @classmethod
    def make_files(cls, folder):
        cls.image = numpy.random.default_rng(1).normal(size=(300, 700)).astype("f4")
        fits.writeto(folder / "image.fits", cls.image)
        fits.writeto(folder / "cube.fits", numpy.zeros((4, 30, 40), "f4"))

    async def asyncSetUp(self):
        """Another user, who must notice nothing."""
        await super().asyncSetUp()
        self.witness = await self.viewer(1)
        await open_file(self.witness, "image.fits")
        await self.witness.next(HISTOGRAM)
        await settled(self.witness)
        self.witness.forget()
        self.memory = self.server.memory()

    async def asyncTearDown(self):
        self.alive()
        self.assertEqual(self.witness.log, [], "another session was told something")
        self.assertEqual(list((await get_tiles(self.witness, 0, [0])).values())[0]["width"], 175)
        self.assertLess(self.server.memory() - self.memory, (600 if "asan" in self.server.command[0] else 150) * MIB)

    async def raw(self):
        socket = await open_socket(self.server.url)
        self.addAsyncCleanup(socket.close)
        return socket

    async def greeted(self, generation):
        socket = await self.raw()
        hello = call("wslink.hello", {"secret": self.server.secret}, id="system:c0:0")
        await socket.send(json.dumps(hello) if generation == 1 else chunk(msgpack.packb(hello)))
        await asyncio.wait_for(socket.recv(), PATIENCE)
        return socket

    async def ends(self, socket, *frames, codes=(1002, 1003, 1007, 1009), what=""):
        """The frames get the connection closed, with one of the codes and a reason."""
        try:
            for frame in frames:
                await socket.send(frame)
        except websockets.ConnectionClosed:
            pass
        try:
            while True:
                await asyncio.wait_for(socket.recv(), PATIENCE)
        except websockets.ConnectionClosed:
            pass
        except asyncio.TimeoutError:
            self.fail(f"{what}: the connection was not closed")
        self.assertIn(socket.close_code, codes, what)
        self.assertTrue(socket.close_reason, f"{what}: closed with {socket.close_code} and no reason")

    async def answers(self, socket, generation, message_or_frame, *more):
        """What comes back for a frame, as a message."""
        for frame in (message_or_frame, *more):
            await socket.send(frame)
        data = await asyncio.wait_for(socket.recv(), PATIENCE)
        return json.loads(data) if generation == 1 else msgpack.unpackb(data[12:], strict_map_key=False)

    # ---- who may come in

    async def test_secrets(self):
        for generation in (1, 2):
            for secret in ("", "wrong", self.server.secret[:-1], self.server.secret + "x", None, 7, [self.server.secret], {}, "x" * 300):
                client = await self.client_without_hello(generation)
                with self.subTest(generation=generation, secret=str(secret)[:20]):
                    await self.fails(client.hello(secret), -32000, "Authentication failed")
                    for method in ("server.info", "carta.register.viewer", "no.such.method", "wslink.hello"):
                        await self.fails(client.call(method), -32000, "Unauthorized")
                    await client.hello(self.server.secret)
                    self.assertEqual((await client.call("server.info"))["name"], "Cubelink")
            client = await self.client_without_hello(generation)
            for _ in range(5):
                try:
                    await client.hello("wrong")
                except Exception:
                    pass
            await asyncio.wait_for(client.reader, PATIENCE)
            self.assertGreaterEqual(client.closed[0], 1000)
            self.assertTrue(client.closed[1], "closed without a reason")

    async def client_without_hello(self, generation):
        return await self.client_of(generation, None)

    async def client_of(self, generation, secret):
        from wslink_client import connect

        client = await connect(self.server.url, secret, generation)
        self.addAsyncCleanup(client.close)
        return client

    async def test_large_before_hello(self):
        socket = await self.raw()
        await self.ends(socket, chunk(b"x" * 600), what="a large first frame")
        socket = await self.raw()
        await self.ends(socket, CHUNK.pack(1, 0, 2**32 - 1) + b"x", what="4 GiB promised before hello")
        socket = await self.raw()
        await self.ends(socket, json.dumps(call("wslink.hello", {"secret": "x" * 100000})), what="a large text before hello")

    # ---- calls

    async def test_calls_before_registering(self):
        for generation in (1, 2):
            client = await self.client(generation)
            with open(os.path.join(os.path.dirname(__file__), "..", "..", "rpc", "icd", "icd30.json")) as file:
                schema = json.load(file)
            names = [event["name"] for event in schema["events"] if event["direction"] == "frontend->backend"]
            self.assertGreater(len(names), 40)
            for name in names:
                method = "carta." + name.lower().replace("_", ".")
                if name not in ("REGISTER_VIEWER", "EMPTY_EVENT"):
                    await self.fails(client.call(method), -32001, "register")
            for method in ("image.read", "image.header", "session.state", "session.close"):
                await self.fails(client.call(method) if method.startswith("session") else client.call(method, file_id=0), -32001, "register")
            self.assertEqual((await client.call("server.info"))["icd_version"], 30)

    async def test_wrong_arguments(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "image.fits")
            good = {"file_id": 0, "tiles": [0]}
            deep = current = {}
            for _ in range(50):
                current["x"] = {}
                current = current["x"]
            for method, args, kwargs, code, text in (
                ("no.such.method", [], {}, -32601, "no.such.method"), ("", [], {}, -32601, ""), ("carta.", [], {}, -32601, ""),
                ("carta.raster.tile.data", [], {}, -32601, ""), ("CARTA.OPEN.FILE", [], {}, -32601, ""), ("wslink.hello", [{"secret": "x"}], {}, -32601, ""),
                ("carta.add.required.tiles", [good, good], {}, -32602, ""), ("carta.add.required.tiles", [good], {"file_id": 0}, -32602, ""),
                ("carta.add.required.tiles", [7], {}, -32602, ""), ("carta.add.required.tiles", [[good]], {}, -32602, ""),
                ("carta.add.required.tiles", ["text"], {}, -32602, ""), ("carta.add.required.tiles", [{"file_id": "0"}], {}, -32602, "file_id"),
                ("carta.add.required.tiles", [{"file_id": 0.5}], {}, -32602, "file_id"), ("carta.add.required.tiles", [{"file_id": 2**31}], {}, -32602, "file_id"),
                ("carta.add.required.tiles", [{"file_id": -(2**31) - 1}], {}, -32602, "file_id"), ("carta.add.required.tiles", [{"file_id": 1e300}], {}, -32602, "file_id"),
                ("carta.add.required.tiles", [{"file_id": [0]}], {}, -32602, "file_id"), ("carta.add.required.tiles", [{"file_id": True}], {}, -32602, "file_id"),
                ("carta.add.required.tiles", [{"tiles": 0}], {}, -32602, "tiles"), ("carta.add.required.tiles", [{"tiles": [0, "a"]}], {}, -32602, "tiles[1]"),
                ("carta.add.required.tiles", [{"tiles": [0, None]}], {}, -32602, "tiles[1]"), ("carta.add.required.tiles", [{"nonsense": 1}], {}, -32602, "nonsense"),
                ("carta.add.required.tiles", [{"compression_type": "ZIP"}], {}, -32602, "compression_type"), ("carta.add.required.tiles", [deep], {}, -32602, "x"),
                ("carta.add.required.tiles", [{"compression_quality": "high"}], {}, -32602, "compression_quality"),
                ("carta.add.required.tiles", [{"file_id": 0, "fileId": 0}], {}, -32602, "file"), ("carta.open.file", [{"file": 7}], {}, -32602, "file"),
                ("carta.open.file", [{"file": b"image.fits"}], {}, -32602, "file"), ("carta.open.file", [{"lel_expr": "yes"}], {}, -32602, "lel_expr"),
                ("carta.open.file", [{"render_mode": 99.5}], {}, -32602, "render_mode"), ("carta.set.cursor", [{"point": {"x": "a"}}], {}, -32602, "point.x"),
                ("carta.set.cursor", [{"point": [1, 2]}], {}, -32602, "point"), ("carta.set.cursor", [{"point": {"z": 1}}], {}, -32602, "point.z"),
                ("carta.set.cursor", [{"file_id": 0, "point": {"x": float("nan"), "y": 0}}], {}, -32602, "point.x"),
                ("carta.set.cursor", [{"file_id": 0, "point": {"x": float("inf"), "y": 0}}], {}, -32602, "point.x"), ("carta.set.cursor", [{"file_id": 0}], {}, -32602, "point"),
                ("carta.set.spatial.requirements", [{"spatial_profiles": [{"coordinate": 1}]}], {}, -32602, "spatial_profiles[0].coordinate"),
                ("carta.set.spatial.requirements", [{"file_id": 0, "spatial_profiles": [{"coordinate": "x", "start": -1}]}], {}, -32602, "start"),
                ("carta.set.spatial.requirements", [{"file_id": 0, "spatial_profiles": [{"coordinate": "x", "start": 9, "end": 3}]}], {}, -32602, "end"),
                ("carta.set.spatial.requirements", [{"file_id": 0, "spatial_profiles": [{"coordinate": "x", "mip": -2}]}], {}, -32602, "mip"),
                ("carta.set.histogram.requirements", [{"file_id": 0, "region_id": -1, "histograms": [{"fixed_num_bins": True, "num_bins": 2**31 - 1}]}], {}, -32602, "num_bins"),
                ("carta.set.histogram.requirements", [{"file_id": 0, "region_id": -1, "histograms": [{"channel": 9}]}], {}, -32602, "channel"),
                ("image.read", [], {}, -32602, "file_id"), ("image.read", [0, 1, 2, 3, 4, 5], {}, -32602, ""), ("image.read", [], {"file_id": 0, "z": 1}, -32602, "z"),
                ("image.read", [0, [0, 701]], {}, -32602, "x"), ("image.read", [0, [5, 5]], {}, -32602, "x"), ("image.read", [0, [0, 5, 0]], {}, -32602, "x"),
                ("image.read", [0, [0, 5, -1]], {}, -32602, "x"), ("image.read", [0, "all"], {}, -32602, "x"), ("image.read", [0, [0, 2**62]], {}, -32602, "x"),
                ("image.read", [0, -1], {}, -32602, "x"), ("image.read", [0, 700], {}, -32602, "x"), ("image.read", [0], {"channel": 1}, -32602, "channel"),
                ("image.read", [0], {"stokes": 13}, -32602, "stokes"),
                ("server.info", [1], {}, -32602, ""), ("session.state", [], {"x": 1}, -32602, ""), ("pubsub.subscribe", [7], {}, -32602, "topic"),
                ("pubsub.subscribe", ["session.changed", 7], {}, -32602, "filter"), ("image.spectral_axis", [0], {"rest_freq": "1 GHz"}, -32602, "rest_freq"),
            ):  # fmt: skip
                with self.subTest(generation=generation, method=method, args=str(args)[:60], kwargs=str(kwargs)):
                    await self.fails(client.call(method, *args, **kwargs), code, text)
            self.assertIsNone(await client.call("carta.add.required.tiles", good))

    async def test_ids_out_of_range(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        for file_id in (1, -1, 2**31 - 1, -(2**31)):
            for method, more in (("carta.add.required.tiles", {"tiles": [0]}), ("carta.set.cursor", {"point": {"x": 1, "y": 1}}), ("carta.set.image.channels", {}),
                                 ("carta.set.spatial.requirements", {"spatial_profiles": [{"coordinate": "x"}]}), ("image.read", {}), ("image.header", {}),
                                 ("carta.set.histogram.requirements", {"region_id": -1, "histograms": [{"channel": -1}]}), ("carta.remove.required.tiles", {})):  # fmt: skip
                await self.fails(client.call(method, file_id=file_id, **more), -32001, str(file_id))
        for file_id in (1, -2, 2**31 - 1):
            await self.fails(client.call("carta.close.file", file_id=file_id), -32001, str(file_id))
        for channel, stokes in ((4, 0), (-1, 0), (2**31 - 1, 0), (-(2**31), 0), (0, 1), (0, -1), (0, 13), (0, 17), (0, 2**31 - 1)):
            await self.fails(client.call("carta.set.image.channels", file_id=0, channel=channel, stokes=stokes), -32001, "does not exist")
        for code in (tile_code(1, 0, 0), tile_code(0, 1, 0), tile_code(12, 4095, 4095), -1, 2**31 - 1, -(2**31), tile_code(13, 0, 0)):
            await self.fails(client.call("carta.add.required.tiles", file_id=0, tiles=[0, code]), -32602, "tiles[1]")
            await self.fails(client.call("carta.set.image.channels", file_id=0, required_tiles={"tiles": [code]}), -32602, "tiles[0]")
        ranges = {"channel_map_enabled": True, "required_tiles": {"tiles": [0]}}
        for low, high in ((0, 4), (-1, 2), (3, 2), (0, 2**31 - 1)):
            await self.fails(client.call("carta.set.image.channels", file_id=0, channel_range={"min": low, "max": high}, **ranges), -32602, "channel_range")
        for region in (1, 5, -3, 2**31 - 1):
            await self.fails(client.call("carta.set.spatial.requirements", file_id=0, region_id=region, spatial_profiles=[{"coordinate": "x"}]), -32001)

    async def test_hundred_thousand_tiles(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "image.fits")
            await self.fails(client.call("carta.add.required.tiles", file_id=0, tiles=list(range(100000))), -32602, "100000")
            await self.fails(client.call("carta.set.image.channels", file_id=0, required_tiles={"tiles": [0] * 100000}), -32602, "100000")
            # As many calls as that, on the other hand, are answered.
            futures = [(await client.start("carta.add.required.tiles", [{"file_id": 0, "tiles": [0], "compression_type": "NONE"}]))[1] for _ in range(3000)]
            for future in futures:
                self.assertIsNone((await asyncio.wait_for(future, PATIENCE))["result"])
            await settled(client)

    async def test_hundred_thousand_unanswered(self):
        """A client that asks and never reads costs a bounded amount of memory, and loses its own connection at most."""
        client = await self.viewer()
        await open_file(client, "image.fits")
        socket = await self.greeted(2)
        await socket.send(chunk(msgpack.packb(call("carta.register.viewer", {"session_id": client.session_id}))))
        await asyncio.wait_for(socket.recv(), PATIENCE)
        socket.transport.pause_reading()
        request = chunk(msgpack.packb(call("image.read", 0)))
        try:
            for _ in range(300):  # 840 kB each
                await asyncio.wait_for(socket.send(request), 2)
        except (asyncio.TimeoutError, websockets.ConnectionClosed):
            pass
        self.assertLess(self.server.memory() - self.memory, 600 * MIB)
        self.assertEqual((await client.call("server.info"))["name"], "Cubelink")
        socket.transport.abort()

        async def given_back():
            return self.server.memory() - self.memory < 100 * MIB

        await until(given_back, "the memory of who has left")

    # ---- frames, generation 2

    async def test_garbage(self):
        noise = random.Random(3)
        for size in (1, 5, 11, 12, 13, 50, 400):
            await self.ends(await self.raw(), noise.randbytes(size), what=f"{size} random bytes first")
        for size in (1, 11, 12, 13, 500, 100000):
            await self.ends(await self.greeted(2), noise.randbytes(size), what=f"{size} random bytes after hello")
        for seed in range(30):
            payload = random.Random(seed).randbytes(200)
            socket = await self.greeted(2)
            await socket.send(chunk(payload))
            # Some of it happens to be msgpack, which is no message: ignored or closed, but never silence for what comes after.
            await socket.send(chunk(msgpack.packb(call("server.info", id="rpc:x:9"))))
            try:
                await asyncio.wait_for(socket.recv(), PATIENCE)
            except websockets.ConnectionClosed:
                self.assertTrue(socket.close_reason)

    async def test_chunks(self):
        whole = msgpack.packb(call("server.info"))
        half = len(whole) // 2
        for what, *frames in (
            ("4 GiB promised", CHUNK.pack(1, 0, 2**32 - 1) + b"x"), ("more than 256 MiB promised", CHUNK.pack(1, 0, 257 * MIB) + b"x"),
            ("overlap", chunk(whole[:half], len(whole)), chunk(whole[half - 1 :], len(whole), half - 1)), ("twice", chunk(whole[:half], len(whole)), chunk(whole[:half], len(whole))),
            ("beyond the end", chunk(whole, len(whole) - 1)), ("offset beyond", chunk(b"xx", 10, 9)), ("offset huge", chunk(b"x", 10, 2**32 - 1)),
            ("another total", chunk(whole[:half], len(whole)), chunk(whole[half:], len(whole) + 1, half)), ("nothing of nothing", CHUNK.pack(1, 0, 0)),
            ("65 unfinished", *(chunk(b"x", 1000, 0, number) for number in range(65))), ("no header", b"\1\2\3"),
            ("frame too large", chunk(b"\0" * (5 * MIB))),
        ):  # fmt: skip
            with self.subTest(what=what):
                await self.ends(await self.greeted(2), *frames, what=what)
        # Text is not this connection's language any more: it is passed over.
        socket = await self.greeted(2)
        await socket.send("{}")
        self.assertEqual((await self.answers(socket, 2, chunk(whole)))["id"], "rpc:x:1")
        # What is merely odd goes through: any order, interleaved, single bytes, an empty frame in between (a heartbeat).
        socket = await self.greeted(2)
        other = msgpack.packb(call("server.info", id="rpc:x:2"))
        frames = [chunk(whole[i : i + 1], len(whole), i, 5) for i in range(len(whole))] + [chunk(other[i : i + 7], len(other), i, 6) for i in range(0, len(other), 7)]
        random.Random(2).shuffle(frames)
        for frame in frames[:-1]:
            await socket.send(frame)
        await socket.send(b"")
        await socket.send(frames[-1])
        seen = []
        while len([s for s in seen if s]) < 2:
            seen.append(await asyncio.wait_for(socket.recv(), PATIENCE))
        self.assertIn(b"", seen, "an empty frame is a heartbeat and is answered in kind")

    async def test_chunks_that_never_end(self):
        """Unfinished messages count against a budget: 256 MiB a connection. Only what has come is kept."""
        sockets = [await self.greeted(2) for _ in range(10)]
        for socket in sockets:
            for number in range(20):
                await socket.send(CHUNK.pack(number, 0, 200 * MIB) + b"x" * 100)
        self.assertLess(self.server.memory() - self.memory, 60 * MIB)
        for socket in sockets:
            await socket.close()
        socket = await self.greeted(2)
        piece = b"\0" * (4 * MIB - 12)
        await self.ends(socket, *(CHUNK.pack(i // 32, (i % 32) * len(piece), 250 * MIB) + piece for i in range(70)), what="more than 256 MiB unfinished")

    async def test_hostile_msgpack(self):
        def message(args):
            """A call whose args are raw bytes of msgpack."""
            return b"\x84" + b"".join(msgpack.packb(x) for x in ("id", "rpc:x:1", "method", "server.info", "kwargs", {}, "args")) + args

        # With an id to answer it would be answered; msgpack that cannot be decoded has none.
        for what, args in (
            ("2^32 elements", b"\xdd\xff\xff\xff\xff"), ("2^32 pairs", b"\xdf\xff\xff\xff\xff"), ("text of 4 GiB", b"\xdb\xff\xff\xff\xff"),
            ("bytes of 4 GiB", b"\xc6\xff\xff\xff\xff"), ("nested claims", b"\xdd\x00\x0f\xff\xff" * 60), ("20,000 levels of lists", b"\x91" * 20000 + b"\xc0"),
            ("20,000 levels of maps", b"\x81\xa1a" * 20000 + b"\xc0"), ("a byte that is no type", b"\xc1"), ("cut off", b"\x92\x01"),
            ("extension of 4 GiB", b"\xc9\xff\xff\xff\xff\x05"), ("invalid UTF-8", b"\x91\xa2\xff\xfe"), ("invalid UTF-8 as a key", b"\x91\x81\xa2\xff\xfe\x01"),
        ):  # fmt: skip
            with self.subTest(what=what):
                socket = await self.greeted(2)
                await socket.send(chunk(message(args)))
                try:
                    data = await asyncio.wait_for(socket.recv(), PATIENCE)
                    answer = msgpack.unpackb(data[12:])
                    self.assertIn("error", answer, answer)
                    self.assertEqual(answer["id"], "rpc:x:1")
                except websockets.ConnectionClosed:
                    self.assertIn(socket.close_code, (1002, 1003, 1007, 1009))
                    self.assertTrue(socket.close_reason)
        for what, payload in (("a list", msgpack.packb([1, 2])), ("a number", msgpack.packb(7)), ("nil", b"\xc0"), ("trailing bytes", msgpack.packb(call("server.info")) + b"\x00"),
                              ("method is a number", msgpack.packb({"id": "rpc:x:1", "method": 7})), ("args is a map", msgpack.packb({"id": "rpc:x:1", "method": "server.info", "args": {}})),
                              ("id is a number", msgpack.packb({"id": 7, "method": "server.info"})), ("no method", msgpack.packb({"id": "rpc:x:1"})),
                              ("keys twice", b"\x83\xa2id\xa7rpc:x:1\xa2id\xa7rpc:x:2\xa6method\xabserver.info"), ("keys are lists", b"\x81\x91\x01\x01")):  # fmt: skip
            with self.subTest(what=what):
                socket = await self.greeted(2)
                await socket.send(chunk(payload))
                await socket.send(chunk(msgpack.packb(call("server.info", id="rpc:x:99"))))
                try:
                    ids = []
                    while "rpc:x:99" not in ids:
                        answer = msgpack.unpackb((await asyncio.wait_for(socket.recv(), PATIENCE))[12:])
                        ids.append(answer["id"])
                        if answer["id"] != "rpc:x:99":
                            self.assertIn("error", answer, what)
                except websockets.ConnectionClosed:
                    self.assertIn(socket.close_code, (1002, 1003, 1007, 1009))
                    self.assertTrue(socket.close_reason)

    # ---- frames, generation 1

    async def test_hostile_json(self):
        deep = "[" * 20000 + "]" * 20000
        for what, text in (
            ("garbage", "garbage"), ("cut off", '{"id": "rpc:x:1", "method": "server.info"'), ("20,000 levels", '{"id":"rpc:x:1","method":"server.info","args":' + deep + "}"),
            ("unfinished levels", '{"id":"rpc:x:1","method":"server.info","args":' + "[" * 1000000), ("a list", "[1,2]"), ("a number", "7"), ("empty text in quotes", '""'),
            ("duplicate ids", '{"id":"rpc:x:1","id":"rpc:x:2","method":"server.info"}'), ("duplicate methods", '{"id":"rpc:x:1","method":"server.info","method":"session.close"}'),
            ("duplicate keys in arguments", '{"id":"rpc:x:1","method":"carta.open.file","args":[{"file":"a","file":"b"}]}'),
            ("comments", '{"id":"rpc:x:1",/* */"method":"server.info"}'), ("trailing comma", '{"id":"rpc:x:1","method":"server.info",}'), ("two messages", '{"id":"rpc:x:1","method":"server.info"}{}'),
            ("a lone surrogate", '{"id":"rpc:x:1","method":"carta.open.file","args":[{"file":"\\ud800"}]}'), ("huge number", '{"id":"rpc:x:1","method":"server.info","args":[1e999999]}'),
            ("long number", '{"id":"rpc:x:1","method":"server.info","args":[' + "9" * 100000 + "]}"), ("null character", '{"id":"rpc:x:1","method":"server.info","args":["a\0b"]}'),
            ("no id", '{"method":"server.info"}'), ("id is a number", '{"id":7,"method":"server.info"}'), ("args is a map", '{"id":"rpc:x:1","method":"server.info","args":{}}'),
            ("attachment header without keys", '{"method":"wslink.binary.attachment","args":[]}'), ("attachment keys are numbers", '{"method":"wslink.binary.attachment","args":[1]}'),
        ):  # fmt: skip
            with self.subTest(what=what):
                socket = await self.greeted(1)
                await socket.send(text)
                await socket.send(json.dumps(call("server.info", id="rpc:x:99")))
                try:
                    ids = []
                    while "rpc:x:99" not in ids:
                        answer = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
                        ids.append(answer["id"])
                        if answer["id"] != "rpc:x:99":
                            self.assertIn("error", answer, what)
                except websockets.ConnectionClosed:
                    self.assertIn(socket.close_code, (1002, 1003, 1007, 1009))
                    self.assertTrue(socket.close_reason)
        answer = await self.answers(await self.greeted(1), 1, '{"id":"rpc:x:1","method":"carta.open.file","args":[{"file":"a","file":"b"}]}')
        self.assertIn("error", answer)

    async def test_invalid_utf8_text(self):
        """A text frame that is no UTF-8, which no client library would send: the frame is made by hand."""
        for greeted in (False, True):
            socket = await (self.greeted(1) if greeted else self.raw())
            body = b'{"id":"\xff\xfe"}'
            mask = b"\1\2\3\4"
            socket.transport.write(bytes([0x81, 0x80 | len(body)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body)))
            await self.ends(socket, codes=(1007,), what="invalid UTF-8")

    async def test_attachments(self):
        """Binary frames without a header, headers without frames, keys that nobody uses."""
        await self.ends(await self.greeted(1), b"no header announced me", what="a binary frame out of the blue")
        header = json.dumps({"wslink": "1.0", "method": "wslink.binary.attachment", "args": ["wslink_bin1"]})
        # A message may come between: it is answered, and the bytes may follow.
        socket = await self.greeted(1)
        self.assertEqual((await self.answers(socket, 1, header, json.dumps(call("server.info"))))["result"]["name"], "Cubelink")
        answer = await self.answers(socket, 1, b"late", json.dumps(call("pubsub.subscribe", "wslink_bin1")))
        self.assertEqual(answer["error"]["code"], -32602)
        socket = await self.greeted(1)
        many = json.dumps({"wslink": "1.0", "method": "wslink.binary.attachment", "args": [f"wslink_bin{i}" for i in range(200000)]})
        await socket.send(many)
        try:
            await asyncio.wait_for(socket.recv(), 1)
        except (asyncio.TimeoutError, websockets.ConnectionClosed):
            pass
        # A key without its bytes stays the text that it is.
        answer = await self.answers(await self.greeted(1), 1, json.dumps(call("carta.open.file", {"file": "wslink_bin77"})))
        self.assertIn("error", answer)
        socket = await self.greeted(1)
        try:
            for i in range(80):  # 4 MiB each, never used: the connection's budget ends it
                await socket.send(json.dumps({"wslink": "1.0", "method": "wslink.binary.attachment", "args": [f"wslink_bin{i}"]}))
                await socket.send(b"\0" * (4 * MIB))
        except websockets.ConnectionClosed:
            pass
        try:
            await asyncio.wait_for(socket.recv(), PATIENCE)
        except websockets.ConnectionClosed:
            self.assertTrue(socket.close_reason)
        except asyncio.TimeoutError:
            self.fail("attachments that nobody uses were taken without end")

    async def test_protocol_errors(self):
        """Frames that the WebSocket protocol forbids, made by hand."""
        for what, data in (("unmasked", b"\x82\x01x"), ("reserved bits", b"\xf2\x80\0\0\0\0"), ("unknown opcode", b"\x83\x80\0\0\0\0"), ("fragmented ping", b"\x09\x80\0\0\0\0"),
                           ("continuation of nothing", b"\x80\x80\0\0\0\0"), ("length with the top bit", b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
                           ("8 EiB", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), ("long close", b"\x88\xfe\x00\x80\0\0\0\0" + b"\3\xe8" + b"x" * 126),
                           ("close of one byte", b"\x88\x81\0\0\0\0x")):  # fmt: skip
            for greeted in (False, True):
                with self.subTest(what=what, greeted=greeted):
                    socket = await (self.greeted(2) if greeted else self.raw())
                    socket.transport.write(data)
                    try:
                        await asyncio.wait_for(socket.recv(), PATIENCE)
                    except websockets.ConnectionClosed:
                        pass
                    # The peer's library may judge our close by its own state; what counts is that it ended and the server lives.
                    self.assertTrue(socket.closed)
        # Thousands of connections that say nothing, or go at once.
        for _ in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            writer.transport.abort()


if __name__ == "__main__":
    unittest.main()
