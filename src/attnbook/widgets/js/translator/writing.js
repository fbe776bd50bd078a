// A day as a language writes it, from its pieces (attnbook.data.dates.date_pieces), and which characters are read.

export function write(pieces, day) {
  const [year, month, date] = day.split("-").map(Number);
  const weekday = (new Date(Date.UTC(year, month - 1, date)).getUTCDay() + 6) % 7; // 0 is Monday
  const part = (piece) => {
    if (Array.isArray(piece)) return piece[piece.length === 12 ? month - 1 : weekday];
    if (piece === 4) return String(year);
    return typeof piece === "number" ? String(date).padStart(piece, "0") : piece;
  };
  return pieces.map(part).join("");
}

// What the model reads of a text: plain spaces, no marks of direction; and what it has never seen.
export function readable(text, known) {
  const plain = Array.from(text.replace(/[\u061c\u200e\u200f]/g, "").replace(/[\u00a0\u202f]/g, " "));
  return { read: plain.filter((one) => known.has(one)), strange: [...new Set(plain.filter((one) => !known.has(one)))] };
}
