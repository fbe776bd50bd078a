// Mounts the widgets of a built page without kernel, loader or requests. Python's state is in the page as JSON; each kind of
// widget has its own script, which runs after this one and calls `attnbook.define`.

import { LocalModel } from "../shared/model.js";
import { fromBase64 } from "../shared/base64.js";
import * as shared from "./shared.js";

const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const BYTES = 'script[type="application/octet-stream"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
const APOLOGY = "This interactive figure could not be loaded.";

const idle = globalThis.requestIdleCallback ?? setTimeout;
const decode = (base64) => new DataView(fromBase64(base64).buffer);

const texts = []; // functions that decode a buffer whose base64 text is still in the page

// Defines each buffer at its path in the state. It is decoded on first use or in idle time, which frees its text.
function place(state, buffers, elements) {
  for (const { path, at } of buffers) {
    const holder = path.slice(0, -1).reduce((inner, key) => inner[key], state);
    let [element, view] = [elements[at]];
    const get = () => {
      view ??= decode(element.textContent);
      if (element) element.textContent = ""; // the element stays, because removing it would restyle the page
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
      // reported when the buffer is used
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

const models = new Map(); // by id: two views of one model share it
let states;
let elements; // the script elements with the page's buffers as base64
const coming = new Set(); // views whose bytes are being loaded

function entryOf(script) {
  states ??= readStates();
  const id = script.textContent.match(/"model_id": *"(\w+)"/)?.[1];
  return { id, entry: states[id], kind: states[id]?.state?._anywidget_id?.split(".").at(-1) };
}

function modelOf(id, entry, elements) {
  if (!models.has(id)) {
    if (!texts.length) setTimeout(() => idle(lighten), 200); // after the first paint
    models.set(id, new LocalModel(place(entry.state, entry.buffers ?? [], elements)));
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

// Distant widgets are mounted when they come near the viewport, or all of them in idle time after the reader's first action or a
// change of the address, which may name one of them.
const far = new Map(); // place → function that mounts its widget
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
  const first = document.querySelector(VIEW) === script; // measure only the first: measuring lays out the whole page
  if (/^#[a-z]+-\d+(_|$)/.test(location.hash) || (first && place.getBoundingClientRect().top < 2 * innerHeight)) return go();
  far.set(place, go);
  near.observe(place);
}

// The page's views that are neither mounted nor about to be.
const waiting = () => [...document.querySelectorAll(VIEW)].filter((script) => !places(script).dataset.state && !far.has(places(script)) && !coming.has(script));

function define(name, widget) {
  for (const script of waiting()) {
    const { id, entry, kind } = entryOf(script);
    if (kind !== name) continue;
    const show = (elements) => mount(script, (el) => widget.render({ model: modelOf(id, entry, elements), el, experimental: {} }));
    approach(script, () => (entry.data ? loadBytes(script, entry, show) : show(elements)));
  }
}

// Loads a widget's bytes and shows it. The texts are kept only where `place` frees them.
function loadBytes(script, entry, show) {
  coming.add(script);
  const { data } = entry;
  load(data)
    .then((texts) => {
      parts.delete(data);
      delete entry.data;
      show(texts.map((textContent) => ({ textContent })));
    })
    .catch((error) =>
      mount(script, () => {
        throw error;
      }),
    );
}

// When all scripts have run, the remaining views lack their state or their script.
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

// Parts of a widget that aren't visible at first are loaded on demand: `load(name)` returns a promise of the module that the part's
// script passes to `provide`, before or after. A failed load is retried at the next call.
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

// The address of a file beside this one, with this one's version.
function address(file) {
  const there = new URL(file, host);
  there.search = new URL(host).search;
  return there.href;
}

function load(name) {
  const part = partOf(name);
  if (!part.asked) {
    part.asked = true;
    const fail = () => {
      parts.delete(name);
      part.reject(new Error(`${name}.js did not arrive`));
    };
    document.head.append(Object.assign(document.createElement("script"), { src: address(`${name}.js`), onerror: fail }));
  }
  return part.promise;
}

function provide(name, module) {
  const part = partOf(name);
  part.asked = true;
  part.resolve(module);
}

globalThis.attnbook = { shared, define, load, provide, address };
// Scripts are in the page or added after its first frame; in that case the book's first.js fires "programs-here".
for (const event of ["DOMContentLoaded", "programs-here"]) document.addEventListener(event, end, { once: true });
