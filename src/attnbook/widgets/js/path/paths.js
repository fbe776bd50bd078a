// How far apart two positions are in each kind of network: the steps a signal takes, and where it passes.
// `attnbook.widgets.path.PathExplorer` counts the same.

export const reach = (kernel) => (kernel - 1) / 2; // positions to each side that one layer sees

// Layers that a convolution needs between positions that far apart; one even for no distance at all.
export const layersNeeded = (distance, kernel) => Math.max(1, Math.ceil(distance / reach(kernel)));

// Steps from one position to another, null where no signal gets through.
export function steps({ source, target, kernel, layers }) {
  const distance = Math.abs(target - source);
  return {
    recurrent: target >= source ? distance + 1 : null,
    convolution: layers >= layersNeeded(distance, kernel) ? layers : null,
    attention: 1,
  };
}

// The most steps that two positions of a sequence need, by its length: a convolution with as many layers as it takes.
export const longest = {
  recurrent: (length) => length,
  convolution: (length, kernel) => layersNeeded(length - 1, kernel),
  attention: () => 1,
};

// Where the signal stands after each step, as [column, row]; row 0 are the inputs.
export function path(network, { source, target, layers }) {
  if (network === "attention") return [[source, 0], [target, 1]];
  if (network === "recurrent") {
    const states = Array.from({ length: target - source + 1 }, (_, i) => [source + i, 1]);
    return [[source, 0], ...states];
  }
  const along = (layer) => source + Math.round(((target - source) * layer) / layers);
  return Array.from({ length: layers + 1 }, (_, layer) => [along(layer), layer]);
}
