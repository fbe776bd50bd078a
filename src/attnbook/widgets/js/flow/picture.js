// The canvas: vectors as barcodes, ribbons and arcs as wide as their weights, and what is under the pointer.

import { element } from "../shared/dom.js";

const TOP = 34; // pixels for the headings
const TIGHT = 46; // pixels of a state: narrower columns' names would overlap
const HIGHEST = 24; // pixels of a row at most
const DRAWN = 0.004; // a smaller weight has no ribbon
const NEAR = 5; // pixels from a ribbon to a pointer that means it
const TONES = ["key", "query", "value", "fg", "line", "bg"];
export const between = (low, x, high) => Math.max(low, Math.min(high, x));
const ease = (x) => x * x * (3 - 2 * x);

export class Picture {
  constructor() {
    this.node = element("canvas", { "aria-hidden": "true" });
    this.sheet = document.createElement("canvas"); // all vectors, from which `draw` copies
    this.past = document.createElement("canvas"); // the ribbons of the rows before the current one
  }

  // Where everything is, for the size of the stage. `each` holds the height of a row of each side.
  lay(width, height, { source, written }, columns) {
    const narrow = width < 620;
    const [labels, outputs, reads, space] = narrow ? [24, 32, 0, 2] : [40, 48, 40, 4];
    const middle = between(56, 0.19 * width, 240);
    const units = columns.reduce((sum, one) => sum + one.share, 0);
    const unit = (width - labels - outputs - reads - middle - space * columns.length) / units;
    let x = labels;
    columns.forEach((column, i) => {
      if (column.side === "decoder" && columns[i - 1].side === "encoder") x += middle + reads;
      const wide = column.share * unit;
      Object.assign(column, { x, width: wide, right: x + wide });
      x += wide + space;
    });
    const [encoder, decoder] = ["encoder", "decoder"].map((side) => columns.filter((one) => one.side === side));
    const each = (tokens) => Math.min(HIGHEST, (height - TOP) / tokens.length);
    Object.assign(this, { width, height, narrow, tight: unit < TIGHT, labels, reads, columns, encoder, counts: { encoder: source.length, decoder: written.length } });
    this.each = { encoder: each(source), decoder: each(written) };
    this.from = encoder.at(-1).right + 2; // the ribbons' left and right ends
    this.to = decoder[0].x - reads - 4;
    this.start = decoder[0].x - 2; // the decoder's
    this.end = decoder.at(-1).right;
  }

  get top() {
    return TOP;
  }

  #middle(side, row) {
    return TOP + (row + 0.5) * this.each[side];
  }

  // Paints all vectors once, for the theme and the size.
  paint() {
    this.scale = window.devicePixelRatio || 1;
    const size = { width: Math.round(this.width * this.scale), height: Math.round(this.height * this.scale) };
    for (const canvas of [this.node, this.sheet, this.past]) Object.assign(canvas, size);
    this.drawn = null; // what `past` holds
    const styles = getComputedStyle(this.node);
    const to = this.sheet.getContext("2d");
    this.tones = Object.fromEntries(TONES.map((name) => {
      to.fillStyle = styles.getPropertyValue(`--${name}`).trim();
      return [name, to.fillStyle];
    }));
    to.scale(this.scale, this.scale);
    for (const column of this.columns) this.#paintColumn(to, column);
  }

  // A vector as a barcode around a line: a stripe for each component, above the line if positive, below if negative, and the stronger the
  // larger.
  #paintColumn(to, { side, rows, size, x, width, tone, peak }) {
    const color = this.tones[tone];
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const count = this.counts[side];
    const bars = document.createElement("canvas");
    Object.assign(bars, { width: size, height: 2 * count });
    const context = bars.getContext("2d");
    const image = context.createImageData(size, 2 * count);
    for (let i = 0; i < rows.length; i++) {
      const at = 4 * ((2 * Math.floor(i / size) + (rows[i] < 0 ? 1 : 0)) * size + (i % size));
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
      image.data[at + 3] = 255 * Math.min(1, Math.abs(rows[i]) / peak) ** 0.75;
    }
    context.putImageData(image, 0, 0);
    const each = this.each[side];
    const half = between(0.5, each / 2 - (each > 9 ? 1.5 : 0.5), 10);
    for (let row = 0; row < count; row++) {
      const middle = this.#middle(side, row);
      to.globalAlpha = 0.09;
      to.fillStyle = color;
      to.fillRect(x, middle - half, width, 2 * half);
      to.globalAlpha = 1;
      to.drawImage(bars, 0, 2 * row, size, 1, x, middle - half, width, half - 0.25);
      to.drawImage(bars, 0, 2 * row + 1, size, 1, x, middle + 0.25, width, half - 0.25);
    }
  }

  // Draws a scene: `place` and `progress` of the playback, `row`: the token of that place, negative in the encoder, `shown`: the row
  // whose ribbons are shown, `hovered`: what `under` found, and `weights(row, attention)`, by default of the `attention` shown.
  draw(scene) {
    const { row: done, shown, hovered } = scene;
    const context = this.node.getContext("2d");
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const only = hovered && hovered.row === undefined ? hovered.column : undefined; // a token of the text
    const weights = shown < 0 ? null : scene.weights(shown);
    this.#drawEncoder(context, scene, (row) => (only !== undefined ? (row === only ? 1 : 0.25) : weights ? 0.35 + 0.65 * Math.min(1, 2.5 * weights[row]) : 1));
    this.#drawRibbons(context, scene, only);
    for (let row = 0; row <= done; row++) {
      const part = row === done ? ease(between(0, (scene.progress - 0.1) / 0.75, 1)) : 1;
      const until = this.start + part * (this.end - this.start);
      context.globalAlpha = row === shown ? 1 : 0.5;
      context.strokeStyle = this.tones.query;
      context.lineWidth = 1;
      this.#line(context, this.start, until, this.#middle("decoder", row));
      this.#copy(context, "decoder", this.start, until, row);
    }
    context.globalAlpha = 1;
    if (shown >= 0 && only === undefined && shown <= done) {
      const each = this.each.decoder;
      context.strokeStyle = this.tones.query;
      context.lineWidth = 1.25;
      context.strokeRect(this.start + 0.5, TOP + shown * each + 0.5, this.end - this.start + 1, each - 1);
    }
    if (hovered?.vector?.layer !== undefined) this.#drawArcs(context, scene);
  }

  // The encoder's stages are drawn from left to right, for all tokens at once.
  #drawEncoder(context, { place, progress, row }, strength) {
    const newest = this.encoder.filter((one) => one.stage === place);
    const reach = row >= 0 ? this.from : newest[0].x + ease(progress) * (newest.at(-1).right - newest[0].x);
    context.strokeStyle = this.tones.key;
    context.lineWidth = 1;
    for (let row = 0; row < this.counts.encoder; row++) {
      context.globalAlpha = 0.5 * strength(row);
      this.#line(context, this.labels - 2, reach, this.#middle("encoder", row));
      context.globalAlpha = strength(row);
      this.#copy(context, "encoder", this.labels, reach, row);
    }
    context.globalAlpha = 1;
  }

  // All rows so far faintly, the one shown in full; or those of one token of the text, `only`.
  #drawRibbons(context, scene, only) {
    const { row: done, shown, hovered, progress } = scene;
    context.fillStyle = this.tones.value;
    if (done > 0) context.drawImage(this.#drawPast(scene), 0, 0, this.width, this.height);
    if (only !== undefined) {
      for (let row = 0; row <= done; row++) this.#ribbons(context, scene, row, 1, (s) => (s === only ? 0.8 : 0));
    } else if (shown >= 0 && shown <= done) {
      const grown = shown === done ? ease(between(0, (progress - 0.05) / 0.5, 1)) : 1;
      this.#ribbons(context, scene, shown, grown, (s) => (hovered?.column === undefined || hovered.column === s ? 0.75 : 0.25));
    }
  }

  #drawPast(scene) {
    const { row, attention, translation } = scene;
    const { drawn } = this;
    const grows = drawn?.translation === translation && drawn.attention === attention && drawn.row <= row;
    if (grows && drawn.row === row) return this.past;
    this.drawn = { translation, attention, row };
    const context = this.past.getContext("2d");
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    if (!grows) context.clearRect(0, 0, this.width, this.height);
    context.fillStyle = this.tones.value;
    for (let before = grows ? drawn.row : 0; before < row; before++) this.#ribbons(context, scene, before, 1, () => 0.07);
    return this.past;
  }

  // A row's ribbons, stacked where they end. A ribbon's ends are as wide as its weight.
  *#paths(row, weights) {
    const [left, right] = [this.each.encoder, this.each.decoder].map((each) => Math.max(1, each - 2));
    let end = TOP + row * this.each.decoder + (this.each.decoder - right) / 2;
    for (let s = 0; s < weights.length; s++) {
      const wide = [left, right].map((full) => Math.max(0.7, weights[s] * full));
      if (weights[s] >= DRAWN) yield { s, start: this.#middle("encoder", s) - wide[0] / 2, end, wide };
      end += weights[s] * right;
    }
  }

  #ribbons(context, { weights }, row, part, strength) {
    if (part <= 0) return;
    const { from, to } = this;
    context.save();
    context.beginPath();
    context.rect(from, 0, part * (to - from), this.height);
    context.clip();
    const bend = (from + to) / 2;
    for (const { s, start, end, wide } of this.#paths(row, weights(row))) {
      context.globalAlpha = strength(s);
      if (!context.globalAlpha) continue;
      context.beginPath();
      context.moveTo(from, start);
      context.bezierCurveTo(bend, start, bend, end, to, end);
      context.lineTo(to, end + wide[1]);
      context.bezierCurveTo(bend, end + wide[1], bend, start + wide[0], from, start + wide[0]);
      context.fill();
    }
    context.restore();
    context.globalAlpha = 1;
  }

  // The self-attention that a vector comes from: arcs over the states it reads, each as wide as its weight.
  #drawArcs(context, { hovered: { row, column, vector }, weights }) {
    const state = this.columns[this.columns.indexOf(vector) - 1];
    const at = row ?? column;
    const x = state.right;
    context.globalAlpha = 0.72;
    context.fillStyle = this.tones.bg;
    context.fillRect(state.x, TOP, state.width, this.height - TOP);
    context.strokeStyle = this.tones.value;
    const to = this.#middle(vector.side, at);
    weights(at, { kind: vector.side, layer: vector.layer, head: "*" }).forEach((weight, s) => {
      if (weight < DRAWN) return;
      const from = this.#middle(vector.side, s);
      context.globalAlpha = 0.35 + 0.6 * weight;
      context.lineWidth = Math.max(0.7, weight * (this.each[vector.side] - 2));
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

  // Copies a part of a row of the painted vectors.
  #copy(context, side, from, to, row) {
    const width = to - from;
    if (width <= 0.5) return;
    const box = [from, TOP + row * this.each[side], width, this.each[side]];
    context.drawImage(this.sheet, ...box.map((n) => n * this.scale), ...box);
  }

  // What is under a point of the stage: a ribbon { row, column }, a token of the text { column } or a written token { row }, the last
  // two with the column of the picture there, `vector`, and the index of the component in it, `dimension`; or null.
  under(x, y, { place, row: done, weights }) {
    if (y < TOP) return null;
    const vector = this.columns.find((one) => x >= one.x && x < one.right);
    const there = vector && vector.stage <= place && { vector, dimension: Math.floor((vector.size * (x - vector.x)) / vector.width) };
    const rowOf = (side) => Math.floor((y - TOP) / this.each[side]);
    if (x < this.from) return rowOf("encoder") < this.counts.encoder ? { column: rowOf("encoder"), ...there } : null;
    if (x > this.to) return rowOf("decoder") <= done ? { row: rowOf("decoder"), ...there } : null;
    if (done < 0) return null;
    const risen = rise((x - this.from) / (this.to - this.from));
    let found = null;
    let nearest = NEAR;
    for (const { s, start, end, wide } of this.#paths(done, weights(done))) {
      const [top, height] = [[start, end], wide].map(([left, right]) => left + risen * (right - left));
      const far = Math.abs(y - top - height / 2) - height / 2;
      if (far < nearest) [found, nearest] = [{ row: done, column: s }, far];
    }
    return found;
  }
}

// How much of its height a ribbon has risen at a part of its way: x(t) = 3/2 t (1 − t) + t³ grows, so it is inverted by bisection.
function rise(part) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 12; i++) {
    const t = (low + high) / 2;
    if (1.5 * t * (1 - t) + t ** 3 < part) low = t;
    else high = t;
  }
  return 3 * low * low * (1 - low) + low ** 3;
}
