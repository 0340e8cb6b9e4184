/** The list of images, with folders, a filter by name, and how far a long listing is. */
import type { Client, FileListResponse } from "cubelink";
import { byId, h, type Root } from "../dom";
import * as format from "../format";
import { FileKinds, pathOf as join } from "./file-kinds";
import { VirtualList } from "./virtual-list";

interface Entry {
  kind: "folder" | "file";
  name: string;
  path: string;
  size: string;
  date: string;
  open: () => void;
}

/** Characters at the end of a name that are always seen. */
const NAME_END = 12;
/** Shorter lists are seen at a glance. */
const FILTER_FROM = 8;

export class FilesPanel {
  /** The folder shown, relative to the server's. */
  directory = "";
  private newest = 0; // number of the listing asked for last
  /** The folder that is being read. */
  private listing: string | null = null;
  private current = "";
  private entries: Entry[] = [];
  private readonly virtual = new VirtualList<Entry>(byId(this.root, "file-list"), (entry) => this.row(entry), (row, entry) => this.dress(row, entry), ({ kind, path }) => `${kind} ${path}`);
  private readonly kinds: FileKinds;
  private readonly all = byId<HTMLInputElement>(this.root, "all-files");
  private readonly filter = byId<HTMLInputElement>(this.root, "file-filter");

  constructor(
    private readonly root: Root,
    private readonly client: Client,
    private readonly onOpen: (directory: string, file: string) => void,
    /** An image is to be opened beside what is open. */
    private readonly onBeside: (path: string) => void,
    private readonly onError: (error: unknown) => void,
  ) {
    byId(this.root, "refresh").addEventListener("click", () => void this.list(this.directory));
    this.all.addEventListener("change", () => void this.list(this.directory));
    const toggle = byId(this.root, "toggle-files");
    toggle.addEventListener("click", () => {
      const hidden = byId(this.root, "app").classList.toggle("no-files");
      toggle.setAttribute("aria-expanded", String(!hidden));
    });
    this.filter.addEventListener("input", () => this.draw());
    this.kinds = new FileKinds(client, (path) => this.virtual.redraw((entry) => entry.path === path));
    this.virtual.onVisible = (entries) => {
      const { directory } = this;
      this.kinds.want(entries.filter(({ kind }) => kind === "file").map(({ name }) => ({ directory, name })));
    };
    void client.subscribe<{ percentage: number }>("carta.file.list.progress", {}, ({ percentage }) => {
      if (this.listing !== null) this.note(`Reading the folder: ${Math.round(100 * percentage)} %`);
    });
  }

  async list(directory: string): Promise<void> {
    const mine = ++this.newest;
    this.listing = directory;
    const slow = setTimeout(() => this.note("Reading the folder …"), 150);
    try {
      const answer = await this.client.list(directory, this.all.checked ? "AllFiles" : "Content");
      if (mine !== this.newest) return;
      const again = this.directory === answer.directory;
      if (!again) this.filter.value = "";
      this.directory = answer.directory;
      this.kinds.forget();
      this.show(answer, again);
    } catch (error) {
      if (mine !== this.newest) return;
      this.onError(error);
      if (directory !== "") void this.list("");
      else this.virtual.show([], "The folder can't be listed.");
    } finally {
      clearTimeout(slow);
      if (mine === this.newest) this.listing = null;
    }
  }

  /** Marks the image that is open. */
  mark(path: string): void {
    const before = this.current;
    this.current = path;
    this.virtual.redraw((entry) => entry.path === path || entry.path === before);
  }

  destroy(): void {
    this.virtual.destroy();
  }

  /** While a folder is read. What is seen of the same folder stays: someone may be pressing a row of it. */
  private note(text: string): void {
    if (this.listing === this.directory && !this.virtual.empty) this.virtual.say(text);
    else this.virtual.show([], text);
  }

  /** `again`: it is the folder that is shown already. */
  private show({ directory, files, subdirectories }: FileListResponse, again: boolean): void {
    const parts = directory === "" ? [] : directory.split("/");
    const crumb = (name: string, path: string, last: boolean) =>
      h("button", { type: "button", class: "crumb", disabled: last, onclick: () => void this.list(path) }, name);
    byId(this.root, "crumbs").replaceChildren(
      crumb("Data", "", parts.length === 0),
      ...parts.flatMap((part, i) => [
        h("span", { class: "slash", "aria-hidden": "true" }, "/"),
        crumb(part, parts.slice(0, i + 1).join("/"), i === parts.length - 1),
      ]),
    );
    const order = new Intl.Collator("en", { numeric: true });
    const byName = (a: { name: string }, b: { name: string }) => order.compare(a.name, b.name);
    const pathOf = (name: string) => join({ directory, name });
    this.entries = [
      ...[...subdirectories].sort(byName).map(({ name, item_count: count }): Entry => {
        const size = count >= 0 ? `${count} ${count === 1 ? "item" : "items"}` : "";
        return { kind: "folder", name, path: pathOf(name), size, date: "", open: () => void this.list(pathOf(name)) };
      }),
      ...[...files].sort(byName).map(({ name, size, date }): Entry => {
        return { kind: "file", name, path: pathOf(name), size: format.bytes(size), date: format.day(date), open: () => this.onOpen(directory, name) };
      }),
    ];
    this.filter.hidden = this.entries.length < FILTER_FROM;
    this.draw(again);
  }

  private draw(again = false): void {
    const words = this.filter.value.toLowerCase().split(/\s+/);
    const matching = this.entries.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
    const note = this.entries.length === 0 ? "No images in this folder." : "No file matches the filter.";
    if (again) this.virtual.update(matching, note);
    else this.virtual.show(matching, note);
  }

  private row({ kind, name, path, open }: Entry): [HTMLElement, ...HTMLElement[]] {
    const row = h(
      "button",
      { type: "button", class: `file-row ${kind}`, "data-path": kind === "file" ? path : undefined, onclick: open },
      h("span", { class: "file-icon", "aria-hidden": "true" }),
      h("span", { class: "file-name" }, h("span", { class: "name-start" }, name.slice(0, -NAME_END)), h("span", {}, name.slice(-NAME_END))),
      h("span", { class: "file-detail" }),
    );
    if (kind === "folder") return [row];
    return [row, h("button", { type: "button", class: "row-add", "aria-label": `Open ${name} beside`, title: "Open beside", onclick: () => this.onBeside(path) }, "+")];
  }

  /** What is known of the file by now, and whether it is open. */
  private dress(row: HTMLElement, { kind, name, path, size, date }: Entry): void {
    const known = kind === "file" ? this.kinds.of(path) : undefined;
    const problem = known?.problem ?? "";
    const current = kind === "file" && path === this.current;
    row.classList.toggle("current", current);
    if (current) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    row.classList.toggle("broken", problem !== "");
    row.title = [name, known?.detail, problem && `Can’t be opened: ${problem}`, size, date].filter(Boolean).join("\n");
    const detail = problem !== "" ? [h("span", { class: "unseen" }, "Can’t be opened: "), problem] : [[known?.word, size].filter(Boolean).join(" · ")];
    row.lastElementChild!.replaceChildren(...detail);
  }
}
