"""A wslink client for tests, of both generations, written from the protocol and not from our own clients.

    async with await connect(url, "secret", generation=2) as client:
        result = await client.call("carta.open.file", {...})
        message = await client.next("carta.region.histogram.data")

`client.log` holds everything that came, in the order of the wire: ("reply", id, message) and ("publish", topic, value).
"""

import asyncio
import json
import os
import re
import struct

import msgpack
import websockets

from patience import PATIENCE, open_socket

CHUNK = struct.Struct("<III")


class CallFailed(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code, self.message, self.data = error.get("code"), error.get("message"), error.get("data")


class Client:
    def __init__(self, socket):
        self.socket = socket
        self.log = []
        self.waiting = {}  # id → future
        self.published = {}  # topic → list of values that nobody has taken yet
        self.arrived = asyncio.Condition()
        self.count = 0
        self.client_id = None
        self.closed = None
        self.reader = asyncio.ensure_future(self._read())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self, code=1000):
        await self.socket.close(code)
        await asyncio.gather(self.reader, return_exceptions=True)

    async def _read(self):
        try:
            async for frame in self.socket:
                for message in self.decode(frame):
                    await self._take(message)
        except websockets.ConnectionClosed:
            pass
        self.closed = (self.socket.close_code, self.socket.close_reason)
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"closed: {self.closed}"))
        async with self.arrived:
            self.arrived.notify_all()

    async def _take(self, message):
        kind, _, rest = message["id"].partition(":")
        if kind == "publish":
            topic = rest.rpartition(":")[0]
            self.log.append(("publish", topic, message["result"]))
            self.published.setdefault(topic, []).append(message["result"])
        else:
            self.log.append(("reply", message["id"], message))
            future = self.waiting.pop(message["id"], None)
            if future and not future.done():
                future.set_result(message)
        async with self.arrived:
            self.arrived.notify_all()

    async def start(self, method, args=(), kwargs=None, id=None):
        """Sends a call; returns its id and a future of the whole reply."""
        if id is None:
            id = f"rpc:{self.client_id}:{self.count}"
            self.count += 1
        future = asyncio.get_running_loop().create_future()
        self.waiting[id] = future
        for frame in self.encode({"wslink": "1.0", "id": id, "method": method, "args": list(args), "kwargs": kwargs or {}}):
            await self.socket.send(frame)
        return id, future

    async def reply(self, method, *args, timeout=PATIENCE, **kwargs):
        _, future = await self.start(method, args, kwargs)
        return await asyncio.wait_for(future, timeout)

    async def call(self, method, *args, timeout=PATIENCE, **kwargs):
        reply = await self.reply(method, *args, timeout=timeout, **kwargs)
        if "error" in reply:
            raise CallFailed(reply["error"])
        return reply["result"]

    async def hello(self, secret):
        _, future = await self.start("wslink.hello", [{"secret": secret}], {}, id="system:c0:0")
        reply = await asyncio.wait_for(future, PATIENCE)
        if "error" in reply:
            raise CallFailed(reply["error"])
        self.client_id = reply["result"]["clientID"]
        return reply["result"]

    async def next(self, topic, match=lambda value: True, timeout=PATIENCE):
        """The next publication on a topic that matches, taken out of `published`."""

        async def wait():
            async with self.arrived:
                while True:
                    values = self.published.get(topic, [])
                    for i, value in enumerate(values):
                        if match(value):
                            return values.pop(i)
                    if self.closed:
                        raise ConnectionError(f"closed: {self.closed}")
                    await self.arrived.wait()

        return await asyncio.wait_for(wait(), timeout)

    async def silence(self, topic, seconds=0.3):
        """True if nothing comes on the topic for a while."""
        try:
            await self.next(topic, timeout=seconds)
            return False
        except asyncio.TimeoutError:
            return True

    def forget(self):
        self.log.clear()
        self.published.clear()


class MsgpackClient(Client):
    """Generation 2: msgpack maps, in chunks."""

    chunk = 512 * 1024

    def __init__(self, socket):
        self.unfinished = {}
        super().__init__(socket)

    def encode(self, message):
        data = msgpack.packb(message, use_bin_type=True)
        number = struct.unpack("<I", os.urandom(4))[0]
        for offset in range(0, len(data), self.chunk):
            yield CHUNK.pack(number, offset, len(data)) + data[offset : offset + self.chunk]

    def decode(self, frame):
        if isinstance(frame, str):
            raise AssertionError("a text frame in generation 2")
        if not frame:
            return
        number, offset, total = CHUNK.unpack_from(frame)
        buffer, have = self.unfinished.setdefault(number, [bytearray(total), 0])
        piece = frame[CHUNK.size :]
        buffer[offset : offset + len(piece)] = piece
        self.unfinished[number][1] = have = have + len(piece)
        if have == total:
            del self.unfinished[number]
            yield msgpack.unpackb(bytes(buffer), raw=False, strict_map_key=False)


class JsonClient(Client):
    """Generation 1: JSON text, bytes in frames of their own."""

    def __init__(self, socket):
        self.attachments = {}
        self.expected = []
        self.made = 0
        super().__init__(socket)

    def encode(self, message):
        frames = []

        def detach(value):
            if isinstance(value, (bytes, bytearray)):
                self.made += 1
                key = f"wslink_bin{self.made}"
                frames.append(json.dumps({"wslink": "1.0", "method": "wslink.binary.attachment", "args": [key]}))
                frames.append(bytes(value))
                return key
            if isinstance(value, dict):
                return {k: detach(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [detach(v) for v in value]
            return value

        text = json.dumps(detach(message))
        return [*frames, text]

    def decode(self, frame):
        if isinstance(frame, (bytes, bytearray)):
            if self.expected:
                self.attachments[self.expected.pop(0)] = bytes(frame)
            return
        if not frame:
            return
        message = json.loads(frame)
        if message.get("method") == "wslink.binary.attachment":
            self.expected.extend(message["args"])
            return
        yield self._attach(message)

    def _attach(self, value):
        if isinstance(value, str) and re.fullmatch(r"wslink_bin\d+", value) and value in self.attachments:
            return self.attachments.pop(value)
        if isinstance(value, dict):
            return {k: self._attach(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._attach(v) for v in value]
        return value


async def connect(url, secret=None, generation=2, **options):
    """Connects and, if a secret is given, says hello."""
    socket = await open_socket(url, **options)
    client = (MsgpackClient if generation == 2 else JsonClient)(socket)
    if secret is not None:
        await client.hello(secret)
    return client
