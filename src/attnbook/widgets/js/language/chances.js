// The most probable next tokens at one position, with all heads and, if some are cut, without these.

import { element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { tokenElement, visible } from "../shared/tokens.js";

const SHOWN = 6;

export class Chances {
  // `append(token)` is called with a token of the table that the reader chose, if the model is here.
  constructor({ append, signal }) {
    this.caption = element("caption", {});
    this.rows = element("tbody", {});
    this.head = element("tr", {});
    this.node = element("div", { class: "ab-lm-chances" }, element("table", {}, this.caption, element("thead", {}, this.head), this.rows));
    this.rows.addEventListener("click", (event) => {
      const at = event.target.closest("button")?.dataset.at;
      if (at !== undefined) append(this.listed[at][0]);
    }, { signal });
  }

  // `listed`: [token, probability], or with cut heads [token, before, after].
  show({ token, listed, next, cut, live }) {
    this.listed = listed.slice(0, SHOWN);
    this.caption.replaceChildren("Next token after ", tokenElement(token, 24), next === undefined ? "" : element("span", { class: "muted" }, " (in the text: ", tokenElement(next, 24), ")"));
    const names = cut ? ["token", "all heads", "without cut heads"] : ["token", "probability"];
    this.head.replaceChildren(...names.map((name) => element("th", { scope: "col" }, name)));
    this.rows.replaceChildren(...this.listed.map(([name, ...shares], at) => {
      const label = live ? element("button", { type: "button", class: "plain", title: "Append this token", "aria-label": `Append ${visible(name)}` }, tokenElement(name, 16)) : tokenElement(name, 16);
      if (live) label.dataset.at = at;
      const row = element("tr", {}, element("th", { scope: "row" }, label), ...shares.map((share, i) => element("td", {}, bar(share, i))));
      row.classList.toggle("on", name === next);
      return row;
    }));
    this.node.classList.toggle("is-cut", Boolean(cut));
  }
}

function bar(share, which) {
  const fill = element("div", { class: `fill ${which ? "is-part" : ""}` });
  fill.style.width = `${100 * share}%`;
  return element("div", { class: "share" }, fill, element("span", { class: "number" }, digits(share)));
}
