// The Unigram tokenizer: every piece has a score, and the split with the largest sum is taken (Kudo 2018). It gives the same ids as
// attnbook's, which uses the library `tokenizers`.

const SPACE = "▁"; // before every word
const PENALTY = 10; // how much less likely than the least likely piece an unknown character is
const SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"];
const WHITE = /\p{White_Space}+/u;

export class Unigram {
  constructor({ pieces, scores, start, end, unknown, replacements }) {
    Object.assign(this, { pieces, scores, start, end, unknown, replacements });
    this.ids = new Map(pieces.map((piece, id) => [piece, id]));
    this.longest = pieces.reduce((longest, piece) => Math.max(longest, piece.length), 0);
    this.least = scores.reduce((least, score) => Math.min(least, score), 0) - PENALTY;
  }

  // The ids of a text between those of start and end.
  encode(text) {
    const ids = this.#parts(this.normalize(text)).flatMap((part) =>
      typeof part === "number" ? part : part.split(WHITE).flatMap((word) => (word ? this.#split(SPACE + word) : [])),
    );
    return [this.start, ...ids, this.end];
  }

  tokens = (ids) => ids.map((id) => this.pieces[id]);

  normalize(text) {
    return Array.from(text.normalize("NFC"), (character) => this.replacements.get(character.codePointAt(0)) ?? character).join("");
  }

  // The text between special tokens, and their ids.
  #parts(text) {
    return text.split(/(<s>|<pad>|<\/s>|<unk>|\p{White_Space}*<mask>)/u).map((part, i) => (i % 2 ? this.ids.get(SPECIAL.includes(part) ? part : "<mask>") : part));
  }

  // Viterbi: the best split up to each position, from the best splits before it.
  #split(word) {
    const best = new Float64Array(word.length + 1).fill(-Infinity);
    const [from, id] = [new Int32Array(word.length + 1), new Int32Array(word.length + 1)];
    best[0] = 0;
    const offer = (at, to, piece, score) => {
      if (!(best[at] + score > best[to])) return;
      best[to] = best[at] + score;
      from[to] = at;
      id[to] = piece;
    };
    for (let at = 0, next = 0; at < word.length; at = next) {
      next = at + String.fromCodePoint(word.codePointAt(at)).length;
      for (let to = at + 1; to <= Math.min(word.length, at + this.longest); to++) {
        const piece = this.ids.get(word.slice(at, to));
        if (piece !== undefined) offer(at, to, piece, this.scores[piece]);
      }
      if (!this.ids.has(word.slice(at, next))) offer(at, next, this.unknown, this.least);
    }
    const ids = [];
    for (let to = word.length; to > 0; to = from[to]) if (id[to] !== this.unknown || ids[0] !== this.unknown) ids.unshift(id[to]);
    return ids; // neighbouring unknown characters are one token
  }
}
