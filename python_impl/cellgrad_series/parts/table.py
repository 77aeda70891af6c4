"""A table of numbers from elsewhere, with live mean, spread, best and worst of each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from cellgrad.case import facts as words
from cellgrad.case.facts import Facts
from cellgrad.case.quantities import Quantity
from cellgrad.described.parts import Shape
from cellgrad.errors import CaseError

MOST_COLUMNS = 16


@dataclass(frozen=True, slots=True)
class TableShape(Shape):
    """The shape of a table.

    Attributes:
        rows: how many rows.
        columns: how many numbers a row; at least two, for there to be a spread.
    """

    kind: ClassVar[str] = "table"

    rows: int
    columns: int

    def __post_init__(self) -> None:
        """Refuse what has no spread, or does not fit a written-out sum."""
        if self.rows < 1 or not 2 <= self.columns <= MOST_COLUMNS:
            raise CaseError(f"a table takes rows of 2 to {MOST_COLUMNS} numbers", place="data")

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {"rows": str(self.rows), "columns": str(self.columns)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        return cls(words.whole(facts, "rows"), words.whole(facts, "columns"))

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the table, in the order in which they are computed."""
        rows = (self.rows,)

        def row(name: str, label: str, shape: tuple[int, ...], *, given: bool = False) -> Quantity:
            return Quantity(name, None, label, f"row_{name}", "", shape, given=given, per_row="row")

        return [
            row("count", "count", rows, given=True),
            row("measured", "measured", (self.rows, self.columns), given=True),
            row("mean", "mean", rows),
            row("spread", "spread", rows),
            row("best", "best", rows),
            row("worst", "worst", rows),
        ]
