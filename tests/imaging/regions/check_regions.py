"""Holds masks and conversions of regions against astropy and its `regions`.

    check_regions.py REGIONS_DUMP [SEED] [ROUNDS]
"""
import os, subprocess, sys, warnings
import numpy as np

warnings.simplefilter("ignore")
from astropy import log
from astropy import units as u
from astropy.coordinates import FK4, FK5, ICRS, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord, skycoord_to_pixel
import regions

log.setLevel("ERROR")
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("CUBELINK_SEED", np.random.SeedSequence().entropy % 2**32))
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 120
rng = np.random.default_rng(SEED)
failures, checks = [], 0
POINT, RECTANGLE, ELLIPSE, POLYGON = 0, 3, 4, 6


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        failures.append(what)
        print("FAILED:", what)


class Server:
    def __init__(self):
        self.process = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"regions_dump died of: {line}"
        return answer.strip()

    def mask(self, width, height, shape):
        mask = np.zeros((height, width), bool)
        for run in self.ask(f"mask {width} {height} {text_of(shape)}").split():
            y, x0, x1 = map(int, run.split(":"))
            mask[y, x0:x1] = True
        return mask

    def image(self, header):
        return int(self.ask("image " + "|".join(card.image for card in header.cards)))

    def convert(self, a, b, shape):
        answer = self.ask(f"convert {a} {b} {text_of(shape)}")
        if answer == "none" or answer.startswith("error"):
            return None
        words = answer.split()
        return int(words[0]), float(words[1]), np.array(words[2:], float).reshape(-1, 2)


def text_of(shape):
    kind, rotation, points = shape
    return f"{kind} {rotation!r} " + " ".join(repr(float(c)) for point in points for c in point)


def outline_of(shape, count=400):
    """Points of the outline, by the ICD's conventions."""
    kind, rotation, points = shape
    points = np.asarray(points, float)
    if kind == POLYGON:
        following = np.roll(points, -1, axis=0)
        t = np.linspace(0, 1, max(2, count // len(points)), endpoint=False)[None, :, None]
        return (points[:, None] * (1 - t) + following[:, None] * t).reshape(-1, 2)
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if kind == RECTANGLE:
        t = np.linspace(-1, 1, count // 4, endpoint=False)
        one = np.ones_like(t)
        flat = np.concatenate([np.stack(side, 1) for side in ((t, -one), (one, t), (-t, one), (-one, -t))]) * points[1] / 2
    else:
        t = np.linspace(0, 2 * np.pi, count, endpoint=False)
        flat = np.stack([points[1][1] * np.cos(t), points[1][0] * np.sin(t)], 1)
    return points[0] + flat @ turn


def distances(points, shape):
    """Of points from the outline of a shape, which is sampled finely."""
    outline = outline_of(shape, 4000) if shape[0] != POLYGON else np.asarray(shape[2], float)
    a, b = outline, np.roll(outline, -1, axis=0)
    d = b - a
    squared = np.maximum((d**2).sum(1), 1e-300)
    best = np.full(len(points), np.inf)
    for i, p in enumerate(points):
        t = np.clip(((p - a) * d).sum(1) / squared, 0, 1)
        best[i] = np.sqrt((((a + t[:, None] * d) - p) ** 2).sum(1).min())
    return best


def pixel_region(shape):
    kind, rotation, points = shape
    if kind == RECTANGLE:
        return regions.RectanglePixelRegion(regions.PixCoord(*points[0]), points[1][0], points[1][1], rotation * u.deg)
    if kind == ELLIPSE:
        return regions.EllipsePixelRegion(regions.PixCoord(*points[0]), 2 * points[1][1], 2 * points[1][0], rotation * u.deg)
    return regions.PolygonPixelRegion(regions.PixCoord(*np.asarray(points, float).T))


def random_shape(low, high, most):
    kind = rng.choice([RECTANGLE, ELLIPSE, POLYGON])
    if kind == POLYGON:
        return int(kind), 0.0, rng.uniform(low, high, (rng.integers(3, 9), 2))
    return int(kind), float(rng.uniform(-180, 180)), np.array([rng.uniform(low, high, 2), rng.uniform(1, most, 2)])


def masks(server):
    """A pixel's centre is inside for `regions` too; what is on the outline is left aside there."""
    width, height = 73, 59
    ys, xs = np.mgrid[:height, :width]
    for _ in range(ROUNDS):
        shape = random_shape(-10, 80, 40)
        ours, theirs = server.mask(width, height, shape), pixel_region(shape).contains(regions.PixCoord(xs, ys))
        different = np.argwhere(ours != theirs)
        far = [tuple(at) for at, d in zip(different, distances(different[:, ::-1].astype(float), shape)) if d > 1e-3]
        check(not far, f"mask of {shape}: other than regions' at (y, x) {far[:5]}")


PROJECTIONS = ["TAN", "SIN", "SFL", "AIT"]
FRAMES = [("RA--", "DEC-", "ICRS", None), ("RA--", "DEC-", "FK5", 2000.0), ("RA--", "DEC-", "FK5", 2015.5), ("RA--", "DEC-", "FK4", 1950.0), ("GLON", "GLAT", None, None)]


def random_header(centre, scale, projections=PROJECTIONS):
    """A description around a direction of the sky, turned and perhaps flipped, with pixels that may be no squares."""
    projection = rng.choice(projections)
    lon, lat, radesys, equinox = FRAMES[rng.integers(len(FRAMES))]
    if lon == "GLON":
        here = centre.galactic
        at = here.l.deg, here.b.deg
    else:
        frame = {"ICRS": lambda _: ICRS(), "FK5": lambda year: FK5(equinox=f"J{year}"), "FK4": lambda year: FK4(equinox=f"B{year}")}[radesys](equinox)
        here = centre.transform_to(frame)
        at = here.ra.deg, here.dec.deg
    if projection in ("SFL", "AIT") and rng.random() < 0.5:
        crval = (at[0] + rng.uniform(-20, 20)) % 360, 0.0  # the region far from the reference
    else:
        crval = at
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"{lon}-{projection}", f"{lat}-{projection}"
    header["CRVAL1"], header["CRVAL2"] = crval
    size = scale * rng.uniform(0.5, 2, 2) if rng.random() < 0.3 else np.repeat(scale * rng.uniform(0.5, 2), 2)
    sign = rng.choice([-1, 1])
    angle = np.radians(rng.uniform(-180, 180))
    header["CD1_1"], header["CD1_2"] = sign * size[0] * np.cos(angle), -size[1] * np.sin(angle)
    header["CD2_1"], header["CD2_2"] = sign * size[0] * np.sin(angle), size[1] * np.cos(angle)
    header["CRPIX1"] = header["CRPIX2"] = 0.0
    if radesys:
        header["RADESYS"] = radesys
    if equinox:
        header["EQUINOX"] = equinox
    x, y = skycoord_to_pixel(centre, WCS(header))
    header["CRPIX1"], header["CRPIX2"] = 50.0 - float(x), 50.0 - float(y)
    return header


def through_the_sky(points, a, b):
    x, y = skycoord_to_pixel(pixel_to_skycoord(points[:, 0], points[:, 1], a), b)
    return np.stack([x, y], 1)


def conversions(server):
    """The outline on the other image is where astropy has the points of the outline; of `regions`, shapes that are turned and scaled."""
    kept = bent = 0
    for round_ in range(ROUNDS):
        pole = round_ % 6 == 0
        centre = SkyCoord(rng.choice([0.0, 359.999, rng.uniform(0, 360)]) * u.deg, (rng.choice([-1, 1]) * rng.uniform(89.9, 90) if pole else rng.uniform(-80, 80)) * u.deg)
        scale = 10 ** rng.uniform(-5, -1.3)
        if pole:
            scale = min(scale, 1e-4)
        headers = [random_header(centre, scale, ["TAN", "SIN"] if pole else PROJECTIONS) for _ in range(2)]
        a, b = (server.image(h) for h in headers)
        wa, wb = (WCS(h) for h in headers)
        shape = random_shape(20, 80, 20)
        found = server.convert(a, b, shape)
        expected = through_the_sky(outline_of(shape), wa, wb)
        what = f"{shape} from {dict(headers[0])} to {dict(headers[1])}"
        if not np.isfinite(expected).all():
            check(found is None or found[0] == POLYGON, f"a part of the outline has no position, but a conversion: {what}")
            continue
        if found is None:
            # Only where the projection tears it.
            steps = np.hypot(*(expected - np.roll(expected, -1, axis=0)).T)
            check(steps.max() > 20 * np.median(steps), f"no conversion: {what}")
            continue
        # FK4 and galactic frames of astropy and ERFA agree to some milliarcseconds.
        slack = 0.06 + 5e-6 / scale
        off = distances(expected, found).max()
        check(off < slack, f"{off} pixels off: {what}: {found[0]}")
        if shape[0] != POLYGON:
            kept, bent = kept + (found[0] == shape[0]), bent + (found[0] == POLYGON)
    check(kept > ROUNDS / 20 and bent > ROUNDS / 20, f"of rectangles and ellipses {kept} stayed, {bent} became polygons")

    for _ in range(ROUNDS):
        centre = SkyCoord(rng.uniform(0, 360) * u.deg, rng.uniform(-80, 80) * u.deg)
        headers = [random_header(centre, 1e-4) for _ in range(2)]
        a, b = (server.image(h) for h in headers)
        point = rng.uniform(0, 100, (1, 2))
        found = server.convert(a, b, (POINT, 0.0, point))
        expected = through_the_sky(point, WCS(headers[0]), WCS(headers[1]))
        if not np.isfinite(expected).all():
            continue
        check(found is not None and np.abs(found[2] - expected).max() < 0.02, f"point {point}: {found} is not {expected}")

    # As `regions` turns and scales: square pixels, small fields, images of either parity that are turned.
    for _ in range(ROUNDS):
        def small():
            header = fits.Header()
            header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
            header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = 123.4, -32.1, 51.0, 51.0
            s, angle, sign = 1e-5 * rng.uniform(0.5, 2), np.radians(rng.uniform(-180, 180)), -1
            header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = sign * s * np.cos(angle), -s * np.sin(angle), sign * s * np.sin(angle), s * np.cos(angle)
            header["RADESYS"] = "ICRS"
            return header
        headers = [small(), small()]
        a, b = (server.image(h) for h in headers)
        kind = int(rng.choice([RECTANGLE, ELLIPSE]))
        shape = kind, float(rng.uniform(-180, 180)), np.array([rng.uniform(20, 80, 2), rng.uniform(2, 30, 2)])
        found = server.convert(a, b, shape)
        theirs = pixel_region(shape).to_sky(WCS(headers[0])).to_pixel(WCS(headers[1]))
        sizes = np.array([theirs.width, theirs.height]) if kind == RECTANGLE else np.array([theirs.height, theirs.width]) / 2
        turn = (found[1] - theirs.angle.to_value("deg") + 90) % 180 - 90
        check(found[0] == kind and np.abs(found[2] - [[theirs.center.x, theirs.center.y], sizes]).max() < 0.02 and abs(turn) < 0.05,
              f"{shape} became {found}, of regions {theirs}")


print(f"CUBELINK_SEED={SEED}")
server = Server()
masks(server)
conversions(server)
print(f"{checks} checks, {len(failures)} failed")
sys.exit(1 if failures else 0)
