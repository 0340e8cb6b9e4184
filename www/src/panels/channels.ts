/** Sliders for channel and polarization. */
import { byId, h, type Root } from "../dom";
import type { OpenImage } from "../open-image";
import type { ViewState } from "../state/view-state";
import { playbackOf, playerControls } from "./player";
import { TypedField } from "./typed-field";

export class ChannelsPanel {
  private stop: (() => void)[] = [];

  constructor(
    private readonly root: Root,
    private readonly state: ViewState,
  ) {}

  show(open: OpenImage | null): void {
    this.stop.forEach((stop) => stop());
    this.stop = [];
    const panel = byId(this.root, "channels");
    const rows: HTMLElement[] = [];
    if (open && open.image.info.depth > 1) {
      const { player, image } = open;
      open.togglePlaying = () => (player.playing.value ? player.stop() : player.play(playbackOf(this.state, image.info.depth)));
      const { button, row } = playerControls(open, this.state, this.stop);
      rows.push(this.channelRow(open, button), row);
    }
    if (open && open.image.info.stokes > 1) rows.push(this.stokesRow(open));
    panel.replaceChildren(...rows);
    panel.hidden = rows.length === 0;
  }

  private channelRow(open: OpenImage, play: HTMLElement): HTMLElement {
    const last = open.image.info.depth - 1;
    const set = (channel: number) => open.setPlane({ ...open.loader.wanted.value, channel });
    const slider = h("input", { type: "range", id: "channel-slider", min: "0", max: String(last), step: "1", "aria-label": "Channel" });
    const number = h("input", { type: "number", min: "0", max: String(last), step: "1", "aria-label": "Channel number" });
    const world = h("span", { class: "world" });
    slider.addEventListener("input", () => set(slider.valueAsNumber));
    const typed = new TypedField(number, () => String(open.loader.wanted.value.channel), () => {
      const good = Number.isFinite(number.valueAsNumber);
      if (good) set(number.valueAsNumber);
      return good;
    });
    const show = () => {
      const { channel } = open.loader.wanted.value;
      slider.value = String(channel);
      typed.show();
      const axis = open.axis.value.kind === "" ? open.headerAxis.value : open.axis.value;
      const others = [axis, open.velocityAxis.value].filter((one, i, all) => one !== null && all.findIndex((o) => o?.kind === one.kind) === i);
      world.textContent = others.map((one) => `${one!.values[channel]?.toPrecision(7).replace("-", "−") ?? ""} ${one!.unit}`).join(" · ");
      slider.setAttribute("aria-valuetext", `Channel ${channel} ${world.textContent}`);
    };
    this.stop.push(open.loader.wanted.watch(show), open.axis.watch(show), open.headerAxis.watch(show), open.velocityAxis.watch(show));
    const step = (by: number, label: string, text: string) =>
      h("button", { type: "button", class: "step", "aria-label": label, onclick: () => set(open.loader.wanted.value.channel + by) }, text);
    return h(
      "div",
      { class: "channel-row" },
      h("label", { for: "channel-slider" }, "Channel"),
      play,
      step(-1, "Previous channel", "‹"),
      slider,
      step(1, "Next channel", "›"),
      number,
      h("span", { class: "of" }, `(0–${last})`),
      world,
    );
  }

  private stokesRow(open: OpenImage): HTMLElement {
    const choices = open.polarizations;
    const slider = h("input", { type: "range", id: "stokes-slider", min: "0", max: String(choices.length - 1), step: "1", "aria-label": "Stokes" });
    const name = h("b", { class: "stokes-name" });
    slider.addEventListener("input", () => open.setPlane({ ...open.loader.wanted.value, stokes: choices[slider.valueAsNumber]!.stokes }));
    this.stop.push(
      open.loader.wanted.watch(({ stokes }) => {
        const at = choices.findIndex((choice) => choice.stokes === stokes);
        slider.value = String(at);
        name.textContent = choices[at]?.name ?? String(stokes);
        slider.setAttribute("aria-valuetext", `Stokes ${name.textContent}`);
      }),
    );
    return h("div", { class: "channel-row" }, h("label", { for: "stokes-slider" }, "Stokes"), slider, name);
  }
}
