// Tokens as labels: invisible characters get a sign, and no character of a token can affect the page around it.
// `attnbook.maps.visible` does the same for the static figure.

import { element } from "./dom.js";

const SIGNS = { "\n": "↵", "\t": "⇥", "\u00a0": "⍽", "\u202f": "⍽" };
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const ZERO_WIDTH = /^[\u00ad\u200b-\u200d\u2060\ufeff]+$/;
const LONGEST = 300;

const spell = (character) => `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;

export function visible(token) {
  if (token === "") return "∅";
  const lone = ZERO_WIDTH.test(token); // within a word joiners stay: they shape Hindi, Persian and emoji
  const sign = (c) => SIGNS[c] ?? (lone || CONTROL.test(c) ? spell(c) : /^[\ud800-\udfff]$/.test(c) ? "\ufffd" : c);
  return Array.from(token.replace(/^ +| +$/g, (spaces) => "␠".repeat(spaces.length)), sign).join("");
}

// <bdi> keeps a right-to-left token from reordering its neighbours.
export function tokenElement(token, longest = LONGEST) {
  const text = visible(token);
  const shown = text.length > longest ? Array.from(text).slice(0, longest - 1).join("") + "…" : text;
  // The sign for a space is hard to read; style.css draws ␣ over it.
  const pieces = shown.split("␠").flatMap((piece, i) => (i ? [element("span", { class: "space" }, "␠"), piece] : [piece]));
  return element("bdi", { class: "token" }, ...pieces);
}

const SPOKEN = 60;

// The tokens of one side. Repeated ones are labelled with their positions, counted from `first`.
export class Tokens {
  constructor(list, first = 0) {
    Object.assign(this, { list, first });
    const seen = new Map();
    for (const token of list) seen.set(token, (seen.get(token) ?? 0) + 1);
    this.repeats = (index) => seen.get(list[index]) > 1;
  }

  // The visible label; `#3` is a position.
  label(index, longest = SPOKEN) {
    const token = tokenElement(this.list[index], longest);
    const place = () => element("span", { class: "place" }, `#${index + this.first}`);
    return this.repeats(index) ? element("span", { class: "named", dir: "ltr" }, token, place()) : token;
  }

  // The text for screen readers.
  spoken(index) {
    const text = visible(this.list[index]).slice(0, SPOKEN);
    return this.repeats(index) ? `${text} at position ${index + this.first}` : text;
  }
}
