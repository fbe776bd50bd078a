"""Build a peer's page in the peers' environment: pages.py PEER WEIGHTS.npz PAGE.html prints the seconds."""

import io
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

HEAD = '<!doctype html><html><head><meta charset="utf-8"><title>page</title></head><body>'


def bertviz(weights, tokens) -> str:
    import torch
    from bertviz import head_view

    return head_view([torch.from_numpy(layer)[None] for layer in weights], tokens, html_action="return").data


def inspectus(weights, tokens) -> str:
    import IPython.display

    pieces = []
    IPython.display.display = lambda piece: pieces.append(piece.data)  # it displays and returns None
    import inspectus

    inspectus.attention(weights, tokens)
    return "".join(pieces)


def circuitsvis(weights, tokens) -> str:
    from circuitsvis.attention import attention_heads

    layers, heads, *shape = weights.shape
    return attention_heads(attention=weights.reshape(layers * heads, *shape), tokens=tokens).local_src


def plotly(weights, tokens) -> str:
    """One heatmap per head; a menu selects which is visible."""
    import plotly.graph_objects as go

    layers, heads, queries, keys = weights.shape
    names = [(layer, head) for layer in range(layers) for head in range(heads)]
    maps = [go.Heatmap(z=weights[at], visible=at == (0, 0), colorscale="Viridis") for at in names]
    shown = [[other == at for other in names] for at in names]
    buttons = [
        {"label": f"layer {at[0]}, head {at[1]}", "method": "restyle", "args": ["visible", visible]}
        for at, visible in zip(names, shown, strict=True)
    ]
    figure = go.Figure(maps)
    figure.update_layout(updatemenus=[{"buttons": buttons}], width=800, height=800)
    figure.update_xaxes(tickvals=list(range(keys)), ticktext=tokens)
    figure.update_yaxes(tickvals=list(range(queries)), ticktext=tokens, autorange="reversed")
    return figure.to_html(full_html=False, include_plotlyjs=True)


PEERS = {"bertviz": bertviz, "inspectus": inspectus, "circuitsvis": circuitsvis, "plotly": plotly}


def main() -> None:
    peer, source, page = sys.argv[1:]
    with np.load(source) as data:
        weights = data["weights"]
    tokens = [f"t{i}" for i in range(weights.shape[-1])]
    make = PEERS[peer]
    with redirect_stdout(io.StringIO()):
        make(weights[:1, :1, :2, :2], tokens[:2])  # imports are not counted
        begin = time.perf_counter()
        html = make(weights, tokens)
        Path(page).write_text(f"{HEAD}{html}</body></html>", encoding="utf-8")
        took = time.perf_counter() - begin
    print(took)


main()
