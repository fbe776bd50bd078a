// A widget's traits as settings in the page's address, for widgets that need nothing special: `#stepper-1_step-5_scale-off`.

import { ownName, syncAddress } from "./address.js";

// How a trait is read, undefined if it isn't valid, and written.
const numbers = (form) => (least, most) => ({
  read: (text) => (form.test(text) && text >= least && text <= most ? Number(text) : undefined),
  write: String,
});
export const whole = numbers(/^-?\d{1,3}$/);
export const number = numbers(/^-?\d{1,3}(\.\d{1,4})?$/);
export const flag = { read: (text) => ({ on: true, off: false })[text], write: (value) => (value ? "on" : "off") };
export const choice = (...values) => ({ read: (text) => values.find((value) => String(value) === text), write: String });

// Several values with commas between them, one `kind` each, or none.
export const list = (...kinds) => ({
  read: (text) => {
    const values = text === "none" ? [] : text.split(",").map((part, i) => kinds[i]?.read(part));
    return values.includes(undefined) || (values.length && values.length < kinds.length) ? undefined : values;
  },
  write: (values) => values.join() || "none",
});

// Follows the address with the traits of `kinds`; `name` is the widget's in the address, `place` its container on a page.
export function followTraits(view, el, signal, { name, place, kinds }) {
  const page = SITE ? el.closest(place) : el;
  if (!page) return;
  const traits = Object.keys(kinds);
  const origin = view.get(...traits);
  const own = ownName(name, place, page);
  const read = (part) => {
    const [, trait, text] = part.match(/^([a-z]+)-(.+)$/) ?? [];
    const value = kinds[trait]?.read(text);
    return value === undefined ? {} : { [trait]: value };
  };
  const take = (parts) => view.set(Object.assign({ ...origin }, ...parts.map(read)));
  const changed = (trait) => String(view.get(trait)) !== String(origin[trait]);
  const settings = () => traits.filter(changed).map((trait) => `${trait}-${kinds[trait].write(view.get(trait))}`);
  syncAddress({ own, page, model: view.model, traits, take, settings }, signal);
}
