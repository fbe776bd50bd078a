// The size of the cells. layout.css reserves space by the same rules.

const clamp = (low, value, high) => Math.max(low, Math.min(value, high));

export function geometry(rows, columns, width, [queryGutter, keyGutter]) {
  const left = Math.min(queryGutter, 0.34 * width);
  const cellWidth = clamp(4, (width - left - 2) / columns, 44);
  const least = rows <= 40 ? 16 : 4; // a row of text needs 16 pixels
  const cellHeight = clamp(least, Math.min(cellWidth, Math.max(640 / rows, least)), 44);
  const keyFont = clamp(8, 0.8 * cellWidth, 13);
  return {
    left,
    top: Math.max(34, 14 + ((keyGutter - 14) * keyFont) / 13), // the gutter is for letters of 13 pixels
    width: cellWidth * columns,
    height: cellHeight * rows,
    cellWidth,
    cellHeight,
    keyFont,
    queryFont: clamp(8, 0.8 * cellHeight, 13),
    keyStep: Math.ceil(8 / cellWidth),
    queryStep: Math.ceil(9 / cellHeight),
    upright: keyGutter <= 34, // labels of one or two characters aren't rotated
  };
}
