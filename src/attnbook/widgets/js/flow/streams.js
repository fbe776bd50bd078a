// The vectors of a translation: as they are sent, and as the columns of the picture.

// `steps`: the size of a code's step, to which the numbers are rounded. The same as attnbook.widgets.encoding.encode_vectors.
export function decodeStreams(views, steps, { source, written }, layers) {
  const [encoder, memory, decoder] = views.map((view, i) => {
    const codes = new Int8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
    return Float32Array.from(codes, (code) => code * steps[i]);
  });
  const parts = (all, count) => Array.from({ length: count }, (_, i) => all.subarray((i * all.length) / count, ((i + 1) * all.length) / count));
  const made = { recorded: true, encoder: parts(encoder, 1 + 2 * layers), memory, decoder: parts(decoder, 1 + 3 * layers) };
  if (made.encoder[0].length / source.length !== made.decoder[0].length / written.length) throw new Error("the vectors don't fit the tokens");
  return made;
}

const add = (x, y) => x.map((value, i) => value + y[i]);
const size = (rows) => rows.reduce((sum, value) => sum + Math.abs(value), 0) / rows.length;

// The columns of the picture from left to right: states of the residual stream, and between them what each sublayer adds.
// `stage` is the encoder's stage that computes a column, `layer` that of a self-attention.
export function columnsOf({ stream, source, layers }) {
  const width = stream.encoder[0].length / source.length;
  const columns = [];
  for (const [side, added] of [["encoder", stream.encoder], ["decoder", stream.decoder]]) {
    const tone = side === "encoder" ? "key" : "query";
    const peak = 2.2 * size(added[0]);
    const names = side === "encoder" ? [["attn", "self-attention"], ["ffn", "feed-forward"]] : [["self", "masked self-attention"], ["cross", "cross-attention"], ["ffn", "feed-forward"]];
    let state = added[0];
    const push = (rows, name, words, tone, share, stage, layer) => columns.push({ side, rows, size: width, name, words, tone, share, isState: share === 1, peak, stage, layer });
    push(state, "embedding", "embedding plus position", tone, 1, 0);
    for (let layer = 0; layer < layers; layer++) {
      names.forEach(([name, words], i) => {
        const rows = added[1 + layer * names.length + i];
        state = add(state, rows);
        push(rows, `+ ${name}`, `what ${words} adds in layer ${layer}`, name === "ffn" ? "fg" : "value", 0.6, layer + 1, words.endsWith("self-attention") ? layer : undefined);
      });
      if (side === "encoder" && layer === layers - 1) push(stream.memory, "memory", "the encoder's output, normalized", tone, 1, layer + 1);
      else push(state, `layer ${layer}`, `the sum after layer ${layer}`, tone, 1, layer + 1);
    }
  }
  return columns;
}
