"""Files of every kind for the tests of saving, and how one file's pixels and world coordinates are held against another's."""

import subprocess
import warnings

import numpy
from astropy.io import fits
from astropy.wcs import WCS

FREQUENCY = {"CTYPE": "FREQ", "CRVAL": 1.4e9, "CRPIX": 2.0, "CDELT": 1e6, "CUNIT": "Hz"}
STOKES = {"CTYPE": "STOKES", "CRVAL": 1.0, "CRPIX": 1.0, "CDELT": 1.0}
RA = {"CTYPE": "RA---SIN", "CRVAL": 150.0, "CRPIX": 7.5, "CDELT": -0.01, "CUNIT": "deg"}
DEC = {"CTYPE": "DEC--SIN", "CRVAL": -30.0, "CRPIX": 4.0, "CDELT": 0.01, "CUNIT": "deg"}
SHAPE = (4, 7, 11, 14)  # stokes, channels, rows, columns


def header(*axes, **more):
    made = fits.Header()
    for number, axis in enumerate(axes, 1):
        for stem, value in axis.items():
            made[f"{stem}{number}"] = value
    made.update({"BUNIT": "Jy/beam", "OBJECT": "It's", "RADESYS": "ICRS", **more})
    return made


def line(**more):
    return {"RESTFRQ": 1.420405752e9, "SPECSYS": "LSRK", **more}


def values(seed, shape=SHAPE, dtype="f4", blanks=True):
    random = numpy.random.default_rng(seed)
    kind = numpy.dtype(dtype).kind
    if kind in "iu":
        limits = numpy.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    made = random.normal(0, 1, shape).astype(dtype)
    if blanks:
        made[random.random(shape) < 0.05] = numpy.nan
        made.flat[3], made.flat[5] = numpy.inf, -numpy.inf
    return made


def beams(channels, stokes):
    rows = [(c, s) for s in range(stokes) for c in range(channels)]
    columns = [fits.Column(name, form, unit, array=array) for name, form, unit, array in (
        ("BMAJ", "1E", "arcsec", [10 + c + 100 * s for c, s in rows]), ("BMIN", "1E", "arcsec", [5 + c for c, s in rows]),
        ("BPA", "1E", "deg", [3.0 * c - s for c, s in rows]), ("CHAN", "1J", None, [c for c, s in rows]), ("POL", "1J", None, [s for c, s in rows]))]
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    table.header["NCHAN"], table.header["NPOL"] = channels, stokes
    return table


def coordinates(channels):
    table = fits.BinTableHDU.from_columns([fits.Column("COORDS", f"{len(channels)}D", "Hz", dim=f"(1,{len(channels)})", array=[numpy.array(channels).reshape(-1, 1)])], name="WCS-TABLE")
    table.header["EXTVER"], table.header["EXTLEVEL"] = 1, 1
    return table


def by_table(channels):
    axis = {"CTYPE": "FREQ-TAB", "CRVAL": 1.0, "CRPIX": 1.0, "CDELT": 1.0, "CUNIT": "Hz"}
    more = {"PS3_0": "WCS-TABLE", "PS3_1": "COORDS", "PV3_1": 1, "PV3_2": 1, "PV3_3": 1}
    return header(RA, DEC, axis, **line(**more)), coordinates(channels)


def make_files(folder):
    """Every kind of file: {name: which axes (numpy's order, of stokes, channels, rows, columns) it has}."""
    made = {}

    def write(name, axes, data, head, *tables, **options):
        fits.HDUList([fits.PrimaryHDU(data, head, **options), *tables]).writeto(folder / name)
        made[name] = axes

    usual = header(RA, DEC, FREQUENCY, STOKES, BMAJ=0.01, BMIN=0.005, BPA=30.0, **line())
    write("float.fits", "szyx", values(1), usual)
    write("float.fits.gz", "szyx", values(2), usual)
    write("double.fits", "szyx", values(3, dtype="f8"), usual)
    for number, dtype in enumerate(("u1", "i2", "i4", "i8", "u2", "u4", "u8"), 10):
        write(f"{dtype}.fits", "zyx", values(number, SHAPE[1:], dtype), header(RA, DEC, FREQUENCY, **line()))
    with_blanks = header(RA, DEC, FREQUENCY, **line())
    write("blanks.fits", "zyx", values(20, SHAPE[1:], "i2") % 7, with_blanks)
    with fits.open(folder / "blanks.fits", "update", do_not_scale_image_data=True) as file:
        file[0].header["BLANK"], file[0].header["BSCALE"], file[0].header["BZERO"], file[0].header["DATAMAX"] = 3, 0.25, 100.0, 1e9
    write("swapped.fits", "yxz", values(21, (11, 14, 7)), header(FREQUENCY, RA, DEC, **line()))
    write("stokes_first.fits", "zyxs", values(22, (7, 11, 14, 4)), header(STOKES, RA, DEC, FREQUENCY, **line()))
    write("stokes_second.fits", "zysx", values(23, (7, 11, 4, 14)), header(RA, STOKES, DEC, FREQUENCY, **line()))
    write("stokes_third.fits", "zsyx", values(24, (7, 4, 11, 14)), header(RA, DEC, STOKES, FREQUENCY, **line()))
    write("plane.fits", "yx", values(25, (11, 14)), header(RA, DEC))
    write("bare.fits", "zyx", values(26, SHAPE[1:]), fits.Header())
    write("extra.fits", "1zyx", values(27, (1, 7, 11, 14)), header(RA, DEC, FREQUENCY, {"CTYPE": "OTHER", "CRVAL": 1.0, "CRPIX": 1.0, "CDELT": 1.0}, **line()))
    write("turned.fits", "szyx", values(28), header(RA, DEC, FREQUENCY, STOKES, PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8, **line()))
    matrix = header(RA, DEC, FREQUENCY, CD1_1=-0.008, CD1_2=0.006, CD2_1=0.006, CD2_2=0.008, CD3_3=1e6, **line())
    for number in (1, 2, 3):
        del matrix[f"CDELT{number}"]
    write("matrix.fits", "zyx", values(29, SHAPE[1:]), matrix)
    write("velocity.fits", "zyx", values(30, SHAPE[1:]), header(RA, DEC, {"CTYPE": "VRAD", "CRVAL": 1500.0, "CRPIX": 3.0, "CDELT": -20.0, "CUNIT": "km/s"}, **line()))
    write("optical.fits", "zyx", values(31, SHAPE[1:]), header(RA, DEC, {"CTYPE": "VOPT-F2W", "CRVAL": 1.5e6, "CRPIX": 3.0, "CDELT": -2e4, "CUNIT": "m/s"}, **line()))
    alternates = header(RA, DEC, FREQUENCY, STOKES, **line())
    for number, (kind, step) in enumerate((("XPIX", 2.0), ("YPIX", 3.0), ("ZPIX", 4.0), ("STOKES", 1.0)), 1):
        alternates[f"CTYPE{number}A"], alternates[f"CRVAL{number}A"], alternates[f"CRPIX{number}A"], alternates[f"CDELT{number}A"] = kind, 10.0 * number, 2.0, step
    write("alternates.fits", "szyx", values(32), alternates)
    sip = header({**RA, "CTYPE": "RA---TAN-SIP"}, {**DEC, "CTYPE": "DEC--TAN-SIP"}, A_ORDER=2, B_ORDER=2, A_2_0=1e-4, B_0_2=-2e-4, A_1_1=3e-5)
    write("sip.fits", "yx", values(33, (11, 14)), sip)
    tpv = header({**RA, "CTYPE": "RA---TPV"}, {**DEC, "CTYPE": "DEC--TPV"}, PV1_1=1.0, PV1_2=0.01, PV2_1=1.0, PV2_4=0.5)
    write("tpv.fits", "yx", values(34, (11, 14)), tpv)
    write("beams.fits", "szyx", values(35), header(RA, DEC, FREQUENCY, STOKES, CASAMBM=True, **line()), beams(7, 4))
    head, table = by_table([1.4e9 + 1e6 * i for i in range(7)])
    write("even_table.fits", "zyx", values(36, SHAPE[1:]), head, table)
    head, table = by_table([1.4e9 + 1e6 * i * i for i in range(7)])
    write("uneven_table.fits", "zyx", values(37, SHAPE[1:]), head, table)
    compressed = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values(38, SHAPE[1:]), header(RA, DEC, FREQUENCY, **line()), name="PACKED", compression_type="GZIP_2", quantize_level=0)])
    compressed.writeto(folder / "compressed.fits")
    made["compressed.fits"] = "zyx"
    rice = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values(39, SHAPE[1:], "i2"), header(RA, DEC, FREQUENCY, **line()), compression_type="RICE_1")])
    rice.writeto(folder / "rice.fits")
    made["rice.fits"] = "zyx"
    return made


def first_image(file):
    return next(hdu for hdu in file if hdu.data is not None and getattr(hdu, "is_image", False))


def pixels_of(path):
    """The first image's pixels in double precision or as exact integers, with its header and its HDUs (open)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = fits.open(path)
        hdu = first_image(file)
        return hdu.data, hdu.header, file


def world_of(header, hdus, key=" "):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(header, fobj=hdus, key=key)


def verify(path):
    """What cfitsio's fitsverify and astropy have against a file; empty: nothing."""
    found = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False).stdout
    complaints = [] if "verification OK" in found else [subprocess.run(["fitsverify", str(path)], capture_output=True, text=True, check=False).stdout]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path) as file:
            file.verify("exception")
            for hdu in file:
                for card in hdu.header.cards:
                    card.verify("exception")
    return complaints + [str(warning.message) for warning in caught]
