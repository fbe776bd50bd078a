// A one-line colour legend.

import { element } from "./dom.js";
import { short } from "./numbers.js";
import { gradient, hatching } from "./palette.js";

export class Legend {
  // `name` says what the colours show; `signs`: other numbers are tinted by sign; `masked` names the hatched cells, if any.
  constructor({ name = "", signs = false, masked = "" }) {
    this.least = element("span", {});
    this.bar = element("span", { class: "bar" });
    this.most = element("span", {});
    this.kind = element("span", {});
    this.node = element("div", { class: "ab-legend", role: "note" }, name, this.least, this.bar, this.most, this.kind);
    if (signs) this.node.append(element("span", { class: "pair" }, "negative", element("span", { class: "bar signs" }), "positive"));
    this.hatch = element("span", { class: "hatch" });
    this.masked = element("span", { class: "pair" }, this.hatch, masked);
    if (masked) this.node.append(this.masked);
  }

  show({ peak = 1, floor = 0, theme }) {
    this.least.textContent = floor ? `≤ ${floor}` : "0";
    this.most.textContent = peak === 1 ? "1" : short(peak);
    this.kind.textContent = floor ? "logarithmic" : "";
    this.bar.style.background = gradient(theme);
    this.hatch.style.background = hatching(theme);
  }
}
