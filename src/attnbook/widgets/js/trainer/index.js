// AttentionTrainer: one attention layer learns to name the letters before and after, in a worker in the page.

import { buttons, say, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Legend } from "../shared/legend.js";
import { choice, flag, followTraits, whole } from "../shared/settings.js";
import share from "../shared/share.css";
import { still } from "../shared/theme.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Chart } from "./chart.js";
import { Heads } from "./heads.js";
import layout from "./layout.css";
import { named, percent, Runs } from "./runs.js";
import { sessionOf, SETTINGS } from "./session.js";
import css from "./style.css";

const HINT = "Train a model to name both neighbours of each letter. Then change one setting, train again and compare.";
const HEADS = [1, 2, 4];
const SEEDS = 1000;
const CALM = 2000; // milliseconds between two maps under reduced motion
const ANSWERS = { before: "letter before", after: "letter after", both: "both" };

class AttentionTrainer extends View {
  #drawn = 0; // when the maps were drawn

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css, hint: HINT });
    const { _recorded, _steps, heads, runs } = this.get("_recorded", "_steps", "heads", "runs");
    if (!_recorded?.length || !Array.isArray(runs) || !(_steps > 0) || !HEADS.includes(heads)) throw new Error("recorded runs or settings are missing");
    this.session = sessionOf(this);
    this.#build(_steps);
    const kinds = { heads: choice(...HEADS), scale: flag, positions: flag, seed: whole(0, SEEDS - 1) };
    followTraits(this, el, signal, { name: "trainer", place: ".ab-trainer", kinds });
    this.session.join(this);
    this.follow([...SETTINGS, "training", "runs"]);
  }

  #build(steps) {
    const { signal } = this;
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    const button = buttons(signal);
    const choose = (changes) => this.set({ training: false, ...changes });
    const group = `heads-${Math.random()}`;
    this.heads = HEADS.map((count) => {
      const input = element("input", { type: "radio", name: group, value: `${count}` });
      on(input, "change", () => choose({ heads: count }));
      return input;
    });
    const heads = element("div", { class: "choice", role: "radiogroup", "aria-label": "Number of heads" }, "heads", ...this.heads.map((input) => element("label", {}, input, input.value)));
    const toggle = (trait, name) => {
      const input = (this[trait] = element("input", { type: "checkbox" }));
      on(input, "change", () => choose({ [trait]: input.checked }));
      return element("label", { class: "choice" }, input, name);
    };
    this.seed = element("input", { type: "number", class: "seed", min: "0", max: `${SEEDS - 1}` });
    on(this.seed, "change", () => {
      this.seed.value = Math.min(SEEDS - 1, Math.max(0, Math.round(Number(this.seed.value))));
      choose({ seed: Number(this.seed.value) });
    });
    const seed = element("div", { class: "choice" }, element("label", {}, "seed", this.seed), button("Another seed", () => choose({ seed: (this.get("seed") + 1) % SEEDS })));
    this.go = button("Train", () => this.set({ training: !this.get("training") }));
    this.reset = button("Reset", () => this.session.reset());
    this.status = element("p", { class: "status" });
    this.chart = new Chart(steps);
    this.bars = Object.entries(ANSWERS).map(([part, name]) => {
      const bar = { part, fill: element("span", { class: "fill" }), number: element("span", { class: "number" }) };
      bar.node = element("div", { class: "answer" }, element("span", {}, name), element("div", { class: "share" }, bar.fill, bar.number));
      return bar;
    });
    this.maps = new Heads();
    this.legend = new Legend({ name: "weight" });
    this.runs = new Runs({ choose: (run) => this.session.again(run), signal });
    this.speaker = new Speaker(signal);
    const caption = (words) => element("p", { class: "caption" }, words);
    const left = element("div", { class: "ab-train-curve" }, caption("training loss per step (grey: other finished runs)"), this.chart.node, caption("correct answers on held-out strings"), element("div", { class: "ab-train-correct" }, ...this.bars.map(({ node }) => node)));
    this.right = element("div", { class: "ab-train-right" }, caption("query ↓ key →; the first and last rows aren't trained"), this.maps.node, this.legend.node);
    this.root.append(
      element("div", { class: "ab-train-set" }, heads, toggle("scale", "divide by √d"), toggle("positions", "positions"), seed),
      element("div", { class: "ab-train-go" }, this.go, this.reset, this.status),
      element("div", { class: "ab-train-both" }, left, this.right),
      this.runs.node,
      this.speaker.node,
    );
  }

  show(changed) {
    if (SETTINGS.includes(changed) || changed === "training") this.session.later();
    else this.draw(true);
  }

  // `maps`: draw them even under reduced motion.
  draw(maps) {
    const { run, problem, others, steps } = this.session;
    const { training, runs, ...settings } = this.get(...SETTINGS, "training", "runs");
    this.heads.forEach((input) => (input.checked = Number(input.value) === settings.heads));
    this.scale.checked = settings.scale;
    this.positions.checked = settings.positions;
    if (!this.seed.matches(":focus")) this.seed.value = settings.seed; // else the reader is typing
    this.go.textContent = training ? "Pause" : "Train";
    this.runs.show(runs, (one) => named(one) === run?.name && run.step === steps);
    this.legend.show({ theme: this.theme });
    say(this.status, problem ?? this.#words(run, training));
    if (!run) return;
    this.root.dataset.step = run.step;
    this.chart.show(run.losses, others);
    this.bars.forEach(({ fill, number }, i) => {
      fill.style.width = `${100 * (run.accuracy?.[i] ?? 0)}%`;
      number.textContent = run.accuracy ? percent(run.accuracy[i]) : "";
    });
    this.right.classList.toggle("is-old", !run.maps); // the maps are another run's
    const calm = still();
    if (!run.maps || (calm && !maps && performance.now() - this.#drawn < CALM)) return;
    this.#drawn = performance.now();
    this.right.dataset.heads = run.heads;
    this.maps.show({ ...run, theme: this.theme });
  }

  #words(run, training) {
    const { steps } = this.session;
    if (!run?.maps) return "Starting";
    if (run.recorded) return `A recorded run of ${steps} steps. Press Train to run it here.`;
    if (run.step === steps) return `Finished: ${steps} steps in ${run.seconds.toFixed(1)} s.`;
    if (!run.step) return training ? "Starting" : "Untrained.";
    return `${training ? "Step" : "Paused at step"} ${run.step} of ${steps}, loss ${run.losses.at(-1).toFixed(2)}.`;
  }
}

export default widget(AttentionTrainer);
