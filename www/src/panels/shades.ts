/** Sliders for contrast and bias: what dragging over the picture does, for fingers and keys. */
import { h } from "../dom";
import { MOST_CONTRAST, resetShades, setShades } from "../shades";
import type { ViewState } from "../state/view-state";

export class ShadesRow {
  readonly element: HTMLElement;
  private readonly stop: (() => void)[];

  constructor({ shades }: ViewState) {
    const slider = (label: string, least: number, most: number) =>
      h("input", { type: "range", id: `shade-${label.toLowerCase()}`, min: String(least), max: String(most), step: "0.01", "aria-label": label, title: `${label}; or drag with the right mouse button` });
    const contrast = slider("Contrast", -1, 1); // its logarithm
    const bias = slider("Bias", 0, 1);
    contrast.addEventListener("input", () => setShades(shades, MOST_CONTRAST ** contrast.valueAsNumber, shades.bias.value));
    bias.addEventListener("input", () => setShades(shades, shades.contrast.value, bias.valueAsNumber));
    const reset = h("button", { type: "button", class: "step", id: "shade-reset", "aria-label": "Reset contrast and bias", title: "Reset contrast and bias", onclick: () => resetShades(shades) }, "↺");
    this.element = h(
      "div",
      { class: "field shades" },
      h("label", { for: "shade-contrast" }, "Contrast"),
      contrast,
      h("label", { for: "shade-bias", class: "beside" }, "Bias"),
      bias,
      reset,
    );
    const show = () => {
      contrast.value = String(Math.log10(shades.contrast.value) / Math.log10(MOST_CONTRAST));
      bias.value = String(shades.bias.value);
      contrast.setAttribute("aria-valuetext", String(Number(shades.contrast.value.toPrecision(3))));
      reset.disabled = shades.contrast.isInitial && shades.bias.isInitial;
    };
    this.stop = [shades.contrast.watch(show), shades.bias.watch(show)];
  }

  destroy(): void {
    this.stop.forEach((stop) => stop());
  }
}
