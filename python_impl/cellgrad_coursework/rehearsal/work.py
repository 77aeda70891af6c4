"""One simulated student at work: what stands in the cells, and what is to be said of each.

Each begins with a handout as it was written and the right formulas; then something known is
done to it. What follows from it is worked out here, from the student's own formulas.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from cellgrad.errors import InputError
from cellgrad.files import read_limited
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.editor import Parts, Patch, SheetTags
from cellgrad.xlsx.package import WORKBOOK, Package
from cellgrad_coursework.formulas.evaluate import Formulas
from cellgrad_coursework.grading.draws import draws_of
from cellgrad_coursework.grading.key import Key, equal
from cellgrad_coursework.manifest_file import HANDOUTS
from cellgrad_coursework.model import (
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
from cellgrad_coursework.rehearsal.mistakes import Mistake, Repertoire, shows_in

Place = tuple[str, str]
"""A sheet and an address."""

REFERENCE = re.compile(r"(?<![\w$.!'])(\$?)([A-Z]{1,3})(\$?)(\d+)(?![\w(.])")
_FROM = 4
"""The row above which rows are inserted."""

_MOST_BYTES = 64 << 20
_DECIMALS = 4
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Made:
    """A mistake of the catalogue that was made in a cell.

    Attributes:
        entry: the catalogue's id.
        alike: the entries that compute the same there, its own among them.
    """

    entry: str
    alike: frozenset[str]


class Room:
    """What all students of an assignment work with.

    Args:
        manifest: the assignment.
        folder: what ``cellgrad assign`` wrote.
        seed: of what is drawn.
    """

    def __init__(self, manifest: Manifest, folder: Path, seed: int = 1) -> None:
        self.manifest, self.folder = manifest, folder
        self.random = random.Random(seed)  # noqa: S311 - no secret
        formulas = Formulas()
        self.key = Key(manifest, formulas)
        self.sheet = Sheet(self.key, formulas)
        self.handouts = [one for _, one in sorted(manifest.handouts.items())]
        self.case = self.handouts[0].case
        self.drawn = draws_of(manifest)
        self.right = self.key.values(self.key.drawn(self.drawn))

    @cached_property
    def repertoire(self) -> Repertoire:
        """What can go wrong; looked up when the first mistake is to be made."""
        return Repertoire(self.sheet, self.case, self.drawn, self.right, self.random)

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
    """One student at work; graded cells are known by their numbers in the manifest.

    Args:
        room: the assignment.
        handout: whose workbook it is.

    Attributes:
        written: what stands otherwise than in the key.
        roots: the verdicts of what was written wrongly.
        repeats: cells with a mistake that was made before.
        mistakes: the catalogue's, where they were made.
        givens: those that were changed.
        by_convention: whether an accepted convention was used throughout.
        rows: so many rows were inserted near the top.
        remark: a word of what else is to be said; empty for nothing.
        handed_in_as: the name of the file, where it is another student's.
        kind: what was done, in a word.
        file: under which name the workbook is handed in.
    """

    def __init__(self, room: Room, handout: Handout) -> None:
        self.room, self.handout, self.random = room, handout, room.random
        self.key, self.sheet, self.cells = room.key, room.sheet, room.manifest.cells
        self.real = self.key.values(self.key.given_values(handout.case)[:, None])[:, 0]
        self.roots: dict[int, str] = {}
        self.repeats: set[int] = set()
        self.mistakes: dict[int, Mistake] = {}
        self.givens: dict[Place, float] = {}
        self.by_convention = False
        self.rows = 0
        self.remark = self.handed_in_as = self.kind = self.file = ""
        self.typed = [n for n, cell in enumerate(self.cells) if cell.takes == VALUE]
        self.written: dict[int, Content] = {n: self.rounded(n, self.right(n)) for n in self.typed}

    # what students do

    def slot(self, number: int) -> int:
        """Return the key's slot of a graded cell."""
        return self.key.givens + number

    def right(self, number: int) -> float:
        """Return the right number of a graded cell."""
        return float(self.real[self.slot(number)])

    def rounded(self, number: int, value: float) -> float:
        """Return a number as it is typed into a cell."""
        return float(f"{value:.{self.cells[number].decimals}f}")

    def formulas(self) -> list[int]:
        """Return the cells that take formulas of others and are still as they should be."""
        untouched = set(range(len(self.cells))) - set(self.typed) - set(self.written)
        return [n for n in sorted(untouched) if self.key.reads[self.slot(n)]]

    def put(self, number: int, content: Content, verdict: str) -> None:
        """Write something wrong into a cell."""
        self.written[number], self.roots[number] = content, verdict

    def make_some_mistake(self, quantity: str = "") -> bool:
        """Make a mistake of the catalogue in one cell, if there is one to make.

        Args:
            quantity: where; empty for anywhere.
        """
        free = {n for n in self.formulas() if quantity in ("", self.cells[n].quantity)}
        if not free:
            return False
        mistake = self.room.repertoire.next(lambda one: one.cell in free and self._shows(one))
        if mistake is not None:
            self.make(mistake)
        return mistake is not None

    def make(self, mistake: Mistake) -> None:
        """Make a mistake of the catalogue."""
        reads = self.sheet.reads(self.slot(mistake.cell), mistake.formula)
        self.put(mistake.cell, mistake.formula, WRONG if reads else HARDCODED)
        self.mistakes[mistake.cell] = mistake

    def wrong_number(self, mistake: Mistake) -> float | None:
        """Return the number that a mistake makes of the right ones; None where it shows in none."""
        number = self._number(mistake.cell, mistake.formula)
        if number is None or not shows_in(number, self.right(mistake.cell)):
            return None
        return number

    def _number(self, cell: int, formula: str) -> float | None:
        """Return what a formula makes of the right numbers; None where that is no number."""
        values = self.sheet.comes_to(self.slot(cell), formula, self.real[:, None])
        return float(values[0]) if values is not None and np.isfinite(values[0]) else None

    def _shows(self, mistake: Mistake) -> bool:
        """Tell whether a mistake makes another number here, and goes round in no circle."""
        if self.wrong_number(mistake) is None:
            return False
        slot = self.slot(mistake.cell)
        reads = self.sheet.reads(slot, mistake.formula)
        reached = self.sheet.reached(self._by_slot())
        return not any(other == slot or reached[other] >> slot & 1 for other in reads)

    # what is to be said

    @cached_property
    def made(self) -> dict[Place, Made]:
        """The catalogue's mistakes that are wrong here and nothing else, by cell."""
        return {
            self._place(n): Made(one.entry, self.room.repertoire.alike(one))
            for n, one in self.mistakes.items()
            if self.intended[self._place(n)] == WRONG
        }

    @property
    def intended(self) -> dict[Place, str]:
        """What is to be said of each cell."""
        return self.outcome[0]

    @property
    def points(self) -> dict[Place, float]:
        """What each cell is to earn, before lateness."""
        return self.outcome[1]

    @property
    def copied(self) -> bool:
        """Whether it is to be shown as potential copying."""
        return bool(self.handed_in_as)

    @cached_property
    def outcome(self) -> tuple[dict[Place, str], dict[Place, float]]:
        """What is to be said of each cell, and what it is to earn, once all is done."""
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
        exact = set(self.typed) - set(self.roots)
        # what a person has to look at, and a typed number that is right, go on as exact ones
        lent = {self.slot(n) for n in unknown | exact}
        same = equal(self.sheet.table(by_slot, right, lent), right)
        reached = self.sheet.reached(by_slot)
        verdicts = {}
        for n, cell in enumerate(self.cells):
            slot, verdict = self.slot(n), self.roots.get(n)
            borrows = any(reached[slot] >> other & 1 for other in lent)
            if verdict == WRONG and cell.takes != VALUE and not borrows:
                # two mistakes can make a right number
                right_here = EMBEDDED_CONSTANT if same[slot, -1] else WRONG
                verdict = OK if same[slot].all() else right_here
            if verdict is None and n not in exact:
                waits = self._reads(reached[slot], unknown)
                verdict = OK if same[slot].all() and not waits else OK_ECF
            verdicts[n] = verdict or OK
        return verdicts

    def _by_slot(self) -> dict[int, Content]:
        return {self.slot(n): content for n, content in self.written.items()}

    def _place(self, number: int) -> Place:
        return self.cells[number].sheet, self.cells[number].address

    def _waiting(self) -> set[int]:
        """Return the cells that a person has to look at."""
        return {n for n, verdict in self.roots.items() if verdict == REVIEW}

    def _reads(self, bits: int, numbers: set[int]) -> bool:
        """Tell whether any of these graded cells is among the slots in bits."""
        return any(bits >> self.slot(n) & 1 for n in numbers)

    def _right_number(self, number: int) -> bool:
        """Tell whether what is no formula is the right number, to the decimals asked for."""
        content = self.written.get(number)
        if isinstance(content, str):
            content = self._number(number, content)
        within = 0.5 * 10.0 ** -max(self.cells[number].decimals, _DECIMALS) + _ROUNDING
        return content is not None and abs(content - self.right(number)) <= within

    def workbook(self) -> bytes:
        """Return the workbook as it is handed in: nothing else in it is touched."""
        contents: dict[Place, Content] = {
            self._place(n): self.written.get(n, cell.formula) for n, cell in enumerate(self.cells)
        }
        inside = {place: _inside(content) for place, content in (contents | self.givens).items()}
        told = self.room.manifest.one_file
        if told is not None:
            student_id = escape(self.handout.student.id)
            inside[told.sheet, told.address] = "inlineStr", f"<is><t>{student_id}</t></is>"
        package = Package(self.room.handed_out(self.handout), "the handout")
        parts = Parts(package)
        for sheet, part in Contents(package).sheets.items():
            own = {
                parse_a1(address): xml for (name, address), xml in inside.items() if name == sheet
            }
            if own:
                found, patch = SheetTags(parts.read(part)), Patch(parts.read(part))
                for at, (kind, xml) in own.items():
                    found.fill(patch, found.cells[at], kind, xml)
                parts.write(part, patch.done())
            if self.rows and any(name == sheet for name, _ in contents):
                _insert_rows(parts, sheet, part, self.rows)
        return parts.packed(level=1)


def _inside(content: Content) -> tuple[str | None, str]:
    """Return the type of a cell with this content, and what stands in it."""
    if isinstance(content, str):
        return None, f"<f>{escape(content)}</f>"
    return None, "" if content is None else f"<v>{content!r}</v>"


def _insert_rows(parts: Parts, sheet: str, part: str, rows: int) -> None:
    """Insert rows near the top of a sheet, as a spreadsheet program would."""

    def down(row: str) -> str:
        return str(int(row) + rows) if int(row) >= _FROM else row

    def formula(match: re.Match[str]) -> str:
        moved = REFERENCE.sub(lambda m: f"{m[1]}{m[2]}{m[3]}{down(m[4])}", match[2])
        return match[1] + moved + match[3]

    def name(match: re.Match[str]) -> str:
        if not match[2].startswith((f"{sheet}!", f"'{sheet}'!")):
            return match[0]
        moved = re.sub(r"(\$[A-Z]+\$)(\d+)", lambda m: m[1] + down(m[2]), match[2])
        return match[1] + moved + match[3]

    text = parts.read(part).decode()
    for element in ("conditionalFormatting", "dataValidations"):
        text = re.sub(f"<{element}.*?</{element}>", "", text, flags=re.DOTALL)
    text = re.sub(r'<row r="(\d+)"', lambda m: f'<row r="{down(m[1])}"', text)
    text = re.sub(r'<c r="([A-Z]+)(\d+)"', lambda m: f'<c r="{m[1]}{down(m[2])}"', text)
    text = re.sub(r"(<f[^>]*>)([^<]*)(</f>)", formula, text)
    text = re.sub(r'(<mergeCell ref=")([^"]*)(")', formula, text)
    parts.write(part, text.encode())
    book = parts.read(WORKBOOK).decode()
    book = re.sub(r"(<definedName [^>]*>)([^<]*)(</definedName>)", name, book)
    parts.write(WORKBOOK, book.encode())
