"""Certifying a workbook: every computed cell to 50 digits, with its error bound.

>>> certified = certify(Path("spreadsheets/training-step-3-4-1.xlsx"))
>>> cell = certified.at("Step", "C10")
>>> cell.decimal, cell.nearest, cell.bound, cell.ulps(-0.35), cell.correct_digits(-0.35)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from flint import fmpq

from cellgrad.bounds import ErrorBounds
from cellgrad.xlsx.addresses import Place, parse_a1, place_text
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import Value
from cellgrad_proof.exact import enclosures
from cellgrad_proof.exact.enclosures import BITS, MOST_BITS, Number, UndecidedError, exactly
from cellgrad_proof.exact.evaluation import CellFailedError, Evaluation, Outside, Scopes

UNDECIDED = f"not decided with {MOST_BITS:,} bits"

Held = Callable[[Place], Value]
"""What a cell holds."""


@dataclass(slots=True)
class CertifiedCell:
    """One computed cell.

    Attributes:
        place: sheet, row, column.
        claim: what the Map says of it; None where it says nothing.
        enclosure: its exact value, or bounds closer than 10⁻⁵⁰ of it.
        nearest: the double nearest to the exact value.
        bound: how far a right implementation in binary64 may be away; infinite where the
            bound knows no rule (ROUND).
    """

    place: Place
    claim: Claim | None
    enclosure: Number
    nearest: float
    bound: float
    _middle: fmpq | None = field(default=None, repr=False)

    @property
    def index(self) -> tuple[int, ...]:
        """The cell's index in its quantity."""
        if self.claim is None:
            return ()
        area = self.claim.cells
        return self.claim.rule.index(self.place[1] - area.top, self.place[2] - area.left)

    @property
    def decimal(self) -> str:
        """The exact value to 50 significant digits, fewer where they say it exactly."""
        return enclosures.decimal(self.enclosure)

    @property
    def exact(self) -> fmpq:
        """The middle of the enclosure, at least 50 digits of which are right."""
        if self._middle is None:
            self._middle = enclosures.middle(self.enclosure)
        return self._middle

    def ulps(self, value: float) -> float:
        """Return how many units of the last place a value is away."""
        return enclosures.ulps(value, self.exact)

    def correct_digits(self, value: float) -> float:
        """Return how many decimal digits of a value are right; infinite if all are."""
        return enclosures.correct_digits(value, self.exact)

    def share(self, value: float, bound: float | None = None) -> float:
        """Return the error of a value as a share of the bound."""
        limit = self.bound if bound is None else bound
        if not math.isfinite(value):
            return math.inf
        gap = enclosures.distance(value, self.exact)
        if not gap:
            return 0.0
        return enclosures.ratio(gap, exactly(limit)) if 0 < limit < math.inf else math.inf


@dataclass(slots=True)
class Certified:
    """A certified workbook.

    Attributes:
        book: the workbook.
        cells: every formula cell that comes to a number.
        texts: how many formula cells come to a text: there is nothing to certify.
        failed: cells that have no value (a division by 0), and cells that could not be
            certified, with the reason.
        scopes: which cells are one computation.
        held: what its cells hold where a computation starts.
    """

    book: Book
    scopes: Scopes
    held: Held
    cells: dict[Place, CertifiedCell] = field(default_factory=dict)
    texts: int = 0
    failed: dict[Place, str] = field(default_factory=dict)
    _bounds: dict[Hashable, ErrorBounds] = field(default_factory=dict, repr=False)

    def at(self, sheet: str, address: str) -> CertifiedCell:
        """Return a cell by its address; KeyError if it is not certified."""
        return self.cells[(sheet, *parse_a1(address))]

    def problems(self) -> list[str]:
        """Return one line for every cell that could not be certified, and why."""
        return [f"{place_text(place)}: {reason}" for place, reason in self.failed.items()]

    def bound(self, place: Place, *, given_error: float = 0.0, snap: float = 0.0) -> float:
        """Return the error bound of a cell within its own computation.

        Args:
            place: the cell.
            given_error: relative error of a given as an engine holds it.
            snap: relative size below which an engine sets a difference to 0.
        """
        scope = self.scopes.of(place)
        key = (scope, given_error, snap)
        if key not in self._bounds:
            self._bounds[key] = ErrorBounds(
                self.book,
                self._value,
                given_error=given_error,
                snap=snap,
                constant=Outside(self.scopes, scope).__contains__,
            )
        return self._bounds[key].of(place)

    def _value(self, place: Place) -> float:
        cell = self.cells.get(place)
        if cell is not None:
            return cell.nearest
        value = self.held(place)
        return value if isinstance(value, float) else 0.0


def certify(workbook: Path | Book, *, held: Held | None = None, chained: bool = False) -> Certified:
    """Certify every computed cell of a workbook.

    Args:
        workbook: the file, or the book read from it.
        held: what cells hold, where a row of a run starts from another; by default what is
            stored in the file.
        chained: follow runs from end to end, from the givens alone. The enclosures then hold
            for the whole run; the bounds become useless after a few updates.

    Raises:
        WorkbookError: the file cannot be read.
    """
    book = read_book(workbook) if isinstance(workbook, Path) else workbook
    stored = held or stored_in(book)
    scopes = Scopes(book, chained=chained)
    found = Certified(book, scopes, stored)
    at_precision = cache(partial(Evaluation, book, scopes, stored))
    for sheet, cells in book.sheets.items():
        for row, column in cells.formulas:
            place = (sheet, row, column)
            try:
                result = _certified(at_precision, place)
            except CellFailedError as error:
                found.failed[place] = str(error)
                continue
            if result is None:
                found.texts += 1
                continue
            enclosure, nearest = result
            found.cells[place] = CertifiedCell(
                place, scopes.claim_of(place), enclosure, nearest, math.inf
            )
    for place, cell in found.cells.items():
        cell.bound = found.bound(place)
    return found


def stored_in(book: Book) -> Held:
    """Return what a workbook's file stores."""

    def held(place: Place) -> Value:
        sheet = book.sheets.get(place[0])
        return None if sheet is None else sheet.values.get(place[1:])

    return held


def _certified(
    at_precision: Callable[[int], Evaluation], place: Place
) -> tuple[Number, float] | None:
    """Return a cell's enclosure and nearest double; None if it comes to a text.

    Args:
        at_precision: gives the evaluation with so many bits; the first that decides is taken.
        place: the cell.

    Raises:
        CellFailedError: it has no value, or no precision decides it.
    """
    bits = BITS
    while bits <= MOST_BITS:
        try:
            value = at_precision(bits).of(place)
            if isinstance(value, str):
                return None
            if enclosures.is_narrow(value):
                enclosures.decimal(value)
                return value, enclosures.nearest(value)
        except UndecidedError:
            pass
        except OverflowError as error:
            raise CellFailedError("larger than any double") from error
        bits *= 2
    raise CellFailedError(UNDECIDED)
