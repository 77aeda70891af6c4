#!/usr/bin/env bash
# Grades every workbook in a folder of clones: grade-classroom.sh CLONES RESULTS
set -euo pipefail

if [ "$#" -ne 2 ]; then
  echo "use: grade-classroom.sh CLONES RESULTS" >&2
  exit 2
fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${CELLGRAD_PYTHON:-}"
if [ -z "$python" ]; then
  python3 -m venv "$here/.venv"
  python="$here/.venv/bin/python"
  "$python" -m pip install --quiet "$here"/{{wheel}}
fi
exec "$python" -m cellgrad grade "$1" --assignment "$here" -o "$2"
