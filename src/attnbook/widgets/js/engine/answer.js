// The worker's side of client.js: a call is { id, name, values }, its answer { id, result } or { id, problem }.

// `buffers(result)` lists what is handed over instead of copied.
export async function answer(calls, { id, name, values }, buffers = () => []) {
  try {
    const result = await calls[name](values ?? {});
    postMessage({ id, result }, buffers(result));
  } catch (problem) {
    postMessage({ id, problem: String(problem?.message ?? problem) });
  }
}
