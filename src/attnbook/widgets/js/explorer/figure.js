// The large map with tokens along two sides, in a box that scrolls if the map is larger.

import { element } from "../shared/dom.js";
import { Heatmap } from "../shared/heatmap.js";
import { geometry } from "./geometry.js";
import { Labels } from "./labels.js";

export class Figure {
  #pending = 0;
  #stale = true; // the canvas is empty and must be drawn at once
  #state;

  constructor(maps, { help, signal }) {
    this.maps = maps;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.heatmap = new Heatmap(this.canvas);
    this.grid = element("div", { class: "map", tabIndex: 0, role: "application" }, this.canvas);
    this.grid.setAttribute("aria-roledescription", "attention map");
    this.grid.setAttribute("aria-label", `${maps.rows} queries by ${maps.columns} keys. ${help}`);
    this.corner = element("div", { class: "corner", "aria-hidden": "true" });
    this.corner.append(element("span", { class: "is-key" }, "key →"), element("span", { class: "is-query" }, "query ↓"));
    const keys = element("div", { class: "keys", "aria-hidden": "true" });
    const queries = element("div", { class: "queries", "aria-hidden": "true" });
    this.boxes = { keys, queries };
    this.keys = new Labels(keys, maps.keys);
    this.queries = new Labels(queries, maps.queries);
    this.scroll = element("div", { class: "scroll" });
    this.scroll.append(element("div", { class: "frame" }, this.corner, keys, queries, this.grid));
    this.notice = element("p", { class: "notice", role: "status", hidden: true });
    this.node = element("div", { class: "place-of-map" }, this.scroll, this.notice);
    signal.addEventListener("abort", () => cancelAnimationFrame(this.#pending));
  }

  // Fits the map to the available width; returns whether anything changed.
  layout(gutters) {
    const width = this.node.clientWidth;
    if (!width || width === this.width) return false;
    this.width = width;
    this.sizes = geometry(this.maps.rows, this.maps.columns, width, gutters);
    const { left, top, height } = this.sizes;
    Object.assign(this.corner.style, { width: `${left}px`, height: `${top}px` });
    Object.assign(this.boxes.keys.style, { width: `${this.sizes.width}px`, height: `${top}px` });
    Object.assign(this.boxes.queries.style, { width: `${left}px`, height: `${height}px` });
    this.fits = left + this.sizes.width <= width;
    this.grid.style.touchAction = this.fits ? "pan-y pinch-zoom" : "manipulation"; // else touch scrolls the map's box
    this.keys.placeAbove(this.sizes);
    this.queries.placeBeside(this.sizes);
    return true;
  }

  // Shows a map, or a notice that says why there is none.
  show(map, look, why = "") {
    this.notice.hidden = Boolean(map);
    this.notice.textContent = why;
    this.scroll.classList.toggle("is-away", !map);
    const { rows, columns } = this.maps;
    const { width, height } = this.sizes;
    if (map) {
      this.heatmap.show(map, { rows, columns, width, height, ...look });
      this.#stale = true;
    }
    this.keys.hide(look.hidden);
    if (map && this.maps.frames > 1) this.#wait(map.mask);
  }

  // Tokens that are masked everywhere in this frame don't exist yet, so their labels are hidden.
  #wait(mask) {
    const { rows, columns } = this.maps;
    const [down, across] = [new Uint8Array(rows), new Uint8Array(columns)];
    for (let i = 0; mask && i < mask.length; i++) if (mask[i]) down[Math.floor(i / columns)] = across[i % columns] = 1;
    this.queries.wait(mask && down);
    this.keys.wait(mask && across);
  }

  // Marks the locked row and the current cell. Tints the keys by a row of weights, else by the total weight that each receives, and the
  // queries by a column of weights.
  mark({ locked, cursor, row, totals, column, look }) {
    this.keys.tint(row ?? totals, row ? look : { ...look, peak: Math.max(...(totals ?? []).slice(look.hidden)) || 1, floor: 0 });
    this.queries.tint(column, { ...look, hidden: 0 });
    this.keys.mark(cursor?.column ?? -1);
    this.queries.mark(cursor?.row ?? -1, locked);
    this.#state = { locked, cursor, look };
    if (this.#stale) this.#draw();
    else this.#pending ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#pending);
    this.#pending = 0;
    const { look, ...state } = this.#state;
    if (!this.heatmap.columns) return;
    this.heatmap.draw({ ...state, ...look });
    this.#stale = false;
  }

  // Scrolls the map's box until a cell is visible.
  reveal({ row, column }) {
    const { left, top, cellWidth, cellHeight } = this.sizes;
    const box = this.scroll;
    const see = (start, size, from, length) => Math.min(start, Math.max(from, start + size - length));
    box.scrollLeft = see(column * cellWidth, cellWidth, box.scrollLeft, box.clientWidth - left);
    box.scrollTop = see(row * cellHeight, cellHeight, box.scrollTop, box.clientHeight - top);
  }
}
