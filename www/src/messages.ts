/** Short messages in a corner: errors stay a while, hints less; the same one again is counted, not repeated. */
import { byId, h, type Root } from "./dom";

export type Severity = "info" | "warning" | "error";

const LIFETIME_MS = { info: 4000, warning: 8000, error: 12000 };
const AT_MOST = 5;

export class Messages {
  private readonly shown = new Map<string, { element: HTMLElement; count: number; timer: number }>();

  constructor(
    private readonly root: Root,
    private readonly onError: (text: string) => void,
  ) {}

  show(severity: Severity, text: string): void {
    const known = this.shown.get(text);
    if (known) {
      known.count += 1;
      known.element.querySelector(".count")!.textContent = `× ${known.count}`;
      clearTimeout(known.timer);
      known.timer = window.setTimeout(() => this.remove(text), LIFETIME_MS[severity]);
      return;
    }
    const element = h(
      "div",
      { class: `message ${severity}` },
      h("span", {}, text),
      h("span", { class: "count" }),
      h("button", { type: "button", class: "icon-button small", "aria-label": "Dismiss this message", onclick: () => this.remove(text) }, "×"),
    );
    byId(this.root, "messages").append(element);
    this.shown.set(text, { element, count: 1, timer: window.setTimeout(() => this.remove(text), LIFETIME_MS[severity]) });
    if (this.shown.size > AT_MOST) this.remove(this.shown.keys().next().value!);
  }

  /** What went wrong, for people. Calls that fail because the connection is lost say nothing: the connection's own sign does. */
  readonly report = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    if (/not connected|connection (lost|closed)|does not answer/.test(text)) return;
    this.show("error", text);
    this.onError(text);
  };

  clear(): void {
    for (const text of [...this.shown.keys()]) this.remove(text);
  }

  private remove(text: string): void {
    const known = this.shown.get(text);
    if (!known) return;
    clearTimeout(known.timer);
    known.element.remove();
    this.shown.delete(text);
  }
}
