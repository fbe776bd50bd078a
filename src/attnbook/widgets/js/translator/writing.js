// Writes a day in a language from its pieces (attnbook.data.dates.date_pieces) and parses it; judges an answer by the calendar;
// finds the readable characters.

const weekdayOf = (day) => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7; // 0 is Monday

export function write(pieces, day) {
  const [year, month, date] = day.split("-").map(Number);
  const weekday = weekdayOf(day);
  const part = (piece) => {
    if (Array.isArray(piece)) return piece[piece.length === 12 ? month - 1 : weekday];
    if (piece === 4) return String(year);
    return typeof piece === "number" ? String(date).padStart(piece, "0") : piece;
  };
  return pieces.map(part).join("");
}

// The day, language and format that a text matches exactly, or null.
export function readDate(writing, text) {
  const found = examine(writing, text);
  return found?.problem ? null : found;
}

// The same, also for a text that only looks like a date. `formats`: all that write this day so. `problem`: "weekday", if that of the
// text, `said`, isn't that of the day (both count from Monday, 0), "years" outside those that the model knows, "none" if there is no
// such day. Null: not a date.
export function examine(writing, text) {
  const plainly = plain(text.trim());
  let [exact, other] = [null, null];
  for (const [language, formats] of Object.entries(writing)) {
    for (const [format, pieces] of Object.entries(formats)) {
      const found = parse(pieces, plainly);
      if (!found) continue;
      const whole = { ...found, language, format, formats: [] };
      if (found.problem) other ??= whole;
      else if (plain(write(pieces, found.day)) === plainly) (exact ??= whole).formats.push(format);
    }
  }
  return exact ?? other;
}

function parse(pieces, text) {
  const exact = (words) => plain(words).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = (list) => list.map(exact).join("|");
  const part = (piece) => {
    if (Array.isArray(piece)) return `(?<${piece.length === 12 ? "month" : "weekday"}>${names(piece)})`;
    if (piece === 4) return "(?<year>\\d{4})";
    return typeof piece === "number" ? "(?<date>\\d{1,2})" : exact(piece);
  };
  const found = text.match(new RegExp(`^${pieces.map(part).join("")}$`))?.groups;
  if (!found) return null;
  const at = (count, name) => pieces.find((piece) => piece.length === count).findIndex((one) => plain(one) === name);
  const month = at(12, found.month);
  const day = new Date(Date.UTC(2000, month, found.date));
  day.setUTCFullYear(found.year, month, found.date); // years below 100 too
  if (day.getUTCMonth() !== month) return { problem: "none" }; // such as 31 February
  const result = { day: day.toISOString().slice(0, 10) };
  if (found.year < 1900 || found.year > 2099) return { ...result, problem: "years" };
  const said = found.weekday === undefined ? weekdayOf(result.day) : at(7, found.weekday);
  return said === weekdayOf(result.day) ? result : { ...result, problem: "weekday", said };
}

// What the calendar says about an answer to a text, as [kind, words]: "right", "wrong" or "doubt". Null as the answer: it isn't complete
// yet, so only doubts about the text are told.
export function judge(writing, text, target, answer) {
  const found = examine(writing, text);
  if (!found) return ["doubt", "Not a date in any format it was trained on: it writes a date all the same."];
  if (found.problem === "none") return ["doubt", "There is no such day: it writes a date all the same."];
  if (found.problem === "years") return ["doubt", "It was never trained on years outside 1900 to 2099."];
  if (answer === null) return ["", ""];
  const is = (wanted) => plain(answer) === plain(wanted);
  const piecesOf = (format) => writing[target]?.[format]; // none for "iso"
  const written = (format) => (piecesOf(format) ? write(piecesOf(format), found.day) : found.day);
  if (!found.problem) {
    const all = [...new Set(found.formats.map(written))]; // some formats write some days alike, such as in May
    return all.some(is) ? ["right", "Right by the calendar."] : ["wrong", `Wrong: it should be ${all.join(" or ")}.`];
  }
  const [pieces, wanted] = [piecesOf(found.format), written(found.format)];
  const [yours, right] = [found.said, weekdayOf(found.day)].map((day) => names(writing.en.full, 7)[day]);
  const fact = `That day was a ${right}`;
  const copied = pieces?.map((piece) => (Array.isArray(piece) && piece.length === 7 ? piece[found.said] : piece));
  if (copied && is(write(copied, found.day))) return ["doubt", `${fact}: it copied your ${yours}.`];
  if (is(wanted)) return ["doubt", copied ? `${fact}: it corrected your ${yours}.` : `${fact}, not a ${yours}.`];
  return ["wrong", `${fact}, not a ${yours}; the answer should be ${wanted}.`];
}

const names = (pieces, count) => pieces.find((piece) => Array.isArray(piece) && piece.length === count);

// Plain spaces, no direction marks.
const plain = (text) => text.replace(/[\u061c\u200e\u200f]/g, "").replace(/[\u00a0\u202f]/g, " ");

// Splits a text into the characters the model can read and those it has never seen.
export function readable(text, known) {
  const characters = Array.from(plain(text));
  return { read: characters.filter((one) => known.has(one)), strange: [...new Set(characters.filter((one) => !known.has(one)))] };
}
