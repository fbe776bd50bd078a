// QueryPlane: drag a query among keys and watch scores, weights and the weighted sum of the values.

import { heat, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { digits, factor, signed } from "../shared/numbers.js";
import { Legend } from "../shared/legend.js";
import { choice, followTraits, list, number } from "../shared/settings.js";
import share from "../shared/share.css";
import { Tokens } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Bars } from "./bars.js";
import { attend, SCORES } from "./attend.js";
import layout from "./layout.css";
import { Plane } from "./plane.js";
import css from "./style.css";

const HINT = "Drag the query q, or focus it and press the arrow keys. Point at a key to see how its score is computed.";
const FORMULAS = {
  dot: "weights = softmax(q · k / τ): long keys in the query's direction score high",
  distance: "weights = softmax(−½ |q − k|² / τ): near keys score high, the circle's radius is √τ",
};
const STATE = ["query", "temperature", "score"];

class QueryPlane extends View {
  #pointed = -1;
  #frame = 0;

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css, hint: HINT });
    const { _keys, _values, labels, query, score, _limit, _tick } = this.get("_keys", "_values", "labels", "query", "score", "_limit", "_tick");
    if (!_keys?.length || _values?.length !== _keys.length || labels?.length !== _keys.length) throw new Error("keys, values or labels are missing");
    if (!SCORES[score] || !(_limit > 0) || !(_tick > 0) || query?.length !== 2) throw new Error("settings are missing");
    this.#build(labels, _values, _limit, _tick);
    this.follow(STATE);
    const place = number(-_limit, _limit);
    const kinds = { query: list(place, place), temperature: number(0.05, 20), score: choice(...Object.keys(SCORES)) };
    followTraits(this, el, signal, { name: "plane", place: ".ab-queries", kinds });
    this.fit(this.plane.node);
    signal.addEventListener("abort", () => cancelAnimationFrame(this.#frame), { once: true });
  }

  #build(labels, values, limit, tick) {
    const { signal } = this;
    const point = (index) => index !== this.#pointed && ((this.#pointed = index), this.#draw());
    const where = () => this.get("query");
    const move = (query) => query.some((x, i) => x !== where()[i]) && this.set({ query });
    this.plane = new Plane({ labels, limit, tick, where, move, point, signal });
    this.bars = new Bars({ labels, values, colors: this.get("_colors"), point, signal });
    this.temperature = heat({ change: (temperature) => this.set({ temperature }), signal });
    const options = [["dot", "dot product"], ["distance", "distance"]].map(([value, words]) => element("option", { value }, words));
    this.score = element("select", {}, ...options);
    this.score.addEventListener("change", () => this.set({ score: this.score.value }), { signal });
    const controls = element("div", { class: "ab-controls" }, this.temperature.node, element("label", { class: "pick" }, "score by", this.score));
    this.formula = element("p", { class: "formula" });
    this.sum = element("p", { class: "sum" });
    this.speaker = new Speaker(signal);
    const side = element("div", { class: "ab-side" }, element("div", { class: "wide" }, this.bars.table), this.formula, this.sum);
    const both = element("div", { class: "ab-both" }, this.plane.node, side);
    both.style.setProperty("--rows", labels.length);
    this.legend = new Legend({ name: "dot colour and size: weight" });
    this.root.append(controls, both, this.legend.node, this.speaker.node);
  }

  // Changes that arrive before the next animation frame are drawn together.
  show(changed) {
    if (!changed) return this.#draw();
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { query, labels, weights, output } = this.#draw();
      const most = weights.indexOf(Math.max(...weights));
      const average = this.get("_colors") ? "" : `; weighted average ${output.map(signed).join(", ")}`;
      const name = new Tokens(labels).spoken(most);
      this.speaker.say(`query at ${query.map(signed).join(", ")}: most weight on ${name}, ${digits(weights[most])}${average}`);
    });
  }

  #draw() {
    const given = { ...this.get("labels", ...STATE), keys: this.get("_keys"), values: this.get("_values") };
    const all = { ...given, ...attend(given) };
    this.plane.show(all, this.#pointed, this.theme);
    this.bars.show(all, this.#pointed);
    this.legend.show({ theme: this.theme });
    this.temperature.show(all.temperature);
    this.score.value = all.score;
    this.formula.textContent = FORMULAS[all.score];
    this.sum.replaceChildren(...this.#words(all));
    return all;
  }

  // The computation of the score under the pointer.
  #words({ query, keys, labels, scores, score }) {
    const i = this.#pointed;
    if (i < 0) return ["q = (", query.map(signed).join(", "), ")"];
    const name = element("b", { class: "is-key" }, new Tokens(labels).label(i, 16));
    const terms = query.map((x, c) => (score === "dot" ? `${factor(x)}×${factor(keys[i][c])}` : `(${signed(x)} − ${factor(keys[i][c])})²`)).join(" + ");
    return ["score(", name, ") = ", score === "dot" ? `${terms} = ` : `−½ (${terms}) = `, element("b", {}, signed(scores[i]))];
  }
}

export default widget(QueryPlane);
