/** What the file says of itself: the server's summary, or the header. */
import type { HeaderEntry, Image } from "cubelink";
import { byId, h } from "../dom";

export class InfoPanel {
  private image: Image | null = null;
  private header = false;

  constructor() {
    for (const [id, header] of [["tab-summary", false], ["tab-header", true]] as const) {
      byId(id).addEventListener("click", () => {
        this.header = header;
        byId("tab-summary").setAttribute("aria-selected", String(!header));
        byId("tab-header").setAttribute("aria-selected", String(header));
        this.draw();
      });
    }
    this.draw();
  }

  show(image: Image | null): void {
    this.image = image;
    this.draw();
  }

  private draw(): void {
    const body = byId("info-body");
    if (!this.image) {
      body.replaceChildren(h("p", { class: "empty" }, "Nothing is open."));
    } else if (this.header) {
      body.replaceChildren(h("pre", { class: "cards" }, this.image.info.header.map(card).join("\n")));
    } else {
      body.replaceChildren(
        h("dl", { class: "facts" }, ...this.image.info.summary.flatMap((entry) => [h("dt", {}, entry.name), h("dd", {}, entry.value)])),
      );
    }
    body.scrollTop = 0;
  }
}

function card({ name, value, entry_type, comment }: HeaderEntry): string {
  if (value === "" && comment === "") return name;
  const text = entry_type === "STRING" || entry_type === 0 ? `'${value}'` : value;
  return `${name.padEnd(8)}= ${text}${comment ? ` / ${comment}` : ""}`;
}
