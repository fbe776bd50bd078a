// The heads' maps on one string, and how much weight each head gives to the letters before and after.

import { element } from "../shared/dom.js";
import { bitmap } from "../shared/heatmap.js";
import { tokenElement } from "../shared/tokens.js";

// The mean weight on the letter `shift` places further, over all letters but the first and the last.
function mean(map, size, shift) {
  let sum = 0;
  for (let t = 1; t < size - 1; t++) sum += map[t * size + t + shift];
  return sum / (size - 2);
}

export class Heads {
  #count = 0;

  constructor() {
    this.node = element("div", { class: "ab-train-maps" });
  }

  show({ maps, example, theme }) {
    const size = example.length;
    const count = maps.length / size ** 2;
    if (count !== this.#count) this.#make(count, example);
    this.heads.forEach(({ canvas, caption }, head) => {
      const map = maps.slice(head * size ** 2, (head + 1) * size ** 2);
      canvas.getContext("2d").drawImage(bitmap({ weights: map }, size, size, { peak: 1, theme }), 0, 0);
      const [before, after] = [-1, 1].map((shift) => mean(map, size, shift).toFixed(2));
      caption.textContent = `head ${head}: before\u00a0${before}, after\u00a0${after}`;
      canvas.setAttribute("aria-label", `Head ${head}: mean weight on the letter before ${before}, on the letter after ${after}`);
    });
  }

  #make(count, example) {
    this.#count = count;
    const letters = (kind) => element("div", { class: `letters ${kind}`, "aria-hidden": "true" }, ...example.map((letter) => tokenElement(letter, 2)));
    this.heads = Array.from({ length: count }, () => ({
      canvas: element("canvas", { role: "img", width: `${example.length}`, height: `${example.length}` }),
      caption: element("p", { class: "caption" }),
    }));
    this.node.replaceChildren(...this.heads.map(({ canvas, caption }) => element("div", { class: "head" }, caption, letters("is-key"), letters("is-query"), canvas)));
  }
}
