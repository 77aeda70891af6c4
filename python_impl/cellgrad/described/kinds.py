"""The kinds of parts: where the shape and the program of each are spelled out.

Named by strings and imported when a workbook has such a part, so that the core reads the
workbooks of single steps without the packages that know the rest. A package of somebody else
adds a kind by an entry point of the group ``cellgrad.parts`` that leads to a ``Kind``; these
are looked for only where a workbook names a kind that stands nowhere here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

from cellgrad.errors import CaseError
from cellgrad.packages import is_here


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
    for entry in entry_points(group="cellgrad.parts", name=name):
        kind: Kind = entry.load()
        return kind
    raise CaseError(f"{name!r} is no kind of part")


def missing_packages() -> set[str]:
    """Return the packages that know kinds of parts, and are not here."""
    packages = {kind.shape.partition(".")[0] for kind in KINDS.values()}
    return {package for package in packages if not is_here(package)}
