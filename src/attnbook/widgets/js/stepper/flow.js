// Places the matrices in their lanes, draws the arrows between them, and lets a query's row fly over a key into its score.

import { drawn, element } from "../shared/dom.js";

const HEAD = 63; // pixels above a matrix's first row
const [HEADING, BETWEEN] = [40, 12]; // pixels: a matrix without its table, and the space between two, as in stepper_sizes.py
const FLIGHT = 900; // milliseconds
const TOGETHER = 2600; // milliseconds of all flights
const MOST = 16; // scores that are flown to one by one; of a larger matrix only the first row

export class Flow {
  #flights = [];

  constructor(signal) {
    this.lines = drawn("svg", { class: "arrows", "aria-hidden": "true" });
    this.air = element("div", { class: "air", "aria-hidden": "true" });
    this.node = element("div", { class: "ab-stages" });
    signal.addEventListener("abort", () => this.land());
  }

  // Puts the matrices in place by the widest plan that fits. If they are below one another, those still to come are only headings.
  place(matrices, plans, arrows, isLater) {
    const wide = this.node.clientWidth;
    const plan = plans.find(({ need }) => need <= wide) ?? plans.at(-1);
    this.stacked = !plan.need;
    const { at, height } = this.stacked ? stack(matrices, isLater) : plan;
    this.node.classList.toggle("stacked", this.stacked);
    const boxes = matrices.map(({ box }) => box);
    const current = [...this.node.querySelectorAll(".ab-stage")];
    if (boxes.length !== current.length || boxes.some((box, i) => box !== current[i])) this.node.replaceChildren(this.lines, ...boxes, this.air);
    this.node.style.height = `${height}px`;
    this.at = {};
    for (const { name, box, width, height } of matrices) {
      const [left, top] = at[name];
      Object.assign(box.style, { left: `${left}px`, top: `${top}px` });
      this.at[name] = { left, top, width: Math.min(width, wide - left), height };
    }
    this.arrows = arrows.map(([from, to]) => {
      const path = drawn("path", { d: this.stacked ? "" : curve(this.at[from], this.at[to], plan === plans[0]) });
      return { from, to, path };
    });
    const tip = drawn("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" });
    tip.append(drawn("path", { d: "M0 0L8 4L0 8z" }));
    this.lines.replaceChildren(drawn("defs", {}, tip), ...this.arrows.map(({ path }) => path));
  }

  // Arrows to stages that are still to come are faint; those of the current step are strong.
  mark(stepOf, step) {
    for (const { to, path } of this.arrows) {
      path.classList.toggle("later", stepOf(to) > step);
      path.classList.toggle("current", stepOf(to) === step);
    }
  }

  land() {
    for (const flight of this.#flights) flight.cancel();
    this.#flights = [];
    this.air.replaceChildren();
  }

  // Each query's row moves over a key and into its score, which appears when it arrives.
  fly(query, key, scores) {
    this.land();
    const [rows, columns] = [scores.cells.length, scores.cells[0].length];
    const pairs = scores.cells.flatMap((cells, row) => cells.map((cell, column) => ({ cell, row, column })));
    const flown = rows * columns <= MOST ? pairs : pairs.slice(0, columns);
    const apart = flown.length > 1 ? Math.min(FLIGHT / 2, (TOGETHER - FLIGHT) / (flown.length - 1)) : 0;
    const origin = this.node.getBoundingClientRect();
    const place = (cell) => {
      const { left, top, width, height } = cell.getBoundingClientRect();
      return { left: left - origin.left, top: top - origin.top, width, height };
    };
    pairs.forEach(({ cell, row }, i) => {
      const delay = i < flown.length ? i * apart + 0.85 * FLIGHT : (flown.length - 1) * apart + FLIGHT + 60 * row;
      this.#flights.push(cell.firstChild.animate([{ opacity: 0 }, { opacity: 1 }], { delay, duration: 150, fill: "backwards" }));
    });
    flown.forEach(({ cell, row, column }, i) => {
      const [from, over, into] = [place(query.cells[row][0]), place(key.cells[column][0]), place(cell)];
      const last = place(query.cells[row].at(-1));
      const bird = element("div", { class: "bird" }, ...query.cells[row].map((one) => element("span", {}, one.textContent)));
      const wide = last.left + last.width - from.left;
      Object.assign(bird.style, { left: `${from.left}px`, top: `${from.top}px`, width: `${wide}px`, height: `${from.height}px` });
      this.air.append(bird);
      const move = ({ left, top }, scale = 1) => `translate(${left - from.left}px, ${top - from.top}px) scale(${scale})`;
      const shrink = into.width / wide;
      const frames = [
        { transform: "none", opacity: 0, offset: 0 },
        { transform: "none", opacity: 1, offset: 0.1 },
        { transform: move(over), opacity: 1, offset: 0.45 },
        { transform: move(over), opacity: 1, offset: 0.6 },
        { transform: move(into, shrink), opacity: 0.9, offset: 0.95 },
        { transform: move(into, shrink), opacity: 0, offset: 1 },
      ];
      const flight = bird.animate(frames, { duration: FLIGHT, delay: i * apart, easing: "ease-in-out", fill: "both" });
      flight.onfinish = () => bird.remove();
      this.#flights.push(flight);
    });
  }
}

function stack(matrices, isLater) {
  const at = {};
  let height = -BETWEEN;
  for (const one of matrices) {
    at[one.name] = [0, height + BETWEEN];
    height += BETWEEN + (isLater(one.name) ? HEADING : one.height);
  }
  return { at, height };
}

// From the middle of one matrix to the middle of another: downwards or sideways, whichever has room; `wide` prefers sideways.
function curve(from, to, wide) {
  const below = to.top >= from.top + from.height;
  if (below && !wide) return down(from, to);
  const middle = ({ top, height }) => top + (HEAD + height) / 2;
  if (to.left >= from.left + from.width) return sideways(from.left + from.width + 2, middle(from), to.left - 1, middle(to));
  if (to.left + to.width <= from.left && !below) return sideways(from.left - 2, middle(from), to.left + to.width + 1, middle(to));
  return down(from, to);
}

// Straight if the other matrix is below the middle of this one.
function down(from, to) {
  const [x, center] = [from, to].map(({ left, width }) => left + width / 2);
  const u = x > to.left + 10 && x < to.left + to.width - 10 ? x : center;
  const [y, v] = [from.top + from.height, to.top - 1];
  return `M${x},${y}C${x},${(y + v) / 2} ${u},${(y + v) / 2} ${u},${v}`;
}

const sideways = (x, y, u, v) => `M${x},${y}C${(x + u) / 2},${y} ${(x + u) / 2},${v} ${u},${v}`;
