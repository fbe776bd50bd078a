// MathJax for website/bookpress/extension/maths.py: TeX in, HTML and one style sheet out, with no browser. `npm ci && npm run build` bundles it
// into mathjax.js beside this file; the book is built without Node.

import { liteAdaptor } from "mathjax-full/js/adaptors/liteAdaptor.js";
import { AssistiveMmlHandler } from "mathjax-full/js/a11y/assistive-mml.js";
import { RegisterHTMLHandler } from "mathjax-full/js/handlers/html.js";
import { TeX } from "mathjax-full/js/input/tex.js";
import "mathjax-full/js/input/tex/ams/AmsConfiguration.js";
import "mathjax-full/js/input/tex/base/BaseConfiguration.js";
import "mathjax-full/js/input/tex/boldsymbol/BoldsymbolConfiguration.js";
import { mathjax } from "mathjax-full/js/mathjax.js";
import { CHTML } from "mathjax-full/js/output/chtml.js";

const adaptor = liteAdaptor();
AssistiveMmlHandler(RegisterHTMLHandler(adaptor));

const formatError = (_, error) => {
  throw error;
};
const pages = mathjax.document("", {
  InputJax: new TeX({ packages: ["base", "ams", "boldsymbol"], formatError }),
  OutputJax: new CHTML({ fontURL: "mathjax/output/chtml/fonts/woff-v2", matchFontHeight: false, scale: 1.06 }),
});

globalThis.set = (formula, display) => {
  try {
    return { html: adaptor.outerHTML(pages.convert(formula, { display, containerWidth: 1280 })) };
  } catch (error) {
    return { fault: error.message };
  }
};
globalThis.sheet = () => adaptor.textContent(pages.outputJax.styleSheet(pages));
