// The tokens along two sides of the map.

import { element } from "../shared/dom.js";
import { swatch } from "../shared/palette.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 40;

export class Labels {
  constructor(box, tokens) {
    this.labels = tokens.map((token, index) => {
      const label = element("span", { class: "label", title: visible(token) }, tokenElement(token, LONGEST));
      label.dataset.index = index;
      return label;
    });
    box.replaceChildren(...this.labels);
  }

  // Queries stand beside their rows.
  placeBeside({ cellHeight, queryFont, queryStep }) {
    this.step = queryStep;
    this.labels.forEach((label, i) => {
      label.style.top = `${Math.max(0.65 * queryFont, (i + 0.5) * cellHeight)}px`;
      setFont(label, queryFont);
    });
    this.mark(-1);
  }

  // Keys stand above their columns, turned where they are long.
  placeAbove({ cellWidth, keyFont, keyStep, top, upright }) {
    this.step = keyStep;
    this.labels.forEach((label, i) => {
      label.classList.toggle("upright", upright);
      label.classList.toggle("turned", !upright);
      label.style.left = `${Math.max(0.65 * keyFont, (i + 0.5) * cellWidth)}px`;
      setFont(label, keyFont);
      label.style.maxWidth = upright ? "" : `${top - 6}px`;
    });
    this.mark(-1);
  }

  // Shows every n-th label and those that stand out.
  mark(...indices) {
    this.labels.forEach((label, i) => {
      const on = indices.includes(i);
      label.classList.toggle("on", on);
      label.hidden = i % this.step !== 0 && !on;
    });
  }

  // Tints the labels by a row of weights, or takes the tint away.
  tint(row, peak, theme) {
    this.labels.forEach((label, i) => {
      const { background, color } = row ? swatch(row[i], peak, theme) : { background: "", color: "" };
      label.style.background = background;
      label.style.color = color;
    });
  }
}

function setFont(label, size) {
  label.style.fontSize = `${size}px`;
  label.style.setProperty("--size", `${size}px`);
}
