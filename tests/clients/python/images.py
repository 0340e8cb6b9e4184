"""A server with the tests' images: disk_cube.fits, `cube` (channel, y, x) with `header`, and sub/stokes.fits, `stokes` (stokes, channel, y, x)."""

import os
import sys
import tempfile
from pathlib import Path

import numpy
from astropy.io import fits

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "clients" / "python")]
from cubelink_server import Server  # noqa: E402

PROGRAM = os.environ.get("CUBELINK_PROGRAM", str(ROOT / "build/release/server/cubelink"))


class WithImages:
    """A base of test classes."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="cubelink-python-")
        cls.addClassCleanup(cls.temporary.cleanup)
        folder = Path(cls.temporary.name) / "images"
        (folder / "sub").mkdir(parents=True)
        random = numpy.random.default_rng(4)
        cls.cube = random.normal(size=(66, 310, 320)).astype("f4")
        cls.cube[:, 5, 6] = numpy.nan
        header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CRVAL1": 83.5, "CRVAL2": 22.0, "CRVAL3": 1.42e9, "CRPIX1": 160.5,
                              "CRPIX2": 155.5, "CRPIX3": 1.0, "CDELT1": -1e-4, "CDELT2": 1e-4, "CDELT3": 1e5, "CUNIT3": "Hz", "RESTFRQ": 1.420405752e9,
                              "BUNIT": "Jy/beam", "OBJECT": "disk"})  # fmt: skip
        fits.writeto(folder / "disk_cube.fits", cls.cube, header)
        cls.stokes = random.normal(size=(4, 3, 20, 30))
        fits.writeto(folder / "sub" / "stokes.fits", cls.stokes, fits.Header({"CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0}))
        cls.header = fits.getheader(folder / "disk_cube.fits")
        cls.folder = folder
        cls.server = Server(PROGRAM, str(folder), "--store", f"{cls.temporary.name}/store.sqlite")
        cls.server.__enter__()
        cls.addClassCleanup(lambda: cls.server.__exit__())
