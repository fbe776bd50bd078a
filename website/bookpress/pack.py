"""Packs the built site into one file: `python -m bookpress.pack FOLDER FILE.zip [--models]`.

The models that widgets fetch are left out unless `--models` is given: they are larger than all else together,
and a page opened from a file can't fetch them. The same site always gives the same bytes: files are sorted
and have one date and the same permissions.
"""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LEFT_OUT = {".buildinfo"}  # Sphinx's hash of its settings
MODELS = Path("_static", "models")


def pack(site: Path, file: Path, *, models: bool = False) -> None:
    """Write the files of `site` into `file`, below a folder of the same name."""
    kept = [path for path in sorted(site.rglob("*")) if path.is_file() and path.name not in LEFT_OUT]
    if not models:
        kept = [path for path in kept if site / MODELS not in path.parents]
    with ZipFile(file, "w", compresslevel=9) as archive:
        for path in kept:
            entry = ZipInfo(f"{file.stem}/{path.relative_to(site).as_posix()}")  # of 1 January 1980
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the permissions count
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    site, file = map(Path, sys.argv[1:3])
    pack(site, file, models="--models" in sys.argv[3:])
    print(f"The site is packed: {file} ({file.stat().st_size / 1e6:.1f} MB). Unpack it and open index.html.")
