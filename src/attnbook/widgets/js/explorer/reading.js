// The map in words: the current cell, the strongest keys of its row, and the row's entropy.

import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { hatching, swatch } from "../shared/palette.js";
import { load } from "./toolbar.js";
import { ordinal, percent, spreadInWords } from "./words.js";

export class Reading {
  // `hatched` names the hatched cells: "masked", or another reason why they are empty. `keyboard` tells what keys do.
  constructor(queries, keys, hatched, { keyboard, signal }) {
    Object.assign(this, { queries, keys, hatched });
    this.cell = element("p", { class: "cell" });
    this.most = element("p", { class: "most" });
    this.spread = element("p", { class: "spread" });
    this.said = element("output", { class: "said", "aria-live": "polite" });
    const how = element("span", {});
    const help = element("p", { class: "help" }, how, " ", element("span", { class: "by-keyboard" }, keyboard));
    this.more = element("div", { class: "more", hidden: true }, this.most, this.spread, help);
    this.button = element("button", { type: "button", class: "button about-it", "aria-expanded": "false", "aria-label": "More about this row, and help" }, "?");
    const toggle = () => {
      this.more.hidden = !this.more.hidden;
      load().then(({ HOW }) => (how.textContent = HOW)).catch(() => {});
      this.node.classList.toggle("is-open", !this.more.hidden);
      this.button.setAttribute("aria-expanded", String(!this.more.hidden));
    };
    this.button.addEventListener("click", toggle, { signal });
    const words = element("div", { class: "words", "aria-hidden": "true" }, this.cell, this.more);
    this.node = element("div", { class: "ab-reading" }, words, this.button);
  }

  // The strongest cell in a sentence.
  strongest({ row, column }, weight, look) {
    const [query, key] = this.#names(row, column);
    const note = element("span", { class: "rank" }, "the strongest weight of this map");
    this.cell.replaceChildren(this.#dot(weight, look), query, "attends to", key, element("span", { class: "value" }, digits(weight)), note);
  }

  // What a key receives from all queries.
  total(column, weight, rows) {
    const key = this.keys.label(column);
    key.classList.add("is-key");
    this.cell.replaceChildren(key, `receives a total weight of`, element("span", { class: "value" }, digits(weight)), element("span", { class: "rank" }, `from ${rows} queries`));
  }

  nothing(words = "") {
    this.cell.replaceChildren(words);
  }

  #names(row, column) {
    const [query, key] = [this.queries.label(row), this.keys.label(column)];
    query.classList.add("is-query");
    key.classList.add("is-key");
    return [query, key];
  }

  #dot(weight, { peak, floor, theme }) {
    const dot = element("span", { class: "dot" });
    dot.style.background = weight === null ? hatching(theme) : swatch(weight, peak, theme, floor).background;
    return dot;
  }

  // One cell: query → key, with its weight and rank in the row, or "masked"; spoken unless `silent`.
  read({ row, column }, weights, mask, look, silent) {
    const weight = weights[column];
    const masked = Boolean(mask) && !mask[column];
    const number = masked ? this.hatched : digits(weight);
    const [query, key] = this.#names(row, column);
    this.cell.replaceChildren(this.#dot(masked ? null : weight, look), query, "→", key, element("span", { class: "value" }, number));
    const larger = weights.reduce((count, other) => count + (other > weight), 0);
    const of = mask ? mask.reduce((sum, one) => sum + one, 0) : weights.length;
    const rank = larger ? `${ordinal(larger + 1)} of ${of} in its row` : `largest of ${of} in its row`;
    const note = masked ? "" : column < look.hidden ? `${rank}, not shown` : rank;
    this.cell.append(element("span", { class: "rank" }, note));
    if (silent) return;
    const verb = number === "masked" ? "may not attend to" : "attends to";
    const spoken = masked ? number : `weight ${number}, ${rank}`;
    this.say(`query ${this.queries.spoken(row)} ${verb} key ${this.keys.spoken(column)}, ${spoken}`);
  }

  // The three strongest keys of a row, and the number of keys that it spreads over.
  row(index, weights, spread, locked) {
    const strongest = this.#strongest(weights);
    const named = (tokens, i, kind) => {
      const label = tokens.label(i, 16);
      label.classList.add(kind);
      return label;
    };
    const list = strongest.flatMap((i, n) => [n ? " · " : "", named(this.keys, i, "is-key"), ` = ${digits(weights[i])}`]);
    const lead = locked ? "Locked: " : "";
    this.most.replaceChildren(lead, named(this.queries, index, "is-query"), " → ", ...(list.length ? list : ["nothing"]));
    this.spread.textContent = spread ? `This row: ${spreadInWords(spread)}` : "";
  }

  // A row for screen readers.
  spokenRow(index, weights) {
    const list = this.#strongest(weights).map((i) => `${this.keys.spoken(i)} ${digits(weights[i])}`);
    return `row ${this.queries.spoken(index)}: most to ${list.join(", ") || "nothing"}`;
  }

  #strongest(weights) {
    const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]);
    return order.slice(0, 3).filter((i) => weights[i] > 0);
  }

  // A summary of the whole map, if no row is chosen.
  rest({ keys, bits, first }) {
    this.most.textContent = `${percent(first)} of the weight is on the first key.`;
    this.spread.textContent = `On average a row is spread over ${keys.toFixed(1)} keys; the mean entropy is ${bits.toFixed(2)} bits.`;
  }

  say(text) {
    this.said.textContent = text;
  }
}
