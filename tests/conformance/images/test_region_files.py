"""Region files: listing, showing, importing, exporting. The reference files of Debian's python3-regions and python3-spectral-cube are imported with the
positions, sizes and angles that astropy's `regions` gives."""

import math
import os
import random
import shutil
import unittest
import warnings
from pathlib import Path

import numpy
import regions
import spectral_cube
from astropy import wcs as astropy_wcs
from astropy.io import fits
from harness import ERROR, ServerTest, open_file

SEED = int(os.environ.get("CUBELINK_SEED", random.randrange(1 << 30)))
DS9_FILES = sorted(Path(regions.__file__).parent.glob("io/ds9/tests/data/*.reg"))
CRTF_FILES = sorted(Path(regions.__file__).parent.glob("io/crtf/tests/data/*.crtf"))
CUBE_FILES = sorted(Path(spectral_cube.__file__).parent.glob("tests/data/*.reg"))


def header(lon, lat, kind="TAN", scale=3e-5, turn=0.0, frame="FK5", names=("RA--", "DEC-")):
    made = fits.Header()
    made["CTYPE1"], made["CTYPE2"] = (f"{name}-{kind}" for name in names)
    made["CRPIX1"], made["CRPIX2"], made["CRVAL1"], made["CRVAL2"] = 100.0, 80.0, lon, lat
    made["CDELT1"], made["CDELT2"], made["RADESYS"] = -scale, scale, frame
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    made["PC1_1"], made["PC1_2"], made["PC2_1"], made["PC2_2"] = c, -s, s, c
    if frame == "FK5":
        made["EQUINOX"] = 2000.0
    return made


# The middle of what the files show.
IMAGES = {
    "m51.fits": header(202.48, 47.2),
    "turned.fits": header(202.48, 47.2, "SIN", turn=35, frame="ICRS"),
    "galactic.fits": header(104.84, 68.55, frame="", names=("GLON", "GLAT")),
    "m33.fits": header(24.0627, 29.9347),
    "scorpius.fits": header(262.6, -34.7),
    "norma.fits": header(238.3, -54.607),
    "aquila.fits": header(281.934, -1.916),
    "sky.fits": header(180, 0, "AIT", 0.5),
    "plain.fits": fits.Header(),
}


def images_of(path):
    name = path.name
    if path in CUBE_FILES:
        return ["m33.fits"]
    if name.startswith("CRTF_CARTA"):
        return ["scorpius.fits"]
    if name.startswith("CRTF_label"):
        return ["norma.fits"]
    if "sexagesimal" in name:
        return ["aquila.fits"]
    if name.startswith("CRTFgeneral"):
        return ["sky.fits"]
    return ["m51.fits", "turned.fits", "galactic.fits"]


def spread(width, height, degrees):
    """The same for shapes that look the same, whatever their sides are called."""
    a = math.radians(degrees)
    turn = numpy.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return turn @ numpy.diag([width**2, height**2]) @ turn.T


def points_of(info):
    return [(point["x"], point["y"]) for point in info["control_points"]]


class RegionFiles(ServerTest):
    @classmethod
    def make_files(cls, folder):
        for name, head in IMAGES.items():
            fits.writeto(folder / name, numpy.zeros((160, 200), "f4"), head)
        (folder / "reference").mkdir()
        for path in DS9_FILES + CRTF_FILES + CUBE_FILES:
            shutil.copy(path, folder / "reference" / path.name)
        (folder / "files").mkdir()
        (folder / "files" / "a.crtf").write_text("#CRTFv0\nsymbol [[1pix, 2pix], .]\n")
        (folder / "files" / "b.reg").write_text("image\npoint(1,2)\n")
        (folder / "files" / "noname").write_text("# Region file format: DS9 version 4.1\nimage\npoint(1,2)\n")
        (folder / "files" / "notes.txt").write_text("hello")
        (folder / "files" / "binary").write_bytes(b"a\0b")
        (folder / "files" / "folder").mkdir()
        (folder / "files" / "casa.image").mkdir()
        (folder / "files" / "casa.image" / "table.info").write_text("Type = Image\n")
        (folder / "files" / "casa.image" / "table.dat").write_text("x" * 100)
        (folder / "files" / "crowd.reg").write_text("image\n" + "".join(f"circle({i % 200},{i % 160},3)\n" for i in range(20000)))

    async def import_text(self, client, text, kind="DS9_REG", file_id=0):
        return await client.call("carta.import.region", {"group_id": file_id, "type": kind, "contents": [text]})

    async def test_reference_files(self):
        checked = 0
        for path in DS9_FILES + CRTF_FILES + CUBE_FILES:
            kind = "ds9" if path.suffix == ".reg" else "crtf"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = [r for r in regions.Regions.read(path, format=kind) if "Annulus" not in type(r).__name__]
            for image in images_of(path):
                with self.subTest(file=path.name, image=image):
                    client = await self.viewer()
                    await open_file(client, image)
                    ack = await client.call("carta.import.region", {"group_id": 0, "type": "DS9_REG" if kind == "ds9" else "CRTF", "directory": "reference", "file": path.name})
                    self.assertTrue(ack["success"], ack["message"])
                    self.assertEqual(sorted(ack["regions"], key=int), [str(i + 1) for i in range(len(expected))], ack["message"])
                    self.assertEqual(set(ack["regions"]), set(ack["region_styles"]))
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        wcs = astropy_wcs.WCS(IMAGES[image])
                        for i, region in enumerate(expected, 1):
                            self.check(ack["regions"][str(i)], region, wcs, image == "sky.fits")
                            checked += 1
                    await client.close()
        self.assertGreater(checked, 500)

    def check(self, info, region, wcs, positions_only):
        """A region as the server sees it against astropy's."""
        pixel = region.to_pixel(wcs) if type(region).__name__.endswith("SkyRegion") else region
        points, name = points_of(info), type(pixel).__name__.removesuffix("PixelRegion")
        types = {"Point": ("POINT",), "Text": ("ANNTEXT",), "Circle": ("ELLIPSE", "ANNELLIPSE"), "Ellipse": ("ELLIPSE",), "Rectangle": ("RECTANGLE",),
                 "Polygon": ("POLYGON",), "Line": ("LINE",)}  # fmt: skip
        self.assertIn(info["region_type"], types[name])
        if name == "Polygon":
            wanted = list(zip(pixel.vertices.x, pixel.vertices.y))
        elif name == "Line":
            wanted = [(pixel.start.x, pixel.start.y), (pixel.end.x, pixel.end.y)]
        else:
            wanted = [(pixel.center.x, pixel.center.y)]
        tolerance = max(2e-2, 1e-6 * numpy.abs(wanted).max())  # 2 mas
        numpy.testing.assert_allclose(points[: len(wanted)], wanted, atol=tolerance, rtol=0)
        if positions_only or name in ("Point", "Text", "Polygon", "Line"):
            return
        (a, b), angle = points[1], info["rotation"]
        mine = spread(2 * b, 2 * a, angle) if name in ("Circle", "Ellipse") else spread(a, b, angle)
        if name == "Circle":
            theirs = spread(2 * pixel.radius, 2 * pixel.radius, 0)
        else:
            theirs = spread(pixel.width, pixel.height, pixel.angle.to_value("deg"))
        numpy.testing.assert_allclose(mine, theirs, atol=1e-3 * numpy.abs(theirs).max(), rtol=0)

    async def test_lists(self):
        client = await self.viewer()

        async def listed(mode):
            answer = await client.call("carta.region.list.request", {"directory": "files", "filter_mode": mode})
            self.assertTrue(answer["success"])
            self.assertEqual((answer["directory"], answer["parent"], answer["cancel"]), ("files", ".", False))
            return {f["name"]: f["type"] for f in answer["files"]}, {d["name"] for d in answer["subdirectories"]}

        self.assertEqual(await listed("Content"), ({"a.crtf": "CRTF", "b.reg": "DS9_REG", "noname": "DS9_REG", "crowd.reg": "DS9_REG"}, {"folder"}))
        self.assertEqual(await listed("Extension"), ({"a.crtf": "CRTF", "b.reg": "DS9_REG", "crowd.reg": "DS9_REG"}, {"folder"}))
        files, folders = await listed("AllFiles")
        self.assertEqual(set(files), {"a.crtf", "b.reg", "noname", "notes.txt", "binary", "crowd.reg"})
        self.assertEqual(folders, {"folder", "casa.image"})
        self.assertFalse((await client.call("carta.region.list.request", {"directory": "../.."}))["success"])
        self.assertFalse((await client.call("carta.region.list.request", {"directory": "nowhere"}))["success"])
        await self.fails(client.call("carta.region.list.request", {"filter_mode": 9}), -32602, "filter_mode")

    async def test_file_info(self):
        client = await self.viewer()
        info = await client.call("carta.region.file.info.request", {"directory": "files", "file": "noname"})
        self.assertTrue(info["success"], info["message"])
        self.assertEqual(info["contents"], ["# Region file format: DS9 version 4.1", "image", "point(1,2)"])
        self.assertEqual((info["file_info"]["name"], info["file_info"]["type"]), ("noname", "DS9_REG"))
        for directory, file, word in (("files", "nothing", "nothing"), ("files", "folder", ""), ("files", "binary", "text"), ("..", "x", "Forbidden")):
            info = await client.call("carta.region.file.info.request", {"directory": directory, "file": file})
            self.assertEqual((info["success"], info["contents"]), (False, [""]))
            self.assertIn(word, info["message"])

    async def test_import(self):
        client = await self.viewer()
        other = await self.viewer(session_id=client.session_id)
        await open_file(client, "plain.fits")
        await open_file(client, "m51.fits", 1)
        self.assertIn("open", (await self.import_text(client, "point(1,2)", file_id=7))["message"])
        set_ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": {"region_type": "POINT", "control_points": [{"x": 1, "y": 2}]}})
        self.assertEqual(set_ack["region_id"], 1)
        other.forget()
        ack = await client.call("carta.import.region", {"group_id": 0, "type": "DS9_REG", "contents": ["image\n", "circle(11,21,5) # color=red text={a", " b}\nhello\n", "annulus(1,2,3,4)\nbox(1,2,3,4,5)"]})
        self.assertTrue(ack["success"])
        self.assertEqual(ack["message"], 'line 3: "hello" is no region and no coordinate system\nline 4: annulus is not supported')
        self.assertEqual(set(ack["regions"]), {"2", "3"})
        circle, style = ack["regions"]["2"], ack["region_styles"]["2"]
        self.assertEqual((circle["region_type"], points_of(circle)), ("ELLIPSE", [(10, 20), (5, 5)]))
        self.assertEqual((style["name"], style["color"], style["line_width"], style["dash_list"]), ("a b", "#FF0000", 2, []))
        self.assertEqual(ack["region_styles"]["3"]["color"], "#2EE6D6")
        # One change for all, and those who see the log read what was left out.
        change = await other.next("session.changed", lambda c: c["what"] == "regions")
        self.assertEqual(change["region_ids"], [2, 3])
        self.assertEqual([(one["region_id"], one["file_id"]) for one in change["regions"]], [(2, 0), (3, 0)])
        self.assertEqual(points_of(change["regions"][0]["region_info"]), [(10, 20), (5, 5)])
        warning = await other.next(ERROR, lambda e: "annulus" in e["message"])
        self.assertEqual((warning["severity"], warning["tags"]), ("WARNING", ["import"]))
        # They are regions of the session, of the image that was named.
        state = await client.call("session.state")
        self.assertEqual([(r["region_id"], r["file_id"]) for r in state["regions"]], [(1, 0), (2, 0), (3, 0)])
        ack = await self.import_text(client, "fk5\npoint(202.48,47.2)", file_id=1)
        self.assertEqual([(r["region_id"], r["file_id"]) for r in (await client.call("session.state"))["regions"]][-1], (4, 1))
        numpy.testing.assert_allclose(points_of(ack["regions"]["4"]), [(99, 79)], atol=1e-3)
        # The text knows better than the type what it is.
        self.assertTrue((await self.import_text(client, "#CRTFv0\nsymbol [[1pix, 2pix], .]", "DS9_REG"))["success"])
        for text, kind, word in (("", "CRTF", "no regions"), ("nonsense", "DS9_REG", 'line 1: "nonsense"'), ("fk5;point(1,2)", "DS9_REG", "no celestial"),
                                 ("point(1,2)", "FITS", "type"), ("point(1,2)", "CASA", "type")):
            ack = await self.import_text(client, text, kind)
            self.assertEqual((ack["success"], ack["regions"], ack["region_styles"]), (False, {}, {}))
            self.assertIn(word, ack["message"])
        for directory, file, word in (("files", "nothing", "nothing"), ("files", "folder", ""), ("..", "x", "Forbidden"), ("files", "binary", "text")):
            ack = await client.call("carta.import.region", {"group_id": 0, "type": "CRTF", "directory": directory, "file": file})
            self.assertFalse(ack["success"])
            self.assertIn(word, ack["message"])

    async def test_new_regions_keep_their_order(self):
        client = await self.viewer()
        await open_file(client, "plain.fits")
        crowd = {"group_id": 0, "type": "DS9_REG", "directory": "files", "file": "crowd.reg"}
        point = {"file_id": 0, "region_id": -1, "region_info": {"region_type": "POINT", "control_points": [{"x": 1, "y": 2}]}}
        _, first = await client.start("carta.import.region", [crowd])
        _, second = await client.start("carta.set.region", [point])
        ack, point = (await first)["result"], (await second)["result"]
        self.assertEqual((len(ack["regions"]), point["region_id"]), (20000, 20001))
        again = await client.call("carta.export.region", {"file_id": 0, "type": "CRTF", "region_styles": {str(i): {} for i in range(1, 20002)}}, timeout=120)
        self.assertTrue(again["success"], again["message"])
        self.assertEqual(len(again["contents"]), 20002)
        # Closing the file while it reads.
        _, third = await client.start("carta.import.region", [crowd])
        await client.call("carta.close.file", {"file_id": -1})
        ack = (await third)["result"]
        self.assertEqual((await client.call("session.state"))["regions"], [], ack["message"])

    async def test_export(self):
        client = await self.viewer()
        await open_file(client, "m51.fits")
        await open_file(client, "plain.fits", 1)
        await self.import_text(client, "image\nbox(100,80,20,10,0)\ncircle(50,60,7)\n# text(5,6) text={hello}")
        styles = {"1": {"name": "one"}, "2": {"color": "#FF0000", "line_width": 5}, "3": {"annotation_style": {"text_label0": "hello", "font_size": 9}}}
        ask = {"file_id": 0, "type": "DS9_REG", "coord_type": "PIXEL", "region_styles": styles}

        async def export(**more):
            return await client.call("carta.export.region", ask | more)

        ack = await export()
        self.assertTrue(ack["success"], ack["message"])
        self.assertTrue(all(line.endswith("\n") for line in ack["contents"]))
        self.assertEqual(ack["contents"][2:5], ["image\n", "box(100.00,80.00,20.00,10.00,0.00) # color=#2EE6D6 width=2 text={one}\n", "circle(50.00,60.00,7.00) # color=#FF0000 width=5\n"])
        again = await self.import_text(client, "".join(ack["contents"]))
        self.assertEqual(again["region_styles"]["6"]["annotation_style"]["font_size"], 9)
        self.assertEqual(again["message"], "")
        # Through the sky, on the image where they are, and not on one without a sky.
        ack = await export(coord_type="WORLD", type="CRTF")
        self.assertIn("coord=J2000", ack["contents"][1])
        ack = await client.call("carta.export.region", ask | {"file_id": 1})
        self.assertFalse(ack["success"])
        self.assertIn("region 1: it has no place on this image", ack["message"])
        # What can't be done.
        await client.call("carta.set.region", {"file_id": 1, "region_id": 50, "region_info": {"region_type": "POINT", "control_points": [{"x": 1, "y": 2}]}})
        ack = await client.call("carta.export.region", {"file_id": 1, "type": "CRTF", "coord_type": "WORLD", "region_styles": {"50": {}}})
        self.assertEqual((ack["success"], ack["contents"]), (False, []))
        self.assertIn("celestial", ack["message"])
        ack = await export(region_styles={"1": {}, "77": {}})
        self.assertEqual((ack["success"], ack["message"]), (True, "region 77: there is no such region"))
        for more, word in (({"region_styles": {"77": {}}}, "77"), ({"region_styles": {}}, "no regions"), ({"file_id": 9}, "open"), ({"type": "FITS"}, "type"),
                           ({"coord_type": 5}, "coord_type")):
            ack = await export(**more)
            self.assertEqual((ack["success"], ack["contents"], ack["overwrite_confirmation_required"]), (False, [], False))
            self.assertIn(word, ack["message"])

    async def test_export_to_files(self):
        client = await self.viewer()
        await open_file(client, "m51.fits")
        await self.import_text(client, "image\nbox(100,80,20,10,0)")
        ask = {"file_id": 0, "type": "CRTF", "region_styles": {"1": {}}, "directory": "files/folder", "file": "out.crtf"}
        target = self.folder / "files/folder/out.crtf"
        ack = await client.call("carta.export.region", ask)
        self.assertEqual((ack["success"], ack["contents"]), (True, []), ack["message"])
        text = target.read_text()
        self.assertTrue(text.startswith("#CRTFv0"))
        target.write_text("precious")
        ack = await client.call("carta.export.region", ask)
        self.assertEqual((ack["success"], ack["overwrite_confirmation_required"]), (False, True))
        self.assertEqual(target.read_text(), "precious")
        ack = await client.call("carta.export.region", ask | {"overwrite": True})
        self.assertEqual((ack["success"], ack["overwrite_confirmation_required"], target.read_text()), (True, False, text))
        target.unlink()
        for directory, file, more in (("..", "x.crtf", {}), ("files", "folder", {"overwrite": True}), ("nowhere", "x.crtf", {}), ("", "m51.fits", {"overwrite": True})):
            ack = await client.call("carta.export.region", ask | {"directory": directory, "file": file} | more)
            self.assertEqual((ack["success"], ack["overwrite_confirmation_required"]), (False, False), ack)
        self.assertEqual(list((self.folder / "files/folder").iterdir()), [])

    async def test_matched_images(self):
        """A region of one image is exported from another one as it lies there."""
        client = await self.viewer()
        await open_file(client, "m51.fits")
        await open_file(client, "turned.fits", 1)
        await self.import_text(client, "image\npolygon(90,70,110,70,100,90)\npoint(120,60)")
        ack = await client.call("carta.export.region", {"file_id": 1, "type": "DS9_REG", "coord_type": "WORLD", "region_styles": {"1": {}, "2": {}}})
        self.assertTrue(ack["success"], ack["message"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            polygon, point = regions.Regions.parse("".join(ack["contents"]), format="ds9")
            first = astropy_wcs.WCS(IMAGES["m51.fits"])
            back, pixel = polygon.to_pixel(first), point.to_pixel(first)
        numpy.testing.assert_allclose(list(zip(back.vertices.x, back.vertices.y)), [(89, 69), (109, 69), (99, 89)], atol=2e-3)
        numpy.testing.assert_allclose((pixel.center.x, pixel.center.y), (119, 59), atol=2e-3)

    async def test_others_read_what_is_written(self):
        """astropy's `regions` finds the same shapes in what is exported, in the order of the ids."""
        client = await self.viewer()
        await open_file(client, "turned.fits")
        shapes = [("POINT", [(30, 40.25)], 0), ("RECTANGLE", [(50, 60), (20, 10)], 0), ("RECTANGLE", [(50.5, 60), (20, 10)], 25), ("ELLIPSE", [(80, 90), (12, 7)], 40),
                  ("ELLIPSE", [(80, 90), (9, 9)], 0), ("POLYGON", [(10, 10), (40, 12), (25, 33.5)], 0), ("LINE", [(5, 6), (70, 80)], 0)]  # fmt: skip
        infos = []
        for kind, points, rotation in shapes:
            info = {"region_type": kind, "control_points": [{"x": x, "y": y} for x, y in points], "rotation": rotation}
            ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info})
            self.assertTrue(ack["success"], ack["message"])
            infos.append(info)
        styles = {str(i + 1): {"name": f"{{region}} '{i}'\n", "line_width": 3, "dash_list": [4]} for i in range(len(shapes))}
        wcs = astropy_wcs.WCS(IMAGES["turned.fits"])
        for kind, name in (("DS9_REG", "ds9"), ("CRTF", "crtf")):
            for coordinates in ("PIXEL", "WORLD"):
                with self.subTest(kind=kind, coordinates=coordinates):
                    ack = await client.call("carta.export.region", {"file_id": 0, "type": kind, "coord_type": coordinates, "region_styles": styles})
                    text = "".join(ack["contents"])
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        if name == "crtf" and coordinates == "PIXEL":
                            text = text.replace("coord=ICRS, ", "coord=image, ")  # astropy takes pixels with a frame for degrees
                        found = regions.Regions.parse(text, format=name)
                        self.assertEqual(len(found), len(shapes), text)
                        for region, mine in zip(found, infos):
                            self.check(mine, region, wcs, False)

    async def test_random_regions_come_back(self):
        """Over the wire, floats and texts included; every turn through another format and kind of coordinates."""
        rng = random.Random(SEED)
        client = await self.viewer()
        await open_file(client, "turned.fits")
        types = {"POINT": 1, "LINE": 2, "POLYLINE": 4, "RECTANGLE": 0, "ELLIPSE": 0, "POLYGON": 5, "ANNPOINT": 1, "ANNLINE": 2, "ANNPOLYLINE": 3,
                 "ANNRECTANGLE": 0, "ANNELLIPSE": 0, "ANNPOLYGON": 3, "ANNVECTOR": 2, "ANNRULER": 2, "ANNTEXT": 0, "ANNCOMPASS": -1}  # fmt: skip
        names = ["", "plain", "{braces", "two {nested} }", "quo'te", 'quo"te', "both ' and \"", "ünï ☆ 🔭", "new\nline\ttab", "back\\slash'", "; # || text={x}"]
        made, styles = {}, {}
        for kind, count in list(types.items()) * 3:
            points = [{"x": rng.uniform(20, 180), "y": rng.uniform(20, 140)} for _ in range(max(count, 1))]
            if count <= 0:
                size = rng.uniform(1, 30)
                points.append({"x": size, "y": size if count < 0 else rng.uniform(1, 30)})
            info = {"region_type": kind, "control_points": points, "rotation": rng.uniform(0, 360) if count == 0 else 0}
            ack = await client.call("carta.set.region", {"file_id": 0, "region_id": -1, "region_info": info})
            self.assertTrue(ack["success"], ack["message"])
            id = str(ack["region_id"])
            styles[id] = {"name": rng.choice(names), "color": f"#{rng.randrange(1 << 24):06X}", "line_width": rng.randrange(1, 9), "dash_list": [3] * rng.randrange(2)}
            if kind in ("ANNPOINT", "ANNTEXT", "ANNCOMPASS", "ANNRULER"):
                styles[id]["annotation_style"] = {
                    "point_shape": rng.randrange(8), "point_width": rng.randrange(1, 20), "text_label0": rng.choice(names), "text_label1": rng.choice(names),
                    "coordinate_system": "PIXEL", "is_north_arrow": rng.random() < 0.5, "text_position": rng.randrange(9), "font": "Times", "font_style": "Italic Bold",
                    "font_size": rng.randrange(5, 40)}  # fmt: skip
            made[id] = info
        for kind in ("CRTF", "DS9_REG"):
            for coordinates in ("PIXEL", "WORLD"):
                with self.subTest(kind=kind, coordinates=coordinates, seed=SEED):
                    ack = await client.call("carta.export.region", {"file_id": 0, "type": kind, "coord_type": coordinates, "region_styles": styles})
                    self.assertEqual((ack["success"], ack["message"]), (True, ""))
                    back = await self.import_text(client, "".join(ack["contents"]), kind)
                    self.assertEqual((back["success"], back["message"]), (True, ""))
                    ids = sorted(back["regions"], key=int)
                    self.assertEqual(len(ids), len(made))
                    for old, new in zip(sorted(made, key=int), ids):
                        self.same(made[old], back["regions"][new], coordinates == "PIXEL")
                        self.same_style(styles[old], back["region_styles"][new], made[old]["region_type"])

    def same(self, a, b, exact):
        self.assertEqual(a["region_type"], b["region_type"])
        mine, theirs = (numpy.array(points_of(x), "f4") for x in (a, b))
        if exact:
            numpy.testing.assert_array_equal(mine, theirs)
            self.assertEqual(numpy.float32(a["rotation"]), numpy.float32(b["rotation"]))
        else:
            numpy.testing.assert_allclose(mine, theirs, atol=1e-4)
            self.assertLess(abs(math.remainder(a["rotation"] - b["rotation"], 360)), 1e-4)

    def same_style(self, a, b, kind):
        for key in ("name", "color", "line_width", "dash_list"):
            self.assertEqual(a[key], b[key])
        asked, found = a.get("annotation_style", {}), b.get("annotation_style") or {}
        fonts = ("font", "font_style", "font_size")
        of_kind = {"ANNPOINT": ("point_width",), "ANNTEXT": ("text_label0", *fonts), "ANNCOMPASS": ("text_label0", "text_label1", "is_north_arrow", *fonts), "ANNRULER": fonts}
        for key in of_kind.get(kind, ()):
            self.assertEqual(asked[key], found[key], (kind, key))


class ReadOnly(ServerTest):
    options = ("--read-only",)

    @classmethod
    def make_files(cls, folder):
        fits.writeto(folder / "plain.fits", numpy.zeros((160, 200), "f4"))

    async def test_writes_nothing_but_answers_with_text(self):
        client = await self.viewer()
        await open_file(client, "plain.fits")
        await client.call("carta.import.region", {"group_id": 0, "type": "DS9_REG", "contents": ["image;point(1,2)"]})
        ask = {"file_id": 0, "type": "CRTF", "region_styles": {"1": {}}}
        self.assertTrue((await client.call("carta.export.region", ask))["success"])
        ack = await client.call("carta.export.region", ask | {"file": "out.crtf"})
        self.assertEqual((ack["success"], "read-only" in ack["message"], ack["overwrite_confirmation_required"]), (False, True, False))
        self.assertEqual([p.name for p in self.folder.iterdir()], ["plain.fits"])


if __name__ == "__main__":
    unittest.main()
