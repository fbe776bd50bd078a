// The longest path between two positions as the sequence grows: one line per network, and the numbers as a table.

import { drawn, element } from "../shared/dom.js";
import { longest } from "./paths.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [30, 118, 8, 20]; // pixels around the lines
const NAMES = { recurrent: "recurrent", convolution: "convolution", attention: "attention" };
const LINE = 14;

export class Growth {
  constructor() {
    this.svg = drawn("svg", { "aria-hidden": "true", width: "100%", height: "100%" });
    this.plot = element("div", { class: "lines" }, this.svg);
    this.table = element("table", { class: "numbers" });
    this.fold = element("details", { class: "ab-fold" }, element("summary", {}, "The numbers as a table"), element("div", { class: "wide", tabIndex: 0, role: "group", "aria-label": "Longest paths" }, this.table));
    this.node = element("div", { class: "ab-growth" }, element("div", { class: "head" }, element("b", {}, "Longest path, as the sequence grows")), this.plot);
  }

  show({ tokens, kernel }) {
    this.#draw(tokens.length, kernel);
    this.#write(tokens.length, kernel);
  }

  #draw(length, kernel) {
    const most = Math.max(32, 2 * length);
    const [width, height] = [this.plot.clientWidth - LEFT - RIGHT, this.plot.clientHeight - TOP - BOTTOM];
    const x = (n) => LEFT + (n / most) * width;
    const y = (n) => TOP + height - (n / most) * height;
    const shapes = [];
    const words = (px, py, anchor, kind, text) => {
      const node = drawn("text", { x: px, y: py, "text-anchor": anchor, class: kind });
      node.textContent = text;
      shapes.push(node);
    };
    for (const n of [0, most / 2, most]) {
      shapes.push(drawn("line", { class: "grid", x1: LEFT, x2: LEFT + width, y1: y(n), y2: y(n) }));
      words(LEFT - 6, y(n) + 4, "end", "tick", n);
      if (n) words(x(n), TOP + height + 15, "middle", "tick", n);
    }
    words(x(most) + 18, TOP + height + 15, "start", "tick", "length T");
    shapes.push(drawn("line", { class: "now", x1: x(length), x2: x(length), y1: TOP, y2: TOP + height }));
    words(x(length), TOP + height + 15, "middle", "tick here", length);
    let lowest = -Infinity; // labels must not overlap
    for (const [network, name] of Object.entries(NAMES)) {
      const steps = Array.from({ length: most }, (_, i) => [x(i + 1), y(longest[network](i + 1, kernel))]);
      shapes.push(drawn("polyline", { class: `growth ${network}`, points: steps.map((point) => point.join()).join(" ") }));
      shapes.push(drawn("circle", { class: `dot ${network}`, cx: x(length), cy: y(longest[network](length, kernel)), r: 3 }));
      lowest = Math.max(y(longest[network](most, kernel)) + 4, lowest + LINE);
      words(LEFT + width + 6, lowest, "start", `label ${network}`, `${name} ${longest[network](most, kernel)}`);
    }
    this.svg.replaceChildren(...shapes);
  }

  #write(length, kernel) {
    const lengths = [length, 2 * length, 4 * length, 8 * length];
    const cell = (tag, text, more = {}) => element(tag, more, text);
    const row = (name, call) => element("tr", {}, cell("th", name, { scope: "row" }), ...lengths.map((n) => cell("td", String(call(n, kernel)))));
    const top = element("tr", {}, cell("th", "steps at length T =", { scope: "col" }), ...lengths.map((n) => cell("th", String(n), { scope: "col" })));
    const rows = [row("recurrent: T", longest.recurrent), row(`convolution: ⌈(T − 1) / ${(kernel - 1) / 2}⌉ layers`, longest.convolution), row("attention: 1", longest.attention)];
    this.table.replaceChildren(element("thead", {}, top), element("tbody", {}, ...rows));
  }
}
