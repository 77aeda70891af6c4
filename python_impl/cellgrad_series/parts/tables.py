"""Tables without a network: E of runs side by side, an activation function, measured numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from cellgrad.case.quantities import Facts, Key, Quantity, given, whole, word
from cellgrad.described import Origin, Part, Shape
from cellgrad.errors import CaseError
from cellgrad_series.parts.run import run_above


@dataclass(frozen=True, slots=True)
class ComparisonShape(Shape):
    """The shape of a comparison.

    Attributes:
        runs: the names of the parts whose E is shown.
        updates: how many updates each of them makes.
    """

    kind: ClassVar[str] = "comparison"

    runs: tuple[str, ...]
    updates: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse an empty comparison."""
        if not self.runs or len(self.runs) != len(self.updates):
            raise CaseError("a comparison needs at least one run", place="runs")

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {"runs": "; ".join(self.runs), "updates": " ".join(str(n) for n in self.updates)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        runs = tuple(name.strip() for name in word(facts, "runs").split(";"))
        counts = word(facts, "updates").split()
        if not all(n.isascii() and n.isdigit() and len(n) < 8 for n in counts):
            raise CaseError("the numbers of updates cannot be read")
        return cls(runs, tuple(int(n) for n in counts))

    def origins(
        self,
        facts: Mapping[str, str],  # noqa: ARG002 - the shape knows its runs
        above: Mapping[str, Part],
    ) -> dict[Key, Origin]:
        """Return nothing: each run's E is a column of its own, not a quantity.

        Raises:
            CaseError: a run does not stand above, or makes another number of updates.
        """
        for name, updates in zip(self.runs, self.updates, strict=True):
            if run_above(name, above).updates != updates:
                raise CaseError(f"the run {name!r} does not make {updates} updates")
        return {}

    def quantities(self) -> list[Quantity]:
        """Return the one quantity: E, by update and run."""
        shape = (max(self.updates), len(self.runs))
        return [Quantity("error", None, "E", "E_of_runs", "", shape, per_row="update")]


ACTIVATIONS = ("logistic", "tanh")
MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class FunctionShape(Shape):
    """The shape of a table of a function.

    Attributes:
        activation: which function.
        rows: at how many places.
    """

    kind: ClassVar[str] = "function"

    activation: str
    rows: int

    def __post_init__(self) -> None:
        """Refuse what is not smooth."""
        if self.activation not in ACTIVATIONS:
            raise CaseError(
                f"{self.activation!r} has no table", remedy=f"use one of {', '.join(ACTIVATIONS)}"
            )
        if not 1 <= self.rows <= MOST_ROWS:
            raise CaseError(f"a table of {self.rows} rows", remedy=f"take 1 to {MOST_ROWS:,}")

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {"activation": self.activation, "rows": str(self.rows)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        return cls(word(facts, "activation"), whole(facts, "rows"))

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the table, in the order in which they are computed."""
        number = "Eq. 2" if self.activation == "logistic" else ""
        columns = (
            ("x", "x", "x_values", "", True),
            ("value", "fA(x)", "fA_value", number, False),
            ("derivative", "fA′(x)", "fA_derivative", "Eq. 7" if number else "", False),
            ("value_above", "fA(x + ε)", "fA_above", number, False),
            ("value_below", "fA(x − ε)", "fA_below", number, False),
            ("quotient", "(fA(x+ε) − fA(x−ε)) / 2ε", "difference_quotient", "", False),
            ("gap", "gap", "gap", "", False),
            ("step", "unit step", "unit_step", "", False),
        )
        return [
            given("epsilon", "ε"),
            *(
                Quantity(
                    name, None, label, defined, equation, (self.rows,), given=given, per_row="row"
                )
                for name, label, defined, equation, given in columns
            ),
        ]


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
        return cls(whole(facts, "rows"), whole(facts, "columns"))

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
