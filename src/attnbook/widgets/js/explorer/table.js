// The weights as a table: the whole map if it is small, else the current row.

import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";

const CELLS = 1024; // of the largest map shown as a whole

export class Table {
  constructor(view) {
    this.view = view;
    this.name = element("p", { class: "table-name muted" });
    this.box = element("div", { class: "table", tabIndex: 0, role: "group", "aria-label": "Table of weights" });
    this.node = element("div", {}, this.name, this.box);
  }

  update() {
    const { view } = this;
    const { rows, columns } = view.maps;
    const whole = rows * columns <= CELLS;
    const row = Math.max(0, view.locked);
    const shown = [view.map, whole || row];
    if (!view.map) return this.box.replaceChildren("The weights of this map are not available here.");
    if (this.shown?.every((one, i) => one === shown[i])) return;
    this.shown = shown;
    this.box.replaceChildren(whole ? this.#map(rows, columns) : this.#row(row, columns));
  }

  #map(rows, columns) {
    const { view } = this;
    const across = Array.from({ length: columns }, (_, i) => element("th", { scope: "col" }, view.keys.label(i, 24)));
    const body = Array.from({ length: rows }, (_, row) => {
      const { weights, mask } = view.rowOf(row);
      const cells = Array.from(weights, (weight, i) => this.#cell(weight, mask && !mask[i]));
      return element("tr", {}, element("th", { scope: "row" }, view.queries.label(row, 24)), ...cells);
    });
    this.name.replaceChildren(`${this.#where()}: one row per query, one column per key`);
    const head = element("thead", {}, element("tr", {}, element("td", {}, "query ↓ key →"), ...across));
    return element("table", {}, head, element("tbody", {}, ...body));
  }

  #row(row, columns) {
    const { view } = this;
    const { weights, mask } = view.rowOf(row);
    const order = Array.from({ length: columns }, (_, i) => i).sort((a, b) => weights[b] - weights[a]);
    const body = order.map((i) => {
      const name = element("th", { scope: "row" }, view.keys.label(i, 60));
      return element("tr", {}, name, element("td", {}, String(i)), this.#cell(weights[i], mask && !mask[i]));
    });
    const names = ["key", "position", "weight"].map((name) => element("th", { scope: "col" }, name));
    const more = view.locked < 0 ? " (lock another row to see its numbers)" : "";
    this.name.replaceChildren(`${this.#where()}: row `, view.queries.label(row, 60), `, largest first${more}`);
    return element("table", {}, element("thead", {}, element("tr", {}, ...names)), element("tbody", {}, ...body));
  }

  #cell(weight, masked) {
    return masked ? element("td", { class: "muted" }, this.view.hatched) : element("td", {}, digits(weight));
  }

  #where() {
    const { view } = this;
    return [view.maps.names[view.state.get("frame")], view.placeName || "The map"].filter(Boolean).join(", ");
  }
}
