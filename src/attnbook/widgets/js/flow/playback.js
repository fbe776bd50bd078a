// Where the picture is in time: the stages of the encoder, then one for each written token.

const [STAGE, TOKEN] = [450, 260]; // milliseconds for a stage of the encoder, and for a token
const LONGEST = 100; // milliseconds between two frames that are counted: a tab in the background doesn't skip

export class Playback {
  place = 0; // the stage: of the encoder up to `first`, then one for each token
  progress = 1; // the part of the stage that is shown
  #frame = 0;

  // `tick` is called before each frame, `arrive` at the end of each stage but the last, `end` at the end of the last.
  constructor({ tick, arrive, end }) {
    Object.assign(this, { tick, arrive, end });
  }

  get running() {
    return this.#frame > 0;
  }

  // Plays from a place, of whose stage a part is shown already, up to `last`.
  play(place, progress, { first, last }) {
    this.rest(place);
    this.progress = progress;
    let before = performance.now();
    const step = (now) => {
      this.progress += Math.min(LONGEST, Math.max(0, now - before)) / (this.place < first ? STAGE : TOKEN);
      before = now;
      while (this.progress >= 1) {
        if (this.place === last) {
          this.rest();
          return this.end();
        }
        this.arrive();
        this.place++;
        this.progress -= 1;
      }
      this.tick();
      this.#frame = requestAnimationFrame(step);
      return undefined;
    };
    this.#frame = requestAnimationFrame(step);
  }

  // Stops at a place, whose stage is shown as a whole.
  rest(place = this.place) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.place = place;
    this.progress = 1;
  }
}
