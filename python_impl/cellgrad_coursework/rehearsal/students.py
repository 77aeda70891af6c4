"""Simulated students: workbooks filled in with known mistakes, and what is to be said of them.

Each begins with a handout as it was written and the right formulas; then something known is
done to it. What follows from it is worked out here, from the student's own formulas.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from cellgrad.errors import InputError
from cellgrad.files import read_limited
from cellgrad.xlsx.addresses import parse_a1
from cellgrad_coursework.formulas.cache import Formulas
from cellgrad_coursework.grading.given_numbers import given_number
from cellgrad_coursework.grading.key import Key, equal
from cellgrad_coursework.manifest_file import HANDOUTS
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    WRONG,
    Handout,
    Manifest,
)
from cellgrad_coursework.rehearsal.calculated import Content, Sheet
from cellgrad_coursework.rehearsal.filled_workbook import (
    REFERENCE,
    filled,
    moved,
    moved_names,
    parts_of,
    sheet_of,
    zipped,
)
from cellgrad_coursework.rehearsal.mistakes import Mistake, Repertoire, shows_in

Place = tuple[str, str]
"""A sheet and an address."""

_MOST_BYTES = 64 << 20
_DECIMALS = 4
_ROUNDING = 1e-12
_ALTOGETHER = 25
"""Mistakes of a student who makes them everywhere."""


@dataclass(frozen=True, slots=True)
class Made:
    """A mistake of the catalogue that was made in a cell.

    Attributes:
        entry: the catalogue's id.
        alike: the entries that compute the same there, its own among them.
    """

    entry: str
    alike: frozenset[str]


@dataclass(slots=True)
class Simulated:
    """A simulated submission.

    Attributes:
        kind: what was done to it, in a word.
        file: its name.
        data: the workbook.
        handout: whose workbook it is.
        intended: what is to be said of each cell.
        points: what each cell is to earn, before lateness.
        made: the catalogue's mistakes in it that are wrong and nothing else.
        remark: a word of what else is to be said of it; empty for nothing.
        copied: whether it is to be shown as potential copying.
    """

    kind: str
    file: str
    data: bytes
    handout: Handout
    intended: dict[Place, str] = field(default_factory=dict)
    points: dict[Place, float] = field(default_factory=dict)
    made: dict[Place, Made] = field(default_factory=dict)
    remark: str = ""
    copied: bool = False


class Classroom:
    """Makes simulated students of an assignment.

    Args:
        manifest: the assignment.
        folder: what ``cellgrad assign`` wrote.
        seed: of what is drawn.

    Attributes:
        left_out: kinds of students for whom there was nothing to do, once they had their turn.
    """

    def __init__(self, manifest: Manifest, folder: Path, seed: int = 1) -> None:
        self.manifest, self.folder = manifest, folder
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.left_out: list[str] = []
        formulas = Formulas()
        self.key = Key(manifest, formulas)
        self.sheet = Sheet(self.key, formulas)
        self.handouts = [one for _, one in sorted(manifest.handouts.items())]
        self.case = self.handouts[0].case
        self.drawn, givens = self.key.drawn(self.case)
        self.right = self.key.values(givens)

    @cached_property
    def repertoire(self) -> Repertoire:
        """What can go wrong; looked up when the first mistake is to be made."""
        return Repertoire(self.sheet, self.case, self.drawn, self.right, self.random)

    def students(self, count: int) -> Iterator[Simulated]:
        """Yield so many, every kind in turn; kinds with nothing to do are passed over."""
        kinds, made = list(KINDS), set[str]()
        turn = 0
        for number in range(count):
            handout = self.handouts[number % len(self.handouts)]
            while True:
                kind = kinds[turn % len(kinds)]
                turn += 1
                work = Work(self, handout)
                more = KINDS[kind](work)
                if more is not None:
                    break
            made.add(kind)
            tried = kinds[: min(turn, len(kinds))]
            self.left_out = [one for one in tried if one not in made]
            name = more.get("file") or f"{number + 1:05}-{kind.replace(' ', '-')}.xlsx"
            intended, points = work.outcome()
            yield Simulated(
                kind,
                f"{number + 1:05}/{name}" if "file" in more else name,
                work.workbook(),
                handout,
                intended,
                points,
                {place: one for place, one in work.made().items() if intended[place] == WRONG},
                more.get("remark", ""),
                "file" in more,
            )

    def handed_out(self, handout: Handout) -> bytes:
        """Return a student's workbook as it was handed out.

        Raises:
            InputError: it is not there.
        """
        path = self.folder / HANDOUTS / (handout.file or f"{handout.student.id}.xlsx")
        if not path.is_file():
            raise InputError(
                "the handouts are not beside the assignment",
                file=path,
                remedy="name the folder that cellgrad assign wrote",
            )
        return read_limited(path, _MOST_BYTES)


class Work:
    """One student at work: what stands in the cells, and what is intended of each.

    Args:
        room: the assignment.
        handout: whose workbook it is.
    """

    def __init__(self, room: Classroom, handout: Handout) -> None:
        self.room, self.handout, self.random = room, handout, room.random
        self.key, self.sheet = room.key, room.sheet
        self.cells = room.manifest.cells
        self.real = self.key.values(self.key.given_values(handout.case)[:, None])[:, 0]
        self.written: dict[int, Content] = {}
        """What stands otherwise than in the key, by the number of the graded cell."""
        self.roots: dict[int, str] = {}
        self.repeats: set[int] = set()
        """Cells with a mistake that was made before."""
        self.mistakes: dict[int, Mistake] = {}
        self.givens: dict[Place, float] = {}
        self.by_convention = False
        self.rows = 0
        for n, cell in enumerate(self.cells):
            if cell.takes == VALUE:
                self.written[n] = self.rounded(n, self.right(n))

    # what students do

    def right(self, number: int) -> float:
        """Return the right number of a graded cell."""
        return float(self.real[self.slot(number)])

    def slot(self, number: int) -> int:
        """Return the slot of a graded cell by its number."""
        return self.key.givens + number

    def rounded(self, number: int, value: float) -> float:
        """Return a number as it is typed into a cell."""
        return float(f"{value:.{self.cells[number].decimals}f}")

    def formulas(self) -> list[int]:
        """Return the cells that take formulas of others and are still as they should be."""
        return [
            n for n, cell in enumerate(self.cells)
            if cell.takes != VALUE and n not in self.written and self.key.reads[self.slot(n)]
        ]  # fmt: skip

    def typed(self) -> list[int]:
        """Return the cells that take typed numbers."""
        return [n for n, cell in enumerate(self.cells) if cell.takes == VALUE]

    def put(self, number: int, content: Content, verdict: str) -> None:
        """Write something wrong into a cell."""
        self.written[number], self.roots[number] = content, verdict

    def mistake(self, quantity: str = "") -> str:
        """Make a mistake of the catalogue in one cell; return the quantity it is made in.

        Args:
            quantity: where; empty for anywhere.
        """
        free = {n for n in self.formulas() if quantity in ("", self.cells[n].quantity)}

        def fits(one: Mistake) -> bool:
            return one.cell in free and self._shows(one)

        found = self.room.repertoire.next(fits) if free else None
        if found is None:
            return ""
        self.make(found)
        return self.cells[found.cell].quantity

    def make(self, mistake: Mistake) -> None:
        """Make a mistake of the catalogue."""
        reads = self.sheet.reads(self.slot(mistake.cell), mistake.formula)
        self.put(mistake.cell, mistake.formula, WRONG if reads else HARDCODED)
        self.mistakes[mistake.cell] = mistake

    def number_of(self, mistake: Mistake) -> float | None:
        """Return what a mistake comes to with the right numbers; None where it is no number."""
        table = self.real[:, None]
        found = self.sheet.comes_to(self.slot(mistake.cell), mistake.formula, table)
        return float(found[0]) if found is not None and np.isfinite(found[0]) else None

    def _shows(self, mistake: Mistake) -> bool:
        """Tell whether a mistake makes another number here, and goes round in no circle."""
        number = self.number_of(mistake)
        if number is None or not shows_in(number, self.right(mistake.cell)):
            return False
        slot = self.slot(mistake.cell)
        reads = self.sheet.reads(slot, mistake.formula)
        reached = self.sheet.reached(self._by_slot())
        return not any(other == slot or reached[other] >> slot & 1 for other in reads)

    # what is to be said

    def _by_slot(self) -> dict[int, Content]:
        return {self.slot(n): content for n, content in self.written.items()}

    def made(self) -> dict[Place, Made]:
        """Return the catalogue's mistakes that were made, by cell."""
        return {
            self._place(n): Made(one.entry, self.room.repertoire.alike(one))
            for n, one in self.mistakes.items()
        }

    def _place(self, number: int) -> Place:
        return self.cells[number].sheet, self.cells[number].address

    def outcome(self) -> tuple[dict[Place, str], dict[Place, float]]:
        """Return what is to be said of each cell, and what it is to earn before lateness."""
        verdicts = self._verdicts()
        bad = {n for n, verdict in verdicts.items() if verdict not in (OK, OK_ECF, REVIEW)}
        reached = self.sheet.reached(self._by_slot())
        policy, points = self.room.manifest.policy, dict[Place, float]()
        follows = max(0.0, 1.0 - policy.ecf_penalty)
        for n, verdict in verdicts.items():
            share = {
                OK: 1.0,
                HARDCODED: policy.hardcoded_credit if self._right_number(n) else 0.0,
                EMBEDDED_CONSTANT: policy.embedded_credit,
            }.get(verdict, 0.0)
            behind = self._reads(reached[self.slot(n)], bad - {n})
            if verdict == OK_ECF:  # of what nobody has looked at yet, all is credited
                waits = self._reads(reached[self.slot(n)], self._waiting())
                share = 1.0 if waits and not behind else follows
            elif verdict == WRONG and n in self.repeats and policy.forgiven:
                share = follows if behind else 1.0
            points[self._place(n)] = share * self.cells[n].points
        return {self._place(n): verdict for n, verdict in verdicts.items()}, points

    def _verdicts(self) -> dict[int, str]:
        if self.by_convention:
            return dict.fromkeys(range(len(self.cells)), OK)
        by_slot = self._by_slot()
        right = np.concatenate((self.room.right, self.real[:, None]), axis=1)
        unknown = self._waiting()
        exact = {n for n in self.typed() if n not in self.roots}
        # what a person has to look at, and a typed number that is right, go on as exact ones
        lent = {self.slot(n) for n in unknown | exact}
        own = self.sheet.table(by_slot, right, lent)
        reached = self.sheet.reached(by_slot)
        same = equal(own, right)
        found = {}
        for n in range(len(self.cells)):
            slot, root = self.slot(n), self.roots.get(n)
            borrows = any(reached[slot] >> other & 1 for other in lent)
            if root == WRONG and self.cells[n].takes != VALUE and not borrows:
                # two mistakes can make a right number
                root = OK if same[slot].all() else EMBEDDED_CONSTANT if same[slot, -1] else WRONG
            if root is None and n not in exact:
                waits = self._reads(reached[slot], unknown)
                root = OK if same[slot].all() and not waits else OK_ECF
            found[n] = root or OK
        return found

    def _waiting(self) -> set[int]:
        """Return the cells that a person has to look at."""
        return {n for n, verdict in self.roots.items() if verdict == REVIEW}

    def _reads(self, bits: int, numbers: set[int]) -> bool:
        """Tell whether any of these graded cells is among the slots in bits."""
        return any(bits >> self.slot(n) & 1 for n in numbers)

    def _right_number(self, number: int) -> bool:
        """Tell whether what is no formula comes to the right number, to the decimals asked for."""
        content, slot = self.written.get(number), self.slot(number)
        if isinstance(content, str):
            found = self.sheet.comes_to(slot, content, self.real[:, None])
            content = None if found is None else float(found[0])
        within = 0.5 * 10.0 ** -max(self.cells[number].decimals, _DECIMALS) + _ROUNDING
        return isinstance(content, float) and abs(content - self.right(number)) <= within

    # the file

    def workbook(self) -> bytes:
        """Return the workbook as it is handed in."""
        data = self.room.handed_out(self.handout)
        parts = parts_of(data)
        by_sheet: dict[str, dict[str, str]] = {}
        for n, cell in enumerate(self.cells):
            content = self.written.get(n, cell.formula)
            by_sheet.setdefault(cell.sheet, {})[cell.address] = _inside(content)
        for place, number in self.givens.items():
            by_sheet.setdefault(place[0], {})[place[1]] = _inside(number)
        told = self.room.manifest.one_file
        if told is not None:
            part, text = sheet_of(data, told.sheet)
            inside = f"<is><t>{escape(self.handout.student.id)}</t></is>"
            parts[part] = filled(text, {told.address: inside}).encode()
        for sheet, cells in by_sheet.items():
            part, _ = sheet_of(data, sheet)
            parts[part] = filled(parts[part].decode(), cells).encode()
            if self.rows:
                parts[part] = moved(parts[part].decode(), self.rows).encode()
                parts["xl/workbook.xml"] = moved_names(
                    parts["xl/workbook.xml"].decode(), sheet, self.rows
                ).encode()
        return zipped(parts)


def _inside(content: Content) -> str:
    if content is None:
        return ""
    return f"<v>{content!r}</v>" if isinstance(content, float) else f"<f>{escape(content)}</f>"


# kinds of students; each returns what else there is to say, or None where there is nothing to do

More = dict[str, str] | None
_SOME = 3
_BIG = 1.75


def _right(_: Work) -> More:
    return {}


def _rewritten(work: Work) -> More:
    cells = work.formulas()
    for n in cells:
        work.written[n] = rewritten(work.cells[n].formula, work.random)
    return {} if cells else None


def _one(work: Work) -> More:
    return {} if work.mistake() else None


def _several(work: Work, most: int = _SOME) -> More:
    quantities = sorted({work.cells[n].quantity for n in work.formulas()})
    work.random.shuffle(quantities)
    done = 0
    for quantity in quantities:
        if done < most:
            done += bool(work.mistake(quantity))
    return {} if done > 1 else None


def _everywhere(work: Work) -> More:
    """Make a mistake in every quantity."""
    return _several(work, _ALTOGETHER)


def _early(work: Work) -> More:
    first = next(iter(work.formulas()), None)
    done = first is not None and work.mistake(work.cells[first].quantity)
    return {} if done else None


def _repeated(work: Work) -> More:
    """Forget the learning rate in every update: charged once, if the assignment says so."""
    free = set(work.formulas())
    made = [
        one for one in work.room.repertoire.all_of("learning-rate-missing", "")
        if one.cell in free and work.cells[one.cell].quantity == "new_weights"
        and (number := work.number_of(one)) is not None and shows_in(number, work.right(one.cell))
    ]  # fmt: skip
    for one in sorted(made, key=lambda each: each.cell):
        if work.roots:
            work.repeats.add(one.cell)
        work.make(one)
    return {} if work.repeats else None


def _hard_coded(work: Work) -> More:
    return _constants(work, lambda value: value)


def _constant(work: Work) -> More:
    return _constants(work, lambda value: f"{abs(value)!r}*{-1 if value < 0 else 1}")


def _constants(work: Work, written: Callable[[float], Content]) -> More:
    cells = work.formulas()
    for n in work.random.sample(cells, min(_SOME, len(cells))):
        work.put(n, written(work.right(n)), HARDCODED)
    return {} if cells else None


def _embedded(work: Work) -> More:
    """Write a number into a formula in the place of a cell that it should read."""
    cells = work.formulas()
    work.random.shuffle(cells)
    for n in cells:
        formula, slot = work.cells[n].formula, work.slot(n)
        found = [] if ":" in formula else list(dict.fromkeys(references(formula)))
        if len(found) < 2:
            continue
        read = work.key.slot_at[(work.key.places[slot][0], *parse_a1(found[0]))]
        wrong = replaced(formula, {found[0]: f"({float(work.real[read])!r})"})
        there = work.sheet.comes_to(slot, wrong, work.room.right)
        if there is not None and not equal(there, work.room.right[slot]).all():
            work.put(n, wrong, EMBEDDED_CONSTANT)
            return {}
    return None


def _tampered(work: Work) -> More:
    n = work.random.randrange(len(work.room.manifest.givens))
    given = work.room.manifest.givens[n]
    work.givens[given.sheet, given.address] = given_number(work.handout.case, given) + _BIG
    return {"remark": "givens were changed"}


def _typed_wrong(work: Work) -> More:
    """Type what a mistake of the catalogue comes to; where none shows, a wrong last digit."""
    cells = work.typed()
    if not cells:
        return None

    def fits(one: Mistake) -> bool:
        number = work.number_of(one) if one.cell in cells else None
        if number is None or not shows_in(number, work.right(one.cell)):
            return False
        decimals = work.cells[one.cell].decimals
        return abs(work.rounded(one.cell, number) - work.right(one.cell)) > 10.0**-decimals

    found = work.room.repertoire.next(fits)
    if found is not None:
        number = work.number_of(found)
        work.put(found.cell, work.rounded(found.cell, number or 0.0), WRONG)
        return {}
    n = cells[0]
    last = 5 * 10.0 ** -work.cells[n].decimals
    work.put(n, work.rounded(n, work.right(n) + last), WRONG)
    return {}


def _convention(work: Work) -> More:
    """Use a convention throughout that the assignment accepts."""
    room = work.room
    conventions = list(room.repertoire.conventions)
    work.random.shuffle(conventions)
    for convention in conventions:
        written = room.repertoire.by_convention(convention)
        if written is None:
            continue
        real = convention.with_real(work.handout.case, work.real)[:, -1]
        for n, cell in enumerate(work.cells):
            if cell.takes == VALUE:
                work.written[n] = work.rounded(n, float(real[work.slot(n)]))
            elif work.slot(n) in written:
                work.written[n] = written[work.slot(n)]
        work.by_convention = True
        return {}
    return None


def _moved_down(work: Work) -> More:
    work.rows = 2
    return {}


def _blank(work: Work) -> More:
    for n in range(len(work.cells)):
        work.put(n, None, BLANK)
    return {}


def _unfinished(work: Work) -> More:
    count = len(work.cells)
    for n in range(count * 2 // 3, count):
        work.put(n, None, BLANK)
    return {}


def _early_zero(work: Work) -> More:
    """Type 0 into an early cell, so that everything behind it would be 0 as well."""
    for n in work.formulas():
        if work.cells[n].quantity == "post_activation":
            work.put(n, 0.0, HARDCODED)
            return {}
    return None


def _unsupported(work: Work) -> More:
    cells = work.formulas()
    if not cells:
        return None
    n = work.random.choice(cells)
    work.put(n, f"{work.cells[n].formula}+0*RAND()", REVIEW)
    return {}


def _copied(work: Work) -> More:
    """Hand in somebody else's workbook, under one's own name."""
    others = [one for one in work.room.handouts if one is not work.handout]
    if not others:
        return None
    return {"file": f"{work.random.choice(others).student.id}.xlsx"}


KINDS: Mapping[str, Callable[[Work], More]] = {
    "right": _right,
    "rewritten": _rewritten,
    "one mistake": _one,
    "several mistakes": _several,
    "mistakes everywhere": _everywhere,
    "early mistake": _early,
    "repeated mistake": _repeated,
    "hard-coded": _hard_coded,
    "constant formula": _constant,
    "embedded constant": _embedded,
    "tampered givens": _tampered,
    "typed wrong": _typed_wrong,
    "accepted convention": _convention,
    "moved rows": _moved_down,
    "blank": _blank,
    "unfinished": _unfinished,
    "early zero": _early_zero,
    "unsupported function": _unsupported,
    "copied": _copied,
}


# formulas


def references(formula: str) -> list[str]:
    """Return the addresses that a formula names, in their order."""
    return [match[2] + match[4] for match in REFERENCE.finditer(formula)]


def replaced(formula: str, new: Mapping[str, str]) -> str:
    """Return a formula with addresses replaced."""
    return REFERENCE.sub(lambda match: new.get(match[2] + match[4], match[0]), formula)


def rewritten(formula: str, rng: random.Random) -> str:
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
