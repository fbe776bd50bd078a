// What all views of one trainer share: its runs, and the worker that trains. Without this, each view would train on its own.

import { Client, workerOf } from "../engine/client.js";
import program from "./program.js";
import { named, percent } from "./runs.js";

export const SETTINGS = ["heads", "scale", "positions", "seed"];
const [SLOW, FEW, MANY] = [60, 2, 10]; // most is learned in the first steps: so show every second one
const MOST = 100; // runs in the table

const settingsOf = (run) => Object.fromEntries(SETTINGS.map((name) => [name, run[name]]));

// A worker can't be started from a file's address, but from its text.
async function start() {
  if (!SITE) return workerOf(program);
  if (location.protocol === "file:") return workerOf((await attnbook.load("trainer_program")).default);
  return new Worker(attnbook.address("trainer_worker.js"));
}

// In a notebook each view has a model object of its own, but all get the same list of recorded runs.
const sessions = new WeakMap();

export function sessionOf(view) {
  const owner = view.get("_recorded");
  if (!sessions.has(owner)) sessions.set(owner, new Session(view));
  return sessions.get(owner);
}

class Session {
  #kept = new Map(); // finished runs by their settings
  #views = new Set();
  #client = null;
  #changed = false;
  run = null; // the one shown
  problem = null; // in words

  constructor(view) {
    const { _recorded, _steps } = view.get("_recorded", "_steps");
    this.steps = _steps;
    for (const run of _recorded) this.#kept.set(named(run), { ...run, name: named(run), recorded: true });
  }

  join(view) {
    this.#views.add(view);
    view.signal.addEventListener("abort", () => this.#leave(view), { once: true });
    this.run ??= this.#kept.get(this.#name) ?? null;
    if (!this.run || view.get("training")) this.later();
  }

  #leave(view) {
    this.#views.delete(view);
    if (this.#views.size) return;
    this.#client?.then((client) => client.close("the widget was removed"), () => {});
    this.#client = null;
    sessions.delete(view.get("_recorded"));
  }

  // Any view: they all have the same traits.
  get #view() {
    return this.#views.values().next().value;
  }

  get #name() {
    return named(this.#view.get(...SETTINGS));
  }

  get #training() {
    return Boolean(this.#view?.get("training"));
  }

  // The losses of the finished runs that aren't shown.
  get others() {
    return [...this.#kept.values()].filter((one) => one !== this.run).map(({ losses }) => losses);
  }

  #draw(maps) {
    for (const view of this.#views) view.draw(maps);
  }

  // Once, whatever the number of views.
  #say(words) {
    this.#view.speaker.say(words);
  }

  // Changes that arrive together are handled together.
  later() {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      if (this.#views.size) this.#follow();
    });
  }

  // Shows the finished run with these settings, or an untrained model, and trains it if that is asked for.
  #follow() {
    const training = this.#training;
    const other = this.run?.name !== this.#name;
    if (other && !training && this.#kept.has(this.#name)) this.run = this.#kept.get(this.#name);
    else if (other || (training && (this.run.failed || this.run.step === this.steps))) this.run = this.#fresh();
    this.#draw(true);
    if (!this.run.worker && this.run.step < this.steps) this.#open(this.run);
    else if (training) this.#train(this.run);
  }

  #fresh = () => ({ ...this.#view.get(...SETTINGS), name: this.#name, step: 0, losses: [], seconds: 0 });

  reset() {
    this.run = this.#fresh();
    this.#view.set({ training: false });
    this.later();
  }

  // Shows a run of the table.
  again(run) {
    this.run = null;
    this.#view.set({ training: false, ...settingsOf(run) });
    this.later();
  }

  #open(run) {
    run.worker = true;
    this.problem = null;
    return this.#try(run, async () => {
      this.#client ??= start().then((worker) => new Client(worker));
      Object.assign(run, await (await this.#client).call("open", settingsOf(run)));
      this.#draw(true);
      if (this.run === run && !this.#training) this.#say(`${run.name}: untrained`);
      this.#train(run);
    });
  }

  #train(run) {
    if (run.busy || !run.maps) return undefined;
    run.busy = true;
    return this.#try(run, async () => {
      const client = await this.#client;
      while (this.run === run && this.#training && run.step < this.steps) {
        const begin = performance.now();
        const { losses, ...report } = await client.call("train", { count: run.step < SLOW ? FEW : MANY });
        run.seconds += (performance.now() - begin) / 1000;
        run.losses.push(...losses);
        Object.assign(run, report);
        if (run.step === this.steps) this.#finish(run);
        if (this.run === run) this.#draw(run.step === this.steps);
      }
      run.busy = false;
      if (this.run === run && run.step < this.steps) this.#say(`paused at step ${run.step}`);
    });
  }

  #finish(run) {
    this.#kept.set(run.name, run);
    const [before, after, both] = run.accuracy;
    const others = this.#view.get("runs").filter((one) => named(one) !== run.name);
    this.#view.set({ runs: [...others, { ...settingsOf(run), before, after, both }].slice(-MOST), training: false });
    this.#say(`${run.name}: finished, both letters correct ${percent(both)}`);
  }

  // Says in words why nothing can be trained here.
  async #try(run, work) {
    try {
      await work();
    } catch (error) {
      if (!this.#views.size) return;
      console.info("attnbook: the training stopped", error);
      this.problem = `This browser can't train here: ${error.message.replace(/\.$/, "")}. The finished runs are still shown.`;
      this.#client = null; // the next training starts another worker
      run.failed = true;
      if (this.run === run) this.run = this.#kept.get(run.name) ?? run;
      this.#view.set({ training: false });
      this.#draw(true);
    }
  }
}
