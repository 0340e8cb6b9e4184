/**
 * The regions of the image on show: made, changed and removed through the server, so that all in the session have them. Names, colours and the like are the
 * viewer's own; with the shapes they are part of the state.
 */
import { CubelinkError, type CoordinateType, type ExportRegionAck, type FileType, type RegionInfo, type RegionShapeType, type RegionStyle, type SessionChange } from "cubelink";
import type { OpenImage } from "./open-image";
import { Pump } from "./pump";
import { isValid } from "./region-shapes";
import { MOST_REGIONS, WIDEST_LINE, canonical, isColour, shapeOf, type RegionEntry } from "./state/regions";
import type { ViewState } from "./state/view-state";

export interface Region extends RegionEntry {
  id: number;
}

/** Shapes that are on their way to the server. */
interface Sending {
  pump: Pump<void>;
  /** The server has it, as far as it has answered. */
  known: RegionEntry;
  /** Sent, and not yet told of by the session. */
  echoes: string[];
  /** Somebody's change came while one of ours was under way. Which of them the server has kept is known only afterwards. */
  missed: boolean;
}

interface SessionRegion {
  region_id: number;
  file_id: number;
  region_info: RegionInfo;
}

const MOST_ECHOES = 64;

export class Regions {
  private open: OpenImage | null = null;
  private all = new Map<number, RegionEntry>();
  private sending = new Map<number, Sending>();
  private telling = false;
  /** Regions of ours are being made, whose ids are still to be told: what the session tells waits. */
  private making = 0;
  private waiting: SessionChange[] = [];
  /** How often the state has been set by others. */
  private wishes = 0;
  private turn: Promise<void> = Promise.resolve();
  private readonly stop: () => void;

  constructor(
    private readonly state: ViewState,
    /** The state's regions are those of another image, still to be opened. */
    private readonly pending: () => boolean,
    private readonly onError: (error: unknown) => void,
  ) {
    this.stop = state.regions.watch(() => {
      if (this.telling || !this.open || this.pending()) return;
      this.wishes += 1;
      void this.apply().catch(this.onError);
    });
  }

  list(): Region[] {
    return [...this.all].map(([id, entry]) => ({ id, ...entry }));
  }

  get(id: number): Region | undefined {
    const entry = this.all.get(id);
    return entry && { id, ...entry };
  }

  /** Makes a region, or changes the one that `id` names; its id. Image pixels, as RegionShape says. */
  async set({ id, ...region }: RegionEntry & { id?: number }): Promise<number> {
    if (id === undefined && this.all.size >= MOST_REGIONS) throw new Error(`there can be ${MOST_REGIONS} regions`);
    const entry = canonical({ ...(id === undefined ? {} : this.all.get(id)), ...region });
    const made = await this.make(entry, id);
    this.all.set(made, entry);
    if (id === undefined) this.note(made, entry);
    this.tellState();
    return made;
  }

  /** At once, for what follows a hand: the server gets the newest as fast as it can take it. */
  change(id: number, part: Partial<RegionEntry>): void {
    const before = this.all.get(id);
    if (!before) return;
    this.all.set(id, canonical({ ...before, ...part }));
    if (part.points || part.rotation !== undefined || part.type) this.send(id, before);
    this.tellState();
  }

  async remove(id: number): Promise<void> {
    if (!this.open || !this.all.has(id)) throw new Error(`there is no region ${id}`);
    await this.open.image.removeRegion(id);
    this.forget([id]);
  }

  async clear(): Promise<void> {
    await Promise.all([...this.all.keys()].map((id) => this.remove(id)));
  }

  /** null: none. */
  get selected(): number | null {
    return [...this.all.keys()][this.state.selected.value ?? -1] ?? null;
  }

  select(id: number | null): void {
    const index = id === null ? -1 : [...this.all.keys()].indexOf(id);
    this.state.selected.set(index < 0 ? null : index);
  }

  /** Regions from the text of a CRTF or DS9 file; what could not be read is in `message`. Their ids. */
  import(contents: string, type: FileType): Promise<{ ids: number[]; message: string }> {
    return this.importFrom({ type, contents: [contents] });
  }

  /** The same from a file on the server. */
  importFile(directory: string, file: string): Promise<{ ids: number[]; message: string }> {
    return this.importFrom({ type: /\.reg$/i.test(file) ? "DS9_REG" : "CRTF", directory, file });
  }

  private async importFrom(source: { type: FileType; contents?: string[]; directory?: string; file?: string }): Promise<{ ids: number[]; message: string }> {
    const { open } = this;
    if (!open) throw new Error("no image is open");
    this.making += 1;
    try {
      const { regions, region_styles, message } = await open.image.client.carta.importRegion({ group_id: open.image.fileId, ...source });
      const ids = Object.keys(regions).map(Number).sort((a, b) => a - b);
      const room = Math.max(0, MOST_REGIONS - this.all.size);
      await Promise.all(ids.slice(room).map((id) => open.image.removeRegion(id)));
      if (this.open === open) for (const id of ids.slice(0, room)) this.all.set(id, entryOf(regions[id]!, region_styles[id]));
      this.tellState();
      const left = ids.length - room;
      return { ids: ids.slice(0, room), message: left > 0 ? `There can be ${MOST_REGIONS} regions: ${left} are left out. ${message}` : message };
    } finally {
      this.made();
    }
  }

  /** As the text of a file; all of them if `ids` is absent. */
  async export(type: FileType, coordinates: CoordinateType, ids: number[] = [...this.all.keys()]): Promise<{ text: string; message: string }> {
    if (!this.open) throw new Error("no image is open");
    const styles = Object.fromEntries(ids.map((id) => [id, styleOf(this.all.get(id)!)]));
    const { contents, message } = await this.open.image.client.carta.exportRegion({ file_id: this.open.image.fileId, type, coord_type: coordinates, region_styles: styles });
    return { text: contents.join(""), message };
  }

  /** The same into a file on the server. True: there is such a file, and it was not to be replaced. */
  async exportFile(type: FileType, coordinates: CoordinateType, directory: string, file: string, overwrite: boolean): Promise<{ exists: boolean; message: string }> {
    if (!this.open) throw new Error("no image is open");
    const styles = Object.fromEntries([...this.all].map(([id, entry]) => [id, styleOf(entry)]));
    const { client, fileId } = this.open.image;
    try {
      const { message } = await client.carta.exportRegion({ file_id: fileId, type, coord_type: coordinates, region_styles: styles, directory, file, overwrite });
      return { exists: false, message };
    } catch (error) {
      // "There is one already" is no failure but a question.
      if (error instanceof CubelinkError && (error.data as Partial<ExportRegionAck> | undefined)?.overwrite_confirmation_required) return { exists: true, message: error.message };
      throw error;
    }
  }

  /** `known` are those that the session already has. */
  async show(open: OpenImage | null, known: Region[] = []): Promise<void> {
    this.open = open;
    this.sending.clear();
    this.waiting = [];
    this.all = new Map(known.map(({ id, ...entry }) => [id, canonical(entry)]));
    if (known.length > 0) this.tellState();
    else if (open) await this.apply();
  }

  /** Before the image is closed: its regions would stay in the session. */
  async removeFromSession(): Promise<void> {
    const { open, all } = this;
    if (open?.image.client.state === "connected") await Promise.all([...all.keys()].map((id) => open.image.removeRegion(id)));
  }

  /** After a lost session: the server has none of them. */
  async again(): Promise<void> {
    this.all.clear();
    this.sending.clear();
    await this.apply();
  }

  /** After a lost connection: what was on its way has been lost, and so has what others did. */
  async cameBack(): Promise<void> {
    for (const [id, { pump, known }] of this.sending) if (JSON.stringify(shapeOf(known)) !== JSON.stringify(shapeOf(this.all.get(id)!))) pump.push();
    await this.reread();
  }

  /** Someone in the session, perhaps this viewer, has changed something. */
  heard(change: SessionChange): void {
    if (!this.open || !["region", "regions", "regions_removed"].includes(change.what)) return;
    if (this.making > 0) this.waiting.push(change);
    else if (change.what === "regions_removed") this.forget(change.region_ids ?? []);
    else if (change.what === "regions") {
      const { regions } = change;
      if (regions) for (const region of regions) if (region.file_id === this.open.image.fileId) this.take(region);
      if (!regions && change.region_ids?.some((id) => !this.all.has(id))) void this.reread().catch(this.onError);
    } else if (change.file_id === this.open.image.fileId) this.take({ region_id: change.region_id!, file_id: change.file_id, region_info: change.region_info! });
  }

  destroy(): void {
    this.stop();
    this.open = null;
  }

  /** @internal */
  tellState(): void {
    this.telling = true;
    this.state.regions.set([...this.all.values()]);
    this.telling = false;
  }

  private async make(entry: RegionEntry, id?: number): Promise<number> {
    if (!this.open) throw new Error("no image is open");
    const shape = shapeOf(entry);
    if (id === undefined) this.making += 1;
    else this.note(id, entry);
    try {
      return await this.open.image.setRegion(id === undefined ? shape : { ...shape, id });
    } finally {
      if (id === undefined) this.made();
    }
  }

  /** The ids are known only once whoever waits for them has been called. */
  private made(): void {
    setTimeout(() => {
      this.making -= 1;
      if (this.making === 0) for (const change of this.waiting.splice(0)) this.heard(change);
    });
  }

  private send(id: number, before: RegionEntry): void {
    this.sendingOf(id, before).pump.push();
  }

  private sendingOf(id: number, known: RegionEntry): Sending {
    const before = this.sending.get(id);
    if (before) return before;
    const sending: Sending = { pump: new Pump<void>(() => this.sendNewest(id), this.onError), known, echoes: [], missed: false };
    sending.pump.onIdle = () => {
      if (!sending.missed || this.sending.get(id) !== sending || this.open?.image.client.state !== "connected") return; // cameBack() reads it all anyway
      sending.missed = false;
      void this.reread().catch(this.onError);
    };
    this.sending.set(id, sending);
    return sending;
  }

  private async sendNewest(id: number): Promise<void> {
    const { open } = this;
    const sending = this.sending.get(id);
    const entry = this.all.get(id);
    if (!open || !sending || !entry) return;
    this.note(id, entry);
    try {
      await open.image.setRegion({ ...shapeOf(entry), id });
      sending.known = entry;
    } catch (error) {
      // What the server does not take is not kept. What it has not heard of is sent when the connection is back.
      if (open.image.client.state === "connected" && this.all.get(id) === entry) {
        this.all.set(id, canonical({ ...entry, ...shapeOf(sending.known) }));
        this.tellState();
      }
      throw error;
    }
  }

  /** It will be told by the session, perhaps only when there is a newer one. */
  private note(id: number, entry: RegionEntry): void {
    const { echoes } = this.sendingOf(id, entry);
    echoes.push(key(entry));
    if (echoes.length > MOST_ECHOES) echoes.shift();
  }

  private take({ region_id: id, region_info }: SessionRegion): void {
    const entry = entryOf(region_info);
    const before = this.all.get(id);
    const sending = this.sending.get(id);
    if (!isValid(entry) || (!before && this.all.size >= MOST_REGIONS)) return;
    // The hand that holds it is not disturbed.
    if (sending?.pump.busy) {
      if (!sending.echoes.includes(key(entry))) sending.missed = true;
      return;
    }
    const echo = sending?.echoes.indexOf(key(entry)) ?? -1;
    if (echo >= 0) return void sending!.echoes.splice(0, echo + 1);
    if (before && key(before) === key(entry)) return;
    if (sending) sending.echoes.length = 0;
    this.all.set(id, canonical({ ...before, ...shapeOf(entry) }));
    if (sending) sending.known = this.all.get(id)!;
    this.tellState();
  }

  private forget(ids: number[]): void {
    const { selected } = this;
    let gone = false;
    for (const id of ids) {
      gone = this.all.delete(id) || gone;
      this.sending.delete(id);
    }
    if (!gone) return;
    this.select(selected);
    this.tellState();
  }

  /** All that the session has. */
  private async reread(): Promise<void> {
    const { open } = this;
    if (!open) return;
    const { regions } = (await open.image.client.call("session.state")) as { regions: SessionRegion[] };
    if (this.open !== open) return;
    const own = regions.filter(({ file_id }) => file_id === open.image.fileId);
    this.forget([...this.all.keys()].filter((id) => !own.some(({ region_id }) => region_id === id)));
    for (const region of own) {
      const sending = this.sending.get(region.region_id);
      if (sending && !sending.pump.busy) sending.echoes.length = 0;
      this.take(region);
    }
  }

  /** Makes what the state wishes; regions that it has already keep their ids. */
  private apply(): Promise<void> {
    const mine = this.turn.then(async () => {
      this.making += 1;
      try {
        await this.applyNow();
      } finally {
        this.made();
      }
    });
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async applyNow(): Promise<void> {
    const { open } = this;
    const wanted = this.state.regions.value;
    if (!open || JSON.stringify([...this.all.values()]) === JSON.stringify(wanted)) return;
    const wish = this.wishes;
    const before = new Map(this.all);
    const free = new Map(this.all);
    const take = (fits: (entry: RegionEntry) => boolean): number | undefined => {
      for (const [id, entry] of free) if (fits(entry)) return free.delete(id) ? id : undefined;
      return undefined;
    };
    const same = wanted.map((entry) => take((old) => key(old) === key(entry)));
    const ids = wanted.map((entry, i) => same[i] ?? take((old) => old.type === entry.type));
    // All at once: the answers come in their order, and a distant server need not be waited for a thousand times.
    const removed = Promise.all([...free.keys()].map((id) => open.image.removeRegion(id)));
    const made = await Promise.all(wanted.map(async (entry, i) => same[i] ?? (await this.make(entry, ids[i]))));
    await removed;
    if (this.open !== open) return;
    const next = new Map<number, RegionEntry>();
    for (const [i, id] of made.entries()) {
      // Unless a hand was quicker.
      const now = this.all.get(id);
      if (now || !before.has(id)) next.set(id, now && now !== before.get(id) ? now : wanted[i]!);
    }
    for (const [id, entry] of this.all) if (!before.has(id) && !next.has(id)) next.set(id, entry);
    for (const [i, id] of made.entries()) if (ids[i] === undefined) this.note(id, wanted[i]!);
    for (const id of free.keys()) this.sending.delete(id);
    this.all = next;
    // What has been wished meanwhile follows.
    if (this.wishes === wish) this.tellState();
  }
}

/** Equal for equal shapes; the server keeps single precision. */
function key({ type, points, rotation = 0 }: RegionEntry): string {
  return `${type} ${points.map(([x, y]) => `${Math.fround(x)},${Math.fround(y)}`).join(" ")} ${Math.fround(rotation)}`;
}

export function entryOf({ region_type, control_points, rotation }: RegionInfo, style?: RegionStyle): RegionEntry {
  const points = control_points.map(({ x, y }): [number, number] => [x, y]);
  const entry: RegionEntry = { type: region_type as RegionShapeType, points, rotation };
  if (style?.name) entry.name = style.name;
  if (isColour(style?.color)) entry.colour = style.color.toLowerCase();
  if (style && style.line_width > 0) entry.lineWidth = Math.min(WIDEST_LINE, style.line_width);
  if (style?.annotation_style?.text_label0 && entry.type === "ANNTEXT") entry.text = style.annotation_style.text_label0;
  return canonical(entry);
}

function styleOf({ type, name = "", colour = "", lineWidth = 0, text = "" }: RegionEntry): Partial<RegionStyle> {
  const style = { name, color: colour, line_width: lineWidth };
  return type === "ANNTEXT" ? { ...style, annotation_style: { text_label0: text } as NonNullable<RegionStyle["annotation_style"]> } : style;
}
