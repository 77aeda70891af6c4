"""Whose numbers a one-file submission shows: by the id typed into it, and its own formulas.

The id takes the place of the token that individual workbooks carry. The values that a file
stores are not read for this: a given is as it was handed out if its formula is, and the cells
that it follows from are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cellgrad.xlsx.addresses import parse_a1
from cellgrad_coursework.derivation import Derivation, canonical, givens_of
from cellgrad_coursework.formulas.cache import Formulas
from cellgrad_coursework.formulas.tree import Node
from cellgrad_coursework.grading.submission import Cells, Entry, Submission
from cellgrad_coursework.model import Handout, Manifest, Student
from cellgrad_coursework.secret import token_from
from cellgrad_coursework.setting.givens import with_givens

_SHOWN = 40
_WHOLE = 1e15
"""Below this a number typed as an id is exact."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the cell for the id.

    Attributes:
        text: as it was typed; empty for nothing.
        formula: whether a formula stands there: then nothing counts as typed.
        token: of the student whose id it is; empty for nobody's.
    """

    text: str = ""
    formula: bool = False
    token: str = ""

    def words(self) -> str:
        """Return in words why it names nobody."""
        if self.formula:
            return "the cell for the student id holds a formula, so no id counts as typed"
        if not self.text:
            return "no student id is typed in it"
        shown = self.text[:_SHOWN] + ("…" if len(self.text) > _SHOWN else "")
        return f"the student id typed in it, {shown!r}, is nobody's"


class TypedIds:
    """Reads the ids typed into submissions of a one-file assignment.

    Args:
        manifest: the assignment.
        derivation: its own.
    """

    def __init__(self, manifest: Manifest, derivation: Derivation) -> None:
        self._derivation = derivation
        self._tokens = {
            canonical(handout.student.id): token for token, handout in manifest.handouts.items()
        }

    def of(self, submission: Submission) -> Typed:
        """Return what is typed into a submission."""
        told = self._derivation
        area = submission.name_range(told.name)
        sheet, at = told.sheet.casefold(), parse_a1(told.address)
        if area is not None and (area.height, area.width) == (1, 1):
            sheet, at = area.sheet.casefold(), (area.top, area.left)
        entry = submission.cells(sheet).get(at)
        if entry is None:
            return Typed()
        if entry.formula or entry.problem:
            return Typed(formula=True)
        text = _text(entry)
        try:
            return Typed(text, token=self._tokens.get(canonical(text), ""))
        except ValueError:
            return Typed(text)


def _text(entry: Entry) -> str:
    """Return what was typed; a program may have taken an id for a number."""
    value = entry.value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)
    return "" if value is None else " ".join(str(value).split())


class HandoutFormulas:
    """Tells which formulas of a one-file handout are as they were handed out.

    Args:
        derivation: how it derives the givens.
        formulas: where formulas are kept.
    """

    def __init__(self, derivation: Derivation, formulas: Formulas) -> None:
        self._told, self._formulas = derivation, formulas
        self._right = dict(zip(derivation.derived, derivation.givens, strict=True))

    def is_given(self, number: int, entry: Entry | None, renamed: dict[str, str]) -> bool | None:
        """Tell whether a given's formula is the handout's; None where the given has none.

        Args:
            number: of the given in the manifest.
            entry: what the submission has in its cell.
            renamed: new names of sheets.
        """
        formula = self._right.get(number)
        return None if formula is None else self._same(formula, entry, (1, 1), renamed)

    def changed(self, submission: Submission, renamed: dict[str, str]) -> list[str]:
        """Return the cells from which the givens follow and that were changed."""
        sheet = self._told.numbers.casefold()
        cells: Cells = submission.cells(renamed.get(sheet, sheet))
        return [
            f"{self._told.numbers}!{address}"
            for address, content in self._told.cells
            if not self._holds(content, cells.get(parse_a1(address)), parse_a1(address), renamed)
        ]

    def renamed(self, submission: Submission) -> dict[str, str]:
        """Return the new names of sheets, by the old ones, without case."""
        found = {}
        for sheet, name in (
            (self._told.sheet, self._told.name),
            (self._told.numbers, self._told.anchor),
        ):
            area = submission.name_range(name)
            if area is not None and area.sheet.casefold() != sheet.casefold():
                found[sheet.casefold()] = area.sheet.casefold()
        return found

    def _holds(
        self, content: str, entry: Entry | None, at: tuple[int, int], renamed: dict[str, str]
    ) -> bool:
        if content.startswith("="):
            return self._same(content[1:], entry, at, renamed)
        if entry is None or entry.formula or entry.problem:
            return False
        if content.startswith("'"):
            return entry.value == content[1:]
        return isinstance(entry.value, float) and entry.value == float(content)

    def _same(
        self, formula: str, entry: Entry | None, at: tuple[int, int], renamed: dict[str, str]
    ) -> bool:
        if entry is None or entry.problem or not entry.formula or entry.anchor is not None:
            return False
        if entry.formula == formula and not renamed:
            return True
        right = self._formulas.of(formula, *at).tree
        found = self._formulas.of(entry.formula, *entry.base).tree
        return right is not None and found == _moved(right, renamed)


def _moved(tree: Node, renamed: dict[str, str]) -> Node:
    """Return a tree with sheets under their new names."""
    if not renamed or not tree:
        return tree
    if tree[0] in ("cell", "area") and tree[1] is not None:
        return (tree[0], renamed.get(tree[1], tree[1]), *tree[2:])
    return tuple(_moved(part, renamed) if isinstance(part, tuple) else part for part in tree)


def enrolled(manifest: Manifest, students: Iterable[Student]) -> Manifest:
    """Return a manifest with those students of a newer roster who are not in it.

    Where one file serves all, their numbers follow from it; whether they tell every mistake
    apart was not looked at. Ids that cannot be typed, or that are taken, are left out.
    """
    told = manifest.one_file
    if told is None:
        return manifest
    handouts = dict(manifest.handouts)
    known = {one.student.id for one in handouts.values()}
    taken = {canonical(student_id) for student_id in known}
    example = next(iter(handouts.values()))
    for student in students:
        try:
            plain = canonical(student.id)
        except ValueError:
            continue
        too_long = len("".join(student.id.split())) > told.constants.rows
        if too_long or student.id in known or plain in taken:
            continue
        taken.add(plain)
        numbers = givens_of(told.constants, told.rules, plain)
        places = [manifest.givens[n] for n in told.derived]
        values = {
            (given.quantity, given.layer, given.index): number
            for given, number in zip(places, numbers, strict=True)
        }
        case = with_givens(example.case, values)
        digest = hashlib.sha256(f"{manifest.version}\0{plain}".encode()).digest()
        token = token_from(int.from_bytes(digest, "big"))
        handouts[token] = Handout(student, token, case, example.file, checked=False)
    return replace(manifest, handouts=handouts)
