// The sequence as a line of words with two flags, "from" and "to". Each flag is a slider for the arrow keys; clicks on words set
// first where the signal starts, then where it arrives.

import { element } from "../shared/dom.js";
import { tokenElement, visible } from "../shared/tokens.js";

const ENDS = { source: "from", target: "to" };
const MOVES = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
const LONGEST = 24;

export class Sentence {
  #next = "source";

  // `pick(end, position)` is called for each choice.
  constructor(tokens, { pick, signal }) {
    this.tokens = tokens;
    this.pick = pick;
    const word = (token) => element("span", { class: "ab-word", title: visible(token) }, element("span", { class: "text" }, tokenElement(token, LONGEST)));
    this.words = tokens.map(word);
    this.flags = {};
    for (const [end, name] of Object.entries(ENDS)) {
      const flag = element("span", { class: `flag ${end}`, role: "slider", tabIndex: 0, "aria-label": name, "aria-valuemin": "1" }, name);
      flag.setAttribute("aria-valuemax", tokens.length);
      flag.addEventListener("keydown", (event) => this.#key(event, end), { signal });
      this.flags[end] = flag;
    }
    this.node = element("div", { class: "ab-sentence", role: "group", "aria-label": "From and to" }, ...this.words);
    this.node.addEventListener("pointerdown", (event) => this.#drag(event), { signal });
    this.node.addEventListener("click", (event) => this.#click(event), { signal });
  }

  show(picked) {
    this.picked = picked;
    for (const [end, flag] of Object.entries(this.flags)) {
      const word = this.words[picked[end]];
      const focused = flag.matches(":focus");
      if (flag.parentElement !== word) end === "source" ? word.prepend(flag) : word.append(flag);
      if (focused) flag.focus({ preventScroll: true });
      flag.setAttribute("aria-valuenow", picked[end] + 1);
      flag.setAttribute("aria-valuetext", `${visible(this.tokens[picked[end]]).slice(0, 60)}, ${picked[end] + 1} of ${this.tokens.length}`);
    }
    this.words.forEach((word, i) => {
      word.classList.toggle("is-source", i === picked.source);
      word.classList.toggle("is-target", i === picked.target);
    });
  }

  #key(event, end) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.tokens.length - 1;
    const to = { Home: 0, End: last }[event.key] ?? this.picked[end] + MOVES[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    event.stopPropagation();
    this.pick(end, Math.max(0, Math.min(last, to)));
  }

  #click(event) {
    const at = this.words.indexOf(event.target.closest(".ab-word"));
    if (at < 0 || event.target.closest(".flag")) return;
    const end = this.#next;
    this.#next = end === "source" ? "target" : "source";
    this.pick(end, at);
  }

  // A dragged flag moves to the nearest word.
  #drag(event) {
    const flag = event.target.closest(".flag");
    if (!flag) return;
    event.preventDefault();
    flag.focus();
    const end = flag === this.flags.source ? "source" : "target";
    const stop = new AbortController();
    const on = (name, call) => this.node.addEventListener(name, call, { signal: stop.signal });
    this.node.setPointerCapture(event.pointerId);
    on("pointermove", ({ clientX, clientY }) => {
      const boxes = this.words.map((word) => word.getBoundingClientRect());
      const far = ({ left, right, top, bottom }) => Math.hypot(clientX - Math.max(left, Math.min(right, clientX)), 4 * (clientY - Math.max(top, Math.min(bottom, clientY))));
      const at = boxes.reduce((best, box, i) => (far(box) < far(boxes[best]) ? i : best), 0);
      if (at !== this.picked[end]) this.pick(end, at);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) on(name, () => stop.abort());
  }
}
