// One attention map on a canvas, at device resolution.

import { colors, pixel, pixels, step } from "./palette.js";

// The map as a bitmap with one pixel per cell.
export function bitmap({ weights, mask }, rows, columns, { peak, floor, theme }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const target = new Uint32Array(image.data.buffer);
  const table = pixels(theme);
  const masked = pixel(colors(theme).masked);
  for (let i = 0; i < target.length; i++) target[i] = mask && !mask[i] ? masked : table[step(weights[i], peak, floor)];
  context.putImageData(image, 0, 0);
  return canvas;
}

// The runs of masked cells, row by row: [row, start, end].
export function* stretches(mask, columns) {
  for (let row = 0; row < mask.length / columns; row++) {
    for (let start = 0, column = 0; column <= columns; column++) {
      if (column < columns && !mask[row * columns + column]) continue;
      if (column > start) yield [row, start, column];
      start = column + 1;
    }
  }
}

// Browsers draw nothing on larger canvases, or take seconds, so a large map is drawn below device resolution.
const FADED = 0.65; // how much paper covers the rows beside a locked one
const [MOST_PIXELS, LONGEST_SIDE] = [16e6, 8192];

export class Heatmap {
  #context;
  #ground = document.createElement("canvas"); // the map without a cursor

  constructor(canvas) {
    this.canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  // `map` comes from `Maps.at`; `width` and `height` are CSS pixels; the first `hidden` columns are left blank.
  show(map, { rows, columns, width, height, hidden = 0, paper, ...look }) {
    const ratio = Math.min(devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)), LONGEST_SIDE / Math.max(width, height));
    Object.assign(this, { rows, columns, width, height, ratio });
    for (const canvas of [this.canvas, this.#ground]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = this.#ground.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(bitmap(map, rows, columns, look), 0, 0, this.canvas.width, this.canvas.height);
    if (map.mask) this.#drawMask(context, map.mask, colors(look.theme).hatch);
    this.#drawGrid(context, paper);
    context.fillStyle = paper;
    context.fillRect(0, 0, this.x(hidden), this.canvas.height);
  }

  // The device pixel where a column or row starts.
  x = (column) => Math.round((column * this.canvas.width) / this.columns);
  y = (row) => Math.round((row * this.canvas.height) / this.rows);

  // The row and column under a point in CSS pixels.
  cell(x, y) {
    const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value)));
    return {
      row: within((y * this.rows) / this.height, this.rows),
      column: within((x * this.columns) / this.width, this.columns),
    };
  }

  // Draws the map with frames around the `locked` row and around `cursor`, the current cell.
  draw({ locked = -1, cursor = null, ink, paper, accent }) {
    this.#context.drawImage(this.#ground, 0, 0);
    const line = Math.max(1, Math.round(2 * this.ratio));
    if (locked >= 0) this.#single(locked, line, accent, paper);
    if (cursor) this.#frame(cursor.column, cursor.row, 1, 1, line, ink, paper);
  }

  // Fades the other rows, and frames one on its outside.
  #single(row, line, color, paper) {
    const context = this.#context;
    const { width, height } = this.canvas;
    const [top, bottom] = [this.y(row), this.y(row + 1)];
    context.globalAlpha = FADED;
    context.fillStyle = paper;
    context.fillRect(0, 0, width, top);
    context.fillRect(0, bottom, width, height - bottom);
    context.globalAlpha = 1;
    context.fillStyle = color;
    context.fillRect(0, Math.max(0, top - line), width, line);
    context.fillRect(0, Math.min(height - line, bottom), width, line);
  }

  #drawMask(context, mask, hatch) {
    context.beginPath();
    for (const [row, start, end] of stretches(mask, this.columns)) {
      context.rect(this.x(start), this.y(row), this.x(end) - this.x(start), this.y(row + 1) - this.y(row));
    }
    context.fillStyle = context.createPattern(hatchTile(hatch, this.ratio), "repeat");
    context.fill();
  }

  // Hairlines between the cells, if these are large enough.
  #drawGrid(context, paper) {
    const { width, height } = this.canvas;
    const hair = Math.max(1, Math.round(this.ratio / 2));
    if (Math.min(width / this.columns, height / this.rows) < 9 * this.ratio) return;
    context.fillStyle = paper;
    for (let c = 1; c < this.columns; c++) context.fillRect(this.x(c), 0, hair, height);
    for (let r = 1; r < this.rows; r++) context.fillRect(0, this.y(r), width, hair);
  }

  // A frame visible on light and dark cells: coloured outside, paper inside.
  #frame(column, row, columns, rows, line, color, paper) {
    const [left, top] = [this.x(column), this.y(row)];
    const [width, height] = [this.x(column + columns) - left, this.y(row + rows) - top];
    const context = this.#context;
    context.lineWidth = line;
    context.strokeStyle = color;
    context.strokeRect(left + line / 2, top + line / 2, width - line, height - line);
    if (Math.min(width, height) < 5 * line) return;
    context.lineWidth = line / 2;
    context.strokeStyle = paper;
    context.strokeRect(left + 1.25 * line, top + 1.25 * line, width - 2.5 * line, height - 2.5 * line);
  }
}

// A tile of 45° lines.
function hatchTile(color, ratio) {
  const size = Math.max(5, Math.round(6 * ratio));
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const context = tile.getContext("2d");
  context.strokeStyle = color;
  context.lineWidth = ratio;
  context.beginPath();
  for (const shift of [-size, 0, size]) {
    context.moveTo(shift - 1, size + 1);
    context.lineTo(shift + size + 1, -1);
  }
  context.stroke();
  return tile;
}
