"""Reading a map: TOML, its schema, and what a schema cannot say.

Source: reference/foreign-workbooks.md, reference/schema/workbook-map.schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import DEFAULT_LEAKY_SLOPE, Conventions
from cellgrad.case.quantities import Index, Key, Quantity, Structure, table
from cellgrad.engines import Changes
from cellgrad.errors import CaseError, InputError
from cellgrad.files import check_schema, read_limited, read_toml
from cellgrad.xlsx.addresses import Place, Range, parse_reference, place_text, quoted
from cellgrad_audit.answer import Vector
from cellgrad_audit.foreign import Foreign, read_foreign

SCHEMA = "cellgrad-workbook-map/1"
MAX_BYTES = 4 << 20
MAX_SAMPLES = 10_000
MAX_CELLS = 50_000
"""Of all ranges together: foreign sheets are drawn, recalculated and proved cell by cell."""

CONSTANTS = ("learning_rate", "leaky_slope", "weight_decay")

NEW = {"weights": "new_weights", "biases": "new_biases"}
"""What ``[computed]`` calls the parameters after the update, and its code name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The cells of one quantity.

    Attributes:
        shape: of the quantity, samples first where it has them.
        pieces: ranges; read row by row, one after the other, they hold every number once.
        axes: the order of the quantity's axes in which they are read.
    """

    shape: tuple[int, ...]
    pieces: tuple[Range, ...]
    axes: tuple[int, ...]

    def cells(self) -> Iterator[tuple[Index, Place]]:
        """Yield every index of the quantity and its cell, in the order of the sheet."""
        sheet = (
            (piece.sheet, row, column)
            for piece in self.pieces
            for row in range(piece.top, piece.bottom + 1)
            for column in range(piece.left, piece.right + 1)
        )
        sizes = [range(self.shape[axis]) for axis in self.axes]
        for numbers, place in zip(product(*sizes), sheet, strict=True):
            # an order of two axes, or of one, is its own inverse
            yield tuple(numbers[axis] for axis in self.axes), place

    def gathered(self, blocks: Sequence[Vector]) -> Vector:
        """Return the quantity from the numbers of its pieces."""
        flat = np.concatenate([block.ravel() for block in blocks])
        return flat.reshape([self.shape[axis] for axis in self.axes]).transpose(self.axes).copy()

    def scattered(self, values: Vector) -> Changes:
        """Return what to write into its pieces for the quantity to have these values."""
        flat = iter(values.reshape(self.shape).transpose(self.axes).ravel().tolist())
        return [
            (piece, [[next(flat) for _ in range(piece.width)] for _ in range(piece.height)])
            for piece in self.pieces
        ]

    def shared(self) -> dict[Index, Index]:
        """Return for every number in a cell that holds an earlier one which that is."""
        first: dict[Place, Index] = {}
        owners = {index: first.setdefault(place, index) for index, place in self.cells()}
        return {index: owner for index, owner in owners.items() if owner != index}


def placement_of(shape: tuple[int, ...], cells: Mapping[Index, Place]) -> Placement:
    """Return the placement of a quantity whose cells are known: a rectangle if they are one."""
    (sheet, top, left), last = cells[(0,) * len(shape)], cells[tuple(n - 1 for n in shape)]
    area = Range(sheet, top, left, *last[1:])
    whole = last[0] == sheet and area.height > 0 and area.height * area.width == len(cells)
    straight = tuple(range(len(shape)))
    for axes in (straight, (1, 0)) if len(shape) == 2 else (straight,):
        where = Placement(shape, (area,), axes)
        wide = len(shape) != 2 or 1 in shape or area.width == shape[axes[1]]
        if whole and wide and dict(where.cells()) == cells:
            return where
    singles = (cells[index] for index in np.ndindex(shape))
    return Placement(shape, tuple(Range(*cell, *cell[1:]) for cell in singles), straight)


Placements = Mapping[Key, Placement]


def changes_for(given: Placements, numbers: Mapping[Key, Vector]) -> Changes:
    """Return what to write for givens to have some values."""
    return [change for key, where in given.items() for change in where.scattered(numbers[key])]


def joined(
    given: Placements, numbers: Mapping[Key, NDArray[np.floating[Any]]]
) -> dict[Key, Vector]:
    """Return drawn numbers of the givens, the same for those that share a cell.

    Args:
        given: where givens stand.
        numbers: what was drawn.
    """
    result = {key: np.array(numbers[key], dtype=np.float64) for key in given}
    for key, where in given.items():
        for index, first in where.shared().items():
            result[key][index] = result[key][first]
    return result


@dataclass(slots=True)
class WorkbookMap:
    """Where the numbers of a training step stand in a workbook.

    Attributes:
        path: the map's file.
        foreign: the workbook.
        structure: network, loss and update.
        engine: who is to recalculate; None for the first engine that can.
        constants: learning rate, leaky slope and weight decay, where they are numbers.
        given: where givens stand, by key; a constant that stands in a cell is among them.
        computed: where results stand, by key.
        keys: the place in the map of each, for messages.
    """

    path: Path
    foreign: Foreign
    structure: Structure
    engine: str | None = None
    constants: dict[str, float] = field(default_factory=dict)
    given: dict[Key, Placement] = field(default_factory=dict)
    computed: dict[Key, Placement] = field(default_factory=dict)
    keys: dict[tuple[str, Key], str] = field(default_factory=dict)

    @property
    def quantities(self) -> dict[Key, Quantity]:
        """Every quantity that the step has."""
        return table(self.structure)

    @property
    def updates(self) -> bool:
        """Whether new weights or biases are among the results."""
        return any(key[0] in NEW.values() for key in self.computed)

    def places(self) -> Iterator[Place]:
        """Yield every mapped cell."""
        for where in (*self.given.values(), *self.computed.values()):
            for _, place in where.cells():
                yield place


def read_map(path: Path) -> WorkbookMap:
    """Read a map and the workbook that it is about.

    Args:
        path: the map's file.

    Raises:
        InputError: no TOML, no map, one whose parts do not fit, or a workbook that cannot be used.
    """
    try:
        document = _load(read_limited(path, MAX_BYTES))
        foreign = read_foreign(path.parent / str(document["workbook"]))
        return _Reader(path, document, foreign).result()
    except InputError as error:
        raise error.within(path) from error


def parse_map(data: bytes, path: Path, foreign: Foreign) -> WorkbookMap:
    """Return the map that TOML bytes describe.

    Args:
        data: the TOML.
        path: where it lies or will lie.
        foreign: the workbook.

    Raises:
        InputError: no TOML, no map, or one whose parts do not fit.
    """
    return _Reader(path, _load(data), foreign).result()


def _load(data: bytes) -> dict[str, Any]:
    document = read_toml(data)
    check_schema(document, "workbook-map", remedy="see reference/foreign-workbooks.md")
    return document


class _Reader:
    def __init__(self, path: Path, document: dict[str, Any], foreign: Foreign) -> None:
        self.document, self.sheets = document, list(foreign.book.sheets)
        self.network: dict[str, Any] = document["network"]
        self.taken: dict[Place, str] = {}
        self.map = WorkbookMap(path, foreign, self._structure(), document.get("engine"))
        self.known = self.map.quantities

    def result(self) -> WorkbookMap:
        self._constants()
        for section in ("given", "computed"):
            for name, entry in self.document[section].items():
                self._quantity(section, name, entry)
        self._check_complete()
        return self.map

    def _structure(self) -> Structure:
        samples = self._samples()
        update = self.network.get("update", "online" if samples == 1 else "")
        if not update:
            raise InputError(
                f"says nothing of how {samples} samples make one update",
                place="network.update",
                remedy='write update = "batch_sum" or "batch_mean"',
            )
        conventions = Conventions(**self.network.get("conventions", {}))
        try:
            return Structure(
                nodes=tuple(self.network["nodes"]),
                activations=tuple(self.network["activations"]),
                loss=self.network["loss"],
                update=update,
                samples=samples,
                biases="biases" in self.document["given"],
                decay=self.network.get("weight_decay", 0) != 0,
                update_biases=conventions.update_biases,
                error_sign=conventions.error_sign,
                decay_biases=conventions.decay_biases,
            )
        except CaseError as error:
            place = error.place if error.place.startswith("network") else "network"
            raise InputError(error.problem, place=place, remedy=error.remedy) from error

    def _samples(self) -> int:
        pieces, _ = self._area(self.document["given"]["input"], "given.input")
        count = sum(piece.height * piece.width for piece in pieces)
        inputs: int = self.network["nodes"][0]
        if count % inputs or count // inputs > MAX_SAMPLES:
            raise InputError(
                f"{count} cells are no whole number of samples of {inputs} inputs each"
                if count % inputs
                else f"more than {MAX_SAMPLES:,} samples",
                place="given.input",
                remedy="correct the range, or [network] nodes",
            )
        return count // inputs

    def _constants(self) -> None:
        for name in CONSTANTS:
            entry, key, place = self.network.get(name), (name, None), f"network.{name}"
            if entry is None or (entry == 0 and key not in self.known):
                continue
            if key not in self.known:
                raise InputError(
                    f"{name} has no effect in this network", place=place, remedy="leave it out"
                )
            if isinstance(entry, str):
                pieces, _ = self._area(entry, place)
                where = placement((), pieces, flipped=False, flag="", place=place)
                self._enter("given", key, where, place)
            else:
                self.map.constants[name] = _double(entry, place)
        if "leaky_slope" not in self.map.constants and ("leaky_slope", None) not in self.map.given:
            self.map.constants["leaky_slope"] = DEFAULT_LEAKY_SLOPE

    def _quantity(self, section: str, name: str, entry: Any) -> None:
        place = f"{section}.{name}"
        code = NEW.get(name, name) if section == "computed" else name
        layers = self.map.structure.layers
        if (code, None) in self.known:
            self._place(section, (code, None), entry, place)
            return
        if not any(key[0] == code for key in self.known):
            raise InputError(
                f"this network has no {name}",
                place=place,
                remedy="leave it out, or correct [network]",
            )
        if len(entry) != layers:
            raise InputError(
                f"{len(entry)} entries for {layers} weight layers",
                place=place,
                remedy='give one a layer, "" where the sheet does not show it',
            )
        for k, item in enumerate(entry):
            if item == "" and section == "computed":
                continue
            if item == "":
                raise InputError(
                    f"the {name} of every layer must be given",
                    place=f"{place}[{k}]",
                    remedy="name their range",
                )
            if (code, k) not in self.known:
                raise InputError(
                    f"layer {k} of this network has no {name}",
                    place=f"{place}[{k}]",
                    remedy='write ""',
                )
            self._place(section, (code, k), item, f"{place}[{k}]")

    def _place(self, section: str, key: Key, entry: Any, place: str) -> None:
        quantity = self.known[key]
        pieces, options = self._area(entry, place)
        matrix = len(quantity.shape) == 2 and not quantity.per_sample
        for option, fits in (("transposed", matrix), ("samples", quantity.per_sample)):
            if option in options and not fits:
                raise InputError(
                    f"{option} says nothing of {key[0]}",
                    place=f"{place}.{option}",
                    remedy="leave it out",
                )
        flipped = options.get("transposed", False) or options.get("samples") == "columns"
        if quantity.per_sample:
            flag = f'samples = "{"rows" if flipped else "columns"}"'
        else:
            flag = f"transposed = {str(not flipped).lower()}"
        where = placement(quantity.shape, pieces, flipped=flipped, flag=flag, place=place)
        self._enter(section, key, where, place)

    def _enter(self, section: str, key: Key, where: Placement, place: str) -> None:
        for _, cell in where.cells():
            if cell in self.taken and not (key[0] == "biases" and self.taken[cell] == place):
                raise InputError(
                    f"{place_text(cell)} is claimed by {self.taken[cell]} already",
                    place=place,
                    remedy="give every cell one meaning",
                )
            self.taken[cell] = place
        if len(self.taken) > MAX_CELLS:
            raise InputError(f"names more than {MAX_CELLS:,} cells", place=place)
        (self.map.given if section == "given" else self.map.computed)[key] = where
        self.map.keys[section, key] = place

    def _area(self, entry: Any, place: str) -> tuple[list[Range], dict[str, Any]]:
        options = dict(entry) if isinstance(entry, dict) else {"cells": entry}
        cells = options.pop("cells")
        texts = [cells] if isinstance(cells, str) else cells
        return [self._range(text, place) for text in texts], options

    def _range(self, text: str, place: str) -> Range:
        default = self.document.get("sheet", self.sheets[0] if self.sheets else "")
        area = parse_reference(text if "!" in text else f"{quoted(default)}!{text}")
        if area is None:
            raise InputError(
                f"{text[:60]!r} is no range of cells",
                place=place,
                remedy="write it like B5:E8, or 'Sheet 2'!B5:E8",
            )
        names = {name.casefold(): name for name in self.sheets}
        if area.sheet.casefold() not in names:
            raise InputError(
                f"the workbook has no sheet {area.sheet[:40]!r}",
                place=place,
                remedy=f"it has {', '.join(self.sheets)[:80]}",
            )
        if area.height * area.width > MAX_CELLS:
            raise InputError(f"{text[:60]} holds more than {MAX_CELLS:,} cells", place=place)
        return area._replace(sheet=names[area.sheet.casefold()])

    def _check_complete(self) -> None:
        stated = "learning_rate" in self.map.constants or ("learning_rate", None) in self.map.given
        if self.map.updates and not stated:
            raise InputError(
                "new weights are mapped, but no learning rate",
                place="network.learning_rate",
                remedy="give a number, or the cell where it stands",
            )
        if not self.map.computed:
            raise InputError(
                "names no computed cell",
                place="computed",
                remedy="name at least one range, such as weight_gradient",
            )


def placement(
    shape: tuple[int, ...], pieces: Sequence[Range], *, flipped: bool, flag: str, place: str
) -> Placement:
    """Return where a quantity stands, after a check that it fits.

    Args:
        shape: of the quantity.
        pieces: its ranges.
        flipped: whether the sheet has rows and columns the other way round.
        flag: what says so in a map, for messages.
        place: where in the map, for messages.

    Raises:
        InputError: the ranges do not hold so many cells, or not in this form.
    """
    axes = (1, 0) if flipped and len(shape) == 2 else tuple(range(len(shape)))
    wanted = math.prod(shape)
    count = sum(piece.height * piece.width for piece in pieces)
    if count != wanted:
        sizes = " × ".join(map(str, shape))
        raise InputError(
            f"{' + '.join(piece.address for piece in pieces)[:100]} holds {count} cells,"
            f" {f'a quantity of shape {sizes}' if shape else 'a single number'} takes {wanted}",
            place=place,
            remedy="correct the range, or [network] nodes",
        )
    if len(pieces) == 1 and len(shape) == 2 and 1 not in shape:
        rows, columns = (shape[axis] for axis in axes)
        area = pieces[0]
        if (area.height, area.width) != (rows, columns):
            lying = (area.height, area.width) == (columns, rows)
            raise InputError(
                f"{area.address} is {area.height} × {area.width}, not {rows} × {columns}",
                place=place,
                remedy=f"say {flag}" if lying else "correct the range",
            )
    return Placement(shape, tuple(pieces), axes)


def _double(value: float, place: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError("is no number of a double", place=place, remedy="give a finite number")
    return number
