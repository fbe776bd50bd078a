// The text written so far with the model's confidence under each character, a verdict by the calendar, and on demand the most
// likely tokens of the current step.

import { say } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { tokenElement } from "../shared/tokens.js";

export const END = "⟨end⟩";
export const SURE = 0.99; // a less likely token is marked, and its alternatives are shown
const LIKELY = 0.9;

export class Answer {
  #open = false;

  // `go(step)` goes to a step.
  constructor({ go, signal }) {
    this.text = element("bdi", { class: "written" });
    this.text.addEventListener("click", (event) => {
      const at = event.target.closest("[data-step]");
      if (!at) return;
      this.#toggle(true);
      go(Number(at.dataset.step));
    }, { signal });
    this.verdict = element("p", { class: "verdict", role: "status" });
    this.button = element("button", { type: "button", class: "button", "aria-expanded": "false" }, "probabilities");
    this.button.addEventListener("click", () => this.#toggle(!this.#open), { signal });
    this.rows = element("tbody", {});
    const head = element("tr", {}, ...["token", "probability"].map((name) => element("th", { scope: "col" }, name)));
    this.caption = element("caption", {});
    const table = element("table", {}, this.caption, element("thead", {}, head), this.rows);
    this.likeliest = element("div", { class: "ab-likeliest" }, table);
    const below = element("div", { class: "below" }, this.verdict, this.button);
    this.node = element("div", { class: "ab-answer" }, element("div", { class: "ab-made" }, this.text, below), this.likeliest);
  }

  #toggle(open) {
    this.#open = open;
    this.button.setAttribute("aria-expanded", String(open));
    this.likeliest.classList.toggle("is-open", open);
  }

  // `step` is -1 before the first token; `judged`: the verdict, as [kind, words].
  show({ written, likeliest }, step, language, [kind, words]) {
    const letters = written.slice(0, step + 1).flatMap((token, at) => {
      if (token === END) return [];
      const share = likeliest[at][0][1];
      const letter = element("span", { class: `letter ${share >= SURE ? "sure" : share >= LIKELY ? "likely" : "unsure"}`, title: digits(share) }, token);
      letter.dataset.step = at;
      letter.classList.toggle("now", at === step);
      return [letter];
    });
    this.text.replaceChildren(...letters);
    this.text.lang = language === "iso" ? "en" : language;
    this.text.dir = language === "ar" ? "rtl" : "ltr";
    this.verdict.dataset.kind = kind;
    say(this.verdict, words);
    const now = Math.max(0, step);
    this.likeliest.classList.toggle("is-doubtful", likeliest[now][0][1] < SURE);
    this.caption.textContent = `Token ${step + 1} of ${written.length}: the five most likely`;
    this.rows.replaceChildren(...likeliest[now].map((one) => row(one, one[0] === written[step])));
  }
}

function row([token, share], chosen) {
  const fill = element("div", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  const bar = element("div", { class: "share" }, fill, element("span", { class: "number" }, digits(share)));
  const node = element("tr", {}, element("th", { scope: "row" }, tokenElement(token)), element("td", {}, bar));
  node.classList.toggle("on", chosen);
  return node;
}
