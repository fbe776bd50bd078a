// The base class of all widgets' views: title, hint, theme, and access to the model.

import { element, shadow } from "./dom.js";
import { watchTheme } from "./theme.js";
import { watchModel } from "./widget.js";

export class View {
  constructor(model, el, signal, { css, hint }) {
    Object.assign(this, { model, signal, theme: "light" });
    const title = element("p", { class: "title ab-title" });
    const showTitle = () => {
      title.textContent = model.get("title");
      title.hidden = !title.textContent;
    };
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" }, title, ...(hint ? [element("p", { class: "ab-hint" }, hint)] : []));
    shadow(el, css).append(this.root);
    watchModel(model, { "change:title": showTitle }, signal);
    showTitle();
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
