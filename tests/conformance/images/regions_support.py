"""Regions for tests: the ICD's shapes by name, random ones, and numpy's idea of which pixels are inside.

Outlines are closed: a pixel centre on the edge is inside. Control points travel as float32, so they are rounded to it here."""

import math

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


#: What lies no farther outside than the first is on the outline for the server, too; beyond the second it is not. Pixels.
ON, OFF = 1e-7, 1e-4


def inside(region, width, height):
    """(certain, doubtful): two arrays of bool; inside or on the outline, and so near outside of it that the server may count it as on it."""
    y, x = numpy.mgrid[:height, :width].astype("f8")
    if region["region_type"] == "POINT":
        column, row = (math.floor(v + 0.5) if v >= 0 else math.ceil(v - 0.5) for v in points_of(region)[0])
        certain = (x == column) & (y == row)
        return certain, numpy.zeros_like(certain)
    beyond = distance_outside(region, x, y)
    return beyond <= ON, (beyond > ON) & (beyond <= OFF * (1 + 1e-3 * max(width, height)))


def distance_outside(region, x, y):
    """How far places are outside of a closed region's outline, negative inside; near the outline in pixels."""
    points = points_of(region)
    if region["region_type"] == "POLYGON":
        return _outside_polygon(points, x, y)
    (centre_x, centre_y), (a, b) = points
    angle = math.radians(region["rotation"])
    cos, sin = (round(math.cos(angle)), round(math.sin(angle))) if region["rotation"] % 90 == 0 else (math.cos(angle), math.sin(angle))
    u, v = (x - centre_x) * cos + (y - centre_y) * sin, (y - centre_y) * cos - (x - centre_x) * sin
    if region["region_type"] == "RECTANGLE":
        return numpy.maximum(abs(u) - a / 2, abs(v) - b / 2)
    # An ellipse's first semi-axis lies along y, the second along x. By how much the axes must grow for the outline to reach the place: by halving.
    low, high = numpy.full(u.shape, -min(a, b) * (1 - 1e-12)), numpy.hypot(u, v)
    for _ in range(80):
        middle = (low + high) / 2
        reached = (u / (b + middle)) ** 2 + (v / (a + middle)) ** 2 <= 1
        high, low = numpy.where(reached, middle, high), numpy.where(reached, low, middle)
    return high


def _outside_polygon(points, x, y):
    """By the even-odd rule."""
    odd = numpy.zeros(x.shape, bool)
    distance = numpy.full(x.shape, numpy.inf)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        dx, dy = x1 - x0, y1 - y0
        along = numpy.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy or 1), 0, 1)
        distance = numpy.minimum(distance, numpy.hypot(x - x0 - along * dx, y - y0 - along * dy))
        if dy:
            odd ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * dx / dy)
    return numpy.where(odd, -distance, distance)
