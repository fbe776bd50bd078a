// Saves or shares the current view: as a picture, as numbers, as Python code or as a link.

import { buttons } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { addressOf } from "./address.js";
import { linesPicture } from "./lines_picture.js";
import { picture } from "./picture.js";

const SHARP = 2; // PNG pixels per unit of the drawing
const DEFAULTS = { frame: 0, layer: 0, head: 0, locked: -1, scale: "peak", order: "model", hide_first: false, view: "map" };
const LITERALS = { true: "True", false: "False" };

export class Save {
  constructor(view, signal) {
    this.view = view;
    this.done = element("span", { class: "muted", role: "status" });
    const button = buttons(signal);
    const files = [["PNG", () => this.#png()], ["SVG", () => this.#svg()], ["CSV", () => this.#csv()]];
    const save = element("div", { class: "line-of-buttons" }, element("span", {}, "Save as"), ...files.map((file) => button(...file)), this.done);
    this.call = this.#copied("Python call", button);
    this.link = this.#copied("Link to this view", button);
    this.link.node.hidden = !SITE || !view.owner;
    this.node = element("div", { class: "save" }, save, this.call.node, this.link.node);
  }

  update() {
    this.call.field.value = pythonCall(this.view);
    if (!this.link.node.hidden) this.link.field.value = `${location.href.split("#")[0]}#${addressOf(this.view)}`;
  }

  // A text field with a button that copies it. If the page isn't allowed to copy, the text is selected instead.
  #copied(name, button) {
    const field = element("input", { class: "copied", type: "text", readOnly: true, spellcheck: "false", "aria-label": name });
    const copy = async () => {
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        this.#say("Copied.");
      } catch {
        this.#say("Selected: copy it with your keyboard.");
      }
    };
    return { field, node: element("div", { class: "line-of-buttons" }, element("span", {}, name), field, button("Copy", copy)) };
  }

  #say(text) {
    this.done.textContent = text;
  }

  get #name() {
    const { title, placeName } = this.view;
    const slug = `${title} ${this.#lines ? "lines" : placeName}`.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    return Array.from(slug).slice(0, 60).join("") || "attention";
  }

  #download(blob, ending) {
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: `${this.#name}.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.#say("Saved.");
  }

  // What the view with lines draws, if it is open.
  get #lines() {
    return this.view.instead.part?.drawing;
  }

  #drawing() {
    const { map, maps, title, placeName, locked, hatched, state } = this.view;
    const look = { ...this.view.look, frame: state.get("frame") };
    const drawing = this.#lines ? linesPicture(this.#lines, { maps, title, look }) : picture({ map, maps, title, placeName, locked, hatched, look });
    return { ...drawing, source: new XMLSerializer().serializeToString(drawing.svg) };
  }

  #svg() {
    if (this.view.map) this.#download(new Blob([this.#drawing().source], { type: "image/svg+xml" }), "svg");
  }

  async #png() {
    if (!this.view.map) return;
    const { source, width, height } = this.#drawing();
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
    await image.decode();
    const canvas = element("canvas", { width: Math.ceil(SHARP * width), height: Math.ceil(SHARP * height) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => this.#download(blob, "png"));
  }

  #csv() {
    const { map, maps, state } = this.view;
    if (!map) return;
    const shown = this.#lines?.heads.map(({ place }) => [place, maps.at(place)]) ?? [[state.place, map]];
    this.#download(new Blob([numbers(maps, shown)], { type: "text/csv" }), "csv");
  }
}

// The shown maps, each with its place: one line per cell; a masked cell has no weight.
function numbers(maps, shown) {
  // A spreadsheet would evaluate text that starts like a formula.
  const quoted = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const mean = (index) => (index < 0 ? "mean" : index);
  const lines = ["frame,layer,head,query_position,query,key_position,key,weight"];
  for (const [{ frame, layer, head }, { weights, mask }] of shown) {
    weights.forEach((weight, i) => {
      const [row, column] = [Math.floor(i / maps.columns), i % maps.columns];
      const number = mask && !mask[i] ? "" : weight.toFixed(5);
      lines.push([quoted(maps.names[frame] ?? ""), mean(layer), mean(head), row, quoted(maps.queries[row]), column, quoted(maps.keys[column]), number].join());
    });
  }
  return lines.join("\n") + "\n";
}

// The Python call that reproduces this view.
function pythonCall({ title, maps, headNames, state, edits }) {
  const given = ["weights", "queries"];
  if (maps.keys.join("\n") !== maps.queries.join("\n")) given.push("keys");
  if (edits ? !edits.mask.every(Boolean) : maps.masked) given.push("mask=mask");
  if (title) given.push(`title=${JSON.stringify(title)}`);
  if (maps.names.length) given.push("frames=frames");
  if (headNames.length) given.push("head_names=head_names");
  if (state.given) {
    given.push(state.get("values").length ? "values=values" : "editable=True");
    if (state.get("forbidden").length) given.push(`forbidden=${JSON.stringify(state.get("forbidden"))}`);
  }
  if (state.get("view") === "lines" && maps.count > 1) given.push(`shown_heads=${JSON.stringify(state.get("shown_heads"))}`);
  for (const [name, usual] of Object.entries({ ...DEFAULTS, ...(state.given && { scale: "full" }) })) {
    const value = state.get(name);
    const ours = (name === "layer" || name === "head") && maps.layers * maps.heads > 1 && !headNames.length; // Python would choose
    if (value !== usual || ours) given.push(`${name}=${LITERALS[value] ?? JSON.stringify(value)}`);
  }
  return `AttentionExplorer(${given.join(", ")})`;
}
