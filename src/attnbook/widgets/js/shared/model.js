// A widget's model without a kernel: the part of anywidget's front-end protocol that a static page can support.

export class LocalModel {
  #state;
  #listeners = new Map();

  constructor(state) {
    this.#state = state;
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    const changes = typeof name === "object" ? name : { [name]: value };
    for (const [key, next] of Object.entries(changes)) {
      if (Object.is(this.#state[key], next)) continue;
      this.#state[key] = next;
      this.#emit(`change:${key}`, this, next);
      this.#emit("change", this);
    }
  }

  on(names, callback) {
    for (const name of names.split(/\s+/)) {
      if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
      this.#listeners.get(name).add(callback);
    }
  }

  off(names, callback) {
    if (!names) return this.#listeners.clear();
    for (const name of names.split(/\s+/)) {
      if (callback) this.#listeners.get(name)?.delete(callback);
      else this.#listeners.delete(name);
    }
  }

  save_changes() {} // no kernel to notify
  send() {}

  #emit(name, ...values) {
    for (const callback of [...(this.#listeners.get(name) ?? [])]) callback(...values);
  }
}
