// nbgrader waits for MathJax 2 before it scrolls to the answer that was marked last. Formulas here are MathML, so nothing has to be waited for.
window.MathJax = { Hub: { Startup: { signal: { Interest: (tell) => tell("End") } } } };

// nbgrader's pages use inline event handlers for these, which the Content-Security-Policy blocks.
document.addEventListener("click", ({ target }) => {
  const icon = target.closest("[data-names]");
  if (icon) toggle_name(icon.dataset.names === "show");
  if (target.closest("#toggle_names")) toggleAllNames();
});
