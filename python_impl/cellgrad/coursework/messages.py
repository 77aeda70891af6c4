"""One sentence for the student on each verdict; never the right formula, never its number."""

from __future__ import annotations

from cellgrad.bugs.catalogue import by_id
from cellgrad.coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    GradedCell,
)
from cellgrad.coursework.verdict import CIRCULAR, NO_NUMBER, NOT_FOUND, RIGHT_NUMBER, Finding


def message(
    cell: GradedCell, finding: Finding, *, bug: str = "", cause: str = "", repeats: str = "",
    convention: str = "",
) -> str:  # fmt: skip
    """Return what the student reads beside a cell.

    Args:
        cell: the cell.
        finding: what was found.
        bug: the catalogue's id of the mistake.
        cause: the address of the cell from whose mistake this one follows.
        repeats: the address of the cell where the same mistake was charged.
        convention: the convention by which the cell was judged.
    """
    said = {
        OK: f"Right ({_title(convention)})." if convention else "Right.",
        OK_ECF: "Right in itself: it follows correctly from "
        + (f"the mistake in {cause}." if cause else "what you had before."),
        BLANK: f"Nothing stands here; {cell.label} is asked for ({cell.equation}).",
        REVIEW: f"A person will look at this cell: {reason(finding.why)}.",
    }.get(finding.verdict)
    if said is not None:
        return said
    if finding.verdict == HARDCODED:
        return _hardcoded(cell, finding)
    mistake = _wrong(cell, finding, bug)
    if finding.verdict == EMBEDDED_CONSTANT:
        mistake = f"Right with your numbers only. {mistake}" if bug else (
            "Right with your numbers only: it would be wrong with others. Does a number stand in "
            f"it where it should refer to a cell? Compare {cell.equation}."
        )  # fmt: skip
    return mistake + _same(repeats)


def _hardcoded(cell: GradedCell, finding: Finding) -> str:
    if finding.why == NO_NUMBER:
        return f"A text stands here; {cell.label} is asked for as a formula ({cell.equation})."
    right = "The number is right, but it " if finding.why == RIGHT_NUMBER else "This "
    return f"{right}does not follow from anything given: a formula is asked for ({cell.equation})."


def _wrong(cell: GradedCell, finding: Finding, bug: str) -> str:
    if finding.why == CIRCULAR:
        return f"The formula leads back to its own cell in a circle; compare {cell.equation}."
    if finding.why == NO_NUMBER:
        return f"This is no number; {cell.label} is asked for ({cell.equation})."
    if bug:
        entry = by_id()[bug]
        return f"{entry.title} ({cell.equation}). {entry.fix}"
    if cell.takes == VALUE and finding.transplanted is None:
        return f"The number is not {cell.label}; compare {cell.equation}."
    return f"The formula does not compute {cell.label}; compare {cell.equation}."


def _same(repeats: str) -> str:
    return f" The same as in {repeats}, where it was charged." if repeats else ""


def _title(convention: str) -> str:
    entry = by_id().get(convention)
    return f"by the convention: {entry.title}" if entry is not None else "by a convention"


def reason(why: str) -> str:
    """Return in words why a person should look at a cell."""
    if why == NOT_FOUND:
        return "it was moved, and cannot be found by its name"
    return why or "it could not be judged"
