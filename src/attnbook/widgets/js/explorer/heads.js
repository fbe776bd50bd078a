// Thumbnails to choose a map: a grid of layers by heads, or one row if there is only one layer or head.

import { element } from "../shared/dom.js";
import { walk } from "../shared/grid.js";
import { bitmap } from "../shared/heatmap.js";
import { MEAN } from "../shared/maps.js";
import { visible } from "../shared/tokens.js";
import { ownRange } from "./state.js";
import { load } from "./toolbar.js";
import { percent, placeName } from "./words.js";

const SLICE = 8; // milliseconds of painting at a time
const label = (index) => (index < 0 ? "mean" : String(index));
const numbers = (count, mean) => [...Array(count).keys(), ...(mean ? [MEAN] : [])];

export class Heads {
  #queue = [];
  #timer = 0;
  #frame = 0;

  // `choose(item)` shows a map; `pick(item)` is told which one was clicked. If `dress` is set, several can be chosen, and it marks them.
  constructor(maps, { names, choose, pick = () => {}, signal }) {
    Object.assign(this, { maps, names, choose, pick, damage: null, cut: [] });
    this.layers = numbers(maps.layers, maps.layers > 1);
    this.heads = numbers(maps.heads, maps.heads > 1 && !names.length);
    this.across = this.heads.length;
    this.size = Math.max(24, Math.min(40, Math.floor(260 / this.across) - 2));
    this.strip = maps.layers === 1 || maps.heads === 1;
    this.items = this.layers.flatMap((layer) => this.heads.map((head) => ({ layer, head, name: placeName({ layer, head }, maps, names) })));
    this.shown = this.items;
    this.grid = element("div", { class: this.strip ? "maps" : "maps ab-maps", role: "radiogroup", "aria-label": names.length ? "Map" : "Layer and head" });
    this.about = element("b", { class: "about" });
    const button = (name, sign, by) => {
      const node = element("button", { type: "button", class: "button", "aria-label": `${name} map` }, sign);
      node.addEventListener("click", () => this.step(by), { signal });
      return node;
    };
    const steps = element("div", { class: "ab-steps" }, button("Previous", "‹", -1), this.about, button("Next", "›", 1));
    this.node = element("div", { class: this.strip ? "ab-strip" : "ab-heads" }, ...(this.strip ? [this.grid, steps] : [steps, this.grid]));
    this.node.hidden = this.items.length < 2;
    this.grid.addEventListener("click", (event) => this.#pick(event.target.closest("button")), { signal });
    const go = (node) => this.dress || this.choose(this.#itemOf(node));
    walk(this.grid, { across: () => (this.strip ? 1 : this.across), go }, signal);
    signal.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      cancelAnimationFrame(this.#frame);
    });
  }

  // The thumbnails' buttons, created after the large map is painted; their space is reserved.
  #build() {
    for (const item of this.items) {
      item.canvas = element("canvas", { "aria-hidden": "true" });
      item.node = element("button", { type: "button", class: "thumb", role: "radio", "aria-label": item.name }, item.canvas);
      item.caption = element("span", { class: "caption" });
      item.node.append(item.caption);
    }
    this.#lay();
    this.select(this.chosen);
    this.grid.classList.add("is-filling"); // hundreds of canvases would slow down every frame
  }

  // Marks the chosen map.
  select({ layer, head }) {
    this.chosen = this.items.find((item) => item.layer === layer && item.head === head);
    this.about.textContent = this.chosen.name;
    if (!this.chosen.node) return;
    for (const { node } of this.items) {
      const chosen = node === this.chosen.node;
      node.setAttribute("aria-checked", String(chosen));
      node.tabIndex = chosen ? 0 : -1;
    }
    this.dress?.();
    reveal(this.grid, this.chosen.node);
  }

  // Orders the thumbnails: as in the model, lowest entropy first, or most weight on the first key first.
  arrange(order, frame) {
    this.sorted = order !== "model";
    this.shown = this.items;
    if (this.sorted) {
      const value = ({ layer, head }) => {
        if (layer < 0 || head < 0) return Infinity; // means come last
        const { bits, first } = this.maps.summary({ frame, layer, head });
        return order === "first" ? -first : bits;
      };
      const values = new Map(this.items.map((item) => [item, value(item)]));
      this.shown = [...this.items].sort((a, b) => values.get(a) - values.get(b));
    }
    this.told = ({ layer, head }) => {
      const { bits, first } = this.maps.summary({ frame, layer, head });
      return order === "first" ? [percent(first), `${percent(first)} on the first key`] : [`${bits.toFixed(1)} bits`, `entropy ${bits.toFixed(2)} bits`];
    };
    if (this.items[0].node) this.#lay();
  }

  // Lays the buttons out in this order, with layer and head numbers if it is the model's.
  #lay() {
    const name = (text, more = "") => element("span", { class: `number ${more}`, "aria-hidden": "true" }, text);
    const nodes = this.shown.map(({ node }) => node);
    const before = new Map(nodes.filter((node) => node.isConnected).map((node) => [node, node.getBoundingClientRect()]));
    if (before.size && (this.sorted || this.grid.matches(".is-sorted"))) load().then(({ slide }) => slide(before)).catch(() => {});
    this.grid.classList.toggle("is-sorted", this.sorted);
    for (const item of this.items) {
      const [nats, part] = this.#damageOf(item);
      const told = nats === undefined ? null : [nats.toFixed(1).replace(/^-0\.0$/, "0.0").replace("-", "−"), `without it, the answer's log-probability falls by ${nats.toFixed(2)} nats`];
      const [short, long] = told ?? (this.sorted ? this.told(item) : []);
      item.node.title = long ? `${item.name}: ${long}` : "";
      item.node.setAttribute("aria-label", told ? `${item.name}: ${long}` : item.name);
      item.node.style.setProperty("--damage", `${Math.round(100 * (part ?? 0))}%`);
      item.node.classList.toggle("is-weighed", Boolean(told));
      item.node.classList.toggle("is-cut", this.cut.includes(`${item.layer}.${item.head}`));
      const named = told && !this.strip && !this.sorted ? [] : [this.#short(item), ...(short ? [element("br")] : [])];
      item.caption.replaceChildren(...named, ...(short ? [element("small", {}, short)] : []));
      item.caption.hidden = !this.strip && !this.sorted && !told;
    }
    if (this.strip && !this.names.length) nodes.unshift(name(this.maps.layers > 1 ? "Layer" : "Head"));
    if (this.strip || this.sorted) return this.grid.replaceChildren(...nodes);
    const rows = this.layers.flatMap((layer, i) => [name(label(layer), "is-first"), ...nodes.slice(i * this.across, (i + 1) * this.across)]);
    this.grid.replaceChildren(element("span", { class: "axes is-first", "aria-hidden": "true" }, "head →", element("br"), "layer ↓"), ...this.heads.map((head) => name(label(head))), ...rows);
  }

  // A map's name below its thumbnail: "1·0" is layer 1, head 0.
  #short({ layer, head }) {
    const named = this.names.length ? visible(this.names[head]) : label(head);
    if (!this.strip) return layer < 0 && head < 0 ? "mean" : `${label(layer)}·${named}`;
    return this.maps.layers > 1 ? label(layer) : named;
  }

  // Chooses the previous or next map.
  step(by) {
    const to = this.shown[this.shown.indexOf(this.chosen) + by];
    if (to) this.choose(to);
    return to;
  }

  #itemOf = (node) => this.items.find((item) => item.node === node);

  #pick(node) {
    const item = this.#itemOf(node);
    if (!item) return;
    this.choose(item);
    this.pick(item);
  }

  // Marks what was cut, and shows each head's damage in nats ([layer][head], or null) under its thumbnail.
  weigh(damage, cut) {
    Object.assign(this, { damage, cut });
    if (this.items[0].node) this.#lay();
  }

  // A head's damage as [in nats, of the largest], or none for means.
  #damageOf({ layer, head }) {
    const value = this.damage?.[layer]?.[head];
    return value === undefined ? [] : [value, Math.max(0, value) / Math.max(0.1, ...this.damage.flat())];
  }

  // Paints all thumbnails after the large map, a few at a time, visible ones first.
  paint(frame, look) {
    if (this.node.hidden) return;
    this.#queue = [...this.shown];
    this.look = look;
    this.frame = frame;
    if (this.#timer || this.#frame) return;
    const begin = () => {
      this.#frame = 0;
      this.#timer = setTimeout(() => this.#paintSome());
    };
    this.#frame = requestAnimationFrame(() => (this.#frame = requestAnimationFrame(begin))); // skip a frame for the large map
  }

  #paintSome() {
    if (!this.items[0].node) this.#build();
    const end = performance.now() + SLICE;
    while (this.#queue.length && performance.now() < end) {
      const { layer, head, canvas } = this.#queue.shift();
      const { rows, columns, ...map } = this.maps.small({ frame: this.frame, layer, head });
      Object.assign(canvas, { width: columns, height: rows });
      const range = this.look.own ? ownRange(map.weights, columns, this.look.hidden) : {};
      canvas.getContext("2d").drawImage(bitmap(map, rows, columns, { ...this.look, ...range }), 0, 0);
    }
    this.#timer = this.#queue.length ? setTimeout(() => this.#paintSome()) : 0;
    if (!this.#timer) this.grid.classList.remove("is-filling");
  }
}

// Scrolls the box, not the page, until the thumbnail is visible.
function reveal(box, node) {
  const [left, width] = [node.offsetLeft - box.offsetLeft, node.offsetWidth];
  const first = box.querySelector(".is-first")?.offsetWidth ?? 0; // it covers the others
  if (left < box.scrollLeft + first || left + width > box.scrollLeft + box.clientWidth) box.scrollLeft = left - (box.clientWidth - width) / 2;
}
