// Light or dark: from the book's <html data-theme>, JupyterLab's <body data-jp-theme-light> or the system's preference. And motion.

// Whether the reader has asked for reduced motion.
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const system = () => matchMedia("(prefers-color-scheme: dark)");

// Calls back now and on every theme change until the signal is aborted. It also calls back when data-theme is first set to the
// theme already shown, because the page's colours arrive with it.
export function watchTheme(callback, signal) {
  let last;
  const check = () => {
    const book = document.documentElement.dataset.theme;
    const light = document.body.dataset.jpThemeLight;
    const dark = book === "dark" || (book !== "light" && (light ? light === "false" : system().matches));
    const theme = dark ? "dark" : "light";
    const now = theme + book;
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
