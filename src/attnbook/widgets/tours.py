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
                "Hover over a cell, or tap it, to read its weight. Click to lock its row, as the first row "
                "is now; click again to unlock it.",
                {"locked": 0},
            ),
            (
                "reading",
                "The weight as a number, and its rank in the row. The question mark lists the strongest keys "
                "of the row.",
                {"locked": 0},
            ),
            ("heads", "Each small map is another layer, head or model. Choose one to see it large."),
            (
                "colours",
                "All maps share one colour scale, so you can compare them. With “own colours”, each map uses "
                "the whole scale.",
            ),
            (
                "tools",
                "More views of the same weights, over the text or in a table. You can also change the "
                "colours and the order of the maps, and save a picture or a link.",
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
                "Each row of Q is a query: what one word looks for. K and V hold one key and one value per "
                "word.",
                {"step": 0, "selected": []},
            ),
            (
                "scores",
                "A score is the dot product of a query and a key, one for each pair.",
                {"step": 1, "selected": []},
            ),
            (
                "scaled",
                "Dividing by √d keeps the scores about the same size, however wide the vectors are.",
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
                "Click any number to see how it was computed, as for the first number of the output here. "
                "Click a framed number to go one step further back.",
                {"step": 5, "selected": ["output", 0, 0]},
            ),
            (
                "switches",
                "Switch the scale off, change the temperature or mask some keys: every number follows.",
            ),
            ("steps", "Next and Back move through the computation one step at a time."),
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
            ("text", "Type a date in any of nine languages. The model reads it character by character."),
            (
                "language",
                "Choose the language to translate into. The model reads it as a tag before the date.",
            ),
            (
                "answer",
                "The translation, one character after another. Click a character to see where the model "
                "attended when it generated it.",
            ),
            (
                "verdict",
                "The page checks the answer against the calendar. The model itself doesn't: it only "
                "translates.",
            ),
            (
                "map",
                "The cross-attention. Each row is a step that generates one character; each column is a "
                "character of your date.",
            ),
            ("frames", "Move the slider to go through the steps, or press play."),
            ("heads", "Each layer has several heads. Choose a small map to see it large."),
            (
                "tools",
                "Cut a head or a single weight, and the model translates again without it. Damage shows "
                "how much less likely this answer becomes without each head.",
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
                "The prompt as tokens. Click one to see what the model expects after it. The lines show "
                "where it attends in the chosen head.",
            ),
            ("next", "The most probable next tokens, with their probabilities."),
            (
                "heads",
                "All heads, with layers from left to right. The stronger the colour, the more weight a "
                "head gives to the kind of token chosen above the grid. Click a head to choose it.",
            ),
            (
                "map",
                "All weights of the chosen head, one row per query. Hatched cells are later tokens, which "
                "are masked.",
            ),
            (
                "cuts",
                "Cut heads to see what they contribute. Here four are cut: the table of next tokens now "
                "compares the probabilities with and without them.",
                {"cut": [[17, 3], [17, 4], [17, 5], [18, 6]]},
            ),
            (
                "effect",
                "In words: what the cut does to the most probable token. Some cuts are recorded; to try any "
                "other, load the model.",
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
                "How far does a signal travel from one word to another? Click two words, or drag the two "
                "flags.",
            ),
            (
                "recurrent",
                "A recurrent network passes the signal on from word to word, one step after another. The "
                "farther apart the words, the more steps.",
            ),
            (
                "convolution",
                "A convolution sees only a few neighbours, so distant words need several layers. The "
                "shaded area is everything that the upper word can depend on.",
            ),
            (
                "controls",
                "Wider kernels and more layers extend that area. Here the kernel is 9 words wide.",
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
                "A position as clock hands. Each dial is a pair of features: the height of the hand is the "
                "sine, its reach to the right the cosine.",
            ),
            ("position", "At position 20, all hands have turned, each at its own speed.", {"position": 20}),
            (
                "fastest",
                "The first hand is the fastest and distinguishes neighbours. The last one hardly moves and "
                "distinguishes positions that are far apart.",
                {"position": 20},
            ),
            (
                "offset",
                "The thinner hand on each dial is for the position k steps later. The angle between the "
                "two hands depends only on k, not on t.",
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
                "Each circle is a key. A larger circle in a stronger colour has a larger weight.",
            ),
            (
                "query",
                "The query. Drag it, or focus it and use the arrow keys, and watch the weights change.",
            ),
            ("table", "Each key's score, weight and value. The weights sum to 1."),
            ("average", "The output: the average of the values, weighted by the weights above."),
            (
                "temperature",
                "A high temperature makes the weights more equal, as here. A low one gives nearly all the "
                "weight to the best key.",
                {"temperature": 20},
            ),
            (
                "score",
                "Scored by distance, near keys get the most weight. Scored by dot product, as here, it is "
                "long keys in the query's direction.",
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
                "Each square is one of the 144 heads: layers from top to bottom, heads from left to right. "
                "Its stripes are the query's weights. Click a square to choose that head.",
            ),
            ("map", "The chosen head on the whole sentence: one row per query. The query's row is marked."),
            (
                "ranks",
                "The heads in which the query has the largest weight on another word. Choose a key, and the "
                "heads are ranked by the weight of that pair.",
            ),
            (
                "comparison",
                "Once the model is loaded, you can compare two sentences here, and cut heads above to see "
                "what depends on them.",
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
            "The whole model: on the left the encoder, on the right the decoder. Each row is a token, and "
            "each striped block is its vector at one point of the model.",
        ),
        (
            "sources",
            "The encoder's input: the tag for the language, then the characters of the date. All of them "
            "pass through the encoder at once.",
        ),
        (
            "outputs",
            "The decoder's output: it generates one character after another.",
        ),
        (
            "flow",
            "The ribbons in the middle are the cross-attention: they show which characters of the date the "
            "model attends to while it generates the next one. Click a ribbon to see how its weight is "
            "computed.",
        ),
        ("bar", "Play the translation, move the slider to any step, or choose a layer and a head."),
        (
            "heatmaps",
            "All heads as heatmaps, with tools to cut heads and weights and to see what changes.",
        ),
    ],
)


def tour_of(widget: object) -> Tour:
    """The tour of a widget's class, or of the class that it derives from."""
    names = [cls.__name__ for cls in type(widget).__mro__]
    return next((TOURS[name] for name in names if name in TOURS), Tour({}, []))


def check_tour(widget: traitlets.HasTraits, tour: bool | Sequence, guide: Tour) -> list[list]:
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
