// Mounts and removes a view, and subscribes it to its model's changes.

// A widget for anywidget's front-end protocol. `new View(model, el, signal)` draws it; aborting the signal removes all listeners.
export function widget(View) {
  return {
    render({ model, el }) {
      const controller = new AbortController();
      el.classList.add("tex2jax_ignore", "mathjax_ignore");
      if (!SITE) el.dataset.lmSuppressShortcuts = "true"; // else JupyterLab would use the arrow keys to change cells
      // else the notebook would take the focus
      const keep = (event) => /^(Arrow|Home|End|Page|Enter| |Escape)/.test(event.key) && event.stopPropagation();
      el.addEventListener("keydown", keep, { signal: controller.signal });
      const remove = () => {
        controller.abort();
        el.replaceChildren();
      };
      try {
        new View(model, el, controller.signal);
      } catch (error) {
        remove();
        throw error;
      }
      return remove;
    },
  };
}

// `changes` maps events to callbacks: { "change:title": () => … }.
export function watchModel(model, changes, signal) {
  for (const [name, call] of Object.entries(changes)) {
    model.on(name, call);
    signal.addEventListener("abort", () => model.off(name, call));
  }
}
