// One attention map on one canvas, sharp on any screen.

import { colors, pixel, pixels, step } from "./palette.js";

// The map as a bitmap of one pixel a cell.
export function bitmap({ weights, mask }, rows, columns, peak, theme) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const target = new Uint32Array(image.data.buffer);
  const table = pixels(theme);
  const masked = pixel(colors(theme).masked);
  for (let i = 0; i < target.length; i++) target[i] = mask && !mask[i] ? masked : table[step(weights[i], peak)];
  context.putImageData(image, 0, 0);
  return canvas;
}

export class Heatmap {
  #context;
  #hatch;

  constructor(canvas) {
    this.canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  // `map` is what `Maps.at` gives; `width` and `height` are CSS pixels.
  show(map, { rows, columns, width, height, peak, theme }) {
    const ratio = window.devicePixelRatio || 1;
    this.rows = rows;
    this.columns = columns;
    this.ratio = ratio;
    this.mask = map.mask;
    this.theme = theme;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.bitmap = bitmap(map, rows, columns, peak, theme);
    this.#hatch = this.#context.createPattern(hatchTile(colors(theme).hatch, ratio), "repeat");
  }

  // Device pixels where a column or row begins.
  x = (column) => Math.round((column * this.canvas.width) / this.columns);
  y = (row) => Math.round((row * this.canvas.height) / this.rows);

  // The row and column under a point in CSS pixels.
  cell(x, y) {
    const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value)));
    return {
      row: within((y * this.ratio * this.rows) / this.canvas.height, this.rows),
      column: within((x * this.ratio * this.columns) / this.canvas.width, this.columns),
    };
  }

  // Draws the map; `row` is outlined as locked, `cursor` as the cell being read.
  draw({ locked = -1, cursor = null, ink = "#000", paper = "#fff", accent = "#000" } = {}) {
    const context = this.#context;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.bitmap, 0, 0, this.canvas.width, this.canvas.height);
    if (this.mask) this.#drawMask();
    this.#drawGrid(paper);
    const line = Math.max(1, Math.round(2 * this.ratio));
    if (locked >= 0) this.#frame(0, locked, this.columns, 1, line, accent, paper);
    if (cursor) this.#frame(cursor.column, cursor.row, 1, 1, line, ink, paper);
  }

  #drawMask() {
    const context = this.#context;
    context.beginPath();
    for (let row = 0; row < this.rows; row++) {
      for (let start = 0, column = 0; column <= this.columns; column++) {
        const masked = column < this.columns && !this.mask[row * this.columns + column];
        if (masked) continue;
        if (column > start) {
          context.rect(this.x(start), this.y(row), this.x(column) - this.x(start), this.y(row + 1) - this.y(row));
        }
        start = column + 1;
      }
    }
    context.fillStyle = this.#hatch;
    context.fill();
  }

  // Hair lines between the cells, where the cells are large enough to spare them.
  #drawGrid(paper) {
    const roomy = (size, count) => size / count >= 9 * this.ratio;
    this.#context.fillStyle = paper;
    const hair = Math.max(1, Math.round(this.ratio / 2));
    if (!roomy(this.canvas.width, this.columns) || !roomy(this.canvas.height, this.rows)) return;
    for (let c = 1; c < this.columns; c++) this.#context.fillRect(this.x(c), 0, hair, this.canvas.height);
    for (let r = 1; r < this.rows; r++) this.#context.fillRect(0, this.y(r), this.canvas.width, hair);
  }

  // A frame that shows on light and dark cells: the colour outside, paper inside.
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
