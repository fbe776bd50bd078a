// Decodes weights, masks and summaries (see encoding.py and summaries.py) when a map is first used.

const LARGEST = 65535;
const STEPS_A_BIT = 4000;
const THUMBNAIL = 40; // pixels
const KEPT = 8; // decoded maps in the cache; each takes four times its encoded size

export const MEAN = -1;

const bytes = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);

// `count` two-byte codes.
function decode(data, count, what) {
  const raw = bytes(data);
  if (raw.length !== 2 * count) throw new Error(`${what}: got ${raw.length} bytes, wanted ${2 * count}`);
  const codes = new Uint16Array(count);
  for (let i = 0; i < count; i++) codes[i] = raw[2 * i] | (raw[2 * i + 1] << 8);
  return codes;
}

function decodeWeights(data, count) {
  const codes = decode(data, count, "weights");
  const weights = new Float64Array(count);
  for (let i = 0; i < count; i++) weights[i] = (codes[i] / LARGEST) ** 2;
  return weights;
}

function decodeMask(data, count) {
  const raw = bytes(data);
  if (raw.length !== Math.ceil(count / 8)) throw new Error(`mask: got ${raw.length} bytes, wanted ${Math.ceil(count / 8)}`);
  return Uint8Array.from({ length: count }, (_, i) => (raw[i >> 3] >> (i & 7)) & 1);
}

export class Maps {
  #model;
  #ready = new Map();
  #sent = new Map(); // maps received from Python
  #spread;
  #first;

  constructor(model) {
    this.#model = model;
    const shape = model.get("_shape");
    if (!Array.isArray(shape) || shape.length !== 4) throw new Error("the shape of the weights is missing");
    [this.layers, this.heads, this.rows, this.columns] = shape;
    this.queries = model.get("query_tokens");
    this.keys = model.get("key_tokens");
    this.peak = model.get("_peak") || 1;
    this.peakOfRest = model.get("_peak_of_rest") || this.peak;
    this.names = model.get("frames") ?? [];
    this.frames = this.names.length || 1;
    this.count = this.frames * this.layers * this.heads;
    if (this.queries?.length !== this.rows || this.keys?.length !== this.columns) throw new Error("tokens are missing");
    if (model.get("_weights")?.length !== this.count) throw new Error("weights are missing");
    this.columnsOfMaps = this.heads + (this.heads > 1);
    this.rowsOfMaps = this.layers + (this.layers > 1);
    const all = this.frames * this.rowsOfMaps * this.columnsOfMaps;
    this.#spread = decode(model.get("_spread"), all * this.rows, "spread");
    this.#first = decode(model.get("_first"), all, "first");
  }

  get masked() {
    return this.#model.get("_masks").length > 0;
  }

  // The size of all weights in bytes.
  get size() {
    return 2 * this.count * this.rows * this.columns;
  }

  // One map { weights, mask }, row by row: mask 1 means "may attend", a null mask allows all. Null if the map isn't here yet.
  at(place) {
    const key = this.#summary(place);
    const map = this.#ready.get(key) ?? this.#read(place);
    this.#ready.delete(key);
    if (map) this.#ready.set(key, map);
    if (this.#ready.size > KEPT) this.#ready.delete(this.#ready.keys().next().value);
    return map;
  }

  ask({ frame, layer, head }) {
    if (!SITE) this.#model.send({ map: [frame, layer, head] });
  }

  receive([frame, layer, head], [weights, mask]) {
    if (SITE) return;
    if (this.#sent.size >= KEPT) this.#sent.delete(this.#sent.keys().next().value);
    this.#sent.set(this.#summary({ frame, layer, head }), { weights, mask });
  }

  // The map as a thumbnail with its size.
  small(place) {
    const [rows, columns] = [Math.min(this.rows, THUMBNAIL), Math.min(this.columns, THUMBNAIL)];
    const sent = this.#model.get("_thumbnails");
    if (sent?.byteLength) {
      const codes = bytes(sent).subarray(this.#summary(place) * rows * columns).subarray(0, rows * columns);
      return { rows, columns, mask: codes, weights: Float64Array.from(codes, (code) => ((code - 1) / 254) ** 2) };
    }
    return { rows, columns, ...this.#pool(this.#ready.get(this.#summary(place)) ?? this.#read(place), rows, columns) };
  }

  // The entropy of a row in bits and as an effective number of keys; null for a fully masked row.
  spread(place, row) {
    const code = this.#spread[this.#summary(place) * this.rows + row];
    return code === LARGEST ? null : { bits: code / STEPS_A_BIT, keys: 2 ** (code / STEPS_A_BIT) };
  }

  // The mean over a map's rows, and the weight on the first key.
  summary(place) {
    const rows = Array.from({ length: this.rows }, (_, row) => this.spread(place, row)).filter(Boolean);
    const mean = (name) => rows.reduce((sum, row) => sum + row[name], 0) / (rows.length || 1);
    return { bits: mean("bits"), keys: mean("keys"), first: this.#first[this.#summary(place)] / LARGEST };
  }

  // The index of a map among the summaries; means come last.
  #summary({ frame, layer, head }) {
    const [down, right] = [layer < 0 ? this.layers : layer, head < 0 ? this.heads : head];
    return (frame * this.rowsOfMaps + down) * this.columnsOfMaps + right;
  }

  #read({ frame, layer, head }) {
    const count = this.rows * this.columns;
    const came = SITE ? null : this.#sent.get(this.#summary({ frame, layer, head }));
    if (came) return this.#decode(came.weights, came.mask ?? this.#model.get("_masks")[0], count);
    const range = (chosen, all) => (chosen < 0 ? [...Array(all).keys()] : [chosen]);
    const places = range(layer, this.layers).flatMap((l) => range(head, this.heads).map((h) => [l, h]));
    let mean = null;
    for (const [l, h] of places) {
      const index = (frame * this.layers + l) * this.heads + h;
      const [data, masks] = [this.#model.get("_weights")[index], this.#model.get("_masks")];
      if (!data.byteLength) return null;
      const map = this.#decode(data, masks[masks.length > 1 ? index : 0], count);
      if (places.length === 1) return map;
      mean ??= { weights: new Float64Array(count), mask: map.mask && new Uint8Array(count) };
      for (let i = 0; i < count; i++) mean.weights[i] += map.weights[i] / places.length;
      for (let i = 0; map.mask && i < count; i++) mean.mask[i] |= map.mask[i];
    }
    return mean;
  }

  #decode(weights, mask, count) {
    return { weights: decodeWeights(weights, count), mask: mask ? decodeMask(mask, count) : null };
  }

  // Max-pools blocks of cells; a block is masked if all its cells are.
  #pool({ weights, mask }, rows, columns) {
    if (rows === this.rows && columns === this.columns) return { weights, mask };
    const small = { weights: new Float64Array(rows * columns), mask: mask && new Uint8Array(rows * columns) };
    const across = Array.from({ length: this.columns }, (_, i) => blockOf(i, this.columns, columns));
    for (let row = 0, i = 0; row < this.rows; row++) {
      const start = blockOf(row, this.rows, rows) * columns;
      for (let column = 0; column < this.columns; column++, i++) {
        const at = start + across[column];
        if (weights[i] > small.weights[at]) small.weights[at] = weights[i];
        if (mask?.[i]) small.mask[at] = 1;
      }
    }
    return small;
  }
}

// As np.maximum.reduceat in summaries.py: block b starts at ⌊b · size / blocks⌋.
const blockOf = (i, size, blocks) => Math.min(blocks - 1, Math.ceil(((i + 1) * blocks) / size) - 1);
