// The trained model in the page: translates a text one token at a time. Loaded on first use.

import { readCheckpoint } from "./checkpoint.js";
import { softmax, Transformer } from "./network.js";

export { cutInWords, Effect, readCut, writeCut } from "./cuts.js";

const SPECIAL = ["⟨pad⟩", "⟨start⟩", "⟨end⟩"]; // as in attnbook.data.Vocabulary
const [START, END] = [1, 2];
const LIKELIEST = 5;

// A function that lets the page handle events, if it has computed for a while. (A browser delays each of many time-outs by 4 ms.)
const SLICE = 8; // milliseconds
function breather() {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < SLICE) return;
    await new Promise((done) => setTimeout(done));
    last = performance.now();
  };
}

export class Model {
  #encoded = {}; // the last text's state before the first step

  // `bytes` is the checkpoint file; `tags` are the targets in the order of their ids.
  constructor(bytes, tags) {
    const checkpoint = readCheckpoint(bytes);
    const { source, target } = checkpoint.recipe;
    this.network = new Transformer(checkpoint);
    this.source = [...SPECIAL, ...tags.map((tag) => `⟨${tag}⟩`), ...source];
    this.target = [...SPECIAL, ...target];
    this.ids = new Map(this.source.map((label, id) => [label, id]));
  }

  // The ids of the tag and of a text of known characters.
  encode(text, tag) {
    return [`⟨${tag}⟩`, ...text].map((label) => this.ids.get(label));
  }

  // The state before the first step. The encoder runs again only for another text or other cuts in it.
  #start(ids, cuts) {
    const own = cuts.filter(({ kind }) => kind === "encoder");
    const key = JSON.stringify([ids, own]);
    if (this.#encoded.key !== key) this.#encoded = { key, state: this.network.start(ids, own) };
    return { ...this.#encoded.state, cuts };
  }

  // Greedy decoding until the end token or `longest` tokens; null once `stopped()` is true. `cuts` forbids weights (see cuts.js).
  async translate(text, tag, { longest, stopped, cuts = [] }) {
    const { sizes } = this.network;
    const ids = this.encode(text, tag);
    let state = this.#start(ids, cuts);
    const breath = breather();
    const steps = [];
    for (let id = START; id !== END && steps.length < longest; ) {
      await breath();
      if (stopped()) return null;
      const step = this.network.step(id, state);
      state = step.state;
      const shares = softmax(step.logits);
      const best = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]).slice(0, LIKELIEST);
      id = best[0];
      steps.push({ id, likeliest: best.map((one) => [this.target[one], shares[one]]), stream: step.stream, ...step.weights });
    }
    const heads = (layers) => layers.flat();
    return {
      source: ids.map((id) => this.source[id]),
      written: steps.map(({ id }) => this.target[id]),
      likeliest: steps.map(({ likeliest }) => likeliest),
      ended: steps.at(-1).id === END,
      layers: sizes.num_layers,
      heads: sizes.num_heads,
      stream: {
        encoder: state.stream,
        memory: state.memory,
        decoder: stack(steps.map(({ stream }) => stream), sizes.d_model),
      },
      maps: {
        encoder: heads(state.encoder),
        decoder: stack(steps.map(({ decoder }) => heads(decoder)), steps.length),
        cross: stack(steps.map(({ cross }) => heads(cross)), ids.length),
      },
    };
  }

  // One row of one head's cross-attention: the query, the keys and values (S × d), and the scores before softmax.
  inspect(text, tag, written, { layer, head, row, cuts = [] }) {
    let state = this.#start(this.encode(text, tag), cuts);
    let step;
    for (const token of ["⟨start⟩", ...written.slice(0, row)]) {
      step = this.network.step(this.target.indexOf(token), state);
      state = step.state;
    }
    const { d_model: width, num_heads: heads } = this.network.sizes;
    const d = width / heads;
    const { keys, values } = state.caches[layer].memory;
    const part = (rows) => Array.from({ length: rows.length / width }, (_, s) => rows.slice(s * width + head * d, s * width + (head + 1) * d));
    const [query] = part(step.queries[layer]);
    const scores = part(keys).map((key) => key.reduce((sum, value, i) => sum + value * query[i], 0) / Math.sqrt(d));
    return { query, keys: part(keys), values: part(values), scores, weights: step.weights.cross[layer][head] };
  }

  // The log-probability of each token of `written`, given the tokens before it.
  score(text, tag, written, cuts = []) {
    let state = this.#start(this.encode(text, tag), cuts);
    let id = START;
    return written.map((token) => {
      const step = this.network.step(id, state);
      state = step.state;
      id = this.target.indexOf(token);
      const highest = Math.max(...step.logits);
      return step.logits[id] - highest - Math.log(step.logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
    });
  }

  // The damage of each head of a kind, [layer][head]: by how much cutting it lowers the log-probability of `written`, in nats.
  // Null once `stopped()` is true.
  async damage(text, tag, written, kind, { stopped, cuts = [] }) {
    const total = (more) => this.score(text, tag, written, [...cuts, ...more]).reduce((sum, value) => sum + value, 0);
    const whole = total([]);
    const breath = breather();
    const { num_layers: layers, num_heads: heads } = this.network.sizes;
    const found = Array.from({ length: layers }, () => Array(heads).fill(0));
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        await breath();
        if (stopped()) return null;
        found[layer][head] = whole - total([{ kind, layer, head, row: null, column: null }]);
      }
    }
    return found;
  }
}

// Stacks each map's rows, one per step; shorter rows are padded with zeros.
function stack(steps, columns) {
  return steps[0].map((_, map) => {
    const whole = new Float32Array(steps.length * columns);
    steps.forEach((maps, row) => whole.set(maps[map], row * columns));
    return whole;
  });
}
