// The page's side of the model: fetches its file, starts the worker and asks it. Loaded when the reader asks for the model.

import { Client, filesOf, workerOf } from "../engine/client.js";
import { Store } from "../engine/store.js";
import program from "worker:./worker.js";
import { Reading } from "./reading.js";

const PART = "weights";

const startWorker = () => (SITE ? new Worker(attnbook.address("language_worker.js")) : workerOf(program));

export class Remote extends Client {
  #whole = { ids: [], rows: [], likeliest: [] };

  // `progress(done, all)` gets bytes. Aborting the signal stops the worker.
  static async open({ model, name, progress = () => {}, script = false, signal }) {
    const store = await Store.open(filesOf(name, model, signal), { signal });
    const remote = new Remote(startWorker(), ({ chunk }) => remote.#send(chunk));
    remote.store = store;
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
    try {
      Object.assign(remote, await remote.call("open", { script, size: to - from, step }));
    } catch (problem) {
      remote.close();
      throw remote.problem ?? problem;
    }
    return remote;
  }

  async #send(chunk) {
    try {
      const bytes = await this.chunk(chunk);
      this.tell({ chunk, bytes }, [bytes.buffer]);
    } catch (problem) {
      this.problem ??= problem;
      this.tell({ chunk, problem: problem.message });
    }
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
    super.close("it was stopped");
  }
}
