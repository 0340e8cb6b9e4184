/**
 * Gets the tiles that the view needs into the cache, and decides which plane (channel and stokes) is on show: after a change of channel the old picture stays until the
 * new one is complete, or has been coming for a while.
 *
 * No more tiles are asked for at once than the connection carries in a moment (LinkMeter), the most urgent first: what is no longer in view is not asked for any more. Over a
 * slow connection they come in a lower quality first, and again in the full one when the view is at rest.
 */
import { tileCode, type Image, type Tile } from "cubelink";
import { FULL_QUALITY, LinkMeter } from "./link-meter";
import { planeKey, type TileCache } from "./tile-cache";
import { Pump, delay } from "./pump";
import { Signal } from "./signal";

export interface Plane {
  channel: number;
  stokes: number;
}

/** A picture that takes longer than this to complete is shown as it grows. */
const PATIENCE_MS = 300;
/** Tiles that were asked for and did not come are asked for again after so long a silence. */
const SILENCE_MS = 6000;
/** A view that has not been touched for so long is at rest. */
const REST_MS = 1500;
const TICK_MS = 500;

export class TileLoader {
  /** What is on show; follows `wanted`. */
  readonly shown: Signal<Plane>;
  /** What the person has asked for. */
  readonly wanted: Signal<Plane>;
  /** How many needed tiles are still missing. */
  readonly missing = new Signal(0);
  /** In which quality tiles were asked for last. */
  quality = FULL_QUALITY;

  /** A plane was chosen while there is no connection. */
  onOffline: (plane: Plane) => void = () => {};

  /** The server's animation chooses the planes, and what has come of them is shown by showFrame(). */
  playing = false;
  closed = false;
  needed: number[] = [];
  private readonly requested = new Map<number, number>();
  private requestedPlane = "";
  private firstOfPlane = 0;
  /** An animation has played since the server was last told a plane: news of its last frame may still be under way, so that image.channel may be behind. */
  private played = false;
  private lastNews = 0;
  private touched = 0;
  private readonly link: LinkMeter;
  /** How many tiles were asked for and have not come. */
  readonly underWay = () => this.requested.size;
  private stop: (() => void)[] = [];
  private readonly timer: number;

  private readonly tilePump: Pump<void>;
  private readonly planePump: Pump<Plane>;

  constructor(
    private readonly image: Image,
    private readonly cache: TileCache,
    private readonly redraw: () => void,
    onError: (error: unknown) => void,
  ) {
    this.shown = new Signal<Plane>({ channel: image.channel, stokes: image.stokes });
    this.wanted = new Signal<Plane>(this.shown.value);
    this.link = LinkMeter.of(image.client);
    this.link.waiting.add(this.underWay);
    this.tilePump = new Pump(() => this.requestMissing(), onError);
    this.planePump = new Pump((plane) => this.changePlane(plane), onError);
    this.stop.push(image.client.tiles().listen({ tile: (tile) => this.arrived(tile), failed: (error) => onError(error) }));
    image.onPlaneChanged = () => this.follow();
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  close(): void {
    this.closed = true;
    this.stop.forEach((stop) => stop());
    this.link.waiting.delete(this.underWay);
    this.image.onPlaneChanged = () => {};
    clearInterval(this.timer);
    this.planePump.clear();
    this.tilePump.clear();
  }

  key(plane: Plane): string {
    return planeKey(this.image.fileId, plane.channel, plane.stokes);
  }

  /** The view has changed: these tiles are needed, the most urgent first. */
  need(codes: number[]): void {
    if (codes.join() !== this.needed.join()) this.touch();
    this.needed = codes;
    this.count();
    this.tilePump.push();
  }

  /** The person does something: what is to come now is more urgent than what is to be seen better. */
  touch(): void {
    this.touched = performance.now();
  }

  setPlane(plane: Plane): void {
    this.touch();
    this.wanted.set(plane);
    this.planePump.push(plane);
  }

  /** The tiles of an animation's frame have come. */
  showFrame(plane: Plane): void {
    this.played = true;
    this.wanted.set(plane);
    this.show(plane);
  }

  /** A preview of the plane has come. */
  standIn(plane: Plane): void {
    const key = this.key(plane);
    if (key === this.key(this.shown.value)) return this.redraw();
    const choosing = this.playing || key !== this.key(this.image) || key !== this.key(this.wanted.value);
    if (!choosing) setTimeout(() => this.showIfLate(plane), Math.max(0, PATIENCE_MS - (performance.now() - this.touched)));
  }

  /** All that was under way is lost with the connection; ask again. */
  restart(): void {
    this.requested.clear();
    this.tilePump.push();
    this.planePump.push(this.wanted.value);
  }

  /** Something that the person has asked for is not on show yet. */
  get waiting(): boolean {
    return !this.playing && (this.missing.value > 0 || this.waitingForPlane);
  }

  /** On show is another plane than the wanted one. */
  get waitingForPlane(): boolean {
    return this.key(this.shown.value) !== this.key(this.wanted.value);
  }

  /** Every tile of the view is there, of the plane that is wanted, and nothing is under way. */
  get settled(): boolean {
    return this.needed.length > 0 && !this.playing && !this.waiting && this.missingOf(this.image, FULL_QUALITY).length === 0 && !this.planePump.busy && !this.tilePump.busy;
  }

  private missingOf(plane: Plane, quality = 0): number[] {
    const key = this.key(plane);
    return this.needed.filter((code) => !this.cache.has(key, code, quality));
  }

  /** What is to be asked for next, and `quality` in which it is. */
  private nextTiles(plane: Plane): number[] {
    this.quality = this.link.quality;
    let codes = this.missingOf(plane);
    if (codes.length === 0 && (!this.link.slow || performance.now() - this.touched > REST_MS)) {
      this.quality = FULL_QUALITY;
      codes = this.missingOf(plane, FULL_QUALITY);
    }
    const due = codes.filter((code) => !this.requested.has(code));
    const room = this.link.room(this.quality);
    // In few messages, where there can be many tiles under way.
    return room < Math.min(due.length, this.requested.size / 4) ? [] : due.slice(0, room);
  }

  private async requestMissing(): Promise<void> {
    await this.image.client.tiles().ready();
    const plane = { channel: this.image.channel, stokes: this.image.stokes };
    this.usePlane(plane);
    // An animation gets all of its tiles by its view, also those that are here.
    const codes = this.playing ? [...this.needed] : this.nextTiles(plane);
    if (codes.length === 0) return;
    this.mark(codes);
    try {
      await this.link.time(this.image.requestTiles(codes, { quality: this.playing ? FULL_QUALITY : this.quality }));
    } catch (error) {
      codes.forEach((code) => this.requested.delete(code));
      throw error;
    }
  }

  private async changePlane(plane: Plane): Promise<void> {
    if (!this.played && plane.channel === this.image.channel && plane.stokes === this.image.stokes) return;
    await this.image.client.tiles().ready();
    // Meanwhile somebody else may have chosen another one.
    if (this.key(this.wanted.value) !== this.key(plane)) return;
    const complete = this.missingOf(plane).length === 0;
    const before = { channel: this.image.channel, stokes: this.image.stokes };
    this.usePlane(plane);
    this.firstOfPlane = 0;
    const codes = this.nextTiles(plane);
    this.mark(codes);
    this.count(plane);
    if (complete) this.show(plane);
    try {
      await this.image.setChannel(plane.channel, plane.stokes, codes, { quality: this.quality });
      this.played = false;
    } catch (error) {
      this.requested.clear();
      // The wish stays, and goes to the server when the connection is back.
      if (this.image.client.state !== "connected") return this.onOffline(plane);
      // The server stayed where it was, and so do we.
      if (this.key(this.wanted.value) === this.key(plane)) {
        this.wanted.set(before);
        this.show(before);
      }
      throw error;
    }
    this.tilePump.push();
    // The next change waits for this picture a little: or a moving slider would show none.
    const start = performance.now();
    while (this.key(this.shown.value) !== this.key(plane) && performance.now() - start < 2 * PATIENCE_MS) await delay(10);
  }

  /** Somebody else in the session has chosen the plane. */
  private follow(): void {
    const plane = { channel: this.image.channel, stokes: this.image.stokes };
    this.planePump.clear();
    if (this.playing) return;
    this.wanted.set(plane);
    this.usePlane(plane);
    this.firstOfPlane = 0;
    this.count(plane);
    if (this.missing.value === 0) this.show(plane);
    else this.tilePump.push();
  }

  private usePlane(plane: Plane): void {
    const key = this.key(plane);
    if (key === this.requestedPlane) return;
    this.requestedPlane = key;
    this.requested.clear();
  }

  private mark(codes: number[]): void {
    if (codes.length === 0) return;
    this.link.asked();
    this.lastNews = performance.now();
    for (const code of codes) this.requested.set(code, this.lastNews);
  }

  private arrived(tile: Tile): void {
    if (tile.fileId !== this.image.fileId) return;
    this.cache.add(tile);
    this.lastNews = performance.now();
    this.link.came(tile.bytes, tile.quality, tile.pixels.length);
    const key = this.key(tile);
    if (key === this.requestedPlane) this.requested.delete(tileCode(tile.layer, tile.x, tile.y));
    const wanted = { channel: this.image.channel, stokes: this.image.stokes };
    if (!this.playing && key === this.key(wanted) && key !== this.key(this.shown.value)) {
      if (this.firstOfPlane === 0) {
        this.firstOfPlane = performance.now();
        setTimeout(() => this.showIfLate(wanted), PATIENCE_MS);
      }
      if (this.missingOf(wanted).length === 0) this.show(wanted);
    }
    this.count();
    if (!this.playing) this.tilePump.push();
    if (key === this.key(this.shown.value)) this.redraw();
  }

  private showIfLate(plane: Plane): void {
    const stillWanted = !this.playing && plane.channel === this.image.channel && plane.stokes === this.image.stokes;
    if (stillWanted && this.key(this.shown.value) !== this.key(plane)) this.show(plane);
  }

  private show(plane: Plane): void {
    if (this.key(this.shown.value) !== this.key(plane)) this.shown.set(plane);
    this.count();
    this.redraw();
  }

  private count(plane: Plane = { channel: this.image.channel, stokes: this.image.stokes }): void {
    const missing = this.missingOf(plane).length;
    if (missing !== this.missing.value) this.missing.set(missing);
  }

  private tick(): void {
    if (this.playing || this.image.client.state !== "connected") return;
    if (performance.now() - this.lastNews >= SILENCE_MS) this.requested.clear();
    if (this.requested.size === 0 && this.missingOf(this.image, FULL_QUALITY).length > 0) this.tilePump.push();
  }
}
