"""Simulated students, kind by kind: each fills a handout in with something known in it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from cellgrad.xlsx.addresses import parse_a1
from cellgrad_coursework.grading.key import equal, given_number
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    REVIEW,
    VALUE,
    WRONG,
    Manifest,
)
from cellgrad_coursework.rehearsal.calculated import Content
from cellgrad_coursework.rehearsal.mistakes import Mistake
from cellgrad_coursework.rehearsal.work import REFERENCE, Room, Work

Kind = Callable[[Work], bool]
"""Does something known to a student's work; tells whether there was something to do."""

_SOME = 3
_ALTOGETHER = 25
"""Mistakes of a student who makes them everywhere."""

_BIG = 1.75


class Classroom(Room):
    """Makes simulated students of an assignment.

    Attributes:
        left_out: kinds of students for whom there was nothing to do, once they had their turn.
    """

    def __init__(self, manifest: Manifest, folder: Path, seed: int = 1) -> None:
        super().__init__(manifest, folder, seed)
        self.left_out: list[str] = []

    def students(self, count: int) -> Iterator[Work]:
        """Yield so many, every kind in turn; kinds with nothing to do are passed over."""
        kinds, made, turn = list(KINDS), set[str](), 0
        for number in range(count):
            handout = self.handouts[number % len(self.handouts)]
            while True:
                kind, work = kinds[turn % len(kinds)], Work(self, handout)
                turn += 1
                if KINDS[kind](work):
                    break
            made.add(kind)
            self.left_out = [one for one in kinds[:turn] if one not in made]
            name = f"/{work.handed_in_as}" if work.copied else f"-{kind.replace(' ', '-')}.xlsx"
            work.kind, work.file = kind, f"{number + 1:05}{name}"
            yield work


def _rewrite(work: Work) -> bool:
    cells = work.formulas()
    for n in cells:
        work.written[n] = written_otherwise(work.cells[n].formula, work.random)
    return bool(cells)


def _make_several(most: int, work: Work) -> bool:
    quantities = sorted({work.cells[n].quantity for n in work.formulas()})
    work.random.shuffle(quantities)
    done = 0
    for quantity in quantities:
        if done < most:
            done += work.make_some_mistake(quantity)
    return done > 1


def _make_early(work: Work) -> bool:
    first = next(iter(work.formulas()), None)
    return first is not None and work.make_some_mistake(work.cells[first].quantity)


def _repeat(work: Work) -> bool:
    """Forget the learning rate in every update: charged once, if the assignment says so."""
    free = set(work.formulas())
    mistakes = [
        one
        for one in work.room.repertoire.all_of("learning-rate-missing")
        if one.cell in free
        and work.cells[one.cell].quantity == "new_weights"
        and work.wrong_number(one) is not None
    ]
    for one in sorted(mistakes, key=lambda each: each.cell):
        if work.roots:
            work.repeats.add(one.cell)
        work.make(one)
    return bool(work.repeats)


def _put_constants(content_of: Callable[[float], Content], work: Work) -> bool:
    cells = work.formulas()
    for n in work.random.sample(cells, min(_SOME, len(cells))):
        work.put(n, content_of(work.right(n)), HARDCODED)
    return bool(cells)


def _embed_a_number(work: Work) -> bool:
    """Write a number into a formula in the place of a cell that it should read."""
    cells = work.formulas()
    work.random.shuffle(cells)
    for n in cells:
        formula, slot = work.cells[n].formula, work.slot(n)
        addresses = [] if ":" in formula else list(dict.fromkeys(addresses_in(formula)))
        if len(addresses) < 2:
            continue
        read = work.key.slot_at[(work.key.places[slot][0], *parse_a1(addresses[0]))]
        wrong = with_addresses(formula, {addresses[0]: f"({float(work.real[read])!r})"})
        there = work.sheet.comes_to(slot, wrong, work.room.right)
        if there is not None and not equal(there, work.room.right[slot]).all():
            work.put(n, wrong, EMBEDDED_CONSTANT)
            return True
    return False


def _change_a_given(work: Work) -> bool:
    n = work.random.randrange(len(work.room.manifest.givens))
    given = work.room.manifest.givens[n]
    work.givens[given.sheet, given.address] = given_number(work.handout.case, given) + _BIG
    work.remark = "givens were changed"
    return True


def _type_wrongly(work: Work) -> bool:
    """Type the number of a mistake of the catalogue; where none shows, a wrong last digit."""
    if not work.typed:
        return False

    def fits(one: Mistake) -> bool:
        number = work.wrong_number(one) if one.cell in work.typed else None
        if number is None:
            return False
        gap = abs(work.rounded(one.cell, number) - work.right(one.cell))
        return gap > 10.0 ** -work.cells[one.cell].decimals

    mistake = work.room.repertoire.next(fits)
    if mistake is not None:
        n, number = mistake.cell, work.wrong_number(mistake) or 0.0
    else:
        n = work.typed[0]
        number = work.right(n) + 5 * 10.0 ** -work.cells[n].decimals
    work.put(n, work.rounded(n, number), WRONG)
    return True


def _use_a_convention(work: Work) -> bool:
    """Use a convention throughout that the assignment accepts."""
    room = work.room
    conventions = list(room.repertoire.conventions)
    work.random.shuffle(conventions)
    for convention in conventions:
        formulas = room.repertoire.by_convention(convention)
        if formulas is None:
            continue
        real = convention.standard(work.handout.case, work.real).values[:, -1]
        for n, cell in enumerate(work.cells):
            if cell.takes == VALUE:
                work.written[n] = work.rounded(n, float(real[work.slot(n)]))
            elif work.slot(n) in formulas:
                work.written[n] = formulas[work.slot(n)]
        work.by_convention = True
        return True
    return False


def _insert_rows(work: Work) -> bool:
    work.rows = 2
    return True


def _leave_blank(thirds: int, work: Work) -> bool:
    """Fill in so many thirds of the cells, and leave the others empty."""
    for n in range(len(work.cells) * thirds // 3, len(work.cells)):
        work.put(n, None, BLANK)
    return True


def _type_an_early_zero(work: Work) -> bool:
    """Type 0 into an early cell, so that everything behind it would be 0 as well."""
    for n in work.formulas():
        if work.cells[n].quantity == "post_activation":
            work.put(n, 0.0, HARDCODED)
            return True
    return False


def _use_an_unsupported_function(work: Work) -> bool:
    cells = work.formulas()
    if cells:
        n = work.random.choice(cells)
        work.put(n, f"{work.cells[n].formula}+0*RAND()", REVIEW)
    return bool(cells)


def _copy(work: Work) -> bool:
    """Hand in somebody else's workbook, under one's own name."""
    others = [one for one in work.room.handouts if one is not work.handout]
    if others:
        work.handed_in_as = f"{work.random.choice(others).student.id}.xlsx"
    return bool(others)


KINDS: dict[str, Kind] = {
    "right": lambda _: True,
    "rewritten": _rewrite,
    "one mistake": Work.make_some_mistake,
    "several mistakes": partial(_make_several, _SOME),
    "mistakes everywhere": partial(_make_several, _ALTOGETHER),
    "early mistake": _make_early,
    "repeated mistake": _repeat,
    "hard-coded": partial(_put_constants, lambda value: value),
    "constant formula": partial(
        _put_constants, lambda value: f"{abs(value)!r}*{-1 if value < 0 else 1}"
    ),
    "embedded constant": _embed_a_number,
    "tampered givens": _change_a_given,
    "typed wrong": _type_wrongly,
    "accepted convention": _use_a_convention,
    "moved rows": _insert_rows,
    "blank": partial(_leave_blank, 0),
    "unfinished": partial(_leave_blank, 2),
    "early zero": _type_an_early_zero,
    "unsupported function": _use_an_unsupported_function,
    "copied": _copy,
}
"""The kinds of students, by name, in the order of their turns."""


# formulas


def addresses_in(formula: str) -> list[str]:
    """Return the addresses that a formula names, in their order."""
    return [match[2] + match[4] for match in REFERENCE.finditer(formula)]


def with_addresses(formula: str, new: Mapping[str, str]) -> str:
    """Return a formula with addresses replaced."""
    return REFERENCE.sub(lambda match: new.get(match[2] + match[4], match[0]), formula)


def written_otherwise(formula: str, rng: random.Random) -> str:
    """Return a formula that is written otherwise and means the same."""
    terms = formula.split("+")
    if len(terms) > 1 and "(" not in formula:
        rng.shuffle(terms)
        return f"SUM({','.join(terms)})"
    factors = formula.split("*")
    if len(factors) > 1 and not re.search(r"[-+/(]", formula):
        return f"PRODUCT({','.join(reversed(factors))})"
    absolute = REFERENCE.sub(lambda match: f"${match[2]}${match[4]}", formula)
    return f"({absolute})*1" if rng.random() < 0.5 else f"+({absolute})"
