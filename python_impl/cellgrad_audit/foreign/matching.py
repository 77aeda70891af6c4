"""Finding what the other cells of a sheet hold, by what they read when numbers are drawn.

The forward pass is known; so a cell that reads what some quantity must be, in several draws,
is that quantity, whatever its formula looks like. In the first draws no node of a ReLU is
asleep, so that a forgotten derivative of it does not show. Where no cells hold the right
numbers, those that hold what a known mistake gives are proposed instead.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import TypeVar

import numpy as np

from cellgrad.case.givens import case_of
from cellgrad.case.quantities import OUTPUTS_OF, SQUARED_LOSSES, Index, Key, Structure, table
from cellgrad.errors import CaseError, EngineError
from cellgrad.verify.redraw import calm_redraw
from cellgrad.xlsx.addresses import Place, Range
from cellgrad_audit.answer import Vector
from cellgrad_audit.bugs.catalogue import MISTAKE, by_id, variants
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign import Formulas, places_in
from cellgrad_audit.foreign.layers import Forward
from cellgrad_audit.foreign.map_file import NEW, Placement, changes_for, joined, placement_of
from cellgrad_audit.foreign.recalculation import calculate

T = TypeVar("T")

_CLOSE = 1e-8
_ROUNDING = 1e-13
_AWAKE, _OTHER = 2, 3
_PARAMETERS = frozenset(NEW)
_UPDATED = frozenset(NEW.values())
_ENOUGH = 0.3
"""A block is proposed if so large a part of it holds the right numbers."""


@dataclass(slots=True)
class Placed:
    """Where a quantity was found.

    Attributes:
        placement: its cells.
        fitting: how many of them hold the right numbers in the first draws.
        mistake: the title of the mistake whose numbers they hold, if they hold no right ones.
    """

    placement: Placement
    fitting: int
    mistake: str = ""

    @property
    def size(self) -> int:
        """How many cells there are."""
        return math.prod(self.placement.shape)

    def places(self) -> list[Place]:
        """Return the cells."""
        return [cell for _, cell in self.placement.cells()]


@dataclass(slots=True)
class Matched:
    """What was found of a sheet beyond its forward pass.

    Attributes:
        structure: network, loss and update that fit best.
        given: where givens stand.
        rate: the learning rate: a cell, a number, or None.
        others: losses and updates that fit as well.
        computed: where results stand.
    """

    structure: Structure
    given: dict[Key, Placement]
    rate: Place | float | None
    others: list[Structure]
    computed: dict[Key, Placed] = field(default_factory=dict)


def structures(forward: Forward) -> list[Structure]:
    """Return the structures that a forward pass may belong to, the likeliest first."""
    last = forward.activations[-1]
    losses = [loss for loss, outputs in OUTPUTS_OF.items() if last in outputs]
    losses.sort(key=lambda loss: loss not in SQUARED_LOSSES)
    if last == "softmax":
        losses = ["categorical_cross_entropy"]
    if forward.nodes[-1] == 1:
        losses = [loss for loss in losses if loss != "mean_squared_error"]
    updates = ["online"] if forward.samples == 1 else ["batch_sum", "batch_mean"]
    possible = []
    for loss, update, sign in product(
        losses, updates, ("output_minus_target", "target_minus_output")
    ):
        try:
            structure = Structure(
                nodes=tuple(forward.nodes),
                activations=tuple(forward.activations),
                loss=loss,
                update=update,
                samples=forward.samples,
                biases=forward.biases is not None,
                error_sign=sign,
            )
        except CaseError:
            continue
        possible.append(structure)
    return possible


def givens_in(forward: Forward, structure: Structure) -> dict[Key, Placement]:
    """Return where the givens of a forward pass stand."""
    rows: dict[Key, list[list[Place]]] = {
        ("input", None): forward.inputs,
        ("target", None): forward.targets,
        **{("weights", k): weights for k, weights in enumerate(forward.weights)},
    }
    cells: dict[Key, dict[Index, Place]] = {
        key: {(i, j): cell for i, row in enumerate(table_) for j, cell in enumerate(row)}
        for key, table_ in rows.items()
    }
    for k, biases in enumerate(forward.biases or []):
        cells["biases", k] = {(j,): cell for j, cell in enumerate(biases)}
    known = table(structure)
    return {key: placement_of(known[key].shape, indexed) for key, indexed in cells.items()}


class Matcher:
    """Recalculates a sheet with drawn numbers and matches its cells.

    Args:
        formulas: the workbook.
        forward: its forward pass, with targets.
    """

    def __init__(self, formulas: Formulas, forward: Forward) -> None:
        self.f, self.forward = formulas, forward
        self.candidates = structures(forward)
        if not self.candidates:
            raise EngineError("no loss goes with these activations")
        self.given = givens_in(forward, self.candidates[0])
        self.used: set[Place] = {cell for where in self.given.values() for _, cell in where.cells()}
        self.cells: list[Place] = self._descendants()
        self.draws: list[dict[Key, Vector]] = []
        self.values: dict[Place, list[float]] = {}
        self.order: list[tuple[float, Place]] = []
        """The cells that always held a number, by what they read in the first draw."""

    def _descendants(self) -> list[Place]:
        """Return the readable formula cells that depend on the givens."""
        reached: dict[Place, None] = {}
        stack = [cell for where in self.given.values() for _, cell in where.cells()]
        while stack:
            for reader in self.f.readers(stack.pop()):
                if reader not in reached:
                    reached[reader] = None
                    stack.append(reader)
        return list(reached)

    def result(self) -> Matched:
        """Return what was found."""
        rate = self._rate_cell()
        self._calculate()
        numbers = [
            self.f.number(rate) if rate else self._rate_number(structure)
            for structure in self.candidates
        ]
        scores = [self._score(*pair) for pair in zip(self.candidates, numbers, strict=True)]
        best, *others = (n for n, score in enumerate(scores) if score == max(scores))
        structure, number = self.candidates[best], numbers[best]
        stated = None if math.isnan(number) else number
        same = [self.candidates[n] for n in others]
        matched = Matched(structure, self.given, stated if rate is None else rate, same)
        self._forward_cells(matched)
        self._place_all(matched, number)
        if not any(name in _UPDATED for name, _ in matched.computed):
            matched.rate = None
        return matched

    # draws

    def _calculate(self) -> None:
        structure = self.candidates[0]
        drawn = [calm_redraw(structure, n + 1, awake=True) for n in range(_AWAKE)]
        drawn += [calm_redraw(structure, n + 11) for n in range(_OTHER)]
        self.draws = [joined(self.given, draw.givens) for draw in drawn]
        with closing(calculate(self.f.foreign, [*self.cells, *self.used])) as calculation:
            for givens in self.draws:
                calculation.update(changes_for(self.given, givens))
                for place, value in calculation.values(self.cells).items():
                    number = value if isinstance(value, float) else math.nan
                    self.values.setdefault(place, []).append(number)
        self.order = sorted(
            (values[0], place)
            for place, values in self.values.items()
            if not any(math.isnan(value) for value in values[:_AWAKE])
        )

    def _numbers(
        self,
        structure: Structure,
        rate: float,
        program: type[Program] = Program,
        draws: int | None = None,
    ) -> dict[Key, list[Vector]]:
        """Return every quantity in the first draws, or in all."""
        known = table(structure)
        numbers: dict[Key, list[Vector]] = {}
        for givens in self.draws[:draws]:
            case = case_of(
                structure,
                givens,
                learning_rate=1.0 if math.isnan(rate) else rate,
                leaky_slope=self.forward.slope,
            )
            with np.errstate(all="ignore"):
                steps = program(case).run().steps
            if not steps:
                return {}
            for key, value in steps[0].items():
                array = np.asarray(value, dtype=np.float64)
                if key in known and key[0] != "penalty" and known[key].shape == array.shape:
                    numbers.setdefault(key, []).append(array)
        return numbers

    # learning rate

    def _rate_cell(self) -> Place | None:
        """Return the typed cell that is read together with many weights."""
        parameters = {
            cell
            for key, where in self.given.items()
            if key[0] in _PARAMETERS
            for _, cell in where.cells()
        }
        forward = {node.key for layer in self.forward.layers for nodes in layer for node in nodes}
        counts: Counter[Place] = Counter()
        for place in self.cells:
            read = set(places_in(self.f.terms[place]))
            if place not in forward and len(read & parameters) == 1:
                counts.update(cell for cell in read if self.f.typed(cell) and cell not in self.used)
        return _commonest(counts)

    def _rate_number(self, structure: Structure) -> float:
        """Return the learning rate that formulas hold as a number; NaN for none."""
        right = self._numbers(structure, 1.0, draws=_AWAKE)
        counts: Counter[float] = Counter()
        sign = 1.0 if structure.error_sign == "output_minus_target" else -1.0
        for key, where in self.given.items():
            name = "weight_gradient" if key[0] == "weights" else "bias_gradient"
            gradients = right.get((name, key[1]), [])
            if key[0] not in _PARAMETERS or len(gradients) < _AWAKE:
                continue
            for index, cell in where.cells():
                slopes = [sign * float(gradient[index]) for gradient in gradients]
                before = [float(givens[key][index]) for givens in self.draws]
                for reader in self.f.readers(cell):
                    after = self.values[reader]
                    ratios = {
                        round((before[n] - after[n]) / slopes[n], 9)
                        for n in range(_AWAKE)
                        if slopes[n] and not math.isnan(after[n])
                    }
                    if len(ratios) == 1:
                        counts.update(ratios)
        del counts[0.0]
        if counts[1.0] < 2:
            del counts[1.0]
        rate = _commonest(counts)
        return math.nan if rate is None else rate

    # matching

    def _cells_reading(self, numbers: Sequence[float]) -> list[Place]:
        """Return the cells that read these numbers in the first draws, the steadiest first."""
        # a number that stays the same says nothing in two draws: then all of them must fit
        constant = len(numbers) > 1 and _near(numbers[0], numbers[1])
        if constant and len(numbers) <= _AWAKE:
            return []
        compared = numbers if constant else numbers[:_AWAKE]

        def fit(place: Place, tolerance: float) -> bool:
            pairs = zip(self.values[place], compared, strict=False)
            return all(_near(value, number, tolerance) for value, number in pairs)

        tolerance = _CLOSE * max(1.0, abs(numbers[0]))
        first = bisect_left(self.order, (numbers[0] - tolerance,))
        close = []
        for value, place in islice(self.order, first, None):
            if value > numbers[0] + tolerance:
                break
            if fit(place, _CLOSE):
                close.append(place)
        # a difference quotient beside a gradient is close, no more
        return [place for place in close if fit(place, _ROUNDING)] or close

    def _score(self, structure: Structure, rate: float) -> int:
        """Return how many numbers of a structure are found on the sheet."""
        score = 0
        for key, arrays in self._numbers(structure, rate).items():
            if key[0] in _UPDATED and math.isnan(rate):
                continue
            for index in np.ndindex(arrays[0].shape):
                numbers = [float(array[index]) for array in arrays]
                score += bool(numbers[0] and self._cells_reading(numbers))
        return score

    def _forward_cells(self, matched: Matched) -> None:
        """Place what the forward pass is known to hold."""
        known = table(matched.structure)
        for k, layer in enumerate(self.forward.layers):
            pre: dict[Index, Place] = {}
            post: dict[Index, Place] = {}
            for s, nodes in enumerate(layer):
                for j, node in enumerate(nodes):
                    if node.pre is not None:
                        pre[s, j] = node.pre
                    if node.post:
                        post[s, j] = node.post[0]
            for name, cells in (("pre_activation", pre), ("post_activation", post)):
                shape = known[name, k].shape
                if len(cells) == math.prod(shape):
                    self._take(matched, (name, k), Placed(placement_of(shape, cells), len(cells)))

    def _place_all(self, matched: Matched, rate: float) -> None:
        known = table(matched.structure)
        right = self._numbers(matched.structure, rate)
        # what is the same in every draw, such as the slope of the identity, is nowhere placed
        whole: list[Key] = [
            key
            for key in known
            if key in right
            and key not in matched.computed
            and not all(np.array_equal(array, right[key][0]) for array in right[key])
            and not (key[0] in _UPDATED and math.isnan(rate))
        ]
        for least in (1.0, _ENOUGH):
            for key in whole:
                if key in matched.computed:
                    continue
                placed = self._placed(known[key].shape, right[key], least)
                if placed is not None and not self._is_rather_signal(key, placed, right):
                    self._take(matched, key, placed)
        self._untangle(matched)
        missing = [
            key
            for key in whole
            if key not in matched.computed
            and key[0] in {"error_signal", "weight_gradient", "bias_gradient", *_UPDATED}
            and math.prod(known[key].shape) > 1
            and not _is_shown(key, matched, right)
        ]
        if missing:
            self._by_mistakes(matched, rate, missing)

    def _is_rather_signal(
        self, key: Key, placed: Placed, right: Mapping[Key, list[Vector]]
    ) -> bool:
        """Tell whether cells taken for Σ δ·w are rather δ: right as such in more draws."""
        if key[0] != "backpropagated_error":
            return False
        cells = dict(placed.placement.cells())
        signal = self._steady(cells, right["error_signal", key[1]])
        return signal > self._steady(cells, right[key])

    def _untangle(self, matched: Matched) -> None:
        """Tell δ from Σ δ·w, which are the same where every node is awake: δ reads Σ δ·w."""
        computed = matched.computed
        for k in range(matched.structure.layers):
            flowing = computed.get(("backpropagated_error", k))
            signal = computed.get(("error_signal", k))
            if flowing is None or signal is None:
                continue
            reads = {read for cell in flowing.places() for read in places_in(self.f.terms[cell])}
            if not reads.isdisjoint(signal.places()):
                computed["backpropagated_error", k] = signal
                computed["error_signal", k] = flowing

    def _take(self, matched: Matched, key: Key, placed: Placed) -> None:
        matched.computed[key] = placed
        self.used.update(placed.places())

    def _placed(
        self, shape: tuple[int, ...], arrays: Sequence[Vector], least: float
    ) -> Placed | None:
        """Return the cells that hold a quantity best, a part of them at least; None for none."""
        matches: dict[Index, list[Place]] = {}
        for index in np.ndindex(shape):
            numbers = [float(array[index]) for array in arrays]
            cells = self._cells_reading(numbers) if numbers[0] else []
            matches[index] = [cell for cell in cells if cell not in self.used]
        size, best, top = math.prod(shape), None, -math.inf
        for where in _rectangles(shape, matches):
            places = dict(where.cells())
            if any(cell in self.used or cell not in self.values for cell in places.values()):
                continue
            fitting = sum(cell in matches[index] for index, cell in places.items())
            score = fitting + 0.5 * self._steady(places, arrays) - 0.1 * self._copies(places)
            if fitting >= least * size and score > top:
                best, top = Placed(where, fitting), score
        if best is None and all(matches.values()):
            firsts = {index: cells[0] for index, cells in matches.items()}
            if len(set(firsts.values())) == size:
                return Placed(placement_of(shape, firsts), size)
        return best

    def _steady(self, cells: Mapping[Index, Place], arrays: Sequence[Vector]) -> float:
        """Return in what part of the later draws cells are right too: it tells δ from Σ δ·w."""
        right = [
            _near(self.values[cell][n], float(arrays[n][index]))
            for index, cell in cells.items()
            for n in range(_AWAKE, len(arrays))
        ]
        return sum(right) / len(right) if right else 0.0

    def _copies(self, cells: Mapping[Index, Place]) -> float:
        """Return what part of some cells only repeat others."""
        copied: int = sum(self.f.terms[cell][0] == "leaf" for cell in cells.values())
        return copied / len(cells)

    def _by_mistakes(self, matched: Matched, rate: float, missing: list[Key]) -> None:
        """Place what holds the numbers of a known mistake."""
        known = table(matched.structure)
        entries = by_id()
        for variant in variants():
            if not missing:
                return
            entry = entries[variant.entry]
            if entry.kind != MISTAKE:
                continue
            try:
                wrong = self._numbers(matched.structure, rate, variant.program, _AWAKE)
            except (ArithmeticError, IndexError, KeyError, ValueError, TypeError):
                continue
            for key in list(missing):
                if len(wrong.get(key, ())) < _AWAKE:
                    continue
                if any(np.array_equal(given, wrong[key][0]) for given in self.draws[0].values()):
                    continue  # copies of a given are no results
                placed = self._placed(known[key].shape, wrong[key], 1.0)
                if placed is not None:
                    self._take(matched, key, replace(placed, mistake=entry.title))
                    missing.remove(key)


def _rectangles(
    shape: tuple[int, ...], matches: Mapping[Index, list[Place]]
) -> Iterator[Placement]:
    """Yield the rectangles in which some cell is where it matches."""
    seen = set()
    straight = tuple(range(len(shape)))
    for axes in (straight, (1, 0)) if len(shape) == 2 else (straight,):
        sizes = tuple(shape[axis] for axis in axes)
        size = math.prod(sizes)
        forms = {sizes} if len(sizes) == 2 else {(1, size), (size, 1)}
        if len(sizes) == 2 and 1 in sizes:
            forms.add(sizes[::-1])
        for index, places in matches.items():
            flat = 0
            for axis, count in zip(axes, sizes, strict=True):
                flat = flat * count + index[axis]
            for (sheet, row, column), (height, width) in product(places, sorted(forms)):
                top, left = row - flat // width, column - flat % width
                area = Range(sheet, top, left, top + height - 1, left + width - 1)
                if top > 0 and left > 0 and (area, axes) not in seen:
                    seen.add((area, axes))
                    yield Placement(shape, (area,), axes)


def _is_shown(key: Key, matched: Matched, right: Mapping[Key, list[Vector]]) -> bool:
    """Tell whether cells that were placed hold the same numbers under another name."""
    mine = right[key][0].ravel()
    others = (right[other][0].ravel() for other in matched.computed if other in right)
    return any(np.array_equal(other, mine) for other in others)


def _commonest(counts: Counter[T]) -> T | None:
    """Return what was counted most, if more than once."""
    common = counts.most_common(1)
    return common[0][0] if common and common[0][1] > 1 else None


def _near(value: float, number: float, tolerance: float = _CLOSE) -> bool:
    return abs(value - number) <= tolerance * max(1.0, abs(number))
