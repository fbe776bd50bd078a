// What the stepper shows: eight matrices in the order of computation, and a line about each step.

import { attend } from "./attention.js";

export const LAST = 5; // steps go from 0, queries and keys, to 5, the output

const range = (count) => Array.from({ length: count }, (_, i) => String(i));
const shape = (matrix) => `(${matrix.length}, ${matrix[0].length})`;

// The model's current settings and matrices.
export function compute(model) {
  const [query, key, value] = ["_query", "_key", "_value"].map((name) => model.get(name));
  const queries = model.get("query_tokens");
  const keys = model.get("key_tokens");
  if (![query, key, value].every((matrix) => matrix?.[0]?.length)) throw new Error("query, key or value is missing");
  if (queries?.length !== query.length || keys?.length !== key.length) throw new Error("tokens are missing");
  const masking = model.get("masking");
  const padded = model.get("padding");
  const may = { causal: (t, s) => s <= t, padding: (t, s) => !padded.includes(s), given: (t, s) => model.get("_mask")[t][s] }[masking];
  const allowed = may ? query.map((_, t) => key.map((_, s) => may(t, s))) : null;
  const settings = { scale: model.get("scale"), temperature: model.get("temperature"), before: model.get("mask_when") !== "after" };
  return { queries, keys, masking, allowed, ...settings, ...attend({ query, key, value, allowed }, settings) };
}

// Each stage: its `name`, the `step` that shows it, its heading and formula, the labels of rows and columns with their colours
// ("query", "key"), `weights` (show row sums), and `idle` (this step changes nothing).
export function stages(all) {
  const { queries, keys, before, query, value } = all;
  const [widths, values] = [range(query[0].length), range(value[0].length)];
  const idle = !all.scale && all.temperature === 1;
  const pairs = { rows: queries, columns: keys, rowKind: "query", columnKind: "key" };
  const list = [
    { name: "query", step: 0, head: "Q", formula: "queries", rows: queries, columns: widths, rowKind: "query" },
    { name: "key", step: 0, head: "K", formula: "keys", rows: keys, columns: widths, rowKind: "key" },
    { name: "scores", step: 1, head: "Scores", formula: "Q Kᵀ", ...pairs },
    { name: "scaled", step: 2, head: idle ? "Not scaled" : "Scaled", formula: `÷ ${idle ? 1 : divisors(all, "√d", "τ")}`, ...pairs, idle },
    { name: "masked", step: before ? 3 : 4, head: all.allowed ? "Masked" : "No mask", formula: masks(all), ...pairs, idle: !all.allowed, weights: !before },
    { name: "weights", step: before ? 4 : 3, head: "Weights", formula: "softmax by row", ...pairs, weights: true },
    { name: "value", step: LAST, head: "V", formula: "values", rows: keys, columns: values, rowKind: "value" },
    { name: "output", step: LAST, head: "Output", formula: "weights · V", rows: queries, columns: values, rowKind: "query" },
  ];
  for (const stage of list) {
    stage.numbers = all[stage.name];
    stage.shape = shape(stage.numbers);
    const masked = all.allowed && (stage.name === "masked" || (stage.name === "weights" && before));
    stage.hidden = (row, column) => Boolean(masked) && !all.allowed[row][column];
  }
  return list.sort((a, b) => a.step - b.step);
}

// The divisor of the scores, in words.
export const divisors = ({ scale, temperature }, root, heat) =>
  [scale && root, temperature !== 1 && heat].filter(Boolean).join(" · ");

const masks = ({ allowed, masking, before }) => (!allowed ? "as before" : `${masking}, ${before ? "−∞" : "0"}`);

// The step in words, with shapes.
export function sentence(all, step) {
  const { query, key, value, scores, allowed, before, masking, divisor, temperature } = all;
  const width = query[0].length;
  const masked = !allowed
    ? "No mask: every query may attend to every key."
    : before
      ? `Mask (${masking}): where a query may not attend, the score becomes −∞, so its weight will be 0.`
      : `Mask (${masking}) after softmax: masked weights become 0, so their rows no longer sum to 1.`;
  const softmax = `Softmax: exp of every number, divided by the sum of its row. Weights ${shape(scores)}: every row sums to 1${
    before && allowed?.some((row) => !row.some(Boolean)) ? ", or to 0 if the whole row is masked" : ""
  }.`;
  return [
    `Each row of Q ${shape(query)} is a query, each row of K ${shape(key)} a key, ${width} ${width > 1 ? "numbers" : "number"} wide.`,
    `Scores ${shape(scores)} = Q ${shape(query)} times K transposed (${width}, ${key.length}): every query's dot product with every key.`,
    [
      all.scale
        ? `Every score is divided by √d = √${width} = ${Math.sqrt(width).toFixed(3)}, where d is the width of a query and of a key`
        : "Dividing by √d is switched off",
      temperature === 1 ? (all.scale ? "." : ": the scores stay as they are.") : `, and by the temperature τ = ${temperature}: ${divisor.toFixed(3)} in all.`,
    ].join(""),
    ...(before ? [masked, softmax] : [softmax, masked]),
    `Output ${shape(all.output)} = weights ${shape(scores)} times V ${shape(value)}: for every query, a weighted sum of the values.`,
  ][step];
}
