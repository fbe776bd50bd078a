"""The report on similar submissions: copydetect's input, and the page made from its result.

Copydetect isn't among the pinned packages, so a stand-in takes its place.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from coursework.course import CourseError
from coursework.similarity import NEEDS, similarity

COPY = "def double(x):\n    y = x\n    return y + y"


class Stand:
    """A stand-in for copydetect that reports equal files as copies."""

    def __init__(self, test_dirs, boilerplate_dirs, extensions, display_t, autoopen, silent):
        assert (extensions, autoopen, silent) == (["py"], False, True)
        read = lambda folder: {str(path): path.read_text("utf8") for path in sorted(Path(folder).iterdir())}  # noqa: E731
        self.files, self.given = read(test_dirs[0]), read(boilerplate_dirs[0])
        Stand.last = self

    def run(self):
        names = list(self.files)
        self.found = [
            [0.6, 0.9, one, other, "a &lt;b&gt;", "<span class='highlight-green'>b</span>", 9]
            for place, one in enumerate(names)
            for other in names[place + 1 :]
            if self.files[one] == self.files[other]
        ]

    def get_copied_code_list(self):
        return self.found


@pytest.fixture
def stand(monkeypatch):
    monkeypatch.setitem(sys.modules, "copydetect", SimpleNamespace(CopyDetector=Stand))


def test_similar_pairs_are_named_and_shown(classroom, stand, browser):
    for student, code in {"ada": COPY, "bob": COPY, "cyd": "def double(x):\n    return 2 * x"}.items():
        classroom.hand_in(student, classroom.answer(double=code))
    classroom.hand_in("broken", "{")
    assert similarity(classroom.course, "1").splitlines() == [
        "ada and bob: 90% of the code alike",
        "ch01: 1 similar pair among 3 submissions, course/grades/ch01-similarity.html",
    ]
    compared = {Path(path).stem: text for path, text in Stand.last.files.items()}
    assert set(compared) == {"ada", "bob", "cyd"}
    assert "return y + y" in compared["ada"]
    assert "assert" not in compared["ada"]  # neither tests nor other given cells
    assert "import torch" not in compared["ada"]
    assert "raise NotImplementedError" in "".join(Stand.last.given.values())
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((classroom.folder / "grades" / "ch01-similarity.html").as_uri())
    assert page.locator("summary").all_inner_texts() == ["ada (60 %) and bob (90 %)"]
    assert page.locator("pre").all_text_contents() == ["a <b>", "b"]
    assert len(asked) == 1
    page.close()


def test_without_pairs_or_submissions_it_says_so(classroom, stand):
    with pytest.raises(
        CourseError, match="no submission for ch01 has been collected yet: make collect CH=01"
    ):
        similarity(classroom.course, "1")
    classroom.hand_in("ada", classroom.answer())
    assert "0 similar pairs among 1 submissions" in similarity(classroom.course, "1")
    page = classroom.folder / "grades" / "ch01-similarity.html"
    assert "There are no such pairs." in page.read_text("utf8")


def test_without_copydetect_it_says_how_to_get_it(classroom, monkeypatch):
    monkeypatch.setitem(sys.modules, "copydetect", None)
    with pytest.raises(CourseError, match=f"uv pip install {NEEDS}"):
        similarity(classroom.course, "1")
