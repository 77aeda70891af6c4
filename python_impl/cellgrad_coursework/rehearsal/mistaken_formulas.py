"""The catalogue's mistakes as formulas: what a student who makes one would write into a cell.

A variant's program runs on symbols instead of numbers, each quantity put right once it is
recorded, so that its own arithmetic spells out the wrong formula in the handout's addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad.case.quantities import quantities
from cellgrad.workbook.layout import StepLayout
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.entry import CONVENTION, MISTAKE, Variant
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.draws import Givens, case_with
from cellgrad_coursework.grading.naming import local_values
from cellgrad_coursework.model import Manifest

Symbols = NDArray[Any]

_MOST_CHARACTERS = 2_000
_FIRST = 1_000.0
"""Givens are marked by numbers from here on: no number of a network looks like these."""


class Symbol:
    """An operand or an expression, as formula text."""

    __slots__ = ("text",)
    __array_priority__ = 1000

    def __init__(self, text: str) -> None:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError("the formula grows too long")
        self.text = text

    def __add__(self, other: Any) -> Any:
        return _joined("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return _joined("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return _joined("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _joined("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return _joined("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _joined("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _joined("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _joined("/", other, self)

    def __neg__(self) -> Symbol:
        return Symbol(f"(-{self.text})")


def _text(value: Any) -> str:
    if isinstance(value, Symbol):
        return value.text
    number = float(value)
    text = f"{number:.17g}"
    return text if number >= 0 else f"({text})"


def _joined(sign: str, left: Any, right: Any) -> Any:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return NotImplemented
    return Symbol(f"({_text(left)}{sign}{_text(right)})")


class Symbolic:
    """An arithmetic that spells out formulas; see ``bugs.arithmetic``.

    Args:
        addresses: of the givens, by the numbers that mark them.
    """

    def __init__(self, addresses: Mapping[float, str]) -> None:
        self.addresses = addresses

    def _of(self, value: float) -> Any:
        return Symbol(self.addresses[value]) if value in self.addresses else value

    def numbers(self, values: Any) -> Symbols:
        """Return given numbers as symbols."""
        array = np.array(values, dtype=np.float64)
        found = np.empty(array.shape, dtype=object)
        for index, value in np.ndenumerate(array):
            found[index] = self._of(float(value))
        return found

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR."""
        return self._of(float(value))

    def exp(self, x: Symbols) -> Symbols:
        """EXP of every element."""
        return self._each("EXP", x)

    def log(self, x: Symbols) -> Symbols:
        """LN of every element."""
        return self._each("LN", x)

    def tanh(self, x: Symbols) -> Symbols:
        """TANH of every element."""
        return self._each("TANH", x)

    def sqrt(self, x: Symbols) -> Symbols:
        """SQRT of every element."""
        return self._each("SQRT", x)

    def absolute(self, x: Symbols) -> Symbols:
        """ABS of every element."""
        return self._each("ABS", x)

    def choose(self, condition: Symbols, yes: Any, no: Any) -> Symbols:
        """IF(condition > 0, yes, no) for every element."""
        condition = np.asarray(condition, dtype=object)
        first = np.broadcast_to(np.asarray(yes, dtype=object), condition.shape)
        other = np.broadcast_to(np.asarray(no, dtype=object), condition.shape)
        found = np.empty(condition.shape, dtype=object)
        for index, value in np.ndenumerate(condition):
            found[index] = Symbol(
                f"IF({_text(value)}>0,{_text(first[index])},{_text(other[index])})"
            )
        return found

    def rounded(self, x: Symbols, to: Callable[[float], float]) -> Symbols:
        """Refuse: a formula does not round as another format does."""
        del x, to
        raise TypeError("no formula rounds like this")

    @staticmethod
    def _each(function: str, x: Any) -> Symbols:
        array = np.asarray(x, dtype=object)
        found = np.empty(array.shape, dtype=object)
        for index, value in np.ndenumerate(array):
            found[index] = Symbol(f"{function}({_text(value)})")
        return found


@dataclass(frozen=True, slots=True)
class MistakenFormula:
    """A wrong formula for one graded cell.

    Attributes:
        cell: the number of the graded cell in the manifest.
        variant: the mistake.
        formula: without its equals sign.
    """

    cell: int
    variant: Variant
    formula: str


def mistaken_formulas(
    manifest: Manifest, case: Case, chosen: Sequence[Variant] | None = None
) -> Iterator[MistakenFormula]:
    """Yield what each mistake writes into each cell, where it is made there.

    Some are no mistakes in their cell, or come to the same as another: what a formula is
    worth is for the grader to say.

    Args:
        manifest: the assignment.
        case: any case of it.
        chosen: the variants; by default all of mistakes and conventions.
    """
    kinds = {MISTAKE, CONVENTION}
    if chosen is None:
        chosen = [v for v in variants() if by_id()[v.entry].kind in kinds]
    symbolic, addresses = _marked(manifest, case)
    arithmetic = Symbolic(addresses)
    shapes = {name: np.shape(array) for name, array in Program(case).run().steps[0].items()}
    right = _right(manifest, case, shapes)
    usual = _spelled(Program, symbolic, right, arithmetic)
    for variant in chosen:
        found = _spelled(variant.program, symbolic, right, arithmetic)
        for n, cell in enumerate(manifest.cells):
            name = (cell.quantity, cell.layer)
            text, plain = _at(found.get(name), cell.index), _at(usual.get(name), cell.index)
            if text and text != plain:
                yield MistakenFormula(n, variant, text)


def _at(array: Symbols | None, index: tuple[int, ...]) -> str:
    if array is None:
        return ""
    try:
        value = np.asarray(array, dtype=object)[index]
    except IndexError:
        return ""
    text = _text(value) if isinstance(value, (Symbol, float, int)) else ""
    return text[1:-1] if _is_wrapped(text) else text


def _is_wrapped(text: str) -> bool:
    """Tell whether one pair of brackets encloses the whole text."""
    if not text.startswith("("):
        return False
    depth = 0
    for n, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return n == len(text) - 1
    return False


def _spelled(
    program: type[Program], case: Case, right: Mapping[QuantityKey, Symbols], arithmetic: Symbolic
) -> dict[QuantityKey, Symbols]:
    try:
        return local_values(program, case, right, arithmetic)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
        return {}  # it has no meaning for this network, or is no formula


def _marked(manifest: Manifest, case: Case) -> tuple[Case, dict[float, str]]:
    """Return the case with a mark in place of each given, and the addresses by mark."""
    addresses: dict[float, str] = {}
    network = case.network
    layers = range(len(network.nodes) - 1)
    marks: Givens = {
        ("input", None): np.zeros((len(case.samples), network.nodes[0])),
        ("target", None): np.zeros((len(case.samples), network.nodes[-1])),
        ("learning_rate", None): np.array(case.step_learning_rate()),
        **{("weights", k): np.zeros(network.nodes[k : k + 2]) for k in layers},
    }
    if network.biases is not None:
        marks |= {("biases", k): np.zeros(network.nodes[k + 1]) for k in layers}
    for n, given in enumerate(manifest.givens):
        key = (given.quantity, given.layer)
        if key not in marks:
            marks[key] = np.array(0.0)
        marks[key][given.index] = _FIRST + n + 0.5
        addresses[_FIRST + n + 0.5] = given.address
    return case_with(case, marks), addresses


def _right(
    manifest: Manifest, case: Case, shapes: Mapping[QuantityKey, tuple[int, ...]]
) -> dict[QuantityKey, Symbols]:
    """Return the cells' addresses in place of the quantities that they hold."""
    found: dict[QuantityKey, Symbols] = {}
    asked = _shown(manifest, case)
    for cell in manifest.cells:
        asked.setdefault((cell.quantity, cell.layer), {})[cell.index] = cell.address
    for name, cells in asked.items():
        if name in shapes and len(cells) == int(np.prod(shapes[name])):
            array = np.empty(shapes[name], dtype=object)
            for index, address in cells.items():
                array[index] = Symbol(address)
            found[name] = array
    return found


def _shown(manifest: Manifest, case: Case) -> dict[QuantityKey, dict[tuple[int, ...], str]]:
    """Return the addresses of quantities that the handout computes itself."""
    fixed = {(cell.sheet, cell.address) for cell in manifest.fixed}
    layout = StepLayout(case.structure())
    found: dict[QuantityKey, dict[tuple[int, ...], str]] = {}
    for quantity in quantities(case.structure()):
        for index in product(*(range(size) for size in quantity.shape)):
            address = a1(*layout.places[quantity.key].cell(index))
            if not quantity.given and (layout.sheet, address) in fixed:
                found.setdefault(quantity.key, {})[index] = address
    return found
