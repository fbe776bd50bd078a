// Modules shared by the widgets of a page: loaded once with the host; build.mjs leaves them out of the widgets' scripts.

import * as address from "../shared/address.js";
import * as base64 from "../shared/base64.js";
import * as controls from "../shared/controls.js";
import * as dom from "../shared/dom.js";
import * as grid from "../shared/grid.js";
import * as heatmap from "../shared/heatmap.js";
import * as legend from "../shared/legend.js";
import * as model from "../shared/model.js";
import * as numbers from "../shared/numbers.js";
import * as palette from "../shared/palette.js";
import * as theme from "../shared/theme.js";
import * as tokens from "../shared/tokens.js";
import * as view from "../shared/view.js";
import * as widget from "../shared/widget.js";

export { address, base64, controls, dom, grid, heatmap, legend, model, numbers, palette, theme, tokens, view, widget };
