/** What the file says of itself: the server's summary, or the header; and which of its images is shown, if it has several. */
import type { FileInfoResponse, Image } from "cubelink";
import { byId, h, type Root } from "../dom";
import { HeaderView } from "./header-view";

export class InfoPanel {
  private image: Image | null = null;
  private header = false;
  private cards: string[] | null = null;
  private readonly headerView = new HeaderView();
  private readonly choice = byId<HTMLSelectElement>(this.root, "hdu-choice");

  /** `onHdu` opens another image of the same file. */
  constructor(
    private readonly root: Root,
    onHdu: (hdu: string) => void,
    private readonly onError: (error: unknown) => void,
  ) {
    for (const [id, header] of [["tab-summary", false], ["tab-header", true]] as const) {
      byId(this.root, id).addEventListener("click", () => {
        this.header = header;
        byId(this.root, "tab-summary").setAttribute("aria-selected", String(!header));
        byId(this.root, "tab-header").setAttribute("aria-selected", String(header));
        this.draw();
      });
    }
    this.choice.addEventListener("change", () => onHdu(this.choice.value));
    this.draw();
  }

  show(image: Image | null): void {
    this.image = image;
    this.cards = null;
    this.choice.hidden = true;
    if (image) void this.offerHdus(image);
    this.draw();
  }

  private async offerHdus(image: Image): Promise<void> {
    const { directory, name, hdu } = image.info;
    // The list is a convenience: without it, the image is on show all the same.
    const answer = (await image.client.carta["fileInfoRequest"]!({ directory, file: name, hdu: "" }).catch(() => null)) as FileInfoResponse | null;
    const hdus = Object.entries(answer?.file_info_extended ?? {}).filter(([, { width, height }]) => width > 0 && height > 0);
    if (this.image !== image || hdus.length < 2) return;
    const label = (id: string, extension?: string) => (extension ? `${id}: ${extension}` : `HDU ${id}`);
    this.choice.replaceChildren(
      ...hdus.map(([id, { header_entries }]) => h("option", { value: id }, label(id, header_entries.find((e) => e.name === "EXTNAME")?.value))),
    );
    this.choice.value = hdu;
    this.choice.hidden = false;
  }

  private draw(): void {
    const body = byId(this.root, "info-body");
    if (!this.image) {
      body.replaceChildren(h("p", { class: "empty" }, "Nothing is open."));
    } else if (this.header) {
      if (!this.cards) void this.fetchCards(this.image);
      this.headerView.show(this.cards);
      if (!this.headerView.element.isConnected) body.replaceChildren(this.headerView.element);
    } else {
      body.replaceChildren(
        h("dl", { class: "facts" }, ...this.image.info.summary.flatMap((entry) => [h("dt", {}, entry.name), h("dd", {}, entry.value)])),
      );
    }
    body.scrollTop = 0;
  }

  private async fetchCards(image: Image): Promise<void> {
    try {
      const { cards } = await image.header();
      if (this.image !== image) return;
      this.cards = cards;
      this.draw();
    } catch (error) {
      this.onError(error);
    }
  }
}
