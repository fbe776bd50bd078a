// The tokens as running text, queries above keys, with links from the current query to the keys it attends to.

import { drawn, element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { swatch } from "../shared/palette.js";
import { visible } from "../shared/tokens.js";

const LINKS = 12; // only the strongest are drawn
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

export class Text {
  #at = 0; // the query that Tab reaches
  #peek = -1; // the query under the mouse or the focus
  #pending = 0;

  constructor(view, signal) {
    this.view = view;
    this.links = drawn("svg", { class: "links", "aria-hidden": "true" });
    this.caption = element("p", { class: "muted" });
    this.queries = this.#line(view.queries, (label) => element("button", { type: "button", class: "chip" }, label));
    this.keys = this.#line(view.keys, (label) => element("span", { class: "chip" }, label));
    this.queries.setAttribute("aria-label", "Queries: choose one to lock its row");
    this.queries.setAttribute("role", "group");
    this.keys.setAttribute("aria-hidden", "true");
    const name = (text, kind) => element("p", { class: `line-name ${kind}` }, text);
    this.text = element("div", { class: "text" }, this.links, name("query", "is-query"), this.queries, name("key", "is-key"), this.keys);
    this.node = element("div", {}, this.caption, this.text);
    const on = (type, call) => this.queries.addEventListener(type, (event) => call(this.#index(event), event), { signal });
    on("click", (index) => index >= 0 && view.lock(index));
    on("pointerover", (index) => this.#look(index));
    on("pointerleave", () => this.#look(-1));
    on("focusin", (index) => this.#look((this.#at = index)));
    on("focusout", () => this.#look(-1));
    on("keydown", (index, event) => this.#key(event));
    const observer = new ResizeObserver(() => this.update());
    observer.observe(this.text);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#pending);
    });
  }

  #line(tokens, make) {
    const chips = tokens.list.map((_, i) => make(tokens.label(i)));
    chips.forEach((chip, i) => (chip.dataset.index = i));
    const letter = tokens.list.map(visible).join(" ").match(/\p{L}/u)?.[0] ?? "";
    return element("div", { class: "line", dir: RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr" }, ...chips);
  }

  #index(event) {
    return Number(event.target.closest?.("[data-index]")?.dataset.index ?? -1);
  }

  #look(index) {
    if (index === this.#peek) return;
    this.#peek = index;
    this.update();
  }

  #key(event) {
    const back = this.queries.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const forth = this.queries.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const last = this.queries.children.length - 1;
    const to = { [back]: this.#at - 1, [forth]: this.#at + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.queries.children[Math.max(0, Math.min(last, to))].focus();
  }

  update() {
    this.#pending ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#pending = 0;
    const { view } = this;
    const row = view.map ? (this.#peek >= 0 ? this.#peek : view.row) : -1;
    const weights = row >= 0 ? view.rowOf(row).weights : null;
    this.#at = Math.min(this.#at, this.queries.children.length - 1);
    [...this.queries.children].forEach((chip, i) => {
      chip.classList.toggle("on", i === row);
      chip.setAttribute("aria-pressed", String(i === view.locked));
      chip.tabIndex = i === this.#at ? 0 : -1;
    });
    const { peak, floor, theme, hidden } = view.look;
    [...this.keys.children].forEach((chip, i) => {
      const tint = weights && i >= hidden ? swatch(weights[i], peak, theme, floor) : { background: "", color: "" };
      Object.assign(chip.style, tint);
      chip.classList.toggle("out", i < hidden);
      chip.title = weights ? digits(weights[i]) : "";
    });
    this.caption.textContent = weights
      ? `Links go to the keys with the most weight, at most ${LINKS}; thicker means more weight.`
      : "Point at a query to see what it attends to; click it to lock its row.";
    this.#link(row, weights, hidden);
  }

  #link(row, weights, hidden) {
    const order = weights ? Array.from(weights.keys()).filter((i) => i >= hidden && weights[i] > 0) : [];
    const strongest = order.sort((a, b) => weights[b] - weights[a]).slice(0, LINKS);
    const box = this.text.getBoundingClientRect();
    const at = (chip) => chip.getBoundingClientRect();
    const paths = strongest.reverse().map((i) => {
      const [from, to] = [at(this.queries.children[row]), at(this.keys.children[i])];
      const [x, y] = [from.left + from.width / 2 - box.left, from.bottom - box.top];
      const [u, v] = [to.left + to.width / 2 - box.left, to.top - box.top];
      const share = weights[i] / weights[strongest.at(-1)];
      const bend = (v - y) / 2;
      const path = drawn("path", { d: `M${x},${y}C${x},${y + bend} ${u},${v - bend} ${u},${v}` });
      path.style.cssText = `stroke-width: ${1 + 4 * share}px; opacity: ${0.25 + 0.6 * share}`;
      return path;
    });
    this.links.replaceChildren(...paths);
  }
}
