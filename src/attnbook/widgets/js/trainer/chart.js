// The training loss against the step: the current run, and fainter the other ones.

import { drawn } from "../shared/dom.js";

const [LEFT, TOP, WIDE, HIGH] = [24, 8, 270, 142];
const MOST = 4; // loss
const GUESSING = Math.log(26);

export class Chart {
  #steps;
  #others = []; // those drawn

  constructor(steps) {
    this.#steps = steps;
    const text = (x, y, words, anchor = "end") => {
      const node = drawn("text", { x, y, "text-anchor": anchor });
      node.textContent = words;
      return node;
    };
    const across = (loss, kind) => drawn("path", { class: kind, d: `M${LEFT} ${this.#y(loss)}h${WIDE}` });
    const ticks = [0, 1, 2, 3, 4].flatMap((loss) => [across(loss, "grid"), text(LEFT - 6, this.#y(loss) + 4, loss)]);
    const steps3 = [0, 1, 2, 3].map((third) => text(this.#x((steps * third) / 3), TOP + HIGH + 16, (steps * third) / 3, third === 3 ? "end" : "middle"));
    this.others = drawn("g");
    this.curve = drawn("path", { class: "curve" });
    this.node = drawn("svg", { viewBox: "0 0 300 180", role: "img" }, ...ticks, across(GUESSING, "guessing"), text(LEFT + WIDE, this.#y(GUESSING) - 4, "guessing"), ...steps3, this.others, this.curve);
  }

  #x = (step) => LEFT + (step / this.#steps) * WIDE;
  #y = (loss) => TOP + (1 - Math.min(loss, MOST) / MOST) * HIGH;

  show(losses, others) {
    const path = (numbers) => numbers.map((loss, i) => `${i ? "L" : "M"}${this.#x(i + 1).toFixed(1)} ${this.#y(loss).toFixed(1)}`).join("");
    if (others.length !== this.#others.length || others.some((numbers, i) => numbers !== this.#others[i])) {
      this.#others = others;
      this.others.replaceChildren(...others.map((numbers) => drawn("path", { class: "other", d: path(numbers) })));
    }
    this.curve.setAttribute("d", path(losses));
    const last = losses.at(-1);
    this.node.setAttribute("aria-label", losses.length ? `Training loss: ${losses[0].toFixed(2)} at step 1, ${last.toFixed(2)} at step ${losses.length}` : "Training loss: no step yet");
  }
}
