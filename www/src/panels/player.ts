/** Play and stop, how fast, between which channels, and how it goes on at their end. */
import { h } from "../dom";
import type { OpenImage } from "../open-image";
import { MOST_FRAMES_PER_SECOND, PLAY_MODES, type Playback } from "../player";
import type { ViewState } from "../state/view-state";

const MODES: Record<Playback["mode"], string> = { loop: "Loop", bounce: "Back and forth", once: "Once" };

/** What the state says, for an image of so many channels. */
export function playbackOf({ play }: ViewState, depth: number): Playback {
  const last = Math.min(depth - 1, play.last.value ?? depth - 1);
  return { first: Math.min(play.first.value, last), last, rate: play.rate.value, mode: play.mode.value };
}

/** The button, and the row of choices; `stop` gets what ends them. */
export function playerControls(open: OpenImage, state: ViewState, stop: (() => void)[]): { button: HTMLElement; row: HTMLElement } {
  const { play } = state;
  const { depth } = open.image.info;
  const button = h("button", { type: "button", class: "step", id: "play", onclick: () => open.togglePlaying() });
  const number = (id: string, label: string, least: number, most: number) => h("input", { type: "number", id, min: String(least), max: String(most), step: "1", "aria-label": label });
  const rate = number("play-rate", "Channels a second", 1, MOST_FRAMES_PER_SECOND);
  const first = number("play-first", "First channel", 0, depth - 1);
  const last = number("play-last", "Last channel", 0, depth - 1);
  const mode = h("select", { id: "play-mode", "aria-label": "At the end" }, ...PLAY_MODES.map((value) => h("option", { value }, MODES[value])));
  const within = (input: HTMLInputElement, otherwise: number) =>
    Number.isFinite(input.valueAsNumber) ? Math.round(Math.min(Number(input.max), Math.max(Number(input.min), input.valueAsNumber))) : otherwise;
  const changed = () => {
    play.rate.set(within(rate, play.rate.value));
    const [from, to] = [within(first, 0), within(last, depth - 1)];
    play.first.set(Math.min(from, to));
    play.last.set(Math.max(from, to) === depth - 1 ? null : Math.max(from, to));
    play.mode.set(mode.value as Playback["mode"]);
    show();
    if (open.player.playing.value) open.player.play(playbackOf(state, depth));
  };
  for (const input of [rate, first, last, mode]) input.addEventListener("change", changed);
  const show = () => {
    const now = playbackOf(state, depth);
    rate.value = String(now.rate);
    first.value = String(now.first);
    last.value = String(now.last);
    mode.value = now.mode;
  };
  stop.push(
    ...[play.rate, play.first, play.last, play.mode].map((leaf) => (leaf as { watch(listener: () => void): () => void }).watch(show)),
    open.player.playing.watch((playing) => {
      button.textContent = playing ? "■" : "▶";
      button.setAttribute("aria-label", playing ? "Stop playing channels" : "Play channels");
      button.title = playing ? "Stop" : "Play";
    }),
  );
  const row = h(
    "div",
    { class: "channel-row player", role: "group", "aria-label": "Playing channels" },
    h("label", { for: "play-rate" }, "Play"),
    rate,
    h("span", { class: "unit" }, "a second, from"),
    first,
    h("span", { class: "unit" }, "to"),
    last,
    mode,
  );
  return { button, row };
}
