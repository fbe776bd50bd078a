// Why a map is missing on a static page.

const MOST = 8e6; // bytes, as in explorer.py

export function absent({ layers, heads, frames, rows, columns, size }) {
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
  const limit = "and on a page an explorer holds at most 8 MB of weights. Run the notebook to see";
  if (2 * rows * columns > MOST) {
    const fewer = Math.max(1, Math.floor(MOST / 2 / columns / 100) * 100);
    const call = `AttentionExplorer(weights[..., :${fewer}, :], queries[:${fewer}], keys)`;
    return `This map is not on the page: one map of ${rows}×${columns} takes ${megabytes(2 * rows * columns)}, ${limit} it, or show fewer queries on the page, for example ${call}.`;
  }
  const count = [frames > 1 && `${frames} frames`, layers > 1 && `${layers} layers`, heads > 1 && `${heads} heads`].filter(Boolean);
  return `This map is not on the page: ${count.join(" of ")} take ${megabytes(size)}, ${limit} all of them, or show fewer on the page, for example AttentionExplorer(weights[:1], …).`;
}
