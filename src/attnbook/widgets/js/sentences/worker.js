// The worker that holds the encoder.

import { answer } from "../engine/answer.js";
import { openKernel } from "../engine/kernel.js";
import { Encoder } from "./encoder.js";

let encoder;

const calls = {
  // `script`: don't use WebAssembly.
  async open({ head, layers, start, table, script }) {
    const kernel = await openKernel({ script });
    encoder = new Encoder(kernel, head, layers, start, table);
    return { kernel: kernel.name, sizes: encoder.sizes };
  },

  // At most `longest` ids of a text, with the end token last; `missing` lists the chunks of the token embedding to hand to `run`.
  encode({ text, longest }) {
    let ids = encoder.tokenizer.encode(text);
    const whole = ids.length;
    if (whole > longest) ids = [...ids.slice(0, longest - 1), ids.at(-1)];
    return { ids, tokens: encoder.tokenizer.tokens(ids), whole, missing: encoder.missing(ids) };
  },

  run({ ids, chunks, cut }) {
    encoder.keep(ids, chunks);
    return encoder.run(ids, cut);
  },
};

onmessage = ({ data }) => answer(calls, data, ({ hidden, weights }) => (hidden ? [hidden.buffer, weights.buffer] : []));
