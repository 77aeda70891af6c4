"""From the words of the Map to what the parts should compute."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from cellgrad.case import facts as words
from cellgrad.errors import CaseError
from cellgrad.packages import is_here, load
from cellgrad.verify.programs.program import Program

Programs = dict[str, Program]

_SERIES = "cellgrad_series.programs.create"
_CREATORS = {
    "step": "cellgrad.verify.programs.step:create",
    "run": f"{_SERIES}:run",
    "validation": f"{_SERIES}:classification",
    "rule": f"{_SERIES}:classification",
    "sweep": f"{_SERIES}:sweep",
    "function": f"{_SERIES}:function",
    "comparison": f"{_SERIES}:comparison",
    "table": f"{_SERIES}:table",
}
"""Who makes the program of a kind of part; other packages name theirs as entry points."""


def create_program(name: str, facts: Mapping[str, str], earlier: Programs) -> Program:
    """Return what a part should compute.

    Args:
        name: the part.
        facts: its words in the Map.
        earlier: the parts that stand above it.

    Raises:
        CaseError: a word is missing or unknown, or the parts do not go together.
        PackageMissingError: the package that knows this kind of part is not installed.
    """
    kind = words.word(facts, "kind")
    creator = _CREATORS.get(kind) or _of_others(kind)
    program: Program = load(creator, f"the part {name!r} ({kind}) needs")(name, facts, earlier)
    return program


def missing_packages() -> set[str]:
    """Return the packages that know kinds of parts, and are not here."""
    packages = {creator.partition(".")[0] for creator in _CREATORS.values()}
    return {package for package in packages if not is_here(package)}


def _of_others(kind: str) -> str:
    """Return who makes a kind of part that a package of somebody else brings."""
    for entry in entry_points(group="cellgrad.parts", name=kind):
        return entry.value
    raise CaseError(f"{kind!r} is no kind of part")
