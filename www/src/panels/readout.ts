/** The line under the image: pixel, sky position, value, zoom. */
import { byId } from "../dom";
import * as format from "../format";
import type { OpenImage } from "../open-image";
import type { View } from "../view";

export class Readout {
  private stop: (() => void)[] = [];

  show(open: OpenImage | null): void {
    this.stop.forEach((stop) => stop());
    this.stop = [];
    for (const id of ["read-pixel", "read-sky", "read-value"]) byId(id).textContent = "–";
    if (!open) return;
    const unit = String(open.image.card("BUNIT") ?? "");
    const first = String(open.image.card("CTYPE1") ?? "");
    const equatorial = !/^(GLON|ELON|SLON|.LON)/.test(first);
    const frame = /^GLON/.test(first) ? "Galactic" : /^ELON/.test(first) ? "Ecliptic" : String(open.image.card("RADESYS") ?? "").trim() || "Sky";
    byId("read-sky-label").textContent = frame;
    this.stop.push(
      open.cursor.watch((cursor) => {
        if (!cursor) return;
        byId("read-pixel").textContent = `${cursor.x}, ${cursor.y}`;
        byId("read-value").textContent = Number.isNaN(cursor.value) ? "blank" : `${format.value(cursor.value)} ${unit}`;
      }),
      open.sky.watch((sky) => {
        byId("read-sky").textContent = !sky || !Number.isFinite(sky.lon) ? "–" : `${equatorial ? format.hours(sky.lon) : format.degrees(sky.lon)}  ${format.degrees(sky.lat)}`;
      }),
    );
  }

  zoom(view: View): void {
    const scale = view.scale * devicePixelRatio;
    byId("read-zoom").textContent = scale >= 1 ? `${Number(scale.toPrecision(3))} ×` : `1 / ${Number((1 / scale).toPrecision(3))}`;
  }
}
