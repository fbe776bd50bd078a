// All heads in one picture: a row for each layer, a column for each head. Depending on what is picked, a cell shows the head's whole
// map, the row of the picked word as stripes, or the weight of the picked pair.

import { element } from "../shared/dom.js";
import { walk } from "../shared/grid.js";
import { bitmap } from "../shared/heatmap.js";
import { short } from "../shared/numbers.js";
import { HEADS, LAYERS, mapOf, rowOf } from "./recorded.js";

export class Grid {
  // `choose(layer, head)` is called for each choice.
  constructor({ choose, signal }) {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.cells = Array.from({ length: LAYERS * HEADS }, (_, i) => element("button", { type: "button", class: "cell", role: "radio", "data-at": `${i}` }));
    const number = (i) => element("span", { class: "number", "aria-hidden": "true" }, String(i));
    const heads = Array.from({ length: HEADS }, (_, i) => number(i));
    const layers = Array.from({ length: LAYERS }, (_, l) => [number(l), ...this.cells.slice(l * HEADS, (l + 1) * HEADS)]).flat();
    this.cellsNode = element("div", { class: "cells", role: "radiogroup", "aria-label": "Layer and head" }, element("span", { class: "number corner", "aria-hidden": "true" }, "layer ↓ head →"), ...heads, ...layers, this.canvas);
    this.caption = element("p", { class: "caption" });
    this.node = element("div", { class: "ab-grid" }, this.caption, this.cellsNode);
    const go = ({ dataset: { at } }) => choose(Math.floor(at / HEADS), at % HEADS);
    this.cellsNode.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) go(cell);
    }, { signal });
    walk(this.cellsNode, { across: () => HEADS, go }, signal);
  }

  show(sentence, { layer, head, query, key, cut, theme, caption }) {
    const silent = new Set(cut.map(([l, h]) => l * HEADS + h));
    this.caption.textContent = caption;
    this.cells.forEach((cell, i) => {
      const chosen = i === layer * HEADS + head;
      const weight = query >= 0 && key >= 0 ? `: ${short(rowOf(sentence, Math.floor(i / HEADS), i % HEADS, query)[key])}` : "";
      cell.setAttribute("aria-checked", String(chosen));
      cell.tabIndex = chosen ? 0 : -1;
      cell.classList.toggle("is-cut", silent.has(i));
      cell.title = `layer ${Math.floor(i / HEADS)}, head ${i % HEADS}${weight}${silent.has(i) ? ", cut" : ""}`;
      cell.setAttribute("aria-label", cell.title);
    });
    this.#paint(sentence, query, key, theme);
  }

  #paint(sentence, query, key, theme) {
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    const side = Math.round((this.cells[0].offsetWidth || 26) * ratio);
    const T = sentence.tokens.length;
    Object.assign(this.canvas, { width: HEADS * side, height: LAYERS * side });
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = query < 0 && T > side;
    const gap = Math.max(1, Math.round(ratio));
    for (let layer = 0; layer < LAYERS; layer++) {
      for (let head = 0; head < HEADS; head++) {
        const row = query < 0 ? null : rowOf(sentence, layer, head, query);
        const [weights, rows, columns] = !row ? [mapOf(sentence, layer, head), T, T] : key < 0 ? [row, 1, T] : [row.subarray(key, key + 1), 1, 1];
        const picture = bitmap({ weights }, rows, columns, { peak: row ? 1 : Math.max(...weights), floor: 0, theme });
        context.drawImage(picture, head * side, layer * side, side - gap, side - gap);
      }
    }
  }
}
