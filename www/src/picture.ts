/**
 * The view as a picture of any size: drawn in pieces as large as the canvas, each with the tiles that its resolution needs; over it what lies over the view, as
 * large in proportion as on the screen.
 */
import { IN_MEMORY } from "./contour-layer";
import { FULL_QUALITY } from "./link-meter";
import type { OpenImage } from "./open-image";
import { delay } from "./pump";
import type { Look, Renderer } from "./renderer";
import { planeKey, type CachedTile, type TileCache } from "./tile-cache";
import { layerOfView, tilesOfLayer, tilesOfView } from "./tile-plan";
import { View } from "./view";

export interface PictureOptions {
  /** Pixels; the height follows from the view's shape. */
  width: number;
  /** What lies over the image: regions, contours, marks (default: true). */
  overlays?: boolean;
  /** The cross hair, too. */
  cursor?: boolean;
  signal?: AbortSignal;
  progress?: (fraction: number) => void;
}

/** What a picture is made of. */
export interface PictureParts {
  view: View;
  open: OpenImage;
  canvas: HTMLCanvasElement;
  renderer: Renderer;
  cache: TileCache;
  look: Look;
  background: string;
  overlay: SVGSVGElement;
  /** What is drawn on the picture before the overlay, `factor` times as large as on the screen. */
  layers: readonly ((context: CanvasRenderingContext2D, factor: number) => void)[];
  /** Draws the view again, in the next frame. */
  redraw(): void;
  /** Asks for the view's own tiles again. */
  restore(): void;
}

/** Browsers have no larger canvases. */
export const WIDEST_PICTURE = 16_384;
const MOST_PIXELS = 1 << 27;
const PATIENCE_MS = 120_000;

/** The size of a picture of this view; throws where it would be too large. */
export function pictureSize(view: View, width: number): { width: number; height: number } {
  const height = Math.max(1, Math.round((width * view.height) / view.width));
  if (!Number.isInteger(width) || width < 1 || width > WIDEST_PICTURE || height > WIDEST_PICTURE || width * height > MOST_PIXELS) {
    throw new Error(`A picture can have ${WIDEST_PICTURE} pixels along each side, and ${MOST_PIXELS >> 20} million in all: not ${width} × ${height}.`);
  }
  return { width, height };
}

export async function picture(parts: PictureParts, { width: wanted, overlays = true, cursor = false, signal, progress }: PictureOptions): Promise<Blob> {
  const { view, canvas } = parts;
  const { width, height } = pictureSize(view, wanted);
  const factor = width / view.width;
  const result = document.createElement("canvas");
  Object.assign(result, { width, height });
  const context = result.getContext("2d", IN_MEMORY);
  if (!context) throw new Error(`This browser can't make a picture of ${width} × ${height} pixels.`);
  context.fillStyle = parts.background;
  context.fillRect(0, 0, width, height);
  const [across, down] = [Math.ceil(width / canvas.width), Math.ceil(height / canvas.height)];
  try {
    for (let piece = 0; piece < across * down; piece++) {
      progress?.(piece / (across * down));
      const [x, y] = [(piece % across) * canvas.width, Math.floor(piece / across) * canvas.height];
      await drawPiece(parts, context, { x, y, width, height, factor }, signal);
    }
  } finally {
    parts.restore();
  }
  progress?.(1);
  if (overlays) {
    for (const draw of parts.layers) draw(context, factor);
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(overlayText(parts.overlay, view, { width, height }, cursor))}`;
    await image.decode();
    context.drawImage(image, 0, 0, width, height);
  }
  signal?.throwIfAborted();
  const blob = await new Promise<Blob | null>((resolve) => result.toBlob(resolve, "image/png"));
  if (!blob) throw new Error(`This browser can't make a picture of ${width} × ${height} pixels.`);
  return blob;
}

async function drawPiece(parts: PictureParts, context: CanvasRenderingContext2D, at: { x: number; y: number; width: number; height: number; factor: number }, signal?: AbortSignal): Promise<void> {
  const { view, open, canvas, cache, renderer } = parts;
  const part = new View();
  const scale = view.scale * at.factor;
  Object.assign(part, { imageWidth: view.imageWidth, imageHeight: view.imageHeight, width: canvas.width, height: canvas.height, scale });
  part.centreX = view.centreX + (at.x + canvas.width / 2 - at.width / 2) / scale;
  part.centreY = view.centreY - (at.y + canvas.height / 2 - at.height / 2) / scale;
  const { channel, stokes } = open.loader.shown.value;
  const plane = planeKey(open.image.fileId, channel, stokes);
  const codes = tilesOfView(part, 1);
  open.loader.need(codes);
  const start = performance.now();
  for (let turn = 1; !codes.every((code) => cache.has(plane, code, FULL_QUALITY)); turn++) {
    // The view may have asked for its own meanwhile.
    if (turn % 25 === 0) open.loader.need(codes);
    signal?.throwIfAborted();
    const now = open.loader.shown.value;
    if (now.channel !== channel || now.stokes !== stokes) throw new Error("Another channel was chosen while the picture was made.");
    if (performance.now() - start > PATIENCE_MS) throw new Error("The image’s tiles did not come in time for the picture.");
    await delay(20);
  }
  const tiles: CachedTile[] = [];
  for (let layer = layerOfView(part, 1); layer >= 0; layer--) {
    for (const code of tilesOfLayer(part, layer)) {
      const cached = cache.get(plane, code);
      if (cached) tiles.push(cached);
    }
  }
  // What is on the canvas is kept only until the page is shown again: drawn, copied, and drawn over in one go.
  renderer.draw(part, tiles, parts.look);
  context.drawImage(canvas, at.x, at.y);
  parts.redraw();
}

/** Properties that style sheets set on what is in the overlay. */
const COPIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "opacity", "filter", "display", "visibility", "font", "text-anchor", "dominant-baseline", "paint-order", "color"];

/** As a drawing of its own, without the page's style sheets. */
function overlayText(overlay: SVGSVGElement, view: View, size: { width: number; height: number }, cursor: boolean): string {
  const copy = overlay.cloneNode(true) as SVGSVGElement;
  const [from, to] = [overlay, copy].map((svg) => [...svg.querySelectorAll<SVGElement>("*")]) as [SVGElement[], SVGElement[]];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    const text = COPIED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    const width = style.vectorEffect === "non-scaling-stroke" ? `;stroke-width:${parseFloat(style.strokeWidth) / scaleOf(element)}` : "";
    to[i]!.setAttribute("style", text + width + (element.classList.contains("selected") ? ";filter:none" : ""));
  });
  for (const left of copy.querySelectorAll(cursor ? ".region-handles, .draft" : ".region-handles, .draft, .cross")) left.remove();
  copy.removeAttribute("class");
  for (const [name, v] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${view.width} ${view.height}`, width: String(size.width), height: String(size.height) })) copy.setAttribute(name, v);
  return new XMLSerializer().serializeToString(copy);
}

/** CSS pixels per unit of what the element is drawn in. */
function scaleOf(element: SVGElement): number {
  const { a, b, c, d } = (element as SVGGraphicsElement).getCTM?.() ?? new DOMMatrix();
  return Math.sqrt(Math.abs(a * d - b * c)) || 1;
}
