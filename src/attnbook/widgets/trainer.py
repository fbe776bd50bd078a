"""The attention trainer: one attention layer, trained in the page to name the letters before and after."""

import json
from functools import cache
from numbers import Real
from pathlib import Path

import traitlets
from matplotlib.figure import Figure

from attnbook.widgets.base import BUNDLES, Widget, require_int, require_title
from attnbook.widgets.labels import plural
from attnbook.widgets.trainer_figure import spelt, trainer_figure

RECORDED = Path(__file__).with_name("trainer_runs.json")  # written by `npm run runs` in js/
HEADS = (1, 2, 4)
SEEDS = 1000
SETTINGS = ("heads", "scale", "positions", "seed")
ACCURACIES = ("before", "after", "both")
MOST = 100  # runs


class AttentionTrainer(Widget):
    """Chapter 4's model of the letters before and after, trained in the page.

    For each letter of a random 9-letter string, the model names the letter before and the letter after. It
    adds letter embeddings and learned position embeddings (32 features), followed by one layer of multi-head
    self-attention and one linear layer. A run takes 300 steps of Adam (learning rate 0.01), each on 64 new
    strings, in JavaScript in a web worker. The widget shows the loss, the accuracy on held-out strings (200
    during training, 1,000 at the end) and each head's map on one string. It first shows a recorded run of
    the same program if there is one with these settings (1 or 2 heads, the other settings at their defaults).

    Traits to set and observe: `heads` (1, 2 or 4); `scale`, whether scores are divided by √d; `positions`,
    whether position embeddings are added; `seed` (0 to 999), for the initial weights and the strings;
    `training`, True to train and False to pause; `runs`, the finished runs, each a dictionary of its settings
    and the fractions `before`, `after` and `both` of correct answers. Training runs only while a page shows
    the widget. Raises ValueError and TypeError that name the argument, what it got and what it wanted.
    """

    _esm = BUNDLES / "attention_trainer.js"

    heads = traitlets.Any(2).tag(sync=True)
    scale = traitlets.Any(True).tag(sync=True)
    positions = traitlets.Any(True).tag(sync=True)
    seed = traitlets.Any(0).tag(sync=True)
    training = traitlets.Any(False).tag(sync=True)
    runs = traitlets.Any().tag(sync=True)

    _steps = traitlets.Int(read_only=True).tag(sync=True)
    _recorded = traitlets.List(read_only=True).tag(sync=True)  # runs with their losses and maps

    def __init__(self, heads=2, scale=True, positions=True, seed=0, title="", **settings):
        require_title(title)
        unknown = sorted(set(settings) - {"layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        steps, recorded = recorded_runs()
        self.set_trait("_steps", steps)
        self.set_trait("_recorded", recorded)
        settings |= {"heads": heads, "scale": scale, "positions": positions, "seed": seed}
        super().__init__(title=title, runs=[finished(run) for run in recorded], **settings)

    @traitlets.validate(*SETTINGS, "training", "runs")
    def _is_valid(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        return require_runs(value) if name == "runs" else require_setting(name, value)

    @property
    def recorded(self) -> dict | None:
        """The recorded run with the current settings, or None."""
        here = [getattr(self, name) for name in SETTINGS]
        return next((run for run in self._recorded if [run[name] for name in SETTINGS] == here), None)

    def describe(self) -> str:
        """The current view in one line."""
        runs = f"{len(self.runs)} finished {plural('run', len(self.runs))}"
        shown = f"{spelt({name: getattr(self, name) for name in SETTINGS})}; {runs}"
        return ": ".join(filter(None, ["Attention trainer", self.title, shown]))

    def figure(self) -> Figure:
        """The finished runs and, if it is recorded, the current one, as a static picture."""
        return trainer_figure(self)


@cache
def recorded_runs() -> tuple[int, list[dict]]:
    """The number of steps of a training, and the recorded runs."""
    data = json.loads(RECORDED.read_text("utf-8"))
    return data["steps"], data["runs"]


def finished(run: dict) -> dict:
    """A recorded run as an item of `runs`."""
    return {name: run[name] for name in SETTINGS} | dict(zip(ACCURACIES, run["accuracy"], strict=True))


def require_setting(name: str, value: object, where: str = "") -> object:
    """Return `value`; raise ValueError or TypeError unless the setting `name` can have it."""
    if name in ("heads", "seed"):
        require_int(f"{where}{name}", value)
        if name == "heads" and value not in HEADS:
            raise ValueError(f"{where}heads: got {value}, wanted 1, 2 or 4")
        if name == "seed" and not 0 <= value < SEEDS:
            raise ValueError(f"{where}seed: got {value}, wanted 0 to {SEEDS - 1}")
    elif not isinstance(value, bool):
        raise TypeError(f"{where}{name}: got {type(value).__name__}, wanted True or False")
    return value


def require_runs(runs: object) -> list[dict]:
    """Return the runs as a list; raise ValueError or TypeError for what isn't a finished run."""
    if not isinstance(runs, list | tuple):
        raise TypeError(f"runs: got {type(runs).__name__}, wanted a list of finished runs")
    if len(runs) > MOST:
        raise ValueError(f"runs: got {len(runs)}, wanted at most {MOST}")
    names = (*SETTINGS, *ACCURACIES)
    for position, run in enumerate(runs):
        where = f"runs: item {position}: "
        if not isinstance(run, dict) or set(run) != set(names):
            raise ValueError(f"{where}got {run!r:.80}, wanted a dictionary of {', '.join(names)}")
        for name in SETTINGS:
            require_setting(name, run[name], where)
        for name in ACCURACIES:
            number = run[name]
            if isinstance(number, bool) or not isinstance(number, Real) or not 0 <= number <= 1:
                raise ValueError(f"{where}{name}: got {number!r:.40}, wanted a number from 0 to 1")
    return list(runs)
