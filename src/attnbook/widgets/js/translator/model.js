// The trained model in the page: a text in, a translation out, one token at a time. It comes when it is first needed.

import { readCheckpoint } from "./checkpoint.js";
import { softmax, Transformer } from "./network.js";

const SPECIAL = ["⟨pad⟩", "⟨start⟩", "⟨end⟩"]; // as attnbook.data.Vocabulary has them
const [START, END] = [1, 2];
const LIKELIEST = 5;

// Lets the page answer its reader between two tokens.
const breath = () => new Promise((done) => setTimeout(done));

export class Model {
  // `bytes` are the checkpoint's file; `tags` the targets in the order of their ids.
  constructor(bytes, tags) {
    const checkpoint = readCheckpoint(bytes);
    const { source, target } = checkpoint.recipe;
    this.network = new Transformer(checkpoint);
    this.source = [...SPECIAL, ...tags.map((tag) => `⟨${tag}⟩`), ...source];
    this.target = [...SPECIAL, ...target];
    this.ids = new Map(this.source.map((label, id) => [label, id]));
  }

  // The ids of a text whose every character is known, behind its tag.
  encode(text, tag) {
    return [`⟨${tag}⟩`, ...text].map((label) => this.ids.get(label));
  }

  // Writes until the end, or `longest` tokens; null when `stopped` says that nobody waits for it any more.
  async translate(text, tag, { longest, stopped }) {
    const { sizes } = this.network;
    const ids = this.encode(text, tag);
    let state = this.network.start(ids);
    const steps = [];
    for (let id = START; id !== END && steps.length < longest; ) {
      await breath();
      if (stopped()) return null;
      const step = this.network.step(id, state);
      state = step.state;
      const shares = softmax(step.logits);
      const best = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]).slice(0, LIKELIEST);
      id = best[0];
      steps.push({ id, likeliest: best.map((one) => [this.target[one], shares[one]]), ...step.weights });
    }
    const heads = (layers) => layers.flat();
    return {
      source: ids.map((id) => this.source[id]),
      written: steps.map(({ id }) => this.target[id]),
      likeliest: steps.map(({ likeliest }) => likeliest),
      ended: steps.at(-1).id === END,
      layers: sizes.num_layers,
      heads: sizes.num_heads,
      maps: {
        encoder: heads(state.encoder),
        decoder: stack(steps.map(({ decoder }) => heads(decoder)), steps.length),
        cross: stack(steps.map(({ cross }) => heads(cross)), ids.length),
      },
    };
  }
}

// Each map's rows, one from every step, under one another; a row that is shorter ends in zeros.
function stack(steps, columns) {
  return steps[0].map((_, map) => {
    const whole = new Float32Array(steps.length * columns);
    steps.forEach((maps, row) => whole.set(maps[map], row * columns));
    return whole;
  });
}
