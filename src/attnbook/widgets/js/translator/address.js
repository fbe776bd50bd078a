// The translator's state in the page's address: `#dates-1_into-de_cut-cross.1.2` is the page's first translator, writing German, with
// a head cut.

import { readText, syncAddress, writeText } from "../shared/address.js";
import { LONGEST } from "./asking.js";

const TRAITS = ["text", "target", "kind", "cuts"];
const KINDS = ["cross", "decoder", "encoder"];

export function followAddress(view, signal) {
  const { page, model, targets } = view;
  const own = `dates-${[...document.querySelectorAll(".ab-translator")].indexOf(page) + 1}`;
  const origin = view.get("text", "target", "kind");
  const take = (parts) => {
    const settings = { ...origin, cuts: [] };
    for (const part of parts) {
      const [name, value] = [part.slice(0, part.indexOf("-")), part.slice(part.indexOf("-") + 1)];
      if (name === "cut" && /^\w+(\.(\d{1,4}|\*)){1,4}$/.test(value)) settings.cuts.push(value);
      if (name === "into" && targets.includes(value)) settings.target = value;
      if (name === "kind" && KINDS.includes(value)) settings.kind = value;
      if (name === "text") settings.text = readText(value, LONGEST) || origin.text;
    }
    view.set(settings);
  };
  const settings = () => {
    const { text, target, kind, cuts } = view.get(...TRAITS);
    return [
      ...(text !== origin.text ? [`text-${writeText(text)}`] : []),
      ...(target !== origin.target ? [`into-${target}`] : []),
      ...(kind !== origin.kind ? [`kind-${kind}`] : []),
      ...cuts.map((cut) => `cut-${cut}`),
    ];
  };
  syncAddress({ own, page, model, traits: TRAITS, take, settings }, signal);
}
