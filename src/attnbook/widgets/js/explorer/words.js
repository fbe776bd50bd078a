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

// Why a map is missing on a static page.
const MOST = 8e6; // bytes, as in explorer.py

export function absent({ layers, heads, frames, rows, columns, size }) {
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
  const limit = "and on a page an explorer holds at most 8 MB of weights. Run the notebook to see";
  if (2 * rows * columns > MOST) {
    const fewer = Math.max(1, Math.floor(MOST / 2 / columns / 100) * 100);
    const call = `AttentionExplorer(weights[..., :${fewer}, :], queries[:${fewer}], keys)`;
    return `This map is not on the page: one map of ${rows}×${columns} takes ${megabytes(2 * rows * columns)}, ${limit} it, or show fewer queries on the page, for example ${call}.`;
  }
  const count = [frames > 1 && `${frames} frames`, layers > 1 && `${layers} layers`, heads > 1 && `${heads} heads`].filter(Boolean);
  return `This map is not on the page: ${count.join(" of ")} take ${megabytes(size)}, ${limit} all of them, or show fewer on the page, for example AttentionExplorer(weights[:1], …).`;
}
