// Light or dark: from the book's <html data-theme>, JupyterLab's <body data-jp-theme-light> or the system's preference.

const system = () => window.matchMedia("(prefers-color-scheme: dark)");

export function currentTheme() {
  const book = document.documentElement.dataset.theme;
  if (book === "dark" || book === "light") return book;
  const lab = document.body.dataset.jpThemeLight;
  if (lab) return lab === "false" ? "dark" : "light";
  return system().matches ? "dark" : "light";
}

// Calls back now and on every theme change until the signal is aborted. It also calls back when data-theme is first set to the
// theme already shown, because the page's colours arrive with it.
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
