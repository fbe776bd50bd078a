// A place on the page for one part at a time, which is loaded when it is first opened and brings its style along.

import { adopt, element } from "../shared/dom.js";

export class Place {
  #own = new AbortController();
  #styles = new Set();
  name = "";
  part = null; // once it is loaded

  constructor(view, name) {
    this.view = view;
    this.node = element("div", { class: name });
  }

  // Closes the open part, and opens the one called `name`, if any, of the module that `load()` resolves to.
  async open(name, load) {
    this.#own.abort();
    const { signal } = (this.#own = new AbortController());
    Object.assign(this, { name, part: null });
    this.node.replaceChildren();
    if (!name) return;
    this.view.signal.addEventListener("abort", () => this.#own.abort(), { signal });
    try {
      const parts = await load();
      if (signal.aborted) return;
      this.#style(parts.css);
      this.part = new parts[name](this.view, signal);
      this.node.append(this.part.node);
      this.part.update?.();
    } catch (error) {
      console.warn("attnbook: a part could not be loaded", error);
      this.node.textContent = "This part could not be loaded.";
    }
  }

  #style(css) {
    if (this.#styles.has(css)) return;
    this.#styles.add(css);
    adopt(this.node.getRootNode(), css);
  }

  update() {
    this.part?.update?.();
  }
}
