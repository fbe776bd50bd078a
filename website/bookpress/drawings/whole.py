"""The whole Transformer, large and labelled: two columns, six layers each, post-norm as in the paper."""

from .pen import QKV, Drawing

ENCODER, DECODER, COLUMN = 28, 196, 136
BOX, NORM = 36, 22


class Column:
    """One side of the drawing, from its tokens at the bottom upwards."""

    def __init__(self, drawing: Drawing, x: float, lane: float, y: float) -> None:
        self.drawing, self.x, self.lane, self.y = drawing, x, lane, y
        self.middle = x + COLUMN / 2

    def up(self, distance: float) -> None:
        self.drawing.wire((self.middle, self.y), (self.middle, self.y - distance))
        self.y -= distance

    def box(self, words: str, *, high: float = BOX, kind: str = "box") -> None:
        self.y -= high
        self.drawing.box(self.x, self.y, COLUMN, high, words, kind=kind, size=12)

    def tokens(self, words: str) -> None:
        """What comes in, and what makes vectors of it."""
        self.drawing.text(self.middle, self.y - 8, words, kind="word bold", size=12.5)
        self.y -= 17
        self.up(14)
        self.box("Embedding × √D", high=26)
        self.up(14)
        self.y -= 18
        self.drawing.add("circle", kind="box bare", cx=self.middle, cy=self.y + 9, r=9)
        self.drawing.text(self.middle, self.y + 9, "+", kind="word bold", size=14)
        side = self.middle - 22 if self.x == ENCODER else self.middle + 22
        anchor = "end" if self.x == ENCODER else "start"
        self.drawing.wire((side, self.y + 9), (self.middle + (9 if side > self.middle else -9), self.y + 9))
        away = -4 if anchor == "end" else 4
        self.drawing.text(side + away, self.y + 9, "positions", size=12, anchor=anchor)

    def attention(self, words: str, letters: str, given: str = "") -> float:
        """A box of attention and its arrows, some `given` from the side; tells where its residual leaves."""
        fork, foot = self.y - 11, self.y - 19
        own = [letter for letter in letters if letter not in given]
        places = {
            letter: self.x + place * COLUMN
            for letter, place in zip(letters, (0.12, 0.33, 0.8) if given else (0.2, 0.5, 0.8), strict=True)
        }
        columns = [places[letter] for letter in own]
        self.drawing.wire((self.middle, self.y), (self.middle, foot), head=False)
        self.drawing.wire((min(*columns, self.middle), foot), (max(*columns, self.middle), foot), head=False)
        for letter in letters:
            start = foot if letter in own else foot + 2
            x = places[letter]
            if letter in own:
                self.drawing.wire((x, start), (x, foot - 20), kind=f"wire {QKV[letter]}", size=3.4)
            self.drawing.text(x + 10, foot - 9, letter, kind=f"word {QKV[letter]}")
        self.y = foot - 20
        self.box(words, kind="box lit")
        self.places, self.foot = places, foot
        return fork

    def forward(self) -> float:
        fork = self.y - 11
        self.up(24)
        self.box("Feed-forward", high=26, kind="box lit")
        return fork

    def add_norm(self, fork: float) -> None:
        """The sum with what went in, normalized."""
        self.up(12)
        self.box("Add & Norm", high=NORM)
        edge = self.x if self.lane < self.x else self.x + COLUMN
        height = self.y + NORM / 2
        self.drawing.wire((self.middle, fork), (self.lane, fork), (self.lane, height), (edge, height))


def transformer() -> Drawing:
    drawing = Drawing(height=530)
    encoder = Column(drawing, ENCODER, 14, 526)
    decoder = Column(drawing, DECODER, 346, 526)
    for column, words in ((encoder, "source ids (B, S)"), (decoder, "target ids (B, T)")):
        column.tokens(words)
    bottom = encoder.y - 5

    fork = encoder.attention("Multi-head\nself-attention", "QKV")
    encoder.add_norm(fork)
    encoder.add_norm(encoder.forward())
    drawing.add("rect", kind="frame", x=6, y=encoder.y - 8, width=164, height=bottom - encoder.y + 8, rx=8)
    drawing.text(8, encoder.y - 20, "Encoder", kind="word bold", size=13, anchor="start")
    drawing.text(encoder.middle + 8, encoder.y - 20, "6 layers", size=12.5, anchor="start")

    fork = decoder.attention("Masked multi-head\nself-attention", "QKV")
    decoder.add_norm(fork)
    fork = decoder.attention("Multi-head\ncross-attention", "KVQ", given="KV")
    foot, places = decoder.foot, decoder.places
    decoder.add_norm(fork)
    decoder.add_norm(decoder.forward())
    drawing.add("rect", kind="frame", x=188, y=decoder.y - 8, width=166, height=bottom - decoder.y + 8, rx=8)
    drawing.text(190, decoder.y - 20, "Decoder", kind="word bold", size=13, anchor="start")
    drawing.text(decoder.middle + 8, decoder.y - 20, "6 layers", size=12.5, anchor="start")

    top = encoder.y - 36
    drawing.wire((encoder.middle, encoder.y), (encoder.middle, top), (179, top), (179, foot + 6), head=False)
    for letter, rail in (("K", foot + 6), ("V", foot + 6)):
        drawing.wire((179, rail), (places[letter], rail), head=False)
        drawing.wire(
            (places[letter], rail), (places[letter], foot - 20), kind=f"wire {QKV[letter]}", size=3.4
        )
    drawing.text(encoder.middle, top - 10, "memory (B, S, D)", size=12)

    decoder.up(40)
    decoder.box("Linear: D → V", high=24)
    decoder.up(12)
    decoder.box("Softmax", high=24)
    decoder.up(14)
    drawing.text(decoder.middle, decoder.y - 9, "next token (B, T, V)", kind="word bold", size=12.5)
    return drawing
