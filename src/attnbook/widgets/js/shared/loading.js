// Where the model is: not loaded, on its way, running or failed, with the button for what can be done about it.

import { keptOf } from "../engine/kept.js";
import { say } from "./controls.js";
import { element } from "./dom.js";

// Why a page opened from a file has no model.
export const FROM_FILE = "This page was opened from a file, and browsers don't let it fetch the model. From a web server, it can be loaded.";

// A failure in whole sentences. The store's errors are; a worker's or the browser's are fragments.
export const failure = (problem, what = "The model could not be loaded") => (problem.reason ? problem.message : `${what}: ${problem.message.replace(/\.$/, "")}.`);

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

export class Loading {
  // `name` and `size` of the model, in bytes; `purpose`: what it is needed for, such as "run any sentence".
  constructor({ name, size, purpose, load, cancel, remove, signal }) {
    Object.assign(this, { name, size, purpose });
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

  // Offers the model, unless it is `wanted` no more when the browser has said what it keeps.
  async offer(wanted) {
    const load = (words) => this.#show(`To ${this.purpose}, load the model: ${megabytes(this.size)} MB${words}.`, "load", "Load the model");
    load(SITE ? ", which your browser keeps" : ", which Python sends to this page");
    const kept = await this.kept();
    if (!kept || !wanted()) return;
    if (kept < this.size) load(`, of which your browser has ${megabytes(kept)} MB`);
    else this.#show(`To ${this.purpose}, start the model. Your browser still has the files.`, "load", "Start the model");
  }

  progress(done, all) {
    this.#show(done < all ? "Loading the model" : "Starting the model", "cancel", "Cancel");
    Object.assign(this.bar, { max: all, value: done });
    this.bar.setAttribute("aria-valuetext", `${megabytes(done)} of ${megabytes(all)} MB`);
    this.bar.title = `${megabytes(done)} of ${megabytes(all)} MB`;
  }

  // How many bytes of the model the browser keeps.
  kept() {
    return SITE ? keptOf(this.name) : 0;
  }

  // `full`: whether the browser had no room for all files.
  running(kernel, kept, full) {
    const place = kept ? ` Your browser ${full ? "had room for only" : "keeps"} ${megabytes(kept)} MB of it.` : full ? " There was no room to keep it in your browser." : "";
    const slow = kernel === "JavaScript" ? ", without WebAssembly and therefore slower" : "";
    this.#show(`The model runs in this page${slow}.${place}`, SITE && "remove", "Remove from this browser");
  }

  failed(words, again) {
    this.#show(words, again && "load", "Try again");
  }
}
