"""The program as a client sees it: images opened, tiles, histograms and profiles against numpy, the order of messages, and bad input.

    system_test.py BUILD/server/cubelink
"""

import asyncio
import os
import sys
import tempfile
import traceback

import numpy
from astropy.io import fits

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))
from cubelink_server import Server  # noqa: E402
from patience import PATIENCE  # noqa: E402
from wslink_client import CallFailed, connect  # noqa: E402

HISTOGRAM, TILE, SYNC = "carta.region.histogram.data", "carta.raster.tile.data", "carta.raster.tile.sync"
SPATIAL, SPECTRAL, ERROR = "carta.spatial.profile.data", "carta.spectral.profile.data", "carta.error.data"
BLANK = -numpy.finfo(numpy.float32).max


def make_files(folder):
    random = numpy.random.default_rng(3)
    image = random.normal(size=(400, 600)).astype("f4")
    image[:, 30:40] = numpy.nan
    image[5, 5] = numpy.inf
    fits.writeto(f"{folder}/image.fits", image)
    cube = random.normal(size=(2, 20, 90, 120)).astype("f4")
    cube[0, 7, 3, 4] = numpy.nan
    header = fits.Header()
    for n, (ctype, crpix, crval, cdelt, unit) in enumerate(
        [("RA---SIN", 60, 120, -1e-3, "deg"), ("DEC--SIN", 45, 30, 1e-3, "deg"), ("FREQ", 1, 1.4e9, 1e6, "Hz"), ("STOKES", 1, 1, 1, "")], 1
    ):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CUNIT{n}"] = ctype, crpix, crval, cdelt, unit
    header["RESTFRQ"], header["BUNIT"], header["RADESYS"] = 1.42e9, "Jy/beam", "ICRS"
    fits.writeto(f"{folder}/cube.fits", cube, header)
    os.mkdir(f"{folder}/sub")
    for bits in ("u1", "i2", "i4", "i8", "f8"):
        fits.writeto(f"{folder}/sub/{bits}.fits", (random.normal(size=(50, 40)) * 50 + 100).astype(bits))
    with open(f"{folder}/empty.fits", "wb"):
        pass
    with open(f"{folder}/text.fits", "w") as file:
        file.write("no image " * 1000)
    whole = open(f"{folder}/image.fits", "rb").read()
    for name, size in (("header_cut.fits", 1000), ("data_cut.fits", 20000)):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(whole[:size])
    os.symlink("/etc/passwd", f"{folder}/link.fits")
    os.mkdir(f"{folder}/casa.im")
    for name, text in (("table.info", "Type = Image\n"), ("table.dat", "x" * 50)):
        with open(f"{folder}/casa.im/{name}", "w") as file:
            file.write(text)
    return image, cube


def tile_code(layer, x, y):
    return layer << 24 | y << 12 | x


def downsampled(plane, mip):
    plane = numpy.where(numpy.isfinite(plane), plane, numpy.nan).astype("f8")
    height, width = (-(-n // mip) for n in plane.shape)
    padded = numpy.full((height * mip, width * mip), numpy.nan)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    with numpy.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return numpy.nanmean(padded.reshape(height, mip, width, mip), axis=(1, 3))


async def viewer(server, generation=2, session_id=0):
    client = await connect(server.url, server.secret, generation)
    ack = await client.call("carta.register.viewer", {"session_id": session_id})
    assert ack["success"], ack
    client.session_id = ack["session_id"]
    client.registered = ack
    return client


async def open_file(client, file, file_id=0, directory="", hdu=""):
    ack = await client.call("carta.open.file", {"directory": directory, "file": file, "hdu": hdu, "file_id": file_id, "render_mode": "RASTER"})
    assert ack["success"], ack
    return ack


async def get_tiles(client, file_id, codes, timeout=PATIENCE):
    await client.call("carta.add.required.tiles", {"file_id": file_id, "tiles": codes, "compression_type": "NONE"})
    begin = await client.next(SYNC, lambda s: not s["end_sync"], timeout)
    end = await client.next(SYNC, lambda s: s["end_sync"] and s["sync_id"] == begin["sync_id"], timeout)
    tiles = client.published.pop(TILE, [])
    assert begin["tile_count"] == end["tile_count"] == len(tiles) == len(set(codes)), (begin, len(tiles))
    assert begin["sync_id"] > 0 and all(t["sync_id"] == begin["sync_id"] for t in tiles)
    return {tile_code(t["tiles"][0]["layer"], t["tiles"][0]["x"], t["tiles"][0]["y"]): t["tiles"][0] for t in tiles}


def pixels(tile):
    values = numpy.frombuffer(tile["image_data"], "<f4").reshape(tile["height"], tile["width"])
    return numpy.where(values == numpy.float32(BLANK), numpy.nan, values)


def check_histogram(message, plane, channel=0, stokes=0):
    finite = plane[numpy.isfinite(plane)].astype("f8")
    histogram = message["histograms"]
    bins = max(int((plane.shape[0] * plane.shape[1]) ** 0.5), 2)
    assert (message["region_id"], message["channel"], message["stokes"], message["progress"]) == (-1, channel, stokes, 1), message
    assert histogram["num_bins"] == len(histogram["bins"]) == bins
    low, high = finite.min(), finite.max()
    width = (high - low) / bins
    counts = numpy.bincount(numpy.clip(((finite - low) / width).astype(int), 0, bins - 1), minlength=bins)
    assert numpy.abs(counts - histogram["bins"]).sum() <= 4, numpy.abs(counts - histogram["bins"]).sum()
    assert sum(histogram["bins"]) == finite.size
    numpy.testing.assert_allclose([histogram["mean"], histogram["std_dev"]], [finite.mean(), finite.std(ddof=1)], rtol=1e-9, atol=1e-12)


async def fails(awaitable, code=None, text=""):
    try:
        result = await awaitable
    except CallFailed as error:
        assert code is None or error.code == code, (error.code, error.message)
        assert text.lower() in (error.message + str(error.data)).lower(), (error.message, error.data)
        return error
    raise AssertionError(f"it did not fail: {result}")


class Tests:
    def __init__(self, server, folder, image, cube):
        self.server, self.folder, self.image, self.cube = server, folder, image, cube

    async def test_open_and_tiles(self, generation):
        async with await viewer(self.server, generation) as client:
            ack = await open_file(client, "image.fits", 7)
            assert ack["file_id"] == 7 and ack["file_info"]["name"] == "image.fits" and ack["file_info"]["HDU_list"] == ["0"]
            assert (ack["file_info_extended"]["width"], ack["file_info_extended"]["height"], ack["file_info_extended"]["depth"]) == (600, 400, 1)
            check_histogram(await client.next(HISTOGRAM), self.image)
            replies = [i for i, entry in enumerate(client.log) if entry[0] == "reply"]
            histogram = [i for i, entry in enumerate(client.log) if entry[1] == HISTOGRAM]
            assert replies[-1] < histogram[0]
            tiles = await get_tiles(client, 7, [tile_code(2, x, y) for x in range(3) for y in range(2)])
            for code, tile in tiles.items():
                x, y = code & 4095, code >> 12 & 4095
                expected = self.image[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
                numpy.testing.assert_array_equal(pixels(tile), numpy.where(numpy.isfinite(expected), expected, numpy.nan))
            for layer, mip in ((0, 4), (1, 2)):
                expected = downsampled(self.image, mip)
                for code, tile in (await get_tiles(client, 7, [tile_code(layer, x, 0) for x in range(2**layer)])).items():
                    x = code & 4095
                    numpy.testing.assert_allclose(pixels(tile), expected[:256, 256 * x : 256 * x + 256], rtol=2e-6, atol=1e-6)
            order = [entry[1] for entry in client.log if entry[1] in (TILE, SYNC)]
            assert order[0] == SYNC and order[-1] == SYNC
            await client.call("carta.add.required.tiles", {"file_id": 7, "tiles": [0], "compression_type": "ZFP", "compression_quality": 11})
            tile = await client.next(TILE)
            runs = numpy.frombuffer(tile["tiles"][0]["nan_encodings"], "<i4")
            assert tile["compression_type"] == "ZFP" and tile["compression_quality"] >= 11 and runs.sum() == 150 * 100
            await client.call("carta.close.file", {"file_id": 7})

    async def test_types(self, generation):
        async with await viewer(self.server, generation) as client:
            for bits in ("u1", "i2", "i4", "i8", "f8"):
                await open_file(client, f"{bits}.fits", 0, "sub")
                data = fits.getdata(f"{self.folder}/sub/{bits}.fits")
                block = await client.call("image.read", 0)
                values = numpy.frombuffer(block["data"], block["dtype"]).reshape(block["shape"])
                numpy.testing.assert_array_equal(values[0, 0], data.astype("f8"))
                check_histogram(await client.next(HISTOGRAM), data.astype("f8") if bits in ("i4", "i8", "f8") else data.astype("f4"))

    async def test_channels(self, generation):
        async with await viewer(self.server, generation) as client:
            await open_file(client, "cube.fits")
            check_histogram(await client.next(HISTOGRAM), self.cube[0, 0])
            await client.call("carta.set.cursor", {"file_id": 0, "point": {"x": 10, "y": 20}})
            await client.next(SPATIAL)
            client.forget()
            request = {"file_id": 0, "tiles": [0], "compression_type": "NONE"}
            for channel, stokes in ((5, 0), (5, 1), (7, 0)):
                client.forget()
                assert await client.call("carta.set.image.channels", file_id=0, channel=channel, stokes=stokes, required_tiles=request) is None
                await client.next(SYNC, lambda s: s["end_sync"])
                topics = [entry[1] if entry[0] == "publish" else "reply" for entry in client.log if entry[1] != "session.changed"]
                assert topics == ["reply", HISTOGRAM, SPATIAL, SYNC, TILE, SYNC], topics
                tile = await client.next(TILE)
                assert (tile["channel"], tile["stokes"]) == (channel, stokes)
                numpy.testing.assert_array_equal(pixels(tile["tiles"][0]), self.cube[stokes, channel])
                check_histogram(await client.next(HISTOGRAM), self.cube[stokes, channel], channel, stokes)
            client.forget()
            await client.call("carta.set.image.channels", file_id=0, channel=7, stokes=0, required_tiles=request)
            await client.next(SYNC, lambda s: s["end_sync"])
            assert HISTOGRAM not in client.published
            client.forget()
            await fails(client.call("carta.set.image.channels", file_id=0, channel=99, stokes=0), -32001, "channel 99 does not exist")
            error = await client.next(ERROR)
            assert error["severity"] == "ERROR" and error["tags"] == ["channels"]
            # All at once: every call is answered, and the last channel is shown.
            replies = [(await client.start("carta.set.image.channels", [{"file_id": 0, "channel": c, "stokes": 0, "required_tiles": request}]))[1] for c in range(20)]
            for reply in replies:
                assert "error" not in await asyncio.wait_for(reply, PATIENCE)
            await client.next(SYNC, lambda s: s["end_sync"] and s["channel"] == 19)
            syncs = [entry[2] for entry in client.log if entry[1] == SYNC]
            assert {s["sync_id"] for s in syncs if s["end_sync"]} == {s["sync_id"] for s in syncs if not s["end_sync"]}

    async def test_channel_map(self, generation):
        async with await viewer(self.server, generation) as client:
            await open_file(client, "cube.fits")
            await client.next(HISTOGRAM)
            tiles = {"file_id": 0, "tiles": [0], "current_tiles": [0], "compression_type": "NONE"}
            await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=0, required_tiles=tiles, channel_map_enabled=True,
                              channel_range={"min": 2, "max": 5}, current_range={"min": 2, "max": 5})  # fmt: skip
            for _ in range(4):
                await client.next(SYNC, lambda s: s["end_sync"])
            seen = client.published[TILE]
            assert sorted(t["channel"] for t in seen) == [2, 3, 4, 5] and len({t["sync_id"] for t in seen}) == 4
            for tile in seen:
                numpy.testing.assert_array_equal(pixels(tile["tiles"][0]), self.cube[0, tile["channel"]])

    async def test_cursor(self, generation):
        async with await viewer(self.server, generation) as client:
            await open_file(client, "cube.fits")
            await client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[
                {"coordinate": "x", "mip": 1}, {"coordinate": "y", "start": 10, "end": 50, "mip": 1}, {"coordinate": "Qx"}])  # fmt: skip
            await client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z", "stats_types": ["Mean"]}])
            assert await client.silence(SPATIAL)
            await client.call("carta.set.cursor", file_id=0, point={"x": 4.4, "y": 2.5})
            first, second = await client.next(SPATIAL), await client.next(SPATIAL)
            plane = self.cube[0, 0]
            assert (first["x"], first["y"], first["stokes"], second["stokes"]) == (4, 3, 0, 1)
            assert numpy.float32(first["value"]) == plane[3, 4]
            x, y = first["profiles"]
            numpy.testing.assert_array_equal(numpy.frombuffer(x["raw_values_fp32"], "<f4"), plane[3])
            numpy.testing.assert_array_equal(numpy.frombuffer(y["raw_values_fp32"], "<f4"), plane[10:50, 4])
            assert (x["start"], x["end"], y["start"], y["end"]) == (0, 120, 10, 50)
            numpy.testing.assert_array_equal(numpy.frombuffer(second["profiles"][0]["raw_values_fp32"], "<f4"), self.cube[1, 0, 3])
            spectrum = await client.next(SPECTRAL)
            assert spectrum["progress"] == 1 and spectrum["profiles"][0]["coordinate"] == "z" and spectrum["profiles"][0]["stats_type"] == "Mean"
            numpy.testing.assert_array_equal(numpy.frombuffer(spectrum["profiles"][0]["raw_values_fp32"], "<f4"), self.cube[0, :, 3, 4])
            topics = [entry[1] for entry in client.log if entry[1] in (SPATIAL, SPECTRAL)]
            assert topics == [SPATIAL, SPATIAL, SPECTRAL], topics
            client.forget()
            await client.call("carta.set.cursor", file_id=0, point={"x": 4.4, "y": 2.5})  # where it is
            await client.call("carta.set.cursor", file_id=0, point={"x": -3, "y": 2})  # outside
            assert await client.silence(SPATIAL) and await client.silence(SPECTRAL, 0.05)
            await client.call("carta.set.image.channels", file_id=0, channel=0, stokes=1)
            await client.call("carta.set.cursor", file_id=0, point={"x": 1, "y": 1})
            spectrum = await client.next(SPECTRAL)
            numpy.testing.assert_array_equal(numpy.frombuffer(spectrum["profiles"][0]["raw_values_fp32"], "<f4"), self.cube[1, :, 1, 1])

    async def test_requirements(self, generation):
        async with await viewer(self.server, generation) as client:
            await open_file(client, "cube.fits")
            await client.next(HISTOGRAM)
            config = {"coordinate": "z", "channel": -1, "fixed_num_bins": True, "num_bins": 10, "fixed_bounds": True, "bounds": {"min": -1, "max": 1}}
            await client.call("carta.set.histogram.requirements", file_id=0, region_id=-1, histograms=[config])
            message = await client.next(HISTOGRAM)
            assert message["config"]["num_bins"] == 10 and message["config"]["bounds"] == {"min": -1, "max": 1}
            expected, _ = numpy.histogram(self.cube[0, 0].astype("f8"), 10, (-1, 1))
            assert numpy.abs(expected - message["histograms"]["bins"]).sum() <= 2
            await client.call("carta.set.histogram.requirements", file_id=0, region_id=-2, histograms=[{"channel": -2, "num_bins": -1}])
            message = await client.next(HISTOGRAM, lambda m: m["progress"] == 1)
            assert (message["region_id"], message["channel"]) == (-2, -2)
            assert sum(message["histograms"]["bins"]) == numpy.isfinite(self.cube[0]).sum()
            types = ["NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"]
            await client.call("carta.set.stats.requirements", file_id=0, region_id=-1, stats_configs=[{"coordinate": "z", "stats_types": types}])
            message = await client.next("carta.region.stats.data")
            assert [s["stats_type"] for s in message["statistics"]] == types
            values = {s["stats_type"]: s["value"] for s in message["statistics"]}
            plane = self.cube[0, 0].astype("f8")
            assert values["NumPixels"] == plane.size and numpy.isnan(values["FluxDensity"])
            numpy.testing.assert_allclose([values["Sum"], values["Sigma"], values["Max"]], [plane.sum(), plane.std(ddof=1), plane.max()])

    async def test_programs(self, generation):
        async with await viewer(self.server, generation) as client:
            await open_file(client, "cube.fits")
            block = await client.call("image.read", file_id=0, x=[10, 20], y=[5, 50, 3], channel=[0, 20, 5], stokes=1)
            values = numpy.frombuffer(block["data"], block["dtype"]).reshape(block["shape"])
            numpy.testing.assert_array_equal(values, self.cube[1:2, 0:20:5, 5:50:3, 10:20])
            block = await client.call("image.read", file_id=0, x=4, y=3)
            numpy.testing.assert_array_equal(numpy.frombuffer(block["data"], "<f4").reshape(block["shape"])[:, :, 0, 0], self.cube[:, :, 3, 4])
            cards = (await client.call("image.header", 0))["cards"]
            header = fits.Header.fromstring("".join(card.ljust(80) for card in cards))
            assert header["CRVAL3"] == 1.4e9 and header["BUNIT"] == "Jy/beam"
            from astropy.wcs import WCS

            expected = WCS(header).celestial.pixel_to_world_values([[0, 59, 119]], [[0, 44, 89]])
            points = [[0, 0], [59, 44], [119, 89]]
            world = await client.call("image.to_world", 0, points)
            numpy.testing.assert_allclose(numpy.array(world["points"]).T, numpy.array(expected)[:, 0], rtol=1e-10)
            back = await client.call("image.to_pixel", 0, world["points"])
            numpy.testing.assert_allclose(back["points"], points, atol=1e-6)
            axis = await client.call("image.spectral_axis", file_id=0, kind="frequency")
            numpy.testing.assert_allclose(axis["values"], 1.4e9 + 1e6 * numpy.arange(20))
            axis = await client.call("image.spectral_axis", file_id=0, kind="radio velocity")
            numpy.testing.assert_allclose(axis["values"], 299792458 * (1 - (1.4e9 + 1e6 * numpy.arange(20)) / 1.42e9), rtol=1e-9)
            await fails(client.call("image.read", file_id=0, x=[0, 121]), -32602, "x")
            await fails(client.call("image.read", file_id=0, y=[5, 5]), -32602, "y")
            await fails(client.call("image.read", file_id=3), -32001, "3")
            info = await client.call("server.info")
            assert info["icd_version"] == 30 and "image.read" in info["methods"] and TILE in info["topics"]

    async def test_files(self, generation):
        async with await viewer(self.server, generation) as client:
            listing = await client.call("carta.file.list.request", {"directory": "$BASE", "filter_mode": "Content"})
            names = {file["name"]: file["type"] for file in listing["files"]}
            assert listing["success"] and listing["directory"] == "" and names["image.fits"] == "FITS" and names["casa.im"] == "CASA"
            assert "link.fits" not in names and "empty.fits" not in names
            assert [(d["name"], d["item_count"]) for d in listing["subdirectories"]] == [("sub", 5)]
            listing = await client.call("carta.file.list.request", {"directory": "../..", "filter_mode": 0})
            assert not listing["success"] and listing["message"] == "Forbidden path."
            info = await client.call("carta.file.info.request", {"directory": "", "file": "cube.fits"})
            assert info["success"] and info["file_info"]["name"] == "cube.fits" and list(info["file_info_extended"]) == ["0"]
            for directory, file in (("", "missing.fits"), ("", "empty.fits"), ("", "text.fits"), ("", "header_cut.fits"), ("", "data_cut.fits"),
                                    ("", "link.fits"), ("..", "x.fits"), ("", "../x.fits"), ("/etc", "passwd"), ("", "casa.im"), ("", "sub"), ("", "")):  # fmt: skip
                ack = await client.call("carta.open.file", {"directory": directory, "file": file, "file_id": 5})
                assert not ack["success"] and ack["message"] and ack["file_id"] == 5, (file, ack)
            ack = await client.call("carta.open.file", {"file": "image.fits", "file_id": 5, "hdu": "3"})
            assert not ack["success"] and "3" in ack["message"]
            ack = await client.call("carta.open.file", {"file": "image.fits + ", "file_id": 5, "lel_expr": True})
            assert not ack["success"] and ack["message"].startswith("column 14: ")
            ack = await client.call("carta.open.file", {"file": "image.fits", "file_id": -3})
            assert not ack["success"]

    async def test_bad_input(self, generation):
        async with await connect(self.server.url, self.server.secret, generation) as client:
            await fails(client.call("carta.open.file", {"file": "image.fits"}), -32001, "register")
            assert (await client.call("server.info"))["name"] == "Cubelink"
            await fails(client.call("no.such.method"), -32601)
            await client.call("carta.register.viewer", {})
            await fails(client.call("carta.open.file", {"file": 7}), -32602, "file")
            await fails(client.call("carta.open.file", {"nonsense": 7}), -32602, "nonsense")
            await fails(client.call("carta.open.file", {"file": "image.fits", "file_id": 2**31}), -32602, "file_id")
            await open_file(client, "image.fits")
            await client.next(HISTOGRAM)
            await fails(client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0, tile_code(2, 3, 0)]}), -32602, "tiles[1]")
            await fails(client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [-1]}), -32602, "tiles[0]")
            await fails(client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0] * 100000}), -32602, "4096")
            await fails(client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0], "compression_type": "SZ"}), -32001, "compression")
            for method, arguments in (
                ("carta.add.required.tiles", {"tiles": [0]}), ("carta.set.cursor", {"point": {"x": 1, "y": 1}}), ("carta.set.image.channels", {}),
                ("carta.close.file", {}), ("carta.set.spatial.requirements", {"spatial_profiles": [{"coordinate": "x"}]}), ("image.header", {})):  # fmt: skip
                await fails(client.call(method, file_id=9, **arguments), -32001, "9")
            await fails(client.call("carta.set.cursor", {"file_id": 0, "point": {"x": None, "y": 1}}), -32602, "point.x")
            await fails(client.call("carta.set.spatial.requirements", file_id=0, region_id=0, spatial_profiles=[{"coordinate": "Ux"}]), -32602, "Ux")
            await fails(client.call("carta.set.spectral.requirements", file_id=0, region_id=0, spectral_profiles=[{"coordinate": "z"}]), -32001, "axes")
            await fails(client.call("carta.open.catalogue", {"file_id": 0}), -32601, "carta.open.catalogue")
            assert await client.call("carta.set.contour.parameters", {"file_id": 0}) is None
            await fails(client.call("carta.close.catalog.file", {"file_id": 0}), -32001, "No catalog with id 0")
            assert (await get_tiles(client, 0, [0]))[0]["width"] == 150

    async def test_close(self, generation):
        async with await viewer(self.server, generation) as client:
            starts = [await client.start("carta.open.file", [{"file": "cube.fits", "file_id": 0}])]
            for i in range(50):
                starts.append(await client.start("carta.set.cursor", [{"file_id": 0, "point": {"x": i, "y": 1}}]))
            starts.append(await client.start("carta.close.file", [{"file_id": 0}]))
            replies = [await asyncio.wait_for(future, PATIENCE) for _, future in starts]
            ids = [entry[1] for entry in client.log if entry[0] == "reply" and entry[1].startswith("rpc")]
            assert "error" not in replies[-1] and replies[0]["result"]["file_id"] == 0
            # Calls for a file that is being opened are answered when they are done; closing comes after all that it ended.
            assert sorted(ids[1:]) == sorted(id for id, _ in starts) and ids[-1] == starts[-1][0], ids
            state = await client.call("session.state")
            assert state["files"] == [] and state["next_file_id"] in (0, 1)

    async def test_file_written_again(self, generation):
        data = numpy.arange(10000, dtype="f4").reshape(100, 100)
        path = f"{self.folder}/again{generation}.fits"
        fits.writeto(path, data)
        async with await viewer(self.server, generation) as client:
            await open_file(client, os.path.basename(path))
            await client.next(HISTOGRAM)
            fits.writeto(path, data[:50] + 1, overwrite=True)
            await fails(client.call("carta.add.required.tiles", {"file_id": 0, "tiles": [0]}), -32001)
            assert (await client.next(ERROR, lambda e: e["severity"] == "WARNING"))["message"]
            await open_file(client, os.path.basename(path))
            check_histogram(await client.next(HISTOGRAM), data[:50] + 1)

    async def test_two_connections(self, generation):
        first = await viewer(self.server, generation)
        second = await viewer(self.server, 3 - generation, first.session_id)
        assert second.registered["session_type"] == "RESUMED" and first.registered["session_type"] == "NEW"
        await open_file(first, "cube.fits")
        for client in (first, second):
            check_histogram(await client.next(HISTOGRAM), self.cube[0, 0])
        state = await second.call("session.state")
        assert state["files"][0]["open_file_ack"]["file_info"]["name"] == "cube.fits" and state["next_file_id"] == 1
        assert len(await second.call("session.connections")) == 2
        await second.call("carta.set.cursor", file_id=0, point={"x": 3, "y": 3})
        for client in (first, second):
            assert (await client.next(SPATIAL))["x"] == 3
        assert (await get_tiles(first, 0, [0]))[0]["width"] == 120
        assert await second.silence(TILE)
        await second.call("pubsub.subscribe", TILE, {"view": "any"})
        await get_tiles(first, 0, [0])
        assert await second.next(TILE)
        stranger = await viewer(self.server, generation)
        assert stranger.session_id != first.session_id and (await stranger.call("session.state"))["files"] == []
        await first.close(1000)
        assert (await second.call("session.state"))["files"]
        await second.close(1001)  # as a page that reloads
        third = await viewer(self.server, generation, first.session_id)
        assert third.registered["session_type"] == "RESUMED" and (await third.call("session.state"))["files"]
        await third.close(1000)
        fourth = await viewer(self.server, generation, first.session_id)
        assert fourth.registered["session_type"] == "NEW" and fourth.registered["message"]
        await fourth.call("session.close")
        await fails(fourth.call("session.state"), -32001, "register")
        await fourth.close()
        await stranger.close()


def main(program, only=None):
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        image, cube = make_files(folder)
        with Server(program, folder) as server:
            tests = Tests(server, folder, image, cube)
            for name in [name for name in dir(tests) if name.startswith("test_") and (only is None or only in name)]:
                for generation in (1, 2):
                    try:
                        asyncio.run(asyncio.wait_for(getattr(tests, name)(generation), 5 * PATIENCE))
                        print(f"ok    {name}, generation {generation}", flush=True)
                    except Exception:  # noqa: BLE001
                        failures += 1
                        print(f"FAIL  {name}, generation {generation}\n{traceback.format_exc()}", flush=True)
            if failures:
                print("".join(server.errors)[-2000:])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
