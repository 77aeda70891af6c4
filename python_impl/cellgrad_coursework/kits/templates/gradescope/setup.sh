#!/usr/bin/env bash
# Runs once, when Gradescope builds the image: installs Python and the wheel beside this file.
set -euo pipefail

source="${CELLGRAD_AUTOGRADER:-/autograder}/source"
python="${CELLGRAD_PYTHON:-}"
if [ -z "$python" ]; then
  apt-get update
  apt-get install -y --no-install-recommends python3 python3-venv
  python3 -m venv /opt/cellgrad
  python=/opt/cellgrad/bin/python
fi
"$python" -m pip install "$source"/{{wheel}}
