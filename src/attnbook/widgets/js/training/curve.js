// The loss curve, which is the slider: a range input takes the keyboard, and the pointer moves it along the curve.

import { drawn, element } from "../shared/dom.js";

const KNEE = 16; // the step axis is logarithmic above about this step, and has room for step 0
const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [52, 14, 12, 38, 176];
const TICKS = [0, 10, 100, 1000, 10_000, 100_000];

export class Curve {
  constructor({ points, snapshots, input, signal }) {
    Object.assign(this, { points, snapshots, input });
    this.last = Math.log1p(snapshots.at(-1).step / KNEE) || 1;
    const losses = [...points.map(([, loss]) => loss), ...snapshots.map(({ loss }) => loss)].map((loss) => Math.log10(Math.max(loss, 1e-9)));
    [this.least, this.most] = [Math.min(...losses), Math.max(...losses, Math.min(...losses) + 0.1)];
    input.setAttribute("aria-label", "Training step");
    this.svg = drawn("svg", { "aria-hidden": "true", height: HEIGHT });
    this.line = drawn("line", { class: "now", y1: TOP, y2: HEIGHT - BOTTOM });
    this.knob = drawn("circle", { class: "knob", r: 9 });
    this.node = element("div", { class: "ab-tr-curve" }, input, this.svg);
    let held = false;
    const move = (event) => held && this.#go(event.clientX - this.svg.getBoundingClientRect().left);
    const on = (name, act) => this.svg.addEventListener(name, act, { signal });
    on("pointerdown", (event) => {
      if (event.button) return;
      held = true;
      this.svg.setPointerCapture(event.pointerId);
      event.preventDefault();
      input.focus({ preventScroll: true });
      move(event);
    });
    on("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) on(end, () => (held = false));
  }

  // Moves the input to the snapshot nearest to a horizontal position.
  #go(x) {
    const away = this.snapshots.map(({ step }) => Math.abs(this.#x(step) - x));
    const at = String(away.indexOf(Math.min(...away)));
    if (at === this.input.value) return;
    this.input.value = at;
    this.input.dispatchEvent(new Event("input"));
  }

  #x = (step) => LEFT + (Math.log1p(step / KNEE) / this.last) * (this.width - LEFT - RIGHT);
  #y = (loss) => TOP + ((this.most - Math.log10(Math.max(loss, 1e-9))) / (this.most - this.least)) * (HEIGHT - TOP - BOTTOM);

  show(at) {
    const width = Math.max(160, this.node.clientWidth);
    if (width !== this.width) this.#draw(width);
    const { step, loss } = this.snapshots[at];
    const [x, y] = [this.#x(step), this.#y(loss)];
    for (const end of ["x1", "x2"]) this.line.setAttribute(end, x);
    this.knob.setAttribute("cx", x);
    this.knob.setAttribute("cy", y);
  }

  #draw(width) {
    this.width = width;
    this.svg.setAttribute("width", width);
    const floor = HEIGHT - BOTTOM;
    const text = (words, x, y, anchor = "middle") => drawn("text", { x, y, "text-anchor": anchor }, words);
    const steps = TICKS.filter((step) => step <= this.snapshots.at(-1).step);
    const powers = [];
    const each = this.most - this.least > 4 ? 2 : 1;
    for (let power = Math.floor(this.most); power >= this.least; power -= each) powers.unshift(power);
    const path = this.points.map(([step, loss], i) => `${i ? "L" : "M"}${this.#x(step).toFixed(1)} ${this.#y(loss).toFixed(1)}`).join("");
    this.svg.replaceChildren(
      ...powers.flatMap((power) => {
        const y = this.#y(10 ** power);
        return [drawn("path", { class: "grid", d: `M${LEFT} ${y}H${width - RIGHT}` }), text(power < 0 ? (10 ** power).toFixed(-power) : String(10 ** power), LEFT - 6, y + 4, "end")];
      }),
      ...steps.flatMap((step) => [drawn("path", { class: "grid", d: `M${this.#x(step)} ${floor}v5` }), text(String(step), this.#x(step), floor + 17)]),
      text("loss", 4, TOP + 2, "start"),
      text("training step (logarithmic)", width - RIGHT, HEIGHT - 4, "end"),
      drawn("path", { class: "loss", d: path }),
      ...this.snapshots.map(({ step, loss }) => drawn("circle", { class: "dot", cx: this.#x(step), cy: this.#y(loss), r: 4 })),
      this.line,
      this.knob,
    );
  }
}
