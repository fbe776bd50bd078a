// A worker in place of the language model's: it asks for the file's chunks, then finds a token in each character and computes nothing.

const asked = new Map();
const chunk = (index) =>
  new Promise((resolve, reject) => {
    asked.set(index, { resolve, reject });
    postMessage({ chunk: index });
  });

const calls = {
  async open({ size, step }) {
    await Promise.all(Array.from({ length: size / step }, (_, i) => chunk(i)));
    return { kernel: "WebAssembly" };
  },
  encode: ({ text }) => ({ ids: Array.from(text, (one) => one.codePointAt(0)), tokens: [...text] }),
  read: ({ ids }) => ({ from: 0, maps: ids.map((_, t) => new Float32Array(270 * (t + 1))), listed: ids.map(() => [["!", 1]]) }),
};

onmessage = async ({ data }) => {
  if ("chunk" in data) {
    const { resolve, reject } = asked.get(data.chunk);
    return data.bytes ? resolve() : reject(new Error(data.problem));
  }
  try {
    return postMessage({ id: data.id, result: await calls[data.name](data.values) });
  } catch ({ message }) {
    return postMessage({ id: data.id, problem: message });
  }
};
