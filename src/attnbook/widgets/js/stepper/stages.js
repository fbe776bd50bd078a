// What the stepper shows: the matrices in the order of computation, and a line about each step.

import { attend, total } from "./attention.js";
import { writer } from "./format.js";

export const LAST = 5; // steps go from 0, queries, keys and values, to 5, the output
const INPUTS = ["query", "key", "value"];
const LETTERS = { query: "Q", key: "K", value: "V" };

const range = (count) => Array.from({ length: count }, (_, i) => String(i));
const shape = (matrix) => `(${matrix.length}, ${matrix[0].length})`;

// The model's current settings and matrices, and `write`, which writes a number of a matrix.
export function compute(model) {
  const [query, key, value] = INPUTS.map((name) => model.get(`_${name}`));
  const queries = model.get("query_tokens");
  const keys = model.get("key_tokens");
  if (![query, key, value].every((matrix) => matrix?.[0]?.length)) throw new Error("query, key or value is missing");
  if (queries?.length !== query.length || keys?.length !== key.length) throw new Error("tokens are missing");
  const masking = model.get("masking");
  const padded = model.get("padding");
  const may = { causal: (t, s) => s <= t, padding: (t, s) => !padded.includes(s), given: (t, s) => model.get("_mask")[t][s] }[masking];
  const allowed = may ? query.map((_, t) => key.map((_, s) => may(t, s))) : null;
  const settings = { scale: model.get("scale"), temperature: model.get("temperature"), before: model.get("mask_when") !== "after" };
  const all = { queries, keys, masking, allowed, ...settings, ...attend({ query, key, value, allowed }, settings) };
  if (model.get("_x")?.length) {
    for (const name of ["x", "W_query", "W_key", "W_value"]) all[name] = model.get(`_${name}`);
  }
  all.write = Object.fromEntries(Object.entries(all).flatMap(([name, matrix]) => (isMatrix(matrix) ? [[name, writer(matrix.flat())]] : [])));
  if (!all.before) all.write.masked = all.write.weights;
  all.writeTotal = writer(all.spent.map(total));
  return all;
}

const isMatrix = (value) => Array.isArray(value) && typeof value[0]?.[0] === "number";

// The mask's step changes nothing without a mask, so it is left out.
export const stepsOf = ({ allowed, before }) => range(LAST + 1).map(Number).filter((step) => allowed || step !== (before ? 3 : 4));

// Each stage: its `name`, the `step` that shows it, its heading and formula, the labels of rows and columns with their colours
// ("query", "key"), `weights` (show row sums), and `idle` (this step changes nothing).
export function stages(all) {
  const { queries, keys, before, x } = all;
  const idle = !all.scale && all.temperature === 1;
  const pairs = { rows: queries, columns: keys, rowKind: "query", columnKind: "key" };
  const rowsOf = { query: queries, key: keys, value: keys };
  const projections = INPUTS.map((name) => ({ name: `W_${name}`, step: 0, head: `W_${LETTERS[name]}`, kind: name, formula: "", rows: range(x?.[0].length ?? 0) }));
  const inputs = INPUTS.map((name) => ({
    name, step: 0, head: LETTERS[name], kind: name, rows: rowsOf[name], rowKind: name,
    formula: x ? `X W_${LETTERS[name]}` : { query: "queries", key: "keys", value: "values" }[name],
  }));
  const list = [
    ...(x ? [{ name: "x", step: 0, head: "X", formula: "inputs", rows: queries }, ...inputs.flatMap((one, i) => [projections[i], one])] : inputs),
    { name: "scores", step: 1, head: "Scores", formula: "Q Kᵀ", ...pairs },
    { name: "scaled", step: 2, head: idle ? "Not scaled" : "Scaled", formula: `÷ ${idle ? 1 : divisors(all, "√d", "τ")}`, ...pairs, idle },
    { name: "masked", step: before ? 3 : 4, head: "Masked", formula: masks(all), ...pairs, weights: !before },
    { name: "weights", step: before ? 4 : 3, head: "Weights", formula: "softmax by row", ...pairs, weights: true },
    { name: "output", step: LAST, head: "Output", formula: "weights · V", rows: queries, rowKind: "query" },
  ].filter(({ name }) => name !== "masked" || all.allowed);
  for (const stage of list) {
    stage.numbers = all[stage.name];
    stage.columns ??= range(stage.numbers[0].length);
    stage.shape = shape(stage.numbers);
    const masked = all.allowed && (stage.name === "masked" || (stage.name === "weights" && before));
    stage.hidden = (row, column) => Boolean(masked) && !all.allowed[row][column];
  }
  return list.sort((a, b) => a.step - b.step);
}

// The divisor of the scores, in words.
export const divisors = ({ scale, temperature }, root, heat) =>
  [scale && root, temperature !== 1 && heat].filter(Boolean).join(" · ");

const masks = ({ masking, before }) => `${masking}, ${before ? "−∞" : "0"}`;

// The stages that softmax and the weighted sum read.
export const logits = ({ allowed, before }) => (allowed && before ? "masked" : "scaled");
export const spent = ({ allowed, before }) => (allowed && !before ? "masked" : "weights");

// The arrows between stages: [from, to].
export function arrows(all) {
  const inputs = all.x ? INPUTS.flatMap((name) => [["x", `W_${name}`], [`W_${name}`, name]]) : [];
  const chain = ["scaled", ...(!all.allowed ? ["weights"] : all.before ? ["masked", "weights"] : ["weights", "masked"])];
  const middle = chain.map((name, i) => [chain[i - 1] ?? "scores", name]);
  return [...inputs, ["query", "scores"], ["key", "scores"], ...middle, [chain.at(-1), "output"], ["value", "output"]];
}

// The step in words, with shapes.
export function sentence(all, step) {
  const { query, key, value, scores, allowed, before, masking, divisor, temperature, x } = all;
  const width = query[0].length;
  const masked = !allowed
    ? "No mask: every query may attend to every key."
    : before
      ? `Mask (${masking}): where a query may not attend, the score becomes −∞, so its weight will be 0.`
      : `Mask (${masking}) after softmax: masked weights become 0, so their rows no longer sum to 1.`;
  const softmax = `Softmax: exp of every number, divided by the sum of its row. Weights ${shape(scores)}: every row sums to 1${
    before && allowed?.some((row) => !row.some(Boolean)) ? ", or to 0 if the whole row is masked" : ""
  }.`;
  const rows = `Each row of Q ${shape(query)} is a query, each row of K ${shape(key)} a key, ${width} ${width > 1 ? "numbers" : "number"} wide; each row of V ${shape(value)} is a value.`;
  return [
    x ? `Q, K and V are X ${shape(x)} times three matrices of weights. ${rows}` : rows,
    `Scores ${shape(scores)} = Q ${shape(query)} times K transposed (${width}, ${key.length}): every query's dot product with every key.`,
    [
      all.scale
        ? `Every score is divided by √d = √${width} = ${Math.sqrt(width).toFixed(4)}, where d is the width of a query and of a key`
        : "Dividing by √d is switched off",
      temperature === 1 ? (all.scale ? "." : ": the scores stay as they are.") : `, and by the temperature τ = ${temperature}: ${divisor.toFixed(4)} in all.`,
    ].join(""),
    ...(before ? [masked, softmax] : [softmax, masked]),
    `Output ${shape(all.output)} = weights ${shape(scores)} times V ${shape(value)}: for every query, a weighted sum of the values.`,
  ][step];
}
