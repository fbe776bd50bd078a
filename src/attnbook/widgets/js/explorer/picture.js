// The current map as a standalone SVG for a page or a slide.

import { drawn } from "../shared/dom.js";
import { bitmap, stretches } from "../shared/heatmap.js";
import { colors, gradient, swatch } from "../shared/palette.js";
import { visible } from "../shared/tokens.js";
import { short } from "../shared/numbers.js";

export const FONT = 12;
export const MARGIN = 16;
const VECTORS = 10_000; // most cells to draw as shapes; a larger map becomes an embedded image
export const FAMILY = "'Source Sans 3', 'Noto Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";

export const clean = (text) => visible(text).replace(/[\ufffe\uffff]/g, "\ufffd"); // not allowed in XML
export const cut = (text) => (text.length > 24 ? `${Array.from(text).slice(0, 23).join("")}…` : text);

export function widest(texts) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${FONT}px ${FAMILY}`;
  return Math.max(...texts.map((text) => pen.measureText(text).width));
}

export function picture({ map, maps, look, title, placeName, locked, hatched }) {
  const { rows, columns } = maps;
  const { peak, floor, theme, hidden, ink, paper, accent } = look;
  const [queries, keys] = [maps.queries, maps.keys].map((tokens) => tokens.map((token) => cut(clean(token))));
  const cell = Math.max(4, Math.min(26, 1200 / Math.max(rows, columns)));
  const upright = Math.max(...keys.map((key) => key.length)) <= 2;
  const labelled = cell >= FONT;
  const heads = [title, placeName, maps.names[look.frame]].filter(Boolean).map(clean).join(" · ");
  const left = MARGIN + (labelled ? widest(queries) + 8 : 0);
  const top = MARGIN + (heads ? 26 : 0) + (labelled ? (upright ? FONT : widest(keys)) + 8 : 0);
  const most = (peak === 1 ? "1" : short(peak)) + (floor ? ", logarithmic" : "");
  const swatches = MARGIN + 184 + widest([most]); // of masked cells, after the colour bar
  const legend = map.mask ? swatches + 24 + widest([hatched]) : MARGIN + 260;
  const width = Math.max(left + cell * columns, MARGIN + widest([heads]) * 1.25, legend) + MARGIN;
  const height = top + cell * rows + 44;
  const text = (content, x, y, more) => drawn("text", { x, y, fill: ink, "font-size": FONT, ...more }, content);
  const box = (x, y, w, h, fill, more) => drawn("rect", { x, y, width: w, height: h, fill, ...more });
  const svg = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FAMILY }, box(0, 0, width, height, paper));
  if (heads) svg.append(text(heads, MARGIN, MARGIN + FONT, { "font-size": 15, "font-weight": 600 }));

  const { masked, hatch } = colors(theme);
  const lines = drawn("pattern", { id: "masked", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  lines.append(box(0, 0, 6, 6, masked), box(0, 0, 1, 6, hatch));
  const ramp = drawn("linearGradient", { id: "weights" });
  const stops = gradient(theme).match(/#\w{6}/g);
  ramp.append(...stops.map((color, i) => drawn("stop", { offset: i / (stops.length - 1), "stop-color": color })));
  svg.append(drawn("defs", {}, lines, ramp));

  const cells = drawn("g", { transform: `translate(${left},${top})`, "shape-rendering": "crispEdges" });
  if (rows * columns > VECTORS) {
    const href = bitmap(map, rows, columns, look).toDataURL();
    cells.append(drawn("image", { href, width: cell * columns, height: cell * rows, preserveAspectRatio: "none", style: "image-rendering: pixelated" }));
    const empty = map.mask ? [...stretches(map.mask, columns)] : [];
    cells.append(...empty.map(([row, start, end]) => box(start * cell, row * cell, (end - start) * cell, cell, "url(#masked)")));
    if (hidden) cells.append(box(0, 0, cell * hidden, cell * rows, paper));
  } else {
    map.weights.forEach((weight, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      if (column < hidden) return;
      const fill = map.mask && !map.mask[i] ? "url(#masked)" : swatch(weight, peak, theme, floor).background;
      cells.append(box(column * cell, row * cell, cell - 0.5, cell - 0.5, fill));
    });
  }
  if (locked >= 0) cells.append(box(1, locked * cell + 1, cell * columns - 2, cell - 2, "none", { stroke: accent, "stroke-width": 2 }));
  svg.append(cells);

  if (labelled) {
    queries.forEach((token, i) => svg.append(text(token, left - 6, top + (i + 0.5) * cell + 4, { "text-anchor": "end" })));
    keys.forEach((token, i) => {
      const [x, y] = [left + (i + 0.5) * cell, top - 6];
      const turned = upright || Array.from(token).length === 1 ? { "text-anchor": "middle" } : { transform: `rotate(-90 ${x} ${y}) translate(0 4)` };
      svg.append(text(token, x, y, turned));
    });
  }
  const foot = height - 20;
  svg.append(text(floor ? `≤ ${floor}` : "0", MARGIN + 44, foot + 10, { "text-anchor": "end" }), box(MARGIN + 50, foot, 110, 12, "url(#weights)"));
  svg.append(text(most, MARGIN + 166, foot + 10));
  if (map.mask) svg.append(box(swatches, foot, 18, 12, "url(#masked)"), text(hatched, swatches + 24, foot + 10));
  return { svg, width, height };
}
