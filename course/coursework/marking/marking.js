// Typeset formulas in students' answers and the assignment's text only, without commands that create links.
window.MathJax = {
  options: { enableMenu: false, ignoreHtmlClass: "marking", processHtmlClass: "rendered_html" },
  tex: {
    inlineMath: [["$", "$"]],
    packages: ["base", "ams", "newcommand", "noundefined"],
    processEscapes: true,
  },
  chtml: { fontURL: new URL("fonts", document.currentScript.src).href, matchFontHeight: false },
};

document.addEventListener("DOMContentLoaded", () => {
  document.body.classList.add("marking");
  if (!window.MathJax.startup) return; // a page without formulas
  // nbgrader waits for MathJax 2 before it scrolls to the answer that was marked last.
  window.MathJax.Hub = {
    Startup: { signal: { Interest: (tell) => window.MathJax.startup.promise.then(() => tell("End")) } },
  };
});

// nbgrader's pages use inline event handlers for these, which the Content-Security-Policy blocks.
document.addEventListener("click", ({ target }) => {
  const icon = target.closest("[data-names]");
  if (icon) toggle_name(icon.dataset.names === "show");
  if (target.closest("#toggle_names")) toggleAllNames();
});
