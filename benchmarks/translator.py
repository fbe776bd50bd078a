"""The date translator in the page, compared with PyTorch: `make bench-translator` writes translator.md.

Greedy decoding of held-out dates, character by character, in Chromium, in Chromium slowed down four times
(its emulation of a phone), and in PyTorch on one thread. They take turns in every round. Times per character
include the encoder. "Date with maps" is everything the page computes for a reader; "Enter to token" is how
long the reader waits, from the key press to the frame that shows the first token.

The last table compares the home page's picture and cuts with their aims. The map is the picture that the same
page has without `flow`. Times are medians; the load tells how busy the machine was.
"""

import argparse
import gzip
import platform
import statistics
import threading
import time
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

from attnbook import checkpoints, greedy_decode
from attnbook.data import write_date
from attnbook.widgets.translation import CHECKPOINT
from benchmarks import ROOT
from benchmarks.translator_flow import load, measure_flow, throttle, with_map_only
from bookpress.chromium import arguments, find_chromium
from bookpress.inspection import mount
from bookpress.serve import server

SITE = ROOT / "_build" / "html"
PAGE = "chapters/index.html"
MAP_ONLY = "chapters/map-only.html"
PYTORCH, PAGE_AS_IT_IS, SLOWED = "PyTorch, one thread", "the page", "the page, slowed four times"
HEADER = ["where", "ms per character", "slowest date", "÷ PyTorch"]
AIMS = ["what", "measured", "aim", "reached", "beside it"]
WAITED = ["where", "date with maps, ms", "slowest, ms", "Enter to token, ms", "slowest, ms"]
OPEN = """async tags => {
  const start = performance.now();
  const [{ Model }, text] = await Promise.all(["date_model", "dates-translate"].map(attnbook.load));
  const came = performance.now();
  window.model = new Model(attnbook.shared.base64.fromBase64(text).buffer, tags);
  return [came - start, performance.now() - came];
}"""
DECODE = """([text, tag, longest]) => {
  const { network } = model, start = performance.now();
  let state = network.start(model.encode(text, tag)), count = 0;
  for (let id = 1; id !== 2 && count < longest; count++) {
    const step = network.step(id, state);
    state = step.state;
    id = step.logits.indexOf(Math.max(...step.logits));
  }
  return (performance.now() - start) / count;
}"""
TRANSLATE = """async ([text, tag, longest]) => {
  const start = performance.now();
  await model.translate(text, tag, { longest, stopped: () => false });
  return performance.now() - start;
}"""
# The caption counts the tokens: it changes when the first of a new translation is shown.
WAIT = """async (host, text) => {
  const root = host.shadowRoot, field = root.querySelector("input"), caption = root.querySelector("caption");
  field.value = text;
  const start = performance.now();
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  await new Promise(shown => {
    const seen = new MutationObserver(() => (seen.disconnect(), shown()));
    seen.observe(caption, { childList: true, characterData: true, subtree: true });
  });
  await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
  return performance.now() - start;
}"""


def in_pytorch(trained: checkpoints.Trained, text: str, tag: str) -> float:
    """Milliseconds per character."""
    task = trained.task
    began = time.perf_counter()
    source = task.source.batch([text], tags=[tag])
    ids = greedy_decode(
        trained.model,
        source,
        start=task.target.start,
        end=task.target.end,
        max_length=task.target_length - 1,
    ).ids
    return 1000 * (time.perf_counter() - began) / ids.shape[1]


def measure(page, slow, trained: checkpoints.Trained, dates: int) -> dict[str, list[float]]:
    """Milliseconds per character for each date, by place."""
    rows = trained.task.sample(dates + 5, torch.Generator().manual_seed(3), "test")
    times = {PYTORCH: [], PAGE_AS_IT_IS: [], SLOWED: []}
    for index, (*date, tag) in enumerate(rows):
        text = write_date(*date)
        asked = [text, tag, trained.task.target_length - 1]
        seen = [in_pytorch(trained, text, tag), page.evaluate(DECODE, asked)]
        slow(4)
        seen.append(page.evaluate(DECODE, asked))
        slow(1)
        if index >= 5:  # after the warm-up
            for each, value in zip(times.values(), seen, strict=True):
                each.append(value)
    return times


def wait(page, slow, trained: checkpoints.Trained, dates: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds for each date with its maps, and from Enter to its first token, by place."""
    rows = trained.task.sample(2 * (dates + 2), torch.Generator().manual_seed(5), "test")
    host = page.locator(".ab-translator .ab-live .attnbook-widget").first
    target = host.get_by_label("translate into").input_value()
    longest = trained.task.target_length - 1
    times = {PAGE_AS_IT_IS: [], SLOWED: []}
    for index, (*date, _) in enumerate(rows):
        name, rate = [(PAGE_AS_IT_IS, 1), (SLOWED, 4)][index % 2]
        text = write_date(*date)
        host.get_by_role("slider", name="Step").press("End")  # stop the previous animation
        page.wait_for_timeout(200)
        slow(rate)
        seen = (page.evaluate(TRANSLATE, [text, target, longest]), host.evaluate(WAIT, text))
        slow(1)
        if index >= 4:  # after the warm-up, which loads the model
            times[name].append(seen)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dates", type=int, default=100, help="dates to translate (default: 100)")
    parser.add_argument(
        "--waits", type=int, default=20, help="dates for the waiting times, per speed (default: 20)"
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds for the picture (default: 10)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    trained = checkpoints.load(CHECKPOINT)
    began = load()
    (SITE / MAP_ONLY).write_text(with_map_only((SITE / PAGE).read_text("utf-8")), encoding="utf-8")
    try:
        with server(str(SITE), port=0) as site:
            threading.Thread(target=site.serve_forever, daemon=True).start()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments())
                version = browser.version
                home, plain = (f"http://127.0.0.1:{site.server_port}/{name}" for name in (PAGE, MAP_ONLY))
                aims = measure_flow(browser, home, plain, chosen.rounds)
                page = browser.new_page()
                page.goto(home, wait_until="load")
                mount(page)
                slow = throttle(page)
                came, opened = page.evaluate(OPEN, list(trained.task.targets))
                times = measure(page, slow, trained, chosen.dates)
                waited = wait(page, slow, trained, chosen.waits)
                browser.close()
            site.shutdown()
    finally:
        (SITE / MAP_ONLY).unlink()
    text = report(times, waited, aims, f"{began} before, {load()} after", came, opened, version)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf8")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with right-aligned numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(
    times: dict, waited: dict, aims: list, loads: str, came: float, opened: float, version: str
) -> str:
    """The tables, and the time to load the model."""
    ours = times[PYTORCH]
    rows = [
        [
            name,
            f"{statistics.median(each):.2f}",
            f"{max(each):.2f}",
            f"{statistics.median(a / b for a, b in zip(each, ours, strict=True)):.2f}",
        ]
        for name, each in times.items()
    ]
    waits = [
        [name, *(f"{one(each):.0f}" for each in zip(*pairs, strict=True) for one in (statistics.median, max))]
        for name, pairs in waited.items()
    ]
    data = (SITE / "_static" / "widgets" / f"{CHECKPOINT}.js").read_bytes()
    sizes = f"{len(data) / 1e6:.2f} MB, {len(gzip.compress(data)) / 1e6:.2f} MB gzipped"
    words = "\n".join(__doc__.splitlines()[2:])
    versions = f"Chromium {version}, torch {torch.__version__}, Python {platform.python_version()}"
    return f"""# The translator in the page

{words}

Measured by `make bench-translator` on {versions}, {len(ours)} dates, and
{len(waited[SLOWED])} per speed for the waiting times.

{table(HEADER, rows)}

{table(WAITED, waits)}

{table(AIMS, aims)}

The machine's load per core was {loads}.

The model is a script of {sizes}. Loading it from this machine took {came:.0f} ms,
decoding it {opened:.0f} ms.
"""


if __name__ == "__main__":
    main()
