/**
 * Raster tiles as they arrive, decoded.
 *
 * The server answers a request for tiles by a set: begin-sync, tiles, end-sync, all with one sync_id. In browsers npm wslink 2.x hands messages over in another
 * order than they came in (it awaits them side by side, and small ones overtake large ones), and decoding in workers shuffles tiles again. So a set is complete when
 * as many different tiles as its tile_count have come, whatever came first, and tiles are taken before their begin-sync as well as after their end-sync.
 */
import { CubelinkError } from "./error.js";
import type { ErrorData, RasterTileData, RasterTileSync } from "./icd.js";
import type { Session } from "./session.js";
import type { Subscription } from "./subscriptions.js";
import type { DecoderPool } from "./decoder-pool.js";
import { encodedTile, tileCode } from "./tile.js";

export interface Tile {
  fileId: number;
  channel: number;
  stokes: number;
  layer: number;
  x: number;
  y: number;
  /** Size in tile pixels; edge tiles are smaller than 256 × 256. */
  width: number;
  height: number;
  /** Row by row from the bottom, NaN where blank. */
  pixels: Float32Array;
  /** Bit planes of ZFP, Infinity if it came uncompressed. */
  quality: number;
  /** On the wire. */
  bytes: number;
  syncId: number;
  animationId: number;
}

export interface TileSet {
  fileId: number;
  channel: number;
  stokes: number;
  syncId: number;
  animationId: number;
  /** How many different tiles the set has, -1 as long as no sync has told. */
  count: number;
  received: Set<number>;
  ended: boolean;
  complete: boolean;
}

export interface TileListener {
  tile?(tile: Tile): void;
  /** All tiles of a set have come and been decoded. */
  complete?(set: TileSet): void;
  /** Something became known of a set: its begin, its end, a tile. */
  progress?(set: TileSet): void;
  /** A tile that could not be decoded; its set never completes. */
  failed?(error: Error, tile: { fileId: number; channel: number; stokes: number; layer: number; x: number; y: number }): void;
  /** The server could not make tiles that it had been asked for; it does not say which. */
  refused?(error: CubelinkError): void;
}

/** Sets that never complete (the server drops those of a channel left behind) are forgotten when this many newer ones have come. */
const REMEMBERED_SETS = 256;

export class TileStream {
  private readonly sets = new Map<number, TileSet>();
  private readonly listeners = new Set<TileListener>();
  private subscribed: Promise<Subscription[]> | null = null;

  constructor(
    private readonly session: Session,
    private readonly pool: DecoderPool,
  ) {}

  /** Resolves when the server knows that we listen; ask for tiles after that. */
  async ready(): Promise<void> {
    this.subscribed ??= Promise.all([
      this.session.subscribe<RasterTileSync>("carta.raster.tile.sync", {}, (message) => this.onSync(message)),
      this.session.subscribe<RasterTileData>("carta.raster.tile.data", {}, (message) => this.onData(message)),
      this.session.subscribe<ErrorData>("carta.error.data", {}, (message) => this.onError(message)),
    ]);
    try {
      await this.subscribed;
    } catch (error) {
      // Lost on the way, perhaps; the next to ask shall try again.
      this.subscribed = null;
      throw error;
    }
  }

  listen(listener: TileListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  close(): void {
    this.listeners.clear();
  }

  private setOf(message: RasterTileSync | RasterTileData): TileSet {
    let set = this.sets.get(message.sync_id);
    // Another session, after a restart of the server, can use the same ids again.
    if (!set || set.fileId !== message.file_id || set.channel !== message.channel || set.stokes !== message.stokes) {
      set = {
        fileId: message.file_id,
        channel: message.channel,
        stokes: message.stokes,
        syncId: message.sync_id,
        animationId: message.animation_id,
        count: -1,
        received: new Set(),
        ended: false,
        complete: false,
      };
      this.sets.delete(message.sync_id);
      this.sets.set(message.sync_id, set);
      if (this.sets.size > REMEMBERED_SETS) this.sets.delete(this.sets.keys().next().value!);
    }
    return set;
  }

  private onSync(message: RasterTileSync): void {
    const set = this.setOf(message);
    set.count = message.tile_count;
    set.ended ||= message.end_sync;
    this.announce(set);
  }

  private onData(message: RasterTileData): void {
    const set = this.setOf(message);
    const quality = message.compression_type === "NONE" || message.compression_type === 0 ? Infinity : message.compression_quality;
    for (const data of message.tiles) {
      const place = { fileId: message.file_id, channel: message.channel, stokes: message.stokes, layer: data.layer, x: data.x, y: data.y };
      new Promise<Float32Array>((resolve) => resolve(this.pool.decode(encodedTile(data, message.compression_type, message.compression_quality)))).then(
        (pixels) => {
          const tile: Tile = {
            ...place,
            width: data.width,
            height: data.height,
            pixels,
            quality,
            bytes: data.image_data.byteLength + data.nan_encodings.byteLength,
            syncId: message.sync_id,
            animationId: message.animation_id,
          };
          set.received.add(tileCode(data.layer, data.x, data.y));
          for (const listener of [...this.listeners]) listener.tile?.(tile);
          this.announce(set);
        },
        (error: Error) => {
          for (const listener of [...this.listeners]) listener.failed?.(error, place);
        },
      );
    }
  }

  private onError({ severity, tags, message }: ErrorData): void {
    // A warning, too: that of a file which was written again while it was open.
    if (severity === "INFO" || severity === "DEBUG" || !tags.includes("tiles")) return;
    for (const listener of [...this.listeners]) listener.refused?.(new CubelinkError(message));
  }

  private announce(set: TileSet): void {
    const complete = !set.complete && set.count >= 0 && set.received.size >= set.count;
    if (complete) set.complete = true;
    for (const listener of [...this.listeners]) {
      listener.progress?.(set);
      if (complete) listener.complete?.(set);
    }
    // Its end-sync may still be on its way; it then finds nothing to do.
    if (set.complete && set.ended) this.sets.delete(set.syncId);
  }
}
