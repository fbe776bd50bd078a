// Formats numbers for cells and equations.

export const digits = (weight) => weight.toFixed(3);

// Two significant digits below 0.1, else two decimals.
export const short = (number) => (number < 0.1 ? String(Number(number.toPrecision(2))) : number.toFixed(2));

// Two decimals, a true minus sign, no negative zero; very large numbers in scientific notation.
export function signed(x) {
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  const text = Math.abs(x) < 1e5 ? x.toFixed(2) : x.toExponential(1).replace("+", "");
  return /^-0\.0+$/.test(text) ? text.slice(1) : text.replaceAll("-", "−");
}

export const factor = (x) => (signed(x).startsWith("−") ? `(${signed(x)})` : signed(x));
