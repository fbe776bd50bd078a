// The page's side of the model: fetches its file, starts the worker and asks it. Loaded when the reader asks for the model.

import { Store, kernelFiles, siteFiles } from "../engine/store.js";
import program from "worker:./worker.js";
import { Reading } from "./reading.js";

const PART = "weights";

function fromText(text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return new Worker(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

const startWorker = () => (SITE ? new Worker(attnbook.address("language_worker.js")) : fromText(program));

export class Remote {
  #worker;
  #calls = new Map();
  #count = 0;
  #whole = { ids: [], rows: [], likeliest: [] };

  // `progress(done, all)` gets bytes. Aborting the signal stops the worker.
  static async open({ model, name, progress = () => {}, script = false, signal }) {
    const files = SITE ? siteFiles(attnbook.address(`../models/${name}/`).split("?")[0], name) : kernelFiles(model, name, signal);
    const store = await Store.open(files);
    const remote = new Remote();
    remote.store = store;
    remote.#worker = startWorker();
    signal.addEventListener("abort", () => remote.close(), { once: true });
    const [from, to] = store.bounds(PART);
    const { size: step } = store.manifest.parts[PART];
    const arrived = [];
    remote.chunk = async (index) => {
      const tell = (done) => {
        arrived[index] = done;
        progress(arrived.reduce((sum, one) => sum + (one ?? 0), 0), to - from);
      };
      return store.chunk(PART, index, { progress: tell, signal });
    };
    remote.#listen();
    try {
      Object.assign(remote, await remote.call("open", { script, size: to - from, step }));
    } catch (problem) {
      remote.close();
      throw remote.problem ?? problem;
    }
    return remote;
  }

  #listen() {
    this.#worker.onmessage = async ({ data: { id, result, problem, chunk } }) => {
      if (chunk !== undefined) return this.#send(chunk);
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (problem) reject(new Error(problem));
      else resolve(result);
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#calls.values()) reject(new Error(event.message || "the worker stopped"));
      this.#calls.clear();
    };
  }

  async #send(chunk) {
    try {
      const bytes = await this.chunk(chunk);
      this.#worker.postMessage({ chunk, bytes }, [bytes.buffer]);
    } catch (problem) {
      this.problem ??= problem;
      this.#worker.postMessage({ chunk, problem: problem.message });
    }
  }

  call(name, values) {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, values });
    });
  }

  // Reads a text, or ids whose first `promptLength` are the prompt.
  async read(text, ids, promptLength) {
    const encoded = ids ? { ids, tokens: await this.call("tokens", { ids }) } : await this.call("encode", { text });
    const { from, maps, listed } = await this.call("read", { ids: encoded.ids });
    const { rows, likeliest } = this.#whole;
    this.#whole = { rows: [...rows.slice(0, from), ...maps], likeliest: [...likeliest.slice(0, from), ...listed] };
    return new Reading({ text, ...encoded, likeliest: this.#whole.likeliest }, this.#whole.rows, promptLength ?? encoded.ids.length);
  }

  // The probabilities with all heads and without those in `cut`, per position.
  async compare(ids, cut) {
    await this.call("read", { ids });
    await this.call("read", { ids, cut });
    return this.call("compare");
  }

  close() {
    this.#worker?.terminate();
    for (const { reject } of this.#calls.values()) reject(new Error("stopped"));
    this.#calls.clear();
  }
}

export { Store };
