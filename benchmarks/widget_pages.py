"""Builds the pages that widgets.py measures: the explorer's, the bare one and the peers'."""

import base64
import json
import resource
import subprocess
import sys
import time
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
from ipywidgets.embed import embed_data

from attnbook import AttentionExplorer
from attnbook.widgets.encoding import encode_weights
from benchmarks import ROOT

PEERS = ROOT / "benchmarks" / "peers"
PATIENCE = 60  # seconds to open a page; building it may take twice as long
MEMORY = 12 << 30  # bytes allowed for building one page


def install(folder: Path) -> Path:
    """Install the peers pinned in peers/requirements.txt and peers/package.json; returns their Python."""
    python = folder / "bin" / "python"
    wanted = (PEERS / "requirements.txt").read_text() + (PEERS / "package.json").read_text()
    if not python.exists() or (folder / "installed").read_text() != wanted:
        print("Installing the peers (the first time this takes some minutes)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", PEERS / "requirements.txt"], check=True)
        npm = ["npm", "install", "--silent", "--ignore-scripts", "--no-package-lock", "--prefix", folder]
        (folder / "package.json").write_text((PEERS / "package.json").read_text())
        subprocess.run(npm, check=True)
        (folder / "installed").write_text(wanted)
    return python


def weights_of(layers: int, heads: int, length: int) -> np.ndarray:
    """Weights `(L, H, T, T)` from random scores."""
    scores = 3 * np.random.default_rng(0).standard_normal((layers, heads, length, length), np.float32)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def make_attnbook(weights: np.ndarray, folder: Path) -> float:
    """Build the explorer's page as the book does, with its own style only; returns the seconds it took."""
    from bookpress.extension.places import WIDGETS, data_of
    from bookpress.extension.widgets import BUNDLES, STYLE, VIEW, write_data

    tokens = [f"t{i}" for i in range(weights.shape[-1])]
    AttentionExplorer(np.eye(2), tokens[:2])._repr_mimebundle_()  # imports are not counted
    begin = time.perf_counter()
    explorer = AttentionExplorer(weights, tokens)
    explorer._repr_mimebundle_()
    states = embed_data(views=[explorer], drop_defaults=False)["manager_state"]["state"]
    model = states[explorer.model_id]
    script, place = WIDGETS["AttentionExplorer"]
    kind, style, ghost, _ = place(model["state"])
    view = json.dumps({"model_id": explorer.model_id})
    data, scripts = data_of({explorer.model_id: model})
    write_data(folder, scripts)
    page = f"""<!doctype html><html data-theme="light"><head><meta charset="utf-8"><title>page</title>
<style>{(BUNDLES / STYLE).read_text("utf-8")}</style>
<script defer src="attnbook-host.js"></script><script defer src="{script}"></script></head><body>
<div class="ab-widget {kind}" style="{escape(style)}"><div class="ab-body">{ghost}
<script type="{VIEW}">{view}</script></div></div>
{data}</body></html>"""
    (folder / "attnbook.html").write_text(page, encoding="utf-8")
    return time.perf_counter() - begin


def make_bare(weights: np.ndarray, folder: Path) -> float:
    """Build the bare page; returns the seconds it took."""
    begin = time.perf_counter()
    heads = weights.reshape(-1, *weights.shape[-2:])
    data = " ".join(base64.b64encode(encode_weights(head)).decode() for head in heads)
    page = (PEERS / "bare.html").read_text("utf-8")
    for name, value in {"HEADS_HERE": len(heads), "SIZE_HERE": heads.shape[-1], "DATA": data}.items():
        page = page.replace(name, str(value))
    (folder / "bare.html").write_text(page, encoding="utf-8")
    return time.perf_counter() - begin


def make_peer(name: str, python: Path, folder: Path) -> float | None:
    """Build a peer's page; returns the seconds it took, or None if it failed or timed out."""
    command = [python, PEERS / "pages.py", name, folder / "weights.npz", folder / f"{name}.html"]
    limit = partial(resource.setrlimit, resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, preexec_fn=limit)
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout) if done.returncode == 0 else None


def localise(page: Path) -> int:
    """Redirect bertviz's scripts to this machine; returns how many requests to other hosts it would make."""
    text = page.read_text("utf-8")
    count = 0
    for name, host in {
        "require": "https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js",
        "d3": "https://cdnjs.cloudflare.com/ajax/libs/d3/5.7.0/d3.min",
        "jquery": "https://cdnjs.cloudflare.com/ajax/libs/jquery/2.0.0/jquery.min",
    }.items():
        count += host in text
        text = text.replace(host, f"/npm/{name}.js" if host.endswith(".js") else f"/npm/{name}")
    if count:
        page.write_text(text, encoding="utf-8")
    return count
