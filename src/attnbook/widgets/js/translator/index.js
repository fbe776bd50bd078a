// DateTranslator: a trained Transformer translates the typed date, and its attention grows token by token. The first translation
// is part of the widget's state; the model is loaded on first use.

import { fromBase64 } from "../shared/base64.js";
import { say, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { LocalModel } from "../shared/model.js";
import share from "../shared/share.css";
import { visible } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { watchModel, widget } from "../shared/widget.js";
import { Answer, END } from "./answer.js";
import { Asking, LONGEST } from "./asking.js";
import layout from "./layout.css";
import { decodeMap, explorerState } from "./maps.js";
import css from "./style.css";
import { judge, readable } from "./writing.js";

const CHECKPOINT = "dates-translate";
const PATIENCE = 15000; // milliseconds to wait for the model from Python
const KINDS = {
  cross: ["Cross-attention", "Each row is a token being written; its weights show which tokens of your text it attends to."],
  decoder: ["Masked self-attention", "Each row is the newest token; it attends to the tokens written so far and nothing later."],
  encoder: ["Encoder self-attention", "Every token of your text attends to all of them; the tag in front names the target language."],
};
const explorer = () => (SITE ? attnbook.load("attention_explorer") : import("../explorer/index.js").then((module) => module.default));
const program = () => (SITE ? attnbook.load("date_model") : import("./model.js"));

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const identity = ({ text, target }) => JSON.stringify([text, target]);

class DateTranslator extends View {
  #run = 0;
  #opened = 0;
  #played = false;
  #chosen = {}; // layer and head of each kind
  #removeExplorer = () => {};
  #model;

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css });
    const { _languages, _writing, _known, _first } = this.get("_languages", "_writing", "_known", "_first");
    if (!_first?.written?.length || !_known || !_writing || !_languages) throw new Error("the first translation is missing");
    this.known = new Set(_known);
    const maps = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, this.get(`_${kind}`).map(decodeMap)]));
    this.translation = { ..._first, maps };
    this.asked = identity(_first); // the latest request
    this.step = still() ? _first.written.length - 1 : 0;
    this.#build(_languages, _writing);
    this.#remark(this.get("text"));
    this.follow(["text", "target", "kind"]);
    signal.addEventListener("abort", () => this.#removeExplorer());
    const prepare = () => this.#load().catch(() => {}); // an error is reported when a translation is requested
    for (const name of ["pointerenter", "focusin"]) this.root.addEventListener(name, prepare, { once: true, signal });
  }

  get #wanted() {
    return identity(this.get("text", "target"));
  }

  #build(languages, writing) {
    const { signal } = this;
    const ask = (changes) => this.#ask(changes);
    const tell = (words) => say(this.note, words);
    this.asking = new Asking({ languages, writing, ask, tell, signal });
    this.note = element("p", { class: "ab-note", role: "status" });
    this.answer = new Answer({ go: (step) => this.#go(step), signal });
    this.kinds = Object.fromEntries(
      Object.entries(KINDS).map(([kind, [name]]) => {
        const button = element("button", { type: "button", class: "button" }, name);
        button.addEventListener("click", () => this.set({ kind }), { signal });
        return [kind, button];
      }),
    );
    const kinds = element("div", { class: "ab-kinds", role: "group", "aria-label": "Attention shown" }, ...Object.values(this.kinds));
    this.caption = element("p", { class: "ab-caption" });
    this.inner = element("div", { class: "ab-inner" });
    this.speaker = new Speaker(signal);
    this.root.append(this.asking.node, this.note, this.answer.node, kinds, this.caption, this.inner, this.speaker.node);
  }

  get #kind() {
    return this.get("kind") in KINDS ? this.get("kind") : "cross";
  }

  show(changed) {
    this.asking.show(this.get("text", "target"));
    for (const [kind, button] of Object.entries(this.kinds)) button.setAttribute("aria-pressed", String(kind === this.#kind));
    this.caption.textContent = KINDS[this.#kind][1];
    if (this.asked !== this.#wanted) return this.#translate();
    if (!changed && this.#opened) return undefined; // a theme change; the explorer handles it itself
    return changed === "kind" || !changed ? this.#open() : undefined;
  }

  // Accepts the reader's input if any of it is readable. A repeated request repeats the remark.
  #ask(changes) {
    if ("text" in changes && !this.#read(changes.text)) return this.#remark(changes.text);
    const before = this.#wanted;
    this.set(changes);
    if (this.#wanted !== before) return undefined; // `show` has handled it
    return this.failed ? this.#translate() : this.#remark(this.get("text"));
  }

  #read(text) {
    const { read } = readable(text, this.known);
    return read.join("").trim() && read.join("");
  }

  // Translates the latest request; earlier ones still running are dropped.
  async #translate() {
    const run = ++this.#run;
    const stale = () => run !== this.#run || this.signal.aborted;
    const { text, target } = this.get("text", "target");
    this.asked = this.#wanted;
    this.failed = false;
    this.#remark(text);
    try {
      if (!this.#model) this.root.dataset.busy = "true";
      const model = await this.#load();
      const translation = await model.translate(this.#read(text), target, { longest: this.get("_first").longest, stopped: stale });
      if (!translation || stale()) return;
      this.translation = { ...translation, text, target };
      this.#remark(text);
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
    this.loading ??= Promise.all([program(), this.#bytes()]).then(([{ Model }, bytes]) => new Model(bytes, this.get("_languages").map(([code]) => code)));
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
    if (play) this.step = this.translation.written.length - 1;
    const { layers } = this.translation;
    const chosen = (this.#chosen[kind] ??= { layer: layers - 1, head: -1 });
    this.maps = new LocalModel({ ...explorerState(this.translation, kind), ...chosen, frame: this.step, _play: play });
    this.maps.on("change:frame", () => this.#see(this.maps.get("frame")));
    for (const name of ["layer", "head"]) this.maps.on(`change:${name}`, (maps, value) => (chosen[name] = value));
    this.#see(this.step);
    const { render } = await explorer();
    if (opened !== this.#opened || this.signal.aborted) return;
    this.#removeExplorer();
    this.#removeExplorer = render({ model: this.maps, el: this.inner });
    if (!this.#played && !play && !still()) this.#playOnce();
    this.#played = true;
  }

  // The first translation is played when the reader sees it.
  #playOnce() {
    const { maps } = this;
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      if (maps === this.maps) maps.set("_play", true);
    }, { threshold: 0.9 });
    observer.observe(this.answer.node);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  #go(step) {
    this.maps.set("frame", step);
  }

  #see(step) {
    this.step = step;
    const { text, target, written } = this.translation;
    const whole = step === written.length - 1;
    const judged = judge(this.get("_writing"), text, target, written.filter((token) => token !== END).join(""));
    this.answer.show(this.translation, step, target, whole || judged[0] === "doubt" ? judged : ["", ""]);
  }
}

export default widget(DateTranslator);
