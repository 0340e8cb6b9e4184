/** The line's rest frequency, for velocities: the header's, or another one. */
import { h } from "../dom";
import type { Image } from "cubelink";
import type { ViewState } from "../state/view-state";
import { TypedField } from "./typed-field";

export class RestFrequency {
  readonly element: HTMLElement;
  private image: Image | null = null;
  private readonly input = h("input", { type: "text", inputMode: "decimal", id: "rest-frequency", "aria-describedby": "rest-frequency-unit" });
  private readonly reset = h("button", { type: "button", class: "step", "aria-label": "Rest frequency of the header", title: "The header’s", onclick: () => this.state.spectrum.rest.reset() }, "↺");
  private readonly field: TypedField;
  private readonly stop: (() => void)[];

  constructor(private readonly state: ViewState) {
    const { rest, axis } = state.spectrum;
    this.element = h("div", { class: "spectrum-setting", hidden: true }, h("label", { for: "rest-frequency" }, "Rest frequency"), this.input, h("span", { id: "rest-frequency-unit" }, "GHz"), this.reset);
    const value = (): string => {
      const hertz = rest.value ?? headersOwn(this.image);
      return hertz === null ? "" : String(Number((hertz / 1e9).toPrecision(13)));
    };
    this.field = new TypedField(this.input, value, (text) => {
      const hertz = Number((Number(text) * 1e9).toPrecision(14));
      const good = text === "" || (hertz > 0 && Number.isFinite(hertz));
      if (good) rest.set(text === "" || hertz === headersOwn(this.image) ? null : hertz);
      return good;
    });
    this.stop = [rest.watch(() => this.draw()), axis.watch(() => this.draw())];
  }

  show(image: Image | null): void {
    this.image = image;
    this.field.reset();
    this.draw();
  }

  destroy(): void {
    this.stop.forEach((stop) => stop());
  }

  private draw(): void {
    const { rest, axis } = this.state.spectrum;
    const own = headersOwn(this.image);
    // Where the header has none, velocities can't be chosen without it.
    this.element.hidden = !this.image?.info.axes?.spectral || !(axis.value.startsWith("velocity") || own === null || rest.value !== null);
    this.field.show();
    this.input.placeholder = own === null ? "not in the header" : "";
    this.reset.disabled = rest.value === null;
  }
}

/** Hz; null where the header has none. */
function headersOwn(image: Image | null): number | null {
  const hertz = Number(image?.card("RESTFRQ") ?? image?.card("RESTFREQ") ?? 0);
  return hertz > 0 ? hertz : null;
}
