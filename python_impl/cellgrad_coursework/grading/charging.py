"""What each finding costs, and what is said of it.

A mistake costs its cell once, and what follows from it nothing more. The repeats of a few mistakes
are forgiven, the first ones in the order of the flow: whoever makes the same slip in twelve
updates has made one mistake, whoever slips everywhere has not. The student reads one sentence on
each verdict; never the right formula, never its number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cellgrad_audit.bugs.catalogue import CONVENTION, Variant, by_id
from cellgrad_coursework.grading.catalogue import Convention, Mistakes
from cellgrad_coursework.grading.key import Standard, Values, bits_of, equal, slots_of
from cellgrad_coursework.grading.slips import filled_with, is_slip, pattern
from cellgrad_coursework.grading.verdict import (
    CIRCULAR,
    HOLDS_ERROR,
    LOST_GIVENS,
    NO_NUMBER,
    NOT_FOUND,
    RIGHT_NUMBER,
    Finding,
    Findings,
    Judge,
)
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    WRONG,
    GradedCell,
)

_ROUNDED = 9
"""Sums of points that are the same but for rounding are the same."""


@dataclass(slots=True)
class Charge:
    """What a finding costs, and why.

    Attributes:
        points: what the cell earns.
        bug: the catalogue's id of the mistake; empty where it has none.
        cause: the graded cell, by slot, that this one follows from; None for none.
        repeats: the graded cell, by slot, with the same mistake; None for none.
        forgiven: whether it repeats a mistake and is not charged again.
        unsettled: whether the cause is a cell that a person has yet to look at.
        deviates: whether the cell is right by the key, but not by the convention chosen.
    """

    points: float
    bug: str = ""
    cause: int | None = None
    repeats: int | None = None
    forgiven: bool = False
    unsettled: bool = False
    deviates: bool = False


Charges = dict[int, Charge]
"""Of every graded cell, by slot."""


class Account:
    """What the findings by one standard cost.

    Args:
        judge: of the submission.
        findings: of every graded cell, in the order of the flow.
        standard: by which the cells that a convention concerns were judged.
        mistakes: gives the catalogue's mistakes; asked for when the first is met.
        convention: whose standard it is; None for the key's.

    Attributes:
        charges: of every graded cell.
        rank: how well this way of judging serves the student: the larger, the better.
    """

    def __init__(
        self,
        judge: Judge,
        findings: Findings,
        standard: Standard,
        mistakes: Callable[[], Mistakes],
        convention: Convention | None = None,
    ) -> None:
        self._judge, self._key, self.findings = judge, judge.key, findings
        self._values, self.convention = standard.values, convention
        self._policy = judge.key.manifest.policy
        self._wrong = self._slots(lambda verdict: verdict not in (OK, OK_ECF, REVIEW))
        self._unknown = self._slots(lambda verdict: verdict == REVIEW)
        self.charges: Charges = {
            slot: Charge(self._share(finding.verdict, finding.why) * self._key.cell(slot).points)
            for slot, finding in findings.items()
        }
        self._charged: dict[tuple[str, str], int] = {}
        names = self._names(mistakes)
        followed = self._slots(lambda verdict: verdict == OK_ECF) & ~bits_of(
            filter(judge.reached, findings)  # typed numbers follow by the key's formulas
        )
        for slot, finding in findings.items():
            if finding.verdict in (WRONG, EMBEDDED_CONSTANT):
                self._compare(slot, finding, names.get(slot))
            elif finding.verdict == OK_ECF:
                self._put_down(slot, self._carried(slot, followed) | finding.through)
        self._forgive()
        roots = sum(
            finding.verdict not in (OK, OK_ECF) and self.charges[slot].repeats is None
            for slot, finding in findings.items()
        )
        points = round(sum(charge.points for charge in self.charges.values()), _ROUNDED)
        self.rank: tuple[float, int] = (points, -roots)

    def followers(self, slot: int) -> int:
        """Return how many right cells follow from one that a person has to look at."""
        return sum(
            finding.verdict == OK_ECF and bool(self._judge.reached(other) >> slot & 1)
            for other, finding in self.findings.items()
        )

    def _slots(self, fits: Callable[[str], bool]) -> int:
        return bits_of(slot for slot, finding in self.findings.items() if fits(finding.verdict))

    def _share(self, verdict: str, why: str) -> float:
        """Return the share of a cell's points that a verdict earns."""
        policy = self._policy
        if verdict == OK:
            return 1.0
        if verdict == OK_ECF:
            return max(0.0, 1.0 - policy.ecf_penalty)
        if verdict == HARDCODED and why == RIGHT_NUMBER:
            return policy.hardcoded_credit
        return policy.embedded_credit if verdict == EMBEDDED_CONSTANT else 0.0

    def _carried(self, slot: int, followed: int) -> int:
        """Return the slots that a cell's value comes from, through typed numbers that follow."""
        reached = self._judge.reached(slot)
        for other in slots_of((reached | 1 << slot) & followed):
            reached |= self._key.before[other]
        return reached

    def _names(self, mistakes: Callable[[], Mistakes]) -> dict[int, Variant]:
        """Return the catalogue's names for the wrong cells that have one, by slot."""
        wrong = {
            slot: finding.transplanted
            for slot, finding in self.findings.items()
            if finding.verdict in (WRONG, EMBEDDED_CONSTANT) and finding.transplanted is not None
        }
        if not wrong:
            return {}
        bits, hidden = bits_of(wrong), dict[int, Values]()
        right = [s for s, finding in self.findings.items() if finding.verdict in (OK, OK_ECF)]
        for slot in right:
            if self.findings[slot].verdict == OK and self._judge.reached(slot) & bits:
                made = self._judge.transplanted(slot, self._values)
                if not equal(made, self._values[slot]).all():  # right: two mistakes cancel
                    hidden[slot] = made
        return mistakes().names(wrong, right, hidden)

    def _put_down(self, slot: int, reached: int) -> None:
        """Put a cell that follows down to the first mistake, in the order of the flow.

        Where there is none, only rounding has come in between, and that costs nothing.
        """
        charge, causes = self.charges[slot], reached & self._wrong
        if not causes:  # or nobody knows yet that there is a mistake
            charge.points = self._key.cell(slot).points
            causes = reached & self._unknown
            charge.unsettled = bool(causes)
        charge.cause = next(slots_of(causes), None)

    def _compare(self, slot: int, finding: Finding, named: Variant | None) -> None:
        """Note the catalogue's name for a mistake, and where the same was made before."""
        charge, made = self.charges[slot], finding.transplanted
        book, besides = self._judge.book, 0
        if self.convention is not None and slot in self.convention.concerned:
            # right by the key: not used throughout is no slip that is made once
            charge.deviates = self._judge.filled_by(slot, self._judge.standard)
            besides = int(slot in self.convention.changed)
        if made is None or charge.deviates:
            return
        quantity = self._key.cell(slot).quantity
        names: list[tuple[str, str]] = []
        if text := pattern(book, slot):
            names.append((quantity, text))
        array = (quantity, f"array {filled_with(book, slot)}")
        if array[1] != "array ":
            names.append(array)
        if named is not None:
            charge.bug = named.entry
            names.append((quantity, f"{named.entry} {named.name}"))
        before = self._charged.get(array)
        known = named is not None or (before is not None and self._differ(made, before))
        if not is_slip(book, slot, self._values, made, known=known, besides=besides):
            return
        charged = [self._charged[name] for name in names if name in self._charged]
        charge.repeats = charged[0] if charged else None
        first = slot if charge.repeats is None else charge.repeats
        for name in names:
            self._charged.setdefault(name, first)

    def _differ(self, made: Values, before: int) -> bool:
        """Tell whether an array formula makes two values: one that fills all is a gesture."""
        other = self.findings[before].transplanted
        return other is None or not equal(made, other).all()

    def _forgive(self) -> None:
        """Forgive the repeats of so many mistakes; none of them earns more than a right cell."""
        repeated = sorted({c.repeats for c in self.charges.values() if c.repeats is not None})
        forgiven = set(repeated[: self._policy.forgiven])
        for slot, charge in self.charges.items():
            if charge.repeats in forgiven:
                charge.forgiven = True
                verdict = OK_ECF if self._judge.reached(slot) & self._wrong else OK
                charge.points = self._share(verdict, "") * self._key.cell(slot).points


# in words


def message(
    cell: GradedCell,
    finding: Finding,
    charge: Charge,
    address: Callable[[int | None], str],
    convention: str = "",
) -> str:
    """Return what the student reads beside a cell.

    Args:
        cell: the cell.
        finding: what was found.
        charge: what it costs, and why.
        address: gives the address of a slot; empty for none.
        convention: the convention by which the cell was judged.
    """
    cause = address(charge.cause)
    said = {
        OK: f"Right ({_title(convention)})." if convention else "Right.",
        OK_ECF: "Right in itself: it follows correctly from "
        + (_cause(cause, unsettled=charge.unsettled) if cause else "what you had before."),
        BLANK: f"Nothing stands here; {cell.label} is asked for ({cell.equation}).",
        REVIEW: f"A person will look at this cell: {reason(finding.why)}.",
    }.get(finding.verdict)
    if said is not None:
        return said
    if finding.verdict == HARDCODED:
        return _hardcoded(cell, finding)
    if charge.deviates:
        return (
            f"Right by {cell.equation} as it stands, but not {_title(convention)}, which other "
            "cells of yours follow."
        )
    mistake = _wrong(cell, finding, charge.bug)
    if finding.verdict == EMBEDDED_CONSTANT:
        mistake = f"Right with your numbers only. {mistake}" if charge.bug else (
            "Right with your numbers only: it would be wrong with others. Does a number stand in "
            f"it where it should refer to a cell? Compare {cell.equation}."
        )  # fmt: skip
    same = address(charge.repeats)
    if same:
        mistake += f" The same as in {same}{', where it was charged' if charge.forgiven else ''}."
    return mistake


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
