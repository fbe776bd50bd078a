// AttentionExplorer: one large map, read cell by cell; the model's traits hold what is chosen.

import { element, shadow } from "../shared/dom.js";
import { Heatmap } from "../shared/heatmap.js";
import { Maps } from "../shared/maps.js";
import { watchTheme } from "../shared/theme.js";
import { visible } from "../shared/tokens.js";
import { watchModel, widget } from "../shared/widget.js";
import { Choices } from "./choices.js";
import { Frames } from "./frames.js";
import { geometry } from "./geometry.js";
import { watchInput } from "./input.js";
import { Labels } from "./labels.js";
import { Legend, Reading } from "./reading.js";
import css from "./style.css";

const HINT = "Hover or tap a cell; click to lock a row.";
const KEYS = "By keyboard: arrows move, Enter locks, Esc unlocks.";
const UNLOCK = "Row locked; click it again to unlock.";

class Explorer {
  #model;
  #signal;
  cursor = null; // the cell being read
  #pending = 0;
  #theme;

  constructor(model, el, signal) {
    this.#model = model;
    this.#signal = signal;
    this.maps = new Maps(model);
    this.#build(el);
    this.#listen();
    watchTheme((theme) => this.#setTheme(theme), signal);
    const observer = new ResizeObserver(() => this.#layout());
    observer.observe(this.root);
    this.#layout();
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#pending);
    });
  }

  // The chosen frame, layer, head and row, whatever the model says, within what there is.
  get #chosen() {
    const within = (name, count, least) => Math.max(least, Math.min(count - 1, this.#model.get(name) ?? least));
    const { frames, layers, heads, rows } = this.maps;
    const map = { frame: within("frame", frames, 0), layer: within("layer", layers, 0), head: within("head", heads, 0) };
    return { ...map, locked: within("locked", rows, -1) };
  }

  get locked() {
    return this.#chosen.locked;
  }

  get #map() {
    const { frame, layer, head } = this.#chosen;
    return this.maps.at(layer, head, frame);
  }

  get #peak() {
    return this.#model.get("scale") === "full" ? 1 : this.maps.peak;
  }

  #set(changes) {
    for (const [name, value] of Object.entries(changes)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #build(el) {
    const maps = this.maps;
    const signal = this.#signal;
    this.title = element("p", { class: "title" });
    this.frames = new Frames(maps.names, { signal, choose: (frame) => this.#set({ frame }) });
    this.layers = new Choices("Layer", maps.layers, { signal, choose: (layer) => this.#set({ layer }) });
    const names = this.#model.get("head_names") ?? [];
    const heads = { names, signal, thumbnails: true, choose: (head) => this.#set({ head }) };
    this.heads = new Choices(names.length ? "Map" : "Head", maps.heads, heads);
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.heatmap = new Heatmap(this.canvas);
    this.grid = element("div", { class: "map", tabIndex: 0, role: "application" }, this.canvas);
    this.grid.setAttribute("aria-roledescription", "attention map");
    this.grid.setAttribute("aria-label", `${maps.rows} queries by ${maps.columns} keys. ${KEYS}`);
    this.corner = element("div", { class: "corner", "aria-hidden": "true" });
    this.corner.append(element("span", { class: "is-key" }, "key →"), element("span", { class: "is-query" }, "query ↓"));
    const keys = element("div", { class: "keys", "aria-hidden": "true" });
    const queries = element("div", { class: "queries", "aria-hidden": "true" });
    this.boxes = { keys, queries };
    this.keys = new Labels(keys, maps.keys);
    this.queries = new Labels(queries, maps.queries);
    this.scroll = element("div", { class: "scroll" });
    this.scroll.append(element("div", { class: "frame" }, this.corner, keys, queries, this.grid));
    this.reading = new Reading();
    const choose = (scale) => this.#set({ scale });
    this.legend = new Legend({ peak: maps.peak, masked: maps.masked, choose, signal });
    this.below = element("div", { class: "below" }, this.reading.node, this.legend.node);
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" });
    this.root.append(this.title, this.frames.node, this.layers.node, this.heads.node, this.scroll, this.below);
    this.root.append(this.reading.said);
    shadow(el, css).append(this.root);
  }

  #listen() {
    watchInput(this.grid, this, this.#signal);
    const lockLabel = (event) => {
      const label = event.target.closest("[data-index]");
      if (label) this.lock(Number(label.dataset.index));
    };
    this.boxes.queries.addEventListener("click", lockLabel, { signal: this.#signal });
    const changes = {
      "change:title": () => this.#showTitle(),
      "change:layer": () => this.#showMap(),
      "change:head": () => this.#showMap(),
      "change:frame": () => this.#showMap(true),
      "change:scale": () => this.#showMap(true),
      "change:locked": () => this.#showLocked(),
    };
    watchModel(this.#model, changes, this.#signal);
  }

  // Locks a row, or unlocks the one that is locked.
  lock(row) {
    const locked = this.locked === row ? -1 : row;
    this.#set({ locked });
    this.reading.say(`row ${visible(this.maps.queries[row]).slice(0, 60)} ${locked < 0 ? "unlocked" : "locked"}`);
  }

  // Scrolls the map's own box so that the cursor's cell can be seen.
  reveal({ row, column }) {
    const { left, top, cellWidth, cellHeight } = this.sizes;
    const box = this.scroll;
    const see = (start, size, from, length) => Math.min(start, Math.max(from, start + size - length));
    box.scrollLeft = see(column * cellWidth, cellWidth, box.scrollLeft, box.clientWidth - left);
    box.scrollTop = see(row * cellHeight, cellHeight, box.scrollTop, box.clientHeight - top);
  }

  #setTheme(theme) {
    this.#theme = theme;
    this.root.dataset.theme = theme;
    if (this.sizes) this.#showMap(true);
  }

  #layout() {
    const width = this.root.clientWidth;
    if (!width || width === this.width) return;
    const first = !this.sizes;
    this.width = width;
    this.sizes = geometry(this.maps.rows, this.maps.columns, width, this.#model.get("_gutters"));
    const { left, top } = this.sizes;
    Object.assign(this.corner.style, { width: `${left}px`, height: `${top}px` });
    Object.assign(this.boxes.keys.style, { width: `${this.sizes.width}px`, height: `${top}px` });
    Object.assign(this.boxes.queries.style, { width: `${left}px`, height: `${this.sizes.height}px` });
    this.below.style.maxWidth = `${Math.max(left + this.sizes.width, 580)}px`;
    this.keys.placeAbove(this.sizes);
    this.queries.placeBeside(this.sizes);
    this.#showTitle();
    this.#showMap(first);
  }

  #showTitle() {
    this.title.textContent = this.#model.get("title");
    this.title.hidden = !this.title.textContent;
  }

  // Draws the chosen map, and the thumbnails where they are new too.
  #showMap(thumbnails = false) {
    const { frame, layer, head } = this.#chosen;
    const { rows, columns } = this.maps;
    const look = { rows, columns, peak: this.#peak, theme: this.#theme };
    this.heatmap.show(this.#map, { ...look, width: this.sizes.width, height: this.sizes.height });
    this.frames.show(frame);
    this.layers.select(layer);
    this.heads.select(head);
    this.legend.show(this.#model.get("scale"), this.#theme);
    if (thumbnails || layer !== this.thumbnailLayer) {
      this.thumbnailLayer = layer;
      if (this.maps.heads > 1) this.heads.paint((i) => this.maps.at(layer, i, frame), look);
    }
    this.#showRow();
    if (this.cursor) this.read(this.cursor);
  }

  // Reads one cell, or none.
  read(cursor) {
    this.cursor = cursor;
    this.#showRow();
    if (cursor) {
      const { row, column } = cursor;
      const { weights, mask } = this.#map;
      const at = row * this.maps.columns + column;
      const names = { query: this.maps.queries[row], key: this.maps.keys[column] };
      const masked = Boolean(mask) && !mask[at];
      this.reading.read({ ...names, weight: weights[at], masked, peak: this.#peak, theme: this.#theme });
    }
  }

  #showLocked() {
    this.#showRow();
    if (this.cursor) this.read(this.cursor);
  }

  // The row in view: the locked one, else the one under the cursor. It tints the keys.
  #showRow() {
    const { locked } = this.#chosen;
    const row = locked >= 0 ? locked : (this.cursor?.row ?? -1);
    if (!this.cursor) locked >= 0 ? this.reading.advise(UNLOCK) : this.reading.advise(HINT, KEYS);
    if (row >= 0) {
      const { columns, queries, keys } = this.maps;
      const weights = this.#map.weights.subarray(row * columns, (row + 1) * columns);
      this.keys.tint(weights, this.#peak, this.#theme);
      this.reading.row({ query: queries[row], keys, weights, locked: locked >= 0 });
    } else this.keys.tint(null);
    this.keys.mark(this.cursor?.column ?? -1);
    this.queries.mark(this.cursor?.row, locked);
    this.#draw();
  }

  #draw() {
    if (this.#pending) return;
    this.#pending = requestAnimationFrame(() => {
      this.#pending = 0;
      const style = getComputedStyle(this.root);
      const color = (name) => style.getPropertyValue(name).trim();
      const look = { ink: color("--fg"), paper: color("--bg"), accent: color("--query") };
      this.heatmap.draw({ locked: this.locked, cursor: this.cursor, ...look });
    });
  }
}

export default widget(Explorer);
