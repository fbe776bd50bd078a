// Shared controls. They are native elements, so that keyboards, touch and screen readers work as usual.

import { element } from "./dom.js";

// Makes buttons: `buttons(signal)("Undo", () => …)`.
export const buttons = (signal) => (words, call, attributes) => {
  const node = element("button", { type: "button", class: "button", ...attributes }, words);
  node.addEventListener("click", call, { signal });
  return node;
};

// A slider with its value beside it. `show` sets it without calling `change`; `spoken` is the value for screen readers.
export function slider(name, { min, max, step = 1, change, signal }) {
  const input = element("input", { type: "range", min: `${min}`, max: `${max}`, step: `${step}` });
  const shown = element("output", { "aria-hidden": "true" });
  input.addEventListener("input", () => change(Number(input.value)), { signal });
  const node = element("label", { class: "slider" }, element("span", { class: "slider-name" }, name), input, shown);
  const show = (value, text = String(value), spoken = text) => {
    input.value = value;
    input.setAttribute("aria-valuetext", spoken);
    shown.textContent = text;
  };
  return { node, input, show };
}

// A slider for the temperature τ, on a logarithmic scale.
const [COLDEST, HOTTEST, NOTCHES] = [0.05, 20, 120];
const RATIO = Math.log(HOTTEST / COLDEST) / NOTCHES;

export function heat({ change, signal }) {
  const at = (notch) => Number((COLDEST * Math.exp(notch * RATIO)).toPrecision(2));
  const { node, input, show } = slider("temperature", { min: 0, max: NOTCHES, change: (notch) => change(at(notch)), signal });
  const shown = (temperature) => String(+temperature.toPrecision(3));
  return { node, input, show: (t) => show(Math.round(Math.log(t / COLDEST) / RATIO), `τ = ${shown(t)}`, shown(t)) };
}

// Writes only changed text, so that a live region announces it once.
export function say(node, ...words) {
  const next = element("div", {}, ...words);
  if (next.textContent !== node.textContent) node.replaceChildren(...next.childNodes);
}

// A live region for screen readers that waits for a pause in the input.
export class Speaker {
  #timer;

  constructor(signal) {
    this.node = element("p", { class: "said", role: "status" });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  say(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => text !== this.node.textContent && (this.node.textContent = text), 400);
  }
}
