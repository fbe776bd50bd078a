// Arrow keys, Home and End in a grid of buttons, which are `cells()` in reading order, `across()` in a row. `go(cell)` is called before a
// button gets the focus.
export function walk(grid, { across, go, cells = () => [...grid.querySelectorAll("button")] }, signal) {
  const key = (event) => {
    const all = cells();
    const at = all.indexOf(event.target);
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(), ArrowDown: across() };
    const to = { Home: 0, End: all.length - 1 }[event.key] ?? at + moves[event.key];
    if (at < 0 || Number.isNaN(to) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!all[to]) return;
    go(all[to]);
    all[to].focus();
  };
  grid.addEventListener("keydown", key, { signal });
}
