"""The lecturer's own gradebook (a row a submission), and the list of what a person looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cellgrad_coursework.results.outputs.text import Field, csv_line, number
from cellgrad_coursework.results.record import COUNTED, Record

COLUMNS = {
    "student": "the student's id; empty where it could not be told whose the file is",
    "name": "as the roster has it",
    "email": "as the roster has it",
    "section": "as the roster has it",
    "status": "graded, unreadable, other assignment, missing (nothing handed in) or excused",
    "score": "what counts, lateness included; empty where there is nothing to count",
    "of": "points possible",
    "percent": "the score in hundredths of the points possible",
    "points": "before anything is taken off for lateness",
    "open": "points of cells that a person has to look at; they are not in the score yet",
    "late": "the share taken off, 0 to 1",
    "root_causes": "mistakes that nothing before them explains",
    "consequences": "cells that follow from an earlier mistake",
    **{name: f"cells with this verdict: {', '.join(v)}" for name, v in COUNTED.items()},
    "first_mistake": "the first root cause, in the order of the flow",
    "counts": "yes; no where the student handed in another file that does",
    "file": "the submitted file",
    "sha256": "of the file",
    "look_at": "why a person should look at it",
}
_IDS = [name in ("student", "sha256") for name in COLUMNS]

REVIEW_COLUMNS = {
    "student": "the student's id; empty where it could not be told",
    "name": "as the roster has it",
    "file": "the submitted file",
    "kind": "unreadable, other assignment, no student, not counted, review, potential copying "
    "or note",
    "reason": "in words",
}


def row(record: Record) -> dict[str, Any]:
    """Return what the gradebook says of a submission; numbers of points are rounded."""
    student, told = record.student, record.status == "graded"
    share = None if record.score is None or not record.of else 100 * record.score / record.of
    return {
        "student": student.id if student else "",
        "name": student.name if student else "",
        "email": student.email if student else "",
        "section": student.section if student else "",
        "status": record.status,
        "score": _points(record.score),
        "of": _points(record.of),
        "percent": None if share is None else round(share, 2),
        "points": _points(record.points),
        "open": _points(record.open) if told else None,
        "late": _points(student.late if student else 0.0),
        "root_causes": record.roots if told else None,
        "consequences": record.consequences if told else None,
        **{
            name: sum(record.counts.get(v, 0) for v in verdicts) if told else None
            for name, verdicts in COUNTED.items()
        },
        "first_mistake": record.first,
        "counts": "yes" if record.counting else "no",
        "file": record.file,
        "sha256": record.sha256,
        "look_at": "; ".join(f"{kind}: {reason}" for kind, reason in record.reasons),
    }


def gradebook_csv(records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the gradebook."""
    yield csv_line(COLUMNS)
    for record in records:
        fields: list[Field] = [_Shown(v) if isinstance(v, float) else v
                               for v in row(record).values()]  # fmt: skip
        yield csv_line(fields, _IDS)


def review_csv(records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the list for manual review: a line a reason."""
    yield csv_line(REVIEW_COLUMNS)
    for record in records:
        student = record.student
        who = [student.id if student else "", student.name if student else "", record.file]
        for kind, reason in record.reasons:
            yield csv_line([*who, kind, reason], [True, False, False, False, False])


class _Shown(float):
    """A number that is written without the noise of binary sums."""

    def __repr__(self) -> str:
        return number(float(self))


def _points(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0
