"""Potential copying between submissions, with its evidence; a person decides.

In this order: the workbook is another student's; it holds full-precision values of another's
key; it shares unusual wrong formulas with another. Nothing else is looked at: who last saved
a file, or with which program, accuses nobody. What is kept of a submission is a few short
texts, so that thousands can be compared, and what is found does not depend on their order.

Of wrong formulas not the cells are counted but the mistakes that two students share: what is
filled down, or made again in another cell of the same quantity, is one. LEAST_FORMULAS of them
are reported; one is enough if it holds a number of many digits that nobody would think of.
Otherwise nothing is made of a formula that refers to no cell. Where its only fault is that a
number which everybody was given (a learning rate) is written out, nothing is made of it at all.

``Grade.evidence`` holds, where there is something: ``workbook_of`` and ``tokens_of`` (ids of
students), ``givens_of`` (whose the numbers in the file are, where they are not those that it was
graded with; empty for nobody's), ``typed_id`` (the workbook is known by an id typed into it),
``typed`` (numbers of many digits, by cell), ``formulas`` (wrong ones that make no catalogued
mistake, in relative form, by cell) and ``kinds`` (the quantities of these cells).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cellgrad_coursework.model import Grade

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
_ROW, _COLUMN = r"R(?:\[-?\d+\]|\d+)?", r"C(?:\[-?\d+\]|\d+)?"
_PLACES = rf"{_ROW}{_COLUMN}(?::{_ROW}{_COLUMN})?|{_ROW}:{_ROW}|{_COLUMN}:{_COLUMN}"
_REFERENCE = re.compile(rf"(?:'(?:[^']|'')*'!)?(?<![\w.])(?:{_PLACES})(?![\w.(\[])")
_TEXT = re.compile(r'"[^"]*"')
_NAME = re.compile(r"(?<![\w.])(?!(?:TRUE|FALSE)\b)[^\W\d][\w.]*(?![\w.(])")
_FAMOUS = (math.pi, math.e, 1 / math.e)
_LONGEST = 20
_PARTS, _PLACES_OF_PARTS = 12, 5
"""Fractions with denominators up to this, typed with so many decimals, say nothing of anybody."""


class Copying:
    """Collects what is compared, submission by submission."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._workbook_of: dict[str, str] = {}
        self._by_typed_id: set[str] = set()
        self._tokens_of: dict[str, list[str]] = {}
        self._typed: dict[str, dict[str, str]] = {}
        self._wanted: dict[tuple[str, str], set[str]] = {}
        self._formulas: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._kinds: dict[str, str] = {}

    def add(self, file: str, student: str, evidence: dict[str, Any]) -> None:
        """Keep of a submission what is compared.

        Args:
            file: its name.
            student: the id of whose it is.
            evidence: see above.
        """
        self._owners[file] = student
        self._workbook_of[file] = str(evidence.get("workbook_of", student))
        if evidence.get("typed_id"):
            self._by_typed_id.add(file)
        self._tokens_of[file] = list(evidence.get("tokens_of", ()))
        typed = {cell: _digits(value) for cell, value in evidence.get("typed", {}).items()}
        if typed:
            self._typed[file] = typed
            for place in typed.items():
                self._wanted[place] = set()
        self._kinds.update(evidence.get("kinds", {}))
        for cell, formula in evidence.get("formulas", {}).items():
            if _telling(formula) or _refers(formula):
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

    def lines_by_file(self) -> dict[str, list[str]]:
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
            by = "has their token"
            if file in self._by_typed_id:
                by = "has their student id typed in it"
            return [f"the workbook is that of {owner}: it {by}"]
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
            f"holds {len(places)} values of the key of {owner} to full precision: {_few(places)}"
            for owner, places in sorted(cells.items())
            if len(places) >= LEAST_VALUES
        ]

    def _add_formulas(self, lines: dict[str, list[str]]) -> None:
        """Add which files share unusual wrong formulas."""
        shared: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for (cell, formula), files in sorted(self._formulas.items()):
            if not 1 < len({self._owners[file] for file in files}) <= UNUSUAL:
                continue
            for pair in _pairs(files):
                if self._owners[pair[0]] != self._owners[pair[1]]:
                    shared[pair].append((cell, formula))
        for pair, slips in sorted(shared.items()):
            formulas = self._distinct(slips)
            telling = any(_telling(formula) for _, formula in slips)
            if len(formulas) < LEAST_FORMULAS and not telling:
                continue
            many = len(formulas) > 1
            said = f"{len(formulas)} unusual wrong formulas" if many else "an unusual wrong formula"
            for mine, theirs in (pair, pair[::-1]):
                lines[mine].append(f"shares {said} with {self._owners[theirs]}: {_few(formulas)}")

    def _distinct(self, written: Iterable[tuple[str, str]]) -> list[str]:
        """Return one cell and formula of each mistake; telling ones first.

        Formulas are one mistake if they are the same relative to their cells, or if they differ
        only in what they refer to and stand in cells of one quantity: the same slip, typed by
        hand in each. A mere reference to one cell is one mistake wherever it stands.
        """
        texts: set[str] = set()
        slips: set[tuple[str, str]] = set()
        distinct = []
        for cell, formula in sorted(written, key=lambda one: not _telling(one[1])):
            shape = _REFERENCE.sub("#", formula)
            kind = self._kinds.get(cell, formula) if shape != "#" else ""
            if formula not in texts and (kind, shape) not in slips:
                distinct.append(f"{cell} {formula}")
            texts.add(formula)
            slips.add((kind, shape))
        return distinct


def _pairs(files: Iterable[str]) -> Iterable[tuple[str, str]]:
    ordered = sorted(files)
    return ((one, other) for n, one in enumerate(ordered) for other in ordered[n + 1 :])


def _few(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(item[:_LENGTH] for item in items[:_SHOWN]) + more


def _digits(number: float) -> str:
    return f"{number:.{DIGITS - 1}e}"


def _refers(formula: str) -> bool:
    """Tell whether a formula refers to anything: to cells, or to a name."""
    plain = _TEXT.sub("", formula)
    return bool(_REFERENCE.search(plain) or _NAME.search(plain))


def _telling(formula: str) -> bool:
    """Tell whether a formula holds a number of many digits that is not everybody's own."""
    return any(
        len(text.replace(".", "").strip("0")) >= TELLING and not _well_known(text)
        for text in _NUMBER.findall(_REFERENCE.sub("", _TEXT.sub("", formula)))
    )


def _well_known(text: str) -> bool:
    """Tell whether a number is π, e or a fraction such as ⅔, to the places that are written."""
    if len(text) > _LONGEST:
        return False
    number, places = float(text), len(text.partition(".")[2])
    known = [*_FAMOUS]
    if places >= _PLACES_OF_PARTS:
        known += [round(number * n) / n for n in range(1, _PARTS + 1)]
    return any(abs(number - one) < 10.0**-places for one in known)
