"""What a workflow of a git-based classroom runs: a repository in, a summary and results out."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from cellgrad.errors import InputError
from cellgrad.files import write_atomically
from cellgrad_coursework.kits.one import grade_folder
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import OK, OK_ECF, Grade
from cellgrad_coursework.results.feedback.summary import MEANINGS, WORDS, plain_number, summary
from cellgrad_coursework.results.outputs.text import one_line

MOST_CAUSES = 12


def run(arguments: list[str]) -> int:
    """Grade a repository; return the exit code: 0 whenever there is a grade.

    Args:
        arguments: the folder of the manifest, and the repository (by default, this one).

    Raises:
        InputError: there is no manifest, or a file cannot be written.
    """
    if not 1 <= len(arguments) <= 2:
        raise InputError("git takes a manifest and a repository", remedy="git MANIFEST [FOLDER]")
    manifest = read_manifest(Path(arguments[0]))
    grade = grade_folder(manifest, Path(arguments[1] if len(arguments) > 1 else "."))
    text = markdown(manifest.title, grade)
    sys.stdout.write(text)
    _append("GITHUB_STEP_SUMMARY", text)
    document = json.dumps(classroom_results(grade), allow_nan=False)
    _append("GITHUB_OUTPUT", f"result={base64.b64encode(document.encode()).decode()}\n")
    place = os.environ.get("CELLGRAD_RESULTS")
    if place:
        write_atomically(Path(place), f"{document}\n".encode())
    return 2 if grade.problem else 0


def classroom_results(grade: Grade) -> dict[str, Any]:
    """Return what GitHub Classroom's reporter reads: points of each test, and of all."""
    tests = [
        {
            "name": f"{v.cell.label} ({v.cell.address})",
            "status": "pass" if v.verdict in (OK, OK_ECF) else "fail",
            "score": round(v.points, 6),
            "message": one_line(v.message or MEANINGS[v.verdict])[:500],
        }
        for v in grade.verdicts
    ]
    if grade.problem:
        message = one_line(grade.problem)[:500]
        tests = [{"name": "the file", "status": "error", "score": 0, "message": message}]
    status = "pass" if all(test["status"] == "pass" for test in tests) else "fail"
    return {
        "version": 1,
        "status": "error" if grade.problem else status,
        "max_score": grade.of,
        "tests": tests,
    }


def markdown(title: str, grade: Grade) -> str:
    """Return the feedback as Markdown; the student's texts stand in it as texts."""
    told = summary(grade)
    lines = [f"## {_plain(title)}", ""]
    if grade.problem:
        return "\n".join([*lines, _plain(told.sentence), "", ""])
    score = f"**{plain_number(grade.score)} of {plain_number(grade.of)} points**"
    lines += [f"{score}: {_plain(told.sentence)}", ""]
    for number, cause in told.numbered[:MOST_CAUSES]:
        cell, mark = cause.first.cell, f"{number}." if number else "-"
        words = " ".join(filter(None, (cause.why, cause.fix, cause.reach)))
        lines.append(
            f"{mark} **{_plain(cell.label)}** ({cell.sheet}!{cell.address}): "
            f"{_plain(cause.title)}. {_plain(words)}"
        )
    if len(told.causes) > MOST_CAUSES:
        lines.append(f"\n… and {len(told.causes) - MOST_CAUSES} more.")
    lines += ["", "| cell | what | verdict | points |", "|---|---|---|---|"]
    for verdict in grade.verdicts:
        cell = verdict.cell
        points = f"{plain_number(verdict.points)} of {plain_number(cell.points)}"
        lines.append(
            f"| {cell.address} | {_plain(cell.label)} | {WORDS[verdict.verdict]} | {points} |"
        )
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """Return a text on one line that is neither Markdown nor HTML."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#!~@" else sign for sign in one_line(text))


def _append(variable: str, text: str) -> None:
    """Append to a file that the workflow names in an environment variable."""
    place = os.environ.get(variable)
    if not place:
        return
    try:
        with Path(place).open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", file=place, place=variable
        ) from error
