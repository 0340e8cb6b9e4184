/**
 * Gets the tiles that the view needs into the cache, and decides which plane (channel and stokes) is on show: after a change of channel the old picture stays until the
 * new one is complete, or has been coming for a while.
 */
import { tileCode, type Image, type Tile } from "cubelink";
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
const QUALITY = 11;

export class TileLoader {
  /** What is on show; follows `wanted`. */
  readonly shown: Signal<Plane>;
  /** What the person has asked for. */
  readonly wanted: Signal<Plane>;
  /** How many needed tiles are still missing. */
  readonly missing = new Signal(0);

  /** A plane was chosen while there is no connection. */
  onOffline: (plane: Plane) => void = () => {};

  /** The server's animation chooses the planes, and what has come of them is shown by showFrame(). */
  playing = false;
  needed: number[] = [];
  private readonly requested = new Map<number, number>();
  private requestedPlane = "";
  private firstOfPlane = 0;
  /** An animation has played since the server was last told a plane: news of its last frame may still be under way, so that image.channel may be behind. */
  private played = false;
  private lastNews = 0;
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
    this.tilePump = new Pump(() => this.requestMissing(), onError);
    this.planePump = new Pump((plane) => this.changePlane(plane), onError);
    this.stop.push(image.client.tiles().listen({ tile: (tile) => this.arrived(tile), failed: (error) => onError(error) }));
    image.onPlaneChanged = () => this.follow();
    this.timer = window.setInterval(() => this.checkSilence(), 1000);
  }

  close(): void {
    this.stop.forEach((stop) => stop());
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
    this.needed = codes;
    this.count();
    this.tilePump.push();
  }

  setPlane(plane: Plane): void {
    this.wanted.set(plane);
    this.planePump.push(plane);
  }

  /** The tiles of an animation's frame have come. */
  showFrame(plane: Plane): void {
    this.played = true;
    this.wanted.set(plane);
    this.show(plane);
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
    return this.needed.length > 0 && !this.playing && !this.waiting && !this.planePump.busy && !this.tilePump.busy;
  }

  private missingOf(plane: Plane): number[] {
    const key = this.key(plane);
    return this.needed.filter((code) => !this.cache.has(key, code));
  }

  private async requestMissing(): Promise<void> {
    const plane = { channel: this.image.channel, stokes: this.image.stokes };
    this.usePlane(plane);
    // An animation gets all of its tiles by its view, also those that are here.
    const codes = this.playing ? [...this.needed] : this.missingOf(plane).filter((code) => !this.requested.has(code));
    if (codes.length === 0) return;
    this.mark(codes);
    try {
      await this.image.requestTiles(codes, { quality: QUALITY });
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
    const codes = this.missingOf(plane);
    const before = { channel: this.image.channel, stokes: this.image.stokes };
    this.usePlane(plane);
    this.firstOfPlane = 0;
    this.mark(codes);
    this.count(plane);
    if (codes.length === 0) this.show(plane);
    try {
      await this.image.setChannel(plane.channel, plane.stokes, codes, { quality: QUALITY });
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
    this.lastNews = performance.now();
    for (const code of codes) this.requested.set(code, this.lastNews);
  }

  private arrived(tile: Tile): void {
    if (tile.fileId !== this.image.fileId) return;
    this.cache.add(tile);
    this.lastNews = performance.now();
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

  private checkSilence(): void {
    if (this.playing || this.requested.size === 0 || performance.now() - this.lastNews < SILENCE_MS || this.image.client.state !== "connected") return;
    this.requested.clear();
    this.tilePump.push();
  }
}
