"""The sheet of a run: a row an update, each starting from the new weights of the row above."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, Quantity
from cellgrad.case.structure import Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.formulas import Formulas, Reference
from cellgrad.xlsx.addresses import a1, quoted
from cellgrad_series.parts.run import EVALUATED, START, RunShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Block, Rows, indices, kind_of
from cellgrad_series.sheets.run_formulas import RunFormulas

LABEL_ROW = 5
START_ROW = LABEL_ROW + 3
FIRST_ROW = START_ROW + 1
_CONSTANT_ROW = 3


@dataclass(slots=True)
class Samples:
    """Where the samples of a run stand: rows of a sheet, and the keys of their quantities."""

    rows: Rows
    input: Key
    target: Key

    def at(self, key: Key, sample: int, node: int) -> str:
        """Return the address of one number of a sample, from other sheets."""
        own = self.input if key[0].endswith("input") else self.target
        return f"{quoted(self.rows.canvas.title)}!{self.rows.at(sample, own, (node,))}"


class RunSheet:
    """Writes the sheet of a run.

    Args:
        canvas: the sheet.
        part: its numbers and where it starts.
        title: above everything.
        samples: where the training samples stand.
        validation: where the validation samples stand, if they are evaluated.
        start: the sheet of the run from whose starting weights this one starts.
    """

    def __init__(
        self,
        canvas: Canvas,
        part: Part,
        title: str,
        samples: Samples,
        validation: Samples | None,
        start: RunSheet | None,
    ) -> None:
        assert isinstance(part.shape, RunShape)  # noqa: S101 - for the type checker
        assert part.case is not None  # noqa: S101 - for the type checker
        self.canvas, self.part, self.title = canvas, part, title
        self.shape: RunShape = part.shape
        self.case: Case = part.case
        self.samples, self.validation, self.start = samples, validation, start
        self.s: Structure = self.shape.step
        self.rows = Rows(canvas, self.shape, self.s, LABEL_ROW, FIRST_ROW, self.shape.updates)
        self.quantities = {quantity.key: quantity for quantity in self.shape.quantities()}
        self.constants: dict[str, str] = {}
        self.state: dict[str, str] = {"weights": "new_weights", "biases": "new_biases"}
        if "new_biases" not in {name for name, _ in self.quantities}:
            self.state["biases"] = f"{START}biases"  # they stay as they are
        self.state |= {f"last_{name}": name for name in self.shape.state()}

    def write(self) -> None:
        """Write the head, the row that everything starts from, and a row an update."""
        put = self.canvas.text
        put(1, 1, self.title, "title")
        put(2, 1, self.part.caption, "subtitle")
        self.canvas.heights({1: 24, 2: 17, LABEL_ROW: 16, LABEL_ROW + 1: 36, START_ROW: 18})
        self.rows.numbers("update")
        self._place()
        self._constants()
        self._start_row()
        for update in range(self.shape.updates):
            self._row(update)
        self._claims()
        self.canvas.sheet.freeze_panes = f"B{FIRST_ROW}"
        page = self.canvas.print_on("landscape", rows=f"{LABEL_ROW}:{START_ROW}")
        page.wide, page.scale, page.title_columns = 0, 55, "A:A"

    # givens

    def _constants(self) -> None:
        """Write what stays the same in every row above the table, its name before it."""
        values = {
            "learning_rate": self.case.learning_rate,
            "leaky_slope": self.case.network.leaky_slope,
            "weight_decay": self.case.optimizer.weight_decay,
            "momentum": self.case.optimizer.momentum,
            "beta1": self.case.optimizer.beta1,
            "beta2": self.case.optimizer.beta2,
            "adam_epsilon": self.case.optimizer.epsilon,
        }
        columns = iter(sorted(set(self.rows.columns.values())))
        for (name, layer), quantity in self.quantities.items():
            value = values.get(name)
            if layer is not None or not isinstance(value, float):
                continue
            self.canvas.text(_CONSTANT_ROW, next(columns), quantity.label, "term right")
            column = next(columns)
            self.canvas.number(_CONSTANT_ROW, column, value, number_format="General")
            cells = self.canvas.area(_CONSTANT_ROW, column, 1, 1)
            self.canvas.claim(
                "given", (name, None), quantity.label, cells, "", "", quantity.defined_name
            )
            self.constants[name] = a1(_CONSTANT_ROW, column, absolute=True)

    def _place(self) -> None:
        for quantity in self.quantities.values():
            if quantity.given and not self._scheduled(quantity):
                continue
            self.rows.place(quantity)
        if self.state["biases"] == f"{START}biases":
            for quantity in list(self.quantities.values()):
                if quantity.name == f"{START}biases":
                    self.rows.place(
                        replace(quantity, shape=(self.shape.updates, *quantity.shape)), look="given"
                    )

    @staticmethod
    def _scheduled(quantity: Quantity) -> bool:
        return quantity.name == "learning_rate" and quantity.per_row != ""

    def _start_row(self) -> None:
        """Write what the first update starts from, in the columns of what each leaves."""
        self.canvas.text(START_ROW, 1, "start", "count")
        network = self.case.network
        for key, quantity in self.quantities.items():
            name, layer = key
            if not name.startswith(START):
                continue
            column = name.removeprefix(START)
            target: Key = (self.state.get(column, column), layer)
            first = self.rows.column(target, tuple(0 for _ in quantity.shape))
            width = 1
            for size in quantity.shape:
                width *= size
            linked = self.start is not None and column in ("weights", "biases")
            for index in indices(quantity.shape):
                place = (START_ROW, self.rows.column(target, index))
                if linked:
                    self.canvas.formula(*place, f"={self._start_of(key, index)}", "given")
                else:
                    self.canvas.number(*place, self._started(column, layer, index, network))
            cells = self.canvas.area(START_ROW, first, 1, width)
            rule = ""
            if len(quantity.shape) == 1:
                rule = "c"
            elif quantity.shape:
                m = quantity.shape[1]
                rule = f"c//{m}, c%{m}"
            self.canvas.claim(
                "step" if linked else "given",
                key,
                quantity.label,
                cells,
                rule,
                "",
                quantity.defined_name,
            )

    def _start_of(self, key: Key, index: Index) -> str:
        assert self.start is not None  # noqa: S101 - for the type checker
        return self.start.started_at(key, index)

    def started_at(self, key: Key, index: Index) -> str:
        """Return where a starting weight or bias stands, from other sheets."""
        column = key[0].removeprefix(START)
        target: Key = (self.state.get(column, column), key[1])
        return f"{quoted(self.canvas.title)}!{a1(START_ROW, self.rows.column(target, index))}"

    def last_at(self, key: Key, index: Index) -> str:
        """Return where a weight or bias stands after the last update, from other sheets."""
        target: Key = (self.state[key[0]], key[1])
        row = FIRST_ROW + self.shape.updates - 1 if target[0] != f"{START}biases" else START_ROW
        return f"{quoted(self.canvas.title)}!{a1(row, self.rows.column(target, index))}"

    @staticmethod
    def _started(name: str, layer: int | None, index: Index, network: object) -> float:
        if name in ("weights", "biases"):
            value = getattr(network, name)[layer]
            for i in index:
                value = value[i]
            return float(value)
        return 1.0 if name.endswith("_power") else 0.0

    # rows

    def _row(self, update: int) -> None:
        first, count = self.shape.batch(update)
        formulas = RunFormulas(self.shape, self.shape.structure(count), self._at(update))
        for key, quantity in self.quantities.items():
            if quantity.given:
                if self._scheduled(quantity):
                    self._rate(update, key)
                continue
            if key[0].startswith(EVALUATED):
                continue
            for index in indices(quantity.shape[1:]):
                if quantity.per_sample and index[0] >= count:
                    continue
                if quantity.name in ("input", "target"):
                    text = f"={self.samples.at(key, first + index[0], index[1])}"
                else:
                    text = formulas.of(key, index)
                place = (FIRST_ROW + update, self.rows.column(key, index))
                self.canvas.formula(*place, text, kind_of(quantity.name))
        if self.validation is not None:
            self._evaluate(update)

    def _at(self, update: int) -> Reference:
        """Return where each scalar stands for the formulas of a row."""
        above = FIRST_ROW + update - 1

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name == "incoming":
                return self.rows.at(update, ("post_activation", (layer or 0) - 1), index)
            if name in self.state:
                target: Key = (self.state[name], layer)
                if target[0] == f"{START}biases":
                    return a1(START_ROW, self.rows.column(target, index), absolute=True)
                return a1(above, self.rows.column(target, index))
            return self.rows.at(update, key, index)

        return at

    def _rate(self, update: int, key: Key) -> None:
        """Write the learning rate of an update that has one of its own."""
        rates = self.case.learning_rate
        assert isinstance(rates, tuple)  # noqa: S101 - for the type checker
        self.canvas.number(FIRST_ROW + update, self.rows.column(key, ()), rates[update])

    def _evaluate(self, update: int) -> None:
        """Write the forward pass of the validation samples with this row's new weights."""
        assert self.validation is not None  # noqa: S101 - for the type checker
        samples = self.validation
        s = replace(self.s, samples=max(self.shape.evaluated, 2), update="batch_mean", decay=False)

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name in ("input", "target"):
                return samples.at(key, *index)
            if name == "incoming":
                return self.rows.at(
                    update, (f"{EVALUATED}post_activation", (layer or 0) - 1), index
                )
            if name in ("weights", "biases"):
                target: Key = (self.state[name], layer)
                if target[0] == f"{START}biases":
                    return a1(START_ROW, self.rows.column(target, index), absolute=True)
                return self.rows.at(update, target, index)
            return self.rows.at(update, (EVALUATED + name, layer), index)

        formulas = Formulas(s, at)
        total = RunFormulas(self.shape, replace(s, samples=self.shape.evaluated), at)
        for key, quantity in self.quantities.items():
            name = key[0]
            if not name.startswith(EVALUATED) or quantity.given:
                continue
            own: Key = (name.removeprefix(EVALUATED), key[1])
            for index in indices(quantity.shape[1:]):
                text = total.of(key, index) if own[0] == "error" else formulas.of(own, index)
                place = (FIRST_ROW + update, self.rows.column(key, index))
                self.canvas.formula(*place, text, kind_of(name))

    def _claims(self) -> None:
        for key, quantity in self.quantities.items():
            if quantity.given:
                if self._scheduled(quantity):
                    self.rows.claim(key, "given")
                continue
            ragged = quantity.per_sample and not key[0].startswith(EVALUATED)
            self.rows.claim(key, "step", self._blocks(quantity) if ragged else None)

    def _blocks(self, quantity: Quantity) -> list[Block] | None:
        """Return what of a quantity's rectangle is written where the last batch is smaller."""
        sizes = self.shape.sizes()
        if len(sizes) == 1:
            return None
        low, high = min(sizes), max(sizes)
        inner = 1
        for size in quantity.shape[2:]:
            inner *= size
        found = [Block(0, self.shape.updates, 0, low * inner)]
        each = self.shape.per_epoch
        for start in range(0, self.shape.updates, each):
            rows = min(each - 1, self.shape.updates - start)
            if rows:
                found.append(Block(start, rows, low * inner, (high - low) * inner))
        return found
