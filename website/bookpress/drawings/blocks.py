"""One layer of the decoder, post-norm as in the paper, with shapes."""

from .pen import QKV, Drawing

LEFT, COLUMN, SIDE = 56, 162, 24  # the column of boxes, and the residual's way past them
MIDDLE = LEFT + COLUMN / 2
BOX, NORM = 34, 24


class Block(Drawing):
    """A layer that is drawn from its input, at the bottom, upwards."""

    def __init__(self, height: float) -> None:
        super().__init__(height)
        self.y = height

    def shape(self, y: float, words: str, kind: str = "word quiet") -> None:
        self.text(MIDDLE + 10, y, words, kind=kind, size=12, anchor="start")

    def up(self, distance: float, words: str = "") -> None:
        """A wire upwards, with the shape of what flows in it."""
        self.wire((MIDDLE, self.y), (MIDDLE, self.y - distance))
        if words:
            self.shape(self.y - distance / 2, words)
        self.y -= distance

    def attention(self, words: str, *, own: bool) -> None:
        """A box of attention: its three arrows, all from below, or key and value from the side."""
        start, foot = self.y, self.y - 22
        self.wire((MIDDLE, start), (MIDDLE, foot), head=False)
        places = {"Q": LEFT + 30, "K": MIDDLE, "V": LEFT + COLUMN - 30} if own else {"Q": MIDDLE}
        if own:
            self.wire((places["Q"], foot), (places["V"], foot), head=False)
        for letter, x in places.items():
            self.wire((x, foot), (x, foot - 22), kind=f"wire {QKV[letter]}")
            self.text(x + 10, foot - 11, letter, kind=f"word {QKV[letter]}")
        self.y = foot - 22 - BOX
        self.box(LEFT, self.y, COLUMN, BOX, words, kind="box lit", size=13)

    def forward(self) -> None:
        """Two linear layers with a ReLU between them."""
        self.up(30)
        self.y -= 66
        self.add("rect", kind="box lit", x=LEFT, y=self.y, width=COLUMN, height=66, rx=5)
        self.text(MIDDLE, self.y + 13, "Linear: d_ff → D", kind="word on", size=12.5)
        self.text(MIDDLE, self.y + 33, "ReLU", kind="word", size=12.5)
        self.text(MIDDLE, self.y + 53, "Linear: D → d_ff", kind="word on", size=12.5)

    def add_norm(self, fork: float) -> None:
        """The residual from the fork past the sub-layer, the sum, and the normalization."""
        self.up(16)
        plus = self.y - 9
        self.wire((MIDDLE, fork), (SIDE, fork), (SIDE, plus), (MIDDLE - 9, plus))
        self.add("circle", kind="box bare", cx=MIDDLE, cy=plus, r=9)
        self.text(MIDDLE, plus, "+", kind="word bold", size=14)
        self.y = plus - 9
        self.up(14)
        self.y -= NORM
        self.box(LEFT, self.y, COLUMN, NORM, "LayerNorm", size=12.5)

    def from_side(self, words: tuple[str, ...], y: float, kind: str = "wire light") -> None:
        """Something that comes in from the right."""
        self.wire((288, y), (LEFT + COLUMN, y), kind=kind)
        for row, line in enumerate(words):
            self.text(354, y - 24 + 15 * row, line, kind="word", size=12, anchor="end")

    def inner_width(self, length: str) -> None:
        """The width between the two linear layers."""
        self.text(
            LEFT + COLUMN + 8, self.y + 33, f"(B, {length}, d_ff)", kind="word quiet", size=12, anchor="start"
        )

    def memory(self) -> None:
        """Key and value of cross-attention, from the encoder's output at the side, and its mask."""
        for letter, y, beside in (("K", self.y + 10, -9), ("V", self.y + BOX - 8, 10)):
            self.wire((290, y), (LEFT + COLUMN, y), kind=f"wire {QKV[letter]}")
            self.text(LEFT + COLUMN + 16, y + beside, letter, kind=f"word {QKV[letter]}")
        for row, line in enumerate(("from the encoder", "(B, S, D)")):
            self.text(354, self.y - 30 + 15 * row, line, size=12, anchor="end")
        for row, line in enumerate(("padding mask", "(B, 1, 1, S)")):
            self.text(354, self.y + 50 + 15 * row, line, size=12, anchor="end")
        self.wire((264, self.y + 50), (198, self.y + 50), (198, self.y + BOX), kind="wire light")

    def enter(self, length: str) -> None:
        """What comes in from below, `length` tokens of it."""
        bottom = self.height
        self.text(MIDDLE, bottom - 12, f"from the layer below, (B, {length}, D)", kind="word", size=12.5)
        self.y = bottom - 22

    def self_attention(self, name: str, mask: tuple[str, str], length: str) -> None:
        """Self-attention with its mask, sum and norm."""
        fork = self.y - 12
        self.attention(name, own=True)
        self.from_side(mask, self.y + BOX / 2)
        self.shape(self.y - 9, f"(B, {length}, D)")
        self.add_norm(fork)

    def finish(self, length: str) -> None:
        """The feed-forward network with its sum and norm, and what goes out above."""
        fork = self.y - 12
        self.shape(self.y - 16, f"(B, {length}, D)")
        self.forward()
        self.inner_width(length)
        self.add_norm(fork)
        self.up(26, f"(B, {length}, D)")
        self.text(MIDDLE, self.y - 9, "to the next layer", kind="word", size=12.5)


def decoder_block() -> Drawing:
    block = Block(height=540)
    block.enter("T")
    block.self_attention("Masked self-attention", ("causal mask", "(T, T)"), "T")
    fork = block.y - 12
    block.attention("Cross-attention", own=False)
    block.memory()
    block.shape(block.y - 9, "(B, T, D)")
    block.add_norm(fork)
    block.finish("T")
    return block
