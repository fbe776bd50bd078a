// How one number was computed: the words to show, and the cells that went into it.

import { element } from "../shared/dom.js";
import { Tokens } from "../shared/tokens.js";
import { total } from "./attention.js";
import { alone, read } from "./format.js";
import { divisors, logits, spent } from "./stages.js";

const LONGEST = 16;
const text = (kind, words) => element("span", kind ? { class: `is-${kind}` } : {}, words);
const token = (kind, words, index) => element("span", { class: `is-${kind}` }, index in words ? new Tokens(words).label(index, LONGEST) : "");
const call = (name, row, column) => [`${name}(`, row, ", ", column, ") = "];
const join = (parts, between) => parts.flatMap((part, i) => (i ? [between, ...part] : part));
const strong = (words) => element("strong", {}, words);
const bracketed = (words) => (words.startsWith("−") ? `(${words})` : words);

// `from` lists the cells that the number was computed from, [stage, row, column]; null means a whole row or column.
export function explain(all, { name, weights }, row, column) {
  const query = token("query", all.queries, row);
  const key = token("key", all.keys, column);
  if (weights && column === all.keys.length) return sum(all, name, row, query);
  return EXPLAIN[name](all, row, column, query, key);
}

const near = (checked, result) => {
  const unit = 10 ** -(result.split(".")[1]?.length ?? 0);
  return Math.abs(checked - read(result)) <= 0.5 * unit * (1 + 1e-6) ? " = " : " ≈ ";
};

// A dot product with its result: the sign is ≈ where the printed numbers, being rounded, give another last digit.
function dot(pairs, kinds, result) {
  const checked = pairs.reduce((sum, [a, b]) => sum + read(a) * read(b), 0);
  const terms = pairs.map(([a, b]) => [text(kinds[0], bracketed(a)), "×", text(kinds[1], bracketed(b))]);
  return [...join(terms, " + "), near(checked, result), strong(result)];
}

const given = (all, name, row, column, owner) => ({
  words: [...call(name, owner, String(column)), strong(all.write[name](all[name][row][column])), ", as given"],
  from: [],
});

// A row of x times a column of a projection.
const projected = (name) => (all, row, column) => {
  const owner = token(name, name === "query" ? all.queries : all.keys, row);
  if (!all.x) return given(all, name, row, column, owner);
  const [W, write] = [`W_${name}`, all.write];
  const pairs = all.x[row].map((x, i) => [write.x(x), write[W](all[W][i][column])]);
  return {
    words: [...call(name, owner, String(column)), ...dot(pairs, [null, name], write[name](all[name][row][column]))],
    from: [["x", row, null], [W, null, column]],
  };
};

const input = (name) => (all, row, column) => given(all, name, row, column, name === "x" ? text(null, new Tokens(all.queries).label(row, LONGEST)) : String(row));

// A masked weight is exactly 0, not rounded to 0.
const written = ({ allowed, before, write }, name, row) => (weight, column) => {
  const masked = allowed && !allowed[row][column] && (name === "masked" || before);
  return masked ? "0" : write[name](weight);
};

function sum(all, name, row, query) {
  const terms = all[name][row].map(written(all, name, row));
  const result = all.writeTotal(total(all[name][row]));
  const checked = terms.reduce((whole, term) => whole + read(term), 0);
  return { words: ["sum of row ", query, " = ", terms.join(" + "), near(checked, result), strong(result)], from: [[name, row, null]] };
}

const EXPLAIN = {
  query: projected("query"),
  key: projected("key"),
  value: projected("value"),
  x: input("x"),
  W_query: input("W_query"),
  W_key: input("W_key"),
  W_value: input("W_value"),

  scores: ({ query: Q, key: K, scores, write }, row, column, query, key) => {
    const pairs = Q[row].map((x, i) => [write.query(x), write.key(K[column][i])]);
    return {
      words: [...call("score", query, key), ...dot(pairs, ["query", "key"], write.scores(scores[row][column]))],
      from: [["query", row, null], ["key", column, null]],
    };
  },

  scaled: (all, row, column, query, key) => {
    const score = all.write.scores(all.scores[row][column]);
    const by = divisors(all, `√${all.query[0].length}`, all.temperature);
    const result = all.write.scaled(all.scaled[row][column]);
    const worked = by ? [`${score} / ${by.includes("·") ? `(${by})` : by}`, near(read(score) / all.divisor, result)] : ["score = "];
    return { words: [...call("scaled", query, key), ...worked, strong(result)], from: [["scores", row, column]] };
  },

  masked: ({ allowed, before, masked, scaled, weights, write }, row, column, query, key) => {
    const was = before ? write.scaled(scaled[row][column]) : write.weights(weights[row][column]);
    const now = strong(!allowed[row][column] && !before ? "0" : write.masked(masked[row][column]));
    const from = [[before ? "scaled" : "weights", row, column]];
    if (allowed[row][column]) return { words: [query, " may attend to ", key, ": ", now, " stays"], from };
    return { words: [query, " may not attend to ", key, `: ${was} becomes `, now, before ? ", as exp(−∞) = 0" : ""], from };
  },

  // The exponentials are those of the printed numbers.
  weights: (all, row, column, query, key) => {
    const name = logits(all);
    const numbers = all[name][row].map(all.write[name]);
    const from = [[name, row, null]];
    const result = written(all, "weights", row)(all.weights[row][column], column);
    if (numbers.every((x) => x === "−∞")) return { words: [query, " may attend to nothing: its weights are all ", strong(result)], from };
    const powers = numbers.map((x) => Math.exp(read(x)));
    const bottom = total(powers);
    const share = powers[column] / bottom;
    const worked = bottom > 1e-3 && bottom < 1e5 ? [`${alone(powers[column])} / ${alone(bottom)}`, near(share, result)] : [];
    const fraction = `exp(${numbers[column]}) / (${numbers.map((x) => `exp(${x})`).join(" + ")}) = `;
    return { words: [...call("weight", query, key), fraction, ...worked, strong(result)], from };
  },

  output: (all, row, column, query) => {
    const { value, output, write } = all;
    const name = spent(all);
    const weight = written(all, name, row);
    const pairs = all.spent[row].map((w, s) => [weight(w, s), write.value(value[s][column])]);
    return {
      words: [...call("output", query, String(column)), ...dot(pairs, [null, "value"], write.output(output[row][column]))],
      from: [[name, row, null], ["value", null, column]],
    };
  },
};
