"""Reading a map: TOML, its schema, and what a schema cannot say.

Source: reference/foreign-workbooks.md, reference/schema/workbook-map.schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellgrad.case.model import DEFAULT_LEAKY_SLOPE, Conventions
from cellgrad.case.quantities import Key, Quantity, table
from cellgrad.case.structure import Structure
from cellgrad.documents import check_schema, read_toml
from cellgrad.errors import CaseError, InputError
from cellgrad.files import read_limited
from cellgrad.xlsx.addresses import Place, Range, parse_reference
from cellgrad_audit.foreign.placement import Placement, place_of, placement

SCHEMA = "cellgrad-workbook-map/1"
MAX_BYTES = 4 << 20
MAX_SAMPLES = 10_000
MAX_CELLS = 50_000
"""Of all ranges together: foreign sheets are drawn, recalculated and proved cell by cell."""

_MAX_SHOWN = 120
_CONSTANTS = ("learning_rate", "leaky_slope", "weight_decay")
_AFTER = {"weights": "new_weights", "biases": "new_biases"}
"""What ``[computed]`` calls the parameters after the update, and its code name."""

_PER_SAMPLE = 'samples = "columns"'


@dataclass(slots=True)
class WorkbookMap:
    """Where the numbers of a training step stand in a workbook.

    Attributes:
        path: the map's file.
        workbook: the workbook's file.
        structure: network, loss and update.
        conventions: what is declared.
        engine: who is to recalculate; None for the first engine that can.
        constants: learning rate, leaky slope and weight decay, where they are numbers.
        given: where givens stand, by key; a constant that stands in a cell is among them.
        computed: where results stand, by key.
        keys: the place in the map of each, for messages.
    """

    path: Path
    workbook: Path
    structure: Structure
    conventions: Conventions
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
        return any(key[0] in _AFTER.values() for key in self.computed)


def read_map(path: Path, sheets: Mapping[str, object] | None = None) -> WorkbookMap:
    """Read a map.

    Args:
        path: its file.
        sheets: the workbook's sheets, if they are known already.

    Raises:
        InputError: no TOML, no map, or one whose parts do not fit.
    """
    try:
        document = _load(read_limited(path, MAX_BYTES))
        if sheets is None:
            from cellgrad.xlsx.book import read_book  # noqa: PLC0415 - not always needed

            sheets = read_book(_workbook(path, document)).sheets
        return _Reader(path, document, list(sheets)).result()
    except InputError as error:
        raise error.within(path) from error


def parse_map(data: bytes, path: Path, sheets: Iterable[str]) -> WorkbookMap:
    """Return the map that TOML bytes describe.

    Args:
        data: the TOML.
        path: where it lies or will lie.
        sheets: the workbook's sheets.

    Raises:
        InputError: no TOML, no map, or one whose parts do not fit.
    """
    return _Reader(path, _load(data), list(sheets)).result()


def workbook_of(path: Path) -> Path:
    """Return the workbook that a map is about.

    Raises:
        InputError: no TOML, or no map.
    """
    try:
        return _workbook(path, _load(read_limited(path, MAX_BYTES)))
    except InputError as error:
        raise error.within(path) from error


def is_map(path: Path) -> bool:
    """Tell by a file's beginning whether it may be a map."""
    return path.suffix.lower() == ".toml"


def _workbook(path: Path, document: dict[str, Any]) -> Path:
    return path.parent / str(document["workbook"])


def _load(data: bytes) -> dict[str, Any]:
    document = read_toml(data)
    check_schema(document, "workbook-map", remedy="see reference/foreign-workbooks.md")
    return document


class _Reader:
    def __init__(self, path: Path, document: dict[str, Any], sheets: list[str]) -> None:
        self.path, self.document, self.sheets = path, document, sheets
        self.network: dict[str, Any] = document["network"]
        self.taken: dict[Place, str] = {}

    def result(self) -> WorkbookMap:
        structure = self._structure()
        found = WorkbookMap(
            self.path,
            _workbook(self.path, self.document),
            structure,
            Conventions(**self.network.get("conventions", {})),
            self.document.get("engine"),
        )
        self._constants(found)
        for section in ("given", "computed"):
            for name, entry in self.document[section].items():
                self._quantity(found, section, name, entry)
        self._check_complete(found)
        return found

    def _structure(self) -> Structure:
        samples = self._samples()
        update = self.network.get("update", "online" if samples == 1 else "")
        if not update:
            raise InputError(
                f"says nothing of how {samples} samples make one update",
                place="network.update",
                remedy='write update = "batch_sum" or "batch_mean"',
            )
        conventions = self.network.get("conventions", {})
        try:
            return Structure(
                nodes=tuple(self.network["nodes"]),
                activations=tuple(self.network["activations"]),
                loss=self.network["loss"],
                update=update,
                samples=samples,
                biases="biases" in self.document["given"],
                decay=self.network.get("weight_decay", 0) != 0,
                update_biases=conventions.get("update_biases", True),
                error_sign=conventions.get("error_sign", "output_minus_target"),
                decay_biases=conventions.get("decay_biases", False),
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

    def _constants(self, found: WorkbookMap) -> None:
        known = found.quantities
        for name in _CONSTANTS:
            entry = self.network.get(name)
            if entry is None:
                continue
            if (name, None) not in known:
                if entry == 0:
                    continue
                raise InputError(
                    f"{name} has no effect in this network", place=f"network.{name}",
                    remedy="leave it out",
                )  # fmt: skip
            if isinstance(entry, str):
                pieces, _ = self._area(entry, f"network.{name}")
                self._enter(
                    found,
                    "given",
                    (name, None),
                    placement((), pieces, flipped=False, flag="", key=f"network.{name}"),
                    f"network.{name}",
                )
            else:
                number = _double(entry, f"network.{name}")
                found.constants[name] = number
        if "leaky_slope" not in found.constants and ("leaky_slope", None) not in found.given:
            found.constants["leaky_slope"] = DEFAULT_LEAKY_SLOPE

    def _quantity(self, found: WorkbookMap, section: str, name: str, entry: Any) -> None:
        place, known = f"{section}.{name}", found.quantities
        code = _AFTER.get(name, name) if section == "computed" else name
        layered = any(key[0] == code and key[1] is not None for key in known)
        if code not in {key[0] for key in known}:
            raise InputError(
                f"this network has no {name}", place=place,
                remedy="leave it out, or correct [network]",
            )  # fmt: skip
        if not layered:
            self._place(found, section, (code, None), entry, place)
            return
        layers = found.structure.layers
        if len(entry) != layers:
            raise InputError(
                f"{len(entry)} entries for {layers} weight layers", place=place,
                remedy='give one a layer, "" where the sheet does not show it',
            )  # fmt: skip
        for k, item in enumerate(entry):
            if item == "" and section == "computed":
                continue
            if item == "":
                raise InputError(
                    f"the {name} of every layer must be given", place=f"{place}[{k}]",
                    remedy="name their range",
                )  # fmt: skip
            if (code, k) not in known:
                raise InputError(
                    f"layer {k} of this network has no {name}", place=f"{place}[{k}]",
                    remedy='write ""',
                )  # fmt: skip
            self._place(found, section, (code, k), item, f"{place}[{k}]")

    def _place(self, found: WorkbookMap, section: str, key: Key, entry: Any, place: str) -> None:
        quantity = found.quantities[key]
        pieces, options = self._area(entry, place)
        matrix = len(quantity.shape) == 2 and not quantity.per_sample
        for option, fits in (("transposed", matrix), ("samples", quantity.per_sample)):
            if option in options and not fits:
                raise InputError(
                    f"{option} says nothing of {key[0]}", place=f"{place}.{option}",
                    remedy="leave it out",
                )  # fmt: skip
        flipped = options.get("transposed", False) or options.get("samples") == "columns"
        self._enter(found, section, key, placement(
            quantity.shape, pieces, flipped=flipped, key=place,
            flag=_PER_SAMPLE if quantity.per_sample and not flipped
            else 'samples = "rows"' if quantity.per_sample
            else f"transposed = {str(not flipped).lower()}",
        ), place)  # fmt: skip

    def _enter(
        self, found: WorkbookMap, section: str, key: Key, where: Placement, place: str
    ) -> None:
        for _, cell in where.cells():
            if cell in self.taken and not (key[0] == "biases" and self.taken[cell] == place):
                raise InputError(
                    f"{place_of(cell)} is claimed by {self.taken[cell]} already", place=place,
                    remedy="give every cell one meaning",
                )  # fmt: skip
            self.taken[cell] = place
        if len(self.taken) > MAX_CELLS:
            raise InputError(f"names more than {MAX_CELLS:,} cells", place=place)
        (found.given if section == "given" else found.computed)[key] = where
        found.keys[section, key] = place

    def _area(self, entry: Any, place: str) -> tuple[list[Range], dict[str, Any]]:
        options = dict(entry) if isinstance(entry, dict) else {"cells": entry}
        cells = options.pop("cells")
        texts = [cells] if isinstance(cells, str) else cells
        return [self._range(text, place) for text in texts], options

    def _range(self, text: str, place: str) -> Range:
        default = self.document.get("sheet", self.sheets[0] if self.sheets else "")
        full = text if "!" in text else f"{_quoted(default)}!{text}"
        area = parse_reference(full)
        if area is None:
            raise InputError(
                f"{text[:60]!r} is no range of cells", place=place,
                remedy="write it like B5:E8, or 'Sheet 2'!B5:E8",
            )  # fmt: skip
        names = {name.casefold(): name for name in self.sheets}
        if area.sheet.casefold() not in names:
            raise InputError(
                f"the workbook has no sheet {area.sheet[:40]!r}", place=place,
                remedy=f"it has {', '.join(self.sheets)[:80]}",
            )  # fmt: skip
        if area.height * area.width > MAX_CELLS:
            raise InputError(f"{text[:60]} holds more than {MAX_CELLS:,} cells", place=place)
        return area._replace(sheet=names[area.sheet.casefold()])

    def _check_complete(self, found: WorkbookMap) -> None:
        rate = ("learning_rate", None)
        known = "learning_rate" in found.constants or rate in found.given
        if found.updates and not known:
            raise InputError(
                "new weights are mapped, but no learning rate", place="network.learning_rate",
                remedy="give a number, or the cell where it stands",
            )  # fmt: skip
        if not found.computed:
            raise InputError(
                "names no computed cell", place="computed",
                remedy="name at least one range, such as weight_gradient",
            )  # fmt: skip


def _quoted(sheet: str) -> str:
    return "'" + sheet.replace("'", "''") + "'"


def _double(value: float, place: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError("is no number of a double", place=place, remedy="give a finite number")
    return number


def places(found: WorkbookMap) -> Iterator[tuple[str, Key, tuple[int, ...], Place]]:
    """Yield every mapped cell: section, key, index, place."""
    for section, table_ in (("given", found.given), ("computed", found.computed)):
        for key, where in table_.items():
            for index, place in where.cells():
                yield section, key, index, place
