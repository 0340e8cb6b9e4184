/** A pool of workers (Web Workers, in Node threads) that decode tiles and contours; where there are none, they are decoded at once. They come back in any order. */
import type { ContourLines } from "./contours.js";
import { decodeTask, detached, type Decoded, type Task } from "./decode-task.js";
import type { ContourSet } from "./icd.js";
import type { EncodedTile } from "./tile.js";

/** The part of a Web Worker that the pool uses. */
export interface DecodeWorker {
  onmessage: ((event: { data: { id: number; decoded?: Decoded; error?: string } }) => void) | null;
  onerror: ((event: { preventDefault(): void }) => void) | null;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

let makeElsewhere: (() => DecodeWorker) | undefined;

/** @internal Instead of Web Workers beside this module: for Node, and for bundles that know better where their worker is. */
export function provideWorkers(make: () => DecodeWorker): void {
  makeElsewhere = make;
}

/** Nothing where the browser does not allow it: a module from elsewhere. */
function makeWorker(): DecodeWorker | undefined {
  if (makeElsewhere) return makeElsewhere();
  try {
    return new Worker(new URL("./decode-worker.js", import.meta.url), { type: "module" }) as unknown as DecodeWorker;
  } catch {
    return undefined;
  }
}

interface Job {
  task: Task;
  resolve(decoded: Decoded | Promise<Decoded>): void;
  reject(error: Error): void;
  worker: number;
}

export class DecoderPool {
  private readonly workers: DecodeWorker[] = [];
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
    return this.run({ tile }) as Promise<Float32Array>;
  }

  /** The polylines of a set, as decodeContours() with fzstd to decompress it. */
  decodeContours(contours: ContourSet): Promise<ContourLines> {
    return this.run({ contours }) as Promise<ContourLines>;
  }

  close(): void {
    for (const worker of this.workers) worker.terminate();
    this.workers.length = 0;
    for (const job of this.jobs.values()) job.reject(new Error("the pool of decoders was closed"));
    this.jobs.clear();
  }

  private run(task: Task): Promise<Decoded> {
    const worker = this.leastLoaded();
    if (worker < 0) return new Promise((resolve) => resolve(decodeTask(task)));
    const id = this.nextId++;
    const { task: own, buffers } = detached(task);
    this.load[worker]! += 1;
    return new Promise((resolve, reject) => {
      this.jobs.set(id, { task, resolve, reject, worker });
      this.workers[worker]!.postMessage({ id, task: own }, buffers);
    });
  }

  private leastLoaded(): number {
    let best = -1;
    for (let i = 0; i < this.workers.length; i++) {
      if (this.load[i]! !== Infinity && (best < 0 || this.load[i]! < this.load[best]!)) best = i;
    }
    return best;
  }

  private finish({ id, decoded, error }: { id: number; decoded?: Decoded; error?: string }): void {
    const job = this.jobs.get(id);
    if (!job) return;
    this.jobs.delete(id);
    this.load[job.worker]! -= 1;
    if (decoded) job.resolve(decoded);
    else job.reject(new Error(error ?? "they could not be decoded"));
  }

  /** A worker that cannot be loaded (a bundler that does not know of it, a content policy) is not used again; what it had is decoded on the spot. */
  private abandon(worker: number): void {
    this.load[worker] = Infinity;
    for (const [id, job] of this.jobs) {
      if (job.worker !== worker) continue;
      this.jobs.delete(id);
      try {
        job.resolve(decodeTask(job.task));
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
