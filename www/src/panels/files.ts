/** The list of images, with folders, and how far a long listing is. */
import type { Client, FileListResponse } from "cubelink";
import { byId, h } from "../dom";
import * as format from "../format";

export class FilesPanel {
  /** The folder shown, relative to the server's. */
  directory = "";
  private listing = 0;
  private current = "";

  constructor(
    private readonly client: Client,
    private readonly onOpen: (directory: string, file: string) => void,
    private readonly onError: (error: unknown) => void,
  ) {
    byId("refresh").addEventListener("click", () => void this.list(this.directory));
    const toggle = byId("toggle-files");
    toggle.addEventListener("click", () => {
      const hidden = document.body.classList.toggle("no-files");
      toggle.setAttribute("aria-expanded", String(!hidden));
    });
    void client.subscribe<{ percentage: number }>("carta.file.list.progress", {}, ({ percentage }) => {
      if (this.listing > 0) this.note(`Reading the folder: ${Math.round(100 * percentage)} %`);
    });
  }

  async list(directory: string): Promise<void> {
    const mine = ++this.listing;
    const slow = setTimeout(() => this.note("Reading the folder …"), 150);
    try {
      const answer = await this.client.list(directory);
      if (mine !== this.listing) return;
      this.directory = answer.directory;
      this.draw(answer);
    } catch (error) {
      if (mine !== this.listing) return;
      this.onError(error);
      if (directory !== "") void this.list("");
      else this.note("The folder can't be listed.");
    } finally {
      clearTimeout(slow);
      if (mine === this.listing) this.listing = 0;
    }
  }

  /** Marks the image that is open. */
  mark(path: string): void {
    this.current = path;
    for (const row of byId("file-list").querySelectorAll<HTMLElement>("[data-path]")) {
      row.classList.toggle("current", row.dataset["path"] === path);
      if (row.dataset["path"] === path) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  private note(text: string): void {
    byId("file-list").replaceChildren(h("p", { class: "empty" }, text));
  }

  private draw({ directory, files, subdirectories }: FileListResponse): void {
    const parts = directory === "" ? [] : directory.split("/");
    const crumb = (name: string, path: string, last: boolean) =>
      h("button", { type: "button", class: "crumb", disabled: last, onclick: () => void this.list(path) }, name);
    byId("crumbs").replaceChildren(
      crumb("Data", "", parts.length === 0),
      ...parts.flatMap((part, i) => [
        h("span", { class: "slash", "aria-hidden": "true" }, "/"),
        crumb(part, parts.slice(0, i + 1).join("/"), i === parts.length - 1),
      ]),
    );
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name, "en", { numeric: true });
    const path = (name: string) => (directory === "" ? name : `${directory}/${name}`);
    const rows = [
      ...[...subdirectories].sort(byName).map(({ name, item_count }) =>
        row("folder", name, item_count >= 0 ? `${item_count} ${item_count === 1 ? "item" : "items"}` : "", path(name), () => void this.list(path(name))),
      ),
      ...[...files].sort(byName).map(({ name, size, date }) => row("file", name, format.bytes(size), path(name), () => this.onOpen(directory, name), format.day(date))),
    ];
    if (rows.length === 0) this.note("No images in this folder.");
    else byId("file-list").replaceChildren(...rows);
    this.mark(this.current);
  }
}

function row(kind: "folder" | "file", name: string, detail: string, path: string, onclick: () => void, title = ""): HTMLElement {
  return h(
    "div",
    { role: "listitem" },
    h(
      "button",
      { type: "button", class: `file-row ${kind}`, "data-path": kind === "file" ? path : undefined, title: title ? `${name} (${title})` : name, onclick },
      h("span", { class: "file-icon", "aria-hidden": "true" }),
      h("span", { class: "file-name" }, name),
      h("span", { class: "file-detail" }, detail),
    ),
  );
}
