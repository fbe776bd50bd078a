// Products of quantized matrices with float32 vectors: `kernel.matrix(kind, blocks, rows, columns)` stores a matrix from a GGUF or e5 file,
// and `kernel.matmul(matrix, x)` multiplies. kernel.c describes the storage. Without WebAssembly the same functions run in JavaScript,
// several times slower.

import wasm from "./kernel.wasm";

export const KINDS = { Q4_0: 2, Q4_1: 3, Q8_0: 8 }; // GGUF's numbers
const BLOCK = 32;
const PAGE = 65536;
const SCRATCH = 8 << 20; // bytes for the vectors of one call
const sizes = { 2: 18, 3: 20, 8: 34 }; // bytes of a block in the file
const place = (i) => (i & 1) * 16 + (i >> 4) * 8 + ((i & 15) >> 1); // where weight i of an 8-bit block is stored
const align = (bytes) => Math.ceil(bytes / 16) * 16;

// Returns the kernel, in JavaScript if `script` is true or WebAssembly with SIMD isn't available or allowed.
export async function openKernel({ script = false } = {}) {
  if (script || !globalThis.WebAssembly) return new ScriptKernel();
  try {
    const memory = new WebAssembly.Memory({ initial: 2 });
    const { instance } = await WebAssembly.instantiate(wasm, { env: { memory } });
    return new WasmKernel(memory, instance.exports);
  } catch (problem) {
    console.info("attnbook: WebAssembly can't be used, so JavaScript is", problem);
    return new ScriptKernel();
  }
}

class Kernel {
  // Stores a matrix whose rows are blocks of `kind`. `rows` is a multiple of 4, `columns` of 32.
  matrix(kind, blocks, rows, columns) {
    if (!(kind in sizes)) throw new Error(`kind: got ${kind}, wanted one of ${Object.keys(sizes).join(", ")}`);
    if (rows % 4 || columns % BLOCK) throw new Error(`shape: got ${rows} × ${columns}, wanted multiples of 4 and 32`);
    const wanted = (rows * columns * sizes[kind]) / BLOCK;
    if (blocks.length !== wanted) throw new Error(`blocks: got ${blocks.length} bytes, wanted ${wanted}`);
    const bits4 = kind !== KINDS.Q8_0;
    const size = bits4 ? 24 : 36; // numbers for four rows of a block: scales, minima, weights
    return this.store({ kind, bits4, rows, columns, size, bytes: (rows / 4) * (columns / BLOCK) * size * 4 }, blocks);
  }

  // One row of a matrix in float32.
  row(matrix, index) {
    const { bits4, columns, size, at } = matrix;
    const { numbers, bytes } = this.views(matrix);
    const row = new Float32Array(columns);
    for (let block = 0, r = index & 3; block < columns / BLOCK; block++) {
      const start = at / 4 + ((index >> 2) * (columns / BLOCK) + block) * size;
      const weights = 4 * start + (bits4 ? 32 + 16 * r : 16 + 32 * r);
      for (let i = 0; i < BLOCK; i++) {
        const weight = bits4 ? (bytes[weights + (i & 15)] >> (i & 16 ? 4 : 0)) & 15 : (bytes[weights + place(i)] << 24) >> 24;
        row[block * BLOCK + i] = weight * numbers[start + r] + (bits4 ? numbers[start + 4 + r] : 0);
      }
    }
    return row;
  }
}

class WasmKernel extends Kernel {
  name = "WebAssembly";
  #memory;
  #calls;
  #scratch;
  #top; // the first free byte

  constructor(memory, calls) {
    super();
    this.#memory = memory;
    this.#calls = calls;
    this.#top = calls.__heap_base.value;
    this.#scratch = this.#allocate(SCRATCH);
  }

  // Bytes that the matrices and the scratch space use.
  get size() {
    return this.#memory.buffer.byteLength;
  }

  // Makes room for `bytes` more in one step.
  reserve(bytes) {
    const missing = this.#top + bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
  }

  #allocate(bytes) {
    this.reserve(align(bytes) + 16);
    const at = align(this.#top);
    this.#top = at + align(bytes);
    return at;
  }

  views() {
    const { buffer } = this.#memory;
    return { numbers: new Float32Array(buffer), bytes: new Uint8Array(buffer) };
  }

  store(matrix, blocks) {
    const { kind, rows, columns, bytes } = matrix;
    const at = this.#allocate(bytes);
    const stride = blocks.length / rows;
    const some = Math.floor(SCRATCH / stride / 4) * 4; // rows in the scratch space
    for (let row = 0; row < rows; row += some) {
      const count = Math.min(some, rows - row);
      new Uint8Array(this.#memory.buffer).set(blocks.subarray(row * stride, (row + count) * stride), this.#scratch);
      this.#calls.pack(kind, this.#scratch, at + (bytes / rows) * row, count, columns);
    }
    return { ...matrix, at };
  }

  // The products of `x` (count × columns) with all rows: count × rows.
  matmul(matrix, x) {
    const { bits4, rows, columns, at } = matrix;
    const count = x.length / columns;
    const y = new Float32Array(count * rows);
    const wide = align(8 * columns); // the kernel's own scratch space
    const each = 4 * columns + 2 * columns + (8 * columns) / BLOCK + 4 * rows;
    const some = Math.max(1, Math.floor((SCRATCH - wide - 64) / each));
    for (let first = 0; first < count; first += some) {
      const now = Math.min(some, count - first);
      const input = this.#scratch + wide;
      const codes = input + 4 * columns * now;
      const scales = codes + 2 * columns * now;
      const sums = scales + (4 * columns * now) / BLOCK;
      const output = align(sums + (4 * columns * now) / BLOCK);
      const { buffer } = this.#memory;
      new Float32Array(buffer, input).set(x.subarray(first * columns, (first + now) * columns));
      this.#calls.quantize(input, codes, scales, sums, now, columns);
      this.#calls.matmul(bits4, at, codes, scales, sums, output, now, rows, columns, this.#scratch);
      y.set(new Float32Array(buffer, output, now * rows), first * rows);
    }
    return y;
  }
}

class ScriptKernel extends Kernel {
  name = "JavaScript";
  size = 0;

  reserve() {}

  views({ buffer }) {
    return { numbers: new Float32Array(buffer), bytes: new Uint8Array(buffer) };
  }

  store(matrix, blocks) {
    const { kind, bits4, rows, columns, size, bytes } = matrix;
    const stored = { ...matrix, at: 0, buffer: new ArrayBuffer(bytes) };
    this.size += bytes;
    const { numbers, bytes: to } = this.views(stored);
    const [stride, across] = [sizes[kind], columns / BLOCK];
    const head = kind === KINDS.Q4_1 ? 4 : 2;
    for (let row = 0; row < rows; row++) {
      for (let block = 0, r = row & 3; block < across; block++) {
        const from = (row * across + block) * stride;
        const start = ((row >> 2) * across + block) * size;
        const scale = half(blocks[from] | (blocks[from + 1] << 8));
        numbers[start + r] = scale;
        if (bits4) numbers[start + 4 + r] = kind === KINDS.Q4_1 ? half(blocks[from + 2] | (blocks[from + 3] << 8)) : -8 * scale;
        if (bits4) for (let i = 0; i < 16; i++) to[4 * start + 32 + 16 * r + i] = blocks[from + head + i];
        else for (let i = 0; i < BLOCK; i++) to[4 * start + 16 + 32 * r + place(i)] = blocks[from + head + i];
      }
    }
    return stored;
  }

  matmul(matrix, x) {
    const { bits4, rows, columns, size } = matrix;
    const { numbers, bytes } = this.views(matrix);
    const count = x.length / columns;
    const y = new Float32Array(count * rows);
    const multiply = bits4 ? multiply4 : multiply8;
    for (let row = 0, start = 0; row < rows; row += 4, start += (columns / BLOCK) * size) {
      for (let i = 0; i < count; i++) multiply(numbers, bytes, start, x, i * columns, columns, y, i * rows + row);
    }
    return y;
  }
}

// Four rows of 4-bit weights times one vector.
function multiply4(numbers, bytes, start, x, from, columns, y, to) {
  let [y0, y1, y2, y3] = [0, 0, 0, 0];
  for (let at = from; at < from + columns; at += BLOCK, start += 24) {
    let [s0, s1, s2, s3, sum] = [0, 0, 0, 0, 0];
    for (let i = 0, b = 4 * start + 32; i < 16; i++, b++) {
      const [low, high] = [x[at + i], x[at + i + 16]];
      sum += low + high;
      s0 += (bytes[b] & 15) * low + (bytes[b] >> 4) * high;
      s1 += (bytes[b + 16] & 15) * low + (bytes[b + 16] >> 4) * high;
      s2 += (bytes[b + 32] & 15) * low + (bytes[b + 32] >> 4) * high;
      s3 += (bytes[b + 48] & 15) * low + (bytes[b + 48] >> 4) * high;
    }
    y0 += s0 * numbers[start] + sum * numbers[start + 4];
    y1 += s1 * numbers[start + 1] + sum * numbers[start + 5];
    y2 += s2 * numbers[start + 2] + sum * numbers[start + 6];
    y3 += s3 * numbers[start + 3] + sum * numbers[start + 7];
  }
  y[to] = y0;
  y[to + 1] = y1;
  y[to + 2] = y2;
  y[to + 3] = y3;
}

// The same with 8-bit weights.
function multiply8(numbers, bytes, start, x, from, columns, y, to) {
  let [y0, y1, y2, y3] = [0, 0, 0, 0];
  for (let at = from; at < from + columns; at += BLOCK, start += 36) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let i = 0; i < BLOCK; i++) {
      const b = 4 * start + 16 + place(i);
      const one = x[at + i];
      s0 += ((bytes[b] << 24) >> 24) * one;
      s1 += ((bytes[b + 32] << 24) >> 24) * one;
      s2 += ((bytes[b + 64] << 24) >> 24) * one;
      s3 += ((bytes[b + 96] << 24) >> 24) * one;
    }
    y0 += s0 * numbers[start];
    y1 += s1 * numbers[start + 1];
    y2 += s2 * numbers[start + 2];
    y3 += s3 * numbers[start + 3];
  }
  y[to] = y0;
  y[to + 1] = y1;
  y[to + 2] = y2;
  y[to + 3] = y3;
}

// A float16's value.
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}
