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
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from cellgrad.case.model import Case, Conventions, Network, Sample
from cellgrad.case.quantities import Index, Key, table
from cellgrad.case.structure import Structure
from cellgrad.case.vocabulary import OUTPUTS_OF, SQUARED_LOSSES
from cellgrad.errors import CaseError, EngineError
from cellgrad.verify.redraw import calm_redraw
from cellgrad.xlsx.addresses import Place, Range
from cellgrad_audit.answer import Vector
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.entry import MISTAKE
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign.following import Formulas, places_in
from cellgrad_audit.foreign.layers import Forward
from cellgrad_audit.foreign.placement import Placement, joined
from cellgrad_audit.foreign.recalculation import Calculation, calculate

_CLOSE = 1e-8
_ROUNDING = 1e-13
_AWAKE, _OTHER = 2, 3
_MATRIX = 2
_SKIPPED = frozenset(("penalty",))
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


@dataclass(slots=True)
class Matched:
    """What was found of a sheet beyond its forward pass.

    Attributes:
        structure: network, loss and update that fit best.
        given: where givens stand.
        computed: where results stand.
        rate: the learning rate: a cell, a number, or None.
        others: losses and updates that fit as well.
        notes: what could not be done.
    """

    structure: Structure
    given: dict[Key, Placement]
    computed: dict[Key, Placed] = field(default_factory=dict)
    rate: Place | float | None = None
    others: list[Structure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def placement_of(shape: tuple[int, ...], cells: Mapping[Index, Place]) -> Placement:
    """Return the placement of a quantity whose cells are known: a rectangle if they are one."""
    for axes in ((0, 1), (1, 0)) if len(shape) == _MATRIX else (tuple(range(len(shape))),):
        order = [
            cells[tuple(index[axes.index(n)] for n in range(len(shape)))]
            for index in product(*(range(shape[axis]) for axis in axes))
        ]
        sheet, top, left = order[0]
        bottom, right = order[-1][1:]
        if order[-1][0] != sheet or bottom < top or right < left:
            continue
        area = Range(sheet, top, left, bottom, right)
        if area.height * area.width != len(order):
            continue
        inside = [
            (sheet, row, column)
            for row in range(top, bottom + 1)
            for column in range(left, right + 1)
        ]
        wide = len(shape) != _MATRIX or 1 in shape or area.width == shape[axes[1]]
        if inside == order and wide:
            return Placement(shape, (area,), axes)
    pieces = tuple(
        Range(sheet, row, column, row, column)
        for sheet, row, column in (cells[index] for index in np.ndindex(shape))
    )
    return Placement(shape, pieces, tuple(range(len(shape))))


def structures(forward: Forward) -> list[Structure]:
    """Return the structures that a forward pass may belong to, the likeliest first."""
    found = []
    last = forward.activations[-1]
    losses = [loss for loss, outputs in OUTPUTS_OF.items() if last in outputs]
    losses.sort(key=lambda loss: (loss not in SQUARED_LOSSES, list(OUTPUTS_OF).index(loss)))
    if last == "softmax":
        losses = ["categorical_cross_entropy"]
    updates = ["online"] if forward.samples == 1 else ["batch_sum", "batch_mean"]
    for loss in losses:
        if loss == "mean_squared_error" and forward.nodes[-1] == 1:
            continue
        for update in updates:
            for sign in ("output_minus_target", "target_minus_output"):
                try:
                    found.append(
                        Structure(
                            tuple(forward.nodes), tuple(forward.activations), loss, update,
                            forward.samples, forward.biases is not None, error_sign=sign,
                        )
                    )  # fmt: skip
                except CaseError:
                    continue
    return found


def givens_of(forward: Forward, structure: Structure) -> dict[Key, Placement]:
    """Return where the givens of a forward pass stand."""
    known = table(structure)
    found = {}
    cells: dict[Key, list[list[Place]]] = {
        ("input", None): forward.inputs,
        ("target", None): forward.targets,
    }
    for k, weights in enumerate(forward.weights):
        cells["weights", k] = weights
    for key, rows in cells.items():
        indexed: dict[Index, Place] = {
            (i, j): cell for i, row in enumerate(rows) for j, cell in enumerate(row)
        }
        found[key] = placement_of(known[key].shape, indexed)
    for k, biases in enumerate(forward.biases or []):
        named: dict[Index, Place] = {(j,): cell for j, cell in enumerate(biases)}
        found["biases", k] = placement_of(known["biases", k].shape, named)
    return found


class Matcher:
    """Recalculates a sheet with drawn numbers and matches its cells.

    Args:
        formulas: the workbook.
        forward: its forward pass, with targets.
        engine: who recalculates; None for the first that can.
    """

    def __init__(self, formulas: Formulas, forward: Forward, engine: str | None = None) -> None:
        self.f, self.forward = formulas, forward
        self.candidates = structures(forward)
        if not self.candidates:
            raise EngineError("no loss goes with these activations")
        self.given = givens_of(forward, self.candidates[0])
        self.cells: list[Place] = self._descendants()
        self.engine = engine
        self.draws: list[dict[Key, Vector]] = []
        self.values: dict[Place, list[float]] = {}
        self.used: set[Place] = {cell for where in self.given.values() for _, cell in where.cells()}

    def _descendants(self) -> list[Place]:
        """Return the readable formula cells that depend on the givens."""
        found: dict[Place, None] = {}
        stack = [cell for where in self.given.values() for _, cell in where.cells()]
        while stack:
            for reader in self.f.readers(stack.pop()):
                if reader not in found:
                    found[reader] = None
                    stack.append(reader)
        return list(found)

    def result(self) -> Matched:
        """Return what was found."""
        rate = self._rate_cell()
        self._calculate()
        best: list[tuple[int, Structure, float]] = []
        for structure in self.candidates:
            number = self.f.number(rate) if rate else self._rate_number(structure)
            score = self._score(structure, number)
            best.append((score, structure, number))
        top = max(score for score, _, _ in best)
        fitting = [(s, structure, number) for s, structure, number in best if s == top]
        _, structure, number = fitting[0]
        found = Matched(structure, self.given, rate=rate if rate is not None else (
            None if math.isnan(number) else number))  # fmt: skip
        found.others = [other for _, other, _ in fitting[1:]]
        self._forward_cells(found)
        self._place_all(found, number)
        if not any(key[0] in ("new_weights", "new_biases") for key in found.computed):
            found.rate = None
        return found

    # draws

    def _calculate(self) -> None:
        structure = self.candidates[0]
        drawn = [calm_redraw(structure, n + 1, awake=True) for n in range(_AWAKE)]
        drawn += [calm_redraw(structure, n + 11) for n in range(_OTHER)]
        wanted = [*self.cells, *self.used]
        calculation: Calculation
        with calculate(self.f.foreign, wanted, self.engine) as calculation:
            for draw in drawn:
                givens = joined(self.given, draw.givens)
                self.draws.append(givens)
                changes = [
                    change
                    for key, where in self.given.items()
                    for change in where.scattered(givens[key])
                ]
                calculation.update(changes)
                for place, value in calculation.values(self.cells).items():
                    number = value if isinstance(value, float) else math.nan
                    self.values.setdefault(place, []).append(number)

    def _cases(self, structure: Structure, rate: float) -> Iterator[Case]:
        for n, givens in enumerate(self.draws):
            rows = zip(givens["input", None].tolist(), givens["target", None].tolist(), strict=True)
            biases = None
            if structure.biases:
                biases = tuple(tuple(givens["biases", k].tolist()) for k in range(structure.layers))
            weights = tuple(
                tuple(tuple(row) for row in givens["weights", k].tolist())
                for k in range(structure.layers)
            )
            yield Case(
                id=f"draw {n}", title="", loss=structure.loss, update=structure.update,
                network=Network(structure.nodes, structure.activations, weights, biases,
                                self.forward.slope),
                samples=tuple(Sample(tuple(x), tuple(t)) for x, t in rows),
                learning_rate=1.0 if math.isnan(rate) else rate,
                conventions=Conventions(error_sign=structure.error_sign),
            )  # fmt: skip

    def _numbers(
        self, structure: Structure, rate: float, program: type[Program] = Program, draws: int = 99
    ) -> dict[Key, list[Vector]]:
        """Return every quantity in the first draws."""
        known = table(structure)
        found: dict[Key, list[Vector]] = {}
        for n, case in enumerate(self._cases(structure, rate)):
            if n >= draws:
                break
            with np.errstate(all="ignore"):
                steps = program(case).run().steps
            if not steps:
                return {}
            for key, value in steps[0].items():
                shape = known[key].shape if key in known else None
                array = np.asarray(value, dtype=np.float64)
                if shape == array.shape and key[0] not in _SKIPPED:
                    found.setdefault(key, []).append(array)
        return found

    # learning rate

    def _rate_cell(self) -> Place | None:
        """Return the typed cell that is read together with many weights."""
        weights = {
            cell for key, where in self.given.items() if key[0] in ("weights", "biases")
            for _, cell in where.cells()
        }  # fmt: skip
        forward = {node.key for layer in self.forward.layers for nodes in layer for node in nodes}
        counts: Counter[Place] = Counter()
        for place in self.cells:
            read = set(places_in(self.f.terms[place]))
            if place in forward or len(read & weights) != 1:
                continue
            counts.update(cell for cell in read if self.f.typed(cell) and cell not in self.used)
        common = counts.most_common(1)
        return common[0][0] if common and common[0][1] > 1 else None

    def _rate_number(self, structure: Structure) -> float:
        """Return the learning rate that formulas hold as a number; NaN for none."""
        right = self._numbers(structure, 1.0, draws=_AWAKE)
        counts: Counter[float] = Counter()
        sign = 1.0 if structure.error_sign == "output_minus_target" else -1.0
        for key, where in self.given.items():
            if key[0] not in ("weights", "biases"):
                continue
            name = "weight_gradient" if key[0] == "weights" else "bias_gradient"
            gradients = right.get((name, key[1]), [])
            if len(gradients) < _AWAKE:
                continue
            for index, cell in where.cells():
                for reader in self.f.readers(cell):
                    ratios = {
                        round(
                            float(
                                (self.draws[n][key][index] - self.values[reader][n])
                                / (sign * gradients[n][index])
                            ), 9,
                        )
                        for n in range(_AWAKE)
                        if gradients[n][index] and not math.isnan(self.values[reader][n])
                    }  # fmt: skip
                    if len(ratios) == 1:
                        counts.update(ratios)
        counts.pop(0.0, None)
        counts.pop(1.0, None) if counts.get(1.0, 0) < _MATRIX else None
        common = counts.most_common(1)
        return common[0][0] if common and common[0][1] > 1 else math.nan

    # matching

    def _index(self) -> tuple[list[float], list[Place]]:
        pairs = sorted(
            (values[0], place)
            for place, values in self.values.items()
            if not any(math.isnan(v) for v in values[:_AWAKE])
        )
        return [value for value, _ in pairs], [place for _, place in pairs]

    def _cells_reading(
        self, index: tuple[list[float], list[Place]], numbers: Sequence[float]
    ) -> list[Place]:
        """Return the cells that read these numbers in the first draws, the steadiest first."""
        keys, places = index
        # a number that stays the same says nothing in two draws: then all of them must fit
        constant = len(numbers) > 1 and _close(numbers[0], numbers[1])
        if constant and len(numbers) <= _AWAKE:
            return []
        count = len(numbers) if constant else min(_AWAKE, len(numbers))
        tolerance = _CLOSE * max(1.0, abs(numbers[0]))
        found = []
        for n in range(bisect_left(keys, numbers[0] - tolerance), len(keys)):
            if keys[n] > numbers[0] + tolerance:
                break
            values = self.values[places[n]]
            if all(_close(values[d], numbers[d]) for d in range(count)):
                found.append(places[n])
        exact = [
            place
            for place in found
            if all(_exact(self.values[place][d], numbers[d]) for d in range(count))
        ]
        return exact or found  # a difference quotient beside a gradient is close, no more

    def _score(self, structure: Structure, rate: float) -> int:
        """Return how many numbers of a structure are found on the sheet."""
        index, score = self._index(), 0
        for key, arrays in self._numbers(structure, rate).items():
            if key[0] in ("new_weights", "new_biases") and math.isnan(rate):
                continue
            for at in np.ndindex(arrays[0].shape):
                numbers = [float(array[at]) for array in arrays]
                score += bool(numbers[0] and self._cells_reading(index, numbers))
        return score

    def _forward_cells(self, found: Matched) -> None:
        """Place what the forward pass is known to hold."""
        known = table(found.structure)
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
                    where = placement_of(shape, cells)
                    found.computed[name, k] = Placed(where, len(cells))
                    self.used.update(cell for _, cell in where.cells())

    def _place_all(self, found: Matched, rate: float) -> None:
        known = table(found.structure)
        index, right = self._index(), self._numbers(found.structure, rate)
        whole: list[Key] = [
            key for key in known
            if key in right and key not in found.computed and not _constant(right[key])
            and not (key[0] in ("new_weights", "new_biases") and math.isnan(rate))
        ]  # fmt: skip
        for least in (1.0, _ENOUGH):
            for key in whole:
                if key in found.computed:
                    continue
                placed = self._placed(known[key].shape, right[key], index, least)
                if placed is not None and not self._rather_signal(key, placed, right):
                    self._take(found, key, placed)
        self._untangle(found)
        missing = [
            key for key in whole
            if key not in found.computed and key[0] in
            ("error_signal", "weight_gradient", "bias_gradient", "new_weights", "new_biases")
            and math.prod(known[key].shape) > 1 and not self._shown(key, found, right)
        ]  # fmt: skip
        if missing:
            self._by_mistakes(found, rate, missing, index)

    def _rather_signal(self, key: Key, placed: Placed, right: Mapping[Key, list[Vector]]) -> bool:
        """Tell whether cells taken for Σ δ·w are rather δ: right as such in more draws."""
        if key[0] != "backpropagated_error":
            return False
        cells = dict(placed.placement.cells())
        signal = self._steady(cells, right["error_signal", key[1]])
        return signal > self._steady(cells, right[key])

    @staticmethod
    def _shown(key: Key, found: Matched, right: Mapping[Key, list[Vector]]) -> bool:
        """Tell whether cells that were placed hold the same numbers under another name."""
        mine = right[key][0].ravel()
        return any(
            other in right and right[other][0].size == mine.size
            and np.array_equal(right[other][0].ravel(), mine)
            for other in found.computed
        )  # fmt: skip

    def _untangle(self, found: Matched) -> None:
        """Tell δ from Σ δ·w, which are the same where every node is awake: δ reads Σ δ·w."""
        for k in range(found.structure.layers):
            flowing = found.computed.get(("backpropagated_error", k))
            signal = found.computed.get(("error_signal", k))
            if flowing is None or signal is None:
                continue
            signals = {cell for _, cell in signal.placement.cells()}
            reads = {
                read for _, cell in flowing.placement.cells()
                for read in places_in(self.f.terms[cell])
            }  # fmt: skip
            if reads & signals:
                found.computed["backpropagated_error", k] = signal
                found.computed["error_signal", k] = flowing

    def _take(self, found: Matched, key: Key, placed: Placed) -> None:
        found.computed[key] = placed
        self.used.update(cell for _, cell in placed.placement.cells())

    def _placed(
        self,
        shape: tuple[int, ...],
        arrays: Sequence[Vector],
        index: tuple[list[float], list[Place]],
        least: float,
    ) -> Placed | None:
        matches: dict[Index, list[Place]] = {}
        for at in np.ndindex(shape):
            numbers = [float(array[at]) for array in arrays]
            if numbers[0]:
                matches[at] = [
                    place for place in self._cells_reading(index, numbers)
                    if place not in self.used
                ]  # fmt: skip
        if not any(matches.values()):
            return None
        size = math.prod(shape)
        best: tuple[float, Placement] | None = None
        for where in self._rectangles(shape, matches):
            cells = dict(where.cells())
            if any(cell in self.used or cell not in self.values for cell in cells.values()):
                continue
            fits = [at for at, cell in cells.items() if cell in matches.get(at, ())]
            score = len(fits) + 0.5 * self._steady(cells, arrays) - 0.1 * self._copies(cells)
            if len(fits) >= least * size and (best is None or score > best[0]):
                best = (score, where)
        if best is not None:
            fits_best = sum(cell in matches.get(at, ()) for at, cell in best[1].cells())
            return Placed(best[1], fits_best)
        if all(matches.get(at) for at in np.ndindex(shape)):
            cells = {at: places[0] for at, places in matches.items()}
            if len(set(cells.values())) == size:
                return Placed(placement_of(shape, cells), size)
        return None

    def _steady(self, cells: Mapping[Index, Place], arrays: Sequence[Vector]) -> float:
        """Return in what part of the later draws cells are right too: it tells δ from Σ δ·w."""
        count = right = 0
        for at, cell in cells.items():
            for n in range(_AWAKE, len(arrays)):
                count += 1
                right += _close(self.values[cell][n], float(arrays[n][at]))
        return right / count if count else 0.0

    def _copies(self, cells: Mapping[Index, Place]) -> float:
        """Return what part of some cells only repeat others."""
        copied: int = sum(self.f.terms[cell][0] == "leaf" for cell in cells.values())
        return copied / len(cells)

    def _rectangles(
        self, shape: tuple[int, ...], matches: Mapping[Index, list[Place]]
    ) -> Iterator[Placement]:
        """Yield the rectangles in which some cell is where it matches."""
        seen = set()
        orders = [tuple(range(len(shape)))]
        if len(shape) == _MATRIX:
            orders = [(0, 1), (1, 0)]
        for axes in orders:
            sizes = [shape[axis] for axis in axes]
            forms = {(sizes[0], sizes[1])} if len(sizes) == _MATRIX else {
                (1, math.prod(sizes)), (math.prod(sizes), 1)}  # fmt: skip
            if len(sizes) == _MATRIX and 1 in sizes:
                forms.add((sizes[1], sizes[0]))
            for at, places in matches.items():
                flat = 0
                for axis, size in zip(axes, sizes, strict=True):
                    flat = flat * size + at[axis]
                for (sheet, row, column), (height, width) in product(places, sorted(forms)):
                    top, left = row - flat // width, column - flat % width
                    area = Range(sheet, top, left, top + height - 1, left + width - 1)
                    if top > 0 and left > 0 and (area, axes) not in seen:
                        seen.add((area, axes))
                        yield Placement(shape, (area,), axes)

    def _is_given(self, arrays: Sequence[Vector]) -> bool:
        """Tell whether numbers are only those of a given: copies of it are no results."""
        return any(
            given.shape == arrays[0].shape and np.array_equal(given, arrays[0])
            for given in self.draws[0].values()
        )

    def _by_mistakes(
        self, found: Matched, rate: float, missing: list[Key],
        index: tuple[list[float], list[Place]],
    ) -> None:  # fmt: skip
        """Place what holds the numbers of a known mistake."""
        known = table(found.structure)
        titles = by_id()
        for variant in variants():
            if not missing:
                return
            if titles[variant.entry].kind != MISTAKE:
                continue
            try:
                wrong = self._numbers(found.structure, rate, variant.program, _AWAKE)
            except (ArithmeticError, IndexError, KeyError, ValueError, TypeError):
                continue
            for key in list(missing):
                if len(wrong.get(key, ())) < _AWAKE or self._is_given(wrong[key]):
                    continue
                placed = self._placed(known[key].shape, wrong[key], index, 1.0)
                if placed is not None:
                    title = titles[variant.entry].title
                    self._take(found, key, replace(placed, mistake=title))
                    missing.remove(key)


def _constant(arrays: Sequence[Vector]) -> bool:
    """Tell whether a quantity is the same in every draw, such as the slope of the identity."""
    return all(np.array_equal(array, arrays[0]) for array in arrays)


def _exact(value: float, number: float) -> bool:
    return abs(value - number) <= _ROUNDING * max(1.0, abs(number))


def _close(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= _CLOSE * max(1.0, abs(wanted))
