// What the widget asks of the model: readings of a text, with and without some heads, and the next token. Runs in a worker.

const LISTED = 10; // tokens per position

// One text under one set of cut heads: ids, the cache, and per position the vector before the output and the logarithm of the sum of
// exponentials, which give any token's probability.
class Reading {
  ids = [];
  hidden = [];
  norms = [];
  listed = []; // per position, the ids of the most likely tokens
  last = null; // logits of the last position

  constructor(network, cut) {
    this.network = network;
    this.cut = cut;
    this.cache = network.start(cut);
  }

  chance(position, id) {
    return Math.exp(this.network.logit(this.hidden[position], id) - this.norms[position]);
  }

  // Reads more tokens; returns their maps.
  extend(ids) {
    const { network } = this;
    const { width, vocab } = network.sizes;
    const { hidden, maps } = network.run(ids, this.cache);
    const logits = network.logits(hidden);
    ids.forEach((id, i) => {
      const row = logits.subarray(i * vocab, (i + 1) * vocab);
      const highest = row.reduce((most, one) => Math.max(most, one), -Infinity);
      this.norms.push(highest + Math.log(row.reduce((sum, one) => sum + Math.exp(one - highest), 0)));
      this.listed.push(largest(row, LISTED));
      this.hidden.push(hidden.slice(i * width, (i + 1) * width));
      this.ids.push(id);
      this.last = row;
    });
    this.last = this.last.slice();
    return maps;
  }
}

function largest(row, count) {
  const best = [];
  for (let id = 0; id < row.length; id++) {
    if (best.length === count && row[id] <= row[best[count - 1]]) continue;
    let at = best.length;
    while (at && row[best[at - 1]] < row[id]) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}

export class Session {
  #whole; // the reading with all heads
  #part = null; // the reading without the cut ones

  constructor(network, tokenizer) {
    Object.assign(this, { network, tokenizer });
    this.#whole = new Reading(network, []);
  }

  // Reads ids with all heads, or without those in `cut`; positions that were read before are not read again. Returns, from position `from`
  // on, the maps (with all heads only) and the most likely tokens.
  read(ids, cut = []) {
    const kept = cut.length ? this.#part : this.#whole;
    const same = kept && String(kept.cut) === String(cut) && kept.ids.length <= ids.length && kept.ids.every((id, i) => id === ids[i]);
    const reading = same ? kept : new Reading(this.network, cut);
    if (cut.length) this.#part = reading;
    else this.#whole = reading;
    const from = reading.ids.length;
    const maps = ids.length > from ? reading.extend(ids.slice(from)) : [];
    const listed = reading.listed.slice(from).map((list, i) => list.map((id) => [this.tokenizer.token(id), reading.chance(from + i, id)]));
    return { from, maps: cut.length ? [] : maps, listed };
  }

  // The probabilities, with all heads and without the cut ones, of the tokens most likely in either, per position.
  compare() {
    const [whole, part] = [this.#whole, this.#part];
    return part.ids.map((_, position) => {
      const ids = [...new Set([...whole.listed[position].slice(0, LISTED / 2), ...part.listed[position].slice(0, LISTED / 2)])];
      const rows = ids.map((id) => [this.tokenizer.token(id), whole.chance(position, id), part.chance(position, id)]);
      return rows.sort((a, b) => Math.max(b[1], b[2]) - Math.max(a[1], a[2]));
    });
  }

  listedId(token) {
    const listed = [this.#whole, this.#part].flatMap((reading) => reading?.listed.at(-1) ?? []);
    return listed.find((id) => this.tokenizer.token(id) === token);
  }

  // Draws the next token: temperature 0 takes the most likely one; `topP` keeps the smallest set of tokens that has this probability.
  next({ temperature, topP, cut = [], random = Math.random() }) {
    const { last } = cut.length ? this.#part : this.#whole;
    if (temperature === 0) return largest(last, 1)[0];
    const highest = last.reduce((most, one) => Math.max(most, one), -Infinity);
    const powers = last.map((logit) => Math.exp((logit - highest) / temperature));
    const total = powers.reduce((sum, power) => sum + power, 0);
    const order = Array.from(powers.keys()).filter((id) => powers[id] > 1e-9 * total).sort((a, b) => powers[b] - powers[a]);
    let [kept, mass] = [0, 0];
    while (kept < order.length && mass < topP * total) mass += powers[order[kept++]];
    let left = random * mass;
    for (const id of order.slice(0, kept)) if ((left -= powers[id]) <= 0) return id;
    return order[0];
  }
}
