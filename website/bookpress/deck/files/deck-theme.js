// Light or dark before anything is drawn: `?theme=dark` says so, or else the system does.
{
  const asked = new URLSearchParams(location.search).get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = ["light", "dark"].includes(asked) ? asked : system;
}
