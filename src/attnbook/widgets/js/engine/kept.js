// The browser's storage for the files of published models. A browser may have none, or refuse even the question.

const place = (name) => `attnbook-models-${name}`;

// The place of a model's files, or null.
export async function openKept(name) {
  try {
    return await caches.open(place(name));
  } catch {
    return null;
  }
}

// How many bytes of a model the browser keeps.
export async function keptOf(name) {
  try {
    const there = (await caches.has(place(name))) ? await (await openKept(name)).matchAll() : [];
    return there.reduce((sum, { headers }) => sum + Number(headers.get("content-length")), 0);
  } catch {
    return 0;
  }
}

// Forgets a model's files; returns whether there were any.
export async function removeKept(name) {
  try {
    return await caches.delete(place(name));
  } catch {
    return false;
  }
}
