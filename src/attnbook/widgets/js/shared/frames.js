// Controls for a sequence of maps: a slider for the frame and a button that plays them.

import { element } from "./dom.js";
import { still } from "./theme.js";
import { visible } from "./tokens.js";

const WHOLE = 6000; // milliseconds for a whole sequence, within limits per frame
const pace = (count) => Math.max(200, Math.min(900, WHOLE / count));

export class Frames {
  #timer = 0;
  #at = 0;

  constructor(names, { choose, signal }) {
    this.names = names;
    this.choose = choose;
    this.label = element("span", {});
    this.button = element("button", { type: "button", class: "button" }, element("span", { class: "icon" }), this.label);
    this.slider = element("input", { type: "range", min: "0", max: String(names.length - 1), step: "1", "aria-label": "Frame" });
    this.name = element("output", { class: "frame-name", "aria-hidden": "true" });
    this.node = element("div", { class: "ab-frames" }, this.button, this.slider, this.name);
    this.node.hidden = names.length < 2;
    this.button.addEventListener("click", () => this.#press(), { signal });
    this.slider.addEventListener("input", () => this.#go(Number(this.slider.value)), { signal });
    signal.addEventListener("abort", () => this.stop());
    this.#dress();
  }

  get playing() {
    return this.#timer > 0;
  }

  show(frame) {
    const name = visible(this.names[frame] ?? "");
    this.#at = frame;
    this.slider.value = String(frame);
    this.slider.setAttribute("aria-valuetext", name);
    this.slider.style.setProperty("--done", `${(100 * frame) / Math.max(1, this.names.length - 1)}%`);
    this.name.textContent = name;
    this.name.title = `${name} (${frame + 1} of ${this.names.length})`;
  }

  // Plays from the first frame; with reduced motion, shows the last.
  start() {
    if (still()) return this.choose(this.names.length - 1);
    this.choose(0);
    this.#at = 0;
    this.#run();
  }

  #run() {
    const last = this.names.length - 1;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => (this.#at < last ? this.choose(this.#at + 1) : this.stop()), pace(this.names.length));
    this.#dress();
  }

  // Plays from here, or from the start if this is the end; pauses if playing; with reduced motion, takes one step.
  #press() {
    if (this.playing) return this.stop();
    const last = this.names.length - 1;
    const next = () => (this.#at < last ? this.#at + 1 : 0);
    if (still()) return this.choose(next());
    this.choose(next());
    this.#run();
  }

  #go(frame) {
    this.stop();
    this.choose(frame);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#dress();
  }

  #dress() {
    this.button.classList.toggle("is-playing", this.playing);
    this.label.textContent = this.playing ? "Pause" : still() ? "Next" : "Play";
  }
}
