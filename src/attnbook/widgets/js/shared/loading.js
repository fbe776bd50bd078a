// Where the model is: not loaded, on its way, running or failed, with the button for what can be done about it.

import { say } from "./controls.js";
import { element } from "./dom.js";

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

export class Loading {
  // `purpose`: what the model is needed for, such as "read any sentence".
  constructor({ purpose, load, cancel, remove, signal }) {
    this.purpose = purpose;
    this.words = element("span", { class: "words-of-model", role: "status" });
    this.bar = element("progress", { "aria-label": "Loading the model", hidden: true });
    this.button = element("button", { type: "button", class: "button" });
    this.button.addEventListener("click", () => ({ load, cancel, remove })[this.button.dataset.does](), { signal });
    this.node = element("div", { class: "ab-load" }, this.words, this.bar, this.button);
  }

  #show(words, does, name) {
    say(this.words, words);
    this.bar.hidden = does !== "cancel";
    this.button.hidden = !does;
    if (!does) return;
    this.button.dataset.does = does;
    this.button.textContent = name;
  }

  // `kept`: whether the browser has some of the files.
  offer(bytes, kept) {
    if (kept) this.#show(`To ${this.purpose}, start the model. Your browser has kept what it loaded before.`, "load", "Start the model");
    else this.#show(`To ${this.purpose}, load the model: ${megabytes(bytes)} MB${SITE ? ", which your browser keeps" : ""}.`, "load", "Load the model");
  }

  progress(done, all) {
    this.#show(done < all ? "Loading the model" : "Starting the model", "cancel", "Cancel");
    Object.assign(this.bar, { max: all, value: done });
    this.bar.setAttribute("aria-valuetext", `${megabytes(done)} of ${megabytes(all)} MB`);
    this.bar.title = `${megabytes(done)} of ${megabytes(all)} MB`;
  }

  running(kernel, kept, full) {
    const place = full ? " Your browser had no room to keep it." : kept ? ` Your browser keeps ${megabytes(kept)} MB of it.` : "";
    const slow = kernel === "JavaScript" ? ", without WebAssembly and therefore slower" : "";
    this.#show(`The model runs in this page${slow}.${place}`, SITE && "remove", "Remove");
  }

  failed(words, again) {
    this.#show(words, again && "load", "Try again");
  }
}
