"""In how many digits the two routes agree, cell by cell."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from flint import fmpq
from mpmath.libmp import to_rational

from cellgrad.described.workbook import describe
from cellgrad.errors import CaseError
from cellgrad.xlsx.addresses import Place, place_text
from cellgrad.xlsx.map_sheet import SHEET
from cellgrad_proof.exact import digits
from cellgrad_proof.exact.certified import Certified
from cellgrad_proof.exact.definition.complex_step import DIGITS, Real, working_precision
from cellgrad_proof.exact.definition.holdings import Sheets, cells_of
from cellgrad_proof.exact.definition.parts import quantities_of

WANTED = 45
"""In so many digits the routes must agree."""

_COMPUTED = ("step", "check")
_LEFT = fmpq(10) ** (20 - DIGITS)
"""Where one route says exactly 0, the other may leave so much behind."""


@dataclass(slots=True)
class Agreement:
    """What comparing the routes showed.

    Attributes:
        cells: how many cells both routes computed.
        digits: the fewest digits in which they agree (at most 50 are certified).
        worst: the cell with the fewest.
        missing: cells that only one route has.
    """

    cells: int = 0
    digits: float = math.inf
    worst: str = ""
    missing: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every cell agrees in 45 digits."""
        return bool(self.cells) and not self.missing and self.digits >= WANTED


def agreement(certified: Certified) -> Agreement:
    """Compare every computed number of a workbook with what its definition comes to.

    Raises:
        CaseError: the Map does not describe the workbook.
    """
    described = describe(certified.book)
    if described.unusable:
        raise CaseError(described.unusable[1], file=certified.book.path, place=SHEET)
    sheets = Sheets(described, certified.held)
    result = Agreement()
    for part in sheets.parts:
        with working_precision():
            defined = quantities_of(sheets, part)
        for claim in sheets.claims(part):
            if claim.kind not in _COMPUTED and claim.quantity != "result":
                continue
            values = defined.get(claim.key, {})
            for index, place in cells_of(claim):
                _compare(result, certified, place, values.get(index))
    return result


def _compare(result: Agreement, certified: Certified, place: Place, value: Real | None) -> None:
    cell = certified.cells.get(place)
    name = place_text(place)
    if cell is None or value is None:
        # a decision line of height nowhere has no value on either route
        if cell is not None or value is not None or certified.failed[place] != "a division by 0":
            result.missing.append(name)
        return
    result.cells += 1
    agreed = agreed_digits(cell.exact, value)
    if agreed < result.digits:
        result.digits, result.worst = agreed, name


def agreed_digits(exact: fmpq, value: Real) -> float:
    """Return in how many digits a number of the second route agrees; infinite if in all."""
    gap = fraction(value) - exact
    if not exact and -_LEFT < gap < _LEFT:
        return math.inf
    return digits.agreed_digits(gap, exact)


def fraction(value: Real) -> fmpq:
    """Return a number of the second route as the fraction that it is."""
    if isinstance(value, int):
        return fmpq(value)
    return fmpq(*map(int, to_rational(value._mpf_)))
