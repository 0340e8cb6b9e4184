"""Position-velocity images and their previews, held against numpy; their headers against what astropy says of source and result."""

import asyncio
import ctypes
import sqlite3
import unittest

import numpy
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from harness import PATIENCE, PROGRAM, Server, ServerTest, block_values, connect, open_file, settled, until
from test_line_profiles import centres_of_line, centres_of_polyline, means

PREVIEW, PROGRESS = "carta.pv.preview.data", "carta.pv.progress"
STOKES, DEPTH, HEIGHT, WIDTH = 4, 30, 60, 80
REST = 1.42e9


def sky_header(**spectral):
    header = fits.Header()
    for n, (kind, value, pixel, step) in enumerate((("RA---TAN", 30.0, 40, -1e-3), ("DEC--TAN", -20.0, 30, 1e-3)), 1):
        header[f"CTYPE{n}"], header[f"CRVAL{n}"], header[f"CRPIX{n}"], header[f"CDELT{n}"] = kind, value, float(pixel), step
        header[f"CUNIT{n}"] = "deg"
    header.update({"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CRPIX3": 4.0, "CDELT3": 1e6, **spectral})
    header.update(RADESYS="ICRS", RESTFRQ=REST, SPECSYS="LSRK", BUNIT="Jy/beam", OBJECT="NGC 253", BMAJ=2e-3, BMIN=1e-3, BPA=30.0)
    return header


def unpack(data):
    """The pixels of a preview, by libzfp itself."""
    zfp = ctypes.CDLL("libzfp.so.1")
    for name in ("zfp_field_2d", "zfp_stream_open", "stream_open"):
        getattr(zfp, name).restype = ctypes.c_void_p
    zfp.zfp_decompress.restype = ctypes.c_size_t
    pixels = numpy.zeros((data["height"], data["width"]), "f4")
    packed = ctypes.create_string_buffer(bytes(data["image_data"]), len(data["image_data"]))
    field = ctypes.c_void_p(zfp.zfp_field_2d(pixels.ctypes.data_as(ctypes.c_void_p), 3, data["width"], data["height"]))
    stream = ctypes.c_void_p(zfp.zfp_stream_open(None))
    zfp.zfp_stream_set_precision(stream, ctypes.c_uint(int(data["compression_quality"])))
    bits = ctypes.c_void_p(zfp.stream_open(packed, ctypes.c_size_t(len(data["image_data"]))))
    zfp.zfp_stream_set_bit_stream(stream, bits)
    zfp.zfp_stream_rewind(stream)
    assert zfp.zfp_decompress(stream, field)
    zfp.zfp_stream_close(stream)
    zfp.stream_close(bits)
    zfp.zfp_field_free(field)
    runs = numpy.frombuffer(data["nan_encodings"], "<i4")
    assert len(data["nan_encodings"]) % 4 == 0 and runs.sum() == pixels.size, runs
    pixels[numpy.repeat(numpy.arange(len(runs)) % 2 == 1, runs).reshape(pixels.shape)] = numpy.nan
    return pixels


def expected_pv(cube, points, width, kind="LINE"):
    """channel × position, and which of it is certain."""
    centres = centres_of_line(*points) if kind == "LINE" else centres_of_polyline(points)
    rows = [means(plane, centres, width) for plane in cube]
    return numpy.array([row[0] for row in rows]), numpy.array([row[1] for row in rows])


def averaged(cube, xy, z):
    """A preview's cube: blocks of the finite pixels; a last group of channels that is not complete is NaN."""
    depth, height, width = cube.shape
    out = numpy.full((-(-depth // z), -(-height // xy), -(-width // xy)), numpy.nan)
    cube = numpy.where(numpy.isfinite(cube), cube, numpy.nan).astype("f8")
    for k in range(depth // z):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                block = cube[k * z : (k + 1) * z, j * xy : (j + 1) * xy, i * xy : (i + 1) * xy]
                if numpy.isfinite(block).any():
                    out[k, j, i] = numpy.nanmean(block)
    return out


def header_of(ack):
    """FITS header of a file's or preview's entries."""
    header = fits.Header()
    for entry in ack["header_entries"]:
        if entry["name"].startswith(("HISTORY", "COMMENT")) or not entry["name"]:
            continue
        value = entry["value"] if entry["entry_type"] == "STRING" else entry["numeric_value"]
        header[entry["name"]] = int(value) if entry["entry_type"] == "INT" else value == "T" if value in ("T", "F") else value
    return header


class PositionVelocity(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(23)
        cls.cube = random.normal(size=(STOKES, DEPTH, HEIGHT, WIDTH)).astype("f4")
        cls.cube[:, 4:9, 20:25, 30:44] = numpy.nan
        cls.cube[0, 2, 10, 12] = numpy.inf
        header = sky_header(CTYPE4="STOKES", CRVAL4=1.0, CRPIX4=1.0, CDELT4=1.0)
        fits.writeto(folder / "cube.fits", cls.cube, header)
        fits.writeto(folder / "plain.fits", cls.cube[0])
        fits.CompImageHDU(cls.cube[1], sky_header(), compression_type="GZIP_2", quantize_level=0.0, tile_size=(16, 16, 1)).writeto(folder / "compressed.fits.fz")
        fits.writeto(folder / "optical.fits", cls.cube[0], sky_header(CTYPE3="VOPT", CUNIT3="m/s", CRVAL3=1e6, CDELT3=2e5))
        fits.writeto(folder / "plane.fits", cls.cube[0, 0])

    async def region(self, client, kind, points, file_id=0, region_id=-1, preview=False):
        ack = await client.call("carta.set.region", {"file_id": file_id, "region_id": region_id, "preview_region": preview, "region_info": {
            "region_type": kind, "control_points": [{"x": float(x), "y": float(y)} for x, y in points], "rotation": 0}})  # fmt: skip
        if preview:
            return self.assertIsNone(ack)
        self.assertTrue(ack["success"], ack)
        return ack["region_id"]

    async def ask(self, client, region_id, file_id=0, width=3, **more):
        return await client.call("carta.pv.request", {"file_id": file_id, "region_id": region_id, "width": width, **more}, timeout=PATIENCE)

    async def pixels(self, client, file_id):
        return block_values(await client.call("image.read", file_id=file_id, timeout=PATIENCE)).squeeze()

    def same(self, values, expected):
        expected, certain = expected
        self.assertEqual(values.shape, expected.shape)
        self.assertGreater(certain.mean(), 0.5)
        numpy.testing.assert_allclose(values[certain], expected[certain].astype("f4"), rtol=2e-5, atol=2e-6)

    async def made(self, client, region_id, file_id=0, **more):
        answer = await self.ask(client, region_id, file_id, **more)
        self.assertTrue(answer["success"], answer["message"])
        self.assertFalse(answer["cancel"])
        self.assertIsNone(answer.get("preview_data"))
        return answer["open_file_ack"]

    async def test_values_and_headers(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "cube.fits")
            frequencies = WCS(fits.getheader(self.folder / "cube.fits")).spectral.pixel_to_world_values(numpy.arange(DEPTH))
            cases = (("LINE", ((10, 22), (70, 22)), 1, {}), ("LINE", ((33, 5), (33, 55)), 3, {"reverse": True}), ("LINE", ((5.25, 3.5), (74.75, 57)), 7, {}),
                     ("LINE", ((60, 10), (-20, 70)), 20, {"spectral_range": {"min": 3, "max": 11}}),
                     ("POLYLINE", ((5, 5), (40, 30), (70, 12.5)), 3, {"spectral_range": {"min": 9, "max": 9}}),
                     ("POLYLINE", ((5, 5), (5, 30), (40, 31), (41, 31)), 2, {"reverse": True, "spectral_range": {"min": 20, "max": 4000}}))  # fmt: skip
            for number, (kind, points, width, more) in enumerate(cases, 1):
                region = await self.region(client, kind, points)
                ack = await self.made(client, region, width=width, **more)
                self.assertEqual((ack["file_id"], ack["file_info"]["name"], ack["file_info"]["type"]), (number, "cube_pv.fits", "CASA"))
                first = more.get("spectral_range", {}).get("min", 0)
                last = min(more.get("spectral_range", {}).get("max", DEPTH - 1), DEPTH - 1)
                reverse = more.get("reverse", False)
                values = await self.pixels(client, number)
                values = values.reshape((-1, last - first + 1)).T if reverse else values.reshape((last - first + 1, -1))
                self.same(values, expected_pv(self.cube[0, first : last + 1], points, width, kind))

                header = header_of(ack["file_info_extended"])
                x, y = (2, 1) if reverse else (1, 2)
                self.assertEqual(header[f"CTYPE{x}"], "Offset" if kind == "LINE" else "Distance")
                self.assertEqual((header[f"CTYPE{y}"], header["CTYPE3"], header["NAXIS3"]), ("FREQ", "STOKES", 1))
                positions = values.shape[1]
                self.assertEqual((header[f"NAXIS{x}"], header[f"NAXIS{y}"]), (positions, last - first + 1))
                self.assertEqual((header[f"CRPIX{x}"], header[f"CRVAL{x}"]), ((positions - 1) // 2 + 1 if kind == "LINE" else 1, 0))
                self.assertAlmostEqual((header[f"CDELT{x}"] * units.Unit(header[f"CUNIT{x}"])).to_value("arcsec"), 3.6, delta=0.01)
                self.assertEqual((header["CRVAL3"], header[f"CRPIX{y}"]), (1, 1))
                self.assertEqual((header["RESTFRQ"], header["SPECSYS"], header["BUNIT"], header["OBJECT"]), (REST, "LSRK", "Jy/beam", "NGC 253"))
                got = WCS(header).sub([y]).pixel_to_world_values(numpy.arange(last - first + 1))
                numpy.testing.assert_allclose(numpy.ravel(got), frequencies[first : last + 1], rtol=1e-12)
                beam, = ack["beam_table"]
                self.assertAlmostEqual(beam["major_axis"], 7.2, places=4)
                ids = {"file_id": number, "region_id": -1}
                histogram = await client.next("carta.region.histogram.data", lambda m: m["file_id"] == number, PATIENCE)
                self.assertEqual({name: histogram[name] for name in ids}, ids)

    async def test_stokes_and_polarizations(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        line = ((10, 15), (60, 45))
        region = await self.region(client, "LINE", line)
        for stokes, cube in ((2, self.cube[2]), (14, numpy.hypot(self.cube[1], self.cube[2]))):
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": 3, "stokes": stokes, "required_tiles": {"file_id": 0}})
            ack = await self.made(client, region, width=5, keep=True)
            self.same(await self.pixels(client, ack["file_id"]), expected_pv(cube, line, 5))
            self.assertEqual(header_of(ack["file_info_extended"])["CRVAL3"], {2: 3, 14: 0}[stokes])

    async def test_other_images(self):
        client = await self.viewer()
        line = ((7, 8), (70, 50))
        for file, cube in (("plain.fits", self.cube[0]), ("compressed.fits.fz", self.cube[1]), ("optical.fits", self.cube[0])):
            await open_file(client, file)
            region = await self.region(client, "LINE", line)
            ack = await self.made(client, region, width=4)
            stem, _, extension = file.partition(".")
            self.assertEqual(ack["file_info"]["name"], f"{stem}_pv.{extension}")
            self.same(await self.pixels(client, ack["file_id"]), expected_pv(cube, line, 4))
            header = header_of(ack["file_info_extended"])
            self.assertEqual(header["NAXIS"], 2)
            if file == "plain.fits":
                self.assertEqual((header["CUNIT1"], header["CDELT1"]), ("pixel", 1))
            else:
                frequencies = WCS(fits.getheader(self.folder / file, 1 if "compressed" in file else 0)).spectral.pixel_to_world_values(numpy.arange(DEPTH))
                if file == "optical.fits":  # at equal steps of wavelength
                    self.assertEqual(header["CTYPE2"], "FREQ-W2F")
                    frequencies = REST / (1 + frequencies / 299792458.0)
                numpy.testing.assert_allclose(numpy.ravel(WCS(header).sub([2]).pixel_to_world_values(numpy.arange(DEPTH))), frequencies, rtol=1e-9)
            await client.call("carta.close.file", {"file_id": -1})

    async def test_names_and_ids(self):
        client = await self.viewer()
        await open_file(client, "cube.fits", 5)
        region = await self.region(client, "LINE", ((10, 15), (60, 45)), 5)
        names = []
        for keep in (False, True, True, False):
            ack = await self.made(client, region, 5, keep=keep)
            names.append((ack["file_id"], ack["file_info"]["name"]))
        self.assertEqual(names, [(6, "cube_pv.fits"), (7, "cube_pv1.fits"), (8, "cube_pv2.fits"), (9, "cube_pv.fits")])
        # It is an image like any other: another can be opened behind it, and it closed.
        await client.call("carta.close.file", {"file_id": 7})
        ack = await self.made(client, region, 5, keep=True)
        self.assertEqual((ack["file_id"], ack["file_info"]["name"]), (10, "cube_pv1.fits"))
        self.assertEqual((await client.call("session.state"))["next_file_id"], 11)

    async def test_mistakes(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        await open_file(client, "plane.fits", 1)
        line = await self.region(client, "LINE", ((10, 15), (60, 45)))
        flat = await self.region(client, "LINE", ((10, 15), (60, 45)), 1)
        box = await self.region(client, "RECTANGLE", ((10, 15), (5, 5)))
        long_ = await self.region(client, "LINE", ((-1e7, 15), (1e7, 45)))
        for text, region, more in (("there is no region", 99, {}), ("rectangle", box, {}), ("width", line, {"width": 0}), ("width", line, {"width": 21}),
                                   ("no file", line, {"file_id": 7}), ("spectral axis", flat, {"file_id": 1}), ("the limit is", long_, {}),
                                   ("above the last", line, {"spectral_range": {"min": 5, "max": 4}}), ("not in the image", line, {"spectral_range": {"min": 30, "max": 40}}),
                                   ("rebin", line, {"preview_settings": {"rebin_xy": -1}}), ("closed region", line, {"preview_settings": {"region_id": line}}),
                                   ("no region", line, {"preview_settings": {"region_id": 77}}), ("no region", line, {"preview_settings": {"region_id": -7}})):  # fmt: skip
            answer = await self.ask(client, region, **more)
            self.assertFalse(answer["success"], text)
            self.assertIn(text, answer["message"].lower())
            self.assertIsNone(answer.get("open_file_ack"))
        for method in ("carta.stop.pv.calc", "carta.stop.pv.preview", "carta.close.pv.preview"):
            self.assertIsNone(await client.call(method, {"file_id" if "calc" in method else "preview_id": 3}))
        self.alive()

    # ---- Previews

    def settings(self, preview_id=0, **more):
        return {"preview_settings": {"preview_id": preview_id, "region_id": -1, "rebin_xy": 1, "rebin_z": 1, "compression_type": "ZFP",
                                     "image_compression_quality": 24, "animation_compression_quality": 18, **more}}  # fmt: skip

    async def preview(self, client, region_id, settings, **more):
        answer = await self.ask(client, region_id, **settings, **more)
        self.assertTrue(answer["success"], answer["message"])
        self.assertIsNone(answer.get("open_file_ack"))
        return answer["preview_data"]

    def check_preview(self, data, expected, final=True, tolerance=2e-3):
        expected, certain = expected
        values = unpack(data)
        self.assertEqual(values.shape, expected.shape)
        numpy.testing.assert_array_equal(numpy.isnan(values[certain]), numpy.isnan(expected[certain]))
        numpy.testing.assert_allclose(values[certain], expected[certain], atol=tolerance)
        finite = expected[certain & numpy.isfinite(expected)]
        bounds = data["histogram_bounds"]
        self.assertLessEqual(bounds["min"], finite.min() + 1e-5)
        self.assertGreaterEqual(bounds["max"], finite.max() - 1e-5)
        if final:
            self.assertEqual(sum(data["histogram"]["bins"]), numpy.isfinite(values).sum())
            self.assertAlmostEqual(data["histogram"]["mean"], numpy.nanmean(values), places=3)
        else:
            self.assertIsNone(data.get("histogram"))
        self.assertEqual((data["compression_type"], data["compression_quality"]), ("ZFP", 24 if final else 18))

    async def test_preview_values(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            await open_file(client, "cube.fits")
            line = await self.region(client, "LINE", ((12, 10), (68, 47)))
            box = await self.region(client, "RECTANGLE", ((41, 31), (50, 41)))  # 16 … 66, 11 … 51
            data = await self.preview(client, line, self.settings(4))
            self.assertEqual(data["preview_id"], 4)
            self.check_preview(data, expected_pv(self.cube[0], ((12, 10), (68, 47)), 3))
            header = header_of(data["image_info"])
            self.assertEqual((header["CTYPE1"], header["CTYPE2"], header["CRVAL2"], header["CDELT2"]), ("Offset", "FREQ", 1.4e9 - 3e6, 1e6))
            self.assertEqual((data["image_info"]["width"], data["image_info"]["height"]), (data["width"], data["height"]))
            # A part of it, averaged: the line lies where it lies in the image, and is as wide.
            data = await self.preview(client, line, self.settings(4, region_id=box, rebin_xy=2, rebin_z=4), width=6, spectral_range={"min": 2, "max": 23}, reverse=True)
            cube = averaged(self.cube[0, 2:24, 11:52, 16:67], 2, 4)
            points = [((x + 0.5 - 16) / 2 - 0.5, (y + 0.5 - 11) / 2 - 0.5) for x, y in ((12, 10), (68, 47))]
            expected, certain = expected_pv(cube, points, 3)
            self.assertTrue(numpy.isnan(expected[5]).all())  # 22 channels are 5 groups and a half
            self.check_preview(data, (expected.T, certain.T))
            header = header_of(data["image_info"])
            self.assertEqual((header["CTYPE1"], header["CTYPE2"], header["NAXIS1"], header["CDELT1"]), ("FREQ", "Offset", 6, 4e6))
            self.assertAlmostEqual(header["CRVAL1"], 1.4e9 + (2 - 3 + 1.5) * 1e6)
            self.assertAlmostEqual((header["CDELT2"] * units.Unit(header["CUNIT2"])).to_value("arcsec"), 7.2, places=2)

    async def test_preview_follows_the_line(self):
        client = await self.viewer()
        other = await self.viewer(session_id=client.session_id)
        await open_file(client, "cube.fits")
        for kind, places in (("LINE", [((12, 10), (68, 47 - i)) for i in range(12)]), ("POLYLINE", [((5, 5), (40, 30 + i), (70, 12)) for i in range(12)])):
            line = await self.region(client, kind, places[0])
            await self.preview(client, line, self.settings(2))
            for points in places[1:]:
                await self.region(client, kind, points, region_id=line, preview=True)
            expected = expected_pv(self.cube[0], places[-1], 3, kind)
            newest = await client.next(PREVIEW, lambda m: m["width"] == expected[0].shape[1] and numpy.nanmax(abs(unpack(m) - expected[0])[expected[1]]) < 0.1, PATIENCE)
            self.check_preview(newest, expected, final=False, tolerance=2e-2)
            await settled(client)
            self.assertIs([message for _, topic, message in client.log if topic == PREVIEW][-1], newest)
            client.published.pop(PREVIEW, None)
            # The region itself has not moved.
            shape = next(r for r in (await client.call("session.state"))["regions"] if r["region_id"] == line)["region_info"]
            self.assertEqual([(p["x"], p["y"]) for p in shape["control_points"]], [tuple(map(float, p)) for p in places[0]])
            await self.region(client, kind, places[3], region_id=line)
            self.check_preview(await client.next(PREVIEW, timeout=PATIENCE), expected_pv(self.cube[0], places[3], 3, kind))
            await client.call("carta.close.pv.preview", {"preview_id": 2})
            await self.region(client, kind, places[5], region_id=line)
            await self.region(client, kind, places[6], region_id=line, preview=True)
            await settled(client)
            self.assertEqual(client.published.get(PREVIEW, []), [])
        await settled(other)
        self.assertEqual(other.published.get(PREVIEW, []), [])  # it belongs to who asked

    async def test_previews_end(self):
        client = await self.viewer()
        for end in ("region", "file", "replaced"):
            await open_file(client, "cube.fits")
            line = await self.region(client, "LINE", ((12, 10), (68, 47)))
            await self.preview(client, line, self.settings(1))
            if end == "region":
                await client.call("carta.remove.region", {"region_id": line})
                line = await self.region(client, "LINE", ((12, 10), (68, 40)), region_id=line)
            elif end == "file":
                await client.call("carta.close.file", {"file_id": 0})
                await open_file(client, "cube.fits")
            else:
                data = await self.preview(client, line, self.settings(1), width=9)
                self.check_preview(data, expected_pv(self.cube[0], ((12, 10), (68, 47)), 9))
            await self.region(client, "LINE", ((12, 10), (68, 41)), region_id=line)
            if end == "replaced":
                self.check_preview(await client.next(PREVIEW, timeout=PATIENCE), expected_pv(self.cube[0], ((12, 10), (68, 41)), 9))
            await settled(client)
            self.assertEqual(client.published.get(PREVIEW, []), [], end)

    async def test_memory_is_released(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        line = await self.region(client, "LINE", ((12, 10), (68, 47)))
        for close in (lambda: client.call("carta.close.pv.preview", {"preview_id": 3}), lambda: client.call("carta.remove.region", {"region_id": line})):
            await self.preview(client, line, self.settings(3))
            await settled(client)
            used = self.server.gauge("cubelink_cache_bytes")
            await close()
            await settled(client)
            self.assertLessEqual(self.server.gauge("cubelink_cache_bytes"), used - self.cube[0].nbytes)

    async def test_previews_are_bounded(self):
        client = await self.viewer()
        await open_file(client, "cube.fits")
        line = await self.region(client, "LINE", ((12, 10), (68, 47)))
        for preview_id in range(16):
            await self.preview(client, line, self.settings(preview_id, rebin_xy=4))
        answer = await self.ask(client, line, **self.settings(99, rebin_xy=4))
        self.assertFalse(answer["success"])
        self.assertIn("at most 16", answer["message"])
        await self.region(client, "LINE", ((12, 10), (68, 41)), region_id=line)
        came = {(await client.next(PREVIEW, timeout=PATIENCE))["preview_id"] for _ in range(16)}
        self.assertEqual(came, set(range(16)))
        await client.call("carta.close.pv.preview", {"preview_id": 7})
        await self.preview(client, line, self.settings(99, rebin_xy=4))


class Large(ServerTest):
    """Long enough to be stopped; more than the memory allows."""

    options = ("--memory-limit", "256M")

    @classmethod
    def make_files(cls, folder):
        # A sparse file of zeros: 4096 × 4096 × 600 floats.
        header = fits.Header()
        header.update({"SIMPLE": True, "BITPIX": -32, "NAXIS": 3, "NAXIS1": 4096, "NAXIS2": 4096, "NAXIS3": 600, "CTYPE3": "FREQ", "CRVAL3": 1e9, "CDELT3": 1e6, "CRPIX3": 1.0})
        with open(folder / "large.fits", "wb") as file:
            file.write(header.tostring().encode())
            file.truncate(2880 + -(-4096 * 4096 * 600 * 4 // 2880) * 2880)

    async def opened(self):
        client = await self.viewer()
        await open_file(client, "large.fits")
        points = [(i % 2 * 4095, i * 40) for i in range(100)]
        ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
            "region_type": "POLYLINE", "control_points": [{"x": float(x), "y": float(y)} for x, y in points], "rotation": 0}})  # fmt: skip
        return client, ack["region_id"]

    async def stopped_by(self, client, request, stop):
        id, answer = await client.start("carta.pv.request", [request])
        await client.next("session.changed", lambda m: m["what"] == "progress" and m["progress"] < 1, PATIENCE)
        await stop()
        answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
        self.assertTrue(answer["cancel"], answer)
        self.assertTrue(answer["success"], answer)
        self.assertIsNone(answer.get("open_file_ack"))
        self.assertIsNone(answer.get("preview_data"))
        await settled(client)
        self.alive()

    async def test_stopped(self):
        client, line = await self.opened()
        request = {"file_id": 0, "region_id": line, "width": 20}
        await self.stopped_by(client, request, lambda: client.call("carta.stop.pv.calc", {"file_id": 0}))
        self.assertEqual([file["file_id"] for file in (await client.call("session.state"))["files"]], [0])
        id, answer = await client.start("carta.pv.request", [request])
        progress = await client.next(PROGRESS, timeout=PATIENCE)
        self.assertEqual((progress["file_id"], progress["preview_id"]), (0, 0))
        self.assertTrue(0 <= progress["progress"] <= 1)
        await client.call("carta.close.file", {"file_id": 0})
        self.assertTrue((await asyncio.wait_for(answer, PATIENCE))["result"]["cancel"])
        await settled(client)

    async def test_names_of_requests_that_overlap(self):
        client, line = await self.opened()
        request = {"file_id": 0, "region_id": line, "width": 3, "keep": True, "spectral_range": {"min": 0, "max": 4}}
        answers = [(await client.start("carta.pv.request", [request]))[1] for _ in range(3)]
        names = []
        for answer in answers:
            answer = (await asyncio.wait_for(answer, PATIENCE))["result"]
            self.assertTrue(answer["success"], answer["message"])
            ack = answer["open_file_ack"]
            self.assertEqual({entry["name"]: entry["value"] for entry in ack["file_info_extended"]["computed_entries"]}["Name"], ack["file_info"]["name"])
            names.append(ack["file_info"]["name"])
        self.assertEqual(sorted(names), ["large_pv.fits", "large_pv1.fits", "large_pv2.fits"])
        await settled(client)

    async def test_a_preview_is_stopped(self):
        client, line = await self.opened()
        request = {"file_id": 0, "region_id": line, "width": 3, "preview_settings": {"preview_id": 5, "region_id": -1, "rebin_xy": 16, "rebin_z": 2}}
        await self.stopped_by(client, request, lambda: client.call("carta.stop.pv.preview", {"preview_id": 5}))
        await self.stopped_by(client, request, lambda: client.call("carta.close.pv.preview", {"preview_id": 5}))
        # By another one of its number.
        small = {**request, "preview_settings": {**request["preview_settings"], "rebin_xy": 256}, "spectral_range": {"min": 0, "max": 1}}

        async def replace():
            answer = await client.call("carta.pv.request", small, timeout=PATIENCE)
            self.assertTrue(answer["success"], answer["message"])

        await self.stopped_by(client, request, replace)

    async def test_a_preview_that_does_not_fit(self):
        client, line = await self.opened()
        answer = await client.call("carta.pv.request", {"file_id": 0, "region_id": line, "width": 3, "preview_settings": {"region_id": -1, "rebin_xy": 2, "rebin_z": 1}},
                                   timeout=PATIENCE)  # fmt: skip
        self.assertFalse(answer["success"])
        self.assertFalse(answer["cancel"])
        for part in ("2048 × 2048 pixels and 600 channels", "9.4 GiB", "256.0 MiB", "rebin"):
            self.assertIn(part, answer["message"])


class Restarted(ServerTest):
    @classmethod
    def make_files(cls, folder):
        PositionVelocity.make_files.__func__(cls, folder)

    async def test_comes_back(self):
        store = f"{self.temporary.name}/restart.sqlite"
        points, values, session = ((5.5, 3.5), (70, 50)), None, 0
        for round_ in range(2):
            with Server(PROGRAM, str(self.folder), "--store", store) as server:
                client = await connect(server.url, server.secret, 2)
                client.server = server
                registered = await client.call("carta.register.viewer", {"session_id": session})
                if round_ == 0:
                    session = registered["session_id"]
                    await open_file(client, "cube.fits")
                    await client.call("carta.set.image.channels", {"file_id": 0, "channel": 3, "stokes": 14, "required_tiles": {"file_id": 0}})
                    region = (await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {
                        "region_type": "LINE", "control_points": [{"x": x, "y": y} for x, y in points], "rotation": 0}}))["region_id"]  # fmt: skip
                    answer = await client.call("carta.pv.request", {"file_id": 0, "region_id": region, "width": 5, "reverse": True, "spectral_range": {"min": 2, "max": 19}},
                                               timeout=PATIENCE)  # fmt: skip
                    self.assertTrue(answer["success"], answer["message"])
                    ack = answer["open_file_ack"]
                    # Its recipe holds its source's: that may be closed.
                    await client.call("carta.close.file", {"file_id": 0})

                    async def saved():
                        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=PATIENCE) as database:
                            row = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()
                        return row and "position_velocity" in row[0] and '"id":0' not in row[0].replace(" ", "")

                    await until(saved, "the image in the store")
                else:
                    self.assertEqual(registered["session_type"], "RESUMED")

                    async def opened():
                        return [file for file in (await client.call("session.state"))["files"]]

                    await until(opened, "the image")
                    file, = await opened()
                    again = file["open_file_ack"]
                    self.assertEqual((again["file_id"], again["file_info"]["name"]), (1, "cube_pv.fits"))
                    self.assertEqual(header_of(again["file_info_extended"]), header_of(ack["file_info_extended"]))
                read = block_values(await client.call("image.read", file_id=1, timeout=PATIENCE)).squeeze()
                if round_ == 0:
                    values = read
                    expected, certain = expected_pv(numpy.hypot(self.cube[1], self.cube[2])[2:20], points, 5)
                    numpy.testing.assert_allclose(read.T[certain], expected[certain].astype("f4"), rtol=2e-5, atol=2e-6)
                else:
                    numpy.testing.assert_array_equal(read, values)
                await client.close(1001)


if __name__ == "__main__":
    unittest.main()
