// Reads a checkpoint, a safetensors file: the length of a JSON header, the header, and the numbers.

const FORMAT = "attnbook-transformer-1";

// The values of all 65,536 float16 codes.
function halves() {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
  });
}

// Returns the recipe (sizes, characters, training settings) and the tensors by name, as { shape, data }.
export function readCheckpoint(buffer) {
  const half = halves();
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: header, ...entries } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  if (header?.format !== FORMAT) throw new Error(`wanted a checkpoint of format ${FORMAT}, got ${header?.format}`);
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(entries)) {
    if (dtype !== "F16") throw new Error(`${name}: wanted F16, got ${dtype}`);
    const bits = new Uint16Array(buffer.slice(8 + length + from, 8 + length + to));
    tensors[name] = { shape, data: Float32Array.from(bits, (each) => half[each]) };
  }
  return { recipe: JSON.parse(header.recipe), tensors };
}
