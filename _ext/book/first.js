
// After the theme's own lines, which leave "auto" to a script that waits: a dark page would begin light.
{
  const { dataset } = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (!["light", "dark"].includes(dataset.mode)) dataset.theme = dark ? "dark" : "light";
}

// The type that the page is set in is asked for at once, or its text would jump when it comes. A page opened as a file may not ask.
if (location.protocol !== "file:") {
  const { src, dataset } = document.currentScript;
  for (const name of dataset.type.split(" ")) {
    const link = Object.assign(document.createElement("link"), { rel: "preload", as: "font", crossOrigin: "" });
    link.href = new URL(`../${name}`, src);
    document.head.append(link);
  }
}

document.addEventListener("click", (event) => event.target.closest("[data-print]") && window.print());
