/** The regions of the image on show: made and removed through the server, so that all in the session have them. */
import type { RegionShape } from "cubelink";
import type { OpenImage } from "./open-image";
import type { ViewState } from "./state/view-state";

export interface Region extends RegionShape {
  id: number;
}

export class Regions {
  private open: OpenImage | null = null;
  private all = new Map<number, RegionShape>();
  private telling = false;
  private readonly stop: () => void;

  constructor(
    private readonly state: ViewState,
    /** The state's regions are those of another image, still to be opened. */
    private readonly pending: () => boolean,
    private readonly onError: (error: unknown) => void,
  ) {
    this.stop = state.regions.watch(() => {
      if (!this.telling && this.open && !this.pending()) void this.apply().catch(this.onError);
    });
  }

  list(): Region[] {
    return [...this.all].map(([id, shape]) => ({ id, ...shape }));
  }

  /** Makes a region, or changes the one that `id` names; its id. Image pixels, as RegionShape says. */
  async set(region: RegionShape & { id?: number }): Promise<number> {
    if (!this.open) throw new Error("no image is open");
    const { id, type, points, rotation = 0 } = region;
    const shape = { type, points, rotation };
    const made = await this.open.image.setRegion(id === undefined ? shape : { ...shape, id });
    this.all.set(made, shape);
    this.tellState();
    return made;
  }

  async remove(id: number): Promise<void> {
    if (!this.open || !this.all.has(id)) throw new Error(`there is no region ${id}`);
    await this.open.image.removeRegion(id);
    this.all.delete(id);
    this.tellState();
  }

  async clear(): Promise<void> {
    for (const id of [...this.all.keys()]) await this.remove(id);
  }

  /** `known` are those that the session already has. */
  async show(open: OpenImage | null, known: Region[] = []): Promise<void> {
    this.open = open;
    this.all = new Map(known.map(({ id, type, points, rotation = 0 }) => [id, { type, points, rotation }]));
    if (known.length > 0) this.tellState();
    else if (open) await this.apply();
  }

  /** After a lost session: the server has none of them. */
  async again(): Promise<void> {
    this.all.clear();
    await this.apply();
  }

  destroy(): void {
    this.stop();
    this.open = null;
  }

  /** Makes what the state wishes. */
  private async apply(): Promise<void> {
    const { open } = this;
    const wanted = this.state.regions.value;
    const same = JSON.stringify([...this.all.values()]) === JSON.stringify(wanted);
    if (!open || same) return;
    const old = [...this.all.keys()];
    this.all.clear();
    for (const id of old) await open.image.removeRegion(id);
    for (const shape of wanted) {
      const id = await open.image.setRegion(shape);
      if (this.open !== open) return;
      this.all.set(id, shape);
    }
    this.tellState();
  }

  /** @internal */
  tellState(): void {
    this.telling = true;
    this.state.regions.set([...this.all.values()]);
    this.telling = false;
  }
}
