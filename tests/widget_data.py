"""The data of a built page's widgets, wherever the page keeps it."""

import base64
import json
import re
from functools import cache
from pathlib import Path

import numpy as np

from attnbook.widgets.encoding import decode_weights


def read_states(page: Path) -> dict[str, dict]:
    """The state of each widget of a page by its name there, with `buffers`: its bytes by their path."""
    text = page.read_text("utf-8")
    found = re.search(r'widget-state\+json">(.*?)</script>', text, re.S)
    here = re.findall(r'<script type="application/octet-stream">(.*?)</script>', text)
    static = next(folder / "_static" for folder in page.parents if (folder / "_static").exists())
    states = {}
    for name, model in (json.loads(found[1])["state"] if found else {}).items():
        texts = here
        if "data" in model:
            program = (static / "widgets" / f"{model['data']}.js").read_text("ascii")
            texts = json.loads(re.fullmatch(r'attnbook\.provide\("[\w/]+", (\[.*\])\);', program)[1])
        buffers = {tuple(one["path"]): base64.b64decode(texts[one["at"]]) for one in model["buffers"]}
        states[name] = model["state"] | {"buffers": buffers}
    return states


@cache
def explorers(page: Path) -> list[dict]:
    """The states of a page's explorers in order, with decoded weights."""
    text, states = page.read_text("utf-8"), read_states(page)
    in_order = []
    for name in re.findall(r'widget-view\+json">\{"model_id": "(\w+)"', text):
        state = dict(states[name])
        if not state["_anywidget_id"].endswith("AttentionExplorer"):
            continue
        buffers = state["buffers"]
        layers, heads, rows, columns = state["_shape"]
        chosen = [
            (state["frame"] * layers + layer) * heads + head
            for layer in (range(layers) if state["layer"] < 0 else [state["layer"]])  # -1: their mean
            for head in (range(heads) if state["head"] < 0 else [state["head"]])
        ]
        maps = [decode_weights(buffers["_weights", at]).reshape(rows, columns) for at in chosen]
        state["weights"] = np.mean(maps, axis=0)
        bits = [data for path, data in buffers.items() if path[0] == "_masks"]
        masks = [np.ones((rows, columns), bool)] if not bits else []
        for at in chosen if bits else []:
            data = np.frombuffer(bits[at if len(bits) > 1 else 0], np.uint8)
            cells = np.unpackbits(data, bitorder="little")
            masks.append(cells[: rows * columns].reshape(rows, columns).astype(bool))
        state["mask"] = np.any(masks, axis=0)
        in_order.append(state)
    return in_order
