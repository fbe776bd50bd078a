// Small maps of all heads at the current step, to choose one.

import { element } from "../shared/dom.js";
import { bitmap } from "../shared/heatmap.js";
import { MEAN } from "../shared/maps.js";
import { named } from "./weights.js";

export class Heads {
  constructor({ heads: [layers, heads], choose, signal }) {
    const columns = [...Array(heads).keys(), MEAN];
    const word = (text) => element("span", { class: "number", "aria-hidden": "true" }, text);
    this.items = [];
    this.node = element("div", { class: "ab-tr-heads", role: "radiogroup", "aria-label": "Layer and head" });
    this.node.style.setProperty("--across", columns.length);
    this.node.append(word("head"), ...columns.map((head) => word(head === MEAN ? "mean" : String(head))));
    for (let layer = 0; layer < layers; layer++) {
      this.node.append(word(`layer ${layer}`));
      for (const head of columns) {
        const input = element("input", { type: "radio", name: "map", "aria-label": named(layer, head) });
        const canvas = element("canvas", { "aria-hidden": "true" });
        input.addEventListener("change", () => choose({ layer, head }), { signal });
        this.items.push({ layer, head, input, canvas });
        this.node.append(element("label", { class: "thumb" }, input, canvas));
      }
    }
  }

  // `mapOf(layer, head)` returns a map's weights and its largest weight at any step.
  show({ layer, head }, mapOf, { rows, columns }, theme) {
    for (const item of this.items) {
      item.input.checked = item.layer === layer && item.head === head;
      const { weights, peak } = mapOf(item.layer, item.head);
      Object.assign(item.canvas, { width: columns, height: rows });
      item.canvas.getContext("2d").drawImage(bitmap({ weights }, weights.length / columns, columns, { peak, theme }), 0, 0);
    }
  }
}
