"""The sentence explorer and its peers: `make bench-sentences` writes sentences.md.

The page is served from this machine, so times include no network. "Loading" runs from the click to the
running model, with an empty browser cache; "starting" is the same with the files kept. "A sentence" is one of
24 tokens that the page hasn't seen: its chunks of the token embedding, the model, and all 144 maps drawn,
from Enter to the frame that shows them. Its processor time doesn't count what other programs take; four times
that is what a machine at a quarter of the speed needs. Memory is what the page's process holds of its own,
before the model is loaded and after all sentences. "Without WebAssembly" is the same page under a policy that
forbids it, so the model runs in JavaScript.

The peers show maps that Python has computed: the `transformers` library's BERT with the same sizes, on one
thread, and bertviz or inspectus to draw its weights. Their pages hold one sentence.

onnxruntime-web, which transformers.js uses, runs the same model in a page, exported by `torch.onnx` in 32
bits and quantized by onnxruntime to 8. "A sentence" is the model alone there, on one thread, without drawing.
"Difference" is the largest difference of a weight from PyTorch's in the first sentence. The explorer's own
weights differ by at most 0.001 (`tests/package/widgets/test_sentences_page.py`).
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch
from ipywidgets.embed import embed_data
from playwright.sync_api import Route, sync_playwright

from attnbook import SentenceExplorer
from attnbook.pretrained import load
from attnbook.widgets.sentences import NAME
from benchmarks import ROOT, onnx_runtime
from benchmarks.widget_pages import install, localise, make_peer
from benchmarks.widgets import Server, file_of
from benchmarks.widgets import visit as visit_peer
from bookpress.chromium import arguments, find_chromium
from bookpress.extension.models import write_model
from bookpress.extension.places import WIDGETS, data_of
from bookpress.extension.widgets import BUNDLES, HOST, STYLE, VIEW, write_data
from bookpress.serve import server

TOKENS = 24
PEERS = ("bertviz", "inspectus")
WORDS = "the a one robot dog king house train red big old new walks sings sees helps and but near under"
# From Enter to the frame that shows the new sentence's maps.
READ = """async (host, text) => {
  const root = host.shadowRoot, field = root.querySelector("input"), row = root.querySelector(".ab-row");
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  field.value = text;
  const start = performance.now();
  const shown = new Promise(done => {
    const seen = new MutationObserver(() => (seen.disconnect(), done()));
    seen.observe(row, { childList: true });
  });
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  await shown;
  await frame();
  return performance.now() - start;
}"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def sentences(tokenizer, count: int) -> list[str]:
    """Different texts of 24 tokens."""
    draw = np.random.default_rng(0)
    texts = []
    while len(texts) < count:
        text = " ".join(draw.choice(WORDS.split(), TOKENS - 2))
        if len(tokenizer.encode(text)) == TOKENS:
            texts.append(text)
    return texts


def write_page(folder: Path, model, text: str) -> None:
    """A page with one explorer, as the book has it, and the model's files."""
    widget = SentenceExplorer(text, model=model)
    state = embed_data(views=[widget], drop_defaults=False)["manager_state"]["state"][widget.model_id]
    script, place = WIDGETS["SentenceExplorer"]
    kind, style, ghost, _ = place(state["state"])
    static = folder / "_static" / "widgets"
    static.mkdir(parents=True)
    for file in BUNDLES.iterdir():
        (static / file.name).write_bytes(file.read_bytes())
    write_model(NAME, folder / "_static" / "models" / NAME)
    view = json.dumps({"model_id": "widget1"})
    data, scripts = data_of({"widget1": state})
    write_data(static, scripts)
    (folder / "page.html").write_text(
        f"""<!doctype html><html data-theme="light"><head><meta charset="utf-8"><title>page</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="_static/widgets/{STYLE}">
<script defer src="_static/widgets/{HOST}"></script><script defer src="_static/widgets/{script}"></script>
</head><body><div class="ab-widget {kind}" style="{style}"><div class="ab-body">{ghost}
<script type="{VIEW}">{view}</script></div></div>{data}</body></html>""",
        encoding="utf8",
    )


def renderer(browser) -> int:
    """The id of the process that has computed most for pages."""
    session = browser.new_browser_cdp_session()
    every = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return max((one for one in every if one["type"] == "renderer"), key=lambda one: one["cpuTime"])["id"]


def memory(process: int) -> int:
    """Bytes that a process holds of its own."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def held(browser) -> int:
    """Bytes that the page holds."""
    return memory(renderer(browser))


def processor_time(process: int) -> float:
    """Milliseconds that a process has computed, in all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forbid_webassembly(route: Route) -> None:
    """Answer with a policy that doesn't allow WebAssembly."""
    answer = route.fetch()
    policy = answer.headers["content-security-policy"].replace(" 'wasm-unsafe-eval'", "")
    route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})


def measure_page(browser, address: str, texts: list[str], webassembly: bool = True) -> dict:
    """All measurements of the explorer's page."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    if not webassembly:
        page.route("**/sentence_worker.js*", forbid_webassembly)
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address + "page.html")
    page.mouse.move(1, 1)
    host = page.locator(".ab-live .attnbook-widget")
    host.wait_for()
    size = lambda: sum(int(one.headers.get("content-length", 0)) for one in answers)  # noqa: E731
    seen = {"paint": page.evaluate(PAINT), "page": size()}
    process = renderer(browser)
    seen["before"] = memory(process)
    answers.clear()
    for name, button in (("loading", "Load the model"), ("starting", "Start the model")):
        start = time.perf_counter()
        host.get_by_role("button", name=button).click()
        said = "The model runs in this page" if webassembly else "without WebAssembly and therefore slower"
        host.get_by_text(said).wait_for()
        seen[name] = time.perf_counter() - start
        if name == "loading":
            seen["model"] = size()
            page.reload()
            page.mouse.move(1, 1)
            host.get_by_role("button", name="Start the model").wait_for()
    answers.clear()
    host.evaluate(READ, texts[0])
    seen["rows"] = size()
    for text in texts[1:4]:
        host.evaluate(READ, text)  # the browser compiles the kernel
    process = renderer(browser)
    start = processor_time(process)
    seen["sentence"] = [host.evaluate(READ, text) for text in texts[4:]]
    seen["computed"] = (processor_time(process) - start) / len(texts[4:])
    seen["after"] = memory(process)
    context.close()
    return seen


def in_transformers(text_ids: list[int], runs: int) -> tuple[float, np.ndarray]:
    """Milliseconds for one sentence in the `transformers` library, and its weights `(L, H, T, T)`."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12}
    sizes |= {"intermediate_size": 1536, "vocab_size": 1000}
    bert = BertModel(BertConfig(**sizes, attn_implementation="eager")).eval()
    ids = torch.tensor([text_ids]) % 1000
    times = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        with torch.no_grad():
            attentions = bert(ids, output_attentions=True).attentions
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:]), torch.cat(attentions).numpy()


def measure_peers(browser, python: Path, folder: Path, weights: np.ndarray, rounds: int) -> dict:
    """Bytes and first paint of each peer's page with these weights."""
    np.savez(folder / "weights.npz", weights=weights)
    modules = python.parents[1] / "node_modules"
    found = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, folder=folder, modules=modules)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for name in PEERS:
            seen = {"python": make_peer(name, python, folder), "heads": 1}
            if name == "bertviz":
                localise(folder / f"{name}.html")
            for _ in range(rounds):
                visit_peer(browser, f"http://127.0.0.1:{running.server_port}/", name, seen)
            data = [file_of(path, folder, modules).read_bytes() for path in seen.get("files", [])]
            seen["bytes"] = sum(len(gzip.compress(piece, 6)) for piece in data)
            found[name] = seen
        running.shutdown()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sentences", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5, help="visits to each peer's page (default: 5)")
    parser.add_argument("--no-peers", action="store_true", help="measure the explorer only")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = load(NAME)
    texts = sentences(model[1], chosen.sentences)
    peers, onnx = {}, []
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        folder = Path(work)
        write_page(folder, model, "The robot obeys people.")
        milliseconds, weights = in_transformers(model[1].encode(texts[0]), 10)
        launch = partial(playwright.chromium.launch, executable_path=find_chromium(), args=arguments())
        browser = launch()
        with server(work, port=0) as site:
            threading.Thread(target=site.serve_forever, daemon=True).start()
            place = f"http://127.0.0.1:{site.server_port}/"
            seen = measure_page(browser, place, texts)
            slow = measure_page(browser, place, texts, webassembly=False)
            site.shutdown()
        if not chosen.no_peers:
            python = install(ROOT / "_build" / "peers")
            peers = measure_peers(browser, python, folder, weights, chosen.rounds)
            onnx = onnx_runtime.measure(launch, held, model, texts, ROOT / "_build" / "peers")
        version = browser.version
        browser.close()
    text = report(seen, slow, milliseconds, peers, onnx, version, chosen)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf8")


def report(seen: dict, slow: dict, milliseconds: float, peers: dict, onnx: list, version: str, chosen) -> str:
    """The measurements in Markdown."""
    megabytes = lambda count: f"{count / 1e6:.1f} MB"  # noqa: E731
    rows = [
        ("page, first paint", f"{seen['paint']:.0f} ms", ""),
        ("page, bytes", f"{seen['page'] / 1e3:.0f} kB", ""),
        ("model, bytes", megabytes(seen["model"]), ""),
        ("first sentence, bytes more", megabytes(seen["rows"]), ""),
        ("first load, bytes in all", megabytes(seen["model"] + seen["rows"]), "25 MB"),
        ("loading", f"{seen['loading']:.1f} s", ""),
        ("starting, files kept", f"{seen['starting']:.1f} s", ""),
        ("a sentence, median", f"{statistics.median(seen['sentence']):.0f} ms", "300 ms"),
        ("a sentence, slowest", f"{max(seen['sentence']):.0f} ms", ""),
        ("a sentence, processor time", f"{seen['computed']:.0f} ms", ""),
        ("four times that", f"{4 * seen['computed']:.0f} ms", "1,500 ms"),
        ("a sentence without WebAssembly, median", f"{statistics.median(slow['sentence']):.0f} ms", ""),
        ("a sentence without WebAssembly, processor time", f"{slow['computed']:.0f} ms", ""),
        ("memory before the model", megabytes(seen["before"]), ""),
        ("memory at the end", megabytes(seen["after"]), "200 MB"),
    ]
    lines = ["| what | measured | aim |", "| --- | --: | --: |", *(f"| {' | '.join(row)} |" for row in rows)]
    beside = ["| peer | page, gzipped | first paint |", "| --- | --: | --: |"]
    for name, found in peers.items():
        paint = f"{statistics.median(found['first paint']):.0f} ms" if "first paint" in found else "–"
        beside.append(f"| {name} | {megabytes(found['bytes'])} | {paint} |")
    pages = ["| onnxruntime-web | file | loading | a sentence | memory | difference |"]
    pages += ["| --- | --: | --: | --: | --: | --: |"]
    for one in onnx:
        times = f"{one['loading']:.1f} s | {one['sentence']:.0f} ms"
        size, held = megabytes(one["bytes"]), megabytes(one["memory"])
        pages.append(f"| {one['kind']} | {size} | {times} | {held} | {one['difference']:.4f} |")
    paragraphs = __doc__.strip().split("\n\n")[1:]
    words = "\n\n".join(paragraphs if peers else paragraphs[:1])
    versions = f"Chromium {version}, torch {torch.__version__}, Python {platform.python_version()}"
    machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end"
    tables = "\n\n".join(map("\n".join, [lines, beside, pages] if peers else [lines]))
    return f"""# The sentence explorer in the page

{words}

Measured by `make bench-sentences` on {versions}, {machine}, {chosen.sentences - 4} sentences.

{tables}

In Python, the `transformers` library takes {milliseconds:.0f} ms for a sentence without drawing it.
"""


if __name__ == "__main__":
    main()
