"""What each finding costs: a mistake costs its cell once, and what follows from it nothing more.

The repeats of a few mistakes are forgiven, the first ones in the order of the flow: whoever makes
the same slip in twelve updates has made one mistake, whoever slips everywhere has not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cellgrad.xlsx.addresses import Place
from cellgrad_audit.bugs.entry import Variant
from cellgrad_coursework.grading.conventions import Convention, Values
from cellgrad_coursework.grading.key import equal
from cellgrad_coursework.grading.naming import Mistakes
from cellgrad_coursework.grading.patterns import filled_with, is_slip, pattern
from cellgrad_coursework.grading.verdict import RIGHT_NUMBER, Finding, Judge
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
    Policy,
)

_ROUNDED = 9
"""Sums of points that are the same but for rounding are the same."""


@dataclass(slots=True)
class Charge:
    """What a finding costs, and why.

    Attributes:
        points: what the cell earns.
        bug: the catalogue's id of the mistake; empty where it has none.
        cause: the graded cell, by number, that this one follows from; None for none.
        repeats: the graded cell, by number, with the same mistake; None for none.
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


class Charger:
    """Turns findings into points.

    Args:
        judge: of the submission.
        policy: how verdicts become points.
        mistakes: gives the catalogue's mistakes; asked for when the first is met.
    """

    def __init__(self, judge: Judge, policy: Policy, mistakes: Callable[[], Mistakes]) -> None:
        self._judge, self._policy, self._mistakes = judge, policy, mistakes
        self._key = judge.key

    def charges(
        self,
        findings: Sequence[Finding],
        values: Values,
        convention: Convention | None = None,
    ) -> list[Charge]:
        """Return what each finding costs.

        Args:
            findings: of every graded cell, in the order of the flow.
            values: the key's values, or the convention's.
            convention: by which the cells that it concerns were judged; None for the key.
        """
        wrong = self._bits(findings, lambda verdict: verdict not in (OK, OK_ECF, REVIEW))
        unknown = self._bits(findings, lambda verdict: verdict == REVIEW)
        found = [
            Charge(self._share(finding.verdict, finding.why) * cell.points)
            for cell, finding in zip(self._key.manifest.cells, findings, strict=True)
        ]
        charged: dict[tuple[str, str], int] = {}
        names = self._names(findings, values)
        followed = sum(  # typed numbers follow by the key's formulas
            1 << self._judge.slot(n) for n, finding in enumerate(findings)
            if finding.verdict == OK_ECF and self._is_typed(n)
        )  # fmt: skip
        for number, finding in enumerate(findings):
            if finding.verdict in (WRONG, EMBEDDED_CONSTANT):
                name = names.get(self._judge.slot(number))
                self._compare(number, findings, found[number], charged, values, convention, name)
            elif finding.verdict == OK_ECF:
                reached = self._carried(number, followed) | finding.through
                self._put_down(number, found[number], reached, wrong, unknown)
        self._forgive(found, wrong)
        return found

    def rank(self, findings: Sequence[Finding], charges: Sequence[Charge]) -> tuple[float, int]:
        """Return how well a way of judging serves the student: the larger, the better."""
        roots = sum(
            finding.verdict not in (OK, OK_ECF) and charge.repeats is None
            for finding, charge in zip(findings, charges, strict=True)
        )
        return round(sum(charge.points for charge in charges), _ROUNDED), -roots

    def followers(self, number: int, findings: Sequence[Finding]) -> int:
        """Return how many right cells follow from one that a person has to look at."""
        slot = self._judge.slot(number)
        return sum(
            finding.verdict == OK_ECF and bool(self._reached(other) >> slot & 1)
            for other, finding in enumerate(findings)
        )

    def _bits(self, findings: Sequence[Finding], fits: Callable[[str], bool]) -> int:
        first = self._key.givens
        return sum(1 << first + n for n, finding in enumerate(findings) if fits(finding.verdict))

    def _reached(self, number: int) -> int:
        place: Place | None = self._judge.book.where[self._judge.slot(number)]
        return 0 if place is None else self._judge.own.reached.get(place, 0)

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

    def _is_typed(self, number: int) -> bool:
        return not self._reached(number)

    def _carried(self, number: int, followed: int) -> int:
        """Return the slots that a cell's value comes from, through typed numbers that follow."""
        slot = self._judge.slot(number)
        reached = self._reached(number)
        bits = (reached | 1 << slot) & followed
        while bits:
            reached |= self._key.before[(bits & -bits).bit_length() - 1]
            bits &= bits - 1
        return reached

    def _names(self, findings: Sequence[Finding], values: Values) -> dict[int, Variant]:
        """Return the catalogue's names for the wrong cells that have one, by slot."""
        wrong, right, hidden = dict[int, Values](), list[int](), dict[int, Values]()
        for number, finding in enumerate(findings):
            slot = self._judge.slot(number)
            if finding.verdict in (WRONG, EMBEDDED_CONSTANT):
                if finding.transplanted is not None:
                    wrong[slot] = finding.transplanted
            elif finding.verdict in (OK, OK_ECF):
                right.append(slot)
        if not wrong:
            return {}
        bits = sum(1 << slot for slot in wrong)
        for slot in right:
            number = slot - self._key.givens
            if findings[number].verdict == OK and self._reached(number) & bits:
                made = self._judge.transplanted(slot, values)
                if not equal(made, values[slot]).all():  # right because two mistakes cancel
                    hidden[slot] = made
        return self._mistakes().names(wrong, right, hidden)

    def _put_down(
        self, number: int, charge: Charge, reached: int, wrong: int, unknown: int
    ) -> None:
        """Put a cell that follows down to the first mistake, in the order of the flow.

        Where there is none, only rounding has come in between, and that costs nothing.
        """
        bits = reached & wrong
        if not bits and not reached & unknown:
            charge.points = self._key.manifest.cells[number].points
        if not bits and reached & unknown:  # nobody knows yet that there is a mistake
            bits, charge.unsettled = reached & unknown, True
            charge.points = self._key.manifest.cells[number].points
        if bits:
            charge.cause = (bits & -bits).bit_length() - 1 - self._key.givens

    def _compare(
        self,
        number: int,
        findings: Sequence[Finding],
        charge: Charge,
        charged: dict[tuple[str, str], int],
        values: Values,
        convention: Convention | None,
        named: Variant | None,
    ) -> None:
        """Note the catalogue's name for a mistake, and where the same was made before."""
        transplanted, slot = findings[number].transplanted, self._judge.slot(number)
        book = self._judge.book
        besides = 0
        if convention is not None and slot in convention.concerned:
            # right by the key: not used throughout is no slip that is made once
            charge.deviates = self._judge.filled_by(number, self._judge.values)
            besides = int(slot in convention.changed)
        if transplanted is None or charge.deviates:
            return
        quantity = self._key.manifest.cells[number].quantity
        names: list[tuple[str, str]] = []
        if text := pattern(book, slot):
            names.append((quantity, text))
        if array := filled_with(book, slot):
            names.append((quantity, f"array {array}"))
        if named is not None:
            charge.bug = named.entry
            names.append((quantity, f"{named.entry} {named.name}"))
        before = charged.get((quantity, f"array {array}"))
        known = named is not None or (
            before is not None and _differ(transplanted, findings[before].transplanted)
        )
        if not is_slip(book, slot, values, transplanted, known=known, besides=besides):
            return
        charge.repeats = next((charged[name] for name in names if name in charged), None)
        first = number if charge.repeats is None else charge.repeats
        for name in names:
            charged.setdefault(name, first)

    def _forgive(self, charges: Sequence[Charge], wrong: int) -> None:
        """Forgive the repeats of so many mistakes; none of them earns more than a right cell."""
        repeated = sorted({c.repeats for c in charges if c.repeats is not None})
        forgiven = set(repeated[: self._policy.forgiven])
        cells = self._key.manifest.cells
        for number, charge in enumerate(charges):
            if charge.repeats is None or charge.repeats not in forgiven:
                continue
            charge.forgiven = True
            follows = bool(self._reached(number) & wrong)
            charge.points = self._share(OK_ECF if follows else OK, "") * cells[number].points


def _differ(mine: Values, other: Values | None) -> bool:
    """Tell whether an array formula makes two values: one that fills all cells is a gesture."""
    return other is None or not equal(mine, other).all()


def best(
    charger: Charger,
    findings: list[Finding],
    candidates: Mapping[Convention, tuple[list[Finding], Values]],
    values: Values,
) -> tuple[Convention | None, list[Finding], list[Charge]]:
    """Choose between the key and conventions, for the whole submission.

    The most points count, then the fewest mistakes, then the fewest conventions, then their
    order.

    Args:
        charger: of the submission.
        findings: by the key.
        candidates: the findings by each convention that the student used, fewest conventions
            first, and the values that it was judged by.
        values: the key's.

    Returns:
        the convention, or None for the key; its findings; what they cost.
    """
    chosen: tuple[Convention | None, list[Finding], list[Charge]]
    chosen = None, findings, charger.charges(findings, values)
    rank = charger.rank(findings, chosen[2])
    for convention, (found, numbers) in candidates.items():
        charges = charger.charges(found, numbers, convention)
        if charger.rank(found, charges) > rank:
            rank, chosen = charger.rank(found, charges), (convention, found, charges)
    return chosen
