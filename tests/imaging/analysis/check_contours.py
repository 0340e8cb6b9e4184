"""Contours against contourpy, smoothing against numpy, vertices decoded bit for bit: check_contours.py CONTOUR_DUMP [SEED]"""

import collections
import ctypes
import ctypes.util
import os
import struct
import subprocess
import sys
import tempfile

import contourpy
import numpy as np

program = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("CUBELINK_SEED", "1"))
print("seed", seed)
rng = np.random.default_rng(seed)
FLT_MAX = np.finfo(np.float32).max
zstd = ctypes.CDLL(ctypes.util.find_library("zstd"))
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
Chunk = collections.namedtuple("Chunk", "progress level decimation starts data")


def dump(image, levels, smoothing=0, factor=1, band=1 << 19, threads=2, chunk=0, decimation=4, compression=0):
    path = os.path.join(folder, "plane")
    image.astype("<f4").tofile(path)
    h, w = image.shape
    text = ",".join(repr(float(level)) for level in levels)
    out = subprocess.run([program, path, *map(str, (w, h)), text, *map(str, (smoothing, factor, band, threads, chunk, decimation, compression))],
                         check=True, stdout=subprocess.PIPE).stdout
    chunks, at = [], 0
    while at < len(out):
        progress, level, used, starts, size = struct.unpack_from("<diiii", out, at)
        at += 24
        chunks.append(Chunk(progress, level, used, np.frombuffer(out, "<i4", starts, at), out[at + 4 * starts:at + 4 * starts + size]))
        at += 4 * starts + size
    return chunks


def lines_of(chunk):
    xy = np.frombuffer(chunk.data, "<f4")
    return [line.reshape(-1, 2) for line in np.split(xy, chunk.starts[1:])] if len(chunk.starts) else []


def lines_by_level(chunks, count):
    found = [[] for _ in range(count)]
    for chunk in chunks:
        found[chunk.level] += lines_of(chunk)
    return found


def low(image):
    """As the tracer sees it."""
    return np.where(np.isfinite(image), image, -FLT_MAX).astype(np.float32).astype(np.float64)


def canonical(line):
    """A closed line begins anywhere: turned so that its smallest vertex comes first."""
    line = [tuple(v) for v in np.round(line.astype(np.float32).astype(np.float64), 4).tolist()]
    if len(line) > 1 and line[0] == line[-1]:
        open_part = line[:-1]
        turns = [open_part[i:] + open_part[:i] for i, v in enumerate(open_part) if v == min(open_part)]
        return ("closed", *min(turns))
    return ("open", *line)


def crossings(values, level):
    """Vertices: each grid edge with one end below the level and one that is not, in double precision, then float32."""
    expected = []
    for (a, b, dx, dy) in ((values[:, :-1], values[:, 1:], 1, 0), (values[:-1], values[1:], 0, 1)):
        y, x = np.nonzero((a >= level) != (b >= level))
        t = (level - a[y, x]) / (b[y, x] - a[y, x])
        expected.append(np.stack([x + dx * t + 0.5, y + dy * t + 0.5], 1))
    return np.concatenate(expected).astype(np.float32)


def check_lines(image, level, lines, name):
    values = low(image)
    h, w = values.shape
    if h < 2 or w < 2:
        assert not lines, f"{name}: lines without cells"
        return
    # Each crossing once, but that closed lines repeat their first vertex.
    vertices = collections.Counter(tuple(v) for line in lines for v in line.tolist())
    expected = collections.Counter(map(tuple, crossings(values, level).tolist()))
    assert not expected - vertices, f"{name}: crossings without a vertex"
    repeated = collections.Counter(tuple(line[0].tolist()) for line in lines if (line[0] == line[-1]).all())
    assert not vertices - expected - repeated, f"{name}: vertices without a crossing"
    # Of the negative image, what contourpy takes for above a level is what we take for below, with lines in the same direction.
    oracle = contourpy.contour_generator(z=-values, name="serial", line_type=contourpy.LineType.Separate)
    theirs = [line + 0.5 for line in oracle.lines(-level)]
    assert collections.Counter(map(canonical, lines)) == collections.Counter(map(canonical, theirs)), f"{name}: lines differ from contourpy's"


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


def gaussian(image, factor):
    radius = factor - 1
    k = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (k / (radius / 2)) ** 2)

    def pass_along(values, axis):
        n = values.shape[axis] - 2 * radius
        finite = np.isfinite(values)
        filled = np.where(finite, values, 0).astype(np.float64)
        take = lambda a, i: np.take(a, range(i, i + n), axis)
        total = sum(w * take(finite, i) for i, w in enumerate(weights))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, sum(w * take(filled, i) for i, w in enumerate(weights)) / total, np.nan)

    smooth = pass_along(pass_along(image, 0), 1)
    inner = image[radius:image.shape[0] - radius, radius:image.shape[1] - radius]
    return np.where(np.isfinite(inner), smooth, np.nan)


def decoded(chunk):
    size = zstd.ZSTD_getFrameContentSize(chunk.data, ctypes.c_size_t(len(chunk.data)))
    out = ctypes.create_string_buffer(max(1, size))
    assert zstd.ZSTD_decompress(out, ctypes.c_size_t(size), chunk.data, ctypes.c_size_t(len(chunk.data))) == size
    raw = np.frombuffer(out.raw[:size], np.uint8)
    whole = size // 16 * 16
    bytes_ = np.concatenate([raw[:whole].reshape(-1, 4, 4).transpose(0, 2, 1).reshape(-1), raw[whole:]])
    deltas = np.frombuffer(bytes_.tobytes(), "<i4")
    return np.cumsum(deltas.reshape(-1, 2), 0).astype(np.int32)


def check_encoding(image, levels):
    plain = dump(image, levels, threads=1, chunk=300, band=image.shape[1] * 7)
    decimation, level = int(rng.integers(-2, 40)), int(rng.integers(1, 22))
    packed = dump(image, levels, threads=1, chunk=300, band=image.shape[1] * 7, decimation=decimation, compression=level)
    assert len(plain) == len(packed)
    for a, b in zip(plain, packed):
        used = min(max(decimation, 1), 32)
        assert (a.level, a.progress, a.decimation, b.decimation) == (b.level, b.progress, 0, used)
        assert (a.starts == b.starts).all()
        scaled = np.frombuffer(a.data, "<f4") * np.float32(used)
        rounded = np.where(scaled - np.floor(scaled) >= 0.5, np.floor(scaled) + 1, np.floor(scaled)).astype(np.int32)
        assert (decoded(b) == rounded.reshape(-1, 2)).all(), "vertices differ after decoding"


with tempfile.TemporaryDirectory() as folder:
    for round_ in range(60):
        image = random_image()
        finite = image[np.isfinite(image) & (abs(image) < 1e30)]
        levels = [1.0, 2.0, float(np.float32(0.3)), 0.3, -1e-3, *(rng.choice(finite, 2).astype(float) if finite.size else [])]
        levels = list(dict.fromkeys(levels))
        band = int(image.shape[1] * rng.integers(1, 20))
        found = lines_by_level(dump(image, levels, band=band, threads=int(rng.integers(1, 4))), len(levels))
        for level, lines in zip(levels, found):
            check_lines(image, level, lines, f"round {round_}, {image.shape}, level {level}")
        if round_ % 4 == 0:
            check_encoding(image, levels)

    for factor in (2, 3, 4, 7):
        image = rng.normal(size=(90, 120)).astype(np.float32)
        image[rng.random(image.shape) < 0.03] = np.nan
        smooth = gaussian(image, factor)
        for lines, level in zip(lines_by_level(dump(image, [0.05, -0.1], 2, factor), 2), (0.05, -0.1)):
            xy = np.concatenate(lines).astype(np.float64)
            values = low(smooth)
            expected = crossings(values, level).astype(np.float64) + (factor - 1)
            # Values differ by float32 rounding, and with them a few crossings that barely are.
            theirs = {tuple(v) for v in np.round(expected, 2)}
            near = sum(any((round(x + i, 2), round(y + j, 2)) in theirs for i in (-.01, 0, .01) for j in (-.01, 0, .01)) for x, y in xy)
            count = len(xy) - sum((line[0] == line[-1]).all() for line in lines)
            assert near >= 0.99 * len(xy) and abs(len(expected) - count) <= 0.01 * len(expected) + 4, (factor, near, len(xy), len(expected))

    # A block's value stands at its middle.
    image = np.zeros((12, 12), np.float32)
    image[4:8, 4:8] = 8
    [[line]] = lines_by_level(dump(image, [4], 1, 4), 1)
    assert line.tolist() == [[4, 6], [6, 8], [8, 6], [6, 4], [4, 6]], line

print("contours agree with contourpy and numpy")
