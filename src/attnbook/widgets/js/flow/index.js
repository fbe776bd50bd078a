// What passes through the model, in one picture: the vectors of the text's tokens in the encoder, of the written tokens in the
// decoder, and ribbons for the cross-attention between them. A part of the date translator, loaded on demand.

import { say } from "../shared/controls.js";
import { adopt, element } from "../shared/dom.js";
import { still } from "../shared/theme.js";
import { tokenElement } from "../shared/tokens.js";
import { watchModel } from "../shared/widget.js";
import { between, Picture } from "./picture.js";
import { Playback } from "./playback.js";
import { columnsOf } from "./streams.js";
import css from "./style.css";
import { foundInWords, mostRead, stageInWords, stepInWords, weightsOf } from "./words.js";

export { decodeStreams } from "./streams.js";
export { Sum } from "./sum.js";

const LIT = 0.85; // the part of a stage after which its token is written
const DENSE = 8; // pixels: in lower rows only the tokens that are read are labelled
const END = "⟨end⟩";
const [PLAY, PAUSE] = ["▶ play", "❚❚ pause"];

export class Flow {
  #hovered = null; // what `Picture.under` found
  #marked = [];
  #known = new Map(); // weights of the translation's rows

  // `state` is a model: `step`, the stage shown at rest (see `Playback.place`; null: the last), and `head`, the cross-attention shown,
  // such as "1.2", or "1.*" for the mean over a layer's heads (null: that of the last layer). `go(row)` is called when a token is
  // written (-1: before the first), `zoom(cell)` when the reader asks how a weight is computed.
  constructor({ state, go, zoom, signal }) {
    Object.assign(this, { state, go, zoom });
    this.playback = new Playback({ tick: () => this.#tick(), arrive: () => this.#arrive(), end: () => this.#rest() });
    this.picture = new Picture();
    this.#build();
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    on(this.button, "click", () => (this.playback.running ? this.stop() : this.play()));
    on(this.back, "click", () => this.#jump(this.playback.place - 1));
    on(this.next, "click", () => this.#jump(this.playback.place + 1));
    on(this.slider, "input", () => this.#jump(Number(this.slider.value)));
    on(this.heads, "change", () => state.set("head", this.heads.value));
    on(this.stage, "pointermove", (event) => this.#point(event));
    on(this.stage, "pointerleave", () => this.#hover(null));
    on(this.stage, "click", (event) => this.#click(event));
    on(this.outputs, "keydown", (event) => this.#press(event));
    on(this.outputs, "focusin", ({ target }) => target.dataset.row && target.matches(":focus-visible") && this.#jump(this.#first + Number(target.dataset.row)));
    watchModel(state, { "change:head": () => this.#choose(), "change:step": () => this.#follow() }, signal);
    const observer = new ResizeObserver(() => this.translation && this.#lay());
    observer.observe(this.stage);
    signal.addEventListener("abort", () => (observer.disconnect(), this.playback.rest()));
  }

  #build() {
    const aside = { "aria-hidden": "true" };
    this.headings = element("div", { class: "flow-heads", ...aside });
    this.sources = element("div", { class: "flow-sources", ...aside });
    this.reads = element("div", { class: "flow-reads", ...aside });
    this.outputs = element("div", { class: "flow-outputs", role: "group", "aria-label": "The written tokens" });
    this.tip = element("div", { class: "flow-tip", hidden: true });
    this.stage = element("div", { class: "ab-flow-stage" }, this.headings, this.picture.node, this.sources, this.reads, this.outputs, this.tip);
    this.says = element("p", { class: "ab-flow-says" });
    const button = (words, name, label = {}) => element("button", { type: "button", class: `button ${name}`, ...label }, words);
    this.button = button(PLAY, "flow-play");
    this.back = button("‹", "flow-by", { "aria-label": "One step back" });
    this.next = button("›", "flow-by", { "aria-label": "One step on" });
    this.slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "Step" });
    this.heads = element("select", { class: "field", "aria-label": "Cross-attention shown" });
    this.bar = element("div", { class: "ab-flow-bar" }, this.button, this.back, this.slider, this.next, this.heads);
    this.node = element("div", { class: "ab-flow" }, this.stage, this.says, this.bar);
  }

  // Adds the styles to the widget's own.
  style(root) {
    adopt(root, css);
  }

  get #first() {
    return this.translation.layers + 1; // the stage of the first token
  }

  get #last() {
    return this.#first + this.translation.written.length - 1;
  }

  // The token of the current stage; -1 in the encoder.
  get row() {
    return Math.max(-1, this.playback.place - this.#first);
  }

  // The row whose ribbons are shown.
  get #shown() {
    return this.#hovered?.row ?? this.row;
  }

  // Shows a translation, at one of its steps if the state names none.
  show(translation, step) {
    const { source, written, layers, heads } = translation;
    this.#hover(null);
    this.translation = translation;
    this.#known.clear();
    this.columns = columnsOf(translation);
    this.node.style.setProperty("--rows", Math.max(source.length, written.length));
    const each = Array.from({ length: heads }, (_, head) => head);
    const names = Array.from({ length: layers }, (_, layer) => [[`${layer}.*`, `layer ${layer}, all heads`], ...each.map((head) => [`${layer}.${head}`, `layer ${layer}, head ${head}`])]);
    this.heads.replaceChildren(...names.flat().map(([value, name]) => element("option", { value }, name)));
    this.slider.max = this.#last;
    this.sources.replaceChildren(...source.map((token) => element("span", {}, tokenElement(token, 5))));
    this.reads.replaceChildren(...written.map((_, row) => element("span", {}, row ? tokenElement(written[row - 1], 5) : "start")));
    this.outputs.replaceChildren(...written.map((token, row) => {
      const button = element("button", { type: "button", class: "flow-out", tabindex: "-1" }, token === END ? "end" : tokenElement(token, 5));
      button.dataset.row = row;
      return button;
    }));
    this.#stand(this.state.get("step") ?? (step < 0 ? 0 : this.#first + step));
    this.#choose();
    this.#lay();
  }

  // Shows a step that was chosen elsewhere.
  at(row) {
    if (this.playback.running || row < 0 || row === this.row) return;
    this.#stand(this.#first + row);
    this.#rest();
  }

  // Shows the beginning: the text's embeddings.
  rewind() {
    this.#stand(0);
    this.go(-1);
    this.#settle();
  }

  // Plays on, from the start if it is at the end, or `typed`: from the first token, which is written at once.
  play(typed = false) {
    this.#hover(null);
    const { place } = this.playback;
    const from = typed ? [this.#first, LIT] : place === this.#last ? [0, 0] : [place && place + 1, 0];
    this.playback.play(...from, { first: this.#first, last: this.#last });
    this.button.textContent = PAUSE;
    this.go(typed ? 0 : Math.max(-1, this.row - 1));
  }

  stop() {
    if (!this.playback.running) return;
    this.playback.rest();
    this.#rest();
  }

  // Stands still at a place.
  #stand(place) {
    this.playback.rest(between(0, place, this.#last));
    this.button.textContent = PLAY;
  }

  #jump(place) {
    this.#hover(null);
    this.#stand(place);
    this.#rest();
  }

  // What follows when the reader has stopped it, or it has ended.
  #rest() {
    const { place } = this.playback;
    this.button.textContent = PLAY;
    this.go(this.row);
    this.#settle();
    this.state.set("step", place === this.#last ? null : place);
  }

  // The state was changed elsewhere, such as by the page's address.
  #follow() {
    const place = between(0, this.state.get("step") ?? this.#last, this.translation ? this.#last : 0);
    if (!this.translation || this.playback.running || place === this.playback.place) return;
    this.#stand(place);
    this.go(this.row);
    this.#settle();
  }

  // Shows the cross-attention that the state names.
  #choose() {
    if (!this.translation) return;
    this.heads.value = this.state.get("head") ?? "";
    if (!this.heads.value) this.heads.value = `${this.translation.layers - 1}.*`;
    const [layer, head] = this.heads.value.split(".");
    this.attention = { kind: "cross", layer: Number(layer), head };
    [...this.outputs.children].forEach((button, row) => button.setAttribute("aria-label", stepInWords(this.translation, row, this.#weights(row))));
    this.#settle();
  }

  // Each frame needs a row's weights several times.
  #weights(row, attention = this.attention) {
    const key = [attention.kind, attention.layer, attention.head, row].join();
    if (!this.#known.has(key)) this.#known.set(key, weightsOf(this.translation, row, attention));
    return this.#known.get(key);
  }

  #tick() {
    this.#mark();
    if (!still()) this.#draw();
  }

  #arrive() {
    this.go(this.row);
    if (still()) this.#draw();
  }

  #settle() {
    this.#mark();
    this.#draw();
  }

  // Marks the current tokens, and says the step.
  #mark() {
    const { translation, row, attention } = this;
    const { place, progress } = this.playback;
    if (!attention) return;
    const shown = this.#shown;
    const lit = progress > LIT;
    const key = [translation, attention, place, lit, shown, this.#hovered?.column];
    if (key.every((one, i) => one === this.#marked[i])) return;
    this.#marked = key;
    const weights = shown < 0 ? [] : this.#weights(shown);
    const words = shown < 0 ? stageInWords(translation, place) : stepInWords(translation, shown, weights, lit || shown !== row);
    say(this.says, words);
    this.slider.value = place;
    this.slider.setAttribute("aria-valuetext", words);
    this.back.disabled = place === 0;
    this.next.disabled = place === this.#last;
    const done = row + (lit ? 1 : 0);
    [...this.outputs.children].forEach((button, at) => {
      button.classList.toggle("is-written", at < done);
      button.classList.toggle("now", at === shown && at < done);
      button.tabIndex = at === Math.max(0, row) ? 0 : -1;
    });
    [...this.reads.children].forEach((one, at) => (one.hidden = at > row) || one.classList.toggle("now", at === shown));
    const column = this.#hovered?.column;
    const alone = column !== undefined && this.#hovered.row === undefined;
    const read = new Set(alone ? [column] : mostRead(weights));
    [...this.sources.children].forEach((label, at) => {
      const part = alone ? Number(at === column) : (weights[at] ?? 0);
      label.style.setProperty("--share", `${Math.round(50 * part)}%`);
      label.classList.toggle("read", read.has(at));
    });
  }

  // Puts everything where the size of the stage wants it.
  #lay() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width) return;
    const { picture } = this;
    picture.lay(width, height, this.translation, this.columns);
    const { narrow, tight, each, from, to, start, end } = picture;
    this.sources.classList.toggle("is-dense", each.encoder < DENSE);
    for (const [node, left, wide, side] of [[this.sources, 0, picture.labels, "encoder"], [this.reads, to + 2, picture.reads, "decoder"], [this.outputs, end + 4, width - end - 4, "decoder"]]) {
      node.style.cssText = `left:${left}px;width:${wide}px;top:${picture.top}px;--each:${each[side]}px;--size:${between(0, Math.floor(each[side] * 0.8), 14)}px`;
    }
    const heading = (words, left, right, kind) => {
      const node = element("span", { class: kind }, words);
      node.style.cssText = `left:${left}px;width:${right - left}px`;
      return node;
    };
    const blocks = [heading("Encoder", picture.labels, from, "is-key block"), heading(narrow ? "attention" : "Cross-attention", from, to, "is-value block middle"), heading("Decoder", start, end, "is-query block")];
    const columns = [...this.columns.filter((one) => one.isState || !tight).map((one) => heading(one.name, one.x, one.right, `column ${one.tone}`)), heading("writes", end, width, "block last")];
    this.headings.replaceChildren(...blocks, ...(narrow ? [] : columns));
    this.repaint();
  }

  // Paints the vectors again: the theme or the size is another.
  repaint() {
    if (!this.picture.width) return;
    this.picture.paint();
    this.#settle();
  }

  get #scene() {
    const { translation, row, attention } = this;
    const { place, progress } = this.playback;
    return { translation, place, progress, row, attention, shown: this.#shown, hovered: this.#hovered, weights: (row, of) => this.#weights(row, of) };
  }

  #draw() {
    if (this.picture.tones && this.picture.columns === this.columns) this.picture.draw(this.#scene);
  }

  #point({ clientX, clientY }) {
    if (this.playback.running || !this.picture.tones) return null;
    const box = this.stage.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    const found = this.picture.under(x, y, this.#scene);
    this.#hover(found);
    const words = found && foundInWords(found, this.translation, (...asked) => this.#weights(...asked));
    this.tip.hidden = !words;
    if (words) {
      say(this.tip, words);
      const [right, below] = [this.picture.width - this.tip.offsetWidth, y + 18];
      this.tip.style.cssText = `left:${between(0, x + 12, Math.max(0, right))}px;top:${below}px`;
    }
    return found;
  }

  #hover(found) {
    const same = ["row", "column", "vector"].every((name) => this.#hovered?.[name] === found?.[name]);
    this.#hovered = found;
    if (!found) this.tip.hidden = true;
    if (!same && this.translation) this.#settle();
  }

  #click(event) {
    if (!this.translation) return undefined;
    const button = event.target.closest?.("[data-row]");
    if (button) return this.#jump(this.#first + Number(button.dataset.row));
    if (this.playback.running) return this.stop();
    const found = this.#point(event); // a finger doesn't hover
    if (found?.row === undefined) return undefined;
    return found.column === undefined ? this.#jump(this.#first + found.row) : this.#zoom(found.row, found.column);
  }

  // With the mean shown, the head with the largest weight is taken.
  #zoom(row, column) {
    const { kind, layer, head } = this.attention;
    const weight = (head) => this.#weights(row, { kind, layer, head })[column];
    const strongest = Array.from({ length: this.translation.heads }, (_, head) => head).sort((a, b) => weight(b) - weight(a))[0];
    this.zoom({ layer, head: head === "*" ? strongest : Number(head), row, column });
  }

  // Arrow keys go from token to token; Enter asks how the largest weight is computed.
  #press(event) {
    const row = Number(event.target.dataset.row);
    const last = this.translation.written.length - 1;
    const next = { ArrowDown: row + 1, ArrowRight: row + 1, ArrowUp: row - 1, ArrowLeft: row - 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter") {
      event.preventDefault();
      this.#jump(this.#first + row);
      this.#zoom(row, mostRead(this.#weights(row))[0]);
    }
    if (next === undefined) return;
    event.preventDefault();
    this.#jump(this.#first + between(0, next, last));
    this.outputs.children[between(0, next, last)].focus();
  }
}
