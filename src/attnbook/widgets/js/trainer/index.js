// AttentionTrainer: one attention layer learns to name the letters before and after, in a worker in the page.

import { buttons, say, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Legend } from "../shared/legend.js";
import { choice, flag, followTraits, whole } from "../shared/settings.js";
import share from "../shared/share.css";
import { still } from "../shared/theme.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Client, workerOf } from "../engine/client.js";
import { Chart } from "./chart.js";
import { Heads } from "./heads.js";
import layout from "./layout.css";
import program from "./program.js";
import { named, percent, Runs } from "./runs.js";
import css from "./style.css";

const HINT = "Train a model to name both neighbours of each letter. Then change one setting, train again and compare.";
const SETTINGS = ["heads", "scale", "positions", "seed"];
const HEADS = [1, 2, 4];
const SEEDS = 1000;
const [SLOW, FEW, MANY] = [60, 2, 10]; // most is learned in the first steps: so show every second one
const CALM = 2000; // milliseconds between two maps under reduced motion
const MOST = 100; // runs in the table
const ANSWERS = { before: "letter before", after: "letter after", both: "both" };

const settingsOf = (run) => Object.fromEntries(SETTINGS.map((name) => [name, run[name]]));

// A worker can't be started from a file's address, but from its text.
async function start() {
  if (!SITE) return workerOf(program);
  if (location.protocol === "file:") return workerOf((await attnbook.load("trainer_program")).default);
  return new Worker(attnbook.address("trainer_worker.js"));
}

class AttentionTrainer extends View {
  #kept = new Map(); // finished runs by their settings
  #run = null; // the one shown
  #client = null;
  #changed = false;
  #drawn = 0; // when the maps were drawn

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css, hint: HINT });
    const { _recorded, _steps, heads, runs } = this.get("_recorded", "_steps", "heads", "runs");
    if (!_recorded?.length || !Array.isArray(runs) || !(_steps > 0) || !HEADS.includes(heads)) throw new Error("recorded runs or settings are missing");
    this.steps = _steps;
    for (const run of _recorded) this.#kept.set(named(run), { ...run, name: named(run), recorded: true });
    this.#build();
    const kinds = { heads: choice(...HEADS), scale: flag, positions: flag, seed: whole(0, SEEDS - 1) };
    followTraits(this, el, signal, { name: "training", place: ".ab-trainer", kinds });
    this.#run = this.#kept.get(this.#name) ?? null;
    if (!this.#run || this.get("training")) this.#later();
    this.follow([...SETTINGS, "training", "runs"]);
    signal.addEventListener("abort", () => this.#client?.then((client) => client.close("the widget was removed"), () => {}), { once: true });
  }

  get #name() {
    return named(this.get(...SETTINGS));
  }

  #build() {
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
    this.reset = button("Reset", () => this.#reset());
    this.status = element("p", { class: "status" });
    this.chart = new Chart(this.steps);
    this.bars = Object.entries(ANSWERS).map(([part, name]) => {
      const bar = { part, fill: element("span", { class: "fill" }), number: element("span", { class: "number" }) };
      bar.node = element("div", { class: "answer" }, element("span", {}, name), element("div", { class: "share" }, bar.fill, bar.number));
      return bar;
    });
    this.maps = new Heads();
    this.legend = new Legend({ name: "weight" });
    const again = (run) => {
      this.#run = null;
      choose(settingsOf(run));
      this.#later();
    };
    this.runs = new Runs({ choose: again, signal });
    this.speaker = new Speaker(signal);
    const caption = (words) => element("p", { class: "caption" }, words);
    const left = element("div", { class: "ab-train-curve" }, caption("training loss per step"), this.chart.node, caption("correct answers on held-out strings"), ...this.bars.map(({ node }) => node));
    this.right = element("div", { class: "ab-train-right" }, caption("query ↓ key →; the first and last rows aren't trained"), this.maps.node, this.legend.node);
    this.root.append(
      element("div", { class: "ab-train-set" }, heads, toggle("scale", "divide by √d"), toggle("positions", "positions"), seed),
      element("div", { class: "ab-train-go" }, this.go, this.reset, this.status),
      element("div", { class: "ab-train-both" }, left, this.right),
      this.runs.node,
      this.speaker.node,
    );
  }

  // Changes that arrive together are handled together.
  #later() {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      if (!this.signal.aborted) this.#follow();
    });
  }

  show(changed) {
    if (SETTINGS.includes(changed) || changed === "training") this.#later();
    else this.#draw(true);
  }

  // Shows the finished run with these settings, or an untrained model, and trains it if that is asked for.
  #follow() {
    const training = this.get("training");
    const other = this.#run?.name !== this.#name;
    if (other && !training && this.#kept.has(this.#name)) this.#run = this.#kept.get(this.#name);
    else if (other || (training && (this.#run.failed || this.#run.step === this.steps))) this.#run = this.#fresh();
    this.#draw(true);
    if (!this.#run.worker && this.#run.step < this.steps) this.#open(this.#run);
    else if (training) this.#train(this.#run);
  }

  #fresh = () => ({ ...this.get(...SETTINGS), name: this.#name, step: 0, losses: [], seconds: 0 });

  #reset() {
    this.#run = this.#fresh();
    this.set({ training: false });
    this.#later();
  }

  #open(run) {
    run.worker = true;
    this.problem = null;
    return this.#try(run, async () => {
      this.#client ??= start().then((worker) => new Client(worker));
      Object.assign(run, await (await this.#client).call("open", settingsOf(run)));
      this.#draw(true);
      if (this.#run === run && !this.get("training")) this.speaker.say(`${run.name}: untrained`);
      this.#train(run);
    });
  }

  #train(run) {
    if (run.busy || !run.maps) return undefined;
    run.busy = true;
    return this.#try(run, async () => {
      const client = await this.#client;
      while (this.#run === run && this.get("training") && run.step < this.steps) {
        const begin = performance.now();
        const { losses, ...report } = await client.call("train", { count: run.step < SLOW ? FEW : MANY });
        run.seconds += (performance.now() - begin) / 1000;
        run.losses.push(...losses);
        Object.assign(run, report);
        if (run.step === this.steps) this.#finish(run);
        if (this.#run === run) this.#draw(run.step === this.steps);
      }
      run.busy = false;
      if (this.#run === run && run.step < this.steps) this.speaker.say(`paused at step ${run.step}`);
    });
  }

  #finish(run) {
    this.#kept.set(run.name, run);
    const [before, after, both] = run.accuracy;
    const others = this.get("runs").filter((one) => named(one) !== run.name);
    this.set({ runs: [...others, { ...settingsOf(run), before, after, both }].slice(-MOST), training: false });
    this.speaker.say(`${run.name}: finished, both letters correct ${percent(both)}`);
  }

  // Says in words why nothing can be trained here.
  async #try(run, work) {
    try {
      await work();
    } catch (error) {
      if (this.signal.aborted) return;
      console.info("attnbook: the training stopped", error);
      this.problem = `This browser can't train here: ${error.message.replace(/\.$/, "")}. The finished runs are still shown.`;
      this.#client = null; // the next training starts another worker
      run.failed = true;
      this.set({ training: false });
      this.#draw(true);
    }
  }

  // `maps`: draw them even under reduced motion.
  #draw(maps) {
    const { training, runs, ...settings } = this.get(...SETTINGS, "training", "runs");
    this.heads.forEach((input) => (input.checked = Number(input.value) === settings.heads));
    this.scale.checked = settings.scale;
    this.positions.checked = settings.positions;
    if (!this.seed.matches(":focus")) this.seed.value = settings.seed; // else the reader is typing
    this.go.textContent = training ? "Pause" : "Train";
    this.runs.show(runs, (run) => named(run) === this.#run?.name && this.#run.step === this.steps);
    this.legend.show({ theme: this.theme });
    const run = this.#run;
    say(this.status, this.problem ?? this.#words(run, training));
    if (!run) return;
    this.root.dataset.step = run.step;
    this.chart.show(run.losses, [...this.#kept.values()].filter((one) => one !== run).map(({ losses }) => losses));
    this.bars.forEach(({ fill, number }, i) => {
      fill.style.width = `${100 * (run.accuracy?.[i] ?? 0)}%`;
      number.textContent = run.accuracy ? percent(run.accuracy[i]) : "";
    });
    const calm = still();
    if (!run.maps || (calm && !maps && performance.now() - this.#drawn < CALM)) return;
    this.#drawn = performance.now();
    this.right.dataset.heads = run.heads;
    this.maps.show({ ...run, theme: this.theme });
  }

  #words(run, training) {
    if (!run?.maps) return "Starting";
    if (run.recorded) return `A recorded run of ${this.steps} steps. Press Train to run it here.`;
    if (run.step === this.steps) return `Finished: ${this.steps} steps in ${run.seconds.toFixed(1)} s.`;
    if (!run.step) return training ? "Starting" : "Untrained.";
    return `${training ? "Step" : "Paused at step"} ${run.step} of ${this.steps}, loss ${run.losses.at(-1).toFixed(2)}.`;
  }
}

export default widget(AttentionTrainer);
