// Which colour is which weight.

import { element } from "../shared/dom.js";
import { gradient, hatching } from "../shared/palette.js";
import { short } from "./words.js";

export class Legend {
  // `masked` is what hatched cells are, if there are any.
  constructor(masked) {
    this.least = element("span", {});
    this.bar = element("span", { class: "bar" });
    this.most = element("span", {});
    this.kind = element("span", {});
    this.node = element("div", { class: "ab-legend", role: "note" }, this.least, this.bar, this.most, this.kind);
    this.hatch = element("span", { class: "hatch" });
    if (masked) this.node.append(element("span", { class: "pair" }, this.hatch, masked));
  }

  show({ peak, floor, theme }) {
    this.least.textContent = floor ? `≤ ${floor}` : "0";
    this.most.textContent = peak === 1 ? "1" : short(peak);
    this.kind.textContent = floor ? "logarithmic" : "";
    this.bar.style.background = gradient(theme);
    this.hatch.style.background = hatching(theme);
  }
}
