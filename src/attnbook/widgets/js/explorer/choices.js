// Layers and heads to choose from: native radio buttons, those of heads under a thumbnail of their map.

import { element } from "../shared/dom.js";
import { bitmap } from "../shared/heatmap.js";
import { visible } from "../shared/tokens.js";

export class Choices {
  constructor(name, count, { names = [], thumbnails = false, choose, signal }) {
    this.inputs = [];
    this.canvases = [];
    const choices = element("div", { class: "choices" });
    for (let i = 0; i < count; i++) {
      const label = names.length ? visible(names[i]) : String(i);
      const input = element("input", { type: "radio", name, value: String(i), "aria-label": `${name} ${label}` });
      input.addEventListener("change", () => choose(i), { signal });
      const choice = element("label", { class: "choice" }, input);
      if (thumbnails) {
        const canvas = element("canvas", { "aria-hidden": "true", width: 92, height: 92 });
        this.canvases.push(canvas);
        choice.append(canvas);
      }
      choice.append(element("span", { "aria-hidden": "true", title: label }, label));
      choices.append(choice);
      this.inputs.push(input);
    }
    this.node = element("fieldset", { class: "strip" }, element("legend", {}, name), choices);
    this.node.hidden = count < 2;
  }

  select(index) {
    const input = this.inputs[index];
    if (!input) return;
    input.checked = true;
    const box = input.parentElement.parentElement;
    const [left, width] = [input.parentElement.offsetLeft - box.offsetLeft, input.parentElement.offsetWidth];
    if (left < box.scrollLeft || left + width > box.scrollLeft + box.clientWidth) {
      box.scrollLeft = left - (box.clientWidth - width) / 2;
    }
  }

  // `mapOf(index)` gives the map of each thumbnail.
  paint(mapOf, { rows, columns, peak, theme }) {
    this.canvases.forEach((canvas, i) => {
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = Math.max(rows, columns) > canvas.width;
      context.drawImage(bitmap(mapOf(i), rows, columns, peak, theme), 0, 0, canvas.width, canvas.height);
    });
  }
}
