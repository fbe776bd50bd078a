// Where the model is: not loaded, on its way, running or failed, with the button for what can be done about it.

import { say } from "./controls.js";
import { element } from "./dom.js";

// Why a page opened from a file has no model.
export const FROM_FILE = "This page was opened from a file, and browsers don't let it fetch the model. From a web server, it can be loaded.";

// A failure in whole sentences. The store's errors are; a worker's or the browser's are fragments.
export const failure = (problem, what = "The model could not be loaded") => (problem.reason ? problem.message : `${what}: ${problem.message.replace(/\.$/, "")}.`);

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

export class Loading {
  // `purpose`: what the model is needed for, such as "run any sentence".
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
    if (kept) this.#show(`To ${this.purpose}, start the model. Your browser still has the files.`, "load", "Start the model");
    else this.#show(`To ${this.purpose}, load the model: ${megabytes(bytes)} MB${SITE ? ", which your browser keeps" : ""}.`, "load", "Load the model");
  }

  progress(done, all) {
    this.#show(done < all ? "Loading the model" : "Starting the model", "cancel", "Cancel");
    Object.assign(this.bar, { max: all, value: done });
    this.bar.setAttribute("aria-valuetext", `${megabytes(done)} of ${megabytes(all)} MB`);
    this.bar.title = `${megabytes(done)} of ${megabytes(all)} MB`;
  }

  running(kernel, kept, full) {
    const place = full ? " There was no room to keep it in your browser." : kept ? ` Your browser keeps ${megabytes(kept)} MB of it.` : "";
    const slow = kernel === "JavaScript" ? ", without WebAssembly and therefore slower" : "";
    this.#show(`The model runs in this page${slow}.${place}`, SITE && "remove", "Remove from this browser");
  }

  failed(words, again) {
    this.#show(words, again && "load", "Try again");
  }
}
