// LanguageModelExplorer: a published language model in the page. Recorded prompts come with the page; the model is loaded when the
// reader asks for it.

import { removeKept } from "../engine/kept.js";
import { wellFormed } from "../shared/address.js";
import { buttons, say, slider, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Heatmap } from "../shared/heatmap.js";
import { failure, FROM_FILE, Loading } from "../shared/loading.js";
import share from "../shared/share.css";
import { visible } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { followAddress } from "./address.js";
import { Chances } from "./chances.js";
import { Heads, same } from "./heads.js";
import layout from "./layout.css";
import { decodeRows, Reading, scores } from "./reading.js";
import css from "./style.css";
import { Text } from "./text.js";

const [LONGEST, MADE] = [128, 12]; // tokens in all, and generated at a time
const CHARACTERS = 2000; // of a prompt; 128 tokens have fewer
const MAP = 200; // pixels
const remote = () => (SITE ? attnbook.load("language_remote") : import("./remote.js"));
const quoted = (token) => `“${visible(token.trim() || token)}”`;
const RECORDED = "You can still explore the recorded prompts.";
const TRAITS = ["prompt", "position", "key", "layer", "head", "cut", "sort", "temperature", "top_p"];

// Why the model isn't offered on this device, or "".
function refusal() {
  if (SITE && location.protocol === "file:") return `${FROM_FILE} ${RECORDED}`;
  const phone = navigator.userAgentData?.mobile ?? /Android|iPhone|iPad|Mobile/.test(navigator.userAgent);
  const memory = navigator.deviceMemory;
  if (phone && !(memory >= 8)) return `The model needs about 400 MB of memory in this page, so it isn't offered on this phone. ${RECORDED}`;
  if (memory < 4) return `The model needs about 400 MB of memory in this page, and this device has ${memory} GB in all, so it isn't offered. ${RECORDED}`;
  return "";
}

class LanguageModelExplorer extends View {
  #remote = null;
  #loading = null; // the controller of a load in progress
  #run = 0;
  #making = false;
  #prompted = 0; // the run of a prompt that the model is reading
  #changes = null; // per position, [token, before, after]
  #without = []; // the heads that were cut in #changes

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css });
    const { _shape, _names, _readings, _maps } = this.get("_shape", "_names", "_readings", "_maps");
    if (!_readings?.length || _maps?.length !== _readings.length) throw new Error("the recorded prompts are missing");
    this.shape = _shape;
    this.recordings = new Map(_readings.map((one, i) => [one.text, { ..._readings[i], name: _names[i], codes: _maps[i] }]));
    this.#build();
    this.reading = this.#recorded(this.get("prompt")) ?? this.#recorded(_readings[0].text);
    const page = SITE ? el.closest(".ab-language") : el;
    if (page) followAddress(this, page, signal);
    this.follow(TRAITS);
    this.#prompt();
    signal.addEventListener("abort", () => {
      this.#loading?.abort();
      this.#remote?.close();
    });
  }

  #recorded(text) {
    const found = this.recordings.get(text);
    return found && (found.reading ??= new Reading(found, decodeRows(found.codes, found.ids.length, this.shape[0] * this.shape[1])));
  }

  #build() {
    const { signal } = this;
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    const button = buttons(signal);
    const names = [...this.recordings].map(([text, { name }]) => element("option", { value: text }, name));
    this.examples = element("select", { class: "field", "aria-label": "Recorded prompts" }, element("option", { value: "", hidden: true }, "Your prompt"), ...names);
    on(this.examples, "change", () => this.set({ prompt: this.examples.value, position: -1, cut: [] }));
    this.field = element("textarea", { class: "field", rows: "2", maxlength: `${CHARACTERS}`, spellcheck: "false", dir: "auto", "aria-label": "Prompt" });
    on(this.field, "keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      this.#ask();
    });
    const ask = element("div", { class: "ab-lm-ask" }, this.field, element("div", { class: "beside" }, this.examples, button("Run the model", () => this.#ask())));
    this.loading = new Loading({ name: this.get("_model"), size: this.get("_bytes").file, purpose: "run any prompt, generate text and cut any head", load: () => this.#load(), cancel: () => this.#loading?.abort(), remove: () => this.#remove(), signal });
    this.loading.node.classList.add("ab-lm-load");
    this.note = element("p", { class: "ab-lm-note", role: "status" });
    const last = (position) => (position === this.reading.length - 1 ? -1 : position);
    // While heads are ranked by a pair, choosing an earlier token chooses the pair's key.
    const choose = (position) => (this.get("sort") === "pair" && position < this.#position ? this.set({ key: position }) : this.set({ position: last(position) }));
    this.text = new Text({ choose, pair: (key) => this.set({ key, sort: "pair" }), signal });
    this.chances = new Chances({ append: (token) => this.#append(token), signal });
    this.temperature = slider("temperature", { min: 0, max: 2, step: 0.05, change: (temperature) => this.set({ temperature }), signal });
    this.topP = slider("top-p", { min: 0.05, max: 1, step: 0.05, change: (top_p) => this.set({ top_p }), signal });
    this.next = button("Next token", () => this.#make(1));
    this.make = button("", () => (this.#making ? (this.#making = false) : this.#make(MADE)));
    this.again = button("Remove generated tokens", () => this.#prompt());
    this.cache = element("p", { class: "cache" });
    this.fill = element("div", { class: "fill" });
    const cache = element("div", { class: "cache-box" }, element("div", { class: "share", "aria-hidden": "true" }, this.fill), this.cache);
    const making = element("div", { class: "ab-lm-make" }, this.temperature.node, this.topP.node, element("div", { class: "buttons" }, this.next, this.make, this.again), cache);
    this.canvas = element("canvas", { role: "img" });
    this.heatmap = new Heatmap(this.canvas);
    this.about = element("p", { class: "about" });
    const map = element("div", { class: "ab-lm-map" }, this.about, this.canvas);
    this.heads = new Heads(this.shape, {
      choose: (layer, head) => this.set({ layer, head }),
      cut: (cut) => this.set({ cut }),
      sort: (sort) => this.set({ sort }),
      signal,
    });
    this.speaker = new Speaker(signal);
    const both = element("div", { class: "ab-lm-both" }, element("div", { class: "ab-lm-side" }, this.chances.node, making), map);
    this.root.append(ask, this.loading.node, this.note, this.text.node, both, this.heads.node, this.speaker.node);
    this.#offer();
  }

  // What the page says about the model before anybody asks for it.
  #offer() {
    const refused = refusal();
    if (refused) this.loading.failed(refused, false);
    else this.loading.offer(() => !this.#remote && !this.#loading);
  }

  #ask() {
    const prompt = wellFormed(this.field.value);
    if (!prompt) return say(this.note, "Type some text first.");
    if (prompt !== this.get("prompt")) return this.set({ prompt, position: -1, cut: [] });
    return this.#prompt();
  }

  get #position() {
    const position = this.get("position");
    return position < 0 || position >= this.reading.length ? this.reading.length - 1 : position;
  }

  show(changed) {
    if (changed === "prompt") return this.#prompt();
    if (changed === "cut") this.#compare();
    const { layer, head, sort, cut, key, temperature, top_p, _bytes } = this.get("_bytes", ...TRAITS);
    const { reading, theme } = this;
    const position = this.#position;
    const index = layer * this.shape[1] + head;
    const weights = reading.row(index, position);
    this.text.show(reading, { position, key: sort === "pair" ? key : -1, weights, peak: 1, theme });
    const listed = this.#changes?.[position] ?? reading.likeliest[position];
    this.chances.show({ token: reading.tokens[position], listed, next: reading.tokens[position + 1], cut: this.#changes?.[position], live: this.#remote && !this.#prompted && position === reading.length - 1 });
    this.temperature.show(temperature, temperature ? temperature.toFixed(2) : "greedy");
    this.topP.show(top_p, top_p.toFixed(2));
    this.topP.input.disabled = !temperature; // the most probable token is always among the kept ones
    const values = scores(reading, sort, this.shape[0] * this.shape[1], { position, key });
    const pair = sort === "pair" && key <= position && [reading.tokens[position], reading.tokens[key]].map(quoted).join(" on ");
    this.heads.show({ values, sort, pair, layer, head, cut, sets: reading.cuts, live: this.#remote, theme });
    this.heads.tell(this.#told());
    this.about.textContent = `Layer ${layer}, head ${head}: a row per query`;
    this.canvas.setAttribute("aria-label", `Attention weights of layer ${layer}, head ${head}, ${reading.length} tokens`);
    const paper = getComputedStyle(this.root).getPropertyValue("--bg").trim() || "#fff";
    this.heatmap.show(reading.map(index), { rows: reading.length, columns: reading.length, width: MAP, height: MAP, peak: 1, theme, paper });
    this.heatmap.draw({ ink: "", paper, accent: "" });
    this.cache.textContent = `Key/value cache: ${reading.length} tokens, ${((reading.length * _bytes.cached) / 1e6).toFixed(2)} MB`;
    this.fill.style.width = `${(100 * reading.length) / LONGEST}%`;
    this.make.textContent = this.#making ? "Stop" : `Generate ${MADE} tokens`;
    this.again.hidden = reading.length === reading.promptLength;
    for (const node of [this.next, this.make]) node.disabled = !this.#remote || this.#prompted || (reading.length >= LONGEST && !this.#making);
  }

  // Runs the prompt: with the model if it is here, else from the recordings.
  async #prompt() {
    const run = ++this.#run;
    this.#making = false;
    const text = this.get("prompt");
    this.field.value = text;
    this.examples.value = this.recordings.has(text) ? text : "";
    let reading = this.#recorded(text);
    if (this.#remote) {
      if (text.length > CHARACTERS) {
        this.#prompted = 0;
        this.show();
        return say(this.note, `The prompt has ${text.length} characters, and the model reads at most ${LONGEST} tokens. Below is still the previous prompt.`);
      }
      this.#prompted = run; // meanwhile, no token can be added to the previous text
      this.show();
      say(this.note, "The model is running the prompt.");
      try {
        reading = await this.#remote.read(text);
      } catch (problem) {
        if (run !== this.#run) return;
        say(this.note, failure(problem, "The model could not run the prompt"));
        this.#prompted = 0;
        return this.show();
      }
      if (run !== this.#run) return;
      this.#prompted = 0;
      if (this.recordings.has(text)) reading.cuts = this.recordings.get(text).cuts;
    }
    if (!reading) return say(this.note, "This prompt isn't recorded: load the model to run it. Below is still the previous prompt.");
    this.reading = reading;
    say(this.note, this.#remote ? "" : "Recorded prompt. Choose a token: the table shows what may follow it. Choose a head: the links show its weights.");
    this.#changes = null;
    this.#compare();
    this.show();
  }

  // Compares with the cut heads left out.
  async #compare() {
    const cut = this.get("cut");
    const { reading } = this;
    const known = reading.cuts.find(({ heads }) => same(heads, cut));
    if (cut.length && known && reading.length === reading.promptLength) this.#change(known.changes, cut);
    else if (!cut.length || !this.#remote) this.#change(null, []);
    else {
      try {
        const changes = await this.#remote.compare(reading.ids, this.#cutIndices);
        if (reading !== this.reading || cut !== this.get("cut")) return;
        this.#change(changes, cut);
      } catch (problem) {
        say(this.note, failure(problem, "The model could not run the prompt"));
        return;
      }
      this.show();
    }
  }

  #change(changes, cut) {
    this.#changes = changes;
    this.#without = cut;
  }

  // What the cut changes at the chosen position.
  #told() {
    const named = (cut) => `head${cut.length > 1 ? "s" : ""} ${cut.map((pair) => pair.join("·")).join(", ")}`;
    const cut = this.get("cut");
    if (!cut.length) return "Cut a head to see what depends on it: its output becomes zero, and all later layers work without it.";
    const changes = this.#changes?.[this.#position];
    if (!changes) return this.#remote ? "" : `To see the text without ${named(cut)}, load the model.`;
    const [token, before, after] = changes.reduce((best, one) => (one[1] > best[1] ? one : best)); // the most probable one before
    return `Without ${named(this.#without)}, the probability of ${quoted(token)} ${after < before ? "falls" : "rises"} from ${before.toFixed(3)} to ${after.toFixed(3)}.`;
  }

  get #cutIndices() {
    return this.get("cut").map(([layer, head]) => layer * this.shape[1] + head).sort((a, b) => a - b);
  }

  // Generates tokens one by one, without the cut heads.
  async #make(count) {
    const run = ++this.#run;
    this.#making = true;
    try {
      for (let made = 0; made < count && this.#making && run === this.#run && this.reading.length < LONGEST; made++) {
        const { temperature, top_p: topP } = this.get("temperature", "top_p");
        const cut = this.#cutIndices;
        if (cut.length) await this.#remote.compare(this.reading.ids, cut);
        else await this.#remote.call("read", { ids: this.reading.ids });
        const { id, end } = await this.#remote.call("next", { temperature, topP, cut });
        if (run !== this.#run) return;
        if (end) {
          say(this.note, "The model produced its end token here.");
          break;
        }
        await this.#extend(id, run);
      }
    } catch (problem) {
      if (run === this.#run) say(this.note, failure(problem, "The model could not run the prompt"));
    } finally {
      if (run === this.#run) {
        this.#making = false;
        this.speaker.say(this.reading.tokens.slice(this.reading.promptLength).join(""));
        this.show();
      }
    }
  }

  async #extend(id, run) {
    const { text, ids, promptLength, cuts } = this.reading;
    const reading = await this.#remote.read(text, [...ids, id], promptLength);
    if (run !== this.#run) return;
    this.reading = Object.assign(reading, { cuts });
    this.#changes = null;
    if (this.get("position") >= 0) this.set({ position: -1 });
    await this.#compare();
    this.show();
  }

  async #append(token) {
    const run = ++this.#run;
    this.#making = false;
    const id = await this.#remote.call("id", { token });
    if (this.reading.length < LONGEST) await this.#extend(id, run);
  }

  async #load() {
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.loading.progress(0, this.get("_bytes").file);
    try {
      const { Remote } = await remote();
      const progress = (done, all) => signal.aborted || this.loading.progress(done, all);
      const opened = await Remote.open({ model: this.model, name: this.get("_model"), progress, signal });
      const kept = await this.loading.kept();
      signal.throwIfAborted(); // cancelled at the last moment
      this.#remote = opened;
      this.loading.running(opened.kernel, kept, opened.store.full);
      await this.#prompt();
    } catch (problem) {
      if (signal.aborted) {
        this.#loading = null;
        return this.#offer();
      }
      console.info("attnbook: the model could not be loaded", problem);
      this.#loading.abort(); // chunks still on their way would report progress over the failure
      this.loading.failed(`${failure(problem)} ${RECORDED}`, problem.reason !== "insecure");
    }
    this.#loading = null;
    return undefined;
  }

  async #remove() {
    this.#remote?.close();
    this.#remote = null;
    this.#prompted = 0;
    this.#run++;
    await removeKept(this.get("_model"));
    this.#offer();
    await this.#prompt();
    this.show();
  }
}

export default widget(LanguageModelExplorer);
