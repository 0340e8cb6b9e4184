"""What one client, or one file, can cost: long lists, long names, many files, sessions and tiles, few descriptors, and SIGTERM amid work.

    bounds_test.py BUILD/server/cubelink
"""

import asyncio
import gzip
import os
import resource
import signal
import sys
import tempfile
import time
import traceback

import numpy
from astropy.io import fits

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))
from cubelink_server import Server  # noqa: E402
from patience import PATIENCE, paces, until  # noqa: E402
from wslink_client import CallFailed, connect  # noqa: E402

SYNC = "carta.raster.tile.sync"
SANITIZED = os.environ.get("CUBELINK_SANITIZED", "0") not in ("", "0")


def make_files(folder):
    fits.writeto(f"{folder}/image.fits", numpy.random.default_rng(1).normal(size=(300, 400)).astype("f4"))
    # A file of some bytes that says it has a spectrum of half a billion channels, most of them holes of the file system.
    header = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    3",
                                                 "NAXIS1  =                    1", "NAXIS2  =                    1", "NAXIS3  =            500000000",
                                                 "CTYPE3  = 'FREQ    '", "CRVAL3  = 1E9", "CRPIX3  = 1", "CDELT3  = 1", "END"))
    wide = header.replace("NAXIS1  =                    1", "NAXIS1  =            500000000").replace("NAXIS3  =            500000000", "NAXIS3  =                    1")
    for name, text in (("deep.fits", header), ("wide.fits", wide)):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(text.ljust(2880).encode())
            file.truncate(2880 + 500_000_000 + 2879)
    plane = header.replace("NAXIS1  =                    1", "NAXIS1  =                 8000").replace("NAXIS2  =                    1", "NAXIS2  =                 8000")
    plane = plane.replace("NAXIS3  =            500000000", "NAXIS3  =                    1").replace("BITPIX  =                    8", "BITPIX  =                  -32")
    with open(f"{folder}/plane.fits", "wb") as file:
        file.write(plane.ljust(2880).encode())
        file.truncate(2880 + 8000 * 8000 * 4 + 2879)
    # A cube of zeros, all of it holes.
    cube = header.replace("NAXIS1  =                    1", "NAXIS1  =                 2000").replace("NAXIS2  =                    1", "NAXIS2  =                 2000")
    cube = cube.replace("NAXIS3  =            500000000", "NAXIS3  =                   60").replace("BITPIX  =                    8", "BITPIX  =                  -32")
    with open(f"{folder}/cube.fits", "wb") as file:
        file.write(cube.ljust(2880).encode())
        file.truncate(2880 + 2000 * 2000 * 60 * 4 + 2879)
    # Much to look at for whoever asks what is in it.
    one = "".join(card.ljust(80) for card in ("XTENSION= 'IMAGE   '", "BITPIX  =                    8", "NAXIS   =                    2", "NAXIS1  =                    1",
                                              "NAXIS2  =                    1", "PCOUNT  =                    0", "GCOUNT  =                    1",
                                              "CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10", "CRVAL2  = 20", "CDELT1  = -0.1", "CDELT2  = 0.1", "END"))
    with open(f"{folder}/many.fits", "wb") as file:
        file.write("".join(card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END")).ljust(2880).encode())
        for _ in range(30_000):
            file.write(one.ljust(2880).encode() + bytes(2880))
    # 3.6 GB of zeros: members of a gzip file follow one another.
    head = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2", "NAXIS1  =                30000",
                                               "NAXIS2  =                30000", "END")).ljust(2880).encode()
    with open(f"{folder}/zeros.fits.gz", "wb") as file:
        file.write(gzip.compress(head, 1) + gzip.compress(bytes(100_000_000), 1) * 36 + gzip.compress(bytes(2880), 1))


async def viewer(server, **register):
    client = await connect(server.url, server.secret, 2)
    ack = await client.call("carta.register.viewer", {"session_id": 0, **register})
    assert ack["success"], ack
    return client


async def open_file(client, file, file_id=0):
    return await client.call("carta.open.file", {"directory": "", "file": file, "hdu": "", "file_id": file_id, "render_mode": "RASTER"})


async def fails(call, *words, code=None):
    try:
        result = await call
    except CallFailed as error:
        text = f"{error.message} {error.data}"
        assert all(word in text for word in words), text
        assert code is None or error.code == code, (error.code, text)
        return
    raise AssertionError(f"it should have failed with {words}, but gave {str(result)[:200]}")


def cpu_of(pid):
    """Seconds of processor time that a process has taken."""
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def cpu_of_the_ended():
    """The same of all that this program has started and waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


LIMITED = """
import os, resource, sys
program = os.open(sys.argv[2], os.O_RDONLY)
if os.getuid() == 0:  # whom no limit binds
    user = max(int(line.split(":")[2]) for line in open("/etc/passwd") if int(line.split(":")[2]) < 60000) + 4321
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[1]), int(sys.argv[1])))
os.execve(program, sys.argv[2:], {**os.environ, "HOME": "/"})
"""


class LimitedServer(Server):
    """One whose user may have so many threads."""

    def __init__(self, limit, *arguments):
        super().__init__(*arguments)
        self.command = ["/usr/bin/python3", "-c", LIMITED, str(limit), *self.command]


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


async def all_at_once(server, viewers=4):
    """All that takes threads, for several users. Returns the largest number of threads seen meanwhile."""
    most = 0

    async def watch():
        nonlocal most
        while True:
            most = max(most, threads_of(server.process.pid))
            await asyncio.sleep(0.002)

    async def user(number):
        async with await viewer(server) as client:
            assert (await open_file(client, "cube.fits"))["success"]
            await client.call("carta.set.histogram.requirements", {"file_id": 0, "region_id": -2, "histograms": [{"channel": -2, "coordinate": "z", "num_bins": -1}]})
            await client.call("carta.set.spectral.requirements", {"file_id": 0, "region_id": 0, "spectral_profiles": [{"coordinate": "z"}]})
            for channel in range(12):
                await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0, "required_tiles": {
                    "file_id": 0, "compression_type": "ZFP", "compression_quality": 11, "tiles": [3 << 24 | y << 12 | x for x in range(4) for y in range(3)]}})
                await client.call("carta.set.cursor", {"file_id": 0, "point": {"x": 100 * number, "y": channel}})
                await client.call("carta.file.list.request", {"directory": "", "filter_mode": 0})
                await asyncio.sleep(0.02)
            await client.next(SYNC, lambda s: s["end_sync"] and s["channel"] == 11)
            # Two planes read at once, in blocks for programs.
            await asyncio.gather(*(client.call("image.read", 0, [0, 2000], [0, 500], 0, 0) for _ in range(4)))

    watching = asyncio.ensure_future(watch())
    await asyncio.gather(*(user(number) for number in range(viewers)))
    watching.cancel()
    return most


class Tests:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def server(self, *options):
        return Server(self.program, self.folder, "--store", f"{self.folder}/store.sqlite", "--log-level", "error", *options)

    async def test_threads(self):
        """However much is asked for, the threads are at most 3 x --threads + 16."""
        for threads in (1, 2, 32):
            with self.server("--threads", threads) as server:
                most = await all_at_once(server)
                bound = 3 * threads + 16
                assert most <= bound, (threads, most)

    async def test_thread_limit(self):
        """Under a limit of the system's the server starts, serves and lives on, whatever --threads says."""
        if SANITIZED:
            return  # sanitizers have threads of their own
        os.chmod(self.folder, 0o777)
        for limit in (8, 9, 12, 60):
            with LimitedServer(limit, self.program, self.folder, "--store", f"{self.folder}/limited-{limit}.sqlite", "--log-level", "error", "--threads", "32") as server:
                most = await all_at_once(server, viewers=2)
                assert most <= limit, (limit, most)
                assert server.process.poll() is None

    async def test_lists(self):
        with self.server() as server:
            async with await viewer(server) as client:
                assert (await open_file(client, "image.fits"))["success"]
                many = 5000
                profiles = [{"coordinate": "x", "mip": 0}] * many
                await fails(client.call("carta.set.spatial.requirements", {"file_id": 0, "region_id": 0, "spatial_profiles": profiles}), "spatial_profiles", code=-32602)
                await fails(client.call("carta.set.cursor", {"file_id": 0, "point": {"x": 1, "y": 1}, "spatial_requirements": {"file_id": 0, "region_id": 0, "spatial_profiles": profiles}}),
                            "spatial_profiles", code=-32602)
                await fails(client.call("carta.set.histogram.requirements", {"file_id": 0, "region_id": -1, "histograms": [{"channel": -1, "coordinate": "z"}] * many}), "histograms", code=-32602)
                await fails(client.call("carta.set.stats.requirements", {"file_id": 0, "region_id": -1, "stats_configs": [{"coordinate": "z", "stats_types": ["Mean"] * many}]}),
                            "stats_configs[0].stats_types", code=-32602)
                await fails(client.call("pubsub.subscribe", "carta.error.data", {"a": "x" * 10000}), "filter", code=-32602)
                assert (await client.call("session.state"))["files"]

    async def test_names(self):
        with self.server() as server:
            async with await viewer(server) as client:
                for name in ("$BASE" * 1_000_000, "../" * 100_000, "a/" * 100_000, "x" * 1_000_000, "\N{REPLACEMENT CHARACTER}FF/" * 100_000):
                    for folder, file in ((name, "a.fits"), ("", name)):
                        ack = await client.call("carta.open.file", {"directory": folder, "file": file, "hdu": "", "file_id": 0, "render_mode": "RASTER"})
                        assert not ack["success"] and len(ack["message"]) < 100_000, ack["message"][:200]
                    listing = await client.call("carta.file.list.request", {"directory": name, "filter_mode": 0})
                    assert not listing["success"]

    async def test_files(self):
        with self.server() as server:
            async with await viewer(server) as client:
                limit = 1000
                acks = await asyncio.gather(*(open_file(client, "deep.fits", i) for i in range(limit)))
                assert all(ack["success"] for ack in acks)
                ack = await open_file(client, "image.fits", limit)
                assert not ack["success"] and "close" in ack["message"], ack
                assert (await open_file(client, "image.fits", 5))["success"]  # in the place of another
                await client.call("carta.close.file", {"file_id": -1})
                assert (await open_file(client, "image.fits", limit))["success"]

    async def test_long_axes(self):
        with self.server() as server:
            async with await viewer(server) as client:
                before = server.memory()
                for file_id, name in enumerate(("deep.fits", "wide.fits")):
                    ack = await open_file(client, name, file_id)
                    if not ack["success"]:
                        continue
                    await client.call("carta.set.cursor", {"file_id": file_id, "point": {"x": 0, "y": 0}})
                    await client.call("carta.set.spatial.requirements", {"file_id": file_id, "region_id": 0, "spatial_profiles": [{"coordinate": "x"}] * 10})
                    if name == "deep.fits":
                        await client.call("carta.set.spectral.requirements", {"file_id": file_id, "region_id": 0, "spectral_profiles": [{"coordinate": "z"}]})
                        await client.next("carta.error.data", lambda e: "too long" in e["message"])
                        await fails(client.call("image.spectral_axis", file_id, "channel"), "too long")
                    else:
                        await client.next("carta.error.data", lambda e: "too long" in e["message"])
                await client.call("carta.close.file", {"file_id": -1})
                assert server.memory() - before < 1.5e9, server.memory() - before

    async def test_sessions(self):
        with self.server() as server:
            async with await viewer(server) as client:
                limit = 1000
                for _ in range(12):
                    await asyncio.gather(*(client.call("carta.register.viewer", {"session_id": 0}) for _ in range(100)))
                assert server.gauge("cubelink_sessions") <= limit + 1, server.gauge("cubelink_sessions")
                assert (await open_file(client, "image.fits"))["success"]

    async def test_tiles(self):
        """Requests of many tiles that come faster than they can be made: refused at some point, never a call without its answer."""
        with self.server("--threads", "1") as server:
            async with await viewer(server) as client:
                assert (await open_file(client, "wide.fits"))["success"]
                layer = 12  # 256 pixels at full resolution, of 2^21 tiles
                codes = [layer << 24 | x for x in range(4000)]
                futures = []
                for i in range(80):
                    _, future = await client.start("carta.set.image.channels", [{"file_id": 0, "channel": 0, "stokes": 0, "required_tiles": {
                        "file_id": 0, "compression_type": "NONE", "tiles": codes}}])
                    futures.append(future)
                replies = await asyncio.wait_for(asyncio.gather(*futures), PATIENCE)
                assert any("error" in reply and "tiles" in reply["error"]["message"] for reply in replies)
                await client.call("carta.close.file", {"file_id": -1})

    async def test_descriptors(self):
        """Few file descriptors: what does not fit fails with a word, and the server lives on."""
        if "undefined" in os.environ.get("CUBELINK_SANITIZED", ""):
            return  # UBSan looks at an object's type through a pipe: without descriptors it takes every exception for no object at all
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        pid = None
        with self.server() as server:
            pid = server.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (60, 60))
            async with await viewer(server) as client:
                acks = await asyncio.gather(*(open_file(client, "image.fits", i) for i in range(100)))
                good = sum(ack["success"] for ack in acks)
                assert 5 < good < 60 and all(ack["success"] or ack["message"] for ack in acks), acks[-1]
                listing = await client.call("carta.file.list.request", {"directory": "", "filter_mode": 0})
                assert listing["success"] or listing["message"], listing
                await client.call("carta.close.file", {"file_id": -1})
                async with await viewer(server) as other:
                    assert (await open_file(other, "image.fits"))["success"]
        assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)

    async def test_slow_reader(self):
        """Who reads late gets all of what it asked for, however much that is: tiles and blocks are made as they are read."""
        with self.server("--outbox-limit", "16M") as server:
            async with await viewer(server) as client:
                assert (await open_file(client, "plane.fits"))["success"]
                client.socket.transport.pause_reading()
                codes = [5 << 24 | y << 12 | x for x in range(16) for y in range(8)]
                _, tiles = await client.start("carta.add.required.tiles", [{"file_id": 0, "tiles": codes, "compression_type": "NONE"}])
                blocks = [(await client.start("image.read", [0, [0, 3000], [100 * i, 100 * i + 1000], 0, 0]))[1] for i in range(4)]
                await asyncio.sleep(1)
                client.socket.transport.resume_reading()
                assert "error" not in await tiles
                assert [len((await block)["result"]["data"]) for block in blocks] == [12_000_000] * 4
                assert (await client.next(SYNC, lambda s: s["end_sync"]))["tile_count"] == 128

    async def test_neighbours(self):
        """What takes long for others, on all threads there are, keeps nobody waiting, and ends when they leave."""
        for pace in paces(1, 1, 1):  # what is long for the server may be over before a busy machine lets this client ask for a tile
            with pace, self.server("--threads", "2") as server:
                others = [await viewer(server) for _ in range(3)]
                infos = [(await other.start("carta.file.info.request", [{"directory": "", "file": "zeros.fits.gz", "hdu": "7"}]))[1] for other in others]
                async with await viewer(server) as client:
                    assert (await open_file(client, "image.fits"))["success"]
                    await client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0], "compression_type": "NONE"})
                    await client.next("carta.raster.tile.data")
                    assert not any(info.done() for info in infos)
                    before = cpu_of(server.process.pid)
                    for other in others:
                        other.socket.transport.abort()
                    await until(lambda: asyncio.to_thread(server.idle), "the end of the work for those who have left")
                    assert cpu_of(server.process.pid) - before < (6 if SANITIZED else 1.5), "it goes on for those who have left"
                await asyncio.gather(*infos, *(other.close() for other in others), return_exceptions=True)

    async def test_arguments(self):
        """Calls that wait for others keep what they were given: not without limit."""
        with self.server() as server:
            async with await viewer(server) as client:
                for pace in paces(1, 1, 1):  # the large file may be open before a busy machine has sent all this
                    with pace:
                        await client.start("carta.open.file", [{"directory": "", "file": "zeros.fits.gz", "hdu": "", "file_id": 0}])
                        before = server.memory()
                        replies = [(await client.start("image.read", [0, "x" * 4_000_000]))[1] for _ in range(60)]
                        try:
                            await fails(client.call("image.read", 0, "x" * 4_000_000), "too many calls")
                            assert SANITIZED or server.memory() - before < 400e6, server.memory() - before
                        finally:
                            await client.call("carta.close.file", {"file_id": 0})
                            assert all("error" in reply for reply in await asyncio.gather(*replies))

    async def test_bodies(self):
        """Who has no token need not send a body; who has one gets no further than memory allows."""
        with self.server() as server:
            head = "PUT /api/database/preferences HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head.encode() + b"\r\n")
            assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 403")
            writer.close()
            token = f"Authorization: Bearer {server.secret}\r\n\r\n"
            streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(17)]
            for _, writer in streams:
                writer.write((head + token).encode())
            done, waiting = await asyncio.wait([asyncio.ensure_future(reader.readline()) for reader, _ in streams], timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert all(one.result().startswith(b"HTTP/1.1 503") for one in done), [one.result() for one in done]
            for one in waiting:
                one.cancel()
            for _, writer in streams:
                writer.close()

    async def test_steps(self):
        """Some pixels of a very long row do not take the row's memory."""
        with self.server("--memory-limit", "64M") as server:
            async with await viewer(server) as client:
                if not (await open_file(client, "wide.fits"))["success"]:
                    return
                for step in (7_000_000, 997):
                    assert len((await client.call("image.read", 0, [0, 400_000_000, step], 0, 0, 0))["data"]) == 4 * -(-400_000_000 // step)
                peak = next(int(line.split()[1]) for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM"))
                assert peak < 700_000, peak

    async def test_headers(self):
        """What an open image's header takes counts against --memory-limit, and is given back when it is closed."""
        cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2", "NAXIS1  =                    1",
                 "NAXIS2  =                    1", *(f"K{i:07} = 'a header that is long'" for i in range(60_000)), "END"]  # fmt: skip
        with open(f"{self.folder}/header.fits", "wb") as file:
            text = "".join(card.ljust(80) for card in cards).encode()
            file.write(text.ljust(-(-len(text) // 2880) * 2880) + bytes(2880))
        with self.server("--memory-limit", "64M") as server:
            async with await viewer(server) as client:
                for _ in range(3):
                    ack = await open_file(client, "header.fits")
                    assert ack["success"], ack
                    await client.call("carta.close.file", {"file_id": 0})
        with open(f"{self.folder}/header.fits", "r+b") as file:
            more = "".join(f"L{i:07} = 'and longer still'".ljust(80) for i in range(90_000)).encode()
            text = text[: 80 * (len(cards) - 1)] + more + b"END".ljust(80)
            file.write(text.ljust(-(-len(text) // 2880) * 2880) + bytes(2880))
        with self.server("--memory-limit", "64M") as server:
            async with await viewer(server) as client:
                ack = await open_file(client, "header.fits")
                assert not ack["success"] and "memory limit 64 MiB" in ack["message"], ack["message"]
                assert (await open_file(client, "image.fits"))["success"]

    async def test_compressed_tiles(self):
        """What decoding takes counts against --memory-limit: an image in one tile opens if that has room, and is refused if not."""
        def table(side, rows):
            cards = ("XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 1", f"PCOUNT  = {len(rows)}", "GCOUNT  = 1", "TFIELDS = 1",
                     "TTYPE1  = 'COMPRESSED_DATA'", "TFORM1  = '1PB'", "ZIMAGE  = T", "ZCMPTYPE= 'RICE_1'", "ZBITPIX = 16", "ZNAXIS  = 2", f"ZNAXIS1 = {side}",
                     f"ZNAXIS2 = {side}", f"ZTILE1  = {side}", f"ZTILE2  = {side}", "ZNAME1  = 'BLOCKSIZE'", "ZVAL1   = 32", "ZNAME2  = 'BYTEPIX'", "ZVAL2   = 2", "END")  # fmt: skip
            primary = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0", "END")).ljust(2880)
            data = len(rows).to_bytes(4, "big") + bytes(4) + rows
            return (primary + "".join(card.ljust(80) for card in cards).ljust(2880)).encode() + data.ljust(-(-len(data) // 2880) * 2880, b"\0")

        def constant(side, value):
            # A Rice block whose differences are all zero is four zero bits.
            return value.to_bytes(2, "big") + bytes(side * side // 32 * 4 // 8 + 64)

        with open(f"{self.folder}/fits.fz", "wb") as file:
            file.write(table(6000, constant(6000, 7)))
        with open(f"{self.folder}/hostile.fz", "wb") as file:
            file.write(table(32768, constant(32768, 7)))
        with self.server("--memory-limit", "512M") as server:
            async with await viewer(server) as client:
                ack = await open_file(client, "hostile.fz", 1)
                assert not ack["success"] and "memory limit of 512 MiB" in ack["message"], ack["message"]
                ack = await open_file(client, "fits.fz")
                assert ack["success"], ack["message"]
                # More than a quarter of the limit: the plane is not kept, but the tile is.
                data = (await client.call("image.read", 0, [0, 6000, 600], [0, 6000, 600], 0, 0))["data"]
                assert numpy.frombuffer(data, "<f4").tolist() == [7.0] * 100
                histogram = await client.next("carta.region.histogram.data", lambda value: value["progress"] == 1)
                assert histogram["histograms"]["mean"] == 7, histogram["histograms"]["mean"]
            peak = next(int(line.split()[1]) for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM"))
            assert SANITIZED or peak < 700_000, peak

    async def test_stop_amid_work(self):
        """SIGTERM ends the server, whatever it is doing, with exit status 0, and without ending that first."""
        async def stop(start):
            with self.server("--threads", "1") as server:
                client = await viewer(server)
                futures = await start(client)
                await asyncio.sleep(0.3)
                others = cpu_of_the_ended()
                before = cpu_of(server.process.pid)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(server.process.wait, PATIENCE)
                computed = cpu_of_the_ended() - others - before
                assert computed < 5, (start.__name__, computed)
                await client.close()
                for future in futures:
                    future.cancel() if not future.done() else future.exception()

        async def info(client):
            return [(await client.start("carta.file.info.request", [{"directory": "", "file": "many.fits", "hdu": ""}]))[1]]

        async def inflate(client):
            return [(await client.start("carta.open.file", [{"directory": "", "file": "zeros.fits.gz", "hdu": "", "file_id": 0}]))[1]]

        async def read(client):
            await open_file(client, "wide.fits")
            return [(await client.start("image.read", [0, [0, 60_000_000], 0, 0, 0]))[1] for _ in range(20)]

        async def cube(client):
            await open_file(client, "deep.fits")
            return [(await client.start("carta.set.histogram.requirements", [{"file_id": 0, "region_id": -2, "histograms": [{"channel": -2, "coordinate": "z"}]}]))[1]]

        for start in (info, inflate, read, cube):
            await stop(start)


def main(program, only=None):
    passed = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        tests = Tests(program, folder)
        for name in [name for name in dir(tests) if name.startswith("test_") and (only is None or only in name)]:
            begun = time.time()
            try:
                asyncio.run(asyncio.wait_for(getattr(tests, name)(), 5 * PATIENCE))
                passed += 1
                print(f"ok    {name}, {time.time() - begun:.1f} s", flush=True)
            except Exception:  # noqa: BLE001
                failures += 1
                print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
