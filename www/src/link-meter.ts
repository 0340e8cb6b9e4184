/**
 * How fast the connection is, by what comes over it anyway, and what may be asked for so that the answer to a moved cursor does not wait behind tiles: on a slow one
 * few tiles at a time, and of a lower quality.
 *
 * A connection is slow if tiles come slowly and small answers come late. Either alone is none of its doing: tiles of a large image take time to be made, and a page that
 * is busy hears of everything late.
 */
import type { Session } from "cubelink";
import { delay } from "./pump";

export const FULL_QUALITY = 11;
const LOWEST_QUALITY = 4;
/** So many bit planes of noise take next to nothing. */
const FREE_PLANES = 2;
/** Small answers wait so long behind tiles, seconds. */
const WAIT = 0.15;
/** Bytes a second below which a connection can be slow. */
const SLOW_RATE = 1.5e6;
/** As long as nothing is known but the round trip: what a connection with a long one is taken to carry. */
const FIRST_GUESS = 125e3;
const LONG_ROUND_TRIP = 0.06;
const PINGS = 6;
const PING_PAUSE_MS = 50;
/** Rates are measured over so many seconds in which tiles were under way, or so many bytes. */
const MEASURED_SECONDS = 0.25;
const MEASURED_BYTES = 256 << 10;
const KEPT_SAMPLES = 5;
/** Tiles at once: before anything is known, and on a fast connection. */
const FIRST_TILES = 12;
const MOST_TILES = 64;
const TILE_PIXELS = 256 * 256;

const meters = new WeakMap<Session, LinkMeter>();

export class LinkMeter {
  /** Those that have asked for tiles: how many of them are still to come. */
  readonly waiting = new Set<() => number>();
  private roundTrip = Infinity;
  private readonly lateness: number[] = [];
  private readonly rates: number[] = [];
  private measured = { bytes: 0, seconds: 0 };
  private from = 0;
  /** Bytes of a whole tile for each bit plane beyond the first ones, which take next to nothing. */
  private perPlane = 0.8 * (TILE_PIXELS / 8);

  /** All views of a connection share its meter. */
  static of(client: Session): LinkMeter {
    let meter = meters.get(client);
    if (!meter) meters.set(client, (meter = new LinkMeter(client)));
    return meter;
  }

  private constructor(client: Session) {
    const ping = () => this.ping(client).catch(() => undefined);
    void ping();
    client.onState(({ state }) => {
      if (state !== "connected") return;
      // It may come back over another network.
      this.roundTrip = Infinity;
      this.lateness.length = this.rates.length = 0;
      this.measured = { bytes: 0, seconds: 0 };
      void ping();
    });
  }

  /** A page that has just begun is busy, and hears late of the first answers. */
  private async ping(client: Session): Promise<void> {
    for (let i = 0; i < PINGS && (i < 2 || this.roundTrip > LONG_ROUND_TRIP); i++) {
      await this.time(client.call("pubsub.subscriptions"));
      await delay(PING_PAUSE_MS);
    }
  }

  /** Bytes a second at best, undefined while that is not known. */
  get rate(): number | undefined {
    return this.rates.length === 0 ? undefined : Math.max(...this.rates);
  }

  get slow(): boolean {
    const far = this.roundTrip > LONG_ROUND_TRIP && this.roundTrip < Infinity;
    if (this.rate === undefined) return far;
    return this.rate < SLOW_RATE && (far || (median(this.lateness) ?? 0) > WAIT);
  }

  /** Bit planes of ZFP for what is to be seen soon. */
  get quality(): number {
    if (!this.slow) return FULL_QUALITY;
    const planes = FREE_PLANES + Math.floor((WAIT * this.usedRate) / this.perPlane);
    return Math.min(FULL_QUALITY, Math.max(LOWEST_QUALITY, planes));
  }

  /** How many tiles of that quality may be asked for beside those that are under way. */
  room(quality: number): number {
    const under = [...this.waiting].reduce((sum, count) => sum + count(), 0);
    if (!this.slow) return Math.max(0, (this.rate === undefined ? FIRST_TILES : MOST_TILES) - under);
    const bytes = this.usedRate * (this.roundTrip + WAIT);
    return Math.max(0, Math.max(1, Math.floor(bytes / ((quality - FREE_PLANES) * this.perPlane))) - under);
  }

  /** Pixels along a side of a preview that comes in a moment. */
  get previewSide(): number {
    return this.slow ? Math.min(512, Math.max(64, Math.floor(Math.sqrt((0.1 * this.usedRate) / 4)))) : 512;
  }

  /** What was called is answered at once and shortly: when the answer comes tells of the connection. */
  async time<T>(call: Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await call;
    const seconds = (performance.now() - start) / 1000;
    this.roundTrip = Math.min(this.roundTrip, seconds);
    this.lateness.push(seconds - this.roundTrip);
    if (this.lateness.length > KEPT_SAMPLES) this.lateness.shift();
    return result;
  }

  /** Tiles are asked for. */
  asked(): void {
    // What comes within a round trip was under way before.
    if ([...this.waiting].every((count) => count() === 0)) this.from = performance.now() + 1000 * (this.roundTrip < Infinity ? this.roundTrip : 0);
  }

  /** A tile has come; by its quality and size the next ones are estimated. */
  came(bytes: number, quality: number, pixels: number): void {
    const now = performance.now();
    if (pixels >= TILE_PIXELS / 4 && quality > FREE_PLANES && quality < 32) this.perPlane += 0.25 * ((bytes / (quality - FREE_PLANES)) * (TILE_PIXELS / pixels) - this.perPlane);
    this.measured.bytes += bytes;
    this.measured.seconds += Math.max(0, now - this.from) / 1000;
    this.from = Math.max(now, this.from);
    if (this.measured.seconds < MEASURED_SECONDS && this.measured.bytes < MEASURED_BYTES) return;
    this.rates.push(this.measured.bytes / Math.max(0.001, this.measured.seconds));
    if (this.rates.length > KEPT_SAMPLES) this.rates.shift();
    this.measured = { bytes: 0, seconds: 0 };
  }

  /** Not the best one: what is asked for too much, the cursor waits for. */
  private get usedRate(): number {
    return median(this.rates) ?? FIRST_GUESS;
  }
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
