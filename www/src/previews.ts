/** What stands in for a plane until its tiles come: a sample of its pixels by `image.preview`, which takes a moment whatever the plane's size. */
import type { Histogram, Image, Preview, PreviewWanted } from "cubelink";
import { LinkMeter } from "./link-meter";
import { Pump } from "./pump";
import { PREVIEW_LAYER, type TileCache } from "./tile-cache";
import type { Plane, TileLoader } from "./tile-loader";
import { WHOLE } from "./tile-plan";

/** Tiles of a chosen channel that come within this time need no stand-in. */
const PATIENCE_MS = 100;
const HISTOGRAMS_KEPT = 16;
/** Of a plane with more pixels, a rough preview comes first: the server reads whole rows, which takes its time when they come from disk. */
const LARGE_PLANE = 1 << 24;
const ROUGH_SIDE = 128;
/** The first one is asked for with the opening: neither the image's size nor how fast the connection is need be known. */
const FIRST_SIDE = 64;

/** What is to be asked for with the opening. */
export function firstPreview(plane: Plane): PreviewWanted {
  return { ...plane, width: FIRST_SIDE, height: FIRST_SIDE };
}

export class Previews {
  /** Called when the histogram of a sample of a plane is there. */
  onSample: (plane: Plane) => void = () => {};
  private readonly histograms = new Map<string, Histogram>();
  private readonly pump: Pump<Plane>;
  private readonly closing = new AbortController();
  private readonly stop: () => void;
  private timer = 0;
  private first = true;
  /** The plane that has the preview which came with the opening, and no better one. */
  private rough = "";
  private able = true;

  constructor(
    private readonly image: Image,
    private readonly cache: TileCache,
    private readonly loader: TileLoader,
  ) {
    // Images that are still to be computed have none. Who waits for tiles need not be told.
    this.pump = new Pump((plane) => this.fetch(plane), () => (this.able = this.image.client.state !== "connected"));
    this.stop = loader.wanted.watch((plane) => this.wish(plane));
    image.firstPreview?.then((preview) => {
      this.rough = loader.key(preview);
      this.take(preview);
    }).catch(() => undefined); // fetch() will have the same trouble
  }

  close(): void {
    this.stop();
    clearTimeout(this.timer);
    this.pump.clear();
    this.closing.abort(new Error("the image was closed"));
  }

  /** Of a sample of that plane's pixels. */
  histogram(plane: Plane): Histogram | undefined {
    return this.histograms.get(this.loader.key(plane));
  }

  private wish(plane: Plane): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(
      () => {
        this.first = false;
        const key = this.loader.key(plane);
        if (this.needed(plane) && (key === this.rough || !this.cache.hasPreview(key))) this.pump.push(plane);
      },
      // Nothing at all is on the screen.
      this.first ? 0 : PATIENCE_MS,
    );
  }

  private needed(plane: Plane): boolean {
    const key = this.loader.key(plane);
    return this.able && !this.loader.playing && key === this.loader.key(this.loader.wanted.value) && !this.cache.has(key, WHOLE);
  }

  private async fetch(plane: Plane): Promise<void> {
    const side = LinkMeter.of(this.image.client).previewSide;
    const { width, height } = this.image.info;
    const early = await this.image.firstPreview?.catch(() => null);
    this.rough = "";
    const there = early && this.loader.key(early) === this.loader.key(plane) ? Math.max(early.width, early.height) : 0;
    if (there >= Math.min(side, Math.max(width, height))) return;
    if (this.needed(plane) && side > ROUGH_SIDE && width * height > LARGE_PLANE) await this.fetchSized(plane, ROUGH_SIDE);
    if (this.needed(plane)) await this.fetchSized(plane, side);
  }

  private async fetchSized(plane: Plane, side: number): Promise<void> {
    this.take(await this.image.preview({ ...plane, width: side, height: side }, { signal: this.closing.signal }));
  }

  private take({ data, width, height, histogram, channel, stokes }: Preview): void {
    if (this.closing.signal.aborted) return;
    const key = this.loader.key({ channel, stokes });
    this.histograms.set(key, histogram);
    if (this.histograms.size > HISTOGRAMS_KEPT) this.histograms.delete(this.histograms.keys().next().value!);
    if (!this.cache.has(key, WHOLE)) {
      this.cache.add({ fileId: this.image.fileId, channel, stokes, layer: PREVIEW_LAYER, x: 0, y: 0, width, height, pixels: data, quality: 0, bytes: data.byteLength, syncId: 0, animationId: 0 });
      this.loader.standIn({ channel, stokes });
    }
    this.onSample({ channel, stokes });
  }
}
