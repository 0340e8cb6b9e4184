/** The image on show and everything that the server tells about it: signals that panels watch, and wishes that go to the server, the newest first. */
import {
  toFloat32,
  toFloat64,
  type Client,
  type Histogram,
  type Image,
  type RegionHistogramData,
  type SpatialProfile,
  type SpatialProfileData,
  type SpectralProfileData,
  type Subscription,
} from "cubelink";
import { LinkMeter } from "./link-meter";
import { Player } from "./player";
import { Previews } from "./previews";
import { Pump } from "./pump";
import { Signal } from "./signal";
import { planeKey, type TileCache } from "./tile-cache";
import { TileLoader, type Plane } from "./tile-loader";

export interface Profile {
  positions: number[];
  values: Float32Array | Float64Array;
}

export interface CursorValue {
  x: number;
  y: number;
  value: number;
  channel: number;
  stokes: number;
  profiles: { x?: Profile; y?: Profile };
}

export interface SpectralAxis {
  kind: string;
  label: string;
  unit: string;
  values: ArrayLike<number>;
  /** As SPECSYS has it; "" for channels, and where the header says nothing. */
  frame: string;
}

export interface Sky {
  lon: number;
  lat: number;
  /** As the server has them: ["RA", "DEC"] and ["deg", "deg"] for a sky. */
  names: string[];
  units: string[];
  frame: string;
  x: number;
  y: number;
}

interface Range {
  start: number;
  end: number;
}

/** Longer profiles are thinned out by the server: minimum and maximum of each few pixels. */
const LONGEST_PROFILE = 4096;
/** Over a slow connection, so that the value at the cursor does not wait for them. */
const LONGEST_ON_SLOW = 512;
/** Histograms come anew with each change of plane; they may come before the plane is on show, no longer. Each can have 10⁴ bins and more. */
const HISTOGRAMS_KEPT = 16;

export class OpenImage {
  readonly loader: TileLoader;
  readonly player: Player;
  /** Begins to play channels as the state says, or stops. */
  togglePlaying: () => void = () => {};
  /** Of all pixels. */
  readonly histogram = new Signal<Histogram | null>(null);
  /** Of a sample of the pixels of the plane on show, as long as that of all of them has not come. */
  readonly sample = new Signal<Histogram | null>(null);
  readonly cursor = new Signal<CursorValue | null>(null);
  readonly spectrum = new Signal<(Profile & { progress: number }) | null>(null);
  /** What the spectrum is drawn over. */
  readonly axis: Signal<SpectralAxis>;
  /** The header's own: frequencies or velocities of the channels, null where it names none. */
  readonly headerAxis = new Signal<SpectralAxis | null>(null);
  /** Radio velocities of the channels, where the header has frequencies and a rest frequency. */
  readonly velocityAxis = new Signal<SpectralAxis | null>(null);
  /** Which spectral frames there are to choose from, and why not others; null until it is known. */
  readonly spectralFrames = new Signal<{ own: string; offered: string[]; refused: Record<string, string> } | null>(null);
  readonly sky = new Signal<Sky | null>(null);

  private readonly previews: Previews;
  private readonly link: LinkMeter;
  private readonly histograms = new Map<string, Histogram>();
  private stop: (() => void)[] = [];
  private spatialSent = "";
  private wantedRange: { x: Range; y: Range } | null = null;
  /** Where the cursor was put last, until the session tells where it is. */
  private wishedCursor: { x: number; y: number } | null = null;
  /** From a reconnect until require() has put the cursor where it was. */
  private returning = false;

  private readonly cursorPump: Pump<{ x: number; y: number }>;
  private readonly spatialPump: Pump<void>;
  private readonly skyPump: Pump<{ x: number; y: number }>;
  private axisWish = "//";
  private rest: number | null = null;
  private spectralFrame = "";
  private hasSky = true;
  private frame = "";

  constructor(
    readonly image: Image,
    cache: TileCache,
    redraw: () => void,
    onError: (error: unknown) => void,
  ) {
    this.loader = new TileLoader(image, cache, redraw, onError);
    this.link = LinkMeter.of(image.client);
    this.previews = new Previews(image, cache, this.loader);
    this.previews.onSample = () => this.useHistogram(this.loader.shown.value);
    this.player = new Player(image, this.loader, onError);
    this.axis = new Signal<SpectralAxis>(channelAxis(image.info.depth));
    this.cursorPump = new Pump(({ x, y }) => this.link.time(image.setCursor(x, y)), onError);
    this.spatialPump = new Pump(() => this.sendSpatial(), onError);
    this.skyPump = new Pump((point) => this.askSky(point), onError);
    this.stop.push(this.loader.shown.watch((plane) => this.useHistogram(plane)));
  }

  /** Listens to the topics that a viewer needs. Before the image is opened, since its histogram comes with it. */
  static async listen(client: Client, current: () => OpenImage | null, early: (data: RegionHistogramData) => void): Promise<Subscription[]> {
    const of = (fileId: number) => {
      const open = current();
      return open && open.image.fileId === fileId ? open : null;
    };
    const [, ...subscriptions] = await Promise.all([
      client.tiles().ready(),
      client.subscribe<RegionHistogramData>("carta.region.histogram.data", {}, (data) => {
        const open = of(data.file_id);
        if (open) open.takeHistogram(data);
        else early(data);
      }),
      client.subscribe<SpatialProfileData>("carta.spatial.profile.data", {}, (data) => of(data.file_id)?.takeSpatial(data)),
      client.subscribe<SpectralProfileData>("carta.spectral.profile.data", {}, (data) => of(data.file_id)?.takeSpectral(data)),
    ]);
    return subscriptions;
  }

  /** The connection is back: until require() has set it again, the session may tell an older place, as a server does that was started again. */
  keepCursor(): void {
    this.wishedCursor ??= this.cursor.value;
    this.returning = true;
  }

  /** Asks for the profiles at the cursor, at first at `at` or in the middle. To be called again when the session was not resumed. */
  async require(at: { x: number; y: number } | null = null): Promise<void> {
    this.spatialSent = "";
    const { fileId, info } = this.image;
    if (info.depth > 1) {
      await this.image.client.carta["setSpectralRequirements"]!({
        file_id: fileId,
        region_id: 0,
        spectral_profiles: [{ coordinate: "z", stats_types: ["Mean"] }],
      });
      if (info.axes?.spectral && !this.headerAxis.value) void this.readHeaderAxis();
    }
    this.spatialPump.push();
    // The pointer may have gone on while this has waited, or while there was no connection.
    const { x, y } = this.wishedCursor ?? this.cursor.value ?? at ?? { x: Math.floor(info.width / 2), y: Math.floor(info.height / 2) };
    this.setCursor(x, y);
    this.returning = false;
  }

  /** The image's own, and those that can be computed from them, by the numbers that the server knows them by. */
  get polarizations(): { stokes: number; name: string }[] {
    const own = this.image.stokesNames();
    const computed = COMPUTED.filter(({ needs }) => [...needs].every((name) => own.includes(name)));
    return [...own.map((name, stokes) => ({ stokes, name })), ...computed];
  }

  /** In which frame sky positions are told; "" is the image's own. */
  useFrame(frame: string): void {
    if (frame === this.frame) return;
    this.frame = frame;
    const at = this.cursor.value;
    if (at && this.hasSky) this.skyPump.push({ x: at.x, y: at.y });
  }

  /** Asks for the histograms of the planes on show, which otherwise come with the image. */
  async requireHistogram(): Promise<void> {
    const histograms = [{ coordinate: "z", channel: -1, num_bins: -1 }];
    await this.image.client.carta["setHistogramRequirements"]!({ file_id: this.image.fileId, region_id: -1, histograms });
  }

  /** (x, y) in image pixels; the profiles, the value and the sky position follow. */
  setCursor(x: number, y: number): void {
    const { width, height } = this.image.info;
    if (x < -0.5 || y < -0.5 || x >= width - 0.5 || y >= height - 0.5) return;
    this.loader.touch();
    const place = (this.wishedCursor = { x: Math.round(x), y: Math.round(y) });
    this.cursorPump.push(place);
    if (this.hasSky) this.skyPump.push(place);
  }

  /** Profiles are asked for over the visible part only. */
  setVisible(x: Range, y: Range): void {
    this.wantedRange = { x, y };
    this.spatialPump.push();
  }

  setPlane(plane: Plane): void {
    const { depth, stokes } = this.image.info;
    const within = {
      channel: Math.min(depth - 1, Math.max(0, Math.round(plane.channel))),
      stokes: this.polarizations.some((choice) => choice.stokes === plane.stokes) ? plane.stokes : Math.min(stokes - 1, Math.max(0, plane.stokes)),
    };
    this.player.stop(() => this.loader.setPlane(within));
  }

  /** `kind` as image.spectral_axis names it, "" for channels; `rest` is the rest frequency in Hz if it is not to be the header's, `frame` the spectral frame. */
  async useAxis(kind: string, rest: number | null, frame: string): Promise<void> {
    const wish = `${kind}/${rest ?? ""}/${frame}`;
    if (wish === this.axisWish) return;
    this.axisWish = wish;
    if (rest !== this.rest || frame !== this.spectralFrame) {
      this.rest = rest;
      this.spectralFrame = frame;
      void this.readHeaderAxis();
    }
    try {
      const axis = kind === "" ? channelAxis(this.image.info.depth) : await this.readAxis(kind);
      if (this.axisWish === wish) this.axis.set(axis);
    } catch (error) {
      if (this.axisWish === wish) this.axisWish = `${this.axis.value.kind}/?/`;
      throw error;
    }
  }

  private async readHeaderAxis(): Promise<void> {
    try {
      const axis = await this.readAxis();
      if (axis.unit !== "") this.headerAxis.set(axis);
      if (axis.kind !== "frequency") return;
      const { rest, spectralFrame } = this;
      const velocity = await this.readAxis("velocity_radio");
      if (rest === this.rest && spectralFrame === this.spectralFrame) this.velocityAxis.set(velocity);
    } catch {
      // Not all headers say enough for it: then channels have numbers alone.
    }
  }

  private async readAxis(wish?: string): Promise<SpectralAxis> {
    const wanted = this.spectralFrame;
    const { values, unit, kind, frame, frames, framesRefused } = await this.image.spectralAxis(wish, this.rest ?? undefined, wanted || undefined);
    if (!this.spectralFrames.value) this.spectralFrames.set({ own: String(this.image.card("SPECSYS") ?? "").trim(), offered: frames, refused: framesRefused });
    if (values.length !== this.image.info.depth) throw new Error(`the image has no spectral axis of the kind ${kind}`);
    // In units that give short numbers.
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const label = AXIS_LABELS[kind] ?? kind;
    if (unit === "Hz") {
      const [factor, name] = largest >= 1e9 ? [1e-9, "GHz"] : largest >= 1e6 ? [1e-6, "MHz"] : [1, "Hz"];
      return { values: values.map((v) => v * factor), kind, unit: name, label, frame };
    }
    if (unit === "m/s") return { values: values.map((v) => v / 1000), kind, unit: "km/s", label, frame };
    if (unit === "m") {
      const [factor, name] = largest >= 1e-4 ? [1e3, "mm"] : largest >= 3e-6 ? [1e6, "µm"] : [1e9, "nm"];
      return { values: values.map((v) => v * factor), kind, unit: name, label, frame };
    }
    return { values, kind, unit, label, frame };
  }

  /** All tiles of the view are on show, with the limits of their own histogram. */
  get settled(): boolean {
    const { channel, stokes } = this.loader.shown.value;
    return this.loader.settled && this.histograms.has(planeKey(this.image.fileId, channel, stokes));
  }

  takeHistogram(data: RegionHistogramData): void {
    if (data.region_id !== -1 || !data.histograms || data.config?.fixed_bounds || data.config?.fixed_num_bins) return;
    const key = planeKey(data.file_id, data.channel, data.stokes);
    this.histograms.delete(key); // the newest is the last one
    this.histograms.set(key, data.histograms);
    if (this.histograms.size > HISTOGRAMS_KEPT) this.histograms.delete(this.histograms.keys().next().value!);
    this.useHistogram(this.loader.shown.value);
  }

  close(): void {
    this.player.close();
    this.previews.close();
    this.loader.close();
    this.stop.forEach((stop) => stop());
    this.cursorPump.clear();
    this.spatialPump.clear();
    this.skyPump.clear();
  }

  private useHistogram(plane: Plane): void {
    const histogram = this.histograms.get(planeKey(this.image.fileId, plane.channel, plane.stokes));
    if (histogram && histogram !== this.histogram.value) this.histogram.set(histogram);
    const sample = histogram ? null : (this.previews.histogram(plane) ?? null);
    if (sample !== this.sample.value) this.sample.set(sample);
  }

  private takeSpatial(data: SpatialProfileData): void {
    if (data.region_id !== 0) return;
    if (!this.returning && !this.cursorPump.busy) this.wishedCursor = null;
    const profiles: CursorValue["profiles"] = {};
    for (const profile of data.profiles) {
      if (profile.coordinate === "x" || profile.coordinate === "y") profiles[profile.coordinate] = toProfile(profile);
    }
    this.cursor.set({ x: data.x, y: data.y, value: data.value ?? NaN, channel: data.channel, stokes: data.stokes, profiles });
  }

  private takeSpectral(data: SpectralProfileData): void {
    const profile = data.region_id === 0 ? data.profiles[0] : undefined;
    if (!profile) return;
    const values = profile.raw_values_fp64?.byteLength ? toFloat64(profile.raw_values_fp64) : toFloat32(profile.raw_values_fp32);
    this.spectrum.set({ positions: Array.from(values, (_, i) => i), values, progress: data.progress });
  }

  private async sendSpatial(): Promise<void> {
    const range = this.wantedRange;
    if (!range) return;
    const longest = this.link.slow ? LONGEST_ON_SLOW : LONGEST_PROFILE;
    const config = (coordinate: "x" | "y", { start, end }: Range) => ({
      coordinate,
      start,
      end,
      mip: 2 ** Math.max(0, Math.ceil(Math.log2((end - start) / longest))),
      width: 0,
    });
    const request = { file_id: this.image.fileId, region_id: 0, spatial_profiles: [config("x", range.x), config("y", range.y)] };
    const text = JSON.stringify(request);
    if (text === this.spatialSent) return;
    this.spatialSent = text;
    await this.image.client.carta["setSpatialRequirements"]!(request);
  }

  private async askSky({ x, y }: { x: number; y: number }): Promise<void> {
    try {
      const { points, names, units, frame } = this.frame === "" ? await this.image.toWorld([[x, y]]) : await this.image.toWorld([[x, y]], this.frame);
      const [lon, lat] = points[0]!;
      this.sky.set({ lon, lat, names, units, frame, x, y });
    } catch {
      // An image without a sky is asked once, not at each move.
      if (this.image.client.state !== "connected") return;
      this.hasSky = false;
      this.sky.set(null);
    }
  }
}

const COMPUTED = [
  { stokes: 13, name: "Ptotal", needs: "QUV" },
  { stokes: 14, name: "Plinear", needs: "QU" },
  { stokes: 15, name: "PFtotal", needs: "IQUV" },
  { stokes: 16, name: "PFlinear", needs: "IQU" },
  { stokes: 17, name: "Pangle", needs: "QU" },
];

const AXIS_LABELS: Record<string, string> = {
  frequency: "Frequency",
  wavelength: "Wavelength",
  velocity_radio: "Radio velocity",
  velocity_optical: "Optical velocity",
  velocity_relativistic: "Relativistic velocity",
  air_wavelength: "Wavelength in air",
};

function channelAxis(depth: number): SpectralAxis {
  return { kind: "", label: "Channel", unit: "", frame: "", values: Float64Array.from({ length: depth }, (_, i) => i) };
}

/** Positions of a profile's values. With mip > 1 they come as minimum and maximum of each 2 mip pixels, in the order in which they occur. */
function toProfile(profile: SpatialProfile): Profile {
  const values = toFloat32(profile.raw_values_fp32);
  const mip = Math.max(1, profile.mip);
  const first = mip === 1 ? profile.start : 2 * Math.ceil(profile.start / (2 * mip)) * mip;
  return { values, positions: Array.from(values, (_, i) => first + i * mip) };
}
