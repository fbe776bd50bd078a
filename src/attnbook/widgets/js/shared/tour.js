// A guided tour: outlines one part of a widget after another, each with a few words beside it. A page loads this module when a tour
// starts. A step is [selector of the part, words, traits that it sets].

import { adopt, element } from "./dom.js";
import css from "./tour.css";

const GAP = 10; // pixels between a part and the words about it
const NARROW = 480; // a widget of this width has no room beside a part

// A part by its selector; ">>>" goes on inside a shadow root.
const find = (root, path) => path.split(" >>> ").reduce((inside, selector) => (inside?.shadowRoot ?? inside)?.querySelector(selector), root);

function isEmpty(part) {
  const { width, height } = part.getBoundingClientRect();
  return !width || !height;
}

export class Tour {
  #at = 0;

  constructor(view) {
    Object.assign(this, { view, open: true, steps: view.get("_tour") });
    this.own = new AbortController();
    const names = new Set(this.steps.flatMap(([, , traits]) => Object.keys(traits)));
    this.before = Object.fromEntries([...names].map((name) => [name, view.get(name)]));
    this.#style();
    this.#build();
    view.signal.addEventListener("abort", () => this.#remove(), { signal: this.own.signal });
    this.#go(0);
    this.next.focus({ preventScroll: true });
  }

  #style() {
    if (this.view.tourStyled) return;
    this.view.tourStyled = true;
    adopt(this.view.root.getRootNode(), css);
  }

  #build() {
    const button = (name, call) => {
      const node = element("button", { type: "button" }, name);
      node.addEventListener("click", () => node.getAttribute("aria-disabled") !== "true" && call());
      return node;
    };
    this.hole = element("div", { class: "tour-hole" });
    this.count = element("p", { class: "tour-count" });
    this.words = element("p", {});
    const close = button("Close", () => this.end());
    this.back = button("Back", () => this.#go(this.#at - 1));
    this.next = button("Next", () => this.#go(this.#at + 1));
    const said = element("div", { "aria-live": "polite", "aria-atomic": "true" }, this.count, this.words);
    const buttons = element("div", { class: "tour-buttons" }, close, this.back, this.next);
    this.box = element("div", { class: "tour-box", role: "dialog", "aria-label": "Tour of this figure" }, said, buttons);
    this.box.addEventListener("keydown", (event) => this.#press(event));
    this.node = element("div", { class: "tour" }, element("div", { class: "tour-dim" }, this.hole), this.box);
    this.view.root.append(this.node);
    this.view.tour.setAttribute("aria-expanded", "true");
    this.sizes = new ResizeObserver(() => {
      if (this.fresh) this.#reach(); // the step's traits may have changed the layout
      else this.#place();
      this.fresh = false;
    });
  }

  #press(event) {
    const call = { ArrowRight: () => this.next.click(), ArrowLeft: () => this.back.click(), Escape: () => this.end() }[event.key];
    if (!call || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    call();
  }

  #go(step) {
    if (step === this.steps.length) return this.end();
    this.#at = step;
    const [, words, traits] = this.steps[step];
    this.#set({ ...this.before, ...traits });
    this.count.textContent = `${step + 1} of ${this.steps.length}`;
    this.words.textContent = words;
    this.back.setAttribute("aria-disabled", String(!step));
    this.next.textContent = step === this.steps.length - 1 ? "Done" : "Next";
    this.fresh = true;
    this.sizes.disconnect();
    for (const node of [this.view.root, this.box, this.#part]) this.sizes.observe(node);
    this.#reach();
    return undefined;
  }

  // Scrolls to the part and the words about it.
  #reach() {
    this.#place();
    for (const node of [this.#part, this.box]) node.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  // Sets the traits that have other values: setting a trait can do more than change it.
  #set(traits) {
    const changed = Object.entries(traits).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(this.view.get(name)));
    if (changed.length) this.view.set(Object.fromEntries(changed));
  }

  // The step's part, or what is around it if it is empty now, or the whole widget if it isn't shown.
  get #part() {
    const { root } = this.view;
    let part = find(root, this.steps[this.#at][0]);
    if (!part?.getClientRects().length) return root;
    while (part !== root && isEmpty(part)) part = part.parentElement ?? root;
    return part;
  }

  // Outlines the part, and places the words below it, or over its lower end if both together are too tall for the window.
  #place() {
    const base = this.view.root.getBoundingClientRect();
    const { left, top, width, height } = this.#part.getBoundingClientRect();
    const [x, y] = [left - base.left, top - base.top];
    Object.assign(this.hole.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    const own = base.width <= NARROW ? base.width : Math.min(380, base.width);
    const tall = height + this.box.offsetHeight + 3 * GAP > window.innerHeight;
    const start = x + (tall ? width - own - GAP : Math.min(0, width - own) / 2);
    const under = y + height + (tall ? -this.box.offsetHeight - GAP : GAP);
    Object.assign(this.box.style, { width: `${own}px`, left: `${Math.max(0, Math.min(base.width - own, start))}px`, top: `${under}px` });
  }

  // Ends the tour, with all traits as they were before it.
  end() {
    this.#remove();
    this.#set(this.before);
    this.view.tour.focus();
  }

  #remove() {
    this.open = false;
    this.own.abort();
    this.sizes.disconnect();
    this.node.remove();
    this.view.tour.setAttribute("aria-expanded", "false");
  }
}
