// One map with its labels; pointing at a cell reads its weight.

import { element } from "../shared/dom.js";
import { Heatmap } from "../shared/heatmap.js";
import { digits } from "../shared/numbers.js";
import { colors } from "../shared/palette.js";
import { tokenElement, Tokens } from "../shared/tokens.js";
import { isSign, sign } from "./written.js";

const CELL = 19; // pixels

export class LabelledMap {
  #shown;

  constructor({ columns, rows, language, signal }) {
    Object.assign(this, { rows, language, columns: columns.length, keys: new Tokens(columns) });
    this.canvas = element("canvas", { role: "img" });
    this.heat = new Heatmap(this.canvas);
    this.side = element("div", { class: "side", "aria-hidden": "true" });
    const above = element("div", { class: "above", "aria-hidden": "true" });
    above.append(...columns.map((token) => element("span", { class: isSign(token) ? "turned" : "" }, tokenElement(sign(token), 8))));
    this.reading = element("p", { class: "reading", "aria-hidden": "true" });
    this.box = element("div", { class: "canvas" }, this.canvas);
    this.node = element("div", { class: "ab-tr-map" }, above, this.side, this.box, this.reading);
    const point = ({ offsetX, offsetY }) => this.#point(this.heat.cell(offsetX, offsetY));
    for (const name of ["pointerdown", "pointermove"]) this.canvas.addEventListener(name, point, { signal });
    this.canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && this.#point(null), { signal });
  }

  // `name`: the map in words.
  show({ written, good, weights }, { peak, theme, name }) {
    this.#shown = { written, weights, theme };
    const labels = written.map((token, i) => {
      const label = element(good[i] ? "span" : "s", { lang: this.language }, tokenElement(sign(token), 8));
      label.classList.toggle("sign", isSign(token));
      return label;
    });
    this.side.replaceChildren(...labels);
    const size = { rows: written.length, columns: this.columns, width: this.box.clientWidth || 300, height: written.length * CELL };
    this.heat.show({ weights }, { ...size, peak, theme, paper: colors(theme).paper });
    this.canvas.setAttribute("aria-label", `Cross-attention, ${name}: ${this.#words()}`);
    this.#point(null);
  }

  #point(cell) {
    const { ink, paper } = colors(this.#shown.theme);
    this.heat.draw({ cursor: cell, ink, paper, accent: ink });
    if (!cell) return (this.reading.textContent = "Point at a cell to read its weight.");
    const { written, weights } = this.#shown;
    this.reading.replaceChildren("wrote ", element("b", { class: "is-query" }, tokenElement(sign(written[cell.row]), 8)), ", attending to ", element("b", { class: "is-key" }, this.keys.label(cell.column)), `: weight ${digits(weights[cell.row * this.columns + cell.column])}`);
  }

  // Where each row has its largest weight.
  #words() {
    const { written, weights } = this.#shown;
    const told = written.map((token, row) => {
      const part = weights.subarray(row * this.columns, (row + 1) * this.columns);
      const most = part.indexOf(Math.max(...part));
      return `${sign(token)} reads ${this.keys.spoken(most)} with ${digits(part[most])}`;
    });
    return told.join(", ");
  }
}
