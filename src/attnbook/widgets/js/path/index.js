// PathExplorer: the way a signal takes between two positions, through three kinds of network.

import { slider, Speaker } from "../shared/controls.js";
import { element, shadow } from "../shared/dom.js";
import { watchTheme } from "../shared/theme.js";
import { visible } from "../shared/tokens.js";
import { watchModel, widget } from "../shared/widget.js";
import { Growth } from "./growth.js";
import layout from "./layout.css";
import { Panel } from "./panel.js";
import { Sentence } from "./sentence.js";
import css from "./style.css";
import { spoken, words } from "./words.js";

const NAMES = { recurrent: "Recurrent network", convolution: "Stacked convolutions", attention: "Attention" };
const HINT = "Click two words: where a signal starts, then where it should arrive. Or drag the flags, or move them with the arrow keys.";
const STATE = ["source", "target", "kernel", "layers"];

class PathExplorer {
  #model;

  constructor(model, el, signal) {
    this.#model = model;
    const tokens = model.get("tokens");
    if (!tokens?.length || STATE.some((name) => !Number.isInteger(model.get(name)))) throw new Error("tokens or settings are missing");
    const pick = (end, position) => position !== model.get(end) && this.#set({ [end]: position });
    this.title = element("p", { class: "title ab-title" });
    this.hint = element("p", { class: "ab-hint" }, HINT);
    this.sentence = new Sentence(tokens, { pick, signal });
    this.kernel = slider("kernel", { min: 3, max: 9, step: 2, change: (kernel) => this.#set({ kernel }), signal });
    this.layers = slider("layers", { min: 1, max: 12, change: (layers) => this.#set({ layers }), signal });
    const controls = element("div", { class: "ab-controls", role: "group", "aria-label": "Convolutions" }, element("span", { class: "group" }, "Convolutions"), this.kernel.node, this.layers.node);
    this.panels = Object.entries(NAMES).map(([network, name]) => [network, new Panel(network, name, { pick, signal })]);
    const panels = element("div", { class: "ab-panels" }, ...this.panels.map(([, panel]) => panel.node));
    this.growth = new Growth();
    this.speaker = new Speaker(signal);
    this.root = element("div", { class: "root tex2jax_ignore mathjax_ignore" });
    this.root.append(this.title, this.hint, this.sentence.node, controls, panels, this.growth.node, this.growth.fold, this.speaker.node);
    shadow(el, layout + css).append(this.root);
    const changes = Object.fromEntries(STATE.map((name) => [`change:${name}`, () => this.#show()]));
    watchModel(model, { "change:title": () => this.#showTitle(), ...changes }, signal);
    watchTheme((theme) => (this.root.dataset.theme = theme), signal);
    this.#showTitle();
    const observer = new ResizeObserver(() => this.#show(true));
    observer.observe(this.root);
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
    this.#show(true);
  }

  #set(changes) {
    for (const [name, value] of Object.entries(changes)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #showTitle() {
    this.title.textContent = this.#model.get("title");
    this.title.hidden = !this.title.textContent;
  }

  #show(still = false) {
    const all = Object.fromEntries(["tokens", ...STATE].map((name) => [name, this.#model.get(name)]));
    this.sentence.show(all);
    this.kernel.show(all.kernel, `k = ${all.kernel}`, String(all.kernel));
    this.layers.show(all.layers, `n = ${all.layers}`, String(all.layers));
    this.root.classList.toggle("still", still);
    if (this.root.clientWidth) {
      const told = words(all);
      for (const [network, panel] of this.panels) panel.show(all, told[network]);
      this.growth.show(all);
    }
    if (!still) this.speaker.say(spoken(all, [all.source, all.target].map((i) => visible(all.tokens[i]).slice(0, 60))));
  }
}

export default widget(PathExplorer);
