// Numbers as they are written, in cells and in sums.

export const digits = (weight) => weight.toFixed(3);

// As short as it can be read.
export const short = (number) => (number < 0.1 ? String(Number(number.toPrecision(2))) : number.toFixed(2));

// Two decimals, a real minus sign, no negative zero; very large ones by their power of ten.
export function signed(x) {
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  const text = Math.abs(x) < 1e5 ? x.toFixed(2) : x.toExponential(1).replace("+", "");
  return /^-0\.0+$/.test(text) ? text.slice(1) : text.replaceAll("-", "−");
}

export const factor = (x) => (signed(x).startsWith("−") ? `(${signed(x)})` : signed(x));
