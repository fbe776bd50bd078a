// All heads as a grid, layers from left to right, coloured by what they are ranked by; the highest ones as a list; the cut ones.

import { element } from "../shared/dom.js";
import { walk } from "../shared/grid.js";
import { swatch } from "../shared/palette.js";
import { SORTS } from "./reading.js";

const RANKED = 6;
const MARGIN = 24; // pixels of the sticky labels
const percent = (score) => `${Math.round(100 * score)} %`;

export class Heads {
  // `choose(layer, head)`, `cut(list of [layer, head])`, `sort(name)`.
  constructor([layers, heads], { choose, cut, sort, signal }) {
    Object.assign(this, { layers, heads, choose });
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    const options = [...Object.entries(SORTS).map(([name, [words]]) => [name, words]), ["pair", "the chosen key (Shift+click a token, or K)"]];
    this.sort = element("select", { class: "field" }, ...options.map(([value, words]) => element("option", { value }, words)));
    on(this.sort, "change", () => sort(this.sort.value));
    const label = element("label", { class: "asked" }, element("span", {}, `Colour the ${layers * heads} heads by their weight on`), this.sort);
    this.cells = Array.from({ length: layers * heads }, (_, index) => {
      const cell = element("button", { type: "button", class: "cell", role: "radio" });
      cell.dataset.index = index;
      return cell;
    });
    const number = (text, kind = "") => element("span", { class: `mark ${kind}`, "aria-hidden": "true" }, text);
    const rows = Array.from({ length: heads }, (_, head) => [number(head, "side"), ...Array.from({ length: layers }, (_, layer) => this.cells[layer * heads + head])]).flat();
    const top = [number("", "side"), ...Array.from({ length: layers }, (_, layer) => number(layer % 5 ? "" : layer))];
    this.grid = element("div", { class: "grid", role: "radiogroup", "aria-label": "Head: layers from left to right" }, ...top, ...rows);
    this.grid.style.gridTemplateColumns = `18px repeat(${layers}, minmax(22px, 1fr))`;
    on(this.grid, "click", (event) => this.#pick(event.target.closest("[data-index]")));
    on(this.grid, "keydown", ({ key }) => ["x", "Delete"].includes(key) && this.toggle.click());
    walk(this.grid, { across: () => layers, go: (cell) => this.#pick(cell) }, signal);
    this.toggle = element("button", { type: "button", class: "button" });
    on(this.toggle, "click", () => cut(this.flipped));
    this.all = element("button", { type: "button", class: "button" }, "Restore all heads");
    on(this.all, "click", () => cut([]));
    this.ranked = element("div", { class: "ranked", role: "group", "aria-label": "Heads with the highest score" });
    on(this.ranked, "click", (event) => this.#pick(event.target.closest("[data-index]")));
    this.recorded = element("div", { class: "ranked", role: "group", "aria-label": "Heads to cut" });
    on(this.recorded, "click", (event) => {
      const at = event.target.closest("[data-at]")?.dataset.at;
      if (at !== undefined) cut(this.sets[at].heads);
    });
    this.list = element("p", { class: "cut-list", role: "status" });
    this.box = element("div", { class: "grid-box" }, this.grid);
    const names = element("p", { class: "axes", "aria-hidden": "true" }, "layer →, head ↓");
    this.node = element("div", { class: "ab-lm-heads" }, label, names, this.box, this.ranked, element("div", { class: "cuts" }, this.toggle, this.all, this.recorded), this.list);
  }

  #pair = (index) => [Math.floor(index / this.heads), index % this.heads];
  #name = (index) => this.#pair(index).join("·");
  isCut = (index) => this.cutHeads.some((one) => String(one) === String(this.#pair(index)));

  // The cut heads with the chosen one added, or taken away.
  get flipped() {
    const pair = this.#pair(this.chosen);
    return this.isCut(this.chosen) ? this.cutHeads.filter((one) => String(one) !== String(pair)) : [...this.cutHeads, pair];
  }

  #pick(cell) {
    if (cell) this.choose(...this.#pair(Number(cell.dataset.index)));
  }

  // `values`: one score per head, or null if the text has no such keys. `pair`: the chosen pair in words, if heads are ranked
  // by it; `sets`: recorded sets of heads to cut; `live`: whether the model is here to cut any other.
  show({ values, sort, pair, layer, head, cut, sets, live, theme }) {
    Object.assign(this, { chosen: layer * this.heads + head, cutHeads: cut, sets });
    this.sort.value = sort;
    this.cells.forEach((cell, index) => {
      const out = this.isCut(index);
      const score = values?.[index] ?? 0;
      cell.setAttribute("aria-label", `Layer ${this.#pair(index)[0]}, head ${this.#pair(index)[1]}: ${values ? percent(score) : "no score"}${out ? ", cut" : ""}`);
      cell.title = `${this.#name(index)}: ${values ? percent(score) : "–"}`;
      cell.setAttribute("aria-checked", String(index === this.chosen));
      cell.tabIndex = index === this.chosen ? 0 : -1;
      cell.textContent = out ? "✕" : "";
      Object.assign(cell.style, swatch(score, 1, theme));
    });
    this.#reveal();
    const order = values ? [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, RANKED) : [];
    const button = (index) => {
      const node = element("button", { type: "button", class: "small" }, element("b", {}, this.#name(index)), ` ${percent(values[index])}`);
      node.dataset.index = index;
      node.setAttribute("aria-pressed", String(index === this.chosen));
      return node;
    };
    this.ranked.replaceChildren(...(values ? [element("span", { class: "muted" }, pair ? `Highest, ${pair}:` : "Heads with the highest score:"), ...order.map(button)] : [element("span", { class: "muted" }, "No token occurs twice in this text, so there is no earlier occurrence.")]));
    this.toggle.textContent = `${this.isCut(this.chosen) ? "Restore" : "Cut"} head ${this.#name(this.chosen)}`;
    const possible = live || !this.flipped.length || sets.some(({ heads }) => same(heads, this.flipped));
    this.toggle.disabled = !possible;
    this.toggle.title = possible ? "Key: X" : "Load the model to cut any head";
    this.all.hidden = !cut.length;
    this.recorded.replaceChildren(...sets.map(({ name, heads }, at) => {
      const node = element("button", { type: "button", class: "button" }, `Cut ${name}`);
      node.dataset.at = at;
      node.setAttribute("aria-pressed", String(same(heads, cut)));
      return node;
    }));
  }

  // Scrolls to a head that was chosen outside the visible part of a narrow grid.
  #reveal() {
    const { offsetLeft, offsetWidth } = this.cells[this.chosen];
    const { scrollLeft, clientWidth } = this.box;
    if (this.chosen !== this.revealed && (offsetLeft < scrollLeft + MARGIN || offsetLeft + offsetWidth > scrollLeft + clientWidth)) this.box.scrollLeft = offsetLeft - clientWidth / 2;
    this.revealed = this.chosen;
  }

  tell(words) {
    if (this.list.textContent !== words) this.list.textContent = words;
  }
}

// Whether two lists name the same heads.
export const same = (a, b) => String([...a].map(String).sort()) === String([...b].map(String).sort());
