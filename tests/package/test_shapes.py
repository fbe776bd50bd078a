"""The shapes in the signatures are true: the tests run once more with jaxtyping checking every call."""

import subprocess
import sys
from pathlib import Path

MODELS = ("attention", "masks", "embeddings", "parity", "transformer", "seq2seq", "generation", "training")


def test_every_call_has_the_annotated_shapes():
    here = Path(__file__).parent
    files = [here / f"test_{name}.py" for name in MODELS] + [here / "data"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not bad_input"]
    command += ["--jaxtyping-packages=attnbook,beartype.beartype", *map(str, files)]
    result = subprocess.run(command, cwd=here.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
