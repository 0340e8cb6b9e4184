"""What check_numpy.py and check_casacore.py share: files, random expressions, and expressions evaluated by expression_dump."""

import os
import subprocess
import sys

import numpy as np
from astropy.io import fits

SHAPES = {"a.fits": (1, 7, 9), "b.fits": (1, 7, 9), "cube.fits": (3, 7, 9), "sub dir/c d.fits": (3, 7, 9), "double.fits": (3, 7, 9),
          "high.fits": (1, 7, 9)}  # fmt: skip


def seed_of_run():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("CUBELINK_SEED", "1"))
    print("seed", seed)
    return seed


def make_files(folder, rng, blanks=True):
    """{name: pixels}; all with three axes, of which the last may have length 1."""
    images = {}
    os.makedirs(os.path.join(folder, "sub dir"), exist_ok=True)
    for name, shape in SHAPES.items():
        pixels = rng.normal(0.5, 2, shape).round(3)
        if blanks:
            pixels[rng.random(shape) < 0.12] = np.nan
        pixels = pixels.astype("f8" if name == "double.fits" else "f4")
        header = fits.Header()
        header["BUNIT"] = "Jy/beam"
        for axis, (kind, step) in enumerate([("RA---SIN", -0.01), ("DEC--SIN", 0.01), ("FREQ", 1e6)], 1):
            header[f"CTYPE{axis}"], header[f"CDELT{axis}"], header[f"CRPIX{axis}"] = kind, step, 1.0
            header[f"CRVAL{axis}"], header[f"CUNIT{axis}"] = (3e9 if name == "high.fits" else 1e9, "Hz") if kind == "FREQ" else (30.0, "deg")
        fits.writeto(os.path.join(folder, name), pixels, header, overwrite=True)
        images[name] = pixels
    return images


def evaluate(program, folder, expressions, threads=2):
    """[(pixels of shape (stokes, depth, height, width), unit) or the error's text] of each."""
    run = subprocess.run([program, folder, str(threads)], input="\n".join(expressions).encode(), stdout=subprocess.PIPE, check=True)
    out, at, results = run.stdout, 0, []
    for _ in expressions:
        end = out.index(b"\n", at)
        words = out[at:end].decode()
        at = end + 1
        if words.startswith("error "):
            results.append(words[6:])
            continue
        _, width, height, depth, stokes, *unit = words.split(" ", 5)
        shape = tuple(int(n) for n in (stokes, depth, height, width))
        size = int(np.prod(shape)) * 8
        results.append((np.frombuffer(out, "<f8", size // 8, at).reshape(shape), unit[0] if unit else ""))
        at += size
    assert at == len(out)
    return results
