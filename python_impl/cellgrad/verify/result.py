"""What verifying one workbook in one engine showed: every disagreement, and the counts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cellgrad.case.quantities import Index, Quantity
from cellgrad.xlsx.addresses import Place, a1, parse_a1
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim

COMPUTED = ("step", "check", "display")
"""The kinds of claims whose cells hold formulas."""

_ORDER = ("map", "formula", "given", "answer", "step", "check", "display", "stored")
_LAST = 1 << 30


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A cell in which workbook and MLP, or workbook and its own claims, disagree.

    Attributes:
        kind: step, check, display, given, map, formula, stored.
        sheet: the sheet.
        cell: its A1 address.
        quantity: the sheet's name for it, with its index.
        index: layer (if any), then the 0-based index.
        equation: such as ``Eq. 11``.
        workbook: what the workbook holds.
        python: what the MLP computed, or None.
        bound: the most by which they may differ, or None.
        draw: 0 for the file's own givens, else the number of the redraw.
        problem: in words, where two numbers do not say it.
    """

    kind: str
    sheet: str
    cell: str
    quantity: str = ""
    index: tuple[int, ...] = ()
    equation: str = ""
    workbook: Any = None
    python: Any = None
    bound: float | None = None
    draw: int = 0
    problem: str = ""

    @classmethod
    def at(cls, claim: Claim, row: int, column: int, problem: str) -> Mismatch:
        """Return a fault of one claimed cell."""
        index = claim.rule.index(row - claim.cells.top, column - claim.cells.left)
        return cls(
            claim.kind,
            claim.cells.sheet,
            a1(row, column),
            claim.label,
            index if claim.layer is None else (claim.layer, *index),
            claim.equation,
            problem=problem,
        )

    @classmethod
    def of_map(cls, place: str, problem: str) -> Mismatch:
        """Return a fault of the Map itself."""
        sheet, _, cell = place.partition("!")
        return cls("map", sheet, cell, problem=problem)

    @classmethod
    def unclaimed(cls, sheet: str, cell: str, formula: str) -> Mismatch:
        """Return a formula that the Map does not claim."""
        short = formula if len(formula) <= 60 else f"{formula[:57]}…"
        return cls(
            "formula",
            sheet,
            cell,
            workbook=f"={short}",
            problem="a formula that the Map does not claim",
        )

    @classmethod
    def missing(cls, quantity: Quantity, index: Index, count: int, book: Book) -> Mismatch:
        """Return a quantity that no cell claims; its defined name says where it stood."""
        area = book.name_range(quantity.defined_name)
        more = f" (and {count - 1} more)" if count > 1 else ""
        return cls(
            "given" if quantity.given else "step",
            area.sheet if area else "Map",
            area.address if area else "",
            quantity.label,
            (*(() if quantity.layer is None else (quantity.layer,)), *index),
            quantity.equation,
            problem=f"no row of the Map claims it{more}",
        )

    def line(self) -> str:
        """Return the disagreement on one line."""
        where = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        name = f"{self.quantity} " if self.quantity else ""
        equation = f" ({self.equation})" if self.equation else ""
        redraw = f" [redraw {self.draw}]" if self.draw else ""
        if self.problem:
            held = f": {self.workbook}" if self.kind == "formula" else ""
            return f"{name}{where}{equation}: {self.problem}{held}{redraw}"
        both = f"workbook {_digits(self.workbook)}, python {_digits(self.python)}"
        text = f"{name}{where}{equation}: {both}"
        if isinstance(self.workbook, float) and isinstance(self.python, float):
            text += f", gap {abs(self.workbook - self.python):.1e} > bound {self.bound or 0.0:.1e}"
        return text + redraw

    def as_json(self) -> dict[str, Any]:
        """Return the disagreement as the JSON answer has it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: _plain(value) for name, value in values.items()}


def _digits(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.17g}"
    return "nothing" if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


@dataclass(slots=True)
class Report:
    """What verifying one workbook in one engine showed.

    Attributes:
        path: the workbook.
        case: the id of its case.
        engine: the engine's name.
        engine_version: the engine's own version.
        totals: cells asked about, by kind.
        disagreeing: cells that disagree in any draw, by kind.
        inexact: cells that agree, but not to the last bit in every draw, by kind.
        worst: the largest gap as a share of its bound, and its cell.
        mismatches: every disagreement, in the order of the flow.
        draws: how many redraws were made.
        notes: what a reader should know beside the verdict.
    """

    path: Path
    case: str
    engine: str
    engine_version: str
    totals: Counter[str] = field(default_factory=Counter)
    disagreeing: dict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    inexact: dict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    worst: float = 0.0
    worst_cell: str = ""
    mismatches: list[Mismatch] = field(default_factory=list)
    draws: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every cell agrees."""
        return not self.mismatches

    @property
    def cells(self) -> int:
        """How many computed cells were asked about."""
        return sum(self.totals.values())

    @property
    def within_bound(self) -> int:
        """How many agree within their bounds, but not bit for bit in every draw."""
        return sum(len(self.inexact[kind] - self.disagreeing[kind]) for kind in COMPUTED)

    @property
    def bit_identical(self) -> int:
        """How many agree to the last bit in every draw."""
        bad = sum(len(self.disagreeing[kind] | self.inexact[kind]) for kind in COMPUTED)
        return self.cells - bad

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Return (agreeing, asked about) by kind."""
        return {
            kind: (self.totals[kind] - len(self.disagreeing[kind]), self.totals[kind])
            for kind in COMPUTED
        }

    def note(self, mismatch: Mismatch) -> None:
        """Enter a disagreement; of one cell, the first draw that shows it stands for all."""
        place = place_of(mismatch)
        if mismatch.kind in COMPUTED and place is not None:
            if place in self.disagreeing[mismatch.kind]:
                return
            self.disagreeing[mismatch.kind].add(place)
        self.mismatches.append(mismatch)

    def sort(self, rank: Callable[[Place], int]) -> None:
        """Put the disagreements in the order of the flow: the first is nearest to the cause.

        Args:
            rank: a cell's place in the order of computation.
        """

        def in_flow(mismatch: Mismatch) -> tuple[int, int, int]:
            place = place_of(mismatch)
            return mismatch.draw, _ORDER.index(mismatch.kind), rank(place) if place else _LAST

        self.mismatches.sort(key=in_flow)


def place_of(mismatch: Mismatch) -> Place | None:
    """Return the cell of a disagreement, if it is one cell."""
    try:
        return (mismatch.sheet, *parse_a1(mismatch.cell))
    except ValueError:
        return None
