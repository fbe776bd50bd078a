// What passes through the model, in one picture: the vectors of the text's tokens in the encoder, of the written tokens in the
// decoder, and ribbons for the cross-attention between them. A part of the date translator, loaded on demand.

import { say } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { tokenElement, visible } from "../shared/tokens.js";
import css from "./flow.css";
import { columnsOf, decodeStreams } from "./streams.js";

export { decodeStreams };
export { Sum } from "./sum.js";

const [STAGE, TOKEN] = [450, 260]; // milliseconds for a stage of the encoder, and for a token
const READ = 0.05; // a smaller weight is not mentioned
const DRAWN = 0.004; // a smaller weight has no ribbon
const LIT = 0.85; // the part of a stage after which its token is written
const END = "⟨end⟩";
const BARCODE = "a stripe for each number, above the line if it is positive, below if it is negative; the larger, the stronger";
const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const between = (low, x, high) => Math.max(low, Math.min(high, x));
const ease = (x) => x * x * (3 - 2 * x);
const quoted = (token) => `“${visible(token).replaceAll("␠", "␣")}”`;

export class Flow {
  #place = 0; // the stage: of the encoder from 0 to `layers`, then one for each token
  #progress = 1; // how much of the stage is shown
  #frame = 0;
  #hovered = null; // what `#under` found
  #head = -1; // -1: the mean over the heads

  // `go(step)` is called when a token is written (-1: before the first), `zoom(cell)` when the reader asks how a weight is computed.
  constructor({ go, zoom, signal }) {
    Object.assign(this, { go, zoom, signal });
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.heads = element("div", { class: "flow-heads", "aria-hidden": "true" });
    this.sources = element("div", { class: "flow-sources", "aria-hidden": "true" });
    this.reads = element("div", { class: "flow-reads", "aria-hidden": "true" });
    this.outputs = element("div", { class: "flow-outputs", role: "group", "aria-label": "The written tokens" });
    this.tip = element("div", { class: "flow-tip", hidden: true });
    this.stage = element("div", { class: "ab-flow-stage" }, this.heads, this.canvas, this.sources, this.reads, this.outputs, this.tip);
    this.says = element("p", { class: "ab-flow-says" });
    this.button = element("button", { type: "button", class: "button flow-play" }, "▶ play");
    this.slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "Step" });
    this.layer = element("select", { class: "field", "aria-label": "Cross-attention shown" });
    this.bar = element("div", { class: "ab-flow-bar" }, this.button, this.slider, this.layer);
    this.node = element("div", { class: "ab-flow" }, this.stage, this.says, this.bar);
    on(this.button, "click", () => (this.#frame ? this.stop() : this.play()));
    on(this.slider, "input", () => this.#jump(Number(this.slider.value)));
    on(this.layer, "change", () => {
      [this.shown, this.#head] = this.layer.value.split(".").map(Number);
      [...this.outputs.children].forEach((button, row) => button.setAttribute("aria-label", this.#words(row)));
      this.#settle();
    });
    on(this.stage, "pointermove", (event) => this.#point(event));
    on(this.stage, "pointerleave", () => this.#hover(null));
    on(this.stage, "click", (event) => this.#click(event));
    on(this.outputs, "keydown", (event) => this.#press(event));
    on(this.outputs, "focusin", (event) => event.target.dataset.row && event.target.matches(":focus-visible") && this.#jump(this.#first + Number(event.target.dataset.row)));
    const observer = new ResizeObserver(() => this.translation && this.#lay());
    observer.observe(this.stage);
    signal.addEventListener("abort", () => (observer.disconnect(), cancelAnimationFrame(this.#frame)));
  }

  // Adds the styles to the widget's own.
  style(root) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }

  get #first() {
    return this.translation.layers + 1; // the stage of the first token
  }

  get #last() {
    return this.#first + this.translation.written.length - 1;
  }

  get #row() {
    return this.#place - this.#first;
  }

  // Shows a translation, at one of its steps.
  show(translation, step) {
    const { source, written, layers, heads } = translation;
    this.stop();
    this.#hover(null);
    this.translation = translation;
    this.columns = columnsOf(translation);
    this.shown = Math.min(this.shown ?? layers - 1, layers - 1);
    this.node.style.setProperty("--rows", Math.max(source.length, written.length));
    const names = Array.from({ length: layers }, (_, l) => [[`${l}.-1`, `layer ${l}, all heads`], ...Array.from({ length: heads }, (_, h) => [`${l}.${h}`, `layer ${l}, head ${h}`])]).flat();
    this.layer.replaceChildren(...names.map(([value, name]) => element("option", { value }, name)));
    this.layer.value = `${this.shown}.${this.#head}`;
    this.slider.max = this.#last;
    this.sources.replaceChildren(...source.map((token) => element("span", {}, tokenElement(token, 5))));
    this.reads.replaceChildren(...written.map((_, row) => element("span", {}, row ? tokenElement(written[row - 1], 5) : "start")));
    this.outputs.replaceChildren(...written.map((token, row) => {
      const button = element("button", { type: "button", class: "flow-out", tabindex: "-1", "aria-label": this.#words(row) }, token === END ? "end" : tokenElement(token, 5));
      button.dataset.row = row;
      return button;
    }));
    this.#place = step < 0 ? 0 : this.#first + step;
    this.#progress = 1;
    this.#lay();
    this.#settle();
  }

  // Shows a step that was chosen elsewhere.
  at(step) {
    if (this.#frame || step < 0 || step === this.#row) return;
    this.#place = this.#first + step;
    this.#progress = 1;
    this.#settle();
  }

  // Shows the beginning: the text's embeddings.
  rewind() {
    [this.#place, this.#progress] = [0, 1];
    this.go(-1);
    this.#settle();
  }

  // Plays on, from the start if it is at the end, or `typed`: from the first token, which is written at once.
  play(typed = false) {
    this.stop();
    this.#hover(null);
    if (typed) [this.#place, this.#progress] = [this.#first, LIT];
    else if (this.#place === this.#last) [this.#place, this.#progress] = [0, 0];
    else if (this.#progress === 1 && this.#place > 0) [this.#place, this.#progress] = [this.#place + 1, 0];
    else this.#progress = 0;
    this.go(typed ? 0 : Math.max(-1, this.#row - 1));
    let before = performance.now();
    const tick = (now) => {
      const past = Math.min(100, now - before);
      before = now;
      const jumps = still();
      this.#progress += past / (this.#place < this.#first ? STAGE : TOKEN);
      while (this.#progress >= 1) {
        this.#arrive();
        if (this.#place === this.#last) {
          this.#progress = 1;
          this.stop();
          return this.#settle();
        }
        this.#place++;
        this.#progress -= 1;
      }
      this.#mark();
      if (!jumps) this.#draw();
      this.#frame = requestAnimationFrame(tick);
      return undefined;
    };
    this.#frame = requestAnimationFrame(tick);
    this.button.textContent = "❚❚ pause";
  }

  stop() {
    if (!this.#frame) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.button.textContent = "▶ play";
    if (this.#progress < 1) this.#progress = 1;
    this.#arrive();
    this.#settle();
  }

  #arrive() {
    this.go(Math.max(-1, this.#row));
    if (still()) this.#draw();
  }

  #jump(place) {
    if (this.#frame) this.stop();
    this.#hover(null);
    this.#place = between(0, place, this.#last);
    this.#progress = 1;
    this.go(Math.max(-1, this.#row));
    this.#settle();
  }

  // The step in words, without the token if it isn't `written` yet.
  #words(row, lit = true) {
    const { written, source, likeliest } = this.translation;
    const result = lit ? `; writes ${quoted(written[row])} (${digits(likeliest[row][0][1])})` : "";
    return `Step ${row + 1} of ${written.length}: ${this.#most(this.#weights(row), source)}${result}`;
  }

  #stageWords() {
    const { source } = this.translation;
    return this.#place ? `Encoder layer ${this.#place - 1}: attention and feed-forward each add a vector to every token's` : `The ${source.length} tokens of the text: embeddings plus positions`;
  }

  #settle() {
    this.#mark();
    this.#draw();
  }

  // Marks the current tokens, and says the step.
  #mark() {
    const { translation } = this;
    const row = this.#seen;
    const lit = this.#progress > LIT;
    const key = [this.#place, lit, row, this.#hovered?.column, this.layer.value].join();
    if (key === this.marked && translation === this.markedFor) return;
    [this.marked, this.markedFor] = [key, translation];
    const words = row < 0 ? this.#stageWords() : this.#words(row, lit || row !== this.#row);
    say(this.says, words);
    this.slider.value = this.#place;
    this.slider.setAttribute("aria-valuetext", words);
    const done = this.#row + (lit ? 1 : 0);
    [...this.outputs.children].forEach((button, at) => {
      button.classList.toggle("is-written", at < done);
      button.classList.toggle("now", at === row && at < done);
      button.tabIndex = at === Math.max(0, this.#row) ? 0 : -1;
    });
    [...this.reads.children].forEach((one, at) => (one.hidden = at > this.#row) || one.classList.toggle("now", at === row));
    const weights = row < 0 ? [] : this.#weights(row);
    const column = this.#hovered?.column;
    translation.source.forEach((_, at) => {
      const share = column === undefined || this.#hovered.row !== undefined ? (weights[at] ?? 0) : Number(at === column);
      this.sources.children[at].style.setProperty("--share", `${Math.round(50 * share)}%`);
    });
  }

  // The row whose ribbons are shown.
  get #seen() {
    return this.#hovered?.row ?? this.#row;
  }

  // The weights of one row of the cross-attention shown, or those of another attention, as the mean over its heads.
  #weights(row, kind = "cross", layer = this.shown) {
    const { maps, source, written, heads } = this.translation;
    const length = kind === "decoder" ? written.length : source.length;
    const of = (head) => maps[kind][layer * heads + head].subarray(row * length, (row + 1) * length);
    if (this.#head >= 0 && kind === "cross") return of(this.#head);
    const all = Array.from({ length: heads }, (_, head) => of(head));
    return all[0].map((_, s) => all.reduce((sum, one) => sum + one[s], 0) / heads);
  }

  // Where everything is, for the stage's size.
  #lay() {
    const { clientWidth: width, clientHeight } = this.stage;
    if (!width) return;
    const top = 34;
    const { source, written } = this.translation;
    const rows = Math.max(source.length, written.length);
    const height = clientHeight - top;
    const narrow = width < 620;
    const [labels, outputs, reads, space] = narrow ? [20, 26, 0, 2] : [40, 48, 40, 4];
    const middle = between(56, 0.19 * width, 240);
    const units = this.columns.reduce((sum, one) => sum + one.share, 0);
    const unit = (width - labels - outputs - reads - middle - space * this.columns.length) / units;
    let x = labels;
    this.columns.forEach((column, i) => {
      if (column.side === "decoder" && this.columns[i - 1].side === "encoder") x += middle + reads;
      Object.assign(column, { x, width: column.share * unit });
      x += column.width + space;
    });
    const encoder = this.columns.filter((one) => one.side === "encoder");
    const decoder = this.columns.filter((one) => one.side === "decoder");
    const right = ({ x, width }) => x + width;
    const each = height / rows;
    Object.assign(this, { width, height: clientHeight, top, each, narrow, labels });
    this.from = right(encoder.at(-1)) + 2;
    this.to = decoder[0].x - reads - 4;
    this.end = right(decoder.at(-1));
    this.node.classList.toggle("is-narrow", narrow);
    for (const [node, left, wide] of [[this.sources, 0, labels], [this.reads, this.to + 2, reads], [this.outputs, this.end + space, outputs]]) {
      node.style.cssText = `left:${left}px;width:${wide}px;top:${top}px;--each:${each}px;--size:${between(0, Math.floor(each * 0.8), 14)}px`;
    }
    const title = (words, left, to, kind) => {
      const node = element("span", { class: kind }, words);
      node.style.cssText = `left:${left}px;width:${to - left}px`;
      return node;
    };
    const titles = [title("Encoder", labels, this.from, "is-key block"), title(narrow ? "attention" : "Cross-attention", this.from, this.to, "is-value block middle"), title("Decoder", decoder[0].x, this.end, "is-query block")];
    if (!narrow) titles.push(...this.columns.map((one) => title(one.name, one.x, right(one), `column ${one.tone}`)), title("writes", this.end, width, "block last"));
    this.heads.replaceChildren(...titles);
    this.#paint();
    this.#settle();
  }

  // Draws all vectors once, for the theme and the size, on a canvas from which `#draw` copies.
  repaint() {
    if (!this.translation) return;
    this.#paint();
    this.#draw();
  }

  #paint() {
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(this.width * scale), Math.round(this.height * scale)];
    if (!w || !h) return;
    for (const canvas of [this.canvas, (this.sheet ??= document.createElement("canvas"))]) Object.assign(canvas, { width: w, height: h });
    this.scale = scale;
    const styles = getComputedStyle(this.node);
    const probe = this.sheet.getContext("2d");
    this.tones = Object.fromEntries(["key", "query", "value", "fg", "muted", "faint", "line", "bg"].map((name) => {
      probe.fillStyle = "#888";
      probe.fillStyle = styles.getPropertyValue(`--${name}`).trim();
      return [name, probe.fillStyle];
    }));
    probe.scale(scale, scale);
    for (const column of this.columns) this.#paintColumn(probe, column);
  }

  // A vector as a barcode around the rail: a stripe for each number, above the rail if positive, below if negative, and the
  // darker the larger.
  #paintColumn(to, { rows, size, x, width, tone, peak }) {
    const color = this.tones[tone];
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const count = rows.length / size;
    const bars = document.createElement("canvas");
    Object.assign(bars, { width: size, height: 2 * count });
    const context = bars.getContext("2d");
    const image = context.createImageData(size, 2 * count);
    rows.forEach((value, i) => {
      const at = 4 * ((2 * Math.floor(i / size) + (value < 0 ? 1 : 0)) * size + (i % size));
      image.data.set([r, g, b, 255 * Math.min(1, Math.abs(value) / peak) ** 0.75], at);
    });
    context.putImageData(image, 0, 0);
    const half = between(0.5, this.each / 2 - (this.each > 9 ? 1.5 : 0.5), 10);
    for (let row = 0; row < count; row++) {
      const middle = this.top + (row + 0.5) * this.each;
      to.globalAlpha = 0.09;
      to.fillStyle = color;
      to.fillRect(x, middle - half, width, 2 * half);
      to.globalAlpha = 1;
      to.drawImage(bars, 0, 2 * row, size, 1, x, middle - half, width, half - 0.25);
      to.drawImage(bars, 0, 2 * row + 1, size, 1, x, middle + 0.25, width, half - 0.25);
    }
  }

  #draw() {
    if (!this.width || !this.tones) return;
    const { scale, top, each, tones, translation, labels } = this;
    const { source } = translation;
    const context = this.canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const encoding = this.#place < this.#first;
    const seen = this.#seen;
    const weights = seen < 0 ? null : this.#weights(seen);
    const only = this.#hovered && this.#hovered.row === undefined ? this.#hovered.column : undefined;
    const middle = (row) => top + (row + 0.5) * each;

    // The encoder: its stages are drawn from left to right, for all tokens at once.
    const stages = this.columns.filter((one) => one.side === "encoder");
    const shown = stages.filter((one) => one.stage <= this.#place);
    const newest = shown.filter((one) => one.stage === this.#place);
    const reach = !encoding ? this.from : newest[0].x + ease(this.#progress) * (newest.at(-1).x + newest.at(-1).width - newest[0].x);
    context.strokeStyle = tones.key;
    context.lineWidth = 1;
    for (let row = 0; row < source.length; row++) {
      const strong = only !== undefined ? (row === only ? 1 : 0.25) : weights ? 0.35 + 0.65 * Math.min(1, 2.5 * weights[row]) : 1;
      context.globalAlpha = 0.5 * strong;
      this.#line(context, labels - 2, reach, middle(row));
      context.globalAlpha = strong;
      this.#copy(context, labels, reach, row);
    }

    // The ribbons: all rows so far faintly, the current one in full.
    const done = encoding ? -1 : this.#row;
    const start = this.columns.find((one) => one.side === "decoder").x - 2;
    context.fillStyle = tones.value;
    const ribboned = ease(between(0, (this.#progress - 0.05) / 0.5, 1));
    context.globalAlpha = 1;
    if (done > 0) context.drawImage(this.#fog(done), 0, 0, this.width, this.height);
    if (only !== undefined) for (let row = 0; row <= done; row++) this.#ribbons(context, row, 1, (s) => (s === only ? 0.8 : 0));
    else if (seen >= 0 && seen <= done) {
      const chosen = this.#hovered?.column;
      this.#ribbons(context, seen, seen === done ? ribboned : 1, (s) => (chosen === undefined || chosen === s ? 0.75 : 0.25));
    }

    // The decoder: a row for each token written.
    for (let row = 0; row <= done; row++) {
      const part = row === done ? ease(between(0, (this.#progress - 0.1) / 0.75, 1)) : 1;
      const until = start + part * (this.end - start);
      context.globalAlpha = row === seen ? 1 : 0.5;
      context.strokeStyle = tones.query;
      this.#line(context, start, until, middle(row));
      this.#copy(context, start, until, row);
    }
    if (seen >= 0 && only === undefined && seen <= done) {
      context.globalAlpha = 1;
      context.strokeStyle = tones.query;
      context.lineWidth = 1.25;
      context.strokeRect(start + 0.5, top + seen * each + 0.5, this.end - start + 1, each - 1);
    }
    context.globalAlpha = 1;
    if (this.#hovered?.vector?.layer !== undefined) this.#arcs(context, this.#hovered);
  }

  // The self-attention that a vector comes from: arcs over the states it reads, each as wide as its weight.
  #arcs(context, { row, column, vector }) {
    const { tones, top, each } = this;
    const state = this.columns[this.columns.indexOf(vector) - 1];
    const at = row ?? column;
    const weights = this.#weights(at, vector.side, vector.layer);
    const x = state.x + state.width;
    context.globalAlpha = 0.72;
    context.fillStyle = tones.bg;
    context.fillRect(state.x, top, state.width, this.height - top);
    context.strokeStyle = tones.value;
    const to = top + (at + 0.5) * each;
    weights.forEach((weight, s) => {
      if (weight < DRAWN) return;
      const from = top + (s + 0.5) * each;
      context.globalAlpha = 0.35 + 0.6 * weight;
      context.lineWidth = Math.max(0.7, weight * (each - 2));
      context.beginPath();
      context.moveTo(x, from);
      if (s === at) context.lineTo(x - 0.4 * state.width, from);
      else context.bezierCurveTo(x - state.width, from, x - state.width, to, x, to);
      context.stroke();
    });
    context.globalAlpha = 1;
  }

  #line(context, from, to, y) {
    if (to <= from) return;
    context.beginPath();
    context.moveTo(from, y);
    context.lineTo(to, y);
    context.stroke();
  }

  // Copies a row of the painted vectors.
  #copy(context, from, to, row) {
    const width = to - from;
    if (width <= 0.5) return;
    const { scale, top, each } = this;
    const box = [from, top + row * each, width, each];
    context.drawImage(this.sheet, ...box.map((n) => n * scale), ...box);
  }

  // A row's ribbons, stacked where they end. Each is as wide as its weight.
  *#paths(row) {
    const { from, to, top, each } = this;
    const weights = this.#weights(row);
    const full = Math.max(2, each - 2);
    let end = top + row * each + (each - full) / 2;
    for (let s = 0; s < weights.length; s++) {
      const wide = weights[s] * full;
      const start = top + (s + 0.5) * each - wide / 2;
      if (weights[s] >= DRAWN) yield { s, weight: weights[s], from, to, start, end, wide: Math.max(0.7, wide) };
      end += wide;
    }
  }

  // The ribbons of the rows before `row`, drawn once.
  #fog(row) {
    const key = [row, this.layer.value, this.width, this.height, this.scale, this.tones.value].join();
    if (this.fogged === key && this.foggedFor === this.translation) return this.mist;
    [this.fogged, this.foggedFor] = [key, this.translation];
    this.mist ??= document.createElement("canvas");
    Object.assign(this.mist, { width: this.sheet.width, height: this.sheet.height });
    const context = this.mist.getContext("2d");
    context.scale(this.scale, this.scale);
    context.fillStyle = this.tones.value;
    for (let before = 0; before < row; before++) this.#ribbons(context, before, 1, () => 0.07);
    return this.mist;
  }

  #ribbons(context, row, part, strength) {
    if (part <= 0) return;
    const reach = this.from + part * (this.to - this.from);
    context.save();
    context.beginPath();
    context.rect(this.from, 0, reach - this.from, this.height);
    context.clip();
    for (const { s, from, to, start, end, wide } of this.#paths(row)) {
      const bend = (from + to) / 2;
      context.globalAlpha = strength(s);
      if (!context.globalAlpha) continue;
      context.beginPath();
      context.moveTo(from, start);
      context.bezierCurveTo(bend, start, bend, end, to, end);
      context.lineTo(to, end + wide);
      context.bezierCurveTo(bend, end + wide, bend, start + wide, from, start + wide);
      context.fill();
    }
    context.restore();
    context.globalAlpha = 1;
  }

  // What is under the pointer: a ribbon { row, column }, a token of the text { column } or a written token { row }, the last two
  // with the column of the vector there.
  #under(event) {
    const box = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { source } = this.translation;
    const row = Math.floor((y - this.top) / this.each);
    if (row < 0 || !this.tones) return null;
    const vector = this.columns.find((one) => x >= one.x && x <= one.x + one.width);
    if (x < this.from) return row < source.length ? { column: row, vector: vector?.stage <= this.#place ? vector : undefined } : null;
    if (x > this.to) return row <= this.#row ? { row, vector } : null;
    if (this.#row < 0) return null;
    const current = this.#row;
    const share = (x - this.from) / (this.to - this.from);
    let best = null;
    // x(t) of the curve is 3/2 t (1 - t) + t³ of the way: invert it by bisection, since it grows.
    let [low, high] = [0, 1];
    for (let i = 0; i < 12; i++) {
      const t = (low + high) / 2;
      if (1.5 * t * (1 - t) + t ** 3 < share) low = t;
      else high = t;
    }
    const risen = 3 * low * low * (1 - low) + low ** 3;
    for (const { s, start, end, wide } of this.#paths(current)) {
      const center = start + risen * (end - start) + wide / 2;
      const far = Math.abs(y - center) - wide / 2;
      if (far < 5 && (!best || far < best.far)) best = { far, row: current, column: s };
    }
    return best && { row: best.row, column: best.column };
  }

  #point(event) {
    if (this.#frame || !this.translation) return;
    const found = this.#under(event);
    this.#hover(found);
    const box = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const words = found && this.#tip(found);
    this.tip.hidden = !words;
    if (!words) return;
    say(this.tip, words);
    const wide = this.tip.offsetWidth;
    this.tip.style.cssText = `left:${between(0, x + 12, Math.max(0, this.width - wide))}px;top:${y + 18}px`;
  }

  // What is under the pointer, in words.
  #tip({ row, column, vector }) {
    const { source, written } = this.translation;
    if (row !== undefined && column !== undefined) return `${quoted(source[column])} → ${quoted(written[row])}: ${digits(this.#weights(row)[column])}`;
    if (!vector) return "";
    const read = vector.side === "encoder" ? source : ["⟨start⟩", ...written];
    const at = row ?? column;
    const attended = vector.layer === undefined ? "" : ` (${this.#most(this.#weights(at, vector.side, vector.layer), read)})`;
    return `${quoted(read[at])}, ${vector.words}${attended}: ${BARCODE}`;
  }

  // The tokens with the largest weights, in words.
  #most(weights, tokens) {
    const most = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3).filter((s, i) => !i || weights[s] >= READ);
    return `reads mostly ${most.map((s) => `${quoted(tokens[s])} ${weights[s].toFixed(2)}`).join(", ")}`;
  }

  #hover(found) {
    const same = ["row", "column", "vector"].every((name) => this.#hovered?.[name] === found?.[name]);
    this.#hovered = found;
    if (!found) this.tip.hidden = true;
    if (!same && this.translation) this.#settle();
  }

  #click(event) {
    if (!this.translation) return;
    const button = event.target.closest?.("[data-row]");
    if (button) {
      return this.#jump(this.#first + Number(button.dataset.row));
    }
    if (this.#frame) return this.stop();
    this.#point(event); // a finger doesn't hover
    const found = this.#under(event);
    if (found?.row !== undefined && found.column !== undefined) return this.#zoom(found.row, found.column);
    if (found?.row !== undefined) this.#jump(this.#first + found.row);
    return undefined;
  }

  // With the mean shown, the head with the largest weight is taken.
  #zoom(row, column) {
    const { maps, source, heads } = this.translation;
    const weight = (head) => maps.cross[this.shown * heads + head][row * source.length + column];
    const strongest = Array.from({ length: heads }, (_, head) => head).sort((a, b) => weight(b) - weight(a))[0];
    this.zoom({ layer: this.shown, head: this.#head < 0 ? strongest : this.#head, row, column });
  }

  // Arrow keys go from token to token; Enter asks how the largest weight is computed.
  #press(event) {
    const row = Number(event.target.dataset.row);
    const last = this.translation.written.length - 1;
    const next = { ArrowDown: row + 1, ArrowRight: row + 1, ArrowUp: row - 1, ArrowLeft: row - 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter") {
      event.preventDefault();
      const weights = this.#weights(row);
      this.#jump(this.#first + row);
      this.#zoom(row, weights.indexOf(Math.max(...weights)));
    }
    if (next === undefined) return;
    event.preventDefault();
    this.#jump(this.#first + between(0, next, last));
    this.outputs.children[between(0, next, last)].focus();
  }
}
