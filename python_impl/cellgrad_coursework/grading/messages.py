"""One sentence for the student on each verdict; never the right formula, never its number."""

from __future__ import annotations

from cellgrad_audit.bugs.catalogue import CONVENTION, by_id
from cellgrad_coursework.grading.verdict import (
    CIRCULAR,
    HOLDS_ERROR,
    LOST_GIVENS,
    NO_NUMBER,
    NOT_FOUND,
    RIGHT_NUMBER,
    Finding,
)
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    GradedCell,
)


def message(
    cell: GradedCell,
    finding: Finding,
    *,
    bug: str = "",
    cause: str = "",
    unsettled: bool = False,
    repeats: str = "",
    forgiven: bool = True,
    convention: str = "",
    deviates: bool = False,
) -> str:
    """Return what the student reads beside a cell.

    Args:
        cell: the cell.
        finding: what was found.
        bug: the catalogue's id of the mistake.
        cause: the address of the cell from whose mistake this one follows.
        unsettled: whether a person has yet to look at that cell.
        repeats: the address of the cell where the same mistake was charged.
        forgiven: whether it is not charged again.
        convention: the convention by which the cell was judged.
        deviates: whether it would have been right without the convention.
    """
    said = {
        OK: f"Right ({_title(convention)})." if convention else "Right.",
        OK_ECF: "Right in itself: it follows correctly from "
        + (_cause(cause, unsettled=unsettled) if cause else "what you had before."),
        BLANK: f"Nothing stands here; {cell.label} is asked for ({cell.equation}).",
        REVIEW: f"A person will look at this cell: {reason(finding.why)}.",
    }.get(finding.verdict)
    if said is not None:
        return said
    if finding.verdict == HARDCODED:
        return _hardcoded(cell, finding)
    if deviates:
        return (
            f"Right by {cell.equation} as it stands, but not {_title(convention)}, which other "
            "cells of yours follow."
        )
    mistake = _wrong(cell, finding, bug)
    if finding.verdict == EMBEDDED_CONSTANT:
        mistake = f"Right with your numbers only. {mistake}" if bug else (
            "Right with your numbers only: it would be wrong with others. Does a number stand in "
            f"it where it should refer to a cell? Compare {cell.equation}."
        )  # fmt: skip
    return mistake + _same(repeats, forgiven=forgiven)


def _hardcoded(cell: GradedCell, finding: Finding) -> str:
    if finding.why == NO_NUMBER:
        return f"A text stands here; {cell.label} is asked for as a formula ({cell.equation})."
    if finding.why == HOLDS_ERROR:
        return _error(cell)
    right = "The number is right, but it " if finding.why == RIGHT_NUMBER else "This "
    return f"{right}does not follow from anything given: a formula is asked for ({cell.equation})."


def _wrong(cell: GradedCell, finding: Finding, bug: str) -> str:
    if finding.why == CIRCULAR:
        return f"The formula leads back to its own cell in a circle; compare {cell.equation}."
    if finding.why == NO_NUMBER:
        return f"This is no number; {cell.label} is asked for ({cell.equation})."
    if bug:
        entry = by_id()[bug]
        if entry.kind == CONVENTION and entry.fix.startswith("Nothing"):
            return f"{entry.title} ({cell.equation}): a convention that is not used here."
        return f"{entry.title} ({cell.equation}). {entry.fix}"
    if finding.why == HOLDS_ERROR:
        return _error(cell)
    typed = cell.takes == VALUE and finding.transplanted is None
    said = "The number is not" if typed else "The formula does not compute"
    return f"{said} {cell.label}; compare {cell.equation}."


def _error(cell: GradedCell) -> str:
    return (
        "The formula holds an error, such as #REF! where a cell that it read was deleted; "
        f"write it again ({cell.equation})."
    )


def _cause(cause: str, *, unsettled: bool) -> str:
    return f"{cause}, which a person will look at." if unsettled else f"the mistake in {cause}."


def _same(repeats: str, *, forgiven: bool) -> str:
    if not repeats:
        return ""
    return f" The same as in {repeats}{', where it was charged' if forgiven else ''}."


def _title(convention: str) -> str:
    entry = by_id().get(convention)
    return f"by the convention: {entry.title}" if entry is not None else "by a convention"


def reason(why: str) -> str:
    """Return in words why a person should look at a cell."""
    if why == NOT_FOUND:
        return "it was moved, and cannot be found by its name"
    if why == LOST_GIVENS:
        return "the given numbers it may read were moved and cannot be found"
    return why or "it could not be judged"


def named(address: str, followers: int) -> str:
    """Return a cell that a person should look at, and how many right cells follow from it."""
    if not followers:
        return address
    return f"{address} ({followers} cell{'s follow' if followers > 1 else ' follows'} from it)"
