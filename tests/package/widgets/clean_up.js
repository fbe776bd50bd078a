// Renders a widget with a model as anywidget gives it, takes it away, and counts everything that listens. `module` is its
// program, `state` its model's (an explorer's if none, of two frames); `press` are the buttons that are pressed while it is there,
// `first` and `later` are changes then, and after.
async ({ module, state, press = [], first, later }) => {
  const living = new Set();
  const add = EventTarget.prototype.addEventListener;
  let observers = 0;
  EventTarget.prototype.addEventListener = function (name, call, options) {
    if (this instanceof AbortSignal) return add.call(this, name, call, options); // the clean-up's own
    const listener = { name };
    living.add(listener);
    if (options?.signal) add.call(options.signal, "abort", () => living.delete(listener));
    return add.call(this, name, call, options);
  };
  for (const name of ["ResizeObserver", "MutationObserver"]) {
    window[name] = class extends window[name] {
      #on = 0;
      observe(...what) {
        if (!this.#on) observers += this.#on = 1;
        super.observe(...what);
      }
      disconnect() {
        observers -= this.#on;
        this.#on = 0;
        super.disconnect();
      }
    };
  }

  const ticking = new Set();
  const { setInterval: tick, clearInterval: stop } = window;
  window.setInterval = (...given) => {
    const timer = tick(...given);
    ticking.add(timer);
    return timer;
  };
  window.clearInterval = (timer) => {
    ticking.delete(timer);
    stop(timer);
  };

  state ??= {
    title: "t", layer: 0, head: 0, locked: -1, scale: "peak",
    query_tokens: ["a", "b"], key_tokens: ["c", "d"],
    _shape: [1, 2, 2, 2], _gutters: [60, 34], _peak: 1, _masks: [], frames: ["first", "last"], frame: 0,
    _spread: new DataView(new Uint16Array(2 * 3 * 2).buffer), _first: new DataView(new Uint16Array(2 * 3).buffer),
    _weights: [0, 1, 2, 3].map(() => new DataView(Uint16Array.of(65535, 0, 0, 65535).buffer)),
  };
  for (const kind of ["_cross", "_decoder", "_encoder"]) state[kind] &&= state[kind].map((codes) => Uint16Array.from(codes));
  state._codes &&= state._codes.map((codes) => new DataView(Uint8Array.from(codes).buffer));
  const calls = new Set();
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const [event, call] of calls) if (event === `change:${name}`) call();
    },
    save_changes() {},
    on: (event, call) => calls.add([event, call]),
    off(event, call) {
      for (const entry of calls) if (entry[0] === event && entry[1] === call) calls.delete(entry);
    },
  };

  const { default: widget } = await import(module);
  const el = document.body.appendChild(document.createElement("div"));
  const frame = () => new Promise(requestAnimationFrame);
  const counts = () => [living.size, observers, calls.size, ticking.size];
  const clean = await widget.render({ model, el });
  await frame();
  await frame();
  const before = counts();
  for (const name of press) {
    const shadow = el.querySelector(".attnbook-widget").shadowRoot;
    [...shadow.querySelectorAll("button")].find((button) => button.textContent === name).click();
    await frame();
    await frame();
  }
  const during = counts();
  model.set(...first);
  clean();
  const after = counts();
  model.set(...later);
  document.documentElement.dataset.theme = "dark";
  await frame();
  await frame();
  (await widget.render({ model, el }))(); // and again in the same place
  return { before, during, after, again: counts(), children: el.childElementCount };
}
