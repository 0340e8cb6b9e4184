/** The dialog that saves the view as a picture. */
import { byId, h, type Root } from "../dom";
import { download, fileStem } from "../download";
import { pictureSize, WIDEST_PICTURE, type PictureOptions } from "../picture";

/** Where pictures come from. */
export interface PictureSource {
  /** Of the image on show, if there is one. */
  name(): string | null;
  /** Images are seen side by side. */
  several(): boolean;
  /** CSS pixels: of the image on show, or of all that are seen. */
  area(beside: boolean): { width: number; height: number };
  make(options: PictureOptions): Promise<Blob>;
}

export class PictureDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly width = h("input", { type: "number", id: "picture-width", min: "1", max: String(WIDEST_PICTURE), step: "1", required: true });
  private readonly height = h("span", { class: "picture-height" });
  private readonly overlays = h("input", { type: "checkbox", checked: true });
  private readonly cursor = h("input", { type: "checkbox" });
  private readonly beside = h("input", { type: "checkbox" });
  private readonly besideRow = h("label", { class: "check" }, this.beside, "All images side by side");
  private readonly save = h("button", { class: "primary", type: "submit" }, "Save");
  private readonly bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress of the picture" });
  private readonly problem = h("p", { class: "error", role: "alert" });
  private making: AbortController | null = null;

  constructor(
    root: Root,
    private readonly source: PictureSource,
  ) {
    this.dialog = byId<HTMLDialogElement>(root, "picture-dialog");
    const form = h(
      "form",
      {},
      h("h2", { id: "picture-title" }, "Save the view as a picture"),
      h("p", { class: "picture-size" }, h("label", { for: "picture-width" }, "Width, pixels"), this.width, this.height),
      this.besideRow,
      h("label", { class: "check" }, this.overlays, "Regions, contours and marks"),
      h("label", { class: "check" }, this.cursor, "Cross hair"),
      this.problem,
      this.bar,
      h("div", { class: "tool-row" }, this.save, h("button", { type: "button", class: "tool", onclick: () => this.dialog.close() }, "Cancel")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.saveNow();
    });
    this.width.addEventListener("input", () => this.check());
    this.beside.addEventListener("change", () => this.propose());
    this.overlays.addEventListener("change", () => (this.cursor.disabled = !this.overlays.checked));
    // Closed by whatever way, the work is given up.
    this.dialog.addEventListener("close", () => this.making?.abort(new DOMException("given up", "AbortError")));
    this.dialog.replaceChildren(form);
  }

  show(): void {
    if (this.source.name() === null) return;
    this.beside.checked = this.source.several();
    this.besideRow.hidden = !this.beside.checked;
    this.propose();
    this.dialog.showModal();
    this.width.select();
  }

  /** As many pixels as on the screen. */
  private propose(): void {
    this.width.value = String(Math.round(this.source.area(this.beside.checked).width * devicePixelRatio));
    this.check();
  }

  private check(): boolean {
    this.problem.textContent = "";
    try {
      this.height.textContent = `× ${pictureSize(this.source.area(this.beside.checked), this.width.valueAsNumber).height}`;
      return true;
    } catch (error) {
      this.height.textContent = "";
      if (this.width.value !== "") this.problem.textContent = (error as Error).message;
      return false;
    }
  }

  private async saveNow(): Promise<void> {
    const name = this.source.name();
    if (!this.check() || this.making || name === null) return;
    const making = (this.making = new AbortController());
    this.save.disabled = true;
    this.bar.hidden = false;
    try {
      const blob = await this.source.make({
        width: this.width.valueAsNumber,
        beside: this.beside.checked,
        overlays: this.overlays.checked,
        cursor: this.cursor.checked,
        signal: making.signal,
        progress: (fraction) => (this.bar.value = fraction),
      });
      making.signal.throwIfAborted();
      download(`${fileStem(name)}.png`, blob);
      this.dialog.close();
    } catch (error) {
      if (!making.signal.aborted) this.problem.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.making = null;
      this.save.disabled = false;
      this.bar.hidden = true;
    }
  }
}
