/** window.cubelink: what the page holds, to be read by tests and by the curious. */
import type { Client } from "cubelink";
import { colormap } from "./colormaps";
import type { DisplayPanel } from "./panels/display";
import type { OpenImage } from "./open-image";
import type { Plots } from "./plots";
import type { Stage } from "./stage";
import { stretched } from "./stretch";

interface Parts {
  open: OpenImage | null;
  display: DisplayPanel;
  stage: Stage;
  plots: Plots;
}

export function installTestHook(client: Client, parts: Parts): void {
  const hook = {
    get connection() {
      return client.state;
    },
    get sessionId() {
      return client.sessionId;
    },
    get image() {
      return parts.open ? { ...parts.open.image.info, fileId: parts.open.image.fileId } : null;
    },
    /** Channel and stokes on show. */
    get plane() {
      return parts.open?.loader.shown.value ?? null;
    },
    /** All tiles of the view are on show, with the limits of their own histogram. */
    get settled() {
      return parts.open?.settled ?? false;
    },
    get view() {
      const { centreX, centreY, scale, width, height } = parts.stage.view;
      return { centreX, centreY, scale, width, height };
    },
    get look() {
      return { ...parts.display.look, percentile: parts.display.percentile };
    },
    get histogram() {
      return parts.open?.histogram.value ?? null;
    },
    get cursor() {
      const cursor = parts.open?.cursor.value;
      return cursor ? { x: cursor.x, y: cursor.y, value: cursor.value, channel: cursor.channel, stokes: cursor.stokes } : null;
    },
    get sky() {
      return parts.open?.sky.value ?? null;
    },
    /** What the plots show: {xs, ys} of x, y and spectrum. */
    get plots() {
      return parts.plots.points;
    },
    get spectralAxis() {
      return parts.open?.axis.value ?? null;
    },
    /** Where an image pixel's centre is on the page. */
    pixelOnPage(x: number, y: number) {
      const box = document.getElementById("canvas")!.getBoundingClientRect();
      const at = parts.stage.view.toScreen(x, y);
      return { x: box.left + at.x, y: box.top + at.y };
    },
    /** The colour that a value is to have with the present limits, stretch and colour map. */
    colourOf(value: number) {
      const { limits, stretch, colormap: name, inverted } = parts.display.look;
      return colormap(name, inverted)[Math.floor(stretched(value, limits.low, limits.high, stretch) * 255 + 0.5)];
    },
    setView(centreX: number, centreY: number, scale: number) {
      Object.assign(parts.stage.view, { centreX, centreY, scale });
      parts.stage.changed();
    },
  };
  Object.defineProperty(window, "cubelink", { value: hook });
}
