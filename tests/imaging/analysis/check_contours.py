"""Contours against contourpy, smoothing against numpy, vertices decoded bit for bit: check_contours.py CONTOUR_DUMP [SEED]"""

import collections
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from contours import FLT_MAX, check_lines, crossings, gaussian, lines_of, low, quantized, rounded  # noqa: E402

program = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("CUBELINK_SEED", "1"))
print("seed", seed)
rng = np.random.default_rng(seed)
Chunk = collections.namedtuple("Chunk", "progress level decimation starts data")


def dump(image, levels, smoothing=0, factor=1, band=1 << 19, threads=2, chunk=0, decimation=4, compression=0):
    path = os.path.join(folder, "plane")
    image.astype("<f4").tofile(path)
    h, w = image.shape
    text = ",".join(repr(float(level)) for level in levels)
    out = subprocess.run([program, path, *map(str, (w, h)), text, *map(str, (smoothing, factor, band, threads, chunk, decimation, compression))],
                         check=True, stdout=subprocess.PIPE).stdout  # fmt: skip
    chunks, at = [], 0
    while at < len(out):
        progress, level, used, starts, size = struct.unpack_from("<diiii", out, at)
        at += 24
        chunks.append(Chunk(progress, level, used, np.frombuffer(out, "<i4", starts, at), out[at + 4 * starts : at + 4 * starts + size]))
        at += 4 * starts + size
    return chunks


def by_level(chunks, count):
    found = [[] for _ in range(count)]
    for chunk in chunks:
        found[chunk.level] += lines_of(np.frombuffer(chunk.data, "<f4"), chunk.starts)
    return found


def random_image():
    h, w = (int(rng.integers(1, 4)) if rng.random() < 0.15 else int(rng.integers(2, 120)) for _ in range(2))
    kind = rng.integers(4)
    if kind == 0:
        image = rng.normal(size=(h, w))
    elif kind == 1:
        image = rng.integers(0, 4, (h, w)).astype(float)  # plateaus that are equal to a level
    else:
        y, x = np.mgrid[:h, :w]
        image = np.sin(x / rng.uniform(3, 30)) + np.cos(y / rng.uniform(3, 30)) + 0.05 * rng.normal(size=(h, w))
    image = image.astype(np.float32)
    share = rng.choice([0, 0.01, 0.3])
    image[rng.random((h, w)) < share] = np.nan
    extremes = rng.random((h, w)) < share / 4
    image[extremes] = rng.choice(np.array([FLT_MAX, -FLT_MAX, np.inf, -np.inf], np.float32), extremes.sum())
    return image


def check_encoding(image, levels):
    plain = dump(image, levels, threads=1, chunk=300, band=image.shape[1] * 7)
    decimation, level = int(rng.integers(-2, 40)), int(rng.integers(1, 22))
    packed = dump(image, levels, threads=1, chunk=300, band=image.shape[1] * 7, decimation=decimation, compression=level)
    assert len(plain) == len(packed)
    used = min(max(decimation, 1), 32)
    for a, b in zip(plain, packed):
        assert (a.level, a.progress, a.decimation, b.decimation) == (b.level, b.progress, 0, used)
        assert (a.starts == b.starts).all()
        expected = rounded(np.frombuffer(a.data, "<f4"), used).reshape(-1, 2)
        assert (quantized(b.data) == expected).all(), "vertices differ after decoding"


with tempfile.TemporaryDirectory() as folder:
    for round_ in range(60):
        image = random_image()
        finite = image[np.isfinite(image) & (abs(image) < 1e30)]
        levels = [1.0, 2.0, float(np.float32(0.3)), 0.3, -1e-3, *(rng.choice(finite, 2).astype(float) if finite.size else [])]
        levels = list(dict.fromkeys(levels))
        band = int(image.shape[1] * rng.integers(1, 20))
        found = by_level(dump(image, levels, band=band, threads=int(rng.integers(1, 4))), len(levels))
        for level, lines in zip(levels, found):
            check_lines(image, level, lines, f"round {round_}, {image.shape}, level {level}")
        if round_ % 4 == 0:
            check_encoding(image, levels)

    for factor in (2, 3, 4, 7):
        image = rng.normal(size=(90, 120)).astype(np.float32)
        image[rng.random(image.shape) < 0.03] = np.nan
        smooth = gaussian(image, factor)
        for lines, level in zip(by_level(dump(image, [0.05, -0.1], 2, factor), 2), (0.05, -0.1)):
            xy = np.concatenate(lines).astype(np.float64)
            expected = crossings(low(smooth), level).astype(np.float64) + (factor - 1)
            # Values differ by float32 rounding, and with them a few crossings that barely are.
            theirs = {tuple(v) for v in np.round(expected, 2)}
            near = sum(any((round(x + i, 2), round(y + j, 2)) in theirs for i in (-0.01, 0, 0.01) for j in (-0.01, 0, 0.01)) for x, y in xy)
            count = len(xy) - sum((line[0] == line[-1]).all() for line in lines)
            assert near >= 0.99 * len(xy) and abs(len(expected) - count) <= 0.01 * len(expected) + 4, (factor, near, len(xy), len(expected))

    # A block's value stands at its middle.
    image = np.zeros((12, 12), np.float32)
    image[4:8, 4:8] = 8
    [[line]] = by_level(dump(image, [4], 1, 4), 1)
    assert line.tolist() == [[4, 6], [6, 8], [8, 6], [6, 4], [4, 6]], line

print("contours agree with contourpy and numpy")
