// Scores, weights and values as a table with a bar per weight, and the weighted sum below.

import { element } from "../shared/dom.js";
import { digits, signed } from "../shared/numbers.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 20;
const hex = (rgb) => `#${rgb.map((x) => Math.round(255 * x).toString(16).padStart(2, "0")).join("")}`;

export class Bars {
  // `point(index)` is called with the key under the pointer, or -1.
  constructor({ labels, values, colors, point, signal }) {
    this.colors = colors;
    const head = ["key", "score", "weight", "value"].map((name) => element("th", { scope: "col", class: `col-${name}` }, name));
    this.rows = labels.map((label, i) => {
      const row = {
        score: element("td", { class: "score" }),
        bar: element("span", { class: "fill" }),
        weight: element("span", { class: "number" }),
      };
      row.name = element("button", { type: "button", tabIndex: i ? -1 : 0, class: "is-key", title: visible(label) }, tokenElement(label, LONGEST));
      row.name.addEventListener("focus", () => point(i), { signal });
      row.name.addEventListener("blur", () => point(-1), { signal });
      row.name.addEventListener("keydown", (event) => this.#key(event, i), { signal });
      const name = element("th", { scope: "row" }, row.name);
      row.node = element("tr", {}, name, row.score, element("td", { class: "weight" }, element("div", { class: "share" }, row.bar, row.weight)), element("td", { class: "value" }, ...this.#value(values[i])));
      row.node.addEventListener("pointerenter", () => point(i), { signal });
      row.node.addEventListener("pointerleave", () => point(-1), { signal });
      return row;
    });
    this.total = element("td", { class: "weight" });
    this.output = element("td", { class: "value" });
    const foot = element("tr", {}, element("th", { scope: "row" }, "weighted average"), element("td", {}), this.total, this.output);
    this.table = element("table", { "aria-label": "Scores, weights and values" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...this.rows.map(({ node }) => node)), element("tfoot", {}, foot));
  }

  // Tab reaches one name; the arrow keys move between them.
  #key(event, i) {
    const next = this.rows[i + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    this.rows[i].name.tabIndex = -1;
    next.name.tabIndex = 0;
    next.name.focus();
  }

  show({ scores, weights, output }, pointed) {
    this.rows.forEach((row, i) => {
      write(row.score, scores[i], signed);
      write(row.weight, weights[i], digits);
      row.bar.style.width = `${100 * weights[i]}%`;
      row.node.classList.toggle("on", i === pointed);
    });
    this.total.replaceChildren(`sum ${digits(weights.reduce((a, b) => a + b, 0))}`);
    this.output.replaceChildren(...this.#value(output));
  }

  #value(value) {
    if (!this.colors) return value.map((x) => element("data", { value: String(x) }, signed(x)));
    const patch = element("span", { class: "patch", title: hex(value) });
    patch.style.background = hex(value);
    const data = value.map((x) => element("data", { value: String(x) }));
    return [patch, element("span", { class: "said" }, hex(value)), ...data];
  }
}

const write = (node, number, spell) => node.replaceChildren(element("data", { value: String(number) }, spell(number)));
