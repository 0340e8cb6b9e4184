/** What the spectrum's frequencies and velocities are measured against: the header's spectral frame, or another one. */
import { h } from "../dom";
import type { OpenImage } from "../open-image";
import { SPECTRAL_FRAMES, type ViewState } from "../state/view-state";

const NAMES: Record<Exclude<(typeof SPECTRAL_FRAMES)[number], "">, string> = {
  TOPOCENT: "Topocentric",
  GEOCENTR: "Geocentric",
  BARYCENT: "Barycentric",
  HELIOCEN: "Heliocentric",
  LSRK: "LSRK",
  LSRD: "LSRD",
  GALACTOC: "Galactocentric",
  LOCALGRP: "Local Group",
  CMBDIPOL: "CMB",
};

export class SpectralFrameChoice {
  readonly element: HTMLElement;
  private readonly choice = h("select", { id: "spectral-frame" });
  private open: OpenImage | null = null;
  private stopImage: () => void = () => {};
  private readonly stop: (() => void)[];

  constructor(private readonly state: ViewState) {
    const { frame, axis } = state.spectrum;
    this.element = h("div", { class: "spectrum-setting", hidden: true }, h("label", { for: "spectral-frame" }, "Spectral frame"), this.choice);
    this.choice.addEventListener("change", () => frame.set(this.choice.value as typeof frame.value));
    this.stop = [frame.watch(() => this.draw()), axis.watch(() => this.draw())];
  }

  show(open: OpenImage | null): void {
    this.stopImage();
    this.open = open;
    this.stopImage = open ? open.spectralFrames.watch(() => this.draw()) : () => {};
    this.draw();
  }

  destroy(): void {
    this.stopImage();
    this.stop.forEach((stop) => stop());
  }

  private draw(): void {
    const { frame, axis } = this.state.spectrum;
    const known = this.open?.spectralFrames.value ?? null;
    // Channels have no frame.
    this.element.hidden = !known || (axis.value === "" && frame.value === "");
    if (!known) return;
    const { own, offered, refused } = known;
    const name = (code: string) => NAMES[code as keyof typeof NAMES] ?? code;
    // Those that can't be had stay in the list, and say why.
    const others = SPECTRAL_FRAMES.filter((code): code is keyof typeof NAMES => code !== "" && code !== own);
    this.choice.replaceChildren(
      h("option", { value: "" }, own === "" ? "Not in the header" : `${name(own)} (header)`),
      ...others.map((code) => h("option", { value: code, disabled: !offered.includes(code), title: refused[code] ?? "" }, NAMES[code])),
    );
    this.choice.value = frame.value;
    if (this.choice.selectedIndex < 0) this.choice.value = "";
    const missing = [...new Set(others.filter((code) => !offered.includes(code)).map((code) => refused[code] ?? ""))].filter(Boolean);
    this.choice.title = ["For the direction of the image’s middle.", ...missing].join("\n");
    this.choice.disabled = offered.length === 0;
  }
}
