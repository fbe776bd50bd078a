"""Audit every page of the built site: `make audit` writes audit.md and fails if a page misses a target.

In Chromium at 360, 768 and 1440 pixels, with all folds open: findings of axe-core in the light and the dark
theme, console messages, requests to other hosts, horizontal overflow, and the largest cumulative layout
shift while the page is scrolled through. In the files: broken links and anchors inside the site, and the
gzipped size of HTML, styles and scripts, without images and fonts. Lighthouse uses its mobile preset, a
simulated slow phone on a slow network; "first paint" is its first contentful paint there. The site is served
compressed, as a host would serve it; all runs share one idle browser; scores and times are medians. The
performance score depends on the machine and its load.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

from benchmarks import ROOT
from bookpress import inspection
from bookpress.chromium import MISSING, arguments, find_chromium
from bookpress.serve import server

PINNED = Path(__file__).parent / "lighthouse"
INSTALLED = ROOT / "_build" / "lighthouse"
WIDTHS, THEMES = (360, 768, 1440), ("light", "dark")
OTHERS = ("search.html",)  # not in the table of contents
KINDS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
HEAVIEST = 600_000
SHIFT = 0.01  # cumulative layout shift, for which 0.1 counts as good; widgets must not shift at all
THEMED = "theme => (document.documentElement.dataset.theme ?? theme) === theme"  # follows the system
REST = 5  # seconds: Lighthouse would charge the browser's own start-up work to the page
FIRST_PAINT = "first-contentful-paint"
HEADER = ["page", "performance", "accessibility", "best practices", "SEO", "first paint, s"]
HEADER += ["axe, console, links, width", "shift", "kB"]


def chapters() -> tuple[str, ...]:
    """The home page and the chapters, which have targets for performance and size."""
    numbered = tuple(page for page in inspection.toc_pages() if Path(page).name[0].isdigit())
    return (inspection.toc_pages()[0], *numbered)


def looked_at(
    browser, site: str, name: str, widths=WIDTHS, themes=THEMES, patience: float = 30
) -> tuple[list[str], float]:
    """A page's faults in the browser, and its largest layout shift; its widgets get `patience` seconds."""
    faults, most = [], 0.0
    for width in widths:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=themes[0])
        page = context.new_page()
        heard = inspection.listen(page, site)
        page.add_init_script(inspection.WATCH_SHIFTS)
        page.goto(site + name, wait_until="networkidle")
        page.wait_for_load_state("load")
        of_widgets, of_all = inspection.shifts(page)
        try:
            inspection.mount(page, 1000 * patience)
        except PlaywrightTimeout:
            heard.append("a widget did not load")
        page.wait_for_load_state("networkidle")
        page.evaluate(inspection.UNFOLD)
        found = []
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            page.wait_for_function(THEMED, arg=theme)
            page.evaluate(inspection.AT_REST)
            found += [f"{theme}: axe: {one}" for one in inspection.axe(page)]
        found += [*inspection.sideways(page), *heard]
        found += [f"its widgets shift by {of_widgets:.4f}"] if of_widgets > 0 else []
        found += [f"it shifts by {of_all:.4f}"] if of_all > SHIFT else []
        faults += [f"{name}, {width} px: {fault}" for fault in found]
        most = max(most, of_all)
        context.close()
    return faults, most


@contextmanager
def serving(html: Path):
    """Serve the site in `html` on this machine; yields its address."""
    with server(str(html), port=0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@contextmanager
def opened(wanted: bool):
    """Chromium, or None if it isn't wanted."""
    if not wanted:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments())
        yield browser
        browser.close()


def read_through(html: Path, name: str) -> tuple[list[str], int]:
    """The faults of a page's file, and its size in bytes."""
    page = html / name
    faults = [f"{name}: broken link {link}" for link in inspection.broken_links(page)]
    bytes_ = inspection.weight(page)
    if name in chapters() and bytes_ > HEAVIEST:
        faults.append(
            f"{name}: {bytes_ / 1000:.0f} kB of HTML, styles and scripts, at most {HEAVIEST // 1000} allowed"
        )
    return faults, bytes_


def install(folder: Path = INSTALLED) -> Path:
    """Install Lighthouse as pinned in lighthouse/package-lock.json; returns its program."""
    program = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    names = ("package.json", "package-lock.json")
    if not program.exists() or any(
        (folder / name).read_text("utf8") != (PINNED / name).read_text("utf8") for name in names
    ):
        print("Installing Lighthouse (the first time)", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_text((PINNED / name).read_text("utf8"), "utf8")
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit"], cwd=folder, check=True)
    return program


@contextmanager
def rested(wanted: bool):
    """The debugging port of an idle Chromium for all Lighthouse runs, or None if it isn't wanted."""
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [find_chromium(), *arguments(), "--headless=new", "--remote-debugging-port=0"]
        silent = subprocess.DEVNULL
        running = subprocess.Popen([*command, f"--user-data-dir={folder}"], stdout=silent, stderr=silent)
        try:
            said = Path(folder) / "DevToolsActivePort"
            while not said.exists() and running.poll() is None:
                time.sleep(0.1)
            if running.poll() is not None:
                raise RuntimeError(f"{command[0]} failed to start: exit code {running.returncode}")
            time.sleep(REST)
            yield int(said.read_text("utf8").split()[0])
        finally:
            running.terminate()
            running.wait()


def lighthouse(program: Path, port: int, address: str, rounds: int, kinds=tuple(KINDS)) -> dict[str, float]:
    """A page's median Lighthouse scores in percent and, with its performance, its first paint in seconds."""
    command = ["node", program, address, "--quiet", "--output=json", f"--port={port}"]
    command += [f"--only-categories={','.join(kinds)}", "--no-enable-error-reporting"]
    runs = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"Lighthouse failed on {address}: {done.stderr[-500:]}")
        runs.append(json.loads(done.stdout))
    scores = {kind: 100 * statistics.median(score_of(run, kind) for run in runs) for kind in kinds}
    if "performance" in kinds:
        paints = [run["audits"][FIRST_PAINT]["numericValue"] for run in runs]
        scores[FIRST_PAINT] = statistics.median(paints) / 1000
    return scores


def score_of(run: dict, kind: str) -> float:
    """Lighthouse's score from 0 to 1; it has none if a check failed to run."""
    return run["categories"][kind]["score"] or 0


def missed(name: str, scores: dict[str, float]) -> list[str]:
    """The targets a page misses; only the home page and the chapters have one for performance."""
    targets = KINDS if name in chapters() else {k: aim for k, aim in KINDS.items() if k != "performance"}
    return [
        f"{name}: Lighthouse gives {scores[kind]:.0f} for {kind}, {aim} wanted"
        for kind, aim in targets.items()
        if kind in scores and round(scores[kind]) < aim
    ]


def row(name: str, scores: dict[str, float], faults: int, shift: float | None, bytes_: int) -> list[str]:
    figures = [f"{scores[kind]:.0f}" if kind in scores else "–" for kind in KINDS]
    figures.append(f"{scores[FIRST_PAINT]:.2f}" if FIRST_PAINT in scores else "–")
    moved = "–" if shift is None else f"{shift:.3f}"
    return [f"`{name}`", *figures, f"{faults} faults" if faults else "clean", moved, f"{bytes_ / 1000:.0f}"]


def table(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, ["---"] + ["--:"] * 8, *rows))


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--pages", nargs="*", help="only these pages, such as chapters/index.html")
    parser.add_argument("--rounds", type=int, default=3, help="Lighthouse runs per page; 0 skips Lighthouse")
    parser.add_argument("--no-speed", action="store_true", help="skip performance, which varies by machine")
    parser.add_argument("--no-browser", action="store_true", help="only Lighthouse and file checks")
    parser.add_argument("--write", type=Path, default=Path(__file__).parent / "audit.md")
    options = parser.parse_args(words)
    if not find_chromium():
        raise SystemExit(MISSING)
    program = install() if options.rounds else None
    kinds = [kind for kind in KINDS if kind != "performance" or not options.no_speed]
    pages = options.pages or [*inspection.toc_pages(), *OTHERS]
    faults, rows = [], []
    with (
        serving(options.html) as site,
        opened(not options.no_browser) as browser,
        rested(bool(program)) as port,
    ):
        version = browser.version if browser else "as installed"
        for name in pages:
            of_file, bytes_ = read_through(options.html, name)
            seen, shift = looked_at(browser, site, name) if browser else ([], None)
            scored = program and name not in OTHERS
            scores = lighthouse(program, port, site + name, options.rounds, kinds) if scored else {}
            found = [*of_file, *seen]
            rows.append(row(name, scores, len(found), shift, bytes_))
            print(" · ".join(rows[-1]), flush=True)
            faults += [*found, *missed(name, scores)]
    release = json.loads((PINNED / "package.json").read_text("utf8"))["dependencies"]["lighthouse"]
    runs = f"Lighthouse {release} ({options.rounds} runs per page)"
    machine = f"Chromium {version}, {runs}, {os.cpu_count()} processors"
    parts = ["# Audit of every page", __doc__.partition("\n\n")[2].strip()]
    parts += [f"Measured by `make audit` with {machine}, Python {platform.python_version()}.", table(rows)]
    parts += [
        "All targets are met." if not faults else "Missed:\n\n" + "\n".join(f"- {one}" for one in faults)
    ]
    options.write.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n".join(faults) or "All targets are met.")
    print(f"Written to {options.write}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
