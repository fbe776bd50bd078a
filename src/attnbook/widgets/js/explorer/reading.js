// What the map says in words: the cell being read, the strongest keys of its row, the legend of colours.

import { element } from "../shared/dom.js";
import { gradient, hatching, swatch } from "../shared/palette.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 60;
const short = (token) => visible(token).slice(0, LONGEST);
export const digits = (weight) => weight.toFixed(3);

export class Reading {
  constructor() {
    this.cell = element("p", { class: "cell" });
    this.most = element("p", { class: "most" });
    this.said = element("output", { class: "said", "aria-live": "polite" });
    this.node = element("div", { class: "reading", "aria-hidden": "true" }, this.cell, this.most);
  }

  // One cell: query → key and its weight, or that it is masked.
  read({ query, key, weight, masked, peak, theme }) {
    const dot = element("span", { class: "dot" });
    dot.style.background = masked ? hatching(theme) : swatch(weight, peak, theme).background;
    this.cell.replaceChildren(
      dot,
      wrap("is-query", tokenElement(query, LONGEST)),
      "→",
      wrap("is-key", tokenElement(key, LONGEST)),
      element("span", { class: "value" }, masked ? "masked" : digits(weight)),
    );
    const verb = masked ? "may not attend to" : "attends to";
    this.say(`query ${short(query)} ${verb} key ${short(key)}, ${masked ? "masked" : `weight ${digits(weight)}`}`);
  }

  // The three strongest keys of a row.
  row({ query, keys, weights, locked }) {
    const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]).slice(0, 3);
    const strongest = order.filter((i) => weights[i] > 0);
    const list = strongest.flatMap((i, n) => [n ? " · " : "", tokenElement(keys[i], 16), ` ${digits(weights[i])}`]);
    const lead = locked ? "Locked: " : "";
    this.most.replaceChildren(lead, tokenElement(query, 16), " → ", ...(list.length ? list : ["nothing"]));
  }

  // What to do, where nothing is being read.
  advise(what, how = "") {
    this.cell.replaceChildren(element("span", { class: "hint" }, what));
    this.most.textContent = how;
  }

  say(text) {
    this.said.textContent = text;
  }
}

const wrap = (name, node) => (node.classList.add(name), node);

export class Legend {
  constructor({ peak, masked, choose, signal }) {
    this.bar = element("span", { class: "bar" });
    this.most = element("span", {});
    this.hatch = element("span", { class: "hatch" });
    this.scale = element("select", { "aria-label": "Weight of the deepest colour" });
    this.scale.append(element("option", { value: "peak" }, `${short2(peak)} (largest)`), element("option", { value: "full" }, "1"));
    this.scale.addEventListener("change", () => choose(this.scale.value), { signal });
    this.node = element("div", { class: "legend" }, "0", this.bar);
    this.node.append(peak < 0.995 ? this.scale : "1");
    if (masked) this.node.append(this.hatch, "masked");
  }

  show(scale, theme) {
    this.scale.value = scale;
    this.bar.style.background = gradient(theme);
    this.hatch.style.background = hatching(theme);
  }
}

const short2 = (peak) => (peak < 0.1 ? peak.toPrecision(2) : peak.toFixed(2));
