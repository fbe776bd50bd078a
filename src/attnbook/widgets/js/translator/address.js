// The translator's state in the page's address: `#dates-1_into-de_cut-cross.1.2` is the page's first translator, writing German, with
// a head cut. Only on a static page, which has no other way to keep state.

import { watchModel } from "../shared/widget.js";

const BETWEEN = "__"; // separates widgets, as in explorer/address.js
const PATIENCE = 300; // milliseconds: browsers limit the rate of address changes

const segments = () => location.hash.slice(1).split(BETWEEN).filter((one) => /^[a-z]+-\d+(_|$)/.test(one));

export function followAddress(view, signal) {
  const page = view.page;
  if (!page) return;
  const own = `dates-${[...document.querySelectorAll(".ab-translator")].indexOf(page) + 1}`;
  const origin = view.get("text", "target", "kind");
  const isOwn = (segment) => segment.split("_")[0] === own;
  const take = () => {
    const segment = segments().find(isOwn);
    if (!segment) return;
    const settings = { ...origin, cuts: [] };
    for (const part of segment.split("_").slice(1)) {
      const [name, value] = [part.slice(0, part.indexOf("-")), part.slice(part.indexOf("-") + 1)];
      if (name === "cut" && /^\w+(\.(\d{1,4}|\*)){1,4}$/.test(value)) settings.cuts = [...settings.cuts, value];
      if (name === "into" && view.targets.includes(value)) settings.target = value;
      if (name === "kind" && ["cross", "decoder", "encoder"].includes(value)) settings.kind = value;
      if (name === "text") settings.text = decode(value) || origin.text;
    }
    view.set(settings);
    requestAnimationFrame(() => page.scrollIntoView({ block: "start" }));
  };
  let timer = 0;
  const write = () => {
    const { text, target, kind, cuts } = view.get("text", "target", "kind", "cuts");
    const parts = [];
    if (text !== origin.text) parts.push(`text-${encodeURIComponent(text).replaceAll("_", "%5F")}`);
    if (target !== origin.target) parts.push(`into-${target}`);
    if (kind !== origin.kind) parts.push(`kind-${kind}`);
    parts.push(...cuts.map((cut) => `cut-${cut}`));
    const others = segments().filter((one) => !isOwn(one));
    const address = [...(parts.length ? [[own, ...parts].join("_")] : []), ...others].join(BETWEEN);
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
  watchModel(view.model, Object.fromEntries(["text", "target", "kind", "cuts"].map((name) => [`change:${name}`, later])), signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
}

function decode(text) {
  try {
    return decodeURIComponent(text).slice(0, 200);
  } catch {
    return "";
  }
}
