// The lines of several heads as a standalone SVG for a page or a slide.

import { drawn } from "../shared/dom.js";
import { clean, cut, FAMILY, FONT, MARGIN, widest } from "./picture.js";

const [PITCH, BETWEEN] = [22, 260]; // pixels from token to token, and between the sides
const [LINE, SWATCH] = [20, 12]; // of the list of heads

// `heads`: a name and a colour each; `lines`: the tokens that each joins, its colour, its opacity and its shift beside others.
export function linesPicture({ heads, lines }, { maps, title, look: { ink, paper, frame } }) {
  const [queries, keys] = [maps.queries, maps.keys].map((tokens) => tokens.map((token) => cut(clean(token))));
  const heading = [title, maps.names[frame]].filter(Boolean).map(clean).join(" · ");
  const names = heads.map(({ name }) => clean(name));
  const left = MARGIN + Math.max(widest(queries), widest(["query"])) + 8;
  const right = left + BETWEEN;
  const top = MARGIN + (heading ? 26 : 0) + 20;
  const list = top + Math.max(queries.length, keys.length) * PITCH + 14;
  const width = Math.max(right + 8 + Math.max(widest(keys), widest(["key"])), MARGIN + widest([heading]) * 1.25, MARGIN + SWATCH + 8 + widest(names)) + MARGIN;
  const height = list + names.length * LINE + MARGIN;
  const text = (content, x, y, more) => drawn("text", { x, y, fill: ink, "font-size": FONT, ...more }, content);
  const box = (x, y, w, h, fill) => drawn("rect", { x, y, width: w, height: h, fill });
  const y = (i) => top + (i + 0.5) * PITCH;
  const end = { "text-anchor": "end" };
  const svg = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FAMILY }, box(0, 0, width, height, paper));
  if (heading) svg.append(text(heading, MARGIN, MARGIN + FONT, { "font-size": 15, "font-weight": 600 }));
  svg.append(text("query", left - 8, top - 6, { ...end, opacity: 0.7 }), text("key", right + 8, top - 6, { opacity: 0.7 }));
  const middle = (left + right) / 2;
  svg.append(
    ...lines.map(({ row, column, shift, color, opacity }) => {
      const [from, to] = [y(row) + shift, y(column) + shift];
      return drawn("path", { d: `M${left},${from}C${middle},${from} ${middle},${to} ${right},${to}`, fill: "none", stroke: color, "stroke-width": 2, opacity });
    }),
    ...queries.map((token, i) => text(token, left - 8, y(i) + 4, end)),
    ...keys.map((token, i) => text(token, right + 8, y(i) + 4)),
    ...heads.flatMap(({ color }, i) => [box(MARGIN, list + i * LINE, SWATCH, SWATCH, color), text(names[i], MARGIN + SWATCH + 8, list + i * LINE + 10)]),
  );
  return { svg, width, height };
}
