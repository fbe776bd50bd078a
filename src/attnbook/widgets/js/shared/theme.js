// Light or dark: the book says so on <html data-theme>, JupyterLab on <body data-jp-theme-light>, else the system does.

const system = () => window.matchMedia("(prefers-color-scheme: dark)");

export function currentTheme() {
  const book = document.documentElement.dataset.theme;
  if (book === "dark" || book === "light") return book;
  const lab = document.body.dataset.jpThemeLight;
  if (lab) return lab === "false" ? "dark" : "light";
  return system().matches ? "dark" : "light";
}

// Calls back now and whenever the theme changes, until the signal is aborted; also when a page that left it to the system
// says the same of itself, as its colours come with that.
export function watchTheme(callback, signal) {
  let last;
  const check = () => {
    const theme = currentTheme();
    const now = theme + document.documentElement.dataset.theme;
    if (now === last) return;
    last = now;
    callback(theme);
  };
  const observer = new MutationObserver(check);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  system().addEventListener("change", check, { signal });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  check();
}
