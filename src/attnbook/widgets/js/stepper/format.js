// Writes the numbers of a matrix with the same decimals, so that a reader can check every computation with a calculator:
// as many as they have, at most five digits or four decimals. stepper_sizes.py reserves space by the same rules.

const DIGITS = 5;
const SCIENTIFIC = 1e5;

export function decimals(numbers) {
  const finite = numbers.filter(Number.isFinite);
  const peak = finite.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (peak >= SCIENTIFIC) return null;
  const most = DIGITS - 1 - Math.max(0, Math.floor(Math.log10(peak || 1)));
  const exact = (d) => finite.every((x) => Math.abs(x - Math.round(x * 10 ** d) / 10 ** d) <= 1e-9 * Math.max(1, peak));
  for (let d = 0; d < most; d++) if (exact(d)) return d;
  return most;
}

// A true minus sign, no negative zero; from 1e5, an exponent.
export function written(x, d) {
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  const text = d === null ? x.toExponential(2).replace("+", "") : x.toFixed(d);
  return (/^-0(\.0+)?$/.test(text) ? text.slice(1) : text).replaceAll("-", "−");
}

export function writer(numbers) {
  const d = decimals(numbers);
  return (x) => written(x, d);
}

// One number with five digits.
export const alone = (x) => writer([x])(x);

// The number that a reader types into a calculator.
export const read = (text) => Number(text.replaceAll("−", "-").replace("∞", "Infinity"));
