// The state of a page's widgets in its address, one segment each: `#attention-2_head-3__dates-1_into-de`. Only a static page, which has
// no other way to keep state, writes its address; in JupyterLab, links of this form set the widgets of their notebook.

import { watchModel } from "./widget.js";

const BETWEEN = "__";
const PATIENCE = 300; // milliseconds: browsers limit the rate of address changes

const segments = ({ hash } = location) => hash.slice(1).split(BETWEEN).filter((one) => /^[a-z]+-\d+(_|$)/.test(one));
const ownerOf = (segment) => segment.split("_")[0];

// What a widget is called in the address: "attention-2" is the page's second explorer. A notebook's widgets are numbered when a link is
// clicked.
export const ownName = (name, place, page) => (SITE ? `${name}-${[...document.querySelectorAll(place)].indexOf(page) + 1}` : name);

// The page's address with these settings of the widget `own`, such as "attention-2". `always` names the widget even without settings.
export function addressWith(own, settings, always = false) {
  const others = segments().filter((one) => ownerOf(one) !== own);
  const all = always || settings.length ? [[own, ...settings].join("_"), ...others] : others;
  return all.join(BETWEEN);
}

// Hands the widget's settings in the address to `take`; writes `settings()` into the address when one of the model's `traits` changes,
// and when the function that it returns is called. The first widget named in the address is scrolled to and flashes: links in the
// text lead there. The browser doesn't report a click on a link to the present address.
export function syncAddress({ own, page, model, traits, take, settings }, signal) {
  if (!SITE) return followLinks(own, page, take, signal);
  const read = () => {
    const index = segments().findIndex((one) => ownerOf(one) === own);
    if (index < 0) return;
    take(segments()[index].split("_").slice(1));
    if (index === 0) requestAnimationFrame(show);
  };
  const show = () => {
    const { top, bottom } = page.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) page.scrollIntoView({ block: bottom - top > innerHeight ? "start" : "center" });
    flash(page, "var(--ab-accent)");
  };
  let timer = 0;
  const again = ({ target }) => {
    const hash = target.closest?.("a")?.hash;
    if (!hash) return;
    clearTimeout(timer); // else a state from before the click could replace the link's address before the browser reports it
    if (hash === location.hash) read();
  };
  const write = () => {
    const address = addressWith(own, settings());
    if (address === segments().join(BETWEEN)) return;
    try {
      history.replaceState(history.state, "", address ? `#${address}` : location.pathname + location.search);
    } catch {} // some pages are not allowed to change their address
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(write, PATIENCE);
  };
  read();
  window.addEventListener("hashchange", read, { signal });
  document.addEventListener("click", again, { signal });
  watchModel(model, Object.fromEntries(traits.map((name) => [`change:${name}`, later])), signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return later;
}

const flash = (page, color) => page.animate([{ outline: `3px solid ${color}`, outlineOffset: "6px" }, { outline: "3px solid transparent", outlineOffset: "6px" }], { duration: 1600, easing: "ease-in" });

// Hands the settings in a link to `take` if the link names this widget of its own notebook.
function followLinks(name, el, take, signal) {
  el.dataset.attnbook = name;
  const follow = (event) => {
    const link = event.target.closest?.("a");
    const notebook = link?.closest(".jp-Notebook");
    if (!notebook?.contains(el)) return;
    const own = `${name}-${[...notebook.querySelectorAll(`[data-attnbook="${name}"]`)].indexOf(el) + 1}`;
    const segment = segments(link).find((one) => ownerOf(one) === own);
    if (!segment) return;
    event.preventDefault(); // JupyterLab would look for a heading of this name
    take(segment.split("_").slice(1));
    el.scrollIntoView({ block: "nearest" });
    flash(el, "var(--jp-brand-color1)");
  };
  document.addEventListener("click", follow, { signal });
  return () => {};
}

// A text without halves of characters, which neither addresses nor Python can hold.
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

// A text as part of a segment, and back; at most `longest` characters, "" if it can't be read.
export const writeText = (text) => encodeURIComponent(wellFormed(text)).replaceAll("_", "%5F");

export function readText(written, longest) {
  try {
    return decodeURIComponent(written).slice(0, longest);
  } catch {
    return "";
  }
}

// The valid settings of a segment; others are ignored. `limits`: least and count per number; `texts`: characters per text; `choices`:
// allowed values; `heads`: numbers of layers and heads of which `cut` names some.
export function readSettings(parts, { limits, texts, heads, choices = {} }) {
  const settings = {};
  for (const part of parts) {
    const [, name, value] = part.match(/^([a-z]+)-(.+)$/) ?? [];
    const [least, count] = limits[name] ?? [];
    if (name === "cut" && /^\d{1,3}\.\d{1,3}$/.test(value)) {
      const pair = value.split(".").map(Number);
      if (pair.every((number, i) => number < heads[i])) settings.cut = [...(settings.cut ?? []), pair];
    } else if (value === "none" && name === "cut") settings.cut = [];
    else if (name in texts) {
      const text = readText(value, texts[name]);
      if (text.trim()) settings[name] = text;
    } else if (choices[name]?.includes(value)) settings[name] = value;
    else if (/^-?\d{1,3}$/.test(value) && value >= least && value < count) settings[name] = Number(value);
  }
  return settings;
}

// What differs from `origin`, as it is written in a segment.
export function writeSettings(settings, origin, { texts }) {
  const names = Object.keys(settings).filter((name) => String(settings[name]) !== String(origin[name]));
  return names.flatMap((name) => {
    if (name === "cut") return settings.cut.length ? settings.cut.map((pair) => `cut-${pair.join(".")}`) : ["cut-none"];
    if (!(name in texts)) return [`${name}-${settings[name]}`];
    return settings[name] ? [`${name}-${writeText(settings[name])}`] : [];
  });
}
