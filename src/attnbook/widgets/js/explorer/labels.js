// The tokens along two sides of the map.

import { element } from "../shared/dom.js";
import { swatch } from "../shared/palette.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 40;

export class Labels {
  #on = new Set();
  #tinted = null;

  constructor(box, tokens) {
    this.labels = tokens.map((token, index) => {
      const label = element("span", { class: "label", title: visible(token) }, tokenElement(token, LONGEST));
      label.dataset.index = index;
      return label;
    });
    this.single = tokens.map((token) => Array.from(visible(token)).length === 1);
    box.replaceChildren(...this.labels);
  }

  // Queries, beside their rows.
  placeBeside({ cellHeight, queryFont, queryStep }) {
    this.#thin(queryStep);
    this.labels.forEach((label, i) => {
      label.style.top = `${Math.max(0.65 * queryFont, (i + 0.5) * cellHeight)}px`;
      setFont(label, queryFont);
    });
  }

  // Keys, above their columns; long ones are rotated, single characters never.
  placeAbove({ cellWidth, keyFont, keyStep, top, upright }) {
    this.#thin(keyStep);
    this.labels.forEach((label, i) => {
      const turned = !upright && !this.single[i];
      label.classList.toggle("upright", !turned);
      label.classList.toggle("turned", turned);
      label.style.left = `${Math.max(0.65 * keyFont, (i + 0.5) * cellWidth)}px`;
      setFont(label, keyFont);
      label.style.maxWidth = turned ? `${top - 6}px` : "";
    });
  }

  // Shows every n-th label.
  #thin(step) {
    this.step = step;
    this.labels.forEach((label, i) => (label.hidden = i % step !== 0 && !this.#on.has(i)));
  }

  // Highlights some labels, including ones that are not shown.
  mark(...indices) {
    const on = new Set(indices.filter((i) => i >= 0));
    for (const i of new Set([...this.#on, ...on])) {
      this.labels[i].classList.toggle("on", on.has(i));
      this.labels[i].hidden = i % this.step !== 0 && !on.has(i);
    }
    this.#on = on;
  }

  // Strikes through the first labels.
  hide(count) {
    this.labels.forEach((label, i) => label.classList.toggle("out", i < count));
  }

  // Hides labels of tokens that aren't `there` yet; null means all are.
  wait(there) {
    this.labels.forEach((label, i) => (label.style.visibility = there && !there[i] ? "hidden" : ""));
  }

  // Tints the labels by a row of weights, or removes the tint.
  tint(row, { peak, floor, theme, hidden }) {
    if (!row && !this.#tinted) return;
    this.#tinted = row;
    this.labels.forEach((label, i) => {
      const tinted = row && i >= hidden;
      const { background, color } = tinted ? swatch(row[i], peak, theme, floor) : { background: "", color: "" };
      label.style.background = background;
      label.style.color = color;
    });
  }
}

function setFont(label, size) {
  label.style.fontSize = `${size}px`;
  label.style.setProperty("--size", `${size}px`);
}
