// What the model wrote: wrong characters are struck out, the line under a character shows how sure the model was.

import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { visible } from "../shared/tokens.js";

const [SURE, LIKELY] = [0.99, 0.9]; // as in the translator
export const sign = (token) => token.replace(/^⟨(.+)⟩$/, "$1"); // start, end, zh
export const isSign = (token) => sign(token) !== token;

export class Written {
  // `right`: the tokens of the right answer.
  constructor({ text, right, language }) {
    this.right = right;
    const said = { lang: language, dir: language === "ar" ? "rtl" : "ltr" };
    this.text = element("bdi", { class: "written", ...said });
    this.answer = element("bdi", { class: "answer", ...said });
    this.count = element("span", {});
    const asked = element("p", { class: "asked" }, element("bdi", {}, text), " →");
    this.node = element("div", { class: "ab-tr-out" }, asked, this.text, element("p", { class: "below" }, "correct answer ", this.answer, this.count));
  }

  show({ written, probabilities, good, found }) {
    const letters = written.map((token, i) => {
      const share = probabilities[i];
      const kind = share >= SURE ? "sure" : share >= LIKELY ? "likely" : "unsure";
      const letter = element(good[i] ? "span" : "s", { class: `letter ${kind}`, title: `probability ${digits(share)}` }, visible(sign(token)));
      letter.classList.toggle("sign", isSign(token));
      return letter;
    });
    this.text.replaceChildren(...letters);
    this.answer.replaceChildren(...this.right.map((token, i) => element("span", { class: `${found[i] ? "found" : ""} ${isSign(token) ? "sign" : ""}` }, visible(sign(token)))));
    const [right, all] = [found.filter(Boolean).length, this.right.length];
    const done = right === all && good.every(Boolean);
    this.count.textContent = `, ${right} of ${all} tokens`;
    const wrong = written.filter((_, i) => !good[i]).map(sign);
    this.spoken = `${written.map(sign).join("")}, ${wrong.length ? `wrong: ${wrong.join(" ")}` : done ? "right" : "incomplete"}`;
  }
}
