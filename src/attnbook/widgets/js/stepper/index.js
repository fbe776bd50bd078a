// AttentionStepper: attention on small matrices, one step at a time, every number explained. The step, the switches and the
// chosen number are in the model's traits.

import { say } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Legend } from "../shared/legend.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import layout from "./layout.css";
import { Matrix } from "./matrix.js";
import { compute, LAST, sentence, stages } from "./stages.js";
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
    for (const name of ["pointerenter", "focusin"]) this.root.addEventListener(name, () => this.#prepare(), { once: true, signal });
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
  }

  #build() {
    const { signal } = this;
    this.switches = new Switches(this.model, { set: (changes) => this.set(changes), signal });
    this.flow = element("div", { class: "ab-stages" });
    this.#placeStages();
    const button = (name, step) => {
      const node = element("button", { type: "button" }, name);
      const go = () => node.getAttribute("aria-disabled") !== "true" && this.#go(step());
      node.addEventListener("click", go, { signal });
      return node;
    };
    this.back = button("Back", () => this.#step - 1);
    this.next = button("Next", () => this.#step + 1);
    this.rest = button("All", () => LAST);
    this.count = element("span", { class: "count" });
    const buttons = element("div", { class: "buttons", role: "group", "aria-label": "Steps" }, this.back, this.next, this.rest, this.count);
    this.line = element("p", { class: "line", role: "status" });
    this.sum = element("output", { class: "sum", "aria-live": "polite" });
    const long = Math.max(this.all.query[0].length, this.all.keys.length) > 4;
    this.bar = element("div", { class: `ab-bar${long ? " ab-long" : ""}` }, buttons, this.line, this.sum);
    this.legend = new Legend({ name: "weight", signs: true, masked: "masked" });
    this.root.append(this.switches.node, this.legend.node, this.flow, this.bar);
  }

  // Puts the matrices in order; the masked matrix has other cell sizes before than after softmax.
  #placeStages() {
    const sizes = this.get("_sizes");
    for (const stage of this.stages) {
      const old = this.#matrices.get(stage.name);
      if (old && old.weights === stage.weights) continue;
      const size = sizes[stage.name === "masked" ? (stage.weights ? "weights" : "scores") : stage.name];
      const pick = (...selected) => this.#pick(selected);
      this.#matrices.set(stage.name, new Matrix(stage, size, { pick, signal: this.signal }));
    }
    this.flow.replaceChildren(...this.stages.map(({ name }) => this.#matrices.get(name).box));
  }

  // Goes to a step and scrolls its matrix into view if needed.
  #go(step) {
    const one = step === this.#step + 1;
    this.set({ step });
    if (!one) return;
    const box = this.#matrices.get(this.stages.findLast((stage) => stage.step === step).name).box;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.flow.style.setProperty("--bar", `${this.bar.offsetHeight + 12}px`);
    box.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  // Chooses a number, or none if it was already chosen.
  #pick(selected) {
    const same = JSON.stringify(selected) === JSON.stringify(this.get("selected"));
    this.set({ selected: same ? [] : selected });
  }

  show(changed) {
    if (SETTINGS.includes(changed)) {
      this.#compute();
      this.#placeStages();
    }
    const [step, selected] = [this.#step, this.#selected];
    if (selected) this.#prepare();
    const explained = selected && this.#explain?.(this.all, selected.stage, selected.row, selected.column);
    for (const stage of this.stages) {
      this.#matrices.get(stage.name).show(stage, {
        peak: this.#peaks[stage.name],
        theme: this.theme,
        later: stage.step > step,
        current: stage.step === step,
        selected: selected?.stage === stage ? [selected.row, selected.column] : null,
        from: (explained?.from ?? []).filter(([name]) => name === stage.name).map(([, ...cell]) => cell),
      });
    }
    this.switches.show();
    this.legend.show({ theme: this.theme });
    this.legend.masked.hidden = !this.all.allowed;
    for (const [button, off] of [[this.back, step === 0], [this.next, step === LAST], [this.rest, step === LAST]]) {
      button.setAttribute("aria-disabled", String(off));
    }
    this.count.textContent = `Step ${step} of ${LAST}`;
    say(this.line, sentence(this.all, step));
    say(this.sum, ...(explained?.words ?? []));
  }
}

export default widget(Stepper);
