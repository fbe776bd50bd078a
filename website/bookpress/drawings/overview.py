"""The whole Transformer, small, with the part that a chapter builds lit up: a map of the book."""

from .pen import QKV, Drawing

LEFT, RIGHT, COLUMN = 12, 200, 148  # the encoder's and the decoder's column
HIGH, NORM, BEHIND = 24, 5, 6  # a box, the strip of Add & Norm above it, how far its heads look out behind it
TOKENS, EMBEDDING, FIRST, SECOND, THIRD, OUTPUT = (
    291,
    251,
    203,
    144,
    99,
    51,
)  # rows, from the bottom to the top
FRAME = 246  # where the layers' frames end
ENCODER = {"encoder self", "encoder forward", "encoder norm"}
DECODER = {"decoder self", "cross", "decoder forward", "decoder norm", "output"}
EMBEDDINGS = {"encoder embeddings", "decoder embeddings"}
PARTS = {
    1: {"encoder frame", "decoder frame", "memory"},
    2: {"projections"},
    3: {"cross"},
    4: {"encoder self", "decoder self", "cross", "heads"},
    5: {*ENCODER, "encoder frame", "heads"},
    6: {*DECODER, "decoder frame", "heads"},
    7: {*EMBEDDINGS},
    8: {*ENCODER, *DECODER, "encoder frame", "decoder frame", "heads", *EMBEDDINGS, "memory"},
    9: {*ENCODER, "encoder frame", "heads", "encoder embeddings"},
    10: {*(DECODER - {"cross"}), "decoder frame", "heads", "decoder embeddings"},
}
TITLES = {
    1: "Why attention",
    2: "Query, key, value",
    3: "The Attn class",
    4: "Self-attention",
    5: "The encoder",
    6: "The masked decoder",
    7: "Embeddings and position",
    8: "The whole Transformer",
    9: "A published encoder",
    10: "A language model",
}


def overview(chapter: int) -> Drawing:
    """The map of a chapter."""
    page = Map(PARTS[chapter])
    page.drawing.text(8, 16, "You are here", kind="word source", size=14, anchor="start")
    page.drawing.text(8, 35, f"{chapter}. {TITLES[chapter]}", size=13, anchor="start")
    page.frame("encoder", LEFT, SECOND, "Encoder", 123)
    page.frame("decoder", RIGHT, THIRD, "Decoder", 33)
    page.tokens(LEFT, "source", "encoder")
    page.tokens(RIGHT, "target so far", "decoder")
    page.attention(LEFT, FIRST, "Self-attention", "encoder self", "QKV")
    page.attention(RIGHT, FIRST, "Masked self-attention", "decoder self", "QKV")
    page.memory()
    page.attention(RIGHT, SECOND, "Cross-attention", "cross", "KVQ")
    page.forward(LEFT, SECOND, "encoder", below=FIRST)
    page.forward(RIGHT, THIRD, "decoder", below=SECOND)
    page.output()
    return page.drawing


class Map:
    """The drawing, and which of its parts are lit."""

    def __init__(self, lit: set[str]) -> None:
        self.lit, self.drawing = lit, Drawing(height=304)

    def state(self, name: str) -> str:
        return "lit" if name in self.lit else "quiet"

    def frame(self, name: str, x: float, row: float, words: str, heading: float) -> None:
        """The dashed frame around a stack's layer, and its name."""
        state = self.state(f"{name} frame")
        top = row - NORM - 8
        self.drawing.add(
            "rect", kind=f"frame {state}", x=x - 6, y=top, width=COLUMN + 12, height=FRAME - top, rx=8
        )
        kind = "word on" if state == "lit" else "word quiet"
        if name == "encoder":
            self.drawing.text(x - 4, heading, words, kind=kind, size=13, anchor="start")
        else:
            self.drawing.text(x + COLUMN + 4, heading, words, kind=kind, size=13, anchor="end")

    def tokens(self, x: float, words: str, stack: str) -> None:
        """What comes in at the bottom, and what makes vectors of it."""
        middle, state = x + COLUMN / 2, self.state(f"{stack} embeddings")
        self.drawing.text(middle, TOKENS, words, kind="word" if state == "lit" else "word quiet")
        self.drawing.wire((middle, TOKENS - 7), (middle, EMBEDDING + HIGH), kind="wire")
        self.drawing.box(x, EMBEDDING, COLUMN, HIGH, "Embedding + position", kind=f"box {state}")

    def norm(self, x: float, bottom: float, kind: str) -> None:
        """The strip of Add & Norm on top of a box."""
        self.drawing.box(x + 12, bottom - NORM, COLUMN - 24, NORM, kind=f"box {kind}", radius=2)

    def attention(self, x: float, y: float, words: str, name: str, letters: str) -> None:
        """A box with its heads behind it, and the arrows of query, key and value into it."""
        state = self.state(name)
        behind = state if "heads" in self.lit else "quiet"
        for step in (BEHIND, BEHIND / 2):
            self.drawing.box(x + step, y - step, COLUMN - BEHIND, HIGH, kind=f"box {behind}")
        self.drawing.box(x, y, COLUMN - BEHIND, HIGH, words, kind=f"box {state}")
        for place, letter in zip((0.2, 0.5, 0.8), letters, strict=True):
            column = x + place * COLUMN
            colored = QKV[letter] if state == "lit" or "projections" in self.lit else ""
            given = "lit" if name == "cross" and letter != "Q" and "memory" in self.lit else ""
            kind = f"wire {given or colored}".strip()
            self.drawing.wire((column, y + HIGH + 21), (column, y + HIGH), kind=kind, size=3.4)
            self.drawing.text(column + 10, y + HIGH + 13, letter, kind=f"word {colored or 'quiet'}")
        self.norm(x, y - BEHIND - 2, self.state("encoder norm" if name == "encoder self" else "decoder norm"))

    def memory(self) -> None:
        """The one way from the encoder to the decoder, which ends under K and V of cross-attention."""
        start, below, gap = LEFT + COLUMN / 2, SECOND + HIGH + 21, (LEFT + COLUMN + RIGHT) / 2
        kind = "wire lit" if "memory" in self.lit else "wire"
        bend = SECOND - NORM - 14
        self.drawing.wire(
            (start, SECOND - NORM - 2), (start, bend), (gap, bend), (gap, below), (RIGHT + COLUMN / 2, below),
            kind=kind, head=False,
        )  # fmt: skip

    def forward(self, x: float, y: float, name: str, below: float) -> None:
        """The feed-forward box, fed by the box below it."""
        middle = x + COLUMN / 2
        self.drawing.wire((middle, below - BEHIND - NORM - 2), (middle, y + HIGH), kind="wire")
        self.drawing.box(x, y, COLUMN, HIGH, "Feed-forward", kind=f"box {self.state(f'{name} forward')}")
        self.norm(x, y - 2, self.state(f"{name} norm"))

    def output(self) -> None:
        """From the decoder's vectors to the next token."""
        middle = RIGHT + COLUMN / 2
        self.drawing.wire((middle, THIRD - NORM - 2), (middle, OUTPUT + HIGH), kind="wire")
        self.drawing.box(RIGHT, OUTPUT, COLUMN, HIGH, "Linear, softmax", kind=f"box {self.state('output')}")
        self.drawing.wire((middle, OUTPUT), (middle, 20), kind="wire")
        self.drawing.text(middle, 11, "next token", kind="word quiet")
