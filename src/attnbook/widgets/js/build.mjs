// Writes ../bundles: one ES module per widget for JupyterLab and Colab. For the built book, ../bundles/site holds the host with all
// shared code, and one classic script per widget with the rest (a page opened from a file cannot load modules).
// Each bundle starts with a hash of its sources; tests/package/widgets/test_bundles.py checks it.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import * as esbuild from "esbuild";

const here = new URL(".", import.meta.url);
const sources = readdirSync(here, { recursive: true })
  .filter((name) => /\.(js|mjs|css|c|wasm)$/.test(name) && !name.startsWith("node_modules"))
  .concat("package.json", "../../palette.json")
  .sort();

const hash = createHash("sha256");
for (const name of sources) hash.update(`${name}\n`).update(readFileSync(new URL(name, here)));
const banner = `/* attnbook, MIT; sources sha256 ${hash.digest("hex").slice(0, 16)} */`;

// Styles are bundled into the scripts as text; esbuild minifies text only if told to.
const styles = {
  name: "styles",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), { loader: "css", minify: true, charset: "utf8" });
      return { contents: code, loader: "text" };
    }),
};

// A worker's program as text.
const workers = {
  name: "workers",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^worker:/ }, ({ path, resolveDir }) => ({ path: new URL(path.slice(7), `file://${resolveDir}/`).pathname, namespace: "worker" }));
    onLoad({ filter: /.*/, namespace: "worker" }, async ({ path }) => {
      const { outputFiles } = await esbuild.build({ ...common, entryPoints: [path], format: "iife", write: false });
      return { contents: outputFiles[0].text, loader: "text" };
    });
  },
};

const WIDGETS = {
  attention_explorer: ["explorer", "AttentionExplorer"],
  attention_stepper: ["stepper", "AttentionStepper"],
  path_explorer: ["path", "PathExplorer"],
  query_plane: ["plane", "QueryPlane"],
  position_clocks: ["clocks", "PositionClocks"],
  attention_trainer: ["trainer", "AttentionTrainer"],
  training_explorer: ["training", "TrainingExplorer"],
  date_translator: ["translator", "DateTranslator"],
  sentence_explorer: ["sentences", "SentenceExplorer"],
  language_model_explorer: ["language", "LanguageModelExplorer"],
};

// Modules that a page loads on demand: `SITE ? attnbook.load("stepper_explain") : import("./explain.js")`.
const PARTS = {
  tour: ["shared", "tour.js"],
  explorer_parts: ["explorer", "parts.js"],
  explorer_edit: ["explorer", "edit.js"],
  explorer_lines: ["explorer", "lines.js"],
  stepper_explain: ["stepper", "explain.js"],
  date_flow: ["flow", "index.js"],
  date_model: ["translator", "model.js"],
  sentence_model: ["sentences", "model.js"],
  language_remote: ["language", "remote.js"],
  trainer_program: ["trainer", "program.js"],
};

// Workers: files of the site, and text in the modules for JupyterLab and Colab: `import program from "worker:./worker.js"`.
const WORKERS = { sentence_worker: ["sentences", "worker.js"], language_worker: ["language", "worker.js"], trainer_worker: ["trainer", "worker.js"] };

// On a page, the modules listed in host/shared.js come from the host; for each module this collects the names that are imported.
const read = (name) => readFileSync(new URL(name, here), "utf8");
const listed = new Set([...read("host/shared.js").matchAll(/"\.\.\/shared\/(\w+)\.js"/g)].map((found) => found[1]));
const imported = (module, folder) =>
  sources
    .filter((name) => name.endsWith(".js") && (name.startsWith(`${folder}/`) || (name.startsWith("shared/") && !listed.has(name.slice(7, -3)))))
    .flatMap((name) => [...read(name).matchAll(new RegExp(`^import \\{(.*)\\} from ".*/${module}\\.js"`, "gm"))])
    .flatMap((found) => found[1].split(",").map((word) => word.trim()));
const shared = (folder) => ({
  name: "shared",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /\.js$/ }, ({ path, importer }) => {
      const name = path.match(/(\w+)\.js$/)[1];
      const among = path.includes("shared/") || importer.includes("/shared/");
      return among && listed.has(name) ? { path: name, namespace: "shared" } : undefined;
    });
    onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => {
      const names = [...new Set(imported(path, folder))];
      return { contents: `const {${names}} = attnbook.shared.${path}; export {${names}};` };
    });
  },
});

const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", loader: { ".wasm": "binary" }, absWorkingDir: here.pathname };
const build = (source, target, options) =>
  esbuild.build({
    ...common,
    define: { SITE: String(target.startsWith("site/")) },
    banner: { js: banner },
    plugins: [styles, workers],
    ...options,
    ...(typeof source === "string" ? { entryPoints: [source] } : { stdin: source }),
    outfile: `../bundles/${target}`,
  });

for (const [bundle, [folder, name]] of Object.entries(WIDGETS)) {
  await build(`${folder}/index.js`, `${bundle}.js`, { format: "esm" });
  const contents = `import widget from "./${folder}/index.js"; attnbook.define("${name}", widget); attnbook.provide("${bundle}", widget);`;
  await build({ contents, resolveDir: here.pathname }, `site/${bundle}.js`, { format: "iife", plugins: [styles, workers, shared(folder)] });
}
for (const [part, [folder, name]] of Object.entries(PARTS)) {
  const contents = `import * as part from "./${folder}/${name}"; attnbook.provide("${part}", part);`;
  await build({ contents, resolveDir: here.pathname }, `site/${part}.js`, { format: "iife", plugins: [styles, workers, shared(folder)] });
}
for (const [worker, [folder, name]] of Object.entries(WORKERS)) await build(`${folder}/${name}`, `site/${worker}.js`, { format: "iife" });
await build("host/index.js", "site/attnbook-host.js", { format: "iife" });
await build("host/style.css", "site/attnbook-host.css", { plugins: [], banner: { css: banner } });
