// The page's side of a model that runs in a worker. The worker's side is answer.js.

import { kernelFiles, siteFiles } from "./store.js";

// A published model's files: the site's own, or in a notebook those that Python sends to `widget`, the widget's model.
export const filesOf = (name, widget, signal) => (SITE ? siteFiles(attnbook.address(`../models/${name}/`).split("?")[0], name) : kernelFiles(widget, name, signal));

// A worker from its program's text, for notebooks.
export function workerOf(text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return new Worker(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

// Calls a worker's functions.
export class Client {
  #worker;
  #calls = new Map();
  #count = 0;
  #closed = ""; // why

  // `hear(message)` gets the messages that answer no call.
  constructor(worker, hear) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (!("id" in data)) return hear(data);
      const { resolve, reject } = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      return data.problem ? reject(new Error(data.problem)) : resolve(data.result);
    };
    worker.onerror = (event) => this.#fail(event.message || "the worker stopped");
  }

  #fail(words) {
    for (const { reject } of this.#calls.values()) reject(new Error(words));
    this.#calls.clear();
  }

  // The result of a function; `buffers` are handed over.
  call(name, values, buffers = []) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error(this.#closed));
      this.#calls.set(this.#count, { resolve, reject });
      return this.tell({ id: this.#count++, name, values }, buffers);
    });
  }

  tell(message, buffers = []) {
    this.#worker.postMessage(message, buffers);
  }

  close(why) {
    this.#closed = why;
    this.#worker.terminate();
    this.#fail(why);
  }
}
