/** Headings that fold what stands below them, as the state says. */
import { h } from "../dom";
import type { Leaf } from "../state/tree";

export interface Fold {
  button: HTMLButtonElement;
  /** Has the heading's text. */
  text: HTMLElement;
  /** Draws anew whether it is unfolded. */
  update: () => void;
  stop: () => void;
}

/** `otherwise`: whether it is unfolded where the state leaves that open. `folded`: told at each change. */
export function foldButton(label: string, leaf: Leaf<boolean> | Leaf<boolean | null>, folded: (folded: boolean) => void, otherwise: () => boolean = () => true): Fold {
  const open = () => leaf.value ?? otherwise();
  const text = h("span", { class: "fold-text" }, label);
  const button = h("button", { type: "button", class: "fold", onclick: () => (leaf as Leaf<boolean | null>).set(!open()) }, text);
  const update = () => {
    button.setAttribute("aria-expanded", String(open()));
    folded(!open());
  };
  return { button, text, update, stop: (leaf as Leaf<boolean | null>).watch(update) };
}
