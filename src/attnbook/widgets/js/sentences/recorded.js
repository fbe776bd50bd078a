// The maps that Python recorded, in one byte per weight (see sentences.py), and what a result says about heads.

export const LAYERS = 12;
export const HEADS = 12;

// A sentence: its `tokens`, and `weights` (L × H × T × T).
export function decode({ text, tokens }, codes) {
  const bytes = new Uint8Array(codes.buffer ?? codes, codes.byteOffset ?? 0, codes.byteLength);
  if (bytes.length !== LAYERS * HEADS * tokens.length ** 2) throw new Error("the recorded maps are incomplete");
  return { text, tokens, weights: Float32Array.from(bytes, (code) => (code / 255) ** 2), recorded: true };
}

// The map of a head, row by row.
export const mapOf = ({ tokens, weights }, layer, head) => weights.subarray((layer * HEADS + head) * tokens.length ** 2, (layer * HEADS + head + 1) * tokens.length ** 2);

// A row of a head's map.
export const rowOf = (sentence, layer, head, query) => mapOf(sentence, layer, head).subarray(query * sentence.tokens.length, (query + 1) * sentence.tokens.length);

const WORD = /[\p{L}\p{N}]/u;
export const isWord = (token) => !/^<.*>$/.test(token) && WORD.test(token);

// How a token is shown: without the mark of the space before it.
export const shown = (token) => (token.length > 1 && token.startsWith("▁") ? token.slice(1) : token);

// All heads with what they say about `query`: [layer, head, weight, key], largest weight first. With a `key` that is the weight of
// this pair; without, the largest weight on another word.
export function ranked(sentence, query, key) {
  const all = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    for (let head = 0; head < HEADS; head++) {
      const row = rowOf(sentence, layer, head, query);
      let best = key;
      if (key < 0) row.forEach((weight, i) => (i !== query && isWord(sentence.tokens[i]) && (best < 0 || weight > row[best]) ? (best = i) : 0));
      if (best >= 0) all.push([layer, head, row[best], best]);
    }
  }
  return all.sort((a, b) => b[2] - a[2]);
}
