// The book's Transformer for one sequence, with the parts and names of the package (encoder.py, decoder.py, transformer.py).
// A matrix is a Float32Array in row-major order, `rows` × `width`.

const EPSILON = 1e-5; // of LayerNorm

// out = x Wᵀ + b for each row of x.
function linear({ weight, bias }, x) {
  const [outputs, inputs] = weight.shape;
  const rows = x.length / inputs;
  const out = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias ? bias.data[o] : 0;
      for (let i = 0, w = o * inputs, v = row * inputs; i < inputs; i++) sum += weight.data[w + i] * x[v + i];
      out[row * outputs + o] = sum;
    }
  }
  return out;
}

function layerNorm({ weight, bias }, x) {
  const width = weight.data.length;
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    let mean = 0;
    for (let i = 0; i < width; i++) mean += x[at + i];
    mean /= width;
    let variance = 0;
    for (let i = 0; i < width; i++) variance += (x[at + i] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / width + EPSILON);
    for (let i = 0; i < width; i++) out[at + i] = (x[at + i] - mean) * scale * weight.data[i] + bias.data[i];
  }
  return out;
}

const add = (x, y) => x.map((value, i) => value + y[i]);

export function softmax(scores) {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

// Multi-head attention of projected queries (T rows, the first of them at position `from`) over projected keys and values (S rows).
// Returns the heads' concatenated outputs and the weights, one T × S matrix per head. `cuts` forbids some weights (see cuts.js):
// the others of the row are renormalized, and a row without any allowed key outputs zeros.
function attend(queries, keys, values, width, heads, cuts, from) {
  const [T, S, d] = [queries.length / width, keys.length / width, width / heads];
  const output = new Float32Array(T * width);
  const weights = Array.from({ length: heads }, () => new Float32Array(T * S));
  const scores = new Float64Array(S);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < T; t++) {
      const q = t * width + h * d;
      for (let s = 0; s < S; s++) {
        let sum = 0;
        for (let i = 0, k = s * width + h * d; i < d; i++) sum += queries[q + i] * keys[k + i];
        scores[s] = sum / Math.sqrt(d);
      }
      if (forbid(scores, cuts, h, from + t)) continue;
      const row = softmax(scores);
      weights[h].set(row, t * S);
      for (let s = 0; s < S; s++) {
        for (let i = 0, v = s * width + h * d; i < d; i++) output[q + i] += row[s] * values[v + i];
      }
    }
  }
  return { output, weights };
}

// Sets the scores of forbidden keys to -∞; returns whether no key is left.
function forbid(scores, cuts, h, row) {
  for (const cut of cuts) {
    if ((cut.head ?? h) !== h || (cut.row ?? row) !== row) continue;
    if (cut.column === null) return true;
    if (cut.column < scores.length) scores[cut.column] = -Infinity;
  }
  return cuts.length > 0 && !scores.some((score) => score > -Infinity);
}

// The cuts that concern one layer's attention.
const of = (cuts, kind, layer) => cuts.filter((cut) => cut.kind === kind && (cut.layer ?? layer) === layer);

function concatenate(x, y) {
  const joined = new Float32Array(x.length + y.length);
  joined.set(x);
  joined.set(y, x.length);
  return joined;
}

export class Transformer {
  #tensors;

  constructor({ recipe, tensors }) {
    if (!recipe.sizes.norm_first) throw new Error("wanted a model whose norms come first");
    this.#tensors = tensors;
    this.sizes = recipe.sizes;
  }

  // The tensors of one layer or norm: { weight, bias }.
  #part(name) {
    const weight = this.#tensors[`${name}.weight`];
    if (!weight) throw new Error(`the checkpoint has no ${name}`);
    return { weight, bias: this.#tensors[`${name}.bias`] };
  }

  // Embeddings times √d_model plus sinusoidal positions, starting at `offset`.
  #embed(side, ids, offset = 0) {
    const width = this.sizes.d_model;
    const table = this.#part(`${side}_embeddings.lut`).weight.data;
    const x = new Float32Array(ids.length * width);
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++) {
        const angle = (offset + row) / 10000 ** ((2 * Math.floor(i / 2)) / width);
        x[row * width + i] = table[id * width + i] * Math.sqrt(width) + (i % 2 ? Math.cos(angle) : Math.sin(angle));
      }
    });
    return x;
  }

  // One attention sublayer, pre-norm with residual connection; keys and values are cached or computed from x.
  #attention(layer, kind, norm, x, memory, cuts, from = 0) {
    const { d_model: width, num_heads: heads } = this.sizes;
    const y = layerNorm(this.#part(`${layer}.${norm}.norm`), x);
    const project = (name, input) => linear(this.#part(`${layer}.${kind}.${name}`), input);
    const { keys, values } = memory(project, y);
    const queries = project("query", y);
    const { output, weights } = attend(queries, keys, values, width, heads, cuts, from);
    const added = project("output", output);
    return { x: add(x, added), added, weights, queries, keys, values };
  }

  #feedForward(layer, norm, x) {
    const inner = linear(this.#part(`${layer}.feed_forward.inner`), layerNorm(this.#part(`${layer}.${norm}.norm`), x));
    const added = linear(this.#part(`${layer}.feed_forward.outer`), inner.map((value) => Math.max(0, value)));
    return { x: add(x, added), added };
  }

  // Encodes the source; returns the state for the first `step`, with the encoder's weights [layer][head], S × S, and its `stream`:
  // the embeddings, then what each sublayer adds to the residual stream, S × d_model each. `cuts` forbids weights, here and in
  // every step.
  start(ids, cuts = []) {
    let x = this.#embed("source", ids);
    const encoder = [];
    const stream = [x];
    for (let l = 0; l < this.sizes.num_layers; l++) {
      const layer = `encoder.layers.${l}`;
      const own = (project, y) => ({ keys: project("key", y), values: project("value", y) });
      const attended = this.#attention(layer, "self_attention", "add_norm1", x, own, of(cuts, "encoder", l));
      encoder.push(attended.weights);
      const fed = this.#feedForward(layer, "add_norm2", attended.x);
      stream.push(attended.added, fed.added);
      x = fed.x;
    }
    const memory = layerNorm(this.#part("encoder.norm"), x);
    const caches = encoder.map((_, l) => {
      const project = (name) => linear(this.#part(`decoder.layers.${l}.cross_attention.${name}`), memory);
      const none = new Float32Array(0);
      return { keys: none, values: none, memory: { keys: project("key"), values: project("value") } };
    });
    return { length: 0, caches, encoder, stream, memory, cuts };
  }

  // Decodes one more token; returns the logits of the next, the new state (the old one is unchanged) and this step's
  // weights, [layer][head]: `decoder` over the tokens so far, `cross` over the source. `stream` holds the embedding and what each
  // sublayer adds to it; `queries` those of the cross-attention, one vector per layer.
  step(id, state) {
    let x = this.#embed("target", [id], state.length);
    const weights = { decoder: [], cross: [] };
    const stream = [x];
    const queries = [];
    const caches = state.caches.map((cache, l) => {
      const layer = `decoder.layers.${l}`;
      const grown = (project, y) => ({
        keys: concatenate(cache.keys, project("key", y)),
        values: concatenate(cache.values, project("value", y)),
      });
      const own = this.#attention(layer, "self_attention", "add_norm1", x, grown, of(state.cuts, "decoder", l), state.length);
      const cross = this.#attention(layer, "cross_attention", "add_norm2", own.x, () => cache.memory, of(state.cuts, "cross", l), state.length);
      const fed = this.#feedForward(layer, "add_norm3", cross.x);
      x = fed.x;
      stream.push(own.added, cross.added, fed.added);
      queries.push(cross.queries);
      weights.decoder.push(own.weights);
      weights.cross.push(cross.weights);
      return { keys: own.keys, values: own.values, memory: cache.memory };
    });
    const logits = linear({ weight: this.#part("target_embeddings.lut").weight }, layerNorm(this.#part("decoder.norm"), x));
    return { logits, state: { ...state, length: state.length + 1, caches }, weights, stream, queries };
  }
}
