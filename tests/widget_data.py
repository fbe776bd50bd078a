"""The data of a built page's widgets, wherever the page keeps it."""

import base64
import json
import re
from pathlib import Path


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
