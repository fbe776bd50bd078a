"""multilingual-e5-small in a third party's 4-bit file, which holds the weights and the Unigram tokenizer.

The file, from its start (all numbers little-endian): sizes; the vocabulary's pieces and their scores; the
replacements of characters before tokenization; a directory of the tensors. Vectors are in float32. Matrices
are in blocks of 32 weights with one scale in float16, GGUF's format Q4_0, so `gguf` can dequantize them.
"""

import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from attnbook.bert import Bert
from attnbook.pretrained.chunks import Part
from attnbook.pretrained.tensors import Uninitialized, dequantize
from attnbook.pretrained.tokenizer import Tokenizer

# Parts of the tensors' names in the file, and in `Bert`.
EMBEDDINGS = {"word": "tokens", "pos": "positions", "type": "types", "ln": "norm"}
LAYER = {
    "q": "self_attention.query",
    "k": "self_attention.key",
    "v": "self_attention.value",
    "ao": "self_attention.output",
    "aln": "add_norm1.norm",
    "fi": "feed_forward.inner",
    "fo": "feed_forward.outer",
    "oln": "add_norm2.norm",
}
KINDS = {"w": "weight", "b": "bias"}
ROWS = 512  # of the token embedding in one chunk


class Cursor:
    """Reads a file front to back."""

    def __init__(self, path: Path) -> None:
        self.content, self.place = np.memmap(path, mode="r"), 0

    def bytes(self, count: int) -> bytes:
        self.place += count
        return self.content[self.place - count : self.place].tobytes()

    def numbers(self, form: str) -> tuple:
        """The next numbers, whose types are given as for `struct`."""
        return struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}")))


def renamed(name: str) -> str:
    """The name in `Bert` of a tensor: `encoder.layers.0.self_attention.query.weight` for `l0.q.w`."""
    stack, part, *kind = name.split(".")
    kind = KINDS[kind[0]] if kind else "weight"
    if stack == "emb":
        return f"{EMBEDDINGS[part]}.{kind}"
    return f"encoder.layers.{stack[1:]}.{LAYER[part]}.{kind}"


def parts(weights: Path) -> dict[str, Part]:
    """Parts of the file that a page fetches separately.

    "head": sizes, tokenizer and directory; "rows": the token embedding, of which a sentence needs a few
    chunks; "layers": all other tensors.
    """
    file = Cursor(weights)
    sizes = read_sizes(file)
    read_vocabulary(file)
    start, size = next((start, size) for name, _, start, size in directory(file) if name == "emb.word")
    return {
        "head": Part(0, start),
        "rows": Part(start, start + size, ROWS * size // sizes["vocab"]),
        "layers": Part(start + size, len(file.content)),
    }


def read(weights: Path) -> tuple[Bert, Tokenizer]:
    """The model and tokenizer in the file `weights`."""
    file = Cursor(weights)
    sizes = read_sizes(file)
    tokenizer = read_tokenizer(file)
    with Uninitialized():
        model = Bert(**sizes)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(read_tensors(file, shapes), assign=True)
    return model.eval(), tokenizer


def read_sizes(file: Cursor) -> dict[str, int | float]:
    """The arguments of `Bert` at the start of the file."""
    file.bytes(8)  # format and version
    names = ("d_model", "num_heads", "d_ff", "vocab", "max_length", "types", "epsilon")
    d_model, layers, *others = file.numbers("7ifi")[:-1]
    return {"num_layers": layers} | dict(zip(names, (d_model, *others), strict=True))


def directory(file: Cursor) -> Iterator[tuple[str, int, int, int]]:
    """Each tensor's name, whether it is quantized, its start and its size in bytes."""
    (count,) = file.numbers("i")
    for _ in range(count):
        (length,) = file.numbers("H")
        name = file.bytes(length).decode()
        quantized, _, start, size = file.numbers("BIQQ")
        yield name, quantized, start, size


def read_tensors(file: Cursor, shapes: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
    """The tensors of the directory at the cursor, in float32, by their names in `Bert`."""
    from gguf import GGMLQuantizationType

    state = {}
    for name, quantized, start, size in directory(file):
        name = renamed(name)
        kind = GGMLQuantizationType.Q4_0 if quantized else GGMLQuantizationType.F32
        state[name] = dequantize(file.content[start : start + size], shapes[name], kind)
    return state


class Vocabulary(NamedTuple):
    """What the file says about its tokenizer: pieces, their scores, special ids, replaced characters."""

    pieces: list[str]
    scores: tuple[float, ...]
    start: int
    end: int
    pad: int
    unknown: int
    replacements: dict[int, str]


def read_vocabulary(file: Cursor) -> Vocabulary:
    """The vocabulary at the cursor."""
    count, start, end, pad, unknown, size = file.numbers("5iQ")
    bounds = file.numbers(f"{count + 1}I")
    scores = file.numbers(f"{count}f")
    text = file.bytes(size)
    pieces = [text[bounds[i] : bounds[i + 1]].decode() for i in range(count)]
    count, _ = file.numbers("iI")
    replacements = {}
    for _ in range(count):
        character, length = file.numbers("IB")
        replacements[character] = "".join(map(chr, file.numbers(f"{length}I")))
    return Vocabulary(pieces, scores, start, end, pad, unknown, replacements)


def read_tokenizer(file: Cursor) -> Tokenizer:
    """The Unigram tokenizer at the cursor."""
    from tokenizers import AddedToken, decoders, pre_tokenizers, processors
    from tokenizers import Tokenizer as LibraryTokenizer
    from tokenizers.models import Unigram

    pieces, scores, start, end, pad, unknown, replacements = read_vocabulary(file)
    library = LibraryTokenizer(Unigram(list(zip(pieces, scores, strict=True)), unk_id=unknown))
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]  # "▁" before every word
    )
    library.decoder = decoders.Metaspace()
    library.post_processor = processors.TemplateProcessing(
        single=f"{pieces[start]} $A {pieces[end]}",
        special_tokens=[(pieces[start], start), (pieces[end], end)],
    )
    special = [pieces[number] for number in (start, pad, end, unknown)]
    library.add_special_tokens([*special, AddedToken("<mask>", lstrip=True)])

    def normalize(text: str) -> str:
        return unicodedata.normalize("NFC", text).translate(replacements)

    return Tokenizer(library, pad, normalize=normalize)
