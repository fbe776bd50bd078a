// How to drive each page: tell when its first map is painted, show another head, hover over a cell, and read what these change.
// A page without `hover` doesn't react to hovering.
() => {
  const first = (selector, root = document) => root.querySelector(selector);
  const shadow = () => first(".attnbook-widget")?.shadowRoot;
  const send = (node, [x, y], ...names) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    const where = { bubbles: true, composed: true, clientX: left + x * width, clientY: top + y * height, pointerType: "mouse" };
    for (const name of names) node.dispatchEvent(new (name.startsWith("pointer") ? PointerEvent : MouseEvent)(name, where));
  };
  const inked = (canvas) => {
    if (!canvas?.width || !canvas.height) return "";
    const probe = Object.assign(document.createElement("canvas"), { width: 24, height: 24 });
    const pen = probe.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0, 24, 24);
    const { data } = pen.getImageData(0, 0, 24, 24);
    return data.some((value, i) => i % 4 === 3 && value) ? data.join() : "";
  };
  const largest = (nodes) => [...nodes].sort((a, b) => b.width * b.height - a.width * a.height)[0];
  const plot = () => first(".js-plotly-plot");

  const drivers = {
    bare: {
      painted: () => first("canvas")?.dataset.head === "0",
      head: () => show(1),
      headIs: () => first("canvas").dataset.head,
      hover: (at) => send(first("canvas"), at, "pointermove"),
      hoverIs: () => first("#read").textContent,
    },
    attnbook: {
      painted: () => Boolean(first(".ab-widget[data-state=live]")),
      head: () => first(".map", shadow()).dispatchEvent(new KeyboardEvent("keydown", { key: "PageDown", bubbles: true })),
      headIs: () => first(".notice:not([hidden])", shadow())?.textContent ?? inked(first(".map canvas", shadow())),
      hover: (at) => send(first(".map", shadow()), at, "pointermove"),
      hoverIs: () => first(".cell", shadow()).textContent,
    },
    bertviz: {
      painted: () => Boolean(first("#attention line")),
      head: () => send(first("#vis svg > g:last-of-type rect:nth-of-type(2)"), [0.5, 0.5], "dblclick"),
      headIs: () => [...document.querySelectorAll("#attention line")].slice(0, 40).map((line) => line.getAttribute("stroke-opacity")).join(),
      hover: (at) => {
        const tokens = document.querySelectorAll("#left rect.background");
        send(tokens[Math.floor(at[1] * tokens.length)], [0.5, 0.5], "mouseover");
      },
      hoverIs: () => first("#attention line[visibility=visible]")?.getAttribute("left-token-index"),
    },
    inspectus: {
      painted: () => Boolean(first("svg.matrix rect")),
      head: () => send([...document.querySelectorAll(".dimension-values")].at(-1).querySelector(".value"), [0.5, 0.5], "click"),
      headIs: () => [...document.querySelectorAll("svg.matrix rect")].slice(0, 40).map((cell) => cell.getAttribute("style") + cell.getAttribute("fill")).join(),
    },
    circuitsvis: {
      painted: () => Boolean(inked(largest(document.querySelectorAll("canvas")) ?? null)),
      head: () => send([...document.querySelectorAll("h4")].find((name) => name.textContent === "Head 1"), [0.5, 0.5], "mouseover", "click"),
      headIs: () => inked(largest(document.querySelectorAll("canvas"))),
      hover: (at) => send(largest(document.querySelectorAll("canvas")), at, "mousemove"),
      hoverIs: () => inked(largest(document.querySelectorAll("canvas"))),
    },
    plotly: {
      painted: () => Boolean(first(".heatmaplayer image")?.getAttribute("href")),
      head: () => window.Plotly.restyle(plot(), "visible", plot().data.map((_, i) => i === 1)),
      headIs: () => first(".heatmaplayer image")?.getAttribute("href")?.length + (first(".heatmaplayer image")?.getAttribute("href") ?? "").slice(-200),
      hover: (at) => send(first(".nsewdrag"), at, "mousemove"),
      hoverIs: () => first(".hoverlayer").textContent,
    },
  };

  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

  // Milliseconds until the frame after the change; every call of `hover` goes to another cell.
  const timed = async (peer, what, ...given) => {
    const { [what]: act, [`${what}Is`]: seen } = drivers[peer];
    const before = seen();
    const begin = performance.now();
    act(...given);
    while (seen() === before && performance.now() - begin < 60000) await frame();
    await frame();
    return performance.now() - begin;
  };

  const watch = async (peer) => {
    while (!drivers[peer].painted()) await frame();
    await frame();
    window.paintedAt = performance.now();
    console.info("painted");
  };

  window.bench = { drivers, timed, watch };
}
