/** From pixel values to places on the colour map, and the clip limits. The shader in renderer.ts computes the same. */
import type { Histogram } from "cubelink";

export const STRETCHES = ["linear", "log", "sqrt", "asinh"] as const;
export type Stretch = (typeof STRETCHES)[number];
/** Chosen, or by the image. */
export type StretchChoice = "auto" | Stretch;

/** The bright limit lies this many times farther from the median than the faint one: then a linear stretch would show little but the brightest. */
const WIDE_RANGE = 12;

export const LOG_ALPHA = 1000;
export const ASINH_SOFTENING = 0.1;

/** 0 at the lower limit, 1 at the upper one. Where both are one value, that value is in the middle: an image of one value is seen to be there. */
export function stretched(v: number, low: number, high: number, stretch: Stretch): number {
  const t = Math.min(1, Math.max(0, high > low ? (v - low) / (high - low) : v === low ? 0.5 : v > low ? 1 : 0));
  switch (stretch) {
    case "log":
      return Math.log(1 + LOG_ALPHA * t) / Math.log(1 + LOG_ALPHA);
    case "sqrt":
      return Math.sqrt(t);
    case "asinh":
      return Math.asinh(t / ASINH_SOFTENING) / Math.asinh(1 / ASINH_SOFTENING);
    default:
      return t;
  }
}

export interface Limits {
  low: number;
  high: number;
}

/**
 * The limits between which `percent` of the counted pixels lie, the rest shared evenly between both ends; between the edges of bins, values are taken to be
 * spread evenly. Undefined if the histogram counts nothing.
 */
export function percentileLimits(histogram: Histogram, percent: number): Limits | undefined {
  const total = histogram.bins.reduce((sum, n) => sum + n, 0);
  if (total <= 0 || !(histogram.bin_width > 0)) return undefined;
  const start = histogram.first_bin_center - histogram.bin_width / 2;
  const tail = (total * (100 - percent)) / 200;
  const low = percent >= 100 ? start : valueBelow(histogram, tail);
  const high = percent >= 100 ? start + histogram.bins.length * histogram.bin_width : valueBelow(histogram, total - tail);
  return { low, high };
}

/**
 * The stretch that shows both faint and bright with these limits: linear where the values spread about as far above their median as below it, as noise and fields that
 * are filled do, and asinh where a few are far brighter than the rest.
 */
export function automaticStretch(histogram: Histogram, { low, high }: Limits): Stretch {
  const total = histogram.bins.reduce((sum, n) => sum + n, 0);
  if (total <= 0 || !(histogram.bin_width > 0)) return "linear";
  const median = valueBelow(histogram, total / 2);
  return high - median > WIDE_RANGE * (median - low) ? "asinh" : "linear";
}

/** The value below which `count` of the counted pixels lie. */
function valueBelow(histogram: Histogram, count: number): number {
  const start = histogram.first_bin_center - histogram.bin_width / 2;
  let sum = 0;
  for (let i = 0; i < histogram.bins.length; i++) {
    const n = histogram.bins[i]!;
    if (n > 0 && sum + n >= count) return start + (i + (count - sum) / n) * histogram.bin_width;
    sum += n;
  }
  return start + histogram.bins.length * histogram.bin_width;
}
