"""A widget's place on its page, with empty boxes of its sizes, and the data of the page's widgets."""

import hashlib
import json
import re
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from attnbook.maps import visible
from attnbook.widgets.explorer import gutters
from attnbook.widgets.labels import plural
from attnbook.widgets.sentences import shown
from attnbook.widgets.stepper_sizes import height_of, is_long, widest
from attnbook.widgets.translation import sides

from .models import needs_models
from .widgets import VIEW

STATE = "application/vnd.jupyter.widget-state+json"
BYTES = "application/octet-stream"
LARGE = 5_000  # characters: a widget with more bytes than this, as base64, has them in a script
# Programs, which the site serves once, and the name of a layout, which changes with every run.
UNSENT = ("_esm", "_css", "layout")
DIAL = '<div class="ab-dial"></div>'
LEGEND = '<div class="ab-legend"></div>'
PANEL = '<div class="ab-panel"></div>'
# The published model that a widget runs in the page.
MODELS = {"SentenceExplorer": "multilingual-e5-small", "LanguageModelExplorer": "smollm2-135m-instruct"}
logger = logging.getLogger(__name__)


def place_widgets(app: Sphinx, doctree: nodes.document, views: list[nodes.container], models: dict) -> None:
    """Replace every widget's output by its place on the page, and add the models' data to the page."""
    ours = {name: model for name, model in models.items() if is_ours(model)}
    shown = dict.fromkeys(name for name in map(model_of, views) if name in ours)
    numbers = {name: f"widget{number}" for number, name in enumerate(shown, start=1)}
    for view in views:
        name = model_of(view)
        if name in ours:
            place_widget(view, numbers[name], ours[name]["state"])
        elif len(view.parent.children) > 1:
            view.parent.remove(view)  # it needs a kernel: show its text or picture instead
        else:
            logger.warning(
                "this output needs a kernel, and has no text or picture to show instead",
                location=view,
                type="attnbook",
            )
    if numbers:
        shown_models = {number: ours[name] for name, number in numbers.items()}
        states = [model["state"] for model in shown_models.values()]
        kinds = {kind_of(state) for state in states}
        states.sort(key=lambda state: (kind_of(state), not state.get("_streams")))
        scripts = dict.fromkeys(name for state in states for name in scripts_of(state).split())
        needs_models(app, sorted({MODELS[kind] for kind in kinds if kind in MODELS}))
        text, data = data_of(shown_models)
        classes = ["attnbook-state"]
        doctree += nodes.raw(text=text, format="html", classes=classes, scripts=[*scripts], data=data)


def data_of(models: dict[str, dict]) -> tuple[str, dict[str, str]]:
    """The models' state as HTML, followed by their bytes, and the scripts of models with many bytes, by name.

    `at` is a buffer's position among the page's, or in the model's script, which `data` names.
    """
    state, here, scripts = {}, [], {}
    for name, model in models.items():
        buffers = model.get("buffers", [])
        texts = [buffer["data"] for buffer in buffers]
        large = sum(map(len, texts)) > LARGE
        first = 0 if large else len(here)
        kept = {key: value for key, value in model["state"].items() if key not in UNSENT}
        state[name] = {
            "state": kept,
            "buffers": [{"path": buffer["path"], "at": at} for at, buffer in enumerate(buffers, first)],
        }
        if large:
            listed = json.dumps(texts, separators=(",", ":"))
            file = f"data/{hashlib.sha256(listed.encode()).hexdigest()[:16]}"
            state[name]["data"] = file
            scripts[file] = f'attnbook.provide("{file}", {listed});'
        else:
            here += texts
    text = json.dumps({"version_major": 2, "version_minor": 0, "state": state}, separators=(",", ":"))
    return "".join([script(STATE, text), *(script(BYTES, one) for one in here)]), scripts


def is_ours(model: dict) -> bool:
    """Whether the site's script can mount this model."""
    name = model.get("state", {}).get("_anywidget_id", "")
    return name.startswith("attnbook.") and name.rpartition(".")[2] in WIDGETS


def scripts_of(state: dict) -> str:
    """The programs that a widget needs at first, in the order in which they run."""
    if state.get("_streams"):  # a translator's flow, which the translator would else request; maps come later
        return "date_flow.js date_translator.js"
    return WIDGETS[kind_of(state)][0]


def kind_of(state: dict) -> str:
    """The name of a widget's class."""
    return state["_anywidget_id"].rpartition(".")[2]


def model_of(view: nodes.container) -> str | None:
    """The name of the model that a widget's output shows."""
    found = re.search(r"model_id\W+([0-9a-f]+)", view.astext())
    return found[1] if found else None


def place_widget(view: nodes.container, name: str, state: dict) -> None:
    """Fill a widget's output with its place on the page: the model's name for the script, and the picture."""
    view.clear()
    picture = next((node for node in view.parent.findall(nodes.image)), None)
    kind, style, ghost, words = WIDGETS[kind_of(state)][1](state)
    view += html(f'<div class="ab-widget {kind}" style="{style}"><div class="ab-body">{ghost}')
    view += html(script(VIEW, json.dumps({"model_id": name})))
    if picture is not None:
        picture = picture.deepcopy()
        picture["alt"] = words
        picture["classes"].append("ab-static")
        picture["loading"] = "lazy"
        view += picture
    view += html("</div></div>")


def explorer_place(state: dict) -> tuple[str, str, str, str]:
    """An explorer's class, its sizes, empty boxes for its parts, and its picture in words."""
    _, _, rows, columns = state["_shape"]
    style, boxes = explorer_boxes(state)
    kind = "lines" if state["view"] == "lines" else "heatmap"
    words = f"{kind} of attention weights, {rows} queries by {columns} keys"
    return "ab-explorer", style, ghosts(state, boxes, hint=False), titled(state, words)


def explorer_boxes(state: dict) -> tuple[str, str]:
    """An explorer's sizes, and empty boxes for its parts."""
    layers, heads, rows, columns = state["_shape"]
    left, top = state["_gutters"]
    across = heads + (heads > 1 and not state["head_names"])  # a mean beside the heads, and below the layers
    sizes = {"rows": rows, "columns": columns, "left": left, "top": top, "least-row": 16 if rows <= 40 else 4}
    sizes |= {"across": across, "down": layers + (layers > 1), "thumb": max(24, min(40, 260 // across - 2))}
    beside = 28 + max(200, across * (sizes["thumb"] + 2) + 38) if layers > 1 and heads > 1 else 0
    view = state.get("view", "map")
    if view != "map":
        sizes |= {"pitch": 17 if max(rows, columns) > 26 else 24, "shown": len(state["shown_heads"])}
    if state.get("values"):
        sizes["width"] = len(state["values"][0])
    wide = max(430, left + 44 * columns + 2) + beside
    if state.get("_given"):  # numbers to edit are wider than the cells of a map
        wide = max(wide, 190 + 62 * columns + 64 * sizes.get("width", 0))
    sizes["wide"] = f"{wide}px"
    style = ";".join(f"--{key}:{value}" for key, value in sizes.items())
    boxes = '<div class="ab-frames"></div>' * (len(state["frames"]) > 1)
    boxes += '<div class="ab-strip"></div>' * ((layers > 1) != (heads > 1))
    below = '<div class="ab-below"><div class="ab-reading"></div><div class="ab-key"></div></div>'
    main = f'<div class="ab-{view}"></div>{below * (view == "map")}'
    boxes += f'<div class="ab-figure"><div class="ab-main">{main}</div>'
    beside = '<div class="ab-heads"><div class="ab-steps"></div><div class="ab-maps"></div></div>'
    boxes += f'{beside * (layers > 1 and heads > 1)}</div><div class="ab-toolbar"></div>'
    return style, boxes


def stepper_place(state: dict) -> tuple[str, str, str, str]:
    """A stepper's class, its size, empty boxes for its parts, and its picture in words."""
    long = " ab-long" if is_long(state) else ""
    queries, keys = len(state["query_tokens"]), len(state["key_tokens"])
    words = f"scores, attention weights and output as tables of numbers, {queries} queries by {keys} keys"
    padded = "".join(
        f'<span class="ab-pad">{escape(visible(key)[:16])}</span>' for key in state["key_tokens"]
    )
    padding = f'<div class="ab-padding">padded keys{padded}</div>' if state["masking"] == "padding" else ""
    boxes = f'<div class="ab-switches"></div>{padding}{LEGEND}'
    boxes += f'<div class="ab-stages" style="height:{height_of(state)}"></div>'
    boxes += f'<div class="ab-bar{long}"></div>'
    return "ab-stepper", f"--wide:{widest(state)}px", ghosts(state, boxes), titled(state, words)


def path_place(state: dict) -> tuple[str, str, str, str]:
    """A path explorer's class, no style, empty boxes for its parts, and its picture in words."""
    words = f"the path between two of {len(state['tokens'])} positions through a recurrent network, "
    words += f"{state['layers']} convolutions of kernel {state['kernel']}, and attention"
    sentence = "".join(
        f'<span class="ab-word">{escape(visible(token)[:24])}</span>' for token in state["tokens"]
    )
    boxes = f'<div class="ab-sentence">{sentence}</div><div class="ab-controls"></div>'
    boxes += (
        f'<div class="ab-panels">{3 * PANEL}</div><div class="ab-growth"></div><div class="ab-fold"></div>'
    )
    return "ab-path", "", ghosts(state, boxes), titled(state, words)


def plane_place(state: dict) -> tuple[str, str, str, str]:
    """A query plane's class, how many rows it has, empty boxes for its parts, and its picture in words."""
    words = f"a query among {len(state['labels'])} keys in the plane, and the weights as bars"
    boxes = '<div class="ab-controls"></div>'
    boxes += '<div class="ab-both"><div class="ab-plane"></div><div class="ab-side"></div></div>'
    boxes += LEGEND
    style = f"--rows:{len(state['labels'])}"
    return "ab-queries", style, ghosts(state, boxes), titled(state, words)


def clocks_place(state: dict) -> tuple[str, str, str, str]:
    """The position clocks' class, no style, empty boxes for their parts, and their picture in words."""
    count = len(state["_speeds"])
    here, there = state["position"], state["position"] + state["offset"]
    words = f"{count} dials, each with the hands of positions {here} and {there} and the angle between them"
    boxes = '<div class="ab-controls"></div>'
    boxes += f'<div class="ab-dials">{count * DIAL}</div>{LEGEND}<p class="ab-total"></p>'
    return "ab-clocks", "", ghosts(state, boxes), titled(state, words)


def trainer_place(state: dict) -> tuple[str, str, str, str]:
    """An attention trainer's class, no style, empty boxes for its parts, and its picture in words."""
    boxes = '<div class="ab-train-set"></div><div class="ab-train-go"></div><div class="ab-train-both">'
    maps = f'<div class="ab-train-right" data-heads="{state["heads"]}"></div>'
    boxes += f'<div class="ab-train-curve"></div>{maps}</div>'
    boxes += '<div class="ab-train-runs"></div>'
    words = f"training loss, attention maps and accuracy of a model with {state['heads']} "
    words += f"{plural('head', state['heads'])} that names the letters before and after"
    return "ab-trainer", "", ghosts(state, boxes), titled(state, words)


def translator_place(state: dict) -> tuple[str, str, str, str]:
    """A translator's class, no style, empty boxes for its parts, and its picture in words."""
    first = state["_first"]
    queries, keys = sides(state["kind"], first["source"], first["written"])
    shape = [first["layers"], first["heads"], len(queries), len(keys)]
    maps = {"_shape": shape, "_gutters": gutters(queries, keys), "frames": first["written"], "head_names": []}
    style, boxes = explorer_boxes(maps)
    inner = f'<div class="ab-inner" style="{style}">{boxes}</div>'
    parts = '<div class="ab-asking"></div><p class="ab-note"></p>'
    if state["_streams"]:
        rows = max(len(first["source"]), len(first["written"]))
        parts += f'<div class="ab-flow" style="--rows:{rows}"><div class="ab-flow-stage"></div>'
        parts += '<p class="ab-flow-says"></p><div class="ab-flow-bar"></div></div>'
    parts += f'<div class="ab-answer{" with-flow" * bool(state["_streams"])}">'
    parts += '<div class="ab-made"></div><div class="ab-likeliest"></div></div>'
    if state["cuts"]:
        parts += '<div class="place-of-effect is-cut"></div>'
    if not state["_streams"]:
        parts += f'<div class="ab-kinds"></div><p class="ab-caption"></p>{inner}'
    words = (
        f"the trained model's translation of “{state['text']}”, token by token, with its attention weights"
    )
    wide = "--wide:1040px" if state["_streams"] else "--wide:900px"
    return "ab-translator", wide, ghosts(state, parts, hint=False, tour=False), titled(state, words)


def sentences_place(state: dict) -> tuple[str, str, str, str]:
    """A sentence explorer's class, no style, empty boxes for its parts, and its picture in words."""
    tokens = state["_tokens"][state["sentences"].index(state["text"])]
    words = "".join(f'<span class="ab-token">{escape(visible(shown(token))[:24])}</span>' for token in tokens)
    row = f'<div class="ab-words"><span class="ab-word-side"></span><div class="ab-row">{words}</div></div>'
    boxes = '<div class="ab-typed"></div><div class="ab-load"></div><p class="ab-remark"></p>'
    boxes += f'{2 * row}<p class="ab-line"></p><div class="ab-three"></div>'
    boxes += '<div class="ab-compare"></div><div class="ab-foot"></div>'
    picture = f"layer {state['layer']}, head {state['head']} on “{state['text']}” as a heatmap of weights"
    return "ab-sentences", "--wide:900px", ghosts(state, boxes, hint=False), titled(state, picture)


def language_place(state: dict) -> tuple[str, str, str, str]:
    """A language model explorer's class, no style, empty boxes for its parts, and its picture in words."""
    names = ("ask", "load", "note", "text", "both", "heads")
    inner = {"both": '<div class="ab-lm-side"></div><div class="ab-lm-map"></div>'}
    boxes = "".join(f'<div class="ab-lm-{name}">{inner.get(name, "")}</div>' for name in names)
    words = f"the attention weights of one head of a language model over “{state['prompt']}”"
    return "ab-language", "--wide:900px", ghosts(state, boxes, hint=False), titled(state, words)


def training_place(state: dict) -> tuple[str, str, str, str]:
    """A training explorer's class, its width, empty boxes for its parts, and its picture in words."""
    rows = max(len(snapshot["written"]) for snapshot in state["_snapshots"])
    boxes = '<div class="ab-tr-curve"></div><div class="ab-tr-bar"></div><div class="ab-tr-out"></div>'
    boxes += f'<div class="ab-tr-both" style="--rows:{rows};--layers:{state["_heads"][0]}">'
    boxes += f'<div class="ab-tr-map"></div><div class="ab-tr-heads"></div></div>{LEGEND}'
    words = "the loss curve of a training, and where the model attends at four of its steps"
    return "ab-training", "--wide:840px", ghosts(state, boxes), titled(state, words)


def ghosts(state: dict, boxes: str, *, hint: bool = True, tour: bool = True) -> str:
    """Boxes that reserve a widget's room until it is mounted, under its title and its hint, if it has one.

    `tour`: whether the button of a guided tour is in the title's line.
    """
    named = state["title"] or (tour and state.get("_tour"))
    title = f'<div class="ab-title" data-title="{escape(state["title"])}"></div>' if named else ""
    line = '<p class="ab-hint"></p>' * hint
    return f'<div class="ab-ghost" aria-hidden="true">{title}{line}{boxes}</div>'


WIDGETS = {
    "AttentionExplorer": ("attention_explorer.js", explorer_place),
    "DateTranslator": ("attention_explorer.js date_translator.js", translator_place),
    "LanguageModelExplorer": ("language_model_explorer.js", language_place),
    "AttentionStepper": ("attention_stepper.js", stepper_place),
    "AttentionTrainer": ("attention_trainer.js", trainer_place),
    "PathExplorer": ("path_explorer.js", path_place),
    "PositionClocks": ("position_clocks.js", clocks_place),
    "QueryPlane": ("query_plane.js", plane_place),
    "SentenceExplorer": ("sentence_explorer.js", sentences_place),
    "TrainingExplorer": ("training_explorer.js", training_place),
}


def titled(state: dict, words: str) -> str:
    """Words with the widget's title in front."""
    return f"{state['title']}: {words}" if state["title"] else words


def html(text: str) -> nodes.raw:
    """Raw HTML."""
    return nodes.raw(text=text, format="html")


def script(kind: str, data: str) -> str:
    """Data in a script element; `<` is escaped, so that nothing in the data can end the element."""
    data = data.replace("<", "\\u003c")
    return f'<script type="{kind}">{data}</script>'
