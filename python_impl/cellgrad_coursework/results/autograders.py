"""What an autograder answers about one submission: Gradescope, PrairieLearn, GitHub Classroom.

Gradescope's ``score`` stands above the sum of the tests; a top-level ``output`` would be read as
HTML unless its format is said. PrairieLearn takes a file that cannot be read as ``gradable:
false``, which costs the student no attempt; points stand on every test, and the file is kept
below 1 MB. A classroom's workflow has a summary in Markdown beside the points.
"""

from __future__ import annotations

import json
from typing import Any

from cellgrad_coursework.model import OK, OK_ECF, CellVerdict, Grade
from cellgrad_coursework.results.gradebooks import one_line
from cellgrad_coursework.results.summary import (
    MEANINGS,
    MOST_CAUSES,
    WORDS,
    Summary,
    plain_number,
    summary,
)

MAX_BYTES = 1_000_000
"""PrairieLearn takes no larger results."""

_CUTS = (2_000, 400, 80, 0)
_LONG = 2_000
_SHORT = 500


def _report(told: Summary) -> str:
    """Return the grade in lines of text: the sentence, then each cause."""
    lines = [("", told.sentence), ("", told.late_words)]
    for place, cause in told.numbered:
        number = f"{place}. " if place else ""
        lines.append(("", f"{number}{cause.first.cell.label}: {cause.title}"))
        lines += [("   ", line) for line in (cause.why, cause.fix, cause.reach)]
    return "\n".join(indent + one_line(line)[:_LONG] for indent, line in lines if line)


def _name(verdict: CellVerdict) -> str:
    return f"{verdict.cell.label} ({verdict.cell.address})"


def _message(verdict: CellVerdict) -> str:
    return verdict.message or MEANINGS[verdict.verdict]


def _is_right(verdict: CellVerdict) -> bool:
    return verdict.verdict in (OK, OK_ECF)


# Gradescope


def gradescope_results(grade: Grade, *, visibility: str = "visible") -> dict[str, Any]:
    """Return the object of results.json.

    Args:
        grade: the grade of the submission.
        visibility: when students see the tests: ``visible``, ``after_due_date``,
            ``after_published`` or ``hidden``.
    """
    tests = [
        _gradescope_test(place, verdict) | {"visibility": visibility}
        for place, verdict in enumerate(grade.verdicts, 1)
    ]
    if grade.problem:
        unreadable = {
            "name": "The file can be read",
            "number": "1",
            "score": 0.0,
            "max_score": grade.of,
            "status": "failed",
            "output": one_line(grade.problem)[:_LONG],
            "tags": ["unreadable"],
            "visibility": "visible",
        }
        tests = [unreadable]
    return {
        "score": 0.0 if grade.problem else round(grade.score, 6),
        "output": _report(summary(grade)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {
            "file": one_line(grade.file),
            "sha256": grade.sha256,
            "review": [*map(one_line, grade.review)],
            "notes": [*map(one_line, grade.notes)],
            "potential_copying": [*map(one_line, grade.copying)],
        },
        "tests": tests,
    }


def _gradescope_test(place: int, verdict: CellVerdict) -> dict[str, Any]:
    lines = [_message(verdict)]
    if verdict.formula:
        lines.append(f"yours: {verdict.formula}")
    return {
        "name": _name(verdict),
        "number": str(place),
        "score": round(verdict.points, 6),
        "max_score": verdict.cell.points,
        "status": "passed" if _is_right(verdict) else "failed",
        "output": "\n".join(one_line(line) for line in lines)[:_LONG],
        "tags": [verdict.verdict, *([verdict.bug] if verdict.bug else [])],
    }


# PrairieLearn


def prairielearn_results(grade: Grade) -> dict[str, Any]:
    """Return the object of results.json."""
    if grade.problem:
        return {"gradable": False, "format_errors": [_harmless(grade.problem)]}
    told = summary(grade)
    share = grade.score / grade.of if grade.of else 0.0
    results: dict[str, Any] = {
        "gradable": True,
        "score": min(max(round(share, 9), 0.0), 1.0),
        "message": one_line(told.sentence),
        "output": _report(told),
        "tests": [],
    }
    for cut in _CUTS:
        results["tests"] = [_prairielearn_test(verdict, cut) for verdict in grade.verdicts]
        if len(json.dumps(results)) < MAX_BYTES:
            return results
    results["output"] = ""
    results["tests"] = [
        {
            "name": "All cells",
            "description": "There are too many to list them one by one.",
            "points": round(told.points, 6),
            "max_points": grade.of,
            "message": one_line(told.sentence),
        }
    ]
    return results


def _prairielearn_test(verdict: CellVerdict, cut: int) -> dict[str, Any]:
    message = _message(verdict)
    if verdict.formula:
        message += f" Yours: {verdict.formula}"
    return {
        "name": _name(verdict),
        "description": f"{verdict.cell.equation or 'cell'}: {WORDS[verdict.verdict]}",
        "points": round(verdict.points, 6),
        "max_points": verdict.cell.points,
        "message": one_line(message)[:cut],
    }


def _harmless(text: str) -> str:
    """Return a line that means nothing as HTML: format errors are shown as they are."""
    return one_line(text).replace("<", "‹").replace(">", "›").replace("&", "+")


# GitHub Classroom


def classroom_results(grade: Grade) -> dict[str, Any]:
    """Return what GitHub Classroom's reporter reads: points of each test, and of all."""
    tests = [
        {
            "name": _name(v),
            "status": "pass" if _is_right(v) else "fail",
            "score": round(v.points, 6),
            "message": one_line(_message(v))[:_SHORT],
        }
        for v in grade.verdicts
    ]
    if grade.problem:
        message = one_line(grade.problem)[:_SHORT]
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
