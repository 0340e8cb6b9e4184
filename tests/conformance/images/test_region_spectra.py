"""Spectra of points and closed regions against numpy: every statistic of every kind of file, computed polarizations, what is sent when, and what
happens while a region is dragged, removed and closed."""

import asyncio
import math
import unittest

import numpy
from astropy.io import fits

from harness import ERROR, PATIENCE, SPECTRAL, ServerTest, open_file, settled

TYPES = ("NumPixels", "NanCount", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema")
COMBINED = ("Mean", "Sum", "FluxDensity")
DEPTH, HEIGHT, WIDTH = 23, 40, 56
DEGREE = 1 / 3600  # of a pixel


def header_of(axes=("RA---TAN", "DEC--TAN", "FREQ"), **more):
    header = fits.Header()
    for n, name in enumerate(axes, 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"] = name, 1.0, 1.0
        header[f"CDELT{n}"] = {"RA---TAN": -DEGREE, "DEC--TAN": DEGREE}.get(name, 1.0)
        if name.startswith(("RA", "DEC")):
            header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CUNIT{n}"] = 20.0, 30.0, "deg"
    header["BUNIT"] = "Jy/beam"
    header.update(more)
    return header


BEAM = {"BMAJ": 4 * DEGREE, "BMIN": 3 * DEGREE, "BPA": 10.0}


def area_of(major, minor):
    """Of a beam, in pixels."""
    return math.pi / (4 * math.log(2)) * major * minor / DEGREE**2


def inside(shape, height=HEIGHT, width=WIDTH):
    """The pixels of a region (type, points, rotation)."""
    kind, points, rotation = shape
    y, x = numpy.mgrid[0:height, 0:width].astype("f8")
    cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    (cx, cy), (w, h) = points[0], points[1] if len(points) > 1 else (0, 0)
    along, across = (x - cx) * cosine + (y - cy) * sine, (y - cy) * cosine - (x - cx) * sine
    if kind == "POINT":
        return (x == math.floor(cx + 0.5)) & (y == math.floor(cy + 0.5))
    if kind == "RECTANGLE":
        return (abs(along) <= w / 2) & (abs(across) <= h / 2)
    if kind == "ELLIPSE":  # the first semi-axis lies along y
        return (along / h) ** 2 + (across / w) ** 2 <= 1
    result = numpy.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        if y0 != y1:
            result ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return result


REGIONS = {
    "rectangle": ("RECTANGLE", [(20.0, 15.0), (10.0, 6.0)], 0.0),
    "turned": ("RECTANGLE", [(20.3, 15.1), (20.0, 5.0)], 33.0),
    "ellipse": ("ELLIPSE", [(30.2, 20.4), (12.1, 5.3)], 25.0),
    "polygon": ("POLYGON", [(3.2, 3.1), (50.4, 10.3), (20.6, 36.7)], 0.0),
    "at the edge": ("ELLIPSE", [(1.3, 38.2), (9.0, 9.0)], 0.0),
    "point": ("POINT", [(7.4, 8.6)], 0.0),
}


def info(shape):
    return {"region_type": shape[0], "control_points": [{"x": x, "y": y} for x, y in shape[1]], "rotation": shape[2]}


def statistics(cube, mask, areas):
    """{type: spectrum} of a cube (channel, y, x)."""
    pixels = cube[:, mask].astype("f8")
    out = {name: numpy.full(len(cube), numpy.nan) for name in TYPES}
    for z, all_of_it in enumerate(pixels):
        values = all_of_it[numpy.isfinite(all_of_it)]
        n = len(values)
        out["NumPixels"][z], out["NanCount"][z] = n, len(all_of_it) - n
        if n == 0:
            continue
        out["Sum"][z] = math.fsum(values)
        out["FluxDensity"][z] = out["Sum"][z] / areas[z]
        out["Mean"][z] = out["Sum"][z] / n
        out["SumSq"][z] = math.fsum(values * values)
        out["RMS"][z] = math.sqrt(out["SumSq"][z] / n)
        out["Sigma"][z] = values.std(ddof=1) if n > 1 else numpy.nan
        out["Min"][z], out["Max"][z] = values.min(), values.max()
        out["Extrema"][z] = out["Min"][z] if abs(out["Min"][z]) > abs(out["Max"][z]) else out["Max"][z]
    return out


def computed(name, i, q, u, v):
    with numpy.errstate(all="ignore"):
        total, linear = numpy.sqrt(q * q + u * u + v * v), numpy.sqrt(q * q + u * u)
        return {"Ptotal": total, "Plinear": linear, "PFtotal": 100 * total / i, "PFlinear": 100 * linear / i,
                "Pangle": numpy.degrees(numpy.arctan2(u, q)) / 2}[name]


NEEDS = {"Ptotal": "QUV", "Plinear": "QU", "PFtotal": "IQUV", "PFlinear": "IQU", "Pangle": "QU"}
NUMBERS = {"Ptotal": 13, "Plinear": 14, "PFtotal": 15, "PFlinear": 16, "Pangle": 17}


def values_of(message):
    return {profile["stats_type"]: numpy.frombuffer(profile["raw_values_fp64"], "<f8") for profile in message["profiles"]}


def check(test, message, expected, types=TYPES, tolerance=1e-9):
    got = values_of(message)
    test.assertEqual(list(got), list(types))
    for name in types:
        scale = numpy.nanmax(numpy.abs(expected[name])) if numpy.isfinite(expected[name]).any() else 1
        numpy.testing.assert_allclose(got[name], expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=name)


def noise(random, shape, blanks=0.1):
    cube = random.normal(size=shape).astype("f4")
    which = random.random(shape)
    cube[which < blanks] = numpy.nan
    cube[which > 0.99] = numpy.inf
    cube[..., 3, :, :] = numpy.nan  # a channel without anything
    return cube


class RegionSpectra(ServerTest):
    @classmethod
    def make_files(cls, folder):
        random = numpy.random.default_rng(8)
        cls.cubes, cls.areas = {}, {}
        shape = (DEPTH, HEIGHT, WIDTH)
        one_beam = numpy.full(DEPTH, area_of(4 * DEGREE, 3 * DEGREE))

        def keep(name, cube, areas=one_beam):
            cls.cubes[name], cls.areas[name] = cube, areas

        keep("float.fits", noise(random, shape))
        fits.writeto(folder / "float.fits", cls.cubes["float.fits"], header_of(**BEAM))
        keep("float.fits.gz", cls.cubes["float.fits"])
        fits.writeto(folder / "float.fits.gz", cls.cubes["float.fits"], header_of(**BEAM))
        keep("double.fits", noise(random, shape).astype("f8") + 1e9)
        fits.writeto(folder / "double.fits", cls.cubes["double.fits"], header_of(**BEAM))
        for name, kind in (("short.fits", "i2"), ("int.fits", "i4"), ("long.fits", "i8"), ("byte.fits", "u1")):
            stored = random.integers(0, 200, shape).astype(kind)
            scaling = {"BSCALE": 0.37, "BZERO": -5.0, "BLANK": 77}
            hdu = fits.PrimaryHDU(stored, header_of(**BEAM))
            hdu.writeto(folder / name)
            with fits.open(folder / name, mode="update", do_not_scale_image_data=True) as file:
                file[0].header.update(scaling)
            keep(name, numpy.where(stored == 77, numpy.nan, stored * 0.37 - 5.0))
        lossless = {"compression_type": "GZIP_2", "quantize_level": 0}
        keep("tiles.fits", noise(random, shape))
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(cls.cubes["tiles.fits"], header_of(**BEAM), **lossless)]).writeto(folder / "tiles.fits")
        whole = random.integers(-1000, 1000, shape).astype("i4")
        keep("rice.fits", whole.astype("f8"))
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(whole, header_of(**BEAM), compression_type="RICE_1")]).writeto(folder / "rice.fits")

        cls.stokes = {}
        for name, order, axes in (("iquv.fits", "IQUV", ("RA---TAN", "DEC--TAN", "FREQ", "STOKES")), ("swapped.fits", "IQUV", ("RA---TAN", "DEC--TAN", "STOKES", "FREQ")),
                                  ("back.fits", "VUQI", ("RA---TAN", "DEC--TAN", "FREQ", "STOKES"))):
            cube = noise(random, (4, *shape))
            cls.stokes[name] = {letter: cube[i] for i, letter in enumerate(order)}
            header = header_of(axes)
            number = axes.index("STOKES") + 1
            header[f"CRVAL{number}"], header[f"CDELT{number}"] = (1.0, 1.0) if order == "IQUV" else (4.0, -1.0)
            stored = cube if axes[2] == "FREQ" else cube.swapaxes(0, 1)
            header["CASAMBM"] = True
            beams = numpy.zeros(4 * DEPTH, [("BMAJ", "f4"), ("BMIN", "f4"), ("BPA", "f4"), ("CHAN", "i4"), ("POL", "i4")])
            for p in range(4):
                for z in range(DEPTH):
                    beams[p * DEPTH + z] = (3 + 0.1 * z + p, 2 + 0.05 * z, 0, z, p) if z != 5 else (-1, 0, 0, z, p)
            table = fits.BinTableHDU(beams, name="BEAMS")
            for n, unit in enumerate(("arcsec", "arcsec", "deg"), 1):
                table.header[f"TUNIT{n}"] = unit
            table.header["NCHAN"], table.header["NPOL"] = DEPTH, 4
            fits.HDUList([fits.PrimaryHDU(stored, header), table]).writeto(folder / name)
            cls.areas[name] = {}
            for i, letter in enumerate(order):
                areas = numpy.array([area_of(b["BMAJ"] * DEGREE, b["BMIN"] * DEGREE) if b["BMIN"] > 0 else numpy.nan for b in beams[i * DEPTH : (i + 1) * DEPTH].astype(
                    [("BMAJ", "f8"), ("BMIN", "f8"), ("BPA", "f8"), ("CHAN", "i4"), ("POL", "i4")])])
                cls.areas[name][letter] = areas
        # The same sky, 7 pixels to the right and 4 down.
        keep("shifted.fits", noise(random, shape))
        shifted = header_of(**BEAM)
        shifted["CRPIX1"], shifted["CRPIX2"] = 27.0, 16.0
        fits.writeto(folder / "shifted.fits", cls.cubes["shifted.fits"], shifted)
        keep("plane.fits", noise(random, shape)[0])
        fits.writeto(folder / "plane.fits", cls.cubes["plane.fits"], header_of(("RA---TAN", "DEC--TAN")))
        cls.large = random.normal(size=(300, 256, 256)).astype("f4")
        fits.writeto(folder / "large.fits", cls.large, header_of(**BEAM))
        # Slow to read: the whole of a plane for any pixel.
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(cls.large, header_of(**BEAM), tile_shape=(1, 256, 256), **lossless)]).writeto(folder / "slow.fits")

    async def region(self, client, shape, region_id=-1, file_id=0):
        ack = await client.call("carta.set.region", {"file_id": file_id, "region_id": region_id, "region_info": info(shape)})
        self.assertTrue(ack["success"], ack)
        return ack["region_id"]

    async def require(self, client, region_id, *profiles, file_id=0):
        """Of (coordinate, types…)."""
        await client.call("carta.set.spectral.requirements", {"file_id": file_id, "region_id": region_id, "spectral_profiles": [
            {"coordinate": coordinate, "stats_types": list(types)} for coordinate, *types in profiles]})  # fmt: skip

    async def final(self, client, region_id, coordinate="z", file_id=0):
        return await client.next(SPECTRAL, lambda m: m["file_id"] == file_id and m["region_id"] == region_id and m["progress"] >= 1 and
                                 m["profiles"][0]["coordinate"] == coordinate, PATIENCE)  # fmt: skip

    async def test_every_statistic_of_every_kind_of_file(self):
        for name, cube in self.cubes.items():
            if cube.ndim < 3 or name == "shifted.fits":
                continue
            client = await self.viewer()
            await open_file(client, name)
            for region, shape in REGIONS.items():
                with self.subTest(file=name, region=region):
                    id = await self.region(client, shape)
                    await self.require(client, id, ("z", *TYPES))
                    message = await self.final(client, id)
                    self.assertEqual(message["progress"], 1)
                    self.assertEqual(message["stokes"], 0)
                    mask = inside(shape)
                    self.assertGreater(mask.sum(), 0)
                    check(self, message, statistics(cube, mask, self.areas[name]))
            await client.close()

    async def test_computed_polarizations_and_orders_of_stokes(self):
        for name, cubes in self.stokes.items():
            client = await self.viewer()
            await open_file(client, name)
            order = list(cubes)
            id = await self.region(client, REGIONS["ellipse"])
            mask = inside(REGIONS["ellipse"])
            of_stokes = {letter: statistics(cube, mask, self.areas[name][letter]) for letter, cube in cubes.items()}
            await self.require(client, id, *((f"{letter}z", *TYPES) for letter in "IQUV"), *((f"{kind}z", *TYPES) for kind in NEEDS))
            for letter in "IQUV":
                with self.subTest(file=name, stokes=letter):
                    message = await self.final(client, id, f"{letter}z")
                    self.assertEqual(message["stokes"], order.index(letter))
                    check(self, message, of_stokes[letter])
            for kind in NEEDS:
                with self.subTest(file=name, stokes=kind):
                    message = await self.final(client, id, f"{kind}z")
                    self.assertEqual(message["stokes"], NUMBERS[kind])
                    inputs = [finite_or_nan(cubes[letter]).astype("f8") if letter in NEEDS[kind] else numpy.zeros(1) for letter in "IQUV"]
                    pixels = computed(kind, *inputs).astype("f4")
                    expected = statistics(pixels, mask, numpy.ones(DEPTH))
                    for stat in COMBINED:
                        expected[stat] = computed(kind, *(of_stokes[letter][stat] if letter in NEEDS[kind] else numpy.zeros(1) for letter in "IQUV"))
                    check(self, message, expected, tolerance=1e-6)
            await client.close()

    async def test_what_is_sent_when(self):
        client = await self.viewer()
        await open_file(client, "iquv.fits")
        id = await self.region(client, REGIONS["rectangle"])
        mask = inside(REGIONS["rectangle"])
        expected = {letter: statistics(cube, mask, self.areas["iquv.fits"][letter]) for letter, cube in self.stokes["iquv.fits"].items()}
        await self.require(client, id, ("z", "Mean"), ("Qz", "Sum"))
        check(self, await self.final(client, id, "z"), expected["I"], ["Mean"])
        check(self, await self.final(client, id, "Qz"), expected["Q"], ["Sum"])

        async def nothing_more():
            await settled(client)
            self.assertEqual(client.published.get(SPECTRAL, []), [])

        await self.require(client, id, ("z", "Mean"), ("Qz", "Sum"))  # the same again
        await nothing_more()
        await self.require(client, id, ("z", "Mean", "RMS"), ("Qz", "Sum"))
        message = await self.final(client, id, "z")
        self.assertIn("RMS", values_of(message))
        numpy.testing.assert_allclose(values_of(message)["RMS"], expected["I"]["RMS"], rtol=1e-9)
        await nothing_more()
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 4, "stokes": 0})
        await nothing_more()
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 4, "stokes": 2})
        check(self, await self.final(client, id, "z"), expected["U"], ["Mean", "RMS"])
        await nothing_more()
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 4, "stokes": 14})
        message = await self.final(client, id, "z")
        self.assertEqual(message["stokes"], 14)
        await nothing_more()
        # A changed region sends all.
        await self.region(client, REGIONS["ellipse"], id)
        self.assertEqual((await self.final(client, id, "z"))["stokes"], 14)
        check(self, await self.final(client, id, "Qz"), statistics(self.stokes["iquv.fits"]["Q"], inside(REGIONS["ellipse"]), self.areas["iquv.fits"]["Q"]), ["Sum"])
        await nothing_more()
        # Nothing once it is not required, whatever happens.
        await self.require(client, id)
        await self.region(client, REGIONS["polygon"], id)
        await client.call("carta.set.image.channels", {"file_id": 0, "channel": 4, "stokes": 0})
        await nothing_more()
        # Required again, and the default statistic; twice the same is once.
        await self.require(client, id, ("z",), ("z", "Mean", "Mean"))
        message = await self.final(client, id, "z")
        check(self, message, statistics(self.stokes["iquv.fits"]["I"], inside(REGIONS["polygon"]), self.areas["iquv.fits"]["I"]), ["Mean"])
        await nothing_more()

    async def test_several_regions_and_two_connections(self):
        first = await self.viewer()
        await open_file(first, "float.fits")
        second = await self.viewer(1, first.session_id)
        cube, areas = self.cubes["float.fits"], self.areas["float.fits"]
        ids = [await self.region(first, shape) for shape in REGIONS.values()]
        masks = [inside(shape) for shape in REGIONS.values()]
        await asyncio.gather(*(self.require(first, id, ("z", "Mean"), ("Iz", "Sum")) for id in ids), *(self.require(second, id, ("z", "Max")) for id in ids[:3]))
        for id, mask in zip(ids, masks):
            expected = statistics(cube, mask, areas)
            check(self, await self.final(first, id, "z"), expected, ["Mean"])
            check(self, await self.final(first, id, "Iz"), expected, ["Sum"])
        for id, mask in zip(ids[:3], masks):
            check(self, await self.final(second, id, "z"), statistics(cube, mask, areas), ["Max"])
        for client in (first, second):
            await settled(client)
            self.assertEqual(client.published.get(SPECTRAL, []), [])
        # All at once, by a change that concerns all.
        await self.require(second, ids[0], ("z", "Mean"))
        check(self, await self.final(second, ids[0], "z"), statistics(cube, masks[0], areas), ["Mean"])
        await settled(first)
        self.assertEqual(first.published.get(SPECTRAL, []), [])

    async def test_outside_and_elsewhere(self):
        client = await self.viewer()
        await open_file(client, "float.fits")
        await open_file(client, "shifted.fits", 1)
        await open_file(client, "plane.fits", 2)
        for shape in (("RECTANGLE", [(-500.0, 4.0), (10.0, 10.0)], 0.0), ("POINT", [(56.6, 3.0)], 0.0), ("ELLIPSE", [(20.4, 20.4), (0.1, 0.1)], 0.0)):
            id = await self.region(client, shape)
            await self.require(client, id, ("z", "Mean", "NumPixels"))
            message = await self.final(client, id)
            for values in values_of(message).values():
                self.assertEqual(len(values), DEPTH)
                self.assertTrue(numpy.isnan(values).all())
        # On another image by its sky.
        id = await self.region(client, REGIONS["turned"])
        await self.require(client, id, ("z", *TYPES), file_id=1)
        kind, ((x, y), size), rotation = REGIONS["turned"]
        moved = inside((kind, [(x + 7, y - 4), size], rotation))
        check(self, await self.final(client, id, file_id=1), statistics(self.cubes["shifted.fits"], moved, self.areas["shifted.fits"]))
        await settled(client)
        self.assertEqual(client.published.get(SPECTRAL, []), [])
        client.published.pop(ERROR, None)
        await self.fails(self.require(client, id, ("z", "Mean"), file_id=2), text="three axes")
        error = await client.next(ERROR, timeout=PATIENCE)
        self.assertEqual(error["severity"], "WARNING")

    async def test_requirements_that_make_no_sense(self):
        client = await self.viewer()
        await open_file(client, "float.fits")
        id = await self.region(client, REGIONS["rectangle"])
        line = await self.region(client, ("LINE", [(1.0, 1.0), (9.0, 9.0)], 0.0))
        note = await self.region(client, ("ANNRECTANGLE", [(9.0, 9.0), (9.0, 9.0)], 0.0))
        await self.fails(self.require(client, line, ("z", "Mean")), text="line")
        await self.fails(self.require(client, note, ("z", "Mean")), text="annotation")
        for unknown in (999, -1, -2, -2147483648, 2147483647):
            await self.fails(self.require(client, unknown, ("z", "Mean")), text="does not exist")
            await self.require(client, unknown)
        for coordinate in ("x", "Qz", "Ptotalz", "zz", "", "\0z", "z" * 100000):
            if coordinate:
                await self.fails(self.require(client, id, (coordinate, "Mean")))
        await self.fails(self.require(client, id, *[("z", "Mean")] * 1000))
        await self.fails(self.require(client, id, ("z", *["Mean"] * 1000)))
        await self.fails(self.require(client, id, ("z", 99)))
        await self.fails(self.require(client, id, ("z", "Mean"), file_id=7))
        many = [("z" if i % 2 else "Iz", TYPES[i % 11], TYPES[(i * 7) % 11], TYPES[(i * 5 + i // 11) % 11]) for i in range(200)]
        await self.require(client, id, *many)
        await settled(client)
        expected = statistics(self.cubes["float.fits"], inside(REGIONS["rectangle"]), self.areas["float.fits"])
        messages = client.published.pop(SPECTRAL)
        for message in messages:
            check(self, message, expected, list(values_of(message)))
        sent = {(m["profiles"][0]["coordinate"], name) for m in messages for name in values_of(m)}
        self.assertEqual(sent, {(coordinate, name) for coordinate, *types in many for name in types})
        # A region that becomes something without an inside, and back.
        await self.require(client, id, ("z", "Mean"))
        await self.final(client, id)
        await self.region(client, ("LINE", [(1.0, 1.0), (9.0, 9.0)], 0.0), id)
        await settled(client)
        self.assertEqual(client.published.get(SPECTRAL, []), [])
        await self.region(client, REGIONS["rectangle"], id)
        check(self, await self.final(client, id), expected, ["Mean"])
        self.alive()

    async def test_dragged_quickly(self):
        for name in ("large.fits", "slow.fits"):
            client = await self.viewer()
            await open_file(client, name)
            shapes = [("ELLIPSE", [(60.0 + 2 * i, 70.0 + i), (40.0, 30.0)], float(i)) for i in range(40)]
            means = numpy.array([self.large[:, inside(shape, 256, 256)].astype("f8").mean(axis=1) for shape in shapes])
            id = await self.region(client, shapes[0])
            await self.require(client, id, ("z", "Mean"))
            await self.final(client, id)
            client.forget()
            for shape in shapes[1:]:
                await self.region(client, shape, id)
                await asyncio.sleep(0.01)
            await settled(client)
            messages = client.published.pop(SPECTRAL)
            shown = []
            for message in messages:
                values = values_of(message)["Mean"]
                done = numpy.isfinite(values)
                self.assertEqual(message["progress"] == 1, done.all())
                if done.any():
                    self.assertTrue(done[: done.sum()].all())
                    distance = numpy.abs(means[:, done] - values[done]).max(axis=1)
                    shown.append(int(distance.argmin()))
                    self.assertLess(distance.min(), 1e-9)
            self.assertEqual(shown, sorted(shown), "an older shape after a newer one")
            self.assertEqual(shown[-1], len(shapes) - 1)
            self.assertEqual(messages[-1]["progress"], 1)
            await client.close()

    async def test_ended_while_it_is_computed(self):
        async def remove_region(client, id):
            await client.call("carta.remove.region", {"region_id": id})

        async def require_nothing(client, id):
            await self.require(client, id)

        async def close_file(client, id):
            await client.call("carta.close.file", {"file_id": 0})

        async def other_plane(client, id):  # a fixed stokes goes on
            await client.call("carta.set.image.channels", {"file_id": 0, "channel": 7, "stokes": 0})

        for end in (remove_region, require_nothing, close_file, other_plane):
            client = await self.viewer()
            await open_file(client, "slow.fits")
            ids = [await self.region(client, ("RECTANGLE", [(100.0 + i, 100.0), (150.0, 150.0)], 0.0)) for i in range(3)]
            await asyncio.gather(*(self.require(client, id, ("z", "Mean"), ("Iz", "Sum", "Max")) for id in ids))
            await end(client, ids[0])
            at = len(client.log)
            await settled(client)
            after = [entry[2] for entry in client.log[at:] if entry[1] == SPECTRAL]
            gone = ids if end is close_file else ids[:1] if end is not other_plane else []
            self.assertEqual([m for m in after if m["region_id"] in gone], [], end.__name__)
            done = {(m["region_id"], m["profiles"][0]["coordinate"]) for _, topic, m in client.log if topic == SPECTRAL and m["progress"] == 1}
            for id in ids:
                if id not in gone:
                    self.assertLessEqual({(id, "z"), (id, "Iz")}, done, end.__name__)
            await client.close()

    async def test_progress(self):
        """Each message replaces the one before: more channels each time, the last with all of them."""
        client = await self.viewer()
        await open_file(client, "slow.fits")
        id = await self.region(client, ("RECTANGLE", [(128.0, 128.0), (254.0, 254.0)], 0.0))
        await self.require(client, id, ("z", "Mean", "NumPixels"))
        await settled(client)
        messages = client.published.pop(SPECTRAL)
        progress = [m["progress"] for m in messages]
        self.assertEqual(progress, sorted(set(progress)))
        self.assertEqual(progress[-1], 1)
        for message in messages:
            values = values_of(message)
            done = round(message["progress"] * 300)
            self.assertTrue(numpy.isfinite(values["Mean"][:done]).all() and numpy.isnan(values["Mean"][done:]).all())
            self.assertTrue((values["NumPixels"][:done] == 255**2).all() and numpy.isnan(values["NumPixels"][done:]).all())


def finite_or_nan(cube):
    return numpy.where(numpy.isfinite(cube), cube, numpy.nan)


if __name__ == "__main__":
    unittest.main()
