"""The site's style sheet: what others import and what no page needs."""

import pytest
import tinycss2
from sphinx.errors import ExtensionError

from bookpress.extension import styles


def joined(folder, *sheets: str, classes=()) -> str:
    """The rules of `sheets`, the first of which is `a/main.css`, for pages with these classes."""
    (folder / "a").mkdir(exist_ok=True)
    for name, text in zip(("a/main.css", "other.css"), sheets, strict=False):
        (folder / name).write_text(text, "utf8")
    return tinycss2.serialize(styles.needed(styles.parse(folder, "a/main.css"), set(classes)))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (".here{x:y}", ".here{x:y}"),
        (".gone{x:y}", ""),
        (".here, .gone > p{x:y}", ".here{x:y}"),
        ("p:not(.gone) , .gone{x:y}", "p:not(.gone){x:y}"),
        ("[title='.gone, {'] .here{x:y}", '[title=".gone, {"] .here{x:y}'),
        (r".sm\:gone{x:y}", ""),
        ("@media print{.gone{x:y}}", ""),
        ("@media print{.gone{x:y} .here{x:y}}", "@media print{.here{x:y}}"),
        ("@font-face{font-family:gone}", "@font-face{font-family:gone}"),
        ("@keyframes gone{from{x:y}}", "@keyframes gone{from{x:y}}"),
    ],
)
def test_rules_for_other_classes_are_dropped(tmp_path, rule, kept):
    assert joined(tmp_path, rule, classes=["here"]) == kept


def test_comments_and_white_space_are_dropped_but_not_in_strings(tmp_path):
    sheet = '/* a */ p /* b */ {\n  content : "a  /* b */" ;\n /* c */ --empty: ;\n margin: 0   1px\n}\n'
    assert joined(tmp_path, sheet) == 'p{content : "a  /* b */";--empty:;margin: 0 1px}'


def test_imports_come_in_place_and_addresses_stay_right(tmp_path):
    main = (
        '@charset "utf-8"; @import "../other.css"; p{a:url(x.png);b:url("../y.png");c:url(data:,z);d:url(#i)}'
    )
    assert joined(tmp_path, main, "b{a:url(/w.png)}") == (
        'b{a:url(/w.png)}p{a:url(a/x.png);b:url("y.png");c:url(data:,z);d:url(#i)}'
    )


def test_a_sheet_that_is_no_css_fails_the_build(tmp_path):
    with pytest.raises(ExtensionError, match=r"a/main\.css, line 2"):
        joined(tmp_path, "p{}\nq")


def test_sheets_keep_the_order_of_every_page():
    assert styles.in_order([["a", "c"], ["a", "b", "c"], ["c", "d"]]) == ["a", "b", "c", "d"]


def test_a_sheet_that_the_theme_no_longer_has_is_forgotten(tmp_path):
    (tmp_path / "kept.css").write_text("")
    sheet = tmp_path / styles.SHEET
    sheet.write_text(f"{styles.JOINED}kept.css gone.css */\np{{}}")
    assert styles.joined_before(sheet) == ["kept.css"]
    assert styles.joined_before(tmp_path / "none.css") == []
