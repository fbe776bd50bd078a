// A published model's file, in chunks that are fetched when needed, checked and kept by the browser. attnbook/pretrained/chunks.py
// says what the manifest holds. Works in pages and in workers.
//
//   const store = await Store.open(siteFiles(address, name));
//   const bytes = await store.part("layers", { progress: (done, all) => …, signal });
//   const rows = await store.chunk("rows", 17);

import { openKept } from "./kept.js";

const MANIFEST = "manifest.json";
const LANES = 4; // chunks fetched at a time
const FOLDER = "attnbook-models"; // in the addresses by which chunks are kept

// `reason`: "file", "insecure", "absent", "lost", "offline", "server", "short" or "altered". The message is for the reader.
export class StoreError extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// The files of a model in the site's folder `address`, such as …/_static/models/multilingual-e5-small/.
export function siteFiles(address, name) {
  const folder = new URL(address, globalThis.location?.href);
  const get = async (file, { signal, arrived = () => {} } = {}) => {
    const response = await request(new URL(file, folder), signal);
    if (response.status === 404) throw file === MANIFEST ? new StoreError("absent", "This copy of the book comes without the model's files.") : new StoreError("lost", `The server has no ${file}. This copy of the book seems damaged.`);
    if (!response.ok) throw new StoreError("server", `The server answered ${response.status} when asked for ${file}. Try again later.`);
    return read(response, arrived).catch((error) => {
      throw signal?.aborted ? error : offline();
    });
  };
  const ready = () => {
    if (folder.protocol === "file:") throw new StoreError("file", "This page was opened from a file, and browsers don't let such a page fetch a model. Read the book from a web server to use it.");
    if (!globalThis.crypto?.subtle) throw new StoreError("insecure", "Browsers check and keep files only for pages from an https address or from localhost, so the model can't be used here.");
  };
  return { name, get, ready, kept: true };
}

// The same files from Python in a notebook, where nothing has to be kept.
export function kernelFiles(model, name, signal) {
  const asked = new Map();
  const came = (message, [view] = []) => {
    if (message?.model !== name || !asked.has(message.file)) return;
    const { resolve, reject } = asked.get(message.file);
    asked.delete(message.file);
    if (!view) reject(new StoreError("absent", message.problem ?? "Python could not send the model."));
    else resolve(new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));
  };
  model.on("msg:custom", came);
  signal?.addEventListener("abort", () => model.off("msg:custom", came));
  const get = async (file, { signal, arrived = () => {} } = {}) => {
    signal?.throwIfAborted();
    const bytes = await new Promise((resolve, reject) => {
      asked.set(file, { resolve, reject });
      signal?.addEventListener("abort", () => reject(signal.reason)); // Python may be busy, or gone
      model.send({ model: name, file });
    });
    arrived(bytes.length);
    return bytes;
  };
  return { name, get, ready: () => {}, kept: false };
}

const offline = () => new StoreError("offline", "The connection failed. What has arrived is kept; try again.");

async function request(address, signal) {
  try {
    return await fetch(address, { signal, cache: "no-store" }); // the chunks are kept here, not in the browser's own cache too
  } catch (error) {
    throw signal?.aborted ? error : offline();
  }
}

// The bytes of a response; `arrived` gets the size of each piece as it comes.
async function read(response, arrived) {
  const pieces = [];
  let size = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    size += value.length;
    arrived(value.length);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function hashOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Store {
  #files;
  #cache = null; // null where the browser keeps nothing
  full = false; // whether the browser had no room for a chunk

  static async open(files, { signal } = {}) {
    files.ready();
    const store = new Store();
    store.#files = files;
    const text = new TextDecoder().decode(await files.get(MANIFEST, { signal }));
    try {
      store.manifest = JSON.parse(text);
      if (store.manifest.name !== files.name) throw new Error("another model");
    } catch {
      throw new StoreError("altered", "The list of the model's files can't be read. This copy of the book seems damaged.");
    }
    if (files.kept) store.#cache = await openKept(files.name);
    return store;
  }

  // Start and end of a part in the published file.
  bounds(part) {
    const { start, end } = this.manifest.parts[part];
    return [start, end];
  }

  #chunkBounds(part, index) {
    const { start, end, size } = this.manifest.parts[part];
    return [start + index * size, Math.min(end, start + (index + 1) * size)];
  }

  // Chunks are kept by their hash, so two copies of the book on one host share them.
  #key(part, index) {
    return `${globalThis.location.origin}/${FOLDER}/${this.manifest.parts[part].sha256[index]}`;
  }

  // One chunk, from the browser's cache or fetched. `progress` gets the bytes that have arrived, and the chunk's size.
  async chunk(part, index, { signal, progress = () => {} } = {}) {
    const [start, end] = this.#chunkBounds(part, index);
    const [file, size] = [`${part}-${index}.bin`, end - start];
    const kept = await this.#find(part, index, size);
    if (kept) {
      progress(size, size);
      return kept;
    }
    let done = 0;
    const bytes = await this.#files.get(file, { signal, arrived: (count) => progress(Math.min(size, (done += count)), size) });
    if (bytes.length < size) throw new StoreError("short", `${file} arrived incomplete: ${megabytes(bytes.length)} of ${megabytes(size)}. Try again.`);
    if (this.#files.kept && (await hashOf(bytes)) !== this.manifest.parts[part].sha256[index])
      throw new StoreError("altered", `${file} isn't the file that was published (its hash differs), so it isn't used. This copy of the book seems damaged.`);
    await this.#keep(part, index, bytes);
    return bytes;
  }

  async #find(part, index, size) {
    try {
      const key = this.#key(part, index);
      const found = await this.#cache?.match(key);
      if (!found) return null;
      const bytes = new Uint8Array(await found.arrayBuffer());
      if (bytes.length === size && (await hashOf(bytes)) === this.manifest.parts[part].sha256[index]) return bytes;
      await this.#cache.delete(key);
    } catch {} // fetched instead
    return null;
  }

  async #keep(part, index, bytes) {
    try {
      await this.#cache?.put(this.#key(part, index), new Response(bytes, { headers: { "content-length": bytes.length } }));
    } catch {
      this.full = true; // the model works, but is fetched again the next time
    }
  }

  // The bytes of a whole part, into `into` if given. `progress` gets the bytes that have arrived, and the part's size.
  async part(name, { signal, progress = () => {}, into } = {}) {
    const [start, end] = this.bounds(name);
    const whole = into ?? new Uint8Array(end - start);
    const arrived = [];
    const waiting = [...this.manifest.parts[name].sha256.keys()];
    const lane = async () => {
      for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
        const tell = (done) => {
          arrived[index] = done;
          progress(arrived.reduce((sum, one) => sum + (one ?? 0), 0), whole.length);
        };
        try {
          whole.set(await this.chunk(name, index, { signal, progress: tell }), this.#chunkBounds(name, index)[0] - start);
        } catch (error) {
          waiting.length = 0; // no lane begins another
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return whole;
  }
}
