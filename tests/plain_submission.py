"""Assignments over a case's own workbook, and submissions written straight into a zip: fast."""

import io
import math
import re
import zipfile
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from cellgrad.build import describe_step
from cellgrad.case.model import Case, Network, Optimizer, Sample, read_case
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.package import LENIENT, Package
from cellgrad.xlsx.sheet import SheetReader
from cellgrad_coursework.grading.book import Submission
from cellgrad_coursework.grading.key import given_number
from cellgrad_coursework.model import Handout, Manifest, Policy, Student
from cellgrad_coursework.running.judge import Grader
from cellgrad_coursework.taking_in.precheck import Checked
from template_cells import everything, template_of

CASES = Path(__file__).parent.parent / "reference" / "cases"
TOKEN = "CG-ABCD-EFGH-JKMN-PQRS"  # noqa: S105 - no secret
OTHER = "CG-ABCD-EFGH-JKMN-PQRT"


@cache
def case_of(name):
    return read_case(CASES / f"{name}.json")


@cache
def template(case, ask=everything):
    return template_of(case, file_of(describe_step(case)), ask)


@cache
def assignment(case, ask=everything, others=(), late=0.0, **policy):
    """Return a manifest over a case's own workbook, all cells asked for."""
    made = template(case, ask)
    handouts = {TOKEN: Handout(Student("s1", late=late), TOKEN, case)}
    for n, other in enumerate(others):
        token = OTHER[:-1] + "TUVWXY"[n]
        handouts[token] = Handout(Student(f"s{n + 2}"), token, other)
    return Manifest("a", "A", "v1", made.cells, made.givens, Policy(**policy), handouts,
                    made.box, made.fixed, made.names)  # fmt: skip


def opened(data, file):
    """Return a submission that was not checked."""
    contents = Contents(Package(data, file, LENIENT))
    readers = {title: SheetReader(contents.package, title, contents.texts)
               for title in contents.sheets}  # fmt: skip
    return Checked(contents, {title: readers[title].read(part)
                              for title, part in contents.sheets.items()})  # fmt: skip


class Lenient(Grader):
    """Grades also what the check of submissions would refuse before it."""

    def _checked(self, data, file):
        return opened(data, file)


_GRADERS = {}


def grader_of(manifest):
    """Return the grader of an assignment, made once."""
    if id(manifest) not in _GRADERS:
        _GRADERS[id(manifest)] = manifest, Lenient(manifest)
    return _GRADERS[id(manifest)][1]


def key_numbers(manifest, decimals=None):
    """Return the right number of every graded cell of the first student, by address."""
    assignment_key = grader_of(manifest).assignment
    values = assignment_key.values_of(manifest.handouts[TOKEN])[:, -1]
    numbers = values[len(manifest.givens) :][: len(manifest.cells)].tolist()
    if decimals is not None:
        numbers = [round(number, decimals) for number in numbers]
    return dict(zip((cell.address for cell in manifest.cells), numbers, strict=True))


def book_of(manifest, changes):
    """Return a submission as its formulas see it."""
    checked = opened(workbook(manifest, changes), "x")
    return grader_of(manifest).assignment.book(Submission(checked.contents, checked.sheets))


def right_cells(manifest, token=TOKEN):
    """Return what a flawless student's workbook holds on the Step sheet, by address."""
    case = manifest.handouts.get(token, manifest.handouts[TOKEN]).case
    cells = {given.address: given_number(case, given) for given in manifest.givens}
    cells |= {cell.address: f"={cell.formula}" for cell in manifest.fixed}
    return cells | {cell.address: f"={cell.formula}" for cell in manifest.cells}


def workbook(manifest, changes=None, *, token=TOKEN, sheets=None, stored=None, names=None,
             base=None, sheet="Step"):  # fmt: skip
    """Return the bytes of a submission.

    Args:
        manifest: the assignment.
        changes: cells that differ from the right ones: a formula with ``=``, a number, a text,
            raw XML that starts with ``<``, or None for an empty cell.
        token: of the handout.
        sheets: further sheets, cells by address.
        stored: values stored beside formulas, by address.
        names: defined names that differ.
        base: all cells; by default the right ones.
        sheet: what the sheet is called.
    """
    cells = dict(right_cells(manifest, token) if base is None else base)
    cells.update(changes or {})
    defined = manifest.names | (names or {})
    parts = {"Guide": {"A1": token}, sheet: cells, **(sheets or {})}
    return package(parts, defined, stored or {}, sheet)


TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)


def package(parts, defined, stored, main):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        ref = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        tabs = "".join(f'<sheet name="{escape(n)}" sheetId="{k}" r:id="r{k}"/>'
                       for k, n in enumerate(parts, 1))  # fmt: skip
        listed = "".join(f'<definedName name="{n}">{escape(t)}</definedName>'
                         for n, t in defined.items())  # fmt: skip
        archive.writestr("xl/workbook.xml", f'<workbook {ns} xmlns:r="{ref}"><sheets>{tabs}'
                         f"</sheets><definedNames>{listed}</definedNames></workbook>")  # fmt: skip
        links = "".join(
            f'<Relationship Id="r{k}" Type="{ref}/worksheet" Target="worksheets/sheet{k}.xml"/>'
            for k in range(1, len(parts) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            "<Relationships xmlns="
            f'"http://schemas.openxmlformats.org/package/2006/relationships">{links}'
            "</Relationships>",
        )
        archive.writestr("[Content_Types].xml", TYPES)
        for k, (name, cells) in enumerate(parts.items(), 1):
            values = stored if name == main else {}
            archive.writestr(
                f"xl/worksheets/sheet{k}.xml",
                f"<worksheet {ns}><sheetData>{_rows(cells, values)}</sheetData></worksheet>",
            )
    return data.getvalue()


def _rows(cells, stored):
    rows = {}
    for address, value in cells.items():
        if value is not None:
            row, column = parse_a1(address)
            rows.setdefault(row, {})[column] = (address, value)
    found = []
    for row in sorted(rows):
        line = "".join(_cell(*rows[row][column], stored) for column in sorted(rows[row]))
        found.append(f'<row r="{row}">{line}</row>')
    return "".join(found)


def _cell(address, value, stored):
    if isinstance(value, str) and value.startswith("<"):
        return f'<c r="{address}">{value}</c>'
    if isinstance(value, str) and value.startswith("="):
        kept = f"<v>{stored[address]!r}</v>" if address in stored else ""
        return f'<c r="{address}"><f>{escape(value[1:])}</f>{kept}</c>'
    if isinstance(value, str):
        return f'<c r="{address}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{address}"><v>{value!r}</v></c>'


def verdicts(grade):
    """Return the verdicts by address."""
    assert not grade.problem, grade.problem
    return {v.cell.address: v for v in grade.verdicts}


REFERENCE = re.compile(r"(?<![A-Za-z$])\$?([A-Z]{1,2})\$?(\d+)(?![\d(])")

HIDDEN = ("logistic", "tanh", "relu", "leaky_relu", "identity")
OUTPUTS = {
    "half_squared_error": ("logistic", "tanh", "relu", "leaky_relu", "identity"),
    "squared_error": ("logistic", "tanh", "identity"),
    "mean_squared_error": ("logistic", "tanh", "identity"),
    "binary_cross_entropy": ("logistic",),
    "categorical_cross_entropy": ("softmax",),
}


def random_case(rng, most=4, hidden=2):
    """Return a case with a random small network, of any kind that an assignment may have."""
    nodes = [rng.randint(1, most) for _ in range(2 + rng.randint(0, hidden))]
    loss = rng.choice(list(OUTPUTS))
    if loss == "categorical_cross_entropy":
        nodes[-1] = max(2, nodes[-1])
    layers = len(nodes) - 1
    activations = [rng.choice(HIDDEN) for _ in range(layers - 1)] + [rng.choice(OUTPUTS[loss])]
    samples = rng.choice((1, 1, 1, 2))

    def draw(reach=1.0):
        return rng.choice((-1, 1)) * rng.randint(11, 99) / 100 * reach

    def target():
        if loss == "categorical_cross_entropy":
            return tuple(1.0 if n == 0 else 0.0 for n in range(nodes[-1]))
        return tuple(rng.randint(1, 9) / 10 for _ in range(nodes[-1]))

    weights = tuple(
        tuple(tuple(draw() for _ in range(nodes[k + 1])) for _ in range(nodes[k]))
        for k in range(layers)
    )
    biases = rng.choice((None, tuple(tuple(draw() for _ in range(n)) for n in nodes[1:])))
    decay = rng.choice((0.0, 0.0, 0.25))
    return Case(
        id="random", title="Random",
        network=Network(tuple(nodes), tuple(activations), weights, biases),
        loss=loss,
        samples=tuple(Sample(tuple(draw() for _ in range(nodes[0])), target())
                      for _ in range(samples)),
        update="online" if samples == 1 else rng.choice(("batch_sum", "batch_mean")),
        learning_rate=rng.choice((0.5, 0.75, 0.25, 1.5)),
        optimizer=Optimizer(weight_decay=decay),
    )  # fmt: skip


def few_digits(case):
    """Tell whether every drawn number can be typed with at most four decimals."""
    network = case.network
    numbers = [
        *(w for layer in network.weights for row in layer for w in row),
        *(b for layer in network.biases or () for b in layer),
        *(v for sample in case.samples for v in (*sample.input, *sample.target)),
    ]
    return all(math.isclose(x * 10_000, round(x * 10_000), abs_tol=1e-9) for x in numbers)
