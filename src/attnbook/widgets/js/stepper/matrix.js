// One matrix as a grid: Tab reaches it once, arrow keys move inside it, Enter chooses a number.

import { element } from "../shared/dom.js";
import { hatching, swatch } from "../shared/palette.js";
import { tokenElement, visible } from "../shared/tokens.js";

const LONGEST = 24;
const NARROWEST = 47; // pixels of a weight; on a narrow page its column shrinks to this and the key above is cut off
const DEEPEST = 34; // per cent of colour behind the largest number
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Matrix {
  // `size` is [gutter, cell, width, height] in pixels; `pick(name, row, column)` is called for a chosen number.
  constructor(stage, [gutter, cell, width, height], { pick, signal }) {
    this.name = stage.name;
    this.pick = pick;
    const id = `head-${stage.name}`;
    this.word = element("span", {});
    this.formula = element("p", { class: "formula" });
    this.head = element("div", { class: "head", id }, element("p", { class: "name" }, this.word), this.formula);
    this.table = element("table", { role: "grid", "aria-labelledby": id });
    this.box = element("div", { class: "ab-stage" }, this.head, element("div", { class: "scroll" }, this.table));
    this.box.dataset.stage = stage.name;
    this.box.style.cssText = `--width:${width}px;--height:${height}px;--gutter:${gutter}px;--cell:${cell}px`;
    Object.assign(this, { whole: cell, width, height });
    this.#build(stage);
    const at = (event) => event.target.closest("td:not(.empty)");
    this.table.addEventListener("click", (event) => at(event) && this.#choose(at(event)), { signal });
    this.table.addEventListener("keydown", (event) => this.#key(event, at(event)), { signal });
  }

  #build({ rows, columns, rowKind, columnKind, weights }) {
    const label = (word, scope, kind) =>
      element("th", { scope, class: kind ? `is-${kind}` : "", title: visible(word) }, tokenElement(word, LONGEST));
    const top = element("tr", {}, element("td", { class: "empty" }), ...columns.map((word) => label(word, "col", columnKind)));
    if (weights) top.append(element("th", { scope: "col", class: "total" }, "sum"));
    this.cells = rows.map(() => Array.from({ length: columns.length + Boolean(weights) }, () => element("td", { tabIndex: -1 })));
    const body = rows.map((word, r) => element("tr", {}, label(word, "row", rowKind), ...this.cells[r]));
    this.box.style.setProperty("--columns", this.cells[0].length);
    this.box.style.setProperty("--least", `${weights ? Math.min(NARROWEST, this.whole) : this.whole}px`);
    this.table.replaceChildren(element("thead", {}, top), element("tbody", {}, ...body));
    this.weights = weights;
    this.stop = this.cells[0][0];
    this.stop.tabIndex = 0;
  }

  // `later`: its step is still to come; `selected` is [row, column] or null; `from` lists cells that the chosen number depends on.
  show(stage, { peak, theme, write, writeTotal, later, current, selected, from }) {
    this.box.inert = later;
    this.box.classList.toggle("later", later);
    this.box.classList.toggle("current", current);
    this.box.classList.toggle("idle", Boolean(stage.idle));
    this.word.replaceChildren(...indexed(stage.head));
    this.word.className = stage.kind ? `is-${stage.kind}` : "";
    this.formula.replaceChildren(...indexed(stage.formula), ` ${stage.shape}`);
    this.cells.forEach((cells, r) =>
      cells.forEach((cell, c) => {
        const isSum = c === stage.columns.length;
        const number = isSum ? stage.numbers[r].reduce((sum, x) => sum + x, 0) : stage.numbers[r][c];
        const hidden = !isSum && stage.hidden(r, c);
        const text = hidden && stage.weights ? "0" : (isSum ? writeTotal : write)(number);
        cell.replaceChildren(...(later ? [] : [element("data", { value: String(number) }, text)]));
        cell.className = isSum ? "total" : "";
        cell.classList.toggle("hidden-key", hidden && !later);
        cell.classList.toggle("from", !later && !isSum && from.some(([row, column]) => (row ?? r) === r && (column ?? c) === c));
        const chosen = !later && selected?.[0] === r && selected[1] === c;
        cell.classList.toggle("selected", chosen);
        cell.setAttribute("aria-selected", String(chosen));
        paint(cell, later || isSum ? null : { number, hidden, weights: stage.weights, peak, theme });
      }),
    );
  }

  #choose(cell) {
    this.#stopAt(cell);
    this.pick(this.name, ...this.#place(cell));
  }

  #place(cell) {
    const row = this.cells.findIndex((cells) => cells.includes(cell));
    return [row, this.cells[row].indexOf(cell)];
  }

  #stopAt(cell) {
    this.stop.tabIndex = -1;
    this.stop = cell;
    cell.tabIndex = 0;
  }

  #key(event, cell) {
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const within = (value, count) => Math.max(0, Math.min(count - 1, value));
    const [row, column] = this.#place(cell);
    const count = this.cells[row].length;
    const [down, right] = MOVES[event.key] ?? { Home: [0, -count], End: [0, count] }[event.key] ?? [];
    if (down !== undefined) {
      const next = this.cells[within(row + down, this.cells.length)][within(column + right, count)];
      this.#stopAt(next);
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") this.#choose(cell);
    else if (event.key === "Escape") this.pick();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

// Words in which `W_Q` is a W with an index.
const indexed = (words) => words.split(/_(\w)/).map((word, i) => (i % 2 ? element("sub", {}, word) : word));

// Weights in the book's colours, other numbers tinted by sign, masked cells hatched.
function paint(cell, look) {
  const { background, color } = look ? ground(look) : { background: "", color: "" };
  cell.style.background = background;
  cell.style.color = color;
}

function ground({ number, hidden, weights, peak, theme }) {
  if (hidden) return { background: hatching(theme), color: "" };
  if (weights) return swatch(number, 1, theme);
  const share = Math.round((DEEPEST * Math.min(1, Math.abs(number) / peak)) || 0);
  return { background: `color-mix(in srgb, var(${number < 0 ? "--minus" : "--plus"}) ${share}%, var(--bg))`, color: "" };
}
