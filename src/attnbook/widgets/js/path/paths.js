// The steps and the route of a signal between two positions in each kind of network.
// `attnbook.widgets.path.PathExplorer` counts the same way.

export const reach = (kernel) => (kernel - 1) / 2; // positions to each side that one layer sees

// Layers that convolutions need for this distance; at least one.
export const layersNeeded = (distance, kernel) => Math.max(1, Math.ceil(distance / reach(kernel)));

// Steps from one position to another; null if there is no path.
export function steps({ source, target, kernel, layers }) {
  const distance = Math.abs(target - source);
  return {
    recurrent: target >= source ? distance + 1 : null,
    convolution: layers >= layersNeeded(distance, kernel) ? layers : null,
    attention: 1,
  };
}

// The longest path in a sequence, by its length; convolutions have as many layers as they need.
export const longest = {
  recurrent: (length) => length,
  convolution: (length, kernel) => layersNeeded(length - 1, kernel),
  attention: () => 1,
};

// The signal's position after each step as [column, row]; row 0 holds the inputs.
export function path(network, { source, target, layers }) {
  if (network === "attention") return [[source, 0], [target, 1]];
  if (network === "recurrent") {
    const states = Array.from({ length: target - source + 1 }, (_, i) => [source + i, 1]);
    return [[source, 0], ...states];
  }
  const along = (layer) => source + Math.round(((target - source) * layer) / layers);
  return Array.from({ length: layers + 1 }, (_, layer) => [along(layer), layer]);
}
