// A row of buttons; each opens a part below it, one at a time.

import { element } from "../shared/dom.js";

const load = () => (SITE ? attnbook.load("explorer_parts") : import("./parts.js"));

export class Toolbar {
  #open = null; // { button, part, own }

  // `names` maps the parts to the labels of their buttons.
  constructor(view, names, signal) {
    this.view = view;
    this.place = element("div", { class: "part" });
    this.buttons = Object.entries(names).map(([name, text]) => {
      const button = element("button", { type: "button", class: "button", "aria-expanded": "false" }, text);
      button.addEventListener("click", () => this.#toggle(button, name, signal), { signal });
      return button;
    });
    this.node = element("div", { class: "ab-toolbar", role: "group", "aria-label": "More about this map" }, ...this.buttons);
  }

  async #toggle(button, name, signal) {
    const close = this.#open?.button === button;
    this.#open?.own.abort();
    for (const other of this.buttons) other.setAttribute("aria-expanded", String(other === button && !close));
    this.place.replaceChildren();
    const open = (this.#open = close ? null : { button, own: new AbortController() });
    if (close) return;
    signal.addEventListener("abort", () => open.own.abort(), { signal: open.own.signal });
    try {
      const parts = await load();
      if (open.own.signal.aborted) return;
      this.#style(parts.css);
      open.part = new parts[name](this.view, open.own.signal);
      this.place.append(open.part.node);
      this.update();
    } catch (error) {
      console.warn("attnbook: a part could not be loaded", error);
      this.place.textContent = "This part could not be loaded.";
    }
  }

  // The parts' style comes with them.
  #style(css) {
    if (this.sheet) return;
    this.sheet = new CSSStyleSheet();
    this.sheet.replaceSync(css);
    this.place.getRootNode().adoptedStyleSheets.push(this.sheet);
  }

  // Updates the open part.
  update() {
    this.#open?.part?.update();
  }
}
