"""Any program of the catalogue as live formulas: the computation, cell by cell.

The program is run on formulas in place of numbers (see ``expression``): every quantity that
it records gets cells, and what follows refers to them. So a mistake, or two at once, needs no
formulas of its own to become a sheet that computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, layer_letter, node_name, table
from cellgrad_audit.answer import PARAMETERS, Slot
from cellgrad_audit.bugs.arithmetic import Arithmetic, Array
from cellgrad_audit.bugs.program import Parameter, Program, Record
from cellgrad_audit.hypothesis import epoch_errors, values_at
from cellgrad_audit.probes import declare
from cellgrad_audit.report.expression import (
    Expression,
    Formulas,
    NotLiveError,
    Reference,
    cells_in,
    exponents,
    expression,
    written,
)
from cellgrad_audit.result import Audit, Diagnosis, Probed

MOST_CELLS = 15_000
"""Formulas that a sheet of an audit may have; a longer run is shown as far as that."""

MOST_UPDATES = 24

MOST_PARAMETERS = 3_000

LARGEST_EXPONENT = 709.0
"""EXP of more is an error in a spreadsheet, and infinite in a program."""

_MORE = 10_000
"""A mistaken run may make more updates than the case asks for."""

GIVEN = -1
"""The number of the update that givens have: they stand before all."""

_OPTIMIZER = {"momentum": "μ", "weight_decay": "λ", "beta1": "β1", "beta2": "β2", "epsilon": "ε"}

_MEMORY = {"first": "first moment", "second": "second moment", "pile": "gradients so far"}


@dataclass(eq=False, slots=True)
class LiveCell:
    """One number of a live computation.

    Attributes:
        block: the quantity that it belongs to.
        index: its place there.
        value: in double precision.
        formula: how it is computed; None for a given.
    """

    block: Block
    index: Index
    value: float
    formula: Expression | None = None

    @property
    def name(self) -> str:
        """What it is called: ``weight_HtoO[1,2]``, with its sample where there are several."""
        parts = [str(i + 1) for i in self.index]
        if self.block.per_sample and parts:
            sample = parts.pop(0)
            if self.block.cells.shape[0] > 1:
                parts.insert(0, f"sample {sample}")
        return f"{self.block.label}[{','.join(parts)}]" if parts else self.block.label

    @property
    def place(self) -> str:
        """What it is called in every program that has it."""
        block = self.block
        return f"{block.update}:{block.key}:{block.nth}:{self.index}"


@dataclass(eq=False, slots=True)
class Block:
    """One quantity of one update.

    Attributes:
        update: counted from 1; 0 for the pass after the run, ``GIVEN`` for givens.
        key: code name and layer.
        nth: how often the same quantity stood in this update before.
        label: for people.
        equation: its number, empty for none.
        per_sample: whether its first axis counts samples.
        cells: the cells, in the quantity's shape.
    """

    update: int
    key: Key
    nth: int
    label: str
    equation: str
    per_sample: bool
    cells: NDArray[Any] = field(default_factory=lambda: np.empty((), dtype=object), repr=False)

    def every(self) -> Iterator[LiveCell]:
        """Yield the cells, row by row."""
        yield from self.cells.ravel()


class _Given(float):
    """A number of the case that knows its cell."""

    cell: LiveCell


class Givens:
    """The numbers of a case, each in a cell that every computation refers to.

    Raises:
        NotLiveError: the network is too large for a sheet.
    """

    def __init__(self, case: Case) -> None:
        structure = case.structure_of(case.batch())
        if structure.parameters > MOST_PARAMETERS:
            raise NotLiveError(
                f"{structure.parameters:,} weights and biases are too many for a live sheet"
            )
        self.blocks: list[Block] = []
        network, optimizer = case.network, case.optimizer
        letters = [layer_letter(structure, k) for k in range(structure.layers + 1)]
        inputs = self._given("input", None, "input", [s.input for s in case.samples])
        targets = self._given("target", None, "target", [s.target for s in case.samples])
        samples = zip(case.samples, inputs, targets, strict=True)
        rate = self._given("learning_rate", None, "LR", case.learning_rate)
        weights = tuple(
            self._given("weights", k, f"weight_{letters[k]}to{letters[k + 1]}", layer)
            for k, layer in enumerate(network.weights)
        )
        biases = tuple(
            self._given("biases", k, f"bias_{letters[k + 1]}", layer)
            for k, layer in enumerate(network.biases or ())
        )
        slope = self._given("leaky_slope", None, "slope", network.leaky_slope)
        numbers = {
            name: self._given(name, None, label, getattr(optimizer, name))
            for name, label in _OPTIMIZER.items()
        }
        self.case = replace(
            case,
            samples=tuple(replace(s, input=i, target=t) for s, i, t in samples),
            learning_rate=rate,
            network=replace(
                network,
                weights=weights,
                biases=None if network.biases is None else biases,
                leaky_slope=slope,
            ),
            optimizer=replace(optimizer, **numbers),
        )

    def _given(self, name: str, k: int | None, label: str, values: Any) -> Any:
        """Give numbers cells; return them as the case holds them, each knowing its cell."""
        array = np.asarray(values, dtype=np.float64)
        cells = np.empty(array.shape, dtype=object)
        block = Block(GIVEN, (name, k), 0, label, "", name in ("input", "target"), cells)
        numbers = np.empty(array.shape, dtype=object)
        for index, value in np.ndenumerate(array):
            number = _Given(float(value))
            number.cell = LiveCell(block, index, float(value))
            cells[index], numbers[index] = number.cell, number
        self.blocks.append(block)
        if array.ndim == 2:
            return tuple(map(tuple, numbers))
        return tuple(numbers) if array.ndim else numbers[()]

    def blocks_read_by(self, computations: Iterable[Live]) -> list[Block]:
        """Return the blocks that any of these computations refers to."""
        read = {
            cell.block
            for live in computations
            for _, formula in live.formula_cells()
            for cell in cells_in(formula)
        }
        return [block for block in self.blocks if block in read]


class _Writing(Program):
    """Gives every quantity that the program records cells of its own."""

    def is_recorded(self, number: int) -> bool:
        self.home.update = number
        return super().is_recorded(number)

    def keep(self, name: str, layer: int | None, value: Array) -> Array:
        if not self.keeping:
            return value
        return super().keep(name, layer, self.home.put((name, layer), value))

    def remember(self, what: str, parameter: Parameter, value: Array) -> Array:
        if any(isinstance(part, Expression) and part.home for part in np.ravel(value)):
            value = self.home.put((f"{what} of {parameter[0]}", parameter[1]), value)
        return super().remember(what, parameter, value)

    @property
    def home(self) -> Live:
        return cast("Live", cast("Any", self.math).home)


class Live:
    """A computation as cells.

    Args:
        program: right or mistaken.
        givens: what it starts from.
        last: the update after which it ends; all of the case's by default.
        final: whether the pass after the run belongs to it.

    Raises:
        NotLiveError: it cannot be written as formulas.
    """

    def __init__(
        self,
        program: type[Program],
        givens: Givens,
        last: int | None = None,
        *,
        final: bool = True,
    ) -> None:
        self.program, self.case, self.update = program, givens.case, 0
        case = self.case
        self.blocks: list[Block] = []
        self._counts: dict[tuple[int, Key], int] = {}
        structure = self.case.structure_of(self.case.batch())
        self._quantities = table(structure)
        self.whole = last is None or last >= self.case.updates()
        shown = program.reported_update(case.updates() if last is None else last)
        keep = range(0 if final and self.whole else 1, max(shown, case.updates()) + _MORE)
        writing = type(program.__name__, (_Writing, program), {})
        arithmetic = cast("Arithmetic", Formulas(self))
        run = writing(self.case, arithmetic, keep=keep, last=None if self.whole else shown)
        self.record: Record = run.run()
        self._epochs: Any = None
        if self.whole:
            self.update, sums = 0, epoch_errors(case, self.record)
            self._epochs = None if sums is None else self.put(("epoch_errors", None), sums)
        self._cells: dict[Slot, NDArray[Any] | None] = {}

    # the home of formulas

    def given(self, value: float) -> Expression | None:
        """Return a reference to a given number, None if it is a constant of the program's."""
        return Reference(value.cell, self, value) if isinstance(value, _Given) else None

    def aside(self, part: Expression) -> Expression:
        """Give a part of a long formula a cell of its own and return a reference to it."""
        return cast("Expression", self.put(("part", None), np.asarray(part, dtype=object)))

    def put(self, key: Key, value: Any) -> Any:
        """Give a quantity cells; return references to them, in its shape."""
        array = np.asarray(value, dtype=object)
        nth = self._counts.get((self.update, key), 0)
        self._counts[self.update, key] = nth + 1
        label, equation, per_sample = self._describe(key, array.shape)
        block = Block(self.update, key, nth, label, equation, per_sample)
        block.cells = np.empty(array.shape, dtype=object)
        references = np.empty(array.shape, dtype=object)
        for index in np.ndindex(array.shape):
            formula = expression(array[index])
            cell = LiveCell(block, index, float(formula.value), formula)
            block.cells[index], references[index] = cell, Reference(cell, self, formula.value)
        self.blocks.append(block)
        return references if array.shape else references[()]

    def _describe(self, key: Key, shape: tuple[int, ...]) -> tuple[str, str, bool]:
        quantity = self._quantities.get(key)
        if quantity is not None:
            return quantity.label, quantity.equation, quantity.per_sample
        name, layer = key
        what, _, parameter = name.partition(" of ")
        if parameter:
            return (
                f"{_MEMORY.get(what, what)} of {self._describe((parameter, layer), shape)[0]}",
                "",
                False,
            )
        if name == "new_biases":
            return f"new_{self._quantities['biases', layer].label}", "", False
        if name == "sample_error":
            return "E_sample", "", True
        return {"part": "part of a sum"}.get(name, name.replace("_", " ")), "", False

    # what became of it

    def cells_at(self, slot: Slot) -> NDArray[Any] | None:
        """Return the cells that a target reports at a slot; None where there are none."""
        if slot not in self._cells:
            self._cells[slot] = self._look_up(slot)
        return self._cells[slot]

    def _look_up(self, slot: Slot) -> NDArray[Any] | None:
        if not slot.step and not self.whole:
            return None
        references = self._epochs
        if slot.name != "epoch_errors" or slot.step:
            reported = values_at([slot], self.case, self.record, self.program.reported_update)
            references = reported.get(slot)
        if references is None:
            return None
        cells = np.empty(references.shape, dtype=object)
        for index in np.ndindex(references.shape):
            cells[index] = references[index].cell
        return cells

    def cell(self, slot: Slot, index: Index) -> LiveCell | None:
        """Return the cell of one number; None where there is none."""
        cells = self.cells_at(slot)
        if cells is None or len(index) != cells.ndim:
            return None
        if any(i >= size for i, size in zip(index, cells.shape, strict=True)):
            return None
        return cast("LiveCell", cells[index])

    def formula_cells(self) -> Iterator[tuple[LiveCell, Expression]]:
        """Yield every cell with its formula, in the order of the computation."""
        for block in self.blocks:
            for cell in block.every():
                if cell.formula is not None:
                    yield cell, cell.formula

    def formulas(self) -> dict[LiveCell, str]:
        """Return every formula by its cell, cells named by their places."""
        return {
            cell: written(formula, lambda other: str(other.place))
            for cell, formula in self.formula_cells()
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """The right computation and a mistaken one, from the same givens.

    Attributes:
        givens: what both start from.
        right: the right one.
        wrong: the mistaken one, None where nothing explains the numbers or its mistake
            cannot be written as formulas.
        why_not: why there is no mistaken one, if there should be.
        parted: the cells of the mistaken one whose formulas are not the right ones.
    """

    givens: Givens
    right: Live
    wrong: Live | None
    why_not: str
    parted: frozenset[LiveCell]


@dataclass(frozen=True, slots=True)
class LiveCase:
    """What a report shows live of a case.

    Attributes:
        diagnosis: whose formulas stand beside the numbers; None without any.
        pair: both computations; None where not even the right one can be written.
        why_not: why there is no pair, or no mistaken one where there should be.
    """

    diagnosis: Diagnosis | None
    pair: Pair | None
    why_not: str


def live_case(audit: Audit, probed: Probed, slots: Sequence[Slot]) -> LiveCase:
    """Return what is live of a case, as far as some slots need it."""
    diagnosis = _explanation(audit, probed)
    wrong = None if diagnosis is None else diagnosis.program
    try:
        pair = live_pair(probed.case, right_program(probed.case, audit.declared), wrong, slots)
    except NotLiveError as error:
        return LiveCase(diagnosis, None, str(error))
    return LiveCase(diagnosis, pair, pair.why_not)


def right_program(case: Case, declared: Sequence[str]) -> type[Program]:
    """Return the right program under the declared conventions."""
    programs = tuple(variant.program for variant in declare(case, declared)[1])
    return type("Right", programs, {}) if programs else Program


def _explanation(audit: Audit, probed: Probed) -> Diagnosis | None:
    """Return the diagnosis whose formulas stand beside the numbers of a case."""
    for diagnosis in audit.diagnoses:
        if not audit.groups or any(
            group.diagnosis is diagnosis and any(c in probed.cells for c in group.cells)
            for group in audit.groups
        ):
            return diagnosis
    return None


def live_pair(
    case: Case, right: type[Program], wrong: type[Program] | None, slots: Sequence[Slot]
) -> Pair:
    """Return both computations as cells, as far as they fit on a sheet.

    Args:
        case: what is computed.
        right: the right program.
        wrong: the mistaken one, if there is one.
        slots: what will be looked at.

    Raises:
        NotLiveError: not even the right one can be written.
    """
    givens = Givens(case)
    last = _updates_shown(case, slots)
    final = any(not s.step and s.name not in (*PARAMETERS, "epoch_errors") for s in slots)
    first = _within_range(Live(right, givens, last, final=final))
    if wrong is None:
        return Pair(givens, first, None, "", frozenset())
    try:
        other = _within_range(Live(wrong, givens, last, final=final))
    except NotLiveError as error:
        return Pair(givens, first, None, str(error), frozenset())
    ours = {cell.place: formula for cell, formula in first.formulas().items()}
    parted = (cell for cell, text in other.formulas().items() if ours.get(cell.place) != text)
    return Pair(givens, first, other, "", frozenset(parted))


def _within_range(live: Live) -> Live:
    formulas = (formula for _, formula in live.formula_cells())
    if any(x.value > LARGEST_EXPONENT for formula in formulas for x in exponents(formula)):
        raise NotLiveError(
            f"an exponent exceeds {LARGEST_EXPONENT:.0f}, where EXP is an error in a sheet"
        )
    return live


def _updates_shown(case: Case, slots: Sequence[Slot]) -> int:
    """Return how many updates are written: those asked for, at most what a sheet holds."""
    structure = case.structure_of(case.batch())
    cells = 4 * structure.parameters + 8 * structure.samples * sum(structure.nodes)
    most = max(min(MOST_UPDATES, MOST_CELLS // cells), 1)
    if case.updates() <= most and any(slot.step == 0 for slot in slots):
        return case.updates()
    return max((slot.step for slot in slots if 0 < slot.step <= most), default=1)


def path_of_mistake(pair: Pair, cell: LiveCell) -> list[LiveCell]:
    """Return the cells from the first mistaken formula to a cell that it makes wrong.

    Only the cell itself, where no formula on its way is another one than the right one:
    then other updates are made, or other numbers are reported.
    """
    came: dict[LiveCell, LiveCell | None] = {cell: None}
    queue = [cell]
    for one in queue:
        for read in () if one.formula is None else cells_in(one.formula):
            if read not in came:
                came[read] = one
                queue.append(read)
    if pair.wrong is None or not pair.parted & came.keys():
        return [cell]
    order = {block: n for n, block in enumerate(pair.wrong.blocks)}
    path = [min(pair.parted & came.keys(), key=lambda one: (order[one.block], one.index))]
    while (following := came[path[-1]]) is not None:
        path.append(following)
    return path


def counterpart(live: Live, cell: LiveCell) -> LiveCell | None:
    """Return the cell of another computation that stands at the same place."""
    for block in live.blocks:
        if (block.update, block.key, block.nth) == (
            cell.block.update,
            cell.block.key,
            cell.block.nth,
        ) and block.cells.shape == cell.block.cells.shape:
            return cast("LiveCell", block.cells[cell.index])
    return None


def nodes_of(case: Case, block: Block) -> tuple[list[str], list[str]]:
    """Return what the rows and the columns of a block are called; a row may be unnamed."""
    structure = case.structure_of(case.batch())
    name, k = block.key
    shape = block.cells.shape
    layer = structure.layers if k is None else k + 1
    if name == "input":
        layer = 0
    if not shape:
        return [""], [""]
    if len(shape) == 1:
        return [""], _columns(structure, name, layer, shape[0], per_sample=block.per_sample)
    columns = _columns(structure, name, layer, shape[1], per_sample=False)
    if block.per_sample:
        return [f"sample {s + 1}" if shape[0] > 1 else "" for s in range(shape[0])], columns
    return [node_name(structure, layer - 1, i) for i in range(shape[0])], columns


def _columns(structure: Any, name: str, layer: int, count: int, *, per_sample: bool) -> list[str]:
    if per_sample:
        return [f"sample {s + 1}" for s in range(count)]
    if name in ("learning_rate", "epoch_errors"):
        word = "update" if name == "learning_rate" else "epoch"
        return [f"{word} {n + 1}" for n in range(count)]
    return [node_name(structure, layer, j) for j in range(count)]
