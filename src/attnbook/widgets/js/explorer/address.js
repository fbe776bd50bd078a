// The explorer's state in the page's address: `#attention-2_head-3_locked-4` is the page's second explorer with head 3, row 4.

import { addressWith, ownName, syncAddress } from "../shared/address.js";
import { CHOICES, TRAITS } from "./state.js";

// Lists of pairs, one part of the address per pair.
const PAIRS = { lines: "shown_heads", forbid: "forbidden" };

// The valid settings among those of the address; others are ignored.
function read(parts, state) {
  const settings = {};
  for (const part of parts) {
    const [, name, value] = part.match(/^([a-z]+)-(.+)$/) ?? [];
    const trait = name === "hide" ? "hide_first" : name;
    if (Object.hasOwn(PAIRS, name)) settings[PAIRS[name]] = [...(settings[PAIRS[name]] ?? []), ...(/^\d{1,3}x\d{1,3}$/.test(value) ? [value.split("x").map(Number)] : [])];
    if (trait === "values") settings.values = value.split("y").map((row) => row.split("x").map(Number));
    if (!TRAITS.includes(trait) || ["forbidden", "values"].includes(trait)) continue;
    if (trait in CHOICES) CHOICES[trait].includes(value) && (settings[trait] = value);
    else if (trait === "hide_first") settings[trait] = value === "first";
    else if (/^-?\d{1,6}$/.test(value)) {
      const [least, count] = state.limits[trait];
      if (Number(value) >= least && Number(value) < count) settings[trait] = Number(value);
    }
  }
  return settings;
}

function written(name, value) {
  const short = Object.keys(PAIRS).find((key) => PAIRS[key] === name);
  if (short) return (value.length ? value : [["none"]]).map((pair) => `${short}-${pair.join("x")}`);
  if (name === "values") return `values-${value.map((row) => row.join("x")).join("y")}`;
  return name === "hide_first" ? "hide-first" : `${name}-${value}`;
}

const changed = ({ state, origin }) => TRAITS.filter((name) => String(state.get(name)) !== String(origin[name])).flatMap((name) => written(name, state.get(name)));

// The page's address for what the explorer shows now, even if nothing was changed.
export const addressOf = (view) => addressWith(view.owner, changed(view), true);

// Applies the address to the explorer and keeps it up to date.
export function followAddress(view, signal) {
  const { state, page, model } = view;
  view.origin = Object.fromEntries(TRAITS.map((name) => [name, state.get(name)]));
  view.owner = ownName("attention", ".ab-explorer", page);
  const take = (parts) => state.set({ ...view.origin, ...read(parts, state) });
  syncAddress({ own: view.owner, page, model, traits: TRAITS, take, settings: () => changed(view) }, signal);
}
