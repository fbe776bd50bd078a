// Reads the head of a GGUF file: its settings, and where each tensor is.

const MAGIC = 0x46554747;
const DEFAULT_ALIGNMENT = 32;
const [ARRAY, STRING] = [9, 8];
const utf8 = new TextDecoder();

class Cursor {
  at = 0;

  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(size, read) {
    this.at += size;
    return read.call(this.view, this.at - size, true);
  }

  uint32() {
    return this.number(4, this.view.getUint32);
  }

  uint64() {
    return Number(this.number(8, this.view.getBigUint64));
  }

  string() {
    const length = this.uint64();
    this.at += length;
    return utf8.decode(this.bytes.subarray(this.at - length, this.at));
  }

  value(type) {
    const { view } = this;
    if (type === STRING) return this.string();
    if (type === ARRAY) {
      const inner = this.uint32();
      return Array.from({ length: this.uint64() }, () => this.value(inner));
    }
    const [size, read] = {
      0: [1, view.getUint8],
      1: [1, view.getInt8],
      2: [2, view.getUint16],
      3: [2, view.getInt16],
      4: [4, view.getUint32],
      5: [4, view.getInt32],
      6: [4, view.getFloat32],
      7: [1, view.getUint8],
      10: [8, view.getBigUint64],
      11: [8, view.getBigInt64],
      12: [8, view.getFloat64],
    }[type];
    return Number(this.number(size, read));
  }
}

// `bytes` is the file's start, long enough to hold the head. Returns { settings, tensors }; a tensor is { name, shape, kind, start }, its
// shape from the last axis to the first, `start` counted from the file's first byte.
export function readHead(bytes) {
  const cursor = new Cursor(bytes);
  if (cursor.uint32() !== MAGIC) throw new Error("wanted a GGUF file");
  cursor.uint32(); // version
  const [tensorCount, count] = [cursor.uint64(), cursor.uint64()];
  const settings = {};
  for (let i = 0; i < count; i++) settings[cursor.string()] = cursor.value(cursor.uint32());
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = cursor.string();
    const shape = Array.from({ length: cursor.uint32() }, () => cursor.uint64());
    return { name, shape, kind: cursor.uint32(), start: cursor.uint64() };
  });
  const alignment = settings["general.alignment"] ?? DEFAULT_ALIGNMENT;
  const data = Math.ceil(cursor.at / alignment) * alignment;
  for (const tensor of tensors) tensor.start += data;
  return { settings, tensors };
}
