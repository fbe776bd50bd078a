// SmolLM2's decoder, as chapter 10 builds it: RMSNorm, rotary positions, grouped-query attention with a key/value cache, SwiGLU and an
// output that shares the embedding's matrix. Every head's weights are kept.

export const LONGEST = 128; // tokens

// Fills the network from a GGUF file. `read(start, end)` returns a promise of these bytes.
export async function openNetwork(kernel, { settings, tensors }, read) {
  const own = (name) => settings[`llama.${name}`];
  const sizes = {
    vocab: own("vocab_size"),
    width: own("embedding_length"),
    heads: own("attention.head_count"),
    keyHeads: own("attention.head_count_kv"),
    layers: own("block_count"),
    inner: own("feed_forward_length"),
    base: own("rope.freq_base"),
    epsilon: own("attention.layer_norm_rms_epsilon"),
  };
  const parts = {};
  const blocks = { 2: [18, 24], 3: [20, 24], 8: [34, 36] }; // bytes of a block in the file, and stored
  kernel.reserve(tensors.reduce((sum, { shape: [columns, rows], kind }) => sum + (rows ? (rows * columns * blocks[kind][1]) / 32 + 32 : 0), 0));
  for (const { name, shape, kind, start } of tensors) {
    const [columns, rows] = shape;
    if (shape.length === 1) parts[name] = new Float32Array((await read(start, start + 4 * columns)).slice().buffer);
    else parts[name] = kernel.matrix(kind, await read(start, start + (rows * columns * blocks[kind][0]) / 32), rows, columns);
  }
  return new Network(kernel, sizes, parts);
}

export class Network {
  constructor(kernel, sizes, parts) {
    Object.assign(this, { kernel, sizes, parts });
    this.d = sizes.width / sizes.heads;
    this.group = sizes.heads / sizes.keyHeads;
    this.across = sizes.keyHeads * this.d; // numbers in a key or value of all key heads
    // Cosines and sines of every position's angles.
    const pairs = this.d / 2;
    this.turns = Array.from({ length: LONGEST }, (_, position) =>
      Float32Array.from({ length: 2 * pairs }, (_, i) => (i < pairs ? Math.cos : Math.sin)(position / sizes.base ** ((i % pairs) / pairs))),
    );
  }

  // An empty cache. `cut` holds the heads to leave out, each as layer * heads + head.
  start(cut = []) {
    const side = () => Array.from({ length: this.sizes.layers }, () => new Float32Array(LONGEST * this.across));
    return { length: 0, keys: side(), values: side(), cut: new Set(cut) };
  }

  // Processes more tokens; the cache grows. Returns the vectors before the output matrix (count × width) and, per token, the weights of all
  // heads over the tokens so far: Float32Array, [layer, head, key].
  run(ids, cache) {
    const { kernel, parts, sizes, d } = this;
    const { width, heads, layers } = sizes;
    const [count, offset] = [ids.length, cache.length];
    if (offset + count > LONGEST) throw new Error(`wanted at most ${LONGEST} tokens, got ${offset + count}`);
    const x = new Float32Array(count * width);
    ids.forEach((id, i) => x.set(kernel.row(parts["token_embd.weight"], id), i * width));
    const maps = ids.map((_, i) => new Float32Array(layers * heads * (offset + i + 1)));
    for (let layer = 0; layer < layers; layer++) {
      const part = (name) => parts[`blk.${layer}.${name}.weight`];
      let y = this.#norm(x, part("attn_norm"));
      const queries = this.#turn(kernel.matmul(part("attn_q"), y), width, offset);
      cache.keys[layer].set(this.#turn(kernel.matmul(part("attn_k"), y), this.across, offset), offset * this.across);
      cache.values[layer].set(kernel.matmul(part("attn_v"), y), offset * this.across);
      const output = new Float32Array(count * width);
      for (let i = 0; i < count; i++) {
        const keys = offset + i + 1;
        for (let head = 0; head < heads; head++) {
          const index = layer * heads + head;
          const weights = maps[i].subarray(index * keys, (index + 1) * keys);
          const at = i * width + head * d;
          this.#attend(queries.subarray(at, at + d), cache, layer, Math.floor(head / this.group) * d, weights, output.subarray(at, at + d), cache.cut.has(index));
        }
      }
      add(x, kernel.matmul(part("attn_output"), output));
      y = this.#norm(x, part("ffn_norm"));
      const gate = kernel.matmul(part("ffn_gate"), y);
      const inner = kernel.matmul(part("ffn_up"), y);
      for (let i = 0; i < gate.length; i++) inner[i] *= gate[i] / (1 + Math.exp(-gate[i]));
      add(x, kernel.matmul(part("ffn_down"), inner));
    }
    cache.length += count;
    return { hidden: this.#norm(x, parts["output_norm.weight"]), maps };
  }

  // The logits of one or more such vectors.
  logits(hidden) {
    return this.kernel.matmul(this.parts["token_embd.weight"], hidden);
  }

  // The logit of one token.
  logit(hidden, id) {
    const row = this.kernel.row(this.parts["token_embd.weight"], id);
    return row.reduce((sum, value, i) => sum + value * hidden[i], 0);
  }

  #norm(x, weight) {
    const { width, epsilon } = this.sizes;
    const y = new Float32Array(x.length);
    for (let from = 0; from < x.length; from += width) {
      let squares = 0;
      for (let i = from; i < from + width; i++) squares += x[i] * x[i];
      const scale = 1 / Math.sqrt(squares / width + epsilon);
      for (let i = 0; i < width; i++) y[from + i] = x[from + i] * scale * weight[i];
    }
    return y;
  }

  // Rotates the pairs (2i, 2i + 1) of every head by their positions' angles.
  #turn(x, across, offset) {
    const pairs = this.d / 2;
    for (let from = 0; from < x.length; from += this.d) {
      const turns = this.turns[offset + Math.floor(from / across)];
      for (let i = 0; i < pairs; i++) {
        const [a, b, cos, sin] = [x[from + 2 * i], x[from + 2 * i + 1], turns[i], turns[pairs + i]];
        x[from + 2 * i] = a * cos - b * sin;
        x[from + 2 * i + 1] = a * sin + b * cos;
      }
    }
    return x;
  }

  // One query over all keys so far: fills its weights and its output, which stays 0 if the head is cut.
  #attend(query, cache, layer, from, weights, output, cut) {
    const { d, across } = this;
    const [keys, values] = [cache.keys[layer], cache.values[layer]];
    let highest = -Infinity;
    for (let s = 0, at = from; s < weights.length; s++, at += across) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += query[i] * keys[at + i];
      weights[s] = sum / Math.sqrt(d);
      if (weights[s] > highest) highest = weights[s];
    }
    let total = 0;
    for (let s = 0; s < weights.length; s++) total += weights[s] = Math.exp(weights[s] - highest);
    for (let s = 0, at = from; s < weights.length; s++, at += across) {
      const weight = (weights[s] /= total);
      if (!cut) for (let i = 0; i < d; i++) output[i] += weight * values[at + i];
    }
  }
}

function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}
