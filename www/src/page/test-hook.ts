/** window.cubelink: what the page's viewer holds, to be read by tests and by the curious. */
import { colormap } from "../colormaps";
import type { CubelinkView } from "../element";
import { LinkMeter } from "../link-meter";
import { shaded } from "../shades";
import { stretched } from "../stretch";

export function installTestHook(element: CubelinkView): void {
  const viewer = () => element.viewer;
  const open = () => element.viewer?.open_ ?? null;
  const root = element.shadowRoot!;
  const hook = {
    element,
    /** The viewer's own tree of elements. */
    root,
    get connection() {
      return (element.client?.state ?? "connecting");
    },
    get sessionId() {
      return (element.client?.sessionId ?? 0);
    },
    get image() {
      return open() ? { ...open()!.image.info, fileId: open()!.image.fileId } : null;
    },
    /** Channel and stokes on show. */
    get plane() {
      return open()?.loader.shown.value ?? null;
    },
    /** All tiles of the view are on show, with the limits of their own histogram. */
    get settled() {
      return open()?.settled ?? false;
    },
    get view() {
      const { centreX, centreY, scale, width, height } = viewer()!.stage.view;
      return { centreX, centreY, scale, width, height };
    },
    get look() {
      return { ...viewer()!.display.look, percentile: element.state.clip.percentile.value };
    },
    get histogram() {
      return open()?.histogram.value ?? null;
    },
    /** The histogram of a sample, while that of all pixels is missing. */
    get sample() {
      return open()?.sample.value ?? null;
    },
    /** What the last frame was drawn from: layers of tiles, -1 for the preview; and whether in full quality. */
    get drawn() {
      return viewer()!.stage.drawn;
    },
    /** Tiles that the view still needs, the quality in which tiles are asked for, and the connection. */
    get loading() {
      const loader = open()?.loader;
      const link = element.client ? LinkMeter.of(element.client) : undefined;
      return { missing: loader?.missing.value ?? 0, quality: loader?.quality ?? 0, needed: loader?.needed.length ?? 0, underWay: loader?.underWay() ?? 0, slow: link?.slow ?? false, rate: link?.rate ?? 0 };
    },
    /** What is held in memory. */
    get held() {
      return viewer()!.held;
    },
    get cursor() {
      const cursor = open()?.cursor.value;
      return cursor ? { x: cursor.x, y: cursor.y, value: cursor.value, channel: cursor.channel, stokes: cursor.stokes } : null;
    },
    get sky() {
      return open()?.sky.value ?? null;
    },
    /** What the plots show: {xs, ys} of x, y and spectrum. */
    get plots() {
      return viewer()!.plots.points;
    },
    get spectralAxis() {
      return open()?.axis.value ?? null;
    },
    /** Where an image pixel's centre is on the page. */
    pixelOnPage(x: number, y: number) {
      const box = root.getElementById("canvas")!.getBoundingClientRect();
      const at = viewer()!.stage.view.toScreen(x, y);
      return { x: box.left + at.x, y: box.top + at.y };
    },
    /** The colour that a value is to have with the present limits, stretch and colour map. */
    colourOf(value: number) {
      const { limits, stretch, colormap: name, inverted, contrast, bias } = viewer()!.display.look;
      return colormap(name, inverted)[Math.floor(shaded(stretched(value, limits.low, limits.high, stretch), contrast, bias) * 255 + 0.5)];
    },
    setView(centreX: number, centreY: number, scale: number) {
      Object.assign(viewer()!.stage.view, { centreX, centreY, scale });
      viewer()!.stage.changed();
    },
  };
  Object.defineProperty(window, "cubelink", { value: hook });
}
