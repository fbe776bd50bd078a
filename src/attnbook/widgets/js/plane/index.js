// QueryPlane: a query that is dragged among keys; scores, weights and the blended value follow.

import { slider, Speaker } from "../shared/controls.js";
import { element, shadow } from "../shared/dom.js";
import { digits, factor, signed } from "../shared/numbers.js";
import { watchTheme } from "../shared/theme.js";
import { tokenElement, visible } from "../shared/tokens.js";
import { watchModel, widget } from "../shared/widget.js";
import { Bars } from "./bars.js";
import { blend, SCORES } from "./blend.js";
import layout from "./layout.css";
import { Plane } from "./plane.js";
import css from "./style.css";

const HINT = "Drag the query q, or focus it and press the arrow keys. Point at a key to see the sum behind its score.";
const FORMULAS = {
  dot: "weights = softmax(q · k / τ): long keys in the query's direction score high",
  distance: "weights = softmax(−½ |q − k|² / τ): near keys score high, the circle's radius is √τ",
};
const [COLDEST, HOTTEST, NOTCHES] = [0.05, 20, 120]; // temperature, on a logarithmic scale
const RATIO = Math.log(HOTTEST / COLDEST) / NOTCHES;

class QueryPlane {
  #model;
  #theme = "light";
  #pointed = -1;
  #frame = 0;

  constructor(model, el, signal) {
    this.#model = model;
    const [keys, values, labels, limit, tick] = ["_keys", "_values", "labels", "_limit", "_tick"].map((name) => model.get(name));
    if (!keys?.length || values?.length !== keys.length || labels?.length !== keys.length) throw new Error("keys, values or labels are missing");
    if (!SCORES[model.get("score")] || !(limit > 0) || !(tick > 0) || model.get("query")?.length !== 2) throw new Error("settings are missing");
    this.#build(el, { keys, values, labels, limit, tick }, signal);
    const again = () => this.#show();
    watchModel(model, { "change:title": () => this.#showTitle(), "change:query": again, "change:temperature": again, "change:score": again }, signal);
    watchTheme((theme) => this.#setTheme(theme), signal);
    const observer = new ResizeObserver(() => this.#draw());
    observer.observe(this.plane.node);
    signal.addEventListener("abort", () => (observer.disconnect(), cancelAnimationFrame(this.#frame)), { once: true });
    this.#showTitle();
    this.#draw();
  }

  #build(el, { values, labels, limit, tick }, signal) {
    const point = (index) => index !== this.#pointed && ((this.#pointed = index), this.#draw());
    const move = (query) => query.some((x, i) => x !== this.#model.get("query")[i]) && this.#set({ query });
    this.title = element("p", { class: "title ab-title" });
    this.plane = new Plane({ labels, limit, tick, move, point, signal });
    this.bars = new Bars({ labels, values, colors: this.#model.get("_colors"), point, signal });
    const change = (notch) => this.#set({ temperature: Number((COLDEST * Math.exp(notch * RATIO)).toPrecision(3)) });
    this.temperature = slider("temperature", { min: 0, max: NOTCHES, change, signal });
    const options = [["dot", "dot product"], ["distance", "distance"]].map(([value, words]) => element("option", { value }, words));
    this.score = element("select", {}, ...options);
    this.score.addEventListener("change", () => this.#set({ score: this.score.value }), { signal });
    const controls = element("div", { class: "ab-controls" }, this.temperature.node, element("label", { class: "pick" }, "score by", this.score));
    this.formula = element("p", { class: "formula" });
    this.sum = element("p", { class: "sum" });
    this.speaker = new Speaker(signal);
    const side = element("div", { class: "ab-side" }, element("div", { class: "wide" }, this.bars.table), this.formula, this.sum);
    const both = element("div", { class: "ab-both" }, this.plane.node, side);
    both.style.setProperty("--rows", labels.length);
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" });
    this.root.append(this.title, element("p", { class: "ab-hint" }, HINT), controls, both, this.speaker.node);
    shadow(el, layout + css).append(this.root);
  }

  #set(changes) {
    for (const [name, value] of Object.entries(changes)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #setTheme(theme) {
    this.#theme = theme;
    this.root.dataset.theme = theme;
    this.#draw();
  }

  #showTitle() {
    this.title.textContent = this.#model.get("title");
    this.title.hidden = !this.title.textContent;
  }

  // A change that came while a frame is being waited for is drawn with it.
  #show() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const all = this.#draw();
      const most = all.weights.indexOf(Math.max(...all.weights));
      const name = visible(all.labels[most]).slice(0, 60);
      const output = this.#model.get("_colors") ? "" : `; blended value ${all.output.map(signed).join(", ")}`;
      this.speaker.say(`query at ${all.query.map(signed).join(", ")}: most weight on ${name}, ${digits(all.weights[most])}${output}`);
    });
  }

  #draw() {
    const model = this.#model;
    const given = { query: model.get("query"), keys: model.get("_keys"), values: model.get("_values"), temperature: model.get("temperature"), score: model.get("score") };
    const all = { ...given, labels: model.get("labels"), ...blend(given) };
    this.plane.show(all, this.#pointed, this.#theme);
    this.bars.show(all, this.#pointed);
    this.temperature.show(Math.round(Math.log(all.temperature / COLDEST) / RATIO), `τ = ${+all.temperature.toPrecision(3)}`, `${+all.temperature.toPrecision(3)}`);
    this.score.value = all.score;
    this.formula.textContent = FORMULAS[all.score];
    this.sum.replaceChildren(...this.#words(all));
    return all;
  }

  // The sum behind the score that is pointed at.
  #words({ query, keys, labels, scores, score }) {
    const i = this.#pointed;
    if (i < 0) return ["q = (", query.map(signed).join(", "), ")"];
    const name = element("b", { class: "is-key" }, tokenElement(labels[i], 16));
    const terms = query.map((x, c) => (score === "dot" ? `${factor(x)}×${factor(keys[i][c])}` : `(${signed(x)} − ${factor(keys[i][c])})²`)).join(" + ");
    return ["score(", name, ") = ", score === "dot" ? `${terms} = ` : `−½ (${terms}) = `, element("b", {}, signed(scores[i]))];
  }
}

export default widget(QueryPlane);
