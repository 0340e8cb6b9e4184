"""Regions for tests: the ICD's shapes by name, random ones, and numpy's idea of which pixels are inside.

Outlines are closed: a pixel centre on the edge is inside. Control points travel as float32, so they are rounded to it here."""

import math
from fractions import Fraction

import numpy

TYPES = {"POINT": 0, "LINE": 1, "POLYLINE": 2, "RECTANGLE": 3, "ELLIPSE": 4, "POLYGON": 6, "ANNPOINT": 7, "ANNLINE": 8, "ANNPOLYLINE": 9, "ANNRECTANGLE": 10,
         "ANNELLIPSE": 11, "ANNPOLYGON": 12, "ANNVECTOR": 13, "ANNRULER": 14, "ANNTEXT": 15, "ANNCOMPASS": 16}  # fmt: skip
CLOSED = ("RECTANGLE", "ELLIPSE", "POLYGON")
#: How many control points a type has: at least, at most.
POINTS = {**{name: (2, 2) for name in TYPES}, "POINT": (1, 1), "ANNPOINT": (1, 1), "POLYLINE": (3, 9), "POLYGON": (3, 9), "ANNPOLYGON": (3, 9), "ANNPOLYLINE": (2, 9)}
SIZED = ("RECTANGLE", "ELLIPSE", "ANNRECTANGLE", "ANNELLIPSE", "ANNTEXT", "ANNCOMPASS")


def f4(value):
    return float(numpy.float32(value))


def info(kind, points, rotation=0.0):
    """ICD RegionInfo as a map."""
    return {"region_type": kind, "control_points": [{"x": f4(x), "y": f4(y)} for x, y in points], "rotation": f4(rotation)}


def points_of(region):
    return [(point["x"], point["y"]) for point in region["control_points"]]


def random_region(source, width, height, kinds=tuple(TYPES)):
    """Somewhere on, or partly beside, an image of that size: half of them at round numbers, where edges meet pixel centres."""
    kind = source.choice(kinds)
    step = source.choice([0.5, 1, 0])

    def number(low, high):
        value = source.uniform(low, high)
        return round(value / step) * step if step else value

    def place():
        return number(-0.1 * width, 1.1 * width), number(-0.1 * height, 1.1 * height)

    if kind in SIZED:
        sizes = tuple(max(step or 0.01, number(0, source.choice([3, 0.3, 0.8]) * n if n > 4 else 4)) for n in (width, height))
        rotation = source.choice([0, 0, 90, 45, source.uniform(-360, 720)])
        return info(kind, [place(), sizes], rotation)
    least, most = POINTS[kind]
    return info(kind, [place() for _ in range(source.randint(least, most))])


def inside(region, width, height, tolerance=1e-9):
    """(certain, doubtful): two arrays of bool; certainly inside, and so near to the edge that rounding decides."""
    y, x = numpy.mgrid[:height, :width].astype("f8")
    kind, points = region["region_type"], points_of(region)
    if kind == "POINT":
        column, row = (math.floor(v + 0.5) if v >= 0 else math.ceil(v - 0.5) for v in points[0])
        certain = (x == column) & (y == row)
        return certain, numpy.zeros_like(certain)
    if kind == "POLYGON":
        return _inside_polygon(points, x, y, tolerance)
    (centre_x, centre_y), (a, b) = points
    angle = math.radians(region["rotation"])
    cos, sin = (round(math.cos(angle)), round(math.sin(angle))) if region["rotation"] % 90 == 0 else (math.cos(angle), math.sin(angle))
    u, v = (x - centre_x) * cos + (y - centre_y) * sin, (y - centre_y) * cos - (x - centre_x) * sin
    if kind == "RECTANGLE":
        beyond = numpy.maximum(abs(u) - a / 2, abs(v) - b / 2)
        exact = region["rotation"] % 90 == 0
        return _decided(beyond, 0 if exact else tolerance * (1 + abs(x) + abs(y) + a + b))
    # An ellipse's first semi-axis lies along y, the second along x.
    if region["rotation"] % 90 == 0 and all(float(4 * n).is_integer() for n in (centre_x, centre_y, a, b)):
        ia, ib = int(16 * a * a), int(16 * b * b)
        iu, iv = (4 * u).astype("i8"), (4 * v).astype("i8")
        certain = iu**2 * ia + iv**2 * ib <= ia * ib
        return certain, numpy.zeros_like(certain)
    return _decided((u / b) ** 2 + (v / a) ** 2 - 1, 1e-7)


def _decided(beyond, tolerance):
    return (beyond <= 0) & (abs(beyond) >= tolerance), (abs(beyond) < tolerance) & (tolerance > 0)


def _inside_polygon(points, x, y, tolerance):
    """By crossings of each row (even-odd), exactly; pixel centres on an edge are inside."""
    height, width = x.shape
    certain, doubtful = numpy.zeros(x.shape, bool), numpy.zeros(x.shape, bool)
    on_edge = numpy.zeros(x.shape, bool)
    exact = [(Fraction(a), Fraction(b)) for a, b in points]
    for row in range(height):
        crossings = []
        for (x0, y0), (x1, y1) in zip(exact, exact[1:] + exact[:1]):
            if y0 == y1 == row:
                first, last = max(0, math.ceil(min(x0, x1))), min(width - 1, math.floor(max(x0, x1)))
                on_edge[row, first : max(first, last + 1)] = True
            if (y0 <= row) != (y1 <= row):
                crossings.append(x0 + (row - y0) * (x1 - x0) / (y1 - y0))
            elif row in (y0, y1) and y0 != y1:
                at = x0 if y0 == row else x1
                if at.denominator == 1 and 0 <= at < width:
                    on_edge[row, int(at)] = True
        crossings.sort()
        for left, right in zip(crossings[::2], crossings[1::2]):
            first, last = max(0, math.ceil(left)), min(width - 1, math.floor(right))
            certain[row, first : max(first, last + 1)] = True
        for one in crossings:
            near = round(one)
            distance = abs(one - near)
            if 0 <= near < width:
                if distance == 0:
                    on_edge[row, near] = True
                elif distance < tolerance * (1 + abs(near)):
                    doubtful[row, near] = True
    return certain | on_edge, doubtful
