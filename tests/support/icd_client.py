"""An ICD client for tests: the ICD's framing and messages, the latter by classes that protoc makes of our schema at the first import.

    client = await connect(port, "secret")
    ack = await client.ask("OPEN_FILE", file="a.fits", file_id=0)      # the event's answer
    await client.tell("SET_CURSOR", file_id=0, point=icd.Point(x=1, y=2))
    data = await client.next("SPATIAL_PROFILE_DATA")
"""

import asyncio
import atexit
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import websockets

from patience import PATIENCE, open_socket

ROOT = Path(__file__).resolve().parents[2]
HEADER = struct.Struct("<HHI")


def _made_messages():
    folder = tempfile.mkdtemp(prefix="cubelink-icd-")
    atexit.register(shutil.rmtree, folder, True)
    schema = sorted(str(path) for path in (ROOT / "rpc/icd").glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={ROOT}", f"--python_out={folder}", *schema], check=True)
    sys.path.insert(0, folder)
    modules = [__import__(f"rpc.icd.{Path(path).stem}_pb2", fromlist=["x"]) for path in schema]
    sys.path.remove(folder)
    return modules


class _Messages:
    """All message types and enum values by name: icd.OpenFile, icd.RESUMED."""

    def __init__(self):
        for module in _made_messages():
            for name in dir(module):
                if not name.startswith("_"):
                    setattr(self, name, getattr(module, name))


icd = _Messages()
EVENTS = dict(icd.EventType.items())
NAMES = {number: name for name, number in EVENTS.items()}


def message_type(event):
    option = icd.EventType.DESCRIPTOR.values_by_name[event].GetOptions().Extensions[icd.event_message]
    return getattr(icd, option or "".join(part.capitalize() for part in event.split("_")))


def reply_of(event):
    return icd.EventType.DESCRIPTOR.values_by_name[event].GetOptions().Extensions[icd.event_reply]


class IcdClient:
    def __init__(self, socket, version):
        self.socket, self.version = socket, version
        self.count = 0
        self.log = []  # (event, version, request id, message) and text frames, in the order of the wire
        self.waiting = {}  # request id → future
        self.streams = []  # what nobody has taken yet
        self.arrived = asyncio.Condition()
        self.closed = None
        self.reader = asyncio.ensure_future(self._read())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self, code=1000):
        await self.socket.close(code)
        await asyncio.gather(self.reader, return_exceptions=True)

    def cut(self):
        """Gone without a word."""
        self.socket.transport.abort()

    async def _read(self):
        try:
            async for frame in self.socket:
                await self._take(frame)
        except websockets.ConnectionClosed:
            pass
        self.closed = (self.socket.close_code, self.socket.close_reason)
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"closed: {self.closed}"))
        async with self.arrived:
            self.arrived.notify_all()

    async def _take(self, frame):
        if isinstance(frame, str) or len(frame) < HEADER.size:
            entry = ("TEXT" if isinstance(frame, str) else "SHORT", None, None, frame)
        else:
            number, version, request = HEADER.unpack_from(frame)
            message = message_type(NAMES[number]).FromString(frame[HEADER.size :]) if number else None
            entry = (NAMES[number], version, request, message)
        self.log.append(entry)
        future = self.waiting.pop(entry[2], None) if entry[2] else None
        if future and not future.done():
            future.set_result(entry)
        else:
            self.streams.append(entry)
        async with self.arrived:
            self.arrived.notify_all()

    def frame(self, event, message=None, request=None, version=None):
        if request is None:
            self.count += 1
            request = self.count
        payload = b"" if message is None else message.SerializeToString()
        return request, HEADER.pack(EVENTS[event] if isinstance(event, str) else event, version or self.version, request) + payload

    async def tell(self, event, **fields):
        _, frame = self.frame(event, message_type(event)(**fields))
        await self.socket.send(frame)

    async def ask(self, event, timeout=PATIENCE, **fields):
        request, frame = self.frame(event, message_type(event)(**fields))
        future = asyncio.get_running_loop().create_future()
        self.waiting[request] = future
        await self.socket.send(frame)
        name, self.answered_in, _, message = await asyncio.wait_for(future, timeout)
        assert name == reply_of(event), (name, message)
        return message

    async def next(self, event, match=lambda message: True, timeout=PATIENCE):
        async def wait():
            async with self.arrived:
                while True:
                    for i, entry in enumerate(self.streams):
                        if entry[0] == event and match(entry[3]):
                            return self.streams.pop(i)[3]
                    if self.closed:
                        raise ConnectionError(f"closed: {self.closed}")
                    await self.arrived.wait()

        return await asyncio.wait_for(wait(), timeout)

    async def silence(self, event, seconds=0.3):
        try:
            await self.next(event, timeout=seconds)
            return False
        except asyncio.TimeoutError:
            return True


async def connect(port, token=None, path="/", version=30, **options):
    query = f"?token={token}" if token is not None else ""
    socket = await open_socket(f"ws://127.0.0.1:{port}{path}{query}", **options)
    return IcdClient(socket, version)
