"""An encoder, a wall with one door, a decoder: what does not fit through the door is lost."""

from .pen import Drawing

LETTERS = "dbcafeg"
PITCH, FIRST, CELL = 44, 25, 32  # the encoder's and the decoder's cells, one per letter


def bottleneck() -> Drawing:
    drawing = Drawing(height=272)
    columns = [FIRST + PITCH * i for i in range(len(LETTERS))]
    door = columns[-1]
    drawing.text(8, 11, "Encoder: reads letter after letter", kind="word bold", size=13, anchor="start")
    for x, letter in zip(columns, LETTERS, strict=True):
        drawing.text(x, 32, letter, kind="word source", size=13)
        drawing.wire((x, 40), (x, 52), size=3)
        drawing.box(x - CELL / 2, 52, CELL, 24, "cell", kind="box", size=11.5)
        if x != door:
            drawing.wire((x + CELL / 2, 64), (x + PITCH - CELL / 2, 64), size=3)

    drawing.add("rect", kind="wall", x=0, y=104, width=door - 56, height=34)
    drawing.add("rect", kind="wall", x=door + 56, y=104, width=360 - door - 56, height=34)
    drawing.text((door - 56) / 2, 121, "nothing else gets through", kind="word", size=13)
    drawing.wire((door, 76), (door, 112), kind="wire lit")
    drawing.grid(door - 45.25, 114, 1, 8, cell=10)
    drawing.wire((door, 126), (door, 164), (columns[0], 164), kind="wire lit", head=False)
    drawing.text(
        door - 8, 152, "one context, always the same size", kind="word source", size=12.5, anchor="end"
    )

    for x, letter in zip(columns, LETTERS[::-1], strict=True):
        drawing.wire((x, 164), (x, 184), kind="wire lit")
        drawing.box(x - CELL / 2, 184, CELL, 24, "cell", kind="box", size=11.5)
        if x != door:
            drawing.wire((x + CELL / 2, 196), (x + PITCH - CELL / 2, 196), size=3)
        drawing.wire((x, 208), (x, 222), size=3)
        drawing.text(x, 231, letter, kind="word target", size=13)
    drawing.text(8, 257, "Decoder: writes them backwards", kind="word bold", size=13, anchor="start")
    return drawing
