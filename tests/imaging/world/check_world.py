"""Holds world coordinates against astropy.wcs: faulty cards one by one, "-TAB" axes of every type and unit, random descriptions.

    check_world.py FITS_DUMP [SEED] [ROUNDS]
"""
import json, os, subprocess, sys, tempfile, warnings
import numpy as np

warnings.simplefilter("ignore")
from astropy import log
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

log.setLevel("ERROR")
DUMP = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20240611
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 150
rng = np.random.default_rng(SEED)
work = tempfile.TemporaryDirectory(prefix="cubelink-world-")
PATH = os.path.join(work.name, "image.fits")
failures, checks = [], 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def raw(cards, lengths, end="END"):
    """A primary image of zeros, its cards as they are: those that astropy would not write too."""
    head = ["SIMPLE  =                    T", "BITPIX  =                    8", f"NAXIS   = {len(lengths)}", *(f"NAXIS{i + 1}  = {n}" for i, n in enumerate(lengths)), *cards]
    header = "".join(card.ljust(80)[:80] for card in [*head, end]).encode("latin1")
    size = int(np.prod(lengths))
    return header + b" " * (-len(header) % 2880) + bytes(size + -size % 2880)


def info(what, path=PATH, hdu=""):
    """What fits_dump says; None, with a failed check, if it dies."""
    done = subprocess.run([DUMP, "info", path, hdu], capture_output=True, text=True, timeout=60)
    if done.returncode == 1:
        return {"error": done.stderr.strip(), "wcs": None, "warnings": []}
    if not check(done.returncode == 0, f"{what}: fits_dump ends with {done.returncode}: {done.stderr[-200:]}"):
        return None
    return json.loads(done.stdout)


def facts_of(cards, lengths=(10, 9), what=None):
    with open(PATH, "wb") as file:
        file.write(raw(cards, lengths))
    return info(what or cards[-1])


def card(name, value):
    return f"{name:<8}= {value}"


def values_of(facts):
    """World values of all points, NaN where there are none; None without world coordinates."""
    if facts is None or facts["wcs"] is None:
        return None
    return np.array([[np.nan if v is None else v for v in point["world"]] for point in facts["wcs"]["points"]])


def pixels_of(facts):
    dimensions = len(facts["lengths"])
    pixels = np.zeros((len(facts["wcs"]["points"]), dimensions))
    x, y = facts["rendered"]
    for row, point in zip(pixels, facts["wcs"]["points"]):
        row[x - 1], row[y - 1] = point["x"], point["y"]
    return pixels


def same(a, b, tolerance=1e-9):
    a, b = np.asarray(a, "f8"), np.asarray(b, "f8")
    if a.shape != b.shape:
        return False
    difference = np.abs(a - b)
    return bool(np.all((difference <= tolerance * np.maximum(1, np.abs(b))) | (np.abs(difference - 360) < tolerance) | (np.isnan(a) & np.isnan(b))))


SKY = [card("CTYPE1", "'RA---TAN'"), card("CTYPE2", "'DEC--TAN'"), card("CRPIX1", "4.0"), card("CRPIX2", "5.0"), card("CRVAL1", "83.5"), card("CRVAL2", "22.0")]
CD = [card("CD1_1", "-0.01"), card("CD1_2", "0.002"), card("CD2_1", "0.001"), card("CD2_2", "0.01")]
STEPS = [card("CDELT1", "-0.01"), card("CDELT2", "0.01")]
PLATE = [card(*pair) for pair in (
    ("PLTRAH", "5"), ("PLTRAM", "30"), ("PLTRAS", "12.0"), ("PLTDECSN", "'+'"), ("PLTDECD", "22"), ("PLTDECM", "10"), ("PLTDECS", "3.0"), ("XPIXELSZ", "25.28"),
    ("YPIXELSZ", "25.28"), ("CNPIX1", "7000"), ("CNPIX2", "6500"), ("PPO3", "177500.0"), ("PPO6", "177500.0"),
    *((f"AMD{axis}{i}", {1: "67.2", 2: "0.1", 3: "-3.5"}.get(i, "1.0E-6" if i <= 13 else "0.0")) for axis in "XY" for i in range(1, 21)))]
ORDER = [card("A_ORDER", "2"), card("B_ORDER", "2"), card("A_2_0", "1.0E-4"), card("B_1_1", "-2.0E-4")]


def expected(cards, lengths=(10, 9), pixels=None):
    return WCS(fits.Header.fromstring(raw(cards, lengths).split(b"END" + b" " * 77)[0].decode())).all_pix2world(pixels, 0)


def test_every_keyword_of_every_type():
    """No keyword that wcslib knows does harm, whatever its type; those that say nothing of positions change nothing."""
    indifferent = """XPIXELSZ YPIXELSZ CNPIX1 CNPIX2 PPO1 PPO3 PPO6 AMDX1 AMDY1 AMDX20 PLTRAH PLTRAM PLTRAS PLTDECSN PLTDECD PLTDECM PLTDECS PLTSCALE A_2_0 B_0_2 AP_1_0 BP_0_1 A_DMAX
        AP_ORDER BP_ORDER PS1_0 PS1_1 PS1_2 PS2_9 DATE-OBS DATE-AVG MJD-OBS MJDREF TIMESYS TREFPOS OBSGEO-X OBSGEO-L JEPOCH BEPOCH TSTART XPOSURE TELAPSE VELOSYS SSYSOBS VSOURCE ZSOURCE SSYSSRC
        VELANGL RESTFRQ RESTFREQ RESTWAV SPECSYS VELREF WCSNAME CNAME1 CRDER1 CSYER1 CZPHS1 CPERI1 CPDIS1 CQDIS1 CPERR1 DP1 DQ1 DVERR1 PROJP1 WAT0_001 WAT1_001 CTYPE1A CRVAL1A CD1_1A PV1_1A
        PS1_0A WCSNAMEA PLEPHEM TIMEUNIT""".split()
    important = """WCSAXES CTYPE1 CUNIT1 CRPIX1 CRVAL1 CDELT1 CROTA2 CD1_1 CD2_1 CD001001 PC1_1 PC2_2 PC001002 LONPOLE LATPOLE PV1_0 PV1_1 PV2_1 PV2_39 A_ORDER B_ORDER EQUINOX EPOCH RADESYS CTYPE3 CRVAL4
        CTYPE9 PV2_3 CD9_9 PC3_3""".split()
    bare = values_of(facts_of(SKY + CD))
    check(same(bare, expected(SKY + CD, pixels=pixels_of(facts_of(SKY + CD)))), "the sky without other cards")
    for name in indifferent + important:
        for value in ("'12'", "12", "6.0", "T", "", "1,5", "'RA---TAN'", "-1D5", "'+'", "1E400", "(1,2)", "'x' 'y'", "NaN"):
            got = facts_of(SKY + CD + [card(name, value)])
            if name in indifferent and got is not None:
                check(same(values_of(got), bare), f"{name}= {value}: as without the card, {got['warnings']}")


def test_cards_that_cannot_be_read():
    """Never silently a default: the axis has no world coordinates, and the user is told."""
    third = [card("CTYPE3", "'FREQ'"), card("CRVAL3", "1.4E9"), card("CRPIX3", "1.0"), card("CDELT3", "1.0E6"), card("CUNIT3", "'Hz'")]
    cases = [("CRVAL1", "150,0", "sky"), ("CRVAL2", "'22.0'", "sky"), ("CRPIX1", "4.0.0", "sky"), ("CD1_2", "0,002", "sky"), ("CTYPE1", "5", "sky"), ("CUNIT1", "3", "sky"), ("LONPOLE", "'180'", "sky"),
             ("LATPOLE", "x", "sky"), ("PV2_1", "'0'", "sky"), ("A_ORDER", "'2'", "sky"), ("CRVAL3", "1,4E9", "third"), ("CDELT3", "'1E6'", "third"), ("CRPIX3", "T", "third"), ("CTYPE3", "T", "third"),
             ("CRVAL1", "", "sky"), ("CRVAL1", "1.5E999", "sky"), ("CRVAL3", "1 400 000 000", "third")]
    for name, value, lost in cases:
        kept = [one for one in SKY + CD + third if not one.startswith(f"{name:<8}")]
        facts = facts_of(kept + [card(name, value)], (10, 9, 4))
        if facts is None:
            continue
        world = values_of(facts)
        if check(world is not None, f"{name}= {value}: other axes stay"):
            check(np.isnan(world[:, :2]).all() == (lost == "sky"), f"{name}= {value}: the sky {world[0]}")
            check(np.isnan(world[:, 2]).all() == (lost == "third"), f"{name}= {value}: the third axis {world[0]}")
            check(all(point["back"] == [None, None] for point in facts["wcs"]["points"]) == (lost == "sky"), f"{name}= {value}: and back")
        check(any(name in text and "no world coordinates" in text for text in facts["warnings"]), f"{name}= {value}: the user is told: {facts['warnings']}")
        check("spectral" not in facts["wcs"] if lost == "third" else "spectral" in facts["wcs"], f"{name}= {value}: spectral axis")
    stokes = [card("CTYPE3", "'STOKES'"), card("CRVAL3", "2.0"), card("CRPIX3", "1.0"), card("CDELT3", "1.0")]
    check(facts_of(SKY + STEPS + stokes, (10, 9, 2))["stokes_types"] == [2, 3], "stokes Q and U")
    check(facts_of(SKY + CD + stokes, (10, 9, 2))["stokes_types"] == [2, 3], "stokes Q and U beside CD")
    for name in ("CRVAL3", "CRPIX3", "CDELT3"):
        rest = [one for one in stokes if not one.startswith(name)]
        check(facts_of(SKY + STEPS + rest + [card(name, "1,0")], (10, 9, 2))["stokes_types"] == [0, 0], f"stokes are unknown if {name} cannot be read")
    facts = facts_of(SKY + STEPS + [card("CROTA2", "'30'")])
    check(values_of(facts) is None and "CROTA2" in facts["warnings"][0], "CROTA2 as a string")
    for name in ("RESTFRQ", "EQUINOX", "BSCALE", "BMAJ"):
        check(any(name in text for text in facts_of(SKY + CD + [card(name, "1,5")])["warnings"]), f"{name}: the user is told")
    check(facts_of(SKY + CD)["warnings"] == [], "nothing is told of a good header")
    facts = facts_of(SKY + CD + [card("CRVAL1", "84.0")])
    check(same(values_of(facts), expected(SKY + CD + [card("CRVAL1", "84.0")], pixels=pixels_of(facts))), "of two cards astropy takes the last")
    check(any("CRVAL1" in text for text in facts["warnings"]), "and the user is told")


def test_plate():
    facts = facts_of(PLATE)
    check(same(values_of(facts), expected(PLATE, pixels=pixels_of(facts))), "plate solution alone")
    facts = facts_of(SKY + CD + PLATE)
    check(same(values_of(facts), expected(SKY + CD + PLATE, pixels=pixels_of(facts))), "a complete plate solution counts")
    bare = values_of(facts_of(SKY + CD))
    for name in ("AMDX5", "AMDY13"):
        part = [one for one in PLATE if not one.startswith(f"{name:<8}")]
        check(same(values_of(facts_of(SKY + CD + part + [card(name, "1,5")])), bare), f"plate with {name} that cannot be read: as without it")
    for name in ("PPO6", "XPIXELSZ", "CNPIX1", "PLTDECD", "AMDX1", "AMDY2", "PLTRAH"):
        part = [one for one in PLATE if not one.startswith(f"{name:<8}")]
        check(same(values_of(facts_of(SKY + CD + part, what=f"plate without {name}")), bare), f"plate without {name}: as without it")
        check(same(values_of(facts_of(SKY + CD + part + [card(name, "'12'")])), bare), f"plate with {name} as a string: as without it")
        check(values_of(facts_of(part, what=f"plate alone without {name}")) is None, f"plate alone without {name}: no world coordinates")


def test_zero_steps():
    flat = values_of(facts_of(SKY + STEPS))
    for lengths in ((10, 9, 1), (10, 9, 4), (10, 9, 1, 1)):
        for kind in ("'FREQ'", "'STOKES'", "''", "'LINEAR'", "'VRAD'"):
            for scale in (STEPS, CD):
                more = [card("CTYPE3", kind), card("CRVAL3", "5.0"), card("CRPIX3", "2.0"), card("CDELT3", "0.0")] + ([card("CD3_3", "0.0")] if scale is CD else [])
                world = values_of(facts_of(SKY + scale + more, lengths, f"{kind} {lengths}: CDELT3 0"))
                if check(world is not None, f"{kind} {lengths}: CDELT3 0: world"):
                    check(same(world[:, :2], flat if scale is STEPS else values_of(facts_of(SKY + CD))), f"{kind} {lengths}: CDELT3 0: sky")
                    check(np.all(world[:, 2] == 5) if lengths[2] == 1 else np.isnan(world[:, 2]).all(), f"{kind} {lengths}: CDELT3 0: {world[0]}")
    facts = facts_of(SKY + [card("CDELT1", "0.0"), card("CDELT2", "0.01"), card("CTYPE3", "'FREQ'"), card("CRVAL3", "1E9"), card("CDELT3", "1E6")], (10, 9, 3))
    check(same(facts["wcs"]["spectral"]["frequency"], 1e9 + 1e6 * np.arange(1, 4)), "a sky without step: the spectral axis stays")
    for rows in (("0.01", "0.01", "0.01", "0.01"), ("0.0", "0.0", "0.0", "0.01"), ("0.1", "0.0", "0.3", "0.0")):
        singular = [card(f"CD{i}_{j}", rows[2 * i + j - 3]) for i in (1, 2) for j in (1, 2)]
        facts = facts_of(SKY + singular + [card("CTYPE3", "'FREQ'"), card("CRVAL3", "1E9"), card("CDELT3", "1E6"), card("CRPIX3", "1.0")], (10, 9, 3), f"CD {rows}")
        check(np.isnan(values_of(facts)[:, :2]).all() and same(facts["wcs"]["spectral"]["frequency"], 1e9 + 1e6 * np.arange(3)) and len(facts["warnings"]) == 1, f"CD {rows}: no sky {facts['warnings']}")
    facts = facts_of(SKY + STEPS + [card("PC3_3", "0.0"), card("CDELT3", "1.0")], (10, 9, 3))
    check(same(values_of(facts)[:, :2], flat), "PC3_3 0: the sky stays")


def test_steps():
    for names in (("CDELT3", "CD001001"), ("CDELT3", "CD1_1")):
        cd = CD if names[1] == "CD1_1" else [card(f"CD00{one[2]}00{one[4]}", one[10:].strip()) for one in CD]
        facts = facts_of(SKY + cd + [card("CTYPE3", "'FREQ'"), card("CRVAL3", "1E9"), card("CRPIX3", "1.0"), card("CDELT3", "5.0E5")], (10, 9, 3))
        check(same(values_of(facts)[:, :2], values_of(facts_of(SKY + CD))), f"{names[1]}: the sky")
        check(same(facts["wcs"]["spectral"]["frequency"], 1e9 + 5e5 * np.arange(3)), f"{names[1]}: the step of the third axis is CDELT3")
    whole = [card("CD3_3", "7.0E5"), card("CDELT3", "5.0E5"), card("CTYPE3", "'FREQ'"), card("CRVAL3", "1E9"), card("CRPIX3", "1.0")]
    check(same(facts_of(SKY + CD + whole, (10, 9, 3))["wcs"]["spectral"]["frequency"], 1e9 + 7e5 * np.arange(3)), "CD3_3 before CDELT3")
    turned = [card("PC1_1", "0.8"), card("PC1_2", "-0.6"), card("PC2_1", "0.6"), card("PC2_2", "0.8")]
    old = [card(f"PC00{one[2]}00{one[4]}", one[10:].strip()) for one in turned]
    facts = facts_of(SKY + STEPS + old)
    check(same(values_of(facts), expected(SKY + STEPS + turned, pixels=pixels_of(facts))), "PC001001")
    for more in (turned + CD, turned + [card("CROTA2", "30.0")], CD + [card("CROTA2", "30.0")], [card("CROTA2", "30.0")], [card("CROTA1", "30.0")], [card("WCSAXES", "1")], [card("WCSAXES", "4")], ORDER):
        facts = facts_of(SKY + STEPS + more)
        naxis = values_of(facts).shape[1]
        pixels = np.column_stack([pixels_of(facts), np.zeros((12, naxis - 2))])
        check(same(values_of(facts), expected(SKY + STEPS + more, pixels=pixels)), f"precedence: {more[0]}")
    check(same(values_of(facts_of(SKY + [card("CDELT1", "-1.0d-2"), card("CDELT2", "1.d-2")])), values_of(facts_of(SKY + STEPS))), "exponents with a small d")


def test_equinox():
    for name in ("EQUINOX", "EPOCH"):
        for value, frame in (("'2000.0'", "FK5, J2000"), ("'1950.0'", "FK4, B1950"), ("'J2000'", "FK5, J2000"), ("'B1950'", "FK4, B1950"), ("'J2000.0'", "FK5, J2000"), ("' 1975.5 '", "FK4, B1975.5"),
                             ("2000.0", "FK5, J2000"), ("'2000'", "FK5, J2000"), ("1950", "FK4, B1950"), ("'b1950.0'", "FK4, B1950")):
            check(facts_of(SKY + CD + [card(name, value)])["wcs"]["frame"] == frame, f"{name}= {value} is {frame}")
        facts = facts_of(SKY + CD + [card(name, "'noon'")])
        check("unknown" in facts["wcs"]["frame"] and facts["wcs"]["points"][0]["icrs"] == [None, None] and any(name in text for text in facts["warnings"]), f"{name}= 'noon'")
    check(facts_of(SKY + CD + [card("RADESYS", "'FK5'"), card("EQUINOX", "'1975.0'")])["wcs"]["frame"] == "FK5, J1975", "RADESYS with a string")
    check(facts_of(SKY + CD + [card("RADESYS", "'ICRS'"), card("EQUINOX", "'x'")])["warnings"] == [], "ICRS needs no equinox")


def test_longitudes():
    for value in ("983.18", "-96.82", "263.18", "-456.82", "360.0", "-0.0"):
        for projection in ("TAN", "CAR", "SIN", "AIT"):
            cards = [one.replace("TAN", projection) for one in SKY if not one.startswith("CRVAL")] + STEPS + [card("CRVAL1", value), card("CRVAL2", "0.0")]
            facts = facts_of(cards)
            world = values_of(facts)
            check(np.all((world[:, 0] >= 0) & (world[:, 0] < 360)), f"CRVAL1 {value} {projection}: from 0 to 360")
            check(same(world[:, 0], expected(cards, pixels=pixels_of(facts))[:, 0] % 360), f"CRVAL1 {value} {projection}: {world[0]}")
            check(all(abs(p["back"][0] - p["x"]) < 1e-6 and abs(p["back"][1] - p["y"]) < 1e-6 for p in facts["wcs"]["points"]), f"CRVAL1 {value} {projection}: and back")
            shown = {entry["name"]: entry["value"] for entry in facts["computed"]}
            check(shown["Image ref coords (deg)"] == f"[{float(value) % 360:.10g} deg, 0 deg]", f"CRVAL1 {value}: {shown['Image ref coords (deg)']}")
    galactic = [one.replace("RA---", "GLON-").replace("DEC--", "GLAT-") for one in SKY if not one.startswith("CRVAL")] + STEPS + [card("CRVAL1", "0.0"), card("CRVAL2", "0.0")]
    shown = {entry["name"]: entry["value"] for entry in facts_of(galactic)["computed"]}
    check(shown["LON range"].startswith("[+359:") and ", +00:" in shown["LON range"], f"range through 0: {shown['LON range']}")


TABLES = [("WAVE", "um", 0.6, 5.0, "m"), ("WAVE", "Angstrom", 4000, 9000, "m"), ("WAVE", "nm", 400, 900, "m"), ("WAVE", "m", 0.2, 0.3, "m"), ("WAVE", "cm", 20, 30, "m"), ("AWAV", "um", 0.6, 5.0, "m"),
          ("AWAV", "Angstrom", 4000, 9000, "m"), ("FREQ", "GHz", 1.4, 1.6, "Hz"), ("FREQ", "MHz", 1400, 1600, "Hz"), ("FREQ", "Hz", 1.4e9, 1.6e9, "Hz"), ("VELO", "km/s", -100, 300, "m/s"),
          ("VELO", "m/s", -1e5, 3e5, "m/s"), ("VRAD", "km/s", -100, 300, "m/s"), ("VOPT", "km s-1", 1000, 3000, "m/s"), ("ENER", "keV", 1, 10, "J"), ("ENER", "eV", 1000, 9000, "J"),
          ("WAVN", "cm-1", 1000, 2000, "m-1"), ("WAVN", "/m", 1e5, 2e5, "m-1"), ("ZOPT", "", 0.1, 0.2, ""), ("BETA", "", 0.1, 0.2, ""), ("TIME", "s", 10, 20, "s"), ("RA--", "arcsec", 1e5, 2e5, "deg")]
SHOUTED = {"KM/S": "km/s", "HZ": "Hz", "GHZ": "GHz", "MICRON": "um"}


def table_hdu(name, **columns):
    return fits.BinTableHDU.from_columns(
        [fits.Column(key, f"{v.size}D", dim=str(v.shape[::-1]).replace(" ", "").replace(",)", ")"), array=v[np.newaxis]) for key, v in columns.items()], name=name)


def write_table(kind, unit, values, index, lengths=(6, 5, 8), axis=3, more=None):
    """astropy's values along the axis, in the table's unit. Not with `more`: on contradictory tables astropy itself dies."""
    header = fits.Header.fromstring("".join(one.ljust(80) for one in SKY + STEPS)) if axis == 3 else fits.Header()
    header[f"CTYPE{axis}"], header[f"PS{axis}_0"], header[f"PS{axis}_1"], header[f"CUNIT{axis}"] = f"{kind}-TAB", "VALUES", "coords", unit
    header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = 1.0, 1.0, 1.0
    columns = {"coords": values[:, np.newaxis]}
    if index is not None:
        header[f"PS{axis}_2"], columns["index"] = "index", index
    header.update(more or {})
    fits.HDUList([fits.PrimaryHDU(np.zeros(lengths[::-1], "u1"), header), table_hdu("VALUES", **columns)]).writeto(PATH, overwrite=True)
    if more:
        return None
    with fits.open(PATH) as file:
        world = WCS(file[0].header, file)
        pixels = np.zeros((lengths[axis - 1], len(lengths)))
        pixels[:, axis - 1] = np.arange(lengths[axis - 1])
        with np.errstate(invalid="ignore"):
            return world.wcs_pix2world(pixels, 0)[:, axis - 1]


def test_tables():
    for kind, unit, low, high, si in TABLES:
        for with_index in (False, True):
            count = int(rng.integers(8, 14))
            values = np.sort(rng.uniform(low, high, count))
            index = np.cumsum(rng.uniform(0.6, 0.9, count)) + 0.2 if with_index else None
            for axis in (1, 3) if kind != "RA--" else (1,):
                lengths = (8, 5) if axis == 1 else (6, 5, 8)
                native = write_table(kind, unit, values, index, lengths, axis)
                wanted = (native * u.Unit(unit)).to_value(si, u.spectral()) if unit else native
                what = f"{kind}-TAB in {unit!r}, axis {axis}{', with index' if with_index else ''}"
                facts = info(what)
                if facts is None or not check(facts["wcs"] is not None, f"{what}: world"):
                    continue
                check(facts["wcs"]["axes"][axis - 1]["unit"] == si, f"{what}: unit {facts['wcs']['axes'][axis - 1]}")
                if axis == 3:
                    if kind != "TIME":
                        got = np.array([np.nan if v is None else v for v in facts["wcs"]["spectral"]["native"]])
                        factor = {"ENER": 1 / 6.62607015e-34, "WAVN": 299792458.0, "ZOPT": 299792458.0, "BETA": 299792458.0}.get(kind, 1)
                        check(np.allclose(got, wanted * factor, rtol=1e-12, atol=0, equal_nan=True), f"{what}: {got[:2]} {wanted[:2] * factor}")
                    first = values_of(facts)[0, 2]
                    check(np.allclose(first, wanted[0], rtol=1e-12, atol=0, equal_nan=True), f"{what}: at the first channel {first} {wanted[0]}")
                    continue
                x = [point["x"] for point in facts["wcs"]["points"]]
                there = np.interp(x, np.arange(8), wanted) if not with_index else None
                got = values_of(facts)[:, 0]
                if there is not None:
                    check(np.allclose(got, there, rtol=1e-12, atol=0), f"{what}: along x {got[:4]} {there[:4]}")
                # Beyond the table, where its first and last values are extrapolated, wcslib's inverse is another one.
                low, high = (np.array([values.min(), values.max()]) * u.Unit(unit)).to_value(si)
                inside = [p for p in facts["wcs"]["points"] if p["world"][0] is not None and low <= p["world"][0] <= high]
                check(inside and all(abs(p["back"][0] - p["x"]) < 1e-6 for p in inside), f"{what}: and back")
                shown = {entry["name"]: entry["value"] for entry in facts["computed"]}
                if not np.isnan(wanted[0]) and kind != "RA--":
                    number = shown["Image reference coords"].strip("[").split(",")[0].split()
                    check(np.isclose(float(number[0]), wanted[0], rtol=1e-8) and number[1:] == ([si] if si else []), f"{what}: text {shown['Image reference coords']}")
    for unit, meant in SHOUTED.items():
        kind = {"KM/S": "VRAD", "MICRON": "WAVE"}.get(unit, "FREQ")
        write_table(kind, meant, np.linspace(1, 2, 9), None)
        good = info(meant)
        content = open(PATH, "rb").read()
        with open(PATH, "wb") as file:
            file.write(content.replace(f"CUNIT3  = '{meant:<8}'".encode().ljust(40), f"CUNIT3  = '{unit:<8}'".encode().ljust(40)))
        check(info(unit)["wcs"]["spectral"] == good["wcs"]["spectral"], f"{unit} is {meant}")
    write_table("WAVE", "s", np.linspace(1, 2, 9), None)
    facts = info("WAVE-TAB in s")
    check(np.isnan(values_of(facts)[:, 2]).all() and any("CUNIT3" in text for text in facts["warnings"]), "a unit of something else: no values, and the user is told")


def test_tables_that_contradict_themselves():
    wrong = [{"PV3_3": 3}, {"PV3_3": 0}, {"PV3_3": -1}, {"PV3_3": 2}, {"PV3_3": 1.5}, {"PV3_1": "x"}, {"PS3_0": 5}, {"PS3_1": ""}, {"PS3_0": ""}, {"PS3_2": "lost"}, {"PV3_1": 99}, {"PV3_3": 1000000},
             {"CTYPE4": "FREQ-TAB", "PS4_0": "VALUES", "PS4_1": "coords"}, {"CTYPE4": "FREQ-TAB", "PS4_0": "VALUES", "PS4_1": "coords", "PV4_3": 2}]
    sky = values_of(facts_of(SKY + STEPS, (6, 5)))
    for more in wrong:
        write_table("WAVE", "um", np.linspace(1, 2, 9), None, more=more)
        facts = info(f"-TAB with {more}")
        if facts is not None and check(facts["wcs"] is not None, f"-TAB with {more}: the sky stays"):
            check(same(values_of(facts)[:, :2], sky) and np.isnan(values_of(facts)[:, 2]).all(), f"-TAB with {more}: {values_of(facts)[0]}")


def random_description():
    """Cards, the same for astropy, lengths."""
    projection = rng.choice(["TAN", "SIN", "ARC", "STG", "ZEA", "CAR", "AIT", "MER", "SFL", "ZPN", "COE", "HPX"])
    lon, lat = [("RA--", "DEC-"), ("GLON", "GLAT"), ("ELON", "ELAT")][rng.choice(3, p=[0.6, 0.2, 0.2])]
    unit = rng.choice(["deg", "arcsec", "arcmin", "rad", ""])
    factor = {"deg": 1, "": 1, "arcsec": 3600, "arcmin": 60, "rad": np.pi / 180}[unit]
    cylindrical = projection in ("CAR", "MER", "AIT", "SFL", "HPX")
    cards = {"CTYPE1": f"{lon}-{projection}", "CTYPE2": f"{lat}-{projection}", "CRPIX1": rng.uniform(-3, 12), "CRPIX2": rng.uniform(-3, 12),
             "CRVAL1": rng.uniform(0, 360) * factor, "CRVAL2": (0 if cylindrical and rng.random() < 0.5 else rng.uniform(-85, 85)) * factor}
    if unit:
        cards["CUNIT1"] = cards["CUNIT2"] = unit
    if projection == "ZPN":
        cards["PV2_1"], cards["PV2_3"] = 1.0, 0.01
    if projection == "COE":
        cards["PV2_1"], cards["PV2_2"] = 45.0, 20.0
    if projection == "CAR" and rng.random() < 0.3:
        cards["LONPOLE"] = 0.0 if cards["CRVAL2"] > 0 else 180.0
    step, turn = rng.uniform(1e-4, 0.1) * factor, np.radians(rng.uniform(-180, 180))
    way = rng.choice(["cd", "pc", "rota", "none", "old_cd", "old_pc"])
    matrix = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for_astropy = {}
    if "cd" in way or "pc" in way:
        scale = step if "cd" in way else 1
        for i in (1, 2):
            for j in (1, 2):
                for_astropy[f"{way[-2:].upper()}{i}_{j}"] = matrix[i - 1, j - 1] * scale
                cards[f"{way[-2:].upper()}00{i}00{j}" if "old" in way else f"{way[-2:].upper()}{i}_{j}"] = matrix[i - 1, j - 1] * scale
    if "cd" not in way:
        cards["CDELT1"], cards["CDELT2"] = -step, step * rng.uniform(0.5, 2)
    if way == "rota":
        cards["CROTA2"] = np.degrees(turn)
    lengths = [10, 9]
    if rng.random() < 0.6:
        kind, value, width, kind_unit = [("FREQ", 1.4, 1e-3, "GHz"), ("FREQ", 1.4e9, 1e6, "Hz"), ("VRAD", 100.0, 2.0, "km/s"), ("WAVE", 5.0, 0.01, "um"), ("VELO-LSR", 1e4, 500.0, "m/s"), ("", 3.0, 2.0, ""),
                                         ("STOKES", 1.0, 1.0, ""), ("VOPT-F2W", 1000.0, 20.0, "km/s"), ("FREQ-LOG", 1.4e9, 1e6, "Hz")][rng.integers(9)]
        cards.update({"CTYPE3": kind, "CRPIX3": float(rng.integers(-2, 4)), "CRVAL3": value, "CUNIT3": kind_unit, "RESTFRQ": 1.42e9})
        cards["CDELT3"] = width
        if "cd" in way:
            for_astropy["CD3_3"] = width  # astropy takes 1 where CDi_j says nothing
            if rng.random() < 0.5:
                cards["CD3_3"] = width
        lengths.append(4)
    equinox = [None, 2000.0, 1950.0, 1975.0][rng.integers(4)]
    if rng.random() < 0.4 and lon == "RA--":
        cards["RADESYS"] = rng.choice(["ICRS", "FK5"] if equinox != 1950 else ["FK4"])
    if equinox is not None and lon != "GLON":
        letter = "B" if equinox == 1950 else "J"
        for_astropy["EQUINOX"] = equinox
        cards[rng.choice(["EQUINOX", "EPOCH"])] = [equinox, str(equinox), f"{letter}{equinox}", f"{letter}{equinox:.0f}"][rng.integers(4)]
    if rng.random() < 0.3:
        cards[rng.choice(["XPIXELSZ", "CNPIX1", "AMDX1", "PPO3", "MJD-OBS", "PS1_0", "WCSNAME", "CTYPE1A"])] = rng.choice(["12", "x"])
    return cards, for_astropy, lengths, way


def test_random_descriptions():
    with_frames = 0
    for round_ in range(ROUNDS):
        cards, for_astropy, lengths, way = random_description()
        header = fits.Header()
        order = list(cards)
        rng.shuffle(order)
        for name in order:
            header[name] = cards[name].item() if isinstance(cards[name], np.generic) else cards[name]
        fits.PrimaryHDU(np.zeros(lengths[::-1], "u1"), header).writeto(PATH, overwrite=True)
        what = f"round {round_}, {cards}"
        facts = info(what)
        clean = header.copy()
        for name in ("XPIXELSZ", "CNPIX1", "AMDX1", "PPO3", "MJD-OBS", "PS1_0", "WCSNAME", "CTYPE1A", "EPOCH", *(f"{m}00{i}00{j}" for m in ("CD", "PC") for i in (1, 2) for j in (1, 2))):
            clean.remove(name, ignore_missing=True)
        clean.update(for_astropy)
        clean["NAXIS"] = len(lengths)
        try:
            world = WCS(clean, naxis=None)
            pixels = pixels_of(facts) if facts and facts["wcs"] else np.zeros((1, len(lengths)))
            wanted = world.all_pix2world(pixels, 0)
        except Exception as error:
            print("astropy has no world coordinates for", what, repr(error)[:100])
            continue
        if facts is None or not check(facts["wcs"] is not None, f"{what}: world {facts and facts['warnings']}"):
            continue
        check(facts["warnings"] == [], f"{what}: nothing to tell {facts['warnings']}")
        got = values_of(facts)
        wanted[:, 0] %= 360
        off = np.abs((got[:, 0] - wanted[:, 0] + 180) % 360 - 180) * np.cos(np.radians(wanted[:, 1]))
        good = np.isfinite(wanted[:, 0])
        check(np.all(np.isnan(got[:, 0]) == ~good) and np.all(off[good] < 1e-9) and same(got[:, 1:], wanted[:, 1:]), f"{what}: {got[0]} {wanted[0]}")
        check(all(p["back"][0] is None or abs(p["back"][0] - p["x"]) < 1e-3 for p in facts["wcs"]["points"]) or "HPX" in what, f"{what}: and back")
        sky = WCS(clean).celestial.pixel_to_world(pixels[:, 0], pixels[:, 1])
        if not hasattr(sky, "icrs") or "ELON" in what:
            continue
        with_frames += 1
        ours = np.array([[np.nan if v is None else v for v in point["icrs"]] for point in facts["wcs"]["points"]])
        off = np.hypot((ours[:, 0] - sky.icrs.ra.deg + 180) % 360 - 180, 0) * np.cos(np.radians(ours[:, 1])), ours[:, 1] - sky.icrs.dec.deg
        limit = 0.05 / 3600 if "FK4" in facts["wcs"]["frame"] else 1e-3 / 3600
        check(np.all(np.abs(np.array(off)[:, good]) < limit), f"{what}: frame {facts['wcs']['frame']}, astropy's {sky.frame.name}")
    check(with_frames > ROUNDS // 5, f"enough frames compared ({with_frames})")


TESTS = (test_every_keyword_of_every_type, test_cards_that_cannot_be_read, test_plate, test_zero_steps, test_steps, test_equinox, test_longitudes, test_tables, test_tables_that_contradict_themselves,
         test_random_descriptions)
for test in TESTS:
    if len(sys.argv) > 4 and sys.argv[4] not in test.__name__:
        continue
    before = len(failures)
    test()
    print(f"{test.__name__}: {'ok' if len(failures) == before else 'FAILED'} ({checks} checks so far)", flush=True)
print(f"{checks} checks, {len(failures)} failed, seed {SEED}")
sys.exit(1 if failures else 0)
