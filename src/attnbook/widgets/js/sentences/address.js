// A view of the page's nth explorer in its address: #sentence=1&layer=7&head=0&query=8&key=3&cut=7.0,3.5&text=…

const NUMBERS = ["layer", "head", "query", "key"];
const TEXTS = ["text", "other"];
const FORM = { layer: /^(\d|1[01])$/, head: /^(\d|1[01])$/, query: /^\d\d?$/, key: /^\d\d?$/ };
const HEAD = /^(\d|1[01])\.(\d|1[01])$/;
const LONGEST = 300; // characters

// The settings in the address for explorer `number`, or null.
export function readAddress(number) {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.get("sentence") !== String(number)) return null;
  const settings = { query: -1, key: -1, cut: [] };
  for (const name of NUMBERS) if (FORM[name].test(given.get(name) ?? "")) settings[name] = Number(given.get(name));
  for (const name of TEXTS) if (given.get(name)?.trim()) settings[name] = given.get(name).slice(0, LONGEST);
  const heads = (given.get("cut") ?? "").split(",").filter((head) => HEAD.test(head));
  settings.cut = heads.map((head) => head.split(".").map(Number));
  return settings;
}

export function writeAddress(number, settings) {
  const parts = new URLSearchParams({ sentence: number });
  for (const name of NUMBERS) if (settings[name] >= 0) parts.set(name, settings[name]);
  if (settings.cut.length) parts.set("cut", settings.cut.map((head) => head.join(".")).join(","));
  for (const name of TEXTS) if (settings[name]) parts.set(name, settings[name]);
  return `${location.href.split("#")[0]}#${parts}`;
}
