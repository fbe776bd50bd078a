// The encoder in a worker, and its files. Loaded when a reader asks for the model; one model serves all widgets of a page.

import { Client, filesOf, workerOf } from "../engine/client.js";
import { removeKept } from "../engine/kept.js";
import { Store } from "../engine/store.js";
import program from "worker:./worker.js";

export const LONGEST = 64; // tokens

// Events of the page, for its other widgets.
const HERE = "attnbook-model-here";
const GONE = "attnbook-model-gone";

let opened = null;
let stop = null; // cancels the loading, for all widgets that wait for it
const watchers = new Set(); // their functions for progress

const startWorker = () => (SITE ? new Worker(attnbook.address("sentence_worker.js")) : workerOf(program));

// The model named `name`. `widget` is the widget's model, which asks Python for the files in a notebook; `script` does without
// WebAssembly. `progress` gets the bytes that have arrived, and how many will. Aborting the signal cancels the loading for everyone.
export function openModel(name, widget, { progress = () => {}, signal, script = false } = {}) {
  if (!opened) {
    stop = new AbortController();
    const tell = (...bytes) => watchers.forEach((watcher) => watcher(...bytes));
    opened = Model.open(filesOf(name, widget), { progress: tell, signal: stop.signal, script });
    opened.then(
      () => dispatchEvent(new Event(HERE)),
      () => (opened = null),
    ).finally(() => watchers.clear());
  }
  watchers.add(progress);
  const mine = stop; // a later loading has another
  signal?.addEventListener("abort", () => mine.abort());
  return opened;
}

// Stops the model and forgets its files.
export async function removeModel(name) {
  const model = await opened?.catch(() => null);
  opened = null;
  await removeKept(name);
  dispatchEvent(new Event(GONE)); // the widgets stop waiting before the model is closed
  model?.close();
}

export class Model extends Client {
  static async open(files, { progress = () => {}, signal, script }) {
    const store = await Store.open(files, { signal });
    const parts = ["head", "layers"];
    const sizes = parts.map((part) => store.bounds(part)[1] - store.bounds(part)[0]);
    const done = [0, 0];
    const tell = (i) => (bytes) => {
      done[i] = bytes;
      progress(done[0] + done[1], sizes[0] + sizes[1]);
    };
    const [head, layers] = await Promise.all(parts.map((part, i) => store.part(part, { signal, progress: tell(i) })));
    const model = new Model(startWorker());
    model.store = store;
    signal?.addEventListener("abort", () => model.close());
    try {
      const start = store.bounds("layers")[0];
      Object.assign(model, await model.call("open", { head, layers, start, table: store.manifest.parts.rows, script }, [head.buffer, layers.buffer]));
    } catch (error) {
      model.close();
      signal?.throwIfAborted();
      throw error;
    }
    return model;
  }

  close() {
    super.close("it was removed");
  }

  // The tokens of a text, and the part of the token embedding that they need, as [index, bytes].
  async #read(text, signal) {
    const { missing, ...read } = await this.call("encode", { text, longest: LONGEST });
    const chunks = await Promise.all(missing.map(async (index) => [index, await this.store.chunk("rows", index, { signal })]));
    return { ...read, chunks };
  }

  // Runs the model on a text without the heads in `cut`. Returns `ids`, `tokens`, how many there were before it was truncated
  // to LONGEST (`whole`), `weights` (L × H × T × T) and `hidden` (T × D).
  async run(text, { cut = [], signal } = {}) {
    const { chunks, ...read } = await this.#read(text, signal);
    const result = await this.call("run", { ids: read.ids, chunks, cut }, chunks.map(([, bytes]) => bytes.buffer));
    return { ...read, ...result };
  }
}

// The mean of all hidden states, as a vector of length 1.
export function embed({ hidden, ids }) {
  const width = hidden.length / ids.length;
  const mean = new Float64Array(width);
  hidden.forEach((number, i) => (mean[i % width] += number));
  const length = Math.hypot(...mean);
  return mean.map((number) => number / length);
}

export const dot = (x, y) => x.reduce((sum, number, i) => sum + number * y[i], 0);

// How far each hidden state moved: 1 minus the cosine of before and after.
export function moves(before, after, count) {
  const width = before.length / count;
  return Array.from({ length: count }, (_, t) => {
    const [x, y] = [before, after].map((states) => states.subarray(t * width, (t + 1) * width));
    return Math.max(0, 1 - dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));
  });
}
