"""Published models in the site: the files that a widget fetches when a reader asks for its model.

For each model that a widget on some page uses, `_static/models/NAME/` has a manifest, the published file in
chunks, the model's card and the text of its licence. They are written once, from the user's cache.

The package is imported where a model is written or checked: that takes seconds, and a book without models
doesn't need it.
"""

import json
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

FOLDER = "models"
KEY = "attnbook-models"  # in a page's metadata: the models of its widgets
logger = logging.getLogger(__name__)


def needs_models(app: Sphinx, names: list[str]) -> None:
    """Note that the page being read has widgets that use these models."""
    if names:
        app.env.metadata[app.env.docname][KEY] = names


def write_models(app: Sphinx, exception: Exception | None) -> None:
    """Write the models' files to the site, and delete those that no page uses any more."""
    if app.builder.format != "html" or exception:
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    names = {name for fields in app.env.metadata.values() for name in fields.get(KEY, ())}
    for name in sorted(names):
        from attnbook.pretrained import FetchError

        try:
            write_model(name, folder / name)
        except (FetchError, ValueError) as problem:
            logger.warning("%s", problem, type="attnbook")
    for stale in folder.glob("*"):
        if stale.name not in names:
            shutil.rmtree(stale)


def write_model(name: str, folder: Path) -> None:
    """Write the model's files to `folder`, unless they are there."""
    from attnbook.pretrained.chunks import MANIFEST, chunk_file, chunk_names, manifest
    from attnbook.pretrained.files import cache_folder

    if is_complete(name, folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = manifest(name)
    for file in chunk_names(listed):
        (folder / file).write_bytes(chunk_file(name, file))
    for notice in listed["notices"]:
        shutil.copyfile(cache_folder() / name / notice, folder / notice)
    (folder / MANIFEST).write_bytes(chunk_file(name, MANIFEST))  # the last: then all is there


def is_complete(name: str, folder: Path) -> bool:
    """Whether `folder` has all files of the pinned version of the model, with the right sizes."""
    from attnbook.pretrained.chunks import MANIFEST, VERSION, chunk_names
    from attnbook.pretrained.models import find

    if not (folder / MANIFEST).is_file():
        return False
    listed = json.loads((folder / MANIFEST).read_text("utf8"))
    if (listed["version"], listed["sha256"]) != (VERSION, find(name).files[0].sha256):
        return False
    sizes = {file: end - start for file, (start, end) in chunk_names(listed).items()}
    there = {file.name: file.stat().st_size for file in folder.iterdir()}
    return sizes.items() <= there.items() and set(listed["notices"]) <= there.keys()


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_models, priority=800)  # before unused files are deleted
