"""Packs the built site into one file: `python -m bookpress.pack FOLDER FILE.zip`.

The same site always gives the same bytes: files are sorted and have one date and the same permissions.
"""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LEFT_OUT = {".buildinfo"}  # Sphinx's hash of its settings


def pack(site: Path, file: Path) -> None:
    """Write the files of `site` into `file`, below a folder of the same name."""
    with ZipFile(file, "w", compresslevel=9) as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file() and path.name not in LEFT_OUT):
            entry = ZipInfo(f"{file.stem}/{path.relative_to(site).as_posix()}")  # of 1 January 1980
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the permissions count
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    site, file = map(Path, sys.argv[1:])
    pack(site, file)
    print(f"The site is packed: {file} ({file.stat().st_size / 1e6:.1f} MB). Unpack it and open index.html.")
