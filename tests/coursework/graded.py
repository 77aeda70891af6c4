"""A small graded assignment, made by hand: what the tests of outputs and of feedback share."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import openpyxl

from cellgrad.build import workbook_bytes
from cellgrad.case.model import read_case
from cellgrad.case.quantities import table
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.map_sheet import read_map
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
    CellVerdict,
    GivenCell,
    Grade,
    GradedCell,
    Handout,
    Manifest,
    Policy,
    Student,
)

ROOT = Path(__file__).parent.parent.parent
CASE = ROOT / "reference" / "cases" / "series-3-4-1.json"
HOSTILE = '=HYPERLINK("http://example.org";"x")<script>alert(1)</script>\x1b[31m'


@cache
def handout():
    """Return the workbook that is handed in."""
    return workbook_bytes(read_case(CASE))


@cache
def manifest():
    """Return an assignment in which every computed cell of the step is graded."""
    case = read_case(CASE)
    quantities = table(case.structure())
    book = _book()
    claims = [c for c in read_map(book).claims if c.cells.sheet == "Step"]
    cells, givens = [], []
    for claim in claims:
        quantity = quantities.get((claim.quantity, claim.layer))
        if quantity is None or claim.kind not in ("step", "given"):
            continue
        if book.name_range(quantity.defined_name) != claim.cells:
            continue  # a copy of another layer's values
        for row in range(claim.cells.top, claim.cells.bottom + 1):
            for column in range(claim.cells.left, claim.cells.right + 1):
                cells_of = book.sheets["Step"]
                address = openpyxl.utils.get_column_letter(column) + str(row)
                places = (row - claim.cells.top, column - claim.cells.left)
                index = places[2 - len(quantity.shape) :]
                if claim.kind == "given":
                    givens.append(GivenCell("Step", address, claim.quantity, claim.layer, index))
                    continue
                cells.append(
                    GradedCell(
                        "Step", address, quantity.defined_name, claim.quantity, claim.layer, index,
                        f"{quantity.label}[{','.join(str(i + 1) for i in index)}]",
                        quantity.equation, "formula", 4, 1.0, cells_of.formulas[row, column],
                    )
                )  # fmt: skip
    order = {key: place for place, key in enumerate(quantities)}
    cells.sort(key=lambda c: (order[c.quantity, c.layer], c.index))
    students = roster(6)
    handouts = {token(s): Handout(s, token(s), case, f"{s.id}.xlsx") for s in students}
    return Manifest(
        "step-1", "One training step by hand", "v1", tuple(cells), tuple(givens), Policy(),
        handouts, {"Step": (60, 30)}, names=dict(book.names),
    )  # fmt: skip


def _book():
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "handout.xlsx"
        path.write_bytes(handout())
        return read_book(path)


def token(student):
    """Return the token of a student's workbook, of the form that tokens have."""
    digits = hashlib.sha256(student.id.encode()).hexdigest().upper()
    text = "".join(sign if sign.isalpha() else "GHJKLMNPQR"[int(sign)] for sign in digits)
    return "CG-" + "-".join(text[n : n + 4] for n in range(0, 16, 4))


def roster(count):
    """Return some students; the second hands in late."""
    names = ["Ada Lovelace", "Émilie du Châtelet", "Sofja Kowalewskaja", "Max Weiß", "Mary Jackson"]
    return [
        Student(
            f"s{place:03}", names[place % len(names)], f"s{place:03}@example.org", "A",
            0.1 if place == 1 else 0.0,
            (("Identifier", f"Participant {1000 + place}"), ("Last modified (grade)", "-")),
        )
        for place in range(count)
    ]  # fmt: skip


def grade(which=None, *, file="s000.xlsx", student=None, data=None, **verdicts):
    """Return a grade: right everywhere but in the cells that ``which`` names by address."""
    which = dict(which or {}) | verdicts
    found = []
    for cell in manifest().cells:
        given = which.get(cell.address, OK)
        fields = given if isinstance(given, dict) else {"verdict": given}
        verdict = fields["verdict"]
        points = fields.pop("points", cell.points if verdict in (OK, OK_ECF) else 0.0)
        found.append(
            CellVerdict(
                cell, verdict, points, fields.get("formula", f"={cell.formula}"), 0.25, 0.25,
                fields.get("bug", ""), fields.get("cause", ""), fields.get("repeats", ""),
                fields.get("message", ""),
            )
        )  # fmt: skip
    who = student if student is not None else roster(1)[0]
    score = sum(v.points for v in found) * (1 - who.late)
    sha = hashlib.sha256(data or file.encode()).hexdigest()
    return Grade(file, sha, who, token(who), found, score, manifest().points)


def mistaken(**more):
    """Return a grade with one mistake of the catalogue and everything that follows from it."""
    later = [c for c in manifest().cells if c.quantity in ("weight_gradient", "new_weights")]
    root = next(c for c in manifest().cells if c.quantity == "error_signal" and c.layer == 0)
    which = {
        root.address: {
            "verdict": WRONG, "bug": "updated-output-weights",
            "message": "The new output weights stand in it; it takes the old ones.",
            "formula": "=I23*O18*I14",
        }
    }  # fmt: skip
    for cell in later:
        if cell.layer == 0:
            which[cell.address] = {"verdict": OK_ECF, "cause": root.address,
                                   "message": "Right with the numbers it was given."}  # fmt: skip
    return grade(which, **more)


def mixed(**more):
    """Return a grade with every verdict in it."""
    cells = [c.address for c in manifest().cells]
    kinds = [BLANK, HARDCODED, EMBEDDED_CONSTANT, WRONG, REVIEW, OK_ECF]
    which = {
        at: {"verdict": kind, "message": f"about {at}", "formula": "" if kind == BLANK else HOSTILE}
        for at, kind in zip(cells[::7], kinds, strict=False)
    }
    one = grade(which, **more)
    one.review = ["RAND is not among the functions that are graded by machine"]
    one.notes = ["the given weight_ItoH[1,1] was changed"]
    one.copying = ["its givens are those of s003 (Sofja Kowalewskaja)"]
    return one


def unreadable(file="broken.xlsx", student=None):
    """Return the grade of a file that could not be read."""
    return Grade(file, hashlib.sha256(file.encode()).hexdigest(), student, "", of=0.0,
                 problem="not an .xlsx workbook (no zip archive); save it as .xlsx")  # fmt: skip


def parts_of(data):
    """Return the parts of a workbook file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def renamed(student, **fields):
    """Return a student with other fields."""
    return replace(student, **fields)


def row_of(address):
    """Return the row of an address."""
    return parse_a1(address)[0]


def zipped(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def opened(data):
    return openpyxl.load_workbook(io.BytesIO(data))


def saved(book):
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
