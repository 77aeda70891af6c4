"""Potential copying between submissions, with its evidence; a person decides.

In this order: the workbook is another student's; it holds full-precision values of another's
key; it shares unusual wrong formulas with another. Nothing else is looked at: who last saved
a file, or with which program, accuses nobody. What is kept of a submission is a few short
texts, so that thousands can be compared, and what is found does not depend on their order.

``Grade.evidence`` holds, where there is something: ``workbook_of`` and ``tokens_of`` (ids of
students), ``typed`` (numbers of many digits, by cell) and ``formulas`` (wrong ones that make
no catalogued mistake, in relative form, by cell).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cellgrad.coursework.model import Grade

DIGITS = 10
"""Significant digits from which an equal number is no coincidence."""

LEAST_VALUES = 2
LEAST_FORMULAS = 3
UNUSUAL = 3
"""A wrong formula that at most so many students wrote is unusual."""

TELLING = 6
"""A formula with a number of so many digits counts as LEAST_FORMULAS: nobody else has it."""

_SHOWN, _LENGTH = 6, 60
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+)")


class Copying:
    """Collects what is compared, submission by submission."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._workbook_of: dict[str, str] = {}
        self._tokens_of: dict[str, list[str]] = {}
        self._typed: dict[str, dict[str, str]] = {}
        self._wanted: dict[tuple[str, str], set[str]] = {}
        self._formulas: dict[tuple[str, str], set[str]] = defaultdict(set)

    def add(self, file: str, student: str, evidence: dict[str, Any]) -> None:
        """Keep of a submission what is compared.

        Args:
            file: its name.
            student: the id of whose it is.
            evidence: see above.
        """
        self._owners[file] = student
        self._workbook_of[file] = str(evidence.get("workbook_of", student))
        self._tokens_of[file] = list(evidence.get("tokens_of", ()))
        typed = {cell: _digits(value) for cell, value in evidence.get("typed", {}).items()}
        if typed:
            self._typed[file] = typed
            for place in typed.items():
                self._wanted[place] = set()
        for cell, formula in evidence.get("formulas", {}).items():
            self._formulas[cell, formula].add(file)

    @property
    def needs_keys(self) -> bool:
        """Whether anybody typed numbers that are worth comparing with the keys."""
        return bool(self._wanted)

    def add_key(self, grade: Grade) -> None:
        """Remember whose key a typed number is; called for every submission, after ``add``."""
        owner = self._workbook_of.get(grade.file)
        if owner is None:
            return
        for verdict in grade.verdicts:
            if verdict.right is not None:
                place = f"{verdict.cell.sheet}!{verdict.cell.address}", _digits(verdict.right)
                if place in self._wanted:
                    self._wanted[place].add(owner)

    def found(self) -> dict[str, list[str]]:
        """Return what was found, by file: lines for the lecturer, the weightiest first."""
        lines: dict[str, list[str]] = defaultdict(list)
        for file in sorted(self._owners):
            lines[file] += self._workbooks(file)
            lines[file] += self._values(file)
        self._add_formulas(lines)
        return {file: said for file, said in lines.items() if said}

    def _workbooks(self, file: str) -> list[str]:
        who, owner = self._owners[file], self._workbook_of[file]
        if owner != who:
            return [f"the workbook is that of {owner}: it has their token"]
        others = sorted(set(self._tokens_of[file]) - {who})
        return [f"holds a part of the workbook of {other}: their token" for other in others]

    def _values(self, file: str) -> list[str]:
        """Return whose keys' values were typed to full precision."""
        mine = {self._owners[file], self._workbook_of[file]}
        cells: dict[str, list[str]] = defaultdict(list)
        for place in sorted(self._typed.get(file, {}).items()):
            owners = self._wanted[place]
            if not owners & mine:
                for owner in owners:
                    cells[owner].append(place[0])
        return [
            f"holds {len(found)} values of the key of {owner} to full precision: {_few(found)}"
            for owner, found in sorted(cells.items())
            if len(found) >= LEAST_VALUES
        ]

    def _add_formulas(self, lines: dict[str, list[str]]) -> None:
        """Add which files share unusual wrong formulas."""
        shared: dict[tuple[str, str], list[str]] = defaultdict(list)
        weights: dict[tuple[str, str], int] = defaultdict(int)
        for (cell, formula), files in sorted(self._formulas.items()):
            if not 1 < len({self._owners[file] for file in files}) <= UNUSUAL:
                continue
            for pair in _pairs(files):
                if self._owners[pair[0]] != self._owners[pair[1]]:
                    shared[pair].append(f"{cell} {formula}")
                    weights[pair] += LEAST_FORMULAS if _telling(formula) else 1
        for pair, formulas in sorted(shared.items()):
            if weights[pair] < LEAST_FORMULAS:
                continue
            many = len(formulas) > 1
            said = f"{len(formulas)} unusual wrong formulas" if many else "a wrong formula"
            for mine, theirs in (pair, pair[::-1]):
                lines[mine].append(f"shares {said} with {self._owners[theirs]}: {_few(formulas)}")


def _pairs(files: Iterable[str]) -> Iterable[tuple[str, str]]:
    ordered = sorted(files)
    return ((one, other) for n, one in enumerate(ordered) for other in ordered[n + 1 :])


def _few(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(item[:_LENGTH] for item in items[:_SHOWN]) + more


def _digits(number: float) -> str:
    return f"{number:.{DIGITS - 1}e}"


def _telling(formula: str) -> bool:
    """Tell whether a formula holds a number of many digits."""
    return any(
        len(text.replace(".", "").strip("0")) >= TELLING for text in _NUMBER.findall(formula)
    )
