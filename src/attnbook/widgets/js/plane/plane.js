// The plane: keys as dots that grow with their weight, and the query as a handle for mouse, touch and arrow keys.

import { drawn, element } from "../shared/dom.js";
import { swatch } from "../shared/palette.js";
import { tokenElement } from "../shared/tokens.js";
import { signed } from "../shared/numbers.js";

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const STEP = 40; // key presses from the centre to the edge; Shift makes steps ten times smaller
const LONGEST = 20;

export class Plane {
  #limit;
  #tick;
  #where;

  // `where()` returns the query; `move([x, y])` is called with its new position, `point(index)` with the key under the mouse,
  // or -1.
  constructor({ labels, limit, tick, where, move, point, signal }) {
    this.#limit = limit;
    this.#tick = tick;
    this.#where = where;
    this.svg = drawn("svg", { "aria-hidden": "true", width: "100%", height: "100%" });
    this.labels = labels.map((label) => element("span", { class: "key-label" }, tokenElement(label, LONGEST)));
    this.handle = element("div", { class: "handle", tabIndex: 0, role: "application" });
    this.handle.setAttribute("aria-roledescription", "movable point");
    this.node = element("div", { class: "ab-plane" }, this.svg, ...this.labels, this.handle);
    const on = (node, name, call) => node.addEventListener(name, call, { signal });
    let grabbed = false;
    let touch = false;
    on(this.node, "pointerdown", (event) => {
      touch = event.pointerType !== "mouse";
      if (event.button || (touch && event.target !== this.handle)) return; // a finger on the plane scrolls the page
      grabbed = true;
      this.node.setPointerCapture(event.pointerId);
      this.handle.focus({ preventScroll: true });
      event.preventDefault();
      move(this.#place(event));
    });
    on(this.node, "pointermove", (event) => (grabbed ? move(this.#place(event)) : point(this.#near(event))));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) on(this.node, name, () => (grabbed = false));
    on(this.node, "pointerleave", () => point(-1));
    // A tap on a key shows its computation, as hovering does; a tap elsewhere moves the query.
    on(this.node, "click", (event) => {
      const key = touch && event.target !== this.handle ? this.#near(event) : -1;
      if (touch) point(key);
      if (key < 0) move(this.#place(event));
    });
    on(this.handle, "keydown", (event) => {
      const to = this.#key(event);
      if (!to) return;
      event.preventDefault();
      event.stopPropagation();
      move(to);
    });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in MOVES)) return null;
    const step = this.#limit / (event.shiftKey ? STEP * 10 : STEP);
    return this.#where().map((x, i) => this.#within(x + MOVES[event.key][i] * step));
  }

  #within = (x) => Math.max(-this.#limit, Math.min(this.#limit, Math.round(x * 1000) / 1000));

  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.node.getBoundingClientRect();
    const part = [(2 * (clientX - left)) / width - 1, 1 - (2 * (clientY - top)) / height];
    return part.map((share) => this.#within(share * this.#limit));
  }

  #near({ clientX, clientY }) {
    const { left, top } = this.node.getBoundingClientRect();
    const far = this.dots.map(([x, y, r]) => Math.hypot(clientX - left - x, clientY - top - y) - r);
    const nearest = far.indexOf(Math.min(...far));
    return far[nearest] < 10 ? nearest : -1;
  }

  show({ query, keys, weights, temperature, score }, pointed, theme) {
    const side = this.node.clientWidth;
    const at = ([x, y]) => [((x / this.#limit + 1) * side) / 2, ((1 - y / this.#limit) * side) / 2];
    const [qx, qy] = at(query);
    const [ox, oy] = at([0, 0]);
    this.dots = keys.map((key, i) => [...at(key), 4 + 11 * Math.sqrt(weights[i])]);
    const line = (kind, x1, y1, x2, y2) => drawn("line", { class: kind, x1, y1, x2, y2 });
    const shapes = [...this.#grid(at, side)];
    this.dots.forEach(([x, y], i) => {
      const link = line("link", qx, qy, x, y);
      link.setAttribute("style", `stroke-width:${1 + 4 * weights[i]};opacity:${0.08 + 0.8 * weights[i]}`);
      shapes.push(link);
    });
    if (score === "distance") shapes.push(drawn("circle", { class: "kernel", cx: qx, cy: qy, r: (Math.sqrt(temperature) * side) / 2 / this.#limit }));
    else shapes.push(...arrow([ox, oy], [qx, qy]));
    if (pointed >= 0 && score === "dot" && (query[0] || query[1])) shapes.push(...this.#projection(query, keys[pointed], at, line));
    this.dots.forEach(([cx, cy, r], i) => {
      const { background } = swatch(weights[i], 1, theme);
      shapes.push(drawn("circle", { class: i === pointed ? "dot on" : "dot", cx, cy, r, fill: background }));
      const label = this.labels[i];
      const right = cx > side * 0.7;
      label.classList.toggle("on", i === pointed);
      label.style.cssText = `top:${cy}px;${right ? `right:${side - cx + r + 5}px` : `left:${cx + r + 5}px`};max-width:${Math.max(40, (right ? cx : side - cx) - r - 8)}px`;
    });
    this.svg.replaceChildren(...shapes);
    this.handle.style.cssText = `left:${qx}px;top:${qy}px`;
    this.handle.setAttribute("aria-label", `query at ${query.map(signed).join(", ")}: arrow keys move it, with Shift in small steps`);
  }

  #grid(at, side) {
    const shapes = [];
    for (let n = Math.ceil(-this.#limit / this.#tick); n * this.#tick <= this.#limit; n++) {
      const [x, y] = at([n * this.#tick, n * this.#tick]);
      const kind = n ? "grid" : "axis";
      shapes.push(drawn("line", { class: kind, x1: x, x2: x, y1: 0, y2: side }), drawn("line", { class: kind, x1: 0, x2: side, y1: y, y2: y }));
      if (!n || Math.abs(n * this.#tick) > this.#limit * 0.95) continue;
      const words = [drawn("text", { x, y: side / 2 + 14, "text-anchor": "middle" }), drawn("text", { x: side / 2 - 5, y: y + 4, "text-anchor": "end" })];
      for (const text of words) text.textContent = String(+(n * this.#tick).toFixed(6)).replace("-", "−");
      shapes.push(...words);
    }
    return shapes;
  }

  // A dot product is the key's projection onto the query's line times the query's length.
  #projection(query, key, at, line) {
    const share = (query[0] * key[0] + query[1] * key[1]) / (query[0] ** 2 + query[1] ** 2);
    const foot = at([query[0] * share, query[1] * share]);
    return [line("shadow", ...at([0, 0]), ...foot), line("drop", ...at(key), ...foot)];
  }
}

function arrow([x1, y1], [x2, y2]) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length < 12) return [];
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  return [drawn("line", { class: "arrow", x1, y1, x2: x2 - dx * 9, y2: y2 - dy * 9 })];
}
