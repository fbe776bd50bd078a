// `npm run runs` writes ../../trainer_runs.json: the finished runs that the trainer shows before anything is trained in the page.

import { writeFileSync } from "node:fs";
import { STEPS, Training } from "./network.js";

const round = (numbers) => Array.from(numbers, (number) => Number(number.toFixed(4)));

const runs = [1, 2].map((heads) => {
  const settings = { heads, scale: true, positions: true, seed: 0 };
  const training = new Training(settings);
  const losses = round(training.train(STEPS));
  const { step, example, accuracy, maps } = training.report();
  return { ...settings, step, losses, example, accuracy: round(accuracy), maps: round(maps) };
});
writeFileSync(new URL("../../trainer_runs.json", import.meta.url), `${JSON.stringify({ steps: STEPS, runs })}\n`);
