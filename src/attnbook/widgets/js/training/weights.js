// The recorded weights: one byte each, the code of the square root; every row is scaled to sum to 1 (see snapshots.py).

import { MEAN } from "../shared/maps.js";

// A map in words.
export const named = (layer, head) => `layer ${layer}, ${head === MEAN ? "mean over heads" : `head ${head}`}`;

export class Weights {
  #kept = new Map();
  #peaks = new Map();

  // `codes` and `lengths`: bytes and number of rows of each snapshot; `heads`: how many layers, and heads in each.
  constructor({ codes, lengths, columns, heads: [layers, heads] }) {
    Object.assign(this, { codes, lengths, columns, layers, heads });
    codes.forEach((view, i) => {
      const wanted = layers * heads * lengths[i] * columns;
      if (view.byteLength !== wanted) throw new Error(`weights: got ${view.byteLength} bytes, wanted ${wanted}`);
    });
  }

  // One map, row by row.
  at(snapshot, layer, head) {
    const name = [snapshot, layer, head].join();
    if (!this.#kept.has(name)) this.#kept.set(name, head === MEAN ? this.#mean(snapshot, layer) : this.#read(snapshot, layer, head));
    return this.#kept.get(name);
  }

  // The largest weight of a map in any snapshot.
  peak(layer, head) {
    const name = [layer, head].join();
    if (!this.#peaks.has(name)) this.#peaks.set(name, Math.max(...this.codes.map((_, snapshot) => Math.max(...this.at(snapshot, layer, head)))));
    return this.#peaks.get(name);
  }

  #read(snapshot, layer, head) {
    const [view, size] = [this.codes[snapshot], this.lengths[snapshot] * this.columns];
    const start = view.byteOffset + (layer * this.heads + head) * size;
    const map = Float64Array.from(new Uint8Array(view.buffer, start, size), (code) => code ** 2);
    for (let row = 0; row < size; row += this.columns) {
      const part = map.subarray(row, row + this.columns);
      const sum = part.reduce((a, b) => a + b);
      part.forEach((square, i) => (part[i] = square / sum));
    }
    return map;
  }

  #mean(snapshot, layer) {
    const maps = Array.from({ length: this.heads }, (_, head) => this.at(snapshot, layer, head));
    return maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[i], 0) / this.heads);
  }
}
