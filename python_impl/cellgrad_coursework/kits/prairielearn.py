"""What run.sh of the PrairieLearn kit runs: /grade/student in, /grade/results/results.json out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.files import read_limited, write_atomically
from cellgrad_coursework.kits.one import grade_folder, nothing
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.results.outputs.prairielearn import prairielearn_results
from cellgrad_coursework.results.outputs.text import one_line
from cellgrad_coursework.results.outputs.write import json_bytes

ROOT = "CELLGRAD_GRADE"
"""The environment variable that names another folder than /grade."""

_MOST = 64 << 20


def run() -> int:
    """Grade the submission; return the exit code.

    Raises:
        InputError: the kit is incomplete, or the results cannot be written.
    """
    root = Path(os.environ.get(ROOT) or "/grade")
    results = root / "results"
    results.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(root / "tests")
    # whatever becomes of this process, there is a result, and it costs the student nothing
    unfinished = nothing(manifest, "grading did not finish; tell your lecturer")
    write_atomically(results / "results.json", json_bytes(prairielearn_results(unfinished)))
    if _submitted(root / "data" / "data.json") == 0:
        grade = nothing(manifest, "no file was handed in")
    else:
        grade = grade_folder(manifest, root / "student")
    write_atomically(results / "results.json", json_bytes(prairielearn_results(grade)))
    for line in (*grade.review, *grade.notes, *grade.copying):
        sys.stdout.write(one_line(line) + "\n")
    return 0


def _submitted(path: Path) -> int | None:
    """Return how many files the question's data say were handed in; None if they do not say."""
    try:
        document = json.loads(read_limited(path, _MOST))
        files = document["submitted_answers"]["_files"]
        return len(files) if isinstance(files, list) else None
    except (InputError, ValueError, KeyError, TypeError, RecursionError):
        return None
