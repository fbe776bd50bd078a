// The byte-level BPE tokenizer of a GGUF file. attnbook.pretrained.smollm2 says how it cuts words.

const SPECIAL = 3; // the file's type of special tokens
const DIGIT = /(\p{N})/u;
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

// GPT-2's table: a byte that prints as a character is represented by it, the others by characters from 256 on.
const printed = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
let others = 256;
const CHARACTERS = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printed(byte) ? byte : others++));
const BYTES = new Map(CHARACTERS.map((character, byte) => [character, byte]));

export class Tokenizer {
  #ids;
  #ranks;
  #special;
  #known = new Map(); // word → ids

  constructor(settings) {
    const { tokens, token_type: types, merges, eos_token_id: end } = Object.fromEntries(
      ["tokens", "token_type", "merges", "eos_token_id"].map((name) => [name, settings[`tokenizer.ggml.${name}`]]),
    );
    Object.assign(this, { pieces: tokens, end });
    this.#ids = new Map(tokens.map((piece, id) => [piece, id]));
    this.#ranks = new Map(merges.map((pair, rank) => [pair, rank]));
    this.special = new Set(tokens.filter((_, id) => types[id] === SPECIAL));
    const escaped = [...this.special].sort((a, b) => b.length - a.length).map((token) => token.replace(/[|\\{}()[\]^$+*?.]/g, "\\$&"));
    this.#special = new RegExp(`(${escaped.join("|")})`);
  }

  encode(text) {
    const ids = [];
    for (const part of text.split(this.#special)) {
      if (this.special.has(part)) ids.push(this.#ids.get(part));
      else for (const piece of part.split(DIGIT)) for (const [word] of piece.matchAll(WORDS)) ids.push(...this.#word(word));
    }
    return ids;
  }

  #word(word) {
    if (!this.#known.has(word)) this.#known.set(word, this.#merge(word));
    return this.#known.get(word);
  }

  // Merges the pair that was merged first in training, until none is left.
  #merge(word) {
    let pieces = Array.from(encoder.encode(word), (byte) => CHARACTERS[byte]);
    for (;;) {
      let [best, least] = ["", Infinity];
      for (let i = 1; i < pieces.length; i++) {
        const rank = this.#ranks.get(`${pieces[i - 1]} ${pieces[i]}`);
        if (rank < least) [best, least] = [`${pieces[i - 1]} ${pieces[i]}`, rank];
      }
      if (!best) return pieces.map((piece) => this.#ids.get(piece));
      const merged = [];
      for (let i = 0; i < pieces.length; i++) {
        const pair = `${pieces[i]} ${pieces[i + 1]}` === best;
        merged.push(pair ? pieces[i] + pieces[++i] : pieces[i]);
      }
      pieces = merged;
    }
  }

  #bytes(id) {
    return Uint8Array.from(this.pieces[id], (character) => BYTES.get(character));
  }

  decode(ids) {
    const bytes = ids.filter((id) => !this.special.has(this.pieces[id])).flatMap((id) => [...this.#bytes(id)]);
    return decoder.decode(Uint8Array.from(bytes));
  }

  // A token's text; `\xe6` for a byte of a cut character.
  token(id) {
    const bytes = this.#bytes(id);
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isText(bytes.subarray(at, at + count)));
      text += length ? decoder.decode(bytes.subarray(at, at + length)) : `\\x${bytes[at].toString(16).padStart(2, "0")}`;
      at += length ?? 1;
    }
    return text;
  }
}

function isText(bytes) {
  try {
    return Boolean(strict.decode(bytes));
  } catch {
    return false;
  }
}
