// Chapter 4's model of the letters before and after, with its gradients and Adam, in plain JavaScript. B strings of T letters, D
// features, H heads of width d = D / H. The parameters have PyTorch's names and layout: a linear layer is y = x Wᵀ + b.

export const [LETTERS, LENGTH, WIDTH] = [26, 9, 32]; // V, T, D
const [T, D, OUT] = [LENGTH, WIDTH, 2 * LETTERS]; // OUT: the logits of the letter before, then those of the letter after
const BATCH = 64;
export const STEPS = 300;
const [RATE, BETA1, BETA2, EPSILON] = [0.01, 0.9, 0.999, 1e-8]; // Adam's
const [HELD_OUT, HELD_OUT_SEED] = [1000, 99]; // strings for the accuracy, the same in every run
const SOME = 200; // of them while it trains
const EXAMPLE = "dkxbqamzt";

const SHAPES = {
  "letters.weight": [LETTERS, D],
  "positions.weight": [T, D],
  "attention.query.weight": [D, D],
  "attention.query.bias": [D],
  "attention.key.weight": [D, D],
  "attention.key.bias": [D],
  "attention.value.weight": [D, D],
  "attention.value.bias": [D],
  "attention.output.weight": [D, D],
  "attention.output.bias": [D],
  "answers.0.weight": [OUT, D],
  "answers.0.bias": [OUT],
};
const sizeOf = (shape) => shape.reduce((a, b) => a * b);
const COUNT = Object.values(SHAPES).map(sizeOf).reduce((a, b) => a + b);

// One array of all parameters, or of their gradients, and the parts of it by name.
function parameters() {
  const all = new Float32Array(COUNT);
  let start = 0;
  const part = (shape) => all.subarray(start, (start += sizeOf(shape)));
  return { all, ...Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, part(shape)])) };
}

// Numbers from 0 to 1 that depend only on the seed (mulberry32).
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const randomStrings = (count, random) => Uint8Array.from({ length: count * T }, () => LETTERS * random());

// y = x Wᵀ + b, for each row of x.
function linear(x, W, b) {
  const [inner, outer] = [W.length / b.length, b.length];
  const rows = x.length / inner;
  const y = new Float32Array(rows * outer);
  for (let n = 0; n < rows; n++) {
    for (let o = 0; o < outer; o++) {
      let sum = b[o];
      for (let i = 0; i < inner; i++) sum += x[n * inner + i] * W[o * inner + i];
      y[n * outer + o] = sum;
    }
  }
  return y;
}

// Its gradients: dx += dy W, dW += dyᵀ x, db += dy summed over the rows.
function linearBackward(dy, x, W, dx, dW, db) {
  const [inner, outer] = [W.length / db.length, db.length];
  for (let at = 0; at < dy.length; at++) {
    const d = dy[at];
    if (!d) continue;
    const [n, o] = [(at - (at % outer)) / outer, at % outer];
    db[o] += d;
    for (let i = 0; i < inner; i++) {
      dx[n * inner + i] += d * W[o * inner + i];
      dW[o * inner + i] += d * x[n * inner + i];
    }
  }
}

export class Network {
  constructor({ heads, scale, positions }, random) {
    Object.assign(this, { heads, positions, d: D / heads, scale: scale ? 1 / Math.sqrt(D / heads) : 1, steps: 0 });
    this.weights = parameters();
    this.gradients = parameters();
    [this.mean, this.square] = [new Float32Array(COUNT), new Float32Array(COUNT)];
    // As in PyTorch: embeddings from N(0, 1), linear layers uniform within ±1/√D.
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const uniform = () => (2 * random() - 1) / Math.sqrt(D);
    const draw = (name, number) => this.weights[name].forEach((_, i, all) => (all[i] = number()));
    for (const name of Object.keys(SHAPES)) draw(name, /^(letters|positions)/.test(name) ? normal : uniform);
  }

  // Runs the model on strings (B · T ids), and keeps what the gradients need; `a` holds the weights (B, H, T, T).
  forward(ids) {
    const w = this.weights;
    const x = new Float32Array(ids.length * D);
    for (let n = 0; n < ids.length; n++) {
      for (let i = 0; i < D; i++) x[n * D + i] = w["letters.weight"][ids[n] * D + i] + (this.positions ? w["positions.weight"][(n % T) * D + i] : 0);
    }
    const [q, k, v] = ["query", "key", "value"].map((part) => linear(x, w[`attention.${part}.weight`], w[`attention.${part}.bias`]));
    const { a, o } = this.#attend(q, k, v);
    const y = linear(o, w["attention.output.weight"], w["attention.output.bias"]);
    const logits = linear(y, w["answers.0.weight"], w["answers.0.bias"]); // (B · T, OUT)
    return { ids, x, q, k, v, a, o, y, logits };
  }

  // A = softmax(Q Kᵀ · scale), O = A V, for every string and head.
  #attend(q, k, v) {
    const { heads, d, scale } = this;
    const a = new Float32Array((q.length / D) * heads * T);
    const o = new Float32Array(q.length);
    const powers = new Float64Array(T);
    for (let row = 0; row < a.length / T; row++) {
      const [keys, at] = this.#place(row);
      let most = -Infinity;
      for (let s = 0; s < T; s++) {
        let score = 0;
        for (let i = 0; i < d; i++) score += q[at + i] * k[keys + s * D + i];
        powers[s] = score * scale;
        most = Math.max(most, powers[s]);
      }
      let sum = 0;
      for (let s = 0; s < T; s++) sum += powers[s] = Math.exp(powers[s] - most);
      for (let s = 0; s < T; s++) {
        const weight = (a[row * T + s] = powers[s] / sum);
        for (let i = 0; i < d; i++) o[at + i] += weight * v[keys + s * D + i];
      }
    }
    return { a, o };
  }

  // Where the head's part of the string's first key and of the query begin, for a row of A. Rows are ordered by string, head, query.
  #place(row) {
    const [t, h, b] = [row % T, Math.floor(row / T) % this.heads, Math.floor(row / T / this.heads)];
    const keys = b * T * D + h * this.d;
    return [keys, keys + t * D];
  }

  // The gradients of the mean cross-entropy of both answers, at all letters but the first and the last; returns the loss.
  backward({ ids, x, q, k, v, a, o, y, logits }) {
    const [w, g] = [this.weights, this.gradients];
    g.all.fill(0);
    const { loss, dLogits } = crossEntropy(logits, ids);
    const like = (array) => new Float32Array(array.length);
    const [dx, dq, dk, dv, dO, dy] = [x, q, k, v, o, y].map(like);
    linearBackward(dLogits, y, w["answers.0.weight"], dy, g["answers.0.weight"], g["answers.0.bias"]);
    linearBackward(dy, o, w["attention.output.weight"], dO, g["attention.output.weight"], g["attention.output.bias"]);
    this.#attendBackward({ q, k, v, a, dO, dq, dk, dv });
    for (const [part, d] of [["query", dq], ["key", dk], ["value", dv]]) {
      const [weight, bias] = [`attention.${part}.weight`, `attention.${part}.bias`];
      linearBackward(d, x, w[weight], dx, g[weight], g[bias]);
    }
    for (let n = 0; n < ids.length; n++) {
      for (let i = 0; i < D; i++) {
        g["letters.weight"][ids[n] * D + i] += dx[n * D + i];
        if (this.positions) g["positions.weight"][(n % T) * D + i] += dx[n * D + i];
      }
    }
    return loss;
  }

  // dA = dO Vᵀ, dV = Aᵀ dO; dS = A ∘ (dA − Σ A ∘ dA), summed over each row's keys; dQ = dS K · scale, dK = dSᵀ Q · scale.
  #attendBackward({ q, k, v, a, dO, dq, dk, dv }) {
    const { d, scale } = this;
    const dA = new Float64Array(T);
    for (let row = 0; row < a.length / T; row++) {
      const [keys, at] = this.#place(row);
      let sum = 0;
      for (let s = 0; s < T; s++) {
        const weight = a[row * T + s];
        dA[s] = 0;
        for (let i = 0; i < d; i++) {
          dA[s] += dO[at + i] * v[keys + s * D + i];
          dv[keys + s * D + i] += weight * dO[at + i];
        }
        sum += weight * dA[s];
      }
      for (let s = 0; s < T; s++) {
        const dS = a[row * T + s] * (dA[s] - sum) * scale;
        for (let i = 0; i < d; i++) {
          dq[at + i] += dS * k[keys + s * D + i];
          dk[keys + s * D + i] += dS * q[at + i];
        }
      }
    }
  }

  // One step of Adam.
  step() {
    const { mean, square } = this;
    const [weights, gradients] = [this.weights.all, this.gradients.all];
    this.steps++;
    const [correct1, correct2] = [1 - BETA1 ** this.steps, 1 - BETA2 ** this.steps];
    for (let i = 0; i < COUNT; i++) {
      mean[i] = BETA1 * mean[i] + (1 - BETA1) * gradients[i];
      square[i] = BETA2 * square[i] + (1 - BETA2) * gradients[i] ** 2;
      weights[i] -= (RATE * (mean[i] / correct1)) / (Math.sqrt(square[i] / correct2) + EPSILON);
    }
  }
}

// Calls back for each answer that counts: where its logits begin, and the right letter.
function eachAnswer(ids, call) {
  for (let n = 0; n < ids.length; n++) {
    if (n % T === 0 || n % T === T - 1) continue; // these letters have only one neighbour
    call(n * OUT, ids[n - 1], 0);
    call(n * OUT + LETTERS, ids[n + 1], 1);
  }
}

// The mean of −log softmax(logits)[right], and its gradient (softmax − one-hot) / count.
function crossEntropy(logits, ids) {
  const dLogits = new Float32Array(logits.length);
  const count = (2 * ids.length * (T - 2)) / T;
  let loss = 0;
  eachAnswer(ids, (at, right) => {
    const part = logits.subarray(at, at + LETTERS);
    const most = part.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let i = 0; i < LETTERS; i++) sum += Math.exp(part[i] - most);
    for (let i = 0; i < LETTERS; i++) dLogits[at + i] = (Math.exp(part[i] - most) / sum - (i === right)) / count;
    loss += (Math.log(sum) + most - part[right]) / count;
  });
  return { loss, dLogits };
}

// The fractions of correct answers: the letter before, the letter after, and both.
export function accuracy(network, ids) {
  const { logits } = network.forward(ids);
  const correct = [0, 0, 0];
  let first;
  eachAnswer(ids, (at, right, which) => {
    const part = logits.subarray(at, at + LETTERS);
    const is = part.every((logit, i) => i === right || logit < part[right]);
    correct[which] += is;
    if (which) correct[2] += is && first;
    first = is;
  });
  return correct.map((count) => count / ((ids.length * (T - 2)) / T));
}

// A whole training. `report()` says how far it is.
export class Training {
  constructor(settings) {
    this.random = randomFrom(settings.seed);
    this.network = new Network(settings, this.random);
    this.heldOut = randomStrings(HELD_OUT, randomFrom(HELD_OUT_SEED));
  }

  get done() {
    return this.network.steps === STEPS;
  }

  // Trains at most `count` steps on new strings, and returns their losses.
  train(count) {
    const losses = [];
    while (losses.length < count && !this.done) {
      losses.push(this.network.backward(this.network.forward(randomStrings(BATCH, this.random))));
      this.network.step();
    }
    return losses;
  }

  // The number of steps, the accuracy on held-out strings, and the maps (H, T, T) of one more string.
  report() {
    const example = Uint8Array.from(EXAMPLE, (letter) => letter.charCodeAt(0) - 97);
    const heldOut = this.done ? this.heldOut : this.heldOut.subarray(0, SOME * T);
    return { step: this.network.steps, example: [...EXAMPLE], accuracy: accuracy(this.network, heldOut), maps: this.network.forward(example).a };
  }
}
