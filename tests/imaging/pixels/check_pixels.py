"""The pixel work against numpy, through pixels_dump: check_pixels.py PIXELS_DUMP [SEED]"""

import math
import os
import subprocess
import sys
import tempfile

import numpy as np

program = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
rng = np.random.default_rng(seed)
checked = 0


def same(name, got, expected, rtol=0.0, atol=0.0):
    global checked
    checked += 1
    if got.shape != expected.shape or not np.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True):
        sys.exit(f"{name}: differs from numpy\n got {got}\n expected {expected}")


def block_means(plane, mip):
    h, w = plane.shape
    mh, mw = -(-h // mip), -(-w // mip)
    padded = np.full((mh * mip, mw * mip), np.nan)
    padded[:h, :w] = np.where(np.isfinite(plane), plane, np.nan)
    blocks = padded.reshape(mh, mip, mw, mip)
    count = np.isfinite(blocks).sum(axis=(1, 3))
    with np.errstate(invalid="ignore"):
        return (np.nansum(blocks, axis=(1, 3)) / count).astype(np.float32), np.nansum(np.abs(blocks), axis=(1, 3)) / np.maximum(count, 1)


def decimated(axis, start, end, mip):
    n = len(axis)
    end = n if end == 0 else end
    axis = np.where(np.isfinite(axis), axis, np.nan).astype(np.float32)
    if mip < 2:
        return axis[start:end]
    s, e = 2 * math.ceil(start / (2 * mip)), 2 * math.ceil(end / (2 * mip))
    out = []
    for group in range(s * mip, e * mip, 2 * mip):
        part = axis[group : min(group + 2 * mip, n)]
        if not np.isfinite(part).any():
            out += [np.nan, np.nan]
            continue
        low, high = int(np.nanargmin(part)), int(np.nanargmax(part))
        out += [part[min(low, high)], part[max(low, high)]]
    return np.array(out, np.float32)


def check(cube, directory):
    depth, h, w = cube.shape
    path = os.path.join(directory, "raw")
    cube.astype(">f4").tofile(path)

    def dump(dtype, *command):
        arguments = [program, path, str(w), str(h), str(depth)] + [str(c) for c in command]
        return np.frombuffer(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout, dtype)

    plane = cube[0]
    mip = 2
    while True:
        expected, size = block_means(plane, mip)
        for keep in (1 << 28, w * h // 3, 16):
            got = dump("<f4", "mip", mip, keep).reshape(expected.shape)
            same(f"mip {mip} of {w} x {h}", np.where(np.isnan(got), got, (got - expected) / np.maximum(size, 1e-30)), np.where(np.isnan(expected), np.nan, 0), atol=1.3e-7)
        if mip >= max(w, h):
            break
        mip *= 2

    layer = max(0, math.ceil(math.log2(-(-max(w, h) // 256))))
    for y in range(-(-h // 256)):
        for x in range(-(-w // 256)):
            part = plane[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
            part = np.where(np.isfinite(part), part, np.nan)
            got = dump("<f4", "tile", layer << 24 | y << 12 | x, 32).reshape(part.shape)
            largest = np.nanmax(np.abs(part)) if np.isfinite(part).any() else 0
            same(f"tile {x}, {y}", got, part, atol=largest * 2.0**-20)

    for channel in range(depth):
        finite = cube[channel][np.isfinite(cube[channel])].astype(np.float64)
        numbers = dump("<f8", "statistics", channel)
        if len(finite) == 0:
            same("statistics of nothing", numbers, np.array([0, h * w] + [np.nan] * 8))
        else:
            low, high = finite.min(), finite.max()
            expected = [len(finite), h * w - len(finite), finite.sum(), finite.mean(), np.sqrt((finite**2).mean()),
                        finite.std(ddof=1) if len(finite) > 1 else np.nan, (finite**2).sum(), low, high, low if abs(low) > abs(high) else high]
            same("statistics", numbers, np.array(expected), rtol=1e-9, atol=1e-9)

        automatic = max(int(math.sqrt(w * h)), 2)
        for bins, bounds in ((-1, None), (7, None), (100, (-0.75, 0.5))):
            numbers = dump("<f8", "histogram", channel, bins, *(bounds or ()))
            low, high = bounds or ((finite.min(), finite.max()) if len(finite) else (0, 0))
            n = automatic if bins == -1 else bins
            if not low < high:
                same("degenerate histogram", numbers[[0, 1, 2, 6]], np.zeros(4))
                continue
            width = (high - low) / n
            inside = finite[(finite >= low) & (finite <= high)]
            index = np.clip(np.floor((inside - low) / width), 0, n - 1).astype(int)
            same("counts", numbers[6:], np.bincount(index, minlength=n).astype(float))
            same("bounds and mean", numbers[:5], np.array([low, high, width, low + width / 2, finite.mean() if len(finite) else np.nan]), rtol=1e-9, atol=1e-12)

    for _ in range(8):
        x, y = int(rng.integers(w)), int(rng.integers(h))
        for axis, values in (("x", plane[y]), ("y", plane[:, x])):
            n = len(values)
            start = int(rng.integers(n))
            end = int(rng.integers(start, n)) + 1
            for mip in (0, 1, 2, 4, 16):
                if mip > n:
                    continue
                same("profile", dump("<f4", "profile", axis, x, y, start, end, mip), decimated(values, start, end, mip))
                same("whole profile", dump("<f4", "profile", axis, x, y, 0, 0, mip), decimated(values, 0, 0, mip))
        spectrum = cube[:, y, x]
        same("spectrum", dump("<f4", "spectrum", x, y), np.where(np.isfinite(spectrum), spectrum, np.nan).astype(np.float32))


with tempfile.TemporaryDirectory() as directory:
    for w, h, depth, blanks in ((1, 1, 1, 0), (3, 2, 2, 0.3), (256, 256, 1, 0), (257, 300, 2, 0.1), (601, 403, 1, 0.6), (1025, 77, 1, 0.02), (40, 50, 30, 1.0)):
        cube = rng.normal(size=(depth, h, w)).astype(np.float32)
        where = rng.random(cube.shape)
        cube[where < blanks] = np.nan
        cube[where < blanks / 10] = np.inf
        cube[where < blanks / 20] = -np.inf
        check(cube, directory)
print(f"{checked} comparisons with numpy, seed {seed}: all equal")
