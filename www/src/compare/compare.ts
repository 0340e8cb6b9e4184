/** The images that are open beside the one on show: a bar with their names, side by side or in turn, at the same place and in the same channel. */
import type { Client, RegionHistogramData } from "cubelink";
import { byId, h, type Root } from "../dom";
import type { OpenImage } from "../open-image";
import { Pump } from "../pump";
import type { Look } from "../renderer";
import type { Stage } from "../stage";
import { leaves, watchTree } from "../state/tree";
import type { ImageName } from "../state/image-name";
import { LAYOUTS, MOST_COMPANIONS, type ViewState } from "../state/view-state";
import type { ContourSource, Contours } from "../contours";
import type { ContourOrigin } from "../contour-overlay";
import { Companion } from "./companion";

const LAYOUT_NAMES: Record<(typeof LAYOUTS)[number], string> = { side: "Side by side", blink: "Blink", one: "One at a time" };
const SECONDS = [0.5, 1, 2, 4];

export class Compare {
  private companions: Companion[] = [];
  private open: OpenImage | null = null;
  /** While they blink: which of them is seen, 0 for the one that is on show anyway. */
  private turn = 0;
  private timer = 0;
  private stop: (() => void)[] = [];
  private readonly stopAll: (() => void)[] = [];
  private readonly pump: Pump<void>;
  /** What comes with the images is heard. */
  private listening = false;
  /** Another companion is there, or one is gone. */
  onCompanions: () => void = () => {};
  private readonly pictures = byId(this.root, "pictures");
  private readonly bar = byId(this.root, "compare");
  private readonly names = h("ul", { class: "compare-names" });
  /** What the names say. */
  private named = "";
  private readonly layout = h("select", { id: "compare-layout", "aria-label": "How open images are shown" }, ...LAYOUTS.map((value) => h("option", { value }, LAYOUT_NAMES[value])));
  private readonly seconds = h("select", { id: "compare-seconds", "aria-label": "Seconds that each image is seen" }, ...SECONDS.map((s) => h("option", { value: String(s) }, `${s} s`)));
  private readonly matched = h("input", { type: "checkbox", id: "compare-matched" });
  /** What is chosen for one image and not for the next, by its name: it comes back with the image. */
  private readonly kept = new Map<string, Map<string, string>>();

  constructor(
    private readonly root: Root,
    private readonly client: Client,
    private readonly state: ViewState,
    private readonly stage: Stage,
    private readonly look: () => Look,
    private readonly contours: Contours,
    private readonly report: (error: unknown) => void,
  ) {
    const { compare } = state;
    this.bar.replaceChildren(
      this.names,
      h("span", { class: "spacer" }),
      h("label", { class: "check", title: "Same sky position, scale and orientation; same velocity or frequency" }, this.matched, "Matched"),
      this.seconds,
      this.layout,
    );
    this.layout.addEventListener("change", () => compare.layout.set(this.layout.value as (typeof LAYOUTS)[number]));
    this.seconds.addEventListener("change", () => compare.seconds.set(Number(this.seconds.value)));
    this.matched.addEventListener("change", () => compare.matched.set(this.matched.checked));
    this.pump = new Pump(() => this.follow(), report);
    const { colours, shades, clip } = state;
    this.stopAll.push(
      watchTree({ compare, file: state.file, hdu: state.hdu }, () => {
        this.draw();
        this.pump.push();
        const { of, levels } = state.contours;
        if (!of.value || this.isOpen(of.value)) return;
        of.reset();
        levels.reset();
      }),
      watchTree({ colours, shades, clip, marks: state.marks, sky: state.sky }, () => this.companions.forEach((one) => one.update())),
      // At once: regions follow the hand.
      ...[state.regions, state.selected].map((leaf) => (leaf as { watch(listener: () => void): () => void }).watch(() => this.companions.forEach((one) => one.redraw()))),
      client.onState(({ state: connection, resumed }) => connection === "connected" && void this.cameBack(resumed).catch(report)),
    );
    this.draw();
  }

  /** Opens what the state names. */
  async start(): Promise<void> {
    await this.client.subscribe<RegionHistogramData>("carta.region.histogram.data", {}, (data) => {
      if (data.region_id !== -1 || !data.histograms || data.config?.fixed_bounds || data.config?.fixed_num_bins) return;
      this.companions.find(({ image }) => image.fileId === data.file_id)?.takeHistogram(data.histograms, data.channel);
    });
    this.listening = true;
    this.pump.push();
  }

  /** Of which of the open images contours are, by the state; the one on show if that is not open. */
  get contourSource(): ContourSource | null {
    const of = this.state.contours.of.value;
    if (!of || !this.state.compare.images.value.some((one) => same(one, of))) return this.open;
    // It may still be to come.
    return this.companions.find(({ name }) => same(name, of)) ?? null;
  }

  get contourOrigin(): ContourOrigin | null {
    const source = this.contourSource;
    return source && { image: source.image, area: source instanceof Companion ? source.area : this.stage.view };
  }

  show(open: OpenImage | null): void {
    this.stop.forEach((stop) => stop());
    this.open = open;
    for (const one of this.companions) one.attach(open, this.stage.view);
    this.stop = open ? [open.cursor, open.loader.shown].map((signal) => (signal as { watch(listener: () => void): () => void }).watch(() => this.viewChanged())) : [];
    this.draw();
  }

  viewChanged(): void {
    if (this.state.compare.layout.value !== "one") this.companions.forEach((one) => one.update());
  }

  /** Those that are seen beside the one on show. */
  get beside(): readonly Companion[] {
    return this.pictures.classList.contains("by-side") ? this.companions : [];
  }

  /** Opens an image beside what is open, or alone if nothing is. */
  add(file: string, hdu = ""): void {
    const { compare } = this.state;
    if (this.state.file.value === "") {
      this.state.file.set(file);
      return;
    }
    if (this.isOpen({ file, hdu })) return;
    if (compare.images.value.length >= MOST_COMPANIONS) {
      this.report(new Error(`No more than ${MOST_COMPANIONS + 1} images can be open at once: close one first.`));
      return;
    }
    compare.images.set([...compare.images.value, { file, hdu }]);
    if (compare.layout.value === "one") compare.layout.set("side");
  }

  /** Makes another of the open images the one that is worked with; what was becomes a companion. */
  choose(at: number): void {
    const { state } = this;
    const name = state.compare.images.value[at];
    if (!name) return;
    const companion = this.companions.find((one) => same(one.name, name));
    const own: ImageName = { file: state.file.value, hdu: state.hdu.value, ...(state.channel.value > 0 ? { channel: state.channel.value } : {}) };
    this.kept.set(key(own), new Map(this.ownLeaves().map(([path, leaf]) => [path, leaf.text])));
    const kept = this.kept.get(key(name));
    state.compare.images.set(state.compare.images.value.map((one, i) => (i === at ? own : one)));
    // In one go: until the image is there, nothing of this is meant for the one before.
    state.file.set(name.file);
    state.hdu.set(name.hdu);
    for (const [path, leaf] of this.ownLeaves()) {
      const text = kept?.get(path);
      if (text === undefined || !leaf.readText(text)) leaf.reset();
    }
    if (!companion || !state.compare.matched.value) return;
    const { centreX: x, centreY: y, scale } = companion.view;
    state.view.set(companion.view.fitted ? null : { x, y, scale });
    state.channel.set(companion.loader.wanted.value.channel);
  }

  next(): void {
    const { images } = this.state.compare;
    if (images.value.length === 0) return;
    this.choose(0);
    // Round and round: what was on show goes to the end.
    images.set([...images.value.slice(1), images.value[0]!]);
  }

  toggleBlink(): void {
    const { layout } = this.state.compare;
    layout.set(layout.value === "blink" ? "side" : "blink");
  }

  destroy(): void {
    clearInterval(this.timer);
    this.stop.forEach((stop) => stop());
    this.stopAll.forEach((stop) => stop());
    this.pump.clear();
    this.companions.forEach((one) => one.close());
    this.companions = [];
  }

  private isOpen(name: ImageName): boolean {
    const { file, hdu, compare } = this.state;
    return same(name, { file: file.value, hdu: hdu.value }) || compare.images.value.some((one) => same(one, name));
  }

  private ownLeaves() {
    const { channel, stokes, view, cursor, held, shades, clip, regions, selected, ranges, contours } = this.state;
    // Contours of a certain image stay those of that image.
    return leaves({ channel, stokes, view, cursor, held, shades, clip: { limits: clip.limits, stretch: clip.stretch }, regions, selected, ranges, ...(contours.of.value ? {} : { contours: { levels: contours.levels } }) });
  }

  private remove(at: number): void {
    const { images } = this.state.compare;
    images.set(images.value.filter((_, i) => i !== at));
  }

  /** Closes and opens images until they are those that the state names. */
  private async follow(): Promise<void> {
    if (!this.listening) return;
    const { images } = this.state.compare;
    const wanted = images.value;
    const before = this.companions;
    this.companions = this.companions.filter((one) => {
      const stays = wanted.some((name) => same(name, one.name));
      if (!stays) one.close();
      return stays;
    });
    if (before.length !== this.companions.length) this.onCompanions();
    for (const name of wanted) {
      if (this.companions.some((one) => same(one.name, name))) continue;
      try {
        const image = await this.client.open(name.file, { hdu: name.hdu });
        if (!images.value.some((one) => same(one, name))) {
          await image.close();
          continue;
        }
        this.companions.push(this.made(image, name));
        this.onCompanions();
        await requireHistogram(image);
      } catch (error) {
        if (this.client.state !== "connected") return; // cameBack() tries again
        images.set(images.value.filter((one) => !same(one, name)));
        this.report(error);
      }
    }
    const place = (one: Companion) => images.value.findIndex((name) => same(name, one.name));
    this.companions.sort((a, b) => place(a) - place(b)).forEach((one) => this.pictures.append(one.element));
    this.draw();
  }

  private made(image: Companion["image"], name: ImageName): Companion {
    const companion = new Companion(image, name, this.state, this.contours, () => this.contourOrigin, this.report);
    companion.lookOf = this.look;
    const channel = Math.min(name.channel ?? 0, image.info.depth - 1);
    if (channel > 0) companion.loader.setPlane({ ...companion.loader.wanted.value, channel });
    companion.attach(this.open, this.stage.view);
    this.pictures.append(companion.element);
    this.steer(companion);
    this.draw();
    return companion;
  }

  /** Its picture moves that of the image on show, which it follows. */
  private steer(companion: Companion): void {
    const { element } = companion;
    const { view } = this.stage;
    const at = (event: MouseEvent) => {
      const box = element.getBoundingClientRect();
      return view.toScreen(...companion.toMain(event.clientX - box.left, event.clientY - box.top));
    };
    let from: { id: number; x: number; y: number } | null = null;
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { x, y } = at(event);
        view.zoomAbout(x, y, Math.exp(-Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1))) * 0.0022));
        this.stage.changed();
      },
      { passive: false },
    );
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      from = { id: event.pointerId, ...at(event) };
    });
    element.addEventListener("pointermove", (event) => {
      if (event.pointerId !== from?.id) return;
      const now = at(event);
      view.panBy(now.x - from.x, now.y - from.y);
      this.stage.changed();
      // The picture goes along in the next frame: then what is under the pointer is what was.
      companion.update();
      from = { id: from.id, ...at(event) };
    });
    for (const end of ["pointerup", "pointercancel"] as const) element.addEventListener(end, () => (from = null));
    element.addEventListener("dblclick", () => this.choose(this.state.compare.images.value.findIndex((name) => same(name, companion.name))));
  }

  private async cameBack(resumed: boolean): Promise<void> {
    for (const { image, name, loader } of this.companions) {
      if (!resumed) await this.client.open(name.file, { hdu: name.hdu, fileId: image.fileId });
      const { channel, stokes } = loader.wanted.value;
      await image.setChannel(channel, stokes);
      loader.restart();
      await requireHistogram(image);
    }
    this.pump.push();
  }

  private draw(): void {
    const { compare, file } = this.state;
    const { layout, images, seconds } = compare;
    const several = file.value !== "" && images.value.length > 0;
    this.bar.hidden = !several;
    this.layout.value = layout.value;
    this.seconds.value = String(seconds.value);
    this.seconds.hidden = layout.value !== "blink";
    this.matched.checked = compare.matched.value;
    this.drawNames();
    const label = byId(this.root, "main-name");
    label.hidden = !several || layout.value === "one";
    label.textContent = short({ file: file.value, hdu: "" });
    const shape = several ? layout.value : "one";
    for (const one of LAYOUTS) this.pictures.classList.toggle(`by-${one}`, one === shape);
    const count = images.value.length + 1;
    this.pictures.style.setProperty("--columns", String(shape === "side" ? (count <= 2 ? count : count <= 4 ? 2 : 3) : 1));
    clearInterval(this.timer);
    this.timer = 0;
    this.take(0);
    if (shape === "blink") this.timer = window.setInterval(() => this.take((this.turn + 1) % (this.companions.length + 1)), 1000 * seconds.value);
    this.viewChanged();
  }

  /** Only when they say something else: one that is just being pressed must not go away. */
  private drawNames(): void {
    const { file } = this.state;
    const images = this.state.compare.images.value;
    const named = JSON.stringify([file.value, images.map(({ file, hdu }) => [file, hdu])]);
    if (named === this.named) return;
    this.named = named;
    this.names.replaceChildren(
      h("li", { class: "current", "aria-current": "true", title: file.value }, short({ file: file.value, hdu: "" })),
      ...images.map((name, i) =>
        h(
          "li",
          {},
          h("button", { type: "button", class: "compare-name", title: `Make ${name.file} the active image`, onclick: () => this.choose(i) }, short(name) + (name.hdu === "" ? "" : ` [${name.hdu}]`)),
          h("button", { type: "button", class: "compare-close", "aria-label": `Close ${name.file}`, onclick: () => this.remove(i) }, "×"),
        ),
      ),
    );
  }

  private take(turn: number): void {
    this.turn = turn;
    this.companions.forEach(({ element }, i) => element.classList.toggle("seen", i + 1 === turn));
  }
}

function same(a: ImageName, b: ImageName): boolean {
  return a.file === b.file && a.hdu === b.hdu;
}

/** A name without its folder. */
function short({ file }: ImageName): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

function key({ file, hdu }: ImageName): string {
  return JSON.stringify([file, hdu]);
}

async function requireHistogram({ client, fileId }: Companion["image"]): Promise<void> {
  await client.carta.setHistogramRequirements({ file_id: fileId, region_id: -1, histograms: [{ coordinate: "z", channel: -1, num_bins: -1 }] });
}
