/** The dialog that saves the view as a picture. */
import { byId, h, type Root } from "../dom";
import { download, fileStem } from "../download";
import { pictureSize, WIDEST_PICTURE, type PictureOptions } from "../picture";
import type { View } from "../view";

export class PictureDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly width = h("input", { type: "number", id: "picture-width", min: "1", max: String(WIDEST_PICTURE), step: "1", required: true });
  private readonly height = h("span", { class: "picture-height" });
  private readonly overlays = h("input", { type: "checkbox", checked: true });
  private readonly cursor = h("input", { type: "checkbox" });
  private readonly save = h("button", { class: "primary", type: "submit" }, "Save");
  private readonly bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress of the picture" });
  private readonly problem = h("p", { class: "error", role: "alert" });
  private making: AbortController | null = null;

  constructor(
    root: Root,
    private readonly view: View,
    private readonly name: () => string | null,
    private readonly make: (options: PictureOptions) => Promise<Blob>,
  ) {
    this.dialog = byId<HTMLDialogElement>(root, "picture-dialog");
    const form = h(
      "form",
      {},
      h("h2", { id: "picture-title" }, "Save the view as a picture"),
      h("p", { class: "picture-size" }, h("label", { for: "picture-width" }, "Width, pixels"), this.width, this.height),
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
    this.overlays.addEventListener("change", () => (this.cursor.disabled = !this.overlays.checked));
    // Closed by whatever way, the work is given up.
    this.dialog.addEventListener("close", () => this.making?.abort(new DOMException("given up", "AbortError")));
    this.dialog.replaceChildren(form);
  }

  show(): void {
    if (this.name() === null) return;
    this.width.value = String(Math.round(this.view.width * devicePixelRatio));
    this.check();
    this.dialog.showModal();
    this.width.select();
  }

  private check(): boolean {
    this.problem.textContent = "";
    try {
      this.height.textContent = `× ${pictureSize(this.view, this.width.valueAsNumber).height}`;
      return true;
    } catch (error) {
      this.height.textContent = "";
      if (this.width.value !== "") this.problem.textContent = (error as Error).message;
      return false;
    }
  }

  private async saveNow(): Promise<void> {
    const name = this.name();
    if (!this.check() || this.making || name === null) return;
    const making = (this.making = new AbortController());
    this.save.disabled = true;
    this.bar.hidden = false;
    try {
      const blob = await this.make({
        width: this.width.valueAsNumber,
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
