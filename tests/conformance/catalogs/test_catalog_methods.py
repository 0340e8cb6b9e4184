"""catalog.rows and catalog.pixels: conditions that are nested, positions on images; against numpy, re and astropy."""

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


if __name__ == "__main__":
    unittest.main()
