"""What the MLP makes of a part's givens: what every kind of part has in common, and a step."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.equations import Operand, walkthrough_lines
from cellgrad.case.quantities import SUM_TOLERANCE, Index, Key, Quantity, label_with_index
from cellgrad.compare import numbers_in, shows
from cellgrad.described import Part, find_kind
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import Results, all_numbers, step_of
from cellgrad.shipped import load
from cellgrad.verify import redraw
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import CellError, Value

if TYPE_CHECKING:
    from cellgrad.verify.cells import CellValues

Numbers = Results

Held = Mapping[Key, Array]
"""What the cells of a part hold in one draw, by quantity."""

HeldBy = Callable[[str], Held]
"""Gives what another part holds, by its name."""


class Program(ABC):
    """A part of a workbook, seen from the MLP.

    Args:
        part: what the workbook says of it.

    Attributes:
        name: its name; empty where the workbook has but one.
        known: its quantities.
        extra_draws: so many redraws more than usual show something.
        follows: whether its cells follow from many updates, each rounding anew.
        undefined: quantities that may have no value (NaN): their cells show an error then.
    """

    extra_draws: int = 0
    follows: bool = False
    undefined: Container[Key] = frozenset()

    shape: Any

    def __init__(self, part: Part) -> None:
        self.part, self.name, self.known = part, part.name, part.known
        self.shape = part.shape

    @abstractmethod
    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return what the part's cells should hold.

        Args:
            inputs: its givens, and what it takes from other parts.
            held: what its own cells hold: where a row starts from is taken from there.
        """

    @abstractmethod
    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens at random; the same number gives the same draw.

        Args:
            number: of the redraw, from 1.
            linked: those givens that other parts drew for this one.
        """

    def mask(self, quantity: Quantity) -> NDArray[np.bool_]:
        """Return at which indices a quantity has a value."""
        return np.ones(quantity.shape, dtype=bool)

    def linked(self, held_by: HeldBy) -> Numbers:
        """Return what this part takes from others, as they hold it."""
        found: Numbers = {}
        for key, (part, there, row) in self.part.origins.items():
            values = held_by(part)[there]
            found[key] = values if row is None else values[row]
        return found

    def drawn_from(self, drawn: Mapping[str, Mapping[Key, Array]]) -> Numbers:  # noqa: ARG002
        """Return those of this part's numbers that other parts have drawn as givens."""
        return {}

    def helpers(self) -> list[str]:
        """Return the names of givens that are no quantities."""
        return []

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:  # noqa: ARG002
        """Return why the givens cannot be used, or nothing."""
        return ""

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
        del line, value, numbers, cells, bound
        return f"{claim.quantity!r} is no display of this part"

    def settled(self) -> bool:
        """Tell whether no further draw would show more of the part's own marks."""
        return True

    def exact_beside(self, key: Key) -> str:  # noqa: ARG002
        """Return which cells count as exact beside the givens when a bound is computed.

        ``rows``: those of every other row of the same sheet. ``links``: what is taken from
        other parts. Nothing: none.
        """
        return ""

    def label(self, key: Key, index: Index) -> str:
        """Return a scalar's name for people."""
        return label_with_index(self.known[key], index, name_sample=self.names_samples())

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return True

    def rng(self, draw: int, words: object) -> random.Random:
        """Return the generator of a draw; not for secrets: a draw can be repeated."""
        return random.Random(f"cellgrad {self.name} {words} {draw}")  # noqa: S311


Programs = dict[str, Program]


def create_program(part: Part) -> Program:
    """Return what a part should compute."""
    where = find_kind(part.kind).program
    program: Program = load(where, f"the part {part.name!r} ({part.kind}) needs")(part)
    return program


# a training step

MAX_DECIMALS = 12
TICK, CROSS = "✓", "✗"
_TIE = 1e-6


class StepProgram(Program):
    """A training step; alone in its workbook it has a Walkthrough and a Check."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self.structure, self.helped = part.shape.step, not part.name
        self._lines = walkthrough_lines(self.structure) if self.helped else []
        self._templates = [line.written() for line in self._lines]
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
            result, place = float(numbers["result", None][line]), cells.place("answer", line)
            return mark_problem(value, place and cells.value(place), result, decimals)
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
        template = self._templates[line]
        operands = [piece for piece in template if isinstance(piece, Operand)]
        if not isinstance(text, str):
            return f"a text was expected, not {text}"
        shown = numbers_in(text, tuple(p if isinstance(p, str) else None for p in template))
        if shown is None:
            return f"does not read as the equation does: {text[:80]}"
        for number, operand in zip(shown, operands, strict=True):
            value = float(numbers[operand.key][operand.index])
            if not shows(number, value, decimals, 1e-14):
                return f"shows {number!r} where {value:.17g} belongs"
        return None

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return bool(self.structure.samples > 1)


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


def targets_problem(loss: str, target: Array) -> str:
    """Return why targets of shape (…, outputs) lie outside a loss's domain, or nothing."""
    if loss == "categorical_cross_entropy" and (
        np.any(target < 0) or np.any(np.abs(target.sum(axis=-1) - 1) > SUM_TOLERANCE)
    ):
        return "the targets of a sample must be shares that sum to 1"
    if loss == "binary_cross_entropy" and (np.any(target < 0) or np.any(target > 1)):
        return "targets must lie between 0 and 1"
    return ""
