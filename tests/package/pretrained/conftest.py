"""Texts to compare tokenizers on."""

import random

import pytest
from babel import Locale

LOCALES = (
    "am ar bg bn cs de el en es fa fi fr gu he hi hy is it ja ka km kn ko "
    "lo ml mr my ne pa pl pt ru si sw ta te th tr uk ur vi zh zh_Hant"
)
# Spaces and controls, digits, combining marks, right-to-left marks, emoji, special tokens, old scripts.
ODD = [
    "  two  spaces ",
    "tab\tand\nlines\r\n\n",
    "non\xa0breaking",
    "\x00null\x7f",
    "zero\u200bwidth\u200d",
    "\u202eturned",
    "0123456789",
    "3.14159e-10",
    "½ ² ٣ 三 ⅷ",
    "e\u0301 é Å ﬁ",
    "Straße İstanbul ǅ",
    "don't we'll I'M",
    "...!?¿—«»",
    "🤖👩‍🚀🇨🇳",
    "𐎀𓀀𝒳",
    "[CLS] [SEP] [MASK]",
    "<|im_start|>user",
    "<s></s><unk>",
    "snake_case(x[0]) += 1;",
    "https://example.org/a?b=c",
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return make_texts()


def make_texts() -> list[str]:
    """1,000 texts in 43 languages with odd characters among them."""
    chosen = random.Random(0)
    names = []
    for code in LOCALES.split():
        locale = Locale.parse(code)
        names.append([*locale.territories.values(), *locale.languages.values()])
    made = [*ODD]
    while len(made) < 1000:
        language = chosen.choice(names)
        words = chosen.sample(language, 4) + chosen.sample(ODD, chosen.randrange(2))
        made.append(chosen.choice([" ", ", ", "", "\n"]).join(words))
    return made
