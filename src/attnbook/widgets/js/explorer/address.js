// The explorer's state in the page's address: `#attention-2_head-3_locked-4` is the page's second explorer with head 3, row 4.

import { watchModel } from "../shared/widget.js";
import { CHOICES, TRAITS } from "./state.js";

const BETWEEN = "__"; // separates explorers
const PATIENCE = 300; // milliseconds: browsers limit the rate of address changes

const segments = () => location.hash.slice(1).split(BETWEEN).filter((one) => /^[a-z]+-\d+(_|$)/.test(one));

// The valid settings of a segment; others are ignored.
function read(segment, state) {
  const settings = {};
  for (const part of segment.split("_").slice(1)) {
    const [, name, value] = part.match(/^([a-z]+)-(-?\w+)$/) ?? [];
    const trait = name === "hide" ? "hide_first" : name;
    if (!TRAITS.includes(trait)) continue;
    if (trait in CHOICES) CHOICES[trait].includes(value) && (settings[trait] = value);
    else if (trait === "hide_first") settings[trait] = value === "first";
    else if (/^-?\d{1,6}$/.test(value)) {
      const [least, count] = state.limits[trait];
      if (Number(value) >= least && Number(value) < count) settings[trait] = Number(value);
    }
  }
  return settings;
}

const written = (name, value) => (name === "hide_first" ? "hide-first" : `${name}-${value}`);

// The page's address for what the explorer shows now. With `always` it names the explorer even if nothing was changed.
export function addressOf({ state, origin, number }, always = false) {
  const changed = TRAITS.filter((name) => state.get(name) !== origin[name]).map((name) => written(name, state.get(name)));
  const own = `attention-${number}`;
  const others = segments().filter((one) => one.split("_")[0] !== own);
  const all = always || changed.length ? [[own, ...changed].join("_"), ...others] : others;
  return all.join(BETWEEN);
}

// Applies the address to the explorer and keeps it up to date. Only on a static page, which has no other way to keep state.
export function followAddress(view, signal) {
  const { state, page } = view;
  view.origin = Object.fromEntries(TRAITS.map((name) => [name, state.get(name)]));
  view.number = [...document.querySelectorAll(".ab-explorer")].indexOf(page) + 1;
  const take = () => {
    const index = segments().findIndex((one) => one.split("_")[0] === `attention-${view.number}`);
    if (index < 0) return;
    const settings = read(segments()[index], state);
    state.set({ ...view.origin, ...settings });
    if (index === 0) requestAnimationFrame(() => page.scrollIntoView({ block: page.offsetHeight > innerHeight ? "start" : "center" }));
  };
  let timer = 0;
  const write = () => {
    const address = addressOf(view);
    if (address === segments().join(BETWEEN)) return;
    try {
      history.replaceState(history.state, "", address ? `#${address}` : location.pathname + location.search);
    } catch {} // some pages are not allowed to change their address
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(write, PATIENCE);
  };
  take();
  window.addEventListener("hashchange", take, { signal });
  watchModel(view.model, Object.fromEntries(TRAITS.map((name) => [`change:${name}`, later])), signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
}
