"""Somebody else's workbooks, made as others lay them out, for tests.

Matrices with a row a node, samples as columns, a bias column and a row of ones, MMULT array
formulas, helper cells, no names.
"""

from contextlib import closing

import pytest
from openpyxl import Workbook
from openpyxl.utils import get_column_letter as letter
from openpyxl.worksheet.formula import ArrayFormula

from cellgrad.xlsx.addresses import place_text
from cellgrad_audit.foreign.target import DRAWS, WorkbookTarget


def audit_workbook(path, *, engine=None, count=DRAWS, proof=None):
    with closing(WorkbookTarget(path, engine=engine, count=count)) as target:
        return target.report([target.answer(case) for case in target.cases()], proof=proof)


def place_of(target, slot, index):
    return place_text(dict(target.map.computed[slot.key].cells())[index])


def write(path, cells):
    book = Workbook()
    for address, value in cells.items():
        book.active[address] = value
    book.save(path)


PLAIN_MAP = """
schema = "cellgrad-workbook-map/1"
workbook = "plain.xlsx"
[network]
nodes = [2, 2, 1]
activations = ["logistic", "logistic"]
loss = "half_squared_error"
learning_rate = "B1"
[given]
input = "A4:A5"
target = "N7"
weights = ["C4:D5", "G4:G5"]
biases = ["C6:D6", "G6"]
[computed]
pre_activation = ["C8:D8", "G8"]
post_activation = ["C9:D9", "G9"]
error = "N9"
error_signal = [{cells = ["C13", "D13"]}, "G13"]
weight_gradient = ["C15:D16", "G15:G16"]
bias_gradient = ["C17:D17", "G17"]
weights = ["C20:D21", "G20:G21"]
biases = ["C22:D22", "G22"]
"""


def plain(folder, changes=()):
    """Write one sample, 2-2-1, logistic: sums written out, E and update shown, LR in B1.

    Helper cells hold y·(1 − y); one formula reads them, the others do not.
    """
    cells = {
        "A1": "LR", "B1": 0.5, "A3": "x", "C3": "W", "G3": "V", "N6": "t",
        "A4": 0.5, "A5": -0.25,
        "C4": 0.3, "D4": -0.2, "C5": 0.8, "D5": 0.6, "C6": 0.1, "D6": -0.4,
        "G4": 0.7, "G5": -0.9, "G6": 0.2, "N7": 1,
        "C8": "=A4*C4+A5*C5+C6", "D8": "=A4*D4+A5*D5+D6",
        "C9": "=1/(1+EXP(-C8))", "D9": "=1/(1+EXP(-D8))",
        "G8": "=C9*G4+D9*G5+G6", "G9": "=1/(1+EXP(-G8))",
        "N9": "=(N7-G9)^2/2",
        "J9": "=G9*(1-G9)",
        "G13": "=(G9-N7)*J9",
        "C13": "=G13*G4*C9*(1-C9)", "D13": "=G13*G5*D9*(1-D9)",
        "C15": "=C13*A4", "D15": "=D13*A4", "C16": "=C13*A5", "D16": "=D13*A5",
        "C17": "=C13", "D17": "=D13",
        "G15": "=G13*C9", "G16": "=G13*D9", "G17": "=G13",
    }  # fmt: skip
    for column in "CDG":
        for row in (4, 5, 6):
            cells[f"{column}{row + 16}"] = f"={column}{row}-$B$1*{column}{row + 11}"
    write(folder / "plain.xlsx", cells | dict(changes))
    path = folder / "plain.toml"
    path.write_text(PLAIN_MAP)
    return path


MATRIX_MAP = """
schema = "cellgrad-workbook-map/1"
workbook = "matrix.xlsx"
sheet = "My net"
[network]
nodes = [2, 3, 2]
activations = ["tanh", "identity"]
loss = "half_squared_error"
update = "batch_sum"
[given]
input = {cells = "H3:I4", samples = "columns"}
target = {cells = "N12:O13", samples = "columns"}
weights = [{cells = "B7:C9", transposed = true}, {cells = "B12:D13", transposed = true}]
biases = ["D7:D9", "E12:E13"]
[computed]
pre_activation = [{cells = "H7:I9", samples = "columns"}, {cells = "H12:I13", samples = "columns"}]
post_activation = [{cells = "K7:L9", samples = "columns"}, ""]
final_error = {cells = "Q12:R13", samples = "columns"}
error_signal = [{cells = "Q7:R9", samples = "columns"}, ""]
weight_gradient = [{cells = "B17:C19", transposed = true}, {cells = "B22:D23", transposed = true}]
bias_gradient = ["D17:D19", "E22:E23"]
"""


def matrix(folder, changes=()):
    """Write two samples as columns, 2-3-2, tanh and identity, with MMULT array formulas.

    The biases are the last column of each weight matrix, met by a row of ones; the gradient of
    a matrix and its biases is one array formula.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "My net"
    values = {
        "H3": 1, "I3": -2, "H4": 0.5, "I4": 1.5, "H5": 1, "I5": 1,
        "K10": 1, "L10": 1, "A7": "W1", "A12": "W2", "G3": "X", "M12": "T",
        "N12": 0.25, "O12": -1, "N13": 0.75, "O13": 0.5,
    }  # fmt: skip
    weights = [[0.5, -0.25, 0.125], [0.75, 0.5, -1], [-0.5, 0.25, 0.375]]
    for r, row in enumerate(weights):
        for c, value in enumerate(row):
            values[f"{letter(2 + c)}{7 + r}"] = value
    for r, row in enumerate([[0.5, -1, 0.25, 0.5], [1, 0.75, -0.5, -0.25]]):
        for c, value in enumerate(row):
            values[f"{letter(2 + c)}{12 + r}"] = value
    arrays = {
        "H7:I9": "=MMULT(B7:D9,H3:I5)",
        "K7:L9": "=TANH(H7:I9)",
        "H12:I13": "=MMULT(B12:E13,K7:L10)",
        "Q12:R13": "=H12:I13-N12:O13",
        "T7:U9": "=MMULT(TRANSPOSE(B12:D13),Q12:R13)",
        "Q7:R9": "=T7:U9*(1-K7:L9^2)",
        "B22:E23": "=MMULT(Q12:R13,TRANSPOSE(K7:L10))",
        "B17:D19": "=MMULT(Q7:R9,TRANSPOSE(H3:I5))",
    }
    for address, value in {**values, **arrays, **dict(changes)}.items():
        first = address.partition(":")[0]
        array = ":" in address and value is not None
        sheet[first] = ArrayFormula(address, value) if array else value
    book.save(folder / "matrix.xlsx")
    path = folder / "matrix.toml"
    path.write_text(MATRIX_MAP)
    return path


def engine_of_arrays():
    pytest.importorskip("ironcalc")


def wrong_places(report):
    return {cell.place.partition("!")[2] for cell in report.wrong}


MISTAKES = {
    "fA′ of the post-activation": (
        {"C13": "=G13*G4*(1/(1+EXP(-C9)))*(1-1/(1+EXP(-C9)))"},
        {"C13", "C15", "C16", "C17", "C20", "C21", "C22"},
    ),
    "the new output weights in the hidden signal": (
        {"C13": "=G13*G20*C9*(1-C9)", "D13": "=G13*G21*D9*(1-D9)"},
        {f"{c}{r}" for c in "CD" for r in (13, 15, 16, 17, 20, 21, 22)},
    ),
    "a bias that is not updated": ({"D22": "=D6"}, {"D22"}),
    "E without its half": ({"N9": "=(N7-G9)^2"}, {"N9"}),
}
