#!/usr/bin/python3
"""Two crowds at the image server, one after the other: clients of all three dialects that open, look, read and listen, share sessions, come back to them, and ask for
nonsense; that drop, stop reading, and write the files anew that others look at.

    image_soak.py PROGRAM        a cubelink, usually one built with a sanitizer

Every call must be answered, or its connection be closed with a code and a reason; when all have left, nothing may be held for anybody and
nothing may be computed; memory must not grow; the server must end well when told to, without a word of its sanitizer.
CUBELINK_SOAK_SECONDS (15), CUBELINK_SOAK_CLIENTS (40) and CUBELINK_SOAK_SEED change what they say.
"""

import asyncio
import collections
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "support")]

import numpy  # noqa: E402
import websockets  # noqa: E402
from astropy.io import fits  # noqa: E402

import icd_client  # noqa: E402
import rest  # noqa: E402
import wslink_client  # noqa: E402
from cubelink_server import Server  # noqa: E402
from wslink_values import random_value  # noqa: E402

SECONDS = float(os.environ.get("CUBELINK_SOAK_SECONDS", "15"))
CLIENTS = int(os.environ.get("CUBELINK_SOAK_CLIENTS", "40"))
SEED = int(os.environ.get("CUBELINK_SOAK_SEED", "0")) or random.randrange(1, 2**32)
REASONS = {1001, 1002, 1003, 1007, 1008, 1009, 1013}
ANSWER_WITHIN = 180
HELD = ("wslink_connections", "wslink_inbox_bytes", "wslink_outbox_bytes", "cubelink_sessions", "cubelink_jobs_waiting", "cubelink_jobs_running")
FILES = ("image.fits", "cube.fits", "stokes.fits", "double.fits", "packed.fits.fz", "cube.fits.gz", "huge.fits", "written.fits", "text.fits", "none.fits", "../x.fits", "")


def make_files(folder):
    numbers = numpy.random.default_rng(SEED)
    image = numbers.normal(size=(700, 900)).astype("f4")
    image[::7, ::5] = numpy.nan
    fits.writeto(f"{folder}/image.fits", image)
    fits.writeto(f"{folder}/written.fits", image[:300])
    fits.writeto(f"{folder}/cube.fits", numbers.normal(size=(40, 120, 130)).astype("f4"))
    fits.writeto(f"{folder}/cube.fits.gz", numbers.normal(size=(10, 60, 50)).astype("f4"))
    header = fits.Header([("CTYPE3", "FREQ"), ("CRVAL3", 1.4e9), ("CDELT3", 1e6), ("CTYPE4", "STOKES"), ("CRVAL4", 1.0), ("CDELT4", 1.0), ("CRPIX4", 1.0)])
    fits.writeto(f"{folder}/stokes.fits", numbers.normal(size=(4, 6, 90, 80)).astype("f4"), header)
    fits.writeto(f"{folder}/double.fits", numbers.normal(size=(5, 300, 200)))
    fits.CompImageHDU(numbers.normal(size=(300, 310)).astype("f4")).writeto(f"{folder}/packed.fits.fz")
    cards = ("SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    3", "NAXIS1  =                 8000",
             "NAXIS2  =                 8000", "NAXIS3  =                 2000", "END")
    with open(f"{folder}/huge.fits", "wb") as file:  # half a terabyte of holes
        file.write("".join(card.ljust(80) for card in cards).ljust(2880).encode())
        file.truncate(2880 + 8000 * 8000 * 2000 * 4)
    Path(f"{folder}/text.fits").write_text("no image " * 500)


class Wslink:
    """A client of either generation, with what all dialects here have in common."""

    def __init__(self, client):
        self.client, self.socket = client, client.socket

    async def ask(self, event, fields):
        return await self.client.reply("carta." + event.lower().replace("_", "."), fields, timeout=ANSWER_WITHIN)

    async def call(self, method, *arguments):
        return await self.client.reply(method, *arguments, timeout=ANSWER_WITHIN)

    def forget(self):
        self.client.forget()

    @property
    def reader(self):
        return self.client.reader


class Icd(Wslink):
    async def ask(self, event, fields):
        if event != "ADD_REQUIRED_TILES" and icd_client.reply_of(event):
            return {"result": await self.client.ask(event, timeout=ANSWER_WITHIN, **fields)}
        await self.client.tell(event, **fields)
        return {}

    async def call(self, method, *arguments):
        return {}

    def forget(self):
        self.client.log.clear()
        self.client.streams.clear()


class Crowd:
    def __init__(self, server, folder, number):
        self.server, self.folder, self.seed = server, folder, SEED + number
        self.counts = collections.Counter()
        self.wrong = []
        self.sessions = [0]
        self.end = time.monotonic() + SECONDS / 2

    def complain(self, text):
        self.counts["wrong"] += 1
        if len(self.wrong) < 20:
            self.wrong.append(text)

    async def connect(self, source):
        if source.random() < 0.35:
            client = Icd(await icd_client.connect(self.server.port, self.server.secret, ping_interval=None, close_timeout=20))
        else:
            client = Wslink(await wslink_client.connect(self.server.url, self.server.secret, source.choice((1, 2))))
        self.counts["connections"] += 1
        client.dropped = False
        return client

    async def drop(self, client):
        client.dropped = True
        client.socket.transport.abort()
        await asyncio.gather(client.reader, return_exceptions=True)

    async def asked(self, client, answer, what):
        """One call: its answer, or a connection that tells why it ends."""
        self.counts["calls"] += 1
        try:
            reply = await answer
            self.counts["answered"] += 1
            if "error" in reply:
                self.counts["refused"] += 1
            return reply.get("result")
        except asyncio.TimeoutError:
            self.complain(f"{what:.200} was not answered within {ANSWER_WITHIN} s")
        except (ConnectionError, websockets.ConnectionClosed):
            self.counts["calls on closed connections"] += 1
            socket = client.socket
            await asyncio.gather(client.reader, return_exceptions=True)
            if not client.dropped and (socket.close_code not in REASONS or not socket.close_reason):
                self.complain(f"{what:.200}: the connection ended with {socket.close_code} {socket.close_reason!r}")
            raise ConnectionError() from None

    async def ask(self, client, event, **fields):
        return await self.asked(client, client.ask(event, fields), f"{event} {fields}")

    async def call(self, client, method, *arguments):
        return await self.asked(client, client.call(method, *arguments), f"{method} {arguments}")

    # ---- what they do

    async def register(self, client, source):
        flags = source.choice((0, 0, 5))
        ack = await self.ask(client, "REGISTER_VIEWER", session_id=source.choice(self.sessions), client_feature_flags=flags)
        session = ack.session_id if isinstance(client, Icd) else ack["session_id"]
        self.sessions = (self.sessions + [session])[-12:]

    def tiles(self, source):
        layer = source.randrange(6)
        return [layer << 24 | source.randrange(1 << layer) << 12 | source.randrange(1 << layer) for _ in range(source.choice((1, 4, 30, 200)))]

    async def step(self, client, source):
        """One thing that a client does, usually one that makes sense."""
        file_id = source.randrange(3)
        kind = source.randrange(17)
        if kind <= 2:
            await self.ask(client, "OPEN_FILE", directory="", file=source.choice(FILES), hdu=source.choice(("", "", "", "0", "1", "x")), file_id=file_id)
        elif kind == 3:
            tiles = dict(file_id=file_id, tiles=self.tiles(source), compression_type=source.choice((0, 1, 1, 2)), compression_quality=source.choice((1, 11, 32)))
            if isinstance(client, Icd):
                tiles = icd_client.icd.AddRequiredTiles(**tiles)
            await self.ask(client, "SET_IMAGE_CHANNELS", file_id=file_id, channel=source.randrange(-1, 45), stokes=source.choice((0, 0, 0, 1, 3, 13, 17)), required_tiles=tiles)
        elif kind == 4:
            await self.ask(client, "ADD_REQUIRED_TILES", file_id=file_id, tiles=self.tiles(source), compression_type=source.choice((0, 1)), compression_quality=11)
        elif kind <= 6:
            for _ in range(source.randrange(1, 8)):
                point = dict(x=source.randrange(-5, 150), y=source.randrange(-5, 150))
                await self.ask(client, "SET_CURSOR", file_id=file_id, point=icd_client.icd.Point(**point) if isinstance(client, Icd) else point)
        elif kind == 7:
            await self.ask(client, "SET_SPATIAL_REQUIREMENTS", file_id=file_id, region_id=0, spatial_profiles=[{"coordinate": c, "mip": source.choice((0, 1, 4))} for c in source.sample(("x", "y", "Qx", "Ptotaly"), 2)]
                           if not isinstance(client, Icd) else [])
        elif kind == 8:
            await self.ask(client, "SET_SPECTRAL_REQUIREMENTS", file_id=file_id, region_id=0, spectral_profiles=[] if isinstance(client, Icd) else [{"coordinate": source.choice(("z", "Qz", "Plinearz")), "stats_types": [4]}])
        elif kind == 9:
            region, channel = source.choice(((-1, -1), (-2, -2), (-1, 3), (5, -1)))
            configs = [] if isinstance(client, Icd) or source.random() < 0.3 else [{"channel": channel, "coordinate": "z", "fixed_num_bins": source.random() < 0.5, "num_bins": source.choice((1, 10, 100_000))}]
            await self.ask(client, "SET_HISTOGRAM_REQUIREMENTS", file_id=file_id, region_id=region, histograms=configs)
        elif kind == 10:
            await self.ask(client, "SET_STATS_REQUIREMENTS", file_id=file_id, region_id=-1, stats_configs=[] if isinstance(client, Icd) else [{"coordinate": "z", "stats_types": ["Mean", "Sum", "Max"]}])
        elif kind == 11:
            blocks = [(file_id, source.choice((None, [0, 60], [0, 8000, 97], 3)), source.choice(([0, 60], [0, 60, 7], None)), source.choice((0, [0, 5], [0, 3])), 0) for _ in range(source.randrange(1, 6))]
            await asyncio.gather(*(self.call(client, "image.read", *block) for block in blocks))
        elif kind == 12:
            await self.ask(client, "CLOSE_FILE", file_id=source.choice((file_id, file_id, -1, 7)))
        elif kind == 13:
            await self.ask(client, "FILE_LIST_REQUEST", directory=source.choice(("", "", "..", "none")), filter_mode=source.choice((0, 1, 2)))
            await self.ask(client, "FILE_INFO_REQUEST", directory="", file=source.choice(FILES), hdu="")
        elif kind == 14:
            for method in ("session.state", "session.connections", "server.info", "pubsub.subscriptions"):
                await self.call(client, method)
            await self.call(client, "image.to_world", file_id, [[1.0, 2.0]] * source.choice((1, 1000)))
            await self.call(client, "image.header", file_id)
        elif kind == 15:
            await self.call(client, "pubsub.subscribe", source.choice(("carta.raster.tile.data", "carta.error.data", "session.changed")), source.choice(({}, {"file_id": 0}, {"view": "any"}, 5)))
        elif not isinstance(client, Icd):
            event = source.choice(("OPEN_FILE", "SET_CURSOR", "ADD_REQUIRED_TILES", "SET_IMAGE_CHANNELS", "RESUME_SESSION", "SET_REGION", "MOMENT_REQUEST", "STOP_FILE_LIST"))
            await self.ask(client, event, **{source.choice(("file_id", "tiles", "images", "channel", "nonsense")): random_value(source, largest=50)})
            await self.call(client, source.choice(("image.read", "image.to_pixel", "store.set", "store.get")), *(random_value(source, largest=50) for _ in range(source.randrange(4))))

    async def stop_reading(self, client, source):
        """Tiles and blocks wait until reading goes on, or go with the connection."""
        await self.ask(client, "OPEN_FILE", directory="", file="huge.fits", hdu="", file_id=0)
        client.socket.transport.pause_reading()
        calls = [asyncio.create_task(self.call(client, "image.read", 0, [0, 2000], [0, 2000], 0, 0)) for _ in range(6)]
        calls.append(asyncio.create_task(self.ask(client, "ADD_REQUIRED_TILES", file_id=0, tiles=[5 << 24 | y << 12 | x for x in range(16) for y in range(16)], compression_type=0)))
        await asyncio.sleep(source.random() * 2)
        if source.random() < 0.4:
            await self.drop(client)
        else:
            client.socket.transport.resume_reading()
        await asyncio.gather(*calls, return_exceptions=True)

    async def live(self, number):
        source = random.Random(self.seed * 1000 + number)
        await asyncio.sleep(source.random())
        while time.monotonic() < self.end:
            client = None
            try:
                client = await self.connect(source)
                await self.register(client, source)
                if source.random() < 0.1:
                    await self.stop_reading(client, source)
                for _ in range(source.randrange(3, 40)):
                    if time.monotonic() > self.end:
                        break
                    await self.step(client, source)
                    client.forget()
                if source.random() < 0.1:
                    await self.call(client, "session.close")
                if source.random() < 0.4:
                    await self.drop(client)
                else:
                    await client.client.close(source.choice((1000, 1001, 3000)))
            except (ConnectionError, websockets.ConnectionClosed):
                self.counts["ended by the server"] += 1
            except Exception as error:  # whatever it is, the crowd goes on and the soak has failed
                self.complain(f"client {number}: {error!r:.300}")
            finally:
                if client and not client.socket.closed:
                    await self.drop(client)

    async def write_anew(self):
        for i in range(10**9):
            await asyncio.sleep(0.3)
            shutil.copyfile(f"{self.folder}/{('image.fits', 'cube.fits')[i % 2]}", f"{self.folder}/new")
            os.replace(f"{self.folder}/new", f"{self.folder}/written.fits")

    async def run(self):
        writer = asyncio.create_task(self.write_anew())
        await asyncio.gather(*(self.live(number) for number in range(CLIENTS)))
        writer.cancel()


def processor_time(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idles(pid):
    """Whether a process does next to nothing for a second."""
    before = processor_time(pid)
    time.sleep(1)
    return processor_time(pid) - before < 0.5


def soak(program):
    check = rest.Checks()
    # A small quarantine: freed memory that is kept back would look like memory that is lost.
    os.environ["ASAN_OPTIONS"] = "detect_leaks=1:quarantine_size_mb=8:" + os.environ.get("ASAN_OPTIONS", "")
    os.environ["TSAN_OPTIONS"] = "ignore_noninstrumented_modules=1:halt_on_error=1:" + os.environ.get("TSAN_OPTIONS", "")
    print(f"{CLIENTS} clients, {SECONDS:.0f} s, seed {SEED}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        server = Server(program, folder, "--store", f"{folder}/store.sqlite", "--log-level", "error", "--memory-limit", "64M", "--session-grace", "5", "--threads", "4", secret="soak")
        failure = ""
        try:
            with server:
                idle = lambda: check("and nothing is computed", rest.until(lambda: idles(server.process.pid), 60))  # noqa: E731
                rest.two_crowds(check, server, lambda number: Crowd(server, folder, number), CLIENTS, HELD, idle)
                descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
                check("no file is open", descriptors < 40, descriptors)
        except RuntimeError as error:
            failure = str(error)
        check("the server ends when told to", not failure, failure)
        findings = [line for line in "".join(server.errors).splitlines() if re.search(r"Sanitizer|runtime error|transport: |terminate called", line)]
        check("no sanitizer said a word", not findings, "\n    ".join(findings[:10]))
        if findings:
            print("".join(server.errors)[:20000])
    return check.close()


if __name__ == "__main__":
    sys.exit(soak(sys.argv[1]))
