// PathExplorer: the path of a signal between two positions in three kinds of network.

import { slider, Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Tokens } from "../shared/tokens.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Growth } from "./growth.js";
import layout from "./layout.css";
import { Panel } from "./panel.js";
import { Sentence } from "./sentence.js";
import css from "./style.css";
import { spoken, words } from "./words.js";

const NAMES = { recurrent: "Recurrent network", convolution: "Stacked convolutions", attention: "Attention" };
const HINT = "Click two words: where a signal starts, then where it arrives. Or drag the flags, or use the arrow keys.";
const STATE = ["source", "target", "kernel", "layers"];

class PathExplorer extends View {
  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + css, hint: HINT });
    const tokens = model.get("tokens");
    if (!tokens?.length || STATE.some((name) => !Number.isInteger(model.get(name)))) throw new Error("tokens or settings are missing");
    const pick = (end, position) => position !== model.get(end) && this.set({ [end]: position });
    this.sentence = new Sentence(tokens, { pick, signal });
    this.kernel = slider("convolution kernel", { min: 3, max: 9, step: 2, change: (kernel) => this.set({ kernel }), signal });
    this.layers = slider("convolution layers", { min: 1, max: 12, change: (layers) => this.set({ layers }), signal });
    const controls = element("div", { class: "ab-controls" }, this.kernel.node, this.layers.node);
    this.panels = Object.entries(NAMES).map(([network, name]) => [network, new Panel(network, name, { pick, signal })]);
    const panels = element("div", { class: "ab-panels" }, ...this.panels.map(([, panel]) => panel.node));
    this.growth = new Growth();
    this.speaker = new Speaker(signal);
    this.root.append(this.sentence.node, controls, panels, this.growth.node, this.growth.fold, this.speaker.node);
    this.follow(STATE);
    this.fit(this.root);
  }

  // `changed` is the trait that changed; without it nothing is animated.
  show(changed) {
    const all = this.get("tokens", ...STATE);
    this.sentence.show(all);
    this.kernel.show(all.kernel, `k = ${all.kernel}`, String(all.kernel));
    this.layers.show(all.layers, `n = ${all.layers}`, String(all.layers));
    this.root.classList.toggle("still", !changed);
    if (this.root.clientWidth) {
      const told = words(all);
      for (const [network, panel] of this.panels) panel.show(all, told[network]);
      this.growth.show(all);
    }
    if (changed) this.speaker.say(spoken(all, [all.source, all.target].map((i) => new Tokens(all.tokens, 1).spoken(i))));
  }
}

export default widget(PathExplorer);
