"""A training step, with or without its Walkthrough and Check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from cellgrad.case.equations import Operand, Template, walkthrough_lines
from cellgrad.case.quantities import Index, Key
from cellgrad.compare import numbers_in, shows
from cellgrad.described import Part, StepShape
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import step_of
from cellgrad.verify import redraw
from cellgrad.verify.expected import all_numbers, targets_problem
from cellgrad.verify.program import Held, Numbers, Program
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import CellError, Value

if TYPE_CHECKING:
    from cellgrad.verify.cells import CellValues

MAX_DECIMALS = 12
TICK, CROSS = "✓", "✗"
_TIE = 1e-6


class StepProgram(Program):
    """A training step; alone in its workbook it has a Walkthrough and a Check."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        assert isinstance(part.shape, StepShape)  # noqa: S101 - for the type checker
        self.structure, self.helped = part.shape.step, not part.name
        self._lines = walkthrough_lines(self.structure) if self.helped else []
        self._templates = [_in_two(line.written()) for line in self._lines]
        self.extra_draws = redraw.SPECIAL if redraw.kinked(self.structure) else 0
        self._tolerances = redraw.Tolerances()
        self._draws = redraw.draws(self.structure)
        self._drawn: Numbers = {}
        self._numbers: Numbers = {}

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return every number of the step, and of Check and Walkthrough."""
        del held
        if inputs is self._drawn:
            return self._numbers
        step = step_of(self.structure, inputs)
        if not self.helped:
            return step.results()
        numbers = all_numbers(step, inputs)
        return {**numbers, ("result", None): self._results({**inputs, **numbers})}

    def _results(self, numbers: Mapping[Key, Array]) -> Array:
        """Return the result of every line of the Walkthrough."""
        return np.array([float(numbers[line.quantity.key][line.index]) for line in self._lines])

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens, with answers and a tolerance that show most."""
        del linked
        drawn = next(self._draws)
        givens, numbers = drawn.givens, drawn.numbers
        if not self.helped:
            for name in ("epsilon", "tolerance", "decimals"):
                del givens[name, None]
            self._drawn, self._numbers = givens, drawn.step.results()
            return givens
        if ("quotient_gap", None) in numbers:
            gap, quotient = numbers["quotient_gap", None], numbers["difference_quotient", None]
            givens["tolerance", None] = np.array(self._tolerances.next(gap, quotient))
        results = self._results({**givens, **numbers})
        decimals = int(givens["decimals", None])
        givens["answer", None] = np.array(redraw.answers(results.tolist(), number, decimals))
        self._drawn, self._numbers = givens, {**numbers, ("result", None): results}
        return givens

    def settled(self) -> bool:
        """Tell whether the marks of the Check sheet have been told apart."""
        return self._tolerances.complete()

    def helpers(self) -> list[str]:
        """Return the names of givens that are no quantities."""
        if not self.helped:
            return []
        return ["decimals", "answer", *(["epsilon", "tolerance"] * self.structure.differentiable)]

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        decimals = float(inputs.get(("decimals", None), np.array(0.0)))
        if decimals != int(decimals) or not 0 <= decimals <= MAX_DECIMALS:
            return f"the decimals asked for must be a whole number from 0 to {MAX_DECIMALS}"
        if float(inputs.get(("epsilon", None), np.array(1.0))) == 0:
            return "ε must not be 0"
        return targets_problem(self.structure.loss, inputs["target", None])

    # texts and marks

    def display_problem(
        self,
        claim: Claim,
        line: Index,
        value: Value,
        numbers: Mapping[Key, Array],
        cells: CellValues,
        bound: Callable[[Place], float],
    ) -> str | None:
        """Return what is wrong with a display cell, or None."""
        name = claim.quantity
        if len(line) != 1:
            return "needs an index rule of one part"
        if self.helped and name in ("working", "mark"):
            if line[0] >= len(self._lines):
                return "lies beyond the lines of the step"
            decimals = int(numbers.get(("decimals", None), np.array(0.0)))
            if name == "working":
                return self._working_problem(line[0], value, numbers, decimals)
            result = float(numbers["result", None][line])
            return mark_problem(value, cells.named("answer", line), result, decimals)
        if name == "gradient_agrees" and line[0] < len(numbers.get(("quotient_gap", None), ())):
            gap = float(numbers["quotient_gap", None][line])
            tolerance = float(numbers["tolerance", None])
            place = cells.place("quotient_gap", line)
            return agreement_problem(value, gap, tolerance, lambda: bound(place) if place else 0.0)
        return f"{name!r} is no display of this step"

    def _working_problem(
        self, line: int, text: Value, numbers: Mapping[Key, Array], decimals: int
    ) -> str | None:
        """Return what is wrong with a line's equation, its numbers substituted, or None."""
        skeleton, operands = self._templates[line]
        if not isinstance(text, str):
            return f"a text was expected, not {text}"
        shown = numbers_in(text, skeleton)
        if shown is None:
            return f"does not read as the equation does: {text[:80]}"
        for number, operand in zip(shown, operands, strict=True):
            value = float(numbers[operand.key][operand.index])
            if not shows(number, value, decimals, 1e-14):
                return f"shows {number!r} where {value:.17g} belongs"
        return None

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return self.structure.samples > 1


def _in_two(template: Template) -> tuple[tuple[str | None, ...], list[Operand]]:
    """Return the fixed texts of a template, None where a number stands, and its operands."""
    skeleton = tuple(piece if isinstance(piece, str) else None for piece in template)
    return skeleton, [piece for piece in template if isinstance(piece, Operand)]


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
