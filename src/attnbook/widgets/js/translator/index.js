// DateTranslator: a trained Transformer translates the typed date, and its attention grows token by token. The first translation
// is part of the widget's state; the model is loaded on first use.

import { fromBase64 } from "../shared/base64.js";
import { buttons, say, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { LocalModel } from "../shared/model.js";
import share from "../shared/share.css";
import { still } from "../shared/theme.js";
import { visible } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { watchModel, widget } from "../shared/widget.js";
import { followAddress } from "./address.js";
import { Answer, END } from "./answer.js";
import { Asking, LONGEST } from "./asking.js";
import layout from "./layout.css";
import { decodeMap, explorerState, sides } from "./maps.js";
import css from "./style.css";
import { judge, readable } from "./writing.js";

const CHECKPOINT = "dates-translate";
const PATIENCE = 15000; // milliseconds to wait for the model from Python
const KINDS = {
  cross: ["Cross-attention", "Each row is a token being written; its weights show which tokens of your text it attends to."],
  decoder: ["Masked self-attention", "Each row is the newest token; it attends to the tokens written so far and nothing later."],
  encoder: ["Encoder self-attention", "Every token of your text attends to all of them; the tag in front names the target language."],
};
const CUT = "Click a head, a cell, or a label of a row or column: the model answers again without it. Click it again to undo.";
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const explorer = () => (SITE ? attnbook.load("attention_explorer") : import("../explorer/index.js").then((module) => module.default));
const flow = () => (SITE ? attnbook.load("date_flow") : import("../flow/index.js"));
const program = () => (SITE ? attnbook.load("date_model") : import("./model.js"));

const identity = ({ text, target, cuts = [] }) => JSON.stringify([text, target, ...cuts]);
const wholeHeads = (cuts) => cuts.filter((cut) => cut.split(".").length < 4); // the others name positions of one text

class DateTranslator extends View {
  #run = 0;
  #opened = 0;
  #played = false;
  #chosen = {}; // layer and head of each kind
  #removeExplorer = () => {};
  #damaging = 0;
  #model;

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css });
    const { _languages, _writing, _known, _first } = this.get("_languages", "_writing", "_known", "_first");
    if (!_first?.written?.length || !_known || !_writing || !_languages) throw new Error("the first translation is missing");
    this.known = new Set(_known);
    this.targets = _languages.map(([code]) => code);
    this.streams = this.get("_streams") ?? []; // sent if the flow is drawn
    this.drawing = new LocalModel({ step: null, head: null, heatmaps: !this.streams.length }); // see flow/index.js
    this.page = SITE ? el.closest(".ab-translator") : el; // what an address leads to
    const maps = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, this.get(`_${kind}`).map(decodeMap)]));
    this.translation = this.whole = { ..._first, maps }; // `whole`: the translation without cuts
    this.asked = identity(_first); // the latest request
    this.step = still() ? _first.written.length - 1 : 0;
    this.#build(_languages, _writing);
    this.#remark(this.get("text"));
    this.follow(["text", "target", "kind", "cuts"]);
    if (this.page) followAddress(this, signal);
    signal.addEventListener("abort", () => this.#removeExplorer());
    const prepare = () => this.#load().catch(() => {}); // an error is reported when a translation is requested
    for (const name of ["pointerenter", "focusin"]) this.root.addEventListener(name, prepare, { once: true, signal });
  }

  get #wanted() {
    return identity(this.get("text", "target", "cuts"));
  }

  #build(languages, writing) {
    const { signal } = this;
    const ask = (changes) => this.#ask(changes);
    const tell = (words) => say(this.note, words);
    this.asking = new Asking({ languages, writing, ask, tell, signal });
    this.note = element("p", { class: "ab-note", role: "status" });
    this.answer = new Answer({ go: (step) => this.#go(step), signal });
    const button = buttons(signal);
    this.kinds = Object.fromEntries(Object.entries(KINDS).map(([kind, [name]]) => [kind, button(name, () => this.set({ kind }))]));
    const toggle = (text, title, call) => {
      const press = ({ currentTarget: node }) => {
        node.setAttribute("aria-pressed", String(!pressed(node)));
        call();
      };
      return button(text, press, { class: "button tool", "aria-pressed": "false", title });
    };
    this.cutting = toggle("✂ cut", "Then click a head, a cell, a row's label or a column's label: the model answers again without it", () => this.#tell());
    this.damage = toggle("damage", "How much less likely the answer becomes without each head", () => this.#damage());
    const shown = element("div", { class: "kinds", role: "group", "aria-label": "Attention shown" }, ...Object.values(this.kinds));
    const tools = element("div", { class: "tools", role: "group", "aria-label": "Take parts away" }, this.cutting, this.damage);
    const kinds = element("div", { class: "ab-kinds" }, shown, tools);
    this.effect = element("div", { class: `place-of-effect ${this.get("cuts").length ? "is-cut" : ""}` }); // its room is kept
    this.sum = element("div");
    this.caption = element("p", { class: "ab-caption" });
    this.inner = element("div", { class: "ab-inner" });
    this.speaker = new Speaker(signal);
    this.below = element("div", {}, kinds, this.caption, this.inner);
    if (this.streams.length) {
      this.place = element("div", { class: "ab-flow" }, element("div", { class: "ab-flow-stage" }), element("p", { class: "ab-flow-says" }), element("div", { class: "ab-flow-bar" }));
      this.place.style.setProperty("--rows", Math.max(this.translation.source.length, this.translation.written.length));
      this.answer.node.classList.add("with-flow");
      this.mapping = toggle("heatmaps", "All heads as heatmaps; there you can also cut heads, cells, rows and columns", () => this.drawing.set("heatmaps", pressed(this.mapping)));
      this.answer.button.before(this.mapping);
      this.below.hidden = true;
      watchModel(this.drawing, { "change:heatmaps": () => this.#showMaps() }, signal);
    }
    this.placeTour(this.asking.node.firstChild);
    this.root.append(this.asking.node, this.note, ...(this.place ? [this.place] : []), this.answer.node, this.sum, this.effect, this.below, this.speaker.node);
  }

  #showMaps() {
    const shown = this.drawing.get("heatmaps");
    this.mapping.setAttribute("aria-pressed", String(shown));
    this.below.hidden = !shown;
    if (shown) this.#open();
  }

  get #kind() {
    return this.get("kind") in KINDS ? this.get("kind") : "cross";
  }

  show(changed) {
    this.asking.show(this.get("text", "target"));
    for (const [kind, button] of Object.entries(this.kinds)) button.setAttribute("aria-pressed", String(kind === this.#kind));
    this.#tell();
    if (this.asked !== this.#wanted) return changed || this.#opened ? this.#translate() : this.#translateLater();
    if (changed === "kind" && this.below.hidden) return this.drawing.set("heatmaps", true);
    if (!changed && this.#opened) return this.flow?.repaint(); // a theme change; the explorer handles it itself
    return changed === "kind" || !changed ? this.#open() : undefined;
  }

  // The line above the map: what it shows, or what a click cuts.
  #tell() {
    const cutting = pressed(this.cutting);
    this.caption.textContent = cutting ? CUT : KINDS[this.#kind][1];
    this.maps?.set("_cutting", cutting);
    if (cutting) this.#load().catch(() => {});
  }

  // Accepts the reader's input if any of it is readable. A repeated request repeats the remark.
  #ask(changes) {
    if ("text" in changes && !this.#read(changes.text)) return this.#remark(changes.text);
    const before = this.#wanted;
    const kept = wholeHeads(this.get("cuts"));
    this.set(kept.length < this.get("cuts").length ? { ...changes, cuts: kept } : changes);
    if (this.#wanted !== before) return undefined; // `show` has handled it
    return this.failed ? this.#translate() : this.#remark(this.get("text"));
  }

  #read(text) {
    const { read } = readable(text, this.known);
    return read.join("").trim() && read.join("");
  }

  // What was asked before the page was opened, such as cuts, needs the model, which is large: it waits until the reader is near.
  #translateLater() {
    this.#open();
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      if (this.asked !== this.#wanted) this.#translate();
    });
    observer.observe(this.root);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  // Translates the latest request; earlier ones still running are dropped.
  async #translate() {
    const run = ++this.#run;
    const stale = () => run !== this.#run || this.signal.aborted;
    const { text, target, cuts: texts } = this.get("text", "target", "cuts");
    this.asked = this.#wanted;
    this.failed = false;
    if (text !== this.translation.text || target !== this.translation.target) this.drawing.set("step", null);
    this.#remark(text);
    try {
      if (!this.#model) this.root.dataset.busy = "true";
      const model = await this.#load();
      const read = this.#read(text);
      const cuts = texts.map(this.program.readCut).filter(Boolean);
      const translate = (cuts) => model.translate(read, target, { longest: this.get("_first").longest, stopped: stale, cuts });
      if (identity(this.whole) !== identity({ text, target })) {
        const whole = await translate([]);
        if (!whole || stale()) return;
        this.whole = { ...whole, text, target };
      }
      const translation = cuts.length ? await translate(cuts) : this.whole;
      if (!translation || stale()) return;
      this.translation = { ...translation, text, target, cuts: texts };
      this.#remark(text);
      this.#showEffect(model, read, cuts);
      this.speaker.say(`${translation.written.slice(0, translation.ended ? -1 : undefined).join("")}`);
      this.#open(true);
    } catch (error) {
      console.warn("attnbook: the model cannot be used", error);
      if (stale()) return;
      this.failed = true;
      say(this.note, "The model could not be loaded. The previous translation is shown.");
      if (!this.#opened) this.#open();
    } finally {
      delete this.root.dataset.busy;
    }
  }

  // What the cuts changed, beside the answer without them.
  #showEffect(model, read, cuts) {
    const { cutInWords, Effect, writeCut } = this.program;
    const undo = (text) => this.set({ cuts: text ? this.get("cuts").filter((one) => one !== text) : [] });
    if (!this.effects && !cuts.length) return;
    if (!this.effects) {
      this.effects = new Effect({ root: this.root.getRootNode(), undo, signal: this.signal });
      this.effect.append(this.effects.node);
    }
    const { whole, translation } = this;
    const best = ({ likeliest }) => likeliest.map(([[, share]]) => Math.log(share)); // greedy decoding writes the likeliest tokens
    const same = whole.written.join("\n") === translation.written.join("\n");
    const [before, after] = [best(whole), same ? best(translation) : model.score(read, whole.target, whole.written, cuts)];
    const named = cuts.map((cut) => [writeCut(cut), cutInWords(cut, ...sides(whole, cut.kind))]);
    this.effects.show(named, whole.written, translation.written, before.map((value, i) => value - after[i]));
    this.speaker.say(this.effects.words.textContent);
  }

  // Cuts what the reader clicked, or undoes the cut.
  #cut({ kind = this.#kind, layer, head, row, column }) {
    const text = this.program.writeCut({ kind, layer, head, row, column });
    const cuts = this.get("cuts");
    this.set({ cuts: cuts.includes(text) ? cuts.filter((one) => one !== text) : [...cuts, text] });
  }

  // Shows the damage of each head in the map's thumbnails, or hides it.
  async #damage() {
    const run = ++this.#damaging;
    const { maps } = this;
    if (!pressed(this.damage)) return maps.set("_damage", null);
    const stopped = () => run !== this.#damaging || maps !== this.maps || this.signal.aborted;
    try {
      const model = await this.#load();
      const { text, target, written, cuts = [] } = this.translation;
      const read = cuts.map(this.program.readCut).filter(Boolean);
      const found = await model.damage(this.#read(text), target, written, this.#kind, { stopped, cuts: read });
      if (found && !stopped()) maps.set("_damage", found);
    } catch (error) {
      console.warn("attnbook: the model cannot be used", error);
      say(this.note, "The model could not be loaded, so the damage is unknown.");
    }
    return undefined;
  }

  // Warns about input that the model was not trained on.
  #remark(text) {
    const { read, strange } = readable(text, this.known);
    const { longestRead } = this.get("_first");
    const words = [];
    if (text.length >= LONGEST) words.push(`The field holds ${LONGEST} characters; the rest was cut off. `);
    if (strange.length) {
      const marks = strange.slice(0, 5).flatMap((one, i) => [i ? " " : "", element("mark", {}, visible(one))]);
      words.push("The model has never seen ", ...marks, strange.length > 5 ? " and others" : "", `: no date it was trained on has ${strange.length > 1 ? "them" : "it"}, so it skips ${strange.length > 1 ? "them" : "it"}. `);
    }
    if (!this.#read(text)) words.push("Nothing is left to translate. The previous translation is shown below.");
    else if (read.length > longestRead) words.push(`It was trained on dates of at most ${longestRead} characters; yours has ${read.length}. `);
    const shown = identity(this.translation) === identity({ text, target: this.get("target") });
    if (shown && !this.translation.ended) words.push("It stopped without an end token.");
    say(this.note, ...words);
  }

  // Loads the model once: from the site on the book's pages, from Python in a notebook.
  #load() {
    this.loading ??= Promise.all([program(), this.#bytes()]).then(([program, bytes]) => {
      this.program = program;
      return new program.Model(bytes, this.get("_languages").map(([code]) => code));
    });
    this.loading.then((model) => (this.#model = model), () => (this.loading = null));
    return this.loading;
  }

  #bytes() {
    if (SITE) return attnbook.load(CHECKPOINT).then((text) => fromBase64(text).buffer);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("no answer from Python")), PATIENCE);
      const come = (message, [view] = []) => {
        if (message?.model !== CHECKPOINT) return;
        clearTimeout(late);
        resolve(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
      };
      watchModel(this.model, { "msg:custom": come }, this.signal);
      this.model.send({ model: CHECKPOINT });
    });
  }

  // Shows the translation's maps in an explorer that keeps step, layer and head.
  async #open(play = false) {
    const opened = ++this.#opened;
    const kind = this.#kind;
    const { text, target } = this.translation;
    const again = this.drawn?.text === text && this.drawn.target === target; // only the cuts have changed: the picture stays where it is
    if (play && !again) this.step = this.translation.written.length - 1;
    this.step = Math.min(this.step, this.translation.written.length - 1);
    if (this.place && !(await this.#draw(play && !again && this.below.hidden, opened))) return;
    if (this.below.hidden) return;
    const { layers, cuts = [] } = this.translation;
    const chosen = (this.#chosen[kind] ??= { layer: layers - 1, head: -1 });
    this.maps = new LocalModel({ ...explorerState(this.translation, kind), ...chosen, frame: Math.max(0, this.step), _play: play, _cutting: pressed(this.cutting), _cuts: cuts.filter((cut) => cut.startsWith(`${kind}.`)) });
    this.maps.on("change:_cut", (_, cut) => this.#load().then(() => this.#cut(cut), () => {}));
    this.maps.on("change:frame", () => this.#see(this.maps.get("frame")));
    for (const name of ["layer", "head"]) this.maps.on(`change:${name}`, (maps, value) => (chosen[name] = value));
    this.#see(this.step);
    const { render } = await explorer();
    if (opened !== this.#opened || this.signal.aborted) return;
    const focused = this.inner.getRootNode().activeElement === this.inner.firstElementChild && this.inner.firstElementChild;
    this.#removeExplorer();
    this.#removeExplorer = render({ model: this.maps, el: this.inner });
    if (focused) this.inner.firstElementChild.shadowRoot.querySelector(".map").focus({ preventScroll: true });
    if (pressed(this.damage)) this.#damage();
    if (!this.#played && !play && !still()) this.#playOnce();
    this.#played = true;
  }

  // Draws the flow of the translation, and plays it if `play`, or if it is the first and the reader sees it. False if another
  // translation has come meanwhile.
  async #draw(play, opened) {
    const part = await flow().catch((error) => console.warn("attnbook: the flow cannot be drawn", error));
    if (!part) {
      this.place.remove();
      this.place = null;
      this.mapping.hidden = true;
      this.below.hidden = false; // nothing else shows the attention
      return opened === this.#opened;
    }
    const { Flow, Sum, decodeStreams } = part;
    if (opened !== this.#opened || this.signal.aborted) return false;
    const { translation } = this;
    translation.stream ??= decodeStreams(this.streams, this.get("_steps"), translation, translation.layers);
    if (!this.flow) {
      const sums = new Sum({ cut: (cell) => this.#load().then(() => this.#cut({ ...cell, kind: "cross" }), () => {}), signal: this.signal });
      this.flow = new Flow({ state: this.drawing, go: (step) => this.#go(step), zoom: (cell) => this.#zoom(sums, cell), signal: this.signal });
      this.flow.style(this.root.getRootNode());
      this.place.replaceWith(this.flow.node);
      this.sum.append(sums.node);
    }
    if (this.drawn !== translation) {
      this.sum.firstChild.hidden = true;
      this.drawn = translation;
      this.flow.show(translation, this.step);
      const plays = !still() && this.drawing.get("step") === null; // else the address names a step
      if (plays && !this.#played) {
        this.flow.rewind();
        this.#playOnce();
      } else if (plays && play) this.flow.play(true);
      this.#played = true;
    }
    this.#see(this.flow.row);
    return true;
  }

  // Shows how a weight is computed.
  async #zoom(sums, { layer, head, row, column }) {
    const { translation } = this;
    try {
      const model = await this.#load();
      if (translation !== this.translation) return;
      const { text, target, written, cuts = [] } = translation;
      const read = cuts.map(this.program.readCut).filter(Boolean);
      sums.show({ layer, head, row, column }, model.inspect(this.#read(text), target, written, { layer, head, row, cuts: read }), translation);
      this.speaker.say(sums.title.textContent);
    } catch (error) {
      console.warn("attnbook: the model cannot be used", error);
      say(this.note, "The model could not be loaded, so its sums are unknown.");
    }
  }

  // The first translation is played when the reader sees it.
  #playOnce() {
    const { maps } = this;
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      if (this.flow) this.flow.play();
      else if (maps === this.maps) maps.set("_play", true);
    }, { threshold: this.flow ? 0.6 : 0.9 });
    observer.observe(this.flow ? this.flow.stage : this.answer.node);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  #go(step) {
    if (this.flow) this.#see(step);
    if (this.maps && !this.below.hidden && step >= 0) this.maps.set("frame", step);
  }

  #see(step) {
    this.step = step;
    this.flow?.at(step);
    const { text, target, written } = this.translation;
    const whole = step === written.length - 1;
    const answer = whole ? written.filter((token) => token !== END).join("") : null;
    this.answer.show(this.translation, step, target, judge(this.get("_writing"), this.#read(text) || text, target, answer));
  }
}

export default widget(DateTranslator);
