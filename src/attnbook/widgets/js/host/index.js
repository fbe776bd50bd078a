// Mounts the widgets of a built page: no kernel, no loader, no request. Python's state stands in the page as JSON.

import explorer from "../explorer/index.js";
import stepper from "../stepper/index.js";
import { LocalModel } from "./model.js";

const WIDGETS = {
  "attnbook.widgets.explorer.AttentionExplorer": explorer,
  "attnbook.widgets.stepper.AttentionStepper": stepper,
};
const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
const APOLOGY = "This interactive figure could not be loaded.";

function decode(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new DataView(bytes.buffer);
}

// Puts each buffer where its path says; it is decoded when it is first read.
function place(state, buffers) {
  for (const { path, data } of buffers) {
    const holder = path.slice(0, -1).reduce((inner, key) => inner[key], state);
    let view;
    Object.defineProperty(holder, path.at(-1), { enumerable: true, configurable: true, get: () => (view ??= decode(data)) });
  }
  return state;
}

function readStates() {
  const states = {};
  for (const script of document.querySelectorAll(STATE)) {
    try {
      Object.assign(states, JSON.parse(script.textContent).state);
    } catch (error) {
      console.warn("attnbook: the page's widget state cannot be read", error);
    }
  }
  return states;
}

async function mount(script, modelOf) {
  const place = script.closest(".ab-widget") ?? script.parentElement;
  const live = document.createElement("div");
  live.className = "ab-live";
  script.before(live);
  try {
    const { model, widget } = await modelOf(JSON.parse(script.textContent).model_id);
    await widget.render({ model, el: live, experimental: {} });
    place.dataset.state = "live";
  } catch (error) {
    console.warn("attnbook: a widget could not be mounted", error);
    live.className = "ab-broken";
    live.textContent = APOLOGY;
    place.dataset.state = "broken";
  }
}

function start() {
  const states = readStates();
  const models = new Map(); // two views of one model share it
  const make = async (id) => {
    const entry = states[id];
    if (!entry) throw new Error(`no state for model ${id}`);
    const widget = WIDGETS[entry.state._anywidget_id];
    if (!widget) throw new Error(`no widget named ${entry.state._anywidget_id}`);
    const model = new LocalModel(place(entry.state, entry.buffers ?? []));
    await widget.initialize?.({ model, experimental: {} });
    return { model, widget };
  };
  const modelOf = (id) => {
    if (!models.has(id)) models.set(id, make(id));
    return models.get(id);
  };
  for (const script of document.querySelectorAll(VIEW)) mount(script, modelOf);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
else start();
