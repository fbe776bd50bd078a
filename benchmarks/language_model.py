"""The language model in the page, compared with wllama: `make bench-language-model`.

wllama is llama.cpp in WebAssembly. Both run SmolLM2-135M-Instruct from the same file in Chromium, on one
thread each, and take turns. "load" is the time until the model can be asked, with the file from a server on
this machine; ours also checks every chunk's hash and keeps it. "prompt" is 32 tokens: ours returns the next
token's probabilities and all 270 maps at every position, wllama one token and no maps. "tokens/s" is
greedy decoding of 48 more tokens, ours with all maps. CPU times are those of the renderer process, so they
hardly depend on what else the machine does. Memory is the resident size of that process with the model, minus
that of an empty page.
"""

import argparse
import functools
import http.server
import platform
import shutil
import statistics
import subprocess
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from attnbook.pretrained import fetch
from attnbook.widgets.base import BUNDLES
from benchmarks import ROOT, Quiet
from bookpress.chromium import arguments, find_chromium
from bookpress.extension.models import write_model

MODEL = "smollm2-135m-instruct"
PINNED = Path(__file__).parent / "wllama"
FOLDER = ROOT / "_build" / "language-model"
PROMPT = (
    "The old bridge across the river was closed in spring, because its stones had moved apart during the "
    "winter, and since then the people of the village have"
)
LENGTH, MADE = 32, 48  # tokens
OURS, WASM = "the page", "wllama"
OPEN = {
    OURS: """async name => {
      const { Remote } = await attnbook.load("language_remote");
      window.remote = await Remote.open({ name, signal: new AbortController().signal });
    }""",
    WASM: """async () => {
      const { Wllama } = await import("/wllama/index.js");
      window.wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
      const file = await (await fetch("/model.gguf")).blob();
      await wllama.loadModel([file], { n_threads: 1, n_ctx: 128, n_gpu_layers: 0, n_parallel: 1 });
    }""",
}
READ = {
    OURS: """async text => {
      await remote.read("Something else");
      const start = performance.now();
      window.reading = await remote.read(text);
      return [reading.ids.length, performance.now() - start];
    }""",
    WASM: """async prompt => {
      const start = performance.now();
      const settings = { temperature: 0, cache_prompt: false };
      const { usage } = await wllama.createCompletion({ prompt, max_tokens: 1, ...settings });
      return [usage?.prompt_tokens ?? 0, performance.now() - start];
    }""",
}
# Returns how many tokens were made, and the time from the first to the last.
MAKE = {
    OURS: """async ([text, count]) => {
      let { ids } = reading, start;
      for (let made = 0; made <= count; made++) {
        const { id } = await remote.call("next", { temperature: 0, topP: 1 });
        ids = [...ids, id];
        if (!made) start = performance.now();
        else await remote.read(text, ids, 1);
      }
      return [count, performance.now() - start];
    }""",
    WASM: """async ([prompt, count]) => {
      const times = [];
      const settings = { temperature: 0, ignore_eos: true, max_tokens: count + 1 };
      const onData = () => times.push(performance.now());
      await wllama.createCompletion({ prompt, stream: true, onData, ...settings });
      return [times.length - 1, times.at(-1) - times[0]];
    }""",
}


def prepare() -> None:
    """Write the two pages, the scripts and the model to one folder."""
    if not (FOLDER / "node_modules").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(PINNED / "package.json", FOLDER)
        npm = ["npm", "install", "--silent", "--ignore-scripts", "--no-package-lock", "--prefix", FOLDER]
        subprocess.run(npm, check=True)
    site = FOLDER / "site"
    shutil.copytree(BUNDLES / "site", site / "widgets", dirs_exist_ok=True)
    shutil.copytree(
        FOLDER / "node_modules" / "@wllama" / "wllama" / "esm", site / "wllama", dirs_exist_ok=True
    )
    write_model(MODEL, site / "models" / MODEL)
    if not (site / "model.gguf").exists():
        (site / "model.gguf").symlink_to(fetch(MODEL))
    (site / "index.html").write_text(
        '<!doctype html><title>model</title><script src="widgets/attnbook-host.js"></script>'
    )


class Browser:
    """One page in a browser of its own, whose renderer's CPU time and memory are read from the system."""

    def __init__(self, playwright, address: str) -> None:
        self.browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments())
        self.page = self.browser.new_page()
        self.page.set_default_timeout(600_000)
        self.page.goto(address, wait_until="load")
        session = self.browser.new_browser_cdp_session()
        self.info = lambda: session.send("SystemInfo.getProcessInfo")["processInfo"]
        self.start = self.memory()

    def renderers(self) -> list[dict]:
        return [one for one in self.info() if one["type"] == "renderer"]

    def cpu(self) -> float:
        """Seconds of CPU time of all renderers."""
        return sum(one["cpuTime"] for one in self.renderers())

    def memory(self) -> float:
        """Resident memory of all renderers in MB."""
        lines = [Path(f"/proc/{one['id']}/status").read_text() for one in self.renderers()]
        return sum(int(text.split("VmRSS:")[1].split()[0]) for text in lines) / 1000

    def timed(self, call: str, *given) -> tuple:
        """The result of a call in the page, with the seconds and the seconds of CPU time that it took."""
        before, start = self.cpu(), self.page.evaluate("performance.now()")
        result = self.page.evaluate(call, *given)
        taken = (self.page.evaluate("performance.now()") - start) / 1000
        return result, taken, self.cpu() - before


def measure(playwright, address: str, which: str) -> dict[str, float]:
    """One round."""
    browser = Browser(playwright, address)
    _, load, load_cpu = browser.timed(OPEN[which], MODEL)
    browser.page.evaluate(READ[which], "Warm up the code with some words.")
    (_, prompt), _, prompt_cpu = browser.timed(READ[which], PROMPT)
    (count, made), _, made_cpu = browser.timed(MAKE[which], [PROMPT, MADE])
    seen = {
        "load, s": load,
        "load, CPU s": load_cpu,
        "prompt, s": prompt / 1000,
        "prompt, CPU s": prompt_cpu,
        "tokens/s": 1000 * count / made,
        "CPU ms per token": 1000 * made_cpu / count,
        "memory, MB": browser.memory() - browser.start,
    }
    browser.browser.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    chosen = parser.parse_args()
    prepare()
    handler = functools.partial(Quiet, directory=str(FOLDER / "site"))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        rounds = []
        for _ in range(chosen.rounds):
            rounds.append({which: measure(playwright, address, which) for which in (OURS, WASM)})
        server.shutdown()
    text = report(rounds)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf8")


# Of the page itself, and of its ratio to wllama.
AIMS = {
    "load, s": ("ratio ≤ 1", lambda ours, ratio: ratio <= 1),
    "prompt, s": ("≤ 2.5, ratio ≤ 0.5", lambda ours, ratio: ours <= 2.5 and ratio <= 0.5),
    "tokens/s": ("≥ 15, ratio ≥ 2", lambda ours, ratio: ours >= 15 and ratio >= 2),
    "memory, MB": ("≤ 450", lambda ours, ratio: ours <= 450),
}


def report(rounds: list[dict]) -> str:
    """The table of medians, with the ratio of the two and the aims."""
    lines = [f"| | {OURS} | {WASM} | {OURS} ÷ {WASM} | aim | reached |", "|:--|--:|--:|--:|:--|:--|"]
    for name in rounds[0][OURS]:
        ours, theirs = (statistics.median(one[which][name] for one in rounds) for which in (OURS, WASM))
        digits = 0 if ours > 100 else 1 if ours > 10 else 2
        aim, holds = AIMS.get(name, ("–", None))
        reached = "–" if holds is None else "yes" if holds(ours, ours / theirs) else "no"
        numbers = f"{ours:.{digits}f} | {theirs:.{digits}f} | {ours / theirs:.2f}"
        lines.append(f"| {name} | {numbers} | {aim} | {reached} |")
    words = "\n".join(__doc__.splitlines()[2:])
    table = "\n".join(lines)
    return f"""# The language model in the page

{words}

Medians of {len(rounds)} rounds, measured by `make bench-language-model`, Python {platform.python_version()}.

{table}
"""


if __name__ == "__main__":
    main()
