// The explorer's state in the page's address: `#sentence-1_layer-7_head-0_query-8_cut-3.5_text-…` is the page's first explorer.

import { addressWith, ownName, readSettings, syncAddress, writeSettings } from "../shared/address.js";
import { HEADS, LAYERS } from "./recorded.js";

const LIMITS = { layer: [0, LAYERS], head: [0, HEADS], query: [-1, 64], key: [-1, 64] };
const TEXTS = { text: 300, other: 300 }; // characters
const FORM = { limits: LIMITS, texts: TEXTS, heads: [LAYERS, HEADS] };
const TRAITS = [...Object.keys(LIMITS), ...Object.keys(TEXTS), "cut"];

const changed = (view) => writeSettings(view.get(...TRAITS), view.origin, FORM);

// The page's address for what the explorer shows now, even if nothing was changed.
export const addressOf = (view) => addressWith(view.owner, changed(view), true);

export function followAddress(view, page, signal) {
  view.origin = view.get(...TRAITS);
  view.owner = ownName("sentence", ".ab-sentences", page);
  const take = (parts) => view.set({ ...view.origin, ...readSettings(parts, FORM) });
  syncAddress({ own: view.owner, page, model: view.model, traits: TRAITS, take, settings: () => changed(view) }, signal);
}
