// AttentionStepper: attention on small matrices, one step at a time, every number explained; the model's traits hold
// the step, the switches and the number that was picked.

import { element, shadow } from "../shared/dom.js";
import { watchTheme } from "../shared/theme.js";
import { watchModel, widget } from "../shared/widget.js";
import { explain } from "./explain.js";
import layout from "./layout.css";
import { Matrix } from "./matrix.js";
import { compute, LAST, sentence, stages } from "./stages.js";
import css from "./style.css";
import { Switches } from "./switches.js";

const HINT = "Click a number, or focus it and press Enter, to see the sum that made it.";
const SETTINGS = ["scale", "masking", "mask_when"];

class Stepper {
  #model;
  #signal;
  #theme;
  #peaks;
  #matrices = new Map();

  constructor(model, el, signal) {
    this.#model = model;
    this.#signal = signal;
    this.#compute();
    this.#build(el);
    const changes = { "change:title": () => this.#showTitle(), "change:step": () => this.#show(), "change:selected": () => this.#show() };
    for (const name of SETTINGS) changes[`change:${name}`] = () => this.#changed();
    watchModel(model, changes, signal);
    watchTheme((theme) => this.#setTheme(theme), signal);
  }

  get #step() {
    return Math.max(0, Math.min(LAST, this.#model.get("step") ?? 0));
  }

  // The picked number, [stage, row, column], where there is such a number and its step has come.
  get #selected() {
    const [name, row, column] = this.#model.get("selected") ?? [];
    const stage = this.stages.find((one) => one.name === name);
    const exists = stage && stage.step <= this.#step && this.#matrices.get(name).cells[row]?.[column];
    return exists ? { stage, row, column } : null;
  }

  #set(changes) {
    for (const [name, value] of Object.entries(changes)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #compute() {
    this.all = compute(this.#model);
    this.stages = stages(this.all);
    const peak = (...names) => Math.max(1e-9, ...names.flatMap((name) => this.all[name].flat()).map(Math.abs));
    const [scores, values] = [peak("scores"), peak("value")];
    this.#peaks = { query: peak("query"), key: peak("key"), value: values, output: values, scores, scaled: scores, masked: scores };
  }

  #build(el) {
    const [signal, set] = [this.#signal, (changes) => this.#set(changes)];
    this.title = element("p", { class: "title ab-title" });
    this.switches = new Switches(this.#model, { set, signal });
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
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" }, this.title, this.switches.node, this.flow, this.bar);
    shadow(el, layout + css).append(this.root);
    this.#showTitle();
  }

  // Puts the matrices in their order; what the mask makes has other cells before softmax and after it.
  #placeStages() {
    const sizes = this.#model.get("_sizes");
    for (const stage of this.stages) {
      const old = this.#matrices.get(stage.name);
      if (old && old.weights === stage.weights) continue;
      const size = sizes[stage.name === "masked" ? (stage.weights ? "weights" : "scores") : stage.name];
      const pick = (...selected) => this.#pick(selected);
      this.#matrices.set(stage.name, new Matrix(stage, size, { pick, signal: this.#signal }));
    }
    this.flow.replaceChildren(...this.stages.map(({ name }) => this.#matrices.get(name).box));
  }

  // Goes to a step, and brings what it shows into sight where it lies outside the window.
  #go(step) {
    const one = step === this.#step + 1;
    this.#set({ step });
    if (!one) return;
    const box = this.#matrices.get(this.stages.findLast((stage) => stage.step === step).name).box;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.flow.style.setProperty("--bar", `${this.bar.offsetHeight + 12}px`);
    box.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  // Picks a number, or none where it is picked already.
  #pick(selected) {
    const same = JSON.stringify(selected) === JSON.stringify(this.#model.get("selected"));
    this.#set({ selected: same ? [] : selected });
  }

  #changed() {
    this.#compute();
    this.#placeStages();
    this.#show();
  }

  #setTheme(theme) {
    this.#theme = theme;
    this.root.dataset.theme = theme;
    this.#show();
  }

  #showTitle() {
    const title = this.#model.get("title");
    this.title.textContent = title;
    this.title.hidden = !title;
  }

  #show() {
    const [step, selected] = [this.#step, this.#selected];
    const explained = selected && explain(this.all, selected.stage, selected.row, selected.column);
    for (const stage of this.stages) {
      this.#matrices.get(stage.name).show(stage, {
        peak: this.#peaks[stage.name],
        theme: this.#theme,
        later: stage.step > step,
        current: stage.step === step,
        selected: selected?.stage === stage ? [selected.row, selected.column] : null,
        from: (explained?.from ?? []).filter(([name]) => name === stage.name).map(([, ...cell]) => cell),
      });
    }
    this.switches.show();
    for (const [button, off] of [[this.back, step === 0], [this.next, step === LAST], [this.rest, step === LAST]]) {
      button.setAttribute("aria-disabled", String(off));
    }
    this.count.textContent = `Step ${step} of ${LAST}`;
    say(this.line, sentence(this.all, step));
    say(this.sum, ...(explained?.words ?? [element("span", { class: "hint" }, HINT)]));
  }
}

// Only what is new is written, so that it is heard once.
function say(node, ...words) {
  const next = element("div", {}, ...words);
  if (next.textContent !== node.textContent) node.replaceChildren(...next.childNodes);
}

export default widget(Stepper);
