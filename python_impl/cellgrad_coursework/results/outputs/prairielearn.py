"""The results.json of a PrairieLearn external grader: what it writes for one submission.

A file that cannot be read is ``gradable: false``, which costs the student no attempt. Points
stand on every test. The file is kept below 1 MB.
"""

from __future__ import annotations

import json
from typing import Any

from cellgrad_coursework.model import CellVerdict, Grade
from cellgrad_coursework.results.feedback.summary import MEANINGS, WORDS, summary
from cellgrad_coursework.results.outputs.gradescope import one_line_kept
from cellgrad_coursework.results.outputs.text import one_line

MAX_BYTES = 1_000_000
_CUTS = (2_000, 400, 80, 0)


def prairielearn_results(grade: Grade) -> dict[str, Any]:
    """Return the object of results.json."""
    if grade.problem:
        return {"gradable": False, "format_errors": [_harmless(grade.problem)]}
    told = summary(grade)
    lines = [told.sentence, *([told.late_words] if told.late_words else [])]
    for place, cause in told.numbered:
        number = f"{place}. " if place else ""
        lines.append(f"{number}{cause.first.cell.label}: {cause.title}")
        lines += [f"   {line}" for line in (cause.why, cause.fix, cause.reach) if line]
    share = grade.score / grade.of if grade.of else 0.0
    results: dict[str, Any] = {
        "gradable": True,
        "score": min(max(round(share, 9), 0.0), 1.0),
        "message": one_line(told.sentence),
        "output": "\n".join(one_line_kept(line) for line in lines),
        "tests": [],
    }
    for cut in _CUTS:
        results["tests"] = [_test(verdict, cut) for verdict in grade.verdicts]
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


def _test(verdict: CellVerdict, cut: int) -> dict[str, Any]:
    cell = verdict.cell
    message = verdict.message or MEANINGS[verdict.verdict]
    if verdict.formula:
        message += f" Yours: {verdict.formula}"
    return {
        "name": f"{cell.label} ({cell.address})",
        "description": f"{cell.equation or 'cell'}: {WORDS[verdict.verdict]}",
        "points": round(verdict.points, 6),
        "max_points": cell.points,
        "message": one_line(message)[:cut],
    }


def _harmless(text: str) -> str:
    """Return a line that means nothing as HTML: format errors are shown as they are."""
    return one_line(text).replace("<", "‹").replace(">", "›").replace("&", "+")
