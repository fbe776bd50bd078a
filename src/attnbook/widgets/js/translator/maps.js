// The maps of a translation as an explorer's state: one frame per token written (see explorer.py, summaries.py).

const [LARGEST, STEPS_A_BIT] = [65535, 4000];
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/;

export const START = "⟨start⟩";

export function decodeMap(view) {
  const codes = new DataView(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  return Float32Array.from({ length: codes.byteLength / 2 }, (_, i) => (codes.getUint16(2 * i, true) / LARGEST) ** 2);
}

const encodeMap = (weights) => Uint16Array.from(weights, (weight) => Math.round(Math.sqrt(weight) * LARGEST));

// Pixels for the labels beside the rows and above the columns, as in explorer.py.
function gutters(queries, keys) {
  const width = (label) => [...label].reduce((sum, character) => sum + (WIDE.test(character) ? 13 : 7), 0);
  const [beside, above] = [queries, keys].map((labels) => Math.max(...labels.map(width)));
  return [Math.min(150, Math.max(58, beside + 14)), above <= 14 ? 34 : Math.min(130, Math.max(40, above + 14))];
}

// The entropy of a row in bits.
const entropy = (row) => -row.reduce((sum, weight) => (weight > 0 ? sum + weight * Math.log2(weight) : sum), 0);

const mean = (maps) => maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length);

// All maps, with means after the layers and heads if there are several.
function withMeans(maps, layers, heads) {
  const rows = Array.from({ length: layers }, (_, l) => maps.slice(l * heads, (l + 1) * heads));
  if (layers > 1) rows.push(rows[0].map((_, h) => mean(rows.map((row) => row[h]))));
  return rows.flatMap((row) => (heads > 1 ? [...row, mean(row)] : row));
}

// Bits, the first cell in the lowest bit of the first byte.
function bits(cells, may) {
  const packed = new Uint8Array(Math.ceil(cells / 8));
  for (let i = 0; i < cells; i++) if (may(i)) packed[i >> 3] |= 1 << (i & 7);
  return packed;
}

// The labels of queries and keys in the maps of one kind, as in translation.py.
export function sides({ source, written }, kind) {
  const read = [START, ...written.slice(0, -1)];
  const pairs = written.map((token, i) => `${read[i]}→${token}`); // what the model reads and writes at each step
  return [kind === "encoder" ? source : pairs, kind === "decoder" ? read : source];
}

// `kind`: "encoder", complete in every frame; "decoder" and "cross" gain one row per frame.
export function explorerState(translation, kind) {
  const { written, layers, heads, maps } = translation;
  const [queries, keys] = sides(translation, kind);
  const [rows, columns, steps] = [queries.length, keys.length, written.length];
  const last = (frame) => (kind === "encoder" ? rows - 1 : frame); // the last row so far
  const frames = written.map((_, frame) => frame);
  const weights = maps[kind].map(encodeMap);
  const all = withMeans(maps[kind], layers, heads).map((map) => split(map, rows, columns));
  const spread = all.map((map) => map.map((row) => Math.round(entropy(row) * STEPS_A_BIT)));
  const first = all.map((map) => map.map((row) => row[0]));
  const may = (frame) => (i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return row <= last(frame) && (kind !== "decoder" || column <= row);
  };
  const biggest = (from) => Math.max(0, ...all.slice(0, -1).flatMap((map) => map.flatMap((row) => Math.max(0, ...row.slice(from)))));
  return {
    title: "",
    frames: frames.length > 1 ? frames.map((frame) => `${frame + 1} of ${steps}`) : [],
    query_tokens: queries,
    key_tokens: keys,
    head_names: [],
    locked: -1,
    scale: "peak",
    order: "model",
    hide_first: false,
    _hatched: kind === "cross" ? "not written yet" : "masked",
    _shape: [layers, heads, rows, columns],
    _gutters: gutters(queries, keys),
    _peak: biggest(0),
    _peak_of_rest: biggest(1),
    _weights: frames.flatMap((frame) => weights.map((codes) => codes.slice().fill(0, (last(frame) + 1) * columns))),
    _masks: kind === "encoder" ? [] : frames.flatMap((frame) => Array(weights.length).fill(bits(rows * columns, may(frame)))),
    _spread: Uint16Array.from(frames.flatMap((frame) => spread.flatMap((codes) => codes.map((code, row) => (row <= last(frame) ? code : LARGEST))))),
    _first: Uint16Array.from(
      frames.flatMap((frame) => first.map((shares) => Math.round((LARGEST * sum(shares.slice(0, last(frame) + 1))) / (last(frame) + 1)))),
    ),
  };
}

const split = (map, rows, columns) => Array.from({ length: rows }, (_, row) => Array.from(map.subarray(row * columns, (row + 1) * columns)));
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
