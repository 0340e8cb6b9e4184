/**
 * A tree of values that can be watched, and its text: only what differs from the defaults, as parameters whose names are the paths in the tree. The text is a
 * link's; whoever wrote it may be hostile or of another version, so that each value reads its own text and refuses what it does not understand.
 */
import { Signal } from "../signal";

export interface Codec<T> {
  write(value: T): string;
  /** undefined: no such value. */
  read(text: string): T | undefined;
}

export class Leaf<T> extends Signal<T> {
  constructor(
    readonly initial: T,
    private readonly codec: Codec<T>,
  ) {
    super(initial);
  }

  /** Tells the listeners only if the value is another one. */
  override set(value: T): void {
    if (this.codec.write(value) !== this.codec.write(this.value)) super.set(value);
  }

  get text(): string {
    return this.codec.write(this.value);
  }

  get isInitial(): boolean {
    return this.text === this.codec.write(this.initial);
  }

  /** False if the text is none of a value: then everything stays as it is. */
  readText(text: string): boolean {
    const value = this.codec.read(text);
    if (value === undefined) return false;
    this.set(value);
    return true;
  }

  reset(): void {
    this.set(this.initial);
  }
}

export type Branch = { readonly [name: string]: Leaf<any> | Branch }; // eslint-disable-line @typescript-eslint/no-explicit-any

/** All leaves with their paths, in the tree's order. */
export function leaves(branch: Branch, path = ""): [path: string, leaf: Leaf<unknown>][] {
  return Object.entries(branch).flatMap(([name, child]) => {
    const at = path === "" ? name : `${path}.${name}`;
    return child instanceof Leaf ? [[at, child] as [string, Leaf<unknown>]] : leaves(child, at);
  });
}

export function toLink(tree: Branch): string {
  const parameters = new URLSearchParams();
  for (const [path, leaf] of leaves(tree)) if (!leaf.isInitial) parameters.set(path, leaf.text);
  return parameters.toString();
}

/** What the link does not name, or names wrongly, gets its default. Returns the names that were not understood. */
export function fromLink(tree: Branch, link: string): string[] {
  const parameters = new URLSearchParams(link);
  const refused = new Set(parameters.keys());
  for (const [path, leaf] of leaves(tree)) {
    const text = parameters.get(path);
    if (text !== null && leaf.readText(text)) refused.delete(path);
    else leaf.reset();
  }
  return [...refused];
}

/** Calls `listener` once after each change of any leaf, or of several at once. Returns what stops it. */
export function watchTree(tree: Branch, listener: () => void): () => void {
  let due = false;
  let stopped = false;
  const changed = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      if (!stopped) listener();
    });
  };
  const stops = leaves(tree).map(([, leaf]) => leaf.watch(changed));
  return () => {
    stopped = true;
    stops.forEach((stop) => stop());
  };
}

export const text: Codec<string> = { write: (v) => v, read: (t) => (t.length <= 4096 ? t : undefined) };

export const flag: Codec<boolean> = { write: (v) => (v ? "1" : "0"), read: (t) => (t === "1" ? true : t === "0" ? false : undefined) };

export function whole(least = 0, most = Infinity): Codec<number> {
  return {
    write: String,
    read: (t) => (/^-?\d{1,15}$/.test(t) && Number(t) >= least && Number(t) <= most ? Number(t) : undefined),
  };
}

export function number(least: number, most: number): Codec<number> {
  return {
    write: String,
    read: (t) => (t.trim() !== "" && Number(t) >= least && Number(t) <= most ? Number(t) : undefined),
  };
}

export function oneOf<T extends string | number>(values: readonly T[]): Codec<T> {
  return { write: String, read: (t) => values.find((v) => String(v) === t) };
}

export function orNone<T>(codec: Codec<T>): Codec<T | null> {
  return {
    write: (v) => (v === null ? "none" : codec.write(v)),
    read: (t) => (t === "none" ? null : codec.read(t)),
  };
}

/** Numbers by name, written one after the other with commas between. */
export function numbers<K extends string>(names: readonly K[], good: (value: Record<K, number>) => boolean = () => true): Codec<Record<K, number>> {
  return {
    write: (v) => names.map((name) => String(v[name])).join(","),
    read: (t) => {
      const parts = t.split(",");
      if (parts.length !== names.length || !parts.every((part) => part.trim() !== "" && Number.isFinite(Number(part)))) return undefined;
      const value = Object.fromEntries(names.map((name, i) => [name, Number(parts[i])])) as Record<K, number>;
      return good(value) ? value : undefined;
    },
  };
}

/** Any finite numbers, with commas between. */
export function numberList(most: number): Codec<readonly number[]> {
  return {
    write: (v) => v.join(","),
    read: (t) => {
      const parts = t === "" ? [] : t.split(",");
      return parts.length <= most && parts.every((part) => part.trim() !== "" && Number.isFinite(Number(part))) ? parts.map(Number) : undefined;
    },
  };
}

export function json<T>(read: (value: unknown) => T | undefined): Codec<T> {
  return {
    write: (v) => JSON.stringify(v),
    read: (t) => {
      try {
        return read(JSON.parse(t));
      } catch {
        return undefined;
      }
    },
  };
}
