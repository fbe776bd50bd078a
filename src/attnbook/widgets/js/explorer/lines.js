// Several heads at once as lines from the queries to the keys: a colour per head, opacity by weight.

import { heads as colors } from "../../../palette.json";
import { drawn, element } from "../shared/dom.js";
import { walk } from "../shared/grid.js";
import { digits, short } from "../shared/numbers.js";
import { visible } from "../shared/tokens.js";
import css from "./lines.css";
import { totals } from "./state.js";
import { placeName } from "./words.js";

const MOST = 8; // heads
const LINES = 2000; // only the strongest are drawn
const FAINTEST = 0.02; // opacity of a line that is drawn
const NAMED = 3; // tokens named per head

class Lines {
  #slots = new Map(); // a head's colour, kept while it is shown
  #held = -1; // the key that was clicked
  #peek = null; // the token under the mouse or the focus: { side, index }
  #pending = 0;

  constructor(view, signal) {
    this.view = view;
    const { maps, state } = view;
    // The reader who presses "Lines" sees the heads of the layer in view, unless some of these were shown already.
    const layer = state.get("layer");
    if (view.toolbar.pressed && layer >= 0 && !this.#shown.some(([one]) => one === layer)) state.set({ shown_heads: this.#ofLayer(layer) });
    view.toolbar.pressed = "";
    this.queries = this.#side("query", view.queries);
    this.keys = this.#side("key", view.keys);
    this.svg = drawn("svg", { class: "drawn", "aria-hidden": "true" });
    const name = (text, kind = "") => element("span", { class: `name ${kind}` }, text);
    this.sides = element("div", { class: "sides" }, name("query", "is-query"), name(""), name("key", "is-key"), this.queries.node, element("div", {}, this.svg), this.keys.node);
    this.list = element("ul", { class: "by-head" });
    this.about = element("p", { class: "about-lines", role: "status" });
    this.node = element("div", {}, element("div", { class: "columns" }, this.sides), this.list, this.about);
    this.pitch = Number(view.root.style.getPropertyValue("--pitch"));
    this.sides.style.setProperty("--font", `${this.pitch > 20 ? 14 : 12}px`);

    const on = (type, call) => this.sides.addEventListener(type, (event) => call(tokenOf(event)), { signal });
    on("pointerover", (token) => this.#look(token));
    on("pointerleave", () => this.#look(null));
    on("focusin", (token) => token && this.#look(token, true));
    on("focusout", () => this.#look(null));
    on("click", (token) => token && this.#hold(token));
    const unhold = (event) => event.key === "Escape" && this.#hold({ side: "key", index: this.#held });
    view.root.addEventListener("keydown", unhold, { signal });
    const cells = () => Array.from({ length: 2 * Math.max(maps.rows, maps.columns) }, (_, i) => (i % 2 ? this.keys : this.queries).tokens[i >> 1]);
    walk(this.sides, { cells, across: () => 2, go: (token) => this.#reach(token) }, signal);
    this.#reach(this.queries.tokens[0]);

    const observer = new ResizeObserver(() => this.update());
    observer.observe(this.sides);
    const grid = view.heads.grid;
    view.heads.dress = () => this.#dress();
    grid.setAttribute("role", "group");
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#pending);
      view.heads.dress = null;
      grid.setAttribute("role", "radiogroup");
      for (const { node } of view.heads.items) {
        node?.setAttribute("role", "radio");
        node?.removeAttribute("aria-disabled");
      }
      view.heads.select(view.state.place);
    });
    view.heads.select(view.state.place);
  }

  #side(kind, tokens) {
    const nodes = tokens.list.map((token, index) => {
      const marks = element("span", { class: "marks", "aria-hidden": "true" });
      const node = element("button", { type: "button", title: visible(token), "aria-pressed": "false", tabIndex: -1 }, tokens.label(index, 40), marks);
      node.setAttribute("aria-label", `${kind} ${tokens.spoken(index)}`);
      return Object.assign(node, { token: { side: kind, index }, marks });
    });
    const name = `${kind === "query" ? "Queries" : "Keys"}: focus one to see only its lines`;
    return { tokens: nodes, node: element("div", { class: `side is-${kind}`, role: "group", "aria-label": name }, ...nodes) };
  }

  // The one token that Tab reaches.
  #reach(node) {
    if (this.reached) this.reached.tabIndex = -1;
    this.reached = node;
    node.tabIndex = 0;
  }

  #ofLayer = (layer) => Array.from({ length: Math.min(MOST, this.view.maps.heads) }, (_, head) => [layer, head]);

  // The valid pairs of layer and head.
  get #shown() {
    const { maps, state } = this.view;
    return state.get("shown_heads").filter(([layer, head]) => layer < maps.layers && head < maps.heads).slice(0, MOST);
  }

  // Switches a head on or off. One that is switched on becomes the current map.
  choose({ layer, head }) {
    const { state } = this.view;
    if (layer < 0 || head < 0) return this.#tell("A mean has no lines: choose a single head.");
    const shown = this.#shown;
    const others = shown.filter((pair) => String(pair) !== String([layer, head]));
    if (others.length < shown.length) return state.set({ shown_heads: others });
    if (shown.length === MOST) return this.#tell(`At most ${MOST} heads at once: switch one off first.`);
    return state.set({ shown_heads: [...shown, [layer, head]], layer, head });
  }

  // The colour of each shown head. It stays the same when others are switched on or off.
  #colors() {
    const shown = this.#shown.map(String);
    for (const pair of [...this.#slots.keys()]) if (!shown.includes(pair)) this.#slots.delete(pair);
    const taken = [...this.#slots.values()];
    const free = [...Array(MOST).keys()].filter((slot) => !taken.includes(slot));
    for (const pair of shown) if (!this.#slots.has(pair)) this.#slots.set(pair, free.shift());
    return (pair) => colors[this.view.theme][this.#slots.get(String(pair))];
  }

  // Marks the shown heads among the thumbnails.
  #dress() {
    const { heads } = this.view;
    const color = this.#colors();
    for (const { node, layer, head } of heads.items) {
      if (!node) continue;
      const pair = String([layer, head]);
      node.setAttribute("role", "checkbox");
      node.setAttribute("aria-checked", String(this.#slots.has(pair)));
      if (layer < 0 || head < 0) node.setAttribute("aria-disabled", "true");
      node.style.setProperty("--head", color(pair) ?? "");
    }
    const count = this.#slots.size;
    heads.about.textContent = `${count || "No"} head${count === 1 ? "" : "s"} shown`;
  }

  // A held key gives way to a query, and a locked query to a key.
  #hold({ side, index }) {
    const { view } = this;
    if (side === "query") {
      this.#held = -1;
      view.lock(index);
    } else {
      this.#held = this.#held === index ? -1 : index;
      if (view.locked >= 0 && this.#held >= 0) view.lock(view.locked);
    }
    this.update();
  }

  #look(token, spoken = false) {
    if (spoken) this.#reach(this.#nodeOf(token));
    if (token?.side !== this.#peek?.side || token?.index !== this.#peek?.index) {
      this.#peek = token;
      this.update();
    }
    if (spoken) this.view.reading.say(this.#spoken(token));
  }

  #nodeOf = ({ side, index }) => (side === "query" ? this.queries : this.keys).tokens[index];

  #tell(words) {
    this.told = words;
    this.update();
  }

  get #focus() {
    const { locked } = this.view;
    if (this.#peek) return this.#peek;
    if (this.#held >= 0) return { side: "key", index: this.#held };
    return locked >= 0 ? { side: "query", index: locked } : null;
  }

  // The shown heads with their maps, or null where a map isn't here.
  #maps() {
    const { maps, state } = this.view;
    const color = this.#colors();
    const { frame } = state.place;
    return this.#shown.map((pair) => {
      const place = { frame, layer: pair[0], head: pair[1] };
      const map = maps.at(place);
      if (!map && !SITE) maps.ask(place);
      return { place, weights: map?.weights, totals: map && totals(map, maps.columns), color: color(pair), name: placeName(place, maps, this.view.headNames) || "The map" };
    });
  }

  // The weights that a focused token gives or receives: [index of the other token, weight], largest first.
  #strongest({ weights }, { side, index }, hidden) {
    const { rows, columns } = this.view.maps;
    const pairs = side === "query" ? Array.from({ length: columns }, (_, i) => [i, weights[index * columns + i]]) : Array.from({ length: rows }, (_, i) => [i, weights[i * columns + index]]);
    return pairs.filter(([i, weight]) => weight > 0 && (side === "key" || i >= hidden)).sort((a, b) => b[1] - a[1]);
  }

  #spoken(token) {
    const { view } = this;
    const [own, other] = token.side === "query" ? [view.queries, view.keys] : [view.keys, view.queries];
    const lines = this.#maps().filter(({ weights }) => weights).map((one) => {
      const named = this.#strongest(one, token, 0).slice(0, NAMED).map(([i, weight]) => `${other.spoken(i)} ${digits(weight)}`);
      return `${one.name}: ${named.join(", ") || "nothing"}`;
    });
    return `${token.side} ${own.spoken(token.index)} ${token.side === "query" ? "attends to" : "receives from"}: ${lines.join("; ")}`;
  }

  update() {
    this.#pending ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#pending = 0;
    const { view } = this;
    if (!view.look) return;
    const focus = this.#focus;
    const shown = this.#maps();
    const here = shown.filter(({ weights }) => weights);
    const { peak, hidden } = view.look;
    this.sides.style.setProperty("--mark", `${Math.max(3, Math.min(9, 44 / shown.length))}px`);
    const { columns } = view.maps;
    const most = Math.max(1e-9, ...here.map((one) => Math.max(...one.totals)));
    const marks = (side) => (index) =>
      here.map((one) => {
        if (focus?.side === side || (side === "key" && index < hidden)) return { ...one, opacity: 0 };
        if (!focus) return { ...one, opacity: side === "key" ? one.totals[index] / most : 0 };
        const [row, column] = side === "key" ? [focus.index, index] : [index, focus.index];
        return { ...one, opacity: one.weights[row * columns + column] / peak };
      });
    this.#mark(this.queries, marks("query"), focus?.side === "query" ? focus.index : -1, view.locked);
    this.#mark(this.keys, marks("key"), focus?.side === "key" ? focus.index : -1, this.#held);
    this.#lines(here, focus, peak, hidden);
    this.list.replaceChildren(...shown.map((one) => this.#told(one, focus, hidden)));
    this.about.textContent = this.told ?? this.#explained(shown, peak, focus);
    this.told = undefined;
  }

  #mark({ tokens }, marks, on, held) {
    tokens.forEach((node, index) => {
      node.classList.toggle("on", index === on);
      node.setAttribute("aria-pressed", String(index === held));
      node.marks.replaceChildren(...marks(index).map(({ color, opacity }) => {
        const mark = element("i", {});
        mark.style.cssText = `--head: ${color}; opacity: ${Math.min(1, opacity).toFixed(3)}`;
        return mark;
      }));
    });
  }

  // What is drawn now, for a picture.
  get drawing() {
    const { peak, hidden } = this.view.look;
    const heads = this.#maps().filter(({ weights }) => weights);
    return { heads, lines: this.#strongestLines(heads, this.#focus, peak, hidden) };
  }

  // The lines to draw, the strongest last. Those of several heads run side by side.
  #strongestLines(here, focus, peak, hidden) {
    const { columns } = this.view.maps;
    const lines = here.flatMap(({ weights, color }, n) => {
      const shift = (n - (here.length - 1) / 2) * Math.min(2, 10 / here.length);
      const list = [];
      for (let i = 0; i < weights.length; i++) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        if (weights[i] < FAINTEST * peak || column < hidden) continue;
        if (focus && focus.index !== (focus.side === "query" ? row : column)) continue;
        list.push({ weight: weights[i], opacity: Math.min(1, weights[i] / peak).toFixed(3), color, row, column, shift });
      }
      return list;
    });
    const strongest = lines.length > LINES ? lines.sort((a, b) => b.weight - a.weight).slice(0, LINES) : lines;
    this.left = lines.length - strongest.length;
    return strongest.sort((a, b) => a.weight - b.weight);
  }

  #lines(...asked) {
    const { rows, columns } = this.view.maps;
    const width = this.svg.clientWidth || 200;
    const y = (index, shift) => (index + 0.5) * this.pitch + shift;
    this.svg.setAttribute("height", Math.max(rows, columns) * this.pitch);
    this.svg.replaceChildren(...this.#strongestLines(...asked).map(({ opacity, color, row, column, shift }) => {
      const [from, to] = [y(row, shift), y(column, shift)];
      const path = drawn("path", { d: `M0,${from}C${width / 2},${from} ${width / 2},${to} ${width},${to}` });
      path.style.cssText = `--head: ${color}; opacity: ${opacity}`;
      return path;
    }));
  }

  // One head in words.
  #told(one, focus, hidden) {
    const swatch = element("i", {});
    swatch.style.setProperty("--head", one.color);
    const words = one.weights ? this.#words(one, focus, hidden) : ["this map is not here"];
    return element("li", {}, swatch, element("b", {}, one.name), element("span", { class: "told" }, ...words));
  }

  #words(one, focus, hidden) {
    const { view } = this;
    if (focus) {
      const other = focus.side === "query" ? view.keys : view.queries;
      const named = this.#strongest(one, focus, hidden).slice(0, NAMED);
      const words = named.flatMap(([i, weight], n) => [n ? ", " : "", colored(other.label(i, 16), focus.side === "query" ? "key" : "query"), ` ${digits(weight)}`]);
      return [focus.side === "query" ? "→ " : "← ", ...(words.length ? words : ["nothing"])];
    }
    const { columns } = view.maps;
    let best = -1;
    one.weights.forEach((weight, i) => i % columns >= hidden && !(weight <= one.weights[best]) && (best = i));
    if (!(one.weights[best] > 0)) return ["attends to nothing"];
    const [query, key] = [view.queries.label(Math.floor(best / columns), 16), view.keys.label(best % columns, 16)];
    return ["strongest: ", colored(query, "query"), " → ", colored(key, "key"), ` ${digits(one.weights[best])}`];
  }

  #explained(shown, peak, focus) {
    if (!shown.length) return "No head is shown. Choose one or more of the small maps.";
    const opacity = `A line's opacity shows its weight; full opacity is ${peak === 1 ? "1" : short(peak)}.`;
    const marks = focus?.side === "key" ? "Marks beside queries: the weight each gives to this key." : focus ? "Marks beside keys: the weight each gets from this query." : "Marks beside keys: the total weight each receives. Point at a token to see only its lines.";
    return `${opacity} ${marks}${this.left ? ` Only the strongest ${LINES} lines are drawn.` : ""}`;
  }
}

const tokenOf = (event) => event.target.closest?.("button")?.token ?? null;

const colored = (node, kind) => {
  node.classList.add(`is-${kind}`);
  return node;
};

export { css, Lines as lines };
