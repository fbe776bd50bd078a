"""Guided tours: the parts of each widget, and a few steps that lead a newcomer through them."""

from collections.abc import Sequence
from typing import NamedTuple

import traitlets

LONGEST = 300  # characters of a step
MOST = 12  # steps


class Tour(NamedTuple):
    """The parts of a widget, as CSS selectors (`>>>` enters a shadow root), and the usual steps."""

    parts: dict[str, str]
    steps: list[tuple]


TWO_HEADS, ONE_HEAD = (
    {"heads": heads, "scale": True, "positions": True, "seed": 0, "training": False} for heads in (2, 1)
)  # the trainer's recorded runs

TOURS = {
    "AttentionExplorer": Tour(
        {
            "map": ".map",
            "queries": ".queries",
            "keys": ".keys",
            "heads": ".ab-strip, .ab-heads",
            "frames": ".ab-frames",
            "reading": ".ab-reading",
            "colours": ".ab-key",
            "tools": ".ab-toolbar",
        },
        [
            (
                "map",
                "A map of attention weights. Each cell is one weight: the stronger the colour, the larger "
                "the weight.",
            ),
            ("queries", "Each row is a query: the position that attends. A row's weights sum to 1."),
            (
                "keys",
                "Each column is a key: a position that can be attended to. Hatched cells are masked: that "
                "query may not attend to that key.",
            ),
            (
                "map",
                "Hover over a cell, or tap it, to read its weight. Click it to lock its row (the first row "
                "is locked now), and click again to unlock the row.",
                {"locked": 0},
            ),
            (
                "reading",
                "The weight as a number, and its rank in the row. The question mark shows the keys with the "
                "largest weights in the row.",
                {"locked": 0},
            ),
            ("heads", "Each small map is another layer, head or model. Choose one to see it large."),
            (
                "colours",
                "All maps share one colour scale, so you can compare them. With “own colours”, each map is "
                "scaled to its own largest weight.",
            ),
            (
                "tools",
                "Other views of the same weights: as lines, over the text or in a table. “Options” changes "
                "the colours and the order of the maps. You can also save a picture or a link.",
            ),
        ],
    ),
    "AttentionStepper": Tour(
        {
            "queries": "[data-stage=query]",
            "keys": "[data-stage=key]",
            "values": "[data-stage=value]",
            "scores": "[data-stage=scores]",
            "scaled": "[data-stage=scaled]",
            "masked": "[data-stage=masked]",
            "weights": "[data-stage=weights]",
            "output": "[data-stage=output]",
            "switches": ".ab-switches",
            "steps": ".buttons",
            "sum": ".sum",
        },
        [
            (
                "queries",
                "Each row of Q is a query: what one word looks for. Each row of K is a key, which the "
                "queries are compared with. Each row of V is a value: what a word passes on.",
                {"step": 0, "selected": []},
            ),
            (
                "scores",
                "Each score is the dot product of one query and one key. The better they match, the larger "
                "it is.",
                {"step": 1, "selected": []},
            ),
            (
                "scaled",
                "Scores are divided by √d, where d is the dimension of a query. Otherwise, with a large d, "
                "scores would be large, and softmax would give one key nearly all the weight.",
                {"step": 2, "selected": []},
            ),
            (
                "weights",
                "Softmax turns each row of scores into weights: positive numbers that sum to 1.",
                {"step": 4, "selected": []},
            ),
            (
                "output",
                "Each row of the output is a weighted average of the values.",
                {"step": 5, "selected": []},
            ),
            (
                "sum",
                "Click any number to see how it was computed; here it is the first number of the output. "
                "The framed numbers went into it: click one to see how that was computed.",
                {"step": 5, "selected": ["output", 0, 0]},
            ),
            (
                "switches",
                "Turn off “divide by √d”, change the temperature or choose a mask: all numbers are "
                "recomputed.",
            ),
            ("steps", "Next and Back move through the computation one step at a time."),
        ],
    ),
    "AttentionTrainer": Tour(
        {
            "settings": ".ab-train-set",
            "train": ".ab-train-go",
            "loss": ".ab-train-curve svg",
            "accuracy": ".ab-train-correct",
            "maps": ".ab-train-maps",
            "runs": ".ab-train-runs",
        },
        [
            (
                "maps",
                "The model reads random strings of nine letters. For each letter, it has to name the letter "
                "before and the letter after. Each map shows the weights of one head on one string.",
                TWO_HEADS,
            ),
            (
                "train",
                "At first you see a recorded run. Press “Train” to train the model here: 300 steps, a few "
                "seconds. The maps and the loss are drawn as it learns, and you can pause it.",
            ),
            (
                "loss",
                "The training loss at each step: the lower, the better. The dashed line is the loss of "
                "guessing; the fainter curves are the other finished runs.",
            ),
            (
                "accuracy",
                "The share of correct answers on strings that the model was not trained on: for the letter "
                "before, for the letter after, and for both at once.",
            ),
            (
                "maps",
                "This is a run with one head. The head has to divide its weight between both neighbours, and "
                "can't tell which letter came first.",
                ONE_HEAD,
            ),
            (
                "settings",
                "Change one setting and train again. The seed determines the initial weights and the "
                "strings.",
            ),
            (
                "runs",
                "The accuracy of each finished run, for comparison. Click a run to see it again.",
            ),
        ],
    ),
    "DateTranslator": Tour(
        {
            "text": ".ab-asking > input",
            "language": ".ab-asking > select",
            "answer": ".written",
            "verdict": ".verdict",
            "probabilities": ".below > .button:last-child",
            "kinds": ".kinds",
            "tools": ".tools",
            "map": ".ab-inner > div >>> .map",
            "frames": ".ab-inner > div >>> .ab-frames",
            "heads": ".ab-inner > div >>> .ab-heads",
            "flow": ".ab-flow-stage",
            "sources": ".flow-sources",
            "outputs": ".flow-outputs",
            "says": ".ab-flow-says",
            "bar": ".ab-flow-bar",
            "heatmaps": ".below > .tool",
        },
        [
            ("text", "Type a date in any of nine languages. For the model, each character is one token."),
            (
                "language",
                "Choose the language to translate into. The model reads it as a tag before the date.",
            ),
            (
                "answer",
                "The translation. Click a character to see which characters of your date the model attended "
                "to when generating it.",
            ),
            (
                "verdict",
                "Whether the answer is right. The page checks this against the calendar; the model only "
                "translates.",
            ),
            (
                "map",
                "The cross-attention weights. Each row is a step that generates one character; each column "
                "is a character of your date. The stronger the colour, the larger the weight.",
            ),
            ("frames", "Move the slider to go through the steps, or press play."),
            ("heads", "Each small map is one head of one layer. Choose one to see it large."),
            (
                "tools",
                "Press “cut” and click a head or a single weight: the model translates again without it. "
                "The “damage” button shows how much less likely this answer becomes without each head.",
            ),
        ],
    ),
    "LanguageModelExplorer": Tour(
        {
            "prompt": ".ab-lm-ask",
            "model": ".ab-lm-load",
            "text": ".ab-lm-text",
            "next": ".ab-lm-chances",
            "generation": ".ab-lm-make",
            "map": ".ab-lm-map",
            "ranking": ".asked",
            "heads": ".grid-box",
            "cuts": ".cuts",
            "effect": ".cut-list",
        },
        [
            (
                "prompt",
                "Choose a recorded prompt. To run your own, load the model first, with the button below.",
            ),
            (
                "text",
                "The prompt as tokens. Click one to see which tokens the model expects next. The lines show "
                "which earlier tokens it attends to in the chosen head.",
            ),
            ("next", "The most probable next tokens, with their probabilities."),
            (
                "heads",
                "All heads: one column per layer. The stronger a head's colour, the more weight it gives to "
                "the kind of token selected above the grid. Click a head to see its weights.",
            ),
            (
                "map",
                "All weights of the chosen head, one row per query. Hatched cells are later tokens, which "
                "are masked.",
            ),
            (
                "cuts",
                "Cutting a head sets its output to zero, which shows what the head contributes. Four heads "
                "are cut here: the table of next tokens compares the probabilities with and without them.",
                {"cut": [[17, 3], [17, 4], [17, 5], [18, 6]]},
            ),
            (
                "effect",
                "How the cut changes the probability of the most likely token. Some cuts are recorded; to "
                "try any other, load the model.",
                {"cut": [[17, 3], [17, 4], [17, 5], [18, 6]]},
            ),
            (
                "generation",
                "Once the model is loaded, it can continue the prompt here. Temperature and top-p decide how "
                "each token is sampled.",
            ),
        ],
    ),
    "PathExplorer": Tour(
        {
            "sentence": ".ab-sentence",
            "controls": ".ab-controls",
            "panels": ".ab-panels",
            "recurrent": ".ab-panel:nth-child(1)",
            "convolution": ".ab-panel:nth-child(2)",
            "attention": ".ab-panel:nth-child(3)",
            "growth": ".ab-growth",
        },
        [
            (
                "sentence",
                "How many steps does a signal need from one word to another? Click the two words, or drag "
                "the flags.",
            ),
            (
                "recurrent",
                "A recurrent network passes the signal on from word to word, one step after another. The "
                "farther apart the words, the more steps.",
            ),
            (
                "convolution",
                "A convolution sees only a few neighbours, so distant words need several layers. The shaded "
                "area is the receptive field: everything that the output at the top can depend on.",
            ),
            (
                "controls",
                "Wider kernels and more layers enlarge the receptive field. Here the kernel is 9 words wide.",
                {"kernel": 9},
            ),
            ("attention", "Attention connects any two positions directly: one step, at any distance."),
            (
                "growth",
                "As the sequence grows, so does the longest path in the other two networks. With "
                "attention it stays at 1.",
            ),
        ],
    ),
    "PositionClocks": Tour(
        {
            "position": ".slider:nth-child(1)",
            "offset": ".slider:nth-child(2)",
            "dials": ".ab-dials",
            "fastest": ".ab-dial:first-child",
            "slowest": ".ab-dial:last-child",
            "legend": ".ab-legend",
            "total": ".ab-total",
        },
        [
            (
                "dials",
                "A position's vector, drawn as clock hands. Each hand stands for two features of the "
                "vector: the height of its tip is the sine, the horizontal position the cosine.",
            ),
            (
                "position",
                "At position t = 20, all hands have turned, each at its own speed.",
                {"position": 20},
            ),
            (
                "fastest",
                "The first hand is the fastest and distinguishes neighbours. The last one hardly moves and "
                "distinguishes positions that are far apart.",
                {"position": 20},
            ),
            (
                "offset",
                "The thinner hand on each dial shows position t + k, which is k steps later. The angle "
                "between the two hands depends only on k, not on t.",
                {"position": 20},
            ),
            (
                "total",
                "The dot product of the two position vectors is the sum of the cosines of these angles, so "
                "it doesn't depend on t either.",
                {"position": 20},
            ),
            ("total", "With k = 0 the hands coincide, and each contributes 1.", {"offset": 0}),
        ],
    ),
    "QueryPlane": Tour(
        {
            "plane": ".ab-plane",
            "query": ".handle",
            "temperature": ".ab-controls .slider",
            "score": ".pick",
            "table": ".wide",
            "average": "tfoot tr",
            "formula": ".formula",
        },
        [
            (
                "plane",
                "Each circle is a key. The larger the circle and the stronger its colour, the larger its "
                "weight.",
            ),
            (
                "query",
                "The query. Drag it, or focus it and use the arrow keys, and watch the weights change.",
            ),
            ("table", "Each key's score, weight and value. The weights sum to 1."),
            ("average", "The output: the average of the values, using the weights above."),
            (
                "temperature",
                "A high temperature, as here, makes the weights more equal. A low one gives nearly all the "
                "weight to the key with the highest score.",
                {"temperature": 20},
            ),
            (
                "score",
                "With scores by distance, the nearest keys get the most weight. With dot products, "
                "as here, the most weight goes to the keys that reach farthest in the query's direction.",
                {"score": "dot"},
            ),
            ("formula", "The formula. Point at a key to see its score computed below."),
        ],
    ),
    "SentenceExplorer": Tour(
        {
            "text": ".ab-typed",
            "model": ".ab-load",
            "queries": ".ab-words",
            "keys": ".ab-words + .ab-words",
            "line": ".ab-line",
            "heads": ".ab-grid",
            "map": ".ab-one",
            "ranks": ".ab-ranks",
            "comparison": ".ab-compare",
        },
        [
            (
                "text",
                "Choose a recorded sentence. To type your own, in any of about 100 languages, load the model "
                "first.",
            ),
            ("queries", "The sentence as tokens. Click one to make it the query: the token that attends."),
            (
                "keys",
                "The same tokens as keys. Each number is the weight that the query gives to that key in the "
                "chosen head.",
            ),
            (
                "heads",
                "Each square is one of the 144 heads, with one row of squares per layer. Its stripes are "
                "the query's weights, one stripe per key. Click a square to choose that head.",
            ),
            ("map", "The chosen head on the whole sentence: one row per query. The query's row is marked."),
            (
                "ranks",
                "The heads in which the query gives the most weight to another word. If you choose a key, "
                "the heads are ranked by the query's weight on that key.",
            ),
            (
                "comparison",
                "Once the model is loaded, you can compare two sentences here. With the button above the "
                "map, you can also cut heads and see which tokens change.",
            ),
        ],
    ),
    # A step's last item: the snapshot that it shows, or "" (see `TrainingExplorer._guide`).
    "TrainingExplorer": Tour(
        {
            "curve": ".ab-tr-curve",
            "bar": ".ab-tr-bar",
            "output": ".ab-tr-out",
            "map": ".ab-tr-map",
            "heads": ".ab-tr-heads",
        },
        [
            (
                "curve",
                "The loss of a model during its training. Each dot is a step at which the model was "
                "recorded: drag along the curve, or use the arrow keys.",
                "",
            ),
            (
                "output",
                "What the model wrote for this date at the first step. Wrong characters are struck out, and "
                "the line under a character shows the model's confidence. Below is the correct answer.",
                "first",
            ),
            (
                "map",
                "The cross-attention weights of one head. Each row is a step that generated one character, "
                "each column a character of the date. At first, the weights are spread out.",
                "first",
            ),
            (
                "output",
                "The same model later in its training. Some parts of the date are learned before others.",
                "middle",
            ),
            (
                "map",
                "At the end of the training, most rows give nearly all their weight to a few characters.",
                "last",
            ),
            ("heads", "Choose another head to see it large, or the mean over the heads of a layer.", ""),
            (
                "bar",
                "“Play” goes through all recorded steps. The share is that of the held-out dates that the "
                "model translates without a mistake at this step.",
                "",
            ),
        ],
    ),
}

# With `flow`, the translator draws the whole model instead of a map.
FLOW = Tour(
    TOURS["DateTranslator"].parts,
    [
        *TOURS["DateTranslator"].steps[:2],
        (
            "flow",
            "The whole model: the encoder on the left, the decoder on the right. Each row is a token. Each "
            "striped block is the token's vector at one point of the model, one stripe per component.",
        ),
        (
            "sources",
            "The encoder's input: a tag for the target language, then the characters of the date. The "
            "encoder processes all of them in parallel.",
        ),
        (
            "outputs",
            "The decoder's output, generated one character at a time. Click one to see that step.",
        ),
        (
            "flow",
            "The ribbons are the cross-attention: which characters of the date the model attends to while "
            "generating the current one. The wider a ribbon, the larger its weight. Click a ribbon to see "
            "how the weight is computed.",
        ),
        (
            "bar",
            "Play the translation, move the slider to any step, or choose the layer and head whose "
            "cross-attention is shown.",
        ),
        (
            "heatmaps",
            "This button shows all heads as heatmaps. There you can also cut heads or weights to see what "
            "changes.",
        ),
    ],
)


def tour_of(widget: object) -> Tour:
    """The tour of a widget's class, or of the class that it derives from."""
    names = [cls.__name__ for cls in type(widget).__mro__]
    return next((TOURS[name] for name in names if name in TOURS), Tour({}, []))


def require_tour(widget: traitlets.HasTraits, tour: bool | Sequence, guide: Tour) -> list[list]:
    """The steps as [selector, words, traits]; `tour` is True for the usual ones, False for none."""
    if tour is False:
        return []
    steps = guide.steps if tour is True else tour
    if isinstance(steps, str) or not isinstance(steps, Sequence):
        raise TypeError(f"tour: got {type(tour).__name__}, wanted True, False or a list of steps")
    if not 1 <= len(steps) <= MOST:
        raise ValueError(f"tour: got {len(steps)} steps, wanted 1 to {MOST}")
    checked = []
    for number, step in enumerate(steps, start=1):
        name = f"tour, step {number}"
        if not isinstance(step, list | tuple) or len(step) not in (2, 3):
            raise TypeError(f"{name}: got {step!r}, wanted (part, words) or (part, words, traits)")
        part, words, traits = [*step, {}][:3]
        if not isinstance(part, str) or part not in guide.parts:
            raise ValueError(f"{name}: got part {part!r}, wanted one of {', '.join(guide.parts)}")
        if not isinstance(words, str) or not 1 <= len(words.strip()) <= LONGEST:
            raise ValueError(f"{name}: got {words!r} as words, wanted 1 to {LONGEST} characters")
        if not isinstance(traits, dict):
            raise TypeError(f"{name}: got {type(traits).__name__} as traits, wanted a dictionary")
        if traits:
            try_traits(widget, name, traits)
        checked.append([guide.parts[part], words, traits])
    return checked


def try_traits(widget: traitlets.HasTraits, name: str, traits: dict) -> None:
    """Raise unless the widget accepts these values of its public traits."""
    known = [one for one, trait in widget.traits(sync=True).items() if is_public(one, trait)]
    before = {trait: getattr(widget, trait) for trait in known}
    for trait in traits:
        if trait not in known:
            raise ValueError(f"{name}: got trait {trait!r}, wanted one of {', '.join(sorted(known))}")
    try:
        with widget.hold_sync():
            for trait, value in traits.items():
                setattr(widget, trait, value)
    except (traitlets.TraitError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
    finally:
        with widget.hold_sync():
            for trait, value in before.items():
                setattr(widget, trait, value)


def is_public(name: str, trait: traitlets.TraitType) -> bool:
    """Whether a trait is a setting of the widget, and not its data or a trait of all Jupyter widgets."""
    return not (name.startswith("_") or trait.read_only or name in ("layout", "tabbable", "tooltip"))
