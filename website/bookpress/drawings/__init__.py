"""The book's drawings: every one of them, by the name of its file."""

from .attention import attention_matrices, heads_projected, qkv_lookup, qkv_projections
from .blocks import decoder_block
from .bottleneck import bottleneck
from .cabinet import filing_cabinet
from .calls import call_sites
from .clocks import position_clocks
from .decoding import decoder_attention
from .model import small_model
from .overview import PARTS, overview
from .pen import Drawing
from .stream import encoder_stream
from .whole import transformer


def drawings() -> dict[str, Drawing]:
    """All drawings, by file name."""
    maps = {f"map-{chapter:02}.svg": overview(chapter) for chapter in PARTS}
    return maps | {
        "04-call-sites.svg": call_sites(),
        "attention-matrices.svg": attention_matrices(),
        "bottleneck.svg": bottleneck(),
        "decoder-attention.svg": decoder_attention(),
        "decoder-block.svg": decoder_block(),
        "encoder-block.svg": encoder_stream(),
        "filing-cabinet.svg": filing_cabinet(),
        "heads-projected.svg": heads_projected(),
        "model.svg": small_model(),
        "position-clocks.svg": position_clocks(),
        "qkv-lookup.svg": qkv_lookup(),
        "qkv-projections.svg": qkv_projections(),
        "transformer.svg": transformer(),
    }
