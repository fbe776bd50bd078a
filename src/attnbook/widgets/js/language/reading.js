// What the model made of a text, and scores of its heads.

const CODES = 255;

// `rows[t]` holds the weights of token t in all heads: Float32Array [head, key], keys 0 to t; a head's index is layer * heads + head.
export class Reading {
  constructor({ text, ids, tokens, likeliest, cuts = [] }, rows, promptLength = ids.length) {
    Object.assign(this, { text, ids, tokens, likeliest, cuts, rows, promptLength });
  }

  get length() {
    return this.ids.length;
  }

  row(index, t) {
    return this.rows[t].subarray(index * (t + 1), (index + 1) * (t + 1));
  }

  // One head's map with its mask, row by row.
  map(index) {
    const { length } = this;
    const [weights, mask] = [new Float32Array(length * length), new Uint8Array(length * length)];
    for (let t = 0; t < length; t++) {
      weights.set(this.row(index, t), t * length);
      mask.fill(1, t * length, t * length + t + 1);
    }
    return { weights, mask };
  }
}

// Recorded rows: one byte per weight, its square root; see language_prompts.py.
export function decodeRows(view, length, heads) {
  const codes = new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  let at = 0;
  return Array.from({ length }, (_, t) => {
    const row = Float32Array.from(codes.subarray(at, (at += heads * (t + 1))), (code) => (code / CODES) ** 2);
    for (let from = 0; from < row.length; from += t + 1) {
      const one = row.subarray(from, from + t + 1);
      const sum = one.reduce((total, weight) => total + weight, 0);
      for (let s = 0; s <= t; s++) one[s] /= sum;
    }
    return row;
  });
}

const mean = (numbers) => (numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : 0);

// What each head is ranked by: the mean weight, over the positions for which it is defined, on these keys.
export const SORTS = {
  induction: ["the token after an earlier occurrence (induction)", ({ ids }, t) => ids.slice(0, t).flatMap((id, s) => (id === ids[t] ? [s + 1] : []))],
  previous: ["the previous token", (_, t) => (t ? [t - 1] : [])],
  first: ["the first token", (_, t) => (t ? [0] : [])],
};

// One score per head, or null if no position has such keys. "pair": the weight of `position` on `key`.
export function scores(reading, sort, heads, { position, key }) {
  if (sort === "pair") return Float32Array.from({ length: heads }, (_, index) => reading.row(index, position)[key] ?? 0);
  const targets = reading.ids.map((_, t) => SORTS[sort][1](reading, t).filter((s) => s <= t));
  const chosen = targets.flatMap((keys, t) => (keys.length ? [t] : []));
  if (!chosen.length) return null;
  return Float32Array.from({ length: heads }, (_, index) =>
    mean(chosen.map((t) => targets[t].reduce((sum, s) => sum + reading.row(index, t)[s], 0))),
  );
}
