// The text as tokens: the chosen position's are linked to the tokens that the chosen head attends to.

import { drawn, element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { swatch } from "../shared/palette.js";
import { Tokens, tokenElement, visible } from "../shared/tokens.js";

const LINKS = 8; // only the strongest are drawn
const LEAST = 0.02; // weight of a link

export class Text {
  #chips = [];
  #reading = null;

  // `choose(position)`; `pair(key)` chooses the key of a pair.
  constructor({ choose, pair, signal }) {
    this.links = drawn("svg", { class: "links", "aria-hidden": "true" });
    this.line = element("div", { class: "line", role: "radiogroup", "aria-label": "Text: choose the position whose next token is shown" });
    this.inner = element("div", { class: "inner" }, this.links, this.line);
    this.node = element("div", { class: "ab-lm-text", tabIndex: -1 }, this.inner);
    const at = (event) => Number(event.target.closest?.("[data-t]")?.dataset.t ?? -1);
    this.line.addEventListener("click", (event) => {
      if (at(event) < 0) return;
      if (event.shiftKey) pair(at(event));
      else choose(at(event));
    }, { signal });
    this.line.addEventListener("keydown", (event) => {
      const now = at(event);
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, ArrowUp: now - 1, ArrowDown: now + 1, Home: 0, End: this.#chips.length - 1 }[event.key];
      if (event.key.toLowerCase() === "k") return pair(now);
      if (to === undefined || !this.#chips[to]) return;
      event.preventDefault();
      choose(to);
      this.#chips[to].focus();
    }, { signal });
    const observer = new ResizeObserver(() => this.#link());
    observer.observe(this.inner);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  // `weights` are those of the chosen head from `position`.
  show(reading, { position, key, weights, peak, theme }) {
    if (reading !== this.#reading) this.#build(reading);
    Object.assign(this, { position, weights });
    this.#chips.forEach((chip, t) => {
      const on = t === position;
      chip.setAttribute("aria-checked", String(on));
      chip.tabIndex = on ? 0 : -1;
      chip.classList.toggle("is-pair", t === key);
      const tint = t < weights.length ? swatch(weights[t], peak, theme) : { background: "", color: "" };
      Object.assign(chip.style, tint);
      chip.title = t < weights.length ? digits(weights[t]) : "";
    });
    this.#link();
  }

  #build(reading) {
    const grown = this.#reading && reading.length > this.#reading.length;
    this.#reading = reading;
    const tokens = new Tokens(reading.tokens);
    this.#chips = reading.tokens.map((token, t) => {
      const chip = element("button", { type: "button", class: "chip", role: "radio", "aria-label": tokens.spoken(t) }, tokenElement(token, 40));
      chip.dataset.t = t;
      chip.classList.toggle("is-made", t >= reading.promptLength);
      return chip;
    });
    const breaks = (chip, t) => (visible(reading.tokens[t]).includes("↵") ? [chip, element("span", { class: "break" })] : [chip]);
    this.line.replaceChildren(...this.#chips.flatMap(breaks));
    if (grown) this.node.scrollTop = this.node.scrollHeight;
  }

  #link() {
    if (!this.weights || !this.#chips[this.position]) return;
    const box = this.inner.getBoundingClientRect();
    const centre = (t) => {
      const { left, top, width } = this.#chips[t].getBoundingClientRect();
      return [left + width / 2 - box.left, top - box.top + 2];
    };
    const [x, y] = centre(this.position);
    const order = [...this.weights.keys()].filter((t) => this.weights[t] >= LEAST && t !== this.position);
    const strongest = order.sort((a, b) => this.weights[b] - this.weights[a]).slice(0, LINKS);
    const paths = strongest.reverse().map((t) => {
      const [u, v] = centre(t);
      const lift = Math.min(22, 8 + Math.abs(x - u) / 8);
      const path = drawn("path", { d: `M${x},${y}C${x},${y - lift} ${u},${v - lift} ${u},${v}` });
      path.style.cssText = `stroke-width: ${1 + 4 * this.weights[t]}px; opacity: ${0.35 + 0.6 * this.weights[t]}`;
      return path;
    });
    this.links.replaceChildren(...paths);
  }
}
