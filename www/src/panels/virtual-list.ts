/** A list of any length, of which only the rows that are seen are there. Arrow keys, Home, End and the page keys go from row to row. */
import { h } from "../dom";

/** Rows made above and below what is seen. */
const BESIDE = 8;

export class VirtualList<T> {
  /** Other items are seen now. */
  onVisible: (items: T[]) => void = () => {};
  private items: T[] = [];
  private readonly made = new Map<number, HTMLElement>();
  private readonly space = h("div", { class: "list-space", role: "presentation" });
  private readonly sizes = new ResizeObserver(() => this.draw());

  private readonly status = h("p", { class: "list-note", role: "status" });

  /** `make` gives what is pressed, the row's button, and what else is in the row; `dress` makes the button look as the item is by now; items of the same `key`
   * differ in nothing else than their dress. */
  constructor(
    private readonly box: HTMLElement,
    private readonly make: (item: T) => [HTMLElement, ...HTMLElement[]],
    private readonly dress: (row: HTMLElement, item: T) => void,
    private readonly key: (item: T) => string,
  ) {
    box.addEventListener("scroll", () => this.draw());
    box.addEventListener("keydown", (event) => this.pressed(event));
    this.sizes.observe(box);
  }

  /** From its top; nothing but `note` if there are none. */
  show(items: T[], note = ""): void {
    this.items = items;
    this.made.clear();
    this.space.replaceChildren();
    this.box.replaceChildren(...(items.length > 0 ? [this.space] : [h("p", { class: "empty" }, note)]));
    this.box.scrollTop = 0;
    this.draw();
  }

  /** The same list anew: rows of items that are still there stay, and so does what is seen of it. */
  update(items: T[], note = ""): void {
    if (items.length === 0 || this.items.length === 0) return this.show(items, note);
    this.status.remove();
    const before = new Map([...this.made].map(([i, row]) => [this.key(this.items[i]!), { i, row }]));
    this.items = items;
    this.made.clear();
    let last = -1;
    for (const [i, item] of items.entries()) {
      const old = before.get(this.key(item));
      // One that is to go up past another one is made anew: none that stays is taken out of the page.
      if (!old || old.i < last) continue;
      last = old.i;
      before.delete(this.key(item));
      this.place(old.row, i);
      this.dress(old.row.firstElementChild as HTMLElement, item);
    }
    for (const { row } of before.values()) row.remove();
    this.draw();
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  /** Something about the list, which stays as it is; update() and show() take it away. */
  say(text: string): void {
    this.status.textContent = text;
    this.box.append(this.status);
  }

  /** In place: a row that is just being pressed must not go away. */
  redraw(changed: (item: T) => boolean): void {
    for (const [i, row] of this.made) if (changed(this.items[i]!)) this.dress(row.firstElementChild as HTMLElement, this.items[i]!);
  }

  destroy(): void {
    this.sizes.disconnect();
  }

  private get rowHeight(): number {
    return parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) || 30;
  }

  private draw(): void {
    if (this.items.length === 0) return;
    const height = this.rowHeight;
    this.space.style.height = `${height * this.items.length}px`;
    const first = Math.floor(this.box.scrollTop / height);
    const last = Math.ceil((this.box.scrollTop + this.box.clientHeight) / height);
    const [from, to] = [Math.max(0, first - BESIDE), Math.min(this.items.length, last + BESIDE)];
    const { activeElement } = this.box.getRootNode() as ShadowRoot;
    // Who has gone on by Tab does not lose the place by scrolling.
    for (const [i, row] of this.made) if ((i < from || i >= to) && !row.contains(activeElement)) this.remove(i);
    for (let i = from; i < to; i++) if (!this.made.has(i)) this.add(i);
    this.onVisible(this.items.slice(first, last));
  }

  private add(i: number): void {
    const parts = this.make(this.items[i]!);
    this.dress(parts[0], this.items[i]!);
    const row = h("div", { role: "listitem", class: "list-row" }, ...parts);
    // In their order, for those who go by Tab or are read to.
    const after = [...this.made].filter(([k]) => k > i).sort(([a], [b]) => a - b)[0]?.[1] ?? null;
    this.space.insertBefore(row, after);
    this.place(row, i);
  }

  private place(row: HTMLElement, i: number): void {
    row.setAttribute("aria-setsize", String(this.items.length));
    row.setAttribute("aria-posinset", String(i + 1));
    row.style.top = `${i * this.rowHeight}px`;
    this.made.set(i, row);
  }

  private remove(i: number): void {
    this.made.get(i)?.remove();
    this.made.delete(i);
  }

  private pressed(event: KeyboardEvent): void {
    const { activeElement } = this.box.getRootNode() as ShadowRoot;
    const at = [...this.made].find(([, row]) => row.contains(activeElement))?.[0];
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.rowHeight) - 1);
    const goals: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const by = goals[event.key];
    if (at === undefined || by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const goal = Math.min(this.items.length - 1, Math.max(0, at + by));
    const height = this.rowHeight;
    if (goal * height < this.box.scrollTop) this.box.scrollTop = goal * height;
    if ((goal + 1) * height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = (goal + 1) * height - this.box.clientHeight;
    this.draw();
    (this.made.get(goal)?.firstElementChild as HTMLElement | null)?.focus({ preventScroll: true });
  }
}
