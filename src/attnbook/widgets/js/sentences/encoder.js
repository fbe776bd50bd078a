// multilingual-e5-small, an encoder of BERT's kind, on one sentence: hidden states and all attention weights. attnbook's `Bert` computes
// the same in float32.

import { half, KINDS } from "../engine/kernel.js";
import { readHead } from "./file.js";
import { Unigram } from "./unigram.js";

const BLOCK = 18; // bytes of 32 weights: a scale in float16 and 32 numbers of 4 bits

export class Encoder {
  #kernel;
  #rows = new Map(); // id → its quantized row of the token embedding
  #table;

  // `head` and `layers` are parts of the published file; `start` is where "layers" begins in it; `table` is the part "rows" as the
  // manifest lists it.
  constructor(kernel, head, layers, start, table) {
    const { sizes, vocabulary, tensors } = readHead(head);
    this.#kernel = kernel;
    this.#table = table;
    this.sizes = sizes;
    this.tokenizer = new Unigram(vocabulary);
    const bytes = (name) => {
      const tensor = tensors.get(name);
      return layers.subarray(tensor.start - start, tensor.start - start + tensor.size);
    };
    const vector = (name) => new Float32Array(bytes(name).slice().buffer);
    kernel.reserve((layers.length * 4) / 3); // the kernel's blocks are larger than the file's
    const { width, inner } = sizes;
    const linear = (name, rows, columns) => ({ weight: kernel.matrix(KINDS.Q4_0, bytes(`${name}.w`), rows, columns), bias: vector(`${name}.b`) });
    const norm = (name) => ({ scale: vector(`${name}.w`), shift: vector(`${name}.b`) });
    this.positions = vector("emb.pos");
    this.type = vector("emb.type").subarray(0, width);
    this.norm = norm("emb.ln");
    this.layers = Array.from({ length: sizes.layers }, (_, l) => ({
      ...Object.fromEntries(["q", "k", "v", "ao"].map((name) => [name, linear(`l${l}.${name}`, width, width)])),
      aln: norm(`l${l}.aln`),
      fi: linear(`l${l}.fi`, inner, width),
      fo: linear(`l${l}.fo`, width, inner),
      oln: norm(`l${l}.oln`),
    }));
  }

  get #rowSize() {
    return (this.sizes.width / 32) * BLOCK;
  }

  // The chunks of the token embedding that these ids need and that aren't here yet.
  missing(ids) {
    const perChunk = this.#table.size / this.#rowSize;
    return [...new Set(ids.filter((id) => !this.#rows.has(id)).map((id) => Math.floor(id / perChunk)))];
  }

  // Keeps these ids' rows of chunks, given as [index, bytes]; the rest of a chunk is dropped.
  keep(ids, chunks) {
    const size = this.#rowSize;
    const there = new Map(chunks);
    for (const id of ids) {
      const [index, row] = [Math.floor((id * size) / this.#table.size), ((id * size) % this.#table.size) / size];
      if (!this.#rows.has(id) && there.has(index)) this.#rows.set(id, there.get(index).slice(row * size, (row + 1) * size));
    }
  }

  // The input of the first layer: token, position and type embedding, normalized.
  #embed(ids) {
    const { width, epsilon } = this.sizes;
    const x = new Float32Array(ids.length * width);
    ids.forEach((id, t) => {
      const row = this.#rows.get(id);
      for (let d = 0, at = 0; d < width; d += 32, at += BLOCK) {
        const scale = half(row[at] | (row[at + 1] << 8));
        for (let i = 0; i < 16; i++) {
          x[t * width + d + i] = ((row[at + 2 + i] & 15) - 8) * scale;
          x[t * width + d + 16 + i] = ((row[at + 2 + i] >> 4) - 8) * scale;
        }
      }
      for (let d = 0; d < width; d++) x[t * width + d] += this.positions[t * width + d] + this.type[d];
    });
    return normalize(x, this.norm, width, epsilon);
  }

  // Hidden states (T × D) and weights (L × H × T × T). `cut` lists heads as [layer, head] whose output is 0.
  run(ids, cut = []) {
    const { width, heads, layers, epsilon } = this.sizes;
    const T = ids.length;
    const weights = new Float32Array(layers * heads * T * T);
    let x = this.#embed(ids);
    this.layers.forEach((layer, l) => {
      const [q, k, v] = [layer.q, layer.k, layer.v].map((part) => this.#linear(part, x));
      const context = new Float32Array(T * width);
      const silent = new Set(cut.filter(([at]) => at === l).map(([, head]) => head));
      for (let h = 0; h < heads; h++) {
        const map = weights.subarray((l * heads + h) * T * T, (l * heads + h + 1) * T * T);
        attend(q, k, v, map, context, h, width / heads, width, silent.has(h));
      }
      x = normalize(add(this.#linear(layer.ao, context), x), layer.aln, width, epsilon);
      x = normalize(add(this.#linear(layer.fo, gelu(this.#linear(layer.fi, x))), x), layer.oln, width, epsilon);
    });
    return { hidden: x, weights };
  }

  #linear({ weight, bias }, x) {
    const y = this.#kernel.matmul(weight, x);
    for (let i = 0; i < y.length; i++) y[i] += bias[i % bias.length];
    return y;
  }
}

// One head: `map` gets its weights, `context` its output, unless it is `silent`.
function attend(q, k, v, map, context, head, d, width, silent) {
  const T = q.length / width;
  const factor = 1 / Math.sqrt(d);
  for (let t = 0; t < T; t++) {
    const from = t * width + head * d;
    let [most, sum] = [-Infinity, 0];
    for (let s = 0; s < T; s++) {
      let score = 0;
      for (let i = 0, at = s * width + head * d; i < d; i++) score += q[from + i] * k[at + i];
      map[t * T + s] = score * factor;
      most = Math.max(most, map[t * T + s]);
    }
    for (let s = 0; s < T; s++) sum += map[t * T + s] = Math.exp(map[t * T + s] - most);
    for (let s = 0; s < T; s++) {
      const weight = (map[t * T + s] /= sum);
      if (!silent) for (let i = 0, at = s * width + head * d; i < d; i++) context[from + i] += weight * v[at + i];
    }
  }
}

function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
  return x;
}

// Layer normalization of every row.
function normalize(x, { scale, shift }, width, epsilon) {
  for (let row = 0; row < x.length; row += width) {
    let [mean, variance] = [0, 0];
    for (let i = 0; i < width; i++) mean += x[row + i] / width;
    for (let i = 0; i < width; i++) variance += (x[row + i] - mean) ** 2 / width;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < width; i++) x[row + i] = (x[row + i] - mean) * factor * scale[i] + shift[i];
  }
  return x;
}

// x Φ(x). The error function by Chebyshev's approximation of Numerical Recipes, with an error below 1.2e-7.
function gelu(x) {
  for (let i = 0; i < x.length; i++) {
    const z = Math.abs(x[i]) * Math.SQRT1_2;
    const t = 1 / (1 + z / 2);
    let series = 0.17087277;
    for (const term of TERMS) series = series * t + term;
    const tail = (t / 2) * Math.exp(-z * z + series); // Φ(−|x|)
    x[i] *= x[i] < 0 ? tail : 1 - tail;
  }
  return x;
}

const TERMS = [-0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223];
