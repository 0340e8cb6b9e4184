"""Holds what our FITS reader says against astropy and numpy, on files made here and on those of Debian's packages.

    check_astropy.py FITS_DUMP [SEED]
"""
import itertools, json, os, subprocess, sys, tempfile, warnings
import numpy as np

warnings.simplefilter("ignore")
from astropy.io import fits
from astropy.wcs import WCS
from astropy.coordinates import SkyCoord, FK4, FK5, ICRS, Galactic, BarycentricMeanEcliptic
from astropy import units as u

DUMP = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20240607
rng = np.random.default_rng(SEED)
work = tempfile.TemporaryDirectory(prefix="cubelink-fits-")
failures, checks = [], 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def run(*arguments, env=None):
    return subprocess.run([DUMP, *map(str, arguments)], capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})


def info(path, hdu="", env=None):
    done = run("info", path, hdu, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"{path}[{hdu}]: {done.stderr.strip()}")
    return json.loads(done.stdout)


def pixels(path, hdu, kind):
    out = os.path.join(work.name, "pixels.raw")
    done = run("pixels", path, hdu, out, kind)
    if done.returncode != 0:
        raise RuntimeError(f"{path}[{hdu}]: {done.stderr.strip()}")
    return np.fromfile(out, "<f4" if kind == "f" else "<f8")


def same(a, b, tolerance=0.0):
    a, b = np.asarray(a, "f8").ravel(), np.asarray(b, "f8").ravel()
    if a.shape != b.shape:
        return False
    if tolerance == 0:
        return np.array_equal(a, b, equal_nan=True)
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))) | (np.isnan(a) & np.isnan(b)) | (a == b)))


def path_of(name):
    return os.path.join(work.name, name)


def raw_values(stored, header):
    """Stored numbers to values, in double precision, as the standard says."""
    values = stored.astype("f8")
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if stored.dtype.itemsize == 8 and stored.dtype.kind == "i" and zero == 2**63:
        values = (stored.view("u8") ^ np.uint64(2**63)).astype("f8")
    elif (scale, zero) != (1, 0):
        values = values * scale + zero
    if stored.dtype.kind in "iu" and "BLANK" in header:
        values = np.where(stored == header["BLANK"], np.nan, values)
    return values


TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}


def random_data(bitpix, shape):
    if bitpix > 0:
        kind = np.dtype(TYPES[bitpix])
        limits = np.iinfo(kind)
        data = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
        data.ravel()[::7] = rng.integers(0, 100, data.ravel()[::7].shape)
        return data
    data = (rng.normal(size=shape) * 10.0 ** rng.integers(-5, 6, shape)).astype(TYPES[bitpix])
    data.ravel()[::11] = np.nan
    data.ravel()[3::17] = np.inf
    data.ravel()[5::23] = -np.inf
    return data


def write_raw(name, data, extra, bitpix):
    """The stored numbers as they are: astropy must not scale them."""
    header = fits.Header()
    header["SIMPLE"] = True
    header["BITPIX"] = bitpix
    header["NAXIS"] = data.ndim
    for i, length in enumerate(reversed(data.shape)):
        header[f"NAXIS{i + 1}"] = length
    for key, value in extra.items():
        header[key] = value
    body = data.astype(data.dtype.newbyteorder(">")).tobytes()
    path = path_of(name)
    with open(path, "wb") as file:
        file.write(header.tostring().encode())
        file.write(body + b"\0" * (-len(body) % 2880))
    return path, header


def test_pixels():
    scalings = {
        8: [{}, {"BZERO": -128}, {"BSCALE": 0.5, "BZERO": 3.25}, {"BLANK": 7}],
        16: [{}, {"BZERO": 32768}, {"BSCALE": 0.01, "BZERO": -1.5, "BLANK": 5}, {"BLANK": -32768}],
        32: [{}, {"BZERO": 2147483648}, {"BSCALE": 1e-7, "BZERO": 1e3, "BLANK": 3}],
        64: [{}, {"BZERO": 9223372036854775808}, {"BZERO": 9223372036854775808, "BLANK": 9}, {"BSCALE": 2.0, "BLANK": 2}],
        -32: [{}, {"BSCALE": 1.5, "BZERO": -2.0}],
        -64: [{}, {"BSCALE": 1e-3, "BZERO": 4.0}],
    }
    shapes = [(37, 53), (5, 19, 23), (2, 4, 17, 13), (1, 1, 9, 31), (3, 1, 8, 8)]
    for bitpix, list_of_extras in scalings.items():
        for extra, shape in itertools.product(list_of_extras, shapes):
            data = random_data(bitpix, shape)
            path, header = write_raw("pixels.fits", data, extra, bitpix)
            expected = raw_values(data, header)
            what = f"pixels BITPIX {bitpix} {extra} {shape}"
            with np.errstate(over="ignore"):
                check(same(pixels(path, "", "f"), expected.astype("f4")), what + " float")
            check(same(pixels(path, "", "d"), expected), what + " double")


def test_stokes_first():
    """STOKES on any axis: the two first others are rendered, the third one is the depth."""
    names = ["RA---SIN", "DEC--SIN", "FREQ", "STOKES"]
    lengths = [7, 6, 5, 3]
    for order in itertools.permutations(range(4)):
        if order.index(0) > order.index(1) or order.index(1) > order.index(2):
            continue
        shape = tuple(lengths[i] for i in reversed(order))
        data = random_data(-32, shape)
        cards = {}
        for axis, which in enumerate(order):
            cards[f"CTYPE{axis + 1}"] = names[which]
            cards[f"CRPIX{axis + 1}"] = 1.0
            cards[f"CDELT{axis + 1}"] = [-0.01, 0.01, 1e6, 1.0][which]
            cards[f"CRVAL{axis + 1}"] = [10.0, 20.0, 1e9, 1.0][which]
        path, _ = write_raw("stokes.fits", data, cards, -32)
        # numpy's axes are reversed: bring them to stokes, freq, dec, ra
        expected = data.transpose([3 - order.index(i) for i in (3, 2, 1, 0)])
        check(same(pixels(path, "", "f"), expected), f"pixels with axes {order}")
        facts = info(path)
        check(facts["shape"] == [7, 6, 5, 3], f"shape with axes {order}")
        check(facts["axes"] == [order.index(0) + 1, order.index(1) + 1, order.index(2) + 1, order.index(3) + 1, order.index(2) + 1], f"numbers of axes {order}")
        out = path_of("spectrum.raw")
        run("spectrum", path, "", 3, 2, 1, out)
        check(same(np.fromfile(out, "<f4"), expected[1, :, 2, 3]), f"spectrum with axes {order}")


def test_swapped():
    data = random_data(-32, (4, 9, 11))
    cards = {"CTYPE1": "RA---SIN", "CTYPE2": "FREQ", "CTYPE3": "DEC--SIN", "CDELT1": -0.1, "CDELT2": 1e6, "CDELT3": 0.1, "CRVAL1": 10.0, "CRVAL2": 1e9, "CRVAL3": 5.0,
             "CRPIX1": 1.0, "CRPIX2": 1.0, "CRPIX3": 1.0}
    path, _ = write_raw("swapped.fits", data, cards, -32)
    facts = info(path)
    check(facts["axes"] == [1, 3, 2, 0, 3], "swapped: axes")
    check(facts["shape"] == [11, 9, 4, 1], "swapped: shape")
    computed = {entry["name"]: entry["value"] for entry in facts["computed"]}
    check(computed["Number of channels"] == "9", "swapped: channels")
    check(same(pixels(path, "", "f"), data), "swapped: pixels")


def test_compressed():
    cube = (rng.normal(size=(3, 40, 50)) * 10 + 100).astype("f4")
    gaps = cube.copy()
    gaps[:, 3:9, 5:20] = np.nan
    zeros = cube.copy()
    zeros[:, :10] = 0
    counts16 = rng.integers(-3000, 3000, (3, 33, 47)).astype("i2")
    cases = []
    for kind in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"):
        tile = dict(tile_size=(47, 33, 1)) if kind == "HCOMPRESS_1" else {}
        positive = kind == "PLIO_1"
        cases.append((kind + " i2", np.abs(counts16) if positive else counts16, kind, tile))
        cases.append((kind + " u1", (np.abs(counts16) % 256).astype("u1"), kind, tile))
        cases.append((kind + " i4", np.abs(counts16).astype("i4") * (1 if positive else 300), kind, tile))
        if not positive:
            cases.append((kind + " u2", (counts16.astype("i4") + 32768).astype("u2"), kind, tile))
            tile = dict(tile_size=(50, 40, 1)) if kind == "HCOMPRESS_1" else {}
            for method in (-1, 1, 2):
                cases.append((f"{kind} f4 method {method}", cube if kind == "HCOMPRESS_1" else gaps, kind, dict(quantize_method=method, dither_seed=42, **tile)))
            cases.append((kind + " f4 zeros", zeros, kind, dict(quantize_method=2, dither_seed=1, **tile)))
            cases.append((kind + " f8", cube.astype("f8") * 1.1, kind, dict(quantize_method=1, dither_seed=9999, **tile)))
    for kind in ("GZIP_1", "GZIP_2"):
        infinite = gaps.copy()
        infinite[:, 0, ::5] = np.inf
        cases.append((kind + " lossless", infinite, kind, dict(quantize_level=0)))
    cases.append(("RICE_1 square tiles", counts16, "RICE_1", dict(tile_size=(16, 10, 2))))
    cases.append(("GZIP_2 square tiles", gaps, "GZIP_2", dict(tile_size=(20, 13, 3))))
    cases.append(("RICE_1 constant (cannot be quantised)", np.full((2, 20, 30), 1.5, "f4") + np.arange(30, dtype="f4") * 1e-30, "RICE_1", {}))
    for what, data, kind, options in cases:
        path = path_of("compressed.fits")
        try:
            hdu = fits.CompImageHDU(data, compression_type=kind, name="IMG", **options)
            hdu.header["OBJECT"] = "a test"
            hdu.header["CTYPE3"] = "FREQ"
            hdu.writeto(path, overwrite=True)
        except Exception as error:
            print("astropy can't write", what, error)
            continue
        with fits.open(path) as file:
            expected = file[1].data.astype("f8")
            wanted = file[1].header
            facts = info(path, "1")
            names = {entry["name"]: entry for entry in facts["header"]}
            for key in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "OBJECT"):
                check(str(wanted[key]) == names.get(key, {}).get("value"), f"compressed {what}: header {key}")
            check(not any(name.startswith(("Z", "TTYPE", "TFORM", "TFIELDS")) for name in names), f"compressed {what}: no cards of the table")
        try:
            got = pixels(path, "1", "d")
        except RuntimeError as error:
            check(False, f"compressed {what}: {error}")
            continue
        # astropy computes quantised pixels in single precision
        check(same(got, expected, 3e-7 if data.dtype.kind == "f" else 0), f"compressed {what}: pixels")
        run("spectrum", path, "1", 4, 3, 0, path_of("spectrum.raw"))
        check(same(np.fromfile(path_of("spectrum.raw"), "<f4"), expected[:, 3, 4].astype("f4"), 3e-7), f"compressed {what}: spectrum")


def test_widths():
    """Tiles without loss whose numbers have another width than ZBITPIX says: read by their length, as astropy (cfitsio) does."""
    values = (rng.normal(size=(12, 31)) * 1e3).astype("f8")
    for kind in ("GZIP_1", "GZIP_2"):
        for data, said in ((values, -32), (values.astype("f4"), -64), (values.astype("i4"), 16), (values.astype("i2"), 32)):
            path = path_of("widths.fits")
            fits.CompImageHDU(data, compression_type=kind, quantize_level=0).writeto(path, overwrite=True)
            with open(path, "r+b") as file:
                content = file.read()
                at = content.index(b"ZBITPIX =")
                file.seek(at)
                file.write(f"ZBITPIX = {said:20d}".ljust(80).encode())
            with fits.open(path) as file:
                expected = file[1].data.astype("f8")
            check(same(expected, data.astype("f8"), 1e-6), f"{kind}: astropy reads {data.dtype} where ZBITPIX is {said}")
            check(same(pixels(path, "1", "f"), expected.astype("f4").astype("f8"), 1e-6), f"{kind} {data.dtype}, ZBITPIX {said}: float32")
            check(same(pixels(path, "1", "d"), data.astype("f8"), 1e-6), f"{kind} {data.dtype}, ZBITPIX {said}: float64")


def test_gzip():
    data = random_data(-32, (3, 50, 60))
    path = path_of("plain.fits")
    fits.HDUList([fits.PrimaryHDU(data), fits.ImageHDU(data[0] * 2, name="SECOND")]).writeto(path, overwrite=True)
    subprocess.run(["gzip", "-kf", path], check=True)
    check(same(pixels(path + ".gz", "0", "f"), data), "gzip: primary")
    check(same(pixels(path + ".gz", "1", "f"), data[0] * 2), "gzip: extension")
    check(same(pixels(path + ".gz", "SECOND", "f"), data[0] * 2), "gzip: extension by name")
    check([hdu["number"] for hdu in json.loads(run("hdus", path + ".gz").stdout)] == [0, 1], "gzip: list")
    fits.CompImageHDU(np.arange(600, dtype="i2").reshape(20, 30)).writeto(path_of("tiles.fits"), overwrite=True)
    subprocess.run(["gzip", "-kf", path_of("tiles.fits")], check=True)
    check(same(pixels(path_of("tiles.fits.gz"), "", "f"), np.arange(600)), "gzip around compressed tiles")


def compare_header(path, number, hdu, facts):
    got = facts["header"]
    commentary = [entry["name"] for entry in got if entry["name"].startswith(("HISTORY", "COMMENT"))]
    check(len(commentary) == sum(card.keyword in ("HISTORY", "COMMENT") for card in hdu.header.cards) or "CONTINUE" in str(hdu.header), f"{path}[{number}]: HISTORY and COMMENT")
    seen = {}
    for entry in got:
        seen.setdefault(entry["name"], entry)
    for card in hdu.header.cards:
        key = card.keyword
        if key in ("", "COMMENT", "HISTORY", "CONTINUE", "SIMPLE", "XTENSION", "CHECKSUM", "DATASUM", "PCOUNT", "GCOUNT", "EXTEND") or len(key) > 8 or " " in key or hdu.header.count(key) > 1 or key.endswith("UNIT") or "UNIT" in key:
            continue
        entry = seen.get(key)
        if not check(entry is not None, f"{path}[{number}]: {key} is missing"):
            continue
        try:
            value = card.value
        except fits.VerifyError:
            continue  # astropy refuses it; we show it as it stands
        if isinstance(value, bool):
            check(entry["value"] == "FT"[value] and entry["type"] == 0, f"{path}[{number}]: {key} logical {entry}")
        elif isinstance(value, int):
            check(entry["type"] == 2 and entry["number"] == value, f"{path}[{number}]: {key} integer {entry}")
        elif isinstance(value, float):
            check(entry["type"] == 1 and entry["number"] == value and abs(float(entry["value"]) - value) <= 1e-12 * abs(value), f"{path}[{number}]: {key} float {entry} {value!r}")
        elif isinstance(value, str) and not value.startswith("VELO-"):
            check(entry["type"] == 0 and entry["value"] == value.strip(), f"{path}[{number}]: {key} string {entry} {value!r}")


def compare_world(path, number, header, facts):
    if facts["wcs"] is None:
        return
    lengths = facts["lengths"]
    keep = header.copy()
    for key in ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2"):
        keep.remove(key, ignore_missing=True)
    try:
        wcs = WCS(keep, fix=True)
    except Exception as error:
        print("astropy has no WCS for", path, number, str(error)[:80])
        return
    if wcs.cpdis1 or wcs.det2im1 or (wcs.sip and not str(header.get("CTYPE1", "")).endswith("SIP")):
        return
    rendered = [axis - 1 for axis in facts["rendered"]]
    for point in facts["wcs"]["points"]:
        pixel = np.zeros(wcs.naxis)
        for axis, value in zip(rendered, (point["x"], point["y"])):
            if axis < wcs.naxis:
                pixel[axis] = value
        expected = wcs.all_pix2world([pixel], 0)[0]
        ours = np.array([np.nan if v is None else v for v in point["world"]])
        if len(ours) != len(expected):
            check(False, f"{path}[{number}]: {len(ours)} world axes, astropy has {len(expected)}")
            return
        for axis, (a, b) in enumerate(zip(ours, expected)):
            if np.isnan(a) or np.isnan(b):
                check(np.isnan(a) == np.isnan(b), f"{path}[{number}]: world axis {axis + 1} at {pixel}: {a} {b}")
                continue
            if axis == wcs.wcs.lng:
                a = b + (a - b + 180) % 360 - 180
            if axis == wcs.wcs.spec or axis not in (wcs.wcs.lng, wcs.wcs.lat):
                check(abs(a - b) <= 1e-9 * max(1, abs(b)), f"{path}[{number}]: world axis {axis + 1} at {pixel}: {a} {b}")
            else:
                close = abs(a - b) * (np.cos(np.radians(ours[wcs.wcs.lat])) if axis == wcs.wcs.lng else 1)
                check(close < 1e-9, f"{path}[{number}]: world axis {axis + 1} at {pixel}: {a} {b}")


MAPS = "/usr/lib/python3/dist-packages/astropy/wcs/tests/data/maps"


def test_maps():
    """Every projection of the standard, from headers that come with astropy."""
    for name in sorted(os.listdir(MAPS)):
        header = fits.Header.fromstring(open(os.path.join(MAPS, name), encoding="latin1").read().replace("\n", ""))
        data = np.zeros((192, 192), "f4")
        path = path_of("map.fits")
        fits.PrimaryHDU(data, header).writeto(path, overwrite=True, output_verify="silentfix")
        header = fits.getheader(path)
        facts = info(path)
        check(facts["wcs"] is not None, f"{name}: has world coordinates")
        compare_world(name, 0, header, facts)
        for point in (facts["wcs"] or {"points": []})["points"]:
            if None in point["back"]:
                continue
            # Quad cube and HEALPix edges have two pixels for one direction; elsewhere the way back leads home.
            if not any(kind in name for kind in ("TSC", "CSC", "QSC", "HPX", "AIR", "BON", "CO", "PCO")):
                check(abs(point["back"][0] - point["x"]) < 1e-4 and abs(point["back"][1] - point["y"]) < 1e-4, f"{name}: back at {point['x']},{point['y']}: {point['back']}")


def real_files():
    found = []
    for package in ("python3-astropy", "python3-reproject", "python3-spectral-cube", "python3-regions", "python3-photutils"):
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True).stdout.split("\n")
        found += [path for path in listed if path.endswith((".fits", ".fits.gz", ".fit", ".fits.fz"))]
    return found


def test_real():
    used = 0
    for path in real_files():
        try:
            file = fits.open(path)
        except Exception:
            run("info", path, "")
            continue
        with file:
            images = []
            for number, hdu in enumerate(file):
                try:
                    if isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) and not hdu.header.get("GROUPS") and hdu.header.get("NAXIS", 0) >= 2:
                        images.append(number)
                except Exception:
                    pass
            listed = run("hdus", path)
            if not check(listed.returncode == 0 or not images, f"{path}: {listed.stderr.strip()}"):
                continue
            if listed.returncode == 0:
                check([hdu["number"] for hdu in json.loads(listed.stdout)] == images, f"{path}: HDUs {listed.stdout.strip()} {images}")
            for number in images:
                hdu = file[number]
                header = hdu.header
                lengths = [header[f"NAXIS{i + 1}"] for i in range(header["NAXIS"])]
                if header["NAXIS"] > 4 or 0 in lengths:
                    check(run("info", path, number).returncode == 1, f"{path}[{number}]: refused")
                    continue
                try:
                    facts = info(path, number)
                except RuntimeError as error:
                    check(False, str(error))
                    continue
                used += 1
                compare_header(path, number, hdu, facts)
                try:
                    compare_world(path, number, header, facts)
                except Exception as error:
                    print("astropy failed on the WCS of", path, number, repr(error)[:100])
                try:
                    with fits.open(path, memmap=False) as again:
                        expected = again[number].data.astype("f8")
                except Exception as error:
                    print("astropy can't read", path, number, repr(error)[:80])
                    continue
                check(same(pixels(path, number, "d"), expected, 1e-6), f"{path}[{number}]: pixels")
    print(used, "real images")
    check(used >= 25, f"enough real images ({used})")


def test_frames():
    points = [(rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))) for _ in range(40)] + [(0, 0), (359.9999, 89.99), (12.5, -89.9)]
    def frame_of(name, equinox):
        return {"ICRS": lambda: ICRS(), "FK5": lambda: FK5(equinox=f"J{equinox}"), "FK4": lambda: FK4(equinox=f"B{equinox}"), "GALACTIC": lambda: Galactic(),
                "ECLIPTIC": lambda: BarycentricMeanEcliptic(equinox=f"J{equinox}")}[name]()
    systems = [("ICRS", 2000), ("FK5", 2000), ("FK5", 1975), ("FK5", 2020.5), ("FK4", 1950), ("FK4", 1975), ("GALACTIC", 2000), ("ECLIPTIC", 2000), ("ECLIPTIC", 2015)]
    lines, wanted, names = [], [], []
    for a, b in itertools.permutations(systems, 2):
        origin = SkyCoord([p[0] for p in points] * u.deg, [p[1] for p in points] * u.deg, frame=frame_of(*a))
        target = origin.transform_to(frame_of(*b))
        wanted.append(target)
        names.append((a, b))
        lines += [f"{lon} {lat} {a[0]} {a[1]} {b[0]} {b[1]}" for lon, lat in points]
    done = subprocess.run([DUMP, "frames"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    values = np.array([[float(v) for v in line.split()] for line in done.stdout.split("\n") if line]).reshape(len(names), len(points), 2)
    for (a, b), target, ours in zip(names, wanted, values):
        got = SkyCoord(ours[:, 0] * u.deg, ours[:, 1] * u.deg, frame=target.frame.replicate_without_data())
        worst = got.separation(target).to_value(u.mas).max()
        check(worst < 1, f"frame {a} to {b}: {worst} mas")


def test_spectral():
    c = 299792458.0
    rest = 1.420405752e9
    equivalencies = {"radio": u.doppler_radio, "optical": u.doppler_optical, "relativistic": u.doppler_relativistic}
    cases = [("FREQ", 1.4e9, 1e5, "Hz"), ("VRAD", 1e5, 500.0, "m/s"), ("VOPT", 2e5, 1000.0, "m/s"), ("VOPT-F2W", 2e5, 1000.0, "m/s"), ("VELO-F2V", 1e6, 2000.0, "m/s"), ("WAVE", 0.21, 1e-4, "m"),
             ("AWAV", 6.5e-7, 1e-10, "m"), ("ZOPT-F2W", 0.001, 1e-5, ""), ("WAVE-F2W", 0.21, 1e-4, "m"), ("VRAD", 100.0, 0.5, "km/s"), ("FREQ", 1.42, 0.001, "GHz"), ("FREQ-LOG", 1.4e9, 1e6, "Hz")]
    for ctype, value, step, unit in cases:
        header = fits.Header()
        for i, (t, v, d, n) in enumerate([("RA---SIN", 10, -0.01, "deg"), ("DEC--SIN", 20, 0.01, "deg"), (ctype, value, step, unit)]):
            header[f"CTYPE{i + 1}"], header[f"CRVAL{i + 1}"], header[f"CDELT{i + 1}"], header[f"CUNIT{i + 1}"], header[f"CRPIX{i + 1}"] = t, float(v), float(d), n, 2.0
        header["RESTFRQ"] = rest
        header["SPECSYS"] = "LSRK"
        path = path_of("spectral.fits")
        fits.PrimaryHDU(np.zeros((16, 4, 4), "f4"), header).writeto(path, overwrite=True)
        facts = info(path)
        if not check(facts["wcs"] is not None and "spectral" in facts["wcs"], f"{ctype}: spectral axis"):
            continue
        spectral = facts["wcs"]["spectral"]
        native = WCS(header).spectral.all_pix2world(np.arange(16), 0)[0]
        kind = ctype[:4]
        if kind == "FREQ":
            frequency = native
        elif kind == "WAVE":
            frequency = c / native
        elif kind == "VRAD":
            frequency = rest * (1 - native / c)
        elif kind == "VOPT":
            frequency = rest / (1 + native / c)
        elif kind == "ZOPT":
            frequency = rest / (1 + native)
        elif kind == "VELO":
            frequency = rest * np.sqrt((c - native) / (c + native))
        else:
            vacuum = native  # AWAV: of air, by the formula of the standard's third paper
            for _ in range(5):
                s2 = (1e-6 / vacuum) ** 2
                vacuum = native * (1 + 1e-6 * (287.6155 + 1.62887 * s2 + 0.01360 * s2**2))
            frequency = c / vacuum
        check(same(np.array(spectral["frequency"]) / 1e9, frequency / 1e9, 1e-12), f"{ctype} {unit}: frequency")
        check(same(spectral["wavelength"], c / frequency, 1e-12), f"{ctype}: wavelength")
        for name, equivalency in equivalencies.items():
            wanted = (frequency * u.Hz).to_value(u.m / u.s, equivalency(rest * u.Hz))
            check(same(np.array(spectral[name]), wanted, 1e-9), f"{ctype} {unit}: {name}")
        computed = [entry["name"] for entry in facts["computed"]]
        check("Frequency range" in computed and "Velocity range" in computed and "Spectral frame" in computed, f"{ctype}: computed entries")


def test_beams():
    data = np.zeros((2, 4, 5, 5), "f4")
    header = fits.Header()
    for i, name in enumerate(("RA---SIN", "DEC--SIN", "FREQ", "STOKES")):
        header[f"CTYPE{i + 1}"], header[f"CRVAL{i + 1}"], header[f"CRPIX{i + 1}"], header[f"CDELT{i + 1}"] = name, (10.0, 20.0, 1e9, 1.0)[i], 1.0, (-1e-3, 1e-3, 1e6, 1.0)[i]
    path = path_of("beams.fits")
    single = header.copy()
    single["BMAJ"], single["BMIN"], single["BPA"] = 2 / 3600, 1 / 3600, 30.0
    fits.PrimaryHDU(data, single).writeto(path, overwrite=True)
    facts = info(path)
    check(len(facts["beams"]) == 1 and same(facts["beams"][0], [2, 1, 30, -1, -1], 1e-12), "one beam")
    check({e["name"]: e["value"] for e in facts["computed"]}["Restoring beam"] == '2" X 1", 30 deg', "one beam: entry")

    header["CASAMBM"] = True
    rows = [(s, ch, 3 + ch + 10 * s, 2 + ch, 5.0 * ch) for s in range(2) for ch in range(4)]
    rows[3] = (0, 3, -1.0, 2.0, 0.0)
    order = rng.permutation(len(rows))
    rows_in_file = [rows[i] for i in order]
    table = fits.BinTableHDU.from_columns([
        fits.Column("BMAJ", "1E", unit="arcsec", array=[r[2] for r in rows_in_file]), fits.Column("BMIN", "1E", unit="arcsec", array=[r[3] for r in rows_in_file]),
        fits.Column("BPA", "1E", unit="deg", array=[r[4] for r in rows_in_file]), fits.Column("CHAN", "1J", array=[r[1] for r in rows_in_file]),
        fits.Column("POL", "1J", array=[r[0] for r in rows_in_file])], name="BEAMS")
    fits.HDUList([fits.PrimaryHDU(data, header), table]).writeto(path, overwrite=True)
    beams = info(path)["beams"]
    check([b[3:] for b in beams] == [[r[1], r[0]] for r in rows], "table: order, stokes outer")
    for beam, row in zip(beams, rows):
        wanted = [None] * 3 if row[2] < 0 else list(row[2:])
        check(beam[:3] == wanted, f"table: {beam} {row}")

    # Names of columns in small letters, units that shout.
    table = fits.BinTableHDU.from_columns([
        fits.Column("bmaj", "1D", unit="DEG", array=[3 / 3600] * 8), fits.Column("bmin", "1D", unit="ARCMIN", array=[2 / 60] * 8),
        fits.Column("bpa", "1D", unit="RADIANS", array=[np.pi / 4] * 8), fits.Column("chan", "1J", array=[0, 1, 2, 3] * 2),
        fits.Column("pol", "1J", array=[0] * 4 + [1] * 4)], name="BEAMS")
    fits.HDUList([fits.PrimaryHDU(data, header), table]).writeto(path, overwrite=True)
    beams = info(path)["beams"]
    check(len(beams) == 8 and all(same(beam[:3], [3, 2, 45], 1e-12) for beam in beams), f"table: units {beams[:1]}")

    del header["CASAMBM"]
    header["HISTORY"] = "AIPS   CLEAN BMAJ=  1.0000E-03 BMIN=  1.0000E-03 BPA=   1.00"
    header["HISTORY"] = "AIPS   CLEAN BMAJ=  1.3889E-03 BMIN=  1.2500E-03 BPA=  45.50"
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    check(info(path)["beams"] == [], "AIPS beam: not asked for")
    facts = info(path, env={"AIPS_BEAM": "1"})
    check(same(facts["beams"][0][:3], [1.3889e-3 * 3600, 1.25e-3 * 3600, 45.5], 1e-12), "AIPS beam: the last one")
    added = {e["name"]: e for e in facts["header"]}
    check(added["BMAJ"]["number"] == 1.3889e-3 and added["BMAJ"]["comment"] == "extracted from HISTORY", "AIPS beam: entries")
    check("(extracted from HISTORY)" in {e["name"]: e["value"] for e in facts["computed"]}["Restoring beam"], "AIPS beam: marked")


def test_computed():
    header = fits.Header()
    values = [("RA---SIN", 180.0, -1 / 3600, 256.0), ("DEC--SIN", 10.0, 1 / 3600, 256.0), ("FREQ", 1.4e9, 1e6, 1.0), ("STOKES", 1.0, 1.0, 1.0)]
    for i, (t, v, d, p) in enumerate(values):
        header[f"CTYPE{i + 1}"], header[f"CRVAL{i + 1}"], header[f"CDELT{i + 1}"], header[f"CRPIX{i + 1}"] = t, v, d, p
    header["BUNIT"], header["RESTFRQ"], header["SPECSYS"], header["RADESYS"], header["EQUINOX"] = "JY/BEAM", 1.420405752e9, "LSRK", "FK5", 2000.0
    path = path_of("computed.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((4, 21, 8, 8), "i2"), header, name="SCI")]).writeto(path, overwrite=True)
    facts = info(path, "1")
    entries = [(e["name"], e["value"]) for e in facts["computed"]]
    check(entries[:7] == [("Name", "computed.fits"), ("HDU", "1"), ("Extension name", "SCI"), ("Data type", "short"), ("Shape", "[8, 8, 21, 4] (RA, DEC, FREQ, STOKES)"),
                          ("Number of channels", "21"), ("Number of polarizations", "4")], f"computed: beginning {entries[:7]}")
    wanted = {"Coordinate type": "Right Ascension, Declination", "Projection": "SIN", "Image reference pixels": "[256.0, 256.0]",
              "Image reference coords": "[12:00:00.000, +010.00.00.00]", "Image ref coords (deg)": "[180 deg, 10 deg]", "Pixel increment": '-1", 1"', "Pixel unit": "Jy/beam",
              "Celestial frame": "FK5, J2000", "Spectral frame": "LSRK", "Velocity definition": "RADIO", "Frequency range": "[1.4000, 1.4200] (GHz)", "Stokes coverage": "[I, Q, U, V]"}
    got = dict(entries)
    for name, value in wanted.items():
        check(got.get(name) == value, f"computed: {name}: {got.get(name)!r}")
    order = [name for name, _ in entries]
    check(order[7:] == ["Coordinate type", "Projection", "Image reference pixels", "Image reference coords", "Image ref coords (deg)", "Pixel increment", "Pixel unit",
                        "Celestial frame", "Spectral frame", "Velocity definition", "RA range", "DEC range", "Frequency range", "Velocity range", "Stokes coverage"], f"computed: order {order}")
    check(facts["bunit"] == "Jy/beam" and {e["name"]: e["value"] for e in facts["header"]}["BUNIT"] == "Jy/beam", "computed: unit")


for test in (test_pixels, test_stokes_first, test_swapped, test_compressed, test_widths, test_gzip, test_computed, test_beams, test_frames, test_spectral, test_maps, test_real):
    before = len(failures)
    test()
    print(f"{test.__name__}: {'ok' if len(failures) == before else 'FAILED'} ({checks} checks so far)")
print(f"{checks} checks, {len(failures)} failed, seed {SEED}")
sys.exit(1 if failures else 0)
