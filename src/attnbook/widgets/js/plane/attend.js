// Attention of one query to a few keys, on plain arrays. It agrees with `attnbook.scaled_dot_product_attention` with scale 1 / τ;
// by distance, with regression with a Gaussian kernel of width √τ.

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

export const SCORES = {
  dot: (query, key) => dot(query, key),
  distance: (query, key) => -((query[0] - key[0]) ** 2 + (query[1] - key[1]) ** 2) / 2,
};

export function attend({ query, keys, values, temperature, score }) {
  const scores = keys.map((key) => SCORES[score](query, key));
  const most = Math.max(...scores);
  const powers = scores.map((x) => Math.exp((x - most) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  const weights = powers.map((power) => power / sum);
  const output = values[0].map((_, c) => dot(weights, values.map((value) => value[c])));
  return { scores, weights, output };
}
