/** Contrast and bias: how the colour map is laid over what the stretch gives, as dragging with the right mouse button over the picture sets it. */
import type { ViewState } from "./state/view-state";

export const MOST_CONTRAST = 10;
/** By one key press. */
const STEP = { contrast: 1.15, bias: 0.03 };

/** From 0 … 1 to 0 … 1. The shader in renderer.ts computes the same. */
export function shaded(t: number, contrast: number, bias: number): number {
  return Math.min(1, Math.max(0, (t - bias) * contrast + 0.5));
}

type Shades = ViewState["shades"];

export function setShades(shades: Shades, contrast: number, bias: number): void {
  shades.contrast.set(rounded(Math.min(MOST_CONTRAST, Math.max(1 / MOST_CONTRAST, contrast))));
  shades.bias.set(rounded(Math.min(1, Math.max(0, bias))));
}

export function stepShades(shades: Shades, which: "contrast" | "bias", up: boolean): void {
  const { contrast, bias } = shades;
  if (which === "contrast") setShades(shades, contrast.value * STEP.contrast ** (up ? 1 : -1), bias.value);
  else setShades(shades, contrast.value, bias.value + (up ? STEP.bias : -STEP.bias));
}

export function resetShades({ contrast, bias }: Shades): void {
  contrast.reset();
  bias.reset();
}

/** The right button, or the left one with Control, dragged over `area`: to the right and left the bias, up and down the contrast. Returns what stops it. */
export function dragShades(area: HTMLElement, shades: Shades): () => void {
  let from: { id: number; x: number; y: number; contrast: number; bias: number } | null = null;
  const stop = new AbortController();
  const options = { signal: stop.signal, capture: true };
  area.addEventListener(
    "pointerdown",
    (event) => {
      if (event.pointerType !== "mouse" || !(event.target instanceof HTMLCanvasElement) || !(event.button === 2 || (event.button === 0 && event.ctrlKey))) return;
      event.stopPropagation();
      event.target.setPointerCapture(event.pointerId);
      from = { id: event.pointerId, x: event.clientX, y: event.clientY, contrast: shades.contrast.value, bias: shades.bias.value };
    },
    options,
  );
  area.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerId !== from?.id) return;
      // The cursor stays where it is meanwhile.
      event.stopPropagation();
      const { width, height } = area.getBoundingClientRect();
      setShades(shades, from.contrast * MOST_CONTRAST ** ((2 * (from.y - event.clientY)) / height), from.bias + (event.clientX - from.x) / width);
    },
    options,
  );
  for (const end of ["pointerup", "pointercancel"] as const) {
    area.addEventListener(end, (event) => event.pointerId === from?.id && (from = null), options);
  }
  area.addEventListener("contextmenu", (event) => event.target instanceof HTMLCanvasElement && event.preventDefault(), options);
  return () => stop.abort();
}

function rounded(v: number): number {
  return Number(v.toPrecision(4));
}
