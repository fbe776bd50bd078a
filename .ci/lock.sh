# Rewrites requirements.txt from pyproject.toml. Pins that still fit it stay; --upgrade replaces them all by the newest versions.
set -eu
cd "$(dirname "$0")/.."

lock=.venv/requirements.lock
cp requirements.txt "$lock"
.venv/bin/uv pip compile pyproject.toml --extra book --universal --python-version 3.11 \
    --no-header --no-annotate --quiet --output-file "$lock" "$@"
{ grep '^#' requirements.txt; grep -v -E '^(cuda|nvidia|triton)' "$lock"; } >"$lock.new"
mv "$lock.new" requirements.txt
rm "$lock"
