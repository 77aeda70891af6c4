"""The results.json of Gradescope: what its autograder writes for one submission.

``score`` stands above the sum of the tests. Texts are shown as text: a top-level ``output`` would
be read as HTML unless its format is said.
"""

from __future__ import annotations

from typing import Any

from cellgrad_coursework.model import OK, OK_ECF, CellVerdict, Grade
from cellgrad_coursework.results.feedback.summary import MEANINGS, summary
from cellgrad_coursework.results.outputs.text import one_line

_LONG = 2_000


def gradescope_results(grade: Grade, *, visibility: str = "visible") -> dict[str, Any]:
    """Return the object of results.json.

    Args:
        grade: the grade of the submission.
        visibility: when students see the tests: ``visible``, ``after_due_date``,
            ``after_published`` or ``hidden``.
    """
    told = summary(grade)
    lines = [told.sentence]
    if told.late_words:
        lines.append(told.late_words)
    for place, cause in told.numbered:
        number = f"{place}. " if place else ""
        lines.append(f"{number}{cause.first.cell.label}: {cause.title}")
        lines += [f"   {line}" for line in (cause.why, cause.fix, cause.reach) if line]
    tests = [_test(place, verdict) for place, verdict in enumerate(grade.verdicts, 1)]
    if grade.problem:
        tests = [
            {
                "name": "The file can be read",
                "number": "1",
                "score": 0.0,
                "max_score": grade.of,
                "status": "failed",
                "output": one_line(grade.problem)[:_LONG],
                "tags": ["unreadable"],
                "visibility": "visible",
            }
        ]
    for test in tests:
        test.setdefault("visibility", visibility)
    return {
        "score": 0.0 if grade.problem else round(grade.score, 6),
        "output": "\n".join(one_line_kept(line) for line in lines),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {
            "file": one_line(grade.file),
            "sha256": grade.sha256,
            "review": [one_line(line) for line in grade.review],
            "notes": [one_line(line) for line in grade.notes],
            "potential_copying": [one_line(line) for line in grade.copying],
        },
        "tests": tests,
    }


def _test(place: int, verdict: CellVerdict) -> dict[str, Any]:
    cell = verdict.cell
    lines = [verdict.message or MEANINGS[verdict.verdict]]
    if verdict.formula:
        lines.append(f"yours: {verdict.formula}")
    return {
        "name": f"{cell.label} ({cell.address})",
        "number": str(place),
        "score": round(verdict.points, 6),
        "max_score": cell.points,
        "status": "passed" if verdict.verdict in (OK, OK_ECF) else "failed",
        "output": "\n".join(one_line(line) for line in lines)[:_LONG],
        "tags": [verdict.verdict, *([verdict.bug] if verdict.bug else [])],
    }


def one_line_kept(line: str) -> str:
    """Return a line without control characters, its indent kept."""
    return " " * (len(line) - len(line.lstrip(" "))) + one_line(line)[:_LONG]
