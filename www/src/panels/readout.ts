/** The line under the image: pixel, sky position, value, zoom. */
import { byId, type Root } from "../dom";
import * as format from "../format";
import type { OpenImage, Sky } from "../open-image";
import type { View } from "../view";

export class Readout {
  private stop: (() => void)[] = [];

  constructor(private readonly root: Root) {}

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
      open.sky.watch((sky) => {
        byId(this.root, "read-sky-label").textContent = sky?.frame.split(",")[0] || "Sky";
        byId(this.root, "read-sky").textContent = sky ? [0, 1].map((i) => coordinate(sky, i)).join("  ") : "–";
      }),
    );
  }

  zoom(view: View): void {
    const scale = view.scale * devicePixelRatio;
    byId(this.root, "read-zoom").textContent = scale >= 1 ? `${Number(scale.toPrecision(3))} ×` : `1 / ${Number((1 / scale).toPrecision(3))}`;
  }
}

/** Equatorial positions in hours and degrees with minutes and seconds, galactic and ecliptic ones in degrees, what is no angle with its unit. */
function coordinate(sky: Sky, i: number): string {
  const v = i === 0 ? sky.lon : sky.lat;
  if (!Number.isFinite(v)) return "–";
  if (sky.units[i] !== "deg") return `${sky.names[i] ?? ""} ${format.value(v)} ${sky.units[i] ?? ""}`.trim();
  const name = sky.names[i] ?? "";
  if (/^RA/i.test(name)) return format.hours(v);
  if (/LON$/i.test(name)) return format.longitude(v);
  return /LAT$/i.test(name) ? format.latitude(v) : format.degrees(v);
}
