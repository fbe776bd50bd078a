// The panels that the toolbar opens. A page loads this module when a panel is first opened.

import css from "./parts.css";

export { Options } from "./options.js";
export { Save } from "./save.js";
export { Table } from "./table.js";
export { Text } from "./text.js";
export { css };
