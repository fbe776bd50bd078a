// Formulas as in the book; only what is marked as one. The slides wait for them (see deck.js).
window.MathJax = {
  options: { enableMenu: false, ignoreHtmlClass: "slides|speaker", processHtmlClass: "math" },
  chtml: { matchFontHeight: false, displayAlign: "center" },
};
