"""Sends a published model's files to a widget that asks for them: the page's side is js/engine/store.js."""

import anywidget

from attnbook.pretrained import FetchError
from attnbook.pretrained.chunks import chunk_file


def serve_model(widget: anywidget.AnyWidget, name: str) -> None:
    """Answer the widget's requests for the manifest and the chunks of the model `name`."""

    def answer(_, content, buffers):
        file = content.get("file")
        if content.get("model") != name or not isinstance(file, str):
            return
        try:
            widget.send({"model": name, "file": file}, [chunk_file(name, file)])
        except (FetchError, OSError, ValueError) as problem:
            widget.send({"model": name, "file": file, "problem": str(problem)})

    widget.on_msg(answer)
