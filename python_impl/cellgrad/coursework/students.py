"""Simulated students: workbooks filled in with known mistakes, and what is to be said of them.

Each begins with a handout as it was written and the right formulas; then something known is
done to it. Nothing is calculated here but what a student would type off the screen.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

from cellgrad.coursework.formulas.evaluate import Bounds, evaluate
from cellgrad.coursework.formulas.limits import Budget, FormulaProblemError
from cellgrad.coursework.formulas.parser import parse
from cellgrad.coursework.formulas.tree import Node
from cellgrad.coursework.formulas.values import Area
from cellgrad.coursework.grade_one import Grader
from cellgrad.coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    WRONG,
    GradedCell,
    Handout,
    Manifest,
)
from cellgrad.errors import InputError
from cellgrad.files import read_limited
from cellgrad.xlsx.addresses import a1, parse_a1

Place = tuple[str, str]
"""A sheet and an address."""

_MOST_BYTES = 64 << 20
_SHOWS = 1e-6
"""A mistake that makes no larger difference is none that a student could be taught from."""

_REFERENCE = re.compile(r"(?<![\w$.!'])(\$?)([A-Z]{1,3})(\$?)(\d+)(?![\w(.])")
_CELL = r'<c r="{}"(?P<a>[^>]*?)(?:/>|>(?P<inside>.*?)</c>)'
_STORED = re.compile(r"<v\s*>([^<]*)</v>")


@dataclass(slots=True)
class Simulated:
    """A simulated submission.

    Attributes:
        kind: what was done to it, in a word.
        file: its name.
        data: the workbook.
        handout: whose workbook it is.
        intended: what is to be said of each cell.
        remark: a word of what else is to be said of it; empty for nothing.
        copied: whether it is to be shown as potential copying.
        points: what it is to earn before lateness; None where that is not fixed.
    """

    kind: str
    file: str
    data: bytes
    handout: Handout
    intended: dict[Place, str] = field(default_factory=dict)
    remark: str = ""
    copied: bool = False
    points: float | None = None


class Classroom:
    """Makes simulated students of an assignment.

    Args:
        manifest: the assignment.
        folder: of the handouts' files.
        seed: of what is drawn.
    """

    def __init__(self, manifest: Manifest, folder: Path, seed: int = 1) -> None:
        self.manifest, self.folder = manifest, folder
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._grader = Grader(manifest)
        self._cells = {(cell.sheet, cell.address): cell for cell in manifest.cells}
        self._formulas = {place: cell.formula for place, cell in self._cells.items()}
        self.fixed = {(cell.sheet, cell.address): cell.formula for cell in manifest.fixed}
        self._reads = {
            place: {(place[0], address) for address in references(formula)}
            for place, formula in {**self.fixed, **self._formulas}.items()
        }
        self._handouts = [one for _, one in sorted(manifest.handouts.items())]

    def students(self, count: int) -> Iterator[Simulated]:
        """Yield so many, every kind in turn."""
        kinds = list(KINDS)
        for number in range(count):
            kind = kinds[number % len(kinds)]
            handout = self._handouts[number % len(self._handouts)]
            work = Work(self, handout, self._random)
            made = KINDS[kind](work)
            name = made.get("file") or f"{number + 1:05}-{kind.replace(' ', '-')}.xlsx"
            yield Simulated(
                kind,
                f"{number + 1:05}/{name}" if "file" in made else name,
                work.workbook(),
                handout,
                work.intended(),
                made.get("remark", ""),
                "file" in made,
                work.points(),
            )

    def handed_out(self, handout: Handout) -> bytes:
        """Return a student's workbook as it was handed out.

        Raises:
            InputError: it is not there.
        """
        name = handout.file or f"{handout.student.id}.xlsx"
        for path in (self.folder / name, *sorted(self.folder.glob(f"*/{name}"))):
            if path.is_file():
                return read_limited(path, _MOST_BYTES)
        raise InputError(
            "the handouts are not beside the assignment",
            file=self.folder / name,
            remedy="name the folder that cellgrad assign wrote",
        )

    def key_values(self, handout: Handout) -> dict[Place, float]:
        """Return the right numbers of a handout."""
        found = self._grader.key_values(handout.token)
        return {place: found[f"{place[0]}!{place[1]}"] for place in self._cells}

    def followers(self, places: set[Place]) -> set[Place]:
        """Return the graded cells that read one of these, directly or not."""
        reached, grown = set(places), True
        while grown:
            more = {place for place, reads in self._reads.items() if reads & reached}
            grown = not more <= reached
            reached |= more
        return (reached & set(self._cells)) - places


class Work:
    """One student at work: the formulas so far, and what is intended of each cell."""

    def __init__(self, room: Classroom, handout: Handout, rng: random.Random) -> None:
        self.room, self.handout, self.random = room, handout, rng
        self.cells = room._cells  # noqa: SLF001 - the room's own
        self.data = room.handed_out(handout)
        self.key = room.key_values(handout)
        self.inside: dict[Place, str] = {}
        self.roots: dict[Place, str] = {}
        self.uncharged: set[Place] = set()
        self.givens: dict[Place, float] = {}
        self.rows = 0
        for place, cell in self.cells.items():
            if cell.takes == VALUE:
                self.type(place, float(f"{self.key[place]:.{cell.decimals}f}"))
            else:
                self.write(place, cell.formula)

    def write(self, place: Place, formula: str) -> None:
        """Put a formula into a cell."""
        self.inside[place] = f"<f>{escape(formula)}</f>"

    def type(self, place: Place, value: float) -> None:
        """Put a number into a cell."""
        self.inside[place] = f"<v>{value!r}</v>"

    def clear(self, place: Place) -> None:
        """Leave a cell blank."""
        self.inside.pop(place, None)
        self.roots[place] = BLANK

    def formulas(self) -> list[GradedCell]:
        """Return the cells that take formulas and are still as they should be."""
        return [
            cell for place, cell in self.cells.items()
            if cell.takes != VALUE and place not in self.roots
        ]  # fmt: skip

    def mistake(self, quantity: str = "", *, flips: bool = True) -> str:
        """Make one known mistake in one cell; return the quantity it is made in.

        Args:
            quantity: where; empty for anywhere.
            flips: whether it may be a wrong sign: two of them can make a right number.
        """
        chances = [
            (cell, wrong)
            for cell in self.formulas()
            if quantity in ("", cell.quantity)
            for wrong in mistakes_of(self.room.manifest, cell)
            if (flips or not _flips(cell, wrong)) and self._shows(cell, wrong)
        ]
        if not chances:
            return ""
        cell, wrong = self.random.choice(chances)
        self.write((cell.sheet, cell.address), wrong)
        self.roots[cell.sheet, cell.address] = WRONG
        return cell.quantity

    def intended(self) -> dict[Place, str]:
        """Return what is to be said of each cell."""
        following = self.room.followers(set(self.roots))
        return {
            place: self.roots.get(place) or (OK_ECF if place in following else OK)
            for place in self.cells
        }

    def points(self) -> float:
        """Return what is to be earned before lateness."""
        policy = self.room.manifest.policy
        shares = {
            OK: 1.0,
            OK_ECF: 1.0 - policy.ecf_penalty,
            HARDCODED: policy.hardcoded_credit,
            EMBEDDED_CONSTANT: policy.embedded_credit,
        }
        return sum(
            self.cells[place].points
            * (1.0 if place in self.uncharged else shares.get(verdict, 0.0))
            for place, verdict in self.intended().items()
        )

    def _shows(self, cell: GradedCell, wrong: str) -> bool:
        """Tell whether a mistake makes another number here: a factor of 1 can be forgotten."""
        right = self.key[cell.sheet, cell.address]
        try:
            number = float(self._comes_to(cell.sheet, cell.address, wrong))
        except (FormulaProblemError, TypeError, ValueError):
            return False
        return not abs(number - right) <= _SHOWS * max(1.0, abs(right))

    def _comes_to(self, sheet: str, address: str, formula: str) -> Any:
        """Return what a formula comes to with the right numbers in the cells that it reads."""
        row, column = parse_a1(address)
        tree = parse(formula, row, column)
        return evaluate(tree, (sheet, row, column), _RightNumbers(self))

    def seen(self, place: Place) -> Any:
        """Return the right number of any cell of the handout."""
        formula = self.room.fixed.get(place)
        if formula is not None and place not in self.key:
            return self._comes_to(*place, formula)
        return self.number_at(place)

    def number_at(self, place: Place) -> float | None:
        """Return the number that stands on the screen in a cell of the handout."""
        if place in self.key:
            return self.key[place]
        found = _find(_sheet(self.data, place[0])[1], place[1])
        stored = _STORED.search(found["inside"] or "") if found else None
        if stored is None or "<f" in (found["inside"] if found else ""):
            return None
        return float(stored[1])

    def workbook(self) -> bytes:
        """Return the workbook as it is handed in."""
        parts = _parts(self.data)
        by_sheet: dict[str, dict[str, str]] = {}
        for place in self.cells:
            by_sheet.setdefault(place[0], {})[place[1]] = self.inside.get(place, "")
        for place, number in self.givens.items():
            by_sheet.setdefault(place[0], {})[place[1]] = f"<v>{number!r}</v>"
        for sheet, cells in by_sheet.items():
            part, text = _sheet(self.data, sheet)
            parts[part] = _filled(text, cells).encode()
            if self.rows:
                parts[part] = _moved(parts[part].decode(), self.rows).encode()
                parts["xl/workbook.xml"] = _moved_names(
                    parts["xl/workbook.xml"].decode(), sheet, self.rows
                ).encode()
        return _zipped(parts)


class _RightNumbers:
    """The world that a mistaken formula is tried in; it reads cells only."""

    def __init__(self, work: Work) -> None:
        self._work, self.budget = work, Budget()

    def cell(self, place: tuple[str, int, int]) -> Any:
        """Return the number in a cell."""
        return self._work.seen((place[0], a1(place[1], place[2])))

    def area(self, bounds: Bounds) -> Area:
        """Refuse: our own mistakes name single cells."""
        raise FormulaProblemError(f"an area is read: {bounds}")

    def bounds(self, tree: Node, at: tuple[str, int, int]) -> Bounds:
        """Refuse, as above."""
        raise FormulaProblemError(f"an area is read: {tree} {at}")

    def named(self, name: str) -> Node | None:
        """Return nothing: no names are used."""
        del name
        return None


# kinds of students

Made = dict[str, str]
_SOME = 3
_BIG = 1.75


def _right(_: Work) -> Made:
    return {}


def _rewritten(work: Work) -> Made:
    for cell in work.formulas():
        work.write((cell.sheet, cell.address), rewritten(cell.formula, work.random))
    return {}


def _one(work: Work) -> Made:
    work.mistake()
    return {}


def _several(work: Work) -> Made:
    quantities = sorted({cell.quantity for cell in work.formulas()})
    work.random.shuffle(quantities)
    done = 0
    for quantity in quantities:
        if done < _SOME:
            done += bool(work.mistake(quantity, flips=False))
    return {}


def _early(work: Work) -> Made:
    first = next(iter(work.formulas()), None)
    if first is not None:
        work.mistake(first.quantity)
    return {}


def _repeated(work: Work) -> Made:
    """Make the same mistake in every cell of the updates: charged once."""
    cells = [cell for cell in work.formulas() if cell.quantity == "new_weights"]
    for cell in cells:
        wrong = without_rate(cell.formula)
        if wrong is not None:
            place = cell.sheet, cell.address
            work.write(place, wrong)
            if work.roots and not work.room.manifest.policy.charge_repeats:
                work.uncharged.add(place)
            work.roots[place] = WRONG
    return {}


def _hard_coded(work: Work) -> Made:
    cells = work.formulas()
    for cell in work.random.sample(cells, min(_SOME, len(cells))):
        place = cell.sheet, cell.address
        work.type(place, work.key[place])
        work.roots[place] = HARDCODED
    return {}


def _constant(work: Work) -> Made:
    cells = work.formulas()
    for cell in work.random.sample(cells, min(_SOME, len(cells))):
        place = cell.sheet, cell.address
        work.write(place, f"{abs(work.key[place])!r}*{-1 if work.key[place] < 0 else 1}")
        work.roots[place] = HARDCODED
    return {}


def _embedded(work: Work) -> Made:
    """Write a number into a formula in the place of a cell that it should read."""
    cells = work.formulas()
    work.random.shuffle(cells)
    for cell in cells:
        found = list(dict.fromkeys(references(cell.formula)))
        number = work.number_at((cell.sheet, found[0])) if len(found) > 1 else None
        if number is not None:
            wrong = replaced(cell.formula, {found[0]: f"({number!r})"})
            work.write((cell.sheet, cell.address), wrong)
            work.roots[cell.sheet, cell.address] = EMBEDDED_CONSTANT
            break
    return {}


def _tampered(work: Work) -> Made:
    given = work.random.choice(work.room.manifest.givens)
    place = given.sheet, given.address
    number = work.number_at(place)
    if number is None:
        return {}
    work.givens[place] = number + _BIG
    return {"remark": "givens were changed"}


def _typed_wrong(work: Work) -> Made:
    for place, cell in work.cells.items():
        if cell.takes == VALUE:
            work.type(
                place, float(f"{work.key[place]:.{cell.decimals}f}") + 10.0**-cell.decimals * 5
            )
            work.roots[place] = WRONG
            break
    return {}


def _moved_down(work: Work) -> Made:
    work.rows = 2
    return {}


def _blank(work: Work) -> Made:
    for place in work.cells:
        work.clear(place)
    return {}


def _unfinished(work: Work) -> Made:
    cells = list(work.cells)
    for place in cells[len(cells) * 2 // 3 :]:
        work.clear(place)
    return {}


def _early_zero(work: Work) -> Made:
    """Type 0 into an early cell, so that everything behind it would be 0 as well."""
    first = next((cell for cell in work.formulas() if cell.quantity == "post_activation"), None)
    if first is not None:
        work.type((first.sheet, first.address), 0.0)
        work.roots[first.sheet, first.address] = HARDCODED
    return {}


def _unsupported(work: Work) -> Made:
    cell = work.random.choice(work.formulas())
    work.write((cell.sheet, cell.address), f"{cell.formula}+0*RAND()")
    work.roots[cell.sheet, cell.address] = REVIEW
    return {}


def _copied(work: Work) -> Made:
    """Hand in somebody else's workbook, under one's own name."""
    others = [one for one in work.room._handouts if one is not work.handout]  # noqa: SLF001
    if not others:
        return {}
    return {"file": f"{work.random.choice(others).student.id}.xlsx"}


KINDS: Mapping[str, Callable[[Work], Made]] = {
    "right": _right,
    "rewritten": _rewritten,
    "one mistake": _one,
    "several mistakes": _several,
    "early mistake": _early,
    "repeated mistake": _repeated,
    "hard-coded": _hard_coded,
    "constant formula": _constant,
    "embedded constant": _embedded,
    "tampered givens": _tampered,
    "typed wrong": _typed_wrong,
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
    return [match[2] + match[4] for match in _REFERENCE.finditer(formula)]


def replaced(formula: str, new: Mapping[str, str]) -> str:
    """Return a formula with addresses replaced."""
    return _REFERENCE.sub(lambda match: new.get(match[2] + match[4], match[0]), formula)


def rewritten(formula: str, rng: random.Random) -> str:
    """Return a formula that is written otherwise and means the same."""
    terms = formula.split("+")
    if len(terms) > 1 and "(" not in formula:
        rng.shuffle(terms)
        return f"SUM({','.join(terms)})"
    factors = formula.split("*")
    if len(factors) > 1 and not re.search(r"[-+/(]", formula):
        return f"PRODUCT({','.join(reversed(factors))})"
    absolute = _REFERENCE.sub(lambda match: f"${match[2]}${match[4]}", formula)
    return f"({absolute})*1" if rng.random() < 0.5 else f"+({absolute})"  # noqa: PLR2004 - a coin


def without_rate(formula: str) -> str | None:
    """Return an update without its learning rate."""
    wrong = re.sub(r"(?<=-)\$?[A-Z]+\$?\d+\*", "", formula)
    return wrong if wrong != formula else None


def mistakes_of(manifest: Manifest, cell: GradedCell) -> list[str]:
    """Return wrong formulas for a cell, as the catalogue's mistakes would have them."""
    formula, found = cell.formula, list[str]()
    if cell.quantity == "new_weights":
        found += filter(None, [without_rate(formula), _swapped_sign(formula)])
    elif cell.quantity == "pre_activation" and "+" in formula:
        found.append(formula.rpartition("+")[0])
    elif cell.quantity == "post_activation" and "EXP(-" in formula:
        found.append(formula.replace("EXP(-", "EXP("))
    elif cell.quantity == "final_error" and re.fullmatch(r"[A-Z]+\d+-[A-Z]+\d+", formula):
        found.append("-".join(reversed(formula.split("-"))))
    elif cell.quantity == "error_signal" and re.fullmatch(r"[A-Z]+\d+\*[A-Z]+\d+", formula):
        found.append(formula.partition("*")[0])
    elif cell.quantity == "activation_derivative" and "*(1-" in formula:
        found.append(formula.partition("*")[2].strip("()"))
        found.append(formula.replace("*(1-", "*(1+"))
    elif cell.quantity == "backpropagated_error":
        found += _with_new_weights(manifest, formula)
    elif cell.quantity == "weight_gradient" and re.fullmatch(r"[A-Z]+\d+\*[A-Z]+\d+", formula):
        found.append(formula.replace("*", "+"))
    return found


def _flips(cell: GradedCell, wrong: str) -> bool:
    return cell.quantity == "final_error" or wrong == _swapped_sign(cell.formula)


def _swapped_sign(formula: str) -> str | None:
    return formula.replace("-", "+", 1) if formula.count("-") == 1 else None


def _with_new_weights(manifest: Manifest, formula: str) -> list[str]:
    """Return the formula that takes the weights after the update."""
    new = {(c.layer, c.index): c.address for c in manifest.cells if c.quantity == "new_weights"}
    table = {
        given.address: new[given.layer, given.index]
        for given in manifest.givens
        if given.quantity == "weights" and (given.layer, given.index) in new
    }
    wrong = replaced(formula, table)
    return [wrong] if wrong != formula else []


# workbooks


def _parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def _sheet(data: bytes, sheet: str) -> tuple[str, str]:
    """Return the name and the text of a sheet's part: our own handouts number them in order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = re.findall(r'<sheet [^>]*?name="([^"]*)"', archive.read("xl/workbook.xml").decode())
        place = [unescape(name) for name in names].index(sheet)
        part = f"xl/worksheets/sheet{place + 1}.xml"
        return part, archive.read(part).decode()


def _find(text: str, address: str) -> re.Match[str] | None:
    return re.search(_CELL.format(address), text, re.DOTALL)


def _filled(text: str, cells: Mapping[str, str]) -> str:
    """Return a sheet with other contents in some of its cells."""

    def cell(match: re.Match[str]) -> str:
        address = match["r"]
        if address not in cells:
            return match[0]
        attributes = re.sub(r'\s+t="[^"]*"', "", match["a"])
        return f'<c r="{address}"{attributes}>{cells[address]}</c>'

    return re.sub(
        r'<c r="(?P<r>[A-Z]+\d+)"(?P<a>[^>]*?)(?:/>|>.*?</c>)', cell, text, flags=re.DOTALL
    )


_FROM = 4
"""The row above which rows are inserted."""


def _moved(text: str, rows: int) -> str:
    """Return a sheet with rows inserted near its top, as a spreadsheet program would."""
    text = re.sub(r"<conditionalFormatting.*?</conditionalFormatting>", "", text, flags=re.DOTALL)
    text = re.sub(r"<dataValidations.*?</dataValidations>", "", text, flags=re.DOTALL)
    text = re.sub(r'<row r="(\d+)"', lambda m: f'<row r="{_down(m[1], rows)}"', text)
    text = re.sub(r'<c r="([A-Z]+)(\d+)"', lambda m: f'<c r="{m[1]}{_down(m[2], rows)}"', text)
    text = re.sub(
        r"(<f[^>]*>)([^<]*)(</f>)", lambda m: m[1] + _moved_formula(m[2], rows) + m[3], text
    )
    return re.sub(
        r'(<mergeCell ref=")([^"]*)"', lambda m: f'{m[1]}{_moved_formula(m[2], rows)}"', text
    )


def _down(row: str, rows: int) -> str:
    return str(int(row) + rows) if int(row) >= _FROM else row


def _moved_formula(formula: str, rows: int) -> str:
    return _REFERENCE.sub(
        lambda match: f"{match[1]}{match[2]}{match[3]}{_down(match[4], rows)}", formula
    )


def _moved_names(text: str, sheet: str, rows: int) -> str:
    def name(match: re.Match[str]) -> str:
        if not match[2].startswith((f"{sheet}!", f"'{sheet}'!")):
            return match[0]
        moved = re.sub(r"(\$[A-Z]+\$)(\d+)", lambda m: m[1] + _down(m[2], rows), match[2])
        return match[1] + moved + match[3]

    return re.sub(r"(<definedName [^>]*>)([^<]*)(</definedName>)", name, text)
