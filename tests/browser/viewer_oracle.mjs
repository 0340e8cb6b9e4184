// Numbers for the viewer's tests from numpy and astropy, which know nothing of the viewer or its server.
import { execFileSync } from "node:child_process";

const PRELUDE = `
import json, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
warnings.simplefilter("ignore")
given = json.load(sys.stdin)

def inside(shape, region):
    """Pixels whose centres lie in a region of the ICD's kind; the outline belongs to it."""
    y, x = np.indices(shape)
    kind, points = region["type"], np.asarray(region["points"], float)
    if kind == "POLYGON":
        from matplotlib.path import Path
        return Path(points).contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(shape)
    angle = np.radians(region.get("rotation", 0))
    dx, dy = x - points[0, 0], y - points[0, 1]
    u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    if kind == "RECTANGLE":
        return (abs(u) <= points[1, 0] / 2 + 1e-5) & (abs(v) <= points[1, 1] / 2 + 1e-5)
    return (u / points[1, 1]) ** 2 + (v / points[1, 0]) ** 2 <= 1 + 1e-6

def statistics(values):
    good = np.asarray(values, float)
    good = good[np.isfinite(good)]
    low, high = good.min(), good.max()
    return {"NumPixels": len(good), "Sum": good.sum(), "Mean": good.mean(), "RMS": np.sqrt((good**2).mean()), "Sigma": good.std(ddof=1), "SumSq": (good**2).sum(),
            "Min": low, "Max": high, "Extrema": low if abs(low) > abs(high) else high}

def answer(value):
    def plain(v):
        if isinstance(v, dict): return {str(k): plain(w) for k, w in v.items()}
        if isinstance(v, (list, tuple)): return [plain(w) for w in v]
        if isinstance(v, np.ndarray): return plain(v.tolist())
        if isinstance(v, (float, np.floating)): return float(v) if np.isfinite(v) else None
        return v.item() if isinstance(v, np.generic) else v
    json.dump(plain(value), sys.stdout)
`;

/** What `program` answers to `given`: Python with numpy as np, fits, WCS, inside(), statistics() at hand, which calls answer(). NaN comes as null. */
export function python(program, given) {
  const output = execFileSync("/usr/bin/python3", ["-c", PRELUDE + program], { input: JSON.stringify(given), maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "inherit"] });
  return JSON.parse(output);
}
