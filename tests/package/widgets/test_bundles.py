"""The committed bundles are built from the current sources and need no other host."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

import attnbook.widgets

WIDGETS = Path(attnbook.widgets.__file__).parent
SOURCES, BUNDLES = WIDGETS / "js", sorted((WIDGETS / "bundles").rglob("*.*"))
PARTS = [
    "date_flow.js",
    "date_model.js",
    "explorer_edit.js",
    "explorer_lines.js",
    "explorer_parts.js",
    "language_remote.js",
    "language_worker.js",
    "sentence_model.js",
    "sentence_worker.js",
    "stepper_explain.js",
    "tour.js",
    "trainer_program.js",
    "trainer_worker.js",
]
KINDS = [
    "attention_explorer.js",
    "attention_stepper.js",
    "attention_trainer.js",
    "date_translator.js",
    "language_model_explorer.js",
    "path_explorer.js",
    "position_clocks.js",
    "query_plane.js",
    "sentence_explorer.js",
    "training_explorer.js",
]


def sources_hash() -> str:
    """The hash that js/build.mjs writes into every bundle."""
    names = [
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*")
        if path.suffix in (".js", ".mjs", ".css", ".c", ".wasm")
    ]
    names = [name for name in names if not name.startswith("node_modules")]
    digest = hashlib.sha256()
    for name in sorted([*names, "package.json", "../../palette.json"]):
        digest.update(f"{name}\n".encode() + (SOURCES / name).read_bytes())
    return digest.hexdigest()[:16]


def test_each_widget_has_two_bundles_and_the_site_has_host_and_parts():
    names = [path.relative_to(WIDGETS / "bundles").as_posix() for path in BUNDLES]
    site = ["attnbook-host.css", "attnbook-host.js", *KINDS, *PARTS]
    assert sorted(names) == sorted([*KINDS, *(f"site/{name}" for name in site)])


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_bundles_are_built_from_the_current_sources(bundle):
    built_from = re.search(r"sources sha256 (\w+)", bundle.read_text("utf-8"))[1]
    assert built_from == sources_hash(), (
        "the sources changed: run `npm ci && npm run build` in src/attnbook/widgets/js"
    )


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_bundles_name_no_other_host(bundle):
    text = re.sub(r"^/\*.*?\*/|[A-Za-z0-9+/=]{500,}", "", bundle.read_text("utf-8"), flags=re.S)  # base64
    assert "//" not in text.replace("http://www.w3.org", "")


def test_the_bundler_is_pinned_without_a_registry():
    package = json.loads((SOURCES / "package.json").read_text())
    assert list(package["devDependencies"]) == ["esbuild"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["devDependencies"]["esbuild"])
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/esbuild"]["version"] == package["devDependencies"]["esbuild"]
    assert not any("resolved" in entry for entry in lock["packages"].values())


def test_shared_code_is_only_in_the_host():
    texts = {path.name: path.read_text("utf-8") for path in BUNDLES if path.parent.name == "site"}
    assert [name for name, text in texts.items() if "attachShadow" in text] == ["attnbook-host.js"]
    assert all("attachShadow" in (WIDGETS / "bundles" / name).read_text("utf-8") for name in KINDS)


def loaded(*names) -> int:
    """The compressed JavaScript in bytes that a page with these widgets loads."""
    site = WIDGETS / "bundles" / "site"
    return sum(len(gzip.compress((site / name).read_bytes())) for name in ("attnbook-host.js", *names))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_loads_little(kind):
    """Code that isn't needed at first can be loaded on demand: see PARTS in js/build.mjs."""
    assert loaded(kind) <= 24_000


@pytest.mark.parametrize("beside", sorted(set(KINDS) - {"attention_explorer.js"}))
def test_two_widgets_share_code(beside):
    assert loaded("attention_explorer.js", beside) <= 34_300


def test_the_home_page_loads_little():
    """The translator with its flow, which is drawn at first sight."""
    assert loaded("attention_explorer.js", "date_translator.js", "date_flow.js") <= 45_000
