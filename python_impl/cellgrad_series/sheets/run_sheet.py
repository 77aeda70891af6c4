"""The sheet of a run: a row an update, each starting from the new weights of the row above."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cellgrad.case.equations import indices
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, Quantity, Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.formulas import Formulas, Reference
from cellgrad.xlsx.addresses import a1, quoted
from cellgrad_series.parts.equations import RunEquations
from cellgrad_series.parts.run import EVALUATED, START, RunShape
from cellgrad_series.sheets.rows import Block, Rows

LABEL_ROW = 5
START_ROW = LABEL_ROW + 3
FIRST_ROW = START_ROW + 1
_CONSTANT_ROW = 3


class RunFormulas(RunEquations, Formulas):
    """Writes the formula of any scalar of one row.

    Args:
        shape: the run.
        structure: the step of this row's batch.
        at: where each scalar stands; what the row starts from is named as in a step
            (``weights``, ``biases``) or with ``last_`` before its name (``last_velocity``).
    """

    most = 64  # a row is read by its columns' names: here sums may be longer

    def __init__(self, shape: RunShape, structure: Structure, at: Reference) -> None:
        super().__init__(structure, at)
        self.rule = shape.rule


@dataclass(slots=True)
class Samples:
    """Where the samples of a run stand: rows of a sheet, and the keys of their quantities."""

    rows: Rows
    input: Key
    target: Key

    def at(self, key: Key, sample: int, node: int) -> str:
        """Return the address of one number of a sample, from other sheets."""
        own = self.input if key[0].endswith("input") else self.target
        return self.rows.from_elsewhere(sample, own, (node,))


class RunSheet:
    """Writes the sheet of a run.

    Args:
        canvas: the sheet.
        shape: what it computes.
        case: its numbers.
        samples: where the training samples stand.
        validation: where the validation samples stand, if they are evaluated.
        start: the sheet of the run from whose starting weights this one starts.
    """

    def __init__(
        self,
        canvas: Canvas,
        shape: RunShape,
        case: Case,
        samples: Samples,
        validation: Samples | None,
        start: RunSheet | None,
    ) -> None:
        self.canvas, self.shape, self.case = canvas, shape, case
        self.samples, self.validation, self.start = samples, validation, start
        self.s: Structure = shape.step
        self.rows = Rows(canvas, shape, self.s, LABEL_ROW, FIRST_ROW, shape.updates)
        self.quantities = {quantity.key: quantity for quantity in shape.quantities()}
        self.constants: dict[str, str] = {}
        self.state: dict[str, str] = {"weights": "new_weights", "biases": "new_biases"}
        if "new_biases" not in {name for name, _ in self.quantities}:
            self.state["biases"] = f"{START}biases"  # they stay as they are
        self.state |= {f"last_{name}": name for name in shape.state()}

    def write(self) -> None:
        """Write the constants, the row that everything starts from, and a row an update."""
        self.canvas.heights({LABEL_ROW: 16, LABEL_ROW + 1: 36, START_ROW: 18})
        self.rows.numbers("update")
        self._place()
        self._constants()
        self._start_row()
        for update in range(self.shape.updates):
            self._row(update)
        self._claims()
        page = self.rows.finish("landscape")
        page.wide, page.scale, page.title_columns = 0, 55, "A:A"

    # givens

    def _constants(self) -> None:
        """Write what stays the same in every row above the table, its name before it."""
        optimizer = self.case.optimizer
        values = {
            "learning_rate": self.case.learning_rate,
            "leaky_slope": self.case.network.leaky_slope,
            "weight_decay": optimizer.weight_decay,
            "momentum": optimizer.momentum,
            "beta1": optimizer.beta1,
            "beta2": optimizer.beta2,
            "adam_epsilon": optimizer.epsilon,
        }
        columns = iter(sorted(set(self.rows.columns.values())))
        for (name, layer), quantity in self.quantities.items():
            value = values.get(name)
            if layer is None and isinstance(value, float):
                places = (_CONSTANT_ROW, next(columns), next(columns))
                self.constants[name] = self.canvas.given(
                    quantity, value, *places, look="term right"
                )

    def _place(self) -> None:
        for quantity in self.quantities.values():
            if not quantity.given or self._scheduled(quantity):
                self.rows.place(quantity)
        if self.state["biases"] == f"{START}biases":
            for quantity in self.quantities.values():
                if quantity.name == f"{START}biases":
                    self.rows.place(replace(quantity, shape=(self.shape.updates, *quantity.shape)))

    @staticmethod
    def _scheduled(quantity: Quantity) -> bool:
        return quantity.name == "learning_rate" and quantity.per_row != ""

    def _start_row(self) -> None:
        """Write what the first update starts from, in the columns of what each leaves."""
        self.canvas.text(START_ROW, 1, "start", "count")
        for key, quantity in self.quantities.items():
            name, layer = key
            if not name.startswith(START):
                continue
            own = name.removeprefix(START)
            linked = self.start is not None and own in ("weights", "biases")
            for index in indices(quantity.shape):
                place = (START_ROW, self._start_column(key, index))
                if self.start is not None and linked:
                    self.canvas.formula(*place, f"={self.start.started_at(key, index)}", "given")
                else:
                    self.canvas.number(*place, self._started(own, layer, index))
            first = self._start_column(key, tuple(0 for _ in quantity.shape))
            cells = self.canvas.area(START_ROW, first, 1, len(indices(quantity.shape)))
            m = quantity.shape[-1] if quantity.shape else 0
            rule = ("", "c", f"c//{m}, c%{m}")[len(quantity.shape)]
            self.canvas.claim_quantity("step" if linked else "given", quantity, cells, rule)

    def _start_column(self, key: Key, index: Index) -> int:
        name = key[0].removeprefix(START)
        return self.rows.column((self.state.get(name, name), key[1]), index)

    def started_at(self, key: Key, index: Index) -> str:
        """Return where a starting weight or bias stands, from other sheets."""
        return f"{quoted(self.canvas.title)}!{a1(START_ROW, self._start_column(key, index))}"

    def last_at(self, key: Key, index: Index) -> str:
        """Return where a weight or bias stands after the last update, from other sheets."""
        target: Key = (self.state[key[0]], key[1])
        if target[0] == f"{START}biases":
            return self.started_at(target, index)
        return self.rows.from_elsewhere(self.shape.updates - 1, target, index)

    def _started(self, name: str, layer: int | None, index: Index) -> float:
        if name in ("weights", "biases"):
            value = getattr(self.case.network, name)[layer]
            for i in index:
                value = value[i]
            return float(value)
        return 1.0 if name.endswith("_power") else 0.0

    # rows

    def _row(self, update: int) -> None:
        first, count = self.shape.batch(update)
        formulas = RunFormulas(self.shape, self.shape.structure(count), self._at(update))
        for key, quantity in self.quantities.items():
            if self._scheduled(quantity) and isinstance(self.case.learning_rate, tuple):
                self.rows.number(update, key, (), self.case.learning_rate[update])
            if quantity.given or key[0].startswith(EVALUATED):
                continue
            for index in indices(quantity.shape[1:]):
                if quantity.per_sample and index[0] >= count:
                    continue
                if quantity.name in ("input", "target"):
                    text = self.samples.at(key, first + index[0], index[1])
                else:
                    text = formulas.right_side(key, index)
                self.rows.formula(update, key, index, text)
        if self.validation is not None:
            self._evaluate(update, self.validation)

    def _parameter(self, row: int, key: Key, index: Index) -> str:
        """Return where a weight or bias, or what an optimiser remembers, stands in a row."""
        target: Key = (self.state[key[0]], key[1])
        if target[0] == f"{START}biases":
            return a1(START_ROW, self.rows.column(target, index), absolute=True)
        return self.rows.at(row, target, index)

    def _at(self, update: int) -> Reference:
        """Return where each scalar stands for the formulas of a row."""

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name == "incoming":
                return self.rows.at(update, ("post_activation", (layer or 0) - 1), index)
            if name in self.state:
                return self._parameter(update - 1, key, index)
            return self.rows.at(update, key, index)

        return at

    def _evaluate(self, update: int, samples: Samples) -> None:
        """Write the forward pass of the validation samples with this row's new weights."""

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name in ("input", "target"):
                return samples.at(key, *index)
            if name in ("weights", "biases"):
                return self._parameter(update, key, index)
            own = ("post_activation", (layer or 0) - 1) if name == "incoming" else key
            return self.rows.at(update, (EVALUATED + own[0], own[1]), index)

        formulas = Formulas(self.shape.evaluation(), at)
        for key, quantity in self.quantities.items():
            name, layer = key
            if not name.startswith(EVALUATED) or quantity.given:
                continue
            own: Key = (name.removeprefix(EVALUATED), layer)
            for index in indices(quantity.shape[1:]):
                if own[0] == "error":
                    text = self._mean_error(at)
                else:
                    text = formulas.right_side(own, index)
                self.rows.formula(update, key, index, text)

    def _mean_error(self, at: Reference) -> str:
        count = self.shape.evaluated
        terms = [at(("sample_error", None), (s,)) for s in range(count)]
        return f"({RunFormulas(self.shape, self.s, at).sum_of(terms)})/{count}"

    def _claims(self) -> None:
        for key, quantity in self.quantities.items():
            if key in self.rows.groups and not key[0].startswith(START):
                ragged = quantity.per_sample and not key[0].startswith(EVALUATED)
                self.rows.claim(key, blocks=self._blocks(quantity) if ragged else None)

    def _blocks(self, quantity: Quantity) -> list[Block] | None:
        """Return what of a quantity's rectangle is written where the last batch is smaller."""
        sizes = self.shape.sizes()
        if len(sizes) == 1:
            return None
        low, high = min(sizes), max(sizes)
        inner = len(indices(quantity.shape[2:]))
        blocks = [Block(0, self.shape.updates, 0, low * inner)]
        each = self.shape.per_epoch
        for start in range(0, self.shape.updates, each):
            rows = min(each - 1, self.shape.updates - start)
            if rows:
                blocks.append(Block(start, rows, low * inner, (high - low) * inner))
        return blocks
