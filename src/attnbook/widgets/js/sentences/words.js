// The tokens of the sentence as a row of toggle buttons, of which one can be picked. One stop for the Tab key; arrows move.

import { element } from "../shared/dom.js";
import { short } from "../shared/numbers.js";
import { swatch } from "../shared/palette.js";
import { tokenElement, visible } from "../shared/tokens.js";
import { shown } from "./recorded.js";

const LONGEST = 24;
const MOVES = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export class Words {
  #stop = 0; // the button that Tab reaches

  // `pick(position)` is called for a picked token, with -1 if it was picked before.
  constructor(name, { pick, signal }) {
    this.name = name;
    this.row = element("div", { class: "ab-row", role: "toolbar", "aria-label": name });
    this.node = element("div", { class: "ab-words" }, element("span", { class: "ab-word-side", "aria-hidden": "true" }, name), this.row);
    this.row.addEventListener("click", (event) => {
      const at = this.#index(event);
      if (at >= 0) pick(at === this.picked ? -1 : at);
    }, { signal });
    this.row.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  #index = (event) => [...this.row.children].indexOf(event.target.closest(".ab-token"));

  #key(event) {
    const at = this.#index(event);
    const to = { Home: 0, End: this.row.children.length - 1 }[event.key] ?? at + MOVES[event.key];
    if (Number.isNaN(to) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.row.children[to]) return;
    this.#reach(to);
    this.row.children[to].focus();
  }

  #reach(index) {
    this.#stop = Math.min(index, this.row.children.length - 1);
    [...this.row.children].forEach((word, i) => (word.tabIndex = i === this.#stop ? 0 : -1));
  }

  // `weights` colour the tokens and are written below them.
  show(tokens, { picked, weights = null, theme }) {
    if (tokens !== this.tokens) {
      this.tokens = tokens;
      this.row.replaceChildren(...tokens.map((token) => element("button", { type: "button", class: "ab-token" }, tokenElement(shown(token), LONGEST), element("small", {}))));
      this.#reach(this.#stop);
    }
    this.picked = picked;
    [...this.row.children].forEach((word, i) => {
      word.setAttribute("aria-pressed", String(i === picked));
      const weight = weights?.[i];
      Object.assign(word.style, weights ? swatch(weight, 1, theme) : { background: "", color: "" });
      word.lastChild.textContent = weights ? (weight < 0.005 ? "0" : weight.toFixed(2)) : "";
      const said = `${visible(shown(tokens[i])).slice(0, 60)}, ${i + 1} of ${tokens.length}`;
      word.setAttribute("aria-label", weights ? `${said}: ${short(weight)}` : said);
    });
  }
}
