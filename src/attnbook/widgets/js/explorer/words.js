// Numbers, places and tokens in words.

import { visible } from "../shared/tokens.js";

export const percent = (share) => `${Math.round(100 * share)}%`;

export function ordinal(n) {
  const end = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${end}`;
}

// A map's layer and head: "Layer 2, head 3", "Mean of all".
export function placeName({ layer, head }, { layers, heads }, names) {
  if (layer < 0 && head < 0) return "Mean of all";
  const parts = [];
  if (layers > 1) parts.push(layer < 0 ? "mean of layers" : `layer ${layer}`);
  if (names.length) parts.push(visible(names[head]));
  else if (heads > 1) parts.push(head < 0 ? "mean of heads" : `head ${head}`);
  const text = parts.join(", ");
  return names.length && layers === 1 ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

export const spreadInWords = ({ keys, bits }) => `spread over ${keys.toFixed(1)} keys (entropy ${bits.toFixed(2)} bits)`;
