// A small map to edit: forbid keys, which renormalizes the rows, and change the values, which changes the output.

import { buttons } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { walk } from "../shared/grid.js";
import { digits, signed } from "../shared/numbers.js";
import { hatching, swatch } from "../shared/palette.js";
import { visible } from "../shared/tokens.js";
import css from "./edit.css";

const LARGEST = 1e6; // as in base.py

const sum = (row, vectors, part) => row.reduce((total, weight, key) => total + weight * vectors[key][part], 0);
const entropy = (row) => -row.reduce((sum, weight) => (weight > 0 ? sum + weight * Math.log2(weight) : sum), 0);

// A row without its forbidden cells: weights that add up to 1 again, or 0 if none is left, and the sum of what was left.
function renormalized(row, forbidden) {
  const kept = row.map((weight, key) => (forbidden.has(key) ? 0 : weight));
  if (kept.every((weight, key) => weight === row[key])) return { weights: row, left: 1 };
  const left = kept.reduce((sum, weight) => sum + weight, 0);
  return { weights: left > 0 ? kept.map((weight) => weight / left) : kept, left };
}

// What was edited, without what is not valid: an address may name anything.
function edits(view) {
  const { state, maps } = view;
  const forbidden = state.get("forbidden").filter(([row, column]) => row < maps.rows && column < maps.columns);
  const [values, { values: given }] = [state.get("values"), state.given];
  const fits = values.length === given.length && values.every((one, i) => one.length === given[i].length && one.every((x) => Math.abs(x) <= LARGEST));
  return { forbidden, values: fits ? values : given };
}

// Makes the view's map that of the edited weights; returns the current rows.
function attach(view) {
  const { maps, state } = view;
  const { rows, columns } = maps;
  const { mask } = maps.at(state.place);
  let [known, now] = [null, null];
  const current = () => {
    const { forbidden } = edits(view);
    const key = String(forbidden);
    if (known === key) return now;
    known = key;
    const out = Array.from({ length: rows }, () => new Set());
    for (const [row, column] of forbidden) out[row].add(column);
    const list = state.given.weights.map((row, i) => renormalized(row, out[i]));
    const map = { weights: Float64Array.from(list.flatMap(({ weights }) => weights)), mask: mask.map((may, i) => may && !out[Math.floor(i / columns)].has(i % columns)) };
    maps.peak = Math.max(...map.weights) || 1;
    return (now = { map, list, out });
  };
  const spread = (_, row) => {
    const { weights } = current().list[row];
    return weights.some((weight) => weight > 0) ? { bits: entropy(weights), keys: 2 ** entropy(weights) } : null;
  };
  const summary = () => {
    const each = Array.from({ length: rows }, (_, row) => row).filter((row) => spread(0, row));
    const mean = (of) => each.reduce((sum, row) => sum + of(row), 0) / (each.length || 1);
    return { bits: mean((row) => spread(0, row).bits), keys: mean((row) => spread(0, row).keys), first: mean((row) => current().list[row].weights[0]) };
  };
  Object.assign(maps, { at: () => current().map, spread, summary });
  return { mask, current };
}

// The output before any change, as it is shown.
function original({ weights, forbidden, values }, width) {
  return weights.map((given, row) => {
    const out = new Set(forbidden.filter(([one]) => one === row).map(([, key]) => key));
    const now = renormalized(given, out).weights;
    return Array.from({ length: width }, (_, part) => number(sum(now, values, part)));
  });
}

class Edit {
  #past = []; // earlier states, the latest last

  constructor(view, signal) {
    this.view = view;
    const { maps, state, queries, keys } = view;
    const { rows, columns } = maps;
    this.width = state.given.values[0]?.length ?? 0;
    this.original = original(state.given, this.width);
    const th = (scope, kind, ...words) => element("th", { scope, class: kind }, ...words);
    const tokenName = (tokens, i, kind) => Object.assign(th(kind === "key" ? "col" : "row", `is-${kind}`, tokens.label(i, 24)), { title: visible(tokens.list[i]) });
    const parts = Array.from({ length: this.width }, (_, i) => i);
    const top = element("tr", {}, th("col", "corner", element("span", { class: "is-query" }, "query ↓ "), element("span", { class: "is-key" }, "key →")));
    top.append(...keys.list.map((_, i) => tokenName(keys, i, "key")), th("col", "left", "sum left"), ...parts.map((i) => th("col", "output", this.width > 1 ? `output ${i + 1}` : "output")));
    this.cells = [];
    this.left = [];
    this.outputs = [];
    const body = Array.from({ length: rows }, (_, row) => {
      this.cells[row] = Array.from({ length: columns }, (_, column) => Object.assign(element("button", { type: "button", tabIndex: row + column ? -1 : 0 }), { place: [row, column] }));
      this.left[row] = element("td", { class: "left" });
      this.outputs[row] = parts.map(() => element("td", { class: "output" }));
      return element("tr", {}, tokenName(queries, row, "query"), ...this.cells[row].map((cell) => element("td", {}, cell)), this.left[row], ...this.outputs[row]);
    });
    this.grid = element("tbody", {}, ...body);
    this.inputs = parts.map((part) =>
      Array.from({ length: columns }, (_, key) => {
        const input = element("input", { type: "number", step: "0.1", "aria-label": `value of ${keys.spoken(key)}, component ${part + 1}` });
        return Object.assign(input, { place: [key, part] });
      }),
    );
    const values = this.inputs.map((row, part) => element("tr", {}, th("row", "is-value", this.width > 1 ? `value ${part + 1}` : "value"), ...row.map((input) => element("td", {}, input))));
    const title = element("tr", { class: "rule" }, element("td", { colSpan: 2 + columns + this.width }, "Values, one column per key. Output: the weighted sum of the values."));
    const foot = element("tbody", {}, ...(this.width ? [title, ...values] : []));
    const table = element("table", { "aria-label": "Weights to forbid and values to change" }, element("thead", {}, top), this.grid, foot);
    this.about = element("p", { class: "about-edit", role: "status" });
    const button = buttons(signal);
    this.undo = button("Undo", () => this.#back());
    this.reset = button("Reset", () => this.#change({ forbidden: state.given.forbidden, values: state.given.values }, "All weights and values are the original ones again."));
    this.node = element("div", {}, element("div", { class: "edited" }, table), this.about, element("div", { class: "edit-bar" }, this.undo, this.reset));

    this.grid.addEventListener("click", (event) => this.#toggle(event.target.closest("button")?.place), { signal });
    this.grid.addEventListener("focusin", ({ target }) => target.place && this.#reach(target), { signal });
    walk(this.grid, { across: () => columns, go: (cell) => this.#reach(cell) }, signal);
    foot.addEventListener("input", ({ target }) => this.#enter(target), { signal });
    foot.addEventListener("focusin", () => (this.before = this.#state.values), { signal });
    foot.addEventListener("focusout", () => this.#left(), { signal });
  }

  #reach(cell) {
    for (const other of this.cells.flat()) other.tabIndex = other === cell ? 0 : -1;
  }

  get #state() {
    return edits(this.view);
  }

  #change(changes, words) {
    this.#past.push(this.#state);
    this.view.state.set(changes);
    this.#tell(words);
  }

  #back() {
    const last = this.#past.pop();
    if (last) this.view.state.set(last);
    this.#tell("The last change was undone.");
  }

  #tell(words) {
    this.about.textContent = words;
    this.update();
  }

  #toggle(place) {
    if (!place) return;
    const { view } = this;
    const { mask, current } = view.edits;
    const [row, column] = place;
    if (!mask[row * view.maps.columns + column]) return this.#tell(`The mask forbids this from the start. Its score can't be recovered from the weights, so it can't be allowed here.`);
    const { forbidden } = this.#state;
    const others = forbidden.filter((one) => String(one) !== String(place));
    const [query, key] = [view.queries.spoken(row), view.keys.spoken(column)];
    const allowed = others.length < forbidden.length;
    this.#past.push(this.#state);
    view.state.set({ forbidden: allowed ? others : [...forbidden, place] });
    const { left } = current().list[row];
    const again = left === 1 ? "The row has its original weights." : left > 0 ? `The weights left add up to ${digits(left)}; dividing by this sum gives the softmax over the remaining scores.` : "No weight is left, so the row is all zeros, and so is its output.";
    this.#tell(`“${query}” ${allowed ? "may attend to" : "may no longer attend to"} “${key}”. ${again}`);
  }

  // A number as it is typed; one that Python would refuse changes nothing.
  #enter(input) {
    const number = input.valueAsNumber;
    const valid = Math.abs(number) <= LARGEST;
    input.setAttribute("aria-invalid", String(!valid));
    if (!valid) return this.#tell("A value must be a number from −1,000,000 to 1,000,000.");
    const [key, part] = input.place;
    const values = this.#state.values.map((vector, i) => (i === key ? vector.map((x, j) => (j === part ? number : x)) : vector));
    this.view.state.set({ values });
    return this.#tell(`The value of “${this.view.keys.spoken(key)}” has changed, and so has the output of every query that attends to it.`);
  }

  // When a field is left, its number counts as one change.
  #left() {
    if (String(this.before) !== String(this.#state.values)) this.#past.push({ ...this.#state, values: this.before });
    this.before = this.#state.values;
    this.update();
  }

  update() {
    const { view } = this;
    const { current, mask } = view.edits ?? {}; // a notebook makes the view before it has a width
    if (!current || !view.look) return;
    const { list, out } = current();
    const { forbidden, values } = this.#state;
    const { peak, floor, theme } = view.look;
    this.cells.forEach((cells, row) => {
      const { weights, left } = list[row];
      cells.forEach((cell, column) => {
        const masked = !mask[row * cells.length + column];
        const gone = masked || out[row].has(column);
        cell.textContent = masked ? "–" : gone ? "✕" : digits(weights[column]);
        Object.assign(cell.style, gone ? { background: hatching(theme), color: "" } : swatch(weights[column], peak, theme, floor));
        cell.setAttribute("aria-pressed", String(gone));
        cell.setAttribute("aria-disabled", String(masked));
        const what = masked ? "masked" : gone ? "forbidden" : `weight ${digits(weights[column])}`;
        cell.setAttribute("aria-label", `query ${view.queries.spoken(row)}, key ${view.keys.spoken(column)}: ${what}`);
        cell.title = masked ? "masked from the start" : gone ? "Allow" : "Forbid";
      });
      this.left[row].textContent = left === 1 ? "" : left > 0 ? `÷ ${digits(left)}` : "nothing left";
      this.left[row].title = left > 0 && left < 1 ? `The weights left add up to ${digits(left)}, so each was divided by it.` : "";
      this.outputs[row].forEach((cell, part) => {
        const [text, was] = [number(sum(weights, values, part)), this.original[row][part]];
        cell.replaceChildren(element("b", {}, text), ...(text === was ? [] : [element("small", {}, element("span", { class: "said" }, "was "), element("s", {}, was))]));
        cell.classList.toggle("is-changed", text !== was);
      });
    });
    const focused = view.root.getRootNode().activeElement;
    for (const input of this.inputs.flat()) {
      const [key, part] = input.place;
      if (input === focused) continue;
      input.value = String(+values[key][part].toPrecision(6));
      input.removeAttribute("aria-invalid");
      input.classList.toggle("is-changed", values[key][part] !== view.state.given.values[key][part]);
    }
    const same = String([forbidden, values]) === String([view.state.given.forbidden, view.state.given.values]);
    this.undo.disabled = !this.#past.length;
    this.reset.disabled = same;
    if (!this.about.textContent) this.about.textContent = "Click a weight to forbid it: the rest of its row is rescaled to sum to 1. Click it again to allow it.";
  }
}

const number = (x) => (Math.abs(x) < 1000 ? (+x.toFixed(3) === 0 ? "0.000" : x.toFixed(3).replace("-", "−")) : signed(x));

export { css, Edit as edit, attach };
