// The explorer's state from the model's traits, clamped to valid values.

const FLOOR = 1e-4; // start of the logarithmic scale

export const TRAITS = ["frame", "layer", "head", "locked", "scale", "order", "hide_first", "view", "shown_heads", "forbidden", "values"];
const LISTS = ["shown_heads", "forbidden", "values"]; // as they are: the parts that use them leave out what is not valid
export const CHOICES = {
  scale: ["peak", "map", "full", "log"],
  order: ["model", "entropy", "first"],
  view: ["map", "lines", "edit"],
};

// The range of one map's colours: up to its largest weight that is shown.
export function ownRange(weights, columns, hidden) {
  const peak = weights?.reduce((most, weight, i) => (i % columns < hidden ? most : Math.max(most, weight)), 0);
  return { peak: peak || 1, floor: 0 };
}

// The total weight that each key receives.
export function totals(map, columns) {
  if (map.totals) return map.totals;
  map.totals = new Float64Array(columns);
  map.weights.forEach((weight, i) => (map.totals[i % columns] += weight));
  return map.totals;
}

export class State {
  #model;

  constructor(model, maps, named) {
    this.#model = model;
    const { frames, layers, heads, rows } = maps;
    this.maps = maps;
    this.given = model.get("_given")?.weights && model.get("_given"); // if the map can be edited
    this.limits = {
      frame: [0, frames],
      layer: [layers > 1 ? -1 : 0, layers],
      head: [heads > 1 && !named ? -1 : 0, heads],
      locked: [-1, rows],
    };
  }

  get(name) {
    const value = this.#model.get(name);
    if (LISTS.includes(name)) return value ?? [];
    if (value === "edit" && !this.given) return "map";
    if (name in CHOICES) return CHOICES[name].includes(value) ? value : CHOICES[name][0];
    if (name === "hide_first") return Boolean(value);
    const [least, count] = this.limits[name];
    return Number.isInteger(value) ? Math.max(least, Math.min(count - 1, value)) : name === "locked" ? -1 : 0;
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  get place() {
    return { frame: this.get("frame"), layer: this.get("layer"), head: this.get("head") };
  }

  // The range of the colour scale.
  get range() {
    const scale = this.get("scale");
    const largest = this.get("hide_first") ? this.maps.peakOfRest : this.maps.peak;
    if (scale === "log") return { peak: Math.max(largest, 10 * FLOOR), floor: FLOOR };
    return { peak: scale === "full" ? 1 : largest, floor: 0 };
  }
}
