// TrainingExplorer: the loss curve of a training as a slider, and what the model wrote and where it attended at that step.

import { Speaker } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { Frames } from "../shared/frames.js";
import { Legend } from "../shared/legend.js";
import { MEAN } from "../shared/maps.js";
import { choice, followTraits, whole } from "../shared/settings.js";
import { View } from "../shared/view.js";
import { widget } from "../shared/widget.js";
import { Curve } from "./curve.js";
import { Heads } from "./heads.js";
import layout from "./layout.css";
import { LabelledMap } from "./map.js";
import css from "./style.css";
import { named, Weights } from "./weights.js";
import { Written } from "./written.js";

const HINT = "Drag along the curve, or press Play. The weights are spread out at first, then concentrate on a few keys.";
const STATE = ["step", "layer", "head"];
const percent = (share) => `${Number((100 * share).toFixed(share < 0.095 ? 1 : 0))} %`;

class TrainingExplorer extends View {
  constructor(model, el, signal) {
    super(model, el, signal, { css: layout + css, hint: HINT });
    const { _snapshots, _codes, _heads, _source, _right, _curve, _target } = this.get("_snapshots", "_codes", "_heads", "_source", "_right", "_curve", "_target");
    if (!_snapshots?.length || _codes?.length !== _snapshots.length || !_curve?.length) throw new Error("snapshots are missing");
    if (!_source?.length || !_right?.length || _heads?.length !== 2 || STATE.some((name) => !Number.isInteger(model.get(name)))) throw new Error("settings are missing");
    this.snapshots = _snapshots;
    this.weights = new Weights({ codes: _codes, lengths: _snapshots.map(({ written }) => written.length), columns: _source.length, heads: _heads });
    const names = _snapshots.map(({ step, loss }) => `step ${step}: loss ${short(loss)}`);
    this.frames = new Frames(names, { choose: (at) => this.set({ step: _snapshots[(this.chosen = at)].step }), signal });
    this.curve = new Curve({ points: _curve, snapshots: _snapshots, input: this.frames.slider, signal });
    this.step = element("b", {});
    this.reached = element("span", {});
    const language = _target === "iso" ? "en" : _target;
    this.written = new Written({ text: this.get("_text"), right: _right, language });
    this.map = new LabelledMap({ columns: _source, rows: Math.max(..._snapshots.map(({ written }) => written.length)), language, signal });
    this.heads = new Heads({ heads: _heads, choose: (chosen) => this.set(chosen), signal });
    this.legend = new Legend({ name: "weight" });
    this.speaker = new Speaker(signal);
    const bar = element("div", { class: "ab-tr-bar" }, this.frames.button, element("p", {}, this.step, this.reached));
    const both = element("div", { class: "ab-tr-both" }, this.map.node, this.heads.node);
    both.style.setProperty("--rows", this.map.rows);
    both.style.setProperty("--layers", _heads[0]);
    this.root.append(this.curve.node, bar, this.written.node, both, this.legend.node, this.speaker.node);
    this.follow(STATE);
    const kinds = { step: choice(..._snapshots.map(({ step }) => step)), layer: whole(0, _heads[0] - 1), head: whole(MEAN, _heads[1] - 1) };
    followTraits(this, el, signal, { name: "training", place: ".ab-training", kinds });
    this.fit(this.curve.node);
  }

  show(changed) {
    const { step, layer, head } = this.get(...STATE);
    const at = this.#nearest(step);
    const snapshot = this.snapshots[at];
    const { theme } = this;
    if (at !== this.chosen) this.frames.stop(); // a tour or a link has chosen another step
    this.frames.show(at);
    this.curve.show(at);
    this.step.textContent = `step ${snapshot.step}`;
    this.reached.textContent = `loss ${short(snapshot.loss)} · ${percent(snapshot.accuracy)} of held-out dates right`;
    this.written.show(snapshot);
    const peak = this.weights.peak(layer, head);
    const name = named(layer, head);
    this.map.show({ ...snapshot, weights: this.weights.at(at, layer, head) }, { peak, theme, name });
    this.heads.show({ layer, head }, (l, h) => ({ weights: this.weights.at(at, l, h), peak: this.weights.peak(l, h) }), this.map, theme);
    this.legend.show({ peak, theme });
    if (changed) this.speaker.say(`step ${snapshot.step}: ${this.written.spoken}; ${name}`);
  }

  // The snapshot at a step, or the one nearest to it: the page can be asked for any step.
  #nearest(step) {
    const away = this.snapshots.map((snapshot) => Math.abs(snapshot.step - step));
    return away.indexOf(Math.min(...away));
  }
}

const short = (loss) => String(Number(loss.toPrecision(2)));

export default widget(TrainingExplorer);
