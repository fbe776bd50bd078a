"""`make audit` finds planted faults, names their page and fails."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import audit
from bookpress import ROOT, inspection

HOME = "chapters/index.html"
GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="icon.svg"></head>
<body style="margin: 0"><main><article><section id="here"><h1>A page</h1>
<p>Words. <a href="#here">Here</a>.</p>
%s</section></article></main></body></html>"""


@pytest.fixture
def found(browser, tmp_path):
    """The audit's findings on a page with a planted fault, in the given window."""

    def look(planted: str, width: int = 360, patience: float = 120, **files: str) -> list[str]:
        (tmp_path / "chapters").mkdir()
        (tmp_path / "chapters" / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        for name, text in files.items():
            (tmp_path / "chapters" / f"{name}.js").write_text(text)
        (tmp_path / HOME).write_text(GOOD % planted)
        with audit.serving(tmp_path) as site:
            seen, _ = audit.looked_at(browser, site, HOME, [width], ["light"], patience)
        return [*audit.read_through(tmp_path, HOME)[0], *seen]

    return look


def test_a_good_page_is_clean(found):
    assert found("") == []


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ('<img src="icon.svg" width="9" height="9">', "axe: image-alt"),
        ('<p style="color: #bbb; background: #fff">pale</p>', "axe: color-contrast"),
        ('<a href="#nowhere">a place</a>', "broken link #nowhere"),
        ('<a href="none.html">a page</a>', "broken link none.html"),
        ('<div style="width: 500px; height: 9px"></div>', "px wide in a window of 360"),
        ('<script src="loud.js"></script>', "log: hello"),
        ('<script src="late.js"></script>', "its widgets shift by"),
        ('<div class="ab-widget">nobody mounts it</div>', "a widget did not load"),
        ('<script src="asks.js"></script>', "error: Connecting to 'http://other.example/'"),
    ],
)
def test_planted_faults_are_found(found, planted, words):
    faults = found(
        planted,
        patience=2,  # the only widget that isn't there from the start never comes
        loud="console.log('hello')",
        asks="fetch('http://other.example/').catch(() => 0)",
        late="""const widget = "<div class=ab-widget data-state=live>widget</div>";
            document.currentScript.insertAdjacentHTML("afterend", widget);
            setTimeout(() => document.querySelector("h1").style.height = "300px", 300)""",
    )
    assert any(words in fault for fault in faults), faults
    assert all(fault.startswith(HOME) for fault in faults)


def test_a_chapter_over_the_size_limit_is_named(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / HOME).write_text('<script src="heavy.js"></script>')
    (tmp_path / "chapters" / "heavy.js").write_bytes(random.Random(0).randbytes(620_000))
    inspection.soup.cache_clear()
    faults, size = audit.read_through(tmp_path, HOME)
    assert size > 600_000
    assert faults == [f"{HOME}: {size / 1000:.0f} kB of HTML, styles and scripts, at most 600 allowed"]


def test_a_missed_target_is_named():
    scores = {"performance": 94, "accessibility": 100, "best-practices": 100, "seo": 99}
    assert audit.missed(HOME, scores) == [
        f"{HOME}: Lighthouse gives 94 for performance, 95 wanted",
        f"{HOME}: Lighthouse gives 99 for seo, 100 wanted",
    ]
    assert audit.missed("chapters/api.html", scores | {"seo": 100}) == []


def test_performance_can_be_skipped(tmp_path, monkeypatch, capsys):
    """The other three scores still count, and Lighthouse doesn't measure performance."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / HOME).write_text((GOOD % "").replace('<link rel="icon" href="icon.svg">', ""))
    monkeypatch.setattr(audit, "install", lambda: Path("lighthouse"))
    monkeypatch.setattr(audit, "REST", 0)  # nothing is measured
    asked, seo = [], 1.0

    def lighthouse(command, **options):
        chosen = next(word for word in map(str, command) if word.startswith("--only-categories="))
        asked.append(chosen.partition("=")[2].split(","))
        scores = {kind: {"score": {"performance": 0.5, "seo": seo}.get(kind, 1.0)} for kind in asked[-1]}
        paint = {audit.FIRST_PAINT: {"numericValue": 1250.0}}
        return subprocess.CompletedProcess(
            command, 0, json.dumps({"categories": scores, "audits": paint}), ""
        )

    monkeypatch.setattr(audit.subprocess, "run", lighthouse)
    options = ["--html", str(tmp_path), "--pages", HOME, "--rounds", "1", "--no-browser"]
    options += ["--write", str(tmp_path / "audit.md")]
    assert audit.main(options) == 1
    assert f"| `{HOME}` | 50 | 100 | 100 | 100 | 1.25 |" in (tmp_path / "audit.md").read_text("utf8")
    assert audit.main([*options, "--no-speed"]) == 0
    assert f"| `{HOME}` | – | 100 | 100 | 100 | – |" in (tmp_path / "audit.md").read_text("utf8")
    seo = 0.9
    assert audit.main([*options, "--no-speed"]) == 1
    assert asked == [list(audit.KINDS), *2 * [["accessibility", "best-practices", "seo"]]]
    assert "gives 90 for seo" in capsys.readouterr().out


@pytest.mark.bad_input
def test_a_browser_that_fails_to_start_is_reported(monkeypatch):
    monkeypatch.setattr(audit, "find_chromium", lambda: shutil.which("false"))
    message = "false failed to start: exit code 1"
    with pytest.raises(RuntimeError, match=message), audit.rested(True):
        pass


@pytest.mark.parametrize(("planted", "code"), [("", 0), ('<a href="#nowhere">a place</a>', 1)])
def test_the_command_fails_if_a_target_is_missed(tmp_path, capsys, planted, code):
    (tmp_path / "chapters").mkdir()
    (tmp_path / HOME).write_text((GOOD % planted).replace('<link rel="icon" href="icon.svg">', ""))
    options = ["--html", str(tmp_path), "--pages", HOME, "--rounds", "0", "--no-browser"]
    assert audit.main([*options, "--write", str(tmp_path / "audit.md")]) == code
    written = (tmp_path / "audit.md").read_text("utf8")
    assert f"| `{HOME}` |" in written
    assert (
        ("broken link #nowhere" in written)
        == ("broken link #nowhere" in capsys.readouterr().out)
        == (code == 1)
    )


def test_every_chapter_has_targets():
    numbered = [f"chapters/{path.stem}.html" for path in sorted((ROOT / "chapters").glob("[01]*.ipynb"))]
    assert audit.chapters() == (HOME, *numbered)
