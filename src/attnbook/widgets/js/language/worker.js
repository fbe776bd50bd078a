// The worker that holds the model. Besides answering calls, it asks the page for chunks of the file.

import { answer } from "../engine/answer.js";
import { openKernel } from "../engine/kernel.js";
import { readHead } from "./gguf.js";
import { openNetwork } from "./network.js";
import { Session } from "./session.js";
import { Tokenizer } from "./tokenizer.js";

const AHEAD = 4; // chunks fetched at a time
let session;
let kernel;

const calls = {
  // The file has `size` bytes and comes in chunks of `step` bytes.
  async open({ script, size, step }) {
    const chunks = new Map();
    const last = Math.ceil(size / step) - 1;
    const ask = (index) => {
      if (index <= last && !chunks.has(index)) chunks.set(index, chunk(index));
    };
    const read = async (start, end) => {
      const [from, to] = [Math.floor(start / step), Math.floor((end - 1) / step)];
      for (const index of chunks.keys()) if (index < from) chunks.delete(index);
      for (let index = from; index < Math.max(to + 1, from + AHEAD); index++) ask(index);
      const bytes = new Uint8Array(end - start);
      for (let index = from; index <= to; index++) {
        const piece = await chunks.get(index);
        ask(index + AHEAD);
        const shift = index * step;
        bytes.set(piece.subarray(Math.max(0, start - shift), end - shift), Math.max(0, shift - start));
      }
      return bytes;
    };
    const [opened, head] = await Promise.all([openKernel({ script }), read(0, Math.min(size, step)).then(readHead)]);
    kernel = opened;
    session = new Session(await openNetwork(kernel, head, read), new Tokenizer(head.settings));
    return { kernel: kernel.name, memory: kernel.size };
  },

  encode({ text }) {
    const ids = session.tokenizer.encode(text);
    return { ids, tokens: ids.map((id) => session.tokenizer.token(id)) };
  },

  tokens: ({ ids }) => ids.map((id) => session.tokenizer.token(id)),

  read: ({ ids, cut }) => session.read(ids, cut),

  // The id of one of the tokens listed for the last position.
  id: ({ token }) => session.listedId(token),

  compare: () => session.compare(),

  next(settings) {
    const id = session.next(settings);
    return { id, token: session.tokenizer.token(id), end: id === session.tokenizer.end };
  },
};

const waiting = new Map(); // chunks asked for

function chunk(index) {
  return new Promise((resolve, reject) => {
    waiting.set(index, { resolve, reject });
    postMessage({ chunk: index });
  });
}

onmessage = ({ data }) => {
  if (!("chunk" in data)) return answer(calls, data);
  const { resolve, reject } = waiting.get(data.chunk);
  waiting.delete(data.chunk);
  return data.bytes ? resolve(data.bytes) : reject(new Error(data.problem));
};
