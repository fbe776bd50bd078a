"""Chapter 1: bits to carry, and the ways between two words."""

import math

from attnbook.exercises.reading import judge_number, read_dict
from attnbook.exercises.registry import exercise

# --- 1.1 ---------------------------------------------------------------------------------------------------

LETTERS, STATE_BITS = 26, 64


@exercise(
    "1.1",
    "Bits by hand",
    task=(
        "give the number of different `strings` of 3 letters from an alphabet of 4, the `bits` that one of "
        "them carries, the bits of `thirty` letters from an alphabet of 26, and the `longest` string over "
        "26 letters that a memory of 64 bits can tell from all others of its length."
    ),
    praise=(
        "Bits grow in step with the length, and a memory of fixed size doesn't grow at all: at some length "
        "the one overtakes the other, however cleverly the memory is used."
    ),
)
def bits_by_hand(answer) -> str:
    given = read_dict(answer, ("strings", "bits", "thirty", "longest"))
    judge_number(
        given,
        "strings",
        4**3,
        0.01,
        [
            (4 * 3, "12 is 4 × 3. Each of the 3 places may hold any of the 4 letters: the choices multiply."),
            (3**4, "81 is 3⁴, four places with three letters each. Here there are 3 places and 4 letters."),
            (4 * 3 * 2, "24 counts strings in which no letter comes twice. A letter may come again."),
        ],
        "Each of the 3 places may hold any of the 4 letters, so the choices multiply.",
    )
    judge_number(
        given,
        "bits",
        6,
        0.01,
        [
            (
                3 * math.log(4),
                "this is 3·ln 4, with the natural logarithm. A bit is a choice between two: take log₂.",
            ),
            (
                math.log2(12),
                "this is log₂ 12. There are 4³ = 64 strings, not 12: the logarithm of 4³ is 3 · log₂ 4.",
            ),
            (2, "2 bits is one letter. There are three."),
            (64, "64 is the number of strings. Bits are its logarithm: how often must 2 double to reach it?"),
            (3 * 8, "24 is 8 bits a letter, as a file stores them. Four letters need only log₂ 4 bits each."),
        ],
        "L letters from V carry L · log₂ V bits.",
    )
    judge_number(
        given,
        "thirty",
        30 * math.log2(LETTERS),
        0.6,
        [
            (30 * math.log(LETTERS), "this is 30·ln 26, with the natural logarithm. Bits take log₂."),
            (30 * math.log10(LETTERS), "this is 30·log₁₀ 26. Bits take log₂."),
            (
                30 * 5,
                "150 gives each letter 5 whole bits, and 5 bits could tell 32 letters apart. For 26 it is "
                "log₂ 26 = 4.70 a letter.",
            ),
            (30 * 8, "240 is 8 bits a letter, as a file stores them. 26 letters need log₂ 26 bits each."),
            (math.log2(30 * LETTERS), "this is log₂(30 · 26). The length stands in front: 30 · log₂ 26."),
            (
                LETTERS * math.log2(30),
                "this is 26 · log₂ 30: length and alphabet have changed places.",
            ),
        ],
        "L letters from V carry L · log₂ V bits, here L = 30 and V = 26.",
    )
    judge_number(
        given,
        "longest",
        math.floor(STATE_BITS / math.log2(LETTERS)),
        0.01,
        [
            (14, "14 letters carry 65.8 bits, a little more than 64. Round down: it must still fit."),
            (12, "12 is 64 / 5 rounded down. A letter carries log₂ 26 = 4.70 bits, less than 5."),
            (8, "8 is 64 / 8, with 8 bits a letter. One of 26 letters carries only log₂ 26 = 4.70 bits."),
            (64, "64 letters would be one bit each, and one bit tells only two letters apart."),
            (2, "2 is 64 / 26 rounded down. Divide by the bits of a letter, log₂ 26, not by the letters."),
            (
                math.floor(STATE_BITS / math.log(LETTERS)),
                "this is 64 / ln 26. With log₂ a letter carries 4.70 bits.",
            ),
        ],
        "Divide the 64 bits by the bits of one letter, log₂ 26 = 4.70, and round to what still fits.",
    )
    return ""


# --- 1.2 ---------------------------------------------------------------------------------------------------

WORDS, KERNEL = 41, 5


@exercise(
    "1.2",
    "From the first word to the last",
    task=(
        "for a sentence of 41 words, give the number of cells or layers between the first word and what the "
        "network makes of the last: `recurrent` (cells), `convolution` (layers with a kernel of 5, which "
        "see as far to both sides) and `attention` (layers); then the number of `scores` that one layer of "
        "attention computes."
    ),
    praise=(
        "41, 20, 1, and 1681 scores for that 1. Attention doesn't abolish the cost of distance: it pays for "
        "all pairs at once, in parallel."
    ),
)
def path_lengths(answer) -> str:
    given = read_dict(answer, ("recurrent", "convolution", "attention", "scores"))
    distance, half = WORDS - 1, KERNEL // 2
    judge_number(
        given,
        "recurrent",
        WORDS,
        0.01,
        [
            (
                distance,
                "40 is the number of hand-overs from cell to cell. We count the cells: the first word passes "
                "its own cell too, and comes out of the last one's.",
            ),
            (1, "one cell reads one word. The first word must be handed on until the last one is read."),
        ],
        "One cell reads each word, and hands its state to the next.",
    )
    judge_number(
        given,
        "convolution",
        distance // half,
        0.01,
        [
            (
                distance // (KERNEL - 1),
                "10 is right for the whole window, 1 + n·4 ≥ 41. But half of that window lies beyond the "
                "last word. To *one* side a layer reaches 2 words further.",
            ),
            (math.ceil(WORDS / KERNEL), "9 lays windows of 5 side by side. Each layer moves on by 2, not 5."),
            (
                distance // KERNEL,
                "8 is 40 / 5. A kernel of 5 covers the word itself and 2 on either side: it moves on by 2.",
            ),
            (distance, "40 moves on one word a layer. A kernel of 5 reaches 2 words to one side."),
            (
                math.ceil(math.log(distance, KERNEL)),
                "3 would be right if each layer made the window 5 times as wide. It only adds to it.",
            ),
            (1, "one layer sees 5 words, and the two words are 40 apart."),
            (
                math.ceil(WORDS / half),
                "21 is 41 / 2 rounded up. From the first word to the last it is 40 places.",
            ),
        ],
        "A kernel of 5 reaches 2 words to either side, and each layer adds as much again. How many 2s to 40?",
    )
    judge_number(
        given,
        "attention",
        1,
        0.01,
        [
            (WORDS, "no word is handed on here: every word is compared with every word, in one layer."),
            (distance, "no word is handed on here: every word is compared with every word, in one layer."),
            (0, "not 0: the first word's value passes one layer of attention to reach the last."),
            (2, "one layer is enough: the last word's query meets the first word's key directly."),
        ],
        "The last word's query meets the first word's key directly.",
    )
    judge_number(
        given,
        "scores",
        WORDS**2,
        0.01,
        [
            (WORDS * distance, "1640 leaves out that each word meets itself, too."),
            (WORDS * distance // 2, "820 counts each pair once. But a's score for b is not b's score for a."),
            (
                WORDS * (WORDS + 1) // 2,
                "861 counts each pair once. But a's score for b is not b's score for a.",
            ),
            (WORDS, "41 is the scores of one word. All 41 words ask."),
            (2 * WORDS, "82 is 41 + 41. Each of 41 queries meets each of 41 keys."),
        ],
        "Each of the 41 words asks each of the 41 words, itself among them.",
    )
    return ""
