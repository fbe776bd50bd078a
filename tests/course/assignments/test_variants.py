"""The variants of each assignment: the model solution fits its own year, and another year's does not."""

import nbformat
import pytest

from bookpress import ROOT
from coursework.variants import VariantError, variant

NUMBERS = sorted(path.name[2:] for path in (ROOT / "course" / "source").glob("ch*"))
YEARS = (2026, 2027, 2028)


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("number", NUMBERS)
def test_the_model_solution_passes_in_every_variant(homework, number, year):
    result = homework.grade(number, year=year)
    assert result.lost == {}
    assert sum(result.points.values()) > 10


@pytest.mark.parametrize("number", NUMBERS)
def test_last_years_answers_lose_points(homework, number):
    """Compared with the next year, and with the notebook as it is."""
    answers = {cell.name: cell.source for cell in homework.cells(number, YEARS[0]) if cell.is_task}
    for year in (YEARS[1], 0):
        lost = homework.grade(number, answers, year).lost
        assert sum(lost.values()) >= 2
        assert set(lost) < {cell.name for cell in homework.cells(number) if cell.is_test}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_variant_changes_texts_only(homework, number):
    names = [cell.name for cell in homework.cells(number)]
    texts = set()
    for year in (*YEARS, 0):
        cells = homework.cells(number, year)
        assert [cell.name for cell in cells] == names
        texts.add("\n".join(cell.source for cell in cells))
    assert len(texts) == len(YEARS) + 1


@pytest.fixture
def small(tmp_path):
    """A notebook of one cell and a function that writes its variants.toml."""
    path = tmp_path / "ch01" / "variants.toml"
    path.parent.mkdir()
    cell = nbformat.v4.new_code_cell("ten = 10\nten_more = ten + 10  # 100")

    def make(text: str, year: int = 2027) -> str:
        path.write_text(text)
        return variant(nbformat.v4.new_notebook(cells=[cell]), path, year).cells[0].source

    return make


def test_whole_words_are_replaced_all_at_once(small):
    text = '[[change]]\nnotebook = ["ten", "10"]\nvariants = [["10", "ten"], ["10", "ten"]]'
    assert small(text) == "10 = ten\nten_more = 10 + ten  # 100"
    assert small(text, year=0) == "ten = 10\nten_more = ten + 10  # 100"
    years = [
        small('[[change]]\nnotebook = ["10"]\nvariants = [["1"], ["2"], ["3"]]', year) for year in range(1, 7)
    ]
    assert years[:3] == years[3:]
    assert len(set(years)) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("change = 1", "got"),
        ("[[change", "got"),
        ('[[change]]\nnotebook = ["10"]', "got 'variants'"),
        ('[[change]]\nnotebook = ["10"]\nvariants = [["1"]]', "at least two variants"),
        ('[[change]]\nnotebook = ["10"]\nvariants = [["1"], ["1", "2"]]', "each with as many texts"),
        ('[[change]]\nnotebook = ["11"]\nvariants = [["1"], ["2"]]', "'11' is not in the notebook"),
        ('[[change]]\nnotebook = ["te"]\nvariants = [["1"], ["2"]]', "'te' is not in the notebook"),
    ],
)
def test_an_invalid_file_is_named(small, text, says):
    with pytest.raises(VariantError, match=rf"variants\.toml of ch01.*{says}"):
        small(text)
