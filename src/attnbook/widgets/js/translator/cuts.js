// Cuts: weights that the model may not use. A cut is { kind, layer, head, row, column }; null means all, so { kind, layer, head }
// is a whole head and { kind, column } a token that nobody attends to. As text: "cross.1.2", "cross.*.*.*.5".

import { buttons } from "../shared/controls.js";
import { adopt, element } from "../shared/dom.js";
import { digits } from "../shared/numbers.js";
import { visible } from "../shared/tokens.js";
import css from "./cuts.css";

const FIELDS = ["layer", "head", "row", "column"];
const NAMES = { cross: "cross-attention", decoder: "masked self-attention", encoder: "encoder self-attention" };
const END = "⟨end⟩";
const NOTICED = 0.1; // nats: a smaller loss is not marked

export const writeCut = (cut) => [cut.kind, ...FIELDS.map((field) => cut[field] ?? "*")].join(".").replace(/(\.\*)+$/, "");

// The cut that a text names, or null.
export function readCut(text) {
  if (!/^(cross|decoder|encoder)(\.(\d{1,4}|\*)){1,4}$/.test(text)) return null;
  const [kind, ...numbers] = text.split(".");
  return { kind, ...Object.fromEntries(FIELDS.map((field, i) => [field, /\d/.test(numbers[i] ?? "*") ? Number(numbers[i]) : null])) };
}

// A cut in words, with the labels of the map it was made in.
export function cutInWords({ kind, layer, head, row, column }, queries, keys) {
  const label = (labels, i) => `“${visible(labels[i] ?? "?")}”`;
  const what = [];
  if (row !== null) what.push(`${label(queries, row)} (row ${row + 1})`);
  if (column !== null) what.push(`${row === null ? "attending to " : "→ "}${label(keys, column)} (column ${column + 1})`);
  const where = [layer === null ? "all layers" : `layer ${layer}`, head === null ? "all heads" : `head ${head}`].join(", ");
  return [...what, `${NAMES[kind]}, ${where}`].join(", ");
}

// Which characters of two answers are common to both, as two lists of booleans (longest common subsequence).
export function common(before, after) {
  const length = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) length[i][j] = before[i] === after[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  }
  const [kept, same] = [before.map(() => false), after.map(() => false)];
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (before[i] === after[j]) [kept[i++], same[j++]] = [true, true];
    else if (length[i + 1][j] >= length[i][j + 1]) i++;
    else j++;
  }
  return [kept, same];
}

// What the cuts did: the old answer with the change of each character's log-probability, the new answer, and the list of cuts.
export class Effect {
  // `root`: the shadow root, which gets the styles.
  constructor({ root, undo, signal }) {
    adopt(root, css);
    this.list = element("ul", { class: "cuts" });
    this.before = element("p", { class: "old", lang: "en" });
    this.after = element("p", { class: "new", lang: "en" });
    this.words = element("p", { class: "effect" });
    const all = buttons(signal)("undo all", () => undo());
    this.list.addEventListener("click", (event) => {
      const at = event.target.closest("[data-cut]");
      if (at) undo(at.dataset.cut);
    }, { signal });
    this.node = element("div", { class: "ab-effect", role: "group", "aria-label": "What the cuts changed", hidden: true }, element("div", { class: "cut-row" }, this.list, all), this.before, this.after, this.words);
  }

  // `cuts`: pairs of a cut's text and its words; `old` and `now`: the tokens of both answers; `losses`: by how much each token of
  // the old answer became less likely, in nats.
  show(cuts, old, now, losses) {
    this.node.hidden = !cuts.length;
    this.list.replaceChildren(...cuts.map(([text, words]) => {
      const remove = element("button", { type: "button", class: "button remove", "aria-label": `undo: ${words}` }, "✕");
      remove.dataset.cut = text;
      return element("li", {}, words, remove);
    }));
    if (!cuts.length || !losses) return;
    const [kept, same] = common(old, now);
    const letters = (tokens, unchanged, name, more = () => []) =>
      tokens.flatMap((token, i) => (token === END ? [] : [element("span", { class: `mark ${unchanged[i] ? "" : name}` }, unchanged[i] || name === "in" ? token : element("s", {}, token), ...more(i))]));
    const change = (i) => {
      const shown = losses[i] >= NOTICED ? `−${losses[i].toFixed(1)}` : losses[i] <= -NOTICED ? `+${(-losses[i]).toFixed(1)}` : "";
      return [element("small", { title: `its log-probability changed by ${digits(-losses[i])}` }, shown)];
    };
    this.before.replaceChildren(element("span", { class: "when" }, "before"), element("bdi", {}, ...letters(old, kept, "out", change)));
    this.after.replaceChildren(element("span", { class: "when" }, "now"), element("bdi", {}, ...letters(now, same, "in")));
    const total = losses.reduce((sum, loss) => sum + loss, 0);
    const changed = kept.filter((is, i) => !is && old[i] !== END).length + same.filter((is, i) => !is && now[i] !== END).length;
    this.words.textContent = `${changed ? "The answer changes." : "The answer stays the same."} The log-probability of the old answer ${total >= 0 ? "falls" : "rises"} by ${Math.abs(total).toFixed(2)} nats; the small numbers show the change per character.`;
  }
}
