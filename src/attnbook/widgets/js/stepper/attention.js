// Scaled dot-product attention on small plain matrices with all intermediate results. It agrees with
// `attnbook.scaled_dot_product_attention`.

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const each = (matrix, change) => matrix.map((row, r) => row.map((x, c) => change(x, r, c)));
const column = (matrix, c) => matrix.map((row) => row[c]);

export const total = (row) => row.reduce((sum, x) => sum + x, 0);

export function softmax(row) {
  const most = Math.max(...row);
  if (most === -Infinity) return row.map(() => 0); // fully masked row
  const powers = row.map((x) => Math.exp(x - most));
  const sum = total(powers);
  return powers.map((power) => power / sum);
}

// `allowed` is a boolean (T, S) or null; `scale`: divide by √d; `before`: mask before softmax; the temperature divides too.
// `spent` are the weights that multiply the values.
export function attend({ query, key, value, allowed }, { scale, temperature, before }) {
  const hide = (matrix, hidden) => (allowed ? each(matrix, (x, r, c) => (allowed[r][c] ? x : hidden)) : matrix);
  const divisor = (scale ? Math.sqrt(query[0].length) : 1) * temperature;
  const scores = query.map((q) => key.map((k) => dot(q, k)));
  const scaled = each(scores, (x) => x / divisor);
  const weights = (before ? hide(scaled, -Infinity) : scaled).map(softmax);
  const spent = before ? weights : hide(weights, 0);
  const masked = before ? hide(scaled, -Infinity) : spent;
  const output = spent.map((row) => value[0].map((_, c) => dot(row, column(value, c))));
  return { query, key, value, scores, scaled, masked, weights, spent, output, divisor };
}
