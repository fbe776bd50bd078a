// Writes ../bundles: one ES module for each widget (JupyterLab, Colab) and one script for the built book's pages.
// Each bundle begins with a hash of all it was built from; tests/widgets/test_bundles.py compares it.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import * as esbuild from "esbuild";

const here = new URL(".", import.meta.url);
const sources = readdirSync(here, { recursive: true })
  .filter((name) => /\.(js|mjs|css)$/.test(name) && !name.startsWith("node_modules"))
  .concat("package.json", "../../palette.json")
  .sort();

const hash = createHash("sha256");
for (const name of sources) hash.update(`${name}\n`).update(readFileSync(new URL(name, here)));
const banner = `/* attnbook, MIT. Built from src/attnbook/widgets/js; sources sha256 ${hash.digest("hex")} */`;

// Styles travel inside the programs, as text; the bundler makes small only what it reads as a style.
const styles = {
  name: "styles",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), { loader: "css", minify: true, charset: "utf8" });
      return { contents: code, loader: "text" };
    }),
};

const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", banner: { js: banner } };
const build = (source, target, format) =>
  esbuild.build({
    ...common,
    plugins: [styles],
    format,
    absWorkingDir: here.pathname,
    entryPoints: [source],
    outfile: `../bundles/${target}`,
  });

await build("explorer/index.js", "attention_explorer.js", "esm");
await build("stepper/index.js", "attention_stepper.js", "esm");
await build("host/index.js", "attnbook-host.js", "iife");
await esbuild.build({ ...common, banner: { css: banner }, absWorkingDir: here.pathname, entryPoints: ["host/style.css"], outfile: "../bundles/attnbook-host.css" });
