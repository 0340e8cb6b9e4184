/** Colour maps: a few anchors, evenly spaced, with straight lines between them, or a formula. 256 entries each. */

export type Rgb = [number, number, number];

const anchors: Record<string, string> = {
  Grey: "000000 ffffff",
  Viridis: "440154 482878 3e4a89 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  Inferno: "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
  Heat: "000000 550000 aa0000 ff2b00 ff8000 ffd500 ffff80 ffffff",
  Rainbow: "30123b 4145ab 4675ed 39a2fc 1bcfd4 24eca6 61fc6c a4fc3b d1e834 f3c63a fe9b2d f36315 d93806 b11901 7a0402",
  Ocean: "02030f 0a1a3c 0f3568 10568f 137bab 2ea3b8 6cc5bb b0e2cd e9f8ec",
  "Blue–red": "2b4fa8 6f97d8 b9cfee f4f2f0 f0bfa6 d97b5f a32638",
};

function fromAnchors(text: string): Rgb[] {
  const colours = text.split(" ").map((c) => [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)) as Rgb);
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (colours.length - 1);
    const left = Math.min(Math.floor(at), colours.length - 2);
    return [0, 1, 2].map((k) => Math.round(colours[left]![k]! + (at - left) * (colours[left + 1]![k]! - colours[left]![k]!))) as Rgb;
  });
}

/** D. A. Green (2011), Bull. Astr. Soc. India 39, 289: start 0.5, rotations -1.5, hue 1, gamma 1. Brightness rises evenly. */
function cubehelix(): Rgb[] {
  return Array.from({ length: 256 }, (_, i) => {
    const l = i / 255;
    const angle = 2 * Math.PI * (0.5 / 3 + 1 - 1.5 * l);
    const amplitude = (l * (1 - l)) / 2;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return [-0.14861 * c + 1.78277 * s, -0.29227 * c - 0.90649 * s, 1.97294 * c].map((f) =>
      Math.round(255 * Math.min(1, Math.max(0, l + amplitude * f))),
    ) as Rgb;
  });
}

export const COLORMAPS: Record<string, Rgb[]> = {
  ...Object.fromEntries(Object.entries(anchors).map(([name, text]) => [name, fromAnchors(text)])),
  Cubehelix: cubehelix(),
};

export function colormap(name: string, inverted: boolean): Rgb[] {
  const map = COLORMAPS[name] ?? COLORMAPS["Grey"]!;
  return inverted ? [...map].reverse() : map;
}
