"""Workbooks with something changed, for tests of what the proof says of them."""

from functools import cache
from itertools import product
from pathlib import Path

from cellgrad.build import described_workbook
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import read_map
from cellgrad.xlsx.sheet import SheetCells

ROOT = Path(__file__).parent.parent.parent
SPREADSHEETS = ROOT / "spreadsheets"
SHIPPED = sorted(SPREADSHEETS.rglob("*.xlsx"))
BOOKS = sorted((ROOT / "reference" / "books").glob("*.toml"))
FIRST = SPREADSHEETS / "training-step-3-4-1.xlsx"
BY_HAND = SPREADSHEETS / "more" / "by-hand-logistic-2-2-1.xlsx"
LONG = 50_000
"""Workbooks of so many bytes are proved in the slow part."""


# workbooks with something changed


def place_of(book, quantity, index=(), layer=None, part=""):
    """Return (sheet, row, column) of the first cell that the Map gives to a number."""
    for claim in read_map(book).claims:
        if (claim.quantity, claim.layer, claim.part) != (quantity, layer, part):
            continue
        for r, c in product(range(claim.cells.height), range(claim.cells.width)):
            if claim.rule.index(r, c) == tuple(index):
                return claim.cells.sheet, claim.cells.top + r, claim.cells.left + c
    raise KeyError(quantity, index)


@cache
def opened(path):
    """Return a workbook, read and parsed once for all changes of it."""
    return read_book(path)


def changed(book, changes):
    """Return a book with other formulas, or with numbers in place of formulas."""
    sheets = {
        name: SheetCells(dict(cells.values), dict(cells.formulas))
        for name, cells in book.sheets.items()
    }
    for (sheet, row, column), content in changes.items():
        if isinstance(content, str):
            sheets[sheet].formulas[row, column] = content.removeprefix("=")
        else:
            sheets[sheet].formulas.pop((row, column), None)
            sheets[sheet].values[row, column] = content
    return Book(book.path, sheets, book.names, book.trees)


def formula_at(book, place):
    return book.sheets[place[0]].formulas[place[1:]]


def value_at(book, place):
    return book.sheets[place[0]].values[place[1:]]


def name_of(place):
    return f"{place[0]}!{a1(*place[1:])}"


def named(report):
    return {f"{failure.sheet}!{failure.cell}" for failure in report.failures}


def holds(report):
    assert report.holds, report.failures[0]
    assert report.proved + report.identity_tested > 0
    return True


def written(source, folder):
    """Return the workbook of a case or a plan, without values: a proof needs none."""
    path = folder / "built.xlsx"
    path.write_bytes(file_of(*described_workbook(source)))
    return path
