// The trainer's settings in the page's address: `#training-1_heads-1_scale-off_seed-3` is the page's first trainer.

import { readSettings, syncAddress, writeSettings } from "../shared/address.js";

const SWITCH = ["off", "on"];
const FORM = { limits: { seed: [0, 1000] }, texts: {}, choices: { heads: ["1", "2", "4"], scale: SWITCH, positions: SWITCH } };
const TRAITS = ["heads", "scale", "positions", "seed"];

const words = ({ heads, scale, positions, seed }) => ({ heads: String(heads), scale: SWITCH[Number(scale)], positions: SWITCH[Number(positions)], seed });
const traits = ({ heads, scale, positions, seed }) => ({ heads: Number(heads), scale: scale === "on", positions: positions === "on", seed });

export function followAddress(view, page, signal) {
  const origin = words(view.get(...TRAITS));
  const own = `training-${[...document.querySelectorAll(".ab-trainer")].indexOf(page) + 1}`;
  const take = (parts) => view.set(traits({ ...origin, ...readSettings(parts, FORM) }));
  const settings = () => writeSettings(words(view.get(...TRAITS)), origin, FORM);
  syncAddress({ own, page, model: view.model, traits: TRAITS, take, settings }, signal);
}
