"""The chunks of a published model are its file, cut where a page needs it."""

import hashlib
import json

import numpy as np
import pytest

from attnbook.pretrained import chunks
from attnbook.pretrained.files import cache_folder

E5, SMOLLM = "multilingual-e5-small", "smollm2-135m-instruct"


@pytest.fixture(scope="module", params=[E5, SMOLLM])
def name(request, published):
    return request.param


def test_chunks_are_the_published_file(name):
    listed = chunks.manifest(name)
    whole = (cache_folder() / name / listed["file"]).read_bytes()
    assert hashlib.sha256(whole).hexdigest() == listed["sha256"]
    names = chunks.chunk_names(listed)
    hashes = [one for part in listed["parts"].values() for one in part["sha256"]]
    digest = hashlib.sha256()
    for (file, (start, end)), expected in zip(names.items(), hashes, strict=True):
        content = chunks.chunk_file(name, file)
        assert len(content) == end - start <= chunks.LARGEST
        assert hashlib.sha256(content).hexdigest() == expected
        digest.update(content)
    assert digest.hexdigest() == listed["sha256"]


def test_the_manifest_is_small_and_names_the_licence(name):
    text = chunks.chunk_file(name, chunks.MANIFEST)
    assert len(text) < 40_000
    listed = json.loads(text)
    assert listed == chunks.manifest(name)
    assert all((cache_folder() / name / notice).is_file() for notice in listed["notices"])
    assert len(listed["notices"]) == 2


def test_each_token_has_its_row_in_one_chunk(published):
    model, _ = published(E5)
    table = chunks.manifest(E5)["parts"]["rows"]
    width = 384 // 32 * 18  # bytes of a row: 12 blocks of a scale in 16 bits and 32 numbers of 4 bits
    assert table["size"] % width == 0
    assert table["end"] - table["start"] == width * len(model.tokens.weight)
    token = 123_456
    block, row = divmod(token, table["size"] // width)
    content = chunks.chunk_file(E5, f"rows-{block}.bin")[row * width : (row + 1) * width]
    blocks = np.frombuffer(content, np.dtype([("scale", "<f2"), ("packed", "u1", 16)]))
    packed = np.concatenate([blocks["packed"] & 15, blocks["packed"] >> 4], axis=1).astype(np.float32) - 8
    decoded = (packed * blocks["scale"][:, None].astype(np.float32)).ravel()
    np.testing.assert_array_equal(decoded, model.tokens.weight[token].detach().numpy())


def test_a_sentence_needs_less_than_25_megabytes():
    """All of "head" and "layers", and a chunk of rows for each of 24 tokens."""
    parts = chunks.manifest(E5)["parts"]
    size = {part: fields["end"] - fields["start"] for part, fields in parts.items()}
    assert size["head"] + size["layers"] + 24 * parts["rows"]["size"] < 25e6


@pytest.mark.parametrize("file", ["rows-489.bin", "rows-01.bin", "../manifest.json", "e5-small-q4.bin", ""])
def test_other_files_are_refused(file):
    with pytest.raises(ValueError, match="has no chunk"):
        chunks.chunk_file(E5, file)
