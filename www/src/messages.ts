/** Short messages in a corner: errors stay a while, hints less; the same one again is counted, not repeated. */
import { byId, h } from "./dom";

export type Severity = "info" | "warning" | "error";

const shown = new Map<string, { element: HTMLElement; count: number; timer: number }>();
const LIFETIME_MS = { info: 4000, warning: 8000, error: 12000 };
const AT_MOST = 5;

export function message(severity: Severity, text: string): void {
  const known = shown.get(text);
  if (known) {
    known.count += 1;
    known.element.querySelector(".count")!.textContent = `× ${known.count}`;
    clearTimeout(known.timer);
    known.timer = window.setTimeout(() => remove(text), LIFETIME_MS[severity]);
    return;
  }
  const element = h(
    "div",
    { class: `message ${severity}` },
    h("span", {}, text),
    h("span", { class: "count" }),
    h("button", { type: "button", class: "icon-button small", "aria-label": "Dismiss this message", onclick: () => remove(text) }, "×"),
  );
  byId("messages").append(element);
  shown.set(text, { element, count: 1, timer: window.setTimeout(() => remove(text), LIFETIME_MS[severity]) });
  if (shown.size > AT_MOST) remove(shown.keys().next().value!);
}

function remove(text: string): void {
  const known = shown.get(text);
  if (!known) return;
  clearTimeout(known.timer);
  known.element.remove();
  shown.delete(text);
}

/** What went wrong, for people. Calls that fail because the connection is lost say nothing: the connection's own sign does. */
export function report(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  if (/not connected|connection (lost|closed)|does not answer/.test(text)) return;
  message("error", text);
}
