/** The line under the image: pixel, sky position, value, zoom. */
import { byId, h, type Root } from "../dom";
import { foldButton } from "./fold";
import * as format from "../format";
import type { OpenImage, Sky } from "../open-image";
import type { Leaf } from "../state/tree";
import { FORMATS, FRAMES, type ViewState } from "../state/view-state";
import type { View } from "../view";

export class Readout {
  private readonly stopChoices: (() => void)[] = [];
  private stop: (() => void)[] = [];

  constructor(
    private readonly root: Root,
    private readonly state: ViewState,
  ) {
    this.choice("sky-frame", FRAMES, ["Native", ...FRAMES.slice(1)], state.sky.frame);
    this.choice("sky-format", FORMATS, ["Automatic", "Sexagesimal", "Degrees"], state.sky.format);
    const section = byId(root, "sky-section");
    const fold = foldButton("Coordinates and marks", state.panels.sky, (folded) => section.classList.toggle("folded", folded));
    section.prepend(h("div", { class: "section-head" }, h("h2", {}, fold.button)));
    this.stopChoices.push(fold.stop);
    for (const name of ["grid", "beam", "scale", "compass"] as const) {
      const box = byId<HTMLInputElement>(root, `mark-${name}`);
      box.addEventListener("change", () => state.marks[name].set(box.checked));
      this.stopChoices.push(state.marks[name].watch((on) => (box.checked = on)));
    }
  }

  destroy(): void {
    this.show(null);
    this.stopChoices.forEach((stop) => stop());
  }

  private choice<T extends string>(id: string, values: readonly T[], labels: string[], leaf: Leaf<T>): void {
    const select = byId<HTMLSelectElement>(this.root, id);
    select.replaceChildren(...values.map((value, i) => h("option", { value }, labels[i]!)));
    select.addEventListener("change", () => leaf.set(select.value as T));
    this.stopChoices.push(leaf.watch((value) => (select.value = value)));
  }

  show(open: OpenImage | null): void {
    this.stop.forEach((stop) => stop());
    this.stop = [];
    for (const id of ["read-pixel", "read-sky", "read-value"]) byId(this.root, id).textContent = "–";
    if (!open) return;
    const unit = String(open.image.card("BUNIT") ?? "");
    this.stop.push(
      open.cursor.watch((cursor) => {
        if (!cursor) return;
        byId(this.root, "read-pixel").textContent = `${cursor.x}, ${cursor.y}`;
        byId(this.root, "read-value").textContent = Number.isNaN(cursor.value) ? "blank" : `${format.value(cursor.value)} ${unit}`;
      }),
      open.sky.watch(() => this.sky(open)),
      this.state.sky.format.watch(() => this.sky(open)),
      this.state.sky.frame.watch((frame) => open.useFrame(frame)),
      this.state.held.watch((held) => (byId(this.root, "read-pixel-label").textContent = held ? "Held at" : "Pixel")),
    );
  }

  private sky(open: OpenImage): void {
    const sky = open.sky.value;
    byId(this.root, "read-sky-label").textContent = sky?.frame.split(",")[0] || "Sky";
    byId(this.root, "read-sky").textContent = sky ? [0, 1].map((i) => coordinate(sky, i, this.state.sky.format.value)).join("  ") : "–";
  }

  zoom(view: View): void {
    const scale = view.scale * devicePixelRatio;
    byId(this.root, "read-zoom").textContent = scale >= 1 ? `${Number(scale.toPrecision(3))} ×` : `1 / ${Number((1 / scale).toPrecision(3))}`;
  }
}

function coordinate(sky: Sky, i: number, wish: format.SkyFormat): string {
  const v = i === 0 ? sky.lon : sky.lat;
  if (!Number.isFinite(v)) return "–";
  const [name, unit] = [sky.names[i] ?? "", sky.units[i] ?? ""];
  switch (format.notationOf(name, unit, wish)) {
    case "plain":
      return `${name} ${format.value(v)} ${unit}`.trim();
    case "hours":
      return format.hours(v);
    case "decimal":
      return i === 0 ? format.longitude(v) : format.latitude(v);
    default:
      return format.degrees(i === 0 ? ((v % 360) + 360) % 360 : v);
  }
}
