// The text written so far, and the most likely tokens of the current step.

import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { tokenElement } from "../shared/tokens.js";

const END = "⟨end⟩";

export class Answer {
  constructor({ step, signal }) {
    this.text = element("bdi", { class: "written" });
    this.button = element("button", { type: "button", class: "button" }, "Next token");
    this.button.addEventListener("click", step, { signal });
    const steps = element("div", { class: "steps" }, this.button);
    this.rows = element("tbody", {});
    const head = element("tr", {}, ...["token", "probability"].map((name) => element("th", { scope: "col" }, name)));
    this.caption = element("caption", {});
    const table = element("table", {}, this.caption, element("thead", {}, head), this.rows);
    this.node = element("div", { class: "ab-answer" }, element("div", { class: "ab-made" }, this.text, steps), element("div", { class: "ab-likeliest" }, table));
  }

  show({ written, likeliest }, step, language) {
    const so = written.slice(0, step + 1).filter((token) => token !== END);
    this.text.textContent = so.join("");
    this.text.lang = language === "iso" ? "en" : language;
    this.text.dir = language === "ar" ? "rtl" : "ltr";
    this.button.textContent = step + 1 < written.length ? "Next token" : "From the first token";
    this.caption.textContent = `Token ${step + 1} of ${written.length}: the five most likely`;
    this.rows.replaceChildren(...likeliest[step].map((one) => row(one, one[0] === written[step])));
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
