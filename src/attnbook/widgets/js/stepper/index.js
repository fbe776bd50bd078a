// AttentionStepper: attention on small matrices, one step at a time, every number explained. The step, the switches and the
// chosen number are in the model's traits.

import { say } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Legend } from "../shared/legend.js";
import { choice, flag, followTraits, list, number, whole } from "../shared/settings.js";
import { still } from "../shared/theme.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Flow } from "./flow.js";
import layout from "./layout.css";
import { Matrix } from "./matrix.js";
import { arrows, compute, LAST, sentence, stages, stepsOf } from "./stages.js";
import css from "./style.css";
import { Switches } from "./switches.js";

const HINT = "Press Next to compute the next step. Click a number to see how it was computed.";
const explaining = () => (SITE ? attnbook.load("stepper_explain") : import("./explain.js"));
const SETTINGS = ["scale", "temperature", "masking", "mask_when", "padding"];

class Stepper extends View {
  #peaks;
  #explain = null;
  #matrices = new Map();

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + css, hint: HINT });
    this.#compute();
    this.#build();
    this.follow(["step", "selected", ...SETTINGS]);
    followTraits(this, el, signal, this.#address);
    this.fit(this.flow.node);
    for (const name of ["pointerenter", "focusin"]) this.root.addEventListener(name, () => this.#prepare(), { once: true, signal });
  }

  // The state in the page's address: `#stepper-1_step-5_scale-off_selected-output,2,0`.
  get #address() {
    const selected = list(choice(...this.stages.map(({ name }) => name), "masked"), whole(0, 11), whole(0, 11));
    const kinds = { step: whole(0, LAST), scale: flag, temperature: number(0.05, 20), masking: choice(...this.switches.masks), selected };
    return { name: "stepper", place: ".ab-stepper", kinds };
  }

  // Loads the explanations, then explains the chosen number.
  #prepare() {
    this.preparing ??= explaining().then(
      ({ explain }) => {
        this.#explain = explain;
        if (!this.signal.aborted) this.show();
      },
      () => say(this.sum, "The explanation could not be loaded."),
    );
  }

  get #step() {
    return Math.max(0, Math.min(LAST, this.get("step") ?? 0));
  }

  // The chosen number, [stage, row, column], if it exists and its step has been reached.
  get #selected() {
    const [name, row, column] = this.get("selected") ?? [];
    const stage = this.stages.find((one) => one.name === name);
    const exists = stage && stage.step <= this.#step && this.#matrices.get(name).cells[row]?.[column];
    return exists ? { stage, row, column } : null;
  }

  #compute() {
    this.all = compute(this.model);
    this.stages = stages(this.all);
    const peak = (...names) => Math.max(1e-9, ...names.flatMap((name) => this.all[name].flat()).map(Math.abs));
    const [scores, values] = [peak("scores"), peak("value")];
    this.#peaks = { query: peak("query"), key: peak("key"), value: values, output: values, scores, scaled: scores, masked: scores };
    if (this.all.x) for (const name of ["x", "W_query", "W_key", "W_value"]) this.#peaks[name] = peak(name);
    this.steps = stepsOf(this.all);
  }

  #build() {
    const { signal } = this;
    this.switches = new Switches(this.model, { set: (changes) => this.set(changes), signal });
    this.flow = new Flow(signal);
    const button = (name, step, moves = false) => {
      const node = element("button", { type: "button" }, name);
      const go = () => node.getAttribute("aria-disabled") !== "true" && this.#go(step(), moves);
      node.addEventListener("click", go, { signal });
      return node;
    };
    this.back = button("Back", () => this.steps.findLast((step) => step < this.#step));
    this.next = button("Next", () => this.steps.find((step) => step > this.#step), true);
    this.rest = button("All", () => LAST);
    this.count = element("span", { class: "count" });
    const buttons = element("div", { class: "buttons", role: "group", "aria-label": "Steps" }, this.back, this.next, this.rest, this.count);
    this.line = element("p", { class: "line", role: "status" });
    this.sum = element("output", { class: "sum", "aria-live": "polite" });
    const long = Math.max(this.all.query[0].length, this.all.keys.length) > 4;
    this.bar = element("div", { class: `ab-bar${long ? " ab-long" : ""}` }, buttons, this.line, this.sum);
    this.legend = new Legend({ name: "weight", signs: true, masked: "masked" });
    this.root.append(this.switches.node, this.legend.node, this.flow.node, this.bar);
    this.#makeStages();
  }

  // Makes the matrices; the masked matrix has other columns before than after softmax.
  #makeStages() {
    const sizes = this.get("_sizes");
    for (const stage of this.stages) {
      const old = this.#matrices.get(stage.name);
      if (old && old.weights === stage.weights) continue;
      const size = sizes[stage.name] ?? sizes[stage.weights ? "weights" : "scaled"];
      const pick = (...selected) => this.#pick(selected);
      this.#matrices.set(stage.name, new Matrix(stage, size, { pick, signal: this.signal }));
    }
  }

  #stepOf = (name) => this.stages.find((stage) => stage.name === name).step;

  #place() {
    const when = !this.all.allowed ? "none" : this.all.before ? "before" : "after";
    const matrices = this.stages.map(({ name }) => this.#matrices.get(name));
    const isLater = (name) => this.#stepOf(name) > this.#step;
    this.flow.place(matrices, this.get("_lanes")[when], arrows(this.all), isLater);
  }

  // Goes to a step. `moves`: it is the next one, so what it computes moves and is scrolled into view.
  #go(step, moves) {
    this.flow.land();
    this.set({ step });
    if (!moves) return;
    const [query, key, scores] = ["query", "key", "scores"].map((name) => this.#matrices.get(name));
    const box = this.#matrices.get(this.stages.findLast((stage) => stage.step === step).name).box;
    const calm = still();
    this.flow.node.style.setProperty("--bar", `${this.bar.offsetHeight + 12}px`);
    box.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm ? "auto" : "smooth" });
    if (step === 1 && !calm) this.flow.fly(query, key, scores);
  }

  // Chooses a number, or none if it was already chosen.
  #pick(selected) {
    const same = JSON.stringify(selected) === JSON.stringify(this.get("selected"));
    this.set({ selected: same ? [] : selected });
  }

  show(changed) {
    if (SETTINGS.includes(changed)) {
      this.flow.land();
      this.#compute();
      this.#makeStages();
    }
    if ((changed !== "step" || this.flow.stacked) && changed !== "selected") this.#place();
    const [step, selected] = [this.#step, this.#selected];
    if (selected) this.#prepare();
    const explained = selected && this.#explain?.(this.all, selected.stage, selected.row, selected.column);
    for (const stage of this.stages) {
      this.#matrices.get(stage.name).show(stage, {
        peak: this.#peaks[stage.name],
        theme: this.theme,
        write: this.all.write[stage.name],
        writeTotal: this.all.writeTotal,
        later: stage.step > step,
        current: stage.step === this.steps.findLast((one) => one <= step),
        selected: selected?.stage === stage ? [selected.row, selected.column] : null,
        from: (explained?.from ?? []).filter(([name]) => name === stage.name).map(([, ...cell]) => cell),
      });
    }
    this.flow.mark(this.#stepOf, step);
    this.switches.show();
    this.legend.show({ theme: this.theme });
    this.legend.masked.hidden = !this.all.allowed;
    for (const [button, off] of [[this.back, step === 0], [this.next, step === LAST], [this.rest, step === LAST]]) {
      button.setAttribute("aria-disabled", String(off));
    }
    const at = this.steps.findLastIndex((one) => one <= step);
    this.count.textContent = `Step ${at} of ${this.steps.length - 1}`;
    say(this.line, sentence(this.all, this.steps[at]));
    say(this.sum, ...(explained?.words ?? []));
  }
}

export default widget(Stepper);
