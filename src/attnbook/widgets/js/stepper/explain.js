// How one number was computed: the words to show, and the cells that went into it.

import { element } from "../shared/dom.js";
import { Tokens } from "../shared/tokens.js";
import { total } from "./attention.js";
import { divisors } from "./stages.js";
import { digits, factor, signed } from "../shared/numbers.js";

const LONGEST = 16;
const text = (kind, words) => element("span", { class: `is-${kind}` }, words);
const token = (kind, words, index) => element("span", { class: `is-${kind}` }, index in words ? new Tokens(words).label(index, LONGEST) : "");
const call = (name, row, column) => [`${name}(`, row, ", ", column, ") = "];
const join = (parts, between) => parts.flatMap((part, i) => (i ? [between, ...part] : part));
const strong = (words) => element("strong", {}, words);

// `from` lists the cells that the number was computed from, [stage, row, column]; null means a whole row or column.
export function explain(all, { name, weights }, row, column) {
  const query = token("query", all.queries, row);
  const key = token("key", all.keys, column);
  if (weights && column === all.keys.length) return sum(all, name, row, query);
  return EXPLAIN[name](all, row, column, query, key);
}

const given = (name, kind) => (all, row, column) => {
  const owner = token(kind, kind === "query" ? all.queries : all.keys, row);
  return { words: [...call(name, owner, String(column)), strong(signed(all[name][row][column])), ", as given"], from: [] };
};

// A masked weight is exactly 0, not rounded to 0.
const written = ({ allowed, before }, name, row) => (weight, column) => {
  const masked = allowed && !allowed[row][column] && (name === "masked" || before);
  return masked ? "0" : digits(weight);
};

const sum = (all, name, row, query) => ({
  words: ["sum of row ", query, " = ", all[name][row].map(written(all, name, row)).join(" + "), " = ", strong(digits(total(all[name][row])))],
  from: [[name, row, null]],
});

const EXPLAIN = {
  query: given("query", "query"),
  key: given("key", "key"),
  value: given("value", "value"),

  scores: ({ query: Q, key: K, scores }, row, column, query, key) => ({
    words: [
      ...call("score", query, key),
      ...join(Q[row].map((x, i) => [text("query", factor(x)), "×", text("key", factor(K[column][i]))]), " + "),
      " = ",
      strong(signed(scores[row][column])),
    ],
    from: [["query", row, null], ["key", column, null]],
  }),

  scaled: (all, row, column, query, key) => {
    const score = signed(all.scores[row][column]);
    const by = divisors(all, `√${all.query[0].length}`, all.temperature);
    const worked = by && `${score} / ${by.includes("·") ? `(${by})` : by} = ${by.includes("√") ? `${score} / ${all.divisor.toFixed(3)} = ` : ""}`;
    return { words: [...call("scaled", query, key), worked || "score = ", strong(signed(all.scaled[row][column]))], from: [["scores", row, column]] };
  },

  masked: ({ allowed, before, masked, scaled, weights }, row, column, query, key) => {
    const write = before ? signed : digits;
    const was = write((before ? scaled : weights)[row][column]);
    const now = strong(allowed && !allowed[row][column] && !before ? "0" : write(masked[row][column]));
    const from = [[before ? "scaled" : "weights", row, column]];
    if (!allowed) return { words: ["no mask: ", now, " stays"], from };
    if (allowed[row][column]) return { words: [query, " may attend to ", key, ": ", now, " stays"], from };
    return { words: [query, " may not attend to ", key, `: ${was} becomes `, now, before ? ", as exp(−∞) = 0" : ""], from };
  },

  weights: (all, row, column, query, key) => {
    const { before, masked, scaled, weights } = all;
    const numbers = (before ? masked : scaled)[row];
    const from = [[before ? "masked" : "scaled", row, null]];
    const result = strong(written(all, "weights", row)(weights[row][column], column));
    if (numbers.every((x) => x === -Infinity)) return { words: [query, " may attend to nothing: its weights are all ", result], from };
    const power = (x) => `exp(${signed(x)})`;
    const bottom = total(numbers.map(Math.exp));
    const worked = bottom > 1e-3 && bottom < 1e6 ? `${Math.exp(numbers[column]).toFixed(3)} / ${bottom.toFixed(3)} = ` : "";
    const fraction = `${power(numbers[column])} / (${numbers.map(power).join(" + ")}) = `;
    return { words: [...call("weight", query, key), fraction, worked, result], from };
  },

  output: (all, row, column, query) => {
    const { spent, value, output, before } = all;
    const weight = written(all, "masked", row);
    return {
      words: [
        ...call("output", query, String(column)),
        ...join(spent[row].map((w, s) => [weight(w, s), "×", text("value", factor(value[s][column]))]), " + "),
        " = ",
        strong(signed(output[row][column])),
      ],
      from: [[before ? "weights" : "masked", row, null], ["value", null, column]],
    };
  },
};
