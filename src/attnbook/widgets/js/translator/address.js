// The translator's state in the page's address: `#dates-1_into-de_cut-cross.1.2` is the page's first translator, writing German, with
// a head cut. Of the flow, `step-7_head-0.3_heatmaps-open`: the slider's value, the head, and whether the heatmaps are shown.

import { ownName, readText, syncAddress, writeText } from "../shared/address.js";
import { watchModel } from "../shared/widget.js";
import { LONGEST } from "./asking.js";

const TRAITS = ["text", "target", "kind", "cuts"];
const DRAWN = ["step", "head", "heatmaps"];
const KINDS = ["cross", "decoder", "encoder"];

export function followAddress(view, signal) {
  const { page, model, targets, drawing } = view;
  const own = ownName("dates", ".ab-translator", page);
  const origin = view.get("text", "target", "kind");
  const origins = Object.fromEntries(DRAWN.map((name) => [name, drawing.get(name)]));
  const take = (parts) => {
    const settings = { ...origin, cuts: [] };
    const drawn = { ...origins };
    for (const part of parts) {
      const [name, value] = [part.slice(0, part.indexOf("-")), part.slice(part.indexOf("-") + 1)];
      if (name === "cut" && /^\w+(\.(\d{1,4}|\*)){1,4}$/.test(value)) settings.cuts.push(value);
      if (name === "into" && targets.includes(value)) settings.target = value;
      if (name === "kind" && KINDS.includes(value)) settings.kind = value;
      if (name === "step" && /^\d{1,3}$/.test(value)) drawn.step = Number(value);
      if (name === "head" && /^\d{1,2}\.(\d{1,2}|\*)$/.test(value)) drawn.head = value;
      if (name === "heatmaps") drawn.heatmaps = true;
      if (name === "text") settings.text = readText(value, LONGEST) || origin.text;
    }
    view.set(settings);
    drawing.set(drawn); // after the text, since another text begins without a step
  };
  const settings = () => {
    const { text, target, kind, cuts } = view.get(...TRAITS);
    return [
      ...(text !== origin.text ? [`text-${writeText(text)}`] : []),
      ...(target !== origin.target ? [`into-${target}`] : []),
      ...(kind !== origin.kind ? [`kind-${kind}`] : []),
      ...cuts.map((cut) => `cut-${cut}`),
      ...["step", "head"].filter((name) => drawing.get(name) !== null).map((name) => `${name}-${drawing.get(name)}`),
      ...(drawing.get("heatmaps") === origins.heatmaps ? [] : ["heatmaps-open"]),
    ];
  };
  const changed = syncAddress({ own, page, model, traits: TRAITS, take, settings }, signal);
  watchModel(drawing, Object.fromEntries(DRAWN.map((name) => [`change:${name}`, changed])), signal);
}
