// What the toolbar opens. A page loads it when a part is first asked for.

import css from "./parts.css";

export { Options } from "./options.js";
export { Save } from "./save.js";
export { Table } from "./table.js";
export { Text } from "./text.js";
export { css };
