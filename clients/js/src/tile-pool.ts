/** A pool of workers that decode tiles; where there are no workers (Node), tiles are decoded at once. Tiles come back in any order. */
import { decodeTile, type EncodedTile } from "./tile.js";

interface Job {
  tile: EncodedTile;
  resolve(pixels: Float32Array): void;
  reject(error: Error): void;
  worker: number;
}

export class TilePool {
  private readonly workers: Worker[] = [];
  private readonly load: number[] = [];
  private readonly jobs = new Map<number, Job>();
  private nextId = 1;

  constructor(size = defaultSize()) {
    if (typeof Worker === "undefined") return;
    for (let i = 0; i < size; i++) {
      const worker = new Worker(new URL("./tile-worker.js", import.meta.url), { type: "module" });
      worker.onmessage = (event: MessageEvent<{ id: number; pixels?: Float32Array; error?: string }>) => this.finish(event.data);
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
      this.workers[worker]!.postMessage({ id, tile: { ...tile, imageData, nanEncodings } }, [imageData.buffer, nanEncodings.buffer]);
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
