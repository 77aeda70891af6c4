"""A comparison: E of several runs side by side, a row an update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from cellgrad.case import facts as words
from cellgrad.case.facts import Facts
from cellgrad.case.quantities import Key, Quantity
from cellgrad.described.parts import Origin, Part, Shape
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
        runs = tuple(name.strip() for name in words.word(facts, "runs").split(";"))
        counts = words.word(facts, "updates").split()
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
