/** What is measured on the image, as part of the state: regions, contours, ranges of profiles. */
import { readName, type ImageName } from "./image-name";
import { readRegions, type RegionEntry } from "./regions";
import { Leaf, flag, json, leaves, numberList, numbers, oneOf, orNone, whole, type Codec } from "./tree";

export const SPECTRUM_STATISTICS = ["Mean", "Sum", "FluxDensity", "RMS", "Sigma", "Min", "Max"] as const;

export const SMOOTHINGS = ["NoSmoothing", "GaussianBlur", "BlockAverage"] as const;
/** The server's bounds. */
export const MOST_LEVELS = 200;
const WIDEST_SMOOTHING = 256;
export const WIDEST_CONTOUR = 10;

export interface ProfileRange {
  from: number;
  to: number;
}

const profileRange = numbers(["from", "to"], ({ from, to }) => from <= to && Number.isInteger(from) && Number.isInteger(to));

function within(low: number, high: number, pattern: RegExp): Codec<number> {
  return { write: String, read: (t) => (pattern.test(t) && Number(t) >= low && Number(t) <= high ? Number(t) : undefined) };
}

export function makeAnalysisState() {
  return {
    /** Ranges of profiles whose statistics are told: pixels, and channels, ends included. */
    ranges: {
      x: new Leaf<ProfileRange | null>(null, orNone(profileRange)),
      y: new Leaf<ProfileRange | null>(null, orNone(profileRange)),
      spectrum: new Leaf<ProfileRange | null>(null, orNone(profileRange)),
    },
    contours: {
      panel: new Leaf(false, flag),
      on: new Leaf(false, flag),
      /** Of which of the open images they are; null: of the one on show, whichever that is. */
      of: new Leaf<ImageName | null>(null, orNone(json(readName))),
      /** In the image's unit, ascending. */
      levels: new Leaf<readonly number[]>([], numberList(MOST_LEVELS)),
      smoothing: new Leaf<(typeof SMOOTHINGS)[number]>("NoSmoothing", oneOf(SMOOTHINGS)),
      /** Pixels of a block, or 1 + twice the Gaussian's standard deviation. */
      factor: new Leaf(4, within(2, WIDEST_SMOOTHING, /^\d{1,3}$/)),
      colour: new Leaf("#ffffff", { write: (v: string) => v, read: (t: string) => (/^#[0-9a-f]{6}$/.test(t) ? t : undefined) }),
      lineWidth: new Leaf(1, within(0.1, WIDEST_CONTOUR, /^[\d.]{1,5}$/)),
    },
    regions: new Leaf<readonly RegionEntry[]>([], json(readRegions)),
    /** Which of them, from 0. */
    selected: new Leaf<number | null>(null, orNone(whole())),
    regionPanel: {
      open: new Leaf(false, flag),
      /** Of which the region's spectrum is. */
      spectrum: new Leaf<(typeof SPECTRUM_STATISTICS)[number]>("Mean", oneOf(SPECTRUM_STATISTICS)),
    },
  };
}

/** Another image. */
export function resetAnalysis({ regions, selected, ranges, contours }: ReturnType<typeof makeAnalysisState>): void {
  for (const [, leaf] of leaves({ regions, selected, ranges, ...(contours.of.value ? {} : { contours: { levels: contours.levels } }) })) leaf.reset();
}
