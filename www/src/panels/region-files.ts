/** The dialog with the region files of the server: one of them to be imported, or a name to save regions under. */
import type { Client } from "cubelink";
import { byId, h, type Root } from "../dom";
import * as format from "../format";

export interface RegionFileActions {
  importFile(directory: string, file: string): Promise<void>;
  importFromHere(): void;
  /** True: there is such a file, which is not to be replaced unless `overwrite` says so. */
  save(directory: string, file: string, overwrite: boolean): Promise<boolean>;
}

const ORDER = new Intl.Collator("en", { numeric: true });

export class RegionFilesDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly title = h("h2", { id: "region-files-title" });
  private readonly crumbs = h("nav", { class: "crumbs", "aria-label": "Folder of region files" });
  private readonly list = h("ul", { class: "region-file-list", "aria-label": "Region files" });
  private readonly note = h("p", { class: "hint", role: "status" });
  private readonly problem = h("p", { class: "error", role: "alert" });
  private readonly name = h("input", { type: "text", id: "region-file-name", required: true, maxLength: 255, spellcheck: false, autocomplete: "off" });
  private readonly overwrite = h("input", { type: "checkbox" });
  private readonly saving: HTMLElement;
  private readonly importing: HTMLElement;
  private directory = "";
  private newest = 0;
  private mode: "import" | "save" = "import";

  constructor(
    root: Root,
    private readonly client: Client,
    private readonly actions: RegionFileActions,
  ) {
    this.dialog = byId<HTMLDialogElement>(root, "region-files");
    const cancel = () => h("button", { type: "button", class: "tool", onclick: () => this.dialog.close() }, "Cancel");
    const here = h("button", { type: "button", class: "tool", onclick: () => this.actions.importFromHere() }, "From this computer …");
    this.importing = h("div", { class: "tool-row" }, here, h("span", { class: "spacer" }), cancel());
    this.saving = h(
      "div",
      {},
      h("label", { for: "region-file-name" }, "Name of the file"),
      this.name,
      h("label", { class: "check" }, this.overwrite, "Replace a file of this name"),
      h("div", { class: "tool-row" }, h("button", { class: "primary", type: "submit" }, "Save"), h("span", { class: "spacer" }), cancel()),
    );
    const form = h("form", {}, this.title, this.crumbs, this.list, this.note, this.problem, this.importing, this.saving);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.mode === "save") void this.save();
    });
    this.name.addEventListener("input", () => (this.problem.textContent = ""));
    this.dialog.replaceChildren(form);
  }

  /** `directory`: where to begin, for example where the image is. */
  pick(directory: string): void {
    this.show("import", directory);
  }

  /** `name`: what the file may be called. */
  saveAs(directory: string, name: string): void {
    this.name.value = name;
    this.overwrite.checked = false;
    this.show("save", directory);
    this.name.select();
  }

  close(): void {
    this.dialog.close();
  }

  private show(mode: "import" | "save", directory: string): void {
    this.mode = mode;
    this.title.textContent = mode === "import" ? "Import regions" : "Save regions on the server";
    this.importing.hidden = mode !== "import";
    this.saving.hidden = mode !== "save";
    this.problem.textContent = "";
    this.dialog.showModal();
    void this.read(directory);
  }

  private async read(directory: string): Promise<void> {
    const mine = ++this.newest;
    this.note.textContent = "Reading the folder …";
    this.list.replaceChildren();
    try {
      const answer = await this.client.carta.regionListRequest({ directory, filter_mode: "Content" });
      if (mine !== this.newest) return;
      this.directory = answer.directory;
      this.draw(answer.files, answer.subdirectories.map(({ name }) => name));
    } catch (error) {
      if (mine !== this.newest) return;
      this.note.textContent = "";
      this.problem.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  private draw(files: { name: string; size: number; date: number }[], folders: string[]): void {
    const { directory } = this;
    const inside = (name: string) => (directory === "" ? name : `${directory}/${name}`);
    const parts = directory === "" ? [] : directory.split("/");
    const crumb = (name: string, path: string, last: boolean) => h("button", { type: "button", class: "crumb", disabled: last, onclick: () => void this.read(path) }, name);
    this.crumbs.replaceChildren(
      crumb("Data", "", parts.length === 0),
      ...parts.flatMap((part, i) => [h("span", { class: "slash", "aria-hidden": "true" }, "/"), crumb(part, parts.slice(0, i + 1).join("/"), i === parts.length - 1)]),
    );
    const row = (kind: string, name: string, detail: string, press: () => void) =>
      h("li", {}, h("button", { type: "button", class: `file-row ${kind}`, title: name, onclick: press }, h("span", { class: "file-icon", "aria-hidden": "true" }), h("span", { class: "file-name" }, h("span", { class: "name-start" }, name)), h("span", { class: "file-detail" }, detail)));
    const sorted = [...files].sort((a, b) => ORDER.compare(a.name, b.name));
    this.list.replaceChildren(
      ...[...folders].sort(ORDER.compare).map((name) => row("folder", name, "", () => void this.read(inside(name)))),
      ...sorted.map(({ name, size, date }) => row("file", name, [format.bytes(size), format.day(date)].filter(Boolean).join(" · "), () => void this.choose(name))),
    );
    this.note.textContent = files.length === 0 ? "No region files in this folder." : "";
  }

  /** To save, a file's name is taken over. */
  private async choose(name: string): Promise<void> {
    if (this.mode === "save") {
      this.name.value = name;
      return;
    }
    await this.work(() => this.actions.importFile(this.directory, name));
  }

  private save(): Promise<void> {
    return this.work(async () => {
      const exists = await this.actions.save(this.directory, this.name.value.trim(), this.overwrite.checked);
      if (exists) throw new Error("There is a file of this name already: choose another name, or have it replaced.");
    });
  }

  /** The dialog stays open if it fails, and says why. */
  private async work(task: () => Promise<void>): Promise<void> {
    this.problem.textContent = "";
    try {
      await task();
      this.dialog.close();
    } catch (error) {
      this.problem.textContent = error instanceof Error ? error.message : String(error);
    }
  }
}
