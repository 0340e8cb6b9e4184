"""Contours for tests: the vertices of the ICD's ContourSet decoded, and what contourpy and numpy say about the same image."""

import collections
import ctypes
import ctypes.util

import contourpy
import numpy

FLT_MAX = numpy.finfo(numpy.float32).max

zstd = ctypes.CDLL(ctypes.util.find_library("zstd"))
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong


def decompressed(data):
    size = zstd.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(max(1, size))
    assert zstd.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data))) == size
    return out.raw[:size]


def quantized(data):
    """The integers (x, y) of compressed vertices."""
    raw = numpy.frombuffer(decompressed(data), numpy.uint8)
    whole = len(raw) // 16 * 16
    as_they_were = numpy.concatenate([raw[:whole].reshape(-1, 4, 4).transpose(0, 2, 1).reshape(-1), raw[whole:]])
    return numpy.cumsum(numpy.frombuffer(as_they_were.tobytes(), "<i4").reshape(-1, 2), 0).astype(numpy.int32)


def rounded(vertices, decimation):
    """What quantized() is expected to give."""
    scaled = numpy.asarray(vertices, numpy.float32) * numpy.float32(decimation)
    whole = numpy.floor(scaled)
    return numpy.where(scaled - whole >= 0.5, whole + 1, whole).astype(numpy.int32)


def lines_of(vertices, starts):
    """`starts`: indices of numbers, two for each vertex."""
    vertices = numpy.asarray(vertices).reshape(-1, 2)
    assert not len(starts) or starts[0] == 0
    return numpy.split(vertices, [start // 2 for start in starts[1:]]) if len(starts) else []


def low(image):
    """Blanks are as low as values get."""
    return numpy.where(numpy.isfinite(image), image, -FLT_MAX).astype(numpy.float32).astype(numpy.float64)


def crossings(values, level):
    """The vertices: one for each grid edge with one end below the level and one that is not; in double precision, then float32."""
    expected = []
    for a, b, dx, dy in ((values[:, :-1], values[:, 1:], 1, 0), (values[:-1], values[1:], 0, 1)):
        y, x = numpy.nonzero((a >= level) != (b >= level))
        t = (level - a[y, x]) / (b[y, x] - a[y, x])
        expected.append(numpy.stack([x + dx * t + 0.5, y + dy * t + 0.5], 1))
    return numpy.concatenate(expected).astype(numpy.float32)


def oracle_lines(values, level):
    # Of the negative image, what contourpy takes for above a level is what we take for below, with lines in the same direction.
    oracle = contourpy.contour_generator(z=-values, name="serial", line_type=contourpy.LineType.Separate)
    return [(line + 0.5).astype(numpy.float32) for line in oracle.lines(-level)]


def canonical(lines):
    """To compare lines by: a closed one begins anywhere, and is turned so that its smallest vertex comes first."""

    def one(line):
        line = [tuple(vertex) for vertex in numpy.round(line.astype(numpy.float64), 4).tolist()]
        if len(line) > 1 and line[0] == line[-1]:
            once, smallest = line[:-1], min(line)
            return ("closed", *min(once[i:] + once[:i] for i, vertex in enumerate(once) if vertex == smallest))
        return ("open", *line)

    return collections.Counter(map(one, lines))


def check_lines(image, level, lines, name=""):
    """Each crossing is a vertex once, and lines are contourpy's."""
    values = low(image)
    if min(values.shape) < 2:
        assert not lines, f"{name}: lines without cells"
        return
    # But that closed lines repeat their first vertex.
    vertices = collections.Counter(tuple(v) for line in lines for v in line.tolist())
    expected = collections.Counter(map(tuple, crossings(values, level).tolist()))
    assert not expected - vertices, f"{name}: crossings without a vertex"
    repeated = collections.Counter(tuple(line[0].tolist()) for line in lines if (line[0] == line[-1]).all())
    assert not vertices - expected - repeated, f"{name}: vertices without a crossing"
    assert canonical(lines) == canonical(oracle_lines(values, level)), f"{name}: lines differ from contourpy's"


def gaussian(image, factor):
    """Smoothed as the ICD does: along y, then along x, over what is finite; without the pixels nearer to the edge than the radius."""
    radius = factor - 1
    k = numpy.arange(-radius, radius + 1)
    weights = numpy.exp(-0.5 * (k / (radius / 2)) ** 2)

    def along(values, axis):
        n = values.shape[axis] - 2 * radius
        finite = numpy.isfinite(values)
        filled = numpy.where(finite, values, 0).astype(numpy.float64)
        take = lambda a, i: numpy.take(a, range(i, i + n), axis)
        total = sum(w * take(finite, i) for i, w in enumerate(weights))
        with numpy.errstate(invalid="ignore", divide="ignore"):
            return numpy.where(total > 0, sum(w * take(filled, i) for i, w in enumerate(weights)) / total, numpy.nan)

    smooth = along(along(image, 0), 1)
    return numpy.where(numpy.isfinite(image[radius : image.shape[0] - radius, radius : image.shape[1] - radius]), smooth, numpy.nan)
