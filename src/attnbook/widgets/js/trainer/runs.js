// The table of finished runs. Choosing one shows it again.

import { element } from "../shared/dom.js";

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
export const named = ({ heads, scale, positions, seed }) => `${heads} ${heads === 1 ? "head" : "heads"}${scale ? "" : ", no √d"}${positions ? "" : ", no positions"}, seed ${seed}`;

export class Runs {
  #shown = [];

  // `choose(run)` is called for each choice.
  constructor({ choose, signal }) {
    const head = ["finished run", "before", "after", "both"].map((name) => element("th", { scope: "col" }, name));
    this.body = element("tbody", {});
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("button")?.dataset.row;
      if (row) choose(this.#shown[row]);
    }, { signal });
    const table = element("table", {}, element("caption", { class: "said" }, "Correct answers of the finished runs on held-out strings"), element("thead", {}, element("tr", {}, ...head)), this.body);
    this.node = element("div", { class: "ab-train-runs", role: "group", "aria-label": "Finished runs", tabIndex: 0 }, table);
  }

  // `chosen(run)`: whether it is the one shown.
  show(runs, chosen) {
    const newest = [...runs].reverse();
    const pressed = newest.map((run) => String(chosen(run)));
    if (newest.length === this.#shown.length && newest.every((run, i) => run === this.#shown[i])) {
      this.body.querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", pressed[i]));
      return;
    }
    this.#shown = newest;
    this.body.replaceChildren(
      ...newest.map((run, i) => {
        const name = element("button", { type: "button", "data-row": `${i}`, "aria-pressed": pressed[i] }, named(run));
        const share = (part) => element("td", {}, element("data", { value: String(run[part]) }, percent(run[part])));
        return element("tr", {}, element("th", { scope: "row" }, name), ...["before", "after", "both"].map(share));
      }),
    );
  }
}
