// Creates elements. Text enters the page only here and only as text nodes. build.mjs sets SITE: true for the book's pages.

import layout from "./layout.css";
import own from "./own.css";
import base from "./style.css";

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// The same for SVG.
export function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Adds styles to a shadow root.
export function adopt(root, css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets.push(sheet);
}

// A shadow root isolates the styles of widget and page; the page's `--ab-…` variables still apply.
export function shadow(parent, css) {
  const host = element("div", { class: "attnbook-widget" });
  const root = host.attachShadow({ mode: "open" });
  adopt(root, (SITE ? "" : own) + layout + base + css);
  parent.append(host);
  return root;
}
