// A slide is scaled to its screen, and a widget on it once more, to be seen from the back row. Widgets reckon in pixels of their own:
// inside them, places on the screen are given back unscaled, and their canvases are drawn as fine as they are shown.
{
  const FINER = 2;
  const ratio = window.devicePixelRatio;
  Object.defineProperty(window, "devicePixelRatio", { configurable: true, get: () => FINER * ratio });

  // The widget that a node stands in, also where a shadow root lies between.
  const widgetOf = (node) => {
    while (node && !node.closest?.(".ab-widget")) node = node.getRootNode?.().host;
    return node?.closest(".ab-widget");
  };
  const measured = Element.prototype.getBoundingClientRect;
  const own = (widget) => {
    const box = measured.call(widget);
    const scale = box.width / widget.offsetWidth || 1;
    return { x: (x) => box.left + (x - box.left) / scale, y: (y) => box.top + (y - box.top) / scale, scale };
  };
  Element.prototype.getBoundingClientRect = function () {
    const box = measured.call(this);
    const widget = this.isConnected && widgetOf(this);
    if (!widget || widget === this) return box;
    const { x, y, scale } = own(widget);
    return new DOMRect(x(box.left), y(box.top), box.width / scale, box.height / scale);
  };
  for (const axis of ["x", "y"]) {
    const name = `client${axis.toUpperCase()}`;
    const there = Object.getOwnPropertyDescriptor(MouseEvent.prototype, name).get;
    Object.defineProperty(MouseEvent.prototype, name, {
      configurable: true,
      get() {
        const widget = widgetOf(this.composedPath()[0] ?? this.target);
        return widget ? own(widget)[axis](there.call(this)) : there.call(this);
      },
    });
  }

  // The address belongs to the slides: a widget would write into it what is chosen.
  const replaceState = history.replaceState.bind(history);
  history.replaceState = (state, title, address) => /#[a-z]+-\d+(_|$)/.test(address ?? "") || replaceState(state, title, address);
}
