// How one weight of the cross-attention is computed, with the numbers of the model.

import { element } from "../shared/dom.js";
import { quoted } from "./words.js";

const number = (x) => x.toFixed(3).replace("-", "−");

export class Sum {
  constructor({ cut, signal }) {
    this.title = element("p", { class: "sum-title" });
    this.rows = element("tbody", {});
    this.steps = element("ol", { class: "sum-steps" });
    this.cutting = element("button", { type: "button", class: "button" }, "✂ cut this weight");
    this.cutting.addEventListener("click", () => cut(this.cell), { signal });
    const close = element("button", { type: "button", class: "button remove", "aria-label": "close" }, "✕");
    close.addEventListener("click", () => (this.node.hidden = true), { signal });
    const head = element("div", { class: "sum-head" }, this.title, this.cutting, close);
    const box = element("div", { class: "sum-box", tabindex: "0", role: "region", "aria-label": "query, key and value" }, element("table", {}, this.rows));
    this.node = element("div", { class: "ab-sum", role: "group", "aria-label": "How the weight is computed", hidden: true }, head, box, this.steps);
  }

  // `cell`: { layer, head, row, column }; `found`: what `Model.inspect` returns.
  show(cell, { query, keys, values, scores, weights }, { source, written }) {
    this.cell = cell;
    const { layer, head, row, column } = cell;
    const [key, value] = [keys[column], values[column]];
    this.title.textContent = `Layer ${layer}, head ${head}: while it writes ${quoted(written[row])}, how much does it read ${quoted(source[column])}?`;
    const line = (name, kind, numbers) => element("tr", { class: kind }, element("th", { scope: "row" }, name), ...Array.from(numbers, (x) => element("td", {}, number(x))));
    const products = query.map((x, i) => x * key[i]);
    const weight = weights[column];
    this.rows.replaceChildren(
      line("query q", "is-query", query),
      line("key k", "is-key", key),
      line("q × k", "", products),
      line("value v", "is-value", value),
      line("weight × v", "is-value", value.map((x) => x * weight)),
    );
    const product = products.reduce((sum, x) => sum + x, 0);
    const allowed = scores.filter((_, s) => weights[s] > 0);
    const highest = Math.max(...allowed);
    const total = allowed.reduce((sum, score) => sum + Math.exp(score - highest), 0);
    this.steps.replaceChildren(
      element("li", {}, `score: the sum of q × k, divided by √${query.length}: ${number(product)} / ${Math.sqrt(query.length).toFixed(4)} = ${number(scores[column])}`),
      element("li", {}, `softmax, relative to the highest score: exp(${number(scores[column])} − ${number(highest)}) / the sum over ${allowed.length} tokens = ${number(Math.exp(scores[column] - highest))} / ${number(total)} = `, element("strong", {}, weight.toFixed(3))),
      element("li", {}, `output: the head adds ${weight.toFixed(3)} × v of ${quoted(source[column])} to its sum over all tokens`),
    );
    this.node.hidden = false;
    this.node.scrollIntoView({ block: "nearest" });
  }
}
