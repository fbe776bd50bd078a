"""all-MiniLM-L6-v2: a BERT encoder in a safetensors file, with its WordPiece tokenizer beside it."""

from pathlib import Path

from attnbook.bert import Bert
from attnbook.pretrained.tensors import Uninitialized
from attnbook.pretrained.tokenizer import Tokenizer

# Parts of the tensors' names in the file, and in `Bert`. Later lines apply to what earlier ones left.
NAMES = {
    "embeddings.word_embeddings": "tokens",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
    "encoder.layer.": "encoder.layers.",
    "attention.self.": "self_attention.",
    "attention.output.dense": "self_attention.output",
    "attention.output.LayerNorm": "add_norm1.norm",
    "intermediate.dense": "feed_forward.inner",
    "output.LayerNorm": "add_norm2.norm",
    "output.dense": "feed_forward.outer",
}
UNUSED = ("pooler.", "embeddings.position_ids")
HEADS = 12  # the only size that no tensor's shape shows


def renamed(name: str) -> str:
    """The name in `Bert` of a tensor of BERT as the library `transformers` names it."""
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


def read(weights: Path) -> tuple[Bert, Tokenizer]:
    """The model and tokenizer in `weights` and the `tokenizer.json` beside it."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer as LibraryTokenizer

    state = {
        renamed(name): tensor for name, tensor in load_file(weights).items() if not name.startswith(UNUSED)
    }
    (vocab, d_model), (max_length, _) = state["tokens.weight"].shape, state["positions.weight"].shape
    d_ff = len(state["encoder.layers.0.feed_forward.inner.bias"])
    layers = sum(name.endswith("query.weight") for name in state)
    with Uninitialized():
        model = Bert(vocab, d_model, HEADS, layers, d_ff, max_length)
    model.load_state_dict(state, assign=True)

    library = LibraryTokenizer.from_file(str(weights.with_name("tokenizer.json")))
    library.no_padding()  # the file pads and cuts every text to 128 tokens
    library.no_truncation()
    return model.eval(), Tokenizer(library, pad=library.token_to_id("[PAD]"))
