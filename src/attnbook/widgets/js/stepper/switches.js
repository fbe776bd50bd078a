// The switches: native controls bound to the model's traits.

import { heat } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { tokenElement } from "../shared/tokens.js";

const LONGEST = 16;

export class Switches {
  #model;

  constructor(model, { set, signal }) {
    this.#model = model;
    const keys = model.get("key_tokens");
    const square = model.get("query_tokens").length === keys.length;
    const given = model.get("_mask")?.length > 0;
    const on = (control, change) => control.addEventListener("change", () => set(change()), { signal });
    const label = (...parts) => element("label", {}, ...parts);
    this.scale = element("input", { type: "checkbox" });
    this.heat = heat({ change: (temperature) => set({ temperature }), signal });
    this.masks = ["none", square && "causal", "padding", given && "given"].filter(Boolean);
    this.masking = select(this.masks.map((name) => [name, name]));
    this.when = select([["before", "before softmax"], ["after", "after softmax"]]);
    this.pads = keys.map(() => element("input", { type: "checkbox" }));
    const padding = () => keys.flatMap((_, i) => (this.pads[i].checked ? [i] : []));
    on(this.scale, () => ({ scale: this.scale.checked }));
    on(this.when, () => ({ mask_when: this.when.value }));
    // a padding mask needs a padded key: start with the last one
    const first = (masking) => (masking === "padding" && !model.get("padding").length ? { padding: [keys.length - 1] } : {});
    on(this.masking, () => ({ ...first(this.masking.value), masking: this.masking.value }));
    for (const pad of this.pads) on(pad, () => ({ padding: padding() }));
    this.padding = element("div", { class: "ab-padding", role: "group", "aria-label": "Padded keys" }, "padded keys");
    this.padding.append(...keys.map((key, i) => element("label", { class: "ab-pad" }, this.pads[i], tokenElement(key, LONGEST))));
    const switches = [label(this.scale, "divide by √d"), this.heat.node, label("mask", this.masking), label("applied", this.when)];
    this.node = element("div", {}, element("div", { class: "ab-switches" }, ...switches), this.padding);
  }

  show() {
    const [masking, padding] = [this.#model.get("masking"), this.#model.get("padding")];
    this.scale.checked = this.#model.get("scale");
    this.heat.show(this.#model.get("temperature"));
    this.masking.value = masking;
    this.when.value = this.#model.get("mask_when");
    this.when.disabled = masking === "none";
    this.padding.hidden = masking !== "padding";
    this.pads.forEach((pad, i) => (pad.checked = padding.includes(i)));
  }
}

const select = (options) => element("select", {}, ...options.map(([value, words]) => element("option", { value }, words)));
