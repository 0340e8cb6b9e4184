/** A header's cards, and a search in them: those that contain all words, with the words marked. */
import { h } from "../dom";

export class HeaderView {
  readonly element: HTMLElement;
  private cards: string[] = [];
  private readonly search = h("input", { type: "search", class: "header-search", placeholder: "Search the header", "aria-label": "Search the header", autocomplete: "off", spellcheck: false });
  private readonly count = h("p", { class: "header-count", role: "status" });
  private readonly text = h("pre", { class: "cards" });

  constructor() {
    this.search.addEventListener("input", () => this.draw());
    this.element = h("div", { class: "header-view" }, this.search, this.count, this.text);
  }

  /** null: they are still to come. */
  show(cards: string[] | null): void {
    this.cards = cards ?? [];
    if (cards) this.draw();
    else {
      this.text.replaceChildren("…");
      this.count.textContent = "";
    }
  }

  private draw(): void {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length === 0 ? this.cards : this.cards.filter((card) => words.every((word) => card.toLowerCase().includes(word)));
    this.count.textContent = words.length === 0 ? "" : `${found.length} of ${this.cards.length} cards`;
    this.count.hidden = words.length === 0;
    this.text.replaceChildren(...found.flatMap((card, i) => [...(i === 0 ? [] : ["\n"]), ...marked(card, words)]));
  }
}

function marked(card: string, words: string[]): (Node | string)[] {
  if (words.length === 0) return [card];
  const small = card.toLowerCase();
  const parts: (Node | string)[] = [];
  for (let at = 0; at < card.length; ) {
    const next = words
      .map((word) => ({ from: small.indexOf(word, at), word }))
      .filter(({ from }) => from >= 0)
      .sort((a, b) => a.from - b.from || b.word.length - a.word.length)[0];
    if (!next) {
      parts.push(card.slice(at));
      break;
    }
    if (next.from > at) parts.push(card.slice(at, next.from));
    at = next.from + next.word.length;
    parts.push(h("mark", {}, card.slice(next.from, at)));
  }
  return parts;
}
