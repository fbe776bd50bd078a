// SentenceExplorer: all heads of multilingual-e5-small on a sentence. The maps of some sentences are part of the widget's state; the
// model, which runs on any other, is loaded when the reader asks for it.

import { buttons, say, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Heatmap } from "../shared/heatmap.js";
import { Legend } from "../shared/legend.js";
import { failure, FROM_FILE, Loading } from "../shared/loading.js";
import { short } from "../shared/numbers.js";
import { colors } from "../shared/palette.js";
import share from "../shared/share.css";
import { tokenElement, visible } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { addressOf, followAddress } from "./address.js";
import { Grid } from "./grid.js";
import layout from "./layout.css";
import { decode, HEADS, LAYERS, mapOf, ranked, rowOf, shown } from "./recorded.js";
import css from "./style.css";
import { Words } from "./words.js";

const NAME = "multilingual-e5-small";
const PREFIX = "query: "; // e5 was trained on texts that begin so; it matters for similarity
const LONGEST = 300; // characters in a field
const REST = 700; // milliseconds after the last key
const BEST = 10; // heads in the list
const KEPT = 6; // results: a text and a pair to compare, with and without the cut heads
const TRAITS = ["text", "other", "layer", "head", "query", "key", "cut"];

const program = () => (SITE ? attnbook.load("sentence_model") : import("./model.js"));
const named = ([layer, head]) => `${layer}·${head}`;
const within = (number, count) => Math.max(-1, Math.min(count - 1, number));

class SentenceExplorer extends View {
  #run = 0;
  #results = new Map(); // by text and cut heads
  #timers = {};
  #stop = null; // cancels loading
  #model = null;

  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + share + css });
    const { sentences, _tokens, _maps } = this.get("sentences", "_tokens", "_maps");
    if (!sentences?.length || _tokens?.length !== sentences.length || _maps?.length !== sentences.length) throw new Error("the recorded maps are missing");
    this.recorded = new Map(sentences.map((text, i) => [text, decode({ text, tokens: _tokens[i] }, _maps[i])]));
    this.sentence = this.recorded.get(this.get("text")) ?? this.recorded.values().next().value;
    const page = SITE ? el.closest(".ab-sentences") : el;
    this.#build(sentences);
    this.copy.hidden = !SITE || !page;
    this.#offer();
    if (page) followAddress(this, page, signal);
    window.addEventListener("attnbook-model-here", () => !this.#model && !this.#stop && this.#load(), { signal });
    window.addEventListener("attnbook-model-gone", () => this.#forget(), { signal });
    this.follow(TRAITS);
    this.fit(this.root);
    signal.addEventListener("abort", () => {
      this.#stop?.abort();
      Object.values(this.#timers).forEach(clearTimeout);
    });
  }

  #build(sentences) {
    const { signal } = this;
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    const button = buttons(signal);
    this.fields = { text: this.#field("text", "Type a sentence in any language"), other: this.#field("other", "Type another sentence, in any language") };
    this.examples = element("select", { class: "field", "aria-label": "Recorded sentences" }, element("option", { value: "" }, "Recorded sentences"), ...sentences.map((text) => element("option", { value: text }, text)));
    on(this.examples, "change", () => this.examples.value && this.#ask(this.examples.value));
    this.loading = new Loading({ name: NAME, size: this.get("_size"), purpose: "run any sentence and cut heads", load: () => this.#load(), cancel: () => this.#stop?.abort(), remove: () => this.#remove(), signal });
    this.note = element("p", { class: "ab-remark", role: "status" });
    this.from = new Words("query", { pick: (query) => this.set({ query }), signal });
    this.to = new Words("key", { pick: (key) => this.set({ key }), signal });
    this.line = element("p", { class: "ab-line" });
    this.grid = new Grid({ choose: (layer, head) => this.set({ layer, head }), signal });
    this.about = element("b", {});
    this.cutButton = button("Cut this head", () => this.#toggle(this.get("layer"), this.get("head")));
    this.canvas = element("canvas", { role: "img" });
    this.heatmap = new Heatmap(this.canvas);
    this.legend = new Legend({});
    on(this.canvas, "click", ({ offsetX, offsetY }) => {
      const { row, column } = this.heatmap.cell(offsetX, offsetY);
      this.set({ query: row, key: column });
    });
    this.ranksCaption = element("p", { class: "caption" });
    this.ranks = element("ol", { class: "ranks" });
    on(this.ranks, "click", (event) => {
      const at = event.target.closest("button")?.dataset.at;
      if (at) this.set({ layer: Math.floor(at / HEADS), head: at % HEADS });
    });
    const map = element("div", { class: "ab-one" }, element("div", { class: "over" }, this.about, this.cutButton), this.canvas, this.legend.node);
    const both = element("div", { class: "ab-three" }, this.grid.node, map, element("div", { class: "ab-ranks" }, this.ranksCaption, this.ranks));
    this.cutList = element("p", { class: "cut-list" });
    on(this.cutList, "click", (event) => {
      const at = event.target.closest("button")?.dataset.at;
      if (at === "all") this.set({ cut: [] });
      else if (at) this.#toggle(Math.floor(at / HEADS), at % HEADS);
    });
    this.moved = element("div", { class: "moved" });
    this.similar = element("p", { class: "similar", role: "status" });
    const compare = element("div", { class: "ab-compare" }, element("label", { class: "compared" }, element("span", {}, "Compare with"), this.fields.other), this.similar);
    this.copy = button("Link to this view", () => this.#link());
    this.linked = element("span", { class: "linked", role: "status" });
    this.speaker = new Speaker(signal);
    this.root.append(element("div", { class: "ab-typed" }, this.fields.text, this.examples), this.loading.node, this.note, this.from.node, this.to.node, this.line, both, this.cutList, this.moved, compare, element("div", { class: "ab-foot" }, this.copy, this.linked), this.speaker.node);
  }

  // A text field for a trait, which is set when typing rests.
  #field(trait, words) {
    const field = element("input", { type: "text", class: "field", dir: "auto", maxlength: `${LONGEST}`, spellcheck: "false", autocomplete: "off", placeholder: words, "aria-label": words });
    const typed = () => {
      clearTimeout(this.#timers[trait]);
      if (trait === "text") this.#ask(field.value);
      else this.set({ other: field.value.trim() && field.value });
    };
    const on = (type, call) => field.addEventListener(type, call, { signal: this.signal });
    on("input", () => {
      clearTimeout(this.#timers[trait]);
      this.#timers[trait] = setTimeout(typed, REST);
    });
    on("change", typed);
    on("keydown", (event) => event.key === "Enter" && typed());
    return field;
  }

  #ask(text) {
    if (!text.trim()) return say(this.note, "Type a sentence. The previous one is shown.");
    if (text !== this.get("text")) this.set({ text, query: -1, key: -1 });
    else if (!this.asked) this.show("text"); // the last run failed
    return undefined;
  }

  show(changed) {
    const { text, other, cut } = this.get("text", "other", "cut");
    for (const [name, value] of Object.entries({ text, other })) if (this.fields[name].value.trim() !== value.trim()) this.fields[name].value = value;
    this.examples.value = this.recorded.has(text) ? text : "";
    this.#showCut(cut);
    const asked = JSON.stringify([text, other, cut]);
    if (asked !== this.asked) {
      this.asked = asked;
      this.#update();
    }
    if (changed !== "other") this.#draw();
  }

  // Runs the model on what is asked for, or shows a recorded sentence if the model isn't here.
  async #update() {
    const run = ++this.#run;
    const { text, other, cut } = this.get("text", "other", "cut");
    const recorded = this.recorded.get(text);
    say(this.similar, "");
    if (!this.#model) {
      if (recorded) this.sentence = recorded;
      this.moves = null;
      return this.#remark(recorded ? "" : "This sentence isn't recorded: only the model can run it. ");
    }
    if (recorded && !cut.length) this.sentence = recorded; // until the exact weights are here
    this.root.dataset.busy = "true";
    try {
      const { embed, dot, moves } = await program();
      const whole = await this.#result(text, []);
      const now = cut.length ? await this.#result(text, cut) : whole;
      const pairs = [];
      for (const heads of other ? [[], cut].slice(0, cut.length ? 2 : 1) : []) {
        const [x, y] = [await this.#result(PREFIX + text, heads), await this.#result(PREFIX + other, heads)];
        pairs.push(dot(embed(x), embed(y)));
      }
      if (run !== this.#run || this.signal.aborted) return undefined;
      this.sentence = now;
      this.moves = cut.length ? moves(whole.hidden, now.hidden, now.ids.length) : null;
      this.#showSimilarity(pairs);
      this.#remark(now.whole > now.ids.length ? `The sentence has ${now.whole} tokens; the first ${now.ids.length - 1} and the end token are used. ` : "");
      this.#showCut(cut);
      this.#draw();
      this.speaker.say(`${now.tokens.length} tokens`);
    } catch (error) {
      if (run !== this.#run || this.signal.aborted) return undefined;
      console.warn("attnbook: the sentence could not be read", error);
      this.asked = "";
      this.#remark(`${failure(error, "The model could not run the sentence")} `);
    } finally {
      if (run === this.#run) delete this.root.dataset.busy;
    }
    return undefined;
  }

  // One run of the model; the latest are remembered.
  async #result(text, cut) {
    const key = JSON.stringify([text, cut]);
    const result = this.#results.get(key) ?? { text, ...(await this.#model.run(text, { cut })) };
    this.#results.delete(key);
    this.#results.set(key, result);
    if (this.#results.size > KEPT) this.#results.delete(this.#results.keys().next().value);
    return result;
  }

  #remark(words) {
    const { recorded, text } = this.sentence;
    const cut = this.get("cut").length && recorded ? "To cut heads, load the model. " : "";
    const compared = this.get("other") && !this.#model ? "To compare sentences, load the model. " : "";
    const which = text === this.get("text") ? "" : `Still showing: ${text}`;
    say(this.note, `${recorded && !words ? "Recorded sentence. " : ""}${words}${cut}${compared}${which}`);
  }

  #showSimilarity([whole, now]) {
    if (whole === undefined) return;
    const words = `Cosine of the two sentence embeddings: ${whole.toFixed(3)}`;
    const after = now === undefined ? "" : `; without the cut heads: ${now.toFixed(3)}`;
    say(this.similar, `${words}${after}. In this model even unrelated sentences are at about 0.8, so compare this pair with others.`);
  }

  #showCut(cut) {
    const { layer, head } = this.get("layer", "head");
    const is = cut.some(([l, h]) => l === layer && h === head);
    this.cutButton.textContent = is ? "Restore this head" : "Cut this head";
    this.cutButton.disabled = !is && !this.#model;
    this.cutButton.title = this.cutButton.disabled ? "Load the model to cut heads" : "";
    this.cutButton.setAttribute("aria-pressed", String(is));
    const one = ([l, h]) => element("button", { type: "button", class: "button", "data-at": `${l * HEADS + h}`, "aria-label": `Restore layer ${l}, head ${h}` }, `${l}·${h} ×`);
    const all = element("button", { type: "button", class: "button", "data-at": "all" }, "Restore all");
    this.cutList.replaceChildren(...(cut.length ? [this.#model ? "Cut: " : "To be cut by the model: ", ...cut.map(one), ...(cut.length > 1 ? [all] : [])] : []));
    const moves = cut.length && this.moves?.length === this.sentence.tokens.length ? this.moves : null;
    this.moved.hidden = !moves;
    if (!moves) return;
    const most = Math.max(...moves, 1e-9);
    const bars = this.sentence.tokens.map((token, t) => {
      const fill = element("span", { class: "fill" });
      fill.style.height = `${(100 * moves[t]) / most}%`;
      return element("div", { class: "move", title: `${visible(shown(token))}: ${moves[t].toFixed(4)}` }, element("span", { class: "amount" }, moves[t] === most ? short(moves[t]) : ""), element("span", { class: "pole" }, fill), tokenElement(shown(token), 12));
    });
    this.moved.replaceChildren(element("p", { class: "caption" }, "Change of each token's last hidden state: 1 − cosine with that of the intact model"), element("div", { class: "moves" }, ...bars));
  }

  #toggle(layer, head) {
    const cut = this.get("cut");
    const rest = cut.filter(([l, h]) => l !== layer || h !== head);
    this.set({ cut: rest.length < cut.length ? rest : [...cut, [layer, head]] });
  }

  #draw() {
    const { sentence, theme } = this;
    const { tokens } = sentence;
    const { layer: l, head: h, query: q, key: k, cut } = this.get(...TRAITS);
    const [layer, head] = [Math.min(LAYERS - 1, Math.max(0, l)), Math.min(HEADS - 1, Math.max(0, h))];
    const [query, key] = [within(q, tokens.length), within(k, tokens.length)];
    const row = query < 0 ? null : rowOf(sentence, layer, head, query);
    const word = (i) => visible(shown(tokens[i]));
    this.from.show(tokens, { picked: query, theme });
    this.to.show(tokens, { picked: key, weights: row, theme });
    this.line.replaceChildren(...this.#reading(layer, head, query, key, row));
    const caption = query < 0 ? "Each square is one head's map, scaled to its largest weight" : key < 0 ? `Each square: the weights of the query ${word(query)}` : `Each square: the weight of the query ${word(query)} on the key ${word(key)}`;
    this.grid.show(sentence, { layer, head, query, key, cut: cut.filter(() => !sentence.recorded), theme, caption });
    this.about.textContent = `Layer ${layer}, head ${head}`;
    this.canvas.setAttribute("aria-label", `Map of layer ${layer}, head ${head}: ${tokens.length} queries by ${tokens.length} keys`);
    const side = Math.min(280, this.canvas.parentElement.clientWidth || 220);
    const { paper, ink } = colors(theme);
    const accent = getComputedStyle(this.root).getPropertyValue("--accent");
    const weights = mapOf(sentence, layer, head);
    const peak = Math.max(...weights);
    this.heatmap.show({ weights, mask: null }, { rows: tokens.length, columns: tokens.length, width: side, height: side, peak, floor: 0, theme, paper });
    this.legend.show({ peak, theme });
    this.heatmap.draw({ locked: query, cursor: query >= 0 && key >= 0 ? { row: query, column: key } : null, ink, paper, accent });
    this.#rank(layer, head, query, key);
  }

  #reading(layer, head, query, key, row) {
    const token = (i) => element("b", {}, tokenElement(shown(this.sentence.tokens[i]), 24));
    if (!row) return ["Choose a query: the grid shows what it attends to in each head. Choose a key as well: the grid shows the weight of this pair."];
    if (key >= 0) return [`In layer ${layer}, head ${head}, the query `, token(query), " gives the key ", token(key), " a weight of ", element("b", {}, row[key].toFixed(2)), "."];
    const best = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
    return [`In layer ${layer}, head ${head}, the query `, token(query), " attends mainly to ", ...best.flatMap((i, n) => [n ? ", " : "", token(i), ` (${row[i].toFixed(2)})`]), "."];
  }

  // The list of heads, largest weight first.
  #rank(layer, head, query, key) {
    const { sentence } = this;
    this.ranksCaption.textContent = query < 0 ? "" : key < 0 ? "Heads with the largest weight on another word" : "Heads with the largest weight on this pair";
    const best = query < 0 ? [] : ranked(sentence, query, key).slice(0, BEST);
    this.ranks.replaceChildren(
      ...best.map(([l, h, weight, at]) => {
        const fill = element("span", { class: "fill" });
        fill.style.width = `${100 * weight}%`;
        const name = element("span", { class: "number" }, `${named([l, h])} → `, tokenElement(shown(sentence.tokens[at]), 12), ` ${weight.toFixed(2)}`);
        const node = element("button", { type: "button", class: "rank share", "data-at": `${l * HEADS + h}`, "aria-label": `layer ${l}, head ${h} to ${visible(shown(sentence.tokens[at]))}: ${weight.toFixed(2)}` }, fill, name);
        node.setAttribute("aria-current", String(l === layer && h === head));
        return element("li", {}, node);
      }),
    );
  }

  // What the page says about the model before anybody asks for it.
  #offer() {
    if (SITE && location.protocol === "file:") this.loading.failed(FROM_FILE);
    else this.loading.offer(() => !this.#model && !this.#stop);
  }

  async #load() {
    const stop = (this.#stop = new AbortController());
    const progress = (done, all) => stop === this.#stop && this.loading.progress(done, all);
    progress(0, this.get("_size"));
    try {
      const { openModel } = await program();
      const model = await openModel(NAME, this.model, { progress, signal: stop.signal });
      if (this.signal.aborted) return;
      this.#model = model;
      this.loading.running(model.kernel, await this.loading.kept(), model.store.full);
      this.#update();
    } catch (error) {
      if (this.signal.aborted) return;
      if (error.name === "AbortError") return void this.#offer();
      console.info("attnbook: the model could not be loaded", error);
      this.loading.failed(`${failure(error)} You can still explore the recorded sentences.`, error.reason !== "insecure");
    } finally {
      if (stop === this.#stop) this.#stop = null;
    }
  }

  async #remove() {
    const { removeModel } = await program();
    await removeModel(NAME);
  }

  #forget() {
    this.#model = null;
    this.#results.clear();
    this.set({ cut: [] });
    this.asked = "";
    this.show();
    this.#offer();
  }

  async #link() {
    const link = `${location.href.split("#")[0]}#${addressOf(this)}`;
    try {
      history.replaceState(history.state, "", link);
    } catch {} // some pages are not allowed to change their address
    const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    say(this.linked, copied ? "Link copied. It is also in the address bar." : "The link is in the address bar.");
  }
}

export default widget(SentenceExplorer);
