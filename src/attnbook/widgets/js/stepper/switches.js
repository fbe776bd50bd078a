// The switches: native controls that follow the model's traits and set them.

import { element } from "../shared/dom.js";

export class Switches {
  #model;

  constructor(model, { set, signal }) {
    this.#model = model;
    const square = model.get("query_tokens").length === model.get("key_tokens").length;
    const given = model.get("_mask")?.length > 0;
    this.scale = element("input", { type: "checkbox" });
    this.masking = select([["none", "none"], square && ["causal", "causal"], given && ["given", "given"]].filter(Boolean));
    this.when = select([["before", "before softmax"], ["after", "after softmax"]]);
    const on = (control, change) => control.addEventListener("change", () => set(change()), { signal });
    on(this.scale, () => ({ scale: this.scale.checked }));
    on(this.masking, () => ({ masking: this.masking.value }));
    on(this.when, () => ({ mask_when: this.when.value }));
    const label = (...parts) => element("label", {}, ...parts);
    const masks = element("span", { class: "pair" }, label("mask", this.masking), label("applied", this.when));
    masks.hidden = !square && !given;
    this.node = element("div", { class: "ab-switches" }, label(this.scale, "divide by √d"), masks);
  }

  show() {
    const masking = this.#model.get("masking");
    this.scale.checked = this.#model.get("scale");
    this.masking.value = masking;
    this.when.value = this.#model.get("mask_when");
    this.when.disabled = masking === "none";
  }
}

const select = (options) => element("select", {}, ...options.map(([value, words]) => element("option", { value }, words)));
