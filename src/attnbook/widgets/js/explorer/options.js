// Options: the colour scale, and the order of the maps.

import { element } from "../shared/dom.js";
import { short } from "../shared/numbers.js";

export class Options {
  constructor({ state, maps }, signal) {
    this.state = state;
    const select = (name, trait, options) => {
      const node = element("select", {}, ...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
      node.addEventListener("change", () => state.set({ [trait]: node.value }), { signal });
      return [element("label", { class: "option" }, element("span", {}, name), node), node];
    };
    const [scale, scales] = select("Colours", "scale", {
      peak: `linear, up to the largest weight (${short(maps.peak)})`,
      map: "linear, up to the largest weight of each map",
      full: "linear, up to 1",
      log: "logarithmic, from 0.0001",
    });
    const [order, orders] = select("Order of the maps", "order", {
      model: "as in the model",
      entropy: "most focused first (lowest entropy)",
      first: "most weight on the first key first",
    });
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => state.set({ hide_first: box.checked }), { signal });
    const note = element("small", {}, "Weights don't change, so the other weights of a row no longer add up to 1.");
    const hide = element("label", { class: "option check" }, box, element("span", {}, "Leave out the first key. ", note));
    order.hidden = maps.layers * maps.heads < 2;
    this.node = element("div", { class: "options" }, scale, order, hide);
    this.update = () => {
      scales.value = state.get("scale");
      orders.value = state.get("order");
      box.checked = state.get("hide_first");
    };
  }
}
