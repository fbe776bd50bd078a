// A drawing of one network: inputs below, outputs above, and the path between the two chosen positions.

import { drawn, element } from "../shared/dom.js";
import { Tokens } from "../shared/tokens.js";
import { path, reach } from "./paths.js";

const [TOP, BOTTOM] = [26, 26]; // pixels for the labels at both ends
const HOP = 90; // milliseconds of animation per step
const LONGEST = 24;

export class Panel {
  #network;

  // `pick(end, position)` is called for a clicked position: "source" among the inputs, else "target".
  constructor(network, name, { pick, signal }) {
    this.#network = network;
    this.svg = drawn("svg", { "aria-hidden": "true", width: "100%", height: "100%" });
    this.ends = { source: element("span", { class: "end is-key" }), target: element("span", { class: "end is-query" }) };
    this.plot = element("div", { class: "plot" }, this.svg, this.ends.source, this.ends.target);
    this.plot.addEventListener(
      "click",
      ({ clientX, clientY }) => {
        const { left, top, width, height } = this.plot.getBoundingClientRect();
        const position = Math.max(0, Math.min(this.count - 1, Math.floor(((clientX - left) / width) * this.count)));
        pick(clientY - top > height / 2 ? "source" : "target", position);
      },
      { signal },
    );
    this.steps = element("span", { class: "steps" });
    const head = element("div", { class: "head" }, element("b", {}, name), this.steps);
    this.formula = element("p", { class: "formula" });
    this.note = element("p", { class: "note" });
    this.node = element("div", { class: "ab-panel", role: "group", "aria-label": name }, head, this.plot, this.formula, this.note);
  }

  // `all` holds the settings and `tokens`; `words` the panel's steps, formula and note.
  show(all, words) {
    const [width, height] = [this.plot.clientWidth, this.plot.clientHeight];
    const rows = this.#network === "convolution" ? all.layers : 1;
    this.count = all.tokens.length;
    const at = ([column, row]) => [
      ((column + 0.5) * width) / this.count,
      height - BOTTOM - 8 - (row * (height - TOP - BOTTOM - 16)) / rows,
    ];
    this.radius = Math.max(1.6, Math.min(5, width / this.count / 4.2, (height - TOP - BOTTOM) / rows / 4.2));
    const shapes = words.steps === null ? [] : this.#way(all, at);
    this.svg.replaceChildren(...this.#web(all, rows, at), ...shapes, ...this.#tips(all, rows, at));
    for (const end of ["source", "target"]) this.#label(end, all);
    this.steps.replaceChildren(...words.head);
    this.steps.classList.toggle("none", words.steps === null);
    this.formula.textContent = words.formula;
    this.note.replaceChildren(...words.note);
  }

  #label(end, all) {
    const share = (100 * (all[end] + 0.5)) / this.count;
    this.ends[end].replaceChildren(new Tokens(all.tokens, 1).label(all[end], LONGEST));
    this.ends[end].style.cssText = `left:${share}%;transform:translateX(${-share}%)`;
  }

  // All connections, faint, and those that reach the target.
  #web(all, rows, at) {
    const { source, target, kernel } = all;
    const shapes = [];
    const line = (from, to, kind) => shapes.push(segment(at(from), at(to), kind, this.radius));
    const columns = Array.from({ length: this.count }, (_, i) => i);
    let seen = () => false;
    if (this.#network === "attention") {
      seen = () => true;
      for (const i of columns) line([i, 0], [target, 1], "seen");
    } else if (this.#network === "recurrent") {
      seen = (column) => column <= target;
      for (const i of columns) {
        line([i, 0], [i, 1], seen(i) ? "seen" : "web");
        if (i) line([i - 1, 1], [i, 1], seen(i) ? "seen" : "web");
      }
    } else {
      seen = (column, row) => Math.abs(column - target) <= (rows - row) * reach(kernel);
      shapes.push(this.#field(rows, target, kernel, at));
    }
    for (let row = 0; row <= rows; row++) {
      for (const i of columns) {
        const [cx, cy] = at([i, row]);
        const lit = this.#network === "attention" && row ? i === target : seen(i, row);
        shapes.push(drawn("circle", { class: lit ? "node seen" : "node", cx, cy, r: this.radius }));
      }
    }
    return source < 0 ? [] : shapes;
  }

  // The receptive field: everything the target's output can depend on.
  #field(rows, target, kernel, at) {
    const within = (column) => Math.max(0, Math.min(this.count - 1, column));
    const side = (sign, row) => at([within(target + sign * (rows - row) * reach(kernel)), row]);
    const levels = Array.from({ length: rows + 1 }, (_, row) => row);
    const spread = ([x, y], sign) => [x + sign * (this.radius + 4), y];
    const left = levels.map((row) => spread(side(-1, row), -1));
    const right = levels.map((row) => spread(side(1, row), 1)).reverse();
    return drawn("polygon", { class: "field", points: [...left, ...right].map((point) => point.join()).join(" ") });
  }

  #way(all, at) {
    const points = path(this.#network, all).map(at);
    return points.slice(1).flatMap((to, i) => {
      const delay = `animation-delay:${i * HOP}ms`;
      const arrow = segment(points[i], to, "hop", this.radius, true);
      const [cx, cy] = to;
      const dot = drawn("circle", { class: "stop", cx, cy, r: this.radius });
      for (const shape of [arrow, dot]) shape.setAttribute("style", delay);
      return [arrow, dot];
    });
  }

  #tips({ source, target }, rows, at) {
    const tip = (place, kind) => {
      const [cx, cy] = at(place);
      return drawn("circle", { class: `tip ${kind}`, cx, cy, r: Math.max(4.5, this.radius + 1) });
    };
    return [tip([source, 0], "source"), tip([target, rows], "target")];
  }
}

// A line between two nodes that stops at their circles; arrows have a head.
function segment([x1, y1], [x2, y2], kind, radius, arrow = false) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [near, far] = [Math.min(radius + 1, length / 4), Math.min(radius + (arrow ? 2 : 1), length / 4)];
  const [sx, sy, ex, ey] = [x1 + dx * near, y1 + dy * near, x2 - dx * far, y2 - dy * far];
  if (!arrow) return drawn("line", { class: kind, x1: sx, y1: sy, x2: ex, y2: ey });
  const size = Math.min(6, length / 3);
  const [bx, by] = [ex - dx * size, ey - dy * size];
  const wing = (sign) => `${bx - sign * dy * size * 0.5},${by + sign * dx * size * 0.5}`;
  return drawn("g", { class: kind }, drawn("line", { x1: sx, y1: sy, x2: bx, y2: by }), drawn("polygon", { points: `${ex},${ey} ${wing(1)} ${wing(-1)}` }));
}
