"""The parts of a workbook: what each computes, and what it takes from the parts above it.

Where a kind of part is spelled out is named by strings, and imported when a workbook has such
a part: so the core reads the workbooks of single steps without the packages that know the
rest. A package of somebody else adds a kind by an entry point of the group ``cellgrad.parts``
that leads to a ``Kind``; these are looked for only where a workbook names an unknown one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

from cellgrad.case import facts as words
from cellgrad.case.facts import Facts
from cellgrad.case.quantities import Key, Quantity, quantities
from cellgrad.case.structure import Structure
from cellgrad.errors import CaseError
from cellgrad.packages import is_here, load

MAX_NODES = 20_000
MAX_SCALARS = 5_000_000
"""More than any sheet can show; a Map that says so is not believed."""


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
        return words.structure_facts(self.step)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe; CaseError where one is missing or unknown."""
        return cls(words.structure_from(facts))


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
    kind = words.word(facts, "kind")
    shape_class: type[Shape] = load(find_kind(kind).shape, f"the part {name!r} ({kind}) needs")
    shape = shape_class.from_facts(facts)
    if not name:
        _refuse_giant(shape)
    part = Part(name, kind, facts, shape)
    if sum(math.prod(quantity.shape) for quantity in part.known.values()) > MAX_SCALARS:
        raise ValueError("the part is larger than any sheet")
    part.origins = shape.origins(facts, above)
    return part


def _refuse_giant(shape: Shape) -> None:
    """Refuse a single step of which no sheet has room for the nodes, before they are listed."""
    assert isinstance(shape, StepShape)  # noqa: S101 - for the type checker
    s = shape.step
    nodes = sum(s.nodes) + s.samples
    if nodes > MAX_NODES or s.parameters + nodes * s.samples > MAX_SCALARS:
        raise CaseError("the network is larger than any sheet")


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
    "step": Kind("cellgrad.described.parts:StepShape", "cellgrad.verify.step:StepProgram"),
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
