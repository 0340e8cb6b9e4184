"""A wslink client for tests, of both generations, written from the description of the wire alone. Frames can be looked at raw."""

import asyncio
import json
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import msgpack
import websockets

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))
from patience import PATIENCE, open_socket  # noqa: E402

ATTACHMENT = re.compile(r"^wslink_bin\d+$")


class Server:
    """A server process on a free port. `with Server(program, …) as server: server.port`."""

    def __init__(self, program, *arguments, environment=None, secret="wslink-secret"):
        self.secret = secret
        self.process = subprocess.Popen(
            [program, "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if not os.environ.get("SHOW_LOG") else None, text=True,
            env={**os.environ, **(environment or {})})
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line == "wslink: Starting factory\n":
                break
        else:
            raise RuntimeError(f"{program} did not start: {self.process.wait()}")
        self.port = int(re.search(r"://[^/]*:(\d+)/", self.lines[0]).group(1))
        self.url = f"ws://127.0.0.1:{self.port}/ws"

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    async def ended(self):
        """The exit status of a server that is to end by itself."""
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    def stop(self, timeout=PATIENCE):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Failure(Exception):
    def __init__(self, error):
        super().__init__(str(error))
        self.code, self.message, self.data = error["code"], error["message"], error.get("data")


class Client:
    """Reads messages in the background; replies by id, publications in `published`, everything in order in `arrived`."""

    def __init__(self, socket, generation):
        self.socket, self.generation = socket, generation
        self.waiting, self.published, self.arrived = {}, [], []
        self.client_id, self.max_size, self.count, self.attachments = "c0", 4 << 20, 0, 0
        self.news = asyncio.Condition()
        self.reader = None

    @classmethod
    async def open(cls, server, generation, secret=None, hello=True, **options):
        socket = await open_socket(server.url, **options)
        client = cls(socket, generation)
        client.start()
        if hello:
            result = await client.hello(server.secret if secret is None else secret)
            client.client_id = result["clientID"]
            client.hello_result = result
        return client

    def start(self):
        self.reader = asyncio.create_task(self._read())

    async def close(self, code=1000):
        await self.socket.close(code)
        if self.reader:
            await asyncio.gather(self.reader, return_exceptions=True)

    async def hello(self, secret):
        return await self.call("wslink.hello", {"secret": secret}, id="system:c0:0")

    # ---- sending

    def encode(self, message, frame_size=None):
        """The frames of a message, for the generation of this client."""
        if self.generation == 1:
            frames = []

            def replace(value):
                if isinstance(value, (bytes, bytearray)):
                    key = f"wslink_bin{self.attachments}"
                    self.attachments += 1
                    frames.append(json.dumps({"wslink": "1.0", "method": "wslink.binary.attachment", "args": [key]}))
                    frames.append(bytes(value))
                    return key
                if isinstance(value, (list, tuple)):
                    return [replace(item) for item in value]
                if isinstance(value, dict):
                    return {key: replace(item) for key, item in value.items()}
                return value

            text = json.dumps(replace(message))
            return [*frames, text]
        data = msgpack.packb(message)
        size = (frame_size or self.max_size) - 12
        identity = random.getrandbits(32)
        return [struct.pack("<III", identity, offset, len(data)) + data[offset:offset + size] for offset in range(0, len(data), size)]

    async def send(self, method, *args, id=None, **kwargs):
        """Sends a call; the future of its reply message."""
        self.count += 1
        id = id or f"rpc:{self.client_id}:{self.count}"
        future = asyncio.get_running_loop().create_future()
        self.waiting[id] = future
        for frame in self.encode({"wslink": "1.0", "id": id, "method": method, "args": list(args), "kwargs": kwargs}):
            await self.socket.send(frame)
        return future

    async def call(self, method, *args, id=None, timeout=PATIENCE, **kwargs):
        reply = await asyncio.wait_for(await self.send(method, *args, id=id, **kwargs), timeout)
        if "error" in reply:
            raise Failure(reply["error"])
        return reply["result"]

    async def failure(self, method, *args, **options):
        try:
            result = await self.call(method, *args, **options)
        except Failure as failure:
            return failure
        raise AssertionError(f"{method} did not fail but gave {result!r}")

    # ---- receiving

    async def _read(self):
        partial, pending, blobs = {}, [], {}
        try:
            async for frame in self.socket:
                if len(frame) == 0 and not pending:  # with a header before it, it is an empty attachment
                    await self._arrived("heartbeat")
                elif self.generation == 1:
                    if isinstance(frame, bytes):
                        blobs[pending.pop(0)] = frame
                        continue
                    message = json.loads(frame)
                    if message.get("method") == "wslink.binary.attachment":
                        pending += message["args"]
                        continue
                    assert not pending, "a message came between an attachment's header and its frame"
                    await self._arrived(self._fill(message, blobs))
                    assert not blobs, f"attachments that nothing names: {list(blobs)}"
                else:
                    identity, offset, total = struct.unpack_from("<III", frame)
                    assert len(frame) <= self.max_size, "a frame is larger than maxMsgSize"
                    buffer = partial.setdefault(identity, [bytearray(total), 0])
                    buffer[0][offset:offset + len(frame) - 12] = frame[12:]
                    buffer[1] += len(frame) - 12
                    if buffer[1] == total:
                        del partial[identity]
                        await self._arrived(msgpack.unpackb(bytes(buffer[0]), strict_map_key=False))
        except websockets.ConnectionClosed:
            pass
        finally:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError(f"closed: {self.socket.close_code} {self.socket.close_reason}"))
                    future.exception()

    def _fill(self, value, blobs):
        if isinstance(value, str) and ATTACHMENT.match(value) and value in blobs:
            return blobs.pop(value)
        if isinstance(value, list):
            return [self._fill(item, blobs) for item in value]
        if isinstance(value, dict):
            return {key: self._fill(item, blobs) for key, item in value.items()}
        return value

    async def _arrived(self, message):
        async with self.news:
            self.arrived.append(message)
            if isinstance(message, dict):
                if message["id"].startswith("publish:"):
                    self.published.append((message["id"].split(":")[1], message["result"]))
                elif message["id"] in self.waiting:
                    future = self.waiting.pop(message["id"])
                    if not future.done():
                        future.set_result(message)
            self.news.notify_all()

    async def publications(self, count, timeout=PATIENCE):
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: len(self.published) >= count), timeout)
        return self.published[:count]

    async def closed(self, timeout=PATIENCE):
        """The code with which the connection ended."""
        await asyncio.wait_for(self.socket.wait_closed(), timeout)
        return self.socket.close_code


def run(tests, program):
    """Runs coroutine functions that take the path of the program; the exit status says whether all went well."""
    failed, passed = [], 0
    only = sys.argv[2:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        try:
            asyncio.run(asyncio.wait_for(test(program), 5 * PATIENCE))
            print("ok  ", test.__name__, flush=True)
            passed += 1
        except BaseException as error:  # an assertion, a time-out, a lost connection: each is a failure of this test
            import traceback

            traceback.print_exc()
            print("FAIL", test.__name__, repr(error), flush=True)
            failed.append(test.__name__)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0
