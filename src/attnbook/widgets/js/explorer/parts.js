// The panels that the toolbar opens. A page loads this module when a panel is first opened.

import css from "./parts.css";

export const HOW = "Hover or tap a cell to read it; click to lock its row, and click again to unlock it. Keys are tinted by the total weight they receive; with a cell under the mouse, keys by its row and queries by its column.";

export { absent } from "./absent.js";
export { Options } from "./options.js";
export { slide } from "./slide.js";
export { Save } from "./save.js";
export { Table } from "./table.js";
export { Text } from "./text.js";
export { css };
