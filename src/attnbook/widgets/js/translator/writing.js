// Writes a day in a language from its pieces (attnbook.data.dates.date_pieces) and parses it; finds the readable characters.

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

// The day, language and format that a text matches exactly, or null.
export function readDate(writing, text) {
  const plainly = plain(text.trim());
  for (const [language, formats] of Object.entries(writing)) {
    for (const [format, pieces] of Object.entries(formats)) {
      const day = dayOf(pieces, plainly);
      if (day && plain(write(pieces, day)) === plainly) return { day, language, format };
    }
  }
  return null;
}

function dayOf(pieces, text) {
  const exact = (words) => plain(words).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = (list) => list.map(exact).join("|");
  const part = (piece) => {
    if (Array.isArray(piece)) return piece.length === 12 ? `(?<month>${names(piece)})` : `(?:${names(piece)})`;
    if (piece === 4) return "(?<year>\\d{4})";
    return typeof piece === "number" ? "(?<date>\\d{1,2})" : exact(piece);
  };
  const found = text.match(new RegExp(`^${pieces.map(part).join("")}$`))?.groups;
  if (!found) return null;
  const month = pieces.find((piece) => piece.length === 12).findIndex((name) => plain(name) === found.month);
  const day = new Date(Date.UTC(found.year, month, found.date));
  return day.getUTCMonth() === month ? day.toISOString().slice(0, 10) : null; // rejects days such as 31 February
}

// Plain spaces, no direction marks.
const plain = (text) => text.replace(/[\u061c\u200e\u200f]/g, "").replace(/[\u00a0\u202f]/g, " ");

// Splits a text into the characters the model can read and those it has never seen.
export function readable(text, known) {
  const characters = Array.from(plain(text));
  return { read: characters.filter((one) => known.has(one)), strange: [...new Set(characters.filter((one) => !known.has(one)))] };
}
