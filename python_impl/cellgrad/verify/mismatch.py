"""One disagreement, with everything a person needs to look at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cellgrad.case.quantities import Index, Quantity
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim


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
            with_layer(claim, index),
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
        return {
            "kind": self.kind,
            "sheet": self.sheet,
            "cell": self.cell,
            "quantity": self.quantity,
            "index": list(self.index),
            "equation": self.equation,
            "workbook": _plain(self.workbook),
            "python": _plain(self.python),
            "bound": _plain(self.bound),
            "draw": self.draw,
            "problem": self.problem,
        }


def with_layer(claim: Claim, index: Index) -> tuple[int, ...]:
    """Return the index with the layer in front, where the quantity has one."""
    return index if claim.layer is None else (claim.layer, *index)


def _digits(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.17g}"
    return "nothing" if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
