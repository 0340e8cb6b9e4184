/** Colour maps: a few colours, evenly spaced, with straight lines between them. 256 entries each. The server draws with the same file. */
import anchors from "../../imaging/render/colour_maps.json";

export type Rgb = [number, number, number];

function fromAnchors(text: string): Rgb[] {
  const colours = text.split(" ").map((c) => [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)) as Rgb);
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (colours.length - 1);
    const left = Math.min(Math.floor(at), colours.length - 2);
    return [0, 1, 2].map((k) => Math.round(colours[left]![k]! + (at - left) * (colours[left + 1]![k]! - colours[left]![k]!))) as Rgb;
  });
}

export const COLORMAPS: Record<string, Rgb[]> = Object.fromEntries(Object.entries(anchors).map(([name, text]) => [name, fromAnchors(text)]));

export function colormap(name: string, inverted: boolean): Rgb[] {
  const map = COLORMAPS[name] ?? COLORMAPS["Grey"]!;
  return inverted ? [...map].reverse() : map;
}
