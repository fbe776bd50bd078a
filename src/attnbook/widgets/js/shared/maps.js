// Weights and masks as they travel (see encoding.py), decoded when a map is first asked for.

const LARGEST = 65535;

const bytes = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);

function decodeWeights(data, count) {
  const raw = bytes(data);
  if (raw.length !== 2 * count) throw new Error(`weights: got ${raw.length} bytes, wanted ${2 * count}`);
  const weights = new Float64Array(count);
  for (let i = 0; i < count; i++) weights[i] = ((raw[2 * i] | (raw[2 * i + 1] << 8)) / LARGEST) ** 2;
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

  constructor(model) {
    this.#model = model;
    const shape = model.get("_shape");
    if (!Array.isArray(shape) || shape.length !== 4) throw new Error("the shape of the weights is missing");
    [this.layers, this.heads, this.rows, this.columns] = shape;
    this.queries = model.get("query_tokens");
    this.keys = model.get("key_tokens");
    this.peak = model.get("_peak") || 1;
    this.names = model.get("frames") ?? [];
    this.frames = this.names.length || 1;
    if (this.queries?.length !== this.rows || this.keys?.length !== this.columns) throw new Error("tokens are missing");
    if (model.get("_weights")?.length !== this.frames * this.layers * this.heads) throw new Error("weights are missing");
  }

  get masked() {
    return this.#model.get("_masks").length > 0;
  }

  // One map: { weights, mask } by row; a mask of 1 means "may attend", null that all may.
  at(layer, head, frame = 0) {
    const index = (frame * this.layers + layer) * this.heads + head;
    if (!this.#ready.has(index)) {
      const count = this.rows * this.columns;
      const masks = this.#model.get("_masks");
      this.#ready.set(index, {
        weights: decodeWeights(this.#model.get("_weights")[index], count),
        mask: masks.length ? decodeMask(masks[masks.length > 1 ? index : 0], count) : null,
      });
    }
    return this.#ready.get(index);
  }
}
