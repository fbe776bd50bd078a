// Colours of weights, from the file that the static figures use too.

import { dark, light } from "../../../palette.json"; // so that a script holds only these

const STEPS = 1023;
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const tables = new Map();
const palette = { dark, light };

export const colors = (theme) => palette[theme];

// A table of STEPS + 1 colours as 32-bit pixels, interpolated linearly between the palette's stops.
export function pixels(theme) {
  if (!tables.has(theme)) {
    const stops = palette[theme].weights.map(channels);
    const bytes = new Uint8ClampedArray(4 * (STEPS + 1));
    for (let i = 0; i <= STEPS; i++) {
      const at = (i / STEPS) * (stops.length - 1);
      const low = Math.min(Math.floor(at), stops.length - 2);
      for (let c = 0; c < 3; c++) bytes[4 * i + c] = stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c]);
      bytes[4 * i + 3] = 255;
    }
    tables.set(theme, new Uint32Array(bytes.buffer));
  }
  return tables.get(theme);
}

// The index of a weight's colour: linear from 0 to `peak`, or with a `floor` logarithmic from `floor` to `peak`.
export const step = (weight, peak, floor = 0) => {
  const share = floor ? Math.log(weight / floor) / Math.log(peak / floor) : weight / peak;
  return Math.max(0, Math.min(STEPS, Math.round(share * STEPS)));
};

export function pixel(hex) {
  const [r, g, b] = channels(hex);
  return new Uint32Array(Uint8Array.of(r, g, b, 255).buffer)[0];
}

// A weight's colour, and black or white text, whichever has more contrast.
export function swatch(weight, peak, theme, floor = 0) {
  const [r, g, b] = new Uint8Array(pixels(theme).buffer, 4 * step(weight, peak, floor), 3);
  const linear = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return { background: `rgb(${r} ${g} ${b})`, color: luminance > 0.179 ? "#000" : "#fff" };
}

export const gradient = (theme) => `linear-gradient(to right, ${palette[theme].weights.join(", ")})`;

// The background of masked cells.
export const hatching = (theme) => {
  const { masked, hatch } = colors(theme);
  return `repeating-linear-gradient(135deg, ${hatch} 0 1px, ${masked} 1px 4px)`;
};
