// PositionClocks: the sinusoidal vectors of two positions as clock hands, one dial per pair of features.

import { slider, Speaker } from "../shared/controls.js";
import { drawn, element } from "../shared/dom.js";
import { factor, signed } from "../shared/numbers.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import layout from "./layout.css";
import css from "./style.css";

const HINT = "Move t: all hands turn, and the shaded angles stay. Move k: the angles change, and the dot product with them.";
const STATE = ["position", "offset"];
const [LAST, FURTHEST] = [100, 20];

class PositionClocks extends View {
  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + css, hint: HINT });
    const speeds = this.get("_speeds");
    if (!speeds?.length || STATE.some((name) => !Number.isInteger(model.get(name)))) throw new Error("speeds or settings are missing");
    this.position = slider("position t", { min: 0, max: LAST, change: (position) => this.set({ position }), signal });
    this.offset = slider("offset k", { min: 0, max: FURTHEST, change: (offset) => this.set({ offset }), signal });
    this.dials = speeds.map((speed, i) => new Dial(speed, i));
    this.here = element("span");
    this.there = element("span", { class: "there" });
    this.total = element("p", { class: "ab-total" });
    this.speaker = new Speaker(signal);
    this.root.append(
      element("div", { class: "ab-controls" }, this.position.node, this.offset.node),
      element("div", { class: "ab-dials" }, ...this.dials.map(({ node }) => node)),
      element("div", { class: "ab-legend" }, this.here, this.there),
      this.total,
      this.speaker.node,
    );
    this.follow(STATE);
  }

  show(changed) {
    const { position, offset } = this.get(...STATE);
    const other = position + offset;
    this.position.show(position, `t = ${position}`, String(position));
    this.offset.show(offset, `k = ${offset}`, String(offset));
    for (const dial of this.dials) dial.show(position, offset);
    const products = this.dials.map(({ speed }) => Math.cos(speed * offset));
    const dot = products.reduce((a, b) => a + b, 0);
    this.here.textContent = `position t = ${position}`;
    this.there.textContent = `position t + k = ${other}`;
    const sum = element("b", {}, element("data", { value: String(dot) }, signed(dot)));
    this.total.replaceChildren(`P${below(position)} · P${below(other)} = ${products.map(factor).join(" + ")} = `, sum, ", the same at every t");
    if (changed) this.speaker.say(`positions ${position} and ${other}: dot product ${signed(dot)}`);
  }
}

const below = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

// A hand at angle ωt: its height is the sine, its reach to the right the cosine.
class Dial {
  constructor(speed, i) {
    this.speed = speed;
    this.svg = drawn("svg", { viewBox: "-1.1 -1.1 2.2 2.2", "aria-hidden": "true" });
    this.cosine = element("span", { class: "cosine" });
    const period = (2 * Math.PI) / speed;
    const name = element("span", { class: "name", title: `turns once in ${period.toFixed(1)} positions` }, `hand ${i}: ω = ${Number(speed.toPrecision(2))}`);
    this.node = element("div", { class: "ab-dial" }, this.svg, name, this.cosine);
  }

  show(position, offset) {
    const [start, end] = [this.speed * position, this.speed * (position + offset)];
    const turn = (end - start) % (2 * Math.PI);
    const at = (angle, radius = 1) => [radius * Math.cos(angle), -radius * Math.sin(angle)];
    const [from, to] = [at(start, 0.6), at(start + turn, 0.6)];
    const sector = `M0 0L${from}A.6 .6 0 ${turn > Math.PI ? 1 : 0} 0 ${to}Z`;
    const hand = (angle, kind) => {
      const [x, y] = at(angle, 0.92);
      return [drawn("line", { class: `hand ${kind}`, x1: 0, y1: 0, x2: x, y2: y }), drawn("circle", { class: `tip ${kind}`, cx: x, cy: y, r: kind === "here" ? 0.08 : 0.055 })];
    };
    this.svg.replaceChildren(
      drawn("circle", { class: "rim", r: 1, "stroke-width": 0.02 }),
      drawn("path", { class: "axis", d: "M-1 0H1M0-1V1", "stroke-width": 0.012 }),
      drawn("path", { class: "turn", d: sector }),
      ...hand(start, "here"),
      ...hand(end, "there"),
    );
    this.cosine.textContent = `cos(ωk) = ${signed(Math.cos(this.speed * offset))}`;
  }
}

export default widget(PositionClocks);
