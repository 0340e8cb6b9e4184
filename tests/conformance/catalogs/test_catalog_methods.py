"""catalog.rows and catalog.pixels: conditions that are nested, positions on images; against numpy, re and astropy."""

import asyncio
import os
import random
import re
import unittest

import numpy
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from support import PATIENCE, ServerTest, open_catalog

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
COUNT = 5000
DTYPES = {"double": "<f8", "float": "<f4", "int32": "<i4"}


def header_of_sky(frame="ICRS", kind=("RA---TAN", "DEC--TAN")):
    header = fits.Header()
    for n, (axis, value, step) in enumerate(zip(kind, (120.0, 30.0), (-0.01, 0.01)), 1):
        header[f"CTYPE{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CRPIX{n}"], header[f"CUNIT{n}"] = axis, value, step, 100.0 + n, "deg"
    if frame:
        header["RADESYS"] = frame
    return header


class Methods(ServerTest):
    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        numbers = numpy.random.default_rng(SEED)
        table = Table()
        table["ra"], table["dec"] = numbers.uniform(119, 121.5, COUNT), numbers.uniform(29, 31, COUNT)
        flux = numbers.normal(size=COUNT).astype("f4")
        flux[::11] = numpy.nan
        table["flux"], table["id"] = flux, numpy.arange(COUNT, dtype="i4")
        table["name"] = [f"{numbers.choice(['HD', 'ngc', 'NGC'])} {n % 300}" for n in range(COUNT)]
        table["hours"], table["hours"].unit = table["ra"] / 15, "h"
        cls.table = table
        table.write(folder / "sources.fits")
        cls.header = header_of_sky()
        fits.writeto(folder / "image.fits", numpy.zeros((220, 210), "f4"), cls.header)
        cls.galactic = header_of_sky("", ("GLON-CAR", "GLAT-CAR"))
        centre = SkyCoord(120 * u.deg, 30 * u.deg).galactic
        cls.galactic["CRVAL1"], cls.galactic["CRVAL2"] = centre.l.deg, 0.0
        cls.galactic["CRPIX2"] = 100 - centre.b.deg / 0.01
        fits.writeto(folder / "galactic.fits", numpy.zeros((220, 210), "f4"), cls.galactic)
        fits.writeto(folder / "flat.fits", numpy.zeros((5, 5), "f4"))

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.viewer_ = await self.viewer()
        await open_catalog(self.viewer_, "sources.fits", 4)
        for number, name in enumerate(("image.fits", "galactic.fits", "flat.fits")):
            self.assertTrue((await self.viewer_.call("carta.open.file", {"file": name, "file_id": number}, timeout=PATIENCE))["success"])

    async def ids(self, **more):
        answer = await self.viewer_.call("catalog.rows", file_id=4, columns=["id"], timeout=PATIENCE, **more)
        return numpy.frombuffer(answer["columns"]["id"]["data"], "<i4"), answer

    async def passes(self, where, expected):
        found, answer = await self.ids(where=where)
        numpy.testing.assert_array_equal(found, numpy.flatnonzero(expected), str(where))
        self.assertEqual((answer["rows"], answer["count"], answer["start"]), (int(expected.sum()), int(expected.sum()), 0))

    async def test_all_columns(self):
        answer = await self.viewer_.call("catalog.rows", file_id=4, start=100, count=40)
        self.assertEqual((answer["rows"], answer["start"], answer["count"]), (COUNT, 100, 40))
        self.assertEqual(list(answer["columns"]), self.table.colnames)
        for name, column in answer["columns"].items():
            expected = self.table[name][100:140]
            if column["type"] == "string":
                self.assertEqual(column["texts"], list(expected))
            else:
                numpy.testing.assert_array_equal(numpy.frombuffer(column["data"], DTYPES[column["type"]]), numpy.array(expected))

    async def test_conditions(self):
        flux, name = numpy.array(self.table["flux"]), list(self.table["name"])
        texts = lambda test: numpy.array([bool(test(text)) for text in name])  # noqa: E731
        large = {"column": "flux", "op": ">", "value": 0.5}
        ngc = {"column": "name", "matches": "^ngc .*[05]$", "ignore_case": True}
        is_ngc = texts(lambda text: re.search("^ngc .*[05]$", text, re.I))
        await self.passes(large, flux > 0.5)
        await self.passes({"column": "flux", "between": [-0.5, 0.5]}, (flux >= -0.5) & (flux <= 0.5))
        await self.passes(ngc, is_ngc)
        await self.passes({"column": "name", "contains": "NGC"}, texts(lambda text: "NGC" in text))
        await self.passes({"column": "name", "equals": "hd 7", "ignore_case": True}, texts(lambda text: text.lower() == "hd 7"))
        await self.passes({"missing": "flux"}, numpy.isnan(flux))
        await self.passes({"any": [large, ngc]}, (flux > 0.5) | is_ngc)
        await self.passes({"all": [{"none": [large]}, {"any": [ngc, {"missing": "flux"}]}]}, ~(flux > 0.5) & (is_ngc | numpy.isnan(flux)))
        await self.passes(None, numpy.ones(COUNT, bool))
        position = SkyCoord(numpy.array(self.table["ra"]) * u.deg, numpy.array(self.table["dec"]) * u.deg)
        near = position.separation(SkyCoord(120.2 * u.deg, 30.1 * u.deg)).deg <= 0.3
        await self.passes({"cone": {"lon": "ra", "lat": "dec", "center": [120.2, 30.1], "radius": 0.3}}, near)
        found, _ = await self.ids(where=large, sort="flux", descending=True, start=5, count=20)
        order = numpy.argsort(-flux, kind="stable")
        numpy.testing.assert_array_equal(found, order[5:25])

    async def test_pixels(self):
        position = SkyCoord(numpy.array(self.table["ra"]) * u.deg, numpy.array(self.table["dec"]) * u.deg)
        for image, header, lon in ((0, self.header, "ra"), (0, self.header, "hours"), (1, self.galactic, "ra")):
            wcs = WCS(header)
            answer = await self.viewer_.call("catalog.pixels", file_id=4, image_file_id=image, lon=lon, lat="dec", timeout=PATIENCE)
            x, y = (numpy.frombuffer(answer[axis], "<f8") for axis in "xy")
            expected = wcs.world_to_pixel(position)
            numpy.testing.assert_allclose(x, expected[0], atol=1e-6)
            numpy.testing.assert_allclose(y, expected[1], atol=1e-6)
            self.assertEqual((answer["frame"], answer["rows"]), ("ICRS", COUNT))
        some = await self.viewer_.call("catalog.pixels", file_id=4, image_file_id=0, lon="ra", lat="dec", where={"column": "flux", "op": ">", "value": 1}, sort="flux", count=7, start=2)
        flux = numpy.array(self.table["flux"])
        order = [i for i in numpy.argsort(flux, kind="stable") if flux[i] > 1][2:9]
        numpy.testing.assert_allclose(numpy.frombuffer(some["x"], "<f8"), WCS(self.header).world_to_pixel(position)[0][order], atol=1e-6)
        fk5 = await self.viewer_.call("catalog.pixels", file_id=4, image_file_id=0, lon="ra", lat="dec", frame="FK4", count=3)
        old = SkyCoord(numpy.array(self.table["ra"])[:3] * u.deg, numpy.array(self.table["dec"])[:3] * u.deg, frame="fk4").icrs
        numpy.testing.assert_allclose(numpy.frombuffer(fk5["x"], "<f8"), WCS(self.header).world_to_pixel(old)[0], atol=0.01)

    async def test_inside_of_regions_and_bounds(self):
        position = SkyCoord(numpy.array(self.table["ra"]) * u.deg, numpy.array(self.table["dec"]) * u.deg)
        x, y = WCS(self.header).world_to_pixel(position)
        columns = {"lon": "ra", "lat": "dec"}
        await self.passes({"inside": {"file_id": 0, "bounds": [20, 90.5, 40, 100], **columns}}, (x >= 20) & (x <= 90.5) & (y >= 40) & (y <= 100))
        info = {"region_type": "ELLIPSE", "control_points": [{"x": 100, "y": 110}, {"x": 30, "y": 50}], "rotation": 0.0}
        region = (await self.viewer_.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info}))["region_id"]
        where = {"inside": {"file_id": 0, "region_id": region, **columns}}
        # Of the pixels, as statistics count them. The ellipse's first axis is along y.
        px, py = numpy.floor(x + 0.5), numpy.floor(y + 0.5)
        inside = ((px - 100) / 50) ** 2 + ((py - 110) / 30) ** 2 <= 1
        await self.passes(where, inside)
        # On another image of the same sky most of them are the same.
        found, _ = await self.ids(where={"inside": {"file_id": 1, "region_id": region, **columns}})
        self.assertGreater(len(set(found) & set(numpy.flatnonzero(inside))), 0.9 * len(found))
        # Moved: not what was kept.
        info["control_points"][0]["x"] = 60
        await self.viewer_.call("carta.set.region", {"file_id": 0, "region_id": region, "region_info": info})
        await self.passes(where, ((px - 60) / 50) ** 2 + ((py - 110) / 30) ** 2 <= 1)
        await self.viewer_.call("carta.remove.region", {"region_id": region})
        await self.fails(self.viewer_.call("catalog.rows", file_id=4, where=where), -32001, "no region")

    async def test_what_makes_no_sense(self):
        deep = {"missing": "flux"}
        for _ in range(30):
            deep = {"all": [deep]}
        for where, part in (
            ({}, "where: expected one of"), ([], "where"), ("flux > 3", "where"), ({"column": "nothing"}, "where.column"), ({"column": "flux", "op": "~", "value": 1}, "where.op"),
            ({"column": "flux", "op": ">"}, "where.value"), ({"column": "flux", "op": ">", "value": 1, "vale": 2}, "where.vale"), ({"all": [{"missing": "flux"}, {"any": 3}]}, "where.all[1].any"),
            ({"column": "name", "matches": "(a"}, "where.matches"), ({"column": "name", "op": "=", "value": 3}, "contains"), (deep, "nested"), ({"any": [{"missing": "flux"}] * 2000}, "1000"),
            ({"cone": {"lon": "ra", "lat": "name", "center": [1, 2], "radius": 1}}, "where.cone.lat"), ({"cone": {"lon": "ra", "lat": "dec", "center": [1], "radius": 1}}, "center"),
            ({"cone": {"lon": "ra", "lat": "dec", "center": [1, 91], "radius": 1}}, "center"), ({"cone": {"lon": "ra", "lat": "dec", "center": [1, 2], "radius": -1}}, "radius"),
            ({"inside": {"file_id": 2, "lon": "ra", "lat": "dec", "bounds": [0, 1, 0, 1]}}, "sky"), ({"column": "flux", "between": [1]}, "where.between"),
        ):  # fmt: skip
            with self.subTest(str(where)[:80]):
                await self.fails(self.viewer_.call("catalog.rows", file_id=4, where=where), -32602, part)
        await self.fails(self.viewer_.call("catalog.rows", file_id=4, where={"inside": {"file_id": 9, "lon": "ra", "lat": "dec", "bounds": [0, 1, 0, 1]}}), -32001, "No file with id 9")
        await self.fails(self.viewer_.call("catalog.rows", file_id=5), -32001, "No catalog with id 5")
        for arguments, part in (({"sort": "x"}, "sort"), ({"start": -1}, "start"), ({"count": "a"}, "count"), ({"columns": ["ra", "x"]}, "columns[1]"), ({"colums": []}, "colums")):
            await self.fails(self.viewer_.call("catalog.rows", file_id=4, **arguments), -32602, part)
        for arguments, part in (({"lon": "name"}, "lon"), ({"frame": "MARS"}, "frame")):
            await self.fails(self.viewer_.call("catalog.pixels", **{"file_id": 4, "image_file_id": 0, "lon": "ra", "lat": "dec", **arguments}), -32602, part)
        await self.fails(self.viewer_.call("catalog.pixels", file_id=4, image_file_id=2, lon="ra", lat="dec"), -32001, "sky")


def votable_of(systems, fields, rows):
    """Text: `systems` COOSYS elements, `fields` of (name, datatype, more attributes), rows of texts."""
    fields = "".join(f'<FIELD name="{name}" datatype="{kind}" {more}/>' for name, kind, more in fields)
    rows = "".join("<TR>" + "".join(f"<TD>{cell}</TD>" for cell in row) + "</TR>" for row in rows)
    return f"<VOTABLE><RESOURCE>{systems}<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"


class Frames(ServerTest):
    """What tables say of their positions; astropy as the oracle."""

    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        numbers = numpy.random.default_rng(SEED)
        cls.positions = SkyCoord(numbers.uniform(119, 121, 40) * u.deg, numbers.uniform(29, 31, 40) * u.deg)
        cls.header = header_of_sky()
        fits.writeto(folder / "image.fits", numpy.zeros((220, 210), "f4"), cls.header)
        old, new, galactic = cls.positions.transform_to("fk4"), cls.positions.transform_to("fk5"), cls.positions.galactic
        ecliptic = cls.positions.barycentricmeanecliptic
        texts = [old.ra.to_string("hour", sep=":", precision=8, pad=True), old.dec.to_string("deg", sep=" ", precision=8, alwayssign=True)]
        rows = zip(*(numpy.char.mod("%.12f", values) for values in (
            old.ra.deg, old.dec.deg, new.ra.rad, new.dec.arcmin, galactic.l.deg, galactic.b.deg, ecliptic.lon.deg, ecliptic.lat.deg)), *texts)  # fmt: skip
        fields = [("a", "double", 'unit="deg" ref="o"'), ("b", "double", 'unit="deg" ref="o"'), ("c", "double", 'unit="rad" ref="f"'), ("d", "double", 'unit="arcmin" ref="f"'),
                  ("x", "double", 'ucd="pos.galactic.lon" unit="deg"'), ("y", "double", 'ucd="pos.galactic.lat" unit="deg"'), ("ELON", "double", 'unit="deg"'), ("ELAT", "double", ""),
                  ("ta", "char", 'arraysize="*" ref="o" unit="&quot;h:m:s&quot;"'), ("tb", "char", 'arraysize="*" ref="o"'), ("ra", "double", ""), ("m", "double", 'unit="m"')]  # fmt: skip
        systems = '<COOSYS ID="o" system="eq_FK4" equinox="B1950"/><COOSYS ID="f" system="eq_FK5"/>'
        (folder / "frames.vot").write_text(votable_of(systems, fields, [(*row, "1", "2") for row in rows]))
        hdu = fits.BinTableHDU(Table({"RA": old.ra.deg, "DEC": old.dec.deg}))
        hdu.header["EQUINOX"] = 1950.0
        hdu.writeto(folder / "old.fits")
        Table({"RA": numpy.append(cls.positions.ra.deg, [numpy.nan, 10]), "DEC": numpy.append(cls.positions.dec.deg, [30, 91])}).write(folder / "plain.csv")

    async def pixels(self, client, file_id, lon, lat, **more):
        answer = await client.call("catalog.pixels", file_id=file_id, image_file_id=0, lon=lon, lat=lat, timeout=PATIENCE, **more)
        return answer["frame"], numpy.frombuffer(answer["x"], "<f8"), numpy.frombuffer(answer["y"], "<f8")

    async def test_frames(self):
        client = await self.viewer()
        self.assertTrue((await client.call("carta.open.file", {"file": "image.fits", "file_id": 0}, timeout=PATIENCE))["success"])
        for number, name in enumerate(("frames.vot", "old.fits", "plain.csv")):
            await open_catalog(client, name, number)
        x, y = WCS(self.header).world_to_pixel(self.positions)
        for file_id, lon, lat, frame, tolerance in ((0, "a", "b", "FK4", 0.002), (0, "c", "d", "FK5", 1e-5), (0, "x", "y", "GALACTIC", 1e-5), (0, "ELON", "ELAT", "ECLIPTIC", 0.002), (0, "ta", "tb", "FK4", 0.002), (1, "RA", "DEC", "FK4", 0.002), (2, "RA", "DEC", "ICRS", 1e-6)):
            with self.subTest(f"{lon} {lat} of {file_id}"):
                found = await self.pixels(client, file_id, lon, lat)
                self.assertEqual(found[0], frame)
                numpy.testing.assert_allclose(found[1][:40], x, atol=tolerance)
                numpy.testing.assert_allclose(found[2][:40], y, atol=tolerance)
                where = {"inside": {"file_id": 0, "bounds": [60, 140, 60, 140], "lon": lon, "lat": lat}}
                rows = await client.call("catalog.rows", file_id=file_id, where=where, columns=[lon], timeout=PATIENCE)
                self.assertAlmostEqual(rows["rows"], ((x >= 60) & (x <= 140) & (y >= 60) & (y <= 140)).sum(), delta=1)
                near = self.positions.separation(SkyCoord(120 * u.deg, 30 * u.deg)).deg <= 0.5
                cone = {"cone": {"lon": lon, "lat": lat, "center": [120, 30], "center_frame": "ICRS", "radius": 0.5}}
                self.assertAlmostEqual((await client.call("catalog.rows", file_id=file_id, where=cone, columns=[lon], timeout=PATIENCE))["rows"], near.sum(), delta=1)
        _, beyond, _ = await self.pixels(client, 2, "RA", "DEC")
        self.assertTrue(numpy.isnan(beyond[40:]).all())
        # Said by the caller, against the table.
        said = await self.pixels(client, 0, "a", "b", frame="ICRS")
        self.assertEqual(said[0], "ICRS")
        self.assertGreater(abs(said[1] - x).max(), 10)
        for arguments, part in (
            ({"lon": "ra", "lat": "b"}, "frame: "), ({"lon": "a", "lat": "d"}, "frame: \"a\" and \"d\" are of different frames"), ({"lon": "m", "lat": "y", "frame": "FK5"}, "lon: the unit of \"m\""),
        ):  # fmt: skip
            await self.fails(client.call("catalog.pixels", file_id=0, image_file_id=0, **arguments), -32602, part)
        cone = {"lon": "a", "lat": "b", "center": [1, 2], "radius": 1}
        for more, part in (({"center_frame": "MARS"}, "where.cone.center_frame"), ({"frame": "x"}, "where.cone.frame"), ({"lon": "m", "lat": "m"}, "where.cone.")):
            await self.fails(client.call("catalog.rows", file_id=0, where={"cone": {**cone, **more}}), -32602, part)


class ExactNumbers(ServerTest):
    @classmethod
    def make_files(cls, folder):
        Table({"near": numpy.array([2**53, 2**53 + 1, 2**53 + 2, -(2**63), 2**63 - 1])}).write(folder / "long.fits")
        (folder / "twice.vot").write_text(votable_of("", [("a", "int", 'ID="one"'), ("a", "int", 'ID="two"'), ("b", "int", "")], [(row, row + 10, row + 20) for row in range(4)]))

    async def test_integers_of_64_bits(self):
        client = await self.viewer()
        await open_catalog(client, "long.fits", 1)

        async def rows(where):
            return (await client.call("catalog.rows", file_id=1, columns=[], where={"column": "near", **where}, timeout=PATIENCE))["rows"]

        self.assertEqual(await rows({"op": "=", "value": 2**53 + 1}), 1)
        self.assertEqual(await rows({"op": ">", "value": 2**53}), 3)
        self.assertEqual(await rows({"between": [2**53 + 1, 2**53 + 2]}), 2)
        self.assertEqual(await rows({"op": "<=", "value": -(2**63)}), 1)
        self.assertEqual(await rows({"op": "<", "value": 2**64 - 1}), 5)
        self.assertEqual(await rows({"op": "=", "value": 2.0**53}), 1)
        for where, part in (({"op": "=", "value": "1"}, "where.value"), ({"between": [1, None]}, "where.between[1]"), ({"between": [1, 2, 3]}, "where.between"), ({"op": "=", "value": numpy.inf}, "finite")):
            await self.fails(rows(where), -32602, part)

    async def test_columns_of_one_name(self):
        client = await self.viewer()
        await open_catalog(client, "twice.vot", 1)
        for columns in (None, ["a"], ["a", "a"]):
            answer = await client.call("catalog.rows", file_id=1, columns=columns, timeout=PATIENCE)
            numpy.testing.assert_array_equal(numpy.frombuffer(answer["columns"]["a"]["data"], "<i4"), numpy.arange(4))
        self.assertEqual((await client.call("catalog.rows", file_id=1, where={"column": "a", "op": "<", "value": 2}, timeout=PATIENCE))["rows"], 2)


class Patterns(ServerTest):
    @classmethod
    def make_files(cls, folder):
        Table({"s": ["abc", "\u00e4\u00f6\u00fc"] * 5}).write(folder / "ten.vot", format="votable")

    async def test_costly_patterns_hold_nobody_up(self):
        client = await self.viewer()
        other = await self.viewer(session_id=client.session_id)
        await open_catalog(client, "ten.vot", 1)
        patterns = [{"column": "s", "matches": "[\\pL\\pN]{30}%d" % n} for n in range(33)]
        await self.fails(client.call("catalog.rows", file_id=1, where={"any": patterns}), -32602, "more than 32 regular expressions")
        await self.fails(client.call("catalog.rows", file_id=1, where={"any": [{"column": "s", "matches": "([\\pL\\pN]{900}){9}"}]}), -32602, "where.any[0].matches")
        await self.fails(client.call("catalog.rows", file_id=1, where={"any": patterns[:3] + [{"column": "s", "matches": "(a"}]}), -32602, "where.any[3].matches")
        answer = await client.call("catalog.rows", file_id=1, where={"any": patterns[:32]}, timeout=PATIENCE)
        self.assertEqual(answer["rows"], 0)
        # Left alone in the middle, the server ends without them.
        call = asyncio.ensure_future(client.call("catalog.rows", file_id=1, where={"any": patterns[1:]}, timeout=PATIENCE))
        await asyncio.sleep(0.05)
        call.cancel()
        self.assertTrue(await other.call("session.state", timeout=PATIENCE))


class NearChannel(ServerTest):
    """Rows by the channel that is shown."""

    REST = 1.4204e9

    @classmethod
    def make_files(cls, folder):
        print("seed", SEED)
        numbers = numpy.random.default_rng(SEED)
        header = header_of_sky()
        header["CTYPE3"], header["CRVAL3"], header["CDELT3"], header["CRPIX3"], header["CUNIT3"] = "FREQ", 1.42e9, -1e5, 1.0, "Hz"
        header["RESTFRQ"] = cls.REST
        fits.writeto(folder / "cube.fits", numpy.zeros((30, 20, 20), "f4"), header)
        fits.writeto(folder / "one.fits", numpy.zeros((1, 20, 20), "f4"), header)
        del header["RESTFRQ"]
        fits.writeto(folder / "restless.fits", numpy.zeros((30, 20, 20), "f4"), header)
        for name, value in (("CTYPE3", "VOPT"), ("CRVAL3", 1e5), ("CDELT3", 5e3), ("CUNIT3", "m/s")):
            header[name] = value
        fits.writeto(folder / "velocity.fits", numpy.zeros((30, 20, 20), "f4"), header)
        fits.writeto(folder / "flat.fits", numpy.zeros((5, 5), "f4"))
        cls.frequency = numbers.uniform(1.416e9, 1.421e9, COUNT)
        table = Table()
        table["f"], table["f"].unit = cls.frequency / 1e6, "MHz"
        table["v"], table["v"].unit = (cls.velocity("radio") * u.m / u.s).to_value("km/s"), "km/s"
        table["o"], table["o"].unit = cls.velocity("optical"), "m/s"
        table["w"], table["w"].unit = 299792458 / cls.frequency * 100, "cm"
        table["bare"], table["k"] = cls.frequency / 1e9, numpy.ones(COUNT)
        table["k"].unit = "K"
        table["name"] = ["x"] * COUNT
        table.write(folder / "lines.fits")

    @classmethod
    def velocity(cls, kind):
        return (cls.frequency * u.Hz).to_value(u.m / u.s, equivalencies={"radio": u.doppler_radio, "optical": u.doppler_optical}[kind](cls.REST * u.Hz))

    async def test_channels(self):
        client = await self.viewer()
        for number, name in enumerate(("cube.fits", "one.fits", "restless.fits", "velocity.fits", "flat.fits")):
            self.assertTrue((await client.call("carta.open.file", {"file": name, "file_id": number}, timeout=PATIENCE))["success"])
        await open_catalog(client, "lines.fits", 7)

        async def rows(**near):
            return (await client.call("catalog.rows", file_id=7, columns=["f"], where={"near_channel": near}, timeout=PATIENCE))["rows"]

        def expected(first, last, values=None):
            return (((values if values is not None else self.frequency) >= first) & ((values if values is not None else self.frequency) <= last)).sum()

        for channel in (0, 13, 29):
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": channel, "stokes": 0})
            for reach in (0, 2, 2.5):
                middle = 1.42e9 - 1e5 * channel
                count = expected(middle - 1e5 * (reach + 0.5), middle + 1e5 * (reach + 0.5))
                self.assertGreater(count, 0)
                for column, more in (("f", {}), ("v", {}), ("o", {"kind": "optical"}), ("w", {}), ("bare", {"unit": "GHz"}), ("v", {"rest_frequency": self.REST, "kind": "radio"})):
                    self.assertAlmostEqual(await rows(file_id=0, column=column, channels=reach, **more), count, delta=1, msg=f"{column} {channel} {reach}")
        # A channel alone has a width; the rest frequency of the header may be replaced.
        self.assertAlmostEqual(await rows(file_id=1, column="f"), expected(1.42e9 - 5e4, 1.42e9 + 5e4), delta=1)
        self.assertEqual(await rows(file_id=2, column="f", channels=1), expected(1.42e9 - 1.5e5, 1.42e9 + 1.5e5))
        self.assertAlmostEqual(await rows(file_id=2, column="v", channels=1, rest_frequency=self.REST), expected(1.42e9 - 1.5e5, 1.42e9 + 1.5e5), delta=1)
        # An image of velocities needs none, for velocities of its own kind.
        self.assertEqual(await rows(file_id=3, column="o", channels=1), expected(1e5 - 7.5e3, 1e5 + 7.5e3, self.velocity("optical")))
        for near, part in (
            ({"file_id": 4, "column": "f"}, "where.near_channel.file_id: flat.fits has no spectral axis"), ({"file_id": 0, "column": "bare"}, "where.near_channel.column: \"bare\" has no unit"),
            ({"file_id": 0, "column": "k"}, "\"K\" is no unit"), ({"file_id": 0, "column": "name"}, "where.near_channel.column"), ({"file_id": 0, "column": "f", "channels": -1}, "channels: must not"),
            ({"file_id": 0, "column": "f", "kind": "radio"}, "kind: \"f\" has no velocities"), ({"file_id": 0, "column": "v", "kind": "fast"}, "where.near_channel.kind"),
            ({"file_id": 2, "column": "v"}, "rest_frequency: restless.fits has no rest frequency"), ({"file_id": 0, "column": "v", "rest_frequency": 0}, "rest_frequency: must be above 0"),
            ({"file_id": 0, "column": "f", "unit": "furlong"}, "unit: \"furlong\""), ({"file_id": 0, "column": "f", "near": 1}, "where.near_channel.near"), ({"file_id": 3, "column": "f"}, "rest frequency"),
            ({"file_id": 0, "column": "w", "channels": 1e300}, "channels"),
        ):  # fmt: skip
            with self.subTest(str(near)):
                await self.fails(client.call("catalog.rows", file_id=7, where={"near_channel": near}), -32602, part)


if __name__ == "__main__":
    unittest.main()
