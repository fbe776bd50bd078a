"""The training explorer: what the date model writes, and where it attends, as it learns."""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook import snapshots
from attnbook.maps import MEAN
from attnbook.snapshots import Recording, Snapshot
from attnbook.widgets.base import BUNDLES, Widget, require_int, require_title
from attnbook.widgets.tours import Tour
from attnbook.widgets.training_figure import training_figure

NAME = "dates-translate"


class TrainingExplorer(Widget):
    """A recorded training run: drag along its loss curve to see the model's output and attention weights.

    `recording` holds the snapshots, by default those of the shipped date translator (see
    `attnbook.snapshots.load`). Each shows the model's translation of one date at that step, which of its
    characters are right, the probability of each, and the cross-attention weights.

    Traits to set and observe: `step`, one of the recording's steps, `layer` and `head`, the map shown; head
    -1 is the mean over heads. Raises ValueError and TypeError that name the argument, what it got and what it
    wanted.
    """

    _esm = BUNDLES / "training_explorer.js"

    step = traitlets.Int(0).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(MEAN).tag(sync=True)

    _text = traitlets.Unicode(read_only=True).tag(sync=True)  # the date
    _target = traitlets.Unicode(read_only=True).tag(sync=True)  # the language to translate into
    _source = traitlets.List(read_only=True).tag(sync=True)  # the tokens the model reads
    _right = traitlets.List(read_only=True).tag(sync=True)  # the tokens of the right answer
    _curve = traitlets.List(read_only=True).tag(sync=True)  # pairs of a step and a loss
    _heads = traitlets.List(read_only=True).tag(sync=True)  # the number of layers, and of heads in each
    _snapshots = traitlets.List(read_only=True).tag(sync=True)  # see `packed`
    _codes = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)  # a snapshot's weights

    def __init__(self, recording=None, step=None, layer=None, head=MEAN, title="", **settings):
        recording = snapshots.load(NAME) if recording is None else recording
        if not isinstance(recording, Recording):
            raise TypeError(
                f"recording: got {type(recording).__name__}, wanted what attnbook.snapshots.load returns"
            )
        require_title(title)
        unknown = sorted(set(settings) - {"layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        self.recording = recording
        heads = list(recording.snapshots[0].codes.shape[:2])
        step = recording.steps[0] if step is None else step
        layer = heads[0] - 1 if layer is None else layer
        for name, number in {"step": step, "layer": layer, "head": head}.items():
            require_int(name, number)
        for name in ("text", "target", "source", "right", "curve"):
            self.set_trait(f"_{name}", getattr(recording, name))
        self.set_trait("_heads", heads)
        self.set_trait("_snapshots", [packed(recording, snapshot) for snapshot in recording.snapshots])
        self.set_trait("_codes", [snapshot.codes.numpy().tobytes() for snapshot in recording.snapshots])
        super().__init__(title=title, step=step, layer=layer, head=head, **settings)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot shown."""
        return self.recording.at(self.step)

    @property
    def weights(self) -> np.ndarray:
        """The map shown, `(T, S)`."""
        return self.map_of(self.snapshot)

    def map_of(self, snapshot: Snapshot) -> np.ndarray:
        """The chosen layer's and head's map in a snapshot, `(T, S)`."""
        return snapshot.cross[self.layer, slice(None) if self.head == MEAN else [self.head]].mean(0)

    @traitlets.validate("step")
    def _is_a_step(self, proposal):
        return self.recording.at(proposal["value"]).step

    @traitlets.validate("layer", "head")
    def _is_in_range(self, proposal):
        name, number = proposal["trait"].name, proposal["value"]
        least, count = {"layer": (0, self._heads[0]), "head": (MEAN, self._heads[1])}[name]
        if not least <= number < count:
            raise ValueError(f"{name}: got {number}, wanted {least} to {count - 1}")
        return number

    def _guide(self) -> Tour:
        """The usual steps, at the first, the middle and the last snapshot of this recording."""
        parts, steps = super()._guide()
        shown = self.recording.steps
        at = {"first": shown[0], "middle": shown[len(shown) // 2], "last": shown[-1]}
        return Tour(parts, [(part, words, {"step": at[when]} if when else {}) for part, words, when in steps])

    def describe(self) -> str:
        """The current view in one line."""
        right, _ = self.recording.compare(self.snapshot)
        line = f"“{self.recording.text}” after {self.step} steps: {''.join(self.snapshot.written)}"
        line += f", {sum(right)} of {len(self.recording.right)} tokens right"
        return ": ".join(filter(None, ["A training", self.title, line]))

    def figure(self) -> Figure:
        """The loss curve with the current step, and the map at four steps, as a static picture."""
        return training_figure(self)


def packed(recording: Recording, snapshot: Snapshot) -> dict:
    """A snapshot without its weights, for the page.

    `good` marks the tokens that are right, `found` those of the right answer that the model wrote.
    """
    good, found = recording.compare(snapshot)
    return {
        "step": snapshot.step,
        "written": snapshot.written,
        "probabilities": snapshot.probabilities,
        "good": good,
        "found": found,
        "loss": round(recording.loss(snapshot.step), 5),
        "accuracy": snapshot.accuracy,
    }
