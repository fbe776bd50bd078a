// Builds kernel.wasm from kernel.c with clang and lld: `npm run kernel`. The file ends with a custom section, "source", that holds the hash
// of kernel.c; tests/package/widgets/test_kernel.py compares it.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL(".", import.meta.url);
const file = new URL("kernel.wasm", here);
const compiler = ["--target=wasm32", "-O3", "-msimd128", "-nostdlib", "-fno-builtin", "-Wall", "-Werror"];
const linker = ["--no-entry", "--import-memory", "--export=__heap_base", "--strip-all", "-z", "stack-size=16384"].map((flag) => `-Wl,${flag}`);
execFileSync(process.env.CLANG ?? "clang", [...compiler, ...linker, "-o", file.pathname, "kernel.c"], { cwd: here.pathname, stdio: "inherit" });

const text = (words) => Buffer.concat([Buffer.of(words.length), Buffer.from(words)]);
const hash = createHash("sha256").update(readFileSync(new URL("kernel.c", here))).digest("hex");
const content = Buffer.concat([text("source"), Buffer.from(hash)]);
writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.of(0, content.length), content]));
