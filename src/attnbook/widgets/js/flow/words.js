// What the picture says: the weights of a step, the stage, and what is under the pointer.

import { digits } from "../shared/numbers.js";
import { visible } from "../shared/tokens.js";

const READ = 0.05; // a smaller weight is not mentioned
const BARCODE = "one stripe per component, above the line if it is positive, below if it is negative; larger components have stronger colours";

export const quoted = (token) => `“${visible(token).replaceAll("␠", "␣")}”`;

// A row of an attention: one head's, or the mean over the layer's heads if `head` is "*".
export function weightsOf({ maps, source, written, heads }, row, { kind, layer, head }) {
  const length = kind === "decoder" ? written.length : source.length;
  const of = (head) => maps[kind][layer * heads + head].subarray(row * length, (row + 1) * length);
  if (head !== "*") return of(Number(head));
  const all = Array.from({ length: heads }, (_, head) => of(head));
  return all[0].map((_, s) => all.reduce((sum, one) => sum + one[s], 0) / heads);
}

// The positions with the largest weights, three at most.
export const mostRead = (weights) => [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3).filter((s, i) => !i || weights[s] >= READ);

const reads = (weights, tokens) => `reads mostly ${mostRead(weights).map((s) => `${quoted(tokens[s])} ${weights[s].toFixed(2)}`).join(", ")}`;

// A token's step, without the token if it isn't `written` yet.
export function stepInWords({ written, source, likeliest }, row, weights, isWritten = true) {
  const result = isWritten ? `; writes ${quoted(written[row])} (${digits(likeliest[row][0][1])})` : "";
  return `Step ${row + 1} of ${written.length}: ${reads(weights, source)}${result}`;
}

export const stageInWords = ({ source }, place) =>
  place ? `Encoder layer ${place - 1}: attention and feed-forward each add to every token's vector` : `The ${source.length} tokens of the text: embeddings plus position vectors`;

// What `Picture.under` found; `weights(row, attention)` are those of a row. "" if there is nothing to say.
export function foundInWords({ row, column, vector, dimension }, { source, written, stream }, weights) {
  if (row !== undefined && column !== undefined) return `${quoted(source[column])} → ${quoted(written[row])}: ${digits(weights(row)[column])}`;
  if (!vector) return "";
  const tokens = vector.side === "encoder" ? source : ["⟨start⟩", ...written];
  const at = row ?? column;
  const attended = vector.layer === undefined ? "" : ` (${reads(weights(at, { kind: vector.side, layer: vector.layer, head: "*" }), tokens)})`;
  return `${quoted(tokens[at])}, ${vector.words}${attended}: ${BARCODE}. Component ${dimension + 1} of ${vector.size}: ${numberOf(vector.rows[at * vector.size + dimension], stream.recorded)}`;
}

// Recorded vectors are rounded (see `decodeStreams`).
const numberOf = (value, recorded) => (recorded ? `about ${value.toFixed(1)}` : value.toFixed(2)).replace(/-(?=0\.0+$)/, "").replace("-", "−");
