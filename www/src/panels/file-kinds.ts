/** What files are: the server looks into those that are seen in the list, one after the other, the newest wish first. */
import type { Client, FileInfoResponse } from "cubelink";
import { delay } from "../pump";

export interface FileKind {
  /** A word for it: "image", "cube", "3 images"; "" while it is not known. */
  word: string;
  /** Its shape. */
  detail: string;
  /** Why it can't be opened; "" if it can. */
  problem: string;
}

/** Whoever scrolls on wants nothing of what flies by. */
const CALM_MS = 150;
const MOST_KEPT = 50_000;

export class FileKinds {
  private readonly known = new Map<string, FileKind>();
  private wanted: { directory: string; name: string }[] = [];
  private running = false;

  constructor(
    private readonly client: Client,
    private readonly onKind: (path: string) => void,
  ) {}

  of(path: string): FileKind | undefined {
    return this.known.get(path);
  }

  /** These are seen now, and no others. */
  want(files: { directory: string; name: string }[]): void {
    this.wanted = files;
    if (!this.running && files.length > 0) void this.run();
  }

  /** A folder is read again: its files may be others. */
  forget(): void {
    this.known.clear();
  }

  private async run(): Promise<void> {
    this.running = true;
    await delay(CALM_MS);
    for (let next; (next = this.wanted.find((file) => !this.known.has(pathOf(file)))); ) {
      const path = pathOf(next);
      try {
        this.know(path, kindOf(await this.client.carta.fileInfoRequest({ directory: next.directory, file: next.name, hdu: "" })));
      } catch (error) {
        // Asked again when it is seen again.
        if (this.client.state !== "connected") break;
        const text = error instanceof Error ? error.message : String(error);
        const problem = text.startsWith(`${next.name}: `) ? text.slice(next.name.length + 2) : text;
        this.know(path, { word: "", detail: "", problem });
      }
      if (this.known.size > MOST_KEPT) this.known.delete(this.known.keys().next().value!);
    }
    this.running = false;
  }

  private know(path: string, kind: FileKind): void {
    this.known.set(path, kind);
    this.onKind(path);
  }
}

export function pathOf({ directory, name }: { directory: string; name: string }): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function kindOf({ file_info_extended }: FileInfoResponse): FileKind {
  const images = Object.values(file_info_extended).filter(({ width, height }) => width > 0 && height > 0);
  if (images.length === 0) return { word: "", detail: "", problem: "no image in it" };
  const shapes = images.map(({ width, height, depth, stokes }) => [width, height, ...(depth > 1 || stokes > 1 ? [depth] : []), ...(stokes > 1 ? [stokes] : [])].join(" × "));
  const word = images.length > 1 ? `${images.length} images` : images[0]!.depth > 1 ? "cube" : "image";
  return { word, detail: shapes.slice(0, 3).join("; ") + (shapes.length > 3 ? "; …" : ""), problem: "" };
}
