"""What a workbook says of itself: its parts, their links, and which cell is which number.

Read from the Map once, for ``verify``, ``prove`` and the certification alike; nothing is
calculated, and no engine is loaded. A ``Part`` has its shape (what it computes), its quantities
(``known``) and its links (``origins``): a quantity that has an origin stands with another part,
whole or in one row. The Map's words for links are understood by the shapes, and nowhere else. What
cannot be used is told, not raised: ``unusable`` is the first such part and why, ``unread`` the rows
of the Map that make no sense; whoever asks words the complaint.

Where a kind of part is spelled out is named by strings, and imported when a workbook has such
a part: so the core reads the workbooks of single steps without the packages that know the
rest. A package of somebody else adds a kind by an entry point of the group ``cellgrad.parts``
that leads to a ``Kind``; these are looked for only where a workbook names an unknown one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import (
    Facts,
    Key,
    Quantity,
    Structure,
    quantities,
    structure_facts,
    structure_from,
    word,
)
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.shipped import PackageMissingError, is_here, load
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import FORMAT, FORMAT_OF_PARTS, SHEET, Claim, read_map

MAX_NODES = 20_000
MAX_SCALARS = 5_000_000
"""More than any sheet can show; a Map that says so is not believed."""

Numbers = NDArray[np.floating[Any]]
_NOBODY = -1


class Origin(NamedTuple):
    """Where a part takes a quantity from.

    Attributes:
        part: the part that holds it.
        key: what it is called there.
        row: which row of that is meant; None: all of it.
    """

    part: str
    key: Key
    row: int | None = None


class Shape(ABC):
    """What a part computes, without its numbers.

    Attributes:
        kind: its name in the Map.
        borrowed: names of quantities that have no cells where another part holds them.
    """

    kind: ClassVar[str]
    borrowed: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def quantities(self) -> list[Quantity]:
        """Return every quantity of the part, in the order in which they are computed."""

    @abstractmethod
    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""

    @classmethod
    @abstractmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """

    def pictured(self) -> Structure | None:
        """Return its network, if it has one."""
        return None

    def sample_keys(self) -> tuple[Key, Key] | None:
        """Return as what the part holds the inputs and targets of samples, if it does."""
        return None

    def origins(
        self,
        facts: Mapping[str, str],  # noqa: ARG002 - most parts stand alone
        above: Mapping[str, Part],  # noqa: ARG002
    ) -> dict[Key, Origin]:
        """Return which quantities are taken from where.

        Args:
            facts: the words of the part.
            above: the parts that stand above it.

        Raises:
            CaseError: the parts do not go together.
        """
        return {}


@dataclass(frozen=True, slots=True)
class StepShape(Shape):
    """The shape of a training step."""

    kind: ClassVar[str] = "step"

    step: Structure

    def pictured(self) -> Structure:
        """Return its network."""
        return self.step

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the step, in the order in which they are computed."""
        return quantities(self.step)

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return structure_facts(self.step)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe; CaseError where one is missing or unknown."""
        return cls(structure_from(facts))


@dataclass(slots=True)
class Part:
    """A part of a workbook.

    Attributes:
        name: empty where the workbook is that of a single step.
        kind: such as ``step`` or ``run``.
        facts: its words in the Map.
        shape: what it computes, the ``Shape`` of its kind.
        origins: which of its quantities are taken from where.
        known: its quantities.
    """

    name: str
    kind: str
    facts: Facts
    shape: Any
    origins: dict[Key, Origin] = field(default_factory=dict)
    known: dict[Key, Quantity] = field(init=False)

    def __post_init__(self) -> None:
        """Look its quantities up once."""
        self.known = {quantity.key: quantity for quantity in self.shape.quantities()}

    def claims(self, claim: Claim) -> bool:
        """Tell whether one of its quantities is claimed as what it is, a given or a result.

        Named parts may take a given from another part.
        """
        quantity = self.known.get(claim.key)
        if quantity is None or not quantity.given:
            return quantity is not None and claim.kind == "step"
        return claim.kind == "given" or (claim.kind == "step" and self.name != "")

    def borrows(self, key: Key) -> bool:
        """Tell whether a quantity stands with another part only."""
        return key in self.origins and key[0] in self.shape.borrowed


def read_part(name: str, facts: Facts, above: Mapping[str, Part]) -> Part:
    """Return the part that words of the Map describe.

    Args:
        name: the part.
        facts: its words.
        above: the parts that stand above it.

    Raises:
        CaseError: a word is missing or unknown, or the parts do not go together.
        ValueError: it cannot be on any sheet.
        PackageMissingError: the package that knows its kind is not here.
    """
    kind = word(facts, "kind")
    shape_class: type[Shape] = load(find_kind(kind).shape, f"the part {name!r} ({kind}) needs")
    shape = shape_class.from_facts(facts)
    network = shape.pictured()
    if not name and network is not None:  # before its quantities are listed
        nodes = sum(network.nodes) + network.samples
        if nodes > MAX_NODES or network.parameters + nodes * network.samples > MAX_SCALARS:
            raise CaseError("the network is larger than any sheet")
    part = Part(name, kind, facts, shape)
    if sum(math.prod(quantity.shape) for quantity in part.known.values()) > MAX_SCALARS:
        raise ValueError("the part is larger than any sheet")
    part.origins = shape.origins(facts, above)
    return part


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part.

    Attributes:
        shape: the ``Shape`` that says what it computes, as ``module:name``.
        program: the ``Program`` that says what the MLP makes of its givens, likewise.
    """

    shape: str
    program: str


def _of_series(module: str, shape: str, program: str = "") -> Kind:
    return Kind(
        f"cellgrad_series.parts.{module}:{shape}Shape",
        f"cellgrad_series.programs.{module}:{program or shape}Program",
    )


KINDS = {
    "step": Kind("cellgrad.described:StepShape", "cellgrad.verify.program:StepProgram"),
    "run": _of_series("run", "Run"),
    "validation": _of_series("classification", "Classification"),
    "rule": _of_series("classification", "Rule", "Classification"),
    "sweep": _of_series("sweep", "Sweep"),
    "function": _of_series("tables", "Function"),
    "comparison": _of_series("tables", "Comparison"),
    "table": _of_series("tables", "Table"),
}


def find_kind(name: str) -> Kind:
    """Return a kind of part by its name; CaseError if nobody knows it."""
    if name in KINDS:
        return KINDS[name]
    from importlib.metadata import entry_points  # noqa: PLC0415 - start-up time

    for entry in entry_points(group="cellgrad.parts", name=name):
        kind: Kind = entry.load()
        return kind
    raise CaseError(f"{name!r} is no kind of part")


def missing_packages() -> set[str]:
    """Return the packages that know kinds of parts, and are not here."""
    packages = {kind.shape.partition(".")[0] for kind in KINDS.values()}
    return {package for package in packages if not is_here(package)}


class ClaimedCells:
    """A claim's cells, and which index of its quantity each of them has.

    Attributes:
        claim: the row of the Map.
        shape: how many rows and columns of cells.
        index: one array for each axis of the quantity, which spread over that shape.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.shape = (claim.cells.height, claim.cells.width)
        rows, columns = np.ogrid[: self.shape[0], : self.shape[1]]
        self.index = tuple(part.at(rows, columns) for part in claim.rule.parts)

    def pick(self, values: Numbers) -> Numbers:
        """Return the quantity's values where the cells show them; IndexError outside of it."""
        return np.broadcast_to(values[self.index], self.shape)

    def gather(self, values: Numbers, held: Numbers) -> None:
        """Put the cells' numbers, one for each of them, where they belong in the quantity."""
        index = tuple(np.broadcast_to(axis, self.shape) for axis in self.index)
        values[index] = held if index else held[0, 0]


class Owners:
    """For every claimed cell, its claim's number: a grid a sheet.

    Args:
        claims: all of them, in order; of two that claim a cell the later one owns it.

    Attributes:
        twice: the cells that were claimed before, as (later claim, cell, earlier claim).
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.twice: list[tuple[int, Place, int]] = []
        self._grids = {
            sheet: np.full((bottom + 1, right + 1), _NOBODY, dtype=np.int32)
            for sheet, (bottom, right) in _last_cells(claims).items()
        }
        for number, claim in enumerate(claims):
            area = claim.cells
            cells = self._cells(area)
            for row, column in np.argwhere(cells != _NOBODY).tolist():
                place = (area.sheet, area.top + row, area.left + column)
                self.twice.append((number, place, int(cells[row, column])))
            cells[...] = number

    def _cells(self, area: Range) -> NDArray[np.int32]:
        grid = self._grids[area.sheet]
        return grid[area.top : area.bottom + 1, area.left : area.right + 1]

    def are_claimed(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of many cells are owned, given as rows of (row, column)."""
        claimed = np.zeros(len(cells), dtype=bool)
        grid = self._grids.get(sheet)
        if grid is not None and len(cells):
            inside = (cells[:, 0] < grid.shape[0]) & (cells[:, 1] < grid.shape[1])
            claimed[inside] = grid[cells[inside, 0], cells[inside, 1]] != _NOBODY
        return claimed

    def marked(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a grid of all rows and columns up to the last claimed ones, some cells marked.

        Args:
            sheet: whose claims.
            cells: which to mark, as rows of (row, column); those beyond the grid are left out.
        """
        grid = self._grids.get(sheet)
        rows, columns = (1, 1) if grid is None else grid.shape
        marked = np.zeros((rows, columns), dtype=bool)
        inside = (cells[:, 0] < rows) & (cells[:, 1] < columns)
        marked[cells[inside, 0], cells[inside, 1]] = True
        return marked

    def get(self, place: Place) -> int | None:
        """Return the number of the claim that owns a cell, or None."""
        sheet, row, column = place
        grid = self._grids.get(sheet)
        if grid is None or row >= grid.shape[0] or column >= grid.shape[1]:
            return None
        number = int(grid[row, column])
        return None if number == _NOBODY else number

    def own_any(self, area: Range) -> bool:
        """Tell whether any cell of a rectangle is owned."""
        return area.sheet in self._grids and bool((self._cells(area) != _NOBODY).any())


@dataclass(slots=True)
class Described:
    """A workbook with its own description.

    Attributes:
        book: cells, formulas, names.
        facts: the words of the whole workbook.
        single: whether it is that of a single step, whose part has no name.
        names: of all parts that are described, in their order.
        parts: what each computes, as far down as they can be used.
        unusable: the first part that cannot be used and why, if there is one.
        claims: the rows of the Map.
        unread: rows of the Map that cannot be read, as (place, problem).
        owner: for every claimed cell, its claim's number.
    """

    book: Book
    facts: Facts
    single: bool
    names: tuple[str, ...]
    claims: list[Claim]
    unread: list[tuple[str, str]]
    owner: Owners = field(init=False)
    parts: dict[str, Part] = field(default_factory=dict)
    unusable: tuple[str, str] | None = None

    @property
    def case(self) -> str:
        """The id of the case or the plan it was built from."""
        return self.facts.get("case", self.book.path.stem)

    def claim_of(self, place: Place) -> Claim | None:
        """Return the claim that owns a cell."""
        number = self.owner.get(place)
        return None if number is None else self.claims[number]


def describe(workbook: Path | Book, command: str = "verify") -> Described:
    """Read a workbook and everything it says of itself.

    Args:
        workbook: the file, or the book read from it.
        command: who asks, for messages.

    Raises:
        WorkbookError: no workbook, not safe to read, or one without a Map.
        PackageMissingError: the package that knows a kind of part is not here.
    """
    book = read_book(workbook) if isinstance(workbook, Path) else workbook
    table = read_map(book)
    if table is None or not (table.claims or table.facts):
        raise WorkbookError(
            f"has no sheet {SHEET!r} that says what its cells are",
            file=book.path,
            remedy=f"{command} takes workbooks written by cellgrad build",
        )
    known = FORMAT_OF_PARTS if table.parts else FORMAT
    if table.facts.get("format", known) not in (FORMAT, FORMAT_OF_PARTS):
        raise WorkbookError(
            f"says format {table.facts['format']!r}, this version reads {known!r}",
            file=book.path,
            place=SHEET,
            remedy="use the version of cellgrad that wrote it",
        )
    single = not table.parts and table.facts.get("format") != FORMAT_OF_PARTS
    parts = {"": {**table.facts, "kind": "step"}} if single else table.parts
    described = Described(book, table.facts, single, tuple(parts), table.claims, table.faults)
    name = ""
    try:
        described.owner = Owners(table.claims)
        for name, facts in parts.items():
            described.parts[name] = read_part(name, facts, described.parts)
    except CaseError as error:
        described.unusable = name, error.problem
    except ValueError as error:
        described.unusable = name, str(error)
    except (WorkbookError, PackageMissingError) as error:
        raise error.within(book.path) from error
    return described


def _last_cells(claims: Sequence[Claim]) -> dict[str, tuple[int, int]]:
    """Return the last row and column of each sheet that claims reach.

    Raises:
        WorkbookError: they claim more cells than a workbook holds.
    """
    cells = 0
    last: dict[str, tuple[int, int]] = {}
    for claim in claims:
        area = claim.cells
        cells += area.height * area.width
        bottom, right = last.get(area.sheet, (0, 0))
        last[area.sheet] = max(bottom, area.bottom), max(right, area.right)
        room = sum((bottom + 1) * (right + 1) for bottom, right in last.values())
        if cells > MAX_SCALARS or room > 10 * MAX_SCALARS:
            place = f"{SHEET}!A{claim.row}"
            raise WorkbookError("claims more cells than a workbook holds", place=place)
    return last
