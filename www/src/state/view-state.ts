/** The whole state of a view: what a link says, and what a page that embeds the viewer watches and sets. */
import { COLORMAPS } from "../colormaps";
import { MOST_FRAMES_PER_SECOND, PLAY_MODES } from "../player";
import { STRETCHES, type Stretch, type StretchChoice } from "../stretch";
import { makeAnalysisState, resetAnalysis } from "./analysis-state";
import { readName, type ImageName } from "./image-name";
import { Leaf, flag, json, leaves, number, numbers, oneOf, orNone, text, whole } from "./tree";

export const PERCENTILES = [90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100];
export const DEFAULT_PERCENTILE = 99.5;
export const AXES = ["", "frequency", "velocity_radio", "velocity_optical", "velocity_relativistic", "wavelength", "air_wavelength"] as const;
export const SPECTRAL_FRAMES = ["", "TOPOCENT", "GEOCENTR", "BARYCENT", "HELIOCEN", "LSRK", "LSRD", "GALACTOC", "LOCALGRP", "CMBDIPOL"] as const;
export const FRAMES = ["", "ICRS", "FK5", "FK4", "GALACTIC", "ECLIPTIC"] as const;
export const FORMATS = ["auto", "sexagesimal", "degrees"] as const;

export const LAYOUTS = ["side", "blink", "one"] as const;
export const MOST_COMPANIONS = 5;

export interface Framing {
  /** Image point in the middle of the canvas, pixels, the centre of the first one at 0. */
  x: number;
  y: number;
  /** CSS pixels per image pixel. */
  scale: number;
}

const point = numbers(["x", "y"]);

export function makeViewState() {
  return {
    /** Path below the server's folder; "" while nothing is open. */
    file: new Leaf("", text),
    /** Which of the file's images, by number or name; "" is its first. */
    hdu: new Leaf("", text),
    channel: new Leaf(0, whole()),
    stokes: new Leaf(0, whole()),
    /** null: the whole image fits into the window. */
    view: new Leaf<Framing | null>(null, orNone(numbers(["x", "y", "scale"], ({ scale }) => scale > 0))),
    /** Image pixel; null: the middle. */
    cursor: new Leaf<{ x: number; y: number } | null>(null, orNone(point)),
    /** The cursor does not follow the pointer. */
    held: new Leaf(false, flag),
    colours: {
      map: new Leaf("Inferno", oneOf(Object.keys(COLORMAPS))),
      inverted: new Leaf(false, flag),
      stretch: new Leaf<StretchChoice>("auto", oneOf(["auto", ...STRETCHES])),
    },
    /** Where the colour map's middle lies in what the stretch gives, and how steep it is there. */
    shades: {
      contrast: new Leaf(1, number(0.1, 10)),
      bias: new Leaf(0.5, number(0, 1)),
    },
    clip: {
      /** null: the limits are chosen, not computed. */
      percentile: new Leaf<number | null>(DEFAULT_PERCENTILE, orNone(oneOf(PERCENTILES))),
      /** Percentiles are not computed anew for each channel. */
      fixed: new Leaf(false, flag),
      /** What the automatic stretch is; chosen once for an image, so that it does not change with the channel. null: still to be chosen. */
      stretch: new Leaf<Stretch | null>(null, orNone(oneOf(STRETCHES))),
      /** Only where they do not follow from the percentile and the channel. */
      limits: new Leaf<{ low: number; high: number } | null>(null, orNone(numbers(["low", "high"], ({ low, high }) => low <= high))),
    },
    /** Playing channels; last: null is the image's last one. */
    play: {
      rate: new Leaf(5, whole(1, MOST_FRAMES_PER_SECOND)),
      first: new Leaf(0, whole()),
      last: new Leaf<number | null>(null, orNone(whole())),
      mode: new Leaf<(typeof PLAY_MODES)[number]>("loop", oneOf(PLAY_MODES)),
    },
    spectrum: {
      axis: new Leaf<(typeof AXES)[number]>("", oneOf(AXES)),
      /** Rest frequency in Hz, for velocities; null: the header's. */
      rest: new Leaf<number | null>(null, orNone(number(Number.MIN_VALUE, Number.MAX_VALUE))),
      /** What frequencies and velocities are measured against; "" is the header's own. */
      frame: new Leaf<(typeof SPECTRAL_FRAMES)[number]>("", oneOf(SPECTRAL_FRAMES)),
    },
    /** Other images that are open, to be held against the one on show. */
    compare: {
      images: new Leaf<readonly ImageName[]>([], json(readNames)),
      layout: new Leaf<(typeof LAYOUTS)[number]>("side", oneOf(LAYOUTS)),
      /** They go along with its place and channel. */
      matched: new Leaf(true, flag),
      /** Seconds that each is seen while they blink. */
      seconds: new Leaf(1, number(0.4, 10)),
    },
    sky: {
      /** "" is the image's own. */
      frame: new Leaf<(typeof FRAMES)[number]>("", oneOf(FRAMES)),
      format: new Leaf<(typeof FORMATS)[number]>("auto", oneOf(FORMATS)),
    },
    marks: {
      grid: new Leaf(false, flag),
      beam: new Leaf(true, flag),
      scale: new Leaf(true, flag),
      compass: new Leaf(false, flag),
    },
    /** Parts of the panel on the right that are unfolded. */
    panels: {
      display: new Leaf(true, flag),
      sky: new Leaf(true, flag),
      /** null: unless the regions' panel needs the room. */
      x: new Leaf<boolean | null>(null, orNone(flag)),
      y: new Leaf<boolean | null>(null, orNone(flag)),
      spectrum: new Leaf<boolean | null>(true, orNone(flag)),
    },
    ...makeAnalysisState(),
  };
}

export type ViewState = ReturnType<typeof makeViewState>;

/** Another image: what was meant for the one before goes back to its default. */
export function resetForImage(state: ViewState): void {
  resetAnalysis(state);
  if (state.clip.percentile.value === null) state.clip.percentile.reset();
  for (const [, leaf] of leaves({ channel: state.channel, stokes: state.stokes, view: state.view, cursor: state.cursor, held: state.held, shades: state.shades, spectrum: { rest: state.spectrum.rest, frame: state.spectrum.frame }, play: { first: state.play.first, last: state.play.last }, clip: { limits: state.clip.limits, stretch: state.clip.stretch } })) leaf.reset();
}

function readNames(value: unknown): ImageName[] | undefined {
  if (!Array.isArray(value) || value.length > MOST_COMPANIONS) return undefined;
  const names = value.map(readName);
  return names.every((name) => name !== undefined) ? names : undefined;
}
