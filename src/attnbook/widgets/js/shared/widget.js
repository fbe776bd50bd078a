// What all widgets share: how a view is put in its place and taken away, and how it hears of its model's changes.

// A widget for anywidget's front-end protocol; `new View(model, el, signal)` draws, and the signal ends all that listens.
export function widget(View) {
  return {
    render({ model, el }) {
      const controller = new AbortController();
      el.classList.add("tex2jax_ignore", "mathjax_ignore");
      el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys for its cells
      // and the notebook around it would take the focus
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

// `changes` are the calls by event, { "change:title": () => … }.
export function watchModel(model, changes, signal) {
  for (const [name, call] of Object.entries(changes)) {
    model.on(name, call);
    signal.addEventListener("abort", () => model.off(name, call));
  }
}
