// The explorer's state in the page's address: `#language-1_layer-18_head-6_position-4_cut-17.3_prompt-…` is the page's first explorer.

import { ownName, readSettings, syncAddress, writeSettings } from "../shared/address.js";

export function followAddress(view, page, signal) {
  const [layers, heads] = view.shape;
  const limits = { layer: [0, layers], head: [0, heads], position: [-1, 128], key: [0, 128] };
  const form = { limits, texts: { prompt: 2000 }, heads: view.shape, choices: { sort: ["induction", "previous", "first", "pair"] } };
  const traits = [...Object.keys(limits), "prompt", "sort", "cut"];
  const origin = view.get(...traits);
  const own = ownName("language", ".ab-language", page);
  const take = (parts) => view.set({ ...origin, ...readSettings(parts, form) });
  syncAddress({ own, page, model: view.model, traits, take, settings: () => writeSettings(view.get(...traits), origin, form) }, signal);
}
