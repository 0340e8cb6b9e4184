#!/usr/bin/python3
"""Crowds of clients of both generations that call, publish, drop, stop reading, reconnect and send garbage: two, half a minute each.

    soak.py PROGRAM        a wslink_example_server, usually one built with a sanitizer

Every call must be answered rightly, or its connection be closed with a code and a reason; when all have left, nothing may be held for
anybody; memory must not grow; the server must end well when told to, without a word of its sanitizer. CUBELINK_SOAK_SECONDS (60),
CUBELINK_SOAK_CLIENTS (100) and CUBELINK_SOAK_SEED change what they say.
"""

import asyncio
import collections
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "server" / "net"), str(ROOT / "support")]

import rest  # noqa: E402
import websockets  # noqa: E402
from wslink_client import Client, Failure  # noqa: E402
from wslink_values import random_value, same  # noqa: E402

SECONDS = float(os.environ.get("CUBELINK_SOAK_SECONDS", "60"))
CLIENTS = int(os.environ.get("CUBELINK_SOAK_CLIENTS", "100"))
SEED = int(os.environ.get("CUBELINK_SOAK_SEED", "0")) or random.randrange(1, 2**32)
SECRET = "soak"
REASONS = {1001, 1002, 1003, 1007, 1008, 1009, 1013}
ANSWER_WITHIN = 180


class Server:
    def __init__(self, program):
        self.log = tempfile.TemporaryFile()
        environment = dict(os.environ)
        # A small quarantine: freed memory that is kept back would look like memory that is lost.
        environment["ASAN_OPTIONS"] = "detect_leaks=1:quarantine_size_mb=8:" + os.environ.get("ASAN_OPTIONS", "")
        environment["TSAN_OPTIONS"] = "ignore_noninstrumented_modules=1:halt_on_error=1:" + os.environ.get("TSAN_OPTIONS", "")
        self.process = subprocess.Popen([program, "--port", "0", "--authKey", SECRET], stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        first = self.process.stdout.readline()
        self.port = int(re.search(r"://[^/]*:(\d+)/", first).group(1))
        self.secret, self.url = SECRET, f"ws://127.0.0.1:{self.port}/ws"
        while "Starting factory" not in self.process.stdout.readline():
            pass

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            resident, of_files = map(int, file.read().split()[1:3])  # mapped files are page cache
        return (resident - of_files) * os.sysconf("SC_PAGESIZE")

    def gauge(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics?token={SECRET}", timeout=20) as answer:
            return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M).group(1))

    def findings(self):
        self.log.seek(0)
        text = self.log.read().decode("utf-8", "replace")
        return [line for line in text.splitlines() if re.search(r"Sanitizer|runtime error|transport: |terminate called", line)]


class Crowd:
    def __init__(self, server, number):
        self.server, self.seed = server, SEED + number
        self.counts = collections.Counter()
        self.wrong = []
        self.stuck = asyncio.Semaphore(3)  # clients that do not read at the same time, so that their outboxes have a known size
        self.end = time.monotonic() + SECONDS / 2

    def complain(self, text):
        self.counts["wrong"] += 1
        if len(self.wrong) < 20:
            self.wrong.append(text)

    async def ask(self, client, method, *args, expect=None):
        """One call. Its answer must be what is expected; if there is none, the server must have said why."""
        self.counts["calls"] += 1
        try:
            result = await client.call(method, *args, timeout=ANSWER_WITHIN)
            self.counts["answered"] += 1
            if expect is not None and not expect(result):
                self.complain(f"{method}{args!r:.200} gave {result!r:.200}")
        except Failure as failure:
            self.counts["answered"] += 1
            if method != "bench.raise":
                self.complain(f"{method}{args!r:.200} failed: {failure}")
        except asyncio.TimeoutError:
            self.complain(f"{method} was not answered within {ANSWER_WITHIN} s")
        except (ConnectionError, websockets.ConnectionClosed):
            self.ended(client)
            raise ConnectionError() from None

    def ended(self, client):
        """A connection that the server has ended must tell why."""
        self.counts["calls on closed connections"] += 1
        socket = client.socket
        if not getattr(client, "dropped", False) and (socket.close_code not in REASONS or not socket.close_reason):
            self.complain(f"a connection ended with {socket.close_code} {socket.close_reason!r}")

    async def open(self, generation, **options):
        client = await Client.open(self.server, generation, ping_interval=None, close_timeout=20, **options)
        self.counts["connections"] += 1
        return client

    async def drop(self, client):
        client.dropped = True
        client.socket.transport.abort()
        await asyncio.gather(client.reader, return_exceptions=True)

    # ---- what clients do; each returns when the connection is of no more use

    async def talk(self, client, source, topic):
        await self.ask(client, "pubsub.subscribe", topic)
        for _ in range(source.randrange(1, 25)):
            if time.monotonic() > self.end:
                break
            kind = source.randrange(8)
            if kind <= 2:
                value = random_value(source)
                await self.ask(client, "bench.echo", value, expect=lambda result: same(result, value))
            elif kind == 3:
                values = list(range(source.randrange(2, 40)))
                await asyncio.gather(*(self.ask(client, "bench.echo", value, expect=lambda result, value=value: result == value) for value in values))
            elif kind == 4:
                await self.ask(client, "bench.sleep", source.random() * 0.3, "tag", expect=lambda result: result == "tag")
            elif kind == 5:
                await self.ask(client, "bench.publish", topic, source.choice((10, 1000, 100_000)), source.randrange(1, 20))
            elif kind == 6:
                size = source.choice((0, 100, 70_000, 5 << 20))
                await self.ask(client, "bench.blob", size, expect=lambda result: len(result["data"]) == size)
            else:
                await self.ask(client, "bench.raise", "soak")
            client.arrived.clear()
            client.published.clear()
            await asyncio.sleep(source.random() * 0.05)

    async def stop_reading(self, client, source):
        """The server closes with 1013, or sends all when reading goes on."""
        async with self.stuck:
            client.socket.transport.pause_reading()
            count = source.choice((5, 90))
            calls = [asyncio.create_task(self.ask(client, "bench.blob", 1 << 20, expect=lambda result: len(result["data"]) == 1 << 20)) for _ in range(count)]
            await asyncio.sleep(0.5 + source.random())
            if source.random() < 0.3:
                await self.drop(client)
            else:
                client.socket.transport.resume_reading()
            await asyncio.gather(*calls, return_exceptions=True)

    async def send_garbage(self, client, source):
        good = client.encode({"wslink": "1.0", "id": "rpc:x:1", "method": "bench.echo", "args": [random_value(source)], "kwargs": {}})
        for _ in range(source.randrange(1, 6)):
            frame = source.choice(good)
            data = bytearray(frame.encode() if isinstance(frame, str) else frame)
            for _ in range(source.randrange(1, 8)):
                if data:
                    data[source.randrange(len(data))] = source.randrange(256)
            noise = source.choice((bytes(data), bytes(data[: source.randrange(len(data) + 1)]), source.randbytes(source.randrange(200))))
            await client.socket.send(noise.decode("utf-8", "replace") if source.random() < 0.5 else noise)
        await asyncio.sleep(source.random() * 0.2)
        self.counts["connections with garbage"] += 1
        if client.socket.closed and (client.socket.close_code not in REASONS or not client.socket.close_reason):
            self.complain(f"garbage was answered with {client.socket.close_code} {client.socket.close_reason!r}")
        await self.drop(client)

    async def raw_noise(self, source):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        upgrade = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        kind = source.randrange(4)
        writer.write(source.randbytes(500) if kind == 0 else upgrade[: source.randrange(len(upgrade))] if kind == 1 else upgrade + source.randbytes(source.randrange(300)))
        try:
            await writer.drain()
            if kind == 3:
                await asyncio.wait_for(reader.read(1000), source.random())
        except (ConnectionError, asyncio.TimeoutError):
            pass
        writer.transport.abort()
        self.counts["raw noise"] += 1

    async def wrong_secrets(self, source):
        client = await self.open(source.choice((1, 2)), hello=False)
        for i in range(5):
            await client.failure("wslink.hello", {"secret": "wrong"}, id=f"system:c0:{i}")
        if await client.closed() != 1008:
            self.complain(f"five wrong secrets closed with {client.socket.close_code}")

    async def live(self, number):
        source = random.Random(self.seed * 1000 + number)
        await asyncio.sleep(source.random() * 2)
        while time.monotonic() < self.end:
            kind = source.randrange(20)
            client = None
            try:
                if kind == 0:
                    await self.raw_noise(source)
                    continue
                if kind == 1:
                    await self.wrong_secrets(source)
                    continue
                client = await self.open(source.choice((1, 2)))
                if kind == 2:
                    await self.stop_reading(client, source)
                elif kind <= 5:
                    await self.send_garbage(client, source)
                else:
                    await self.talk(client, source, f"soak.{number % 10}")
                if source.random() < 0.3:
                    await self.drop(client)
                else:
                    await client.close()
            except (ConnectionError, websockets.ConnectionClosed):
                self.counts["ended by the server"] += 1
            except Exception as error:  # whatever it is, the crowd goes on and the soak has failed
                self.complain(f"client {number}: {error!r}")
            finally:
                if client and not client.socket.closed:
                    await self.drop(client)

    async def run(self):
        await asyncio.gather(*(self.live(number) for number in range(CLIENTS)))


def soak(program):
    check = rest.Checks()
    print(f"{CLIENTS} clients, {SECONDS:.0f} s, seed {SEED}", flush=True)
    server = Server(program)
    try:
        rest.two_crowds(check, server, lambda number: Crowd(server, number), CLIENTS, ("wslink_connections", "wslink_inbox_bytes", "wslink_outbox_bytes"))
        server.process.terminate()
        check("the server ends when told to", server.process.wait(60) == 0, f"status {server.process.returncode}")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
    findings = server.findings()
    check("no sanitizer said a word", not findings, "\n    ".join(findings[:10]))
    return check.close()


if __name__ == "__main__":
    sys.exit(soak(sys.argv[1]))
