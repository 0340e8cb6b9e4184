/**
 * What the browser keeps for this page. Where it refuses (a private window, a page within a foreign one), things are kept until the page goes.
 */
class Kept {
  private readonly here = new Map<string, string>();

  constructor(private readonly storage: () => Storage) {}

  get(key: string): string | null {
    try {
      return this.storage().getItem(key);
    } catch {
      return this.here.get(key) ?? null;
    }
  }

  set(key: string, value: string): void {
    try {
      this.storage().setItem(key, value);
    } catch {
      this.here.set(key, value);
    }
  }
}

/** For good. */
export const kept = new Kept(() => localStorage);
/** For this tab and its reloads. */
export const keptInTab = new Kept(() => sessionStorage);
