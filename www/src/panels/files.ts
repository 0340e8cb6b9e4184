/** The list of images, with folders, a filter by name, and how far a long listing is. */
import type { Client, FileListResponse } from "cubelink";
import { byId, h, type Root } from "../dom";
import * as format from "../format";

interface Entry {
  kind: "folder" | "file";
  name: string;
  path: string;
  detail: string;
  /** Behind the name, when the pointer rests on it. */
  hint: string;
  open: () => void;
}

/** Folders can have tens of thousands of files: rows are made as they are scrolled to. */
const ROWS_AT_ONCE = 200;
/** Characters at the end of a name that are always seen. */
const NAME_END = 12;
/** Shorter lists are seen at a glance. */
const FILTER_FROM = 8;

export class FilesPanel {
  /** The folder shown, relative to the server's. */
  directory = "";
  private newest = 0; // number of the listing asked for last
  private listing = false;
  private current = "";
  private entries: Entry[] = [];
  private matching: Entry[] = [];
  private readonly rows = byId(this.root, "file-list");
  private readonly all = byId<HTMLInputElement>(this.root, "all-files");
  private readonly filter = byId<HTMLInputElement>(this.root, "file-filter");

  constructor(
    private readonly root: Root,
    private readonly client: Client,
    private readonly onOpen: (directory: string, file: string) => void,
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
    this.rows.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.rows;
      if (scrollTop + 2 * clientHeight > scrollHeight) this.moreRows();
    });
    void client.subscribe<{ percentage: number }>("carta.file.list.progress", {}, ({ percentage }) => {
      if (this.listing) this.note(`Reading the folder: ${Math.round(100 * percentage)} %`);
    });
  }

  async list(directory: string): Promise<void> {
    const mine = ++this.newest;
    this.listing = true;
    const slow = setTimeout(() => this.note("Reading the folder …"), 150);
    try {
      const answer = await this.client.list(directory, this.all.checked ? "AllFiles" : "Content");
      if (mine !== this.newest) return;
      if (this.directory !== answer.directory) this.filter.value = "";
      this.directory = answer.directory;
      this.show(answer);
    } catch (error) {
      if (mine !== this.newest) return;
      this.onError(error);
      if (directory !== "") void this.list("");
      else this.note("The folder can't be listed.");
    } finally {
      clearTimeout(slow);
      if (mine === this.newest) this.listing = false;
    }
  }

  /** Marks the image that is open. */
  mark(path: string): void {
    this.current = path;
    for (const row of this.rows.querySelectorAll<HTMLElement>("[data-path]")) {
      row.classList.toggle("current", row.dataset["path"] === path);
      if (row.dataset["path"] === path) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  private note(text: string): void {
    this.rows.replaceChildren(h("p", { class: "empty" }, text));
  }

  private show({ directory, files, subdirectories }: FileListResponse): void {
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
    const pathOf = (name: string) => (directory === "" ? name : `${directory}/${name}`);
    this.entries = [
      ...[...subdirectories].sort(byName).map(({ name, item_count: count }): Entry => {
        const detail = count >= 0 ? `${count} ${count === 1 ? "item" : "items"}` : "";
        return { kind: "folder", name, path: pathOf(name), detail, hint: "", open: () => void this.list(pathOf(name)) };
      }),
      ...[...files].sort(byName).map(({ name, size, date }): Entry => {
        return { kind: "file", name, path: pathOf(name), detail: format.bytes(size), hint: format.day(date), open: () => this.onOpen(directory, name) };
      }),
    ];
    this.filter.hidden = this.entries.length < FILTER_FROM;
    this.draw();
  }

  private draw(): void {
    const words = this.filter.value.toLowerCase().split(/\s+/);
    this.matching = this.entries.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
    if (this.entries.length === 0) return this.note("No images in this folder.");
    if (this.matching.length === 0) return this.note("Nothing here has such a name.");
    this.rows.replaceChildren();
    this.rows.scrollTop = 0;
    this.moreRows();
  }

  private moreRows(): void {
    const drawn = this.rows.querySelectorAll(".file-row").length;
    if (drawn >= this.matching.length) return;
    this.rows.append(...this.matching.slice(drawn, drawn + ROWS_AT_ONCE).map(row));
    this.mark(this.current);
  }
}

function row({ kind, name, path, detail, hint, open }: Entry): HTMLElement {
  return h(
    "div",
    { role: "listitem" },
    h(
      "button",
      { type: "button", class: `file-row ${kind}`, "data-path": kind === "file" ? path : undefined, title: hint ? `${name} (${hint})` : name, onclick: open },
      h("span", { class: "file-icon", "aria-hidden": "true" }),
      h("span", { class: "file-name" }, h("span", { class: "name-start" }, name.slice(0, -NAME_END)), h("span", {}, name.slice(-NAME_END))),
      h("span", { class: "file-detail" }, detail),
    ),
  );
}
