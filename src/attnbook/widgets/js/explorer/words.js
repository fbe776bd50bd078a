// Numbers, places and tokens in words.

import { element } from "../shared/dom.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 60;

export const digits = (weight) => weight.toFixed(3);
export const percent = (share) => `${Math.round(100 * share)}%`;
export const short = (number) => (number < 0.1 ? String(Number(number.toPrecision(2))) : number.toFixed(2));

export function ordinal(n) {
  const end = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${end}`;
}

// Tokens of one side, told apart by their positions where they repeat.
export class Tokens {
  constructor(list) {
    this.list = list;
    const seen = new Map();
    for (const token of list) seen.set(token, (seen.get(token) ?? 0) + 1);
    this.repeats = (index) => seen.get(list[index]) > 1;
  }

  // As a label; `#3` is its position.
  label(index, longest = LONGEST) {
    const token = tokenElement(this.list[index], longest);
    return this.repeats(index) ? element("span", { class: "named", dir: "ltr" }, token, element("span", { class: "place" }, `#${index}`)) : token;
  }

  // As a screen reader says it.
  spoken(index) {
    const text = visible(this.list[index]).slice(0, LONGEST);
    return this.repeats(index) ? `${text} at position ${index}` : text;
  }
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

// Why a map is not there on a page without a kernel.
export function absent({ layers, heads, frames, size }) {
  const count = [frames > 1 && `${frames} frames`, layers > 1 && `${layers} layers`, heads > 1 && `${heads} heads`].filter(Boolean);
  const megabytes = (size / 1e6).toFixed(0);
  return (
    `This map is not on the page: ${count.join(" of ")} take ${megabytes} MB, and a page carries 8 MB of weights at most. ` +
    "Run the notebook to look at all of them, or choose fewer for the page, for example AttentionExplorer(weights[:1], …)."
  );
}
