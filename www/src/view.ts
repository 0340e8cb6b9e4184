/**
 * Which part of the image the canvas shows. Image coordinates are pixels, the centre of the first one at 0, y upwards; screen coordinates are CSS pixels of the
 * canvas, y downwards.
 */
/** Images that are smaller than the window at this scale can be larger. */
const LARGEST_SCALE = 64;

export class View {
  /** Image point in the middle of the canvas. */
  centreX = 0;
  centreY = 0;
  /** CSS pixels per image pixel. */
  scale = 1;
  /** Canvas, CSS pixels. */
  width = 1;
  height = 1;
  imageWidth = 1;
  imageHeight = 1;

  setImage(width: number, height: number): void {
    this.imageWidth = width;
    this.imageHeight = height;
    this.fit();
  }

  /** The whole image is in the window, as fit() puts it. */
  get fitted(): boolean {
    const near = (a: number, b: number) => Math.abs(a - b) < 1e-6 * Math.max(1, Math.abs(b));
    return near(this.scale, this.fittingScale) && near(this.centreX, (this.imageWidth - 1) / 2) && near(this.centreY, (this.imageHeight - 1) / 2);
  }

  fit(): void {
    this.scale = this.fittingScale;
    this.centreX = (this.imageWidth - 1) / 2;
    this.centreY = (this.imageHeight - 1) / 2;
  }

  /** A place and scale from outside, brought within what zooming and panning allow. */
  set(centreX: number, centreY: number, scale: number): void {
    this.scale = this.allowed(scale);
    this.centreX = centreX;
    this.centreY = centreY;
    this.keepInside();
  }

  toImage(screenX: number, screenY: number): { x: number; y: number } {
    return { x: this.centreX + (screenX - this.width / 2) / this.scale, y: this.centreY - (screenY - this.height / 2) / this.scale };
  }

  toScreen(x: number, y: number): { x: number; y: number } {
    return { x: this.width / 2 + (x - this.centreX) * this.scale, y: this.height / 2 - (y - this.centreY) * this.scale };
  }

  /** Image pixels, counted from (x0, y0), to the screen: as SVG and canvas have transformations, [a, b, c, d, e, f]. */
  matrix(x0 = 0, y0 = 0): [number, number, number, number, number, number] {
    const { x, y } = this.toScreen(x0, y0);
    return [this.scale, 0, 0, -this.scale, x, y];
  }

  /** The image point under (screenX, screenY) stays there. */
  zoomAbout(screenX: number, screenY: number, factor: number): void {
    const fixed = this.toImage(screenX, screenY);
    this.scale = this.allowed(this.scale * factor);
    this.centreX = fixed.x - (screenX - this.width / 2) / this.scale;
    this.centreY = fixed.y + (screenY - this.height / 2) / this.scale;
    this.keepInside();
  }

  panBy(screenX: number, screenY: number): void {
    this.centreX -= screenX / this.scale;
    this.centreY += screenY / this.scale;
    this.keepInside();
  }

  /** The visible image pixels, upper bounds exclusive, cut at the image's edges; empty if nothing of it is visible. */
  bounds(): { x0: number; y0: number; x1: number; y1: number } {
    const [halfWidth, halfHeight] = [this.width / 2 / this.scale, this.height / 2 / this.scale];
    return {
      x0: Math.max(0, Math.floor(this.centreX - halfWidth + 0.5)),
      y0: Math.max(0, Math.floor(this.centreY - halfHeight + 0.5)),
      x1: Math.min(this.imageWidth, Math.ceil(this.centreX + halfWidth + 0.5)),
      y1: Math.min(this.imageHeight, Math.ceil(this.centreY + halfHeight + 0.5)),
    };
  }

  private allowed(scale: number): number {
    const smallest = (0.25 * Math.min(this.width, this.height)) / Math.max(this.imageWidth, this.imageHeight);
    return Math.min(Math.max(LARGEST_SCALE, this.fittingScale), Math.max(Math.min(smallest, 1), scale));
  }

  private get fittingScale(): number {
    return Math.min(this.width / this.imageWidth, this.height / this.imageHeight) * 0.96;
  }

  /** The middle of the canvas never leaves the image: nobody gets lost. */
  private keepInside(): void {
    this.centreX = Math.min(this.imageWidth - 0.5, Math.max(-0.5, this.centreX));
    this.centreY = Math.min(this.imageHeight - 0.5, Math.max(-0.5, this.centreY));
  }
}
