/** A pool of workers (Web Workers, in Node threads) that decode tiles; where there are none, tiles are decoded at once. Tiles come back in any order. */
import { decodeTile, type EncodedTile } from "./tile.js";

/** The part of a Web Worker that the pool uses. */
export interface TileWorker {
  onmessage: ((event: { data: { id: number; pixels?: Float32Array; error?: string } }) => void) | null;
  onerror: ((event: { preventDefault(): void }) => void) | null;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

let makeElsewhere: (() => TileWorker) | undefined;

/** @internal Instead of Web Workers beside this module: for Node, and for bundles that know better where their worker is. */
export function provideWorkers(make: () => TileWorker): void {
  makeElsewhere = make;
}

/** Nothing where the browser does not allow it: a module from elsewhere. */
function makeWorker(): TileWorker | undefined {
  if (makeElsewhere) return makeElsewhere();
  try {
    return new Worker(new URL("./tile-worker.js", import.meta.url), { type: "module" }) as unknown as TileWorker;
  } catch {
    return undefined;
  }
}

interface Job {
  tile: EncodedTile;
  resolve(pixels: Float32Array): void;
  reject(error: Error): void;
  worker: number;
}

export class TilePool {
  private readonly workers: TileWorker[] = [];
  private readonly load: number[] = [];
  private readonly jobs = new Map<number, Job>();
  private nextId = 1;

  constructor(size = defaultSize()) {
    if (typeof Worker === "undefined" && !makeElsewhere) return;
    for (let i = 0; i < size; i++) {
      const worker = makeWorker();
      if (!worker) return;
      worker.onmessage = (event) => this.finish(event.data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.abandon(i);
      };
      this.workers.push(worker);
      this.load.push(0);
    }
  }

  /** Pixels of the tile, NaN where blank. The tile's bytes are copied if they are a part of a larger message. */
  decode(tile: EncodedTile): Promise<Float32Array> {
    const worker = this.leastLoaded();
    if (worker < 0) {
      return new Promise((resolve) => resolve(decodeTile(tile)));
    }
    const id = this.nextId++;
    const imageData = tile.imageData.slice();
    const nanEncodings = tile.nanEncodings.slice();
    this.load[worker]! += 1;
    return new Promise((resolve, reject) => {
      this.jobs.set(id, { tile, resolve, reject, worker });
      this.workers[worker]!.postMessage({ id, tile: { ...tile, imageData, nanEncodings } }, [imageData.buffer as ArrayBuffer, nanEncodings.buffer as ArrayBuffer]);
    });
  }

  close(): void {
    for (const worker of this.workers) worker.terminate();
    this.workers.length = 0;
    for (const job of this.jobs.values()) job.reject(new Error("the pool of tile decoders was closed"));
    this.jobs.clear();
  }

  private leastLoaded(): number {
    let best = -1;
    for (let i = 0; i < this.workers.length; i++) {
      if (this.load[i]! !== Infinity && (best < 0 || this.load[i]! < this.load[best]!)) best = i;
    }
    return best;
  }

  private finish({ id, pixels, error }: { id: number; pixels?: Float32Array; error?: string }): void {
    const job = this.jobs.get(id);
    if (!job) return;
    this.jobs.delete(id);
    this.load[job.worker]! -= 1;
    if (pixels) job.resolve(pixels);
    else job.reject(new Error(error ?? "a tile could not be decoded"));
  }

  /** A worker that cannot be loaded (a bundler that does not know of it, a content policy) is not used again; what it had is decoded on the spot. */
  private abandon(worker: number): void {
    this.load[worker] = Infinity;
    for (const [id, job] of this.jobs) {
      if (job.worker !== worker) continue;
      this.jobs.delete(id);
      try {
        job.resolve(decodeTile(job.tile));
      } catch (error) {
        job.reject(error as Error);
      }
    }
  }
}

function defaultSize(): number {
  const cores = typeof navigator === "undefined" ? 2 : (navigator.hardwareConcurrency ?? 2);
  return Math.max(1, Math.min(4, Math.floor(0.75 * cores)));
}
