// AttentionExplorer: one large map to read cell by cell, beside thumbnails of all maps. The state is in the model's traits.

import { element } from "../shared/dom.js";
import { Legend } from "../shared/legend.js";
import { Maps } from "../shared/maps.js";
import { Tokens } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { watchModel, widget } from "../shared/widget.js";
import { followAddress } from "./address.js";
import { Figure } from "./figure.js";
import { Frames } from "../shared/frames.js";
import { Heads } from "./heads.js";
import { watchInput } from "./input.js";
import layout from "./layout.css";
import { Place } from "./place.js";
import { Reading } from "./reading.js";
import { ownRange, State, totals, TRAITS } from "./state.js";
import css from "./style.css";
import { load, Toolbar } from "./toolbar.js";
import { placeName } from "./words.js";

const KEYS = "By keyboard: arrows move, Enter locks, Esc unlocks";
const PARTS = { Text: "Text", Table: "Table", Options: "Options", Save: "Save or share" };
const VIEWS = {
  lines: () => (SITE ? attnbook.load("explorer_lines") : import("./lines.js")),
  edit: () => (SITE ? attnbook.load("explorer_edit") : import("./edit.js")),
};
const PATIENCE = 8000; // milliseconds to wait for Python

class Explorer extends View {
  #waiting = 0;
  cursor = null; // the current cell

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + css });
    const maps = (this.maps = new Maps(model));
    this.headNames = model.get("head_names") ?? [];
    this.state = new State(model, this.maps, this.headNames.length > 0);
    this.queries = new Tokens(this.maps.queries);
    this.keys = new Tokens(this.maps.keys);
    this.page = SITE ? el.closest(".ab-explorer") : el; // what an address leads to, or null
    this.#build();
    watchInput(this, signal);
    if (!SITE) watchModel(model, { "msg:custom": (message, buffers) => this.#receive(message, buffers) }, signal);
    const weigh = () => this.heads.weigh(model.get("_damage") ?? null, cutHeads(model.get("_cuts") ?? []));
    const showTool = () => {
      this.root.dataset.cutting = String(this.cutting);
      this.#change();
    };
    watchModel(model, { "change:_damage": weigh, "change:_cutting": showTool }, signal);
    showTool();
    weigh();
    this.follow(TRAITS);
    this.fit(this.root);
    if (this.page) followAddress(this, signal);
    const play = () => model.get("_play") && maps.frames > 1 && this.frames.start();
    watchModel(model, { "change:_play": play }, signal);
    play();
    if (!SITE) signal.addEventListener("abort", () => clearTimeout(this.#waiting));
  }

  #build() {
    const { maps, signal, state } = this;
    this.instead = new Place(this, "");
    const choose = (item) => {
      if (this.instead.part?.choose) return this.instead.part.choose(item);
      return state.set({ layer: item.layer, head: item.head });
    };
    this.frames = new Frames(maps.names, { signal, choose: (frame) => state.set({ frame }) });
    const pick = () => this.cutting && this.cut({});
    this.heads = new Heads(maps, { names: this.headNames, choose, pick, signal });
    this.help = KEYS + (maps.layers * maps.heads > 1 ? ", PgUp and PgDn change the map." : ".");
    this.figure = new Figure(maps, { help: this.help, signal });
    this.figure.node.append(this.instead.node);
    this.hatched = this.get("_hatched") ?? "masked"; // what hatched cells are called
    this.reading = new Reading(this.queries, this.keys, this.hatched, { keyboard: this.help, signal });
    this.legend = new Legend({ masked: maps.masked && this.hatched });
    this.toolbar = new Toolbar(this, PARTS, signal);
    const { rows, columns } = maps;
    const [left, top] = (this.gutters = this.get("_gutters"));
    const sizes = { rows, columns, left, top, across: this.heads.across, down: maps.rowsOfMaps, thumb: this.heads.size, width: state.given?.values[0]?.length ?? 0, pitch: Math.max(rows, columns) > 26 ? 17 : 24 };
    for (const [name, value] of Object.entries(sizes)) this.root.style.setProperty(`--${name}`, value);
    this.own = element("button", { type: "button", class: "button own", hidden: maps.count < 2 }, "own colours");
    this.own.title = "Colours up to the largest weight of each map";
    this.own.addEventListener("click", () => state.set({ scale: state.get("scale") === "map" ? "peak" : "map" }), { signal });
    const key = element("div", { class: "ab-key" }, this.legend.node, this.own);
    const below = element("div", { class: "ab-below" }, this.reading.node, key);
    const main = element("div", { class: "ab-main" }, this.figure.node, below);
    const { strip, node } = this.heads;
    this.root.append(this.frames.node, ...(strip ? [node] : []));
    this.root.append(element("div", { class: "ab-figure" }, main, ...(strip ? [] : [node])));
    this.root.append(this.toolbar.node, this.toolbar.place.node, this.reading.said);
  }

  get locked() {
    return this.state.get("locked");
  }

  // The row in view: the locked one, else the one under the cursor.
  get row() {
    return this.locked >= 0 ? this.locked : (this.cursor?.row ?? -1);
  }

  // Whether a click cuts instead of locking: only where a model in the page computes the maps (see translator/index.js).
  get cutting() {
    return Boolean(this.get("_cutting"));
  }

  // Asks for the shown map without a cell, a row, a column or, by default, anything. A column is cut in all layers and heads.
  cut({ row = null, column = null }) {
    const { layer, head } = this.state.place;
    const all = row === null && column !== null;
    this.model.set("_cut", { layer: all || layer < 0 ? null : layer, head: all || head < 0 ? null : head, row, column });
  }

  get title() {
    return this.get("title");
  }

  get placeName() {
    return placeName(this.state.place, this.maps, this.headNames);
  }

  // One row of the current map: its weights, and its mask or null.
  rowOf(row) {
    const { columns } = this.maps;
    const cut = (cells) => cells?.subarray(row * columns, (row + 1) * columns) ?? null;
    return { weights: cut(this.map.weights), mask: cut(this.map.mask) };
  }

  // Locks a row, or unlocks it if it is locked.
  lock(row) {
    const locked = this.locked === row ? -1 : row;
    this.state.set({ locked });
    const spoken = this.map ? this.reading.spokenRow(row, this.rowOf(row).weights) : "row";
    this.reading.say(locked < 0 ? `row ${this.queries.spoken(row)} unlocked` : `locked ${spoken}`);
  }

  // Goes to the previous or next map; returns whether there are others.
  step(by) {
    const others = this.maps.layers * this.maps.heads > 1;
    if (others && this.heads.step(by)) this.reading.say(this.placeName);
    return others;
  }

  // Updates what depends on a trait, or everything.
  show(trait) {
    const resized = this.figure.layout(this.gutters);
    if (!this.figure.sizes) return;
    if (trait === "locked") return this.read(this.cursor);
    if (this.state.given && !this.edits) return this.#edit();
    const { place } = this.state;
    this.map = this.maps.at(place);
    const look = (this.look = this.#look());
    this.figure.show(this.map, look, this.map ? "" : this.#ask(place));
    this.frames.show(place.frame);
    if (!trait || trait === "order" || (trait === "frame" && !this.frames.playing)) this.heads.arrange(this.state.get("order"), place.frame);
    this.heads.select(place);
    this.own.setAttribute("aria-pressed", String(this.state.get("scale") === "map"));
    if (!["layer", "head", "order", "view", "shown_heads"].includes(trait) && !(resized && this.painted)) this.heads.paint(place.frame, look);
    this.painted = true;
    this.legend.show(look);
    this.root.style.setProperty("--shown", this.state.get("shown_heads").length);
    this.#change();
    this.read(this.cursor);
  }

  // Shows the map or another view in its place. A map that can be cut stays in view.
  #change() {
    const name = this.cutting ? "map" : this.state.get("view");
    if (name === this.root.dataset.view) return;
    this.root.dataset.view = name;
    this.figure.scroll.hidden = name !== "map";
    this.instead.node.hidden = name === "map";
    this.instead.node.className = `ab-${name}`;
    this.toolbar.see(name);
    this.instead.open(VIEWS[name] && name, VIEWS[name]);
  }

  // Loads what edits the map, then shows it.
  #edit() {
    this.edits = {};
    const apply = ({ attach }) => (this.edits = attach(this));
    VIEWS.edit().then(apply).catch(() => {}).finally(() => this.signal.aborted || this.show());
  }

  // The inputs of the colour scale.
  #look() {
    const style = getComputedStyle(this.root);
    const color = (name) => style.getPropertyValue(name).trim();
    const colors = { ink: color("--fg"), paper: color("--bg"), accent: color("--query") };
    const hidden = Number(this.state.get("hide_first"));
    const range = this.state.get("scale") === "map" ? ownRange(this.map?.weights, this.maps.columns, hidden) : this.state.range;
    return { ...range, ...colors, theme: this.theme, hidden, own: this.state.get("scale") === "map" };
  }

  // Requests a missing map; returns the notice to show meanwhile.
  #ask(place) {
    if (SITE) {
      load().then(({ absent }) => (this.figure.notice.textContent = absent(this.maps))).catch(() => {});
      return "";
    }
    clearTimeout(this.#waiting);
    this.maps.ask(place);
    const late = () => (this.figure.notice.textContent = "No answer from Python yet. Is the kernel running and idle?");
    this.#waiting = setTimeout(late, PATIENCE);
    return `${this.placeName}: loading …`;
  }

  #receive(message, buffers) {
    if (SITE || !Array.isArray(message?.map)) return;
    this.maps.receive(message.map, buffers);
    if (this.map) return this.instead.update();
    clearTimeout(this.#waiting);
    this.show("layer");
  }

  // Sets the current cell, or none, and shows its row. `over`: the key whose label the mouse is over, if any.
  read(cursor, over = -1) {
    this.cursor = this.map ? cursor : null;
    const { look, row, locked, map, maps } = this;
    const { place } = this.state;
    const weights = row >= 0 && map ? this.rowOf(row).weights : null;
    const column = this.cursor?.column ?? over;
    const received = map && totals(map, maps.columns);
    this.figure.mark({ locked, cursor: this.cursor, row: weights, totals: received, column: map && column >= 0 ? columnOf(map, column, maps.columns) : null, look });
    if (weights) this.reading.row(row, weights, maps.spread(place, row), locked >= 0);
    else this.reading.rest(maps.summary(place));
    if (this.cursor) this.#readCell(this.cursor);
    else if (received && over >= 0) this.reading.total(over, received[over], maps.rows);
    else if (weights) this.#readCell({ row, column: weights.indexOf(Math.max(...weights)) }, true);
    else this.#readStrongest();
    this.toolbar.place.update();
    this.instead.update();
  }

  #readCell(cell, silent = false) {
    const { weights, mask } = this.rowOf(cell.row);
    this.reading.read(cell, weights, mask, this.look, silent);
  }

  // The map in one sentence, if no cell is chosen: its strongest weight.
  #readStrongest() {
    const { map, look, maps } = this;
    if (!map) return this.reading.nothing();
    let best = -1;
    map.weights.forEach((weight, i) => {
      if (i % maps.columns >= look.hidden && !(weight <= map.weights[best])) best = i;
    });
    if (!(map.weights[best] > 0)) return this.reading.nothing("no weight is left");
    return this.reading.strongest({ row: Math.floor(best / maps.columns), column: best % maps.columns }, map.weights[best], look);
  }
}

const columnOf = ({ weights }, column, columns) => Array.from({ length: weights.length / columns }, (_, row) => weights[row * columns + column]);

// The whole heads among cuts such as "cross.1.2".
const cutHeads = (cuts) => cuts.filter((cut) => cut.split(".").length === 3).map((cut) => cut.slice(cut.indexOf(".") + 1));

export default widget(Explorer);
