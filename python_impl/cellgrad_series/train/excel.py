"""Training and validation samples from two Excel files, or two sheets of one.

Values are those stored in the files: nothing is calculated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cellgrad.case.model import Case, Sample
from cellgrad.case.quantities import CROSS_ENTROPIES, SUM_TOLERANCE
from cellgrad.errors import InputError
from cellgrad.xlsx.book import read_book
from cellgrad_series.train.run import HIDDEN_NODES, series_case
from cellgrad_series.train.table import Chosen, Table, choose, choose_like, counted, find_table


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line says about the two files; None where it says nothing."""

    inputs: str | None = None
    outputs: str | None = None
    training_sheet: str | None = None
    validation_sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Samples, and where they stand.

    Attributes:
        table: the table they come from.
        chosen: its columns.
        rows: the row of each sample.
        samples: the samples, in the order of the rows.
    """

    table: Table
    chosen: Chosen
    rows: list[int]
    samples: tuple[Sample, ...]

    def origin(self) -> str:
        """Return where the samples come from, as a person would say it."""
        table, count = self.table, counted(len(self.samples), "sample")
        return f"{count}, {table.path.name}, sheet {table.sheet!r}"

    def columns(self) -> str:
        """Return the columns of inputs and outputs, as a person would name them."""
        shown = []
        for word, columns in (("input", self.chosen.inputs), ("output", self.chosen.outputs)):
            names = ", ".join(self.table.name_of(column) for column in columns[:_MANY])
            more = f", … ({len(columns)} in all)" if len(columns) > _MANY else ""
            shown.append(f"{word}{'s' if len(columns) > 1 else ''} {names}{more}")
        return "; ".join(shown)


_MANY = 8


def describe_samples(training: Data, validation: Data) -> list[str]:
    """Return lines that say which cells were taken for what."""
    lines = [f"training    {training.origin()}", f"validation  {validation.origin()}"]
    both = [f"columns     {data.columns()}" for data in (training, validation)]
    return [*lines, *dict.fromkeys(both)]


def read_samples(
    training: Path, validation: Path, selection: Selection, outputs: int
) -> tuple[Data, Data]:
    """Read the samples of both files.

    Args:
        training: the file to train with.
        validation: the file to validate with; it may be the same with another sheet.
        selection: sheets and columns.
        outputs: outputs of the network.

    Raises:
        InputError: a file, a sheet, a column or a cell cannot be used; it is named.
    """
    first_book = read_book(training)
    second_book = first_book if _one_file(training, validation) else read_book(validation)
    first = find_table(first_book, selection.training_sheet, "--training-sheet")
    second = find_table(second_book, selection.validation_sheet, "--validation-sheet")
    if first_book is second_book and first.sheet == second.sheet:
        raise InputError(
            "training and validation are the same sheet of the same file",
            file=training,
            place=first.sheet,
            remedy="name two with --training-sheet and --validation-sheet",
        )
    chosen = choose(first, selection.inputs, selection.outputs, outputs)
    _check_outputs(first, chosen, outputs)
    data = _data(first, chosen)
    if selection.inputs is None and selection.outputs is None:
        other = choose_like(second, first, chosen)
    else:
        other = choose(second, selection.inputs, selection.outputs, outputs)
    _check_outputs(second, other, outputs)
    if len(other.inputs) != len(chosen.inputs):
        raise second.error(
            f"{counted(len(other.inputs), 'input column')}, but {training.name} has "
            f"{len(chosen.inputs)} (is a column missing?)",
            "choose the columns with --inputs and --output",
        )
    return data, _data(second, other)


def _check_outputs(table: Table, chosen: Chosen, outputs: int) -> None:
    if len(chosen.outputs) != outputs:
        raise table.error(
            f"{counted(len(chosen.outputs), 'output column')}, but the network has "
            f"{counted(outputs, 'output')}",
            "choose the columns with --output",
        )


def with_samples(
    case: Case | None,
    training: Path,
    validation: Path,
    selection: Selection,
    hidden: int = HIDDEN_NODES,
) -> tuple[Case, tuple[Data, Data]]:
    """Return a case with the samples of two files, and what was read of them.

    Args:
        case: the network; None for the series' set-up.
        training: the file to train with.
        validation: the file to validate with.
        selection: sheets and columns.
        hidden: hidden nodes of the series' set-up.

    Raises:
        InputError: a file cannot be used, or does not go with the network.
    """
    outputs = 1 if case is None else case.network.nodes[-1]
    first, second = read_samples(training, validation, selection, outputs)
    inputs = len(first.chosen.inputs)
    if case is None:
        case = series_case(inputs, hidden)
    if inputs != case.network.nodes[0]:
        wanted = case.network.nodes[0]
        names = ", ".join(first.table.name_of(column) for column in first.chosen.inputs[:_MANY])
        raise first.table.error(
            f"{counted(inputs, 'input column')} ({names}), but the network has "
            f"{counted(wanted, 'input')}",
            "choose the columns with --inputs and --output",
        )
    for data in (first, second):
        _check_targets(case.loss, data)
    return replace(case, samples=first.samples, validation=second.samples), (first, second)


def _one_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except (OSError, ValueError):
        return False  # what is wrong with them is said where they are read


def _data(table: Table, chosen: Chosen) -> Data:
    count = len(chosen.inputs)
    numbers = table.numbers(chosen.inputs + chosen.outputs)
    samples = tuple(
        Sample(tuple(values[:count]), tuple(values[count:])) for values in numbers.values()
    )
    return Data(table, chosen, list(numbers), samples)


def _check_targets(loss: str, data: Data) -> None:
    """Targets lie in the domain of the loss (reference/equations.md, "Permitted pairs")."""
    if loss not in (*CROSS_ENTROPIES, "perceptron"):
        return
    for row, sample in zip(data.rows, data.samples, strict=True):
        for column, target in zip(data.chosen.outputs, sample.target, strict=True):
            if loss == "perceptron" and target not in (0, 1):
                _refuse_target(data, f"the target {target!r}: the perceptron rule takes 0 or 1",
                               row, column)  # fmt: skip
            if not 0 <= target <= 1:
                _refuse_target(data, f"the target {target!r}: {loss} takes 0 to 1", row, column)
        if loss == "categorical_cross_entropy" and abs(sum(sample.target) - 1) > SUM_TOLERANCE:
            problem = f"the targets of this row sum to {sum(sample.target)!r}, not to 1"
            _refuse_target(data, problem, row, data.chosen.outputs[0])


def _refuse_target(data: Data, problem: str, row: int, column: int) -> None:
    raise data.table.error(problem, "correct it, or use another loss", (row, column))
