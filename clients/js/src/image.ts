/** An open image: what it is, and its pixels as tiles, spectra and exact blocks. */
import { toFloat32, toFloat64 } from "./binary.js";
import type { ContourLines } from "./contours.js";
import { CubelinkError } from "./error.js";
import type { AddRequiredTiles, AxesNumbers, Beam, ContourSet, Fields, HeaderEntry, Moment, OpenFileAck, RegionType, SetSpectralRequirementsSpectralConfig, StatsType } from "./icd.js";
import { fetchPreview, type Preview, type PreviewWanted } from "./preview.js";
import { momentRequest, renderArguments, type MomentsWanted, type RenderWanted, type Rendered } from "./products.js";
import type { CallOptions, Session, SessionChange } from "./session.js";
import { tileCode } from "./tile.js";
import type { TileCache } from "./tile-cache.js";
import type { Tile, TileStream } from "./tile-stream.js";

export interface ImageInfo {
  name: string;
  directory: string;
  hdu: string;
  /** Bytes of the file. */
  size: number;
  width: number;
  height: number;
  /** Channels; 1 if there is no such axis. */
  depth: number;
  stokes: number;
  axes: AxesNumbers | null;
  beams: Beam[];
  header: HeaderEntry[];
  /** The server's own summary: shape, projection, ranges. */
  summary: HeaderEntry[];
}

/** One pixel, or [start, end (exclusive), step]. */
export type Range = number | [from: number, to: number] | [from: number, to: number, step: number];

export type PixelArray = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | BigInt64Array | BigUint64Array;

export interface Block {
  /** x fastest, then y, channel, stokes. */
  data: PixelArray;
  /** Stokes, channels, rows, columns: slowest axis first, as numpy has it. */
  shape: number[];
}

/** Points, and what the world axes of the picture are: their names, units, and frame. */
export interface Coordinates {
  points: [number, number][];
  frame: string;
  names: string[];
  units: string[];
}

export interface SpectralAxisAnswer {
  values: Float64Array;
  unit: string;
  kind: string;
  /** As SPECSYS has it; "" where the header says nothing. */
  frame: string;
  /** Those that can be had, and why others can't. */
  frames: string[];
  framesRefused: Record<string, string>;
}

/** All that have a shape; annotations (ANN…) are drawn, not analysed. */
export type RegionShapeType = Exclude<RegionType, number | "ANNULUS">;

/**
 * A region in pixels of its image: vertices; of a rectangle or text the centre and [width, height]; of an ellipse the centre and the semi-axes, the first of which lies
 * along y; of a compass the origin and [length, length].
 */
export interface RegionShape {
  type: RegionShapeType;
  points: [number, number][];
  /** Degrees, counter-clockwise. */
  rotation?: number;
}

/** An image's client: what all have of it, and its stream of tiles. */
export interface ImageSession extends Session {
  tiles(): TileStream;
  decodeContours(set: ContourSet): Promise<ContourLines>;
  readonly tileCache: TileCache;
}

export interface TileOptions {
  /** Bit planes of ZFP (default 11); 32 and more are as good as exact. */
  quality?: number;
  /** Uncompressed: exact. */
  exact?: boolean;
}

const DEFAULT_QUALITY = 11;
/** How long fetchTile() waits for a tile by default. */
const TILE_SECONDS = 60;

interface Waiting {
  code: number;
  /** How the tile was asked for. */
  precision: number;
  settled: Promise<unknown>;
  resolve(tile: Tile): void;
  reject(error: unknown): void;
}

export interface StatisticsWanted {
  types?: string[];
  region?: number | object;
  channels?: number | [number, number];
  stokes?: number | string;
  percentiles?: number[];
}

export interface Statistics {
  /** By name; positions are [x, y] or [x, y, channel], null where there is none. */
  statistics: Record<string, number | number[] | null>;
  percentiles: number[];
  channels: [number, number];
  stokes: number;
  unit: string;
}

export class Image {
  readonly fileId: number;
  readonly info: ImageInfo;
  /** What the session shows of the image; others in the session may change it. */
  channel = 0;
  stokes = 0;
  /** Somebody else in the session has chosen another channel or polarisation. */
  onPlaneChanged: () => void = () => {};

  /** Those who wait for tiles, all of them of the plane that is shown. */
  private readonly waiting = new Set<Waiting>();
  private changing = 0;
  private listening = false;
  private stopListening: (() => void)[] = [];

  /** Use Client.open(). */
  constructor(
    readonly client: ImageSession,
    ack: OpenFileAck,
    directory: string,
    hdu: string,
  ) {
    const extended = ack.file_info_extended;
    this.fileId = ack.file_id;
    this.info = {
      name: ack.file_info.name,
      directory,
      hdu: hdu || (ack.file_info.HDU_list?.[0] ?? ""),
      size: ack.file_info.size,
      width: extended.width,
      height: extended.height,
      depth: Math.max(1, extended.depth),
      stokes: Math.max(1, extended.stokes),
      axes: extended.axes_numbers ?? null,
      beams: ack.beam_table ?? [],
      header: extended.header_entries ?? [],
      summary: extended.computed_entries ?? [],
    };
    this.stopListening.push(client.onSessionChange((change) => this.follow(change)));
  }

  /** Text or number of a header card, undefined if there is none. */
  card(name: string): string | number | undefined {
    const entry = this.info.header.find((e) => e.name === name);
    if (!entry) return undefined;
    return entry.entry_type === "STRING" || entry.entry_type === 0 ? entry.value : entry.numeric_value;
  }

  /** Names of the image's polarisations (I, Q, XX …), or their numbers where the header does not tell. */
  stokesNames(): string[] {
    const axis = this.info.header.find((e) => /^CTYPE\d$/.test(e.name) && e.value.trim().toUpperCase() === "STOKES")?.name.slice(5);
    const number = (key: string) => this.info.header.find((e) => e.name === `${key}${axis}`)?.numeric_value;
    const [crval, crpix, cdelt] = [number("CRVAL"), number("CRPIX"), number("CDELT") ?? 1];
    return Array.from({ length: this.info.stokes }, (_, i) => {
      if (axis === undefined || crval === undefined || crpix === undefined) return `${i}`;
      const value = Math.round(crval + (i + 1 - crpix) * cdelt);
      return STOKES.get(value) ?? `${value}`;
    });
  }

  /** Shows another channel or polarisation: later tiles, profiles and histograms are of it. `tiles` asks for tiles in the same message. */
  async setChannel(channel: number, stokes = this.stokes, tiles: number[] = [], options: TileOptions = {}): Promise<void> {
    const [oldChannel, oldStokes] = [this.channel, this.stokes];
    this.usePlane(channel, stokes);
    this.changing += 1;
    try {
      await this.client.carta.setImageChannels({
        file_id: this.fileId,
        channel,
        stokes,
        required_tiles: tiles.length > 0 ? this.tileRequest(tiles, options) : { file_id: this.fileId },
      });
    } catch (error) {
      if (this.channel === channel && this.stokes === stokes) this.usePlane(oldChannel, oldStokes);
      throw error;
    } finally {
      this.changing -= 1;
    }
  }

  /** Asks for tiles by their codes and does not wait for them: they arrive at client.tiles(). */
  async requestTiles(codes: number[], options: TileOptions = {}): Promise<void> {
    await this.client.tiles().ready();
    await this.client.carta.addRequiredTiles(this.tileRequest(codes, options));
  }

  /**
   * Pixels of one tile of the channel shown, row by row from the bottom, NaN where blank. Rejects if the channel is changed before it comes. Tiles are kept in
   * client.tileCache, so the pixels are shared: not to be written to. `fresh` asks the server in any case.
   */
  async fetchTile(layer: number, x: number, y: number, { signal, timeout = TILE_SECONDS, fresh = false, ...options }: TileOptions & CallOptions & { fresh?: boolean } = {}): Promise<Tile> {
    const code = tileCode(layer, x, y);
    const precision = options.exact ? Infinity : (options.quality ?? DEFAULT_QUALITY);
    if (signal?.aborted) throw signal.reason;
    const place = { fileId: this.fileId, channel: this.channel, stokes: this.stokes, layer, x, y };
    const kept = fresh || this.client.state !== "connected" ? undefined : this.client.tileCache.get(place, precision);
    if (kept) return kept;
    await this.listenForTiles();
    // One request replaces another that still waits in the server, and each has one precision for all its tiles.
    while (![...this.waiting].every((w) => w.precision === precision)) await Promise.allSettled([...this.waiting].map((w) => w.settled));
    if (signal?.aborted) throw signal.reason;
    let waiting!: Waiting;
    const tile = new Promise<Tile>((resolve, reject) => (waiting = { code, precision, settled: Promise.resolve(), resolve, reject }));
    waiting.settled = tile;
    this.waiting.add(waiting);
    const late = () => waiting.reject(new CubelinkError(`tile ${layer}/${x}/${y} did not come within ${timeout} s`));
    const timer = setTimeout(late, 1000 * timeout);
    const aborted = () => waiting.reject(signal!.reason);
    signal?.addEventListener("abort", aborted);
    try {
      // It replaces what was asked for before: so it names all tiles that are still due.
      const due = new Set([...this.waiting].map((w) => w.code));
      this.requestTiles([...due], options).catch((error: unknown) => waiting.reject(error));
      const fetched = await tile;
      this.client.tileCache.add(fetched, precision);
      return fetched;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      this.waiting.delete(waiting);
    }
  }

  /** Values along the spectral axis at one pixel of the polarisation shown (or of `stokes`); leaves cursor and channel as they are. */
  async spectrum(x: number, y: number, stokes = this.stokes, options: CallOptions = {}): Promise<Float32Array | Float64Array> {
    const { data } = await this.readBlock({ x, y, channel: [0, this.info.depth], stokes }, options);
    return data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data as ArrayLike<number>, Number);
  }

  /** Exact pixel values; what is not named is whole (x, y) or as shown (channel, stokes). */
  async readBlock(box: { x?: Range; y?: Range; channel?: Range; stokes?: Range } = {}, options: CallOptions = {}): Promise<Block> {
    const wanted = {
      file_id: this.fileId,
      x: span(box.x ?? [0, this.info.width]),
      y: span(box.y ?? [0, this.info.height]),
      channel: span(box.channel ?? this.channel),
      stokes: span(box.stokes ?? this.stokes),
    };
    return toBlock(await this.client.call("image.read", [], wanted, options));
  }

  /** @internal The preview that was asked for with the opening, if one was. */
  firstPreview: Promise<Preview> | null = null;

  /** A look at a plane of any size within a moment, while its tiles are made. Rejects for an image that is still to be computed. */
  async preview({ width = 512, height = 512, channel = this.channel, stokes = this.stokes }: PreviewWanted = {}, options: CallOptions = {}): Promise<Preview> {
    return fetchPreview(this.client, this.fileId, { width, height, channel, stokes }, options);
  }

  /**
   * Exact statistics of the finite pixels of the plane shown, of a region (an id, or its region_info) or of a range of channels (the last one not
   * included). `types`: Mean, Sigma, Max, …, Median, MAD, Q1, Q3, Percentile:97.5.
   */
  statistics(wanted: StatisticsWanted = {}, options: CallOptions = {}): Promise<Statistics> {
    return this.client.call("image.statistics", [], { file_id: this.fileId, stokes: this.stokes, ...wanted }, options);
  }

  /** A picture that the server draws and encodes as the viewer shows it. */
  render(wanted: RenderWanted = {}, options: CallOptions = {}): Promise<Rendered> {
    return this.client.call("image.render", [], renderArguments(this.fileId, wanted), options);
  }

  /** Moment images of the polarisation shown, opened in the session, in the order of `moments`. Those who listen to carta.moment.progress hear how far they are. */
  async moments(moments: Moment[] = ["INTEGRATED_OF_THE_SPECTRUM"], wanted: MomentsWanted = {}, options: CallOptions = {}): Promise<Image[]> {
    const { open_file_acks } = await this.client.carta.momentRequest(momentRequest(this.fileId, moments, wanted), options);
    return open_file_acks.map((ack) => new Image(this.client, ack, this.info.directory, ""));
  }

  /** The header's cards as the file has them. */
  header(): Promise<{ cards: string[]; hdu: string; name: string }> {
    return this.client.call("image.header", [this.fileId]);
  }

  /** World coordinates of pixels [x, y] in the image's own frame or in `frame` (ICRS, FK5, FK4, GALACTIC, ECLIPTIC). */
  toWorld(points: [number, number][], frame?: string): Promise<Coordinates> {
    return this.client.call("image.to_world", frame === undefined ? [this.fileId, points] : [this.fileId, points, frame]);
  }

  /** Pixels of world coordinates. */
  toPixel(points: [number, number][], frame?: string): Promise<Coordinates> {
    return this.client.call("image.to_pixel", frame === undefined ? [this.fileId, points] : [this.fileId, points, frame]);
  }

  /**
   * The channels' frequencies, wavelengths or velocities. `frame`: the spectral frame they are to be in ("LSRK"), of the answer's `frames`, for the direction of the
   * image point `point`, the image's middle if absent; without it the header's own.
   */
  async spectralAxis(kind?: string, restFrequency?: number, frame?: string, point?: [number, number]): Promise<SpectralAxisAnswer> {
    const kwargs: Record<string, unknown> = { file_id: this.fileId };
    if (kind !== undefined) kwargs["kind"] = kind;
    if (restFrequency !== undefined) kwargs["rest_freq"] = restFrequency;
    if (frame !== undefined) kwargs["frame"] = frame;
    if (point !== undefined) kwargs["point"] = point;
    const answer = await this.client.call("image.spectral_axis", [], kwargs);
    const values = answer.values instanceof Uint8Array ? toFloat64(answer.values) : Float64Array.from(answer.values ?? []);
    return { values, unit: answer.unit ?? "", kind: answer.kind ?? kind ?? "", frame: answer.frame ?? "", frames: answer.frames ?? [], framesRefused: answer.frames_refused ?? {} };
  }

  /** Moves the cursor; profiles that were asked for arrive on the topics carta.spatial.profile.data and carta.spectral.profile.data. */
  async setCursor(x: number, y: number): Promise<void> {
    await this.client.carta.setCursor({ file_id: this.fileId, point: { x, y } });
  }

  /** Makes a region, or changes the one that `id` names; its id. */
  async setRegion({ type, points, rotation = 0, id = -1 }: RegionShape & { id?: number }): Promise<number> {
    const region_info = { region_type: type, control_points: points.map(([x, y]) => ({ x, y })), rotation };
    const { region_id } = await this.client.carta.setRegion({ file_id: this.fileId, region_id: id, region_info });
    return region_id;
  }

  async removeRegion(id: number): Promise<void> {
    await this.client.carta.removeRegion({ region_id: id });
  }

  /**
   * Calls `listener` with a statistic of a region (default: the mean) in each channel, NaN where there is none or not yet, whenever the region or the image changes,
   * until the function that it resolves to is called. `progress` is 1 once all channels are there. The region may be of another image that shows the same sky.
   */
  async followSpectrum(id: number, listener: (values: Float64Array, progress: number) => void, statistic: StatsType = "Mean", coordinate = "z"): Promise<() => Promise<void>> {
    const require = (list: Fields<SetSpectralRequirementsSpectralConfig>[]) => this.client.carta.setSpectralRequirements({ file_id: this.fileId, region_id: id, spectral_profiles: list });
    const subscription = await this.client.subscribe("carta.spectral.profile.data", { file_id: this.fileId, region_id: id }, (message) => {
      for (const profile of message.profiles ?? [])
        if (profile.coordinate === coordinate && profile.stats_type === statistic) listener(toFloat64(profile.raw_values_fp64), message.progress);
    });
    await require([{ coordinate, stats_types: [statistic] }]);
    return async () => {
      await subscription.unsubscribe();
      await require([]);
    };
  }

  async close(): Promise<void> {
    for (const stop of this.stopListening) stop();
    this.stopListening = [];
    this.giveUp("the image was closed");
    this.client.tileCache.forget(this.fileId);
    await this.client.carta.closeFile({ file_id: this.fileId });
  }

  private tileRequest(codes: number[], options: TileOptions): Fields<AddRequiredTiles> {
    return {
      file_id: this.fileId,
      tiles: codes,
      compression_type: options.exact ? "NONE" : "ZFP",
      compression_quality: options.exact ? 0 : (options.quality ?? DEFAULT_QUALITY),
    };
  }

  private usePlane(channel: number, stokes: number): void {
    if (channel === this.channel && stokes === this.stokes) return;
    this.channel = channel;
    this.stokes = stokes;
    this.giveUp("another channel was chosen before the tile came");
  }

  private follow({ what, file_id, channel, stokes }: SessionChange): void {
    // While a change of ours is under way, what is told may be older than it.
    if (what !== "channels" || file_id !== this.fileId || this.changing > 0) return;
    if (channel === undefined || stokes === undefined || (channel === this.channel && stokes === this.stokes)) return;
    this.usePlane(channel, stokes);
    this.onPlaneChanged();
  }

  private async listenForTiles(): Promise<void> {
    await this.client.tiles().ready();
    if (this.listening) return;
    this.listening = true;
    const due = (tile: { fileId: number; channel: number; stokes: number; layer: number; x: number; y: number }) => {
      if (tile.fileId !== this.fileId || tile.channel !== this.channel || tile.stokes !== this.stokes) return [];
      const code = tileCode(tile.layer, tile.x, tile.y);
      return [...this.waiting].filter((w) => w.code === code);
    };
    this.stopListening.push(
      this.client.tiles().listen({
        tile: (tile) => due(tile).forEach((w) => w.resolve(tile)),
        failed: (error, tile) => due(tile).forEach((w) => w.reject(error)),
        refused: (error) => {
          // The file may have been written again.
          this.client.tileCache.forget(this.fileId);
          this.waiting.forEach((w) => w.reject(error));
        },
      }),
      this.client.onState(({ state }) => {
        if (state !== "connected" && state !== "connecting") this.giveUp("connection lost");
      }),
    );
  }

  private giveUp(why: string): void {
    for (const waiting of this.waiting) waiting.reject(new CubelinkError(why));
    this.waiting.clear();
  }
}

/** FITS's numbers of polarisations. */
const STOKES = new Map([
  [1, "I"], [2, "Q"], [3, "U"], [4, "V"],
  [-1, "RR"], [-2, "LL"], [-3, "RL"], [-4, "LR"],
  [-5, "XX"], [-6, "YY"], [-7, "XY"], [-8, "YX"],
]); // prettier-ignore

function span(range: Range): number[] {
  return typeof range === "number" ? [range, range + 1, 1] : [range[0], range[1], range[2] ?? 1];
}

type ArrayMaker = new (buffer: ArrayBufferLike) => PixelArray;
/** By numpy's names of types, of which only the little-endian ones travel. */
const ARRAYS: Record<string, ArrayMaker> = {
  f4: Float32Array,
  f8: Float64Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

function toBlock(answer: { data?: unknown; dtype?: string; shape?: number[] }): Block {
  const { data, dtype = "float32", shape = [] } = answer;
  const make = ARRAYS[dtype.replace(/^[<|=]/, "")];
  if (!(data instanceof Uint8Array) || !make) throw new CubelinkError(`image.read: an answer of an unknown type (${dtype})`);
  if (make === (Float32Array as unknown)) return { data: toFloat32(data), shape };
  return { data: new make(data.slice().buffer), shape };
}
