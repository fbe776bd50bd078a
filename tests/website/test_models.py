"""The site's copies of published models: complete, with their licences, and written once."""

import json

import pytest

from attnbook.pretrained.chunks import MANIFEST, chunk_names, manifest
from bookpress.extension.models import is_complete, write_model
from bookpress.extension.places import MODELS

NAME = "multilingual-e5-small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / NAME
    write_model(NAME, place)
    return place


def test_the_site_has_the_models_of_its_pages_and_nothing_else_beside_them(html):
    used = {
        model
        for page in html.rglob("*.html")
        for kind, model in MODELS.items()
        if f'.{kind}"' in page.read_text("utf8")
    }
    places = {place.name: place for place in (html / "_static" / "models").glob("*")}
    assert used == set(places)
    for name, place in places.items():
        listed = json.loads((place / MANIFEST).read_text())
        wanted = {MANIFEST, *listed["notices"], *chunk_names(listed)}
        assert {file.name for file in place.iterdir()} == wanted, name


def times(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_the_folder_has_the_manifest_the_chunks_and_the_licence(folder):
    listed = json.loads((folder / MANIFEST).read_text())
    assert listed == manifest(NAME)
    assert {file.name for file in folder.iterdir()} == {
        MANIFEST,
        f"{NAME}.md",
        "MIT.txt",
        *chunk_names(listed),
    }
    assert sum(file.stat().st_size for file in folder.glob("*.bin")) == listed["bytes"]


def test_a_complete_folder_is_left_alone(folder):
    before = times(folder)
    write_model(NAME, folder)
    assert times(folder) == before


@pytest.mark.parametrize(
    "damage", ["chunk missing", "chunk cut", "licence missing", "other version", "empty"]
)
def test_a_damaged_folder_is_written_again(tmp_path, damage):
    small = tmp_path / NAME
    small.mkdir()
    listed = {**manifest(NAME), "parts": {"head": {"start": 0, "end": 10, "size": 6, "sha256": ["", ""]}}}
    files = {"head-0.bin": b"sixsix", "head-1.bin": b"four", "MIT.txt": b"", f"{NAME}.md": b""}
    if damage == "other version":
        listed["sha256"] = "0"
    for file, content in files.items():
        (small / file).write_bytes(content)
    (small / MANIFEST).write_text(json.dumps(listed))
    assert is_complete(NAME, small) == (damage != "other version")
    if damage == "chunk missing":
        (small / "head-1.bin").unlink()
    elif damage == "chunk cut":
        (small / "head-0.bin").write_bytes(b"six")
    elif damage == "licence missing":
        (small / "MIT.txt").unlink()
    elif damage == "empty":
        (small / MANIFEST).unlink()
    assert not is_complete(NAME, small)
