# Creates .venv and installs the pinned requirements and the packages into it. Called by make; safe to run again.
set -eu
cd "$(dirname "$0")/.."

# Succeeds on a Python that is new enough and can create virtual environments.
usable='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if "$candidate" -c "$usable" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    cat >&2 <<'MESSAGE'
The book needs Python 3.11 or newer with the venv module, but none was found.
  Debian, Ubuntu   sudo apt install python3 python3-venv      (Ubuntu 22.04: python3.11 python3.11-venv)
  macOS            brew install python@3.12
  elsewhere        https://www.python.org/downloads/
To choose another Python: make PYTHON=/path/to/python3
MESSAGE
    exit 1
fi

if ! .venv/bin/python -c "$usable" >/dev/null 2>&1; then
    echo "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

pinned() { grep "^$1==" requirements.txt | cut -d ' ' -f 1; }
uv() { VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv "$@"; }

echo "Installing requirements.txt (a few minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$(pinned uv)"

# uv knows PyTorch's index of CPU builds. If that index cannot be reached, install torch from the default index first.
log=.venv/install.log
if ! uv pip install --quiet --torch-backend=cpu -r requirements.txt >"$log" 2>&1; then
    echo "Can't reach PyTorch's index of CPU builds (see $log); installing $(pinned torch) from the default index"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$(pinned torch)"
    uv pip install --quiet -r requirements.txt
fi
uv pip install --quiet --no-deps -e . -e course -e website

# Hide the JupyterLab extensions of nbgrader and notebook from readers; `make formgrader` starts nbgrader's pages itself.
mkdir -p .venv/etc/jupyter/labconfig
echo '{"disabledExtensions": {"@jupyter/nbgrader": true, "@jupyter-notebook/lab-extension": true}}' \
    >.venv/etc/jupyter/labconfig/page_config.json
rm -f .venv/etc/jupyter/jupyter_server_config.d/nbgrader.json
