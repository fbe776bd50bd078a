"""What PyTorch makes of ten texts, for the test of the model in the page.

`python -m tests.package.widgets.language_reference` writes `language_reference.json`: per text its ids and,
per position, the five most likely next tokens with their probabilities.
"""

import json
from pathlib import Path

import torch

from attnbook import pretrained

FILE = Path(__file__).with_suffix(".json")
TEXTS = [
    "The robot carried the box up the stairs, put it down in front of the door and waited. Nobody "
    "came. After an hour it knocked, first softly, then louder, until a light went on in the kitchen "
    "and an old man asked who was there.",
    "In 1969, Apollo 11 landed on the Moon. Neil Armstrong and Buzz Aldrin spent 21 hours and 36 "
    "minutes on the surface, while Michael Collins stayed in orbit. They brought back 21.5 kilograms "
    "of rock and soil.",
    "def mean(numbers):\n    total = 0\n    for number in numbers:\n        total += number\n    "
    "return total / len(numbers)\n\nprint(mean([1, 2, 3, 4]))\n",
    "<|im_start|>user\nWhat is the capital of Italy, and which river flows through "
    "it?<|im_end|>\n<|im_start|>assistant\nThe capital of Italy is Rome, and the river Tiber flows "
    "through it.<|im_end|>\n",
    "Water boils at 100 degrees Celsius at sea level. On a high mountain the pressure of the air is "
    "lower, so it boils at a lower temperature, and eggs take longer to cook than in the valley "
    "below. Salt in the water raises the temperature again, though only by a fraction of a degree "
    "for each spoonful.",
    "El perro corre por el parque todas las mañanas. La niña le tira una pelota y él la trae de "
    "vuelta, contento y mojado.",
    "机器人必须遵守人类给它的命令，除非该命令违背了第一法则。",
    "one two three four five six seven eight nine ten one two three four five six seven eight nine "
    "ten one two three four five six",
    "Dear Ms Lee,\n\nThank you for your letter of 3 March. I'm afraid we can't send the parts before "
    "Friday, because our supplier is closed this week. We'll call you as soon as they "
    "arrive.\n\nBest wishes,\n",
    "Let f(x) = x^2 + 3x - 5. Then f'(x) = 2x + 3, so f has its minimum where 2x + 3 = 0, that is at "
    "x = -1.5, and f(-1.5) = -7.25.",
]


@torch.no_grad()
def main() -> None:
    model, tokenizer = pretrained.load("smollm2-135m-instruct")
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text)
        values, best = model(torch.tensor([ids]), need_weights=False)[0][0].softmax(-1).topk(5)  # (T, 5)
        likeliest = [
            [[token, round(share, 5)] for token, share in zip(tokenizer.tokens(row), shares, strict=True)]
            for row, shares in zip(best.tolist(), values.tolist(), strict=True)
        ]
        rows.append({"text": text, "ids": ids, "likeliest": likeliest})
    FILE.write_text(json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")
    print(sum(len(row["ids"]) for row in rows), "positions")


if __name__ == "__main__":
    main()
