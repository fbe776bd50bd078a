// A row of buttons: the views of the map, and the parts that open below it, one at a time.

import { element } from "../shared/dom.js";
import { Place } from "./place.js";

const VIEWS = { map: "Map", lines: "Lines", edit: "Edit" };
export const load = () => (SITE ? attnbook.load("explorer_parts") : import("./parts.js"));

export class Toolbar {
  // `names` maps the parts to the labels of their buttons.
  constructor(view, names, signal) {
    this.place = new Place(view, "part");
    const button = (text, attributes, click) => {
      const node = element("button", { type: "button", class: "button", ...attributes }, text);
      node.addEventListener("click", () => click(node), { signal });
      return node;
    };
    const toggle = (name) => (node) => {
      const open = this.place.name !== name;
      for (const other of this.buttons) other.setAttribute("aria-expanded", String(other === node && open));
      this.place.open(open && name, load);
    };
    this.buttons = Object.entries(names).map(([name, text]) => button(text, { "aria-expanded": "false" }, toggle(name)));
    this.views = Object.entries(VIEWS).slice(0, view.state.given ? 3 : 2).map(([name, text]) => button(text, { value: name }, () => view.state.set({ view: (this.pressed = name) })));
    const views = element("div", { class: "views", role: "group", "aria-label": "View" }, ...this.views);
    this.node = element("div", { class: "ab-toolbar", role: "group", "aria-label": "More about this map" }, views, ...this.buttons);
  }

  // Marks the current view.
  see(name) {
    for (const node of this.views) node.setAttribute("aria-pressed", String(node.value === name));
  }
}
