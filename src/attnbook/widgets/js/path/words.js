// The text below each drawing: steps, formula and explanation.

import { element } from "../shared/dom.js";
import { Tokens } from "../shared/tokens.js";
import { layersNeeded, reach, steps } from "./paths.js";

export const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const LONGEST = 24;

export function words(all) {
  const { source, target, kernel, layers, tokens } = all;
  const taken = steps(all);
  const distance = Math.abs(target - source);
  const labels = new Tokens(tokens, 1); // from 1, like the formulas
  const word = (i) => element("b", {}, labels.label(i, LONGEST));
  const [from, to] = [() => word(source), () => word(target)];
  const needed = layersNeeded(distance, kernel);
  const field = 1 + layers * (kernel - 1);
  const sees = `${count(layers, "layer")} of kernel ${kernel} see 1 + ${layers}·${kernel - 1} = ${field} inputs, ${layers * reach(kernel)} to each side. `;
  const far = `The two are ${distance} apart: `;
  const head = (n) => (n === null ? ["no path"] : [element("b", {}, String(n)), n === 1 ? " step" : " steps"]);
  const minus = `${target + 1} − ${source + 1}`;
  return {
    recurrent: {
      steps: taken.recurrent,
      head: head(taken.recurrent),
      formula: `steps = to − from + 1 = ${minus} + 1${taken.recurrent === null ? " < 1" : ` = ${taken.recurrent}`}`,
      note:
        taken.recurrent === null
          ? ["It reads from left to right: ", to(), " is read before ", from(), `. A second network from right to left would take ${count(distance + 1, "step")}.`]
          : ["One step reads ", from(), distance ? `, and one more passes it on at each of ${count(distance, "position")}, each waiting for the one before.` : ": nothing lies between."],
    },
    convolution: {
      steps: taken.convolution,
      head: head(taken.convolution),
      formula: `layers needed = ⌈${distance} / ${reach(kernel)}⌉ = ${needed}${distance ? "" : ", at least 1"}`.replace(`= ${needed},`, "= 0,"),
      note:
        taken.convolution === null
          ? [sees, far, element("b", { class: "warn" }, `out of reach, it takes ${count(needed, "layer")}.`)]
          : [sees, far, `in reach, one step per layer.`],
    },
    attention: {
      steps: 1,
      head: head(1),
      formula: "steps = 1, whatever the distance",
      note: [to(), ` attends to all ${tokens.length} positions at once, including `, from(), "."],
    },
  };
}

// One sentence for screen readers.
export function spoken(all, names) {
  const taken = steps(all);
  const say = (n) => (n === null ? "no path" : count(n, "step"));
  return `from ${names[0]} to ${names[1]}: recurrent ${say(taken.recurrent)}, convolution ${say(taken.convolution)}, attention ${say(1)}`;
}
