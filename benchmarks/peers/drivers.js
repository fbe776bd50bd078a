// How each page is watched and handled: whether its first map is painted, what changes the head, what hovers over a cell, and
// by what one sees that this is done. `root` is where the page's figure stands.
() => {
  const first = (selector, root = document) => root.querySelector(selector);
  const at = (node, x, y) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return { bubbles: true, composed: true, clientX: left + x * width, clientY: top + y * height, pointerType: "mouse" };
  };
  const send = (node, x, y, ...names) => names.forEach((name) => node.dispatchEvent(new (name.startsWith("pointer") ? PointerEvent : MouseEvent)(name, at(node, x, y))));
  const inked = (canvas) => {
    if (!canvas?.width) return "";
    const probe = Object.assign(document.createElement("canvas"), { width: 24, height: 24 });
    probe.getContext("2d").drawImage(canvas, 0, 0, 24, 24);
    const data = probe.getContext("2d").getImageData(0, 0, 24, 24).data;
    return data.some((x, i) => i % 4 === 3 && x) ? data.join() : "";
  };
  const shadow = () => first(".attnbook-widget")?.shadowRoot;
  window.drivers = {
    bare: {
      painted: () => first("canvas")?.dataset.head === "0",
      head: () => show(1),
      headIs: () => first("canvas").dataset.head,
      hover: (x, y) => send(first("canvas"), x, y, "pointermove"),
      hoverIs: () => first("#read").textContent,
    },
    attnbook: {
      painted: () => Boolean(shadow() && inked(first(".map canvas", shadow()))),
      head: () => HEAD_OF_ATTNBOOK,
      headIs: () => inked(first(".map canvas", shadow())),
      hover: (x, y) => send(first(".map", shadow()), x, y, "pointermove"),
      hoverIs: () => first(".cell", shadow()).textContent,
    },
    bertviz: {
      painted: () => Boolean(first("svg line, svg path")),
      head: () => {
        const menu = first("select");
        menu.selectedIndex = 1;
        menu.dispatchEvent(new Event("change", { bubbles: true }));
      },
      headIs: () => first("svg line, svg path")?.getAttribute("stroke-opacity") + document.querySelectorAll("svg line").length,
      hover: (x, y) => {},
      hoverIs: () => "",
    },
    inspectus: { painted: () => Boolean(first("svg rect")) },
    circuitsvis: { painted: () => Boolean(first("canvas")) },
    plotly: { painted: () => Boolean(first(".heatmaplayer image")) },
  };
}
