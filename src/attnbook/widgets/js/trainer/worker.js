// The worker that trains: the page asks for a few steps at a time.

import { answer } from "../engine/answer.js";
import { Training } from "./network.js";

let training;

const calls = {
  open(settings) {
    training = new Training(settings);
    return { ...training.report(), losses: [] };
  },

  train({ count }) {
    const losses = training.train(count);
    return { ...training.report(), losses };
  },
};

onmessage = ({ data }) => answer(calls, data);
