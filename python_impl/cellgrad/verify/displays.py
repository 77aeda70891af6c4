"""What the texts and marks of a workbook should say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cellgrad.case.lines import Line, Operand, Template, walkthrough_lines
from cellgrad.case.quantities import Key
from cellgrad.case.structure import Structure
from cellgrad.compare.texts import numbers_in, shows
from cellgrad.mlp.activations import Array
from cellgrad.xlsx.values import CellError, Value

TICK, CROSS = "✓", "✗"
_TIE = 1e-6


@dataclass(slots=True)
class Prepared:
    """A template as texts and operands apart."""

    skeleton: tuple[str | None, ...]
    operands: list[Operand]


def _prepare(template: Template) -> Prepared:
    skeleton = tuple(piece if isinstance(piece, str) else None for piece in template)
    return Prepared(skeleton, [piece for piece in template if isinstance(piece, Operand)])


class Displays:
    """Judges the display cells of one structure."""

    def __init__(self, structure: Structure) -> None:
        self.lines: list[Line] = walkthrough_lines(structure)
        self._working = [_prepare(line.written()) for line in self.lines]

    def results(self, numbers: Mapping[Key, Array]) -> list[float]:
        """Return the result of every line."""
        return [float(numbers[line.quantity.key][line.index]) for line in self.lines]

    def text_problem(
        self, line: int, text: Value, numbers: Mapping[Key, Array], decimals: int
    ) -> str | None:
        """Return what is wrong with a text that shows numbers, or None.

        Args:
            line: which line.
            text: what the cell holds.
            numbers: every number of the step.
            decimals: how many decimals were asked for.
        """
        prepared = self._working[line]
        if not isinstance(text, str):
            return f"a text was expected, not {text}"
        shown = numbers_in(text, prepared.skeleton)
        if shown is None:
            return f"does not read as the equation does: {text[:80]}"
        for number, operand in zip(shown, prepared.operands, strict=True):
            value = float(numbers[operand.key][operand.index])
            if not shows(number, value, decimals, 1e-14):
                return f"shows {number!r} where {value:.17g} belongs"
        return None


def mark_problem(mark: Value, answer: Value, result: float, decimals: int) -> str | None:
    """Return what is wrong with a ✓ or ✗ beside an answer, or None."""
    if answer is None or answer == "":
        return None if mark in ("", None) else f"shows {mark} without an answer"
    if not isinstance(answer, float):
        return None if isinstance(mark, CellError) or mark == CROSS else f"shows {mark} for a text"
    off = abs(answer - result) * 10.0**decimals
    if abs(off - 0.5) < _TIE:
        return None
    expected = TICK if off < 0.5 else CROSS
    return None if mark == expected else f"shows {mark}, {expected} belongs"


def agreement_problem(
    mark: Value, gap: float, tolerance: float, bound: Callable[[], float]
) -> str | None:
    """Return what is wrong with the mark beside a central difference, or None."""
    expected = TICK if abs(gap) <= tolerance else CROSS
    if mark == expected or (mark in (TICK, CROSS) and abs(abs(gap) - tolerance) <= bound()):
        return None
    return f"shows {mark}, {expected} belongs"
