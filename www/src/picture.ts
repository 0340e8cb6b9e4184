/**
 * What is in view as a picture of any size, of one image or of those side by side: drawn in pieces as large as the canvas, each with the tiles that its resolution
 * needs; over it what lies over the view, as large in proportion as on the screen.
 */
import { UPRIGHT, type Turn } from "./compare/turned-view";
import { IN_MEMORY } from "./contour-layer";
import { FULL_QUALITY } from "./link-meter";
import { delay } from "./pump";
import type { Look, Renderer } from "./renderer";
import type { CachedTile, TileCache } from "./tile-cache";
import type { TileLoader } from "./tile-loader";
import { layerOfView, tilesOfLayer, tilesOfView } from "./tile-plan";
import { View } from "./view";

export interface PictureOptions {
  /** Pixels; the height follows from the view's shape. */
  width: number;
  /** What lies over the image: regions, contours, marks (default: true). */
  overlays?: boolean;
  /** The cross hair, too. */
  cursor?: boolean;
  /** The images side by side with the one on show, too, as they lie on the screen (default: false). */
  beside?: boolean;
  signal?: AbortSignal;
  progress?: (fraction: number) => void;
}

/** One image of a picture, and what draws it. */
export interface PicturePane {
  /** Where it is in the picture, CSS pixels. */
  left: number;
  top: number;
  /** What is seen of it; as large as the pane. */
  view: View;
  /** What of the image is drawn, upright, before it is turned about the middle of the pane: the view itself where it is not. */
  area: View;
  turn: Turn;
  loader: TileLoader;
  canvas: HTMLCanvasElement;
  renderer: Renderer;
  cache: TileCache;
  look: Look;
  overlay: SVGSVGElement;
  /** What is drawn on the image before the overlay, `factor` times as large as on the screen. */
  layers: readonly ((context: CanvasRenderingContext2D, factor: number) => void)[];
  /** Its name, where images are told apart. */
  label: HTMLElement | null;
  /** Where the cross hair of another image is in this one, CSS pixels of the pane. */
  cross: { x: number; y: number } | null;
  /** Draws the view again, in the next frame. */
  redraw(): void;
  /** Asks for the view's own tiles again. */
  restore(): void;
}

export interface PictureParts {
  /** CSS pixels. */
  size: { width: number; height: number };
  panes: readonly PicturePane[];
  /** Colours: behind the images, and between the panes. */
  back: string;
  between: string;
}

/** Browsers have no larger canvases. */
export const WIDEST_PICTURE = 16_384;
const MOST_PIXELS = 1 << 27;
const PATIENCE_MS = 120_000;

/** The size of a picture of what is so large on the screen; throws where it would be too large. */
export function pictureSize(area: { width: number; height: number }, width: number): { width: number; height: number } {
  const height = Math.max(1, Math.round((width * area.height) / area.width));
  if (!Number.isInteger(width) || width < 1 || width > WIDEST_PICTURE || height > WIDEST_PICTURE || width * height > MOST_PIXELS) {
    throw new Error(`A picture can have ${WIDEST_PICTURE} pixels along each side, and ${MOST_PIXELS >> 20} million in all: not ${width} × ${height}.`);
  }
  return { width, height };
}

export async function picture({ size, panes, back, between }: PictureParts, { width: wanted, overlays = true, cursor = false, signal, progress }: PictureOptions): Promise<Blob> {
  const { width, height } = pictureSize(size, wanted);
  const factor = width / size.width;
  const result = document.createElement("canvas");
  Object.assign(result, { width, height });
  const context = result.getContext("2d", IN_MEMORY);
  if (!context) throw new Error(`This browser can't make a picture of ${width} × ${height} pixels.`);
  context.fillStyle = between;
  context.fillRect(0, 0, width, height);
  const pieces = panes.flatMap((pane) => piecesOf(pane, factor));
  try {
    for (const pane of panes) inPane(context, pane, factor, () => context.fillRect(0, 0, width, height), back);
    for (let i = 0; i < pieces.length; i++) {
      progress?.(i / pieces.length);
      await drawPiece(context, pieces[i]!, factor, signal);
    }
  } finally {
    panes.forEach((pane) => pane.restore());
  }
  progress?.(1);
  if (overlays) {
    for (const pane of panes) {
      const image = new Image();
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(overlayText(pane.overlay, pane.view, factor, cursor))}`;
      await image.decode();
      inPane(context, pane, factor, () => {
        for (const draw of pane.layers) draw(context, factor);
        context.drawImage(image, 0, 0, ...sizeIn(pane.view, factor));
        context.scale(factor, factor);
        if (cursor && pane.cross) drawCross(context, pane.cross);
        if (pane.label) drawLabel(context, pane.label);
      });
    }
  }
  signal?.throwIfAborted();
  const blob = await new Promise<Blob | null>((resolve) => result.toBlob(resolve, "image/png"));
  if (!blob) throw new Error(`This browser can't make a picture of ${width} × ${height} pixels.`);
  return blob;
}

/** Pixels of the picture. */
function sizeIn({ width, height }: View, factor: number): [number, number] {
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
}

/** With the corner of the pane as the origin, and nothing drawn outside of it. */
function inPane(context: CanvasRenderingContext2D, { left, top, view }: PicturePane, factor: number, draw: () => void, fill?: string): void {
  context.save();
  context.translate(Math.round(left * factor), Math.round(top * factor));
  context.beginPath();
  context.rect(0, 0, ...sizeIn(view, factor));
  context.clip();
  if (fill !== undefined) context.fillStyle = fill;
  draw();
  context.restore();
}

/** As much of a pane's image as its canvas holds: x and y are its corner in the upright picture of the area. */
interface Piece {
  pane: PicturePane;
  x: number;
  y: number;
}

function piecesOf(pane: PicturePane, factor: number): Piece[] {
  const [width, height] = sizeIn(pane.area, factor);
  // Where pieces are turned, what lies under their edges must be there already, or a seam is seen.
  const overlap = pane.turn === UPRIGHT ? 0 : 2;
  const pieces: Piece[] = [];
  for (let y = 0; y < height; y += Math.max(1, pane.canvas.height - overlap)) {
    for (let x = 0; x < width; x += Math.max(1, pane.canvas.width - overlap)) pieces.push({ pane, x, y });
  }
  return pieces;
}

async function drawPiece(context: CanvasRenderingContext2D, { pane, x, y }: Piece, factor: number, signal?: AbortSignal): Promise<void> {
  const { view, area, turn, loader, canvas, cache, renderer } = pane;
  const [width, height] = sizeIn(area, factor);
  const part = new View();
  const scale = area.scale * factor;
  Object.assign(part, { imageWidth: area.imageWidth, imageHeight: area.imageHeight, width: canvas.width, height: canvas.height, scale });
  part.centreX = area.centreX + (x + canvas.width / 2 - width / 2) / scale;
  part.centreY = area.centreY - (y + canvas.height / 2 - height / 2) / scale;
  const { channel, stokes } = loader.shown.value;
  const plane = loader.key({ channel, stokes });
  const codes = tilesOfView(part, 1);
  loader.need(codes);
  const start = performance.now();
  for (let turn = 1; !codes.every((code) => cache.has(plane, code, FULL_QUALITY)); turn++) {
    // The view may have asked for its own meanwhile.
    if (turn % 25 === 0) loader.need(codes);
    signal?.throwIfAborted();
    const now = loader.shown.value;
    if (loader.closed) throw new Error("An image was closed while the picture was made.");
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
  renderer.draw(part, tiles, pane.look);
  inPane(context, pane, factor, () => {
    if (turn !== UPRIGHT) {
      const [across, down] = sizeIn(view, factor);
      context.translate(across / 2, down / 2);
      context.transform(turn.xx, turn.yx, turn.xy, turn.yy, 0, 0);
      context.translate(-width / 2, -height / 2);
    }
    context.drawImage(canvas, x, y);
  });
  pane.redraw();
}

/** As `.pane-cross` is on the screen. */
function drawCross(context: CanvasRenderingContext2D, { x, y }: { x: number; y: number }): void {
  context.strokeStyle = "rgb(255 255 255 / 85%)";
  context.shadowColor = "black";
  context.shadowBlur = 1;
  context.lineWidth = 1.25;
  context.beginPath();
  context.arc(x, y, 8.4, 0, 2 * Math.PI);
  context.stroke();
}

function drawLabel(context: CanvasRenderingContext2D, label: HTMLElement): void {
  const { font, color, backgroundColor, paddingLeft } = getComputedStyle(label);
  const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = label;
  context.shadowBlur = 0;
  context.shadowColor = "transparent";
  context.fillStyle = backgroundColor;
  context.beginPath();
  context.roundRect(offsetLeft, offsetTop, offsetWidth, offsetHeight, 4);
  context.fill();
  Object.assign(context, { font, fillStyle: color, textBaseline: "middle" });
  context.fillText(label.textContent ?? "", offsetLeft + parseFloat(paddingLeft), offsetTop + offsetHeight / 2);
}

/** Properties that style sheets set on what is in the overlay. */
const COPIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "opacity", "filter", "display", "visibility", "font", "text-anchor", "dominant-baseline", "paint-order", "color"];

/** As a drawing of its own, without the page's style sheets. */
function overlayText(overlay: SVGSVGElement, view: View, factor: number, cursor: boolean): string {
  const [width, height] = sizeIn(view, factor);
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
  for (const [name, v] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${view.width} ${view.height}`, width: String(width), height: String(height) })) copy.setAttribute(name, v);
  return new XMLSerializer().serializeToString(copy);
}

/** CSS pixels per unit of what the element is drawn in. */
function scaleOf(element: SVGElement): number {
  const { a, b, c, d } = (element as SVGGraphicsElement).getCTM?.() ?? new DOMMatrix();
  return Math.sqrt(Math.abs(a * d - b * c)) || 1;
}
