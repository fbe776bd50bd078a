// Turns mouse, touch and keyboard input on the map into cells to read and rows to lock.

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// `view` reads, locks and reveals: { maps, figure, cursor, locked, read(cell), lock(row), step(by) }.
export function watchInput(view, signal) {
  const { grid, heatmap, boxes } = view.figure;
  const on = (name, call) => grid.addEventListener(name, call, { signal });
  const under = (event) => {
    const box = heatmap.canvas.getBoundingClientRect();
    return heatmap.cell(event.clientX - box.left, event.clientY - box.top);
  };
  let [touch, before] = [false, null]; // the cell at touch start, since a finger may move a little
  on("pointerdown", (event) => ([touch, before] = [event.pointerType !== "mouse", view.cursor]));
  on("pointermove", (event) => {
    if (event.pointerType === "mouse") view.read(under(event));
    else if (view.figure.fits) slide(view, under(event));
  });
  on("pointerleave", (event) => event.pointerType === "mouse" && view.read(null));
  on("blur", () => view.read(null));
  on("click", (event) => click(view, under(event), touch, before));
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !key(view, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (view.cursor) view.figure.reveal(view.cursor);
  });
  const lockLabel = (event) => {
    const label = event.target.closest("[data-index]");
    if (!label) return;
    grid.focus({ preventScroll: true }); // so that Esc unlocks
    if (view.cutting) view.cut({ row: Number(label.dataset.index) });
    else view.lock(Number(label.dataset.index));
  };
  boxes.queries.addEventListener("click", lockLabel, { signal });
  const cutLabel = (event) => {
    const label = event.target.closest("[data-index]");
    if (label && view.cutting) view.cut({ column: Number(label.dataset.index) });
  };
  boxes.keys.addEventListener("click", cutLabel, { signal });
  const over = (event) => view.read(null, Number(event.target.closest("[data-index]")?.dataset.index ?? -1));
  for (const type of ["pointerover", "pointerleave"]) boxes.keys.addEventListener(type, over, { signal });
  const unlock = (event) => event.key === "Escape" && view.locked >= 0 && view.lock(view.locked);
  view.root.addEventListener("keydown", unlock, { signal });
}

// A sliding finger reads cells: of the locked row if there is one, else those under the finger.
function slide(view, { row, column }) {
  view.read({ row: view.locked >= 0 ? view.locked : row, column });
}

// A tap reads a cell of the locked row without unlocking it; a second tap on the same cell unlocks.
function click(view, cell, touch, before) {
  if (view.cutting) return view.cut(cell);
  const again = before?.row === cell.row && before?.column === cell.column;
  view.read(cell);
  if (!touch || view.locked !== cell.row || again) view.lock(cell.row);
  return undefined;
}

// Handles a key; returns whether it did.
function key(view, name) {
  const { rows, columns } = view.maps;
  const at = view.cursor ?? { row: Math.max(0, view.locked), column: 0 };
  const within = (value, count) => Math.max(0, Math.min(count - 1, value));
  if (name in MOVES) {
    const [down, right] = view.cursor ? MOVES[name] : [0, 0]; // the first arrow key only shows the cursor
    view.read({ row: within(at.row + down, rows), column: within(at.column + right, columns) });
  } else if (name === "Home") view.read({ ...at, column: 0 });
  else if (name === "End") view.read({ ...at, column: columns - 1 });
  else if (name === "PageUp" || name === "PageDown") return view.step(name === "PageUp" ? -1 : 1);
  else if (name === "Enter" || name === " ") {
    view.read(at);
    if (view.cutting) view.cut(at);
    else view.lock(at.row);
  } else if (name === "Escape" && view.locked >= 0) view.lock(view.locked);
  else return false;
  return true;
}
