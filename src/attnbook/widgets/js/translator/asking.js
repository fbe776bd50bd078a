// The input: a typed date or a chosen day, and the target language.

import { element } from "../shared/dom.js";
import { readDate, write } from "./writing.js";

const [FIRST, LAST] = ["1900-01-01", "2099-12-31"];
export const LONGEST = 200; // characters in the field
const REST = 700; // milliseconds after the last key
const FORMATS = [["full", "with weekday"], ["long", "long"], ["medium", "medium"]];

export class Asking {
  #timer = 0;

  // `ask({ text })` or `ask({ target })` is called with the reader's input, `tell` with a message for invalid input; `writing`
  // holds the date formats.
  constructor({ languages, writing, ask, tell, signal }) {
    this.writing = writing;
    const on = (node, type, call) => node.addEventListener(type, call, { signal });
    this.text = element("input", { type: "text", class: "field", dir: "auto", maxlength: `${LONGEST}`, spellcheck: "false", autocomplete: "off" });
    this.day = element("input", { type: "date", class: "field", min: FIRST, max: LAST, value: "2009-03-07" });
    this.language = choices(languages.filter(([code]) => code !== "iso").map(([code, english]) => [code, english]));
    this.format = choices(FORMATS);
    this.target = choices(languages.map(([code, english, own]) => [code, english === own ? english : `${english} · ${own}`]));
    const typed = () => {
      clearTimeout(this.#timer);
      if (this.text.value.trim()) ask({ text: this.text.value });
      else tell("Type a date, or pick one. The previous translation is shown below.");
    };
    on(this.text, "input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(typed, REST);
    });
    on(this.text, "change", typed);
    on(this.text, "keydown", (event) => event.key === "Enter" && typed());
    const picked = () => {
      if (this.day.validity.valid && this.day.value) ask({ text: this.#picked });
      else tell("Pick a day from 1900 to 2099: the model knows no other years.");
    };
    for (const control of [this.day, this.language, this.format]) on(control, "change", picked);
    on(this.target, "change", () => ask({ target: this.target.value }));
    const label = (words, control) => element("label", { class: "asked" }, element("span", {}, words), control);
    const pick = element("div", { class: "pick", role: "group", "aria-label": "Pick a day and how it is written", hidden: true }, label("or pick a day", this.day), label("written in", this.language), label("format", this.format));
    this.text.setAttribute("aria-label", "Type a date");
    this.text.placeholder = "Type a date in any of nine languages";
    this.target.setAttribute("aria-label", "translate into");
    const more = element("button", { type: "button", class: "button more", "aria-expanded": "false" }, "more");
    on(more, "click", () => {
      pick.hidden = !pick.hidden;
      more.setAttribute("aria-expanded", String(!pick.hidden));
    });
    const arrow = element("span", { class: "arrow", "aria-hidden": "true" }, "→");
    this.node = element("div", { class: "asking" }, element("div", { class: "ab-asking" }, this.text, arrow, this.target, more), pick);
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  get #picked() {
    return write(this.writing[this.language.value][this.format.value], this.day.value);
  }

  // Shows text and target, and the day, or none if the text isn't one.
  show({ text, target }) {
    if (this.text.value.trim() !== text.trim()) this.text.value = text;
    this.target.value = target;
    const found = readDate(this.writing, text);
    if (found && this.day.value && this.#picked === text) return; // two formats can write a day the same way
    this.day.value = found?.day ?? "";
    if (found) [this.language.value, this.format.value] = [found.language, found.format];
  }
}

const choices = (pairs) => element("select", { class: "field" }, ...pairs.map(([value, words]) => element("option", { value }, words)));
