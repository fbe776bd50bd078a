// The base class of all widgets' views: title, hint, tour, theme, and access to the model.

import { element, shadow } from "./dom.js";
import { watchTheme } from "./theme.js";
import { watchModel } from "./widget.js";

const touring = () => (SITE ? attnbook.load("tour") : import("./tour.js"));

export class View {
  #title = element("p", { class: "title ab-title" }, element("span"));

  constructor(model, el, signal, { css, hint }) {
    Object.assign(this, { model, signal, theme: "light" });
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" }, this.#title, ...(hint ? [element("p", { class: "ab-hint" }, hint)] : []));
    shadow(el, css).append(this.root);
    watchModel(model, { "change:title": () => this.#showTitle() }, signal);
    if (model.get("_tour")?.length) this.#offerTour();
    this.#showTitle();
  }

  #showTitle() {
    this.#title.firstChild.textContent = this.get("title");
    this.#title.hidden = !this.#title.textContent;
  }

  // The button of the guided tour; it is in the line of the title unless `placeTour` moves it.
  #offerTour() {
    this.tour = element("button", { type: "button", class: "tour-button", "aria-haspopup": "dialog" }, "Tour");
    const start = ({ Tour }) => (this.touring = this.touring?.open ? this.touring.end() : new Tour(this));
    this.tour.addEventListener("click", () => touring().then(start, () => (this.tour.textContent = "The tour could not be loaded")), { signal: this.signal });
    this.#title.append(this.tour);
  }

  placeTour(node) {
    if (this.tour) node.append(this.tour);
    this.#showTitle();
  }

  // Calls `this.show` now and whenever one of these traits or the theme changes.
  follow(traits) {
    watchModel(this.model, Object.fromEntries(traits.map((name) => [`change:${name}`, () => this.show(name)])), this.signal);
    watchTheme((theme) => {
      this.root.dataset.theme = this.theme = theme;
      this.show();
    }, this.signal);
  }

  // Calls `this.show` when the width of `node` changes.
  fit(node) {
    let width = node.clientWidth;
    const observer = new ResizeObserver(() => node.clientWidth !== width && ((width = node.clientWidth), this.show()));
    observer.observe(node);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  get(...names) {
    return names.length > 1 ? Object.fromEntries(names.map((name) => [name, this.model.get(name)])) : this.model.get(names[0]);
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }
}
