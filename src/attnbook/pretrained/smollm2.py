"""SmolLM2-135M-Instruct in a GGUF file, which holds quantized weights and the byte-level BPE tokenizer.

GGUF orders the features of queries and keys for interleaved rotary positions: features 2i and 2i + 1 of a
head form a pair. `transformers` has the same features in another order, and its pairs are i and i + d/2.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from attnbook.language_model import LanguageModel
from attnbook.pretrained.tensors import Uninitialized, dequantize
from attnbook.pretrained.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFReader

# Parts of the tensors' names in the file, and in `LanguageModel`.
NAMES = {
    "token_embd": "embeddings",
    "output_norm": "decoder.norm",
    "blk.": "decoder.layers.",
    "attn_norm": "add_norm1.norm",
    "attn_q": "self_attention.query",
    "attn_k": "self_attention.key",
    "attn_v": "self_attention.value",
    "attn_output": "self_attention.output",
    "ffn_norm": "add_norm2.norm",
    "ffn_gate": "feed_forward.gate",
    "ffn_up": "feed_forward.inner",
    "ffn_down": "feed_forward.outer",
}
# `LanguageModel` takes the padding's id for padding wherever it occurs, so it has to be one that no prompt
# contains. The file suggests <|im_end|>, which ends every message of a chat.
PAD = "<empty_output>"
SPECIAL = 3  # the file's number for the type of special tokens


def renamed(name: str) -> str:
    """The name in `LanguageModel` of a tensor of the file."""
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


def read(weights: Path) -> tuple[LanguageModel, Tokenizer]:
    """The model and tokenizer in the file `weights`."""
    from gguf import GGUFReader

    file = GGUFReader(weights)
    tokenizer = read_tokenizer(file)

    def size(name: str) -> int | float:
        return file.get_field(f"llama.{name}").contents()

    with Uninitialized():
        model = LanguageModel(
            size("vocab_size"),
            size("embedding_length"),
            size("attention.head_count"),
            size("attention.head_count_kv"),
            size("block_count"),
            size("feed_forward_length"),
            base=size("rope.freq_base"),
            interleaved=True,
            epsilon=size("attention.layer_norm_rms_epsilon"),
            pad=tokenizer.pad,
        )
    state = {}
    for tensor in file.tensors:  # GGUF lists sizes from the last axis to the first
        shape = [int(length) for length in tensor.shape[::-1]]
        state[renamed(tensor.name)] = dequantize(tensor.data, shape, tensor.tensor_type)
    model.load_state_dict(state, assign=True)
    return model.eval(), tokenizer


def read_tokenizer(file: "GGUFReader") -> Tokenizer:
    """The byte-level BPE tokenizer of the file: digits are cut one by one, and words as GPT-2 cuts them."""
    from tokenizers import Tokenizer as LibraryTokenizer
    from tokenizers import decoders, pre_tokenizers
    from tokenizers.models import BPE

    pieces, types, merges = (
        file.get_field(f"tokenizer.ggml.{name}").contents() for name in ("tokens", "token_type", "merges")
    )
    vocab = {piece: number for number, piece in enumerate(pieces)}
    library = LibraryTokenizer(BPE(vocab, [tuple(merge.split(" ")) for merge in merges]))
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([piece for piece, kind in zip(pieces, types, strict=True) if kind == SPECIAL])
    return Tokenizer(library, vocab[PAD], spell=spell)


def spell(token: str) -> str:
    """The text of a token, whose characters each represent a byte; `\\xe6` for a byte of a cut character."""
    return bytes(BYTES[character] for character in token).decode("utf-8", "backslashreplace")


# GPT-2's table: a byte that prints as a character is represented by it, the others by characters from 256 on.
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PRINTED]
BYTES = {chr(byte): byte for byte in PRINTED} | {chr(256 + i): byte for i, byte in enumerate(OTHERS)}
