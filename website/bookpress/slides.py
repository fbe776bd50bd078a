"""Writes a chapter's slides from its built page: `python -m bookpress.slides 04 _build/html _build/slides`.

With only a number it checks that there is such a chapter. `all` means every chapter.
"""

import sys
from pathlib import Path

import yaml

from bookpress import ROOT
from bookpress.deck import export
from bookpress.hub_links import chapters


def chosen(number: str, root: Path = ROOT) -> list[str]:
    """The names of the chapters with this number, or of all chapters, without file extension."""
    names = {Path(name).stem: title for name, title in chapters(root).items()}
    found = [name for name in names if number == "all" or name.partition("-")[0] == number.strip().zfill(2)]
    if not found:
        known = "\n".join(
            f"  make slides CH={name.partition('-')[0]}    {title}" for name, title in names.items()
        )
        problem = f"there is no chapter {number!r}" if number else "say which chapter"
        raise ValueError(f"{problem}:\n{known}\n  make slides CH=all   every chapter")
    return found


def main(number: str, site: str = "", folder: str = "") -> int:
    try:
        names = chosen(number)
    except ValueError as problem:
        print(f"slides: {problem}", file=sys.stderr)
        return 1
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    book = (settings["html"].get("baseurl") or "../html").rstrip("/")
    for name in names if site else []:
        target = Path(folder)
        count = export(Path(site) / "chapters" / f"{name}.html", target, book, settings["title"])
        print(f"{count} slides: {target / name}.html")
    if site:
        print("Open a file in the browser, F for the full screen, S for the speaker's notes, ? for all keys.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [""])))
