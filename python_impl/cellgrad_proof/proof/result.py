"""The answer of ``prove``: one workbook."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

GRADIENTS = ("weight_gradient", "bias_gradient")


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that is not what it must be.

    Attributes:
        sheet: the sheet.
        cell: its A1 address; empty where it concerns the whole.
        quantity: the sheet's name for it, with its index.
        index: layer (if any), then the 0-based index.
        equation: such as ``Eq. 11``.
        formula: what stands there.
        expected: what must stand there, as a formula of the quantities that it follows from.
        problem: what is wrong, in words.
    """

    sheet: str
    cell: str
    quantity: str = ""
    index: tuple[int, ...] = ()
    equation: str = ""
    formula: str = ""
    expected: str = ""
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**asdict(self), "index": list(self.index)}

    def line(self) -> str:
        """Return it for people, on one line."""
        where = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        named = " ".join(part for part in (self.quantity, f"({self.equation})") if part != "()")
        return f"{where}  {named}: {self.problem}" if named else f"{where}: {self.problem}"


@dataclass(slots=True)
class ProofReport:
    """What was proved of a workbook.

    Attributes:
        path: the workbook.
        gradients: how many cells hold a gradient of a weight or a bias.
        proved: how many cells were proved, gradients among them.
        identity_tested: how many passed the identity test, since the proof does not reach them.
        not_covered: how many formula cells are displays, of which nothing is proved.
        certified: how many numbers are certified to 50 digits, from the same formulas.
        uncertified: how many have no value that could be certified.
        error_bound: the probability of an identity test to pass what is wrong; 0 if none was
            needed.
        notes: what a reader must know.
        failures: what is wrong.
    """

    path: Path
    gradients: int = 0
    proved: int = 0
    identity_tested: int = 0
    not_covered: int = 0
    certified: int = 0
    uncertified: int = 0
    error_bound: float = 0.0
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        failures = [failure.as_json() for failure in self.failures]
        return {**asdict(self), "path": str(self.path), "failures": failures}
