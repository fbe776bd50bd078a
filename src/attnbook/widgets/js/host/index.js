// Mounts the widgets of a built page: no kernel, no loader, no request. Python's state stands in the page as JSON; each kind of
// widget comes in a script of its own, after this one, and calls `attnbook.define`.

import { LocalModel } from "../shared/model.js";
import { fromBase64 } from "../shared/base64.js";
import * as shared from "./shared.js";

const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const BYTES = 'script[type="application/octet-stream"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
const APOLOGY = "This interactive figure could not be loaded.";

const idle = globalThis.requestIdleCallback ?? setTimeout;
const decode = (base64) => new DataView(fromBase64(base64).buffer);

const texts = []; // what reads a buffer whose text is still in the page

// Puts each buffer where its path says; it is decoded when it is first read, or when there is time, so that its text can go.
function place(state, buffers) {
  for (const { path, at } of buffers) {
    const holder = path.slice(0, -1).reduce((inner, key) => inner[key], state);
    let [element, view] = [elements[at]];
    const get = () => {
      view ??= decode(element.textContent);
      if (element) element.textContent = ""; // the element stays: to take it away would style the page anew
      element = null;
      return view;
    };
    Object.defineProperty(holder, path.at(-1), { enumerable: true, configurable: true, get });
    texts.push(get);
  }
  return state;
}

function lighten(time) {
  while (texts.length && !(time?.timeRemaining() < 2)) {
    try {
      texts.pop()();
    } catch {
      // it is said where it is wanted
    }
    if (!time) break;
  }
  if (texts.length) idle(lighten);
}

function readStates() {
  const states = {};
  elements = document.querySelectorAll(BYTES);
  for (const script of document.querySelectorAll(STATE)) {
    try {
      Object.assign(states, JSON.parse(script.textContent).state);
    } catch (error) {
      console.warn("attnbook: the page's widget state cannot be read", error);
    }
  }
  return states;
}

const models = new Map(); // two views of one model share it
let states;
let elements; // the bytes of all buffers, as text

function entryOf(script) {
  states ??= readStates();
  const id = script.textContent.match(/"model_id": *"(\w+)"/)?.[1];
  return { id, entry: states[id], kind: states[id]?.state?._anywidget_id?.split(".").at(-1) };
}

function modelOf(id, entry) {
  if (!models.has(id)) {
    if (!texts.length) setTimeout(() => idle(lighten), 200); // what is seen first goes first
    models.set(id, new LocalModel(place(entry.state, entry.buffers ?? [])));
    delete entry.buffers;
  }
  return models.get(id);
}

const places = (script) => script.closest(".ab-widget") ?? script.parentElement;

function mount(script, make) {
  const live = document.createElement("div");
  live.className = "ab-live";
  script.before(live);
  try {
    make(live);
    places(script).dataset.state = "live";
  } catch (error) {
    console.warn("attnbook: a widget could not be mounted", error);
    live.className = "ab-broken";
    live.textContent = APOLOGY;
    places(script).dataset.state = "broken";
  }
}

// What is far from the reader's view is mounted when it comes near; all of it, in free moments, once the reader moves, or when the
// page's address may mean one of them.
const far = new Map(); // place → mounts what belongs there
const near = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => isIntersecting && reach(target)), { rootMargin: "100% 0px" });

function reach(place) {
  near.unobserve(place);
  const go = far.get(place);
  far.delete(place);
  go?.();
}

function reachAll() {
  const [next] = far.keys();
  if (!next) return;
  reach(next);
  idle(reachAll);
}

function approach(script, go) {
  const place = places(script);
  const first = document.querySelector(VIEW) === script; // where the others are is not asked: it would lay out the whole page
  if (/^#attention-/.test(location.hash) || (first && place.getBoundingClientRect().top < 2 * innerHeight)) return go();
  far.set(place, go);
  near.observe(place);
}

// The page's views that nobody has mounted yet, nor will.
const waiting = () => [...document.querySelectorAll(VIEW)].filter((script) => !places(script).dataset.state && !far.has(places(script)));

function define(name, widget) {
  for (const script of waiting()) {
    const { id, entry, kind } = entryOf(script);
    if (kind !== name) continue;
    approach(script, () => mount(script, (el) => widget.render({ model: modelOf(id, entry), el, experimental: {} })));
  }
}

// When every script has come, what is left has no data, or no program.
function end() {
  for (const move of ["pointermove", "pointerdown", "keydown"]) addEventListener(move, reachAll, { once: true, passive: true });
  addEventListener("hashchange", reachAll);
  for (const script of waiting()) {
    const { id, kind } = entryOf(script);
    mount(script, () => {
      throw new Error(kind ? `no widget named ${kind}` : `no state for model ${id}`);
    });
  }
}

// Parts of a widget that nobody sees at first come when they are asked for: `load(name)` promises what the part's own script gives
// to `provide`, now or earlier. What did not come is asked for anew the next time.
const host = document.currentScript?.src;
const parts = new Map();

function partOf(name) {
  if (!parts.has(name)) {
    const part = { asked: false };
    part.promise = new Promise((resolve, reject) => Object.assign(part, { resolve, reject }));
    parts.set(name, part);
  }
  return parts.get(name);
}

function load(name) {
  const part = partOf(name);
  if (!part.asked) {
    part.asked = true;
    const address = new URL(`${name}.js`, host);
    address.search = new URL(host).search; // the version
    const fail = () => {
      parts.delete(name);
      part.reject(new Error(`${name} did not come`));
    };
    document.head.append(Object.assign(document.createElement("script"), { src: address.href, onerror: fail }));
  }
  return part.promise;
}

function provide(name, module) {
  const part = partOf(name);
  part.asked = true;
  part.resolve(module);
}

globalThis.attnbook = { shared, define, load, provide };
// Scripts come with the page, or behind its first frame; then the book's first.js says when they are here.
for (const event of ["DOMContentLoaded", "programs-here"]) document.addEventListener(event, end, { once: true });
