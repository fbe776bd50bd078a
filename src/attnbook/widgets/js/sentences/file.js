// Reads the parts "head" and "layers" of the 4-bit file of multilingual-e5-small. attnbook/pretrained/e5.py describes the file.

// Reads numbers front to back, little-endian.
class Cursor {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(size) {
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  byte = () => this.view.getUint8(this.#pass(1));
  short = () => this.view.getUint16(this.#pass(2), true);
  int = () => this.view.getInt32(this.#pass(4), true);
  unsigned = () => this.view.getUint32(this.#pass(4), true);
  float = () => this.view.getFloat32(this.#pass(4), true);
  long = () => Number(this.view.getBigUint64(this.#pass(8), true));

  #pass(size) {
    this.at += size;
    return this.at - size;
  }

  // A copy, because typed arrays need aligned bytes.
  array = (Type, count) => new Type(this.take(count * Type.BYTES_PER_ELEMENT).slice().buffer);
}

// Sizes of the model, its vocabulary, and where each tensor is in the published file.
export function readHead(bytes) {
  const file = new Cursor(bytes);
  file.take(8); // format and version
  const [width, layers, heads, inner, vocab, longest] = Array.from({ length: 6 }, file.int);
  file.int(); // types of text
  const epsilon = file.float();
  file.int();
  const vocabulary = readVocabulary(file);
  const tensors = new Map();
  for (let left = file.int(); left; left--) {
    const name = new TextDecoder().decode(file.take(file.short()));
    const quantized = file.byte() === 1;
    file.unsigned();
    tensors.set(name, { quantized, start: file.long(), size: file.long() });
  }
  return { sizes: { width, layers, heads, inner, vocab, longest, epsilon }, vocabulary, tensors };
}

function readVocabulary(file) {
  const count = file.int();
  const [start, end, , unknown] = Array.from({ length: 4 }, file.int);
  const size = file.long();
  const bounds = file.array(Uint32Array, count + 1);
  const scores = file.array(Float32Array, count);
  const pieces = split(file.take(size), bounds);
  const replacements = new Map();
  let left = file.int();
  for (file.unsigned(); left; left--) {
    const character = file.unsigned();
    replacements.set(character, String.fromCodePoint(...file.array(Uint32Array, file.byte())));
  }
  return { pieces, scores, start, end, unknown, replacements };
}

// The pieces of a UTF-8 text between these bytes. Decoding once and cutting the string is faster than decoding each piece.
function split(bytes, bounds) {
  const text = new TextDecoder().decode(bytes);
  const pieces = [];
  let [at, from] = [0, 0];
  for (let i = 1; i < bounds.length; i++) {
    for (let b = bounds[i - 1]; b < bounds[i]; b++) at += (bytes[b] & 0xc0) !== 0x80 ? (bytes[b] >= 0xf0 ? 2 : 1) : 0;
    pieces.push(text.slice(from, at));
    from = at;
  }
  return pieces;
}
