"""What the Python tests of this folder share: a server over a folder of made files, clients of both generations, and numpy's idea of what
the server should answer.

The server is build/release/server/cubelink, or what the environment's CUBELINK_PROGRAM names."""

import asyncio
import os
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from cubelink_server import Server  # noqa: E402
from patience import PATIENCE, paces, until  # noqa: E402,F401
from wslink_client import CallFailed, connect  # noqa: E402,F401

PROGRAM = os.environ.get("CUBELINK_PROGRAM", str(ROOT / "build/release/server/cubelink"))
HISTOGRAM, TILE, SYNC = "carta.region.histogram.data", "carta.raster.tile.data", "carta.raster.tile.sync"
SPATIAL, SPECTRAL, ERROR = "carta.spatial.profile.data", "carta.spectral.profile.data", "carta.error.data"
BLANK = -numpy.finfo(numpy.float32).max


class ServerTest(unittest.IsolatedAsyncioTestCase):
    """A test case with one server for all of its tests. `make_files(folder)` fills its folder, `options` are added to its command line."""

    options = ()

    @classmethod
    def make_files(cls, folder):
        pass

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="cubelink-test-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name) / "images"
        cls.folder.mkdir()
        cls.make_files(cls.folder)
        cls.server = Server(PROGRAM, str(cls.folder), "--store", f"{cls.temporary.name}/store.sqlite", *cls.options)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)  # unittest turns it on: slow, and chatty on a busy machine

    async def client(self, generation=2, **options):
        """Connected, greeted, not registered."""
        client = await connect(self.server.url, self.server.secret, generation, **options)
        client.server = self.server
        self.addAsyncCleanup(client.close)
        return client

    async def viewer(self, generation=2, session_id=0):
        client = await self.client(generation)
        client.registered = await client.call("carta.register.viewer", {"session_id": session_id})
        assert client.registered["success"], client.registered
        client.session_id = client.registered["session_id"]
        return client

    async def fails(self, awaitable, code=None, text=""):
        try:
            result = await awaitable
        except CallFailed as error:
            if code is not None:
                self.assertEqual(error.code, code, error.message)
            self.assertIn(text.lower(), f"{error.message} {error.data}".lower())
            return error
        raise AssertionError(f"it did not fail: {str(result)[:300]}")

    async def while_it_lasts(self, attempt, *arguments):
        """`attempt(*arguments)`, which must find long work still running; again where that was over before a busy machine let this client go on."""
        for pace in paces(1, 1, 1):
            with pace:
                await attempt(*arguments)

    def alive(self):
        self.assertIsNone(self.server.process.poll(), "the server has ended")


async def open_file(client, file, file_id=0, directory="", hdu=""):
    ack = await client.call("carta.open.file", {"directory": directory, "file": file, "hdu": str(hdu), "file_id": file_id, "render_mode": "RASTER"},
                            timeout=PATIENCE)
    if not ack["success"]:
        raise AssertionError(f"{file}: {ack['message']}")
    return ack


async def get_tiles(client, file_id, codes, compression="NONE", quality=0):
    """{code: tile}, with the sync's order and counts checked."""
    before = len(client.log)
    request = {"file_id": file_id, "tiles": list(codes), "compression_type": compression, "compression_quality": quality}
    await client.call("carta.add.required.tiles", request)
    begin = await client.next(SYNC, lambda s: not s["end_sync"], PATIENCE)
    end = await client.next(SYNC, lambda s: s["end_sync"] and s["sync_id"] == begin["sync_id"], PATIENCE)
    entries = [entry for entry in client.log[before:] if entry[1] in (SYNC, TILE) and entry[2]["sync_id"] == begin["sync_id"]]
    tiles = [tile for _, topic, message in entries if topic == TILE for tile in message["tiles"]]
    assert entries[0][2] is begin and entries[-1][2] is end, [entry[1] for entry in entries]
    assert begin["sync_id"] > 0 and begin["tile_count"] == end["tile_count"] == len(tiles) == len(set(codes)), (begin, end, len(tiles))
    client.published[TILE] = [m for m in client.published.get(TILE, []) if m["sync_id"] != begin["sync_id"]]
    for _, topic, message in entries:
        if topic == TILE:
            for tile in message["tiles"]:
                tile["message"] = message
    return {tile_code(tile["layer"], tile["x"], tile["y"]): tile for tile in tiles}


def tile_code(layer, x, y):
    return layer << 24 | y << 12 | x


def layers(width, height):
    """How many layers of tiles an image has."""
    return int(numpy.ceil(numpy.log2(max(-(-width // 256), -(-height // 256))))) + 1


def codes_of_layer(width, height, layer):
    side = 256 * 2 ** (layers(width, height) - 1 - layer)
    return [tile_code(layer, x, y) for y in range(-(-height // side)) for x in range(-(-width // side))]


def pixels(tile):
    """An uncompressed tile as an array, NaN where blank."""
    values = numpy.frombuffer(tile["image_data"], "<f4").reshape(tile["height"], tile["width"])
    assert numpy.isfinite(values).all(), "an uncompressed tile has a pixel that is not finite"
    return numpy.where(values <= numpy.float32(BLANK), numpy.nan, values)


def finite(plane):
    """NaN wherever there is no finite number."""
    return numpy.where(numpy.isfinite(plane), plane, numpy.nan)


def downsampled(plane, mip):
    """Means of the finite pixels of mip × mip blocks, in float64."""
    plane = finite(plane).astype("f8")
    height, width = (-(-n // mip) for n in plane.shape)
    padded = numpy.full((height * mip, width * mip), numpy.nan)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return numpy.nanmean(padded.reshape(height, mip, width, mip), axis=(1, 3))


def histogram_of(plane, bins=None, bounds=None):
    """(bins, bin_width, first_bin_center, mean, std_dev) of the finite values; in float64, as the values stand."""
    values = plane[numpy.isfinite(plane)].astype("f8")
    mean = values.mean() if values.size else numpy.nan
    deviation = values.std(ddof=1) if values.size > 1 else numpy.nan
    low, high = bounds if bounds else (values.min(), values.max()) if values.size else (0, 0)
    if not low < high:
        return numpy.zeros(1, "i8") if not values.size else numpy.array([-1]), 0, 0, mean, deviation
    count = bins or max(int(numpy.sqrt(float(plane.shape[-1]) * plane.shape[-2])), 2)
    width = (high - low) / count
    inside = values[(values >= low) & (values <= high)]
    index = numpy.clip(numpy.floor((inside - low) / width).astype("i8"), 0, count - 1)
    return numpy.bincount(index, minlength=count), width, low + width / 2, mean, deviation


def check_histogram(message, plane, bins=None, bounds=None):
    histogram = message["histograms"]
    expected, width, first, mean, deviation = histogram_of(plane, bins, bounds)
    assert histogram["num_bins"] == len(histogram["bins"]) == len(expected), (histogram["num_bins"], len(expected))
    if width:
        difference = numpy.abs(numpy.array(histogram["bins"]) - expected).sum()
        assert difference == 0, f"{difference} pixels are in other bins than numpy puts them, of {expected.sum()}"
    numpy.testing.assert_allclose([histogram["bin_width"], histogram["first_bin_center"]], [width, first], rtol=1e-12, atol=1e-300)
    scale = abs(mean) + (0 if numpy.isnan(deviation) else deviation)
    numpy.testing.assert_allclose(histogram["mean"], mean, rtol=1e-9, atol=1e-12 * scale)
    numpy.testing.assert_allclose(histogram["std_dev"], deviation, rtol=1e-7, atol=1e-12 * scale)


def decimated(axis, start=0, end=0, mip=0):
    """A spatial profile along an axis, as the ICD cuts and thins it."""
    n = len(axis)
    end = n if end <= 0 or end > n else end
    axis = finite(axis)
    if mip < 2:
        return axis[start:end]
    first, last = 2 * -(-start // (2 * mip)), 2 * -(-end // (2 * mip))
    out = []
    for at in range(first * mip, last * mip, 2 * mip):
        group = axis[at : min(at + 2 * mip, n)]
        good = numpy.flatnonzero(numpy.isfinite(group))
        if not good.size:
            out += [numpy.nan, numpy.nan]
            continue
        low, high = good[numpy.argmin(group[good])], good[numpy.argmax(group[good])]
        out += [group[min(low, high)], group[max(low, high)]]
    return numpy.array(out)


def profile_values(profile):
    return numpy.frombuffer(profile["raw_values_fp32"], "<f4")


def block_values(block):
    return numpy.frombuffer(block["data"], block["dtype"]).reshape(block["shape"])


async def settled(client):
    """Waits until all that was asked for is done, and whatever this client is told of it has come."""
    for _ in range(2):  # the first takes care that what was sent has been read
        id, answer = await client.start("server.info")
        await asyncio.wait_for(answer, PATIENCE)
        client.log[:] = [entry for entry in client.log if entry[1] != id]
        await until(lambda: asyncio.to_thread(client.server.idle), "a server with nothing to do")


if __name__ == "__main__":
    print("This file holds no tests.")
