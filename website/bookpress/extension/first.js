
// After the theme's own lines, which leave "auto" to a script that waits: a dark page would begin light.
{
  const { dataset } = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (!["light", "dark"].includes(dataset.mode)) dataset.theme = dark ? "dark" : "light";
}

// The home page keeps room for progress where there is some (see progress.js).
try {
  const { chapters } = JSON.parse(localStorage.getItem("ab-progress")) ?? {};
  document.documentElement.toggleAttribute("data-progress", Object.keys(chapters ?? {}).length > 0);
} catch {
  // No storage, no progress.
}

{
  const { src, dataset } = document.currentScript;
  const add = (tag, properties) => document.head.appendChild(Object.assign(document.createElement(tag), properties));

  // The type that the page is set in is asked for at once, or its text would jump when it comes. A page opened as a file may not ask.
  if (location.protocol !== "file:") {
    for (const name of dataset.type.split(" ")) add("link", { rel: "preload", as: "font", crossOrigin: "", href: new URL(`../${name}`, src) });
  }

  // A phone needs half a second to lay out a whole chapter. So there, what isn't in sight waits for the first frame (see book.css), and is then
  // laid out in short tasks, between which the page can scroll. But a page that opens further down needs all heights at once.
  const [{ type }] = performance.getEntriesByType("navigation");
  const waits = "stages" in dataset && type === "navigate" && !location.hash;
  document.documentElement.toggleAttribute("data-staged", waits);
  const layOut = async () => {
    const parts = waits ? document.querySelectorAll("article section section > :not(section)") : [];
    for (let at = 0; at < parts.length; at += 4) {
      for (const part of [...parts].slice(at, at + 4)) part.classList.add("ab-laid");
      parts[at].getBoundingClientRect();
      await new Promise((next) => setTimeout(next));
    }
  };

  // The text is seen first. Behind its frame come the programs that give the page its buttons and widgets, each after the one before.
  // A page that nobody sees has no frame.
  const begin = async () => {
    await layOut();
    const last = dataset.later.split(" ").map((name) => add("script", { async: false, src: name })).pop();
    last.onload = last.onerror = () => {
      document.documentElement.dataset.programs = "here";
      document.dispatchEvent(new Event("programs-here"));
    };
  };
  const behind = () => (document.hidden ? begin() : requestAnimationFrame(() => setTimeout(begin)));
  if (dataset.later) document.addEventListener("DOMContentLoaded", behind);
}

document.addEventListener("click", (event) => event.target.closest("[data-print]") && window.print());
