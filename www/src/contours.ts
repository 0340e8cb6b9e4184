/** Contours of the plane on show: asked for with what the state says, unpacked, and kept until another plane or other levels take their place. */
import { type Client, type ContourLines, type ContourImageData, type Histogram, type Image } from "cubelink";
import { piecesOf, type ContourPiece } from "./contour-pieces";
import type { TileLoader } from "./tile-loader";
import { Pump } from "./pump";
import { Signal } from "./signal";
import { percentileLimits } from "./stretch";
import { watchTree } from "./state/tree";
import type { ViewState } from "./state/view-state";
import { planeKey } from "./tile-cache";

/** Steps in a pixel that vertices are rounded to: a fine line at the largest zoom. */
const STEPS = 16;
const COMPRESSION = 8;
/** Unpacked in a few milliseconds. */
const CHUNK_VERTICES = 50_000;
/** Of a plane: some 200 MB. */
const MOST_VERTICES = 20e6;
/** The share of pixels above the lowest and the highest of levels that are chosen by themselves. */
const TAILS = [0.2, 0.001] as const;

export interface ContourLevel {
  level: number;
  pieces: ContourPiece[];
  vertices: number;
  /** 0 to 1. */
  progress: number;
}

/** An image on show, or one beside it. */
export interface ContourSource {
  readonly image: Image;
  readonly loader: TileLoader;
  readonly histogram: Signal<Histogram | null>;
  /** The server knows no more of it. */
  readonly closed?: boolean;
}

/** `count` levels, so that the pixels above them become fewer by the same factor from one to the next. */
export function automaticLevels(histogram: Histogram, count: number): number[] {
  const [lowest, highest] = TAILS;
  const levels = Array.from({ length: count }, (_, i) => {
    const tail = count > 1 ? lowest * (highest / lowest) ** (i / (count - 1)) : 0.05;
    // The upper of the limits that leave half of the rest on either side.
    const limits = percentileLimits(histogram, 100 - 200 * tail);
    return limits ? Number(limits.high.toPrecision(4)) : NaN;
  });
  return [...new Set(levels.filter(Number.isFinite))].sort((a, b) => a - b);
}

export class Contours {
  /** By the number of the level, of the plane on show; told anew with each part that comes. */
  readonly shown = new Signal<readonly ContourLevel[]>([]);
  /** For tests: the lines as they came, if they are to be kept. */
  kept: { level: number; vertices: number[]; starts: number[] }[] | null = null;

  private open: ContourSource | null = null;
  /** Which levels have been asked for, as they were written in the last request. */
  private asked: number[] = [];
  /** The same, as they were wished for. */
  private wishes: readonly number[] = [];
  private request = 0;
  private readonly planes = new Map<string, { request: number; levels: ContourLevel[] }>();
  private readonly pump: Pump<void>;
  private readonly stopState: () => void;
  private stop: (() => void)[] = [];

  constructor(
    private readonly state: ViewState,
    private readonly onError: (error: unknown) => void,
  ) {
    this.pump = new Pump(() => this.ask(), onError);
    const { on, levels, smoothing, factor } = state.contours;
    this.stopState = watchTree({ on, levels, smoothing, factor }, () => this.open && this.pump.push());
  }

  async listen(client: Client): Promise<void> {
    await client.subscribe<ContourImageData>("carta.contour.image.data", {}, (data) => this.take(data));
  }

  show(open: ContourSource | null): void {
    if (open === this.open) return;
    this.stop.forEach((stop) => stop());
    this.stop = [];
    this.takeBack();
    this.open = open;
    this.asked = [];
    this.planes.clear();
    this.shown.set([]);
    if (!open) return;
    this.stop = [open.loader.shown.watch(() => this.usePlane())];
    if (this.state.contours.on.value) this.pump.push();
  }

  /** An image that stays open beside others is not to go on sending contours. */
  private takeBack(): void {
    const { open } = this;
    if (!open || open.closed || this.asked.length === 0 || open.image.client.state !== "connected") return;
    void open.image.client.carta.setContourParameters({ file_id: open.image.fileId, reference_file_id: open.image.fileId, levels: [] }).catch(() => undefined);
  }

  /** The connection is another one, which has been asked for nothing yet. */
  again(): void {
    if (this.asked.length > 0) this.pump.push();
  }

  destroy(): void {
    this.show(null);
    this.stopState();
  }

  /** All lines of what was asked for last are there. */
  get complete(): boolean {
    const plane = this.open ? this.planes.get(this.planeOnShow()) : undefined;
    return !this.pump.busy && this.asked.length > 0 && plane?.request === this.request && plane.levels.every(({ progress }) => progress >= 1);
  }

  private async ask(): Promise<void> {
    const { open } = this;
    if (!open) return;
    const { carta } = open.image.client;
    const file = { file_id: open.image.fileId, reference_file_id: open.image.fileId };
    const { levels, smoothing, factor } = this.state.contours;
    const wanted = this.state.contours.on.value ? levels.value : [];
    if (wanted.length === 0 && this.asked.length === 0) return;
    this.request += 1;
    this.wishes = wanted;
    this.asked = wanted.map((level) => told(level, this.request));
    if (wanted.length === 0) {
      this.planes.clear();
      this.usePlane();
      await carta.setContourParameters({ ...file, levels: [] });
      return;
    }
    const { width, height } = open.image.info;
    await carta.setContourParameters({
      ...file,
      image_bounds: { x_min: 0, x_max: width, y_min: 0, y_max: height },
      levels: this.asked,
      smoothing_mode: smoothing.value,
      smoothing_factor: smoothing.value === "NoSmoothing" ? 1 : factor.value,
      decimation_factor: STEPS,
      compression_level: COMPRESSION,
      contour_chunk_size: CHUNK_VERTICES,
    });
  }

  private take(data: ContourImageData): void {
    const { open } = this;
    if (!open || data.file_id !== open.image.fileId) return;
    // Of another plane, unless it is about to be shown: nobody will look at it.
    const { shown, wanted } = open.loader;
    if (![shown.value, wanted.value].some(({ channel, stokes }) => channel === data.channel && stokes === data.stokes)) return;
    const key = planeKey(data.file_id, data.channel, data.stokes);
    for (const set of data.contour_sets) {
      const index = this.asked.findIndex((level) => level === set.level);
      if (index < 0) continue; // of an older request
      const { request } = this;
      const add = (lines: ContourLines) => {
        // Unless the contours were asked for anew, or the image was closed, while they were decoded.
        if (this.open !== open || this.request !== request) return;
        this.add(key, index, lines, data.progress);
        if (key === this.planeOnShow()) this.usePlane();
      };
      open.image.client.decodeContours(set).then(add).catch((error: unknown) => this.open === open && this.onError(error));
    }
  }

  /** Parts come in any order: they are added to one another, whichever was the last. */
  private add(key: string, index: number, { vertices, starts }: { vertices: Float32Array; starts: Int32Array }, progress: number): void {
    let plane = this.planes.get(key);
    // Older ones stay until then.
    if (plane?.request !== this.request) {
      plane = { request: this.request, levels: this.wishes.map((level) => ({ level, pieces: [], vertices: 0, progress: 0 })) };
      this.planes.set(key, plane);
    }
    const level = plane.levels[index];
    if (!level) return;
    level.progress = Math.max(level.progress, progress);
    level.vertices += vertices.length / 2;
    for (const piece of piecesOf(vertices, starts)) level.pieces.push(piece);
    if (plane.levels.reduce((sum, { vertices: n }) => sum + n, 0) > MOST_VERTICES) {
      this.state.contours.on.set(false);
      this.onError(new Error(`These contours have more than ${MOST_VERTICES / 1e6} million vertices: choose higher levels, or more smoothing.`));
    }
    this.kept?.push({ level: level.level, vertices: [...vertices], starts: [...starts] });
  }

  private planeOnShow(): string {
    const { channel, stokes } = this.open!.loader.shown.value;
    return planeKey(this.open!.image.fileId, channel, stokes);
  }

  /** What belongs to planes that are neither on show nor about to be is let go. */
  private usePlane(): void {
    if (!this.open) return;
    const { channel, stokes } = this.open.loader.wanted.value;
    const keep = [this.planeOnShow(), planeKey(this.open.image.fileId, channel, stokes)];
    for (const key of this.planes.keys()) if (!keep.includes(key)) this.planes.delete(key);
    this.shown.set(this.planes.get(keep[0]!)?.levels ?? []);
  }
}

/**
 * The same level, but for the last of its digits: what comes of a request that has been replaced can arrive after the newer one's first parts, and is known by
 * its levels, which are told to the last bit.
 */
function told(level: number, request: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, level);
  bits.setUint32(4, ((bits.getUint32(4) & ~15) | (request & 15)) >>> 0);
  return bits.getFloat64(0);
}
