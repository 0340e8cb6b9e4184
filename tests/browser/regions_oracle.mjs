// What the pixels of a region should give, computed by hand: outlines are closed (a pixel centre on the edge is inside), sums are in double precision.

const EDGE = 2e-5; // control points travel as float32, and pages compute them from places on the screen

/** ICD region types. */
export const RECTANGLE = 3, ELLIPSE = 4, POLYGON = 6;

/** Whether the centre of pixel (x, y) is inside: "yes", "no", or "edge" where rounding decides. */
function place({ type, points, rotation = 0 }, x, y) {
  if (type === POLYGON) return inPolygon(points, x, y);
  const [centre, size] = points;
  const angle = (rotation * Math.PI) / 180, c = Math.cos(angle), s = Math.sin(angle);
  const dx = x - centre.x, dy = y - centre.y;
  const [u, v] = [dx * c + dy * s, dy * c - dx * s];
  // The first semi-axis of an ellipse lies along y.
  const beyond = type === RECTANGLE ? Math.max(Math.abs(u) - size.x / 2, Math.abs(v) - size.y / 2) : (u / size.y) ** 2 + (v / size.x) ** 2 - 1;
  return Math.abs(beyond) < EDGE ? "edge" : beyond < 0 ? "yes" : "no";
}

function inPolygon(points, x, y) {
  let inside = false;
  for (let i = 0, k = points.length - 1; i < points.length; k = i++) {
    const a = points[k], b = points[i];
    const length = Math.hypot(b.x - a.x, b.y - a.y);
    const across = ((b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x)) / length;
    const along = ((b.x - a.x) * (x - a.x) + (b.y - a.y) * (y - a.y)) / length;
    if (Math.abs(across) < EDGE && along > -EDGE && along < length + EDGE) return "edge";
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside ? "yes" : "no";
}

/** Whether control points stand at whole or half pixels, where "edge" means inside without doubt if nothing is turned. */
const isRound = ({ points, rotation = 0 }) => rotation % 90 === 0 && points.every((p) => Number.isInteger(2 * p.x) && Number.isInteger(2 * p.y));

/** The pixels of a region: {inside: [[x, y], …], doubtful: count}. */
export function pixelsOf(region, width, height) {
  const inside = [];
  let doubtful = 0;
  const sure = isRound(region);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const where = place(region, x, y);
      if (where === "yes" || (where === "edge" && sure)) inside.push([x, y]);
      else if (where === "edge") doubtful++;
    }
  return { inside, doubtful };
}

/** The ten statistics that CARTA's page shows, by their ICD numbers, of a list of values. */
export function statisticsOf(values, beamArea = NaN) {
  const good = values.filter(Number.isFinite);
  const n = good.length;
  const sum = good.reduce((a, b) => a + b, 0), squares = good.reduce((a, b) => a + b * b, 0);
  const mean = sum / n;
  const low = good.reduce((a, b) => Math.min(a, b), Infinity), high = good.reduce((a, b) => Math.max(a, b), -Infinity);
  const spread = good.reduce((a, b) => a + (b - mean) ** 2, 0);
  return {
    NumPixels: n, Sum: sum, FluxDensity: sum / beamArea, Mean: mean, RMS: Math.sqrt(squares / n), Sigma: Math.sqrt(spread / (n - 1)), SumSq: squares,
    Min: low, Max: high, Extrema: Math.abs(low) > Math.abs(high) ? low : high,
  };
}

/** Counts of an automatic histogram: as many bins as the root of the number of pixels of the region's bounding box. */
export function countsOf(values, bins) {
  const good = values.filter(Number.isFinite);
  const low = Math.min(...good), high = Math.max(...good), width = (high - low) / bins;
  const counts = new Array(bins).fill(0);
  for (const value of good) counts[Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)))]++;
  return counts;
}
