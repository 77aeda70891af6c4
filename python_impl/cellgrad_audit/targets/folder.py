"""The table of answers: quantity, index, value; filled by a program, a person, a spreadsheet.

Spreadsheet programs save such a table in many ways: with a byte order mark, with semicolons
or tabs and decimal commas, quoted, with empty rows and columns. An index is written
``[0][2][1]``, which they leave alone (they make a date of 1-2 and a number of 2,1).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellgrad.case.model import Case, read_case
from cellgrad.errors import InputError, printable
from cellgrad.files import read_limited, shortened
from cellgrad_audit.answer import (
    Answer,
    Numbers,
    Place,
    Printed,
    Slot,
    Slots,
    half_unit_at,
    printed,
)
from cellgrad_audit.probes import probes
from cellgrad_audit.targets import Target, failed

HEADER = ("quantity", "index", "value")
NOT_FILLED_IN = "not filled in"

_INDEX = re.compile(r"(?:\[[0-9]{1,9}\])*")
_STEP = re.compile(r"steps\.([1-9][0-9]{0,9})\.([a-z_]+)")
_MOST_SHOWN = 60
_COARSEST = 100.0
_MOST_EPOCHS = 1_000_000

Where = tuple[Slot, tuple[int, ...]]


def template(case: Case) -> bytes:
    """Return the table of a case with the values left blank."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for name, layer, shape in Slots(case).required():
        rows.writerows((name, _index((layer, *index)), "") for index in np.ndindex(shape))
    return text.getvalue().encode()


def read_table(case: Case, data: bytes) -> Answer:
    """Return the answer that a filled table holds; unsupported where it is still blank.

    Raises:
        InputError: a row cannot be used, stands twice, or is missing.
    """
    table = _Table(case)
    for row in _rows(data):
        table.take(row)
    return table.answer()


# rows


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    quantity: str
    index: str
    value: str


def _rows(data: bytes) -> Iterator[_Row]:
    """Yield the rows that say anything, the heading left out."""
    text = _decoded(data)
    separator, text, skipped = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    first = True
    try:
        for cells in reader:
            line = reader.line_num + skipped
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            heading = first and row[0].lower() == HEADER[0]
            first = False
            if heading:
                continue
            if any(row[len(HEADER) :]):
                raise InputError(
                    "has more than three columns",
                    place=f"line {line}",
                    remedy="write a decimal point, or put the value in quotes",
                )
            quantity, index, value = [*row, "", "", ""][: len(HEADER)]
            yield _Row(line, quantity, "".join(index.split()), value)
    except csv.Error as error:
        raise InputError(
            f"is no table ({error})", place=f"line {reader.line_num + skipped}"
        ) from error


def _decoded(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not a UTF-8 text", remedy="save it as CSV in UTF-8") from error


def _separator(text: str) -> tuple[str, str, int]:
    """Return what separates columns, the text without a line that says so, lines left out."""
    first, _, rest = text.partition("\n")
    said = re.fullmatch(r"\"?sep=(.)\"?\r?", first.strip(), re.IGNORECASE)
    if said and said[1] in ",;\t|":
        return said[1], rest, 1
    line = next((line for line in text.splitlines() if line.strip(' \t\r,;"')), "")
    return next((mark for mark in (";", "\t") if mark in line), ","), text, 0


# places


class _Table:
    """Takes rows in."""

    def __init__(self, case: Case) -> None:
        self.case, self.slots = case, Slots(case)
        self.shapes: dict[Slot, tuple[int, ...]] = {}
        self.filled: dict[Where, tuple[int, Printed]] = {}
        self.blank: dict[Where, int] = {}

    def take(self, row: _Row) -> None:
        """Take in a row."""
        where = f"line {row.line}"
        slot, index = self._place(row, where)
        if not row.value:
            self.blank.setdefault((slot, index), row.line)
            return
        text = row.value.replace("−", "-")
        if text.count(",") == 1 and "." not in text:  # a decimal comma
            text = text.replace(",", ".")
        try:
            number = printed(text)
        except ValueError as error:
            raise InputError(f"{_quoted(row.value)} {error}", place=where) from error
        if (slot, index) in self.filled:
            first = self.filled[slot, index][0]
            raise InputError(
                f"{row.quantity} {row.index} stands twice", place=f"lines {first} and {row.line}"
            )
        self.filled[slot, index] = row.line, number

    def _place(self, row: _Row, where: str) -> Where:
        """Return the slot and the index in it that a row names."""
        number, name, place = self._quantity(row.quantity)
        if place is None or not place.shapes:
            raise InputError(
                f"the case has no quantity {_quoted(row.quantity)}",
                place=where,
                remedy="use weights or biases; README.txt names the others",
            )
        if not _INDEX.fullmatch(row.index):
            raise InputError(
                f"{_quoted(row.index)} is no index", place=where, remedy="write it as [0][2][1]"
            )
        index = [int(i) for i in re.findall("[0-9]+", row.index)]
        layer = next(iter(place.shapes))
        if place.layered:
            layer = index.pop(0) if index else -1
        shape = place.shapes.get(layer)
        if shape is not None and place.per_sample and shape[0] == 1 and len(index) < len(shape):
            index.insert(0, 0)  # the axis of samples may be left out for one sample
        if (
            shape is None
            or len(index) != len(shape)
            or any(i >= n for i, n in zip(index, shape, strict=True))
        ):
            raise InputError(
                f"{row.quantity} has no index {_quoted(row.index)}",
                place=where,
                remedy="count from 0, as the header does",
            )
        slot = Slot(number, name, layer)
        self.shapes[slot] = shape
        return slot, tuple(index)

    def _quantity(self, text: str) -> tuple[int, str, Place | None]:
        """Return step, name and place of a quantity; no place if there is no such quantity."""
        if text == "epoch_errors" and self.case.epochs <= _MOST_EPOCHS:
            shapes: dict[int | None, tuple[int, ...]] = {None: (self.case.epochs,)}
            return 0, text, Place(False, self.slots.layers, shapes, per_sample=False)
        if text.startswith("final."):
            name = text.removeprefix("final.")
            return 0, name, self.slots.final().get(name)
        step = _STEP.fullmatch(text)
        if step is None:
            return 0, text, self.slots.parameters().get(text)
        number = int(step[1])
        if number > self.slots.updates:
            return number, step[2], None
        return number, step[2], self.slots.step(number).get(step[2])

    def answer(self) -> Answer:
        """Return the numbers; every final weight and bias has to be there, or nothing."""
        if not self.filled:
            return Answer(self.case, unsupported=NOT_FILLED_IN)
        for name, layer, shape in self.slots.required():
            for index in np.ndindex(shape):
                where = Slot(0, name, layer), index
                if where not in self.filled:
                    line = self.blank.get(where)
                    raise InputError(
                        f"{name} {_index((layer, *index))} is missing",
                        place=f"line {line}" if line else "",
                        remedy="fill in every weight and bias, or none",
                    )
        finest = _Finest([number for _, number in self.filled.values()])
        numbers: dict[Slot, Numbers] = {}
        for (slot, index), (_, number) in self.filled.items():
            if slot not in numbers:
                shape = self.shapes[slot]
                numbers[slot] = Numbers(np.full(shape, np.nan), np.zeros(shape))
            numbers[slot].values[index] = number.value
            numbers[slot].half_units[index] = finest.half_unit(number)
        return Answer(self.case, numbers)


class _Finest:
    """How finely the numbers of a table are printed.

    A table is printed with one format. Where a number shows far fewer digits than the others,
    zeros at its end were left out (0.5 among 0.4375125 and 0.2499817 is 0.5000000): it is
    not taken for anything that rounds to 0.5, or a weight that was never updated would pass.

    Args:
        numbers: all numbers of the table.
    """

    def __init__(self, numbers: list[Printed]) -> None:
        decimals = [number for number in numbers if number.half_unit]
        self.digits = max((number.digits for number in decimals), default=0)
        self.half_unit_of_all = min((number.half_unit for number in decimals), default=0.0)

    def half_unit(self, number: Printed) -> float:
        """Return half a unit of the last decimal that a number shows, zeros left out included."""
        if not number.half_unit:
            return 0.0
        fine = max(self.half_unit_of_all, half_unit_at(number.value, self.digits))
        return min(number.half_unit, _COARSEST * fine)


def _index(index: tuple[int, ...]) -> str:
    return "".join(f"[{i}]" for i in index)


def _quoted(text: str) -> str:
    return printable(shortened(repr(text), _MOST_SHOWN))


SUFFIX = ".answers.csv"
MAX_BYTES = 8 << 20
_MOST_TABLES = 1000


class FolderTarget(Target):
    """Answers the cases of a folder, each from its table ``NAME.answers.csv``.

    Args:
        path: the folder.

    Raises:
        InputError: it cannot be read, or holds no table, or a table without its case.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._path = printable(str(path)), path
        try:
            names = sorted(
                entry.name.removesuffix(SUFFIX)
                for entry in path.iterdir()
                if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
            )
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise InputError(f"cannot be read ({told})", file=path) from error
        if not names:
            raise InputError(
                f"holds no NAME{SUFFIX}", file=path, remedy="write one with: cellgrad probes -o DIR"
            )
        if len(names) > _MOST_TABLES:
            raise InputError(f"holds more than {_MOST_TABLES} tables", file=path)
        self._cases = {name: self._case(name) for name in names}

    def _case(self, name: str) -> Case:
        path = self._path / f"{name}.json"
        case = read_case(path)
        if case.id != name:
            raise InputError(f"is the case {case.id}", file=path, remedy="restore its name")
        return case

    def cases(self) -> list[Case]:
        """Return the cases of the folder, in the order of the shipped probes."""
        known = [case.id for case in probes()]

        def order(case: Case) -> tuple[int, str]:
            return (known.index(case.id) if case.id in known else len(known), case.id)

        return sorted(self._cases.values(), key=order)

    def answer(self, case: Case) -> Answer:
        """Return what the table of a case says."""
        own = self._cases.get(case.id)
        if own is None:
            return Answer(case, unsupported=f"the folder has no {case.id}{SUFFIX}")
        path = self._path / f"{case.id}{SUFFIX}"
        if (own.network, own.samples) != (case.network, case.samples):
            return failed(case, f"{path}: answers another {case.id}; write the probes again")
        try:
            answer = read_table(case, read_limited(path, MAX_BYTES))
        except InputError as error:
            return failed(case, error.within(path).line())
        if answer.unsupported:
            answer.unsupported = f"{path.name} is {NOT_FILLED_IN}"
        return answer
