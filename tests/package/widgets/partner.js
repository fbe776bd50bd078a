// Renders a widget with a model that keeps its state and tells of changes as anywidget's does: `window.model`.
async ({ module, state }) => {
  const calls = new Map();
  window.model = {
    state,
    saved: 0,
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      calls.get(`change:${name}`)?.();
    },
    save_changes() {
      this.saved++;
    },
    on: (name, call) => calls.set(name, call),
    off: (name) => calls.delete(name),
  };
  const { default: widget } = await import(module);
  const el = document.body.appendChild(document.createElement("div"));
  el.className = "ab-widget";
  widget.render({ model: window.model, el });
}
