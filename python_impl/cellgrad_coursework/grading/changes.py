"""What of the handout's own cells a student changed: givens, and what the handout computes.

Where one file serves all, the givens follow from the id typed in it by formulas of the handout.
The values that a file stores are not read for them: such a given is as it was handed out if its
formula is, and the cells that it follows from are.
"""

from __future__ import annotations

import numpy as np

from cellgrad.formula.references import rename_sheets
from cellgrad.xlsx.addresses import parse_a1
from cellgrad_coursework.grading.key import Values
from cellgrad_coursework.grading.submission import Entry
from cellgrad_coursework.grading.world import StudentBook
from cellgrad_coursework.model import Remarks

_SAME_GIVEN = 1e-9
_SHOWN = 8


def note_changes(book: StudentBook, own: Values, remarks: Remarks) -> bool:
    """Note which of the handout's cells were moved away or changed; tell whether none were.

    Args:
        book: the submission.
        own: the student's givens.
        remarks: where to note it.
    """
    key, notes = book.key, remarks.notes
    lost = [key.manifest.givens[n].address for n in range(key.givens) if book.where[n] is None]
    if lost:
        notes.append(f"given numbers were moved and cannot be found: {some_of(lost)}")
    changed = changed_givens(book, shown_givens(book, own), own)
    givens = [key.manifest.givens[n].address for n in changed] + _changed_derivation(book)
    if givens:
        notes.append(f"givens were changed in {some_of(givens)}; graded with the handout's own")
    fixed = _changed_formulas(book)
    if fixed:
        notes.append(f"formulas of the handout were changed in {some_of(fixed)}; restored")
    return not (lost or givens or fixed)


def some_of(addresses: list[str]) -> str:
    """Return the first of many addresses, and how many more there are."""
    more = len(addresses) - _SHOWN
    return ", ".join(addresses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shown_givens(book: StudentBook, own: Values | None = None) -> Values:
    """Return the numbers in the givens' cells, NaN for what is none.

    Args:
        book: the submission.
        own: the numbers of the student whose id is taken for typed: where one file serves all
            and a given's formula is as it was handed out, its number is the one here.
    """
    told = book.key.manifest.one_file
    formulas = {} if told is None else dict(zip(told.derived, told.givens, strict=True))
    renamed = _renamed(book) if formulas else {}
    shown = np.full(book.key.givens, np.nan)
    for n in range(book.key.givens):
        place = book.where[n]
        entry = None if place is None else book.entry(place)
        if n in formulas and _is_handed_out(book, formulas[n], entry, (1, 1), renamed):
            shown[n] = np.nan if own is None else own[n]
        elif entry is not None and isinstance(entry.value, float):
            # what a formula of the student's comes to in place of the handout's is not trusted
            shown[n] = np.nan if n in formulas and entry.formula else entry.value
    return shown


def changed_givens(book: StudentBook, shown: Values, own: Values) -> list[int]:
    """Return the givens, by number, that do not hold the student's own numbers."""
    return [
        n for n in range(len(own))
        if book.where[n] is not None
        and not abs(shown[n] - own[n]) <= _SAME_GIVEN * max(1.0, abs(own[n]))
    ]  # fmt: skip


def _changed_formulas(book: StudentBook) -> list[str]:
    """Return the cells that the handout computes and whose formulas were changed."""
    key, changed = book.key, []
    moved = book.where != key.places  # then a formula's own references move too
    for slot, cell in enumerate(key.manifest.fixed, key.givens + key.graded):
        place, right = book.where[slot], key.formulas[slot]
        if place is None or right is None:
            continue
        formula = book.formula(place)
        if formula is None or (not moved and formula.text != right.text):
            changed.append(cell.address)
    return changed


# where one file serves all


def _changed_derivation(book: StudentBook) -> list[str]:
    """Return the cells from which the givens follow and that were changed."""
    told = book.key.manifest.one_file
    if told is None:
        return []
    renamed = _renamed(book)
    sheet = told.numbers.casefold()
    cells = book.submission.cells(renamed.get(sheet, sheet))
    return [
        f"{told.numbers}!{address}"
        for address, content in told.cells
        if not _holds(book, content, cells.get(parse_a1(address)), parse_a1(address), renamed)
    ]


def _renamed(book: StudentBook) -> dict[str, str]:
    """Return the new names of the sheets with the id and the numbers, by the old ones."""
    told = book.key.manifest.one_file
    renamed: dict[str, str] = {}
    for sheet, name in () if told is None else (
        (told.sheet, told.name), (told.numbers, told.anchor),
    ):  # fmt: skip
        area = book.submission.name_range(name)
        if area is not None and area.sheet.casefold() != sheet.casefold():
            renamed[sheet.casefold()] = area.sheet.casefold()
    return renamed


def _holds(
    book: StudentBook,
    content: str,
    entry: Entry | None,
    at: tuple[int, int],
    renamed: dict[str, str],
) -> bool:
    """Tell whether a cell holds what the handout has in it."""
    if content.startswith("="):
        return _is_handed_out(book, content[1:], entry, at, renamed)
    if entry is None or entry.formula or entry.problem:
        return False
    if content.startswith("'"):
        return entry.value == content[1:]
    return isinstance(entry.value, float) and entry.value == float(content)


def _is_handed_out(
    book: StudentBook,
    formula: str,
    entry: Entry | None,
    at: tuple[int, int],
    renamed: dict[str, str],
) -> bool:
    """Tell whether a cell holds a formula of the handout."""
    if entry is None or entry.problem or not entry.formula or entry.anchor is not None:
        return False
    if entry.formula == formula and not renamed:
        return True
    right = book.formulas.of(formula, *at).tree
    written = book.formulas.of(entry.formula, *entry.base).tree
    return right is not None and written == rename_sheets(right, renamed)
